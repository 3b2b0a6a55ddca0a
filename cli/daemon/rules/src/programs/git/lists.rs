//! Subcommands of `git` that list, or change, by what stands behind them.
//!
//! What always holds: one lists only if each word behind it is known to leave it listing.

use crate::line::options::Options;
use crate::line::shell::Word;
use crate::line::words::{may_be_option, unified};
use crate::programs::git::subcommand;
use crate::programs::told::code;

/// A subcommand that lists if nothing behind it says otherwise.
struct Listing {
    subcommand: &'static str,
    options: Options,
    /// How options begin that carry their value themselves.
    starts: &'static [&'static str],
    /// The options behind which other words are patterns, or what is looked for; without one they are what
    /// is made.
    seeking: &'static [&'static str],
    /// Its own words that list, each with names behind.
    verbs: &'static [&'static str],
}

const LISTINGS: &[Listing] = &[
    Listing {
        subcommand: "branch",
        options: Options {
            flags: &[
                "-a",
                "-i",
                "-l",
                "-q",
                "-r",
                "-v",
                "--all",
                "--color",
                "--column",
                "--contains",
                "--ignore-case",
                "--list",
                "--merged",
                "--no-abbrev",
                "--no-color",
                "--no-column",
                "--no-contains",
                "--no-merged",
                "--omit-empty",
                "--remotes",
                "--show-current",
                "--verbose",
            ],
            valued: &["--format", "--points-at", "--sort"],
        },
        starts: &[
            "--abbrev=",
            "--color=",
            "--column=",
            "--contains=",
            "--merged=",
            "--no-contains=",
            "--no-merged=",
        ],
        seeking: &[
            "-l",
            "--contains",
            "--list",
            "--merged",
            "--no-contains",
            "--no-merged",
            "--points-at",
        ],
        verbs: &[],
    },
    Listing {
        subcommand: "remote",
        options: Options { flags: &["-v", "--verbose"], valued: &[] },
        starts: &[],
        seeking: &[],
        verbs: &["get-url", "show"],
    },
    Listing {
        subcommand: "tag",
        options: Options {
            flags: &[
                "-i",
                "-l",
                "-n",
                "--color",
                "--column",
                "--contains",
                "--ignore-case",
                "--list",
                "--merged",
                "--no-color",
                "--no-column",
                "--no-contains",
                "--no-merged",
                "--omit-empty",
            ],
            valued: &["--format", "--points-at", "--sort"],
        },
        starts: &[
            "-n",
            "--color=",
            "--column=",
            "--contains=",
            "--merged=",
            "--no-contains=",
            "--no-merged=",
        ],
        seeking: &[
            "-l",
            "-n",
            "--contains",
            "--list",
            "--merged",
            "--no-contains",
            "--no-merged",
            "--points-at",
        ],
        verbs: &[],
    },
];

impl Listing {
    /// Whether it only lists with these words behind it.
    fn only_lists(&self, given: &[Word]) -> bool {
        let is_option = |word: &Word| word.text.starts_with('-');
        if let Some((verb, names)) = given.split_first()
            && verb.is_literal
            && self.verbs.contains(&verb.text.as_str())
        {
            let is_known = |word: &Word| matches!(word.text.as_str(), "-n" | "--all" | "--push");
            return names.iter().all(|word| !may_be_option(word))
                && names.iter().filter(|word| is_option(word)).all(is_known);
        }
        let (mut seeks, mut is_named, mut at) = (false, false, 0);
        while let Some(word) = given.get(at) {
            at += 1;
            if may_be_option(word) {
                return false;
            }
            if !is_option(word) {
                is_named = true;
                continue;
            }
            match self.length(&word.text) {
                Some(1) => {}
                Some(_) if given.get(at).is_some_and(|value| value.is_literal) => at += 1,
                _ => return false,
            }
            seeks |= self.seeks(&word.text);
        }
        seeks || !is_named
    }

    /// How many words an option takes that leaves it listing.
    fn length(&self, option: &str) -> Option<usize> {
        let starts = self.starts.iter().any(|start| option.starts_with(start));
        self.options.length(option).or(starts.then_some(1))
    }

    fn seeks(&self, option: &str) -> bool {
        let name = option.split('=').next().unwrap_or(option);
        let letters = option.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        let is_among = |seeking: &str| {
            seeking.len() == 2 && letters.is_some_and(|letters| letters.contains(&seeking[1..]))
        };
        self.seeking.iter().any(|seeking| *seeking == name || is_among(seeking))
    }
}

/// Whether a command is `git` with a subcommand that may write, and only lists.
pub(crate) fn lists(words: &[Word]) -> bool {
    let words = &unified(words)[..];
    let found = listing(words);
    found.is_some_and(|(listing, at)| listing.only_lists(&words[at + 1..]))
        && code(words, 1).is_none()
}

/// Why a command does more than list, whose first `known` words, which are the user's own, say that it lists.
/// A subcommand alone does not say so.
pub(crate) fn more_than_lists(words: &[Word], known: usize) -> Option<String> {
    let unified = &unified(words)[..];
    let known = (known + unified.len()).saturating_sub(words.len());
    let (listing, at) = listing(unified)?;
    let own = unified.get(at + 1..known).filter(|own| !own.is_empty())?;
    let is_more = listing.only_lists(own) && !listing.only_lists(&unified[at + 1..]);
    is_more.then(|| {
        let own: Vec<&str> = own.iter().map(|word| word.text.as_str()).collect();
        format!("`git {} {}` only lists, and this may change", listing.subcommand, own.join(" "))
    })
}

fn listing(words: &[Word]) -> Option<(&'static Listing, usize)> {
    let at = subcommand(words)?;
    let name = words[at].text.as_str();
    Some((LISTINGS.iter().find(|listing| listing.subcommand == name)?, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        let word = |text: &str| match text.strip_prefix('?') {
            Some(text) => Word { text: text.to_owned(), is_literal: false },
            None => Word::plain(text),
        };
        text.split(' ').map(word).collect()
    }

    #[test]
    fn what_lists_is_told_by_all_its_words() {
        for text in [
            "git branch",
            "git branch -avv",
            "git branch --list ?feat*",
            "git branch -r --sort=x --format %(refname)",
            "git branch --contains HEAD",
            "git branch --show-current",
            "git -C sub --no-pager branch -v",
            "git-branch -a",
            "git remote",
            "git remote -v",
            "git remote get-url --push origin",
            "git tag",
            "git tag -l v1",
            "git tag -n5 v1",
            "git tag --sort -x",
        ] {
            assert!(lists(&words(text)), "{text}");
        }
        for text in [
            "git branch new",
            "git branch -v new",
            "git branch -vv -f main HEAD~5",
            "git branch -v -m b9",
            "git branch -a -D x",
            "git branch --list -D x",
            "git branch --list ?{-D,x}",
            "git branch --sort ?{a,-D} main",
            "git branch --lis x",
            "git remote -v set-url origin x",
            "git remote -v add o x",
            "git remote remove o",
            "git remote get-url ?*",
            "git tag v1",
            "git tag -d v1",
            "git tag -v v1",
            "git -c a=b branch",
            "git log",
        ] {
            assert!(!lists(&words(text)), "{text}");
        }
    }

    #[test]
    fn who_says_that_it_lists_means_no_change() {
        let more = |text: &str, known| more_than_lists(&words(text), known).is_some();
        assert!(more("git remote -v add o x", 3));
        assert!(more("git branch -vv -f main HEAD~5", 3));
        assert!(more("git-branch -vv -D main", 2));
        assert!(!more("git branch -vv --sort=x", 3));
        assert!(!more("git branch new", 2), "a subcommand alone is no list");
        assert!(!more("git branch -D new", 3));
        assert!(!more("git log -p", 3));
    }
}
