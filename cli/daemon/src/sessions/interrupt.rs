//! The end of a running turn.
//!
//! What always holds: a turn counts as ended once Codex has told so, not when it was asked to.

use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said;
use serde_json::json;
use sm_ingest::app_server::CallError;
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
    let ended = async |patience| {
        let has_ended = || {
            let now = daemon.session(&session.thread_id)?.session;
            Ok::<_, Refusal>(now.open_turn.is_none_or(|open| open.id != turn))
        };
        daemon.until(patience, |_| Ok(has_ended()?.then_some(()))).await
    };
    let Some(server) = daemon.pool.by_source(session.source, session.generation) else {
        // Its turn has ended with it; that is told soon.
        return ended(ENDING).await?.ok_or_else(|| {
            Refusal::conflict(format!("the server of session {} has just ended", session.id))
                .hint("the same once more: its turn has ended with it")
                .retryable()
        });
    };
    let ask = async |turn: &str| {
        let params = json!({ "threadId": session.thread_id, "turnId": turn });
        server.app.call("turn/interrupt", params, ENDING).await
    };
    let mut answer = ask(turn).await;
    // A review's turn.
    if let Some(running) = answer.as_ref().err().map(said::words).and_then(said::running_instead) {
        answer = ask(running).await;
    }
    let patience = match &answer {
        Ok(_) | Err(CallError::Gone { .. } | CallError::Lost { .. }) => ENDING,
        // It may have ended by itself in the meantime.
        Err(_) => Duration::from_millis(500),
    };
    let ended = ended(patience).await?;
    match (ended, answer) {
        (Some(()), _) => Ok(()),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err(Refusal::new(502, "timeout", "Codex did not end the turn in time")),
    }
}
