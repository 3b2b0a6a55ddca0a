//! What running servers say of themselves, and what becomes of their sessions at their end.
//!
//! What always holds: a server is attended to from its first word to its end; what it lost is resumed,
//! or declared stopped, never replaced by something fresh.

use crate::daemon::Daemon;
use crate::pool::{Server, Started, guard};
use crate::{input, requests, resume};
use sm_ingest::app_server::Incoming;
use sm_protocol::Kind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A restarted server is left alone for so long after its first, second … failure.
const BACK_OFF_FIRST: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// A server that lived so long had not failed at its start.
const LIVED: Duration = Duration::from_secs(60);

/// How often a restart is tried; after that the next call starts it.
const RESTARTS_MAX: u32 = 8;

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
                tokio::spawn(input::deliver_after(Arc::clone(&daemon), thread, seq));
            }
            Incoming::Ended(ended) => {
                lost(&daemon, &server, &ended.reason, &ended.stderr).await;
                break;
            }
            _ => {}
        }
    }
}

async fn lost(daemon: &Arc<Daemon>, server: &Arc<Server>, reason: &str, stderr: &str) {
    let reason = match daemon.is_stopping() {
        true => "ended with the daemon".to_owned(),
        false => reason.to_owned(),
    };
    daemon.say(&format!("codex {} {reason}", server.app.process().pid));
    if !daemon.is_stopping() && !stderr.is_empty() {
        daemon.say(stderr);
    }
    daemon.end_leftovers(server.source).await;
    if let Err(error) = daemon.note_end(server.source, server.generation, &reason).await {
        return daemon.say(&format!("the end of a server was not recorded: {error}"));
    }
    let slot = daemon.pool.slot(&server.codex_home);
    let failures = {
        let mut failures = guard(&slot.failures);
        *failures = if server.born.elapsed() < LIVED { *failures + 1 } else { 0 };
        *failures
    };
    if !daemon.is_stopping() && failures <= RESTARTS_MAX {
        tokio::spawn(restart(Arc::clone(daemon), Arc::clone(server), failures));
    }
}

/// Starts a server again for the sessions that lost theirs.
async fn restart(daemon: Arc<Daemon>, before: Arc<Server>, failures: u32) {
    let lost = match resume::attached(&daemon, before.source, before.generation) {
        Ok(lost) if lost.is_empty() => return,
        Ok(lost) => lost,
        Err(error) => return daemon.say(&format!("nothing was resumed: {error}")),
    };
    for failures in failures..=RESTARTS_MAX {
        let pause = BACK_OFF_FIRST * 2u32.saturating_pow(failures.min(16));
        tokio::select! {
            () = tokio::time::sleep(pause.min(BACK_OFF_MAX)) => {}
            () = daemon.stopped() => return,
        }
        match daemon.server(&before.codex_home).await {
            Ok(_) => return resume_all(&daemon, lost).await,
            Err(error) => daemon.say(&format!("codex was not started again: {error}")),
        }
    }
}

/// Resumes sessions one after the other, and delivers what waits for them.
pub(crate) async fn resume_all(daemon: &Arc<Daemon>, threads: Vec<String>) {
    for thread in threads {
        let resumed = {
            let _lock = daemon.lock(&thread).await;
            resume::ensure(daemon, &thread).await.map(drop)
        };
        match resumed {
            Ok(()) => input::resumed(daemon, &thread),
            Err(error) => daemon.say(&format!("session {thread} was not resumed: {error}")),
        }
    }
}
