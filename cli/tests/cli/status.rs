//! `sm status`: one line for a status bar.

use crate::support::{Sm, captures};
use serde_json::json;

#[test]
fn nothing_recorded_is_an_empty_line_in_a_bar_and_advice_elsewhere() {
    let sm = Sm::new();
    let bar = sm.run(&["status", "--tmux"]);
    assert_eq!((bar.code, bar.text().as_str(), bar.err.as_str()), (0, "\n", ""));
    let words = sm.run(&["status"]);
    assert!(words.code == 0 && words.err.contains("sm demo"), "{}", words.err);
    let told = sm.json(&["status"]);
    assert_eq!((&told["schema"], &told["line"]), (&json!("sm.status/1"), &json!("")));
}

#[test]
fn every_session_is_counted_once_and_a_transcript_is_not_live() {
    let sm = Sm::new();
    for name in ["codex/0.169.0/stops-running.jsonl", "codex/0.169.0/two-requests.jsonl"] {
        let path = captures(false).into_iter().find(|path| path.ends_with(name));
        sm.json(&["import", path.expect("a capture").to_str().expect("a plain path")]);
    }
    let told = sm.json(&["status"]);
    let sessions = sm.json(&["ps", "--all", "-n", "1000"]);
    let mut counted = std::collections::BTreeMap::new();
    for session in sessions["sessions"].as_array().expect("a list") {
        let state = session["activity_state"].as_str().expect("a state");
        *counted.entry(state.to_owned()).or_insert(0u64) += 1;
    }
    assert_eq!(told["states"], json!(counted));
    assert_eq!(told["live"], json!({}));
    let all: u64 = counted.values().sum();
    let bar = sm.run(&["status", "--tmux"]);
    assert_eq!(bar.text(), format!("none live, {all} recorded\n"));
}
