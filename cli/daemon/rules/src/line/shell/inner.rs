//! The line that a shell among the programs reads.

use super::{Unclear, Word, unclear};
use std::path::Path;

/// How deep shells may start shells.
pub(super) const SHELLS_MAX: usize = 3;

/// Shells whose lines are read here: those that read them alike.
pub(crate) const READABLE_SHELLS: &[&str] = &["bash", "sh", "zsh", "dash"];

/// Where those lie; the same name elsewhere may be anything.
const SHELL_FOLDERS: &[&str] =
    &["/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin"];

/// The line that a shell among the programs reads.
pub(super) fn inner_line(words: &[Word]) -> Result<Option<&str>, Unclear> {
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

/// The line that a shell is told to read.
pub(super) fn shells_line(words: &[String]) -> Option<&str> {
    let (program, given) = words.split_first()?;
    let is_told = |word: &String| word.starts_with('-') && word.ends_with('c');
    let name = program.rsplit('/').next()?;
    let at = given.iter().position(is_told).filter(|_| READABLE_SHELLS.contains(&name))?;
    given.get(at + 1).map(String::as_str)
}
