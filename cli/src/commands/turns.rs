//! `sm turns`: a session's timeline.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, Table, ago, clean, duration_ms, tokens};
use crate::past::{At, Question};
use crate::read::AsOf;
use crate::show::timeline;
use clap::Args;
use serde::Serialize;
use sm_daemon::counted;
use sm_projections::rows::Turn;
use sm_projections::views::{self, TurnDoc};

/// Shows a session's turns, oldest first: how each ended, how long it took, what it did, and as a
/// picture what the time went into.
#[derive(Debug, Args)]
pub struct Turns {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    #[arg(default_value = "@last")]
    session: String,

    /// Only so many of the newest.
    #[arg(short = 'n', value_name = "N")]
    last: Option<usize>,

    /// One turn by its number, phase by phase.
    #[arg(long, value_name = "NUMBER", conflicts_with = "last")]
    turn: Option<u32>,

    #[command(flatten)]
    at: At,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    session_id: String,
    thread_id: String,
    turns: Vec<TurnDoc>,
    as_of: AsOf,
}

impl Turns {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let words = [self.session.clone()];
        let tables = self.at.open_some(context, streams, &Question::Sessions(&words))?;
        let view = tables.view()?;
        let found = tables.select(context, &view, &self.session)?;
        // A turn's number is unique: there is nothing to look for behind it.
        let last = match self.turn {
            Some(_) => 1,
            None => self.last.unwrap_or(usize::MAX),
        };
        let wanted = |turn: &Turn| self.turn.is_none_or(|number| turn.number == number);
        let turns = views::turns(&view, found.sid, last, wanted)?;
        if let (Some(number), []) = (self.turn, turns.as_slice()) {
            return Err(no_turn(&found.session.id, number, found.session.counts.turns));
        }
        // Where nothing goes on, an open turn lasts up to the newest record.
        let now = match tables.lives().of(&view, &found.session)? {
            Some(true) => tables.now(),
            _ => found.session.last_at,
        };
        let answer = Answer {
            schema: "sm.turns/1",
            turns,
            session_id: found.session.id,
            thread_id: found.session.thread_id,
            as_of: tables.as_of(&view)?,
        };
        if context.json {
            streams.document(&answer)?;
            return Ok(Exit::Ok);
        }
        if answer.turns.is_empty() && self.last != Some(0) {
            streams.say(format_args!("No turns yet in {}.", answer.session_id));
            return Ok(Exit::Ok);
        }
        print(streams, &answer.turns, tables.now())?;
        let style = streams.style;
        let drawn = match (self.turn, answer.turns.as_slice()) {
            (Some(_), [turn]) => timeline::phases(turn, now, style),
            (_, turns) => {
                let columns = streams.size().map_or(COLUMNS, |(columns, _)| columns);
                let bars: Vec<_> =
                    turns.iter().map(|turn| (turn.number, &turn.phases[..])).collect();
                timeline::chart(&bars, columns, now, style)
            }
        };
        for line in drawn {
            streams.line(line)?;
        }
        Ok(Exit::Ok)
    }
}

/// How wide the picture is where no terminal says.
const COLUMNS: usize = 80;

fn no_turn(session: &str, number: u32, known: u64) -> Error {
    let message = format!("{session} has no turn {number}");
    Error::new(Exit::NotFound, "not_found", message).hint(match known {
        0 => "It has no turns yet.".to_owned(),
        known => format!("It has turns 1 to {known}: sm turns {session}"),
    })
}

fn print(streams: &mut Streams, turns: &[TurnDoc], now: i64) -> Result<(), Error> {
    let heads =
        ["TURN", "BEGAN", "TOOK", "OUTCOME", "CMDS", "FILES", "TOOLS", "ASKED", "TOKENS", "PROMPT"];
    let mut table =
        Table::new(&heads).spare(&["ASKED", "TOOLS", "FILES", "CMDS", "BEGAN", "TOKENS"]);
    for turn in turns {
        let (role, outcome) = match turn.outcome {
            _ if turn.dropped_seq.is_some() => (Role::Dim, "⤺ rolled back".to_owned()),
            Some("completed") => (Role::Good, "✓ completed".to_owned()),
            Some(word @ ("failed" | "lost")) => (Role::Bad, format!("✗ {word}")),
            Some(word) => (Role::NeedsHuman, format!("– {word}")),
            None => (Role::Active, "● open".to_owned()),
        };
        let count = |count: u32| (None, count.to_string());
        let mut words =
            turn.prompt.as_deref().map_or(String::new(), |text| clean(text).into_owned());
        if let Some(error) = &turn.error {
            words = format!("{words} ✗ {}", clean(error));
        }
        if turn.retries > 0 {
            words = format!("{words} ({})", counted(turn.retries, "retry"));
        }
        table.row(vec![
            (None, turn.number.to_string()),
            (None, format!("{} ago", ago(now, turn.started_micros))),
            (None, turn.duration_ms.map_or("-".to_owned(), duration_ms)),
            (Some(role), outcome),
            count(turn.commands),
            count(turn.file_changes),
            count(turn.tool_calls),
            count(turn.requests),
            (None, turn.tokens.as_ref().map_or("-".to_owned(), |used| tokens(used.total))),
            (None, words),
        ]);
    }
    table.print(streams)
}
