//! The environment of a session's commands.
//!
//! What always holds: what a session was made with is kept with it, also when the records of its making
//! are gone, and is handed to it again when it is resumed.

use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::{Map, Value, json};
use sm_projections::tables::{Environments, Threads};
use std::collections::BTreeMap;

/// Settings that give a session's commands their environment. The session's short id follows from a
/// thread id that Codex gives only in its answer, so commands of a session's first life know it by
/// Codex's own `CODEX_THREAD_ID`; a resumed one has `SM_SESSION_ID` too.
pub(crate) fn config(
    daemon: &Daemon,
    env: &BTreeMap<String, String>,
    session: Option<&str>,
) -> Map<String, Value> {
    let home = daemon.config.home.dir().to_string_lossy().into_owned();
    let own = [("SM_HOME", Some(home.as_str())), ("SM_SESSION_ID", session)];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let given = env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    given
        .filter(|(name, _)| is_variable(name))
        .chain(own)
        .map(|(name, value)| (format!("shell_environment_policy.set.{name}"), json!(value)))
        .collect()
}

/// Whether it is a name that a shell can set; a dot would be a path in Codex's settings.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The environment that a session was made with.
pub(crate) fn env_of(daemon: &Daemon, thread: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let env = daemon.look(|view| match view.get::<Threads>(&thread.to_owned())? {
        Some(sid) => view.get::<Environments>(&sid),
        None => Ok(None),
    });
    Ok(env?.unwrap_or_default())
}
