//! The options that a program is known to have.
//!
//! What always holds: an option that is not listed is not known, a shortened one neither; whether the
//! word behind it is its value is then anybody's guess.

use crate::line::shell::Word;

/// A program's options.
pub(crate) struct Options {
    /// Those without a value; letters behind one dash may stand together.
    pub flags: &'static [&'static str],
    /// Those with one: at once, behind a `=`, or in the next word.
    pub valued: &'static [&'static str],
}

/// Where a program's own options end.
pub(crate) struct Own {
    /// The place of the first word that is none, if there is one.
    pub end: usize,
    /// The places of options that are not known. They were taken to have no value.
    pub unknown: Vec<usize>,
}

impl Options {
    /// How many words an option takes, its value among them; `None`: it is not known.
    pub fn length(&self, option: &str) -> Option<usize> {
        if self.flags.contains(&option) {
            return Some(1);
        }
        if self.valued.contains(&option) {
            return Some(2);
        }
        if option.starts_with("--") {
            let (name, _) = option.split_once('=')?;
            return self.valued.contains(&name).then_some(1);
        }
        let letters = option.strip_prefix('-').filter(|letters| !letters.is_empty())?;
        for (at, letter) in letters.char_indices() {
            let one = format!("-{letter}");
            if self.valued.contains(&one.as_str()) {
                return Some(if at + letter.len_utf8() == letters.len() { 2 } else { 1 });
            }
            if !self.flags.contains(&one.as_str()) {
                return None;
            }
        }
        Some(1)
    }

    /// Reads a command's options up to the first word that is none.
    pub fn own(&self, words: &[Word]) -> Own {
        let mut own = Own { end: 1, unknown: Vec::new() };
        while let Some(word) = words.get(own.end).filter(|word| word.text.starts_with('-')) {
            if word.text == "--" {
                own.end += 1;
                break;
            }
            let length = self.length(&word.text);
            if length.is_none() {
                own.unknown.push(own.end);
            }
            own.end += length.unwrap_or(1);
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_not_known() {
        let own = Options { flags: &["-f", "-i", "--foreground"], valued: &["-k", "--signal"] };
        for (text, length) in [
            ("-f", Some(1)),
            ("-fi", Some(1)),
            ("-fk", Some(2)),
            ("-fk5", Some(1)),
            ("--signal", Some(2)),
            ("--signal=9", Some(1)),
            ("--foreground", Some(1)),
            ("--foreground=x", None),
            ("--sig", None),
            ("-fx", None),
            ("-", None),
            ("--", None),
        ] {
            assert_eq!(own.length(text), length, "{text}");
        }
        let words: Vec<Word> = "p -f --sig -k 5 -- -f".split(' ').map(Word::plain).collect();
        let read = own.own(&words);
        assert_eq!((read.end, read.unknown), (6, vec![2]));
    }
}
