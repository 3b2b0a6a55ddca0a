//! `sm export --perfetto`: a trace that a viewer takes.

use crate::support::{Sm, captures};
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn every_slice_ends_inside_the_one_around_it_and_each_agent_has_a_lane() {
    let sm = Sm::new();
    let mut sessions = 0;
    for path in captures(false).iter().filter(|path| path.to_string_lossy().contains("0.169.0/")) {
        let imported =
            sm.run(&["import", path.to_str().expect("a plain path"), "--json", "--again"]);
        assert_eq!(imported.code, 0, "{}", imported.err);
    }
    sessions +=
        sm.json(&["ps", "--all", "-n", "100000"])["sessions"].as_array().expect("a list").len();
    let trace: Value =
        serde_json::from_slice(&sm.run(&["export", "--perfetto"]).out).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let mut open: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut lanes, mut waiting) = (0, 0);
    for event in events {
        let (name, time) = (event["name"].as_str().expect("a name"), event["ts"].as_i64());
        match (event["ph"].as_str().expect("a phase"), time) {
            ("M", _) if name == "thread_name" => {
                lanes += 1;
                let lane = event["args"]["name"].as_str().expect("a name");
                names.insert(lane.split(' ').next().expect("an id"), lane);
            }
            ("M", _) => {}
            ("b", Some(ts)) => {
                let stack = open.entry(event["id"].as_str().expect("an id")).or_default();
                assert!(stack.last().is_none_or(|(_, around)| *around <= ts), "{event}");
                // A viewer calls the lane by the slice around all others.
                assert_eq!(
                    stack.is_empty(),
                    Some(&name) == names.get(event["id"].as_str().unwrap_or(""))
                );
                stack.push((name, ts));
                let waits = name.starts_with("waiting");
                assert_eq!(event["cname"] == "terrible", waits, "{event}");
                waiting += u64::from(waits);
            }
            ("e", Some(ts)) => {
                let stack = open.get_mut(event["id"].as_str().expect("an id")).expect("it began");
                let (began, at) = stack.pop().expect("it began");
                assert!(began == name && at <= ts, "{event}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(open.values().all(Vec::is_empty));
    assert_eq!(lanes as usize, sessions);
    assert!(waiting > 10, "{waiting}");
}

#[test]
fn only_a_family_where_one_is_named_and_a_file_where_one_is_asked_for() {
    let sm = Sm::new();
    let path =
        captures(false).into_iter().find(|path| path.ends_with("codex/0.169.0/nested.jsonl"));
    sm.json(&["import", path.expect("a recording").to_str().expect("a plain path")]);
    let listed = sm.json(&["ps", "--all"]);
    let child =
        listed["sessions"].as_array().expect("a list").iter().find(|s| !s["parent_id"].is_null());
    let child = child.expect("a child")["id"].as_str().expect("an id").to_owned();
    let file = sm.home().join("trace.json");
    let ran = sm.run(&["export", "--perfetto", &child, "-o", file.to_str().expect("a path")]);
    assert_eq!((ran.code, ran.out.len()), (0, 0), "{}", ran.err);
    let trace: Value =
        serde_json::from_slice(&std::fs::read(&file).expect("the file")).expect("JSON");
    let lanes = trace["traceEvents"].as_array().expect("events").iter();
    let lanes = lanes.filter(|event| event["name"] == "thread_name").count();
    assert!(lanes >= 1 && lanes < listed["sessions"].as_array().expect("a list").len());
    let unsaid = sm.run(&["export", "--json"]);
    assert_eq!(unsaid.code, 2, "{}", unsaid.err);
}
