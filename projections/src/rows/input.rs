//! An input: a message for a session, from its acceptance to its turn.

use super::{Micros, Sid};
use serde::{Deserialize, Serialize};

/// Where an input stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum InputStatus {
    /// Recorded, nothing done yet.
    #[default]
    Accepted,
    /// It waits for its session.
    Queued,
    /// It began a turn.
    Started,
    /// It was added to a running turn.
    Steered,
    /// It was not taken.
    Refused,
    /// Codex answered with an error.
    Failed,
    /// Codex's answer was lost: it may or may not have been taken.
    Unknown,
    /// Its sender took it back.
    Cancelled,
}

impl InputStatus {
    /// The word users see, and synthetic records carry.
    pub fn as_str(self) -> &'static str {
        match self {
            InputStatus::Accepted => "accepted",
            InputStatus::Queued => "queued",
            InputStatus::Started => "started",
            InputStatus::Steered => "steered",
            InputStatus::Refused => "refused",
            InputStatus::Failed => "failed",
            InputStatus::Unknown => "unknown",
            InputStatus::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn of_str(word: &str) -> Option<InputStatus> {
        use InputStatus as S;
        [
            S::Accepted,
            S::Queued,
            S::Started,
            S::Steered,
            S::Refused,
            S::Failed,
            S::Unknown,
            S::Cancelled,
        ]
        .into_iter()
        .find(|status| status.as_str() == word)
    }

    /// Whether it still has to be delivered.
    pub fn waits(self) -> bool {
        matches!(self, InputStatus::Accepted | InputStatus::Queued)
    }

    /// Whether a turn took it.
    pub fn is_taken(self) -> bool {
        matches!(self, InputStatus::Started | InputStatus::Steered)
    }

    /// Whether it may come to stand so after `before`. What a turn took stays taken, unless that turn is over and
    /// nothing tells that it held the message; what was taken back or refused never waits again, only a delivery
    /// that was on its way by then may have come first.
    pub fn may_follow(self, before: InputStatus) -> bool {
        match before {
            taken if taken.is_taken() => false,
            InputStatus::Cancelled | InputStatus::Refused => !self.waits(),
            _ => true,
        }
    }
}

/// One row an input; its number is the seq of its acceptance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The session it is for.
    pub session: Sid,
    /// Its first line.
    pub summary: String,
    /// The record that has its text whole: its acceptance, or its last change.
    pub text_seq: u64,
    /// Its sender's own name for it.
    pub key: Option<String>,
    /// `start`, `steer`, `urgent` or `queue`.
    pub mode: String,
    /// Who sent it.
    pub by: String,
    /// Where it stands.
    pub status: InputStatus,
    /// Codex's id of the turn that took it.
    pub turn: Option<String>,
    /// Why it was not taken.
    pub reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: Micros,
    /// When it last moved on.
    pub changed_at: Micros,
    /// It waits until somebody lets it go on.
    pub held: bool,
    /// It was looked for in Codex's own account of the thread, and was not there.
    pub sought: bool,
    /// It was told to wait at some time.
    pub has_waited: bool,
}

impl Input {
    /// Whether nobody knows if it was taken, and it was not looked for yet.
    pub fn is_lost(&self) -> bool {
        self.status == InputStatus::Unknown && !self.sought
    }
}
