//! `sm name`: what a session is called.

use crate::context::Context;
use crate::daemon::{Client, acting};
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{Tables, select};
use clap::Args;
use serde_json::json;
use sm_daemon::api::{Done, Rename};

/// Names a session, for sm and, where its release knows names, for Codex too.
#[derive(Debug, Args)]
pub struct Name {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: String,

    /// The name: one line of up to 100 characters.
    name: String,
}

impl Name {
    /// Gives it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        sm_daemon::check_name(&self.name)?;
        // A word that fits nothing starts no daemon. What is named may be a transcript, too.
        if Client::connect(context)?.is_none() {
            let tables = Tables::open_some(context, streams)?;
            select(context, &tables.view()?, &self.session)?;
        }
        let client = Client::or_start(context, streams)?;
        let wish = Rename { name: self.name.clone(), act: acting(context) };
        let done: Done = client.verb(&self.session, "name", &wish)?;
        if context.json {
            streams.document(
                &json!({ "schema": "sm.name/1", "session": done.session, "note": done.note }),
            )?;
            return Ok(Exit::Ok);
        }
        streams.line(format_args!(
            "{} {}",
            done.session["id"].as_str().unwrap_or_default(),
            self.name
        ))?;
        if let Some(note) = done.note {
            streams.say(note);
        }
        Ok(Exit::Ok)
    }
}
