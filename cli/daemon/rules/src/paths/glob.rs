//! Patterns of paths.
//!
//! What always holds: a pattern covers what it matches and all below that; `*` stays in one folder,
//! `**` crosses them, and with it behind a
//! folder the folder itself is meant, too. Only whole, normal paths are compared.

use globset::{GlobBuilder, GlobMatcher};
use serde::{Serialize, Serializer};
use std::path::{Component, Path, PathBuf};

/// A pattern of paths.
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    matcher: Option<GlobMatcher>,
}

impl PartialEq for Glob {
    fn eq(&self, other: &Glob) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Glob {
    /// A pattern, from the root or from the folder of the session that asks.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(text: &str) -> Result<Glob, String> {
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        let whole = match text.trim_end_matches('/') {
            "" => "/",
            whole => whole,
        };
        // What is below is covered anyway; the folder itself is meant, too.
        let whole = match whole.strip_suffix("/**") {
            Some("") => "/",
            Some(folder) => folder,
            None => whole,
        };
        let whole = whole.strip_prefix("./").unwrap_or(whole);
        if whole == "." {
            return Ok(Glob { text: text.to_owned(), matcher: None });
        }
        if Path::new(whole).components().any(|part| part == Component::ParentDir) {
            return Err(format!("{text:?} has `..` in it"));
        }
        if let Some(sign) = unexpanded(text) {
            return Err(format!(
                "nothing makes a folder of `{sign}` in {text:?}, and it would cover nothing"
            ));
        }
        let built = GlobBuilder::new(whole).literal_separator(true).backslash_escape(true).build();
        let glob = built.map_err(|error| format!("{text:?} is no pattern: {}", error.kind()))?;
        Ok(Glob { text: text.to_owned(), matcher: Some(glob.compile_matcher()) })
    }

    /// The pattern that covers exactly this path and what is below.
    pub fn of_path(path: &Path) -> Result<Glob, String> {
        let path = path.to_string_lossy();
        let escaped = |part: &str| globset::escape(part).replace("/$", "/[$]");
        let parts: Vec<String> = path.split('\\').map(escaped).collect();
        Glob::new(&parts.join("\\\\"))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it counts from the root, or from anywhere.
    fn is_whole(&self) -> bool {
        self.text.starts_with('/') || self.text.starts_with("**")
    }

    /// What it is compared with: `path`, or what of it is below `base`.
    pub(crate) fn compared<'p>(&self, path: &'p Path, base: Option<&Path>) -> Option<&'p Path> {
        match self.is_whole() {
            true => Some(path),
            false => path.strip_prefix(normal(base?)).ok(),
        }
    }

    /// Whether one of its parts is that name, in whatever case.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.text.split('/').any(|part| part.eq_ignore_ascii_case(name))
    }

    /// Whether it covers `path`, a whole one; a pattern that is not from the root counts from `base`.
    pub fn covers(&self, path: &Path, base: Option<&Path>) -> bool {
        let path = normal(path);
        if !path.is_absolute() {
            return false;
        }
        let Some(compared) = self.compared(&path, base) else { return false };
        match &self.matcher {
            None => true,
            Some(matcher) => compared
                .ancestors()
                .any(|above| !above.as_os_str().is_empty() && matcher.is_match(above)),
        }
    }
}

/// What a shell would make a folder of, and nobody else does: a leading `~`, a `$NAME`. Who means a name that
/// begins so writes `./~` and `[$]`.
fn unexpanded(text: &str) -> Option<&str> {
    if text.starts_with('~') {
        return text.split('/').next();
    }
    text.split('/').find(|part| {
        let name = part.strip_prefix('$');
        name.is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic() || "_{(".contains(c)))
    })
}

/// A path without `.` and `..`, by its words alone.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(glob: &str, path: &str) -> bool {
        Glob::new(glob).unwrap().covers(Path::new(path), Some(Path::new("/repo")))
    }

    #[test]
    fn a_pattern_covers_what_it_matches_and_all_below() {
        for (glob, path) in [
            ("/repo", "/repo"),
            ("/repo/", "/repo/a/b"),
            ("/", "/etc"),
            ("/repo/src/*.rs", "/repo/src/a.rs"),
            ("/repo/**/target", "/repo/a/target/debug"),
            ("**/target", "/x/target"),
            ("src", "/repo/src/a.rs"),
            ("./src", "/repo/src"),
            (".", "/repo/x"),
            ("*.md", "/repo/a.md"),
            ("/repo/**", "/repo"),
            ("/repo/**/", "/repo/a/b"),
            ("/**", "/etc"),
            ("./~x", "/repo/~x"),
            ("/a/[$]b/x$y~", "/a/$b/x$y~"),
            ("src/**", "/repo/src"),
            ("./**", "/repo"),
        ] {
            assert!(covers(glob, path), "{glob} {path}");
        }
        for (glob, path) in [
            ("/repo", "/repository"),
            ("/repo/**", "/repository"),
            ("./**", "/other"),
            ("/repo", "/repo/../etc/passwd"),
            ("/repo/src/*.rs", "/repo/src/a/b.rs"),
            ("src", "/other/src"),
            (".", "/other"),
            ("*.md", "/repo/a/b.md"),
            ("/repo", "repo"),
        ] {
            assert!(!covers(glob, path), "{glob} {path}");
        }
        for wrong in [
            "",
            "../x",
            "/a/../b",
            "/a/[",
            "{a",
            "~",
            "~/.ssh",
            "~me/x",
            "$HOME",
            "${HOME}/x",
            "/a/$B",
        ] {
            assert!(Glob::new(wrong).is_err(), "{wrong}");
        }
        let odd = Glob::of_path(Path::new("/re[p]o*")).unwrap();
        assert!(odd.covers(Path::new("/re[p]o*/a"), None));
        assert!(!odd.covers(Path::new("/repox"), None));
        let odd = Glob::of_path(Path::new("/$HOME/~")).unwrap();
        assert!(odd.covers(Path::new("/$HOME/~/x"), None));
        assert!(!Glob::new("src").unwrap().covers(Path::new("/repo/src"), None));
    }
}
