//! `sm send`: a message for sessions.

use crate::codex;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api::{Input, InputTaken, Mode};
use std::io::Read;

/// Sends a message to sessions: it begins a turn, or waits in the queue of a busy one.
#[derive(Debug, Args)]
pub struct Send {
    /// The sessions, then the text; `-` reads the text from standard input.
    #[arg(required = true, value_names = ["SESSION", "TEXT"])]
    words: Vec<String>,

    /// Into the running turn.
    #[arg(long, group = "mode")]
    steer: bool,

    /// Interrupts the running turn first.
    #[arg(long, group = "mode")]
    urgent: bool,

    /// The turn is to plan: Codex may then ask questions.
    #[arg(long)]
    plan: bool,

    /// Into the queue, also while a request waits for an answer.
    #[arg(long, group = "mode")]
    queue: bool,
}

/// A text of the command line; `-` stands for standard input.
pub fn text(word: &str) -> Result<String, Error> {
    let text = match word {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|source| {
                Error::new(Exit::Failed, "io", format!("failed to read standard input: {source}"))
            })?;
            text
        }
        word => word.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(Error::usage("the text is empty"));
    }
    Ok(text)
}

impl Send {
    /// Sends it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        // Flags may stand between the two, so clap cannot count them.
        let Some((last, sessions)) = self.words.split_last().filter(|(_, rest)| !rest.is_empty())
        else {
            return Err(Error::usage("name a session and a text: sm send SESSION TEXT"));
        };
        let input = Input {
            text: text(last)?,
            mode: match (self.steer, self.urgent, self.queue) {
                (true, ..) => Mode::Steer,
                (_, true, _) => Mode::Urgent,
                (.., true) => Mode::Queue,
                _ => Mode::Start,
            },
            by: context.caller.clone(),
            plan: self.plan.then_some(true),
            codex: Some(codex::told()),
        };
        let client = Client::for_sessions(context, streams, sessions)?;
        let mut told: Vec<Value> = Vec::new();
        let mut failed: Option<Error> = None;
        for word in sessions {
            match client.input(word, &input) {
                Ok(taken) => {
                    let bad = matches!(taken.status.as_str(), "failed" | "unknown" | "refused");
                    if bad {
                        failed.get_or_insert(not_taken(context, &taken));
                    } else if !context.json {
                        print(streams, &taken)?;
                    }
                    told.push(json!({
                        "given": word, "session_id": taken.session_id, "input": taken.input,
                        "status": taken.status, "turn_id": taken.turn_id,
                        "reason": taken.reason, "cursor": taken.cursor, "error": null,
                    }));
                }
                Err(error) => {
                    if sessions.len() > 1 && !context.json {
                        error.tell(streams, false);
                    }
                    told.push(json!({
                        "given": word, "session_id": error.details.get("session_id"),
                        "input": null, "status": "refused", "turn_id": null,
                        "reason": error.message, "cursor": null,
                        "error": {"code": error.code, "message": error.message, "hint": error.hint},
                    }));
                    failed.get_or_insert(error);
                }
            }
        }
        if context.json {
            streams.document(&json!({"schema": "sm.send/1", "inputs": told}))?;
        }
        match failed {
            Some(error) if sessions.len() == 1 || context.json => Err(error),
            Some(error) => Ok(error.exit),
            None => Ok(Exit::Ok),
        }
    }
}

fn not_taken(context: &Context, taken: &InputTaken) -> Error {
    let reason = taken.reason.as_deref().unwrap_or("no reason was given");
    let message = format!("{} did not take it ({}): {reason}", taken.session_id, taken.status);
    let home = context.home_words();
    Error::new(Exit::Failed, "not_taken", message)
        .hint(format!("See how it is: sm{home} explain {}", taken.session_id))
}

fn print(streams: &mut Streams, taken: &InputTaken) -> Result<(), Error> {
    let reason = taken.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    streams.line(format_args!("{} {}{reason}", taken.session_id, taken.status))
}
