//! A brief: what of an old session a fresh one is told.
//!
//! What always holds: each part names the record that it is from, as a `cursor`.

use crate::read::AsOf;
use serde::Serialize;

/// Something that was said.
#[derive(Serialize)]
pub(super) struct Said {
    /// Whose turn it was: the session itself, or one that it was forked from.
    pub session_id: Option<String>,
    pub turn: Option<u32>,
    pub text: String,
    /// Not all of it stands here.
    pub cut: bool,
    /// `LOGID:SEQ` of the record that holds it.
    pub cursor: String,
}

/// A step of the plan.
#[derive(Serialize)]
pub(super) struct Step {
    pub step: String,
    pub status: String,
}

/// The plan as it was last.
#[derive(Serialize)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
    pub cursor: String,
}

/// A turn in short.
#[derive(Serialize)]
pub(super) struct Done {
    /// Whose turn it was: the session itself, or one that it was forked from.
    pub session_id: String,
    pub turn: u32,
    pub outcome: Option<&'static str>,
    pub error: Option<String>,
    pub commands: u32,
    pub file_changes: u32,
    pub tool_calls: u32,
    /// Its last words; null where there are none, and of older turns.
    pub said: Option<Said>,
    pub cursor: String,
}

/// A tool that was called.
#[derive(Serialize)]
pub(super) struct Tool {
    pub kind: &'static str,
    pub summary: String,
    pub status: &'static str,
    pub cursor: String,
}

/// A file that was changed.
#[derive(Default, Serialize)]
pub(super) struct Changed {
    pub path: String,
    /// `add`, `delete` or `update`; what was made and then changed was made.
    pub kind: String,
    pub plus: u64,
    pub minus: u64,
    pub cursor: String,
}

/// A command that runs on in the background.
#[derive(Serialize)]
pub(super) struct Running {
    pub command: String,
    pub cursor: String,
}

/// A command that did not end well.
#[derive(Serialize)]
pub(super) struct Failed {
    pub command: String,
    pub exit_code: Option<i64>,
    pub status: &'static str,
    pub cursor: String,
}

/// A child of the session.
#[derive(Serialize)]
pub(super) struct Child {
    pub id: String,
    pub name: Option<String>,
    pub state: &'static str,
    pub outcome: Option<&'static str>,
    /// The record that made its state what it is.
    pub cursor: String,
}

/// A request that was answered.
#[derive(Serialize)]
pub(super) struct Decided {
    pub id: String,
    pub kind: &'static str,
    pub summary: String,
    pub decision: String,
    pub by: Option<String>,
    /// What was said along with it, or answered to its questions.
    pub words: Option<String>,
    pub cursor: String,
}

/// A request that nobody answered.
#[derive(Serialize)]
pub(super) struct Open {
    /// Who asks: the session, or one below it.
    pub session_id: Option<String>,
    pub session_name: Option<String>,
    pub id: String,
    pub kind: &'static str,
    pub summary: String,
    pub cursor: String,
}

/// A message that waits.
#[derive(Serialize)]
pub(super) struct Waiting {
    pub id: String,
    pub by: Option<String>,
    pub mode: String,
    pub held: bool,
    pub text: String,
    /// Not all of it stands here.
    pub cut: bool,
    /// The record that holds it.
    pub cursor: String,
}

/// What the session is to reach.
#[derive(Serialize)]
pub(super) struct Goal {
    pub objective: String,
    pub status: String,
    pub cursor: String,
}

/// All of it, in the order in which it is told.
#[derive(Serialize)]
pub(super) struct Brief {
    pub schema: &'static str,
    pub session_id: String,
    pub thread_id: String,
    pub name: Option<String>,
    pub title: Option<String>,
    pub forked_from: Option<String>,
    /// The last turn of its origin's that is in its history; null where it has none, or none is known.
    pub forked_at: Option<u32>,
    /// The record that made the fork; null where what it took over is not known.
    pub forked_cursor: Option<String>,
    pub state: &'static str,
    pub outcome: Option<&'static str>,
    pub last_error: Option<String>,
    pub cwd: Option<String>,
    pub model: Option<String>,
    pub effort: Option<String>,
    pub sandbox: Option<String>,
    pub approval_policy: Option<String>,
    pub tokens: Option<u64>,
    pub goal: Option<Goal>,
    pub asked: Vec<Said>,
    pub plan: Option<Plan>,
    pub turns: Vec<Done>,
    pub turns_dropped: u64,
    pub files: Vec<Changed>,
    pub failed_commands: Vec<Failed>,
    pub running_commands: Vec<Running>,
    pub tools: Vec<Tool>,
    pub tools_left_out: usize,
    pub children: Vec<Child>,
    pub decided: Vec<Decided>,
    pub open_requests: Vec<Open>,
    pub open_requests_below: Vec<Open>,
    pub queued: u32,
    pub queue: Vec<Waiting>,
    /// What it said last to somebody else, where `last_words` are said to news of its children.
    pub last_answer: Option<Said>,
    pub last_words: Option<Said>,
    pub as_of: AsOf,
}
