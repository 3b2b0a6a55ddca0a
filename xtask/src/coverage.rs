//! `cargo xtask coverage`: docs/coverage.md, written anew.
//!
//! What always holds: what writes the document is the test that checks it (`projections/tests`), so
//! both see the same code and recordings.

use crate::project_root;
use std::process::Command;

/// Writes the document.
pub fn chore(arguments: &[&str]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("`cargo xtask coverage` takes no arguments".to_owned());
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(project_root()).env("SM_BLESS", "1").args([
        "test",
        "--quiet",
        "--package",
        "sm-projections",
        "--test",
        "main",
        "coverage::the_document_is",
    ]);
    let status = cargo.status().map_err(|error| format!("failed to run cargo: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("the document could not be made; see above".to_owned()),
    }
}
