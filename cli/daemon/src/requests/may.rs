//! Who may decide what: the user all, an agent what its children ask.
//!
//! What always holds: an agent never answers for itself or for one above it, gives no more leave than it has,
//! and makes no rule.

use super::decision;
use super::method::Method;
use super::request::Asked;
use super::verdict::{Verdict, WORDS};
use crate::api::Answer;
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::family;
use crate::problem::Refusal;
use crate::sessions::rights::Rights;
use sm_projections::views;

/// Who may answer what an agent may not.
const OWN_TERMINAL: &str = "answer it from your own terminal";

/// Whether the caller may decide that.
pub(super) fn may(
    daemon: &Daemon,
    caller: &Caller,
    asked: &Asked,
    verdict: &Verdict,
    answer: &Answer,
) -> Result<(), Refusal> {
    let id = views::request_id(asked.number);
    let agent = match caller {
        Caller::User | Caller::Demo => return Ok(()),
        Caller::Agent(agent) => agent,
        Caller::Nameless(_) => {
            return Err(Refusal::forbidden(format!(
                "{} answers nothing: which session asks is not known, and request {id} may be its own",
                caller.word()
            ))
            .hint(OWN_TERMINAL));
        }
    };
    let Some(session) = &asked.session else {
        return Err(
            Refusal::forbidden(format!("request {id} is the user's to answer")).hint(OWN_TERMINAL)
        );
    };
    if session.sid == agent.sid {
        let message = format!("request {id} is your own: a human answers it");
        return Err(Refusal::forbidden(message).hint(OWN_TERMINAL));
    }
    if !daemon.is_above(agent.sid, session.sid)? {
        return Err(Refusal::forbidden(format!(
            "request {id} is of session {}, which is no child of yours: a human answers it",
            session.session.id
        ))
        .hint(OWN_TERMINAL));
    }
    let asks_leave = decision::asks_leave(Method::of(&asked.row.method), &asked.params);
    let declines = matches!(verdict.word.as_str(), "decline" | "cancel" | "denied" | "abort");
    // A turn goes on with what is answered to its questions, and with what is said along.
    if !asks_leave && !declines || answer.say.is_some() {
        family::may_still_lead(daemon, caller, &session.session)?;
    }
    if !asks_leave {
        return Ok(());
    }
    // Words of Codex's own may make a rule for good, and that is nobody's but the user's.
    let is_plain = answer.decision.as_deref().is_none_or(|word| WORDS.contains(&word));
    if answer.raw.is_some() || !is_plain {
        return Err(Refusal::forbidden(format!(
            "request {id} asks for leave: an agent answers that in plain words only"
        ))
        .hint(format!("`sm deny {id}`; or answer it from your own terminal")));
    }
    // What rights do not tell of, such as a tool of an MCP server, is nobody's but the user's to give.
    let has_right = asked.row.class.asks_permission() && Rights::of(&agent.session).are_full();
    if !declines && !has_right {
        return Err(Refusal::forbidden(format!(
            "request {id} asks for more than you may give: a human accepts it, you may decline"
        ))
        .hint(format!("`sm deny {id}`; or answer it from your own terminal")));
    }
    Ok(())
}
