//! The thread's life on the command line: with the real codex and a scripted model where one is
//! installed, with `examples/fake_codex` for what old releases cannot do.

use crate::live::Live;
use crate::requests::Stage;
use crate::support::{Sm, captures, each};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The folder that sessions work in, and rights that need no sandbox.
fn here(live: &Live) -> [String; 4] {
    let cwd = live.sm.dir.path().to_str().expect("a plain path").to_owned();
    ["--cwd".into(), cwd, "--sandbox".into(), "danger-full-access".into()]
}

/// `sm run` with those words.
fn run_words<'w>(words: &[&'w str], here: &'w [String; 4]) -> Vec<&'w str> {
    [&["run"], words, &here.each_ref().map(String::as_str)].concat()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn a_script_gets_the_last_message_and_the_outcome_as_exit_code() {
    let Some(live) = Live::start() else { return };
    let here = here(&live);
    let run = |words: &[&str]| live.sm.run(&run_words(words, &here));
    let kept = live.sm.dir.path().join("last.txt");
    let kept = kept.to_str().expect("a plain path");
    let ran =
        run(&["run: true\nsay: the answer", "--approval", "never", "--output-last-message", kept]);
    assert_eq!((ran.code, ran.text().as_str()), (0, "the answer"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(kept).expect("the file"), "the answer");
    let failed = run(&["fail: 400", "--output-last-message", kept]);
    assert_eq!((failed.code, failed.text().as_str()), (1, ""));
    assert!(failed.err.contains("[turn_failed]") && failed.err.contains("tail"), "{}", failed.err);
    // What another run said is not left there as this one's.
    assert_eq!(std::fs::read_to_string(kept).expect("the file"), "");
    let asks = run(&["run: touch x", "--approval", "untrusted"]);
    assert_eq!(asks.code, 3, "{}", asks.err);
    assert!(asks.err.contains("inbox"), "{}", asks.err);
    let late = run(&["slow: 20000 5", "--timeout", "1", "--json"]);
    assert_eq!(late.code, 124, "{}", late.err);
    let ended = lines(&late.text()).pop().expect("a last line");
    assert_eq!((&ended["reason"], &ended["exit_code"]), (&json!("timed_out"), &json!(124)));
    assert_eq!(ended["outcome"], "interrupted", "no turn is left running");
    for (words, code) in [
        (&["-"][..], 2),
        (&["x", "--output-schema", "/nowhere.json"], 5),
        (&["x", "--timeout", "soon"], 2),
        (&["x", "--output-last-message", "/nowhere/at/all"], 5),
        (&[], 2),
    ] {
        let ran = run(words);
        assert_eq!(ran.code, code, "{words:?}: {}", ran.err);
    }
}

#[test]
fn a_script_reads_events_as_they_come_and_gives_a_schema() {
    let Some(live) = Live::start() else { return };
    let here = here(&live);
    let schema = json!({ "type": "object", "properties": { "n": { "type": "number" } } });
    let schema_file = live.sm.file("schema.json", schema.to_string().as_bytes());
    let words = ["-", "--json", "--output-schema", &schema_file];
    let ran = live.sm.feed(&run_words(&words, &here), b"say: {\"n\": 1}");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told = lines(&ran.text());
    let (begun, ended) = (&told[0], told.last().expect("a last line"));
    assert_eq!((&begun["schema"], &begun["event"]), (&json!("sm.run/1"), &json!("begun")));
    assert_eq!((&ended["event"], &ended["result"]), (&json!("ended"), &json!("{\"n\": 1}")));
    let records = &told[1..told.len() - 1];
    assert!(records.iter().all(|record| record["schema"] == "sm.record/1"));
    let revisions: Vec<u64> =
        records.iter().filter_map(|record| record["revision"].as_u64()).collect();
    assert_eq!(revisions, (1..=records.len() as u64).collect::<Vec<_>>());
    let of = |method: &str| records.iter().find(|record| record["method"] == method);
    let sent = of("turn/start").expect("what was sent");
    assert_eq!(sent["payload"]["params"]["outputSchema"], schema);
    assert!(of("turn/completed").is_some());
    let odd = live.sm.file("odd.json", b"{");
    let ran = live.sm.run(&run_words(&["x", "--output-schema", &odd], &here));
    assert_eq!(ran.code, 2, "{}", ran.err);
}

#[test]
fn ctrl_c_interrupts_the_turn_and_not_only_the_script() {
    a_signal_interrupts_the_turn(rustix::process::Signal::INT);
}

#[test]
fn who_ends_the_script_ends_the_turn() {
    a_signal_interrupts_the_turn(rustix::process::Signal::TERM);
}

#[test]
fn a_closed_terminal_ends_the_turn() {
    a_signal_interrupts_the_turn(rustix::process::Signal::HUP);
}

#[test]
fn what_nohup_started_outlives_the_terminal() {
    let Some(live) = Live::start() else { return };
    let here = here(&live);
    let run = live.sm.command(&run_words(&["slow: 100 5", "--json"], &here));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(run.get_program());
    command.args(run.get_args()).env_clear();
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("sh runs");
    let told = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut ended = Value::Null;
    for line in std::io::BufRead::lines(told) {
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        if line["method"] == "turn/started" {
            let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            let signal = rustix::process::Signal::HUP;
            rustix::process::kill_process(pid.expect("a pid"), signal).expect("it runs");
        }
        ended = line;
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(ended["outcome"], "completed", "{ended}");
}

fn a_signal_interrupts_the_turn(signal: rustix::process::Signal) {
    let Some(live) = Live::start() else { return };
    let here = here(&live);
    let mut command = live.sm.command(&run_words(&["slow: 20000 5", "--json"], &here));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("sm runs");
    let mut told = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut next = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut told, &mut line).expect("a line");
        serde_json::from_str::<Value>(&line).expect("JSON")
    };
    let id = next()["id"].as_str().expect("an id").to_owned();
    while next()["method"] != "turn/started" {}
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), signal).expect("it runs");
    let ended = loop {
        let line = next();
        if line["event"] == "ended" {
            break line;
        }
    };
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(
        (&ended["reason"], &ended["outcome"]),
        (&json!("interrupted"), &json!("interrupted"))
    );
    assert_eq!(live.sm.json(&["show", &id])["session"]["activity_state"], "idle");
}

#[test]
fn a_reader_that_goes_away_interrupts_the_turn_and_is_no_success() {
    let Some(live) = Live::start() else { return };
    let here = here(&live);
    let mut command = live.sm.command(&run_words(&["slow: 20000 5", "--json"], &here));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("sm runs");
    let mut told = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut told, &mut line).expect("a line");
    drop(told);
    let id = serde_json::from_str::<Value>(&line).expect("JSON")["id"].clone();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let id = id.as_str().expect("an id");
    assert_eq!(live.sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    assert_eq!(live.sm.json(&["show", id])["session"]["outcome"], "interrupted");
}

#[test]
fn a_brief_is_the_same_whenever_it_is_made_and_cites_its_records() {
    let Some(live) = Live::start() else { return };
    let script = "run: false\npatch: new.txt\nsay: done so far";
    let id = live.spawn("worker", script, &["--approval", "never", "--wait"]);
    let id = id.split_whitespace().next().expect("an id").to_owned();
    let id = live.sm.json(&["show", "worker"])["session"]["id"].as_str().map_or(id, str::to_owned);
    let text = live.ok(&["handoff", "worker"]).text();
    let brief = live.sm.json(&["handoff", "worker"]);
    let log_id = brief["as_of"]["log_id"].as_str().expect("a log").to_owned();
    for words in [
        &format!("# Handoff of session {id}: worker"),
        "> run: false",
        "## Files changed",
        "new.txt` (add, +2 -0)",
        "## Commands that failed, or were not run",
        ": exit 1 [",
        "> done so far",
        "- Turn 1 completed: 1 command, 1 file change [",
        &format!("[{log_id}:N]"),
        &format!("[{log_id}:"),
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    let last = &brief["last_words"];
    assert_eq!((&last["text"], &last["turn"]), (&json!("done so far"), &json!(1)));
    // The citation leads to the record.
    let seq = last["cursor"].as_str().and_then(|cursor| cursor.split(':').nth(1)).expect("a seq");
    let record = live.ok(&["replay", "--since", seq, "--until", seq]).text();
    assert!(record.contains("done so far"), "{record}");
    // What was rolled back is left out, but for the files.
    live.ok(&["rollback", "worker", "--turns", "1"]);
    let brief = live.sm.json(&["handoff", "worker"]);
    assert_eq!((&brief["turns"], &brief["turns_dropped"]), (&json!([]), &json!(1)));
    assert_eq!(brief["files"].as_array().map(Vec::len), Some(1));
    assert!(brief["last_words"].is_null() && brief["asked"] == json!([]));
    // Nothing in it depends on whether the process lives.
    live.ok(&["serve", "--stop"]);
    let at = brief["as_of"]["seq"].to_string();
    let [mut before, mut after] =
        [["handoff", "worker", "--at", &at], ["handoff", "worker", "--at", &at]]
            .map(|words| live.sm.json(&words));
    for brief in [&mut before, &mut after] {
        brief["as_of"]["head"] = Value::Null;
    }
    assert_eq!(before, after);
}

#[test]
fn a_forks_brief_tells_what_it_took_over_as_it_was_then() {
    let Some(live) = Live::start() else { return };
    live.spawn("origin", "say: words of one", &["--approval", "never", "--wait"]);
    for words in ["two", "three"] {
        live.ok(&["send", "origin", &format!("say: words of {words}")]);
        live.ok(&["wait", "origin"]);
    }
    let origin = live.sm.json(&["show", "origin"])["session"]["id"].clone();
    let origin = origin.as_str().expect("an id");
    live.ok(&["fork", "origin", "--turn", "2", "--name", "branch"]);
    // What becomes of the origin afterwards is its own.
    live.ok(&["rollback", "origin", "--turns", "2"]);
    live.ok(&["send", "origin", "say: words of four"]);
    live.ok(&["wait", "origin"]);
    live.ok(&["send", "branch", "say: words of the branch"]);
    live.ok(&["wait", "branch"]);
    let text = live.ok(&["handoff", "branch"]).text();
    for words in [
        &format!("- Forked from: {origin}, after its turn 2; "),
        &format!("- Turn 2 of {origin} completed [") as &str,
        "- Turn 1 completed [",
        "> say: words of two",
        "  > words of one",
        "  > words of two",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(!text.contains("three") && !text.contains("four"), "{text}");
    assert!(text.trim_end().ends_with("> words of the branch"), "{text}");
    let brief = live.sm.json(&["handoff", "branch"]);
    assert_eq!(brief["forked_at"], 2);
    let of: Vec<&Value> =
        brief["turns"].as_array().expect("a list").iter().map(|turn| &turn["session_id"]).collect();
    assert_eq!(of, [&json!(origin), &json!(origin), &brief["session_id"]]);
    // A copy of the copy has both; what is taken back of them is gone from it.
    live.ok(&["fork", "branch", "--name", "twig"]);
    let back = live.ok(&["rollback", "twig", "--turns", "2"]);
    assert!(back.text().contains(": 2 that it took over from "), "{}", back.text());
    assert!(!back.err.contains("another Codex"), "{}", back.err);
    let brief = live.sm.json(&["handoff", "twig"]);
    let turns = brief["turns"].as_array().expect("a list");
    assert_eq!((turns.len(), &turns[0]["session_id"]), (1, &json!(origin)), "{brief}");
    assert_eq!(brief["last_words"]["text"], "words of one");
}

#[test]
fn a_brief_tells_what_is_left_open_and_what_each_turn_said() {
    let Some(live) = Live::start() else { return };
    let child = r#"{"prompt": "run: touch asked", "name": "kid", "approval": "untrusted"}"#;
    live.spawn("lead", &format!("dyn: sm_spawn {child}\nsay: delegated"), &["--approval", "never"]);
    // It is told that its child waits, and says something to that.
    let two = || {
        let turns = live.sm.json(&["turns", "lead"]);
        let turns = turns["turns"].as_array().expect("a list");
        turns.len() == 2 && turns.iter().all(|turn| turn["outcome"] == "completed")
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !two() {
        assert!(Instant::now() < deadline, "it is never told that its child waits");
        std::thread::sleep(Duration::from_millis(50));
    }
    let request = live.sm.json(&["inbox"])["requests"][0]["id"].clone();
    let text = live.ok(&["handoff", "lead"]).text();
    let kid = live.sm.json(&["show", "kid"])["session"]["id"].clone();
    for words in [
        &format!(
            "- request {} (command) of its agent {} kid: ",
            request.as_str().expect("an id"),
            kid.as_str().expect("an id")
        ) as &str,
        "## Tools called\n\n- `sm_spawn",
        "## Done\n\n- Turn 1 completed: 1 tool call [",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    let (_, last) = text.split_once("## Its last words").expect("there are some");
    let (answer, to_news) = last.split_once("told of its own agents").expect("both");
    assert!(answer.contains("\n> delegated\n"), "{text}");
    assert!(to_news.contains("Turn 2 ["), "{text}");
    let brief = live.sm.json(&["handoff", "lead"]);
    assert_eq!(brief["last_answer"]["text"], "delegated");
    assert_eq!(brief["turns"][0]["said"]["text"], "delegated");
    // What waits for it stands there whole.
    live.ok(&["send", "kid", "say: later\nand more", "--queue"]);
    let text = live.ok(&["handoff", "kid"]).text();
    assert!(text.contains(" that waits (queue, by user) ["), "{text}");
    assert!(text.contains("]:\n  > say: later\n  > and more\n"), "{text}");
    live.ok(&["spawn", "--name", "empty"]);
    let text = live.ok(&["handoff", "empty"]).text();
    assert!(text.contains("## Done\n\nNothing.\n"), "{text}");
}

#[test]
fn every_recorded_session_gives_a_brief() {
    let mut recorded = captures(false);
    recorded.retain(|file| {
        ["0.80.0", "0.169.0"].iter().any(|of| file.components().any(|part| part.as_os_str() == *of))
    });
    assert!(recorded.len() > 50, "{}", recorded.len());
    each(&recorded, |file| {
        let sm = Sm::new();
        let path = file.to_str().expect("a plain path");
        let imported = sm.json(&["import", path]);
        for session in imported["sessions"].as_array().expect("a list") {
            let id = session["id"].as_str().expect("an id");
            let text = sm.run(&["handoff", id]);
            assert_eq!(text.code, 0, "{path}: {}", text.err);
            assert_eq!(text.out, sm.run(&["handoff", id]).out, "{path}");
            assert!(text.text().contains("## Asked"), "{path}");
        }
    });
}

#[test]
fn every_verb_says_what_it_did() {
    let Some(live) = Live::start() else { return };
    live.spawn("worker", "say: one", &["--wait"]);
    live.ok(&["send", "worker", "say: two"]);
    live.ok(&["wait", "worker"]);
    assert!(live.ok(&["name", "worker", "builder"]).text().ends_with("builder\n"));
    let fork = live.ok(&["fork", "builder", "--turn", "1", "--name", "branch"]).text();
    let shown = live.ok(&["show", fork.trim()]).text();
    assert!(shown.contains("branch") && shown.contains("forked from"), "{shown}");
    let archived = live.ok(&["archive", "branch"]).text();
    assert!(archived.contains("archived"), "{archived}");
    assert!(!live.ok(&["ps"]).text().contains("branch"));
    assert!(live.ok(&["unarchive", "branch"]).text().contains("out of the archive"));
    assert!(live.ok(&["ps"]).text().contains("branch"));
    let compacts = live.sm.json(&["compact", "builder"]);
    let cursor = compacts["sessions"][0]["cursor"].as_str().expect("a cursor").to_owned();
    live.ok(&["wait", "builder", "--after", &cursor]);
    let review = live.sm.json(&["review", "builder", "--prompt", "say: looks fine"]);
    live.ok(&["wait", "builder", "--after", review["cursor"].as_str().expect("a cursor")]);
    let goal = live.ok(&["goal", "branch", "set", "make it green", "--budget", "100"]).text();
    assert!(goal.contains("make it green") && goal.contains("of 100 tokens"), "{goal}");
    live.ok(&["goal", "branch", "clear"]);
    assert!(live.ok(&["goal", "branch"]).err.contains("has no goal"));
    // Codex lists a review as two turns; it is one.
    let back = live.ok(&["rollback", "builder", "--turns", "2"]);
    assert!(back.text().contains("rolled back by 2 turns") && back.err.contains("Files stay"));
    assert!(live.ok(&["turns", "builder"]).text().contains("rolled back"));
    assert!(live.ok(&["show", "builder"]).text().contains("2 of them rolled back"));
    for (words, code) in [
        (&["review", "builder"][..], 2),
        (&["review", "builder", "--uncommitted", "--base", "main"], 2),
        (&["rollback", "builder", "--turns", "0"], 2),
        (&["rollback", "builder", "--turns", "99"], 2),
        (&["rollback", "nobody", "--turns", "1"], 5),
        (&["fork", "builder", "--turn", "99"], 5),
        (&["name", "builder", "@x"], 2),
        (&["name", "builder", "branch"], 6),
        (&["goal", "builder", "set"], 2),
        (&["goal", "builder", "clear", "words"], 2),
        (&["goal", "builder", "--budget", "5"], 2),
    ] {
        let ran = live.sm.run(words);
        assert_eq!(ran.code, code, "{words:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
}

#[test]
fn who_waits_for_a_deleted_thread_is_not_told_to_load_it() {
    let Some(live) = Live::start() else { return };
    let id = live.spawn("gone", "say: one", &[]);
    live.ok(&["wait", &id, "--timeout", "60"]);
    live.ok(&["rpc", "thread/delete", "--session", &id]);
    let waited = live.sm.run(&["wait", &id, "--timeout", "60"]);
    assert_eq!(waited.code, 8, "{}", waited.err);
    assert!(!waited.err.contains(" resume "), "{}", waited.err);
    assert!(waited.err.contains(&format!(" handoff {id}")), "{}", waited.err);
}

#[test]
fn what_codex_tells_is_a_table_or_a_document() {
    let Some(live) = Live::start() else { return };
    let models = live.ok(&["models"]);
    assert!(
        models.text().contains("MODEL") && models.text().contains("medium*"),
        "{}",
        models.text()
    );
    let document = live.sm.json(&["models"]);
    assert_eq!(document["schema"], "sm.models/1");
    assert!(document["codex_version"].is_string() && document["session_id"].is_null());
    assert!(live.ok(&["skills"]).text().contains("SKILL"));
    assert!(live.ok(&["mcp"]).err.contains("No MCP servers"));
    let account = live.ok(&["account"]);
    assert!(account.text().contains("no account") && account.err.contains("None is needed"));
    let limits = live.sm.run(&["limits"]);
    assert_eq!(limits.code, 1);
    assert!(
        limits.err.contains("[not_logged_in]") && limits.err.contains("codex login"),
        "{}",
        limits.err
    );
    live.spawn("worker", "say: one", &["--wait"]);
    let told = live.sm.json(&["mcp", "--session", "worker"]);
    assert!(told["session_id"].is_string());
    let read = live.sm.json(&["rpc", "thread/read", "--session", "worker"]);
    let shown = live.sm.json(&["show", "worker"]);
    let thread = &shown["session"]["thread_id"];
    assert_eq!((&read["schema"], &read["answer"]["thread"]["id"]), (&json!("sm.rpc/1"), thread));
    let plain = live.sm.feed(&["rpc", "config/read", "-"], b"{\"includeLayers\": false}");
    assert_eq!(plain.code, 0, "{}", plain.err);
    assert!(serde_json::from_slice::<Value>(&plain.out).expect("JSON")["config"].is_object());
    for (words, code) in [
        (&["rpc", "turn/start"][..], 2),
        (&["rpc", "config/read", "{"], 2),
        (&["rpc", "config/read", "[]"], 2),
        (&["rpc", "no/such", "{}"], 1),
        (&["models", "--session", "nobody"], 5),
        (&["models", "--codex-home", "/nowhere/at/all"], 5),
    ] {
        let ran = live.sm.run(words);
        assert_eq!(ran.code, code, "{words:?}: {}", ran.err);
    }
}

#[test]
fn without_a_codex_it_is_said_what_to_do() {
    let sm = Sm::new();
    for verb in ["models", "mcp", "limits", "account", "skills"] {
        let ran = sm.run(&[verb]);
        assert_eq!(ran.code, 9, "{verb}: {}", ran.err);
        assert!(ran.err.contains("npm install") || ran.err.contains("SM_CODEX"), "{}", ran.err);
    }
    let ran = sm.run(&["archive", "nobody"]);
    assert_eq!(ran.code, 5, "{}", ran.err);
    sm.run(&["serve", "--stop"]);
}

#[test]
fn what_a_release_cannot_do_is_said_by_name() {
    let unknown = |methods: &[&str]| {
        let faults: serde_json::Map<String, Value> =
            methods.iter().map(|method| ((*method).to_owned(), json!("unknown"))).collect();
        json!({ "version": "codex-cli 0.80.0", "faults": faults })
    };
    let stage = Stage::new(&unknown(&[
        "thread/name/set",
        "thread/compact/start",
        "thread/goal/get",
        "thread/unarchive",
        "thread/turns/list",
        "thread/read",
        "thread/revert",
        "thread/rollback",
        "model/list",
    ]));
    let spawned = stage.spawn("hello");
    let spawned: Value = serde_json::from_slice(&spawned.out).expect("a document");
    let id = spawned["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    // A name is sm's own then, and says so.
    let named = stage.sm.run(&["name", id, "worker"]);
    assert_eq!(named.code, 0, "{}", named.err);
    assert!(named.err.contains("sm's own: codex 0.80.0 has no thread/name/set"), "{}", named.err);
    assert_eq!(stage.sm.json(&["show", "worker"])["session"]["id"], id);
    for (words, says) in [
        (&["compact", id][..], "codex 0.80.0 has no thread/compact/start; 0.98.0 is the first"),
        (&["goal", id], "codex 0.80.0 has no thread/goal/get; 0.142.5 is the first"),
        (&["rollback", id, "--turns", "1"], "0.155.1 is the last of the recorded releases"),
        (&["models"], "codex 0.80.0 has no model/list"),
    ] {
        let error = stage.refused(words, 1, "unsupported");
        assert!(error["message"].as_str().is_some_and(|told| told.contains(says)), "{error}");
        assert!(error["hint"].is_string());
    }
    // Nothing was done: the turn is still there.
    assert_eq!(stage.sm.json(&["show", id])["session"]["counts"]["turns_dropped"], 0);
    let archived = stage.sm.run(&["archive", id]).text();
    let note = "codex 0.80.0 does not take it out again; 0.98.0 does";
    assert_eq!(archived.trim_end(), format!("{id} archived: {note}"));
    let error = stage.refused(&["unarchive", id], 1, "unsupported");
    assert!(error["message"].as_str().is_some_and(|told| told.contains("0.98.0")), "{error}");
}

#[test]
fn what_a_release_between_the_recorded_ones_can_do_is_asked_of_it() {
    let stage = Stage::new(&json!({ "version": "codex-cli 0.92.0" }));
    let spawned = stage.spawn("hello");
    let spawned: Value = serde_json::from_slice(&spawned.out).expect("a document");
    let id = spawned["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    let archived = stage.sm.run(&["archive", id]).text();
    assert_eq!(archived.trim_end(), format!("{id} archived"));
}

#[test]
fn an_answer_of_no_such_shape_is_an_error_and_no_guess() {
    let faults =
        json!({ "thread/fork": "nonsense", "thread/turns/list": "error", "review/start": "exit" });
    let stage = Stage::new(&json!({ "faults": faults }));
    let spawned = stage.spawn("hello");
    let spawned: Value = serde_json::from_slice(&spawned.out).expect("a document");
    let id = spawned["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    let sessions =
        |stage: &Stage| stage.sm.json(&["ps", "--all"])["sessions"].as_array().map_or(0, Vec::len);
    stage.refused(&["fork", id], 1, "codex_error");
    stage.refused(&["rollback", id, "--turns", "1"], 1, "codex_error");
    assert_eq!(sessions(&stage), 1);
    stage.refused(&["review", id, "--uncommitted"], 9, "codex_died");
}

#[test]
fn what_codex_does_not_answer_is_given_up_in_time() {
    let stage =
        Stage::new(&json!({ "faults": { "mcpServerStatus/list": "silent", "x/y": "silent" } }));
    for words in [&["mcp", "--timeout", "1"][..], &["rpc", "x/y", "--timeout", "1s"]] {
        let error = stage.refused(words, 124, "timeout");
        assert!(
            error["message"].as_str().is_some_and(|told| told.contains("within 1 s")),
            "{error}"
        );
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--timeout")), "{error}");
    }
    stage.refused(&["mcp", "--timeout", "0"], 2, "bad_request");
}

#[test]
fn a_brief_says_what_was_asked_and_answered_and_counts_nothing_that_was_declined() {
    let sm = Sm::new();
    let capture = |name: &str| {
        format!("{}/../fixtures/captures/codex-0.169.0/{name}", env!("CARGO_MANIFEST_DIR"))
    };
    sm.json(&["import", &capture("userinput.tap.jsonl")]);
    let brief = sm.json(&["handoff", "@last"]);
    let decided = &brief["decided"][0];
    assert_eq!((&decided["kind"], &decided["words"]), (&json!("user_input"), &json!("A")));
    sm.json(&["import", &capture("approvals.tap.jsonl")]);
    let brief = sm.json(&["handoff", "@last"]);
    let decisions = brief["decided"].as_array().expect("a list").iter();
    let decisions: Vec<&str> = decisions.filter_map(|is| is["decision"].as_str()).collect();
    assert_eq!(decisions, ["accept", "decline", "cancel", "decline", "acceptForSession"]);
    let done = brief["turns"].as_array().expect("a list").iter();
    let done: Vec<[u64; 2]> = done
        .map(|turn| ["commands", "file_changes"].map(|of| turn[of].as_u64().expect("a count")))
        .collect();
    assert_eq!(done, [[1, 0], [0, 0], [0, 0], [0, 0], [1, 0], [1, 0]]);
}

#[test]
fn each_session_that_is_named_is_told_whatever_became_of_the_others() {
    let stage = Stage::new(&json!({}));
    let spawned: Value = serde_json::from_slice(&stage.spawn("hello").out).expect("a document");
    let id = spawned["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    let done_to = |words: &[&str], sessions: [&str; 3]| {
        let ran = stage.sm.run(&[words, &sessions, &["--json"]].concat());
        let first = ran.error()["message"].as_str().expect("words").to_owned();
        assert!(ran.code == 5 && first.contains(sessions[0]), "{words:?}: {}", ran.err);
        let told: Value = serde_json::from_slice(&ran.out).expect("a document");
        assert_eq!(told["schema"], format!("sm.{}/1", words[0]));
        let rows = told["sessions"].as_array().expect("rows").clone();
        let column = |of: &str| rows.iter().map(|row| row[of].clone()).collect::<Vec<Value>>();
        assert_eq!(column("given"), sessions);
        let codes: Vec<&str> =
            rows.iter().filter_map(|row| row["error"]["code"].as_str()).collect();
        assert_eq!(codes, ["not_found"; 2], "{words:?}");
        assert!(rows[1]["error"].is_null() && rows[2]["error"]["hint"].is_string(), "{words:?}");
        rows[1].clone()
    };
    let archived = done_to(&["archive"], ["nobody", id, "neither"]);
    assert_eq!(archived["session"]["id"], id);
    assert_eq!(done_to(&["unarchive"], ["nobody", id, "neither"])["session"]["id"], id);
    for verb in ["resume", "stop"] {
        assert_eq!(done_to(&[verb], ["nobody", id, "neither"])["id"], id);
    }
    // Where all fail, each has a row, too.
    let ran = stage.sm.run(&["interrupt", "nobody", "neither", "--json"]);
    let told: Value = serde_json::from_slice(&ran.out).expect("a document");
    assert_eq!((ran.code, told["sessions"].as_array().map(Vec::len)), (5, Some(2)));
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    let ran = stage.sm.run(&["stop", "nobody", id, "neither"]);
    assert_eq!((ran.code, ran.text().lines().count()), (5, 1));
    assert!(ran.err.contains("nobody") && ran.err.contains("neither"), "{}", ran.err);
}

#[test]
fn a_message_that_one_of_several_does_not_take_is_told_of() {
    let stage = Stage::new(&json!({}));
    let (busy, _) = stage.asks("item/new/ask", &json!({ "threadId": "" }));
    let send = ["--queue", "--key", "k"];
    let sent = stage.sm.json(&[&["send", &busy, "hello"][..], &send].concat());
    let input = sent["inputs"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(stage.sm.run(&["queue", "cancel", &input]).code, 0);
    let spawned: Value = serde_json::from_slice(&stage.spawn("hello").out).expect("a document");
    let other = spawned["id"].as_str().expect("an id");
    let ran = stage.sm.run(&[&["send", &busy, other, "hello"][..], &send].concat());
    assert!(ran.code == 1 && ran.text().starts_with(other), "{}{}", ran.text(), ran.err);
    assert!(ran.err.contains(&format!("as {input}, and taken back")), "{}", ran.err);
}
