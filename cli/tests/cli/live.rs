//! The commands that run codex, against the real binary and the scripted model. Where no codex is
//! installed (`cargo xtask codex` does it), they say so and pass.

use crate::support::{Ran, Sm};
use sm_scripted_model::{ConfigOptions, ScriptedModel, codex_config_toml};
use std::path::PathBuf;

/// A data directory with a daemon that runs codex against a scripted model.
pub struct Live {
    pub sm: Sm,
    _model: ScriptedModel,
}

impl Live {
    /// `None` where no codex is installed.
    pub fn start() -> Option<Live> {
        let sm = Sm::new();
        let found = sm_daemon::locate(&sm_daemon::Search {
            explicit: None,
            path: std::env::var_os("PATH"),
            tools: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools")],
        });
        let Ok(codex) = found else {
            #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
            {
                eprintln!("skipped: no codex; `cargo xtask codex` installs one");
            }
            return None;
        };
        let model = ScriptedModel::start().expect("the scripted model");
        let codex_home = sm.dir.path().join("codex");
        std::fs::create_dir(&codex_home).expect("a folder");
        let options = ConfigOptions::for_release(&codex.version.to_string(), false);
        let config = codex_config_toml(&model.base_url(), &options);
        std::fs::write(codex_home.join("config.toml"), config).expect("a file");
        let sm = sm
            .with("SM_CODEX", codex.binary.to_str().expect("a plain path"))
            .with("CODEX_HOME", codex_home.to_str().expect("a plain path"))
            .with("PATH", &std::env::var("PATH").unwrap_or_default());
        Some(Live { sm, _model: model })
    }

    pub fn ok(&self, words: &[&str]) -> Ran {
        let ran = self.sm.run(words);
        assert_eq!(ran.code, 0, "sm {words:?}: {}{}", ran.text(), ran.err);
        ran
    }

    pub fn spawn(&self, name: &str, script: &str, more: &[&str]) -> String {
        let cwd = self.sm.dir.path().to_str().expect("a plain path");
        let words = ["spawn", script, "--name", name, "--cwd", cwd];
        let sandbox = ["--sandbox", "danger-full-access"];
        self.ok(&[&words[..], &sandbox, more].concat()).text().trim().to_owned()
    }

    fn waiting(&self) -> String {
        // Whoever was told that a human is waited for finds what for.
        let inbox = self.sm.json(&["inbox"]);
        inbox["requests"][0]["id"].as_str().expect("a request that waits").to_owned()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.sm.run(&["serve", "--stop"]);
    }
}

#[test]
fn words_go_along_once_where_several_requests_of_a_session_are_declined() {
    let Some(live) = Live::start() else { return };
    let script = "run: touch a\n+ run: touch b\nsay: went on";
    let id = live.spawn("worker", script, &["--approval", "untrusted"]);
    let both = loop {
        let inbox = live.sm.json(&["inbox"]);
        let asked = inbox["requests"].as_array().expect("requests");
        let ids = asked.iter().filter_map(|request| request["id"].as_str().map(str::to_owned));
        if let [first, second] = &ids.collect::<Vec<_>>()[..] {
            break [first.clone(), second.clone()];
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let told = live.ok(&["deny", &both[0], &both[1], "--say", "say: another way", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.out).expect("a document");
    let say = |at: usize| told["answers"][at]["request"]["say"].clone();
    assert_eq!((say(0), say(1)), (serde_json::Value::Null, "say: another way".into()));
    assert_eq!(live.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    let replayed = live.ok(&["replay", "--json"]).text();
    let taken = replayed.lines().filter(|line| line.contains("sm/input/accepted"));
    assert_eq!(taken.filter(|line| line.contains("another way")).count(), 1, "{replayed}");
}

#[test]
fn a_held_queue_keeps_nobody_waiting() {
    let Some(live) = Live::start() else { return };
    live.spawn("hp", "say: idle", &["--wait"]);
    let child = live.spawn("hc", "slow: 20000 5", &["--parent", "hp"]);
    live.ok(&["send", &child, "say: later"]);
    live.ok(&["interrupt", &child]);
    let behind = live.ok(&["send", &child, "say: last", "--json"]);
    let behind: serde_json::Value = serde_json::from_slice(&behind.out).expect("a document");
    let cursor = behind["inputs"][0]["cursor"].as_str().expect("a cursor");
    for words in [&["wait", &child, "--after", cursor][..], &["wait", &child], &["wait", "hp"]] {
        live.ok(&[words, &["--timeout", "60"]].concat());
    }
    let told = live.ok(&["send", &child, "say: no more"]);
    assert!(
        told.err.contains(&format!("queue release {child}; past it: --urgent")),
        "{}",
        told.err
    );
    live.ok(&["queue", "release", &child]);
    live.ok(&["wait", &child, "--timeout", "60"]);
    assert_eq!(live.ok(&["result", &child]).text(), "no more");
}

#[test]
fn who_waits_for_a_parent_learns_which_child_asks_what() {
    let Some(live) = Live::start() else { return };
    let parent = live.spawn("above", "say: idle", &[]);
    live.ok(&["wait", &parent, "--timeout", "60"]);
    let asks = ["--parent", "above", "--approval", "untrusted"];
    let child = live.spawn("below", "run: touch a", &asks);
    assert_eq!(live.sm.run(&["wait", &child, "--timeout", "60"]).code, 3);
    let request = live.waiting();
    let told = live.sm.run(&["wait", &parent, "--timeout", "60"]);
    assert_eq!(told.code, 3, "{}", told.err);
    assert!(told.err.contains(&format!("  {child} below: {request}\n")), "{}", told.err);
    let told = live.sm.run(&["wait", &parent, &child, "--timeout", "60", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.out).expect("a document");
    for waited in told["sessions"].as_array().expect("sessions") {
        let asking = &waited["waits_for"][0];
        assert_eq!(asking["session_id"], child.as_str(), "{told}");
        assert_eq!(asking["request_ids"], serde_json::json!([request]), "{told}");
    }
    live.ok(&["approve", &request]);
}

#[test]
fn what_an_older_turn_said_is_no_result_of_one_that_failed() {
    let Some(live) = Live::start() else { return };
    let id = live.spawn("tester", "say: the tests are green", &[]);
    live.ok(&["wait", &id, "--timeout", "60"]);
    live.ok(&["send", &id, "fail: 400"]);
    let told = live.ok(&["wait", &id, "--timeout", "60"]).text();
    assert!(told.contains("✗ failed") && !told.contains("green"), "{told}");
    assert_eq!(told.lines().count(), 2, "the error stands below: {told}");
    let waited = live.sm.json(&["wait", &id]);
    assert!(waited["sessions"][0]["result"].is_null(), "{waited}");
    assert!(waited["sessions"][0]["error"].is_string(), "{waited}");
}

#[test]
fn a_session_from_its_start_to_its_end() {
    let Some(live) = Live::start() else { return };
    let sm = &live.sm;
    assert_eq!(sm.run(&["serve", "--status"]).code, 9);
    let id =
        live.spawn("worker", "run: touch a\nrun: touch b\nsay: done", &["--approval", "untrusted"]);

    // A human is waited for: the wait ends with 3, and input is refused unless it is queued.
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let first = live.waiting();
    let inbox = sm.json(&["inbox"]);
    let command = inbox["requests"][0]["details"]["command"].as_str().expect("its command");
    assert!(command.contains("touch a"), "{command}");
    let refused = sm.run(&["send", "worker", "hello", "--json"]);
    assert_eq!(refused.code, 6, "{}", refused.err);
    assert_eq!(refused.error()["code"], "pending_structured_request");
    let hint = refused.error()["hint"].as_str().expect("a remedy").to_owned();
    assert!(hint.contains(&format!(" approve {first}`")) && !hint.contains("touch"), "{hint}");
    let document: serde_json::Value = serde_json::from_slice(&refused.out).expect("a document");
    let told = &document["inputs"][0];
    assert_eq!((&told["given"], &told["session_id"]), (&"worker".into(), &id.as_str().into()));
    live.ok(&["approve", &first]);
    // The same answer again is told so; another one is a conflict.
    live.ok(&["approve", &first]);
    assert_eq!(sm.run(&["deny", &first]).code, 6);

    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    live.ok(&["deny", &live.waiting()]);
    let waited = live.ok(&["wait", &id, "--timeout", "60", "--json"]);
    let waited: serde_json::Value = serde_json::from_slice(&waited.out).expect("a document");
    assert_eq!(waited["reason"], "reached");
    assert_eq!(waited["sessions"][0]["result"], "done");
    assert_eq!(waited["sessions"][0]["session"]["live"], true);
    assert_eq!(live.ok(&["result", &id]).text(), "done");

    let actions = sm.json(&["tail", &id]);
    let actions = &actions["sessions"][0]["actions"];
    assert_eq!(actions[0]["status"], "completed");
    assert_eq!(actions[0]["approvals"][0]["decided_by"], "user");
    assert_eq!(actions[1]["status"], "declined");

    // A name is one live session's; `--json` says who refused, and what to do.
    let cwd = sm.dir.path().to_str().expect("a plain path");
    let twin = sm.run(&["spawn", "say: x", "--name", "worker", "--cwd", cwd, "--json"]);
    assert_eq!((twin.code, twin.error()["code"].as_str()), (6, Some("name_taken")));
    assert_eq!(twin.error()["details"]["session_id"], id.as_str());
    assert!(twin.error()["hint"].as_str().is_some_and(|hint| hint.contains(&id)));
    let odd = sm.run(&["spawn", "say: x", "--name", &id, "--cwd", cwd]);
    assert_eq!(odd.code, 6, "{}", odd.err);

    // Dispatch and wait, twice: never is an older state taken for the new one.
    for word in ["one", "two"] {
        let sent = sm.json(&["send", &id, &format!("say: {word}")]);
        assert_eq!(sent["inputs"][0]["status"], "started");
        let cursor = sent["inputs"][0]["cursor"].as_str().expect("a cursor");
        live.ok(&["wait", &id, "--after", cursor, "--timeout", "60"]);
        assert_eq!(live.ok(&["result", &id]).text(), word);
    }

    live.ok(&["send", &id, "slow: 600 20"]);
    live.ok(&["interrupt", &id]);
    live.ok(&["wait", &id, "--timeout", "60"]);
    assert_eq!(sm.json(&["show", &id])["session"]["outcome"], "interrupted");

    live.ok(&["stop", &id]);
    let again = live.spawn("worker", "say: x", &[]);
    for words in [&["show", "worker"][..], &["send", "worker", "say: x"], &["stop", "worker"]] {
        let ran = sm.run(&[words, &["--json"]].concat());
        assert_eq!((ran.code, ran.error()["code"].as_str()), (5, Some("ambiguous")), "{words:?}");
        let candidates = ran.error()["details"]["candidates"].to_string();
        assert!(candidates.contains(&id) && candidates.contains(&again), "{candidates}");
    }
    live.ok(&["stop", &again]);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "5"]).code, 8);
    assert!(sm.json(&["ps"])["sessions"].as_array().is_some_and(Vec::is_empty));
    live.ok(&["resume", &id]);
    live.ok(&["send", &id, "say: back"]);
    live.ok(&["wait", &id, "--timeout", "60"]);
    assert_eq!(live.ok(&["result", &id]).text(), "back");

    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);
    live.ok(&["serve", "--stop"]);
    assert_eq!(sm.run(&["serve", "--status"]).code, 9);
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);
}

#[test]
fn questions_are_answered_by_name_or_alone() {
    let Some(live) = Live::start() else { return };
    let id =
        live.spawn("asker", "ask: tone=Which tone? [formal|cheerful]\nsay: thanks", &["--plan"]);
    assert_eq!(live.sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let request = live.waiting();
    assert_eq!(live.sm.json(&["show", &id])["session"]["activity_state"], "waiting_input");
    live.ok(&["answer", &request, "formal"]);
    live.ok(&["wait", &id, "--timeout", "60"]);
    assert_eq!(live.ok(&["result", &id]).text(), "thanks");
}

#[test]
fn a_secret_answer_is_nowhere_in_the_data_directory_nor_on_the_screen() {
    let Some(live) = Live::start() else { return };
    let sm = &live.sm;
    let script = "ask: key=The key? [mine|yours] secret; db=Which? [one|two]\nsay: thanks";
    let id = live.spawn("asker", script, &["--plan"]);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let request = live.waiting();
    let mut told = Vec::new();
    // Given in every wrong way first: what goes wrong is told without it.
    for words in [
        &["answer", &request, "hunter2secret"][..],
        &["answer", &request, "key=hunter2secret"],
        &["answer", &request, "--raw", "\"hunter2secret"],
        &["answer", "r999999", "hunter2secret"],
    ] {
        for words in [words.to_vec(), [words, &["--json"]].concat()] {
            let ran = sm.run(&words);
            assert!(ran.code != 0, "{words:?} was taken");
            told.push((words.join(" "), ran));
        }
    }
    let right = sm.run(&["answer", &request, "key=hunter2secret", "db=one"]);
    assert_eq!(right.code, 0, "{}", right.err);
    told.push(("the answer".to_owned(), right));
    let other = sm.run(&["answer", &request, "key=hunter2secret", "db=two"]);
    assert_eq!(other.code, 6, "{}", other.err);
    told.push(("another answer".to_owned(), other));
    live.ok(&["wait", &id, "--timeout", "60"]);
    for words in [
        &["show", &id][..],
        &["show", &id, "--json"],
        &["tail", &id, "--all"],
        &["tail", &id, "--all", "--json"],
        &["tail", &id, "--raw", "-n", "1000"],
        &["turns", &id, "--json"],
        &["explain", &id, "--json"],
        &["replay"],
        &["replay", "--json"],
        &["replay", "--raw"],
        &["inbox", "--json"],
        &["doctor", "--json"],
    ] {
        told.push((words.join(" "), sm.run(words)));
    }
    live.ok(&["serve", "--stop"]);
    for (words, ran) in told {
        let all = ran.text() + &ran.err;
        assert!(!all.replace("answer r", "").contains("hunter2secret"), "{words}: {all}");
    }
    let secret = b"hunter2secret";
    let (mut open, mut files) = (vec![sm.home()], 0);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("a folder").flatten().map(|e| e.path()));
            continue;
        }
        files += 1;
        let bytes = std::fs::read(&path).expect("a file");
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{} holds the secret", path.display());
    }
    assert!(files >= 4, "only {files} files were looked at");
}

#[test]
fn what_a_dead_process_asked_is_shown_as_such() {
    let Some(live) = Live::start() else { return };
    let sm = &live.sm;
    let id = live.spawn("worker", "run: touch a", &["--approval", "untrusted"]);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let request = live.waiting();
    assert_eq!(sm.json(&["inbox"])["requests"][0]["live"], true);
    let health = sm.json(&["serve", "--status"])["health"].clone();
    let pids = [&health["pid"], &health["servers"][0]["pid"]];
    for pid in pids {
        let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        // It may have followed the other one already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    let began = std::time::Instant::now();
    while sm.json(&["inbox"])["requests"][0]["live"] != false {
        assert!(began.elapsed().as_secs() < 60, "it is shown as live");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for words in [&["inbox"][..], &[], &["show", &id]] {
        let text = live.ok(words).text();
        assert!(text.contains("nobody waits for the answer"), "{words:?}: {text}");
        assert!(!text.contains("sm approve"), "{words:?}: {text}");
    }
    // No daemon is started to hear that nobody waits.
    let refused = sm.run(&["approve", &request, "--json"]);
    assert_eq!((refused.code, refused.error()["code"].as_str()), (6, Some("conflict")));
    assert!(refused.error()["hint"].as_str().is_some_and(|hint| hint.contains(&id)));
    let away = sm.run(&["interrupt", &id, "--json"]);
    assert_eq!((away.code, away.error()["code"].as_str()), (9, Some("daemon_away")));
    assert_eq!(sm.run(&["serve", "--status"]).code, 9);
    // Who stops it starts one, which puts in order what was left; then there is nothing more to stop.
    live.ok(&["stop", &id]);
    // What nobody answered is never shown as answered.
    let tail = live.ok(&["tail", &id]).text();
    assert!(tail.contains("nobody answered (orphaned)"), "{tail}");
    for words in [&["inbox", "--all"][..], &["inbox", "--status", "orphaned", "-n", "1"]] {
        let asked = &sm.json(words)["requests"];
        assert_eq!(
            (&asked[0]["id"], &asked[0]["status"]),
            (&request.as_str().into(), &"orphaned".into())
        );
        assert!(asked[0]["waiting_ms"].is_null());
        assert!(live.ok(words).text().contains("orphaned: its Codex process ended"), "{words:?}");
    }
    assert_eq!(sm.json(&["inbox", "--status", "answered"])["requests"], serde_json::json!([]));
    for words in
        [&["inbox", "--all", "--at", "3"][..], &["inbox", "--all", "-f"], &["inbox", "-n", "3"]]
    {
        assert_eq!(sm.run(words).code, 2, "{words:?}");
    }
    let refused = sm.run(&["approve", &request, "--json"]);
    assert!(
        refused.error()["hint"].as_str().is_some_and(|hint| hint.contains(&id)),
        "{}",
        refused.err
    );
    let stopped = live.ok(&["serve", "--stop"]).text();
    assert!(stopped.starts_with("stopped (pid "), "{stopped}");
    assert!(live.ok(&["serve", "--stop"]).text().contains("nothing to stop"));
    live.ok(&["serve"]);
    let stopped = sm.json(&["serve", "--stop"]);
    assert_eq!((&stopped["running"], &stopped["stopped"]), (&false.into(), &true.into()));
    assert_eq!(sm.json(&["serve", "--stop"])["stopped"], false);
    assert!(live.ok(&["stop", &id]).text().contains("stopped"));
    assert_eq!(sm.run(&["serve", "--status"]).code, 9);
    assert!(sm.json(&["inbox"])["requests"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn a_transcript_of_a_session_that_runs_takes_nothing_over() {
    let Some(live) = Live::start() else { return };
    let sm = &live.sm;
    let id = live.spawn("asker", "run: touch asked\nsay: done", &["--approval", "untrusted"]);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let request = live.waiting();
    let thread =
        sm.json(&["show", &id])["session"]["thread_id"].as_str().expect("a thread").to_owned();
    let mut lines = live.ok(&["replay", &id, "--raw"]).out;
    let turn = sm.json(&["show", &id])["session"]["turn_id"].as_str().expect("a turn").to_owned();
    for forged in [
        format!(
            r#"{{"method":"thread/name/updated","params":{{"threadId":"{thread}","threadName":"x"}}}}"#
        ),
        format!(
            r#"{{"method":"serverRequest/resolved","params":{{"threadId":"{thread}","requestId":0}}}}"#
        ),
        format!(
            r#"{{"method":"turn/completed","params":{{"threadId":"{thread}","turn":{{"id":"{turn}","status":"completed","items":[]}}}}}}"#
        ),
        format!(r#"{{"id":9,"result":{{"thread":{{"id":"{thread}"}},"model":"y","cwd":"/"}}}}"#),
    ] {
        lines.extend(forged.bytes());
        lines.push(b'\n');
    }
    let before = sm.json(&["show", &id])["session"].clone();
    let forged = sm.file("forged.jsonl", &lines);
    let imported = sm.json(&["import", &forged]);
    let kept = imported["not_folded"][0].clone();
    assert_eq!((&kept["session_id"], &kept["thread_id"]), (&id.as_str().into(), &thread.into()));
    let records = kept["records"].as_u64().expect("a number");
    assert!(records >= 4 && records <= imported["records"].as_u64().unwrap_or_default(), "{kept}");
    let told = live.ok(&["import", &forged, "--again"]).text();
    let words = format!("kept and not folded: {records} records of session {id}");
    assert!(told.contains(&words), "{told}");
    let after = sm.json(&["show", &id])["session"].clone();
    for field in
        ["activity_state", "name", "model", "cwd", "turn_id", "pending_requests", "outcome"]
    {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert!(sm.json(&["doctor"]).to_string().contains("kept, not folded"));
    live.ok(&["approve", &request]);
    live.ok(&["wait", &id, "--timeout", "60"]);
    assert_eq!(live.ok(&["result", &id]).text().trim(), "done");
}

#[test]
fn what_was_cut_off_while_it_asked_is_not_shown_as_answered() {
    let Some(live) = Live::start() else { return };
    let id = live.spawn("worker", "run: touch never", &["--approval", "untrusted"]);
    assert_eq!(live.sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let request = live.waiting();
    live.ok(&["interrupt", &id]);
    live.ok(&["wait", &id, "--timeout", "60"]);
    let tail = live.ok(&["tail", &id]).text();
    assert!(
        tail.contains("touch never") && !tail.replace("nobody answered", "").contains("answered"),
        "{tail}"
    );
    let late = live.sm.run(&["approve", &request, "--json"]);
    let hint = late.error()["hint"].as_str().unwrap_or_default().to_owned();
    assert!(late.code == 6 && !hint.is_empty() && !hint.contains("interrupt"), "{}", late.err);
}

#[test]
fn an_agent_that_hides_who_it_is_answers_nothing_and_ends_and_imports_nothing() {
    let Some(live) = Live::start() else { return };
    let sm = &live.sm;
    let request = {
        live.spawn("asker", "run: touch asked", &["--approval", "untrusted"]);
        assert_eq!(sm.run(&["wait", "asker", "--timeout", "60"]).code, 3);
        live.waiting()
    };
    let call = |hidden: &str, verb: &str, out: &str| {
        let (program, home) = (env!("CARGO_BIN_EXE_sm"), sm.home());
        let dir = sm.dir.path().display();
        format!(
            "run: {hidden} {program} --home {} {verb} --json 2> {dir}/{out}; echo done\n",
            home.display()
        )
    };
    let hidden = "env -u CODEX_THREAD_ID -u SM_SERVER -u SM_SESSION_ID";
    let lying = format!("{hidden} SM_SESSION_ID=asker");
    let transcript = sm.file("t.jsonl", b"{\"method\":\"thread/started\"}\n");
    // The command that Codex started tells whose it is, whatever it hides from those below it.
    let script = [
        call(hidden, &format!("approve {request}"), "hidden"),
        call(&lying, &format!("deny {request}"), "lying"),
        call(hidden, "spawn 'say: hi' --name child", "spawned"),
        call("", "serve --stop", "stopping"),
        call(hidden, "serve --stop", "stopping-hidden"),
        call(hidden, &format!("import {transcript}"), "importing"),
    ]
    .concat();
    let agent = live.spawn("agent", &format!("{script}say: over"), &["--approval", "never"]);
    live.ok(&["wait", &agent, "--timeout", "60"]);
    let told = |name: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(sm.dir.path().join(name)).expect("its words");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    for name in ["stopping", "stopping-hidden", "importing"] {
        assert_eq!(told(name)["error"]["code"], "forbidden", "{name}");
    }
    for name in ["hidden", "lying"] {
        let error = &told(name)["error"];
        assert_eq!(error["code"], "forbidden", "{name}: {error}");
        assert!(
            error["hint"].as_str().is_some_and(|hint| hint.contains("your own terminal")),
            "{error}"
        );
    }
    let child = sm.json(&["show", "child"])["session"].clone();
    assert_eq!(
        (&child["parent_id"], &child["spawned_by"]),
        (&agent.as_str().into(), &agent.as_str().into())
    );
    assert_eq!(sm.json(&["inbox"])["requests"][0]["id"], request.as_str(), "somebody answered");
    live.ok(&["deny", &request]);
}

#[test]
fn an_answer_that_its_codex_did_not_live_to_hear_is_told_as_that() {
    let Some(live) = Live::start() else { return };
    let id = live.spawn("asker", "run: touch never", &["--approval", "untrusted"]);
    assert_eq!(live.sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
    let request = live.waiting();
    let servers = live.sm.json(&["serve", "--status"]);
    let pid = servers["health"]["servers"][0]["pid"].as_i64().expect("its pid");
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    let signal = |signal| rustix::process::kill_process(pid, signal).expect("it runs");
    signal(rustix::process::Signal::STOP);
    live.ok(&["approve", &request]);
    signal(rustix::process::Signal::KILL);
    let began = std::time::Instant::now();
    while live.sm.json(&["show", &id])["session"]["outcome"] != "lost" {
        assert!(began.elapsed().as_secs() < 60, "its turn is not lost");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let again = live.ok(&["approve", &request]);
    assert!(again.text().contains("accept, as before"), "{}", again.text());
    assert!(again.err.contains("nothing tells that it heard the answer"), "{}", again.err);
    assert!(!live.sm.dir.path().join("never").exists());
}

/// A session that waits in a command, one below it that asks for a command, and the call of `sm` there.
fn family(live: &Live) -> (String, String, String) {
    let until = live.sm.dir.path().join("over");
    let script = format!("run: until test -e {}; do sleep 0.1; done", until.display());
    let parent = live.spawn("parent", &script, &["--approval", "never"]);
    let asks = ["--approval", "untrusted", "--parent", "parent", "--no-wake"];
    live.spawn("asker", "run: touch asked", &asks);
    assert_eq!(live.sm.run(&["wait", "asker", "--timeout", "60"]).code, 3);
    let call = format!("{} --home {}", env!("CARGO_BIN_EXE_sm"), live.sm.home().display());
    (parent, live.waiting(), call)
}

fn told(live: &Live, name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(live.sm.dir.path().join(name)).expect("its words");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_command_that_begins_anew_under_anothers_name_gets_none_of_its_rights() {
    let Some(live) = Live::start() else { return };
    let (parent, request, call) = family(&live);
    let dir = live.sm.dir.path().display();
    let thread = live.sm.json(&["show", &parent])["session"]["thread_id"].clone();
    let named = format!("env CODEX_THREAD_ID={} SM_SESSION_ID={parent}", thread.as_str().unwrap());
    let script = format!(
        "run: exec {named} {call} approve {request} --json 2> {dir}/approved\n\
         run: exec {named} {call} spawn 'say: hi' --name forged --json > {dir}/spawned\n\
         run: {call} spawn 'say: hi' --name own --no-wake --json > {dir}/owned\n"
    );
    let below = ["--approval", "never", "--parent", "parent", "--no-wake"];
    let liar = live.spawn("liar", &script, &below);
    live.ok(&["wait", "liar", "--timeout", "120"]);
    assert_eq!(told(&live, "approved")["error"]["code"], "forbidden");
    // Who that was is not known: it is nobody's child, with the least rights.
    let forged = live.sm.json(&["show", "forged"])["session"].clone();
    assert_eq!(forged["id"], told(&live, "spawned")["id"]);
    assert!(forged["parent_id"].is_null(), "{forged}");
    assert_eq!(
        (&forged["sandbox"], &forged["approval_policy"]),
        (&"readOnly".into(), &"untrusted".into())
    );
    // While the parent's command still runs, what the liar says truly is believed.
    let own = live.sm.json(&["show", "own"])["session"].clone();
    assert_eq!(
        (&own["parent_id"], &own["sandbox"]),
        (&liar.as_str().into(), &"dangerFullAccess".into())
    );
    assert_eq!(
        live.sm.json(&["inbox"])["requests"][0]["id"],
        request.as_str(),
        "somebody answered"
    );
    // And so is the parent, while another's command runs.
    live.spawn("busy", "run: sleep 30", &below);
    std::fs::write(live.sm.dir.path().join("over"), "").expect("a file");
    let began = std::time::Instant::now();
    while live.sm.json(&["show", "parent"])["session"]["activity_state"] != "idle" {
        assert!(began.elapsed().as_secs() < 60, "the parent's turn goes on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    live.ok(&["send", "parent", &format!("run: {call} approve {request} --json > {dir}/accepted")]);
    live.ok(&["wait", "asker", "--through-approvals", "--timeout", "60"]);
    let accepted = live.sm.json(&["inbox", "--all"]);
    assert_eq!(accepted["requests"][0]["decided_by"], parent.as_str(), "{accepted}");
    live.ok(&["interrupt", "busy"]);
}

#[test]
fn a_command_that_outlives_its_turn_is_still_its_sessions() {
    let Some(live) = Live::start() else { return };
    let (_, _, call) = family(&live);
    // Codex waits ten seconds for a command, then lets the turn go on without it.
    let script = format!("run: sleep 13; {call} spawn --name below 'say: hi' > /dev/null 2>&1");
    let above = live.spawn("above", &script, &["--approval", "never"]);
    live.ok(&["wait", "above", "--timeout", "60"]);
    assert_eq!(live.sm.run(&["show", "below"]).code, 5, "its turn is over before");
    let began = std::time::Instant::now();
    while live.sm.run(&["show", "below"]).code != 0 {
        assert!(began.elapsed().as_secs() < 60, "it was refused");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let below = live.sm.json(&["show", "below"])["session"].clone();
    assert_eq!(below["parent_id"], above.as_str());
}

#[test]
fn what_leaves_its_server_is_still_an_agents() {
    let Some(live) = Live::start() else { return };
    let (_, request, call) = family(&live);
    let dir = live.sm.dir.path().display();
    let away = |out: &str, words: &str| {
        format!(
            "run: setsid -f env -i /bin/sh -c '{call} {words} --json 2> {dir}/{out}.new; \
             mv {dir}/{out}.new {dir}/{out}' > /dev/null 2>&1\n"
        )
    };
    let forged = ["approve", "rules grant ls --until 1h", "serve --stop"];
    let forged = forged.map(|words| words.replace("approve", &format!("approve {request}")));
    let script: String =
        forged.iter().enumerate().map(|(at, words)| away(&at.to_string(), words)).collect();
    live.spawn("away", &script, &["--approval", "never"]);
    for (at, verb) in forged.iter().enumerate() {
        let began = std::time::Instant::now();
        while !live.sm.dir.path().join(at.to_string()).exists() {
            assert!(began.elapsed().as_secs() < 60, "{verb}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let error = told(&live, &at.to_string());
        assert_eq!(error["error"]["code"], "forbidden", "{verb}: {error}");
    }
    assert_eq!(
        live.sm.json(&["inbox"])["requests"][0]["id"],
        request.as_str(),
        "somebody answered"
    );
    // Nothing is left of them, and the daemon that they hang under serves on.
    let daemon = live.sm.json(&["serve", "--status"])["health"]["pid"].as_u64().expect("a pid");
    let began = std::time::Instant::now();
    let remains = || {
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let stats =
            processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        let dead = format!(" Z {daemon} ");
        stats.filter(|stat| stat.contains(&dead)).count()
    };
    while remains() > 0 {
        assert!(began.elapsed().as_secs() < 60, "remains of orphans lie about");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn an_agent_is_never_too_deep_below_its_server_to_be_told() {
    let Some(live) = Live::start() else { return };
    let (_, request, call) = family(&live);
    let dir = live.sm.dir.path().display();
    let dive = live.sm.file(
        "dive",
        format!(
            "if [ $1 -gt 0 ]; then /bin/sh $0 $(($1 - 1)); exit; fi\n\
             {call} approve {request} --json 2> {dir}/deep\n"
        )
        .as_bytes(),
    );
    let script = format!("run: env -i /bin/sh {dive} 300; echo over");
    live.spawn("diver", &script, &["--approval", "never"]);
    live.ok(&["wait", "diver", "--timeout", "60"]);
    assert_eq!(told(&live, "deep")["error"]["code"], "forbidden");
    assert_eq!(live.sm.json(&["inbox"])["requests"][0]["id"], request.as_str());
}

#[test]
fn an_import_goes_through_the_daemon_that_holds_the_lock() {
    let Some(live) = Live::start() else { return };
    live.ok(&["serve"]);
    let line =
        b"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"T1\"}}}\nnonsense\n";
    let file = live.sm.file("t.jsonl", line);
    let imported = live.sm.json(&["import", &file]);
    assert_eq!((&imported["records"], &imported["malformed"]), (&2.into(), &1.into()));
    assert_eq!(imported["malformed_lines"][0]["line"], 2);
    assert_eq!(imported["sessions"][0]["thread_id"], "T1");
    assert_eq!(live.sm.run(&["import", &file]).code, 6);
    let fed = live.sm.feed(&["import", "-", "--again"], line);
    assert_eq!(fed.code, 0, "{}", fed.err);
    assert_eq!(live.sm.run(&["replay", "--raw"]).out, [&line[..], line].concat());
}

#[test]
fn the_demo_ends_by_itself() {
    for recorded in [true, false] {
        let Some(live) = Live::start() else { return };
        let kept = live.sm.dir.path().join("demo");
        let kept = kept.to_str().expect("a plain path");
        let words: &[&str] = match recorded {
            true => &["demo", "--recorded", "--keep", kept],
            false => &["demo", "--keep", kept],
        };
        let began = std::time::Instant::now();
        let ran = live.ok(words);
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
        let text = ran.text();
        assert!(text.contains("replay --verify") && text.contains("ran "), "{text}");
        // Nobody was asked, so nobody but the demo answered.
        assert!(recorded || text.contains("accept by demo"), "{text}");
        assert!(!text.contains("by user"), "{text}");
        let home = format!("{kept}/home");
        let mut verify = std::process::Command::new(env!("CARGO_BIN_EXE_sm"));
        let verdict = verify.args(["--home", &home, "replay", "--verify"]).output();
        assert!(verdict.expect("sm runs").status.success());
    }
}

/// The demo, in a group of its own.
fn demo(live: &Live, kept: &str) -> std::process::Command {
    use std::os::unix::process::CommandExt;
    let mut command = live.sm.command(&["demo", "--keep", kept]);
    command.process_group(0).stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::piped());
    command
}

/// The daemon and the codex of a demo, once they run.
fn begun(kept: &str) -> [u32; 2] {
    let home = sm_daemon::Home::new(PathBuf::from(kept).join("home"));
    let began = std::time::Instant::now();
    loop {
        let health = sm_daemon::Client::connect(&home).and_then(|client| client.health());
        if let Ok(health) = health
            && let Some(codex) = health.servers.first().and_then(|server| server.pid)
        {
            return [health.pid, codex];
        }
        assert!(began.elapsed().as_secs() < 60, "the demo does not begin");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn are_gone(pids: [u32; 2]) {
    let is_alive = |pid| {
        let process = sm_ingest::app_server::ProcessId::of(pid);
        process.is_some_and(|process| process.is_alive())
    };
    let began = std::time::Instant::now();
    while pids.into_iter().any(is_alive) {
        assert!(began.elapsed().as_secs() < 60, "{pids:?} were left behind");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_demo_that_is_killed_leaves_no_process_behind() {
    let Some(live) = Live::start() else { return };
    let kept = live.sm.dir.path().join("demo");
    let kept = kept.to_str().expect("a plain path");
    let mut demo = demo(&live, kept).spawn().expect("sm runs");
    let pids = begun(kept);
    demo.kill().expect("it runs");
    demo.wait().expect("it ends");
    are_gone(pids);
}

#[test]
fn a_demo_that_is_interrupted_says_where_its_folder_is() {
    let Some(live) = Live::start() else { return };
    let kept = live.sm.dir.path().join("demo");
    let kept = kept.to_str().expect("a plain path");
    let demo = demo(&live, kept).spawn().expect("sm runs");
    let pids = begun(kept);
    let group = i32::try_from(demo.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process_group(group.expect("a pid"), rustix::process::Signal::INT)
        .expect("it runs");
    let output = demo.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(&format!("rm -rf {kept}")), "{words}");
    are_gone(pids);
}

#[test]
fn messages_wait_are_changed_and_go_to_whom_labels_choose() {
    let Some(live) = Live::start() else { return };
    let sm = &live.sm;
    assert!(sm.run(&["queue"]).err.contains("Nothing waits"));
    let none = sm.run(&["send", "-l", "role=writer", "hello"]);
    assert_eq!(none.code, 5, "{}", none.err);
    let label = |role: &str| format!("role={role}");
    for (name, role) in [("one", "writer"), ("two", "writer"), ("three", "reader")] {
        live.spawn(name, "say: ready", &["--label", &label(role)]);
    }
    live.ok(&["wait", "one", "two", "three", "--timeout", "60"]);
    let sent = sm.json(&["send", "-l", "role=writer", "say: to writers"]);
    let to: Vec<_> = sent["inputs"].as_array().expect("inputs").iter().collect();
    assert_eq!(to.len(), 2, "{sent}");
    live.ok(&["wait", "-l", "role=writer", "--timeout", "60"]);
    assert_eq!(live.ok(&["result", "two"]).text().trim(), "to writers");
    assert_eq!(live.ok(&["result", "three"]).text().trim(), "ready");
    // A text that was not quoted is no text for some of its own words.
    for stray in [&["send", "three", "say:", "nothing"][..], &["send", "nobody", "three", "say: x"]]
    {
        let refused = sm.run(stray);
        assert_eq!(refused.code, 5, "{}", refused.err);
        assert!(refused.err.contains("Nothing was sent"), "{}", refused.err);
    }
    assert_eq!(sm.json(&["show", "three"])["session"]["counts"]["turns"], 1);
    // What was begun is waited for, however fast it is asked.
    for round in 0..5 {
        sm.json(&["send", "one", &format!("say: first {round}")]);
        sm.json(&["send", "one", &format!("say: second {round}")]);
        live.ok(&["wait", "one", "--timeout", "60"]);
        assert_eq!(live.ok(&["result", "one"]).text().trim(), format!("second {round}"));
    }
    let listed = sm.json(&["ps", "-l", "role=reader"]);
    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(1), "{listed}");

    // One waits behind a request; it is shown, changed and taken back.
    live.spawn("asker", "run: touch it\nsay: ok", &["--approval", "untrusted"]);
    assert_eq!(sm.run(&["wait", "asker", "--timeout", "60"]).code, 3);
    let queued = sm.json(&["send", "asker", "say: later", "--queue", "--key", "k1"]);
    let input = queued["inputs"][0]["id"].as_str().expect("an id").to_owned();
    let again = sm.json(&["send", "asker", "say: later", "--queue", "--key", "k1"]);
    assert_eq!(
        (&again["inputs"][0]["id"], &again["inputs"][0]["repeated"]),
        (&input.as_str().into(), &true.into())
    );
    live.ok(&["queue", "edit", &input, "say: changed"]);
    let list = live.ok(&["queue"]).text();
    assert!(list.contains(&input) && list.contains("say: changed"), "{list}");
    assert!(live.ok(&["queue", "show", &input]).text().contains("from user"));
    live.ok(&["queue", "cancel", &input]);
    assert_eq!(sm.run(&["queue", "cancel", &input]).code, 6);
    assert_eq!(sm.run(&["queue", "cancel", "i999999"]).code, 5);
    assert_eq!(sm.json(&["queue"])["inputs"].as_array().map(Vec::len), Some(0));

    // What comes later.
    assert!(sm.run(&["remind"]).err.contains("No reminder is to come"));
    for wrong in [
        &["remind", "three", "hi"][..],
        &["remind", "three", "hi", "--in", "soon"],
        &["remind", "three", "hi", "--in", "1m", "--at", "18:00"],
        &["remind", "three", "--in", "1m"],
    ] {
        assert_eq!(sm.run(wrong).code, 2, "{wrong:?}");
    }
    let set = sm.json(&["remind", "three", "say: at night", "--at", "9999-01-01T00:00"]);
    let reminder = set["id"].as_str().expect("an id").to_owned();
    assert!(live.ok(&["remind"]).text().contains("say: at night"));
    assert_eq!(sm.json(&["remind"])["reminders"][0]["id"], reminder.as_str());
    live.ok(&["remind", "--cancel", &reminder]);
    assert_eq!(sm.run(&["remind", "--cancel", &reminder]).code, 5);
    live.ok(&["remind", "three", "say: reminded", "--in", "0"]);
    let said = |text: &str| {
        (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            live.ok(&["result", "three"]).text().trim() == text
        })
    };
    assert!(said("reminded"));

    // What a session keeps.
    let set = live.ok(&["set", "-l", "role=reader", "--effort", "high"]).text();
    assert!(set.contains("effort high"), "{set}");
    assert_eq!(sm.run(&["set", "three"]).code, 2);
    assert_eq!(
        live.ok(&["label", "three", "role=x", "team=a"])
            .text()
            .trim()
            .split_once(": ")
            .map(|(_, labels)| labels),
        Some("role=x, team=a")
    );
    live.ok(&["label", "three", "role-"]);
    assert_eq!(sm.json(&["show", "three"])["session"]["labels"], serde_json::json!(["team=a"]));
    assert_eq!(sm.run(&["label", "three", "role"]).code, 2);
    // Put away with a daemon they are still meant: their next message loads them.
    live.ok(&["serve", "--stop"]);
    let sent = sm.json(&["send", "-l", "role=writer", "say: to writers again"]);
    assert_eq!(sent["inputs"].as_array().expect("inputs").len(), 2, "{sent}");
    live.ok(&["wait", "-l", "role=writer", "--timeout", "60"]);
    assert_eq!(live.ok(&["result", "two"]).text().trim(), "to writers again");
}
