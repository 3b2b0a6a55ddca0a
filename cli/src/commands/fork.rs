//! `sm fork`: a copy of a session that goes its own way.

use crate::context::Context;
use crate::daemon::{Client, acting};
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use serde_json::json;
use sm_daemon::api::{self, Forked};
use std::path::PathBuf;

/// Forks a session: a new one with the same history, which goes its own way. Prints its id.
#[derive(Debug, Args)]
pub struct Fork {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: String,

    /// The last turn that it takes over, by its number [default: all of them].
    #[arg(long, value_name = "N")]
    turn: Option<u32>,

    /// A name to call it by.
    #[arg(long)]
    name: Option<String>,

    /// The model [default: as it is].
    #[arg(long)]
    model: Option<String>,

    /// The reasoning effort.
    #[arg(long)]
    effort: Option<String>,

    /// How far its commands reach [default: as far as the session's].
    #[arg(long, value_parser = ["read-only", "workspace-write", "danger-full-access"])]
    sandbox: Option<String>,

    /// When it asks [default: when the session does]; on-failure: older releases of Codex only.
    #[arg(long, value_name = "WHEN", value_parser = ["untrusted", "on-request", "on-failure", "never"])]
    approval: Option<String>,

    /// The folder it works in [default: the session's].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
}

impl Fork {
    /// Makes it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        if let Some(name) = &self.name {
            sm_daemon::check_name(name)?;
        }
        let cwd = match &self.cwd {
            Some(dir) => Some(std::path::absolute(dir).map_err(|e| Error::io("find", dir, &e))?),
            None => None,
        };
        let wish = api::Fork {
            turn: self.turn,
            name: self.name.clone(),
            model: self.model.clone(),
            effort: self.effort.clone(),
            approval: self.approval.clone(),
            sandbox: self.sandbox.clone(),
            cwd: cwd.map(|dir| dir.to_string_lossy().into_owned()),
            act: acting(context),
        };
        let words = [self.session.clone()];
        let client = Client::for_sessions(context, streams, &words)?;
        let forked: Forked = client.verb(&self.session, "fork", &wish)?;
        match context.json {
            true => streams.document(&json!({
                "schema": "sm.fork/1",
                "id": forked.id,
                "thread_id": forked.thread_id,
                "forked_from": forked.forked_from,
                "turn": forked.turn,
                "way": forked.way,
                "cursor": forked.cursor,
                "session": forked.session,
            }))?,
            false => streams.line(&forked.id)?,
        }
        Ok(Exit::Ok)
    }
}
