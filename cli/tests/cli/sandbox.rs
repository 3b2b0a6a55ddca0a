//! Commands where the pids are others than the daemon's: in a container, and in Codex's own sandbox, whose
//! shells reach no socket either.

use crate::live::Live;
use crate::requests::Stage;
use crate::support::{Ran, ran};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

/// What runs a program in a pid namespace of its own.
const ELSEWHERE: [&str; 5] = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];

/// Runs `sm` with those words where it sees no process of the daemon's; `None` where this system makes no pid
/// namespaces.
fn elsewhere(live: &Live, words: &[&str]) -> Option<Ran> {
    let unshare = |program: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(ELSEWHERE).arg(program).stdin(Stdio::null());
        unshare
    };
    if !unshare("true").output().is_ok_and(|tried| tried.status.success()) {
        #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
        {
            eprintln!("skipped: `unshare` makes no pid namespace here");
        }
        return None;
    }
    let inner = live.sm.command(words);
    let mut command = unshare(env!("CARGO_BIN_EXE_sm"));
    command.args(inner.get_args());
    Some(ran(command.output().expect("sm runs")))
}

fn document(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn where_the_pids_are_others_a_session_is_not_known_to_be_dead_and_is_waited_for() {
    let Some(live) = Live::start() else { return };
    let id =
        live.spawn("worker", "run: until [ -e go ]; do sleep 0.1; done; sleep 2\nsay: done", &[]);
    let Some(listed) = elsewhere(&live, &["ps", "--json"]) else { return };
    let session = &document(&listed)["sessions"][0];
    assert_eq!((&session["live"], &session["looks_stuck"]), (&Value::Null, &Value::Null));
    assert!(session["turn_id"].is_string(), "{session}");
    let status = document(&elsewhere(&live, &["status", "--json"]).expect("a namespace"));
    assert_eq!((&status["dead"], &status["live"]), (&json!(0), &json!({})));
    assert!(status["line"].as_str().is_some_and(|line| line.ends_with("1 by the log alone")));
    let doctor = document(&elsewhere(&live, &["doctor", "--json"]).expect("a namespace"));
    // The socket is reached from there.
    assert_eq!(doctor["checks"]["daemon"]["status"], "ok", "{doctor}");
    live.sm.file("go", b"");
    let waited = elsewhere(&live, &["wait", &id, "--timeout", "60", "--json"]);
    let waited = waited.expect("a namespace");
    assert_eq!(waited.code, 0, "{waited:?}");
    let waited = document(&waited);
    assert_eq!(
        (&waited["reason"], &waited["sessions"][0]["result"]),
        (&json!("reached"), &json!("done"))
    );
    // Without its daemon nobody would report of it: that is known everywhere.
    live.ok(&["serve", "--stop"]);
    let listed = document(&elsewhere(&live, &["ps", "--all", "--json"]).expect("a namespace"));
    assert_eq!(listed["sessions"][0]["live"], false, "{listed}");
}

#[test]
fn a_sandboxed_shell_waits_for_sessions_and_is_told_what_it_does_not_reach() {
    let Some(live) = Live::start() else { return };
    let work = live.sm.dir.path().join("work");
    std::fs::create_dir(&work).expect("a folder");
    // They work until the lead's own shell lets them go on.
    let ids = ["1", "2", "3"].map(|seconds| {
        let until = format!("until [ -e {}/go ]; do sleep 0.1; done", work.display());
        let script = format!("run: {until}; sleep {seconds}\nsay: {seconds}");
        live.spawn(&format!("s{seconds}"), &script, &[])
    });
    let home = live.sm.home();
    let sm = format!("{} --home {}", env!("CARGO_BIN_EXE_sm"), home.display());
    let script = format!(
        "(sleep 1; touch go) & {sm} wait {} --timeout 60 --json > waited; echo $? > code; {sm} send {} x --json 2> sent; \
         {sm} doctor --json > doctor; true",
        ids.join(" "),
        ids[0]
    );
    let (cwd, prompt) =
        (work.to_str().expect("a plain path"), format!("run@90000: {script}\nsay: ok"));
    let words =
        ["spawn", &prompt, "--cwd", cwd, "--sandbox", "workspace-write", "--approval", "never"];
    let lead = live.ok(&words).text().trim().to_owned();
    live.ok(&["wait", &lead, "--timeout", "120"]);
    let read =
        |name: &str| std::fs::read_to_string(Path::new(&work).join(name)).unwrap_or_default();
    let parse = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap_or_default();
    let doctor = parse("doctor");
    if doctor["checks"]["daemon"]["status"] == "ok" || doctor.is_null() {
        #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
        {
            eprintln!("skipped: codex runs no sandboxed commands here: {}", read("sent"));
        }
        return;
    }
    assert_eq!(read("code").trim(), "0", "{}", read("waited"));
    let waited = parse("waited");
    assert_eq!(waited["reason"], "reached");
    let results = waited["sessions"].as_array().expect("sessions").iter();
    let results: Vec<_> = results.map(|one| (&one["result"], &one["session"]["live"])).collect();
    let [one, two, three] = [json!("1"), json!("2"), json!("3")];
    let null = &Value::Null;
    assert_eq!(results, [(&one, null), (&two, null), (&three, null)]);
    let sent = parse("sent");
    assert_eq!(sent["error"]["code"], "daemon_unreachable", "{}", read("sent"));
    let message = sent["error"]["message"].as_str().expect("a message");
    assert!(
        message.contains("cannot be reached from here") && message.ends_with("nothing was sent")
    );
    let daemon = doctor["checks"]["daemon"]["summary"].as_str().expect("a summary");
    assert!(daemon.contains("out of reach"), "{doctor}");
}

#[test]
fn readers_of_a_home_that_is_read_only_read_what_is_there_while_it_is_written() {
    let stage = Stage::new(&json!({}));
    for name in ["one", "two", "three"] {
        let cwd = stage.sm.dir.path().to_str().expect("a plain path");
        assert_eq!(stage.sm.run(&["spawn", "hi", "--name", name, "--cwd", cwd]).code, 0);
    }
    // As Codex's sandbox shows the home, so that nobody can say there that he reads.
    let home = stage.sm.home();
    let reads = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind {0} || exit 77; \
         for n in $(seq 150); do {1} --home {0} ps --json > {2} 2>&1 || {{ cat {2}; exit 1; }}; done",
        home.display(),
        env!("CARGO_BIN_EXE_sm"),
        stage.sm.dir.path().join("read").display(),
    );
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        scope.spawn(|| {
            let flood = json!({ "deltas": 3000 }).to_string();
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                for name in ["one", "two", "three"] {
                    stage.sm.run(&["send", name, &flood, "--queue"]);
                }
            }
        });
        let mut command = Command::new("unshare");
        command.args(ELSEWHERE).args(["--mount", "sh", "-c", &reads]).stdin(Stdio::null());
        let read = command.output();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        read
    });
    match read.map(ran) {
        Ok(read) if read.code != 77 && !read.err.contains("unshare") => {
            assert_eq!(read.code, 0, "{}{}", read.text(), read.err);
        }
        _ => {
            #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
            {
                eprintln!("skipped: nothing can be mounted here");
            }
        }
    }
}
