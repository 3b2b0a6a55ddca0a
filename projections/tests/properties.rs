//! Whatever is done to recorded traffic, the folds take it: they never fail, they count what they saw,
//! and what they make of it does not depend on the batches.

use crate::folded::{fold_all, imported, transcripts};
use proptest::prelude::*;
use sm_log::Log;
use sm_projections::rows::{ActionStatus, Outcome, RequestStatus, Session, Sid};
use sm_projections::tables::{
    Actions, Inputs, Kinds, Methods, Pending, Queue, Requests, Sessions, Troubles, Turns, Waiting,
};
use sm_projections::{Commit, Projector, Store, View};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Short transcripts of every release, plain and two-way.
fn some() -> &'static [Vec<Vec<u8>>] {
    static SOME: OnceLock<Vec<Vec<Vec<u8>>>> = OnceLock::new();
    SOME.get_or_init(|| {
        let all = transcripts(false).into_iter().chain(transcripts(true));
        let short = |path: &PathBuf| {
            // Where a number is given to turns again, an old turn's begin told again is a new one's.
            !path.to_string_lossy().contains("reload")
                && std::fs::metadata(path).is_ok_and(|meta| (2_000..40_000).contains(&meta.len()))
        };
        let lines = |path: PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
        };
        all.filter(short).step_by(7).map(lines).collect()
    })
}

/// What is done to a transcript; places are parts of a thousand of its length.
#[derive(Debug, Clone)]
enum Harm {
    /// A line is told again, later.
    Again(u16, u16),
    /// A line is missing.
    Missing(u16),
    /// Lines up to so many places apart change places.
    Swapped(u16, u8),
    /// A line is cut off.
    Cut(u16, u16),
    /// A message of a method that nobody knows.
    Unknown(u16),
    /// No message at all.
    Noise(u16, Vec<u8>),
    /// A field is of another type.
    Retyped(u16),
    /// Nothing comes after it.
    End(u16),
}

fn harm() -> impl Strategy<Value = Harm> {
    let place = || 0u16..1000;
    prop_oneof![
        (place(), place()).prop_map(|(line, to)| Harm::Again(line, to)),
        place().prop_map(Harm::Missing),
        (place(), 1u8..20).prop_map(|(line, by)| Harm::Swapped(line, by)),
        (place(), place()).prop_map(|(line, at)| Harm::Cut(line, at)),
        place().prop_map(Harm::Unknown),
        (place(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, b)| Harm::Noise(at, b)),
        place().prop_map(Harm::Retyped),
        (500u16..1000).prop_map(Harm::End),
    ]
}

const UNKNOWN: &str = "property/unknown";

fn harmed(mut lines: Vec<Vec<u8>>, harms: &[Harm]) -> Vec<Vec<u8>> {
    for harm in harms {
        let len = lines.len();
        if len == 0 {
            break;
        }
        let place = |part: u16| usize::from(part) * len / 1000;
        match harm {
            Harm::Again(line, to) => {
                let line = place(*line);
                let to = line + (len - line) * usize::from(*to) / 1000;
                let again = lines[line].clone();
                lines.insert(to, again);
            }
            Harm::Missing(line) => drop(lines.remove(place(*line))),
            Harm::Swapped(line, by) => {
                let line = place(*line);
                lines.swap(line, (line + usize::from(*by)).min(len - 1));
            }
            Harm::Cut(line, at) => {
                let line = &mut lines[place(*line)];
                let end = line.len() * usize::from(*at) / 1000;
                line.truncate(end);
                line.push(b'\n');
            }
            Harm::Unknown(at) => {
                let message = format!("{{\"method\":\"{UNKNOWN}\",\"params\":{{}}}}\n");
                lines.insert(place(*at), message.into_bytes());
            }
            Harm::Noise(at, bytes) => {
                let line = bytes.iter().filter(|byte| **byte != b'\n').chain(b"\n");
                lines.insert(place(*at), line.copied().collect());
            }
            Harm::Retyped(line) => {
                let line = &mut lines[place(*line)];
                let text = String::from_utf8_lossy(line).replacen(":\"", ":7,\"x\":\"", 3);
                *line = text.into_bytes();
            }
            Harm::End(line) => lines.truncate(place(*line).max(1)),
        }
    }
    lines
}

fn rows<T: sm_projections::table::Table>(view: &View<'_>) -> BTreeMap<T::Key, T::Row> {
    let mut rows = BTreeMap::new();
    view.scan::<T>(&[], &[], |key, row| {
        rows.insert(key, row);
        true
    })
    .unwrap();
    rows
}

/// What holds between the tables, whatever was folded.
fn check(view: &View<'_>, log: &Log) {
    let kinds: u64 = rows::<Kinds>(view).values().sum();
    assert_eq!(kinds, log.watermark(), "every record is counted once");
    let (turns, actions) = (rows::<Turns>(view), rows::<Actions>(view));
    let requests = rows::<Requests>(view);
    let sessions: BTreeMap<Sid, Session> = rows::<Sessions>(view);
    let standing: BTreeSet<u64> = requests
        .iter()
        .filter(|(_, row)| row.status == RequestStatus::Pending)
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(rows::<Pending>(view).into_keys().collect::<BTreeSet<_>>(), standing);
    assert_eq!(rows::<Waiting>(view).into_values().collect::<BTreeSet<_>>(), standing);
    let waits = rows::<Inputs>(view).into_iter().filter(|(_, input)| input.status.waits());
    let queued: BTreeSet<u64> = waits.map(|(number, _)| number).collect();
    assert_eq!(rows::<Queue>(view).into_keys().map(|key| key.1).collect::<BTreeSet<_>>(), queued);
    for (sid, session) in &sessions {
        let of: Vec<_> = turns.iter().filter(|((of, _), _)| of == sid).map(|(_, t)| t).collect();
        let ended = |outcome| of.iter().filter(|turn| turn.outcome == outcome).count() as u64;
        let counts = &session.counts;
        assert_eq!(counts.turns, of.len() as u64);
        assert_eq!(counts.turns_completed, ended(Outcome::Completed));
        assert_eq!(counts.turns_interrupted, ended(Outcome::Interrupted));
        assert_eq!(counts.turns_failed, ended(Outcome::Failed));
        assert_eq!(counts.turns_lost, ended(Outcome::Lost));
        if let Some(open) = &session.open_turn {
            assert_eq!(turns[&(*sid, open.seq)].ended_at, None, "an open turn has not ended");
        }
        for item in &session.open_items {
            assert_eq!(actions[&(*sid, item.seq)].status, ActionStatus::InProgress);
        }
        let pending: BTreeSet<u64> = session.pending.iter().map(|(number, _)| *number).collect();
        let of: BTreeSet<u64> =
            standing.iter().copied().filter(|n| requests[n].session == Some(*sid)).collect();
        assert_eq!(pending, of);
        assert!(session.parent.is_none_or(|parent| sessions.contains_key(&parent)));
    }
}

fn partly(log: &Log, path: &Path, batches: &[usize]) -> Arc<Store> {
    let store = Arc::new(Store::open(path, &log.id(), Commit::AtTheEnd).unwrap());
    for batch in batches.iter().cycle() {
        // A new one each time: nothing is remembered but the tables.
        let mut projector = Projector::new(Arc::clone(&store), log.reader()).unwrap();
        if projector.advance(*batch).unwrap() == 0 {
            break;
        }
    }
    store
}

fn told(view: &View<'_>) -> BTreeMap<String, [u64; 5]> {
    let sessions = rows::<Sessions>(view).into_values();
    let counts = sessions.map(|session| {
        let c = session.counts;
        (session.thread_id, [c.turns, c.commands, c.file_changes, c.tool_calls, c.messages])
    });
    counts.collect()
}

/// What loads a thread says that it has no turn, which holds for that moment only.
#[test]
fn an_answer_that_loads_a_thread_ends_no_turn_when_it_is_told_again() {
    let loads = |line: &Vec<u8>| {
        let message: serde_json::Value = serde_json::from_slice(line).unwrap();
        let result =
            [&message["result"], &message["msg"]["result"]].into_iter().find(|it| it.is_object());
        result.is_some_and(|result| {
            result["thread"]["status"]["type"] == "idle" && result["cwd"].is_string()
        })
    };
    let mut tried = 0;
    for lines in some() {
        let Some(place) = lines.iter().position(loads) else { continue };
        tried += 1;
        let (dir, log, _) = imported(&lines.concat());
        let once = fold_all(&log, &dir.path().join("once"), usize::MAX);
        let again: Vec<_> =
            lines[place..].iter().flat_map(|line| [line.clone(), lines[place].clone()]).collect();
        let (dir, log, _) = imported(&[&lines[..place], &again].concat().concat());
        let twice = fold_all(&log, &dir.path().join("twice"), usize::MAX);
        assert_eq!(told(&once.view().unwrap()), told(&twice.view().unwrap()));
    }
    assert!(tried > 3, "{tried}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn anything_folds_and_any_batches_give_the_same(
        which in any::<prop::sample::Index>(),
        harms in prop::collection::vec(harm(), 1..12),
        batches in prop::collection::vec(1usize..60, 1..6),
    ) {
        let lines = harmed(which.get(some()).clone(), &harms);
        let (dir, log, _) = imported(&lines.concat());
        let whole = fold_all(&log, &dir.path().join("whole"), usize::MAX);
        let view = whole.view().unwrap();
        check(&view, &log);
        let partly = partly(&log, &dir.path().join("partly"), &batches);
        let partly = partly.view().unwrap();
        prop_assert_eq!(view.first_difference(&partly).unwrap(), None);
        prop_assert_eq!(view.digest().unwrap(), partly.digest().unwrap());
        // Nothing that could not be read is passed over in silence.
        let unknown = lines.iter().filter(|line| {
            let message: Option<serde_json::Value> = serde_json::from_slice(line).ok();
            message.is_some_and(|message| message["method"] == UNKNOWN || message["msg"]["method"] == UNKNOWN)
        });
        let counted = rows::<Methods>(&view).get(UNKNOWN).copied().unwrap_or(0);
        prop_assert_eq!(counted, unknown.count() as u64);
        prop_assert!(rows::<Troubles>(&view).values().all(|count| *count > 0));
    }

    #[test]
    fn what_is_told_twice_counts_once(
        which in any::<prop::sample::Index>(),
        again in prop::collection::vec((0u16..1000, 0u16..1000), 1..10),
    ) {
        let lines = which.get(some()).clone();
        let len = lines.len();
        let mut behind: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (line, to) in &again {
            let line = usize::from(*line) * len / 1000;
            let to = line + (len - 1 - line) * usize::from(*to) / 1000;
            // A second greeting begins another life of the server.
            if !String::from_utf8_lossy(&lines[line]).contains("userAgent") {
                behind.entry(to).or_default().push(line);
            }
        }
        let mut twice = Vec::new();
        for (place, line) in lines.iter().enumerate() {
            twice.push(line.clone());
            let again = behind.get(&place).into_iter().flatten();
            twice.extend(again.map(|again| lines[*again].clone()));
        }
        let (dir, log, _) = imported(&lines.concat());
        let once = fold_all(&log, &dir.path().join("once"), usize::MAX);
        let (dir, log, _) = imported(&twice.concat());
        let twice = fold_all(&log, &dir.path().join("twice"), 31);
        prop_assert_eq!(told(&once.view().unwrap()), told(&twice.view().unwrap()));
        check(&twice.view().unwrap(), &log);
    }
}
