//! Servers that give way to another codex: the weekly upgrade.
//!
//! What always holds: the codex that takes over has started before anything gives way to it; a server
//! that gives way begins no turn but the first of a session, which is nowhere but there, keeps its running ones
//! to their end, and is ended once no session is busy there; none gives way to an older codex unless its user
//! insists. What it could not let go of one by one is resumed like what a lost server had.

use super::older;
use super::pool::{self, Server};
use super::resume::{self, is_busy, is_unbegun};
use crate::api::{Drain, Drained, Server as Document, Servers};
use crate::daemon::Daemon;
use crate::guard::guard;
use crate::problem::Refusal;
use std::sync::Arc;
use std::time::Duration;

/// How long each step of a server's end may take.
const ENDING: Duration = Duration::from_secs(3);

/// Between two looks at a server that gives way.
const LOOK: Duration = Duration::from_millis(100);

/// A thread that could not be moved is tried again so much later.
const AGAIN: Duration = Duration::from_secs(5);

/// Every running server, its sessions counted, and what waits for one.
pub(crate) async fn servers(daemon: &Daemon) -> Result<Servers, Refusal> {
    let running = daemon.pool.running();
    let servers = running.iter().map(|server| document(daemon, server));
    Ok(Servers {
        servers: servers.collect::<Result<_, _>>()?,
        resuming: daemon.revivals.documents(),
        older: older::documents(daemon).await?,
    })
}

fn document(daemon: &Daemon, server: &Server) -> Result<Document, Refusal> {
    let here = resume::attached(daemon, server.source, server.generation)?;
    let busy = here.iter().filter(|found| found.session.open_turn.is_some()).count();
    let unbegun = here.iter().filter(|found| is_unbegun(&found.session));
    let slot = daemon.pool.slot(&server.codex_home, server.codex.version);
    let failures = *guard(&slot.failures);
    Ok(Document {
        sessions: Some(here.len() as u64),
        busy: Some(busy as u64),
        unbegun: unbegun.map(|found| found.session.id.clone()).collect(),
        moves_together: server.keeps_threads(),
        failures: Some(failures),
        ..pool::document(server)
    })
}

/// Has every server whose codex is not the one found now give way to that; one whose codex is newer only where
/// that is asked for.
pub(crate) async fn drain(daemon: &Arc<Daemon>, wish: Drain) -> Result<Drained, Refusal> {
    let caller = daemon.caller(wish.by.as_deref())?;
    if !caller.is_user() {
        return Err(Refusal::forbidden("an agent does not choose which Codex runs"));
    }
    daemon.caught_up().await?;
    let running = daemon.pool.running();
    for server in &running {
        daemon.keep_search(&caller, &server.codex_home, wish.codex.as_ref());
    }
    // What is found, for all of them, before anything changes.
    let (mut stale, mut newer) = (Vec::new(), Vec::new());
    for server in &running {
        let found = daemon.codex_of(&server.codex_home).await?;
        if server.is_draining() {
            continue;
        }
        if !wish.older_codex && found.version.is_older(server.codex.version) {
            newer.push((server.source, server.generation));
        } else if found != server.codex {
            stale.push((Arc::clone(server), found));
        }
    }
    for (stale, found) in stale {
        for server in daemon.take_over(&stale, &found).await? {
            daemon.say(&format!(
                "codex {}, process {}, gives way to {} at {}",
                server.codex.version,
                server.app.process().pid,
                found.version,
                found.binary.display()
            ));
            resume::ask_unloads(&server).await;
            tokio::spawn(empty(Arc::clone(daemon), server));
        }
    }
    let mut drained = Drained::default();
    for server in servers(daemon).await?.servers {
        if server.draining {
            drained.draining.push(server);
        } else if newer.contains(&(server.source, server.generation)) {
            drained.newer.push(server);
        } else {
            drained.current.push(server);
        }
    }
    Ok(drained)
}

/// Moves the sessions of a server that gives way as each becomes idle, then ends it.
async fn empty(daemon: Arc<Daemon>, server: Arc<Server>) {
    let mut folded = daemon.folded.seq();
    while server.app.is_running() && !daemon.is_stopping() {
        match step(&daemon, &server).await {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                daemon.say(&format!("codex {} goes on for now: {error}", server.codex.version));
                tokio::time::sleep(AGAIN).await;
            }
        }
        // Whatever ends a turn is recorded.
        tokio::select! {
            _ = folded.changed() => tokio::time::sleep(LOOK).await,
            _ = server.app.ended() => return,
            () = daemon.stopped() => return,
        }
    }
    if server.app.is_running() && !daemon.is_stopping() {
        let successor = server.successor();
        let version = successor.map_or(String::new(), |codex| codex.version.to_string());
        let why = format!("drained: codex {} gave way to {version}", server.codex.version);
        server.end(&why, ENDING).await;
    }
}

/// Moves what is idle. Returns whether nothing is busy there any more.
async fn step(daemon: &Arc<Daemon>, server: &Arc<Server>) -> Result<bool, Refusal> {
    let (mut busy, mut stuck) = (0, None);
    for found in resume::attached(daemon, server.source, server.generation)? {
        if found.session.gone {
            continue;
        }
        let thread = found.session.thread_id;
        let _lock = daemon.lock(&thread).await;
        let now = daemon.session(&thread)?;
        let is_here =
            (now.session.source, now.session.generation) == (server.source, server.generation);
        if !is_here || now.session.ended {
            continue;
        }
        if is_busy(daemon, server, &now)? {
            busy += 1;
            continue;
        }
        if server.keeps_threads() {
            continue;
        }
        match resume::ensure(daemon, &thread).await {
            Ok(_) => {}
            // It is declared stopped, and so it is here no more.
            Err(error) if error.problem.code == "session_dead" => {}
            // All that is idle moves when the server ends.
            Err(_) if server.keeps_threads() => {}
            Err(error) => stuck = Some(error),
        }
    }
    match stuck {
        Some(error) => Err(error),
        None => Ok(busy == 0),
    }
}
