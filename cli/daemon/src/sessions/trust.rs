//! Whose word it is that a folder's own settings are followed.
//!
//! What always holds: a child that an agent made elsewhere than in its own folder gets none of the settings
//! that lie there (`.codex`, with programs to start and wider sandboxes), now and whenever it is resumed.
//! Codex guards that folder only at the root of what a session may write, so what lies deeper may be of
//! the agent's making; and it would trust it from then on, for the user too.

use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::{Map, Value, json};
use sm_projections::rows::Session;
use sm_projections::tables::{Sessions, Threads};
use sm_projections::{StoreError, View};
use sm_protocol::synthetic::is_users_word;

/// How many makers and origins are asked.
const DEPTH_MAX: usize = 64;

/// Who chose a session's folder.
pub(crate) struct Choice<'s> {
    pub by_agent: bool,
    /// The session that it was made by or of.
    pub origin: Option<&'s Session>,
    pub cwd: &'s str,
}

/// Settings that have Codex follow none of the folder's own, where an agent chose it.
pub(crate) fn config(daemon: &Daemon, choice: &Choice<'_>) -> Result<Map<String, Value>, Refusal> {
    let mut config = Map::new();
    if daemon.look(|view| is_an_agents(view, choice))? {
        let real = std::fs::canonicalize(choice.cwd);
        let real = real.map_or(choice.cwd.to_owned(), |path| path.to_string_lossy().into_owned());
        let untrusted = json!({ "trust_level": "untrusted" });
        config.insert("projects".to_owned(), json!({ choice.cwd: untrusted, real: untrusted }));
    }
    Ok(config)
}

/// The same for a session that is there.
pub(crate) fn config_of(daemon: &Daemon, session: &Session) -> Result<Map<String, Value>, Refusal> {
    let origin = daemon.look(|view| origin(view, session))?;
    let choice = Choice {
        by_agent: is_made_by_agent(session),
        origin: origin.as_ref(),
        cwd: session.cwd.as_deref().unwrap_or_default(),
    };
    config(daemon, &choice)
}

fn is_an_agents(view: &View<'_>, choice: &Choice<'_>) -> Result<bool, StoreError> {
    let (mut by_agent, mut next) = (choice.by_agent, choice.origin.cloned());
    for _ in 0..DEPTH_MAX {
        match next {
            // It is where its origin is: so is whoever chose that.
            Some(session) if session.cwd.as_deref() == Some(choice.cwd) => {
                by_agent = is_made_by_agent(&session);
                next = origin(view, &session)?;
            }
            _ => return Ok(by_agent),
        }
    }
    Ok(true)
}

/// Made by another session, through `sm` or as Codex's own sub-agent.
fn is_made_by_agent(session: &Session) -> bool {
    match session.spawned_by.as_deref() {
        Some(by) => !is_users_word(by),
        None => session.parent.is_some(),
    }
}

fn origin(view: &View<'_>, session: &Session) -> Result<Option<Session>, StoreError> {
    let forked_from = || match &session.forked_from {
        Some(thread) => view.get::<Threads>(thread),
        None => Ok(None),
    };
    let sid = match session.parent.filter(|_| is_made_by_agent(session)) {
        Some(parent) => Some(parent),
        None => forked_from()?,
    };
    sid.map_or(Ok(None), |sid| view.get::<Sessions>(&sid))
}
