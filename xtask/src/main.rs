//! The project's chores, one file each. `cargo xtask` lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program, not a part of one")]

mod ci;
mod codex;
mod coverage;
mod load;
mod record;
mod soak;
mod tidy;
mod traffic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask CHORE

  ci                                    every check: format, tidy, lint, tests, docs
  tidy                                  what the compiler does not check about the source
  soak [ROUNDS]                         the log's kill -9 and model tests, 2000 rounds of each
  load [--minutes N] [--sessions M] [--seed S] [--dir DIR]
                                        a mixed load on real Codex with kills, then an audit of the log
  codex [VERSION]                       install Codex into .tools and print its native binary
  record [--codex VERSION] [--scenario NAME]…
                                        record real traffic of that Codex into fixtures/codex
  coverage                              write docs/coverage.md: what of the protocol is folded
  traffic                               cut the model of `sm fixture gen` out of the recordings
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.split_first() {
        Some((&"ci", rest)) => ci::chore(rest),
        Some((&"tidy", rest)) => tidy::chore(rest),
        Some((&"soak", rest)) => soak::chore(rest),
        Some((&"load", rest)) => load::chore(rest),
        Some((&"codex", rest)) => codex::chore(rest),
        Some((&"record", rest)) => record::chore(rest),
        Some((&"coverage", rest)) => coverage::chore(rest),
        Some((&"traffic", rest)) => traffic::chore(rest),
        // What a recorded Codex starts as its MCP server is this very program.
        Some((&record::MCP_CHORE, _)) => record::mcp_server(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The project's own folder, wherever it was cloned to.
fn project_root() -> PathBuf {
    // Cargo sets the variable at run time too; the other serves a binary started by hand.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}
