//! What is asked for is seen as what a session does, also where its item was never told of.

use crate::folded::{Folded, fixtures, folded, transcripts};
use serde_json::{Value, json};
use sm_projections::rows::{ActionKind, ActionStatus, ActivityState, RequestClass, Session};
use sm_projections::tables::{Requests, Sessions, Threads, Turns};
use sm_projections::views;

fn sessions(folded: &Folded) -> Vec<Session> {
    let mut rows = Vec::new();
    let view = folded.store.view().unwrap();
    view.scan::<Sessions>(&[], &[], |_, row| {
        rows.push(row);
        true
    })
    .unwrap();
    rows
}

#[test]
fn a_session_that_stops_at_its_approval_shows_what_it_asks_leave_for() {
    let mut waiting = 0;
    for path in transcripts(false) {
        if !path.to_string_lossy().contains("stops-") {
            continue;
        }
        let folded = folded(&std::fs::read(&path).unwrap(), usize::MAX);
        let view = folded.store.view().unwrap();
        for session in sessions(&folded) {
            for (number, class) in &session.pending {
                let kind = match class {
                    RequestClass::Command => ActionKind::Command,
                    RequestClass::FileChange => ActionKind::FileChange,
                    _ => continue,
                };
                let asked = view.get::<Requests>(number).unwrap().unwrap();
                let last = session.last_action.as_ref();
                let last = last.unwrap_or_else(|| panic!("{} has none", path.display()));
                assert_eq!((last.kind, last.status), (kind, ActionStatus::InProgress));
                assert_eq!(last.summary, asked.summary, "{}", path.display());
                assert!(last.seq == *number || Some(last.seq) == asked.action);
                waiting += 1;
            }
        }
    }
    assert!(waiting >= 14, "{waiting} waited");
}

/// An old release's session at work, made of its schema's required fields.
fn at_work(more: &[Value]) -> Vec<Session> {
    let turn = |method: &str, turn: Value| json!({"method": method, "params": {"threadId": "t", "turn": turn}});
    let begin = [
        json!({"method": "thread/started", "params": {"thread": {"id": "t"}}}),
        turn("turn/started", json!({"id": "u", "status": "inProgress", "items": []})),
    ];
    let lines = begin.iter().chain(more).map(|line| format!("{line}\n"));
    sessions(&folded(lines.collect::<String>().as_bytes(), usize::MAX))
}

fn ask(item: &str) -> Value {
    json!({"id": 7, "method": "item/commandExecution/requestApproval", "params": {
        "threadId": "t", "turnId": "u", "itemId": item, "command": "touch f",
    }})
}

#[test]
fn what_became_of_a_request_without_an_item_is_told() {
    let end = |status: &str| {
        json!({"method": "turn/completed", "params": {
            "threadId": "t", "turn": {"id": "u", "status": status, "items": []},
        }})
    };
    let resolved =
        json!({"method": "serverRequest/resolved", "params": {"threadId": "t", "requestId": 7}});
    for (more, expected) in [
        (vec![], ActionStatus::InProgress),
        (vec![end("interrupted")], ActionStatus::Interrupted),
        (vec![resolved.clone()], ActionStatus::InProgress),
        (vec![resolved, end("completed")], ActionStatus::Interrupted),
    ] {
        let more: Vec<Value> = [ask("i")].into_iter().chain(more).collect();
        let session = at_work(&more).remove(0);
        let last = session.last_action.expect("a last action");
        assert_eq!((last.summary.as_str(), last.status), ("touch f", expected), "{more:?}");
    }
    // The item takes its place.
    let item = json!({"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": {
        "id": "i", "type": "commandExecution", "command": "touch f", "status": "inProgress",
    }}});
    let session = at_work(&[ask("i"), item]).remove(0);
    let last = session.last_action.expect("a last action");
    assert_eq!((last.status, session.counts.commands), (ActionStatus::InProgress, 1));
    assert_eq!(session.open_items[0].seq, last.seq);
}

/// `skill/requestApproval` of 0.105 names an item and a skill, and no thread.
#[test]
fn leave_to_use_a_skill_is_permission_asked_by_the_session_whose_item_it_is() {
    let item = json!({"method": "item/started", "params": {"threadId": "t", "turnId": "u", "item": {
        "id": "i", "type": "commandExecution", "command": "a", "status": "inProgress",
    }}});
    let skill = |item: &str| {
        json!({"id": 8, "method": "skill/requestApproval", "params": {
            "itemId": item, "skillName": "deploy",
        }})
    };
    let session = at_work(&[item.clone(), skill("i")]).remove(0);
    assert_eq!(session.state, ActivityState::WaitingPermission);
    assert_eq!(session.pending.first().map(|(_, class)| *class), Some(RequestClass::Permissions));
    let session = at_work(&[item, skill("another")]).remove(0);
    assert_eq!(session.state, ActivityState::Working, "nobody can say whose that is");
}

#[test]
fn every_release_s_turns_are_found_by_what_it_calls_them() {
    let mut numbered = 0;
    for path in transcripts(false) {
        let name = path.to_string_lossy();
        if !["/0.80.0/", "/0.98.0/", "/0.169.0/"].iter().any(|release| name.contains(release)) {
            continue;
        }
        let folded = folded(&std::fs::read(&path).unwrap(), usize::MAX);
        let view = folded.store.view().unwrap();
        for session in sessions(&folded) {
            let Some(newest) = session.last_turn_seq else { continue };
            let sid = view.get::<Threads>(&session.thread_id).unwrap().unwrap();
            let turn = view.get::<Turns>(&(sid, newest)).unwrap().unwrap();
            let found = views::turn_number(&view, sid, &session, &turn.id).unwrap();
            assert_eq!(found, Some(newest), "{name}: {}", turn.id);
            numbered += usize::from(turn.id.bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
    assert!(numbered > 5, "{numbered} turns with plain numbers");
}

/// 0.80 and 0.98 begin at "0" again when a thread is loaded again within one life of the server.
#[test]
fn a_number_given_again_to_a_thread_that_was_loaded_again_is_another_turn() {
    for (release, expected) in [("0.80.0", 3), ("0.98.0", 4), ("0.169.0", 4)] {
        let path = fixtures().join(format!("codex/{release}/reload.tap.jsonl"));
        let bytes = std::fs::read(path).unwrap();
        let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        // Told twice in a row, nothing is another turn.
        let twice: Vec<&[u8]> = lines.iter().flat_map(|line| [*line, *line]).collect();
        // Before it begins, the turn that has its number is not found under it.
        let loaded = lines.iter().rposition(|line| contains(line, b"\"model\":")).unwrap();
        let folded_all = folded(&bytes, usize::MAX);
        for folded in [&folded_all, &folded(&twice[2..].concat(), usize::MAX)] {
            let view = folded.store.view().unwrap();
            let session = sessions(folded).remove(0);
            let turns = views::turns(&view, 0, usize::MAX, |_| true).unwrap();
            assert_eq!(turns.len(), expected, "{release}");
            assert!(turns.iter().all(|turn| turn.outcome == Some("completed")), "{release}");
            let commands: Vec<u32> = turns.iter().map(|turn| turn.commands).collect();
            assert_eq!(commands, [1, 0, 1, 1][..expected], "{release}");
            let newest = turns.last().unwrap();
            let found = views::turn_number(&view, 0, &session, &newest.turn_id).unwrap();
            assert_eq!(found, Some(newest.seq), "{release}");
        }
        lines.truncate(loaded + 1);
        let folded = folded(&lines.concat(), usize::MAX);
        let session = sessions(&folded).remove(0);
        let view = folded.store.view().unwrap();
        let found = views::turn_number(&view, 0, &session, "0").unwrap();
        assert_eq!(found, None, "{release}");
    }
}

fn contains(line: &[u8], words: &[u8]) -> bool {
    line.windows(words.len()).any(|window| window == words)
}
