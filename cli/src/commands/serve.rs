//! `sm serve`: the daemon.

mod drain;
mod unit;

use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Streams, age, clean, now_micros};
use clap::Args;
use serde_json::json;
use sm_daemon::api::{Health, Servers};
use std::time::{Duration, Instant};

/// How long a daemon may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// Runs the daemon, which runs Codex and writes the log. Commands that need it start it.
#[derive(Debug, Args)]
pub struct Serve {
    /// Here, until it is ended; else in the background.
    #[arg(long, group = "act")]
    foreground: bool,

    /// Ends with its standard input, which a demo holds; answers of the demo are recorded as its own.
    #[arg(long, hide = true, requires = "foreground")]
    for_demo: bool,

    /// Ends the running one, with its Codex servers.
    #[arg(long, group = "act")]
    stop: bool,

    /// Says whether one runs, and how it is.
    #[arg(long, group = "act")]
    status: bool,

    /// Has servers of another codex than the one found now give way to it: after an upgrade.
    #[arg(long, group = "act")]
    drain: bool,

    /// Waits until none is left that gives way.
    #[arg(long, requires = "drain")]
    wait: bool,

    /// Prints a systemd user unit that runs it.
    #[arg(long, group = "act")]
    unit: bool,
}

impl Serve {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        if self.foreground {
            return crate::daemon::serve(context, self.for_demo);
        }
        if self.stop {
            return stop(context, streams);
        }
        if self.drain {
            return drain::drain(context, streams, self.wait);
        }
        if self.unit {
            return unit::print(context, streams);
        }
        let client = match self.status {
            true => Client::connect(context)?,
            false => Some(Client::or_start(context, streams)?),
        };
        let found = match &client {
            Some(client) => Some((client.health()?, client.servers()?)),
            None => None,
        };
        tell(context, streams, found.as_ref())?;
        Ok(if found.is_some() { Exit::Ok } else { Exit::Away })
    }
}

fn stop(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let Some(client) = Client::connect(context)? else {
        match context.json {
            true => document(context, streams, None, None)?,
            false => streams.line("no daemon runs: there is nothing to stop")?,
        }
        return Ok(Exit::Ok);
    };
    let pid = client.health()?.pid;
    client.shutdown()?;
    let began = Instant::now();
    while Client::connect(context).is_ok_and(|client| client.is_some())
        || crate::show::is_alive(pid, None)
    {
        if began.elapsed() > STOP_PATIENCE {
            let message = format!("the daemon, process {pid}, was told to end and has not");
            return Err(Error::new(Exit::TimedOut, "timeout", message)
                .hint(format!("See what it says: {}", context.home.daemon_log().display())));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    match context.json {
        true => document(context, streams, None, Some(pid))?,
        false => streams.line(format_args!("stopped (pid {pid})"))?,
    }
    Ok(Exit::Ok)
}

/// How it is, and the process that was stopped by this call.
fn document(
    context: &Context,
    streams: &mut Streams,
    found: Option<&(Health, Servers)>,
    stopped: Option<u32>,
) -> Result<(), Error> {
    let (health, servers) = found.map(|(health, servers)| (health, servers)).unzip();
    streams.document(&json!({
        "schema": "sm.serve/1",
        "running": health.is_some(),
        "stopped": stopped.is_some(),
        "stopped_pid": stopped,
        "home": context.home.dir(),
        "socket": context.home.socket_path(),
        "health": health,
        "servers": servers.map(|servers| &servers.servers),
        "resuming": servers.map(|servers| &servers.resuming),
    }))
}

fn tell(
    context: &Context,
    streams: &mut Streams,
    found: Option<&(Health, Servers)>,
) -> Result<(), Error> {
    if context.json {
        return document(context, streams, found, None);
    }
    let Some((health, servers)) = found else {
        return streams.line("no daemon runs");
    };
    streams.line(format_args!(
        "process {}, sm {}, log {}, recorded to seq {}, folded to seq {}",
        health.pid, health.version, health.log_id, health.watermark, health.checkpoint
    ))?;
    if health.event_persist_errors > 0 {
        streams.line(format_args!(
            "! {} writes failed and were tried again",
            health.event_persist_errors
        ))?;
    }
    for server in &servers.servers {
        streams.line(format_args!("  {}", drain::line(server)))?;
    }
    for batch in &servers.resuming {
        let when = match batch.next_at {
            Some(at) => format!("next try in {}", age(at.saturating_sub(now_micros()))),
            None => "being tried".to_owned(),
        };
        let why = batch.reason.as_deref().map_or(String::new(), |why| format!(": {}", clean(why)));
        streams.line(format_args!(
            "! {} sessions wait to be resumed, {} failures, {when}{why}",
            batch.threads.len(),
            batch.failures
        ))?;
    }
    Ok(())
}
