//! Why a call was not done: an HTTP status and a [`Problem`] with what to do next.
//!
//! What always holds: one cause has one code, whichever call met it, and what a code stands for does not change;
//! the words are for people and may.

use crate::api::{Problem, ProblemBody};
use crate::said::{INVALID_REQUEST, OVERLOADED, unknown_variant};
use crate::sessions::rights::{Approval, Sandbox};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sm_ingest::ImportError;
use sm_ingest::app_server::{CallError, LocateError, StartError};
use sm_log::{AppendError, ReadError};
use sm_projections::StoreError;
use sm_projections::rows::Session;
use sm_projections::views::SelectError;

/// A call that was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", problem.message)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Why.
    pub problem: Problem,
}

impl Refusal {
    /// A refusal with a stable code and words for people.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Refusal {
        let problem =
            Problem { code: code.to_owned(), message: message.into(), ..Problem::default() };
        Refusal { status, problem }
    }

    /// The call itself is wrong.
    pub fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(400, "bad_request", message)
    }

    /// The caller may not do that.
    pub fn forbidden(message: impl Into<String>) -> Refusal {
        Refusal::new(403, "forbidden", message)
            .hint("an agent may not do that; the user can, from a terminal of their own")
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(404, "not_found", message)
    }

    /// Things are not as the caller thinks.
    pub fn conflict(message: impl Into<String>) -> Refusal {
        Refusal::new(409, "conflict", message)
    }

    /// The session cannot go on.
    pub fn dead(message: impl Into<String>) -> Refusal {
        Refusal::new(409, "session_dead", message)
    }

    /// The session is in Codex's archive, where nothing is done with it.
    pub fn archived(session: &Session) -> Refusal {
        let id = &session.id;
        Refusal::new(409, "session_archived", format!("session {id} is in Codex's archive"))
            .hint(format!("`sm unarchive {id}` takes it out"))
            .of_session(session)
    }

    /// The session was ended: it is loaded again by those who say so, or nothing loads it.
    pub fn over(session: &Session) -> Refusal {
        let id = &session.id;
        match &session.unresumable {
            Some(why) => Refusal::dead(format!("session {id} is over: {why}"))
                .hint(format!("`sm handoff {id}` makes a brief of it for a new one")),
            None => Refusal::dead(format!("session {id} was stopped"))
                .hint(format!("`sm resume {id}` loads it again")),
        }
        .of_session(session)
    }

    /// The daemon ends.
    pub fn stopping() -> Refusal {
        Refusal::new(503, "failed", "the daemon is shutting down").retryable()
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.problem.hint = Some(hint.into());
        self
    }

    /// The same call may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Refusal {
        self.problem.retryable = true;
        self
    }

    /// With the session that refused, among the other facts.
    #[must_use]
    pub fn of_session(mut self, session: &Session) -> Refusal {
        if self.problem.details.is_null() {
            self.problem.details = json!({});
        }
        if let Some(facts) = self.problem.details.as_object_mut() {
            facts.entry("session_id").or_insert_with(|| json!(session.id));
            facts.entry("thread_id").or_insert_with(|| json!(session.thread_id));
        }
        self
    }

    /// With facts.
    #[must_use]
    pub fn details(mut self, details: Value) -> Refusal {
        self.problem.details = details;
        self
    }
}

/// What to do about a code, where nothing closer is known.
fn general_hint(code: &str) -> Option<&'static str> {
    match code {
        "not_found" => Some("`sm ps --all`, `sm inbox --all` and `sm queue` list what there is"),
        "bad_request" => Some("`sm help` and GET /openapi.json tell what is taken"),
        "failed" => Some("the daemon's own words are in run/daemon.log of the data directory"),
        _ => None,
    }
}

impl IntoResponse for Refusal {
    fn into_response(mut self) -> Response {
        let hint = &mut self.problem.hint;
        *hint = hint.take().or_else(|| general_hint(&self.problem.code).map(str::to_owned));
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(ProblemBody { error: self.problem })).into_response()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::new(500, "failed", error.to_string())
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        Refusal::new(500, "failed", error.to_string())
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Refusal {
        let hint = "see whether the disk is full or failing";
        Refusal::new(503, "failed", error.to_string()).hint(hint).retryable()
    }
}

impl From<SelectError> for Refusal {
    fn from(error: SelectError) -> Refusal {
        let message = error.to_string();
        match error {
            SelectError::NotFound { given } => Refusal::not_found(message)
                .hint("`sm ps --all` lists every session")
                .details(json!({ "given": given })),
            SelectError::Ambiguous { given, candidates } => Refusal::new(409, "ambiguous", message)
                .hint("give more of the id or name, or the id instead of the name")
                .details(json!({ "given": given, "candidates": candidates })),
            SelectError::Store(error) => error.into(),
            _ => Refusal::new(500, "failed", message),
        }
    }
}

impl From<LocateError> for Refusal {
    fn from(error: LocateError) -> Refusal {
        let (code, hint) = match error {
            LocateError::TooOld { .. } => ("codex_too_old", "`npm install -g @openai/codex`"),
            LocateError::NoVersion { .. } => ("codex_missing", "name a codex binary that runs"),
            _ => ("codex_missing", "`npm install -g @openai/codex`, or name a binary"),
        };
        Refusal::new(502, code, error.to_string()).hint(hint)
    }
}

impl From<StartError> for Refusal {
    fn from(error: StartError) -> Refusal {
        let code = match error {
            StartError::Log(error) => return error.into(),
            StartError::Spawn { .. } => "codex_missing",
            _ => "codex_died",
        };
        Refusal::new(502, code, error.to_string()).retryable()
    }
}

/// How a refusal begins of a word that a release of Codex does not know.
pub const UNKNOWN_WORD: &str = "this release of Codex knows no";

/// The refusal of a word that this release of Codex does not know, with those that it takes, by its own list.
pub(crate) fn unknown_word(error: &CallError) -> Option<Refusal> {
    let CallError::Refused { method, code: INVALID_REQUEST, message, .. } = error else {
        return None;
    };
    // Else it is the method itself that it does not know.
    let (word, known) = unknown_variant(message).filter(|(word, _)| word != method)?;
    let ours =
        |known: &&str| Approval::of_word(known).is_some() || Sandbox::of_word(known).is_some();
    let mut taken: Vec<&str> = known.iter().copied().filter(ours).collect();
    if taken.is_empty() {
        taken.clone_from(&known);
    }
    let taken = taken.join(", ");
    let message = format!("{UNKNOWN_WORD} {word:?}; it takes {taken}");
    Some(
        Refusal::new(501, "unsupported", message)
            .hint("take one of those; `sm serve --status` names the release")
            .details(json!({ "method": method, "word": word, "known": known })),
    )
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Refusal {
        if let Some(refusal) = unknown_word(&error) {
            return refusal;
        }
        let message = error.to_string();
        match error {
            CallError::Refused { code: OVERLOADED, .. } => {
                Refusal::new(503, "codex_overloaded", message).retryable()
            }
            CallError::Refused { .. } => Refusal::new(502, "codex_error", message)
                .hint("the words are Codex's own; `sm replay -n 20` shows what it was asked"),
            CallError::NoAnswer { .. } => Refusal::new(502, "timeout", message)
                .hint("whether it was carried out shows in `sm tail`; `sm serve --status` names the server")
                .retryable(),
            CallError::Log { source, .. } => source.into(),
            _ => Refusal::new(502, "codex_died", message)
                .hint("it is started again by itself; `sm serve --status` and its log say why it ended")
                .retryable(),
        }
    }
}

impl From<ImportError> for Refusal {
    fn from(error: ImportError) -> Refusal {
        match &error {
            ImportError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Refusal::not_found(error.to_string())
            }
            ImportError::Read { .. } => Refusal::bad_request(error.to_string()),
            _ => Refusal::new(500, "failed", error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::is_unknown_method;

    fn error(method: &str, message: &str) -> CallError {
        CallError::Refused {
            method: method.to_owned(),
            code: INVALID_REQUEST,
            message: message.to_owned(),
            seq: 1,
        }
    }

    fn refused(method: &str, message: &str) -> Refusal {
        error(method, message).into()
    }

    #[test]
    fn a_method_that_a_release_does_not_know_is_no_word_of_a_call() {
        let words = "Invalid request: unknown variant `thread/name/set`, expected one of \
                     `initialize`, `thread/start`, `thread/fork`, `turn/start`";
        assert!(is_unknown_method(&error("thread/name/set", words)));
        assert!(!is_unknown_method(&error("thread/start", words)));
        let words = "Invalid request: unknown variant `detached`";
        assert!(!is_unknown_method(&error("review/start", words)));
    }

    #[test]
    fn a_word_that_a_release_does_not_know_is_told_with_those_that_it_takes() {
        let told = refused(
            "thread/start",
            "Invalid request: unknown variant `on-failure`, expected one of `untrusted`, `on-request`, \
             `granular`, `never`",
        );
        assert_eq!((told.status, told.problem.code.as_str()), (501, "unsupported"));
        let words = "knows no \"on-failure\"; it takes untrusted, on-request, never";
        assert!(told.to_string().ends_with(words), "{told}");
        assert_eq!(told.problem.details["known"][2], "granular");
        // As 0.131 ends what it says of a part of its configuration.
        let told = refused(
            "thread/fork",
            "error deriving config: unknown variant `bogus`, expected one of `none`, `low`, `high`\nin \
             `model_reasoning_effort`\n",
        );
        assert!(told.to_string().ends_with("it takes none, low, high"), "{told}");
        let told = refused("turn/start", "unknown variant `c`, expected `a` or `b`");
        assert!(told.to_string().ends_with("it takes a, b"), "{told}");
        for other in ["unknown variant `a/b`, expected one of `c/d`", "thread not found"] {
            assert_eq!(refused("a/b", other).problem.code, "codex_error", "{other}");
        }
    }
}
