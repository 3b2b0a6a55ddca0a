//! What running servers say of themselves, and what becomes of their sessions at their end.
//!
//! What always holds: a server is attended to from its first word to its end; what it lost is resumed,
//! or declared stopped, never replaced by something fresh.

use super::older::Older;
use super::pool::{Server, Started};
use super::resume;
use super::revive::revive;
use crate::daemon::{AGAIN, Daemon, now};
use crate::guard::guard;
use crate::{family, input, requests};
use sm_ingest::app_server::Incoming;
use sm_projections::rows::WITH_DAEMON;
use sm_protocol::Kind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A server that lived so long had not failed at its start.
const LIVED: Duration = Duration::from_secs(60);

/// Attends to every server, each in a task of its own.
pub(crate) async fn attend_all(daemon: Arc<Daemon>, mut started: mpsc::UnboundedReceiver<Started>) {
    while let Some(started) = started.recv().await {
        tokio::spawn(attend(Arc::clone(&daemon), started));
    }
}

/// Attends to what a server says of itself, to its end.
async fn attend(daemon: Arc<Daemon>, started: Started) {
    let Started { server, mut incoming } = started;
    while let Some(said) = incoming.recv().await {
        match said {
            Incoming::Request(call) => requests::arrived(&daemon, &server, call),
            Incoming::Notification { seq, kind: Kind::TURN_COMPLETED, thread } => {
                tokio::spawn(turn_ended(Arc::clone(&daemon), thread, seq));
            }
            Incoming::Notification { seq, kind: Kind::THREAD_GOAL_UPDATED, thread } => {
                tokio::spawn(input::put_back_after(Arc::clone(&daemon), thread, seq));
            }
            Incoming::Notification { kind: Kind::THREAD_CLOSED, thread, .. } => {
                server.has_unloaded(thread);
            }
            Incoming::Ended(ended) => {
                lost(&daemon, &server, &ended.reason, &ended.stderr).await;
                break;
            }
            _ => {}
        }
    }
}

/// What waits is delivered; where nothing does, the session has settled, and hears of its children.
async fn turn_ended(daemon: Arc<Daemon>, thread: String, seq: u64) {
    input::deliver_after(Arc::clone(&daemon), thread.clone(), seq).await;
    input::doubt_last(&daemon, &thread).await;
    input::put_back_after(Arc::clone(&daemon), thread.clone(), seq).await;
    family::look(daemon, thread).await;
}

async fn lost(daemon: &Arc<Daemon>, server: &Arc<Server>, reason: &str, stderr: &str) {
    let seen_at = now();
    let meant = match (daemon.is_stopping(), server.why()) {
        (true, _) => Some(WITH_DAEMON),
        (false, why) => why,
    };
    let reason = meant.unwrap_or(reason);
    daemon.say(&format!("codex {} {reason}", server.app.process().pid));
    if meant.is_none() && !stderr.is_empty() {
        daemon.say(stderr);
    }
    daemon.end_leftovers(server.source).await;
    // As soon as its end is told, others may take them up.
    let had = resume::attached(daemon, server.source, server.generation);
    if !told_end(daemon, server, reason, seen_at).await {
        return;
    }
    let had = had.unwrap_or_else(|error| {
        daemon.say(&format!("what its sessions took was not looked through: {error}"));
        Vec::new()
    });
    for thread in resume::threads(had) {
        input::doubt_soon(daemon, &thread);
    }
    daemon.pool.remove(server);
    let failures = meant.is_none().then(|| count_failure(daemon, server));
    match resume::attached(daemon, server.source, server.generation) {
        Ok(lost) if !daemon.is_stopping() => {
            tokio::spawn(revive(
                Arc::clone(daemon),
                resume::threads(lost),
                failures,
                Older::of(server),
            ));
        }
        Ok(_) => {}
        Err(error) => daemon.say(&format!("nothing was resumed: {error}")),
    }
}

/// Records a server's end and waits until the tables tell it, however long the disk or the folds take:
/// until then nothing takes its place. False if the daemon ends before.
async fn told_end(daemon: &Daemon, server: &Server, reason: &str, seen_at: i64) -> bool {
    loop {
        match daemon.note_end((server.source, server.generation), reason, Some(seen_at)) {
            Ok(seq) => return daemon.folded_at_last(seq).await,
            Err(error) => {
                daemon.say(&format!("the end of a server is not recorded yet: {error}"));
                if !daemon.pause(AGAIN).await {
                    return false;
                }
            }
        }
    }
}

/// Counts the ends in a row of one that did not live long.
fn count_failure(daemon: &Daemon, server: &Server) -> u32 {
    let slot = daemon.pool.slot(&server.codex_home, server.codex.version);
    let mut failures = guard(&slot.failures);
    *failures = if server.born.elapsed() < LIVED { failures.saturating_add(1) } else { 0 };
    *failures
}
