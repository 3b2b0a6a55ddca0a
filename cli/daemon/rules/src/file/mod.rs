//! The text of a rules file.
//!
//! What always holds: a file with one fault has no rules: what was meant by the rest is not guessed. A
//! fault names its file, its line, what is wrong there and what would be right.
//!
//! ```toml
//! [[rule]]
//! name = "tests"                          # optional; else `rule-1`, by its place
//! decision = "accept"                     # accept, ask or decline
//! command = ["cargo", "test"]             # the first words; or "cargo test"
//! exact = true                            # those words alone; only of an accept
//! path = "/home/me/repo"                  # a pattern, * and **; covers what is below
//! session = "worker"                      # name, id or thread
//! label = "role=tester"
//! kind = "command"                        # or a list: command, file_change, permissions
//! anywhere = true                         # a bare name also where the session's own folder has it
//! until = 2026-11-21T18:00:00Z
//! note = "why"
//!
//! [expiry]
//! after = "8h"                            # a request that waits so long …
//! decision = "decline"                    # … is declined, or cancelled with its turn
//! ```

mod impossible;
mod read;
mod write;

pub use write::{write_expiry, write_rule};

use crate::rule::{Decision, Kind, Origin, Rule};
use serde::Serialize;

/// What a rules file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleFile {
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    /// What becomes of requests that nobody answers.
    pub expiry: Option<Expiry>,
}

/// What becomes of requests that nobody answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// How long one may wait, in milliseconds.
    pub after_ms: u64,
    /// `decline`, or `cancel`, which ends the turn too.
    pub decision: String,
    /// Where it stands.
    pub origin: Origin,
}

impl Expiry {
    /// Who decided, as the log names it.
    pub fn word(&self) -> String {
        let Origin { file, line } = &self.origin;
        format!("expiry ({file}:{line})")
    }
}

/// Something wrong in a rules file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{file}:{line}: {message}; {remedy}")]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

/// More permissions are accepted only by a rule that says so.
fn default_kinds(rule: &Rule) -> Vec<Kind> {
    match (rule.command.is_empty(), rule.decision) {
        (false, _) => vec![Kind::Command],
        (true, Decision::Accept) => vec![Kind::Command, Kind::FileChange],
        (true, _) => Kind::ALL.to_vec(),
    }
}
