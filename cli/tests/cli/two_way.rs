//! A capture of both directions folds to what the server's plain output folds to.

use crate::support::{Sm, captures, each};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What may differ: numbers of records, times of receipt, and what only the client's side tells.
fn differs_by_nature(name: &str) -> bool {
    let exact = [
        "seq",
        "as_of",
        "at",
        "since",
        "archived_since",
        "records",
        "first_at",
        "last_at",
        "started_at",
        "ended_at",
        "asked_at",
        "decided_at",
        "request_id",
        "decision",
        "decided_by",
        "requests",
        // A rollback's answer tells of one only where its request is known.
        "turns_dropped",
        "dropped",
        "last_action",
        // Releases to 0.122 tell of a turn's settings by the request that starts it alone.
        "model",
        "effort",
        "approval_policy",
        "sandbox",
        // The client's answer ends a wait before the server tells so.
        "phases",
        "time_in",
    ];
    exact.contains(&name) || name.ends_with("_seq") || name.ends_with("_ms")
}

fn reduce(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !differs_by_nature(name));
            members.values_mut().for_each(reduce);
        }
        Value::Array(items) => items.iter_mut().for_each(reduce),
        // A request's id holds its record's number.
        Value::String(text)
            if text.strip_prefix('r').is_some_and(|seq| seq.parse::<u64>().is_ok()) =>
        {
            "r".clone_into(text);
        }
        _ => {}
    }
}

fn documents(file: &Path) -> BTreeMap<String, Vec<Value>> {
    let sm = Sm::new();
    sm.json(&["import", file.to_str().expect("a plain path")]);
    let ps = sm.json(&["ps", "--all"]);
    let mut documents = BTreeMap::new();
    for session in ps["sessions"].as_array().expect("sessions") {
        let id = session["id"].as_str().expect("an id");
        let mut found = vec![
            sm.json(&["show", id]),
            sm.json(&["turns", id]),
            sm.json(&["tail", "--all", "-n", "100000", id]),
        ];
        found.iter_mut().for_each(reduce);
        documents.insert(id.to_owned(), found);
    }
    documents
}

#[test]
fn both_directions_fold_to_what_one_does() {
    each(&captures(true), |tap| {
        let name = tap.to_string_lossy().replace(".tap.jsonl", ".jsonl");
        let plain = Path::new(&name);
        if !plain.exists() {
            return;
        }
        let (one, both) = (documents(plain), documents(tap));
        assert_eq!(one.keys().collect::<Vec<_>>(), both.keys().collect::<Vec<_>>(), "{name}");
        for (id, documents) in &one {
            for (a, b) in documents.iter().zip(&both[id]) {
                assert_eq!(a, b, "{name}, session {id}");
            }
        }
    });
}
