//! Whose command a process is that hangs right below a server, proven.
//!
//! What always holds: what such a process says of itself is no proof, for it can begin anew with another
//! environment and keep its pid. It is believed where all that Codex started adds up: every command that
//! is open on that server has a process that names its session and began when that command did, and the
//! named session has no process more. Whoever takes another's name is missing under its own; and where one could
//! stand in for it, for a command has ended and its server did not say so yet or is held still, nothing adds up.

use crate::daemon::{Daemon, now};
use crate::problem::Refusal;
use crate::servers::pool::Server;
use crate::servers::resume;
use sm_ingest::app_server::ProcessId;
use sm_ingest::aside;
use sm_projections::rows::{Action, ActionKind};
use sm_projections::tables::Actions;
use sm_projections::views::Selection;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The variables by which a command of Codex knows its session.
pub(crate) const SESSION_VARIABLES: [&str; 2] = ["CODEX_THREAD_ID", "SM_SESSION_ID"];

/// How long what Codex told and what runs may differ: a process may be quicker than the record of its command,
/// and its end, too.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it takes from one look to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// How much earlier or later than its command's record, or than the leave for it, a process may have begun, in
/// microseconds.
const SLACK: i64 = 5_000_000;

/// Each thread's open commands.
type Open = BTreeMap<String, Vec<Span>>;

/// From when to when the process of a command may have begun, in Unix microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    fn of(action: &Action) -> Span {
        // After each leave it may have begun anew.
        let leave = action.approvals.iter().filter_map(|approval| approval.decided_at).max();
        let last = leave.unwrap_or(i64::MIN).max(action.started_at);
        Span { from: action.started_at - SLACK, to: last + SLACK }
    }
}

/// A process right below a server.
#[derive(Debug, Clone)]
struct Top {
    process: ProcessId,
    /// When it began, in Unix microseconds.
    began: i64,
    /// The thread that it names.
    thread: Option<String>,
    /// Whether these are the remains of a command, of whose end its server said nothing yet.
    has_ended: bool,
}

/// The thread whose command `process` is, right below `server`; `None` where that is not sure.
pub(crate) async fn thread_of(
    daemon: &Daemon,
    server: &Server,
    process: ProcessId,
) -> Option<String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let runs = || !server.app.process().is_stopped();
    loop {
        // One that is held still says nothing of what ends.
        let did_run = runs();
        daemon.fresh().await;
        // It reads of every process there is.
        let (before, tops) = aside(|| (open(daemon, server), tops(daemon, server)));
        // One that names nobody never will.
        let named = tops.iter().find(|top| top.process == process)?.thread.clone()?;
        // A command that begins or ends meanwhile would be one too few or too many.
        if let (Ok(before), Ok(open)) = (before, open(daemon, server))
            && before == open
            && did_run
            && runs()
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
    let naming = |thread: &str| {
        let thread = thread.to_owned();
        tops.iter().filter(move |top| top.thread.as_deref() == Some(&thread))
    };
    let Some(own) = open.get(named) else { return false };
    // What began before them an earlier turn left running.
    let first = own.iter().map(|span| span.from).min().unwrap_or(i64::MAX);
    let ours: Vec<&Top> = naming(named).filter(|top| top.began >= first).collect();
    let others = open.iter().filter(|(thread, _)| thread.as_str() != named);
    !tops.iter().any(|top| top.has_ended)
        && ours.iter().any(|top| top.process == process)
        && matched(ours.iter().map(|top| top.began), own) == ours.len()
        && others.into_iter().all(|(thread, spans)| {
            matched(naming(thread).map(|top| top.began), spans) == spans.len()
        })
}

/// How many pairs can be made of processes, by when they began, and commands.
fn matched(begun: impl Iterator<Item = i64>, spans: &[Span]) -> usize {
    let mut begun: Vec<i64> = begun.collect();
    begun.sort_unstable();
    let mut left = spans.to_vec();
    // Of those that it fits, a process is given the one that later ones fit the least.
    left.sort_unstable_by_key(|span| span.to);
    let is_paired = |began: &i64| {
        let fits = left.iter().position(|span| (span.from..=span.to).contains(began));
        fits.map(|at| left.remove(at)).is_some()
    };
    begun.iter().copied().filter(is_paired).count()
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
        let has_ended = process.is_ended_leader();
        Some(Top { process, began: process.began(now)?, thread, has_ended })
    };
    server.app.process().children().into_iter().filter_map(top).collect()
}

/// The commands that a server runs, as the tables have it: those that wait for leave have not begun.
fn open(daemon: &Daemon, server: &Server) -> Result<Open, Refusal> {
    let here = resume::attached(daemon, server.source, server.generation)?;
    daemon.look(|view| {
        let mut open = Open::new();
        for Selection { sid, session } in here {
            let items = session.open_items.iter().filter(|item| item.kind == ActionKind::Command);
            // Those in the background outlive their turn.
            let seqs = items.map(|item| item.seq).chain(session.may_run_on);
            for seq in seqs.collect::<BTreeSet<u64>>() {
                let action = view.get::<Actions>(&(sid, seq))?;
                if let Some(action) = action.filter(|action| !waits_for_leave(action)) {
                    open.entry(session.thread_id.clone()).or_default().push(Span::of(&action));
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
        let process = ProcessId { pid, started: 1 };
        Top { process, began: began * SECOND, thread, has_ended: false }
    }

    fn span(from: i64, to: i64) -> Span {
        Span { from: from * SECOND - SLACK, to: to * SECOND + SLACK }
    }

    fn open(commands: &[(&str, i64)]) -> Open {
        let mut open = Open::new();
        for (thread, began) in commands {
            open.entry((*thread).to_owned()).or_default().push(span(*began, *began));
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

    #[test]
    fn nothing_stands_in_for_a_command_that_was_ended_behind_its_servers_back() {
        // The process of a's command is killed, and c makes one that says it is a's.
        let mut shells = [top(1, 130, "a"), top(2, 100, ""), top(3, 90, "c")];
        let commands = [("a", 100), ("c", 90)];
        assert!(!is_believed(&commands, &shells), "it began long after a's command");
        shells[0].began = 101 * SECOND;
        shells[1].has_ended = true;
        assert!(!is_believed(&commands, &shells), "what is left of it lies about");
        // Nor does one stand in for c's own.
        let left = [top(1, 100, "a"), top(2, 100, "c")];
        assert!(!is_believed(&commands, &left));
        assert!(is_believed(&commands, &[top(1, 100, "a"), top(2, 94, "c")]));
    }

    #[test]
    fn each_process_is_paired_with_one_command() {
        let begun = |begun: &[i64]| begun.iter().map(|began| began * SECOND).collect::<Vec<_>>();
        let pairs =
            |processes: &[i64], spans: &[Span]| matched(begun(processes).into_iter(), spans);
        // The wide one is of a command that was asked for again.
        let spans = [span(100, 200), span(100, 100)];
        assert_eq!(pairs(&[103, 98], &spans), 2);
        assert_eq!(pairs(&[150, 103], &spans), 2);
        assert_eq!(pairs(&[150, 151], &spans), 1);
        assert_eq!(pairs(&[94, 206], &spans), 0);
        assert_eq!(pairs(&[], &spans), 0);
    }
}
