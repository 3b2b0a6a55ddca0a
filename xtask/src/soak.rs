//! `cargo xtask soak [ROUNDS]`: what the tests of the log do a few dozen times, thousands of times.
//!
//! What always holds: processes that append are killed at random moments `ROUNDS` times (2000), and
//! all that they were told is durable is found; then the model runs `ROUNDS` histories for each
//! durability. The first failure ends it, with the place where the log was left.

use crate::project_root;
use std::process::Command;
use std::time::Instant;

const ROUNDS: u32 = 2000;

/// Soaks.
pub fn chore(arguments: &[&str]) -> Result<(), String> {
    let rounds = match arguments {
        [] => ROUNDS,
        [rounds] => rounds.parse().map_err(|_| format!("{rounds} is no number of rounds"))?,
        _ => return Err("`cargo xtask soak` takes a number of rounds".to_owned()),
    };
    for (test, variable) in [("kill", "ROUNDS"), ("model", "PROPTEST_CASES")] {
        eprintln!("== {test}: {rounds} rounds");
        let begin = Instant::now();
        let mut command = Command::new("cargo");
        command.current_dir(project_root()).env(variable, rounds.to_string());
        command.args(["test", "--release", "-p", "sm-log", "--test", test, "--locked"]);
        let status = command.status().map_err(|error| format!("failed to run cargo: {error}"))?;
        if !status.success() {
            return Err(format!("{test} failed within {rounds} rounds"));
        }
        eprintln!("== {test}: {} s", begin.elapsed().as_secs());
    }
    Ok(())
}
