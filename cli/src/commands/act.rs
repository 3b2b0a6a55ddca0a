//! `sm interrupt`, `sm stop`, `sm resume`: the thread's life.

use crate::context::Context;
use crate::daemon::{Client, Verb};
use crate::error::{Error, Exit};
use crate::output::{Streams, state};
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api::Act;

/// Ends the running turn; what waits in the queue is held.
#[derive(Debug, Args)]
pub struct Interrupt {
    #[command(flatten)]
    of: Of,
}

/// Ends sessions: Codex unloads them. `sm resume` brings them back.
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    of: Of,
}

/// Loads stopped sessions again, on the same threads.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Args)]
struct Of {
    /// Ids, names, unique prefixes of either, thread ids, @last or @parent.
    #[arg(required = true, value_name = "SESSION")]
    sessions: Vec<String>,
}

impl Interrupt {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        act(context, streams, Verb::Interrupt, &self.of.sessions)
    }
}

impl Stop {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        act(context, streams, Verb::Stop, &self.of.sessions)
    }
}

impl Resume {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        act(context, streams, Verb::Resume, &self.of.sessions)
    }
}

fn act(
    context: &Context,
    streams: &mut Streams,
    verb: Verb,
    sessions: &[String],
) -> Result<Exit, Error> {
    let client = Client::or_start(context, streams)?;
    let body = Act { by: context.caller.clone() };
    let mut told: Vec<Value> = Vec::new();
    let mut failed: Option<Error> = None;
    for word in sessions {
        match client.act(verb, word, &body) {
            Ok(session) => {
                if !context.json {
                    let text = |name: &str| session.get(name).and_then(Value::as_str);
                    let live = session.get("live").and_then(Value::as_bool);
                    let word = text("activity_state").unwrap_or("unknown");
                    let (role, glyph, words) = state(word, live);
                    let words = streams.style.paint(role, format!("{glyph} {words}"));
                    let id = text("id").unwrap_or_default();
                    streams.line(format_args!("{id} {words}"))?;
                }
                told.push(session);
            }
            Err(error) => {
                if sessions.len() > 1 && !context.json {
                    error.tell(streams, false);
                }
                failed.get_or_insert(error);
            }
        }
    }
    if context.json && !(told.is_empty() && failed.is_some()) {
        streams
            .document(&json!({"schema": format!("sm.{}/1", verb.as_str()), "sessions": told}))?;
    }
    match failed {
        Some(error) if sessions.len() == 1 || context.json => Err(error),
        Some(error) => Ok(error.exit),
        None => Ok(Exit::Ok),
    }
}
