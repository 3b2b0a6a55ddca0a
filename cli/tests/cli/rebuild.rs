//! The projections are derived: whatever happens to them, the log makes them anew.

use crate::support::{Ran, Sm};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const CAPTURE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/captures/codex-0.169.0/approvals.jsonl");

fn recorded() -> (Sm, String) {
    let sm = Sm::new();
    sm.json(&["import", CAPTURE]);
    let digest = digest(&sm);
    (sm, digest)
}

/// The digest of the live tables, which a fold of the whole log gives too.
fn digest(sm: &Sm) -> String {
    let verdict = sm.json(&["replay", "--verify"]);
    assert_eq!(verdict["equal"], true);
    verdict["live_digest"].as_str().expect("a digest").to_owned()
}

/// The folder of this version's tables.
fn tables(sm: &Sm) -> PathBuf {
    let mut found = fs::read_dir(sm.home().join("projections")).expect("projections").flatten();
    let only = found.next().expect("tables of one version").path();
    assert!(found.next().is_none(), "tables of one version only");
    only
}

fn fails(ran: &Ran, exit: i32, code: &str) -> Value {
    let error = ran.error();
    assert_eq!((ran.code, error["code"].as_str()), (exit, Some(code)), "{}", ran.err);
    error
}

#[test]
fn tables_that_are_gone_are_made_by_the_next_command() {
    let (sm, before) = recorded();
    fs::remove_dir_all(sm.home().join("projections")).expect("they were there");
    assert_eq!(sm.json(&["ps", "--all"])["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(digest(&sm), before);
}

#[test]
fn damaged_tables_are_told_and_made_anew() {
    let (sm, before) = recorded();
    let file = tables(&sm).join("data.mdb");
    let len = fs::metadata(&file).expect("the file").len() as usize;
    for damage in [vec![0u8; len], b"no database at all".to_vec(), vec![0xff; len]] {
        fs::write(&file, &damage).expect("it can be written");
        let error = fails(&sm.run(&["ps", "--json"]), 1, "projections");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("rebuild")), "{error}");
        let rebuilt = sm.json(&["rebuild"]);
        assert!(rebuilt["seq"].as_u64() > Some(100), "{rebuilt}");
        assert_eq!(digest(&sm), before);
    }
}

#[test]
fn tables_that_are_cut_off_are_told_of_and_made_anew() {
    let (sm, before) = recorded();
    let file = tables(&sm).join("data.mdb");
    let whole = fs::read(&file).expect("the file");
    for pages in [3, whole.len() / 4096 / 2] {
        fs::write(&file, &whole[..pages * 4096]).expect("it can be written");
        let error = fails(&sm.run(&["ps", "--all", "--json"]), 1, "file_damaged");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("rebuild")), "{error}");
        assert!(sm.run(&["show", "@last"]).err.contains("[file_damaged]"));
        sm.json(&["rebuild"]);
        assert_eq!(digest(&sm), before);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_never_folded_over() {
    let (sm, before) = recorded();
    let file = tables(&sm).join("data.mdb");
    let mut bytes = fs::read(&file).expect("the file");
    let thread = sm.json(&["ps", "--all"])["sessions"][0]["thread_id"].as_str().unwrap().to_owned();
    // In the session's row its length stands before it; in the index of threads it is a key.
    let row = [&[thread.len() as u8], thread.as_bytes()].concat();
    let places: Vec<usize> =
        (0..bytes.len() - row.len()).filter(|at| bytes[*at..].starts_with(&row)).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place + 1] = 0xff;
    }
    fs::write(&file, &bytes).expect("it can be written");
    for command in [&["ps", "--all", "--json"][..], &["import", CAPTURE, "--again", "--json"]] {
        for _ in 0..2 {
            let error = fails(&sm.run(command), 1, "projections");
            assert!(error["message"].as_str().unwrap().contains("table sessions"), "{error}");
            assert!(error["hint"].as_str().unwrap().contains("rebuild"), "{error}");
        }
    }
    sm.json(&["rebuild"]);
    // What was to be imported was recorded, and is folded now.
    assert_ne!(digest(&sm), before);
    assert_eq!(sm.run(&["replay", "--verify"]).code, 0);
}

#[test]
fn damaged_pages_are_told_of_whatever_they_point_at() {
    let (sm, before) = recorded();
    let file = tables(&sm).join("data.mdb");
    let whole = fs::read(&file).expect("the file");
    let (mut found, mut faults) = (0, 0);
    for (case, at) in (8192 + 16..whole.len() - 64).step_by(331).enumerate() {
        let mut bytes = whole.clone();
        let junk = if case % 2 == 0 { 0x41 } else { 0xff };
        bytes[at..at + 64].fill(junk);
        fs::write(&file, &bytes).expect("it can be written");
        for command in [&["replay", "--verify", "--json"][..], &["ps", "--all", "--json"]] {
            let ran = sm.run(command);
            let code = ran.code;
            // Damage can hide from `ps`, not from the proof, unless it is where nothing lies.
            // Where the log's own name lay, the tables say that they are another log's.
            let named = code == 6 && ran.err.contains("foreign_projections");
            assert!(named || [0, 1, 7].contains(&code), "{at}: {code} {}", ran.err);
            assert!(!ran.err.is_empty() || !ran.out.is_empty(), "{at}");
            found += usize::from(code != 0);
            faults += usize::from(ran.err.contains("file_damaged"));
        }
    }
    assert!(found > 20 && faults > 0, "{found} told of, {faults} of them by what the system said");
    sm.json(&["rebuild"]);
    assert_eq!(digest(&sm), before);
}

#[test]
fn tables_of_another_log_are_refused_and_made_anew() {
    let (sm, before) = recorded();
    let other = Sm::new();
    other.json(&["import", &other.file("t.jsonl", b"{}\n")]);
    let (mine, theirs) = (tables(&sm), tables(&other));
    for file in ["data.mdb", "lock.mdb"] {
        fs::copy(theirs.join(file), mine.join(file)).expect("a copy");
    }
    let ran = sm.run(&["import", &sm.file("u.jsonl", b"{}\n"), "--json"]);
    fails(&ran, 6, "foreign_projections");
    sm.json(&["rebuild"]);
    assert_eq!(digest(&sm), before);
}

#[test]
fn tables_of_another_log_are_no_answer_even_where_both_are_as_far() {
    let (sm, other) = (Sm::new(), Sm::new());
    for sm in [&sm, &other] {
        sm.json(&["import", &sm.file("t.jsonl", b"{}\n")]);
    }
    let place = |sm: &Sm| tables(sm).join("data.mdb");
    std::fs::copy(place(&other), place(&sm)).expect("a copy");
    fails(&sm.run(&["ps", "--json"]), 6, "foreign_projections");
    sm.json(&["rebuild"]);
    assert_eq!(sm.run(&["ps", "--json"]).code, 0);
}

#[test]
fn what_another_version_or_a_cut_off_swap_left_is_swept_away() {
    let (sm, before) = recorded();
    let mine = tables(&sm);
    let dir = sm.home().join("projections");
    for left in ["v1", "v1.building", &format!("{}.building", mine.file_name().unwrap().display())]
    {
        fs::create_dir(dir.join(left)).expect("a folder");
        fs::write(dir.join(left).join("data.mdb"), b"old").expect("a file");
    }
    sm.json(&["import", &sm.file("t.jsonl", b"{}\n")]);
    assert_eq!(tables(&sm), mine, "nothing else is left");
    // The old version alone: this one's tables are made, then it goes.
    fs::rename(&mine, dir.join("v1")).expect("a move");
    sm.json(&["ps"]);
    assert_eq!(tables(&sm), mine);
    assert_ne!(digest(&sm), before, "one record more");
}

#[test]
fn a_newer_versions_tables_are_not_touched() {
    let (sm, _) = recorded();
    let mine = tables(&sm);
    let newer = sm.home().join("projections/v99");
    fs::rename(&mine, &newer).expect("a move");
    let error = fails(&sm.run(&["ps", "--json"]), 6, "newer_projections");
    assert!(error["message"].as_str().is_some_and(|words| words.contains("99")), "{error}");
    assert_eq!(tables(&sm), newer);
}

#[test]
fn a_rebuild_where_nothing_was_recorded_says_how_to_begin() {
    let sm = Sm::new();
    fails(&sm.run(&["rebuild", "--json"]), 5, "not_found");
}

/// Killed again and again at any moment of import and fold: nothing is lost, nothing doubled.
#[test]
fn an_import_killed_at_any_moment_comes_to_the_same_end() {
    let capture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/captures/codex-0.169.0/approvals.tap.jsonl"
    );
    let once = fs::read(capture).expect("a capture");
    let bytes = once.repeat(60);
    let undisturbed = Sm::new();
    undisturbed.json(&["import", &undisturbed.file("t.jsonl", &bytes)]);

    let sm = Sm::new();
    let file = sm.file("t.jsonl", &bytes);
    let mut killed = 0;
    for round in 0..60u64 {
        let mut import = sm.command(&["import", &file]).spawn().expect("sm runs");
        std::thread::sleep(std::time::Duration::from_millis(3 + round * 7 % 90));
        match import.try_wait().expect("its state") {
            Some(_) => break,
            None => {
                import.kill().expect("SIGKILL");
                import.wait().expect("its end");
                killed += 1;
            }
        }
    }
    assert!(killed > 0, "the import was over before it could be killed");
    let last = sm.run(&["import", &file, "--json"]);
    assert!(matches!(last.code, 0 | 6), "{}", last.err);
    // The two-way form is recorded as the messages it holds.
    assert_eq!(sm.run(&["replay", "--raw"]).out, undisturbed.run(&["replay", "--raw"]).out);
    let counted = |sm: &Sm| {
        let listed = sm.json(&["ps", "--all"]);
        let sessions = listed["sessions"].as_array().expect("a list").clone();
        let told = ["id", "activity_state", "outcome", "counts", "tokens", "last_action"];
        let told = |session: &Value| told.map(|name| session[name].clone());
        sessions.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(counted(&sm), counted(&undisturbed));
    digest(&sm);
}
