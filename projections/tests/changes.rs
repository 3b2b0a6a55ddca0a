//! What changed between two moments, in words of one meaning.

use crate::folded::{Folded, fixtures, fold_all, folded};
use serde_json::{Value, json};
use sm_projections::tables::Sessions;
use sm_projections::views::{self, ChangeDoc};

/// All that a transcript changed.
fn all(folded: &Folded) -> Vec<ChangeDoc> {
    let nothing = folded.dir.path().join("nothing");
    let (empty, _) = sm_log::Log::open(nothing.join("log"), sm_log::Options::default()).unwrap();
    let before = fold_all(&empty, &nothing.join("tables"), 1);
    let (then, now) = (before.view().unwrap(), folded.store.view().unwrap());
    views::changes(&then, &now, 0).unwrap()
}

/// The same meaning as in a session's counts, in every recording.
#[test]
fn failed_is_failed_and_declined_and_interrupted_stand_apart() {
    let (mut declined, mut interrupted) = (0, 0);
    for path in crate::folded::transcripts(false) {
        let folded = folded(&std::fs::read(&path).unwrap(), usize::MAX);
        let view = folded.store.view().unwrap();
        for change in all(&folded) {
            let session = views::find(&view, &change.thread_id, None).unwrap().session;
            let counts = &session.counts;
            let of = || format!("{} in {}", change.id, path.display());
            assert_eq!(change.commands_failed, counts.commands_failed, "{}", of());
            assert_eq!(change.commands_declined, counts.commands_declined, "{}", of());
            let ended = change.commands - change.commands_interrupted;
            let well = counts.commands_completed;
            assert_eq!(ended, well + counts.commands_failed + counts.commands_declined, "{}", of());
            declined += change.commands_declined;
            interrupted += change.commands_interrupted;
            let spent = views::turns(&view, of_thread(&view, &change), usize::MAX, |_| true);
            let spent = spent.unwrap().into_iter().filter_map(|turn| turn.tokens);
            assert_eq!(change.tokens, spent.map(|spent| spent.total).sum::<u64>(), "{}", of());
        }
    }
    assert!(declined > 0 && interrupted > 0);
}

fn of_thread(view: &sm_projections::View<'_>, change: &ChangeDoc) -> u32 {
    let threads = view.get::<sm_projections::tables::Threads>(&change.thread_id).unwrap();
    threads.unwrap()
}

#[test]
fn a_moved_file_is_told_by_both_its_names() {
    for release in ["0.80.0", "0.98.0", "0.125.0", "0.169.0"] {
        let path = fixtures().join(format!("codex/{release}/files.jsonl"));
        let folded = folded(&std::fs::read(path).unwrap(), usize::MAX);
        let change = all(&folded).remove(0);
        let moved: Vec<_> = change.files.iter().filter(|file| file.moved_to.is_some()).collect();
        assert_eq!(moved.len(), 1, "{release}");
        assert_eq!(moved[0].names(), "/repo/src/a.rs → /repo/src/c.rs", "{release}");
        assert!(change.files.iter().all(|file| file.path != "/repo/src/c.rs"), "{release}");
        let view = folded.store.view().unwrap();
        let actions = views::actions(&view, 0, usize::MAX, |_| true).unwrap();
        let words = "/repo/src/a.rs → /repo/src/c.rs";
        assert!(actions.iter().any(|action| action.summary.starts_with(words)), "{release}");
    }
}

/// A turn whose end was not told has ended: nobody knows how.
#[test]
fn a_turn_that_another_one_followed_is_lost_and_counted_so() {
    let mut lost = 0;
    for path in crate::folded::transcripts(false) {
        let folded = folded(&std::fs::read(&path).unwrap(), usize::MAX);
        let view = folded.store.view().unwrap();
        view.scan::<Sessions>(&[], &[], |sid, session| {
            let turns = views::turns(&view, sid, usize::MAX, |_| true).unwrap();
            let open = turns.iter().filter(|turn| turn.outcome.is_none());
            let open: Vec<u64> = open.map(|turn| turn.seq).collect();
            let is_open = session.open_turn.as_ref().map(|turn| turn.seq);
            assert_eq!(open, Vec::from_iter(is_open), "{}", path.display());
            let c = &session.counts;
            let ended = c.turns_completed + c.turns_failed + c.turns_interrupted + c.turns_lost;
            assert_eq!(c.turns, ended + open.len() as u64, "{}", path.display());
            if path.ends_with("0.169.0/missing.jsonl") {
                lost += c.turns_lost;
            }
            true
        })
        .unwrap();
    }
    assert_eq!(lost, 2);
}

#[test]
fn times_that_go_back_last_no_time() {
    let at = |ts: i64, message: Value| json!({"ts": ts, "dir": "server", "msg": message});
    let turn = |method: &str| {
        json!({"method": method, "params": {"threadId": "t", "turn": {
            "id": "u", "status": "completed"}}})
    };
    let item = |method: &str| {
        json!({"method": method, "params": {"threadId": "t", "turnId": "u", "item": {
            "id": "i", "type": "commandExecution", "command": "a", "status": "completed"}}})
    };
    let lines = [
        at(9_000, turn("turn/started")),
        at(8_000, item("item/started")),
        at(6_000, item("item/completed")),
        at(5_000, turn("turn/completed")),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let folded = folded(lines.as_bytes(), usize::MAX);
    let view = folded.store.view().unwrap();
    let turns = views::turns(&view, 0, 1, |_| true).unwrap();
    assert_eq!(turns[0].duration_ms, Some(0));
    let actions = views::actions(&view, 0, 1, |_| true).unwrap();
    assert_eq!(actions[0].elapsed_ms, Some(0));
}
