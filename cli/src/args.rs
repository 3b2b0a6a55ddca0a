//! The command line's grammar. Each verb's own words stand in its file.

use crate::commands::Command;
use clap::Parser;
use std::path::PathBuf;

const AFTER: &str = "\
Sessions are named by short id, name, a unique prefix of either, thread id, @last or @parent.
Data goes to standard output, all else to standard error.

Exit codes: 0 ok · 1 failed · 2 usage · 3 waits for a human · 5 not found · 6 conflict ·
7 verification failed · 8 session dead · 9 daemon or Codex away · 124 timed out · 130 interrupted";

/// Flight recorder and control tower for OpenAI Codex agents.
#[derive(Debug, Parser)]
#[command(name = "sm", version, after_help = AFTER, max_term_width = 100)]
pub struct Args {
    /// The data directory [default: $SM_HOME, else $XDG_DATA_HOME/sm, else ~/.local/share/sm].
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// Answers as JSON; JSON lines when following.
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do; nothing: what is going on, or how to begin.
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_sound() {
        Args::command().debug_assert();
    }
}
