//! `sm serve`: the daemon.

use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use serde_json::json;
use sm_daemon::api::Health;
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
        if self.status {
            return status(context, streams);
        }
        let client = Client::or_start(context, streams)?;
        tell(context, streams, Some(&client.health()?))?;
        Ok(Exit::Ok)
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
    health: Option<&Health>,
    stopped: Option<u32>,
) -> Result<(), Error> {
    streams.document(&json!({
        "schema": "sm.serve/1",
        "running": health.is_some(),
        "stopped": stopped.is_some(),
        "stopped_pid": stopped,
        "home": context.home.dir(),
        "socket": context.home.socket_path(),
        "health": health,
    }))
}

fn status(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let health = Client::connect(context)?.map(|client| client.health()).transpose()?;
    tell(context, streams, health.as_ref())?;
    Ok(if health.is_some() { Exit::Ok } else { Exit::Away })
}

fn tell(context: &Context, streams: &mut Streams, health: Option<&Health>) -> Result<(), Error> {
    if context.json {
        return document(context, streams, health, None);
    }
    let Some(health) = health else {
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
    for server in &health.servers {
        let version = server.codex_version.as_deref().unwrap_or("?");
        let pid = server.pid.map_or("?".to_owned(), |pid| pid.to_string());
        streams.line(format_args!("  codex {version}, process {pid}, {}", server.codex_home))?;
    }
    Ok(())
}
