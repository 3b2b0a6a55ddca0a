//! Sessions at work: commands, files, failures, sub-agents.

use crate::bench::Bench;
use sm_protocol::Kind;

#[test]
fn a_session_runs_two_commands_and_tells_of_both() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("run: echo one\nrun: echo two && false\nsay: both done"));
    assert!(spawned.turn_id.is_some());
    let session = bench.settled(&spawned.id, 1);
    assert_eq!(session["activity_state"], "idle");
    assert_eq!(session["outcome"], "completed");
    assert_eq!(session["live"], true);
    assert_eq!(session["source"], "app-server");
    let commands = bench.actions(&spawned.id, "command");
    let codes: Vec<_> = commands.iter().map(|command| command["exit_code"].as_i64()).collect();
    assert_eq!(codes, [Some(0), Some(1)]);
    assert_eq!(bench.last_message(&spawned.id), "both done");
    // What was sent is as much history as what came.
    assert_eq!(bench.told(Kind::THREAD_START).len(), 1);
    assert_eq!(bench.told(Kind::TURN_START).len(), 1);
    let inputs = bench.told(Kind::SM_INPUT_CHANGED);
    assert_eq!(inputs[0]["params"]["status"], "started");
}

#[test]
fn commands_know_their_session_and_the_callers_environment() {
    let bench = Bench::start();
    let mut wish = bench.wish("run: echo \"$CODEX_THREAD_ID $VIRTUAL_ENV $SM_HOME\" > env.txt");
    wish.env.insert("VIRTUAL_ENV".to_owned(), "/the/venv".to_owned());
    let spawned = bench.spawn(&wish);
    bench.settled(&spawned.id, 1);
    let env = std::fs::read_to_string(bench.work.join("env.txt")).unwrap();
    let home = bench.home.dir().to_string_lossy().into_owned();
    assert_eq!(env.trim(), format!("{} /the/venv {home}", spawned.thread_id));
}

#[test]
fn a_file_change_tells_its_files_and_lines() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("patch: hello.txt\npatchupd: hello.txt"));
    bench.settled(&spawned.id, 1);
    let changes = bench.actions(&spawned.id, "file_change");
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0]["diff_summary"], "+2 -0");
    assert_eq!(changes[1]["diff_summary"], "+1 -1");
    let text = std::fs::read_to_string(bench.work.join("hello.txt")).unwrap();
    assert_eq!(text, "goodbye\nworld\n");
}

#[test]
fn a_failure_is_retried_and_a_lasting_one_fails_the_turn() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("drop: x1\nsay: at last"));
    let session = bench.settled(&spawned.id, 1);
    assert_eq!(session["outcome"], "completed");
    assert_eq!(bench.rows(&spawned.id, "turns")[0]["retries"], 1);
    bench.send(&spawned.id, "fail: 400", Default::default()).unwrap();
    let session = bench.settled(&spawned.id, 2);
    assert_eq!(session["outcome"], "failed");
    assert!(session["last_error"].is_string());
    // It goes on afterwards.
    bench.send(&spawned.id, "say: fine again", Default::default()).unwrap();
    assert_eq!(bench.settled(&spawned.id, 3)["outcome"], "completed");
}

#[test]
fn codexs_own_sub_agent_is_a_child_with_a_state_of_its_own() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("spawn: run: echo child\nwait:\nsay: parent done"));
    let session = bench.settled(&spawned.id, 1);
    assert_eq!(session["outcome"], "completed");
    let children = bench.rows(&spawned.id, "children");
    assert_eq!(children.len(), 1);
    assert_eq!(children[0]["parent_id"], spawned.id.as_str());
    let child = children[0]["id"].as_str().unwrap();
    assert_eq!(bench.actions(child, "command").len(), 1);
}

#[test]
fn two_sessions_share_one_server() {
    let bench = Bench::start();
    let first = bench.spawn(&bench.wish("run: echo one"));
    let second = bench.spawn(&bench.wish("run: echo two"));
    bench.settled(&first.id, 1);
    bench.settled(&second.id, 1);
    assert_eq!(bench.client().health().unwrap().servers.len(), 1);
    let sessions = bench.client().sessions(None).unwrap();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_line_of_a_megabyte_stops_nothing() {
    let bench = Bench::start();
    let command = "head -c 1200000 /dev/zero | tr '\\0' x; echo; echo end";
    let spawned = bench.spawn(&bench.wish(&format!("run: {command}\nsay: done")));
    let session = bench.settled(&spawned.id, 1);
    assert_eq!(session["outcome"], "completed");
    assert_eq!(bench.last_message(&spawned.id), "done");
}
