//! `sm review`: Codex's reviewer looks at the work.

use super::send::text;
use crate::context::Context;
use crate::daemon::{Client, acting};
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use serde_json::json;
use sm_daemon::api::{self, ReviewOf, Reviewing};

/// Has Codex review what is changed in a session's folder. It takes a turn: `sm wait` waits for its
/// end, `sm result` prints what it found.
#[derive(Debug, Args)]
pub struct Review {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: String,

    #[command(flatten)]
    of: Of,

    /// In a session of its own, so that this one can go on.
    #[arg(long)]
    detached: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Of {
    /// What is not committed.
    #[arg(long)]
    uncommitted: bool,

    /// What is there beyond that branch.
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,

    /// That commit.
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,

    /// What these words say; `-` reads standard input.
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
}

impl Of {
    fn wish(&self) -> Result<ReviewOf, Error> {
        Ok(match (&self.base, &self.commit, &self.prompt) {
            (Some(branch), ..) => ReviewOf::Base(branch.clone()),
            (_, Some(sha), _) => ReviewOf::Commit(sha.clone()),
            (.., Some(words)) => ReviewOf::Prompt(text(words)?),
            _ => ReviewOf::Uncommitted,
        })
    }
}

impl Review {
    /// Begins it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let of = self.of.wish()?;
        let wish = api::Review { of, detached: self.detached, act: acting(context) };
        let words = [self.session.clone()];
        let client = Client::for_sessions(context, streams, &words)?;
        let begun: Reviewing = client.verb(&self.session, "review", &wish)?;
        if context.json {
            streams.document(&json!({
                "schema": "sm.review/1",
                "session_id": begun.session_id,
                "reviewed_id": begun.reviewed_id,
                "turn_id": begun.turn_id,
                "way": begun.way,
                "cursor": begun.cursor,
                "session": begun.session,
            }))?;
        } else if self.detached {
            streams.line(&begun.session_id)?;
        } else {
            streams.line(format_args!("{} is being reviewed", begun.session_id))?;
        }
        Ok(Exit::Ok)
    }
}
