//! Lines that are no messages: kept verbatim, marked, counted with their numbers; they stop nothing.

use crate::support::Sm;
use serde_json::{Value, json};

const GOOD: &str =
    r#"{"method":"thread/started","params":{"thread":{"id":"T1","preview":"hello"}}}"#;

/// The bad line, and why it is no message.
fn table() -> Vec<(Vec<u8>, &'static str)> {
    vec![
        (b"{\"method\":".to_vec(), "invalid JSON"),
        (b"".to_vec(), "empty line"),
        (b"{\"a\":\"\xff\xfe\"}".to_vec(), "invalid UTF-8"),
        (b"\0\0".to_vec(), "invalid JSON"),
        (b"{\"a\":\"\0\"}".to_vec(), "invalid JSON"),
        (b"[1,2,3]".to_vec(), "not an object"),
        (b"42".to_vec(), "not an object"),
        (b"null".to_vec(), "not an object"),
        (b"\r".to_vec(), "empty line"),
    ]
}

fn malformed(imported: &Value) -> Vec<(u64, String)> {
    let lines = imported["malformed_lines"].as_array().expect("a list");
    let each = |line: &Value| {
        (line["line"].as_u64().expect("a number"), line["why"].as_str().expect("a word").to_owned())
    };
    lines.iter().map(each).collect()
}

#[test]
fn each_bad_line_is_kept_marked_and_counted() {
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for (at, (bad, why)) in table().into_iter().enumerate() {
        bytes.extend_from_slice(GOOD.as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(&bad);
        bytes.push(b'\n');
        expected.push((at as u64 * 2 + 2, why.to_owned()));
    }
    bytes.extend_from_slice(GOOD.as_bytes());
    bytes.push(b'\n');

    let sm = Sm::new();
    let imported = sm.json(&["import", &sm.file("bad.jsonl", &bytes)]);
    assert_eq!(imported["records"], expected.len() * 2 + 1);
    assert_eq!(imported["malformed"], expected.len());
    assert_eq!(malformed(&imported), expected);
    assert!(sm.run(&["replay", "--raw"]).out == bytes);
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);

    // The rest was folded, and each bad record says what it is.
    assert_eq!(sm.json(&["show", "@last"])["session"]["thread_id"], "T1");
    for line in sm.run(&["replay", "--json"]).text().lines() {
        let record: Value =
            serde_json::from_str(line).expect("a record is JSON, whatever it holds");
        if expected.iter().any(|(line, _)| record["seq"] == line + 1) {
            assert!(record["flags"].as_array().expect("flags").contains(&json!("malformed")));
        }
    }
    assert_eq!(sm.json(&["doctor"])["checks"]["malformed"]["status"], "info");
}

#[test]
fn carriage_returns_and_a_cut_last_line_come_back_as_they_were() {
    let crlf = format!("{GOOD}\r\n{GOOD}\r\n");
    let cut = format!("{GOOD}\n{GOOD}");
    let broken = format!("{GOOD}\n{{\"method\":\"turn/sta");
    for (text, bad) in [(crlf, 0), (cut, 0), (broken, 1)] {
        let sm = Sm::new();
        let imported = sm.json(&["import", &sm.file("t.jsonl", text.as_bytes())]);
        assert_eq!(imported["records"], 2, "{text:?}");
        assert_eq!(imported["malformed"], bad, "{text:?}");
        assert!(sm.run(&["replay", "--raw"]).out == text.as_bytes(), "{text:?}");
    }
}

#[test]
fn a_line_of_fifty_megabytes_is_one_record() {
    let long = "x".repeat(50 << 20);
    let text =
        format!("{GOOD}\n{{\"method\":\"item/x\",\"params\":{{\"t\":\"{long}\"}}}}\n{GOOD}\n");
    let sm = Sm::new();
    let imported = sm.json(&["import", &sm.file("long.jsonl", text.as_bytes())]);
    assert_eq!((&imported["records"], &imported["malformed"]), (&json!(3), &json!(0)));
    assert!(sm.run(&["replay", "--raw"]).out == text.as_bytes());
}

#[test]
fn an_empty_transcript_is_an_import_of_nothing() {
    let sm = Sm::new();
    let imported = sm.json(&["import", &sm.file("empty.jsonl", b"")]);
    assert_eq!(imported["records"], 0);
    assert_eq!(imported["first_seq"], Value::Null);
    assert_eq!(imported["sessions"], json!([]));
    assert_eq!(sm.run(&["replay", "--raw"]).out, b"");
}

#[test]
fn standard_input_is_a_transcript_too_and_known_again() {
    let sm = Sm::new();
    let text = format!("{GOOD}\n");
    let first = sm.feed(&["import", "-", "--json"], text.as_bytes());
    assert_eq!(first.code, 0, "{}", first.err);
    let again = sm.feed(&["import", "-", "--json"], text.as_bytes());
    assert_eq!((again.code, again.error()["code"].as_str()), (6, Some("already_imported")));
    let file = sm.file("same.jsonl", text.as_bytes());
    assert_eq!(sm.run(&["import", &file]).code, 6);
    assert_eq!(sm.run(&["import", &file, "--again"]).code, 0);
    assert_eq!(sm.run(&["replay", "--raw"]).out, format!("{text}{text}").as_bytes());
    let left = std::fs::read_dir(sm.home()).expect("the data directory").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("import-")), "{left:?}");
}

#[test]
fn a_pipe_is_imported_whole_although_it_can_be_read_only_once() {
    let sm = Sm::new();
    let path = sm.dir.path().join("pipe");
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).expect("a pipe");
    let line = b"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"T1\"}}}\n";
    let writer = {
        let path = path.clone();
        std::thread::spawn(move || std::fs::write(path, line))
    };
    let imported = sm.json(&["import", path.to_str().expect("a plain path")]);
    writer.join().expect("the writer ends").expect("it is read");
    assert_eq!((&imported["records"], &imported["path"]), (&1.into(), &path.to_str().into()));
    assert_eq!(sm.run(&["replay", "--raw"]).out, line);
}
