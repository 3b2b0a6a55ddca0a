//! Options of `git` that have more than one name.
//!
//! What always holds: two names stand here for one only where each does all that the other does. It is for
//! declining and asking: no accept goes by it.

use crate::line::shell::Word;

/// The names of a subcommand's options.
pub(crate) struct Twins {
    subcommand: &'static str,
    /// Letters, and what each of them is by long names.
    letters: &'static [(char, &'static [&'static str])],
    /// Letters that take the rest of their word for a value.
    valued: &'static str,
}

const fn of(
    subcommand: &'static str,
    letters: &'static [(char, &'static [&'static str])],
    valued: &'static str,
) -> Twins {
    Twins { subcommand, letters, valued }
}

const FORCE: (char, &[&str]) = ('f', &["--force"]);
const DELETE: (char, &[&str]) = ('d', &["--delete"]);

const TWINS: &[Twins] = &[
    of("add", &[FORCE, ('A', &["--all"]), ('u', &["--update"])], ""),
    of(
        "branch",
        &[
            FORCE,
            DELETE,
            ('C', &["--copy", "--force"]),
            ('D', &["--delete", "--force"]),
            ('M', &["--force", "--move"]),
            ('c', &["--copy"]),
            ('m', &["--move"]),
        ],
        "u",
    ),
    of("checkout", &[FORCE], "Bb"),
    of("clean", &[FORCE, ('i', &["--interactive"])], "e"),
    of("commit", &[('a', &["--all"]), ('n', &["--no-verify"])], "CFScmtu"),
    of("fetch", &[FORCE, ('P', &["--prune-tags"]), ('p', &["--prune"])], "jo"),
    of("mv", &[FORCE], ""),
    of("pull", &[FORCE, ('p', &["--prune"]), ('r', &["--rebase"])], "Xjos"),
    of("push", &[FORCE, DELETE, ('u', &["--set-upstream"])], "o"),
    of("replace", &[FORCE, DELETE], ""),
    of("rm", &[FORCE], ""),
    of("stash", &[('a', &["--all"]), ('u', &["--include-untracked"])], "m"),
    of("switch", &[FORCE, ('f', &["--discard-changes"]), ('C', &["--force-create"])], "Cc"),
    of("tag", &[FORCE, DELETE], "Fmnu"),
    of("worktree", &[FORCE], "Bb"),
];

impl Twins {
    /// Those of a subcommand.
    pub fn of(subcommand: &str) -> Option<&'static Twins> {
        TWINS.iter().find(|twins| twins.subcommand == subcommand)
    }

    /// Whether all that an option of a rule does is among what is given.
    pub fn are_given(&self, given: &[Word], option: &str) -> bool {
        let sure = given.iter().filter(|word| word.is_literal);
        let all: Vec<String> = sure.flat_map(|word| self.done(&word.text)).collect();
        let wished = self.done(option);
        !wished.is_empty() && wished.iter().all(|one| all.contains(one))
    }

    /// What a word does, by long names where there are any.
    fn done(&self, word: &str) -> Vec<String> {
        let long = |name: &&str| name.starts_with(word.split('=').next().unwrap_or(word));
        let named = self.letters.iter().flat_map(|(_, names)| *names);
        match word.strip_prefix('-') {
            Some(letters) if !letters.starts_with('-') => self.letters_done(letters),
            // A name alone, `--`, is none shortened.
            Some(letters) if letters.len() > 1 => {
                named.filter(|name| long(name)).map(|name| (*name).to_owned()).collect()
            }
            // A place in a remote, put there whatever it was, or in whose stead nothing is put.
            None if self.subcommand == "push" && word.starts_with('+') => {
                vec!["--force".to_owned()]
            }
            None if self.subcommand == "push" && word.starts_with(':') && word.len() > 1 => {
                vec!["--delete".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    fn letters_done(&self, letters: &str) -> Vec<String> {
        let mut done = Vec::new();
        for letter in letters.chars() {
            let names = self.letters.iter().filter(|(own, _)| *own == letter);
            let names: Vec<&str> = names.flat_map(|(_, names)| *names).copied().collect();
            match names.is_empty() {
                true => done.push(format!("-{letter}")),
                false => done.extend(names.into_iter().map(str::to_owned)),
            }
            if self.valued.contains(letter) {
                break;
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_known_by_its_other_names() {
        let has = |text: &str, option: &str| {
            let words: Vec<Word> = text.split(' ').map(Word::plain).collect();
            let [subcommand, given @ ..] = &words[..] else { panic!("{text}") };
            Twins::of(&subcommand.text).unwrap().are_given(given, option)
        };
        for (text, option) in [
            ("push -f", "--force"),
            ("push -uf", "--force"),
            ("push --force", "-f"),
            ("push --forc", "-f"),
            ("push origin +main", "--force"),
            ("push origin :main", "--delete"),
            ("commit -n", "--no-verify"),
            ("commit -anm x", "--no-verify"),
            ("commit --no-verify", "-n"),
            ("clean --force -d", "-fd"),
            ("clean -d -f", "-fd"),
            ("clean -xdf", "-fd"),
            ("branch --delete --force x", "-D"),
            ("branch -d -f x", "-D"),
            ("branch -D x", "--delete"),
        ] {
            assert!(has(text, option), "{text}: {option}");
        }
        for (text, option) in [
            ("push --force-with-lease", "--force"),
            ("push origin main", "--force"),
            ("push --", "--force"),
            ("commit -mnone", "--no-verify"),
            ("commit -m -n", "--no-edit"),
            ("clean -n -d", "-fd"),
            ("branch -d x", "-D"),
        ] {
            assert!(!has(text, option), "{text}: {option}");
        }
    }
}
