//! The end of a running turn.
//!
//! What always holds: a turn counts as ended once Codex has told so, not when it was asked to.

use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::json;
use sm_projections::rows::Session;
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to end a turn.
const ENDING: Duration = Duration::from_secs(30);

/// Interrupts a turn and waits until it has ended.
pub(crate) async fn interrupt_turn(
    daemon: &Arc<Daemon>,
    session: &Session,
    turn: &str,
) -> Result<(), Refusal> {
    let Some(server) = daemon.pool.by_source(session.source, session.generation) else {
        return Err(Refusal::conflict(format!(
            "the server of session {} has just ended, and its turn with it",
            session.id
        ))
        .retryable());
    };
    let params = json!({ "threadId": session.thread_id, "turnId": turn });
    let answer = server.app.call("turn/interrupt", params, ENDING).await;
    let has_ended = |daemon: &Daemon| {
        let now = daemon.session(&session.thread_id)?.session;
        Ok::<_, Refusal>(now.open_turn.is_none_or(|open| open.id != turn))
    };
    let patience = match &answer {
        Ok(_) => ENDING,
        // It may have ended by itself in the meantime.
        Err(_) => Duration::from_millis(500),
    };
    let ended = daemon.until(patience, |_| Ok(has_ended(daemon)?.then_some(()))).await?;
    match (ended, answer) {
        (Some(()), _) => Ok(()),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err(Refusal::new(502, "timeout", "Codex did not end the turn in time")),
    }
}
