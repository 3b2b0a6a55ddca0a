//! Whose command a process is that hangs right below a server, proven.
//!
//! What always holds: what such a process says of itself is no proof, for it can begin anew with another
//! environment and keep its pid. It is believed where all that Codex started adds up: every command that
//! is open on that server has a process that names its session, and the named session has no more
//! processes than open commands. Whoever takes another's name is missing under its own.

use crate::daemon::{Daemon, now};
use crate::servers::pool::Server;
use sm_ingest::app_server::ProcessId;
use sm_projections::StoreError;
use sm_projections::rows::{Action, ActionKind, ActivityState, SessionHead, Sid};
use sm_projections::tables::{Actions, Sessions};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The variables by which a command of Codex knows its session.
pub(crate) const SESSION_VARIABLES: [&str; 2] = ["CODEX_THREAD_ID", "SM_SESSION_ID"];

/// How long what Codex told and what runs may differ: a process may be quicker than the record of its command,
/// and its end, too.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it takes from one look to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// How much earlier than its command's record a process may have begun, in microseconds.
const SLACK: i64 = 5_000_000;

/// When the open commands of each thread began, in Unix microseconds.
type Open = BTreeMap<String, Vec<i64>>;

/// A process right below a server.
#[derive(Debug, Clone)]
struct Top {
    process: ProcessId,
    /// When it began, in Unix microseconds.
    began: i64,
    /// The thread that it names.
    thread: Option<String>,
}

/// The thread whose command `process` is, right below `server`; `None` where that is not sure.
pub(crate) async fn thread_of(
    daemon: &Daemon,
    server: &Server,
    process: ProcessId,
) -> Option<String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        daemon.fresh().await;
        let before = open(daemon, server);
        let tops = tops(daemon, server);
        // One that names nobody never will.
        let named = tops.iter().find(|top| top.process == process)?.thread.clone()?;
        // A command that begins or ends meanwhile would be one too few or too many.
        if let (Ok(before), Ok(open)) = (before, open(daemon, server))
            && before == open
            && is_sure(&open, &tops, process, &named)
        {
            return Some(named);
        }
        if tokio::time::Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether `process`, which names that thread, can be no other's command.
fn is_sure(open: &Open, tops: &[Top], process: ProcessId, named: &str) -> bool {
    let naming = |thread: &str, begun: &[i64]| {
        let first = begun.iter().min().map_or(i64::MAX, |first| first - SLACK);
        let naming = tops.iter().filter(|top| top.thread.as_deref() == Some(thread));
        naming.filter(|top| top.began >= first).map(|top| top.process).collect::<Vec<_>>()
    };
    let Some(own) = open.get(named) else { return false };
    let ours = naming(named, own);
    let others = open.iter().filter(|(thread, _)| thread.as_str() != named);
    ours.contains(&process)
        && ours.len() <= own.len()
        && others.into_iter().all(|(thread, begun)| naming(thread, begun).len() >= begun.len())
}

/// What runs right below a server.
fn tops(daemon: &Daemon, server: &Server) -> Vec<Top> {
    let now = now();
    let top = |process: ProcessId| {
        let words = SESSION_VARIABLES.iter().filter_map(|name| process.variable(name));
        let thread = words.into_iter().find_map(|word| {
            let session = daemon.find(&word, None).ok()?.session;
            (session.source == server.source).then_some(session.thread_id)
        });
        Some(Top { process, began: process.began(now)?, thread })
    };
    server.app.process().children().into_iter().filter_map(top).collect()
}

/// The commands that a server runs, as the tables have it: those that wait for leave have not begun.
fn open(daemon: &Daemon, server: &Server) -> Result<Open, StoreError> {
    daemon.look(|view| {
        let mut here: Vec<Sid> = Vec::new();
        view.scan_as::<Sessions, SessionHead>(&[], &[], |sid, head| {
            let is_here = (head.source, head.generation) == (server.source, server.generation);
            if is_here && head.state != ActivityState::Stopped {
                here.push(sid);
            }
            true
        })?;
        let mut open = Open::new();
        for sid in here {
            let Some(session) = view.get::<Sessions>(&sid)? else { continue };
            let items = session.open_items.iter().filter(|item| item.kind == ActionKind::Command);
            // Those in the background outlive their turn.
            let seqs = items.map(|item| item.seq).chain(session.may_run_on);
            for seq in seqs.collect::<BTreeSet<u64>>() {
                let action = view.get::<Actions>(&(sid, seq))?;
                if let Some(action) = action.filter(|action| !waits_for_leave(action)) {
                    open.entry(session.thread_id.clone()).or_default().push(action.started_at);
                }
            }
        }
        Ok(open)
    })
}

fn waits_for_leave(action: &Action) -> bool {
    action.approvals.last().is_some_and(|approval| approval.decided_at.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn top(pid: u32, began: i64, thread: &str) -> Top {
        let thread = (!thread.is_empty()).then(|| thread.to_owned());
        Top { process: ProcessId { pid, started: 1 }, began: began * SECOND, thread }
    }

    fn open(commands: &[(&str, i64)]) -> Open {
        let mut open = Open::new();
        for (thread, began) in commands {
            open.entry((*thread).to_owned()).or_default().push(began * SECOND);
        }
        open
    }

    /// Whether the first of them is believed.
    fn is_believed(commands: &[(&str, i64)], tops: &[Top]) -> bool {
        let first = &tops[0];
        is_sure(&open(commands), tops, first.process, first.thread.as_deref().unwrap())
    }

    #[test]
    fn siblings_that_run_commands_too_are_in_nobodys_way() {
        let shells = [top(1, 100, "a"), top(2, 90, "b"), top(3, 95, "b"), top(4, 10, "")];
        assert!(is_believed(&[("a", 100), ("b", 90), ("b", 95)], &shells));
        // Nor is what an earlier turn left running.
        let shells = [top(1, 100, "a"), top(2, 50, "a"), top(3, 50, "b")];
        assert!(is_believed(&[("a", 99)], &shells));
    }

    #[test]
    fn who_takes_anothers_name_is_missing_under_its_own() {
        // a waits in a command of its own, or in none, and the command of c says that it is a's.
        assert!(!is_believed(&[("a", 90), ("c", 100)], &[top(1, 100, "a"), top(2, 90, "a")]));
        assert!(!is_believed(&[("a", 90), ("c", 100)], &[top(1, 100, "a")]));
        assert!(!is_believed(&[("c", 100)], &[top(1, 100, "a")]));
        // What c left running is no stand-in, and no a either.
        let left = [top(1, 100, "a"), top(2, 90, "a"), top(3, 10, "c")];
        assert!(!is_believed(&[("a", 90), ("c", 100)], &left));
        assert!(!is_believed(&[("a", 90)], &[top(1, 10, "a")]));
        assert!(!is_believed(&[("a", 90)], &[top(1, 100, "a"), top(2, 90, "a")]));
    }
}
