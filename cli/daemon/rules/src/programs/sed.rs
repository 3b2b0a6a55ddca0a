//! Scripts of `sed`.
//!
//! What always holds: a script only edits if all that it does is print, delete and replace, whichever `sed`
//! reads it. What they may read differently is not said to.

use std::iter::Peekable;
use std::str::Chars;

/// Commands of one letter that touch nothing but the text.
const EDITS: &str = "pdqnDPNgGhHx=l";

/// Whether a script only prints, deletes or replaces.
pub(crate) fn only_edits(script: &str) -> bool {
    let mut rest = script.chars().peekable();
    let is_over = |rest: &mut Peekable<Chars<'_>>| {
        while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        rest.peek().is_none_or(|c| matches!(c, ';' | '\n'))
    };
    while rest.peek().is_some() {
        while rest.next_if(|c| matches!(c, ' ' | '\t' | ';' | '\n')).is_some() {}
        if !is_addressed(&mut rest) {
            return false;
        }
        let is_fine = match rest.next() {
            None => return true,
            Some('s') => replaces(&mut rest),
            Some(command) => EDITS.contains(command),
        };
        if !is_fine || !is_over(&mut rest) {
            return false;
        }
    }
    true
}

/// Reads the address in front of a command; whether it is one that is understood.
fn is_addressed(rest: &mut Peekable<Chars<'_>>) -> bool {
    let is_number = |c: &char| c.is_ascii_digit() || "$,~+ !".contains(*c);
    loop {
        while rest.next_if(is_number).is_some() {}
        if rest.next_if_eq(&'/').is_none() {
            return true;
        }
        if !is_pattern(rest, '/') {
            return false;
        }
        while rest.next_if(|c| matches!(c, 'I' | 'M')).is_some() {}
    }
}

/// Reads what stands behind an `s`; whether it only replaces.
fn replaces(rest: &mut Peekable<Chars<'_>>) -> bool {
    let Some(mark) = rest.next().filter(char::is_ascii_punctuation) else { return false };
    if matches!(mark, '\\' | '[' | ']') || !is_pattern(rest, mark) {
        return false;
    }
    loop {
        match rest.next() {
            None | Some('\n') => return false,
            Some('\\') => drop(rest.next()),
            Some(c) if c == mark => break,
            Some(_) => {}
        }
    }
    while rest.next_if(|c| c.is_ascii_digit() || matches!(c, 'g' | 'p' | 'i' | 'I' | 'M')).is_some()
    {
    }
    true
}

/// Reads a pattern and the `mark` behind it. Some read a `mark` between brackets as any other letter, some
/// as the end.
fn is_pattern(rest: &mut Peekable<Chars<'_>>, mark: char) -> bool {
    loop {
        match rest.next() {
            None | Some('\n') => return false,
            Some('\\') if rest.next().is_none_or(|c| c == '\n') => return false,
            Some('\\') => {}
            Some(c) if c == mark => return true,
            Some('[') if !is_bracket(rest, mark) => return false,
            Some(_) => {}
        }
    }
}

/// Reads what stands in brackets; whether all read it alike.
fn is_bracket(rest: &mut Peekable<Chars<'_>>, mark: char) -> bool {
    let _ = rest.next_if_eq(&'^');
    let mut is_first = true;
    let mut class = None;
    loop {
        match rest.next() {
            None | Some('\\' | '\n') => return false,
            Some(c) if c == mark => return false,
            Some(']') if class.is_none() && !is_first => return true,
            Some('[') if class.is_none() => {
                class = rest.next_if(|c| matches!(c, ':' | '.' | '='));
            }
            Some(c) if class == Some(c) && rest.next_if_eq(&']').is_some() => class = None,
            Some(_) => {}
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_only_edits_is_told_from_all_others() {
        for script in [
            "",
            "1,20p",
            "2,5p;$d",
            "/a/,/b/p",
            "/a\\/b/d ; s/x/y/g",
            "s/[0-9][^]/]x/y/",
            "s|a/b|c\\|d|2gp",
            "s/[[:space:]]*$//",
            "s/\\(a\\)\\.b/\\1/I",
            "$!N",
            "/x/I!d\n s,a,b,",
        ] {
            let fits = script != "s/[0-9][^]/]x/y/";
            assert_eq!(only_edits(script), fits, "{script}");
        }
        for script in [
            "/a\\/d;s/!e touch pwned #/y/",
            "s/a/b/w f",
            "s/a/b/e",
            "w f",
            "1e",
            "1e x",
            "s/a/b/;e rm",
            "r /etc/x",
            "/x/w f",
            "s/a",
            "sa/ab",
            "/[/]/e x",
            "s/[/]/x/;e #/",
            "s/[[:a]/:]/e x/",
            "\\,a,e x",
            "{e x",
            "p e x",
            "y/a/b/",
            "s/a\\",
            "s/x/a\n/",
            "q;w f",
        ] {
            assert!(!only_edits(script), "{script}");
        }
    }
}
