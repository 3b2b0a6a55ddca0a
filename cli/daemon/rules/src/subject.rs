//! What is asked, as far as rules and the risk hint look at it.

use crate::line::shell::CommandLine;
use crate::rule::Kind;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// What it asks.
    pub what: What,
    /// Who asks.
    pub asker: Asker,
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub enum What {
    /// Leave to run a command.
    Command {
        /// The command; `None` where it is not known.
        line: Option<CommandLine>,
        /// The folder it would run in.
        cwd: Option<PathBuf>,
        /// What is asked for beside the command: a host, permissions, a terminal's input. No rule
        /// accepts that.
        more: Vec<String>,
    },
    /// Leave to change files.
    Files {
        /// Each file.
        files: Vec<FileTouched>,
        /// A folder that is to be writable from then on. No rule accepts that.
        root: Option<PathBuf>,
    },
    /// More permissions.
    Permissions {
        /// The network.
        network: bool,
        /// What is to be readable.
        reads: Vec<PathBuf>,
        /// What is to be writable.
        writes: Vec<PathBuf>,
        /// What else is asked for, in words. A rule with a path does not accept that.
        more: Vec<String>,
    },
    /// Leave for a tool of an MCP server. No rule decides that.
    Tool {
        /// The server.
        server: String,
        /// The tool; `None` where it is not named.
        tool: Option<String>,
        /// The texts among its arguments.
        arguments: Vec<String>,
    },
    /// What no rule decides.
    #[default]
    Other,
}

/// A file that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTouched {
    /// The file, from the root.
    pub path: PathBuf,
    /// Whether it would be gone.
    pub is_deleted: bool,
}

/// The session that asks.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// Its short id.
    pub id: Option<String>,
    /// Its thread.
    pub thread: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its labels, `key=value`.
    pub labels: Vec<String>,
    /// Those of them that the user gave. The others are an agent's words: nothing is accepted on them.
    pub users_labels: Vec<String>,
    /// Whether the user gave it that name. Any other is an agent's word: nothing is accepted on it.
    pub is_users_name: bool,
    /// Its folder, which is its workspace.
    pub cwd: Option<PathBuf>,
    /// Programs that its PATH leads to in a folder that it may write itself.
    pub programs: Programs,
}

/// Programs that an agent may have made itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Programs {
    /// Those of these names.
    These(BTreeSet<String>),
    /// Those of any name: what lies in this folder cannot all be told.
    Any(PathBuf),
}

impl Default for Programs {
    fn default() -> Self {
        Programs::These(BTreeSet::new())
    }
}

impl Subject {
    /// The kind of request, if rules decide it.
    pub fn kind(&self) -> Option<Kind> {
        match self.what {
            What::Command { .. } => Some(Kind::Command),
            What::Files { .. } => Some(Kind::FileChange),
            What::Permissions { .. } => Some(Kind::Permissions),
            What::Tool { .. } | What::Other => None,
        }
    }
}
