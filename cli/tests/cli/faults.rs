//! A Codex that misbehaves, with `examples/fake_codex` in its place: what is told, and that the log has
//! all that it said.

use crate::folding::daemon;
use crate::requests::{Stage, recorded};
use crate::support::{Ran, Sm, ran};
use serde_json::{Value, json};

/// A session whose first turn is over.
fn begun(stage: &Stage) -> String {
    let ran = stage.spawn("hello");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let spawned: Value = serde_json::from_slice(&ran.out).expect("a document");
    let id = spawned["id"].as_str().expect("an id").to_owned();
    assert_eq!(stage.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    id
}

/// A session that is idle on a Codex which fails as told from now on.
fn failing(method: &str, fault: impl Into<Value>) -> (Stage, String) {
    let stage = Stage::new(&json!({}));
    let id = begun(&stage);
    let script = stage.sm.dir.path().join("bin/codex.json");
    std::fs::write(script, json!({ "faults": { method: fault.into() } }).to_string())
        .expect("a file");
    (stage, id)
}

/// What became of an input.
fn sent(ran: &Ran) -> Value {
    let document: Value = serde_json::from_slice(&ran.out).expect("a document");
    document["inputs"][0].clone()
}

/// What came from the server, byte by byte.
fn raw(sm: &Sm) -> Vec<u8> {
    sm.run(&["replay", "--raw"]).out
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|window| *window == needle).count()
}

#[test]
fn an_error_in_answer_to_an_input_is_told_in_codexs_words() {
    let (stage, id) = failing("turn/start", "error");
    let ran = stage.sm.run(&["send", &id, "again", "--json"]);
    let told = sent(&ran);
    assert_eq!((ran.code, told["status"].as_str()), (1, Some("failed")), "{told}");
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("scripted failure")), "{told}");
    assert_eq!(count(&raw(&stage.sm), b"scripted failure"), 1);
    assert_eq!(stage.sm.json(&["show", &id])["session"]["activity_state"], "idle");
}

#[test]
fn a_word_that_a_release_does_not_know_has_a_remedy_that_works() {
    let message = "Invalid request: unknown variant `bogus`, expected one of `none`, `low`";
    let error = json!({ "error": { "code": -32600, "message": message } });
    let stage = Stage::new(&json!({}));
    let id = begun(&stage);
    let faults = json!({ "faults": { "turn/start": error, "thread/settings/update": "unknown" } });
    std::fs::write(stage.sm.dir.path().join("bin/codex.json"), faults.to_string()).expect("a file");
    let ran = stage.sm.run(&["send", &id, "again", "--effort", "bogus"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("knows no \"bogus\"; it takes none, low"), "{}", ran.err);
    assert!(ran.err.contains(&format!("set {id} --effort WORD")), "{}", ran.err);
    // Nor is it kept, whatever else would have taken it.
    let error = stage.refused(&["set", &id, "--effort", "bogus"], 1, "unsupported");
    assert_eq!(error["details"]["known"], json!(["none", "low"]));
    assert!(stage.sm.json(&["show", &id])["session"]["kept"]["effort"].is_null());
    assert_eq!(stage.sm.json(&["replay", "--verify"])["equal"], true);
    // Of a session that no Codex has loaded nobody is asked, which is said.
    assert_eq!(stage.sm.run(&["stop", &id]).code, 0);
    let set = stage.sm.json(&["set", &id, "--effort", "bogus"]);
    assert!(set.to_string().contains("no Codex was asked"), "{set}");
}

#[test]
fn codexs_words_reach_the_terminal_as_words() {
    let odd = "boom\u{1b}[2K\u{202e}\nsm: all is well [ok]";
    for (error, told) in [
        (
            json!({ "code": -32603, "message": odd }),
            "boom\u{fffd}[2K\u{fffd}\n    │ sm: all is well",
        ),
        // Not made as JSON-RPC says, and told all the same.
        (json!("plain words"), "plain words"),
        (json!({ "code": 7, "data": "more" }), r#"{"code":7,"data":"more"}"#),
    ] {
        let stage = Stage::new(&json!({ "faults": { "thread/start": { "error": error } } }));
        let cwd = stage.sm.dir.path().to_str().expect("a plain path");
        let ran = stage.sm.run(&["spawn", "hello", "--cwd", cwd]);
        assert!(ran.code == 1 && ran.err.contains(told), "{}", ran.err);
        assert!(!ran.err.contains(['\u{1b}', '\u{202e}']), "{:?}", ran.err);
    }
}

#[test]
fn a_session_whose_turn_cannot_be_ended_is_not_called_stopped() {
    let (stage, id) = failing("turn/interrupt", "error");
    let go = stage.sm.dir.path().join("go");
    let line = format!("until test -e {}; do sleep 0.1; done", go.display());
    stage.sm.run(&["send", &id, &json!({ "run": line }).to_string()]);
    let ran = stage.sm.run(&["stop", &id]);
    assert!(ran.code != 0 && ran.err.contains("was not stopped: "), "{}", ran.err);
    let open = |session: &Value| {
        matches!(session["activity_state"].as_str(), Some("working" | "thinking"))
    };
    assert!(open(&stage.sm.json(&["show", &id])["session"]));
    assert_eq!(count(&raw(&stage.sm), b"thread/closed"), 0, "it is heard to its end");
    std::fs::write(go, "").expect("a file");
    assert_eq!(stage.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
}

#[test]
fn what_failed_is_off_the_list_once_it_is_dismissed_or_sent_again() {
    let (stage, id) = failing("turn/start", "error");
    let sm = &stage.sm;
    let send = |words: &[&str]| {
        let told = sent(&sm.run(&[&["send", &id, "again", "--json"], words].concat()));
        (told["id"].as_str().expect("an id").to_owned(), told["status"].clone())
    };
    let undelivered = || {
        let rows = sm.json(&["queue"])["undelivered"].clone();
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let (plain, keyed) = (send(&[]).0, send(&["--key", "once"]).0);
    assert_eq!(undelivered(), [keyed.as_str(), plain.as_str()]);
    let newest = sm.json(&["queue", "-n", "1"]);
    assert_eq!(newest["undelivered"].as_array().map(Vec::len), Some(1));
    let said = "the newest 1 of 2 that were not taken; more: sm queue -n 2";
    assert_eq!(newest["warnings"], json!([said]));
    assert!(sm.run(&["queue", "-n", "1"]).err.contains(said));
    let told = sm.json(&["queue", "cancel", &plain]);
    assert_eq!(told["results"][0]["result"]["status"], "cancelled");
    assert_eq!(undelivered(), [keyed.as_str()]);
    assert_eq!(sm.run(&["queue", "cancel", &plain]).code, 6);
    std::fs::write(sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
    let (newest, status) = send(&["--key", "once"]);
    assert!(status == "started" && newest != keyed);
    assert!(undelivered().is_empty());
    let again = sm.run(&["queue", "retry", &keyed, "--json"]);
    assert_eq!((again.code, again.error()["code"].as_str()), (6, Some("key_reused")));
}

#[test]
fn a_stopped_session_is_not_loaded_by_a_retry_either() {
    let (stage, id) = failing("turn/start", "error");
    let failed = sent(&stage.sm.run(&["send", &id, "again", "--json"]));
    let failed = failed["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["stop", &id]).code, 0);
    for words in [["send", &id, "again", "--json"], ["queue", "retry", failed, "--json"]] {
        let refused = stage.sm.run(&words);
        assert_eq!((refused.code, refused.error()["code"].as_str()), (8, Some("session_dead")));
    }
    assert_eq!(stage.sm.json(&["show", &id])["session"]["activity_state"], "stopped");
    assert_eq!(stage.sm.json(&["queue"])["undelivered"][0]["status"], "failed");
}

#[test]
fn a_message_to_a_session_whose_server_has_just_died_is_tried_again() {
    let (stage, id) = failing("turn/start", "error");
    let script = stage.sm.dir.path().join("bin/codex.json");
    std::fs::write(&script, json!({ "dies": "not today" }).to_string()).expect("a file");
    let servers = stage.sm.json(&["serve", "--status"]);
    let pid = servers["servers"][0]["pid"].as_i64().expect("its pid");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it ran");
    let told = sent(&stage.sm.run(&["send", &id, "again", "--json"]));
    assert_eq!(told["status"], "queued", "{told}");
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("not today")), "{told}");
    std::fs::write(&script, "{}").expect("a file");
    let cursor = told["cursor"].as_str().expect("a cursor");
    let waited = stage.sm.run(&["wait", &id, "--after", cursor, "--timeout", "60"]);
    assert_eq!(waited.code, 0, "{}{}", waited.text(), waited.err);
    assert_eq!(stage.sm.run(&["result", &id]).text(), "again");
}

#[test]
fn nonsense_is_kept_as_it_came_and_ends_nothing() {
    let (stage, id) = failing("turn/start", "nonsense");
    let ran = stage.sm.run(&["send", &id, "again", "--json"]);
    let told = sent(&ran);
    // Codex took it, as what nobody knows: a repeat under its key would not be sent.
    assert_eq!((ran.code, told["status"].as_str()), (1, Some("unknown")), "{told}");
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("names no turn")), "{told}");
    let raw = raw(&stage.sm);
    for line in [&b"\n}{ no message\n"[..], b"\n\xff\xfe\n", b"\n[1, 2]\n\n", b"of nobody's call"] {
        assert_eq!(count(&raw, line), 1, "{}", String::from_utf8_lossy(line));
    }
    // What it says in good form counts again.
    let script = stage.sm.dir.path().join("bin/codex.json");
    std::fs::write(script, "{}").expect("a file");
    assert_eq!(stage.sm.run(&["send", &id, "once more"]).code, 0);
    assert_eq!(stage.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(stage.sm.run(&["result", &id]).text(), "once more");
    assert_eq!(stage.sm.json(&["replay", "--verify"])["equal"], true);
}

#[test]
fn a_death_between_call_and_answer_leaves_the_input_unknown() {
    let (stage, id) = failing("turn/start", "exit");
    let ran = stage.sm.run(&["send", &id, "again", "--json"]);
    let told = sent(&ran);
    assert_eq!((ran.code, told["status"].as_str()), (1, Some("unknown")), "{told}");
    assert_eq!(ran.error()["code"], "answer_lost");
    assert!(ran.error()["message"].as_str().is_some_and(|words| words.contains("is not known")));
    let why = told["reason"].as_str().expect("a reason");
    assert!(why.contains("ended before it answered turn/start"), "{why}");
    // It was sent once, and is not sent again to the server that takes its place.
    std::fs::write(stage.sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
    assert_eq!(stage.sm.run(&["resume", &id]).code, 0);
    assert_eq!(stage.sm.run(&["send", &id, "third"]).code, 0);
    assert_eq!(stage.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(count(&raw(&stage.sm), b"\"text\":\"again\""), 1);
    assert!(stage.sm.run(&["replay"]).text().contains("exited with 9"));
}

#[test]
fn a_message_whose_daemon_died_may_be_sent_again_only_under_a_key() {
    let (stage, id) = failing("turn/start", "silent");
    let sm = &stage.sm;
    for (key, remedy) in [(None, "queue shows what waits"), (Some("once"), "taken once")] {
        let sent = count(&raw(sm), b"\"turn/start\"");
        let mut words = vec!["send", &id, "again", "--json"];
        words.extend(key.iter().flat_map(|key| ["--key", key]));
        let mut command = sm.command(&words);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let sender = command.spawn().expect("sm runs");
        until("it is sent", || count(&raw(sm), b"\"turn/start\"") > sent);
        rustix::process::kill_process(daemon(sm), rustix::process::Signal::KILL).expect("it ran");
        let error = ran(sender.wait_with_output().expect("it ends")).error();
        assert_eq!(
            (&error["code"], &error["details"]["answer_lost"]),
            (&json!("daemon_away"), &json!(true))
        );
        assert_eq!(error["retryable"], key.is_some(), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains(remedy)), "{error}");
        until("another one runs", || sm.run(&["serve"]).code == 0);
    }
}

#[test]
fn what_codex_told_of_a_message_counts_for_more_than_the_error_that_follows() {
    for fault in ["error", "overloaded", "exit"] {
        let (stage, id) = failing("turn/start", json!({ "told": fault }));
        let told = sent(&stage.sm.run(&["send", &id, "again", "--json"]));
        assert_eq!(told["status"], "started", "{fault}: {told}");
        assert!(told["turn_id"].is_string(), "{fault}: {told}");
        std::fs::write(stage.sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
        until("the next one is taken", || stage.sm.run(&["send", &id, "third"]).code == 0);
        assert_eq!(stage.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
        assert_eq!(count(&raw(&stage.sm), b"\"turn/start\""), 3, "{fault}");
        assert_eq!(stage.sm.json(&["queue"])["undelivered"], json!([]), "{fault}");
    }
}

#[test]
fn a_thread_that_cannot_be_made_is_told_and_leaves_no_session() {
    for (fault, code, exit) in
        [("error", "codex_error", 1), ("nonsense", "codex_error", 1), ("exit", "codex_died", 9)]
    {
        let stage = Stage::new(&json!({ "faults": { "thread/start": fault } }));
        let ran = stage.spawn("hello");
        let error = ran.error();
        assert_eq!((ran.code, error["code"].as_str()), (exit, Some(code)), "{fault}: {error}");
        assert!(error["hint"].is_string(), "{fault}: {error}");
        assert_eq!(stage.sm.json(&["ps", "--all"])["sessions"], json!([]), "{fault}");
    }
}

#[test]
fn a_prompt_that_is_not_taken_is_told_by_the_code_of_its_cause() {
    for (fault, code, exit) in [("error", "codex_error", 1), ("exit", "codex_died", 9)] {
        let stage = Stage::new(&json!({ "faults": { "turn/start": fault } }));
        let ran = stage.spawn("hello");
        let error = ran.error();
        assert_eq!((ran.code, error["code"].as_str()), (exit, Some(code)), "{fault}: {error}");
        let sessions = stage.sm.json(&["ps", "--all"])["sessions"].clone();
        assert_eq!(error["details"]["session_id"], sessions[0]["id"], "{fault}: {error}");
        assert!(error["hint"].is_string(), "{fault}: {error}");
    }
}

#[test]
fn a_full_standard_error_stops_nothing_and_is_not_kept() {
    let stage = Stage::new(&json!({}));
    let ran = stage.spawn(&json!({ "stderr": 64 << 20 }).to_string());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let spawned: Value = serde_json::from_slice(&ran.out).expect("a document");
    let id = spawned["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    assert_eq!(stage.sm.run(&["result", id]).text(), "said");
    let log = std::fs::metadata(stage.sm.home().join("run/daemon.log")).expect("a file");
    assert!(log.len() < 1 << 20, "{} bytes", log.len());
}

#[test]
fn a_flood_of_deltas_is_recorded_whole() {
    const DELTAS: u64 = 200_000;
    let stage = Stage::new(&json!({}));
    let ran = stage.spawn(&json!({ "deltas": DELTAS }).to_string());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let spawned: Value = serde_json::from_slice(&ran.out).expect("a document");
    let id = spawned["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["wait", id, "--timeout", "300"]).code, 0);
    assert_eq!(stage.sm.run(&["result", id]).text(), "flooded");
    let raw = raw(&stage.sm);
    let text = String::from_utf8(raw).expect("JSON lines");
    let deltas = text.lines().filter(|line| line.contains("item/agentMessage/delta"));
    let mut next = 0;
    for line in deltas {
        assert!(line.contains(&format!("\"delta\":\"{next} \"")), "{line}");
        next += 1;
    }
    assert_eq!(next, DELTAS);
}

#[test]
fn an_interrupt_that_fails_lets_go_only_what_it_held_itself() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let method = "item/commandExecution/requestApproval";
    let params = recorded("approvals.tap.jsonl", method, 0);
    let asks = json!({ "method": method, "params": params }).to_string();
    let (id, _) = stage.asks(method, &params);
    let queue = |words: &[&str]| {
        let told = sent(&sm.run(&[&["send", &id, "--json"], words].concat()));
        told["id"].as_str().expect("an id").to_owned()
    };
    let held = |input: &str| {
        let rows = sm.json(&["queue", &id])["inputs"].clone();
        let row = rows.as_array().expect("a list").iter().find(|row| row["id"] == input).cloned();
        row.expect("it waits")["held"] == true
    };
    let first = queue(&["one", "--queue"]);
    assert_eq!(sm.run(&["interrupt", &id]).code, 0);
    assert!(held(&first));
    // Past it, another turn; behind it, another message.
    assert_eq!(sm.run(&["send", &id, "--urgent", &asks]).code, 0);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let second = queue(&["two", "--queue"]);
    assert!(held(&second));
    let script = sm.dir.path().join("bin/codex.json");
    std::fs::write(script, json!({ "faults": { "turn/interrupt": "error" } }).to_string())
        .expect("a file");
    assert_ne!(sm.run(&["interrupt", &id]).code, 0);
    assert!(held(&first) && held(&second));
    // One that came behind those that are held says why it waits as long as it is held.
    let third = queue(&["three", "--queue"]);
    let reason = |input: &str| sm.json(&["queue", "show", input])["reason"].clone();
    assert!(reason(&third).as_str().is_some_and(|reason| reason.starts_with("held")));
    // One that is taken back stays so, whatever is held or let go.
    assert_eq!(sm.run(&["queue", "cancel", &second]).code, 0);
    assert_eq!(sm.run(&["queue", "release", &id]).code, 0);
    assert!(!held(&first) && !held(&third));
    assert!(reason(&third).as_str().is_some_and(|reason| reason.starts_with("request ")));
    assert_eq!(sm.json(&["queue", "show", &second])["status"], "cancelled");
}

/// Has Codex fail as told from now on.
fn now_fails(sm: &Sm, method: &str, fault: impl Into<Value>) {
    let script = sm.dir.path().join("bin/codex.json");
    let faults = json!({ "faults": { method: fault.into() } });
    std::fs::write(script, faults.to_string()).expect("a file");
}

/// Has the session run a command without an end.
fn busy(sm: &Sm, id: &str) {
    let line = json!({ "run": "/bin/sleep 600" }).to_string();
    assert_eq!(sm.run(&["send", id, &line]).code, 0);
    until("it is busy", || sm.json(&["show", id])["session"]["turn_id"].is_string());
}

#[test]
fn an_interrupt_that_codex_does_not_answer_launches_nothing() {
    let (stage, id) = failing("turn/interrupt", "silent");
    let sm = &stage.sm;
    busy(sm, &id);
    let waits = sent(&sm.run(&["send", &id, "next", "--queue", "--json"]));
    let ran = sm.run(&["interrupt", &id]);
    assert!(ran.code != 0 && ran.err.contains(&format!("queue release {id}")), "{}", ran.err);
    assert_eq!(input(sm, waits["id"].as_str().expect("an id"))["held"], true);
}

#[test]
fn a_stop_that_a_dying_daemon_broke_off_has_taken_nothing_back() {
    let (stage, id) = failing("thread/unsubscribe", "silent");
    let sm = &stage.sm;
    busy(sm, &id);
    let waits = sent(&sm.run(&["send", &id, "next", "--queue", "--json"]));
    let waits = waits["id"].as_str().expect("an id");
    assert_eq!(sm.run(&["interrupt", &id]).code, 0);
    let mut stop = sm.command(&["stop", &id]).spawn().expect("sm runs");
    until("Codex is asked", || count(&raw(sm), b"thread/unsubscribe") == 1);
    rustix::process::kill_process(daemon(sm), rustix::process::Signal::KILL).expect("it ran");
    assert!(!stop.wait().expect("it ends").success());
    until("another one runs", || sm.run(&["serve"]).code == 0);
    assert_eq!(input(sm, waits)["status"], "queued");
    assert_ne!(sm.json(&["show", &id])["session"]["activity_state"], "stopped");
}

#[test]
fn what_codex_was_too_busy_for_is_sent_by_the_next_daemon() {
    let (stage, id) = failing("turn/start", "overloaded");
    let sm = &stage.sm;
    let waits = sent(&sm.run(&["send", &id, "keep me", "--json"]));
    assert_eq!(waits["status"], "queued", "{waits}");
    until("it was tried again", || count(&raw(sm), b"\"turn/start\"") > 3);
    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    std::fs::write(sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
    assert_eq!(sm.run(&["serve"]).code, 0);
    until("it is taken", || sm.json(&["result", &id])["text"] == "keep me");
    assert_eq!(input(sm, waits["id"].as_str().expect("an id"))["status"], "started");
}

#[test]
fn words_for_a_running_turn_wait_for_neither_a_lost_answer_nor_for_the_next_try_by_hand() {
    let (stage, id) = failing("turn/steer", json!({ "told": "silent" }));
    let sm = &stage.sm;
    busy(sm, &id);
    let began = std::time::Instant::now();
    let told = sent(&sm.run(&["send", &id, "faster", "--steer", "--json"]));
    assert_eq!(told["status"], "steered", "{told}");
    assert!(began.elapsed().as_secs() < 30, "nobody waits for the answer");
    now_fails(sm, "turn/steer", "overloaded");
    let told = sent(&sm.run(&["send", &id, "again", "--steer", "--json"]));
    assert_eq!(told["status"], "queued", "{told}");
    assert_eq!(sm.run(&["interrupt", &id]).code, 0);
    assert_eq!(sm.run(&["queue", "release", &id]).code, 0);
    until("it has a turn", || sm.json(&["result", &id])["text"] == "again");
}

#[test]
fn a_reminder_that_codex_may_still_take_is_sent_again_only_once_that_codex_is_gone() {
    let (stage, id) = failing("turn/start", "silent");
    let sm = &stage.sm;
    assert_eq!(sm.run(&["remind", &id, "milk", "--in", "0s"]).code, 0);
    let status = || sm.json(&["queue", &id])["undelivered"][0]["status"].clone();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while status() != "unknown" {
        assert!(std::time::Instant::now() < deadline, "{}", sm.json(&["queue", &id]));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    std::fs::write(sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
    until("another one has a turn", || {
        sm.run(&["send", &id, "bread"]).code == 0 && sm.json(&["result", &id])["text"] == "bread"
    });
    assert_eq!(status(), "unknown");
    assert_eq!(count(&raw(sm), b"\"text\":\"milk\""), 1);
    let servers = sm.json(&["serve", "--status"]);
    let pid = servers["health"]["servers"][0]["pid"].as_i64().expect("its pid");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
    until("it has a turn", || sm.json(&["result", &id])["text"] == "milk");
}

#[test]
fn what_could_not_be_given_back_is_not_lent() {
    // It tells of no approvals.
    let stage = Stage::new(&json!({}));
    let id = begun(&stage);
    let ran = stage.sm.run(&["send", &id, "free", "--approval", "never", "--json"]);
    assert_eq!(ran.error()["code"], "unsupported", "{}", ran.err);
    assert_eq!(stage.sm.run(&["set", &id, "--approval", "on-request"]).code, 0);
    assert_eq!(stage.sm.run(&["send", &id, "free", "--approval", "never"]).code, 0);
}

/// What a queue's document says of an input.
fn input(sm: &Sm, id: &str) -> Value {
    sm.json(&["queue", "show", id])
}

#[test]
fn a_message_whose_turn_was_cut_off_before_it_was_told_of_is_unknown() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let ran = sm.run(&["send", &id, "again", "--key", "once", "--json"]);
    let message = sent(&ran)["id"].as_str().expect("an id").to_owned();
    let began = std::time::Instant::now();
    while input(sm, &message)["status"] != "unknown" {
        assert!(began.elapsed().as_secs() < 60, "{}", input(sm, &message));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // The turn that Codex answered with is accounted for, and the sender's repeat is told no lie.
    let turns = sm.json(&["turns", &id]);
    let turns = turns["turns"].as_array().expect("turns");
    assert_eq!(turns.last().expect("the one that was cut off")["outcome"], "lost", "{turns:?}");
    let again = sm.run(&["send", &id, "again", "--key", "once", "--json"]);
    assert_eq!(sent(&again)["status"], "unknown");
    assert_ne!(again.code, 0);
}

/// Sends a message whose turn is cut off before Codex tells of it.
fn cut_off(sm: &Sm, id: &str) -> String {
    let ran = sm.run(&["send", id, "again", "--json"]);
    sent(&ran)["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_message_that_was_cut_off_is_doubted_also_behind_a_turn_that_no_message_began() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let script = sm.dir.path().join("bin/codex.json");
    // The lost message is looked for when the session is loaded again: it is not, until later.
    let faults = json!({ "faults": { "turn/start": "cut", "thread/resume": "error" } });
    std::fs::write(&script, faults.to_string()).expect("a file");
    let message = cut_off(sm, &id);
    std::fs::write(&script, "{}").expect("a file");
    until("it may be compacted", || sm.run(&["compact", &id]).code == 0);
    until("the message is unknown", || input(sm, &message)["status"] == "unknown");
    let listed = sm.json(&["queue", &id])["undelivered"].clone();
    assert_eq!(listed[0]["id"], message.as_str(), "{listed}");
}

#[test]
fn a_message_that_was_cut_off_is_unknown_also_where_its_session_is_stopped_at_once() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let faults = json!({ "dies": "not today", "faults": { "turn/start": "cut" } });
    let message = cut_off(sm, &id);
    std::fs::write(sm.dir.path().join("bin/codex.json"), faults.to_string()).expect("a file");
    until("it is stopped", || sm.run(&["stop", &id]).code == 0);
    assert_eq!(input(sm, &message)["status"], "unknown");
}

#[test]
fn a_message_that_is_tried_again_is_not_taken_for_its_first_try_by_the_next_daemon() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let message = cut_off(sm, &id);
    until("it is unknown and was looked for", || {
        let rows = sm.json(&["queue", &id])["undelivered"].clone();
        rows[0]["status"] == "unknown"
            && rows[0]["reason"].as_str().is_some_and(|why| why.contains("does not have it"))
    });
    let first = input(sm, &message)["turn_id"].clone();
    std::fs::write(sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
    let busy = json!({ "run": "/bin/sleep 600" }).to_string();
    until("it is sent", || sm.run(&["send", &id, &busy]).code == 0);
    until("it is busy", || sm.json(&["show", &id])["session"]["turn_id"].is_string());
    assert_eq!(sm.run(&["queue", "retry", &message]).code, 0);
    assert_eq!(input(sm, &message)["status"], "queued");
    rustix::process::kill_process(daemon(sm), rustix::process::Signal::KILL).expect("it ran");
    until("another one runs", || sm.run(&["serve"]).code == 0);
    until("it is delivered", || sm.json(&["result", &id])["text"] == "again");
    let now = input(sm, &message);
    assert!(now["status"] == "started" && now["turn_id"] != first, "{now}");
}

#[test]
fn a_message_whose_record_is_damaged_is_shown_by_its_first_line_and_its_key_still_names_it() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let spawned: Value = serde_json::from_slice(&stage.spawn("hello").out).expect("a document");
    let id = spawned["id"].as_str().expect("an id");
    assert_eq!(sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    let send =
        || sm.json(&["send", id, "the first\nthe second", "--key", "once"])["inputs"][0].clone();
    let input = send()["id"].as_str().expect("an id").to_owned();
    assert_eq!(sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    let show = || sm.json(&["queue", "show", &input]);
    assert_eq!(
        (&show()["text"], &show()["text_trimmed"]),
        (&json!("the first\nthe second"), &json!(false))
    );
    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    let mut segments = std::fs::read_dir(sm.home().join("log")).expect("a log").flatten();
    let segment = segments.find(|file| file.path().extension().is_some_and(|ext| ext == "seg"));
    let segment = segment.expect("a segment").path();
    let mut bytes = std::fs::read(&segment).expect("bytes");
    let words = br"the first\nthe second";
    let at = bytes.windows(words.len()).position(|found| found == words).expect("its record");
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).expect("a file");
    assert_eq!((&show()["text"], &show()["text_trimmed"]), (&json!("the first…"), &json!(true)));
    assert!(sm.run(&["queue", "show", &input]).err.contains("can no longer be read"));
    let again = send();
    assert_eq!((&again["id"], &again["repeated"]), (&json!(input), &json!(true)));
}

#[test]
fn what_waits_behind_a_lost_message_says_why() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let script = sm.dir.path().join("bin/codex.json");
    let message = cut_off(sm, &id);
    until("it was looked for", || {
        input(sm, &message)["reason"].as_str().is_some_and(|why| why.contains("does not have it"))
    });
    let faults = json!({ "faults": { "turn/start": "cut", "thread/read": "error" } });
    std::fs::write(&script, faults.to_string()).expect("a file");
    let second = cut_off(sm, &id);
    until("that one is unknown, too", || input(sm, &second)["status"] == "unknown");
    std::fs::write(&script, json!({ "faults": { "thread/read": "error" } }).to_string())
        .expect("a file");
    until("another one waits and says for what", || {
        let behind = sent(&sm.run(&["send", &id, "behind", "--json", "--key", "behind"]));
        behind["reason"].as_str().is_some_and(|why| why.contains("scripted failure"))
    });
    std::fs::write(&script, "{}").expect("a file");
    until("it is delivered", || sm.json(&["result", &id])["text"] == "behind");
}

#[test]
fn where_a_release_tells_of_no_thread_a_lost_message_stays_unknown_and_the_next_one_goes() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let script = sm.dir.path().join("bin/codex.json");
    let faults = json!({ "faults": { "turn/start": "cut", "thread/read": "unknown" } });
    std::fs::write(&script, faults.to_string()).expect("a file");
    let message = cut_off(sm, &id);
    until("it is unknown", || input(sm, &message)["status"] == "unknown");
    let faults = json!({ "faults": { "thread/read": "unknown" } });
    std::fs::write(&script, faults.to_string()).expect("a file");
    until("the next one goes", || sm.run(&["send", &id, "next", "--key", "next"]).code == 0);
    until("it is answered", || sm.json(&["result", &id])["text"] == "next");
    assert_eq!(input(sm, &message)["status"], "unknown");
}

#[test]
fn a_session_that_is_dead_takes_no_message_whatever_was_lost_before() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let gone = json!({ "code": -32600, "message": "no rollout found for thread id x" });
    let faults = json!({ "faults": { "turn/start": "cut", "thread/resume": { "error": gone } } });
    std::fs::write(sm.dir.path().join("bin/codex.json"), faults.to_string()).expect("a file");
    let message = cut_off(sm, &id);
    until("it is unknown", || input(sm, &message)["status"] == "unknown");
    until("nothing waits for it any more", || {
        let ran = sm.run(&["send", &id, "more", "--json"]);
        ran.code == 8 && sm.json(&["queue", &id])["inputs"] == json!([])
    });
}

#[test]
fn what_is_sent_again_waits_behind_what_is_held() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    let message = cut_off(sm, &id);
    until("it is unknown", || input(sm, &message)["status"] == "unknown");
    std::fs::write(sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
    let busy = json!({ "run": "/bin/sleep 600" }).to_string();
    until("it is sent", || sm.run(&["send", &id, &busy]).code == 0);
    until("it is busy", || sm.json(&["show", &id])["session"]["turn_id"].is_string());
    assert_eq!(sm.run(&["send", &id, "behind", "--queue"]).code, 0);
    assert_eq!(sm.run(&["interrupt", &id]).code, 0);
    assert_eq!(sm.run(&["queue", "retry", &message]).code, 0);
    let now = input(sm, &message);
    assert!(now["status"] == "queued" && now["held"] == true, "{now}");
}

#[test]
fn a_reminder_whose_turn_was_cut_off_is_sent_again_until_it_is_told_of() {
    let (stage, id) = failing("turn/start", "cut");
    let sm = &stage.sm;
    assert_eq!(sm.run(&["remind", &id, "milk", "--in", "0s"]).code, 0);
    let began = std::time::Instant::now();
    let lost = |sm: &Sm| {
        let turns = sm.json(&["turns", &id])["turns"].clone();
        turns.as_array().expect("turns").iter().filter(|turn| turn["outcome"] == "lost").count()
    };
    while lost(sm) == 0 {
        assert!(began.elapsed().as_secs() < 60, "no turn was cut off");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::fs::write(sm.dir.path().join("bin/codex.json"), "{}").expect("a file");
    while sm.json(&["result", &id])["text"] != "milk" {
        assert!(began.elapsed().as_secs() < 60, "{}", sm.json(&["turns", &id]));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_message_whose_answer_was_lost_can_be_taken_off_the_list() {
    let (stage, id) = failing("turn/start", "exit");
    let told = sent(&stage.sm.run(&["send", &id, "lost", "--json"]));
    assert_eq!(told["status"], "unknown", "{told}");
    let lost = told["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["queue", "cancel", lost]).code, 0);
    assert_eq!(stage.sm.json(&["queue"])["undelivered"], json!([]));
}

/// Waits for a condition.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Another session on the same Codex.
fn another(stage: &Stage) -> String {
    let spawned: Value = serde_json::from_slice(&stage.spawn("hello").out).expect("a document");
    let id = spawned["id"].as_str().expect("an id").to_owned();
    assert_eq!(stage.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    id
}

#[test]
fn a_reminder_comes_while_codex_is_silent_to_another_session() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let mute = another(&stage);
    let method = "item/permissions/requestApproval";
    let (busy, _) = stage.asks(method, &recorded("permissions.tap.jsonl", method, 0));
    let faults = json!({ "faults": { "turn/start": "silent" } });
    std::fs::write(sm.dir.path().join("bin/codex.json"), faults.to_string()).expect("a file");
    let mut waits = sm.command(&["send", &mute, "no answer"]).spawn().expect("sm runs");
    until("it is sent", || count(&raw(sm), b"no answer") == 1);
    for id in [&mute, &busy] {
        assert_eq!(sm.run(&["remind", id, "remember", "--in", "0"]).code, 0);
    }
    until("the other one is reminded", || {
        let queue = sm.json(&["queue"]);
        queue["inputs"].as_array().expect("a list").iter().any(|one| one["session_id"] == *busy)
    });
    assert!(waits.try_wait().expect("it runs").is_none(), "the other one still waits");
    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    waits.wait().expect("it ends");
}
