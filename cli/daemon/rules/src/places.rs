//! The places that a command names.
//!
//! What always holds: a place is as it was given, `..` and all, from the root where the folder is known.
//! Rather too many are named than too few.

use crate::shell::Simple;
use std::path::PathBuf;

/// The longest option whose value may follow it at once, in bytes.
const ATTACHED_MAX: usize = 256;

/// The places that an argument may name, whatever its program makes of it: `x`, `--to=x`, `-Ix`, `@x`,
/// `host:x`, or one of them in a text; an address is none, unless of a file. `None` where that is not
/// sure.
pub(crate) fn places(text: &str, folders: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let mut pieces: Vec<&str> = vec![text];
    let is_mark = |c: char| c.is_whitespace() || "'\"`;|&<>()".contains(c);
    for token in text.split(is_mark).filter(|token| !token.is_empty()) {
        pieces.push(token);
        pieces.extend(token.match_indices(['=', ',', '@']).map(|(at, _)| &token[at + 1..]));
        for part in token.split(['=', ',', '@']) {
            match part.split_once("://") {
                Some((scheme, _))
                    if scheme != "file" && scheme.chars().all(char::is_alphanumeric) => {}
                _ => pieces.extend(part.split(':')),
            }
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
    let is_sure = !pieces.iter().any(|piece| piece.starts_with('~'));
    let all = folders.iter().flat_map(|folder| pieces.iter().map(|piece| folder.join(piece)));
    is_sure.then(|| all.collect())
}

/// The places that a command names: where it runs, what it writes into, arguments that are paths.
pub(crate) fn named(simple: &Simple) -> Vec<PathBuf> {
    let mut places = [simple.folders.clone(), simple.reads.clone(), simple.writes.clone()].concat();
    for word in simple.words.iter().skip(1) {
        let text = word.text.rsplit('=').next().unwrap_or(&word.text);
        if text.contains('/') || text.starts_with('.') || simple.is_cd {
            match text.starts_with('/') {
                true => places.push(PathBuf::from(text)),
                false => places.extend(simple.folders.iter().map(|folder| folder.join(text))),
            }
        }
    }
    places
}
