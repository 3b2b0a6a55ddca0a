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
use sm_daemon::counted;
use std::net::SocketAddr;
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

    /// Also from servers whose codex is newer than the one found, which may not read its work again.
    #[arg(long, requires = "drain")]
    older_codex: bool,

    /// Also on this loopback address, for callers with the token in the data directory's `http-token`;
    /// port 0 is any that is free.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback, conflicts_with_all = ["stop", "status", "drain", "unit"])]
    tcp: Option<SocketAddr>,

    /// Prints a systemd user unit that runs it.
    #[arg(long, group = "act")]
    unit: bool,
}

impl Serve {
    /// The daemon; one that runs already serves what it was started with.
    fn start<'c>(&self, context: &'c Context, streams: &Streams) -> Result<Client<'c>, Error> {
        let Some(address) = self.tcp else { return Client::or_start(context, streams) };
        let client = Client::or_start_with(context, streams, &["--tcp", &address.to_string()])?;
        let served = client.health()?.tcp;
        let is_it = served
            .as_ref()
            .is_some_and(|served| address.port() == 0 || *served == format!("http://{address}"));
        match is_it {
            true => Ok(client),
            false => {
                let home = context.home_words();
                let where_to = served.unwrap_or_else(|| "its private socket alone".to_owned());
                let message = format!("a daemon runs already, and serves on {where_to}");
                let hint = format!("End it first: sm{home} serve --stop");
                Err(Error::new(Exit::Conflict, "conflict", message).hint(hint))
            }
        }
    }

    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        if self.foreground {
            return crate::daemon::serve(context, self.for_demo, self.tcp);
        }
        if self.stop {
            return stop(context, streams);
        }
        if self.drain {
            return drain::drain(context, streams, self.wait, self.older_codex);
        }
        if self.unit {
            return unit::print(context, streams);
        }
        let client = match self.status {
            true => Client::connect(context)?,
            false => Some(self.start(context, streams)?),
        };
        let found = match &client {
            Some(client) => Some((client.health()?, client.servers()?)),
            None => None,
        };
        tell(context, streams, found.as_ref())?;
        for older in found.iter().flat_map(|(_, servers)| &servers.older) {
            // It stands in the answer, too: whoever starts one is told besides what to do.
            streams.say(format_args!("{}. {}", clean(&older.to_string()), newer_words(context)));
        }
        Ok(if found.is_some() { Exit::Ok } else { Exit::Away })
    }
}

/// How sessions that a newer codex wrote are gone on with.
pub fn newer_words(context: &Context) -> String {
    let home = context.home_words();
    format!(
        "Have a newer one found: SM_CODEX=/path/to/codex sm{home} resume SESSION, or first in PATH; \
         sm{home} resume SESSION --older-codex takes the older one all the same"
    )
}

/// An address of this machine alone.
fn loopback(word: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        word.parse().map_err(|_| "an address and a port, as 127.0.0.1:7070")?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => Err("only loopback addresses are served: 127.0.0.1:PORT or [::1]:PORT".to_owned()),
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
        "older": servers.map(|servers| &servers.older),
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
    if let Some(address) = &health.tcp {
        let token = context.home.http_token_path();
        streams.line(format_args!("  {address}, with the token in {}", token.display()))?;
    }
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
            "! to be resumed: {}, {}, {when}{why}",
            counted(batch.threads.len(), "session"),
            counted(batch.failures, "failure")
        ))?;
    }
    for older in &servers.older {
        streams.line(format_args!("! {}", clean(&older.to_string())))?;
    }
    Ok(())
}
