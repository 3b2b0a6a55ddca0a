//! Where programs write that go through whole folders: beyond the places that their words name.
//!
//! What always holds: what only reads may follow links. What follows them and may write, and what an archive or
//! a search says to write to, is no place that anybody named.

use crate::line::shell::Word;
use crate::line::words::{is_option, name_of};
use crate::programs::known::only_looks;
use crate::programs::starts::starts;

/// A program that follows links that it finds, or goes by names that nobody sees.
struct Stray {
    names: &'static [&'static str],
    /// By these.
    by: &'static [&'static str],
    /// As far as one of these is there, too; none: whatever is.
    with: &'static [&'static str],
}

const fn stray(
    names: &'static [&'static str],
    by: &'static [&'static str],
    with: &'static [&'static str],
) -> Stray {
    Stray { names, by, with }
}

const RECURSIVE: &[&str] = &["-R", "--recursive"];

const STRAYS: &[Stray] = &[
    stray(
        &["chcon", "chgrp", "chmod", "chown", "setfacl"],
        &["-H", "-L", "--dereference", "--logical"],
        RECURSIVE,
    ),
    stray(&["cp"], &["-L", "--dereference"], &["-R", "-a", "-r", "--archive", "--recursive"]),
    // An archive holds whole names, and such as go up.
    stray(&["cpio"], &["-L", "-i", "-p", "--dereference", "--extract", "--pass-through"], &[]),
    stray(&["patch"], &["--follow-symlinks"], &[]),
    stray(
        &["rsync"],
        &[
            "-K",
            "-L",
            "-k",
            "--copy-dirlinks",
            "--copy-links",
            "--copy-unsafe-links",
            "--keep-dirlinks",
        ],
        &[],
    ),
    stray(
        &["bsdtar", "gtar", "tar"],
        &[
            "-H",
            "-L",
            "-P",
            "-h",
            "--absolute-names",
            "--absolute-paths",
            "--dereference",
            "--keep-directory-symlink",
        ],
        &[],
    ),
    stray(&["unzip"], &["-:"], &[]),
];

/// Programs that change whole folders, what is guarded in them too, by these options.
const CHANGING: &[(&str, &[&str])] = &[
    ("chcon", RECURSIVE),
    ("chgrp", RECURSIVE),
    ("chmod", RECURSIVE),
    ("chown", RECURSIVE),
    ("rm", &["-R", "-r", "--recursive"]),
    ("setfacl", RECURSIVE),
];

/// By what a program writes beyond the places that its words name, which the first `known` do not say.
pub(crate) fn strays(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    let told = |at: usize| format!("what `{name} {}` finds", words[at].text);
    let (by, with) = match name {
        "find" => {
            let deletes = places_of(words, |text| text == "-delete");
            if let Some(at) = deletes.iter().find(|at| **at >= known) {
                return Some(told(*at));
            }
            let by = places_of(words, |text| matches!(text, "-H" | "-L" | "-follow"));
            (by, [deletes, executed(words)].concat())
        }
        "fd" | "fdfind" => {
            let options = ["-H", "-L", "-u", "--follow", "--hidden", "--unrestricted"];
            let by = places_of(words, |text| options.iter().any(|one| is_option(text, one)));
            (by, executed(words))
        }
        _ => {
            let stray = STRAYS.iter().find(|stray| stray.names.contains(&name))?;
            let has = |text: &str, options: &[&str]| options.iter().any(|one| is_option(text, one));
            let mut by = places_of(words, |text| has(text, stray.by));
            // Its letters may stand in front without a dash.
            let is_old = |word: &&Word| name.ends_with("tar") && !word.text.starts_with('-');
            let old = words.get(1).filter(is_old);
            by.extend(old.filter(|word| word.text.contains(['H', 'L', 'P', 'h'])).map(|_| 1));
            let with = match stray.with {
                [] => vec![0],
                with => places_of(words, |text| has(text, with)),
            };
            (by, with)
        }
    };
    // Who names both has meant it.
    let beyond = |at: &&usize| **at >= known;
    let is_beyond = by.iter().chain(&with).any(|at| beyond(&at));
    let at = by.iter().find(beyond).or(by.first()).filter(|_| is_beyond && !with.is_empty())?;
    Some(told(*at))
}

/// Whether a program changes all that lies below what it is given.
pub(crate) fn changes_below(words: &[Word]) -> bool {
    let name = name_of(words);
    let options = CHANGING.iter().find(|(own, _)| *own == name).map(|(_, options)| *options);
    let has = |options: &[&str]| {
        words[1..].iter().any(|word| options.iter().any(|one| is_option(&word.text, one)))
    };
    name == "mv" || options.is_some_and(has)
}

/// The places of the words that are so, behind the program's name.
fn places_of(words: &[Word], is: impl Fn(&str) -> bool) -> Vec<usize> {
    (1..words.len()).filter(|at| is(&words[*at].text)).collect()
}

/// The places of what it starts that does more than look.
fn executed(words: &[Word]) -> Vec<usize> {
    let started = starts(words, 1).commands;
    started.iter().filter(|start| !only_looks(&start.words)).map(|start| start.at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(Word::plain).collect()
    }

    #[test]
    fn what_writes_through_links_or_by_names_that_nobody_sees_strays() {
        for text in [
            "find . -delete",
            "find -L . -type f -delete",
            "find -L . -exec rm {} +",
            "find . -follow -exec chmod 777 {} ;",
            "fd -L x -x rm",
            "fd -uX rm",
            "chmod -RL 777 .",
            "chown -R -H me .",
            "cp -rL a b",
            "cp -a --deref a b",
            "rsync -avL a b",
            "rsync --keep-dir a b",
            "tar -xPf a.tar",
            "tar chf a.tar .",
            "unzip -: a.zip",
            "cpio -id",
            "patch --follow-symlinks x",
        ] {
            assert!(strays(&words(text), 1).is_some(), "{text}");
        }
        for text in [
            "find . -name x",
            "find -L . -name x",
            "find -L . -exec grep x {} +",
            "find . -exec rm {} +",
            "fd -L x",
            "fd -H x -x wc -l",
            "chmod -R u+w src",
            "chmod -x a",
            "cp -r a b",
            "cp -L a b",
            "rsync -a a b",
            "tar -xzf a.tgz",
            "tar xzf a.tgz",
            "unzip a.zip",
            "cpio -t",
            "rg --follow x",
        ] {
            assert!(strays(&words(text), 1).is_none(), "{text}");
        }
    }

    #[test]
    fn who_names_all_of_it_has_meant_it() {
        for (text, known) in [("find . -delete", 3), ("find -L . -delete", 4), ("tar -xPf a", 2)] {
            assert!(strays(&words(text), known).is_none(), "{text}");
        }
        for (text, known) in [
            ("find . -exec rm {} ; -follow", 6),
            ("chmod -R 777 . -L", 2),
            ("find -L . -delete", 2),
        ] {
            assert!(strays(&words(text), known).is_some(), "{text}");
        }
    }
}
