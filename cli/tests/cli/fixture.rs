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

    // A count that differs too, and comes first, is told by what was counted.
    let counts = text.lines().find(|line| line.starts_with("  commands: ")).expect("counts");
    let changed = fs::read_to_string(&golden).expect("the changed text");
    fs::write(
        &golden,
        changed.replacen(counts, "  commands: 9 = 0 completed, 9 failed, 0 declined", 1),
    )
    .expect("a changed golden text");
    let ran = sm.run(&["fixture", "check", word(&dir), "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&ran.out).expect("a document");
    for member in
        ["change", "line", "row", "expected", "folded", "seq", "transcript_line", "record"]
    {
        assert_eq!(report["differences"][0][member], first[member], "{member}");
    }

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

/// The ids of the sessions that nobody spawned.
fn roots(sm: &Sm) -> Vec<String> {
    let sessions = sm.json(&["ps", "--all"])["sessions"].as_array().expect("sessions").clone();
    let roots = sessions.iter().filter(|session| session["parent_id"].is_null());
    roots.map(|session| session["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_recorded_fixture_is_the_sessions_part_of_its_transcript() {
    for scenario in ["approvals", "crash", "parallel", "subagents", "userinput"] {
        let sm = Sm::new();
        let tap = recorded("0.169.0").join(format!("{scenario}.tap.jsonl"));
        sm.json(&["import", word(&tap)]);
        let original = fs::read_to_string(&tap).expect("a transcript");
        let suite = sm.dir.path().join("suite");
        for root in roots(&sm) {
            let words = ["fixture", "record", &root, "-o", word(&suite), "--tree"];
            let done = sm.json(&words);
            let text = fs::read_to_string(done["transcript"].as_str().expect("a path"))
                .expect("the transcript");
            // Its lines are lines of the original, in the same order.
            let mut rest = original.lines();
            // But for what the log itself never took in.
            for line in text.lines().filter(|line| !line.contains("[redacted by sm]")) {
                assert!(rest.any(|known| known == line), "{scenario}: {line}");
            }
            // Nothing that names one of its threads is missing.
            for thread in done["threads"].as_array().expect("threads") {
                let member = format!("\"threadId\":{thread}");
                let of = |text: &str| text.lines().filter(|line| line.contains(&member)).count();
                assert_eq!(of(&text), of(&original), "{scenario} {thread}");
            }
            assert_eq!(done["records"], text.lines().count());
            assert_eq!(sm.run(&words).code, 6, "a fixture is never overwritten");
        }
        sm.json(&["fixture", "check", word(&suite)]);
    }
}

/// The words of a golden text that a redaction may have changed, against what they became.
fn changed_words(plain: &str, redacted: &str) -> std::collections::BTreeMap<String, String> {
    let words = |text: &str| -> Vec<String> {
        text.split([' ', '"', '\n', '/']).map(str::to_owned).collect()
    };
    // A workspace's path may have more parts than what stands for it: compared line by line.
    let mut changed = std::collections::BTreeMap::new();
    assert_eq!(plain.lines().count(), redacted.lines().count());
    for (a, b) in plain.lines().zip(redacted.lines()) {
        let (old, new) = (words(a), words(b));
        assert_eq!(old.len(), new.len(), "{a}\n{b}");
        for (old, new) in old.into_iter().zip(new).filter(|(old, new)| old != new) {
            let before = changed.insert(old.clone(), new.clone());
            assert!(before.is_none_or(|before| before == new), "{old} becomes {new} too");
        }
    }
    changed
}

#[test]
fn a_redacted_fixture_tells_the_same_in_other_words() {
    let taps: Vec<PathBuf> = crate::support::captures(true)
        .into_iter()
        .filter(|tap| tap.starts_with(recorded("0.169.0")))
        .collect();
    assert!(taps.len() > 40);
    crate::support::each(&taps, |tap| {
        let sm = Sm::new();
        sm.json(&["import", word(tap)]);
        let Some(root) = roots(&sm).into_iter().next() else { return };
        let suite = sm.dir.path().join("suite");
        let record = |name: &str, more: &[&str]| {
            let words = ["fixture", "record", &root, "--tree", "--name", name, "-o", word(&suite)];
            sm.json(&[&words[..], more].concat())
        };
        let (plain, redacted) = (record("plain", &[]), record("redacted", &["--redact"]));
        let read = |done: &serde_json::Value, what: &str| {
            fs::read_to_string(done[what].as_str().expect("a path")).expect("the file")
        };
        let changed = changed_words(&read(&plain, "golden"), &read(&redacted, "golden"));
        for (old, new) in &changed {
            let known = new.starts_with("00000000-") || new == "workspace" || new == "user";
            assert!(known, "{}: {old} became {new}", tap.display());
        }
        let text = read(&redacted, "transcript");
        for traces in ["/repo\"", "/repo/", "/home/dev", "01a1fc"] {
            assert!(!text.contains(traces), "{}: {traces} is left", tap.display());
        }
        assert!(redacted["redacted"]["ids"]["distinct"].as_u64() > Some(0));
        assert_eq!(read(&record("again", &["--redact"]), "transcript"), text);
        sm.json(&["fixture", "check", word(&suite)]);
    });
}

/// Session T1, recorded as a fixture that is redacted.
struct Redacted {
    sm: Sm,
    suite: PathBuf,
    done: serde_json::Value,
    transcript: String,
}

fn redacted(lines: &[String]) -> Redacted {
    let sm = Sm::new();
    sm.json(&["import", &sm.file("t.jsonl", (lines.join("\n") + "\n").as_bytes())]);
    let suite = sm.dir.path().join("suite");
    let done = sm.json(&["fixture", "record", "T1", "--redact", "--name", "x", "-o", word(&suite)]);
    let transcript = fs::read_to_string(suite.join("x.tap.jsonl")).expect("the transcript");
    Redacted { sm, suite, done, transcript }
}

#[test]
fn secrets_are_taken_out_wherever_they_stand() {
    let secrets = [
        "sk-proj-abcdefghijklmnop1234",
        "ghp_abcdefghijklmnopqrst12",
        "hunter22hunter",
        "alice@corp.example.org",
        "/home/alice/work",
        "alice",
        "10.20.30.40",
    ];
    let item = r#"{"method":"item/completed","params":{"threadId":"T1","turnId":"u1","item":"#;
    let lines = [
        r#"{"method":"thread/started","params":{"thread":{"id":"T1","cwd":"/home/alice/work/app"}}}"#.to_owned(),
        r#"{"method":"turn/started","params":{"threadId":"T1","turn":{"id":"u1"}}}"#.to_owned(),
        r#"{"method":"item/started","params":{"threadId":"T1","turnId":"u1","item":{"type":"agentMessage","id":"m1","text":""}}}"#.to_owned(),
        r#"{"method":"item/agentMessage/delta","params":{"threadId":"T1","turnId":"u1","itemId":"m1","delta":"use sk-proj-abcde"}}"#.to_owned(),
        r#"{"method":"item/agentMessage/delta","params":{"threadId":"T1","turnId":"u1","itemId":"m1","delta":"fghijklmnop1234 for alice"}}"#.to_owned(),
        format!(r#"{item}{{"type":"agentMessage","id":"m1","text":"use sk-proj-abcdefghijklmnop1234 for alice"}}}}}}"#),
        format!(r#"{item}{{"type":"commandExecution","id":"c1","status":"completed","exitCode":0,"command":"/bin/bash -lc 'curl -H \"Authorization: Bearer ghp_abcdefghijklmnopqrst12\" http://10.20.30.40/'","cwd":"/home/alice/work/app","aggregatedOutput":"hunter22hunter\nalice@corp.example.org\n"}}}}}}"#),
        format!(r#"{item}{{"type":"fileChange","id":"f1","status":"completed","changes":[{{"path":"/home/alice/work/app/.env","kind":{{"type":"add"}},"diff":"DB_PASSWORD=hunter22hunter\nA=1\n"}}]}}}}}}"#),
        r#"{"method":"turn/completed","params":{"threadId":"T1","turn":{"id":"u1","status":"completed"}}}"#.to_owned(),
    ];
    let Redacted { sm, suite, done, transcript } = redacted(&lines);
    let golden = fs::read_to_string(suite.join("golden/x.tap.txt")).expect("the golden text");
    for secret in secrets {
        assert!(!transcript.contains(secret), "{secret} is left:\n{transcript}");
        assert!(!golden.contains(secret), "{secret} is left:\n{golden}");
    }
    // The pieces of the message, put together, are the message.
    assert!(transcript.contains(r#""text":"use REDACTED-KEY-1 for user""#), "{transcript}");
    let deltas: Vec<&str> = transcript
        .lines()
        .filter_map(|line| line.split_once(r#""delta":""#)?.1.split('"').next())
        .collect();
    assert_eq!(deltas.concat(), "use REDACTED-KEY-1 for user");
    assert!(golden.contains("[add /workspace/.env +2 -0]"), "{golden}");
    let counted = |kind: &str| done["redacted"][kind]["distinct"].as_u64().unwrap_or(0);
    for (kind, count) in
        [("keys", 1), ("tokens", 1), ("secrets", 1), ("emails", 1), ("addresses", 1), ("users", 1)]
    {
        assert_eq!(counted(kind), count, "{kind}: {}", done["redacted"]);
    }
    let shown = sm.run(&["fixture", "record", "T1", "--redact", "--name", "y", "-o", word(&suite)]);
    assert!(
        shown.text().contains("1 key, in 2 places, first in line 4")
            && shown.err.contains("read it before"),
        "{}",
        shown.err
    );
}

/// Members of tools, escaped texts, a shorter secret beside it.
#[test]
fn nothing_hides_behind_a_members_name_an_escape_or_another_secret() {
    let gone = [
        "hunter2222",
        "9f3a",
        "prod-db-7",
        "wilhelmina",
        "gertrude",
        "secretco/app",
        "corp.io",
        "sk-proj",
        "zzzz1111",
        "abcdefghijkl123456",
        "correct horse",
        "battery",
        "38afes",
        "topsecret77",
        "b3BlbnNz",
        "2001:db8:85a3",
    ];
    let output = concat!(
        "DB_PASSWORD=hunter2222\nADMIN_PASSWORD=hunter2222-prod-9f3a\nHOSTNAME=prod-db-7\n",
        "USERNAME=wilhelmina\nLOGNAME=gertrude\n{\"password\": \"correct horse battery\"}\n",
        "Cookie: sid=38afes7; a=b\nmysql --password topsecret77\n2001:db8:85a3::8a2e:370:7334\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n",
        "at %2Fhome%2Fgertrude3%2Fx, gertrude@prod-db-7, /opt/secretco/app/z\n",
    );
    // The same again, as a program prints JSON, and within that JSON once more.
    let once = serde_json::to_string(output).expect("JSON");
    let twice = serde_json::json!({"p": "C:\\Users\\wilhelmina\\x", "inner": once}).to_string();
    let item = |item: serde_json::Value| {
        let params = serde_json::json!({"threadId": "T1", "turnId": "u1", "item": item});
        serde_json::json!({"method": "item/completed", "params": params}).to_string()
    };
    let command = |id: &str, output: &str| {
        item(serde_json::json!({
            "type": "commandExecution", "id": id, "status": "completed", "exitCode": 0,
            "command": "env", "cwd": "/opt/secretco/app", "aggregatedOutput": output,
        }))
    };
    let lines = [
        r#"{"method":"thread/started","params":{"thread":{"id":"T1"}}}"#.to_owned(),
        r#"{"method":"turn/started","params":{"threadId":"T1","turn":{"id":"u1"}}}"#.to_owned(),
        command("c1", output),
        command("c2", &once),
        command("c3", &twice),
        item(serde_json::json!({
            "type": "mcpToolCall", "id": "m1", "server": "s", "tool": "t", "status": "completed",
            "arguments": {
                "status": "deployed by w@corp.io", "type": "sk-proj-ABCDEFGHIJKL12345678",
                "headers": {"x-auth": "zzzz1111yyyy"}, "kind": "/home/gertrude4/q", "role": "wilhelmina",
                "phase": "Bearer abcdefghijkl123456", "model": "/opt/secretco/app",
            },
        })),
        r#"{"method":"turn/completed","params":{"threadId":"T1","turn":{"id":"u1","status":"completed"}}}"#.to_owned(),
    ];
    let Redacted { sm, suite, done, transcript } = redacted(&lines);
    for secret in gone {
        assert!(!transcript.contains(secret), "{secret} is left:\n{transcript}");
    }
    for kept in
        [r#""type":"mcpToolCall""#, r#""status":"completed""#, "/workspace/z", r"C:\\\\Users"]
    {
        assert!(transcript.contains(kept), "{kept} is gone:\n{transcript}");
    }
    let secrets = &done["redacted"]["secrets"];
    assert_eq!((&secrets["distinct"], &secrets["first_line"]), (&6.into(), &3.into()), "{secrets}");
    assert_eq!(sm.json(&["fixture", "check", word(&suite)])["equal"], true);
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let sm = Sm::new();
    let ran = sm.run(&["fixture", "record", "nobody", "--json"]);
    assert_eq!((ran.code, ran.error()["code"].as_str()), (5, Some("not_found")));
    sm.json(&[
        "import",
        &sm.file(
            "t.jsonl",
            b"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"T1\"}}}\n",
        ),
    ]);
    let ran = sm.run(&["fixture", "record", "T1", "--name", "a/b", "--json"]);
    assert_eq!((ran.code, ran.error()["code"].as_str()), (2, Some("usage")));
}

/// What this build has no number for is counted by name, and the doctor lists it.
#[test]
fn the_doctor_lists_methods_without_a_kind_of_their_own() {
    let sm = Sm::new();
    let path = recorded("0.169.0").join("hooks.jsonl");
    let text = fs::read_to_string(&path).expect("a transcript");
    sm.json(&["import", word(&path)]);
    let later = "{\"method\":\"later/thing\",\"params\":{}}\n{\"id\":1,\"method\":\"later/ask\",\"params\":{}}\n";
    sm.json(&["import", &sm.file("later.jsonl", later.as_bytes())]);
    let doctor = sm.json(&["doctor"]);
    let listed = doctor["checks"]["unknown_methods"]["details"].as_object().expect("a list");
    for method in ["configWarning", "remoteControl/status/changed"] {
        let count = text.lines().filter(|line| line.contains(&format!("\"{method}\""))).count();
        assert!(count > 0 && listed[method] == count, "{method}: {listed:?}");
    }
    assert_eq!((&listed["later/thing"], &listed["later/ask"]), (&1.into(), &1.into()));
    for method in ["turn/started", "hook/started"] {
        assert!(!listed.contains_key(method), "{listed:?}");
    }
    let shown = sm.run(&["doctor"]).text();
    assert!(shown.contains("later/ask") && shown.contains("configWarning"), "{shown}");
}
