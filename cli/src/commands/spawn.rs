//! `sm spawn`: a new Codex session.

use super::set::SettingsArgs;
use super::wait::{Wait, Wanted};
use crate::codex;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use serde_json::json;
use sm_daemon::api::Spawn as Wish;
use std::path::PathBuf;

/// What of the caller's environment a session's commands are run with.
const HANDED_ON: &[&str] = &["PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "NVM_BIN", "LANG", "LC_ALL"];

/// Starts a new Codex session and prints its id.
#[derive(Debug, Args)]
pub struct Spawn {
    /// The first input; `-` reads standard input; none leaves the session idle.
    prompt: Option<String>,

    /// A name to call it by.
    #[arg(long)]
    name: Option<String>,

    /// The folder it works in [default: this one].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    #[command(flatten)]
    settings: SettingsArgs,

    /// The session it hangs under [default: the calling one].
    #[arg(long, value_name = "SESSION")]
    parent: Option<String>,

    /// KEY=VALUE; may be given several times.
    #[arg(long = "label", short = 'l', value_name = "KEY=VALUE")]
    labels: Vec<String>,

    /// The CODEX_HOME it runs under [default: $CODEX_HOME, else ~/.codex].
    #[arg(long, value_name = "DIR")]
    codex_home: Option<PathBuf>,

    /// Its first turn is to plan: Codex may then ask questions.
    #[arg(long)]
    plan: bool,

    /// Does not wake its parent when it settles, waits for a human or dies.
    #[arg(long)]
    no_wake: bool,

    /// Waits until it has settled, and prints its last message too.
    #[arg(long)]
    wait: bool,
}

impl Spawn {
    /// Starts it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let wish = self.wish(context)?;
        let client = Client::or_start(context, streams)?;
        let spawned = client.spawn(&wish)?;
        if self.wait {
            streams.say(format_args!("{} started", spawned.id));
            let after = wish.prompt.is_some().then(|| spawned.cursor.clone());
            return Wait::for_one(&spawned.id, after, Wanted::Settled).run(context, streams);
        }
        if context.json {
            streams.document(&json!({
                "schema": "sm.spawn/1",
                "id": spawned.id,
                "thread_id": spawned.thread_id,
                "turn_id": spawned.turn_id,
                "cursor": spawned.cursor,
                "session": spawned.session,
            }))?;
        } else {
            streams.line(&spawned.id)?;
        }
        Ok(Exit::Ok)
    }

    /// The session as the daemon takes it.
    pub(super) fn wish(&self, context: &Context) -> Result<Wish, Error> {
        let cwd = match &self.cwd {
            Some(dir) => std::path::absolute(dir).map_err(|e| Error::io("find", dir, &e))?,
            None => std::env::current_dir()
                .map_err(|source| Error::io("find", std::path::Path::new("."), &source))?,
        };
        if !cwd.is_dir() {
            let message = format!("{} is not a directory to work in", cwd.display());
            return Err(Error::new(Exit::NotFound, "file_not_found", message)
                .hint("Name one with --cwd DIR."));
        }
        if let Some(name) = &self.name {
            sm_daemon::check_name(name)?;
        }
        if let Some(label) = self.labels.iter().find(|label| !label.contains('=')) {
            return Err(Error::usage(format!("{label:?} is no label: KEY=VALUE")));
        }
        let prompt = match &self.prompt {
            Some(text) => Some(super::send::text(text)?),
            None => None,
        };
        let codex_home = match &self.codex_home {
            Some(dir) => Some(std::path::absolute(dir).map_err(|e| Error::io("find", dir, &e))?),
            None => std::env::var_os("CODEX_HOME").map(PathBuf::from),
        };
        let settings = self.settings.settings();
        let named = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
        Ok(Wish {
            prompt,
            name: self.name.clone(),
            cwd: Some(cwd.to_string_lossy().into_owned()),
            model: settings.model,
            effort: settings.effort,
            approval: settings.approval,
            sandbox: settings.sandbox,
            parent: self.parent.clone(),
            silent: self.no_wake,
            labels: self.labels.clone(),
            env: HANDED_ON.iter().filter_map(named).collect(),
            codex_home: codex_home.map(|dir| dir.to_string_lossy().into_owned()),
            by: context.caller.clone(),
            plan: self.plan.then_some(true),
            codex: Some(codex::told()),
        })
    }
}
