//! What Codex's words mean.
//!
//! What always holds: its error codes are shared by many faults, so its words tell which one it was; they are known
//! here and nowhere else, each with the releases that were heard to say it. A release that says it otherwise is a
//! line here.

use sm_ingest::app_server::CallError;

/// JSON-RPC's code where Codex has too much to do: "Server overloaded; retry later."
pub(crate) const OVERLOADED: i64 = -32001;

/// JSON-RPC's "invalid request", which is what Codex says of a word that it does not know.
pub(crate) const INVALID_REQUEST: i64 = -32600;

/// JSON-RPC's "method not found".
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;

/// What Codex refused a call with; nothing where it did not.
pub(crate) fn words(error: &CallError) -> &str {
    error.refusal().map_or("", |(_, words)| words)
}

/// It does not know the method. All releases.
pub(crate) fn is_unknown_method(error: &CallError) -> bool {
    let CallError::Refused { method, code, message, .. } = error else { return false };
    *code == METHOD_NOT_FOUND
        || *code == INVALID_REQUEST
            && unknown_variant(message).is_some_and(|(word, _)| word == method)
}

/// The word that it does not know, and those that it would: "unknown variant `a`, expected one of `b`, `c`", or
/// "`b` or `c`". What follows says where the word stood. All releases.
pub(crate) fn unknown_variant(words: &str) -> Option<(&str, Vec<&str>)> {
    let (word, rest) = words.split_once(UNKNOWN_VARIANT)?.1.strip_prefix(" `")?.split_once('`')?;
    let listed = rest.strip_prefix(", expected ").unwrap_or_default();
    let mut listed = listed.strip_prefix("one of ").unwrap_or(listed);
    let mut known = Vec::new();
    while let Some((one, rest)) = listed.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        known.push(one);
        listed = rest.strip_prefix(", ").or_else(|| rest.strip_prefix(" or ")).unwrap_or_default();
    }
    Some((word, known))
}

/// A method has parameters and was given none; it has done nothing yet. All releases.
pub(crate) fn has_no_params(words: &str) -> bool {
    words.contains("missing field `params`")
}

/// It needs an account for that, and is logged in to none. 0.98, 0.155.1, 0.169.
pub(crate) fn is_not_logged_in(words: &str) -> bool {
    words.contains("authentication required")
}

/// It does not have the thread loaded. 0.98, 0.155.1, 0.169.
pub(crate) fn is_not_loaded(words: &str) -> bool {
    words.contains("thread not found") || words.contains("not loaded")
}

/// It is still putting the thread away, that was stopped a moment ago. 0.155.1, 0.169.
pub(crate) fn is_closing(words: &str) -> bool {
    words.contains("is closing")
}

/// Another process holds the thread. 0.155.1, 0.169.
pub(crate) fn is_held(words: &str) -> bool {
    words.contains("active writer")
}

/// It lost sight of a thread to be archived while it was putting it away. 0.155.1, 0.169.
pub(crate) fn is_leaving(words: &str) -> bool {
    words.starts_with("failed to archive session: thread") && words.ends_with("not found")
}

/// The thread that is to be loaded is in the archive. 0.125 to 0.169; those before say that it [`has_no_rollout`].
pub(crate) fn is_archived(words: &str) -> bool {
    words.contains(" is archived")
}

/// The thread that is to be taken out of the archive is not there. 0.98, 0.155.1, 0.169.
pub(crate) fn is_not_archived(words: &str) -> bool {
    words.contains("no archived rollout found")
}

/// The thread never had a turn, or its file was removed. All releases.
pub(crate) fn has_no_rollout(words: &str) -> bool {
    words.contains(NO_ROLLOUT)
}

/// A sub-agent's thread, which only its loaded parent brings back. 0.155.1, 0.169.
pub(crate) fn comes_with_its_parent(words: &str) -> bool {
    words.contains(WITH_ITS_PARENT)
}

/// A setting is not known to this release: the thread is not loaded before it is set anew. All releases.
pub(crate) fn is_of_unknown_word(words: &str) -> bool {
    words.contains(UNKNOWN_VARIANT)
}

/// No further try would load the thread. The code is shared with faults that pass: a configuration that is just
/// being written, a provider that is not there.
pub(crate) fn is_final(words: &str) -> bool {
    FINAL.iter().any(|known| words.contains(known))
}

const NO_ROLLOUT: &str = "no rollout found for";
const WITH_ITS_PARENT: &str = "multi-agent v2";
const UNKNOWN_VARIANT: &str = "unknown variant";

const FINAL: &[&str] = &[
    NO_ROLLOUT,
    // Its file is damaged: first what 0.169 says, then 0.98.
    ".jsonl is empty",
    "does not start with session metadata",
    "empty session file",
    "failed to parse thread ID from rollout file",
    // It was never a thread, or none that a client may load.
    "invalid thread id",
    "invalid session id",
    "Guardian review",
    WITH_ITS_PARENT,
    UNKNOWN_VARIANT,
];

/// The thread, whose turns are asked for, has none. 0.155.1, 0.169.
pub(crate) fn has_not_begun(words: &str) -> bool {
    words.contains("not materialized")
}

/// It has `thread/revert` only for threads that it keeps in pages, and keeps this one in one piece. 0.150, 0.155.1,
/// 0.169.
pub(crate) fn is_in_one_piece(words: &str) -> bool {
    words.contains("paginated")
}

/// It keeps no begin of the turn that is to be cut before. 0.155.1, 0.169.
pub(crate) fn has_no_begin(words: &str) -> bool {
    words.contains("start boundary")
}

/// The turn to fork at goes on for ever: Codex did not live to see its end. 0.155.1, 0.169.
pub(crate) fn is_in_progress(words: &str) -> bool {
    words.contains("in-progress turn")
}

/// It forks at no such turn: one of a release that numbered its turns, whatever later ones list it under. 0.155.1,
/// 0.166, 0.169.
pub(crate) fn is_none_to_fork_at(words: &str) -> bool {
    words.contains("lastTurnId") && !is_in_progress(words)
}

/// It has no review in a thread of its own.
pub(crate) fn has_no_detached(words: &str) -> bool {
    words.contains("detached")
}

/// Goals are switched off: by itself in 0.128 and 0.130, where so configured in 0.155.1 and 0.169.
pub(crate) fn has_no_goals(words: &str) -> bool {
    words.contains("goals feature is disabled")
}

/// The turn that runs, where it was asked to end another one: a review's runs under the id of another one inside it.
/// 0.155.1, 0.169.
pub(crate) fn running_instead(words: &str) -> Option<&str> {
    let (_, found) = words.split_once("expected active turn id")?.1.split_once("but found")?;
    let id = found.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was said, shortened.
    #[test]
    fn each_saying_means_one_thing() {
        type Meaning = (&'static str, fn(&str) -> bool);
        let meanings: &[Meaning] = &[
            ("no params", has_no_params),
            ("not logged in", is_not_logged_in),
            ("not loaded", is_not_loaded),
            ("closing", is_closing),
            ("held", is_held),
            ("leaving", is_leaving),
            ("archived", is_archived),
            ("not archived", is_not_archived),
            ("no rollout, final", has_no_rollout),
            ("its parent, final", comes_with_its_parent),
            ("a word, final", is_of_unknown_word),
            ("not begun", has_not_begun),
            ("one piece", is_in_one_piece),
            ("no begin", has_no_begin),
            ("in progress", is_in_progress),
            ("none to fork at", is_none_to_fork_at),
            ("no detached", has_no_detached),
            ("no goals", has_no_goals),
        ];
        for (words, meant) in [
            ("Invalid request: missing field `params`", "no params"),
            ("codex account authentication required to read rate limits", "not logged in"),
            ("thread not found: 01a20019-4758-7df0-acd6-b4e85a9a7e94", "not loaded"),
            ("thread not loaded: 01a20019-4758-7df0-acd6-b4e85a9a7e94", "not loaded"),
            ("thread 01a2 is closing; retry thread/resume after the thread is closed", "closing"),
            ("thread 01a2 already has an active writer", "held"),
            ("failed to archive session: thread 01a2 not found", "leaving"),
            (
                "session 01a2 is archived. Run `codex unarchive 01a2` to unarchive it first.",
                "archived",
            ),
            ("no archived rollout found for thread id 01a2", "not archived"),
            ("no rollout found for thread id 01a2", "no rollout, final"),
            ("unknown variant `on-failure`, expected one of `untrusted`, `never`", "a word, final"),
            ("thread 01a2 is not materialized yet; includeTurns is unavailable", "not begun"),
            ("thread/revert only supports paginated threads", "one piece"),
            (
                "lastTurnId 'rollout-5' is not a persisted canonical turn in the source thread",
                "none to fork at",
            ),
            ("lastTurnId '01a2' identifies an in-progress turn", "in progress"),
            ("turn 01a2 does not have a persisted start boundary", "no begin"),
            ("goals feature is disabled", "no goals"),
            ("Server overloaded; retry later.", ""),
            ("scripted failure", ""),
        ] {
            let mut found = meanings.iter().filter(|(_, is_meant)| is_meant(words));
            assert_eq!(found.next().map_or("", |(meaning, _)| meaning), meant, "{words}");
            assert_eq!(found.next().map(|(meaning, _)| meaning), None, "{words}");
            assert_eq!(is_final(words), meant.ends_with("final"), "{words}");
        }
        let words = "expected active turn id `01a2-1` but found `01a2-2`";
        assert_eq!(running_instead(words), Some("01a2-2"));
        assert_eq!(running_instead("no active turn"), None);
    }

    /// As 0.169.0, 0.155.1 and 0.98.0 said it to a `thread/resume`, when it was tried.
    #[test]
    fn a_thread_is_given_up_only_on_words_that_are_known_to_be_final() {
        for words in [
            "no rollout found for thread id 01a20019-4758-7df0-acd6-b4e85a9a7e94",
            "thread-store internal error: rollout at /c/sessions/rollout-1.jsonl is empty",
            "thread-store internal error: rollout at /c/1.jsonl does not start with session metadata",
            "failed to load rollout `/c/sessions/rollout-1.jsonl`: empty session file",
            "invalid session id: invalid character",
            "Invalid request: unknown variant `on-failure`, expected one of `untrusted`, `never`",
        ] {
            assert!(is_final(words), "{words}");
        }
        for words in [
            "Server overloaded; retry later.",
            "session 01a2001a-7d40-7550-9389-77a6d37c655a is archived. Run `codex unarchive \
             01a2001a-7d40-7550-9389-77a6d37c655a` to unarchive it first.",
            "failed to load configuration: /c/config.toml:1:1: missing table open, expected `[`",
            "error deriving config: Model provider `gone` not found",
            "This chat uses model provider “gone”, which is no longer configured.",
            "failed to read thread: thread-store internal error: Too many open files (os error 24)",
            "failed to load rollout `/c/sessions/rollout-1.jsonl`: Input/output error (os error 5)",
            "scripted failure",
        ] {
            assert!(!is_final(words), "{words}");
        }
    }
}
