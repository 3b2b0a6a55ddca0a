//! A line read from its beginning on: what it runs, and where.

use super::grammar::parsed;
use super::inner::{SHELLS_MAX, inner_line};
use super::redirect::{File, file_of};
use super::word::word;
use super::{CommandLine, Simple, Unclear, Word, unclear};
use crate::line::folders::{Ended, Folders};
use brush_parser::ast::{
    AndOr, AndOrList, Command, CommandPrefixOrSuffixItem as Item, Pipeline, SeparatorOperator,
    SimpleCommand,
};

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

/// All that a line runs which begins in `now`.
pub(super) fn read(line: &CommandLine, now: Folders) -> Result<Vec<Simple>, Unclear> {
    let mut reading = Reading { found: Vec::new() };
    match line {
        CommandLine::Text(text) => drop(reading.text(text, now, 0)?),
        CommandLine::Words(words) => {
            let words = words.iter().map(|word| Word::plain(word)).collect();
            reading.run(words, Vec::new(), &now, 0)?;
        }
    }
    Ok(reading.found)
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

/// Whether it only says what the shell would run by a name: `command -v x`.
fn asks_what_runs(words: &[Word]) -> bool {
    let [name, option, names @ ..] = words else { return false };
    let is = |word: &Word, text: &str| word.is_literal && word.text == text;
    is(name, "command")
        && (is(option, "-v") || is(option, "-V"))
        && !names.is_empty()
        && names.iter().all(|word| word.is_literal && !word.text.starts_with('-'))
}

/// Whether `X=y` in front of a program changes nothing of what that does.
fn only_tells(assignment: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-,:=".contains(c);
    assignment.split_once('=').is_some_and(|(name, value)| {
        TELLING.contains(&name) && !value.is_empty() && value.chars().all(is_plain)
    })
}
