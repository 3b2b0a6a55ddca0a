//! `sm result`: the last message, and nothing else.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{AsOf, Tables, open_log, select};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sm_daemon::records;
use sm_projections::View;
use sm_projections::rows::Turn;
use sm_projections::views::{self, TurnDoc};

/// Prints exactly the last message of a session, or of one of its turns.
#[derive(Debug, Args)]
pub struct ResultOf {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: String,

    /// The turn's number, from 1.
    #[arg(long, value_name = "N")]
    turn: Option<u32>,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    session_id: String,
    thread_id: String,
    turn: Option<u32>,
    outcome: Option<&'static str>,
    message_seq: u64,
    text: String,
    /// The record was trimmed: the text is its first line only.
    text_trimmed: bool,
    as_of: AsOf,
}

/// What an agent said.
pub struct Said {
    /// The text.
    pub text: String,
    /// Only its first line, for its record was trimmed.
    pub trimmed: bool,
}

impl ResultOf {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let tables = Tables::open_some(context, streams)?;
        let view = tables.view()?;
        let found = select(context, &view, &self.session)?;
        let id = &found.session.id;
        let last = found.session.last_message_seq;
        let one = |keep: &dyn Fn(&Turn) -> bool| -> Result<Option<TurnDoc>, Error> {
            Ok(views::turns(&view, found.sid, 1, keep)?.pop())
        };
        let (turn, seq) = match self.turn {
            Some(number) => {
                let turn = one(&|turn| turn.number == number)?.ok_or_else(|| {
                    let message = format!("{id} has no turn {number}");
                    let home = context.home_words();
                    Error::new(Exit::NotFound, "no_turn", message)
                        .hint(format!("See its turns: sm{home} turns {id}"))
                })?;
                let seq = turn.message_seq;
                (Some(turn), seq)
            }
            None => match last {
                Some(_) => (one(&|turn| turn.message_seq == last)?, last),
                None => (None, None),
            },
        };
        let seq = seq.ok_or_else(|| {
            let home = context.home_words();
            Error::new(Exit::NotFound, "no_message", format!("{id} said nothing yet"))
                .hint(format!("See what it does: sm{home} tail {id}"))
                .retryable()
        })?;
        let said = message_text(context, &view, &found.session.thread_id, seq)?;
        if !context.json {
            let text = &said.text;
            streams.bytes(text.as_bytes())?;
            if streams.is_terminal() && !text.ends_with('\n') {
                streams.line("")?;
            }
            if said.trimmed {
                streams.say(format_args!(
                    "full text trimmed: record {seq} is no longer kept, this is its first line"
                ));
            }
            return Ok(Exit::Ok);
        }
        streams.document(&Answer {
            schema: "sm.result/1",
            turn: turn.as_ref().map(|turn| turn.number),
            outcome: turn.and_then(|turn| turn.outcome),
            message_seq: seq,
            text: said.text,
            text_trimmed: said.trimmed,
            as_of: tables.as_of(&view)?,
            session_id: found.session.id,
            thread_id: found.session.thread_id,
        })?;
        Ok(Exit::Ok)
    }
}

/// The text of the message of `thread` that record `seq` completed.
pub fn message_text(
    context: &Context,
    view: &View<'_>,
    thread: &str,
    seq: u64,
) -> Result<Said, Error> {
    let nothing = || {
        Error::new(Exit::Failed, "no_message", format!("record {seq} holds no message"))
            .hint(format!("See the record: sm replay --since {seq} --until {seq} --json"))
    };
    let Some(message) = records::message(&open_log(context)?, seq)? else {
        let line = views::line_ended_by(view, thread, seq)?;
        return Ok(Said { text: line.ok_or_else(nothing)?, trimmed: true });
    };
    let text = message.pointer("/params/item/text");
    let text = text.and_then(Value::as_str).map(str::to_owned).ok_or_else(nothing)?;
    Ok(Said { text, trimmed: false })
}
