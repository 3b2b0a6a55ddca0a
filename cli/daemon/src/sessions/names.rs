//! Names of sessions: which are possible, and whose they are.
//!
//! What always holds: all of a name can be seen, and none is a word that stands for who is no session; of
//! the sessions that `sm` runs and that have not ended, no two are given the same name, also where two are
//! made at once.

use crate::guard::guard;
use crate::invisible::is_invisible;
use crate::problem::Refusal;
use serde_json::json;
use sm_projections::rows::{ActivityState, Session, SourceKind};
use sm_projections::table::Key;
use sm_projections::tables::{Names, Sessions, ShortIds, Sources, Threads};
use sm_projections::{Store, View, views};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// The longest name, in characters: one that still fits a line.
const CHARS_MAX: usize = 100;

/// What stands where a session's name might: who sends and who decides.
const OTHERS: [&str; 5] = ["user", "sm", "demo", "expiry", "rule"];

/// Names that are being given.
#[derive(Default)]
pub(crate) struct Given(Mutex<BTreeSet<String>>);

/// A name that nobody else can be given until this is dropped.
pub(crate) struct Reserved<'g> {
    given: &'g Given,
    name: String,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.given.names().remove(&self.name);
    }
}

impl Given {
    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        guard(&self.0)
    }
}

/// Whether a session can have that name.
///
/// # Errors
/// `bad_request` says why not.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let wrong = |why: &str| {
        Err(Refusal::bad_request(format!("{:?} cannot be a name: {why}", shortened(name)))
            .hint("a name is up to 100 characters of one line, and begins with neither @ nor -"))
    };
    match name.chars().next() {
        None => wrong("it is empty"),
        Some('@' | '-') => wrong("it begins like a word with a meaning of its own"),
        Some(_) if name.trim() != name => wrong("it begins or ends with a blank"),
        Some(_) if name.chars().any(char::is_control) => wrong("it has a control character"),
        Some(_) if let Some(odd) = name.chars().find(|c| cannot_be_told(*c)) => {
            wrong(&format!("nobody sees its character U+{:04X}", u32::from(odd)))
        }
        Some(_) if is_anothers(name) => wrong("it is a word for who is no session"),
        Some(_) if name.chars().count() > CHARS_MAX => wrong("it is too long"),
        Some(_) => Ok(()),
    }
}

/// Whether it shows nothing, or a blank that is not the usual one: the name, or label, would look like another.
pub(crate) fn cannot_be_told(c: char) -> bool {
    is_invisible(c) || (c.is_whitespace() && c != ' ')
}

/// Whether it is what somebody else is told by: `user`, `rule: tests (rules.toml:1)`, `agent of server 7`.
fn is_anothers(name: &str) -> bool {
    let name = name.to_lowercase();
    let first = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let rest = name[first.len()..].trim_start();
    let is_word = OTHERS.contains(&first) && (rest.is_empty() || rest.starts_with([':', '(']));
    is_word || name.starts_with("agent of server")
}

fn shortened(name: &str) -> String {
    name.chars().take(CHARS_MAX).collect()
}

/// Keeps a name for a session that is about to be made.
pub(crate) fn reserve<'g>(
    given: &'g Given,
    store: &Store,
    name: &str,
) -> Result<Reserved<'g>, Refusal> {
    check_name(name)?;
    if !given.names().insert(name.to_owned()) {
        return Err(Refusal::new(
            409,
            "name_taken",
            format!("a session that is being made is named {name:?}"),
        )
        .hint("give another name")
        .details(json!({ "name": name, "session_id": null, "thread_id": null })));
    }
    let reserved = Reserved { given, name: name.to_owned() };
    match holder(&store.view()?, name)? {
        None => Ok(reserved),
        Some(other) => Err(taken(name, &other)),
    }
}

fn taken(name: &str, other: &Session) -> Refusal {
    let id = &other.id;
    let state = other.state.as_str();
    Refusal::new(
        409,
        "name_taken",
        format!("session {id} is named {name:?} already, and is {state}"),
    )
    .hint(format!(
        "give another name; or `sm send {id} …` goes on with that one, `sm stop {id}` ends it"
    ))
    .details(json!({ "name": name }))
    .of_session(other)
}

/// The session that the word would mean: one that runs under that name, or has it as its id.
fn holder(view: &View<'_>, name: &str) -> Result<Option<Session>, Refusal> {
    let word = name.to_owned();
    if let Some(sid) = view.get::<ShortIds>(&word)?.or(view.get::<Threads>(&word)?) {
        return Ok(view.get::<Sessions>(&sid)?);
    }
    let mut named = Vec::new();
    view.scan::<Names>(&word.to_bytes(), &[], |(found, sid), ()| {
        if found == name {
            named.push(sid);
        }
        true
    })?;
    for sid in named {
        let Some(session) = view.get::<Sessions>(&sid)? else { continue };
        let source = view.get::<Sources>(&session.source)?;
        let is_ours = source.is_some_and(|source| source.kind == SourceKind::AppServer);
        // One that lost its server comes back under its name.
        let is_open = session.state != ActivityState::Stopped || views::comes_back(view, &session)?;
        if is_ours && is_open && !session.archived {
            return Ok(Some(session));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line_with_no_other_meaning() {
        for good in ["worker", "ü 2", "user-2", "rules", "sm test", "日本語", &"x".repeat(100)]
        {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in
            ["", "@last", "-x", " x", "x ", "a\nb", "a\u{1b}[2J", "a\u{202e}b", &"x".repeat(101)]
        {
            let refused = check_name(bad).unwrap_err();
            assert_eq!((refused.status, refused.problem.hint.is_some()), (400, true), "{bad:?}");
        }
        for odd in "\u{200b}\u{ad}\u{2800}\u{e0041}\u{feff}\u{2028}\u{3164}\u{a0}\u{fe0f}".chars() {
            for bad in [odd.to_string(), format!("a{odd}b")] {
                assert!(check_name(&bad).is_err(), "{bad:?}");
            }
        }
        for bad in
            ["user", "USER", "sm", "demo", "rule: tests (rules.toml:1)", "rule", "expiry (8h)"]
        {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name("agent of server 7").is_err());
    }
}
