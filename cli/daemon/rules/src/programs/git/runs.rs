//! What `git` is told to run, beside what it does itself.
//!
//! What always holds: a subcommand that is not listed here may be an alias, or a program of anybody's
//! that is named `git-…`; both start what they like.

use crate::line::shell::Word;
use crate::line::words::{is_option, name_of};

/// Options in front of the subcommand with a value in the next word.
pub(crate) const VALUED: &[&str] = &[
    "-C",
    "-c",
    "--attr-source",
    "--config-env",
    "--exec-path",
    "--git-dir",
    "--namespace",
    "--work-tree",
];

/// Options in front of the subcommand that set nothing: neither what runs, nor whose settings count.
const PLAIN_OPTIONS: &[&str] = &[
    "-C",
    "-P",
    "-h",
    "-p",
    "-v",
    "--glob-pathspecs",
    "--help",
    "--icase-pathspecs",
    "--literal-pathspecs",
    "--no-advice",
    "--no-lazy-fetch",
    "--no-optional-locks",
    "--no-pager",
    "--no-replace-objects",
    "--noglob-pathspecs",
    "--paginate",
    "--version",
];

/// Subcommands that start nothing but what their options say; no alias takes their names.
const OWN: &[&str] = &[
    "add",
    "am",
    "annotate",
    "apply",
    "archive",
    "bisect",
    "blame",
    "branch",
    "bundle",
    "cat-file",
    "check-attr",
    "check-ignore",
    "check-mailmap",
    "check-ref-format",
    "checkout",
    "checkout-index",
    "cherry",
    "cherry-pick",
    "clean",
    "clone",
    "column",
    "commit",
    "commit-graph",
    "commit-tree",
    "config",
    "count-objects",
    "describe",
    "diff",
    "diff-files",
    "diff-index",
    "diff-tree",
    "fetch",
    "fmt-merge-msg",
    "for-each-ref",
    "format-patch",
    "fsck",
    "gc",
    "grep",
    "hash-object",
    "help",
    "init",
    "interpret-trailers",
    "log",
    "ls-files",
    "ls-remote",
    "ls-tree",
    "mailinfo",
    "merge",
    "merge-base",
    "merge-file",
    "merge-tree",
    "mktree",
    "mv",
    "name-rev",
    "notes",
    "pack-refs",
    "patch-id",
    "prune",
    "pull",
    "push",
    "range-diff",
    "read-tree",
    "rebase",
    "reflog",
    "remote",
    "repack",
    "replace",
    "rerere",
    "reset",
    "restore",
    "rev-list",
    "rev-parse",
    "revert",
    "rm",
    "shortlog",
    "show",
    "show-branch",
    "show-ref",
    "sparse-checkout",
    "stash",
    "status",
    "stripspace",
    "submodule",
    "switch",
    "symbolic-ref",
    "tag",
    "unpack-objects",
    "update-index",
    "update-ref",
    "var",
    "verify-commit",
    "verify-pack",
    "verify-tag",
    "version",
    "whatchanged",
    "worktree",
    "write-tree",
];

/// Options, or words, by which it runs what it is told to; behind a subcommand, where one is named.
const CODE: &[(&str, &[&str])] = &[
    ("", &["--config-env", "--exec-path", "--ext-diff", "--extcmd", "--textconv"]),
    ("", &["--open-files-in-pager", "--receive-pack", "--upload-pack"]),
    ("archive", &["--exec"]),
    ("merge", &["-s", "--strategy"]),
    ("pull", &["-s", "--strategy"]),
    ("rebase", &["-s", "--strategy"]),
    ("cherry-pick", &["--strategy"]),
    ("clone", &["-c", "-u", "--config", "--template"]),
    ("grep", &["-O"]),
    ("init", &["--template"]),
    ("ls-remote", &["--exec"]),
    ("push", &["--exec"]),
    ("rebase", &["-x", "--exec"]),
    ("revert", &["--strategy"]),
    ("submodule", &["foreach"]),
];

/// Words behind `git bisect` that start nothing.
const BISECT: &[&str] =
    &["bad", "good", "log", "new", "next", "old", "reset", "skip", "start", "terms"];

/// Subcommands that are told where to fetch from or push to.
const REMOTE: &[&str] =
    &["archive", "clone", "fetch", "ls-remote", "pull", "push", "remote", "submodule"];

/// Words of `git config` that only show.
const SHOWING: &[&str] = &["--get", "--get-all", "--get-regexp", "--list", "-l", "get", "list"];

/// Words of it that say where and how, with no value of their own.
const WAYS: &[&str] =
    &["--add", "--global", "--local", "--replace-all", "--unset", "--worktree", "set", "unset"];

/// How settings begin that name no program.
const PLAIN: &[&str] = &["color.", "push.default", "user."];

/// Those of a branch that name neither a program nor where it is fetched from.
const BRANCHES: &[&str] = &["autosetupmerge", "autosetuprebase", "description", "merge", "sort"];

/// Words of `git config` by which the settings are not those of the repository.
const ELSEWHERE: &[&str] = &["--global", "--system"];

/// The place of the subcommand behind the options that set nothing.
pub(crate) fn subcommand(words: &[Word]) -> Option<usize> {
    (name_of(words) == "git").then_some(())?;
    let mut at = 1;
    while let Some(option) = words.get(at).filter(|word| word.text.starts_with('-')) {
        at += if VALUED.contains(&option.text.as_str()) { 2 } else { 1 };
    }
    words.get(at).map(|_| at)
}

/// The words without one in front of the subcommand by which it starts no pager.
pub(crate) fn unpaged(words: &[Word]) -> Option<Vec<Word>> {
    let second = words.get(1).filter(|_| name_of(words) == "git")?;
    let is_one = second.is_literal && matches!(second.text.as_str(), "-P" | "--no-pager");
    is_one.then(|| [&words[..1], &words[2..]].concat())
}

/// Why what it starts is found only in its arguments, if it is; what stands among the first `known`
/// words is not looked at.
pub(crate) fn code(words: &[Word], known: usize) -> Option<String> {
    let text = |at: usize| words.get(at).map(|word| word.text.as_str());
    let mut at = 1;
    while let Some(option) = text(at).filter(|text| text.starts_with('-')) {
        if at >= known && !PLAIN_OPTIONS.contains(&option) {
            return Some(format!("`git {option}` may set what it runs"));
        }
        at += if VALUED.contains(&option) { 2 } else { 1 };
    }
    let subcommand = words.get(at)?;
    let name = subcommand.text.as_str();
    if at >= known && !(subcommand.is_literal && OWN.contains(&name)) {
        return Some(format!("`git {name}` may be an alias, and start anything"));
    }
    let beyond = words.get(known..).unwrap_or_default();
    for (behind, options) in CODE.iter().filter(|(behind, _)| behind.is_empty() || *behind == name)
    {
        let has = |option: &&&str| beyond.iter().any(|word| is_option(&word.text, option));
        if let Some(option) = options.iter().find(has) {
            let behind = if behind.is_empty() { "" } else { " " }.to_owned() + behind;
            return Some(format!("`git{behind} {option}` runs what it is told"));
        }
    }
    if name == "bisect"
        && let Some(verb) = words.get(at + 1).filter(|_| at + 1 >= known)
        && !(verb.is_literal && BISECT.contains(&verb.text.as_str()))
    {
        return Some(format!("`git bisect {}` may run what it is told", verb.text));
    }
    let has_helper = |word: &&Word| {
        let value = word.text.split_once('=').map(|(_, value)| value);
        is_helped(&word.text) || value.is_some_and(is_helped)
    };
    if REMOTE.contains(&name)
        && let Some(helped) = beyond.iter().find(has_helper)
    {
        return Some(format!("a helper of git's fetches {}", helped.text));
    }
    if name == "config" && sets(words, at + 1, known) {
        return Some("`git config` may set what it runs".to_owned());
    }
    None
}

/// Whether `git config`, with its own words from `at` on, sets what may name a program, beyond a key that
/// is known.
fn sets(words: &[Word], at: usize, known: usize) -> bool {
    let mut given = words.iter().enumerate().skip(at).peekable();
    if given.peek().is_none_or(|(_, first)| SHOWING.contains(&first.text.as_str())) {
        return false;
    }
    let is_way = |word: &Word| word.is_literal && WAYS.contains(&word.text.as_str());
    while given.next_if(|(_, word)| is_way(word)).is_some() {}
    let Some((key, word)) = given.next() else { return false };
    let is_plain = word.is_literal && is_plain(&word.text);
    // Alone it is only shown.
    let is_shown = key == at && given.next().is_none() && !word.text.starts_with('-');
    key >= known && !is_plain && !is_shown
}

/// Whether a setting names no program.
fn is_plain(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let of_branch = key.strip_prefix("branch.").map(|rest| rest.rsplit('.').next().unwrap_or(rest));
    match of_branch {
        Some(last) => BRANCHES.contains(&last),
        None => PLAIN.iter().any(|start| key.starts_with(start)),
    }
}

/// The word, beyond the first `known`, by which `git config` is of other settings than the repository's:
/// those of the home, or of all.
pub(crate) fn settings_elsewhere(words: &[Word], known: usize) -> Option<&str> {
    let at = subcommand(words).filter(|at| words[*at].text == "config")?;
    let mut beyond = words.iter().enumerate().skip((at + 1).max(known));
    let is_one = |word: &Word| ELSEWHERE.iter().any(|option| is_option(&word.text, option));
    beyond.find(|(_, word)| is_one(word)).map(|(_, word)| word.text.as_str())
}

/// Whether an address is fetched by a program that it names: `ext::…`.
fn is_helped(address: &str) -> bool {
    let helper = address.split_once("::").map(|(helper, _)| helper);
    helper.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_told_to_run_is_found_beyond_what_is_known() {
        let says = |text: &str, known| {
            let words: Vec<Word> = text.split(' ').map(Word::plain).collect();
            code(&words, known).is_some()
        };
        for text in [
            "git -c core.pager=x log",
            "git -ccore.pager=x log",
            "git p",
            "git send-pack origin",
            "git subtree push",
            "git filter-branch x",
            "git clone -c core.sshCommand=x a b",
            "git clone ext::sh a",
            "git config alias.p push",
            "git config --global core.pager x",
            "git config --edit",
            "git config branch.main.mergeoptions -s",
            "git config --global --add branch.main.mergeOptions x",
            "git config branch.main.remote ext::x",
            "git config branch.main.pushRemote x",
            "git submodule foreach x",
            "git -C . rebase -x y main",
            "git push --exec=x",
        ] {
            assert!(says(text, 1), "{text}");
        }
        for text in [
            "git",
            "git --no-pager log -p -c",
            "git -C . status",
            "git log -S std::vec",
            "git config user.name me",
            "git config branch.main.description x",
            "git config branch.a.b.merge refs/heads/a",
            "git config branch.autoSetupMerge always",
            "git config branch.main.remote",
            "git config --get core.pager",
            "git config core.pager",
            "git commit -m ext::x",
        ] {
            assert!(!says(text, 1), "{text}");
        }
        for (text, known) in [
            ("git -c core.pager=less log -c", 3),
            ("git lfs pull", 2),
            ("git submodule foreach x", 3),
            ("git config core.pager less", 3),
        ] {
            assert!(!says(text, known), "{text}");
        }
        assert!(says("git -c core.pager=less -c core.pager=evil log", 3));
    }
}
