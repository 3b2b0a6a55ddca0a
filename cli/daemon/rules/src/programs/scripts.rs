//! What programs run by words of a kind of their own: scripts, statements, assignments, expressions.
//!
//! What always holds: what is told is the first word that may start something, and none that the user's
//! own rule names.

use crate::line::options::Options;
use crate::line::shell::Word;
use crate::line::words::{is_option, may_be_option, name_of, unversioned};
use crate::programs::awk::only_looks;
use crate::programs::git;
use crate::programs::harmless::is_compiler;
use crate::programs::sed::only_edits;

/// Builtins of shells that may take a word for an expression, in which `a[$(x)]` runs `x`.
const COUNTING: &[&str] = &[
    "[", "break", "continue", "exit", "kill", "logout", "printf", "return", "test", "ulimit",
    "wait",
];

/// What says what `psql` or `sqlite3` runs where no word does.
const INPUT: &str = "its input";

/// Why a program runs what one of its words says, if it does.
pub(crate) fn told(words: &[Word], known: usize) -> Option<String> {
    let name = name_of(words);
    match unversioned(name) {
        "git" => git::code(words, known),
        "sed" | "gsed" => {
            let script = unread_script(words, known)?;
            Some(format!("`{name}` may write and start what its script says: {script}"))
        }
        _ => Some(format!("`{name}` runs what {} says", telling(words, known)?)),
    }
}

/// The first word that says what a program runs.
fn telling(words: &[Word], known: usize) -> Option<&str> {
    let name = name_of(words);
    if COUNTING.contains(&name) {
        return builtin(words, known);
    }
    if is_compiler(name) || matches!(name, "javac" | "rustc") {
        // A file of further words.
        return beyond(words, known).find(|text| text.starts_with('@'));
    }
    match unversioned(name) {
        "awk" | "gawk" | "mawk" | "nawk" => awk(words, known),
        "go" => go(words, known),
        "less" | "more" | "vi" | "vim" | "nvim" | "ex" | "view" | "gvim" | "rvim" | "vimdiff" => {
            beyond(words, known).find(|text| text.starts_with('+'))
        }
        "bsdtar" | "gtar" | "tar" => tar(words, known),
        "gmake" | "make" | "just" => {
            let sets = |text: &str| text.contains('=') && !text.starts_with('-');
            beyond(words, known).find(|text| sets(text) && !only_tells_more(text))
        }
        "mvn" | "mvnw" => beyond(words, known).find(|text| text.contains(':')),
        "psql" => psql(words, known),
        "sqlite3" | "sqlite" => sqlite(words, known),
        "tmux" => beyond(words, known).find(|text| is_told_to_tmux(text)),
        "socat" => beyond(words, known).next(),
        _ => None,
    }
}

/// The words behind those that are known.
fn beyond(words: &[Word], known: usize) -> impl Iterator<Item = &str> {
    words.iter().skip(known).map(|word| word.text.as_str())
}

/// The first word that a builtin may take for an expression, or for a variable's name with one in it.
fn builtin(words: &[Word], known: usize) -> Option<&str> {
    let is_name = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let named = match name_of(words) {
        "printf" => {
            let is_odd = |word: &&Word| may_be_option(word) || word.text.starts_with("-v");
            words.get(known).filter(|_| known == 1).filter(is_odd)
        }
        "test" | "[" => {
            let is_odd = |pair: &&[Word]| {
                matches!(pair[0].text.as_str(), "-v" | "-R") && !is_name(&pair[1].text)
            };
            let mut pairs = words.windows(2).skip(known.saturating_sub(1));
            pairs.find(is_odd).map(|pair| &pair[1])
        }
        _ => None,
    };
    let counts = |text: &&str| text.contains('[') && text.contains(['$', '`']);
    named.map(|word| word.text.as_str()).or_else(|| beyond(words, known).find(counts))
}

/// Whether a variable of `make` does no more than say how much is told.
fn only_tells_more(text: &str) -> bool {
    let value = text.strip_prefix("VERBOSE=").or_else(|| text.strip_prefix("V="));
    value.is_some_and(|value| value.len() == 1 && value.starts_with(|c: char| c.is_ascii_digit()))
}

/// The first word of an `awk` that may start something, or says where what does stands.
fn awk(words: &[Word], known: usize) -> Option<&str> {
    let own = Options { flags: &[], valued: &["-F", "-v"] }.own(words);
    let is_odd = |at: usize, word: &Word| {
        own.unknown.contains(&at)
            || (at <= own.end && !word.is_literal)
            || (at == own.end && !only_looks(&word.text))
            || (at > own.end && word.text.starts_with('-') && word.text.len() > 1)
    };
    let mut beyond = words.iter().enumerate().skip(known);
    beyond.find(|(at, word)| is_odd(*at, word)).map(|(_, word)| word.text.as_str())
}

/// The first word of a `go` by which it starts another program, or keeps a setting that may.
fn go(words: &[Word], known: usize) -> Option<&str> {
    let is_told = |text: &str| {
        let name = text.trim_start_matches('-').split('=').next().unwrap_or("");
        (text.starts_with('-') && matches!(name, "exec" | "toolexec" | "vettool" | "overlay"))
            || text.contains("-ext")
    };
    let sets = words.get(1).is_some_and(|word| word.text == "env");
    beyond(words, known).find(|text| is_told(text) || (sets && *text == "-w"))
}

/// The first word of a `tar` where its letters have it start something: they are options with a dash or
/// without.
fn tar(words: &[Word], known: usize) -> Option<&str> {
    let letters = words.get(1).filter(|word| known <= 1 && !word.text.starts_with('-'))?;
    let is_told = !letters.is_literal || letters.text.contains(['F', 'I', 'T']);
    is_told.then_some(letters.text.as_str())
}

/// The first word of a `psql` that may start something, or its input, where that says what to do.
fn psql(words: &[Word], known: usize) -> Option<&str> {
    let is_command =
        |word: &Word| is_option(&word.text, "-c") || word.text.starts_with("--command");
    let is_told = |text: &&str| text.contains('\\') || text.to_lowercase().contains("program");
    let odd = beyond(words, known).find(is_told);
    odd.or_else(|| (!words.iter().any(is_command)).then_some(INPUT))
}

/// The first statement of a `sqlite3` that may start something, or its input, where that says what to
/// do.
fn sqlite(words: &[Word], known: usize) -> Option<&str> {
    let is_told = |text: &str| {
        let text = text.trim_start().to_lowercase();
        let names = ["load_extension", "edit", "writefile", "fts3_tokenizer"];
        text.starts_with('.') || names.iter().any(|name| text.contains(name))
    };
    let plain = words.iter().enumerate().skip(1).filter(|(_, word)| !word.text.starts_with('-'));
    // The first is the database.
    let mut statements = plain.skip(1).peekable();
    if statements.peek().is_none() {
        return Some(INPUT);
    }
    let odd = statements.find(|(at, word)| *at >= known && is_told(&word.text));
    odd.map(|(_, word)| word.text.as_str())
}

/// Whether a word of `tmux` begins another command of it, or has it run something to make a text.
fn is_told_to_tmux(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_plain = |part: &str| {
        let name = part.strip_prefix('{').and_then(|part| part.split_once('}'));
        name.is_some_and(|(name, _)| name.chars().all(is_name))
    };
    text.ends_with(';') || text.split('#').skip(1).any(|part| !is_plain(part))
}

/// The first script of a `sed` that does more than print, delete and replace.
fn unread_script(words: &[Word], known: usize) -> Option<&str> {
    let (mut scripts, mut is_over) = (Vec::new(), false);
    let mut rest = words.iter().enumerate().skip(1);
    while let Some((at, word)) = rest.next() {
        match word.text.as_str() {
            // Some take the first word for the script, whatever comes behind it.
            text if is_over || !text.starts_with('-') || text == "-" => {
                let first = scripts.is_empty().then_some((at, word));
                scripts.extend(first);
            }
            "--" => is_over = true,
            "-e" | "--expression" => scripts.extend(rest.next()),
            "-n" | "-E" | "-r" | "-s" | "-z" | "-u" | "-nE" | "-En" | "-nr" | "-rn" => {}
            // Writing in place is another matter, and known as such.
            text if text.starts_with("-i") || text.starts_with("--in-place") => {}
            text if at >= known => return Some(text),
            _ => {}
        }
    }
    let mut beyond = scripts.into_iter().filter(|(at, _)| *at >= known).map(|(_, word)| word);
    beyond.find(|word| !word.is_literal || !only_edits(&word.text)).map(|word| word.text.as_str())
}
