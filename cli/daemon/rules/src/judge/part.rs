//! What a request consists of.
//!
//! What always holds: a command counts with all that it starts, and says so where that may be more than is seen.

use crate::line::shell::{CommandLine, Simple, Unclear, Word};
use crate::programs::known::is_known;
use crate::programs::named::{Sure, begins, may_carry, may_mean};
use crate::programs::starts::{is_starter, may_carry_line, started};
use crate::subject::{FileTouched, Subject, What};
use std::path::PathBuf;

/// What a request consists of, each to be covered by itself.
pub(super) enum Part<'s> {
    Command(Command),
    File(&'s FileTouched),
    Permissions,
}

/// A command, with what it starts.
pub(super) struct Command {
    /// Itself.
    pub simple: Simple,
    /// Each program that it starts, as far as that is told.
    pub started: Vec<Simple>,
    /// Whether it may start more.
    pub is_open: bool,
}

impl Command {
    fn new(simple: Simple) -> Command {
        let found = started(&simple.words);
        let with = |words: Vec<Word>| Simple { words, ..simple.clone() };
        let mut command = Command {
            started: found.commands.into_iter().map(with).collect(),
            is_open: found.unsure.is_some(),
            simple,
        };
        for line in found.lines {
            match commands_of(&CommandLine::Text(line), &command.simple.folders) {
                Ok(inner) => {
                    // What it starts in its turn is not followed further.
                    command.is_open |= inner.iter().any(|simple| {
                        let found = started(&simple.words);
                        found.unsure.is_some() || !found.lines.is_empty()
                    });
                    for simple in inner {
                        let more = started(&simple.words).commands.into_iter();
                        let more = more.map(|words| Simple { words, ..simple.clone() });
                        command.started.extend(more.collect::<Vec<_>>());
                        command.started.push(simple);
                    }
                }
                Err(_) => command.is_open = true,
            }
        }
        command
    }

    /// Whether it is, or starts, a command of those first words.
    pub fn is(&self, words: &[String]) -> Sure {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.is_empty() {
            return Sure::Yes;
        }
        let all = || std::iter::once(&self.simple).chain(&self.started);
        let best = all().map(|simple| begins(&simple.words, &words)).max().unwrap_or(Sure::No);
        let may = |simple: &Simple| {
            let own = &simple.words;
            let is_vague = is_starter(own) || !is_known(own);
            (is_vague && may_carry(own, &words)) || may_carry_line(own) || may_mean(own, &words)
        };
        match best == Sure::No && (self.is_open || all().any(may)) {
            true => Sure::Perhaps,
            false => best,
        }
    }
}

/// The parts of a request, where they are known.
pub(super) fn parts(subject: &Subject) -> Result<Vec<Part<'_>>, Unclear> {
    match &subject.what {
        What::Command { line: None, .. } => Err(Unclear("its command is not known".to_owned())),
        What::Command { line: Some(line), cwd, .. } => {
            let simple = line.simple_commands(cwd.as_deref())?;
            Ok(simple.into_iter().map(Command::new).map(Part::Command).collect())
        }
        What::Files { files, .. } if files.is_empty() => {
            Err(Unclear("its files are not known".to_owned()))
        }
        What::Files { files, .. } => Ok(files.iter().map(Part::File).collect()),
        What::Permissions { .. } => Ok(vec![Part::Permissions]),
        What::Tool { .. } | What::Other => Err(Unclear("nobody knows what it asks".to_owned())),
    }
}

/// What a line runs, wherever it may be run.
pub(super) fn commands_of(line: &CommandLine, folders: &[PathBuf]) -> Result<Vec<Simple>, Unclear> {
    if folders.is_empty() {
        return line.simple_commands(None);
    }
    let mut found = Vec::new();
    for folder in folders {
        found.extend(line.simple_commands(Some(folder))?);
    }
    Ok(found)
}
