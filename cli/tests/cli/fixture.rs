//! `sm fixture`: transcripts as regression tests.

use crate::support::Sm;
use std::fs;
use std::path::{Path, PathBuf};

fn recorded(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/codex").join(release)
}

/// A folder with copies of one recording: both forms and the golden text of the plain one.
fn copied(sm: &Sm, name: &str) -> PathBuf {
    let dir = sm.dir.path().join("suite");
    fs::create_dir_all(dir.join("golden")).expect("a folder");
    let from = recorded("0.169.0");
    for file in [format!("{name}.jsonl"), format!("{name}.tap.jsonl"), format!("golden/{name}.txt")]
    {
        fs::copy(from.join(&file), dir.join(&file)).expect("a copy");
    }
    dir
}

fn word(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn every_recorded_transcript_is_as_its_golden_text_says() {
    let sm = Sm::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let report = sm.json(&["fixture", "check", word(&fixtures)]);
    let transcripts = report["transcripts"].as_u64().expect("a number") as usize;
    let both = [true, false].map(|two_way| crate::support::captures(two_way).len());
    assert_eq!(transcripts, both[0] + both[1]);
    assert!(!sm.home().exists(), "a check touched the data directory");
}

#[test]
fn the_first_difference_names_row_line_seq_and_record() {
    let sm = Sm::new();
    let dir = copied(&sm, "basic");
    let golden = dir.join("golden/basic.txt");
    let text = fs::read_to_string(&golden).expect("a golden text");
    let at = text.lines().position(|line| line.contains(" command line ")).expect("a command");
    let line = text.lines().nth(at).expect("that line");
    let ended: u64 = line
        .split("..")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .expect("its last line");
    fs::write(&golden, text.replacen(line, &line.replace(" completed:", " failed:"), 1))
        .expect("a changed golden text");

    let ran = sm.run(&["fixture", "check", word(&dir), "--json"]);
    assert_eq!(ran.code, 7, "{}", ran.err);
    let report: serde_json::Value = serde_json::from_slice(&ran.out).expect("a document");
    assert_eq!((&report["equal"], &report["transcripts"]), (&false.into(), &2.into()));
    let differences = report["differences"].as_array().expect("a list");
    assert_eq!(differences.len(), 1, "the two-way form still tells what the plain one does");
    let first = &differences[0];
    assert_eq!(first["change"], "changed");
    assert_eq!(first["line"], at as u64 + 1);
    assert_eq!(first["transcript_line"], ended);
    assert_eq!(first["seq"], ended + 1, "sm's own record of the source comes first");
    assert!(first["row"].as_str().expect("a row").starts_with("command "), "{first}");
    assert_eq!(first["folded"], line);
    let transcript = fs::read_to_string(dir.join("basic.jsonl")).expect("the transcript");
    let record = transcript.lines().nth(ended as usize - 1).expect("that record");
    assert_eq!(first["record"], serde_json::from_str::<serde_json::Value>(record).expect("JSON"));

    let shown = sm.run(&["fixture", "check", word(&dir)]);
    assert_eq!(shown.code, 7);
    assert!(shown.text().contains(line.trim()) && shown.err.contains("--bless"));

    let blessed = sm.json(&["fixture", "check", word(&dir), "--bless"]);
    assert_eq!(blessed["blessed"].as_array().map(Vec::len), Some(1));
    assert_eq!(fs::read_to_string(&golden).expect("a golden text"), text);
    assert_eq!(sm.run(&["fixture", "check", word(&dir)]).code, 0);
}

#[test]
fn a_row_too_many_and_a_row_too_few_are_told_apart() {
    let sm = Sm::new();
    let dir = copied(&sm, "interrupt");
    let golden = dir.join("golden/interrupt.txt");
    let text = fs::read_to_string(&golden).expect("a golden text");
    let lines: Vec<&str> = text.lines().collect();
    let changed = |lines: Vec<&str>| {
        fs::write(&golden, lines.join("\n") + "\n").expect("a changed golden text");
        let ran = sm.run(&["fixture", "check", word(&dir.join("interrupt.jsonl")), "--json"]);
        assert_eq!(ran.code, 7);
        let report: serde_json::Value = serde_json::from_slice(&ran.out).expect("a document");
        report["differences"][0].clone()
    };
    let less = changed([&lines[..14], &lines[15..]].concat());
    assert_eq!((&less["change"], &less["line"]), (&"added".into(), &15.into()));
    assert_eq!((&less["expected"], &less["folded"]), (&serde_json::Value::Null, &lines[14].into()));
    let more =
        changed([&lines[..14], &["    command line 3..4 failed: \"x\""], &lines[14..]].concat());
    assert_eq!((&more["change"], &more["line"]), (&"gone".into(), &15.into()));
    assert_eq!((&more["transcript_line"], &more["folded"]), (&4.into(), &serde_json::Value::Null));
}

#[test]
fn both_forms_must_tell_the_same_and_none_goes_unchecked() {
    let sm = Sm::new();
    let dir = copied(&sm, "basic");
    let tap = dir.join("basic.tap.jsonl");
    let text = fs::read_to_string(&tap).expect("a transcript");
    let without: Vec<&str> =
        text.lines().filter(|line| !line.contains(r#""method":"turn/completed""#)).collect();
    fs::write(&tap, without.join("\n") + "\n").expect("a changed transcript");
    let ran = sm.run(&["fixture", "check", word(&dir)]);
    assert_eq!(ran.code, 7);
    assert!(ran.text().contains("basic.tap.jsonl"), "{}", ran.text());

    fs::remove_file(&tap).expect("removed");
    fs::remove_file(dir.join("golden/basic.txt")).expect("removed");
    let ran = sm.run(&["fixture", "check", word(&dir)]);
    assert_eq!(ran.code, 7);
    assert!(ran.text().contains("no golden text"), "{}", ran.text());
}

#[test]
fn nothing_to_check_is_said_and_teaches() {
    let sm = Sm::new();
    let ran = sm.run(&["fixture", "check", word(sm.dir.path()), "--json"]);
    let error = ran.error();
    assert_eq!((ran.code, error["code"].as_str()), (5, Some("no_transcripts")));
    assert!(error["hint"].as_str().expect("a hint").contains("sm fixture check"));
    let missing = sm.dir.path().join("missing");
    assert_eq!(sm.run(&["fixture", "check", word(&missing)]).code, 5);
}

#[test]
fn generated_traffic_is_the_same_each_time_and_is_taken_in() {
    let sm = Sm::new();
    let file = sm.dir.path().join("gen.jsonl");
    let words = ["fixture", "gen", "--events", "3000", "--seed", "5", "--sessions", "6"];
    let done = sm.json(&[&words[..], &["-o", word(&file)]].concat());
    let bytes = fs::read(&file).expect("the traffic");
    assert_eq!((&done["events"], &done["sessions"]), (&3000.into(), &6.into()));
    assert_eq!(done["bytes"], bytes.len());
    assert!(sm.run(&words).out == bytes, "standard output gets other bytes");
    assert!(sm.run(&[&words[..], &["-o", "-"]].concat()).out == bytes);

    let imported = sm.json(&["import", word(&file)]);
    assert_eq!((&imported["records"], &imported["malformed"]), (&3000.into(), &0.into()));
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);
    assert_eq!(sm.json(&["doctor"])["checks"]["folding"]["status"], "ok");
    assert!(sm.run(&["replay", "--raw"]).out == bytes);

    let ran = sm.run(&["fixture", "gen", "--events", "4", "--sessions", "2", "--json", "-o", "x"]);
    let error = ran.error();
    assert_eq!((ran.code, error["code"].as_str()), (2, Some("usage")));
    assert!(error["hint"].as_str().expect("a hint").contains("--events 7"), "{error}");
    assert!(!Path::new("x").exists());
    assert_eq!(sm.run(&["fixture", "gen", "--events", "9", "--json"]).code, 2);
}
