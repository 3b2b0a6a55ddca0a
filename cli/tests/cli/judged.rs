//! The loop that the project is judged by, over every recorded transcript: what was imported comes
//! back byte for byte, and folding it anew gives the same tables.

use crate::support::{Sm, captures, each};
use serde_json::Value;

#[test]
fn what_goes_in_comes_out_and_folds_to_the_same() {
    each(&captures(false), |file| {
        let sm = Sm::new();
        let path = file.to_str().expect("a plain path");
        let bytes = std::fs::read(file).expect("a transcript");
        let imported = sm.json(&["import", path]);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
        assert_eq!(imported["records"], lines, "{path}");
        let first = imported["first_seq"].as_u64();
        let last = imported["last_seq"].as_u64();
        assert!(first.zip(last).is_some_and(|(first, last)| last >= first), "{path}");
        for session in list(&imported, "sessions") {
            assert!(session["id"].is_string() && session["thread_id"].is_string(), "{path}");
        }

        let raw = sm.run(&["replay", "--raw"]);
        assert_eq!(raw.code, 0, "{path}: {}", raw.err);
        assert!(raw.out == bytes, "{path}: replay --raw differs");

        let verdict = sm.json(&["replay", "--verify"]);
        assert_eq!(verdict["equal"], true, "{path}");
        assert_eq!(verdict["live_digest"], verdict["rebuilt_digest"], "{path}");

        let ps = sm.json(&["ps", "--all"]);
        for session in list(&ps, "sessions") {
            for field in FIELDS {
                assert!(session.get(*field).is_some(), "{path}: no {field}");
            }
            for field in ["turns", "commands", "file_changes", "tool_calls", "records"] {
                assert!(session["counts"][field].is_u64(), "{path}: no counts.{field}");
            }
        }
        if list(&ps, "sessions").is_empty() {
            return;
        }
        for words in [
            &["tail", "@last"][..],
            &["tail", "@last", "--json"],
            &["turns", "@last", "--json"],
            &["explain", "@last"],
            &["explain", "@last", "--json"],
            &["show", "@last"],
            &["children", "--recursive", "--all"],
            &["inbox", "--json"],
        ] {
            let ran = sm.run(words);
            assert_eq!(ran.code, 0, "{path}: {words:?}: {}", ran.err);
        }
    });
}

const FIELDS: &[&str] = &[
    "id",
    "thread_id",
    "name",
    "provider",
    "source",
    "parent_id",
    "forked_from",
    "activity_state",
    "since",
    "cause_seq",
    "outcome",
    "health",
    "live",
    "pending_requests",
    "last_action",
    "counts",
    "tokens",
    "cwd",
    "model",
    "first_seq",
    "last_seq",
    "quiet_for_ms",
    "state_for_ms",
    "looks_stuck",
];

fn list<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

/// A record as JSON holds the message byte for byte, and counts seqs and revisions densely.
#[test]
fn json_lines_hold_every_record() {
    let sm = Sm::new();
    let file = captures(false).into_iter().find(|file| file.ends_with("subagents.jsonl"));
    let file = file.expect("the sub-agents' transcript");
    sm.json(&["import", file.to_str().expect("a plain path")]);
    let ran = sm.run(&["replay", "--json"]);
    let mut revisions = std::collections::HashMap::new();
    for (at, line) in ran.text().lines().enumerate() {
        let record: Value = serde_json::from_str(line).expect("a record");
        assert_eq!(record["seq"], at + 1);
        if let Some(thread) = record["thread_id"].as_str() {
            let revision = revisions.entry(thread.to_owned()).or_insert(0u64);
            *revision += 1;
            assert_eq!(record["revision"], *revision);
        } else {
            assert!(record["revision"].is_null());
        }
    }
    // From the middle on, the numbers are the same ones.
    let tail = sm.run(&["replay", "--json", "--since", "40"]);
    let whole = ran.text();
    let rest: Vec<&str> = whole.lines().skip(39).collect();
    assert_eq!(tail.text().lines().collect::<Vec<_>>(), rest);
    let last = sm.run(&["replay", "--json", "-n", "3"]);
    assert_eq!(last.text().lines().collect::<Vec<_>>(), rest[rest.len() - 3..]);
}
