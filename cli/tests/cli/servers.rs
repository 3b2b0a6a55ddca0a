//! Codex servers through all of `sm`, with `examples/fake_codex` in Codex's place: upgrades, restarts,
//! the service's unit.

use crate::folding::daemon;
use crate::requests::{Stage, recorded};
use crate::support::Sm;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Waits for a condition.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_command_that_meets_the_end_of_a_daemon_starts_the_next_one() {
    let stage = Stage::new(&json!({}));
    assert_eq!(stage.spawn("hello").code, 0);
    for _ in 0..3 {
        kill_process(daemon(&stage.sm), Signal::TERM).expect("it ran");
        let ran = stage.sm.run(&["send", "@last", "again"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
}

fn write(dir: &Path, script: &Value) {
    std::fs::write(dir.join("bin/codex.json"), script.to_string()).expect("a file");
}

/// Another version in the place of the one that is there, as a package manager does it.
fn upgrade(dir: &Path, script: &Value) {
    let (binary, fresh) = (dir.join("bin/codex"), dir.join("bin/fresh"));
    std::fs::copy(&binary, &fresh).expect("a copy");
    std::fs::rename(&fresh, &binary).expect("its place");
    write(dir, script);
}

fn spawned(stage: &Stage, prompt: &str) -> String {
    let ran = stage.spawn(prompt);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let spawned: Value = serde_json::from_slice(&ran.out).expect("a document");
    spawned["id"].as_str().expect("an id").to_owned()
}

fn status(sm: &Sm) -> Value {
    sm.json(&["serve", "--status"])
}

fn kill(pid: &Value) {
    let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::KILL).expect("it runs");
}

#[test]
fn an_upgrade_is_drained_to_its_end() {
    let stage = Stage::new(&json!({ "version": "codex-cli 0.168.0" }));
    let sm = &stage.sm;
    let none = sm.json(&["serve", "--drain"]);
    assert_eq!((&none["schema"], &none["running"]), (&"sm.drain/1".into(), &false.into()));
    assert_eq!(none["draining"], json!([]));
    let id = spawned(&stage, "one");
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    // Every server runs the codex that is found: nothing to do, and that is told.
    let drained = sm.json(&["serve", "--drain"]);
    assert_eq!(
        (&drained["draining"], drained["current"].as_array().map(Vec::len)),
        (&json!([]), Some(1))
    );
    let text = sm.run(&["serve", "--drain"]).text();
    assert!(text.contains("nothing is left to drain") && text.contains("0.168.0"), "{text}");

    upgrade(sm.dir.path(), &json!({ "version": "codex-cli 0.169.0" }));
    // Nothing happens by itself: the session stays where it is loaded.
    assert_eq!(sm.run(&["send", &id, "two"]).code, 0);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    let before = status(sm);
    assert_eq!(before["servers"].as_array().map(Vec::len), Some(1));
    assert_eq!(before["servers"][0]["codex_version"], "0.168.0");
    let drained = sm.json(&["serve", "--drain", "--wait"]);
    assert_eq!(drained["draining"], json!([]));
    let current = &drained["current"];
    assert_eq!(current[0]["codex_version"], "0.169.0");
    assert_eq!((&current[0]["sessions"], &current[0]["busy"]), (&1.into(), &0.into()));
    let text = sm.run(&["serve", "--status"]).text();
    assert!(text.contains("codex 0.169.0") && text.contains("1 session, 0 busy"), "{text}");
    assert!(!text.contains("0.168.0"), "{text}");
    let text = sm.run(&["replay"]).text();
    assert!(text.contains("drained: codex 0.168.0 gave way to 0.169.0"), "{text}");
    assert_eq!(sm.run(&["send", &id, "three"]).code, 0);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(sm.run(&["result", &id]).text(), "three");
    // The same version built anew is another codex, too.
    upgrade(sm.dir.path(), &json!({ "version": "codex-cli 0.169.0" }));
    let pid = current[0]["pid"].clone();
    let drained = sm.json(&["serve", "--drain", "--wait"]);
    assert_ne!(drained["current"][0]["pid"], pid);
    assert_eq!(drained["current"][0]["sessions"], 1);
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);
}

#[test]
fn a_drain_says_where_all_sessions_move_together() {
    let faults = json!({ "thread/unsubscribe": "unknown" });
    let stage = Stage::new(&json!({ "version": "codex-cli 0.94.0", "faults": faults }));
    let sm = &stage.sm;
    let id = spawned(&stage, "one");
    let method = "item/permissions/requestApproval";
    let (busy, _) = stage.asks(method, &recorded("permissions.tap.jsonl", method, 0));
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    upgrade(sm.dir.path(), &json!({ "version": "codex-cli 0.169.0", "faults": faults }));
    let text = sm.run(&["serve", "--drain"]).text();
    assert!(text.contains("move together") && text.contains("lets go of no single"), "{text}");
    let told = sm.json(&["serve", "--drain"]);
    assert_eq!(told["draining"][0]["moves_together"], true);
    // What needs it elsewhere is refused for now; a message waits.
    let error = stage.refused(&["compact", &id], 6, "held");
    assert_eq!(error["retryable"], true);
    assert_eq!(sm.run(&["send", &id, "two"]).code, 0);
    let waiting = sm.json(&["queue"]).to_string();
    assert!(waiting.contains("cannot let go of one thread"), "{waiting}");
    assert_eq!(sm.run(&["interrupt", &busy]).code, 0);
    wait("it was delivered on the new one", || {
        (sm.run(&["result", &id]).text() == "two").then_some(())
    });
    assert_eq!(status(sm)["servers"][0]["codex_version"], "0.169.0");
}

#[test]
fn a_codex_that_keeps_dying_is_left_alone_longer_and_longer_and_its_session_comes_back() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let id = spawned(&stage, "one");
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    write(sm.dir.path(), &json!({ "faults": { "thread/resume": "exit" } }));
    kill(&status(sm)["servers"][0]["pid"]);
    let waiting = wait("it was tried in vain three times", || {
        let waiting = status(sm)["resuming"][0].clone();
        (waiting["failures"].as_u64()? >= 3 && waiting["next_at"].is_i64()).then_some(waiting)
    });
    assert!(waiting["threads"][0].is_string(), "{waiting}");
    let text = sm.run(&["serve", "--status"]).text();
    assert!(text.contains("! to be resumed: 1 session, "), "{text}");
    let doctor = &sm.json(&["doctor"])["checks"]["codex_servers"];
    assert_eq!(doctor["status"], "warning", "{doctor}");
    // Each try is one life: as many as there were failures, and one that ran before.
    let lives = || sm.run(&["replay"]).text().matches("sm/generation/started").count() as u64;
    let failures = waiting["failures"].as_u64().expect("a number");
    assert!(lives() <= failures + 3, "{} lives for {failures} failures", lives());
    write(sm.dir.path(), &json!({}));
    wait("it is back", || {
        let shown = sm.json(&["show", &id]);
        (shown["session"]["live"] == true && status(sm)["resuming"] == json!([])).then_some(())
    });
    assert_eq!(sm.json(&["doctor"])["checks"]["codex_servers"]["status"], "ok");
}

#[test]
fn a_session_that_was_put_away_is_waited_for_while_its_message_cannot_be_delivered() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let id = spawned(&stage, "one");
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    let (binary, away) = (sm.dir.path().join("bin/codex"), sm.dir.path().join("bin/away"));
    std::fs::rename(&binary, &away).expect("it moves");
    let taken = sm.json(&["send", &id, "two"])["inputs"][0].clone();
    assert_eq!(taken["status"], "queued", "{taken}");
    let reason =
        wait("it is missed", || status(sm)["resuming"][0]["reason"].as_str().map(str::to_owned));
    assert!(reason.contains("no codex found"), "{reason}");
    assert_eq!(status(sm)["resuming"].as_array().map(Vec::len), Some(1));
    assert_eq!(sm.json(&["doctor"])["checks"]["codex_servers"]["status"], "warning");
    assert_eq!(sm.json(&["ps"])["sessions"][0]["id"], id.as_str());
    assert_eq!(sm.json(&["status"])["line"], "1 resuming");
    // Longer than any session that is gone is given.
    let waited = sm.run(&["wait", &id, "--timeout", "7"]);
    assert_eq!(waited.code, 124, "{}", waited.err);
    let words = format!("{id} waits: resuming: no codex found");
    assert!(waited.err.contains(&words), "{}", waited.err);
    // What is held is delivered by nobody: the session stands as it was put away.
    assert_eq!(sm.run(&["queue", "hold", &id]).code, 0);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(sm.json(&["ps"])["sessions"], json!([]));
    std::fs::rename(&away, &binary).expect("it moves");
    assert_eq!(sm.run(&["queue", "release", &id]).code, 0);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(sm.run(&["result", &id]).text(), "two");
    assert_eq!(status(sm)["resuming"], json!([]));
}

#[test]
fn a_codex_that_is_away_is_waited_for() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let id = spawned(&stage, "one");
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    let pid = status(sm)["servers"][0]["pid"].clone();
    let (binary, away) = (sm.dir.path().join("bin/codex"), sm.dir.path().join("bin/away"));
    std::fs::rename(&binary, &away).expect("it moves");
    kill(&pid);
    let reason =
        wait("it is missed", || status(sm)["resuming"][0]["reason"].as_str().map(str::to_owned));
    assert!(reason.contains("no codex found"), "{reason}");
    // It stays in view, and every command says what keeps it.
    let listed = sm.json(&["ps"]);
    let resuming = &listed["sessions"][0]["resuming"];
    assert_eq!(listed["sessions"][0]["id"], id.as_str());
    assert!(resuming["reason"].as_str().is_some_and(|why| why.contains("no codex found")));
    assert!(resuming["failures"].is_u64(), "{resuming}");
    for words in [&["ps"][..], &["show", &id], &["explain", &id]] {
        let text = sm.run(words).text();
        assert!(text.contains("↻ resuming") && text.contains("no codex found"), "{text}");
    }
    let told = sm.json(&["status"]);
    assert_eq!((&told["resuming"], &told["line"]), (&json!(1), &json!("1 resuming")));
    let evidence = &sm.json(&["explain", &id])["evidence"][0];
    assert!(evidence["facts"].to_string().contains("resuming: no codex found"), "{evidence}");
    let waited = sm.run(&["wait", &id, "--timeout", "1"]);
    assert_eq!(waited.code, 124);
    assert!(
        waited.err.contains(&format!("{id} waits: resuming: no codex found")),
        "{}",
        waited.err
    );
    // Where no daemon runs nothing is.
    kill_daemon(sm);
    assert_eq!(sm.json(&["ps"])["sessions"], json!([]));
    assert_eq!(sm.json(&["show", &id])["session"]["resuming"], json!(null));
    assert_eq!(sm.run(&["serve"]).code, 0);
    let listed = sm.json(&["ps"]);
    assert!(listed["sessions"][0]["resuming"].is_object(), "{listed}");
    std::fs::rename(&away, &binary).expect("it moves");
    wait("it is back", || (sm.json(&["show", &id])["session"]["live"] == true).then_some(()));
}

#[test]
fn a_codex_that_is_older_than_what_wrote_a_session_is_told_of_and_not_given_it() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let id = spawned(&stage, "one");
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    let older = json!({ "version": "codex-cli 0.169.0-alpha.3" });
    upgrade(sm.dir.path(), &older);
    let drained = sm.json(&["serve", "--drain", "--wait"]);
    assert_eq!((&drained["draining"], &drained["current"]), (&json!([]), &json!([])));
    assert_eq!(drained["newer"][0]["codex_version"], "0.169.0");
    let text = sm.run(&["serve", "--drain"]).text();
    assert!(text.contains("these stay") && text.contains("codex 0.169.0"), "{text}");
    assert!(!text.contains("nothing is left"), "{text}");

    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    let words = "not loaded on codex 0.169.0-alpha.3";
    let begun = sm.run(&["serve"]);
    assert_eq!(begun.code, 0);
    assert!(begun.err.contains(words) && begun.err.contains("--older-codex"), "{}", begun.err);
    assert!(sm.run(&["serve", "--status"]).text().contains(words));
    let told = status(sm)["older"][0].clone();
    assert_eq!((&told["wrote"], &told["sessions"]), (&json!("0.169.0"), &json!(1)));
    let doctor = &sm.json(&["doctor"])["checks"]["codex_servers"];
    assert_eq!(doctor["status"], "warning", "{doctor}");
    assert!(doctor["summary"].as_str().is_some_and(|said| said.contains(words)), "{doctor}");
    for words in [&["send", &id, "two"][..], &["resume", &id], &["fork", &id]] {
        let refused = stage.refused(words, 6, "older_codex");
        assert_eq!(refused["details"]["found"], "0.169.0-alpha.3");
    }
    let queued = sm.json(&["send", &id, "three", "--queue"]);
    assert_eq!(queued["inputs"][0]["status"], "queued", "{queued}");
    assert_eq!(status(sm)["servers"], json!([]));
    assert_eq!(sm.run(&["resume", &id, "--older-codex"]).code, 0);
    wait("what waited is heard", || (sm.run(&["result", &id]).text() == "three").then_some(()));
    assert_eq!(sm.json(&["show", &id])["session"]["codex_version"], "0.169.0-alpha.3");
    // And up again, for which nobody is asked.
    upgrade(sm.dir.path(), &json!({}));
    assert_eq!(sm.json(&["serve", "--drain", "--wait"])["newer"], json!([]));
    assert_eq!(sm.run(&["send", &id, "four"]).code, 0);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(sm.json(&["replay", "--verify"])["equal"], true);
}

/// Kills the daemon where it stands, and waits until it is gone.
fn kill_daemon(sm: &Sm) {
    kill(&status(sm)["health"]["pid"]);
    wait("the daemon is gone", || (sm.run(&["serve", "--status"]).code == 9).then_some(()));
}

fn is_live(sm: &Sm, id: &str) -> bool {
    sm.json(&["show", id])["session"]["live"] == true
}

#[test]
fn what_codex_says_in_haste_gives_no_session_up() {
    for fault in ["overloaded", "error"] {
        let stage = Stage::new(&json!({}));
        let sm = &stage.sm;
        let id = spawned(&stage, "one");
        assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
        write(sm.dir.path(), &json!({ "faults": { "thread/resume": fault } }));
        kill(&status(sm)["servers"][0]["pid"]);
        wait("it was tried in vain twice", || {
            (status(sm)["resuming"][0]["failures"].as_u64()? >= 2).then_some(())
        });
        if fault == "overloaded" {
            let sent = sm.json(&["send", &id, "two"]);
            assert_eq!(sent["inputs"][0]["status"], "queued", "{sent}");
        }
        write(sm.dir.path(), &json!({}));
        wait("it is back", || is_live(sm, &id).then_some(()));
        assert!(!sm.run(&["replay"]).text().contains("sm/session/unresumable"));
        if fault == "overloaded" {
            wait("it is heard", || (sm.run(&["result", &id]).text() == "two").then_some(()));
        }
    }
}

#[test]
fn what_waits_to_be_resumed_outlives_the_daemon() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let ids = ["one", "two", "three"].map(|prompt| spawned(&stage, prompt));
    for id in &ids {
        assert_eq!(sm.run(&["wait", id, "--timeout", "60"]).code, 0);
    }
    kill_daemon(sm);
    let (binary, away) = (sm.dir.path().join("bin/codex"), sm.dir.path().join("bin/away"));
    std::fs::rename(&binary, &away).expect("it moves");
    assert_eq!(sm.run(&["serve"]).code, 0);
    wait("all three wait", || {
        (status(sm)["resuming"][0]["threads"].as_array()?.len() == 3).then_some(())
    });
    kill_daemon(sm);
    std::fs::rename(&away, &binary).expect("it moves");
    assert_eq!(sm.run(&["serve"]).code, 0);
    wait("all three are back", || ids.iter().all(|id| is_live(sm, id)).then_some(()));
}

#[test]
fn a_codex_home_that_is_away_is_waited_for() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let id = spawned(&stage, "one");
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    let (home, away) = (sm.dir.path().join(".codex"), sm.dir.path().join("away"));
    std::fs::rename(&home, &away).expect("it moves");
    kill(&status(sm)["servers"][0]["pid"]);
    let reason =
        wait("it is missed", || status(sm)["resuming"][0]["reason"].as_str().map(str::to_owned));
    assert!(reason.contains("no CODEX_HOME"), "{reason}");
    let sent = sm.json(&["send", &id, "two"]);
    assert_eq!(sent["inputs"][0]["status"], "queued", "{sent}");
    std::fs::rename(&away, &home).expect("it moves");
    wait("it is heard", || (sm.run(&["result", &id]).text() == "two").then_some(()));
}

#[test]
fn nothing_gives_way_to_a_codex_of_the_same_version_that_does_not_start() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let id = spawned(&stage, "one");
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    upgrade(sm.dir.path(), &json!({ "dies": "a library is missing" }));
    let ran = sm.run(&["serve", "--drain", "--json"]);
    assert_eq!((ran.code, ran.error()["code"].as_str()), (9, Some("codex_died")), "{}", ran.err);
    let servers = status(sm)["servers"].clone();
    assert_eq!((servers[0]["draining"].clone(), servers[1].clone()), (json!(false), json!(null)));
    assert_eq!(sm.run(&["send", &id, "two"]).code, 0);
    assert_eq!(sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
    assert_eq!(sm.run(&["result", &id]).text(), "two");
}

#[test]
fn no_server_that_is_just_being_started_is_left_behind() {
    const HOMES: usize = 8;
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let cwd = sm.dir.path().to_str().expect("a plain path");
    for number in 0..HOMES {
        let home = sm.dir.path().join(format!("codex-{number}"));
        std::fs::create_dir(&home).expect("a folder");
        let home = home.to_str().expect("a plain path");
        assert_eq!(sm.run(&["spawn", "hi", "--cwd", cwd, "--codex-home", home]).code, 0);
    }
    kill_daemon(sm);
    // The next one starts a server for each at once, and is told to end meanwhile.
    assert_eq!(sm.run(&["serve"]).code, 0);
    assert_eq!(sm.run(&["serve", "--stop"]).code, 0);
    let text = sm.run(&["replay"]).text();
    let count = |words| text.matches(words).count();
    assert_eq!(count("sm/generation/started"), count("sm/generation/ended"), "{text}");
}

#[test]
fn the_unit_runs_a_daemon() {
    let sm = Sm::new().with("CODEX_HOME", "/a path/with 50%");
    let unit = sm.run(&["serve", "--unit"]);
    assert_eq!(unit.code, 0, "{}", unit.err);
    assert!(unit.err.contains("systemctl --user"), "{}", unit.err);
    let text = unit.text();
    assert_eq!(sm.json(&["serve", "--unit"])["unit"], text);
    assert!(text.contains("Environment=\"CODEX_HOME=/a path/with 50%%\"\n"), "{text}");
    let path = sm.file("sm.service", &unit.out);
    // Where systemd is there it reads it, and has nothing to say.
    if let Ok(verified) = std::process::Command::new("systemd-analyze")
        .args(["verify", "--user", &path])
        .env("XDG_RUNTIME_DIR", sm.dir.path())
        .output()
    {
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(!said.contains("sm.service"), "{said}");
    }
    // Its command runs, and SIGTERM ends it well.
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let mut daemon = std::process::Command::new("sh")
        .args(["-c", &format!("exec {line}")])
        .env("HOME", sm.dir.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    wait("it answers", || (sm.run(&["serve", "--status"]).code == 0).then_some(()));
    assert_eq!(status(&sm)["health"]["pid"], daemon.id());
    let pid = Pid::from_raw(i32::try_from(daemon.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::TERM).expect("it runs");
    assert!(daemon.wait().expect("it ends").success());
    assert_eq!(sm.run(&["serve", "--status"]).code, 9);
}

#[test]
fn a_wait_does_not_call_a_session_dead_that_is_about_to_be_brought_back() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let method = "item/permissions/requestApproval";
    let (id, _) = stage.asks(method, &recorded("permissions.tap.jsonl", method, 0));
    write(sm.dir.path(), &json!({ "dies": "not today" }));
    kill(&status(sm)["servers"][0]["pid"]);
    let waiting = |status: &Value| status["resuming"].as_array().is_some_and(|one| !one.is_empty());
    wait("it waits to be resumed", || waiting(&status(sm)).then_some(()));
    // Longer than a session may be gone that nobody brings back.
    let waited = sm.run(&["wait", &id, "--timeout", "8"]);
    assert!(waiting(&status(sm)), "it still waits to be resumed");
    assert_eq!(waited.code, 124, "{}{}", waited.text(), waited.err);
    write(sm.dir.path(), &json!({}));
    let waited = sm.run(&["wait", &id, "--timeout", "60"]);
    assert_eq!(waited.code, 0, "{}{}", waited.text(), waited.err);
}
