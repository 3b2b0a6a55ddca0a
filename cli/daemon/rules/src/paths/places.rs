//! The places that a command names.
//!
//! What always holds: a place is as it was given, `..` and all, from the root where the folder is known.
//! Rather too many are named than too few.

use crate::line::shell::Simple;
use crate::line::words::{file_name, is_option, name_of, unified, unversioned};
use std::path::PathBuf;

/// The longest option whose value may follow it at once, in bytes.
const ATTACHED_MAX: usize = 256;

/// More folders than a command is well told to change to.
const FOLDERS_MAX: usize = 32;

/// Long options behind which a folder stands from where the rest counts.
const MOVING: &[&str] =
    &["--cd", "--cwd", "--dir", "--directory", "--prefix", "--working-directory"];

/// How addresses begin that name nothing on this machine.
const REMOTE: &[&str] =
    &["ftp", "ftps", "git", "http", "https", "rsync", "s3", "scp", "sftp", "ssh", "ws", "wss"];

/// Programs to which `-C` is no folder.
const NOT_MOVED: &[&str] = &[
    "ag", "awk", "curl", "diff", "egrep", "fgrep", "file", "grep", "ls", "rg", "rustc", "rsync",
    "sort",
];

/// A piece as a program reads it for which `%2e` is a dot; `None` where that is no text.
fn decoded(piece: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), piece.as_bytes());
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).filter(|_| *first == b'%');
        let code = code.filter(|code| code.iter().all(u8::is_ascii_hexdigit));
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = &behind[if code.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8(bytes).ok()
}

/// The folders that a command's arguments may count from: those that it runs in, and those that it is told
/// to change to.
pub(crate) struct Counted {
    all: Vec<PathBuf>,
    /// The words that tell it to, each with how many of the folders it may count from itself.
    moving: Vec<(usize, usize)>,
}

impl Counted {
    /// Those that the word at `at` may count from.
    pub fn of(&self, at: usize) -> &[PathBuf] {
        let own = self.moving.iter().find(|(word, _)| *word == at);
        &self.all[..own.map_or(self.all.len(), |(_, count)| *count)]
    }

    /// All of them.
    pub fn all(&self) -> &[PathBuf] {
        &self.all
    }

    /// Those of a command that changes to none.
    pub fn still(simple: &Simple) -> Counted {
        Counted { all: simple.folders.clone(), moving: Vec::new() }
    }
}

/// What a command's arguments may count from; `None` where that is not known.
pub(crate) fn counted(simple: &Simple) -> Option<Counted> {
    let mut found = Counted::still(simple);
    let name = file_name(simple.program());
    if NOT_MOVED.contains(&name) {
        return Some(found);
    }
    for (at, word) in simple.words.iter().enumerate().skip(1) {
        let text = word.text.as_str();
        let next = || simple.words.get(at + 1).map(|word| word.text.as_str());
        let glued = match text.split_once('=') {
            Some((option, value)) if MOVING.iter().any(|long| is_option(option, long)) => {
                Some(value)
            }
            _ => match text.strip_prefix('-').filter(|letters| !letters.starts_with('-')) {
                Some(letters) => letters.split_once('C').map(|(_, value)| value),
                // The letters of an old `tar` take their values in turn.
                None if at == 1 && name.ends_with("tar") && text.contains('C') => return None,
                None => MOVING.iter().any(|long| is_option(text, long)).then_some(""),
            },
        };
        let Some(glued) = glued else { continue };
        let place = if glued.is_empty() { at + 1 } else { at };
        let Some(to) = (if glued.is_empty() { next() } else { Some(glued) }) else { continue };
        found.moving.push((place, found.all.len()));
        let moved: Vec<PathBuf> = found.all.iter().map(|folder| folder.join(to)).collect();
        found.all.extend(moved);
        if found.all.len() > FOLDERS_MAX {
            return None;
        }
    }
    Some(found)
}

/// The places that the word at `at` of a command may name; `None` where that is not sure.
pub(crate) fn places_at(simple: &Simple, at: usize, folders: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let word = simple.words.get(at)?;
    if !word.is_literal {
        return revision_places(simple, &word.text, folders);
    }
    let is_made = match unversioned(file_name(simple.program())) {
        "curl" => curl_makes(simple, &word.text),
        "sqlite" => is_statement_of_places(&word.text),
        _ => false,
    };
    if is_made { None } else { places(&word.text, folders) }
}

/// The places that `HEAD~1` of `git` may name: in a `zsh` that takes it for a pattern it is what stands in front
/// of the `~`, or nothing.
fn revision_places(simple: &Simple, text: &str, folders: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./~@".contains(c);
    let (name, _) = text.split_once('~').filter(|(name, behind)| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')
            && behind.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    })?;
    if name_of(&unified(&simple.words)) != "git" || !text.chars().all(is_plain) {
        return None;
    }
    Some([places(name, folders)?, places(text, folders)?].concat())
}

/// Whether `curl` makes places of a word that do not stand there: it has patterns in addresses and names of
/// files, and puts what they matched into others.
fn curl_makes(simple: &Simple, text: &str) -> bool {
    let mut digits = text.split('#').skip(1);
    if digits.any(|behind| behind.starts_with(|c: char| c.is_ascii_digit())) {
        return true;
    }
    // Only in front it is surely no other option's value, and only of one address.
    let is_first = simple
        .words
        .get(1)
        .is_some_and(|word| word.is_literal && matches!(word.text.as_str(), "-g" | "--globoff"));
    let ends = ["-:", "--next", "--no-globoff"];
    let is_off = is_first
        && !simple.words.iter().any(|word| ends.iter().any(|end| is_option(&word.text, end)));
    !is_off && text.contains(['{', '['])
}

/// Whether a statement of SQLite may open a file whose name it makes up.
fn is_statement_of_places(text: &str) -> bool {
    let text = text.to_lowercase();
    let opens = ["attach", "fsdir", "readfile", "zipfile", "sqlar"];
    let is_told =
        text.trim_start().strip_prefix('.').is_some_and(|text| !text.starts_with(['.', '/']));
    is_told
        || opens.iter().any(|name| text.contains(name))
        || (text.contains("vacuum") && text.contains("into"))
}

/// The places that an argument may name, whatever its program makes of it: `x`, `--to=x`, `-Ix`, `@x`,
/// `host:x`, or one of them in a text; an address is none where it is surely another machine's. `None` where
/// that is not sure.
pub(crate) fn places(text: &str, folders: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let mut pieces: Vec<&str> = vec![text];
    let is_mark = |c: char| c.is_whitespace() || "'\"`;|&<>()".contains(c);
    for token in text.split(is_mark).filter(|token| !token.is_empty()) {
        pieces.push(token);
        pieces.extend(token.match_indices(['=', ',', '@']).map(|(at, _)| &token[at + 1..]));
        for part in token.split(['=', ',', '@']) {
            let scheme = part.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
            if scheme.as_deref().is_some_and(|scheme| REMOTE.contains(&scheme)) {
                continue;
            }
            // Some programs read patterns in an address themselves.
            if scheme.is_some() && part.contains(['*', '?', '[', '{']) {
                return None;
            }
            pieces.extend(part.split(':'));
        }
    }
    let mut values = Vec::new();
    for piece in &pieces {
        match piece.strip_prefix('-') {
            None => {}
            // Long options give no value but behind a `=`.
            Some(long) if long.starts_with('-') => {
                let name = piece.split('=').next().unwrap_or(piece);
                values.extend(name.find(['/', '.', '~']).map(|at| &name[at..]));
            }
            // Several letters, and a value, may follow one dash.
            Some(letters) => {
                if letters.len() > ATTACHED_MAX {
                    return None;
                }
                let name = letters.find('=').unwrap_or(letters.len());
                let ends = letters.char_indices().map(|(at, _)| at).filter(|at| *at <= name);
                values.extend(ends.map(|at| &letters[at..]));
            }
        }
    }
    pieces.extend(values);
    pieces.retain(|piece| *piece != "/dev/null" && !piece.is_empty());
    let decoded: Option<Vec<String>> =
        pieces.iter().filter(|piece| piece.contains('%')).map(|piece| decoded(piece)).collect();
    let decoded = decoded?;
    pieces.extend(decoded.iter().map(String::as_str));
    let is_sure = !pieces.iter().any(|piece| piece.starts_with('~'));
    let all = folders.iter().flat_map(|folder| pieces.iter().map(|piece| folder.join(piece)));
    is_sure.then(|| all.collect())
}

/// The places that a copy is written to by the name of what is copied, where the last word, or one behind `-t`,
/// is a folder: what is a link there already is written through.
pub(crate) fn landings(simple: &Simple, counted: &Counted) -> Vec<PathBuf> {
    if !matches!(file_name(simple.program()), "cp" | "scp") {
        return Vec::new();
    }
    let words = &simple.words;
    let tells =
        |at: usize| ["-t", "--target-directory"].iter().any(|one| is_option(&words[at].text, one));
    let is_target = |at: &usize| *at + 1 == words.len() || tells(*at) || tells(*at - 1);
    let mut found = Vec::new();
    for at in (1..words.len()).filter(is_target) {
        let folders = places(&words[at].text, counted.of(at)).unwrap_or_default();
        for word in &words[1..] {
            let name = file_name(word.text.trim_end_matches('/'));
            found.extend(folders.iter().map(|folder| folder.join(name)));
        }
    }
    found
}

/// The places that a command names: where it runs, what it writes into, arguments that are paths.
pub(crate) fn named(simple: &Simple) -> Vec<PathBuf> {
    let mut places = [simple.folders.clone(), simple.reads.clone(), simple.writes.clone()].concat();
    let counted = counted(simple).unwrap_or_else(|| Counted::still(simple));
    for (at, word) in simple.words.iter().enumerate().skip(1) {
        let text = word.text.rsplit('=').next().unwrap_or(&word.text);
        if text.contains('/') || text.starts_with('.') || simple.is_cd {
            match text.starts_with('/') {
                true => places.push(PathBuf::from(text)),
                false => places.extend(counted.of(at).iter().map(|folder| folder.join(text))),
            }
        }
    }
    places
}
