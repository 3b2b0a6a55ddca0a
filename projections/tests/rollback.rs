//! Turns taken out of a thread's history, by whomever.

use crate::folded::{fixtures, folded};
use serde_json::{Value, json};
use sm_projections::tables::Sessions;
use sm_projections::views::{self, TurnDoc};

const RELEASES: [&str; 8] =
    ["0.80.0", "0.98.0", "0.105.0", "0.115.0", "0.125.0", "0.142.5", "0.155.1", "0.169.0"];

/// The turns of the only session, how many it counts as dropped, and the turn of its last message.
fn told(bytes: &[u8]) -> (Vec<TurnDoc>, u64, Option<u32>) {
    let folded = folded(bytes, usize::MAX);
    let view = folded.store.view().unwrap();
    let session = view.get::<Sessions>(&0).unwrap().unwrap();
    let turns = views::turns(&view, 0, usize::MAX, |_| true).unwrap();
    let last = turns
        .iter()
        .find(|turn| turn.message_seq.is_some() && turn.message_seq == session.last_message_seq);
    let last = last.map(|turn| turn.number);
    (turns, session.counts.turns_dropped, last)
}

fn dropped(turns: &[TurnDoc]) -> Vec<u32> {
    turns.iter().filter(|turn| turn.dropped_seq.is_some()).map(|turn| turn.number).collect()
}

fn rollback(release: &str, name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(format!("codex/{release}/rollback{name}.jsonl"))).unwrap()
}

#[test]
fn what_a_client_takes_back_is_dropped_in_every_release() {
    for release in RELEASES {
        let bytes = rollback(release, ".tap");
        let (turns, count, last) = told(&bytes);
        assert_eq!((dropped(&turns), count, last), (vec![3], 1, Some(4)), "{release}");
        // Before another turn begins, the one before it has the last word.
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let next = turns[3].seq - turns[0].seq;
        let first = lines.iter().position(|line| is(line, "turn/started")).unwrap();
        let (turns, _, last) = told(&lines[..first + usize::try_from(next).unwrap() - 1].concat());
        assert_eq!((turns.len(), dropped(&turns), last), (3, vec![3], Some(2)), "{release}");
    }
}

fn is(line: &[u8], method: &str) -> bool {
    let message: Value = serde_json::from_slice(line).unwrap();
    message["msg"]["method"] == method
}

/// One-way, `thread/reverted` tells that the newest turn went; nothing tells of a rollback.
#[test]
fn without_the_clients_side_a_revert_is_told_and_a_rollback_is_not() {
    for release in RELEASES {
        let (turns, count, _) = told(&rollback(release, ""));
        let expected = if ["0.155.1", "0.169.0"].contains(&release) { vec![3] } else { vec![] };
        assert_eq!(
            (dropped(&turns), count),
            (expected.clone(), expected.len() as u64),
            "{release}"
        );
    }
}

/// A play of one thread: `c` is what the client says, `s` the server.
fn play(lines: &[(&str, Value)]) -> (Vec<TurnDoc>, u64, Option<u32>) {
    let mut text = String::new();
    for (who, message) in lines {
        let dir = if *who == "c" { "client" } else { "server" };
        text += &format!("{}\n", json!({"ts": 1, "dir": dir, "msg": message}));
    }
    told(text.as_bytes())
}

fn turn(id: &str) -> Vec<(&'static str, Value)> {
    let item = json!({"id": "i", "type": "userMessage", "content": [{"type": "text", "text": id}]});
    vec![
        ("s", json!({"method": "turn/started", "params": {"threadId": "t", "turn": {"id": id}}})),
        (
            "s",
            json!({"method": "item/completed", "params": {
            "threadId": "t", "turnId": id, "item": item}}),
        ),
        (
            "s",
            json!({"method": "turn/completed", "params": {
            "threadId": "t", "turn": {"id": id, "status": "completed"}}}),
        ),
    ]
}

#[test]
fn the_answer_decides_and_nothing_counts_twice() {
    let asked = |method: &str, mut params: Value| {
        params["threadId"] = "t".into();
        ("c", json!({"id": 5, "method": method, "params": params}))
    };
    let left =
        |turns: Value| ("s", json!({"id": 5, "result": {"thread": {"id": "t", "turns": turns}}}));
    let refused = ("s", json!({"id": 5, "error": {"code": -1, "message": "no"}}));
    let reverted = ("s", json!({"method": "thread/reverted", "params": {"threadId": "t"}}));
    let revert = |id: &str| asked("thread/revert", json!({"beforeTurnId": id}));
    let back = |turns: u64| asked("thread/rollback", json!({"numTurns": turns}));
    for (more, expected) in [
        (vec![revert("b"), left(json!([])), reverted.clone()], vec![2, 3]),
        (vec![revert("b"), reverted.clone(), left(json!([])), reverted.clone()], vec![2, 3]),
        (vec![revert("b"), refused.clone()], vec![]),
        (vec![revert("b")], vec![]),
        (vec![back(2), left(json!([{"id": "turn-1"}]))], vec![2, 3]),
        (vec![back(1), left(json!([{"id": "a"}, {"id": "b"}]))], vec![3]),
        (vec![back(9), left(json!([]))], vec![1, 2, 3]),
        (vec![back(2), refused], vec![]),
        (vec![reverted.clone(), reverted], vec![3]),
    ] {
        let words = format!("{more:?}");
        let lines: Vec<_> = ["a", "b", "c"].iter().flat_map(|id| turn(id)).chain(more).collect();
        let (turns, count, _) = play(&lines);
        assert_eq!((dropped(&turns), count), (expected.clone(), expected.len() as u64), "{words}");
    }
}

/// The next life numbers its requests anew.
#[test]
fn what_another_life_answers_is_no_answer_to_a_cut() {
    let greeted = ("s", json!({"id": 0, "result": {"userAgent": "t/0.169.0 (x)"}}));
    let answer = ("s", json!({"id": 5, "result": {"thread": {"id": "t", "turns": []}}}));
    for (method, of) in [("thread/revert", "beforeTurnId"), ("thread/rollback", "numTurns")] {
        let mut params = json!({"threadId": "t"});
        params[of] = if of == "numTurns" { 1.into() } else { "b".into() };
        let asked = ("c", json!({"id": 5, "method": method, "params": params}));
        let lives = |between: Vec<(&'static str, Value)>| {
            let first = [vec![greeted.clone()], turn("a"), turn("b"), vec![asked.clone()]];
            let lines = [first.concat(), between, vec![answer.clone()]].concat();
            dropped(&play(&lines).0)
        };
        assert_eq!(lives(vec![]), [2], "{method}");
        assert!(lives(vec![greeted.clone()]).is_empty(), "{method}");
    }
}

/// Another process of Codex began a turn of the thread, `x`.
#[test]
fn a_cut_before_a_turn_that_is_not_known_drops_what_sm_says_alone() {
    let revert = |id: &str| {
        let params = json!({"threadId": "t", "beforeTurnId": id});
        ("c", json!({"id": 5, "method": "thread/revert", "params": params}))
    };
    let left = ("s", json!({"id": 5, "result": {"thread": {"id": "t", "turns": []}}}));
    let refused = ("s", json!({"id": 5, "error": {"code": -1, "message": "no"}}));
    let reverted = ("s", json!({"method": "thread/reverted", "params": {"threadId": "t"}}));
    for (more, expected) in [
        (vec![revert("x"), left.clone(), reverted.clone()], Vec::<u32>::new()),
        (vec![revert("x"), reverted.clone(), left.clone()], vec![]),
        (vec![revert("x"), refused, reverted.clone()], vec![3]),
        // The next one is another.
        (vec![revert("x"), left.clone(), reverted.clone(), reverted.clone()], vec![3]),
        (vec![revert("x"), reverted.clone(), left.clone(), reverted.clone()], vec![3]),
        (vec![revert("x"), left.clone(), reverted.clone(), revert("c"), left.clone()], vec![3]),
    ] {
        let words = format!("{more:?}");
        let lines: Vec<_> = ["a", "b", "c"].iter().flat_map(|id| turn(id)).chain(more).collect();
        assert_eq!(dropped(&play(&lines).0), expected, "{words}");
    }
    // `thread/reverted` may be told when the next turn is over.
    let then = [vec![revert("x"), left], turn("d"), vec![reverted]].concat();
    let lines: Vec<_> = ["a", "b", "c"].iter().flat_map(|id| turn(id)).chain(then).collect();
    assert!(dropped(&play(&lines).0).is_empty());
}
