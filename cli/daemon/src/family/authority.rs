//! What an agent may do with other sessions: act on those below it, speak to its own family.
//!
//! What always holds: no agent speaks with the user's voice, and none leads a session that may do more than it.

use crate::api::{Input, Mode};
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::input;
use crate::problem::Refusal;
use crate::sessions::rights::Rights;
use sm_projections::rows::Session;
use sm_projections::tables::{Sessions, Threads};
use sm_projections::views::Selection;
use sm_protocol::synthetic::is_users_word;

/// An agent acts on what hangs below it.
pub(crate) fn may_act(daemon: &Daemon, caller: &Caller, target: &Selection) -> Result<(), Refusal> {
    let agent = match caller {
        Caller::User | Caller::Demo => return Ok(()),
        Caller::Agent(agent) => agent,
        Caller::Nameless(_) => {
            return Err(Refusal::forbidden(
                "an agent acts on its own children only, and which session asks is not known",
            ));
        }
    };
    match daemon.is_above(agent.sid, target.sid)? {
        true => Ok(()),
        false => Err(not_below(target, "acts")),
    }
}

fn not_below(target: &Selection, does: &str) -> Refusal {
    let id = &target.session.id;
    Refusal::forbidden(format!("an agent {does} in its own children only: session {id} is none"))
}

/// What an agent may say: to its own family, and to whoever is not below it with a line on where it
/// comes from, because no agent speaks with the user's voice.
pub(crate) fn from_agent(
    daemon: &Daemon,
    agent: &Selection,
    target: &Selection,
    text: &str,
) -> Result<String, Refusal> {
    if agent.sid == target.sid {
        return Err(Refusal::forbidden("an agent sends nothing to itself")
            .hint("go on by yourself, or name another session of your family"));
    }
    if daemon.is_above(agent.sid, target.sid)? {
        may_lead(&agent.session, &target.session)?;
        return Ok(text.to_owned());
    }
    if !daemon.is_family(agent.sid, target.sid)? {
        let target = &target.session.id;
        return Err(Refusal::forbidden(format!(
            "an agent sends to its own family only: session {target} is none of it"
        ))
        .hint("`sm children` and the tool sm_children list it"));
    }
    let session = &agent.session;
    let name = session.name.as_deref().map_or(String::new(), |name| format!(" ({name})"));
    Ok(format!("[message of the agent in session {}{name}]\n{text}", session.id))
}

/// Refuses what an agent would do, along with its words, in a session that is not below it: there its words are
/// all that it has.
pub(crate) fn may_send(
    daemon: &Daemon,
    agent: &Selection,
    target: &Selection,
    input: &Input,
) -> Result<(), Refusal> {
    let has_settings = !input.settings.is_empty() || input.plan.is_some();
    let (does, hint) = match input.mode {
        Mode::Urgent => ("ends a turn", "send it without urgent, or with steer"),
        _ if has_settings || input.output_schema.is_some() => (
            "gives settings to a turn",
            "send the words alone: model, effort, sandbox, approvals and schema are that session's own",
        ),
        _ => return Ok(()),
    };
    match daemon.is_above(agent.sid, target.sid)? {
        true => Ok(()),
        false => Err(not_below(target, does).hint(hint)),
    }
}

/// Refuses where a session that an agent made may do more than that agent by now: its words would be done with
/// rights that it does not have.
fn may_lead(agent: &Session, target: &Session) -> Result<(), Refusal> {
    let is_users = target.spawned_by.as_deref().is_some_and(is_users_word);
    if is_users || !Rights::of(agent).are_exceeded_by(target) {
        return Ok(());
    }
    let (own, other) = (&agent.id, &target.id);
    let message = format!("session {other} may do more by now than {own}, which made it");
    Err(Refusal::forbidden(message).hint(format!(
        "the user can do it, or give {other} less: sm set {other} --sandbox … --approval …"
    )))
}

/// The same of whatever is to begin a turn, or to give one words, now.
pub(crate) fn may_still_lead(
    daemon: &Daemon,
    sender: &Caller,
    target: &Session,
) -> Result<(), Refusal> {
    let Caller::Agent(agent) = sender else { return Ok(()) };
    let sid = daemon.look(|view| input::session_sid(view, &target.thread_id))?;
    match daemon.is_above(agent.sid, sid)? {
        true => may_lead(&agent.session, target),
        false => Ok(()),
    }
}

/// The agent that a recorded sender is, as it is now; `None` for whoever is none.
pub(crate) fn agent_of(daemon: &Daemon, by: &str) -> Result<Option<Caller>, Refusal> {
    daemon.look(|view| {
        let Some(sid) = view.get::<Threads>(&by.to_owned())? else { return Ok(None) };
        let session = view.get::<Sessions>(&sid)?;
        Ok(session.map(|session| Caller::Agent(Box::new(Selection { sid, session }))))
    })
}
