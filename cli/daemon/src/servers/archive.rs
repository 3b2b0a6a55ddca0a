//! Codex's archive, which others fill and empty, too: `codex archive`, its TUI, an editor.
//!
//! What always holds: what the tables say of it is believed until Codex's words or its files say otherwise, and
//! that is recorded then.

use crate::daemon::{Daemon, blocking};
use crate::problem::Refusal;
use sm_projections::rows::Session;
use sm_protocol::synthetic::{SessionArchived, Synthetic};
use std::path::Path;

/// Who did it, where that was somebody else.
const ELSEWHERE: &str = "codex";

/// The folders of the threads' files, below CODEX_HOME: those that are loaded, and those in the archive.
const SESSIONS: &str = "sessions";
const ARCHIVED_SESSIONS: &str = "archived_sessions";

/// How deep the files lie: `2026/01/31/rollout-…-THREAD.jsonl`.
const DEPTH: u32 = 3;

/// Records that somebody else put a thread into the archive, or took it out.
pub(crate) async fn note(daemon: &Daemon, thread: &str, archived: bool) -> Result<u64, Refusal> {
    let by = ELSEWHERE.to_owned();
    let told = Synthetic::SessionArchived(SessionArchived { archived, by });
    Ok(daemon.noted(thread, &told).await?.last)
}

/// Looks whether a session that was archived still is: where its file lies among the others again, that is
/// recorded.
pub(crate) async fn came_out(daemon: &Daemon, session: &Session) -> Result<(), Refusal> {
    if !session.archived {
        return Ok(());
    }
    let Ok(home) = daemon.codex_home_of(session) else { return Ok(()) };
    let thread = session.thread_id.clone();
    let is_out = blocking(move || {
        !lies_in(&home.join(ARCHIVED_SESSIONS), &thread, DEPTH)
            && lies_in(&home.join(SESSIONS), &thread, DEPTH)
    });
    if is_out.await? {
        note(daemon, &session.thread_id, false).await?;
    }
    Ok(())
}

/// Whether a thread's file lies in a folder, so many folders down. What cannot be read holds none.
fn lies_in(folder: &Path, thread: &str, depth: u32) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let found = match is_folder {
            true => depth > 0 && lies_in(&entry.path(), thread, depth - 1),
            false => entry.file_name().to_string_lossy().contains(thread),
        };
        if found {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threads_file_is_found_under_its_day() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("2026/01/31");
        std::fs::create_dir_all(&day).unwrap();
        std::fs::write(day.join("rollout-2026-01-31T00-00-00-abc.jsonl"), "").unwrap();
        assert!(lies_in(dir.path(), "abc", DEPTH));
        assert!(!lies_in(dir.path(), "abd", DEPTH));
        assert!(!lies_in(&dir.path().join("nowhere"), "abc", DEPTH));
    }
}
