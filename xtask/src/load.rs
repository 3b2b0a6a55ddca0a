//! `cargo xtask load [--minutes N] [--sessions M] [--seed S] [--dir DIR]`: a mixed load on the real Codex.
//!
//! What always holds: the `sm` that is called is the release build of this tree, Codex is the pinned one,
//! the model is the scripted one; the daemon and its servers are killed at random, and at the end the log
//! alone accounts for every message, request and turn. The load itself is `cli/daemon/examples/load`.

use crate::{codex, project_root};
use std::process::Command;

/// Builds what is needed, then loads it.
pub fn chore(arguments: &[&str]) -> Result<(), String> {
    let root = project_root();
    let codex = codex::install(codex::PINNED)?;
    let build = ["build", "--release", "--locked", "-p", "sm"];
    run(Command::new("cargo").current_dir(&root).args(build))?;
    let load = ["run", "--release", "--locked", "-p", "sm-daemon", "--example", "load", "--"];
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root.join("target"), |dir| root.join(dir));
    let mut command = Command::new("cargo");
    command.current_dir(&root).args(load).arg("--sm").arg(target.join("release/sm"));
    run(command.arg("--codex").arg(codex).args(arguments))
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("failed to run cargo: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed: what it found stands above")),
    }
}
