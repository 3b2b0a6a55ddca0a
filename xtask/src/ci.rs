//! `cargo xtask ci`: the one door for all checks, the same on every machine.
//!
//! What always holds: the steps run in this order, each is named before it runs, the first that fails
//! ends the run; what a step needs (the pinned Codex) is installed by the run itself.

use crate::{codex, project_root, tidy};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Runs every check.
pub fn chore(arguments: &[&str]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("`cargo xtask ci` takes no arguments".to_owned());
    }
    let root = project_root();
    step("format", || cargo(&root, &["fmt", "--all", "--check"], &[]))?;
    step("tidy", || tidy::chore(&[]))?;
    step("lint", || {
        let arguments =
            ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        cargo(&root, &arguments, &[])
    })?;
    let codex = step("codex", || {
        codex::OLDER.iter().try_for_each(|version| codex::install(version).map(drop))?;
        codex::install(codex::PINNED)
    })?;
    let codex = codex.to_string_lossy().into_owned();
    let environment = [("SM_TEST_CODEX", codex.as_str())];
    step("test", || test(&root, &environment))?;
    step("examples in the docs", || {
        cargo(&root, &["test", "--workspace", "--doc", "--locked"], &[])
    })?;
    step("docs", || {
        let arguments = ["doc", "--workspace", "--no-deps", "--locked"];
        cargo(&root, &arguments, &[("RUSTDOCFLAGS", "-D warnings")])
    })
}

/// All tests, by nextest where it is installed.
fn test(root: &Path, environment: &[(&str, &str)]) -> Result<(), String> {
    let nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    if nextest.is_ok_and(|output| output.status.success()) {
        let arguments = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
        return cargo(root, &arguments, environment);
    }
    let arguments = ["test", "--workspace", "--tests", "--locked", "--no-fail-fast"];
    cargo(root, &arguments, environment)
}

fn step<T>(name: &str, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    eprintln!("== {name}");
    let begin = Instant::now();
    let done = run().map_err(|error| format!("{name}: {error}"))?;
    eprintln!("== {name}: {} s", begin.elapsed().as_secs());
    Ok(done)
}

fn cargo(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(arguments).envs(environment.iter().copied());
    let status = command.status().map_err(|error| format!("failed to run cargo: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`cargo {}` failed", arguments.join(" "))),
    }
}
