//! `sm archive` and `sm unarchive`: out of the lists, and back.

use super::each::{Outcome, each};
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
        begin(context, streams, &self.of.sessions, "archive", "archived")
    }
}

impl Unarchive {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        begin(context, streams, &self.of.sessions, "unarchive", "out of the archive")
    }
}

/// Carries out a verb that needs no more words on each of the sessions, and tells of each.
pub fn begin(
    context: &Context,
    streams: &mut Streams,
    sessions: &[String],
    verb: &str,
    is_then: &str,
) -> Result<Exit, Error> {
    let client = Client::for_sessions(context, streams, sessions)?;
    let act = acting(context);
    let told =
        each(context, streams, sessions, |word| match client.verb::<Done>(word, verb, &act) {
            Ok(Done { session, cursor, note }) => {
                let id = session.get("id").and_then(Value::as_str).unwrap_or(word);
                let words = note.as_deref().map_or(String::new(), |note| format!(": {note}"));
                let line = format!("{id} {is_then}{words}");
                let row = json!({ "session": session, "cursor": cursor, "note": note });
                Outcome::done(row, line)
            }
            Err(error) => {
                let session = error.details.get("session_id").map(|id| json!({ "id": id }));
                let row = json!({ "session": session, "cursor": null, "note": null });
                Outcome::failed(row, error)
            }
        })?;
    told.end(context, streams, &format!("sm.{verb}/1"), "sessions")
}
