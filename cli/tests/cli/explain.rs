//! Why a session is in its state: the record and the time that are shown are those of what is shown.

use crate::support::{Sm, captures};
use serde_json::{Value, json};

fn imported(lines: &[(u64, Value)]) -> Sm {
    let sm = Sm::new();
    let lines = lines.iter().map(|(second, message)| {
        format!("{}\n", json!({"ts": second * 1000, "dir": "server", "msg": message}))
    });
    let file = sm.file("t.jsonl", lines.collect::<String>().as_bytes());
    assert_eq!(sm.run(&["import", &file]).code, 0);
    sm
}

fn about(method: &str) -> Value {
    json!({"method": method, "params": {"threadId": "t"}})
}

fn turn(method: &str, status: &str) -> Value {
    json!({"method": method, "params": {
        "threadId": "t", "turn": {"id": "u", "status": status, "items": []},
    }})
}

#[test]
fn what_is_archived_is_so_since_it_was_put_away_and_by_that_record() {
    let sm = imported(&[
        (1, json!({"method": "thread/started", "params": {"thread": {"id": "t"}}})),
        (2, turn("turn/started", "inProgress")),
        (3, turn("turn/completed", "completed")),
        (4, about("thread/archived")),
    ]);
    let doc = sm.json(&["explain", "@last"]);
    let session = &doc["session"];
    let (idle, put_away) = (&session["cause_seq"], &session["archived_cause_seq"]);
    assert_eq!((&doc["state"], &doc["cause"]["seq"]), (&json!("idle"), idle));
    assert_eq!(session["since"], "1970-01-01T00:00:03.000000Z");
    assert_eq!(session["archived_since"], "1970-01-01T00:00:04.000000Z");
    let rows = doc["evidence"].as_array().expect("evidence");
    let row = rows.iter().find(|row| row["state"] == "archived").expect("its own row");
    assert_eq!(row["facts"], json!([format!("put there by record {put_away}")]));
    let said = sm.run(&["explain", "@last"]).text();
    assert!(said.contains("archived"), "{said}");
    assert!(said.contains("since 1970-01-01T00:00:04"), "{said}");
    assert!(said.contains(&format!("Made so by record {put_away}:")), "{said}");
    let shown = sm.run(&["show", "@last"]).text();
    assert!(shown.contains(&format!(", by record {put_away}")), "{shown}");
    assert!(!shown.contains(&format!("by record {idle}\n")), "{shown}");
    // The age in a list is of the same record.
    let listed = sm.json(&["ps", "--all"]);
    let shown = &listed["sessions"][0];
    let ages = (shown["state_for_ms"].as_u64(), shown["archived_for_ms"].as_u64());
    let (Some(idle), Some(put_away)) = ages else { panic!("{shown}") };
    assert_eq!(idle - put_away, 1000);
}

#[test]
fn no_fact_repeats_its_evidence() {
    let begun = (1, json!({"method": "thread/started", "params": {"thread": {"id": "t"}}}));
    let said = imported(std::slice::from_ref(&begun)).run(&["explain", "@last"]).text();
    assert!(said.contains("no turn is open: none has begun"), "{said}");
    let ended =
        [begun, (2, turn("turn/started", "inProgress")), (3, turn("turn/completed", "failed"))];
    let sm = imported(&ended);
    let seq = &sm.json(&["explain", "@last"])["session"]["cause_seq"];
    let said = sm.run(&["explain", "@last"]).text();
    let fact = format!("no turn is open: the last one ended with record {seq}, failed");
    assert!(said.contains(&fact), "{said}");
    for path in captures(false).into_iter().step_by(40) {
        let sm = Sm::new();
        assert_eq!(sm.run(&["import", &path.to_string_lossy()]).code, 0);
        let doc = sm.json(&["explain", "@last"]);
        for row in doc["evidence"].as_array().expect("evidence") {
            let facts = row["facts"].as_array().expect("facts");
            assert!(!facts.contains(&row["evidence"]), "{row}");
        }
    }
}

#[test]
fn a_session_at_its_limit_says_what_it_is_blocked_on() {
    let words = "You\u{2019}ve hit your usage limit. Try again at 3:49 AM.";
    let mut over = turn("turn/completed", "failed");
    over["params"]["turn"]["error"] = json!({"message": words, "codexErrorInfo": "usageLimitExceeded", "additionalDetails": null});
    let sm = imported(&[
        (1, json!({"method": "thread/started", "params": {"thread": {"id": "t"}}})),
        (2, turn("turn/started", "inProgress")),
        (3, over),
    ]);
    let on = json!({"kind": "rate_limit", "what": words});
    assert_eq!(sm.json(&["show", "@last"])["session"]["blocked_on"], on);
    let shown = sm.run(&["show", "@last"]).text();
    assert!(shown.contains(&format!("rate_limit {words}")), "{shown}");
}
