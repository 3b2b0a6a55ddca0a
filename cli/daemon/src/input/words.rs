//! What is said along with the answer to a request.
//!
//! What always holds: the words are accepted in one frame with the decision, before the answer is sent. So
//! a daemon that dies behind it leaves an input that waits, which the next one delivers like any other, and
//! no answer is ever repeated for its words. They go into the turn that goes on, or wait for the next one.

use super::delivery::Accepted;
use super::{WaitsOut, queue};
use crate::api::Mode;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::records::{self, LookError};
use sm_log::Reader;
use sm_projections::rows::Sid;
use sm_projections::table::id_hash;
use sm_projections::tables::{InputKeys, Inputs};
use sm_projections::{View, views};
use sm_protocol::synthetic::{InputAccepted, Synthetic};
use std::sync::Arc;

/// How the keys of such words begin.
pub(super) const KEY: &str = "answer:";

/// The name of the words that were said with the answer to a request: an answer has them once.
fn key(request: u64) -> String {
    format!("{KEY}{}", views::request_id(request))
}

/// The words as an input, to be recorded with the decision.
pub(crate) fn accepted(request: u64, say: &str, by: &str) -> InputAccepted {
    InputAccepted {
        text: say.to_owned(),
        mode: super::mode_word(Mode::Steer).to_owned(),
        by: by.to_owned(),
        key: Some(key(request)),
        ..InputAccepted::default()
    }
}

/// The words that were said with the answer to a request; `None` where none were, or where their record
/// is not there any more.
pub(crate) fn said(
    view: &View<'_>,
    log: &Reader,
    sid: Sid,
    request: u64,
) -> Result<Option<String>, LookError> {
    let at = (sid, id_hash(&[&key(request)]));
    let Some(number) = view.get::<InputKeys>(&at)? else { return Ok(None) };
    Ok(match records::note(log, number)? {
        Some(Synthetic::InputAccepted(accepted)) => Some(accepted.text),
        _ => None,
    })
}

/// Sends the words, whose answer was sent, unless they were delivered or held in the meantime: the answer
/// may have ended the turn that they were for.
pub(crate) async fn send(daemon: &Arc<Daemon>, thread: &str, number: u64) -> Result<(), Refusal> {
    let _lock = daemon.lock(thread).await;
    daemon.caught_up().await?;
    let row = daemon.look(|view| Ok::<_, Refusal>(view.get::<Inputs>(&number)?))?;
    let Some(row) = row.filter(|row| row.status.waits() && !row.held) else { return Ok(()) };
    let message = queue::accepted(&daemon.reader, number, &row)?;
    let session = daemon.session(thread)?.session;
    let waits = session.pending.iter().any(|(_, class)| class.asks_human());
    let mode = if waits { Mode::Queue } else { Mode::Steer };
    let words = Accepted { number, message: &message };
    // The answer stands: nobody gives it again for its words.
    super::send(daemon, &session, mode, &words, WaitsOut::Anything).await.map(drop)
}
