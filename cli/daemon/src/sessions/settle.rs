//! When a session has settled, and what there is to say about it then.
//!
//! What always holds: of what has settled nothing more is heard before a human does something; a session that
//! pursues a goal, or that is about to be brought back, has not.

use super::messages::{self, Upshot};
use crate::daemon::{Daemon, now};
use crate::problem::Refusal;
use serde_json::{Value, json};
use sm_projections::View;
use sm_projections::rows::{Session, Sid};
use sm_projections::tables::{Sessions, Threads};
use sm_projections::views;
use std::time::Duration;

/// How long the tables are believed without another look.
const LOOK: Duration = Duration::from_secs(1);

/// Whether nothing more will happen in the session before a human does something: its turn is over, no goal of
/// its own is pursued, nothing is queued, and so for all below it; or it waits for a human, or it is gone for
/// good.
fn is_settled(
    daemon: &Daemon,
    view: &View<'_>,
    sid: Sid,
    session: &Session,
) -> Result<bool, Refusal> {
    if daemon.stops.has(&session.thread_id) {
        return Ok(false);
    }
    let answered = |number| daemon.rules.is_judged(number);
    let waits = views::waits_for_human(session, &answered, now());
    Ok(waits || views::has_settled(view, sid, session, &answered)?)
}

/// Waits until all sessions have settled, or one of them; false once `patience` is over.
pub(crate) async fn wait(
    daemon: &Daemon,
    threads: &[String],
    any: bool,
    patience: Duration,
) -> Result<bool, Refusal> {
    if threads.is_empty() {
        return Ok(true);
    }
    daemon.caught_up().await?;
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        // Looked at again without news, too: a rule that leaves a request to a human records nothing.
        if look(daemon, threads, any, left.min(LOOK)).await? {
            return Ok(true);
        }
        if left <= LOOK {
            return Ok(false);
        }
    }
}

async fn look(
    daemon: &Daemon,
    threads: &[String],
    any: bool,
    patience: Duration,
) -> Result<bool, Refusal> {
    let settled = daemon.until(patience, |view| {
        let mut settled = 0;
        for thread in threads {
            let sid = view.get::<Threads>(thread)?;
            let row = match sid {
                Some(sid) => view.get::<Sessions>(&sid)?.map(|row| (sid, row)),
                None => None,
            };
            let is_settled = match row {
                Some((sid, row)) => is_settled(daemon, view, sid, &row)?,
                None => true,
            };
            settled += usize::from(is_settled);
        }
        let enough = if any { settled > 0 } else { settled == threads.len() };
        Ok(enough.then_some(()))
    });
    Ok(settled.await?.is_some())
}

/// What a waiting agent wants to know of a session.
pub(crate) fn report(daemon: &Daemon, thread: &str) -> Result<Value, Refusal> {
    let views::Selection { sid, session } = daemon.session(thread)?;
    let settled = daemon.look(|view| is_settled(daemon, view, sid, &session))?;
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
