//! When a session has settled, and what there is to say about it then.
//!
//! What always holds: of what has settled nothing more is heard before a human does something; a session that
//! pursues a goal, that is being stopped, or that is about to be brought back, has not. What a wait means by its
//! words, `sm wait` means by them, too.

use super::messages::{self, Upshot};
use crate::daemon::{Daemon, now};
use crate::problem::Refusal;
use serde::Serialize;
use serde_json::{Value, json};
use sm_projections::View;
use sm_projections::rows::{ActivityState, Session, Sid};
use sm_projections::tables::{Sessions, Threads};
use sm_projections::views::{self, Standing};
use std::time::Duration;

/// How long the tables are believed without another look.
const LOOK: Duration = Duration::from_secs(1);

/// What is waited for; by itself that sessions have settled.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// A state instead.
    pub state: Option<ActivityState>,
    /// Only what came after that record counts.
    pub after: u64,
    /// A session that waits for a human is waited for, too.
    pub through_approvals: bool,
}

/// Where a wait for one session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reached {
    /// What is waited for is so.
    Yes,
    /// Not yet.
    No,
    /// A human must answer first.
    NeedsHuman,
    /// It will never be.
    Dead,
}

/// What a wait came to.
pub(crate) struct Waited {
    /// Where it stands with each session, in their order.
    pub reached: Vec<Reached>,
    /// Whether it was over before its time.
    pub is_over: bool,
}

/// Where a wait for that session stands.
fn reached(
    daemon: &Daemon,
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    wanted: &Wanted,
) -> Result<Reached, Refusal> {
    if daemon.stops.has(&session.thread_id) {
        return Ok(Reached::No);
    }
    let answered = |number| daemon.rules.is_judged(number);
    let standing = views::standing(view, sid, session, &answered, true)?;
    let is_so = match (wanted.state, standing) {
        (Some(state), _) => {
            session.state == state && (wanted.after == 0 || session.cause_seq > wanted.after)
        }
        (None, Some(Standing::Settled)) => views::settled_after(view, session, wanted.after)?,
        (None, _) => false,
    };
    let asks = || {
        let is_below = matches!(standing, Some(Standing::Waiting | Standing::WaitingBelow));
        is_below || views::waits_for_human(session, &answered, now())
    };
    // What is gone and has nothing before it says no more.
    let is_dead = || standing == Some(Standing::Gone) || session.gone && standing.is_some();
    Ok(match () {
        () if is_so => Reached::Yes,
        () if !wanted.through_approvals && asks() => Reached::NeedsHuman,
        () if is_dead() => Reached::Dead,
        () => Reached::No,
    })
}

/// Waits until what is wanted is so of all sessions, or of one of them, or nothing more will happen in them before
/// a human does something; at most as long as `patience`.
pub(crate) async fn wait(
    daemon: &Daemon,
    threads: &[String],
    any: bool,
    wanted: &Wanted,
    patience: Duration,
) -> Result<Waited, Refusal> {
    daemon.caught_up().await?;
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        // Looked at again without news, too: a rule that leaves a request to a human records nothing.
        let over = daemon.until(left.min(LOOK), |view| {
            let waited = look(daemon, view, threads, any, wanted)?;
            Ok(waited.is_over.then_some(waited))
        });
        if let Some(waited) = over.await? {
            return Ok(waited);
        }
        if left <= LOOK {
            return daemon.look(|view| look(daemon, view, threads, any, wanted));
        }
    }
}

fn look(
    daemon: &Daemon,
    view: &View<'_>,
    threads: &[String],
    any: bool,
    wanted: &Wanted,
) -> Result<Waited, Refusal> {
    let reached = threads.iter().map(|thread| {
        let Some(sid) = view.get::<Threads>(thread)? else { return Ok(Reached::Dead) };
        match view.get::<Sessions>(&sid)? {
            Some(session) => reached(daemon, view, sid, &session, wanted),
            None => Ok(Reached::Dead),
        }
    });
    let reached = reached.collect::<Result<Vec<_>, Refusal>>()?;
    let is_over = |one: &Reached| *one != Reached::No;
    let is_over = match any && !reached.is_empty() {
        true => reached.iter().any(is_over),
        false => reached.iter().all(is_over),
    };
    Ok(Waited { reached, is_over })
}

/// What a waiting agent wants to know of a session.
pub(crate) fn report(daemon: &Daemon, thread: &str) -> Result<Value, Refusal> {
    let views::Selection { sid, session } = daemon.session(thread)?;
    let settled = |view: &View<'_>| reached(daemon, view, sid, &session, &Wanted::default());
    let settled = daemon.look(settled)? != Reached::No;
    let requests: Vec<String> =
        session.pending.iter().map(|(seq, _)| views::request_id(*seq)).collect();
    let last_action = session.last_action.as_ref().map(|action| {
        json!({
            "kind": action.kind.as_str(),
            "summary": action.summary,
            "status": action.status.as_str(),
        })
    });
    let Upshot { words, error } = messages::upshot(daemon, sid, &session)?;
    Ok(json!({
        "id": session.id,
        "name": session.name,
        "activity_state": session.state.as_str(),
        "settled": settled,
        "outcome": session.outcome.as_str(),
        "last_error": error,
        "result": words,
        "last_action": last_action,
        "waits_for": requests,
        "queued": session.queued,
        "tokens": session.tokens().map(|tokens| tokens.total),
        "cursor": daemon.cursor(session.last_seq.unwrap_or_default()),
    }))
}
