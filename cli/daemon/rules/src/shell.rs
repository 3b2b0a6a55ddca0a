//! A command line, taken apart into the simple commands that it runs.
//!
//! What always holds: what is returned is all that the line runs, each word as the program will see it;
//! where that cannot be told for sure, the line is [`Unclear`]. It must hold for bash, sh and zsh alike,
//! so whatever they read differently is unclear, too.

use crate::folders::{Ended, Folders};
use crate::glob::normal;
use brush_parser::ast::{
    AndOr, AndOrList, Command, CommandPrefixOrSuffixItem as Item, IoFileRedirectKind,
    IoFileRedirectTarget, IoRedirect, Pipeline, Program, SeparatorOperator, SimpleCommand,
};
use brush_parser::word::{WordPiece, WordPieceWithSource};
use brush_parser::{ParserOptions, Token, uncached_tokenize_str};
use std::path::{Path, PathBuf};

/// The longest line looked at, in bytes.
const BYTES_MAX: usize = 16 << 10;

/// How many `$` and backquotes a line may have: each may nest, and a parser of nested things has an end.
const EXPANSIONS_MAX: usize = 32;

/// How deep shells may start shells.
const SHELLS_MAX: usize = 3;

/// Shells whose lines are read here: those that read them alike.
pub(crate) const READABLE_SHELLS: &[&str] = &["bash", "sh", "zsh", "dash"];

/// Where those lie; the same name elsewhere may be anything.
const SHELL_FOLDERS: &[&str] =
    &["/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin"];

/// Operators between and in simple commands; all others group, define or feed.
const OPERATORS: &[&str] =
    &["|", "|&", "&&", "||", ";", "&", "\n", "<", ">", ">>", ">|", "<&", ">&", "&>", "&>>"];

/// The operators that a file's name follows.
const REDIRECTIONS: &[&str] = &["<", ">", ">>", ">|", "<&", ">&", "&>", "&>>"];

/// Words that begin something other than a simple command, in one of the shells at least.
pub(crate) const RESERVED: &[&str] = &[
    "!",
    "{",
    "}",
    "[[",
    "]]",
    "case",
    "coproc",
    "do",
    "done",
    "elif",
    "else",
    "end",
    "esac",
    "fi",
    "for",
    "foreach",
    "function",
    "if",
    "in",
    "nocorrect",
    "repeat",
    "select",
    "then",
    "time",
    "until",
    "while",
];

/// Builtins after which the words that follow may mean something else.
pub(crate) const CHANGING: &[&str] = &[
    ".",
    "alias",
    "autoload",
    "bind",
    "builtin",
    "command",
    "compgen",
    "complete",
    "declare",
    "dirs",
    "disable",
    "emulate",
    "enable",
    "eval",
    "exec",
    "export",
    "fc",
    "float",
    "functions",
    "getopts",
    "hash",
    "integer",
    "jobs",
    "let",
    "local",
    "mapfile",
    "noglob",
    "popd",
    "print",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "rehash",
    "sched",
    "set",
    "setopt",
    "shift",
    "shopt",
    "source",
    "trap",
    "typeset",
    "unalias",
    "unfunction",
    "unhash",
    "unset",
    "unsetopt",
    "vared",
    "zle",
    "zmodload",
    "zparseopts",
];

/// A command as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// As a shell would read it.
    Text(String),
    /// As a program would be started.
    Words(Vec<String>),
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its text, quotes removed.
    pub text: String,
    /// Whether the shell leaves it as it is: no pattern, no `~`, no braces.
    pub is_literal: bool,
}

/// One program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simple {
    /// The program and its arguments.
    pub words: Vec<Word>,
    /// The files that the shell reads from, from the root where the folder is known, `..` and all.
    pub reads: Vec<PathBuf>,
    /// The files that it writes into.
    pub writes: Vec<PathBuf>,
    /// The folders that it may run in; none where that is not known.
    pub folders: Vec<PathBuf>,
    /// It does nothing but change the folder of what comes after it.
    pub is_cd: bool,
}

/// What a line runs cannot be told, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unclear(pub String);

fn unclear<T>(why: impl Into<String>) -> Result<T, Unclear> {
    Err(Unclear(why.into()))
}

impl Word {
    pub(crate) fn plain(text: &str) -> Word {
        Word { text: text.to_owned(), is_literal: true }
    }
}

impl Simple {
    /// The program's name as it was given.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", |word| word.text.as_str())
    }

    /// The words on one line.
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }
}

impl CommandLine {
    /// All that it runs in `cwd`, shells unwrapped.
    ///
    /// # Errors
    /// [`Unclear`] where that cannot be told for sure.
    pub fn simple_commands(&self, cwd: Option<&Path>) -> Result<Vec<Simple>, Unclear> {
        // One that goes up may be meant by words, or as links lead.
        let told = cwd.map(normal).into_iter();
        let walked = cwd.map(Path::to_owned).filter(|cwd| normal(cwd) != *cwd);
        let now = Folders(told.chain(walked).collect());
        let mut reading = Reading { found: Vec::new() };
        match self {
            CommandLine::Text(text) => drop(reading.text(text, now, 0)?),
            CommandLine::Words(words) => {
                let words = words.iter().map(|word| Word::plain(word)).collect();
                reading.run(words, Vec::new(), &now, 0)?;
            }
        }
        match reading.found.is_empty() {
            true => unclear("it is empty"),
            false => Ok(reading.found),
        }
    }
}

struct Reading {
    found: Vec<Simple>,
}

impl Reading {
    /// Reads a line that begins in `now`. Returns where it may end.
    fn text(&mut self, text: &str, mut now: Folders, depth: usize) -> Result<Folders, Unclear> {
        for list in parsed(text)?.complete_commands {
            for item in list.0 {
                let end = self.and_or(&item.0, &now, depth)?.anyhow();
                // What runs beside the rest has a shell of its own.
                now = match item.1 {
                    SeparatorOperator::Async => now.or(&end),
                    _ => end,
                };
            }
        }
        Ok(now)
    }

    fn and_or(&mut self, list: &AndOrList, now: &Folders, depth: usize) -> Result<Ended, Unclear> {
        let mut ended = self.pipeline(&list.first, now, depth)?;
        for next in &list.additional {
            // Behind `&&` all that succeeded so far may have led here, behind `||` all that failed.
            ended = match next {
                AndOr::And(pipeline) => {
                    let next = self.pipeline(pipeline, &ended.well, depth)?;
                    Ended { ill: ended.ill.or(&next.ill), well: next.well }
                }
                AndOr::Or(pipeline) => {
                    let next = self.pipeline(pipeline, &ended.ill, depth)?;
                    Ended { well: ended.well.or(&next.well), ill: next.ill }
                }
            };
        }
        Ok(ended)
    }

    fn pipeline(
        &mut self,
        pipeline: &Pipeline,
        now: &Folders,
        depth: usize,
    ) -> Result<Ended, Unclear> {
        if pipeline.timed.is_some() || pipeline.bang {
            return unclear("it is timed or negated");
        }
        let mut ended = Ended::still(now.clone());
        for command in &pipeline.seq {
            match command {
                Command::Simple(simple) => ended = self.simple(simple, now, depth)?,
                _ => return unclear("it has more than simple commands"),
            }
        }
        if pipeline.seq.len() > 1 {
            // Each part has a shell of its own; in zsh the last one has not.
            ended = Ended { well: now.or(&ended.well), ill: now.or(&ended.ill) };
        }
        Ok(ended)
    }

    fn simple(
        &mut self,
        command: &SimpleCommand,
        now: &Folders,
        depth: usize,
    ) -> Result<Ended, Unclear> {
        let (mut words, mut files) = (Vec::new(), Vec::new());
        let before = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let after = command.suffix.iter().flat_map(|suffix| &suffix.0);
        for item in before {
            match item {
                Item::IoRedirect(redirect) => files.extend(file_of(redirect)?),
                Item::AssignmentWord(_, assignment) if only_tells(&assignment.value) => {}
                _ => return unclear("it sets a variable"),
            }
        }
        let Some(name) = &command.word_or_name else { return unclear("it runs no program") };
        words.push(word(&name.value)?);
        for item in after {
            match item {
                Item::IoRedirect(redirect) => files.extend(file_of(redirect)?),
                Item::Word(argument) | Item::AssignmentWord(_, argument) => {
                    words.push(word(&argument.value)?);
                }
                Item::ProcessSubstitution(..) => return unclear("it substitutes a process"),
            }
        }
        self.run(words, files, now, depth)
    }

    /// A program is started; a shell among them reads a line of its own.
    fn run(
        &mut self,
        words: Vec<Word>,
        files: Vec<File>,
        now: &Folders,
        depth: usize,
    ) -> Result<Ended, Unclear> {
        match words.first() {
            None => return unclear("it is empty"),
            Some(name) if !name.is_literal || name.text.is_empty() => {
                return unclear("which program it runs is found out by the shell");
            }
            Some(name) if CHANGING.contains(&name.text.as_str()) && !asks_what_runs(&words) => {
                return unclear(format!("`{}` changes what the rest means", name.text));
            }
            Some(_) => {}
        }
        let mut ended = Ended::still(now.clone());
        if let Some(line) = inner_line(&words)? {
            if depth >= SHELLS_MAX {
                return unclear("shells start shells");
            }
            if !files.is_empty() {
                return unclear("a shell's input or output is a file");
            }
            self.text(line, now.clone(), depth + 1)?;
            return Ok(ended);
        }
        let is_cd = words[0].text == "cd";
        if is_cd {
            let to = match &words[..] {
                [_, to] if to.is_literal && !to.text.is_empty() => Some(to.text.as_str()),
                _ => None,
            };
            let Some(to) = to.filter(|to| !to.starts_with(['-', '+'])) else {
                return unclear("where it changes to is found out by the shell");
            };
            let Some(well) = now.change(to) else { return unclear("it changes too often") };
            ended = Ended { ill: now.or(&well), well };
        }
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for file in files {
            match file {
                File::Read(name) => reads.extend(now.places(&name)),
                File::Written(name) => writes.extend(now.places(&name)),
            }
        }
        self.found.push(Simple { words, reads, writes, folders: now.0.clone(), is_cd });
        Ok(ended)
    }
}

/// A file that a shell writes into, as it stands in a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its name, without quotes, where there is nothing else to be made of it.
    pub name: String,
    /// Whether it is only emptied: nothing writes into it.
    pub is_emptied: bool,
}

impl CommandLine {
    /// The files that a line has shells write into, as far as they can be seen in one that cannot be read.
    pub(crate) fn written(&self) -> Vec<Written> {
        let mut found = Vec::new();
        match self {
            CommandLine::Text(text) => written(text, 0, &mut found),
            CommandLine::Words(words) => {
                if let Some(line) = shells_line(words) {
                    written(line, 1, &mut found);
                }
            }
        }
        found
    }
}

fn written(text: &str, depth: usize, found: &mut Vec<Written>) {
    let is_much = text.len() > BYTES_MAX
        || text.chars().filter(|c| matches!(c, '$' | '`')).count() > EXPANSIONS_MAX;
    if is_much || depth > SHELLS_MAX {
        return;
    }
    let Ok(tokens) = uncached_tokenize_str(text, &options().tokenizer_options()) else { return };
    let (mut words, mut files, mut into) = (Vec::new(), Vec::new(), None);
    let mut end = |words: &mut Vec<String>, files: &mut Vec<(String, String)>| {
        for (operator, name) in files.drain(..) {
            let is_emptied = words.is_empty() && matches!(operator.as_str(), ">" | ">|");
            found.push(Written { name, is_emptied });
        }
        if let Some(line) = shells_line(words) {
            written(line, depth + 1, found);
        }
        words.clear();
    };
    for token in &tokens {
        match token {
            Token::Operator(operator, _) if REDIRECTIONS.contains(&operator.as_str()) => {
                into = Some(operator.clone());
            }
            Token::Operator(..) => {
                end(&mut words, &mut files);
                into = None;
            }
            Token::Word(raw, _) => {
                let bare = || raw.trim_matches(['"', '\'']).to_owned();
                let text = word(raw).map_or_else(|_| bare(), |word| word.text);
                match into.take() {
                    Some(operator) if operator.contains('>') => {
                        let is_copy = operator.ends_with('&')
                            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                        if !is_copy && text != "/dev/null" {
                            files.push((operator, text));
                        }
                    }
                    Some(_) => {}
                    None => words.push(text),
                }
            }
        }
    }
    end(&mut words, &mut files);
}

/// The line that a shell is told to read.
fn shells_line(words: &[String]) -> Option<&str> {
    let (program, given) = words.split_first()?;
    let is_told = |word: &String| word.starts_with('-') && word.ends_with('c');
    let name = program.rsplit('/').next()?;
    let at = given.iter().position(is_told).filter(|_| READABLE_SHELLS.contains(&name))?;
    given.get(at + 1).map(String::as_str)
}

/// Whether it only says what the shell would run by a name: `command -v x`.
fn asks_what_runs(words: &[Word]) -> bool {
    let [name, option, names @ ..] = words else { return false };
    let is = |word: &Word, text: &str| word.is_literal && word.text == text;
    is(name, "command")
        && (is(option, "-v") || is(option, "-V"))
        && !names.is_empty()
        && names.iter().all(|word| word.is_literal && !word.text.starts_with('-'))
}

/// Variables that change nothing but how a program tells of what it does.
const TELLING: &[&str] = &[
    "CARGO_TERM_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "FORCE_COLOR",
    "NO_COLOR",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "RUST_BACKTRACE",
    "RUST_LOG",
];

/// Whether `X=y` in front of a program changes nothing of what that does.
fn only_tells(assignment: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-,:=".contains(c);
    assignment.split_once('=').is_some_and(|(name, value)| {
        TELLING.contains(&name) && !value.is_empty() && value.chars().all(is_plain)
    })
}

fn options() -> ParserOptions {
    ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() }
}

fn parsed(text: &str) -> Result<Program, Unclear> {
    if text.len() > BYTES_MAX {
        return unclear("it is too long to be looked at");
    }
    let is_odd = |c: char| match c {
        '\n' | '\t' => false,
        c => c.is_control() || (c.is_whitespace() && c != ' '),
    };
    if text.chars().any(is_odd) {
        return unclear("it has control characters or odd blanks");
    }
    if text.chars().filter(|c| matches!(c, '$' | '`')).count() > EXPANSIONS_MAX {
        return unclear("it has too many expansions");
    }
    let tokens = uncached_tokenize_str(text, &options().tokenizer_options());
    let tokens = tokens.map_err(|_| Unclear("it cannot be parsed".to_owned()))?;
    let mut begins = true;
    let mut names_file = false;
    for token in &tokens {
        match token {
            Token::Operator(operator, _) => {
                let operator = operator.as_str();
                if !OPERATORS.contains(&operator) {
                    return unclear(match operator.starts_with("<<") {
                        true => "it feeds text to a command",
                        false => "it has more than simple commands",
                    });
                }
                names_file = REDIRECTIONS.contains(&operator);
                begins |= !names_file;
            }
            Token::Word(word, _) => {
                if begins && !names_file && RESERVED.contains(&word.as_str()) {
                    return unclear("it has more than simple commands");
                }
                begins &= names_file;
                names_file = false;
            }
        }
    }
    brush_parser::parse_tokens(&tokens, &options())
        .map_err(|_| Unclear("it cannot be parsed".to_owned()))
}

/// A file that the shell opens for a program.
enum File {
    Read(String),
    Written(String),
}

/// The file that a redirection opens, if it opens one that matters.
fn file_of(redirect: &IoRedirect) -> Result<Option<File>, Unclear> {
    let (kind, name) = match redirect {
        IoRedirect::File(_, kind, target) => match target {
            IoFileRedirectTarget::Fd(_) => return Ok(None),
            IoFileRedirectTarget::Filename(name) => (Some(kind), place_of(&name.value)?),
            IoFileRedirectTarget::Duplicate(name) => {
                let name = place_of(&name.value)?;
                let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
                if is_number || name == "-" {
                    return Ok(None);
                }
                (Some(kind), name)
            }
            IoFileRedirectTarget::ProcessSubstitution(..) => {
                return unclear("it substitutes a process");
            }
        },
        IoRedirect::OutputAndError(name, _) => (None, place_of(&name.value)?),
        _ => return unclear("it feeds text to a command"),
    };
    let file = match kind {
        Some(IoFileRedirectKind::Read) => File::Read,
        _ => File::Written,
    };
    Ok((name != "/dev/null").then(|| file(name)))
}

fn place_of(raw: &str) -> Result<String, Unclear> {
    // `>!` is an operator of zsh, and `<1-9>` a pattern.
    let is_range = raw.contains('-') && raw.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if raw.starts_with('!') || (is_range && raw != "-") {
        return unclear("shells differ about which file it redirects into");
    }
    let word = word(raw)?;
    if ["/dev/tcp/", "/dev/udp/"].iter().any(|net| normal(Path::new(&word.text)).starts_with(net)) {
        return unclear("it opens a connection");
    }
    match word.is_literal && !word.text.is_empty() {
        true => Ok(word.text),
        false => unclear("which file it redirects into is found out by the shell"),
    }
}

/// A word as the program will see it.
fn word(raw: &str) -> Result<Word, Unclear> {
    let pieces = brush_parser::word::parse(raw, &options());
    let pieces = pieces.map_err(|_| Unclear("it cannot be parsed".to_owned()))?;
    let mut word = Word { text: String::new(), is_literal: true };
    put(&pieces, false, &mut word)?;
    // `=name` is a path to zsh, behind empty quotes as well.
    let mut begin = raw;
    while let Some(rest) = begin.strip_prefix("''").or_else(|| begin.strip_prefix("\"\"")) {
        begin = rest;
    }
    word.is_literal &= !begin.starts_with('=') || begin == "=";
    // Alone it begins no pattern.
    word.is_literal |= raw == "[";
    Ok(word)
}

fn put(pieces: &[WordPieceWithSource], is_quoted: bool, word: &mut Word) -> Result<(), Unclear> {
    for piece in pieces {
        match &piece.piece {
            WordPiece::Text(text) => {
                // Braces with nothing in them are braces.
                let seen = text.replace("{}", "");
                if !is_quoted && seen.contains(['*', '?', '[', '{', '~', '^', '#']) {
                    word.is_literal = false;
                }
                if text.contains(['$', '`']) || (!is_quoted && text.contains('\\')) {
                    return unclear("it has a `$`, a backquote or a backslash of unclear meaning");
                }
                word.text.push_str(text);
            }
            WordPiece::SingleQuotedText(text) => word.text.push_str(text),
            WordPiece::DoubleQuotedSequence(inner) => put(inner, true, word)?,
            WordPiece::EscapeSequence(escaped) => match escaped.strip_prefix('\\') {
                Some(rest) if rest.chars().count() == 1 && rest != "\n" => {
                    // Within double quotes a backslash before most characters stays.
                    let stays = is_quoted && !matches!(rest, "$" | "`" | "\"" | "\\");
                    word.text.push_str(if stays { escaped } else { rest });
                }
                _ => return unclear("it goes over a line's end"),
            },
            WordPiece::TildeExpansion(_) => {
                word.is_literal = false;
                word.text.push('~');
            }
            _ => return unclear("it has words that the shell replaces"),
        }
    }
    Ok(())
}

/// The line that a shell among the programs reads.
fn inner_line(words: &[Word]) -> Result<Option<&str>, Unclear> {
    let name = Path::new(&words[0].text);
    let is_shell = name.file_name().and_then(|name| name.to_str()).is_some_and(|file| {
        let folder = name.parent().and_then(Path::to_str).unwrap_or("");
        READABLE_SHELLS.contains(&file) && (folder.is_empty() || SHELL_FOLDERS.contains(&folder))
    });
    if !is_shell {
        return Ok(None);
    }
    let mut reads_line = false;
    for (at, word) in words.iter().enumerate().skip(1) {
        let flags = word.text.strip_prefix('-').filter(|flags| !flags.is_empty());
        match flags {
            _ if !word.is_literal => {
                return unclear("what the shell reads is found out by the shell");
            }
            Some(flags) if !reads_line && flags.bytes().all(|flag| matches!(flag, b'l' | b'c')) => {
                reads_line = flags.contains('c');
            }
            Some(_) if !reads_line => return unclear("the shell has options"),
            _ if !reads_line => return Ok(None),
            _ if at + 1 == words.len() => return Ok(Some(&word.text)),
            _ => return unclear("the shell's line has arguments"),
        }
    }
    unclear("the shell reads its line from elsewhere")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<Simple>, Unclear> {
        CommandLine::Text(text.to_owned()).simple_commands(Some(Path::new("/repo")))
    }

    fn told(text: &str) -> Vec<String> {
        let found = read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        found.iter().map(Simple::text).collect()
    }

    #[test]
    fn a_line_is_taken_apart_into_what_it_runs() {
        for (text, parts) in [
            ("cargo test", &["cargo test"][..]),
            ("/bin/bash -lc 'touch f1'", &["touch f1"]),
            ("bash -l -c \"cargo test && rm x\"", &["cargo test", "rm x"]),
            ("zsh -c 'a | b; c & d || e'", &["a", "b", "c", "d", "e"]),
            ("sh -c \"sh -c 'rm x'\"", &["rm x"]),
            ("a\nb # c", &["a", "b"]),
            ("git commit -m 'a; b && $(c)'", &["git commit -m a; b && $(c)"]),
            ("echo 'it'\\''s' \"q \\\" d\"", &["echo it's q \" d"]),
            ("c\\argo te\"s\"t", &["cargo test"]),
            ("make CC=gcc", &["make CC=gcc"]),
            ("cargo test 2>&1 >/dev/null", &["cargo test"]),
            ("cat < in.txt | wc -l", &["cat", "wc -l"]),
            ("echo if for", &["echo if for"]),
            ("rg \"a\\b\" 'x$'", &["rg a\\b x$"]),
            ("ls *.rs ~/x", &["ls *.rs ~/x"]),
            ("cargo te\\\nst \\\n --all", &["cargo test --all"]),
            ("[ -f a ] && [ b = c ]", &["[ -f a ]", "[ b = c ]"]),
            ("command -v node || command -V a b", &["command -v node", "command -V a b"]),
            ("RUST_BACKTRACE=1 RUST_LOG=a::b=x,c cargo test", &["cargo test"]),
        ] {
            assert_eq!(told(text), parts, "{text}");
        }
    }

    #[test]
    fn what_is_not_sure_is_unclear() {
        for text in [
            "",
            "   ",
            "echo $(rm x)",
            "echo `rm x`",
            "echo $HOME",
            "$CMD x",
            "\"$CMD\" x",
            "A=1 cargo test",
            "RUST_LOG=$X cargo test",
            "RUST_LOG='a b' cargo test",
            "RUST_BACKTRACE+=1 cargo test",
            "RUST_BACKTRACE=1",
            "RUST_BACKTRACE=1 A=1 cargo test",
            "command rm x",
            "command -v",
            "command -p -v x",
            "command -v -p rm",
            "command -v *",
            "[a -f x",
            "A=1",
            "cat <<E\nx\nE",
            "cat <<< x",
            "cat <(ls)",
            "tee >(cat)",
            "(rm x)",
            "{ rm x; }",
            "if a; then b; fi",
            "for f in a b; do rm $f; done",
            "while true; do x; done",
            "[[ -f x ]] && y",
            "((x++))",
            "f() { rm x; }; f",
            "function f { rm x; }",
            "! cargo test",
            "time cargo test",
            "eval 'rm x'",
            "source x",
            ". x",
            "exec rm x",
            "alias cargo=rm; cargo test",
            "hash -p /bin/rm cargo; cargo test",
            "export PATH=/tmp; cargo test",
            "{rm,-rf,x}",
            "r? x",
            "~/x",
            "=rm x",
            "''\"\"=rm x",
            "bash -c 'a' b c",
            "bash -ic 'a'",
            "bash -c",
            "bash -s",
            "bash",
            "bash -o pipefail -c x",
            "bash -c \"$X\"",
            "bash -c 'sh -c \"zsh -c \\\"dash -c a\\\"\"'",
            "cd",
            "cd -",
            "cd $X",
            "cd a b",
            "echo 'unfinished",
            "a &&",
            "a | | b",
            "a;;",
            "cargo\u{a0}test",
            "cargo\u{3000}test",
            "cargo test\u{0}",
            "cargo test\r",
            "cargo test \u{1b}[2J",
            "echo $'a\\n'",
            "echo $\"a\"",
            "x > $Y",
            "x > *",
            "cargo test &| rm x",
            "cargo test &! rm x",
            "coproc rm x",
            "repeat 3 rm x",
            "bash -lc 'rm x' > out",
            "bash -lc 'rm x' < in",
            "echo hi >!/etc/x",
            "/bin/zsh -lc 'echo hi >!/etc/x'",
            "echo hi >>!/etc/x",
            "echo hi &>!/etc/x",
            "echo hi >&!/etc/x",
            "echo hi >! /etc/x",
            "echo hi >>| /etc/x",
            "echo hi &>| /etc/x",
            "cat a<1-5>b",
            "cat < /dev/tcp/host/80",
            "echo x > /dev/../dev/udp/host/80",
            "cd +1",
        ] {
            assert!(read(text).is_err(), "{text:?}: {:?}", read(text));
        }
        assert!(read(&"a ".repeat(9000)).is_err());
        assert!(read(&"(".repeat(5000)).is_err());
        assert!(read(&"$(".repeat(5000)).is_err());
        assert!(read(&"if ".repeat(4000)).is_err());
        assert!(read(&"echo {".repeat(1000)).is_ok());
        assert!(CommandLine::Words(Vec::new()).simple_commands(None).is_err());
    }

    #[test]
    fn a_shell_elsewhere_is_a_program_like_any_other() {
        assert_eq!(told("./bash -lc 'cargo test'"), ["./bash -lc cargo test"]);
        assert_eq!(told("/tmp/sh -c x"), ["/tmp/sh -c x"]);
        assert_eq!(told("bash script.sh -x"), ["bash script.sh -x"]);
    }

    #[test]
    fn words_of_a_program_are_as_they_are() {
        let words = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            CommandLine::Words(words).simple_commands(None)
        };
        let found = words(&["rm", "*", "$x"]).unwrap();
        assert!(found[0].words.iter().all(|word| word.is_literal));
        let found = words(&["bash", "-lc", "rm x && ls"]).unwrap();
        assert_eq!(found.len(), 2);
        assert!(words(&["bash", "-lc", "rm $x"]).is_err());
    }

    #[test]
    fn folders_and_files_are_followed_through_a_line() {
        let folders = |text: &str, at: usize| -> Vec<String> {
            let found = read(text).unwrap();
            let shown = |folder: &PathBuf| folder.display().to_string();
            found[at].folders.iter().map(shown).collect()
        };
        assert_eq!(folders("cd sub && x", 1), ["/repo/sub"]);
        assert_eq!(folders("cd sub; x", 1), ["/repo", "/repo/sub"]);
        assert_eq!(folders("cd sub || x", 1), ["/repo", "/repo/sub"]);
        assert_eq!(folders("cd /etc && cd .. && x", 2), ["/", "/etc/.."]);
        assert_eq!(folders("cd a && x\ny", 2), ["/repo", "/repo/a"]);
        assert_eq!(folders("bash -c 'cd a && x' && y", 2), ["/repo"]);
        // A part of a pipeline has a shell of its own, in zsh the last one has not.
        assert_eq!(folders("cd a | x", 1), ["/repo"]);
        assert_eq!(folders("cd a | x && y", 2), ["/repo"]);
        assert_eq!(folders("x | cd a; y", 2), ["/repo", "/repo/a"]);
        assert_eq!(folders("cd a & y", 1), ["/repo", "/repo/a"]);
        // Behind `||` either side may have run.
        assert_eq!(folders("cd . || cd /ws && x", 2), ["/repo", "/ws"]);
        assert_eq!(folders("true || cd ws && x", 2), ["/repo", "/repo/ws"]);
        assert_eq!(folders("cd a && x || y", 2), ["/repo", "/repo/a"]);
        // Up by words, or as links lead.
        assert_eq!(folders("cd link/.. && x", 1), ["/repo", "/repo/link/.."]);
        let writes = |text: &str| -> Vec<PathBuf> { read(text).unwrap().remove(0).writes };
        assert_eq!(writes("x > out.txt"), [Path::new("/repo/out.txt")]);
        assert_eq!(writes("x >> ../o"), [Path::new("/repo/../o")]);
        assert_eq!(writes("x &> /tmp/o"), [Path::new("/tmp/o")]);
        assert_eq!(writes("x >& o"), [Path::new("/repo/o")]);
        assert!(writes("x 2>/dev/null 2>&1 < in").is_empty());
        let reads = |text: &str| -> Vec<PathBuf> { read(text).unwrap().remove(0).reads };
        assert_eq!(reads("x < in"), [Path::new("/repo/in")]);
        assert_eq!(
            reads("x < link/../etc 0</etc/x"),
            ["/repo/link/../etc", "/etc/x"].map(Path::new)
        );
        assert!(reads("x </dev/null <&0 > o").is_empty());
    }

    #[test]
    fn what_is_written_is_seen_in_a_line_that_cannot_be_read() {
        let seen = |text: &str| -> Vec<String> {
            let found = CommandLine::Text(text.to_owned()).written();
            found.into_iter().map(|file| file.name).collect()
        };
        assert_eq!(seen("echo x >> ~/.ssh/keys"), ["~/.ssh/keys"]);
        assert_eq!(seen("bash -lc 'echo $X > \"$HOME/.bashrc\"'"), ["$HOME/.bashrc"]);
        assert_eq!(seen("bash -lc \"echo x > $HOME/x\""), ["$HOME/x"]);
        assert_eq!(
            seen("for f in a; do x > b 2>&1; done &> 'c d' | y >&2 > /dev/null"),
            ["b", "c d"]
        );
        assert!(seen("awk '$1>5' \"a > b\" < c").is_empty());
        let empties = |text: &str| CommandLine::Text(text.to_owned()).written()[0].is_emptied;
        assert!(empties("> a") && !empties(">> a") && !empties("x > a") && !empties("> a x"));
        let words = ["sh", "-c", "$X > /etc/x"].map(str::to_owned).to_vec();
        assert_eq!(CommandLine::Words(words).written()[0].name, "/etc/x");
    }

    /// As Codex and others put words into one line.
    fn quoted(word: &str) -> String {
        format!("'{}'", word.replace('\'', "'\\''"))
    }

    proptest! {
        #[test]
        fn quoted_words_come_back_as_they_were(
            words in prop::collection::vec("[ -~]{0,12}", 1..5), shell in any::<bool>(),
        ) {
            let name = words[0].clone();
            prop_assume!(!name.is_empty() && !CHANGING.contains(&name.as_str()) && name != "cd");
            prop_assume!(inner_line(&[Word::plain(&name)]) == Ok(None));
            let mut line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            prop_assume!(line.matches(['$', '`']).count() <= EXPANSIONS_MAX);
            if shell {
                line = format!("/bin/bash -lc {}", quoted(&line));
            }
            let found = read(&line).unwrap();
            prop_assert_eq!(found.len(), 1);
            let texts: Vec<&str> = found[0].words.iter().map(|word| word.text.as_str()).collect();
            prop_assert_eq!(texts, words.iter().map(String::as_str).collect::<Vec<_>>());
        }

        #[test]
        fn no_text_is_too_much(text in "\\PC{0,60}", shell in "[a-z$(){}`;&|<> \"'\\\\\n!#=*?\\[\\]~-]{0,80}") {
            let _ = read(&text);
            let _ = read(&shell);
        }

        #[test]
        fn what_hides_a_command_is_never_overlooked(
            before in "[a-z ]{0,8}", after in "[a-z ]{0,8}",
            hidden in prop::sample::select(vec!["$(rm x)", "`rm x`", "; rm x", "&& rm x", "| rm x", "& rm x", "\nrm x", "|| rm x", "<(rm x)", "\"$(rm x)\""]),
        ) {
            let text = format!("echo {before}{hidden} {after}");
            if let Ok(found) = read(&text) {
                prop_assert!(found.iter().any(|simple| simple.program() == "rm"), "{}", text);
            }
        }
    }
}
