//! `sm rollback`: a session's newest turns taken back.

use crate::context::Context;
use crate::daemon::{Client, acting};
use crate::error::{Error, Exit};
use crate::output::{Streams, clean};
use clap::Args;
use serde_json::json;
use sm_daemon::api::{self, RolledBack};
use sm_daemon::counted;

/// Takes the newest turns out of a session's history. What they did to files stays.
#[derive(Debug, Args)]
pub struct Rollback {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: String,

    /// How many turns.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    turns: u32,
}

impl Rollback {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let wish = api::Rollback { turns: self.turns, act: acting(context) };
        let words = [self.session.clone()];
        let client = Client::for_sessions(context, streams, &words)?;
        let back: RolledBack = client
            .verb(&self.session, "rollback", &wish)
            .map_err(|error| self.maybe_done(context, error))?;
        if context.json {
            streams.document(&json!({
                "schema": "sm.rollback/1",
                "count": back.count,
                "turns": back.turns,
                "way": back.way,
                "files_reverted": back.files_reverted,
                "note": back.note,
                "session": back.session,
            }))?;
            return Ok(Exit::Ok);
        }
        let id = back.session["id"].as_str().unwrap_or_default();
        let mut parts: Vec<String> = back.turns.iter().map(u32::to_string).collect();
        let is_fork = back.session["forked_from"].is_string();
        // A fork has turns that its own record does not hold, and a thread that another process used.
        match back.count as usize - parts.len().min(back.count as usize) {
            0 => {}
            unknown if parts.is_empty() && unknown == back.count as usize && !is_fork => {}
            unknown => match back.session["forked_from"].as_str() {
                Some(origin) => parts.push(format!("{unknown} that it took over from {origin}")),
                None => parts.push(format!("{unknown} that sm did not record")),
            },
        }
        let numbers = match parts.is_empty() {
            true => String::new(),
            false => format!(": {}", parts.join(", ")),
        };
        // One that Codex does not count, a compaction, goes with that before it.
        let count = back.turns.len().max(back.count as usize);
        streams.line(format_args!("{id} rolled back by {}{numbers}", counted(count, "turn")))?;
        streams.say("Files stay as those turns left them.");
        if let Some(note) = &back.note {
            streams.say(format_args!("Note: {}", clean(note)));
        }
        Ok(Exit::Ok)
    }

    /// Whoever repeats a rollback that was carried out drops other turns.
    fn maybe_done(&self, context: &Context, mut error: Error) -> Error {
        if error.details["answer_lost"] == true {
            let (home, session) = (context.home_words(), &self.session);
            error.retryable = false;
            error.hint = Some(format!(
                "Whether the turns went is not known: it is found out when the thread is loaded again \
                 (sm{home} resume {session}), and sm{home} turns {session} marks what went. \
                 A second rollback takes others."
            ));
        }
        error
    }
}
