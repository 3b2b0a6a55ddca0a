//! What can go wrong between `sm` and a Codex server, with what to do about it.

use sm_log::AppendError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The process could not be made.
    #[error("failed to start {}: {source}", binary.display())]
    Spawn {
        /// The binary.
        binary: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It ended before it greeted.
    #[error("{} app-server {reason} before it answered{}", binary.display(), words(stderr))]
    Died {
        /// The binary.
        binary: PathBuf,
        /// How it ended.
        reason: String,
        /// The last it said on its standard error.
        stderr: String,
    },
    /// It answered the greeting with an error, or not at all.
    #[error("{} app-server did not greet: {source}{}", binary.display(), words(stderr))]
    Greeting {
        /// The binary.
        binary: PathBuf,
        /// What came instead.
        source: CallError,
        /// The last it said on its standard error.
        stderr: String,
    },
    /// The log did not take the record of its start.
    #[error("failed to record the start of a server: {0}")]
    Log(#[from] AppendError),
}

fn words(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        stderr => format!("; its last words:\n{stderr}"),
    }
}

/// A call to a server was not answered as hoped.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Codex answered with an error.
    #[error("Codex refused {method}: {message} ({code})")]
    Refused {
        /// What was called.
        method: String,
        /// JSON-RPC's code; one code is shared by many faults.
        code: i64,
        /// Codex's words.
        message: String,
        /// The record of the answer.
        seq: u64,
    },
    /// The server ended before it answered: the call may or may not have been carried out.
    #[error("the Codex server ended before it answered {method}")]
    Lost {
        /// What was called.
        method: String,
    },
    /// The server is gone: nothing was sent.
    #[error("the Codex server is gone, {method} was not sent")]
    Gone {
        /// What was to be called.
        method: String,
    },
    /// No answer came in time: the call may or may not be carried out.
    #[error("Codex did not answer {method} within {} s", waited.as_secs())]
    NoAnswer {
        /// What was called.
        method: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The log did not take the message, so it was not sent.
    #[error("{method} could not be recorded and was not sent: {source}")]
    Log {
        /// What was to be called.
        method: String,
        /// The log's answer.
        source: AppendError,
    },
}

impl CallError {
    /// Whether Codex may have carried the call out although nobody knows.
    pub fn is_unknown(&self) -> bool {
        matches!(self, CallError::Lost { .. } | CallError::NoAnswer { .. })
    }

    /// Codex's code and words, where it answered.
    pub fn refusal(&self) -> Option<(i64, &str)> {
        match self {
            CallError::Refused { code, message, .. } => Some((*code, message)),
            _ => None,
        }
    }
}
