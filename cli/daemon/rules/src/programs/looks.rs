//! Programs that only look, unless an option or one word more says otherwise.
//!
//! What always holds: a word that is not known yet may be such an option, and where words are counted, one
//! word more; so it may write.

use crate::line::options::Options;
use crate::line::shell::Word;
use crate::line::words::{is_option, may_be_option, name_of, options_end};

/// A program that only looks.
struct Looker {
    name: &'static str,
    /// The options by which it writes.
    writes: &'static [&'static str],
    /// Of one that writes, too, by how many words it is given.
    counted: Option<Counted>,
}

/// What a program may be given and still only look.
struct Counted {
    /// How many words, options and their values not counted.
    most: usize,
    /// How words begin that are not counted.
    free: Option<char>,
    options: Options,
    /// How options begin that carry their value themselves.
    starts: &'static [&'static str],
}

const fn by_options(name: &'static str, writes: &'static [&'static str]) -> Looker {
    Looker { name, writes, counted: None }
}

const LOOKERS: &[Looker] = &[
    Looker {
        name: "date",
        writes: &["-s", "--set"],
        // One word more sets the clock.
        counted: Some(Counted {
            most: 0,
            free: Some('+'),
            options: Options {
                flags: &[
                    "-I",
                    "-R",
                    "-j",
                    "-u",
                    "--debug",
                    "--help",
                    "--iso-8601",
                    "--rfc-email",
                    "--universal",
                    "--utc",
                    "--version",
                ],
                valued: &["-d", "-f", "-r", "-v", "--date", "--file", "--reference"],
            },
            starts: &["-I", "--iso-8601=", "--rfc-3339="],
        }),
    },
    by_options("file", &["-C", "--compile"]),
    by_options("find", &["-fls", "-fprint", "-fprint0", "-fprintf"]),
    by_options("git", &["--output"]),
    Looker {
        name: "hostname",
        writes: &["-F", "-b", "--boot", "--file"],
        counted: Some(Counted {
            most: 0,
            free: None,
            options: Options {
                flags: &[
                    "-A",
                    "-I",
                    "-V",
                    "-a",
                    "-d",
                    "-f",
                    "-h",
                    "-i",
                    "-s",
                    "-y",
                    "--alias",
                    "--all-fqdns",
                    "--all-ip-addresses",
                    "--domain",
                    "--fqdn",
                    "--help",
                    "--ip-address",
                    "--long",
                    "--nis",
                    "--short",
                    "--version",
                    "--yp",
                ],
                valued: &[],
            },
            starts: &[],
        }),
    },
    by_options("less", &["-O", "-o", "--LOG-FILE", "--log-file"]),
    by_options("sed", &["-i", "--in-place"]),
    by_options("sort", &["-o", "--output"]),
    // By `-R` it writes a page into each folder.
    by_options("tree", &["-R", "-o"]),
    Looker {
        name: "uniq",
        writes: &[],
        counted: Some(Counted {
            most: 1,
            free: None,
            options: Options {
                flags: &[
                    "-D",
                    "-c",
                    "-d",
                    "-i",
                    "-u",
                    "-z",
                    "--all-repeated",
                    "--count",
                    "--group",
                    "--help",
                    "--ignore-case",
                    "--repeated",
                    "--unique",
                    "--version",
                    "--zero-terminated",
                ],
                valued: &["-f", "-s", "-w", "--check-chars", "--skip-chars", "--skip-fields"],
            },
            starts: &["--all-repeated=", "--group="],
        }),
    },
    Looker {
        name: "xxd",
        writes: &["-r"],
        counted: Some(Counted {
            most: 1,
            free: None,
            options: Options {
                // Letters of its never stand together, and a value stands in the next word or behind `-c`.
                flags: &["-C", "-E", "-a", "-b", "-d", "-e", "-h", "-i", "-p", "-ps", "-u", "-v"],
                valued: &["-R", "-c", "-cols", "-g", "-l", "-len", "-n", "-name", "-o", "-s"],
            },
            starts: &[],
        }),
    },
];

/// By what a program that else only looks writes.
pub(crate) enum Writing<'w> {
    /// By this word.
    Surely(&'w str),
    /// By this one, as it may turn out.
    Perhaps(&'w str),
}

/// What stands for the words that a program is given by its input.
pub(crate) const INPUT: &str = "its input";

impl Looker {
    /// By what it writes because an option says so.
    fn by_option<'w>(&self, words: &'w [Word], known: usize) -> Option<Writing<'w>> {
        // `find` reads its own words behind `--`, too.
        let end = if self.name == "find" { words.len() } else { options_end(words) };
        let beyond = || words[..end].iter().skip(known);
        let odd = || beyond().find(|word| may_be_option(word)).map(Writing::perhaps);
        let sure = beyond().find(|word| word.is_literal && self.writes(&word.text));
        sure.map(Writing::surely).or_else(odd)
    }

    fn writes(&self, text: &str) -> bool {
        self.writes.iter().any(|option| is_option(text, option))
    }
}

impl Counted {
    /// By what a program writes that it is given.
    fn by_count<'w>(
        &self,
        looker: &Looker,
        words: &'w [Word],
        known: usize,
    ) -> Option<Writing<'w>> {
        let (mut count, mut is_over, mut odd, mut at) = (0, false, None, 1);
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            let is_option = !is_over && text.starts_with('-') && text != "-";
            let mut length = 1;
            let found = if !word.is_literal {
                // As many words as it likes.
                Some(Writing::perhaps(word))
            } else if !is_over && text == "--" {
                is_over = true;
                None
            } else if !is_option {
                count += usize::from(self.free.is_none_or(|mark| !text.starts_with(mark)));
                (count > self.most).then(|| Writing::surely(word))
            } else if let Some(known) = self.options.length(text) {
                let is_sure = words.get(at + 1).is_some_and(|value| value.is_literal);
                length = if is_sure { known } else { 1 };
                None
            } else if self.starts.iter().any(|start| text.starts_with(start)) {
                None
            } else if looker.writes(text) {
                Some(Writing::surely(word))
            } else {
                // Nobody can tell whether the next word is its value.
                Some(Writing::perhaps(word))
            };
            match found.filter(|_| at >= known) {
                Some(Writing::Surely(how)) => return Some(Writing::Surely(how)),
                perhaps => odd = odd.or(perhaps),
            }
            at += length;
        }
        odd
    }
}

impl<'w> Writing<'w> {
    fn surely(word: &'w Word) -> Writing<'w> {
        Writing::Surely(&word.text)
    }

    fn perhaps(word: &'w Word) -> Writing<'w> {
        Writing::Perhaps(if word.text.is_empty() { INPUT } else { &word.text })
    }
}

/// By what a program that else only looks writes, beyond the first `known` words, which are the user's own.
pub(crate) fn writing(words: &[Word], known: usize) -> Option<Writing<'_>> {
    let looker = LOOKERS.iter().find(|looker| looker.name == name_of(words))?;
    match &looker.counted {
        Some(counted) => counted.by_count(looker, words, known),
        None => looker.by_option(words, known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_is_told_from_what_may_and_what_only_looks() {
        // A word behind `?` is not known yet.
        let told = |text: &str| {
            let word = |text: &str| match text.strip_prefix('?') {
                Some(text) => Word { text: text.to_owned(), is_literal: false },
                None => Word::plain(text),
            };
            let words: Vec<Word> = text.split(' ').map(word).collect();
            match writing(&words, 1) {
                Some(Writing::Surely(how)) => format!("! {how}"),
                Some(Writing::Perhaps(how)) => format!("? {how}"),
                None => String::new(),
            }
        };
        for text in [
            "date",
            "date -Iseconds",
            "date -Is",
            "date -u +%F",
            "date -d tomorrow +%F",
            "date --date=x",
            "date --iso-8601=seconds",
            "file a b",
            "file -- ?*",
            "file ?src/*",
            "hostname -f",
            "sort a -- -o",
            "tree -a -L 2 src",
            "uniq a",
            "uniq -c -f 1 a",
            "uniq -cd",
            "uniq -",
            "xxd -l 16 -s 2 a",
            "cat ?*",
        ] {
            assert_eq!(told(text), "", "{text}");
        }
        for (text, how) in [
            ("date -s x", "! -s"),
            ("date -us x", "! -us"),
            ("date 11220102", "! 11220102"),
            ("date ?-?x", "? -?x"),
            ("date ?{-s,x}", "? {-s,x}"),
            ("date -d ?{x,-s}", "? {x,-s}"),
            ("date -d", ""),
            ("date ?+*", "? +*"),
            ("file -C", "! -C"),
            ("file ?{-C,-m,x}", "? {-C,-m,x}"),
            ("file ?", "? its input"),
            ("file ?* -C", "! -C"),
            ("find -- . -fprint x", "! -fprint"),
            ("hostname x", "! x"),
            ("hostname --file=/tmp/x", "! --file=/tmp/x"),
            ("sort -rox", "! -rox"),
            ("sort -T -- -o x", "! -o"),
            ("tree ??oout", "? ?oout"),
            ("tree -R", "! -R"),
            ("uniq a b", "! b"),
            ("uniq -- -a -b", "! -b"),
            ("uniq ?a?", "? a?"),
            ("uniq ?{a,b}", "? {a,b}"),
            ("uniq -x a", "? -x"),
            ("uniq -x a b", "! b"),
            ("xxd -r a", "! -r"),
            ("xxd ?*", "? *"),
            ("xxd a ?", "? its input"),
        ] {
            assert_eq!(told(text), how, "{text}");
        }
    }
}
