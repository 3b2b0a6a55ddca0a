//! The one error of the command line: what failed and why, what to do next, under a stable code.
//!
//! What always holds: codes are never renamed, and each belongs to one exit code of the design's §8.

use crate::context::shell_word;
use crate::output::{Streams, clean_block};
use serde_json::{Value, json};
use sm_daemon::HomeError;
use sm_daemon::records::LookError;
use sm_log::{AppendError, OpenError, ReadError};
use sm_projections::views::SelectError;
use sm_projections::{FoldError, StoreError};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// What to do about a cursor of another log.
pub const OTHER_LOG: &str = "Cursors are of one data directory: give one that a command printed for this \
                             one, or name the other with --home.";

/// The outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// A human is waited for.
    NeedsHuman = 3,
    /// Not found.
    NotFound = 5,
    /// Another writer, a pending request, already imported.
    Conflict = 6,
    /// Verification failed.
    Unverified = 7,
    /// The session is dead.
    Dead = 8,
    /// The daemon or Codex is away.
    Away = 9,
    /// Timed out.
    TimedOut = 124,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        std::process::ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub struct Error {
    /// A stable word.
    pub code: String,
    /// What failed and why.
    pub message: String,
    /// What to run or do next.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: Exit,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Facts that depend on the code.
    pub details: Value,
}

impl Error {
    /// An error under `code`.
    pub fn new(exit: Exit, code: &str, message: impl Into<String>) -> Error {
        Error {
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            exit,
            retryable: false,
            details: Value::Null,
        }
    }

    /// The same with what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// The same with facts.
    pub fn details(mut self, details: Value) -> Error {
        self.details = details;
        self
    }

    /// The same, worth another try later.
    pub fn retryable(mut self) -> Error {
        self.retryable = true;
        self
    }

    /// The command line says something that cannot be meant.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(Exit::Usage, "usage", message)
    }

    /// The same, its remedies with the words that name the data directory: whoever made them may not
    /// know how it is named on this command line.
    pub fn in_home(mut self, words: &str) -> Error {
        let named = format!("`sm{words} ");
        self.hint = self.hint.map(|hint| match hint.contains(&named) {
            true => hint,
            false => hint.replace("`sm ", &named),
        });
        self
    }

    /// The operating system refused `act` on `path`, which is of the data directory.
    pub fn of_home(act: &str, path: &Path, source: &io::Error) -> Error {
        const OTHER: &str = "use another data directory: sm --home DIR … (or SM_HOME=DIR).";
        let error = Error::io(act, path, source);
        match error.code.as_str() {
            "file_not_found" => Error {
                code: "home_unusable".to_owned(),
                exit: Exit::Failed,
                hint: Some(format!("It cannot be made or is gone: {OTHER}")),
                ..error
            },
            "not_permitted" => error.hint(format!("Give yourself the right to it, or {OTHER}")),
            "io" => error.hint(format!("See the disk's state: sm doctor; or {OTHER}")),
            _ => error,
        }
    }

    /// The operating system refused `act` on `path`, which the user named.
    pub fn io(act: &str, path: &Path, source: &io::Error) -> Error {
        use io::ErrorKind as Kind;
        let message = format!("failed to {act} {}: {source}", path.display());
        let reads = matches!(act, "read" | "open" | "find" | "look at" | "measure");
        match source.kind() {
            Kind::NotFound => {
                Error::new(Exit::NotFound, "file_not_found", message).hint(match reads {
                    true => "Check the path; `-` reads standard input.",
                    false => "Check the path: the folder that it lies in must be there.",
                })
            }
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
                let whose = format!("ls -ld {}", shell_word(&path.to_string_lossy()));
                Error::new(Exit::Failed, "not_permitted", message).hint(match reads {
                    true => {
                        format!("Give yourself the right to read it; {whose} shows whose it is.")
                    }
                    false => format!(
                        "Give yourself the right to write there, or name another place; {whose} \
                         shows whose it is."
                    ),
                })
            }
            Kind::StorageFull | Kind::QuotaExceeded => {
                Error::new(Exit::Failed, "disk_full", message)
                    .hint("Make room and run it again; nothing recorded is lost.")
                    .retryable()
            }
            _ => Error::new(Exit::Failed, "io", message),
        }
        .details(json!({"path": path}))
    }

    /// Standard output went away: nothing is wrong, and nobody reads on.
    pub fn closed_pipe() -> Error {
        Error::new(Exit::Ok, "closed_pipe", "")
    }

    /// The same, where it ends what goes on: that nobody reads any more is no success then.
    pub fn interrupts(self) -> Error {
        match self.code.as_str() {
            "closed_pipe" => Error { exit: Exit::Interrupted, ..self },
            _ => self,
        }
    }

    /// Tells it on standard error; a closed pipe is told to nobody.
    pub fn tell(&self, streams: &mut Streams, as_json: bool) {
        if self.code == "closed_pipe" {
            return;
        }
        streams.say(self.words(as_json));
    }

    /// What is told of it, in words or as JSON.
    pub fn words(&self, as_json: bool) -> String {
        if as_json {
            let error = json!({"error": {
                "code": self.code,
                "message": self.message,
                "hint": self.hint,
                "retryable": self.retryable,
                "details": self.details,
            }});
            return error.to_string();
        }
        // Codex's own words may be in it, and others'.
        let told = |text: &str| clean_block(text).trim_end().replace('\n', "\n    │ ");
        let mut text = format!("sm: {} [{}]", told(&self.message), self.code);
        if let Some(hint) = &self.hint {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n    {}", told(hint));
        }
        text
    }
}

impl From<HomeError> for Error {
    fn from(error: HomeError) -> Error {
        match error {
            HomeError::Io { act, path, source } => Error::of_home(act, &path, &source),
            HomeError::Log(error) => error.into(),
            HomeError::Store(error) => error.into(),
            HomeError::Fold(error) => error.into(),
            HomeError::Building { .. } => {
                Error::new(Exit::Failed, "projections_building", error.to_string())
                    .hint("Try again in a moment.")
                    .retryable()
            }
            other => Error::new(Exit::Failed, "failed", other.to_string()),
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Error {
        let message = error.to_string();
        match error {
            OpenError::Io { act, path, source } => Error::of_home(act, &path, &source),
            OpenError::Locked { dir, pid } => Error::new(Exit::Conflict, "other_writer", message)
                .hint(
                    "Another sm writes there. Wait for it, or use another data directory: \
                     sm --home DIR …",
                )
                .details(json!({"dir": dir, "pid": pid}))
                .retryable(),
            OpenError::NotFound { .. } => Error::new(Exit::NotFound, "no_log", message)
                .hint("Record something first: sm import FILE, or sm spawn PROMPT."),
            OpenError::Version { .. } => Error::new(Exit::Failed, "newer_format", message),
            OpenError::Damaged { .. } => Error::new(Exit::Failed, "log_damaged", message)
                .hint("See what is wrong: sm doctor."),
            _ => Error::new(Exit::Failed, "log", message),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        let message = error.to_string();
        match error {
            ReadError::Io { act, path, source, .. } => {
                Error { message, ..Error::of_home(act, &path, &source) }
            }
            ReadError::BelowFloor { floor, .. } => {
                Error::new(Exit::NotFound, "below_floor", message)
                    .details(json!({"floor": floor}))
                    .hint(format!("The oldest record kept: sm replay --since {floor}"))
            }
            ReadError::BeyondHead { watermark, .. } => {
                Error::new(Exit::NotFound, "beyond_head", message)
                    .details(json!({"head": watermark}))
                    .hint(format!("The newest record: sm replay --since {watermark}"))
            }
            ReadError::Version { .. } => Error::new(Exit::Failed, "newer_format", message),
            ReadError::OtherLog { .. } => {
                Error::new(Exit::Conflict, "other_log", message).hint(OTHER_LOG)
            }
            _ => Error::new(Exit::Failed, "gap", message),
        }
    }
}

impl From<LookError> for Error {
    fn from(error: LookError) -> Error {
        match error {
            LookError::Store(error) => error.into(),
            LookError::Read(error) => error.into(),
        }
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Error {
        Error::new(Exit::Failed, "not_recorded", error.to_string())
            .hint("See the disk's state: sm doctor.")
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::Io { act, path, source } => Error::of_home(act, &path, &source),
            StoreError::ForeignLog { .. } => {
                Error::new(Exit::Conflict, "foreign_projections", error.to_string())
                    .hint("Fold this directory's own log: sm rebuild")
            }
            StoreError::Newer { ref path, .. } => {
                let hint = format!(
                    "Use the newer sm. Or throw them away, they are derived: rm -r {}",
                    path.display()
                );
                Error::new(Exit::Conflict, "newer_projections", error.to_string()).hint(hint)
            }
            StoreError::Full { ref path, .. } => {
                Error::new(Exit::Failed, "projections_full", error.to_string())
                    .details(json!({"path": path}))
                    .hint(
                        "Nothing recorded is lost, and what was folded stands. Go on in another \
                         data directory: sm --home DIR …",
                    )
            }
            other => Error::new(Exit::Failed, "projections", other.to_string())
                .hint("Fold them anew from the log: sm rebuild"),
        }
    }
}

impl From<FoldError> for Error {
    fn from(error: FoldError) -> Error {
        match error {
            FoldError::Store(error) => error.into(),
            FoldError::Log(error) => error.into(),
            FoldError::Snapshot(error) => Error::new(Exit::Failed, "snapshot", error.to_string())
                .hint(
                    "Put snapshots/ back from where it was copied to. Without it, what is kept can \
                     be folded alone: sm rebuild --partial",
                ),
            FoldError::Trimmed => Error::new(Exit::Failed, "trimmed_meanwhile", error.to_string())
                .hint("Run it again.")
                .retryable(),
            other => Error::new(Exit::Conflict, "projections_ahead", other.to_string())
                .hint("Fold the log that is there: sm rebuild"),
        }
    }
}

impl From<SelectError> for Error {
    fn from(error: SelectError) -> Error {
        let message = error.to_string();
        match error {
            SelectError::NotFound { given } => Error::new(Exit::NotFound, "not_found", message)
                .details(json!({"given": given}))
                .hint("See which there are: sm ps --all"),
            SelectError::Ambiguous { given, candidates } => {
                Error::new(Exit::NotFound, "ambiguous", message)
                    .details(json!({"given": given, "candidates": candidates}))
                    .hint("Give more of the id or name, or the id instead of the name.")
            }
            SelectError::Store(error) => error.into(),
            _ => Error::new(Exit::Failed, "failed", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_in_an_error_move_no_cursor_and_begin_no_line() {
        let error = Error::usage("codex said: boom\x1b[2K\u{202e}\nsm: all is well [ok]\n")
            .hint("Give ID=TEXT, with ID one of a\x1b]0;x\x07\nb");
        assert_eq!(
            error.words(false),
            "sm: codex said: boom\u{fffd}[2K\u{fffd}\n    │ sm: all is well [ok] [usage]\n    \
             Give ID=TEXT, with ID one of a\u{fffd}]0;x\u{fffd}\n    │ b"
        );
    }
}
