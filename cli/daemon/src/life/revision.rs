//! A branch or commit that a verb names, looked for where its session works.
//!
//! What always holds: git is asked, and only whether it knows the name; where git is not there, or the
//! folder is none of its work trees, nothing is said against any name.

use crate::daemon::blocking;
use crate::problem::Refusal;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long git may take; one that takes longer has nothing against the name.
const LOOKING: Duration = Duration::from_secs(10);

/// Where git would look instead of the folder, were the daemon started from one of its hooks.
const ENV_REMOVE: &[&str] = &["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"];

/// Refuses a name that git does not know in a work tree. `what` it is, for people.
pub(super) async fn check(cwd: Option<&str>, what: &str, name: &str) -> Result<(), Refusal> {
    let Some(cwd) = cwd else { return Ok(()) };
    let (folder, asked) = (PathBuf::from(cwd), name.to_owned());
    let look = blocking(move || is_missing(&folder, &asked));
    let missing = match tokio::time::timeout(LOOKING, look).await {
        Ok(missing) => missing?,
        Err(_) => false,
    };
    if !missing {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(Refusal::not_found(format!("git knows no {what} {shown:?} in {cwd}"))
        .hint(format!("git -C {cwd} branch --all; git -C {cwd} log --oneline -n 20"))
        .details(json!({ "name": shown, "cwd": cwd })))
}

/// Whether the folder is in a work tree in which no commit has that name.
fn is_missing(folder: &Path, name: &str) -> bool {
    let is_tree = git(folder, &["rev-parse", "--is-inside-work-tree"]);
    if is_tree.is_none_or(|(good, words)| !good || words.trim() != "true") {
        return false;
    }
    // No name begins so, and git would take it for an option.
    if name.starts_with('-') {
        return true;
    }
    let commit = format!("{name}^{{commit}}");
    git(folder, &["rev-parse", "--verify", "--quiet", &commit]).is_some_and(|(good, _)| !good)
}

/// Whether git ended well, and what it said; `None` where it cannot be run.
fn git(folder: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).stdin(Stdio::null());
    for name in ENV_REMOVE {
        command.env_remove(name);
    }
    let output = command.output().ok()?;
    Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_missing_only_in_a_work_tree_that_does_not_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        assert!(!is_missing(folder, "main"), "no work tree");
        assert!(!is_missing(&folder.join("nowhere"), "main"));
        let run = |arguments: &[&str]| assert!(git(folder, arguments).unwrap().0, "{arguments:?}");
        run(&["init", "--quiet", "--initial-branch", "main"]);
        assert!(is_missing(folder, "main"), "nothing was committed");
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        run(&[&who[..], &["commit", "--quiet", "--allow-empty", "-m", "first"]].concat());
        for known in ["main", "HEAD", "main~0", "main^{commit}"] {
            assert!(!is_missing(folder, known), "{known}");
        }
        for unknown in ["nosuch", "main~1", "--all", "main:file", ""] {
            assert!(is_missing(folder, unknown), "{unknown}");
        }
    }
}
