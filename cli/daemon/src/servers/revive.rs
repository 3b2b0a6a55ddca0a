//! Sessions that lost their server, brought back: tried again with back-off until it is decided.
//!
//! What always holds: a session is forgotten only once it is loaded, was put away, or Codex said that it
//! cannot be resumed; what a daemon did not get to, the next one does, by the tables; between two tries
//! lies a pause that doubles, so nothing spins; what waits, for how long and why can be seen.

use super::older::Older;
use super::resume;
use crate::api::{Comeback, Resuming};
use crate::counted;
use crate::daemon::{Daemon, now};
use crate::guard::guard;
use crate::{family, input};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The pause after the first failure, doubled after each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How many threads are loaded at once.
const AT_ONCE: usize = 8;

/// Sessions on their way back.
#[derive(Default)]
pub(crate) struct Revivals(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// How many batches there were.
    opened: u64,
    /// By batches that lost their server together.
    batches: BTreeMap<u64, Resuming>,
    /// Those that are loaded once what waits for them can be delivered, by their threads.
    alone: BTreeMap<String, Resuming>,
}

impl Waiting {
    fn all(&self) -> impl Iterator<Item = &Resuming> {
        self.batches.values().chain(self.alone.values())
    }
}

impl Revivals {
    fn open(&self, batch: Resuming) -> u64 {
        let mut waiting = guard(&self.0);
        waiting.opened += 1;
        let number = waiting.opened;
        waiting.batches.insert(number, batch);
        number
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Resuming)) {
        if let Some(batch) = guard(&self.0).batches.get_mut(&number) {
            change(batch);
        }
    }

    fn close(&self, number: u64) {
        guard(&self.0).batches.remove(&number);
    }

    /// What waits for a session was not delivered, so often and for that reason, and the session is not there: it
    /// is tried again after `pause`, now where there is none.
    pub fn miss(&self, thread: &str, failures: u32, reason: &str, pause: Option<Duration>) {
        let mut waiting = guard(&self.0);
        let is_listed = |batch: &Resuming| batch.threads.iter().any(|one| one == thread);
        if !waiting.batches.values().any(is_listed) {
            let missed = Resuming {
                threads: vec![thread.to_owned()],
                failures,
                next_at: pause.map(at),
                reason: Some(reason.to_owned()),
            };
            waiting.alone.insert(thread.to_owned(), missed);
        }
    }

    /// It is there, or nothing waits for it any more.
    pub fn miss_no_more(&self, thread: &str) {
        guard(&self.0).alone.remove(thread);
    }

    /// What keeps a thread that is to be resumed.
    pub fn comeback(&self, thread: &str) -> Comeback {
        Comeback::of(guard(&self.0).all(), thread)
    }

    /// What waits.
    pub fn documents(&self) -> Vec<Resuming> {
        guard(&self.0).all().cloned().collect()
    }
}

/// The moment after that pause.
fn at(pause: Duration) -> i64 {
    now().saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX))
}

/// The pause before the next try.
fn pause_after(failures: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(2u32.saturating_pow(failures)).min(PAUSE_MAX)
}

/// Brings sessions back, the first time after the pause that `failures` earlier ones ask for; `None`
/// is at once.
pub(crate) async fn revive(
    daemon: Arc<Daemon>,
    threads: Vec<String>,
    failures: Option<u32>,
    older: Older,
) {
    if threads.is_empty() {
        return;
    }
    let batch = Resuming { threads: threads.clone(), ..Resuming::default() };
    let number = daemon.revivals.open(batch);
    let (mut threads, mut failures, mut pauses) =
        (threads, failures.unwrap_or(0), failures.is_some());
    while !threads.is_empty() {
        if pauses {
            let pause = pause_after(failures);
            daemon.revivals.change(number, |batch| {
                batch.failures = failures;
                batch.next_at = Some(at(pause));
            });
            if !daemon.pause(pause).await {
                break;
            }
        }
        daemon.revivals.change(number, |batch| batch.next_at = None);
        let (left, reason) = resume_all(&daemon, threads.clone(), older).await;
        daemon.revivals.change(number, |batch| {
            batch.threads.clone_from(&left);
            batch.reason = reason;
        });
        for decided in threads.iter().filter(|thread| !left.contains(thread)) {
            family::look_soon(&daemon, decided);
        }
        (threads, failures, pauses) = (left, failures.saturating_add(1), true);
    }
    daemon.revivals.close(number);
}

/// Resumes sessions, some at once, and delivers what waits for them. Returns those to be tried again,
/// and why.
async fn resume_all(
    daemon: &Arc<Daemon>,
    threads: Vec<String>,
    older: Older,
) -> (Vec<String>, Option<String>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tries = JoinSet::new();
    for thread in threads.clone() {
        let (daemon, room) = (Arc::clone(daemon), Arc::clone(&room));
        tries.spawn(async move {
            let _room = room.acquire_owned().await;
            let failed = resume_one(&daemon, &thread, older).await;
            (thread, failed)
        });
    }
    let (mut left, mut reason) = (threads, None);
    while let Some(tried) = tries.join_next().await {
        match tried {
            Ok((decided, None)) => left.retain(|thread| *thread != decided),
            Ok((_, Some(why))) => reason = Some(why),
            // It broke before it was decided: that one is tried again, too.
            Err(error) => reason = Some(error.to_string()),
        }
    }
    if let Some(reason) = &reason {
        // One line, however many there are.
        daemon.say(&format!("not resumed: {}, the last: {reason}", counted(left.len(), "session")));
    }
    (left, reason)
}

/// Resumes one session. Returns why it is to be tried again.
async fn resume_one(daemon: &Arc<Daemon>, thread: &str, older: Older) -> Option<String> {
    let resumed = {
        let _lock = daemon.lock(thread).await;
        match daemon.session(thread) {
            // It was put away in the meantime.
            Ok(found) if found.session.ended || found.session.archived => return None,
            Ok(_) => resume::ensure_on(daemon, thread, older).await.map(drop),
            Err(error) => Err(error),
        }
    };
    match resumed {
        Ok(()) => None,
        // Codex has decided, or nothing is known of it.
        Err(error)
            if matches!(
                error.problem.code.as_str(),
                "session_dead" | "session_archived" | "not_found"
            ) =>
        {
            daemon.say(&format!("session {thread} was not resumed: {error}"));
            // What waits for it is told so, too.
            input::deliver_soon(daemon, thread);
            None
        }
        Err(error) => (!daemon.is_stopping()).then(|| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let millis: Vec<u128> = (0..10).map(|n| pause_after(n).as_millis()).collect();
        assert_eq!(millis, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000]);
        assert_eq!(pause_after(u32::MAX), PAUSE_MAX);
    }
}
