//! `sm serve --drain`: the weekly upgrade.
//!
//! What always holds: it says what gives way to what, and what is still busy there; waiting changes
//! nothing, and can be begun again.

use crate::codex;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::Streams;
use serde_json::json;
use sm_daemon::api::{Drain, Drained, Server};
use sm_daemon::counted;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Drains, and with `wait` sees it to its end.
pub fn drain(
    context: &Context,
    streams: &mut Streams,
    wait: bool,
    older_codex: bool,
) -> Result<Exit, Error> {
    let Some(client) = Client::connect(context)? else {
        tell(context, streams, false, &Drained::default())?;
        return Ok(Exit::Ok);
    };
    let wish = Drain { codex: Some(codex::told()), older_codex, by: context.caller.clone() };
    let mut drained = client.drain(&wish)?;
    if wait {
        finish(&client, streams, &mut drained)?;
    }
    tell(context, streams, true, &drained)?;
    Ok(Exit::Ok)
}

/// Waits until none gives way any more.
fn finish(client: &Client, streams: &mut Streams, drained: &mut Drained) -> Result<(), Error> {
    let meter = streams.meter();
    loop {
        let (draining, current): (Vec<_>, Vec<_>) =
            client.servers()?.servers.into_iter().partition(|server| server.draining);
        if let Some(server) = draining.first() {
            meter.tell(format_args!("{} …", line(server)));
        }
        let is_over = draining.is_empty();
        let stays = |server: &Server| {
            let life = (server.source, server.generation);
            drained.newer.iter().any(|newer| (newer.source, newer.generation) == life)
        };
        let (newer, current) = current.into_iter().partition(stays);
        *drained = Drained { draining, current, newer };
        if is_over {
            meter.done();
            return Ok(());
        }
        streams.pause(LOOK)?;
    }
}

fn tell(
    context: &Context,
    streams: &mut Streams,
    running: bool,
    drained: &Drained,
) -> Result<(), Error> {
    let Drained { draining, current, newer } = drained;
    if context.json {
        return streams.document(&json!({
            "schema": "sm.drain/1",
            "running": running,
            "draining": draining,
            "current": current,
            "newer": newer,
        }));
    }
    match (running, draining.is_empty()) {
        (false, _) => return streams.line("no daemon runs: there is nothing to drain"),
        (true, true) if current.is_empty() && newer.is_empty() => {
            return streams.line("no Codex server runs: nothing to drain");
        }
        (true, true) if !newer.is_empty() => {}
        (true, true) => {
            streams.line("nothing is left to drain: every server runs the codex that is found")?
        }
        (true, false) => streams.line(when(draining))?,
    }
    for server in draining.iter().chain(current) {
        streams.line(format_args!("  {}", line(server)))?;
    }
    if !newer.is_empty() {
        streams.line(
            "these stay: the codex that is found is older, and what it would write they may not read again; \
             --older-codex moves them all the same",
        )?;
        for server in newer {
            streams.line(format_args!("  {}", line(server)))?;
        }
    }
    Ok(())
}

/// When sessions move off servers that give way.
fn when(draining: &[Server]) -> &'static str {
    let together = draining.iter().filter(|server| server.moves_together).count();
    match together {
        0 => "what is idle moves now, what is busy when its turn ends:",
        all if all == draining.len() => {
            "all sessions move together, when the last turn there ends:"
        }
        _ => {
            "what is idle moves now, what is busy when its turn ends, but where it says otherwise:"
        }
    }
}

/// A server in one line.
pub fn line(server: &Server) -> String {
    let version = server.codex_version.as_deref().unwrap_or("?");
    let pid = server.pid.map_or("?".to_owned(), |pid| pid.to_string());
    let mut line = format!("codex {version}, process {pid}, {}", server.codex_home);
    if let (Some(sessions), Some(busy)) = (server.sessions, server.busy) {
        line.push_str(&format!(": {}, {busy} busy", counted(sessions, "session")));
    }
    if let Some(to) = &server.gives_way_to {
        line.push_str(&format!("; gives way to {to}"));
        if server.moves_together {
            line.push_str(
                ", and lets go of no single session: all move when its last turn ends, and messages wait for that",
            );
        }
        if !server.unbegun.is_empty() {
            let them = server.unbegun.join(" ");
            line.push_str(&format!(
                "; waits for a first turn (`sm send`), or the end (`sm stop`), of {them}"
            ));
        }
    }
    if let Some(failures @ 1..) = server.failures {
        line.push_str(&format!("; ended early {} in a row", counted(failures, "time")));
    }
    line
}
