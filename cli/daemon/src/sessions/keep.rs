//! What a session keeps: its settings and labels, changed for good.
//!
//! What always holds: what Codex would never take is not kept; what is kept is recorded, given to every turn
//! and at every resume, and so outlives any process; an agent gives none of its children more than it has itself.

use crate::api::{Keep, Settings};
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::family;
use crate::input::message;
use crate::problem::{Refusal, unknown_word};
use crate::said::{OVERLOADED, is_unknown_method};
use crate::servers::pool::Server;
use crate::sessions::names::cannot_be_told;
use serde_json::{Value, json};
use sm_projections::rows::Session;
use sm_protocol::synthetic::{SessionLabelled, SessionSet, Synthetic};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to take settings over.
const TAKING_OVER: Duration = Duration::from_secs(30);

/// What is said of settings whose words no Codex has read.
const NOT_CHECKED: &str = "no Codex was asked whether it knows that: what it does not know is refused when the session is loaded";

/// The longest label, in characters.
const LABEL_CHARS_MAX: usize = 200;

/// Changes what the session that `word` means keeps. Returns it as it is then.
pub(crate) async fn keep(daemon: &Arc<Daemon>, word: &str, keep: Keep) -> Result<Value, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(keep.by.as_deref())?;
    let target = daemon.find(word, keep.by.as_deref())?;
    family::may_act(daemon, &caller, &target)?;
    let settings = message::settings(&caller, &target.session, &keep.settings)?;
    keep.labels.iter().try_for_each(|label| check_label(label))?;
    let thread = target.session.thread_id;
    let _lock = daemon.lock(&thread).await;
    daemon.caught_up().await?;
    let session = daemon.session(&thread)?.session;
    let note = match settings.is_empty() {
        true => None,
        false => set(daemon, &session, settings, &caller).await?,
    };
    if !keep.labels.is_empty() || !keep.unlabel.is_empty() {
        let labels = relabelled(&session.labels, &keep.labels, &keep.unlabel);
        let users = users_of(&labels, &session.users_labels, &keep.labels, &caller);
        let labelled = SessionLabelled { labels, users, by: caller.word() };
        daemon.noted(&thread, &Synthetic::SessionLabelled(labelled)).await?;
    }
    let mut document = daemon.document(&thread)?;
    if let Some(note) = note {
        document["note"] = json!(note);
    }
    Ok(document)
}

/// Sets them. Returns what there is to say about it.
async fn set(
    daemon: &Arc<Daemon>,
    session: &Session,
    settings: Settings,
    by: &Caller,
) -> Result<Option<&'static str>, Refusal> {
    // Nothing will ever be told to a transcript.
    daemon.codex_home_of(session)?;
    let thread = session.thread_id.as_str();
    let is_loaded = !session.ended && !session.gone;
    let server = daemon.pool.by_source(session.source, session.generation).filter(|_| is_loaded);
    let is_checked = match server {
        Some(server) => taken_over(daemon, &server, session, &settings).await?,
        None => false,
    };
    let has_words = settings.effort.is_some() || settings.approval.is_some();
    let set = SessionSet { settings, by: by.word() };
    daemon.noted(thread, &Synthetic::SessionSet(set)).await?;
    Ok((has_words && !is_checked).then_some(NOT_CHECKED))
}

/// Has the server of a loaded thread take settings over, now or with the next turn. Returns whether it has read
/// their words.
///
/// # Errors
/// What it would never take: no turn would begin with it.
async fn taken_over(
    daemon: &Daemon,
    server: &Server,
    session: &Session,
    settings: &Settings,
) -> Result<bool, Refusal> {
    let mut params = json!({});
    message::put_settings(&mut params, settings, session);
    let mut update = params.clone();
    update["threadId"] = json!(session.thread_id);
    let told = match server.app.call("thread/settings/update", update, TAKING_OVER).await {
        // Older releases have a turn only to tell them by: of no thread it begins nothing.
        Err(error) if is_unknown_method(&error) => {
            server.app.call("turn/start", params, TAKING_OVER).await
        }
        told => told,
    };
    match told {
        Ok(reply) => daemon.folded_to(reply.seq).await.map(|()| true),
        Err(error) => match unknown_word(&error) {
            Some(refusal) => Err(refusal),
            None => Ok(error.refusal().is_some_and(|(code, _)| code != OVERLOADED)),
        },
    }
}

/// Refuses what is no `key=value`, and what looks like another and is not.
pub(crate) fn check_label(label: &str) -> Result<(), Refusal> {
    let wrong = |why: &str| {
        let shown: String = label.chars().take(40).collect();
        Refusal::bad_request(format!("{shown:?} is no label{why}"))
            .hint("a label is key=value, on one line: role=reviewer")
    };
    if let Some(odd) = label.chars().find(|c| !c.is_control() && cannot_be_told(*c)) {
        return Err(wrong(&format!(": nobody sees its character U+{:04X}", u32::from(odd))));
    }
    let is_key = |key: &str| {
        !key.is_empty() && !key.chars().any(|c| c.is_whitespace() || c.is_control() || c == ',')
    };
    let is_good = label.chars().count() <= LABEL_CHARS_MAX
        && !label.chars().any(char::is_control)
        && label.split_once('=').is_some_and(|(key, value)| is_key(key) && !value.is_empty());
    if is_good { Ok(()) } else { Err(wrong("")) }
}

/// Labels with some set and some taken away; a key has one value.
pub(super) fn relabelled(now: &[String], set: &[String], unset: &[String]) -> Vec<String> {
    let key = |label: &str| label.split('=').next().unwrap_or_default().to_owned();
    let mut labels: Vec<String> = now.to_vec();
    labels.retain(|label| !unset.contains(&key(label)) && !unset.contains(label));
    for label in set {
        labels.retain(|other| key(other) != key(label));
        labels.push(label.clone());
    }
    labels
}

/// The labels that are the user's, when `caller` has just set some: a key is whose who set it last.
fn users_of(labels: &[String], before: &[String], set: &[String], caller: &Caller) -> Vec<String> {
    let is_user = caller.is_user();
    let is_users = |label: &&String| match set.contains(label) {
        true => is_user,
        false => before.contains(label),
    };
    labels.iter().filter(is_users).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_value() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let labels = relabelled(
            &words(&["role=a", "x=1", "y=2"]),
            &words(&["role=b"]),
            &words(&["x", "y=3"]),
        );
        assert_eq!(labels, words(&["y=2", "role=b"]));
    }

    #[test]
    fn a_label_is_whose_who_set_its_key_last() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let relabel = |now: &[&str], users: &[&str], set: &[&str], caller: &Caller| {
            let labels = relabelled(&words(now), &words(set), &[]);
            users_of(&labels, &words(users), &words(set), caller)
        };
        let agent = Caller::Nameless(1);
        assert_eq!(relabel(&["a=1"], &[], &["b=2"], &Caller::User), words(&["b=2"]));
        assert_eq!(relabel(&["a=1"], &["a=1"], &["b=2"], &agent), words(&["a=1"]));
        // Also where it is set to what it was.
        assert_eq!(relabel(&["a=1"], &["a=1"], &["a=1"], &agent), words(&[]));
        assert_eq!(relabel(&["a=1"], &[], &["a=1"], &Caller::User), words(&["a=1"]));
        assert_eq!(relabel(&["a=1"], &["a=1"], &["a=2"], &agent), words(&[]));
    }

    #[test]
    fn a_label_is_a_key_and_a_value() {
        for good in ["role=reviewer", "a=b=c", "ü=1"] {
            assert!(check_label(good).is_ok(), "{good}");
        }
        for bad in ["", "role", "=x", "role=", "a b=c", "a=b\nc", &"x=".repeat(200)] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
        for odd in ["a=\u{202e}b", "a=b\u{200b}", "a\u{ad}=b", "a=b\u{a0}c"] {
            let refused = check_label(odd).unwrap_err();
            assert!(refused.problem.message.contains("U+"), "{odd:?}");
        }
    }
}
