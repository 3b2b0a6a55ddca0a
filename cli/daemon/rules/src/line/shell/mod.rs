//! A command line, taken apart into the simple commands that it runs.
//!
//! What always holds: what is returned is all that the line runs, each word as the program will see it;
//! where that cannot be told for sure, the line is [`Unclear`]. It must hold for bash, sh and zsh alike,
//! so whatever they read differently is unclear, too.

mod grammar;
mod inner;
mod reading;
mod redirect;
#[cfg(test)]
mod tests;
mod word;
mod written;

pub(crate) use grammar::RESERVED;
pub(crate) use inner::READABLE_SHELLS;
pub(crate) use reading::CHANGING;
pub use word::Word;
pub(crate) use written::Written;

use crate::line::folders::Folders;
use crate::paths::glob::normal;
use reading::read;
use std::path::{Path, PathBuf};

/// A command as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// As a shell would read it.
    Text(String),
    /// As a program would be started.
    Words(Vec<String>),
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
        let found = read(self, Folders(told.chain(walked).collect()))?;
        match found.is_empty() {
            true => unclear("it is empty"),
            false => Ok(found),
        }
    }
}
