//! A rule: what it is about, and what is to be done about it.

use crate::paths::glob::Glob;
use serde::Serialize;

/// What a rule says; the greater one is the stricter, and wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It is granted.
    Accept,
    /// A human decides.
    Ask,
    /// It is refused.
    Decline,
}

impl Decision {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Accept => "accept",
            Decision::Ask => "ask",
            Decision::Decline => "decline",
        }
    }

    /// The decision of that word.
    pub fn of_word(word: &str) -> Option<Decision> {
        [Decision::Accept, Decision::Ask, Decision::Decline]
            .into_iter()
            .find(|decision| decision.as_str() == word)
    }
}

/// A kind of request that a rule can decide. What asks for words (questions, a server's form) is not
/// among them: only a human has those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Leave to run a command.
    Command,
    /// Leave to change files.
    FileChange,
    /// More permissions.
    Permissions,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Command, Kind::FileChange, Kind::Permissions];

    /// The word in the file, and in the inbox.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Command => "command",
            Kind::FileChange => "file_change",
            Kind::Permissions => "permissions",
        }
    }

    /// The kind of that word.
    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where a rule stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file's name, without its folder.
    pub file: String,
    /// The line on which the rule begins, from 1.
    pub line: usize,
}

/// A rule. All that it names must fit; what it leaves out fits anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub decision: Decision,
    /// The first words of a command; none: any command.
    pub command: Vec<String>,
    /// Whether it is of these words alone: no further ones fit, nor a file that the shell opens.
    pub exact: bool,
    /// The place: of a command the folder that it runs in and what it writes into, for an accept also
    /// what its arguments may name; of a file change each file.
    pub path: Option<Glob>,
    /// The session: its name, short id or thread.
    pub session: Option<String>,
    /// A label of the session, `key=value`.
    pub label: Option<String>,
    /// The kinds of request; never empty.
    pub kinds: Vec<Kind>,
    /// Whether it accepts programs by their bare names also where the session's own folder has them.
    pub anywhere: bool,
    /// When it ends, in Unix microseconds.
    pub until: Option<i64>,
    /// Why. A declined agent is told it.
    pub note: Option<String>,
    /// Where it stands.
    pub origin: Origin,
}

impl Rule {
    /// Who decided, as the log names it: `rule: NAME (rules.toml:12)`.
    pub fn word(&self) -> String {
        let Rule { name, origin, .. } = self;
        format!("rule: {name} ({}:{})", origin.file, origin.line)
    }

    /// Whether its end has come.
    pub fn is_over(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
