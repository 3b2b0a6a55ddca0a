//! Whether a command is the one that a rule names.
//!
//! What always holds: rather too many are than too few. What is only perhaps so is said to be perhaps so, and a
//! human decides it.

use crate::line::shell::Word;
use crate::line::words::{file_name, is_option, name_of, unified, unversioned};
use crate::programs::git::{self, twins::Twins};

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sure {
    /// It is not.
    No,
    /// It may be.
    Perhaps,
    /// It is.
    Yes,
}

/// Options in front of a subcommand with a value in the next word.
const VALUED: &[(&str, &[&str])] = &[
    ("cargo", &["-C", "-Z", "--color", "--config", "--explain"]),
    ("docker", &["-H", "-c", "-l", "--config", "--context", "--host", "--log-level"]),
    ("git", git::VALUED),
    (
        "kubectl",
        &[
            "-n",
            "-s",
            "--as",
            "--cluster",
            "--context",
            "--kubeconfig",
            "--namespace",
            "--server",
            "--token",
            "--user",
        ],
    ),
];

/// `python3 -m pip install` is `pip install`.
pub(crate) fn module(words: &[Word]) -> Option<Vec<Word>> {
    if !matches!(unversioned(name_of(words)), "pypy" | "python") {
        return None;
    }
    let mut at = 1;
    loop {
        let text = words.get(at)?.text.as_str();
        let letters = text.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
        if let Some((_, name)) = letters.split_once('m') {
            let mut found = match name {
                "" => Vec::new(),
                name => vec![Word { text: name.to_owned(), is_literal: words[at].is_literal }],
            };
            found.extend_from_slice(&words[at + 1..]);
            return Some(found);
        }
        at += if matches!(letters, "W" | "X") { 2 } else { 1 };
    }
}

/// Whether a command is one that begins with those words: wherever its program lies, whatever options
/// stand before and between them, in whatever order options come.
pub(crate) fn begins(words: &[Word], rule: &[&str]) -> Sure {
    let (Some((first, more)), Some((program, given))) = (rule.split_first(), words.split_first())
    else {
        return Sure::No;
    };
    if file_name(&program.text).starts_with("git-") && *first == "git" {
        return begins(&unified(words), rule);
    }
    let own = file_name(&program.text);
    if program.text != *first && own != *first && unversioned(own) != unversioned(first) {
        return module(words).map_or(Sure::No, |words| begins(&words, rule));
    }
    let twins = more.first().filter(|_| own == "git").and_then(|subcommand| Twins::of(subcommand));
    follows(given, more, valued(file_name(first)), twins)
}

/// Subcommands of programs that know them by other names, too: shortened, or as somebody set them up. One of
/// these is itself.
const SUBCOMMANDS: &[(&[&str], &[&str])] = &[
    (
        &["cargo"],
        &[
            "add",
            "bench",
            "build",
            "check",
            "clean",
            "clippy",
            "config",
            "doc",
            "fetch",
            "fix",
            "fmt",
            "help",
            "info",
            "init",
            "install",
            "locate-project",
            "login",
            "logout",
            "metadata",
            "new",
            "nextest",
            "owner",
            "package",
            "pkgid",
            "publish",
            "remove",
            "report",
            "run",
            "rustc",
            "rustdoc",
            "search",
            "test",
            "tree",
            "uninstall",
            "update",
            "vendor",
            "version",
            "yank",
        ],
    ),
    (
        &["npm", "pnpm", "yarn"],
        &[
            "audit",
            "bin",
            "cache",
            "ci",
            "config",
            "dedupe",
            "deprecate",
            "diff",
            "dist-tag",
            "docs",
            "doctor",
            "exec",
            "explain",
            "explore",
            "fund",
            "get",
            "help",
            "init",
            "install",
            "link",
            "list",
            "login",
            "logout",
            "ls",
            "org",
            "outdated",
            "owner",
            "pack",
            "ping",
            "pkg",
            "prefix",
            "profile",
            "prune",
            "publish",
            "query",
            "rebuild",
            "repo",
            "root",
            "run",
            "sbom",
            "search",
            "set",
            "start",
            "stop",
            "team",
            "test",
            "token",
            "uninstall",
            "unpublish",
            "update",
            "version",
            "view",
            "whoami",
        ],
    ),
];

/// Whether a command's subcommand may be another name for that of a rule.
pub(crate) fn may_mean(words: &[Word], rule: &[&str]) -> bool {
    let (name, [first, next, ..]) = (name_of(words), rule) else { return false };
    let Some((_, own)) = SUBCOMMANDS.iter().find(|(names, _)| names.contains(&name)) else {
        return false;
    };
    let subcommand = words[1..].iter().find(|word| !word.text.starts_with(['-', '+']));
    file_name(first) == name
        && !next.starts_with('-')
        && subcommand.is_some_and(|word| !own.contains(&word.text.as_str()))
}

fn valued(program: &str) -> &'static [&'static str] {
    VALUED.iter().find(|(name, _)| *name == program).map_or(&[], |(_, options)| options)
}

fn follows(given: &[Word], rule: &[&str], valued: &[&str], twins: Option<&Twins>) -> Sure {
    let Some((next, more)) = rule.split_first() else { return Sure::Yes };
    if next.starts_with('-') {
        let has = given.iter().any(|word| word.is_literal && is_option(&word.text, next))
            || is_cluster(given, next)
            || twins.is_some_and(|twins| twins.are_given(given, next));
        return match has {
            true => follows(given, more, valued, twins),
            false if given.iter().any(|word| !word.is_literal) => Sure::Perhaps,
            false => Sure::No,
        };
    }
    let Some((word, rest)) = given.split_first() else { return Sure::No };
    let text = word.text.as_str();
    if !word.is_literal {
        return Sure::Perhaps;
    }
    if text == *next {
        return follows(rest, more, valued, twins);
    }
    if !text.starts_with(['-', '+']) {
        return Sure::No;
    }
    // An option, perhaps with a value in the next word.
    let behind = rest.get(1..).unwrap_or_default();
    match valued.contains(&text) {
        true => follows(behind, rule, valued, twins),
        false if text.contains('=') => follows(rest, rule, valued, twins),
        false => follows(rest, rule, valued, twins)
            .max(follows(behind, rule, valued, twins).min(Sure::Perhaps)),
    }
}

/// As many letters behind one dash may each be an option; more are a word.
const LETTERS_MAX: usize = 3;

/// Whether the letters of `-rf` are all there, in one word or several.
fn is_cluster(given: &[Word], option: &str) -> bool {
    let letters = option.trim_start_matches('-');
    let is_short = option.starts_with('-')
        && !option.starts_with("--")
        && (2..=LETTERS_MAX).contains(&letters.len());
    let has = |letter: char| {
        let short = given.iter().filter_map(|word| word.text.strip_prefix('-'));
        short.filter(|word| !word.starts_with('-')).any(|word| word.contains(letter))
    };
    is_short && letters.chars().all(has)
}

/// Whether a command whose program starts others, or is not known at all, may start one that begins with
/// those words somewhere among its arguments.
pub(crate) fn may_carry(words: &[Word], rule: &[&str]) -> bool {
    let Some(first) = rule.first().map(|first| file_name(first)) else { return false };
    let is_part = |c: char| c.is_alphanumeric() || "_-./+".contains(c);
    let names = |text: &str| {
        let mut tokens = text.split(|c: char| !is_part(c));
        text.contains(|c: char| !is_part(c)) && tokens.any(|token| file_name(token) == first)
    };
    (1..words.len()).any(|at| begins(&words[at..], rule) > Sure::No || names(&words[at].text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(Word::plain).collect()
    }

    #[test]
    fn a_rule_is_found_behind_options() {
        for (text, rule, sure) in [
            ("git push", &["git", "push"][..], Sure::Yes),
            ("/usr/bin/git -C . push origin", &["git", "push"], Sure::Yes),
            ("git --no-pager push", &["git", "push"], Sure::Yes),
            ("git -c a=b --git-dir=x push", &["git", "push"], Sure::Yes),
            ("git -C push status", &["git", "push"], Sure::No),
            ("git log push", &["git", "push"], Sure::No),
            ("cargo +nightly publish", &["cargo", "publish"], Sure::Yes),
            ("npm --silent publish", &["npm", "publish"], Sure::Yes),
            ("npm --prefix x publish", &["npm", "publish"], Sure::Perhaps),
            ("docker -H x rm y", &["docker", "rm"], Sure::Yes),
            ("kubectl -n x delete y", &["kubectl", "delete"], Sure::Yes),
            ("git push origin --force", &["git", "push", "--force"], Sure::Yes),
            ("git push --forc", &["git", "push", "--force"], Sure::Yes),
            ("git push -uf origin", &["git", "push", "--force"], Sure::Yes),
            ("git push origin +main", &["git", "push", "--force"], Sure::Yes),
            ("git commit -an", &["git", "commit", "--no-verify"], Sure::Yes),
            ("git commit -mnone", &["git", "commit", "--no-verify"], Sure::No),
            ("git clean --force -d", &["git", "clean", "-fd"], Sure::Yes),
            ("git clean -n", &["git", "clean", "-fd"], Sure::No),
            ("rm -r -f x", &["rm", "-rf"], Sure::Yes),
            ("rm -vfr x", &["rm", "-rf"], Sure::Yes),
            ("rm -r x", &["rm", "-rf"], Sure::No),
            ("git", &["git", "push"], Sure::No),
        ] {
            assert_eq!(begins(&words(text), rule), sure, "{text}");
        }
        let mut pattern = words("git pu*");
        pattern[1].is_literal = false;
        assert_eq!(begins(&pattern, &["git", "push"]), Sure::Perhaps);
        assert!(may_carry(&words("docker exec c rm x"), &["rm"]));
        assert!(!may_carry(&words("docker exec c rmdir x"), &["rm"]));
    }
}
