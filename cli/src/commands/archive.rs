//! `sm archive` and `sm unarchive`: out of the lists, and back.

use crate::context::Context;
use crate::daemon::{Client, acting};
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api::Done;

/// Puts sessions into Codex's archive: out of the lists, nothing of them is lost.
#[derive(Debug, Args)]
pub struct Archive {
    #[command(flatten)]
    of: Of,
}

/// Takes sessions out of Codex's archive. The next message loads them; those that were stopped, `sm resume`.
#[derive(Debug, Args)]
pub struct Unarchive {
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Args)]
struct Of {
    /// Ids, names, unique prefixes of either, thread ids, @last or @parent.
    #[arg(required = true, value_name = "SESSION")]
    sessions: Vec<String>,
}

impl Archive {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        each(context, streams, &self.of.sessions, "archive", "archived")
    }
}

impl Unarchive {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        each(context, streams, &self.of.sessions, "unarchive", "out of the archive")
    }
}

/// Carries out a verb that needs no more words on each of the sessions, and tells of each.
pub fn each(
    context: &Context,
    streams: &mut Streams,
    sessions: &[String],
    verb: &str,
    is_then: &str,
) -> Result<Exit, Error> {
    let client = Client::for_sessions(context, streams, sessions)?;
    let (act, mut told, mut failed) = (acting(context), Vec::new(), None::<Error>);
    for word in sessions {
        match client.verb::<Done>(word, verb, &act) {
            Ok(done) => {
                let id = done.session.get("id").and_then(Value::as_str).unwrap_or(word);
                if !context.json {
                    let note =
                        done.note.as_deref().map_or(String::new(), |note| format!(": {note}"));
                    streams.line(format_args!("{id} {is_then}{note}"))?;
                }
                told.push(json!({
                    "session": done.session, "cursor": done.cursor, "note": done.note,
                }));
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
        streams.document(&json!({ "schema": format!("sm.{verb}/1"), "sessions": told }))?;
    }
    match failed {
        Some(error) if sessions.len() == 1 || context.json => Err(error),
        Some(error) => Ok(error.exit),
        None => Ok(Exit::Ok),
    }
}
