//! What `git` throws away: commits, branches, changes that stand nowhere else.
//!
//! What always holds: what stands here is a guess for who decides; what does not is not said to keep all.

use crate::line::shell::Word;
use crate::line::words::{is_option, unified};
use crate::programs::git::subcommand;

/// Options, or first words, by which a subcommand throws something away.
const LOSING: &[(&str, &[&str])] = &[
    ("branch", &["-D", "-M", "-d", "-f", "--delete", "--force"]),
    ("checkout", &["-B", "-f", "--", "--force", "--ours", "--pathspec-from-file", "--theirs"]),
    ("checkout-index", &["-f", "--force"]),
    ("gc", &["--prune"]),
    ("notes", &["prune", "remove"]),
    ("push", &["-d", "-f", "--delete", "--force", "--force-with-lease", "--mirror", "--prune"]),
    ("read-tree", &["-u", "--reset"]),
    ("reflog", &["delete", "expire"]),
    ("replace", &["-d", "-f", "--delete", "--force"]),
    ("reset", &["--hard", "--keep", "--merge"]),
    ("stash", &["clear", "drop"]),
    ("submodule", &["deinit"]),
    ("switch", &["-C", "-f", "--discard-changes", "--force", "--force-create"]),
    ("symbolic-ref", &["-d", "--delete"]),
    ("tag", &["-d", "-f", "--delete", "--force"]),
    ("update-ref", &["-d", "--stdin"]),
    ("worktree", &["prune", "remove"]),
];

/// By these `checkout` makes a branch, and a second name is where that begins.
const MAKING: &[&str] = &["-b", "-t", "--orphan", "--track"];

/// By what `git` throws something away.
pub(crate) fn losing(words: &[Word]) -> Option<String> {
    let words = &unified(words)[..];
    let at = subcommand(words)?;
    let (name, given) = (words[at].text.as_str(), &words[at + 1..]);
    let texts = || given.iter().map(|word| word.text.as_str());
    let losing = LOSING.iter().find(|(own, _)| *own == name).map_or(&[][..], |(_, losing)| losing);
    let is_one = |(at, text): &(usize, &str)| {
        losing.iter().any(|one| is_option(text, one) && (*at == 0 || one.starts_with('-')))
    };
    let by_option = texts().enumerate().find(is_one).map(|(_, text)| text);
    let mut plain = texts().filter(|text| !text.starts_with('-'));
    let by_name = || match name {
        // A remote branch in whose place nothing is put, or something else whatever it was.
        "push" => plain.find(|text| text.starts_with([':', '+'])),
        // Files are put back as they were: of a branch there is one name, and no folder.
        "checkout" if !texts().any(|text| MAKING.iter().any(|one| is_option(text, one))) => {
            let first = plain.next()?;
            let is_place = first == "." || first.ends_with('/') || first.contains('*');
            if is_place { Some(first) } else { plain.next() }
        }
        _ => None,
    };
    by_option.or_else(by_name).map(|how| format!("`git {name} {how}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thrown_away_is_told() {
        let told = |text: &str| {
            let words: Vec<Word> = text.split(' ').map(Word::plain).collect();
            losing(&words)
        };
        for text in [
            "git checkout .",
            "git checkout src/",
            "git checkout HEAD x",
            "git checkout -- x",
            "git checkout -f main",
            "git switch -f x",
            "git switch --discard-changes x",
            "git -C sub push origin :main",
            "git push origin +main",
            "git push --delete origin main",
            "git push --mirror",
            "git push --force-with-lease=main origin",
            "git update-ref -d HEAD",
            "git reflog expire --all",
            "git-stash drop",
            "git worktree remove x",
        ] {
            assert!(told(text).is_some(), "{text}");
        }
        for text in [
            "git checkout main",
            "git checkout -b new origin/main",
            "git switch -c new",
            "git push origin main",
            "git push origin main:main",
            "git reflog",
            "git stash push drop",
            "git log -d",
            "ls -f",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
