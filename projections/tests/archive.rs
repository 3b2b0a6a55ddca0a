//! What is in Codex's archive, and the record that put it there.

use crate::folded::{fixtures, folded};
use serde_json::{Value, json};
use sm_projections::views;

/// When the only session was put away, and by which line of its transcript.
fn put_away(lines: &[Value]) -> (bool, Option<String>, Option<u64>) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let folded = folded(text.as_bytes(), usize::MAX);
    let doc = views::session_doc(&folded.store.view().unwrap(), 0).unwrap().unwrap();
    let line = doc.archived_cause_seq.map(|seq| seq - folded.first_seq + 1);
    assert_eq!(doc.activity_state, "idle");
    (doc.archived, doc.archived_since, line)
}

#[test]
fn the_first_record_that_tells_of_it_put_it_there_until_it_is_taken_out() {
    let told = |second: u64, method: &str, params: Value| json!({"ts": second * 1000, "dir": "server", "msg": {"method": method, "params": params}});
    let about = |second, method: &str| told(second, method, json!({"threadId": "t"}));
    let mut play = vec![
        told(1, "thread/started", json!({"thread": {"id": "t"}})),
        about(2, "thread/archived"),
        about(3, "thread/archived"),
        // What comes after it changes neither.
        told(4, "thread/name/updated", json!({"threadId": "t", "threadName": "n"})),
    ];
    let second = |second: u64| Some(format!("1970-01-01T00:00:{second:02}.000000Z"));
    assert_eq!(put_away(&play), (true, second(2), Some(2)));
    play.push(about(5, "thread/unarchived"));
    assert_eq!(put_away(&play), (false, None, None));
    play.push(about(6, "thread/archived"));
    assert_eq!(put_away(&play), (true, second(6), Some(6)));
}

#[test]
fn a_recorded_session_that_was_put_away_says_by_which_record() {
    let path = fixtures().join("captures/codex-0.169.0/lifecycle.tap.jsonl");
    let bytes = std::fs::read(path).unwrap();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let told = |line: &&[u8]| {
        let message: Value = serde_json::from_slice(line).unwrap();
        message["msg"]["method"] == "thread/archived"
    };
    let line = lines.iter().position(told).unwrap();
    let message: Value = serde_json::from_slice(lines[line]).unwrap();
    let thread = message["msg"]["params"]["threadId"].as_str().unwrap();
    let folded = folded(&lines[..=line].concat(), usize::MAX);
    let view = folded.store.view().unwrap();
    let sid = views::find(&view, thread, None).unwrap().sid;
    let doc = views::session_doc(&view, sid).unwrap().unwrap();
    let put_away = folded.first_seq + line as u64;
    assert_eq!(doc.archived_cause_seq, Some(put_away));
    assert!(doc.cause_seq < put_away, "its state was made by another");
}
