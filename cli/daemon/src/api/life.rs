//! A thread's life, and what Codex is asked besides.

use super::CodexSearch;
use serde::{Deserialize, Serialize};

/// An act on a session: interrupt, stop, resume.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Act {
    /// Where to look for codex, if a server has to be started; none: where the daemon would.
    pub codex: Option<CodexSearch>,
    /// A resume goes to a codex that is older than the one that wrote the thread last, too. The user's to say.
    pub older_codex: bool,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// A name for a session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rename {
    /// The name.
    pub name: String,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A verb was carried out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Done {
    /// The session as it is then.
    pub session: serde_json::Value,
    /// `LOGID:SEQ` of Codex's answer: where the verb began a turn, `sm wait --after` it.
    pub cursor: String,
    /// What there is to know about how it was done.
    pub note: Option<String>,
}

/// A copy of a session, which goes its own way from there. What is not given stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fork {
    /// The last turn that it takes over, by its number; none: all of them.
    pub turn: Option<u32>,
    /// A name for it.
    pub name: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// When it asks. The user's to give.
    pub approval: Option<String>,
    /// How far its commands reach. The user's to give.
    pub sandbox: Option<String>,
    /// The folder it works in, an absolute path. The user's to give.
    pub cwd: Option<String>,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A session was forked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Forked {
    /// The fork's short id.
    pub id: String,
    /// Codex's thread id of it.
    pub thread_id: String,
    /// The session that it was forked from.
    pub forked_from: String,
    /// The last turn that it took over; null: all of them.
    pub turn: Option<u32>,
    /// The methods by which that release does it.
    pub way: Vec<String>,
    /// `LOGID:SEQ` of its making.
    pub cursor: String,
    /// The fork, whole.
    pub session: serde_json::Value,
}

/// What a review looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOf {
    /// What is changed in the folder and not committed.
    #[default]
    Uncommitted,
    /// What is there beyond a branch.
    Base(String),
    /// A commit.
    Commit(String),
    /// What these words say.
    Prompt(String),
}

/// A review by Codex's reviewer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Review {
    /// What it looks at.
    pub of: ReviewOf,
    /// In a session of its own, so that this one can go on.
    pub detached: bool,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A review has begun.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reviewing {
    /// The session that reviews.
    pub session_id: String,
    /// The session whose work is reviewed.
    pub reviewed_id: String,
    /// The turn that it runs as.
    pub turn_id: Option<String>,
    /// The methods by which that release does it.
    pub way: Vec<String>,
    /// `LOGID:SEQ` of its begin: `sm wait --after` it.
    pub cursor: String,
    /// The reviewing session, whole.
    pub session: serde_json::Value,
}

/// The newest turns are to be taken out of a session's history.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollback {
    /// How many.
    pub turns: u32,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// Turns were taken out of a session's history.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RolledBack {
    /// How many Codex dropped, as it counts them.
    pub count: u32,
    /// The numbers of those that the log knows, with those that Codex does not count: a compaction.
    pub turns: Vec<u32>,
    /// The methods by which that release does it.
    pub way: Vec<String>,
    /// Always false: Codex takes back words, not what was done to files.
    pub files_reverted: bool,
    /// What else is to be known of it; null: nothing.
    pub note: Option<String>,
    /// The session as it is then.
    pub session: serde_json::Value,
}

/// What becomes of a session's goal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoalVerb {
    /// Nothing: it is only told.
    #[default]
    Show,
    /// It is set, and pursued.
    Set,
    /// It is not pursued for now.
    Pause,
    /// It is pursued again.
    Resume,
    /// It is taken away.
    Clear,
}

/// A session's goal: what it pursues turn after turn, by itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Goal {
    /// What becomes of it.
    pub verb: GoalVerb,
    /// In words, where it is set.
    pub objective: Option<String>,
    /// How many tokens it may cost.
    pub token_budget: Option<u64>,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A session's goal, as Codex tells it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GoalTold {
    /// Null: it has none.
    pub goal: serde_json::Value,
    /// Whether one was taken away; null where none was to be.
    pub cleared: Option<bool>,
    /// The session as it is then.
    pub session: serde_json::Value,
}

/// A question that Codex itself answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ask {
    /// The session whose server is asked; none: that of the CODEX_HOME.
    pub session: Option<String>,
    /// Which CODEX_HOME's server; none: the daemon's own.
    pub codex_home: Option<String>,
    /// The folder that is asked about.
    pub cwd: Option<String>,
    /// How long Codex may take for each call; none: 15 s, 40 s where it starts MCP servers, 120 s for
    /// a method of the caller's own.
    pub timeout_seconds: Option<f64>,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A call of any method.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rpc {
    /// Codex's name of it.
    pub method: String,
    /// Its parameters; a session fills in `threadId`.
    pub params: serde_json::Value,
    /// Whom it is asked of.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What Codex answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The version that answered.
    pub codex_version: String,
    /// Its CODEX_HOME.
    pub codex_home: String,
    /// The session that was asked about.
    pub session_id: Option<String>,
    /// The result, in Codex's own form; the pages of a list in one.
    pub answer: serde_json::Value,
    /// `LOGID:SEQ` of the answer's record.
    pub cursor: String,
}

impl AsMut<Act> for Act {
    fn as_mut(&mut self) -> &mut Act {
        self
    }
}

/// Bodies that say who asks.
macro_rules! acts {
    ($($body:ident: $($act:ident).+;)*) => {
        $(impl AsMut<Act> for $body {
            fn as_mut(&mut self) -> &mut Act {
                &mut self.$($act).+
            }
        })*
    };
}

acts! {
    Rename: act;
    Fork: act;
    Review: act;
    Rollback: act;
    Goal: act;
    Ask: act;
    Rpc: ask.act;
}
