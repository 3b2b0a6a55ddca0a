//! `sm result`: the last message, and nothing else.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{AsOf, Tables, open_log, select};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sm_projections::views;

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
    as_of: AsOf,
}

impl ResultOf {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let tables = Tables::open_some(context, streams)?;
        let view = tables.view()?;
        let found = select(context, &view, &self.session)?;
        let id = &found.session.id;
        let turns = views::turns(&view, found.sid, None)?;
        let (turn, seq) = match self.turn {
            Some(number) => {
                let turn = turns.iter().find(|turn| turn.number == number);
                let turn = turn.ok_or_else(|| {
                    let message = format!("{id} has no turn {number}");
                    let home = context.home_words();
                    Error::new(Exit::NotFound, "no_turn", message)
                        .hint(format!("See its turns: sm{home} turns {id}"))
                })?;
                (Some(turn), turn.message_seq)
            }
            None => {
                let seq = found.session.last_message_seq;
                (turns.iter().rev().find(|turn| turn.message_seq == seq), seq)
            }
        };
        let seq = seq.ok_or_else(|| {
            let home = context.home_words();
            Error::new(Exit::NotFound, "no_message", format!("{id} said nothing yet"))
                .hint(format!("See what it does: sm{home} tail {id}"))
                .retryable()
        })?;
        let text = message_text(context, seq)?;
        if !context.json {
            streams.bytes(text.as_bytes())?;
            if streams.is_terminal() && !text.ends_with('\n') {
                streams.line("")?;
            }
            return Ok(Exit::Ok);
        }
        streams.document(&Answer {
            schema: "sm.result/1",
            turn: turn.map(|turn| turn.number),
            outcome: turn.and_then(|turn| turn.outcome),
            message_seq: seq,
            text,
            as_of: tables.as_of(&view)?,
            session_id: found.session.id,
            thread_id: found.session.thread_id,
        })?;
        Ok(Exit::Ok)
    }
}

/// The text of the message that record `seq` completed.
pub fn message_text(context: &Context, seq: u64) -> Result<String, Error> {
    let record = open_log(context)?.get(seq)?;
    let message: Option<Value> = serde_json::from_slice(record.record().payload).ok();
    let text = message.as_ref().and_then(|message| message.pointer("/params/item/text"));
    text.and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
        Error::new(Exit::Failed, "no_message", format!("record {seq} holds no message"))
            .hint(format!("See the record: sm replay --since {seq} -n 1 --json"))
    })
}
