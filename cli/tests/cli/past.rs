//! `--at`: what a command would have answered then, against a data directory that ends there.

use crate::support::{Sm, captures, each};
use serde_json::{Value, json};

/// What depends on how far the log goes, not on what it holds, and what the looking itself adds.
fn without_the_present(mut value: Value) -> Value {
    fn reduce(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for name in [
                    "as_of",
                    "warnings",
                    "state_for_ms",
                    "archived_for_ms",
                    "quiet_for_ms",
                    "waiting_ms",
                ] {
                    members.remove(name);
                }
                members.values_mut().for_each(reduce);
            }
            Value::Array(items) => items.iter_mut().for_each(reduce),
            _ => {}
        }
    }
    reduce(&mut value);
    value
}

#[test]
fn every_reading_command_answers_as_it_would_have_then() {
    // Every fifteenth: the folds themselves are held against each other for all of them elsewhere.
    let some: Vec<_> = captures(false).into_iter().step_by(15).collect();
    each(&some, |path| {
        let bytes = std::fs::read(path).expect("a capture");
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let whole = Sm::new();
        whole.json(&["import", path.to_str().expect("a plain path")]);
        for cut in [lines.len() / 2, lines.len() - 1] {
            let then = Sm::new();
            let part = then.file("part.jsonl", &lines[..cut].concat());
            let imported = then.json(&["import", &part]);
            let Some(at) = imported["last_seq"].as_u64() else { continue };
            let at = at.to_string();
            let sessions = then.json(&["ps", "--all"]);
            let ids: Vec<&str> = sessions["sessions"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|session| session["id"].as_str())
                .collect();
            let mut questions = vec![
                vec!["ps", "--all"],
                vec!["ps"],
                vec!["inbox"],
                vec!["children", "--all", "--recursive"],
            ];
            if !ids.is_empty() {
                questions.push(vec!["show", "@last"]);
            }
            for id in &ids {
                for verb in ["show", "turns", "explain", "children"] {
                    questions.push(vec![verb, id]);
                }
                questions.push(vec!["tail", id, "--all", "-n", "1000"]);
            }
            for question in questions {
                let expected = without_the_present(then.json(&question));
                let asked = [&question[..], &["--at", &at]].concat();
                let answer = whole.json(&asked);
                if answer.get("as_of").is_some() {
                    assert_eq!(answer["as_of"]["seq"].to_string(), at, "{asked:?}");
                }
                let answer = without_the_present(answer);
                assert_eq!(answer, expected, "{} {asked:?}", path.display());
            }
        }
    });
}

#[test]
fn a_time_means_the_last_record_before_it() {
    let sm = Sm::new();
    let line = |ms: u64, id: &str| {
        let message = json!({"method": "thread/started", "params": {"thread": {"id": id}}, "emittedAtMs": ms});
        format!("{message}\n")
    };
    let text = line(1_000, "first-thread") + &line(2_000, "second-thread");
    sm.json(&["import", &sm.file("t.jsonl", text.as_bytes())]);
    let count = |at: &str| sm.json(&["ps", "--at", at])["sessions"].as_array().map(Vec::len);
    assert_eq!(count("1970-01-01T00:00:01Z"), Some(1));
    assert_eq!(count("1970-01-01T00:00:01.999Z"), Some(1));
    assert_eq!(count("1970-01-01T00:00:02Z"), Some(2));
    assert_eq!(count("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(count("3d"), Some(2));
    // Where nothing was yet, nobody is told to start the first one.
    let none = sm.run(&["ps", "--at", "1"]);
    assert_eq!((none.code, none.out.len()), (0, 0));
    assert!(
        none.err.contains("no sessions at that moment") && !none.err.contains("spawn"),
        "{}",
        none.err
    );
}

#[test]
fn a_moment_that_is_not_there_is_an_error_that_says_what_is() {
    let sm = Sm::new();
    let line = r#"{"method":"thread/started","params":{"thread":{"id":"a-thread"}}}"#;
    sm.json(&["import", &sm.file("t.jsonl", format!("\n{line}\n").as_bytes())]);
    let beyond = sm.run(&["ps", "--at", "1000", "--json"]);
    assert_eq!((beyond.code, beyond.error()["code"].as_str()), (5, Some("beyond_head")));
    let before = sm.run(&["show", "a-thread", "--at", "2", "--json"]);
    assert_eq!((before.code, before.error()["details"]["first_seq"].as_u64()), (5, Some(3)));
    for words in
        [["tail", "a-thread", "-f"], ["inbox", "-f", "--json"], ["children", "a-thread", "-f"]]
    {
        let refused = sm.run(&[&words[..], &["--at", "3"]].concat());
        assert_eq!(refused.code, 2, "{words:?}: {}", refused.err);
    }
    let left = std::fs::read_dir(sm.home()).expect("the data directory").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("scratch-")), "{left:?}");
}

#[test]
fn a_diff_tells_what_happened_between_and_nothing_else() {
    let sm = Sm::new();
    let path = captures(false).into_iter().find(|path| path.ends_with("0.169.0/approvals.jsonl"));
    let imported = sm.json(&["import", path.expect("a capture").to_str().expect("a plain path")]);
    let head = imported["last_seq"].as_u64().expect("records") + 1;
    let whole = sm.json(&["diff", "--from", "0"]);
    let now = &sm.json(&["ps", "--all"])["sessions"][0];
    let all = &whole["changes"][0];
    assert_eq!((&all["began"], &all["state"]["from"]), (&json!(true), &Value::Null));
    assert_eq!(all["records"], now["counts"]["records"]);
    assert_eq!(all["tokens"], now["tokens"]["total"]);
    assert_eq!(
        all["turns"].as_array().map(Vec::len),
        now["counts"]["turns"].as_u64().map(|n| n as usize)
    );
    // Any cut: what happened before it and what happened after it is all that happened.
    for cut in (1..head).step_by(9) {
        let cut = cut.to_string();
        let part = |from: &str, to: &str| sm.json(&["diff", "--from", from, "--to", to]);
        let parts = [part("0", &cut), part(&cut, &head.to_string())];
        for name in ["commands", "commands_failed", "records", "tokens", "requests"] {
            let sum: u64 = parts.iter().filter_map(|part| part["changes"][0][name].as_u64()).sum();
            assert_eq!(Some(sum), all[name].as_u64(), "{name} at {cut}");
        }
        let state = |part: &Value, side: &str| part["changes"][0]["state"][side].clone();
        if parts.iter().all(|part| part["changes"][0].is_object()) {
            assert_eq!(state(&parts[0], "to"), state(&parts[1], "from"), "at {cut}");
        }
    }
    let ends = ["commands_failed", "commands_declined", "commands_interrupted"];
    for name in &ends[..2] {
        assert_eq!(all[name], now["counts"][name], "{name} means the same everywhere");
    }
    let badly: u64 = ends.iter().filter_map(|name| all[name].as_u64()).sum();
    let well = now["counts"]["commands_completed"].as_u64().expect("a count");
    assert_eq!(all["commands"].as_u64(), Some(badly + well), "{all}");
    let told = sm.run(&["diff", "--from", "0"]).text();
    assert!(told.contains("5 commands (2 declined)"), "{told}");
    let backwards = sm.run(&["diff", "--from", "20", "--to", "10"]);
    assert_eq!(backwards.code, 2, "{}", backwards.err);
}

#[test]
fn catching_up_goes_on_from_where_the_user_was() {
    let sm = Sm::new();
    let of = |name: &str| {
        let found = captures(false).into_iter().find(|path| path.ends_with(name));
        found.expect("a capture").to_str().expect("a plain path").to_owned()
    };
    sm.json(&["import", &of("0.169.0/failures.jsonl")]);
    let first = sm.json(&["catchup", "--peek"]);
    assert_eq!(first["from"], 0);
    assert_eq!(sm.json(&["catchup"])["changes"], first["changes"], "peeking is not looking");
    assert_eq!(sm.json(&["catchup"])["changes"], json!([]));
    sm.json(&["import", &of("0.169.0/stops-approval.jsonl")]);
    let ran = sm.run(&["catchup"]);
    assert!(
        ran.text().starts_with("Waiting for you\n") && ran.err.contains("inbox"),
        "{}",
        ran.text()
    );
    // Another log in the same place: what was seen of the old one means nothing.
    std::fs::remove_dir_all(sm.home().join("log")).expect("it was there");
    std::fs::remove_dir_all(sm.home().join("projections")).expect("they were there");
    sm.json(&["import", &of("0.169.0/failures.jsonl")]);
    assert_eq!(sm.json(&["catchup"])["from"], 0);
}

#[test]
fn an_open_turn_of_an_import_lasts_up_to_its_last_record() {
    let sm = Sm::new();
    let path =
        captures(false).into_iter().find(|path| path.ends_with("0.169.0/stops-running.jsonl"));
    sm.json(&["import", path.expect("a capture").to_str().expect("a plain path")]);
    let turn = &sm.json(&["turns"])["turns"][0];
    assert_eq!(turn["outcome"], Value::Null);
    let told = sm.run(&["turns", "--turn", "1"]).text();
    let open = told.lines().find(|line| line.contains(" so far")).expect("an open phase");
    let lasts = open.split(" so far").next().and_then(|head| head.split_whitespace().last());
    // It was recorded in a few seconds, hours or years ago.
    let lasts = lasts.expect("a time");
    assert!(
        lasts.ends_with('s') && !lasts.contains(['m', 'h', 'd']) || lasts.ends_with("ms"),
        "{open}"
    );
}
