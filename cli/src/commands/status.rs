//! `sm status`: how things stand, in one line.
//!
//! What always holds: it reads the heads of rows, and more only of what has just lost its server, so that a
//! status bar can ask every second; what is not live is not counted as going on.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams};
use crate::read::{AsOf, Tables};
use crate::show::Lives;
use clap::Args;
use serde::Serialize;
use sm_projections::rows::ActivityState;
use sm_projections::{StoreError, View, views};
use std::collections::BTreeMap;

/// How many sessions wait, work and rest, in one line.
#[derive(Debug, Args)]
pub struct Status {
    /// The line for a status bar: set -g status-right '#(sm status --tmux)'. Nothing where nothing is.
    #[arg(long)]
    tmux: bool,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    /// Sessions of each state, archived ones left out.
    states: BTreeMap<&'static str, u64>,
    /// Of those, the ones whose process is alive.
    live: BTreeMap<&'static str, u64>,
    /// Of those, the ones of whose process nothing is known from here: in a sandbox, say.
    unknown: BTreeMap<&'static str, u64>,
    /// Of those that are idle, the ones that no process has loaded: their next message does.
    put_away: u64,
    /// Of those that are not stopped or put away, the ones whose process is gone.
    dead: u64,
    /// Of those that are not stopped, the ones of which only a transcript is known.
    imported: u64,
    archived: u64,
    /// Of those that are stopped, the ones that a running daemon is to resume.
    resuming: u64,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    #[serde(flatten)]
    counts: Counts,
    line: String,
    as_of: AsOf,
}

impl Status {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let (counts, as_of) = match Tables::open(context, streams)? {
            Some(tables) => {
                let view = tables.view()?;
                (Counts::new(&view, &mut tables.lives())?, tables.as_of(&view)?)
            }
            None => (Counts::default(), AsOf::nothing()),
        };
        let line = counts.line();
        if context.json {
            let schema = "sm.status/1";
            streams.document(&Answer { schema, counts, line, as_of })?;
            return Ok(Exit::Ok);
        }
        if self.tmux {
            // A status bar shows neither colour codes nor advice.
            streams.line(line)?;
            return Ok(Exit::Ok);
        }
        let home = context.home_words();
        if counts.states.is_empty() {
            streams.say(format_args!(
                "Nothing recorded yet. Start one:  sm{home} spawn 'PROMPT'\n\
                 See it all at work:         sm demo"
            ));
            return Ok(Exit::Ok);
        }
        let role = if counts.waits() { Role::NeedsHuman } else { Role::Strong };
        streams.line(streams.style.paint(role, line))?;
        if counts.waits() {
            streams.say(format_args!("What they ask: sm{home} inbox"));
        }
        Ok(Exit::Ok)
    }
}

impl Counts {
    fn new(view: &View<'_>, lives: &mut Lives) -> Result<Counts, StoreError> {
        let resuming = lives.coming_back(view)?.len() as u64;
        let mut counts = Counts { resuming, ..Counts::default() };
        let mut failed = None;
        views::heads(view, |head| {
            if head.archived {
                counts.archived += 1;
                return;
            }
            let word = head.state.as_str();
            *counts.states.entry(word).or_default() += 1;
            if head.state == ActivityState::Stopped {
                return;
            }
            match lives.of_life(view, head.source, head.generation) {
                Ok(Some(true)) => *counts.live.entry(word).or_default() += 1,
                Ok(Some(false)) if head.state == ActivityState::Idle => counts.put_away += 1,
                Ok(Some(false)) => counts.dead += 1,
                Ok(None) if lives.is_of_server(head.source) => {
                    *counts.unknown.entry(word).or_default() += 1;
                }
                Ok(None) => counts.imported += 1,
                Err(error) => failed = Some(error),
            }
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(counts),
        }
    }

    fn waits(&self) -> bool {
        let waiting = ActivityState::ALL.iter().filter(|state| state.is_waiting());
        waiting.into_iter().any(|state| self.going_on(*state) > 0)
    }

    /// How many are in that state, as far as can be told from here.
    fn going_on(&self, state: ActivityState) -> u64 {
        let of = |counts: &BTreeMap<_, u64>| counts.get(state.as_str()).copied().unwrap_or(0);
        let put_away = if state == ActivityState::Idle { self.put_away } else { 0 };
        of(&self.live) + of(&self.unknown) + put_away
    }

    /// `1 permission · 2 question · 3 working · 1 thinking · 4 idle`, those that wait first; nothing
    /// where nothing is.
    fn line(&self) -> String {
        let words = [
            (ActivityState::WaitingPermission, "permission"),
            (ActivityState::WaitingInput, "question"),
            (ActivityState::Working, "working"),
            (ActivityState::Thinking, "thinking"),
            (ActivityState::Idle, "idle"),
        ];
        let counted = words.iter().map(|(state, word)| (self.going_on(*state), word));
        let counted = counted.filter(|(count, _)| *count > 0);
        let mut parts: Vec<String> =
            counted.map(|(count, word)| format!("{count} {word}")).collect();
        let unknown: u64 = self.unknown.values().sum();
        if unknown > 0 {
            parts.push(format!("{unknown} by the log alone"));
        }
        if self.resuming > 0 {
            parts.push(format!("{} resuming", self.resuming));
        }
        if self.dead > 0 {
            parts.push(format!("{} dead", self.dead));
        }
        let recorded: u64 = self.states.values().sum();
        if parts.is_empty() && recorded > 0 {
            parts.push(format!("none live, {recorded} recorded"));
        }
        parts.join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_wait_stand_first_and_nothing_is_an_empty_line() {
        let mut counts = Counts::default();
        assert_eq!((counts.line(), counts.waits()), (String::new(), false));
        counts.states = BTreeMap::from([("idle", 3), ("stopped", 1)]);
        assert_eq!(counts.line(), "none live, 4 recorded");
        counts.live = BTreeMap::from([("idle", 2), ("working", 1)]);
        assert_eq!((counts.line(), counts.waits()), ("1 working · 2 idle".to_owned(), false));
        counts.live.insert("waiting_permission", 1);
        counts.unknown.insert("working", 2);
        assert_eq!(counts.line(), "1 permission · 3 working · 2 idle · 2 by the log alone");
        counts.unknown.clear();
        (counts.dead, counts.resuming, counts.put_away) = (2, 1, 3);
        assert_eq!(counts.line(), "1 permission · 1 working · 5 idle · 1 resuming · 2 dead");
        assert!(counts.waits());
    }
}
