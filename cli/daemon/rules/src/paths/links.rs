//! Where a path leads, as the kernel walks it.
//!
//! What always holds: part by part, links followed before the `..` behind them is. What cannot be told
//! for sure is `None`: too many links, a folder that nobody may look into, `..` behind what is not there.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Leads to the place that a path really is at, whatever links lie on the way; `None` where that is not
/// sure. The path is as it was given, `..` and all.
pub type Real<'s> = &'s dyn Fn(&Path) -> Option<PathBuf>;

/// The kernel follows as many.
const LINKS_MAX: usize = 40;

/// What is at a path's end, not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A link, and what it says.
    Link(PathBuf),
    /// Something else.
    Plain,
    /// Nothing.
    Missing,
    /// Nobody can tell.
    Hidden,
}

/// Where `path`, a whole one, leads; `look` tells what is at a path whose folder has no links in it.
/// Below what is missing nothing is followed.
pub fn followed(path: &Path, look: &dyn Fn(&Path) -> Found) -> Option<PathBuf> {
    if !path.is_absolute() {
        return None;
    }
    let mut left = parts(path);
    let (mut at, mut links, mut is_missing) = (PathBuf::from("/"), 0, false);
    while let Some(part) = left.pop() {
        if part == ".." {
            // What is missing now may be a link by then.
            if is_missing {
                return None;
            }
            at.pop();
            continue;
        }
        at.push(part);
        // Links of processes lead elsewhere for each that looks.
        if at.starts_with("/proc") {
            return None;
        }
        if is_missing {
            continue;
        }
        match look(&at) {
            Found::Plain => {}
            Found::Missing => is_missing = true,
            Found::Hidden => return None,
            Found::Link(to) => {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                match to.is_absolute() {
                    true => at = PathBuf::from("/"),
                    false => drop(at.pop()),
                }
                left.extend(parts(&to));
            }
        }
    }
    Some(at)
}

/// The names on a path, the last first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = path.components().filter(|part| !matches!(part, Component::RootDir));
    named.rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_before_what_stands_behind_them() {
        let look = |path: &Path| match path.to_str().unwrap() {
            "/ws/link" => Found::Link("/etc".into()),
            "/ws/up" => Found::Link("../ws/./link".into()),
            "/ws/loop" => Found::Link("loop".into()),
            "/ws/new" => Found::Missing,
            "/root/x" => Found::Hidden,
            _ => Found::Plain,
        };
        let leads = |path: &str| followed(Path::new(path), &look);
        for (path, to) in [
            ("/ws/a/../b", "/ws/b"),
            ("/ws/link/../zz", "/zz"),
            ("/ws/link/shadow", "/etc/shadow"),
            ("/ws/up/x", "/etc/x"),
            ("/ws/new/x", "/ws/new/x"),
            ("/../x", "/x"),
        ] {
            assert_eq!(leads(path).as_deref(), Some(Path::new(to)), "{path}");
        }
        for unsure in ["/ws/loop", "/ws/new/../x", "/root/x", "/root/x/y", "/proc/self/cwd", "ws"] {
            assert_eq!(leads(unsure), None, "{unsure}");
        }
    }
}
