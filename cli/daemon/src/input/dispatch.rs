//! What waits for a session, given to it once it is free.
//!
//! What always holds: it goes in the order in which it came, what is urgent first, one a turn. Where Codex is
//! away it is tried again, later and later, by one task a session; what nothing can deliver keeps none from
//! going that come after it.

use super::delivery::{self, Accepted, Fate};
use super::queue::{self, accepted, change, now_is, waiting};
use super::{lent, message, unknown};
use crate::api::{Mode, Settings};
use crate::daemon::Daemon;
use crate::family;
use crate::guard::guard;
use crate::problem::Refusal;
use crate::servers::older;
use sm_projections::rows::{self, InputStatus, Session};
use sm_projections::views;
use sm_protocol::synthetic::InputChanged;
use std::sync::Arc;
use std::time::Duration;

/// After its first, second … failure a delivery is left alone for so long.
const BACK_OFF_FIRST: Duration = Duration::from_millis(250);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// Delivers what waits, once record `seq` is folded, however long that takes.
pub(crate) async fn deliver_after(daemon: Arc<Daemon>, thread: String, seq: u64) {
    if !thread.is_empty() && daemon.folded_at_last(seq).await {
        deliver_or_retry(&daemon, &thread).await;
    }
}

/// Delivers what waits, in a task of its own.
pub(crate) fn deliver_soon(daemon: &Arc<Daemon>, thread: &str) {
    tokio::spawn(deliver_after(Arc::clone(daemon), thread.to_owned(), 0));
}

/// Records that an input that was accepted waits, once the session's lock is free; then delivers what waits.
pub(super) async fn queue_up(daemon: Arc<Daemon>, thread: String, number: u64) {
    if daemon.folded_at_last(number).await {
        let _lock = daemon.lock(&thread).await;
        if let Err(error) = queue::put_in(&daemon, &thread, number).await {
            daemon
                .say(&format!("that {number} waits for session {thread} is not recorded: {error}"));
        }
    }
    deliver_after(daemon, thread, number).await;
}

/// Delivers what waits. Where Codex is away it is tried again, later and later, until it is delivered or
/// does not wait any more; what waits says so.
async fn deliver_or_retry(daemon: &Arc<Daemon>, thread: &str) {
    let (mut retrying, mut told) = (None, String::new());
    for tries in 0.. {
        let Err(error) = deliver(daemon, thread).await else {
            return daemon.revivals.miss_no_more(thread);
        };
        let why = error.to_string();
        if why != told {
            daemon.say(&format!("what waits for session {thread} was not delivered: {why}"));
            told = why;
        }
        retrying = retrying.or_else(|| Retrying::begin(daemon, thread));
        // What is wrong with the input itself stays wrong; Codex comes back, lets go of threads, is upgraded.
        let may_pass = passes(&error) || error.problem.retryable || older::is_older(&error);
        let is_lasting = !may_pass;
        if is_lasting || retrying.is_none() {
            return;
        }
        let pause = (BACK_OFF_FIRST * 2u32.saturating_pow(tries)).min(BACK_OFF_MAX);
        let failures = tries.saturating_add(1);
        miss(daemon, thread, failures, &told, Some(pause));
        if !daemon.pause(pause).await {
            return;
        }
        miss(daemon, thread, failures, &told, None);
    }
}

/// Says why a session is not there, with those that lost their server; where it is there, nothing.
fn miss(daemon: &Daemon, thread: &str, failures: u32, why: &str, pause: Option<Duration>) {
    match is_away(daemon, thread) {
        true => daemon.revivals.miss(thread, failures, why, pause),
        false => daemon.revivals.miss_no_more(thread),
    }
}

/// Whether a session has no server and is to be loaded again.
fn is_away(daemon: &Daemon, thread: &str) -> bool {
    let Ok(found) = daemon.session(thread) else { return false };
    daemon.look(|view| views::comes_back(view, &found.session)).unwrap_or(false)
}

/// Whether a failure may pass by itself; what a release of Codex does not know, it never will.
pub(crate) fn passes(refusal: &Refusal) -> bool {
    refusal.status >= 500 && refusal.problem.code != "unsupported"
}

/// The one task that tries again for a session.
struct Retrying<'d> {
    daemon: &'d Daemon,
    thread: &'d str,
}

impl<'d> Retrying<'d> {
    fn begin(daemon: &'d Daemon, thread: &'d str) -> Option<Retrying<'d>> {
        let is_first = guard(&daemon.retrying).insert(thread.to_owned());
        is_first.then_some(Retrying { daemon, thread })
    }
}

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        self.daemon.revivals.miss_no_more(self.thread);
        guard(&self.daemon.retrying).remove(self.thread);
    }
}

/// Begins a turn with the oldest input that waits, if the session is free for it.
async fn deliver(daemon: &Arc<Daemon>, thread: &str) -> Result<(), Refusal> {
    // Most turns end with nothing waiting.
    if waiting(daemon, thread)?.is_empty() {
        return Ok(());
    }
    let _lock = daemon.lock(thread).await;
    loop {
        daemon.caught_up().await?;
        let session = daemon.session(thread)?.session;
        if session.ended {
            // It came while that was being recorded.
            let why = "the session was stopped";
            return queue::cancel_all(daemon, thread, why, None).await.map(drop);
        }
        let next = first(waiting(daemon, thread)?);
        let (true, Some((number, row))) = (is_free(&session) && !daemon.is_stopping(), next) else {
            return Ok(());
        };
        // What was lost on its way may have begun a turn, which is not to be talked over.
        let found_out = match unknown::find_out_all(daemon, thread).await {
            Ok(true) => continue,
            Ok(false) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        if stands_in_line(&row) && queue::are_others_held(daemon, thread, number)? {
            // Whoever took it got no further than to its acceptance.
            delivery::settle(daemon, thread, number, Fate::Held).await?;
            continue;
        }
        let message = match accepted(&daemon.reader, number, &row) {
            Ok(message) => message,
            // Nobody knows what is to be sent: it keeps none from going that come after it.
            Err(error) => {
                let reason = Some(rows::line(&format!("its text cannot be read: {error}")));
                let failed = InputChanged { reason, ..now_is(number, InputStatus::Failed) };
                change(daemon, thread, failed).await?;
                continue;
            }
        };
        if let Some(turn) = &message.expected_turn {
            let reason = Some(format!("turn {turn}, which it was meant for, is over"));
            let refused = InputChanged { reason, ..now_is(number, InputStatus::Refused) };
            change(daemon, thread, refused).await?;
            continue;
        }
        let may_go = may_still_go(daemon, &row.by, &session, &message.settings)
            .and_then(|()| lent::may_take(&session, &message.settings));
        if let Err(refusal) = may_go {
            if passes(&refusal) {
                return Err(refusal);
            }
            let reason = Some(refusal.to_string());
            let refused = InputChanged { reason, ..now_is(number, InputStatus::Refused) };
            change(daemon, thread, refused).await?;
            continue;
        }
        let accepted = Accepted { number, message: &message };
        let sent = match found_out {
            Ok(()) => delivery::start(daemon, thread, &accepted).await,
            Err(refusal) => Err(refusal),
        };
        let fate = match sent {
            Ok(fate) => fate,
            // Codex has decided: nothing would ever come of waiting.
            Err(refusal) if refusal.problem.code == "session_dead" => {
                Fate::Failed(refusal.to_string())
            }
            // It goes on waiting, and says for what.
            Err(refusal) => {
                let queued = super::not_yet(number, &refusal);
                if queued.reason != row.reason {
                    let (_, receipt) = queue::note(daemon, thread, queued).await?;
                    daemon.folded_to(receipt.last).await?;
                }
                return Err(refusal);
            }
        };
        if delivery::settle(daemon, thread, number, fate).await?.turn.is_some() {
            return Ok(());
        }
    }
}

/// Whether it waits behind what is held, and was not told so yet.
fn stands_in_line(row: &rows::Input) -> bool {
    row.status == InputStatus::Accepted && !super::goes_past(row)
}

/// What goes next: what is urgent, else the oldest.
fn first(waiting: Vec<(u64, rows::Input)>) -> Option<(u64, rows::Input)> {
    let urgent = super::mode_word(Mode::Urgent);
    let free = waiting.into_iter().filter(|(_, row)| !row.held);
    free.min_by_key(|(number, row)| (row.mode != urgent, *number))
}

/// Whether its sender may still have it done: as it may lead the session, and give it those settings.
fn may_still_go(
    daemon: &Daemon,
    by: &str,
    session: &Session,
    settings: &Settings,
) -> Result<(), Refusal> {
    let Some(agent) = family::agent_of(daemon, by)? else { return Ok(()) };
    family::may_still_lead(daemon, &agent, session)?;
    message::settings(&agent, session, settings).map(drop)
}

fn is_free(session: &Session) -> bool {
    session.open_turn.is_none() && !session.pending.iter().any(|(_, class)| class.asks_human())
}
