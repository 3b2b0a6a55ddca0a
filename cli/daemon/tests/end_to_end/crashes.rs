//! What is lost with a process, and what is not.

use crate::bench::{Bench, is_alive, kill, signal};
use rustix::process::Signal;
use sm_daemon::api::{
    Act, Done, Fork, Forked, Input, Mode, Rename, Review, ReviewOf, Reviewing, Rollback,
    RolledBack, Spawn,
};
use sm_daemon::{Client, ClientError, Home, Start};
use sm_protocol::Kind;
use sm_protocol::synthetic::{InputAccepted, RulesChanged, Synthetic};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

#[test]
fn a_killed_server_orphans_its_requests_and_its_sessions_go_on() {
    let bench = Bench::start();
    let before = bench.spawn(&bench.wish("say: hello"));
    let was = bench.settled(&before.id, 1);
    let asking = bench.spawn(&bench.asking("run: touch never.txt"));
    let request = bench.asked(&asking.id)["id"].as_str().unwrap().to_owned();
    kill(bench.server_pid());
    // Both are loaded again, by themselves, on their own threads.
    for spawned in [&before, &asking] {
        bench.wait("the session is live again", || {
            let session = bench.session(&spawned.id);
            (session["live"] == true && session["activity_state"] == "idle").then_some(())
        });
    }
    let is = bench.session(&before.id);
    for field in ["cwd", "model", "model_provider", "approval_policy", "sandbox"] {
        assert_eq!(is[field], was[field], "{field}");
    }
    let orphan = bench.client().request(&request).unwrap();
    assert_eq!(orphan["status"], "orphaned");
    match bench.decide(&request, "accept") {
        Err(ClientError::Refused { status: 409, problem }) => {
            assert!(problem.message.contains("gone"), "{}", problem.message);
            assert!(problem.hint.is_some_and(|hint| hint.contains(&asking.id)));
        }
        other => panic!("not refused: {other:?}"),
    }
    let listed = bench.client().requests_of("orphaned").unwrap();
    assert_eq!(listed["requests"][0]["id"], request.as_str());
    assert!(listed["requests"][0]["params"]["command"].is_string());
    assert_eq!(bench.client().requests_of("answered").unwrap()["requests"], serde_json::json!([]));
    assert_eq!(bench.client().requests_of("all").unwrap()["requests"], listed["requests"]);
    match bench.client().requests_of("lost") {
        Err(ClientError::Refused { status: 400, problem }) => {
            assert!(problem.hint.is_some_and(|hint| hint.contains("orphaned")));
        }
        other => panic!("not refused: {other:?}"),
    }
    let approval = bench.actions(&asking.id, "command")[0]["approvals"][0].clone();
    assert_eq!((&approval["status"], &approval["decision"]), (&"orphaned".into(), &().into()));
    let session = bench.session(&asking.id);
    assert_eq!(session["outcome"], "lost");
    assert_eq!(session["pending_requests"], 0);
    assert_eq!(session["thread_id"], asking.thread_id.as_str());
    bench.send(&asking.id, "say: still here", Mode::Start).unwrap();
    bench.settled(&asking.id, 2);
    assert_eq!(bench.last_message(&asking.id), "still here");
    assert!(!bench.work.join("never.txt").exists());
    let ended = bench.told(Kind::SM_GENERATION_ENDED);
    assert_eq!(ended[0]["params"]["reason"], "was killed by signal 9");
}

#[test]
fn a_resumed_agent_still_has_its_tools_and_its_environment() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("say: hello"));
    bench.settled(&spawned.id, 1);
    let killed = bench.server_pid();
    kill(killed);
    bench.wait("the session is live again", || {
        let servers = bench.client().health().unwrap().servers;
        let is_new = servers.first().is_some_and(|server| server.pid != Some(killed));
        (is_new && bench.session(&spawned.id)["live"] == true).then_some(())
    });
    let text =
        "dyn: sm_children\nrun: echo \"$SM_SESSION_ID $SM_HOME\" > env.txt\nsay: {{1.sessions}}";
    bench.send(&spawned.id, text, Mode::Start).unwrap();
    bench.settled(&spawned.id, 2);
    assert_eq!(bench.last_message(&spawned.id), "[]");
    let env = std::fs::read_to_string(bench.work.join("env.txt")).unwrap();
    assert_eq!(env.trim(), format!("{} {}", spawned.id, bench.home.dir().display()));
}

#[test]
fn a_killed_daemon_loses_nothing_that_was_recorded() {
    let mut bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("run: echo before\nslow: 20000 5"));
    bench.wait("the answer has begun", || {
        let working = bench.session(&spawned.id)["activity_state"] == "working";
        (working && !bench.actions(&spawned.id, "command").is_empty()).then_some(())
    });
    bench.send(&spawned.id, "say: queued before", Mode::Queue).unwrap();
    let server = bench.server_pid();
    let seen = bench.client().health().unwrap().watermark;
    let before = bench.records();
    bench.kill_daemon();
    bench.serve();
    let after = bench.records();
    assert!(after.len() as u64 >= seen);
    assert_eq!(after[..before.len()], before[..]);
    assert!(!is_alive(server), "the server of the dead daemon is still there");
    let session = bench.settled(&spawned.id, 2);
    assert_eq!(session["thread_id"], spawned.thread_id.as_str());
    assert_eq!(session["counts"]["turns_lost"], 1);
    assert_eq!(bench.last_message(&spawned.id), "queued before");
    assert_eq!(bench.rows(&spawned.id, "turns")[0]["outcome"], "lost");
    // Folded anew, the log gives the same tables.
    assert_eq!(bench.client().sessions(None).unwrap()["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_daemon_that_ends_in_order_ends_its_turns_and_keeps_its_queues() {
    let mut bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("slow: 20000 5"));
    bench.send(&spawned.id, "say: after the restart", Mode::Queue).unwrap();
    let server = bench.server_pid();
    bench.stop_daemon();
    assert!(!is_alive(server));
    assert!(!bench.home.socket_path().exists());
    bench.serve();
    let session = bench.settled(&spawned.id, 2);
    assert_eq!(session["counts"]["turns_interrupted"], 1);
    assert_eq!(bench.last_message(&spawned.id), "after the restart");
}

#[test]
fn sigterm_keeps_the_queue_syncs_the_log_and_leaves_no_process() {
    let mut bench = Bench::start();
    let pid_file = bench.work.join("pid");
    let spawned = bench.spawn(&bench.wish("run: echo $$ > pid; exec sleep 1000"));
    let command = bench.wait("the command runs", || {
        std::fs::read_to_string(&pid_file).ok()?.trim().parse::<u32>().ok()
    });
    bench.send(&spawned.id, "say: kept", Mode::Queue).unwrap();
    let server = bench.server_pid();
    assert!(bench.terminate_daemon());
    assert!(!is_alive(server));
    bench.wait("the command is gone", || (!is_alive(command)).then_some(()));
    // All that was said is durable, and the last of it is the server's end.
    let records = bench.records();
    let last = records.last().unwrap();
    assert_eq!(Kind(last.kind), Kind::SM_GENERATION_ENDED);
    assert!(String::from_utf8_lossy(&last.payload).contains("ended with the daemon"));
    let reader = sm_log::Reader::open(bench.home.log_dir()).unwrap();
    assert_eq!(reader.watermark(), last.seq);
    bench.serve();
    let session = bench.settled(&spawned.id, 2);
    assert_eq!(session["counts"]["turns_interrupted"], 1);
    assert_eq!(bench.last_message(&spawned.id), "kept");
}

#[test]
fn a_session_that_codex_cannot_resume_is_declared_stopped() {
    let mut bench = Bench::start();
    let mut wish = bench.wish("");
    wish.prompt = None;
    let spawned = bench.spawn(&wish);
    bench.kill_daemon();
    bench.serve();
    bench.wait("the session is given up", || {
        (!bench.told(Kind::SM_SESSION_UNRESUMABLE).is_empty()).then_some(())
    });
    assert_eq!(bench.session(&spawned.id)["activity_state"], "stopped");
    match bench.client().resume(&spawned.id, &Act::default()) {
        Err(ClientError::Refused { problem, .. }) => assert_eq!(problem.code, "session_dead"),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_waits_for_a_session_that_codex_cannot_resume_fails_and_does_not_wait_for_ever() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch it")).id;
    bench.asked(&id);
    for text in ["say: one", "say: two"] {
        assert_eq!(bench.send(&id, text, Mode::Queue).unwrap().status, "queued");
    }
    bench.kill_daemon();
    std::fs::remove_dir_all(bench.codex_home.join("sessions")).unwrap();
    bench.serve();
    let failed = bench.wait("both have failed", || {
        let undelivered = bench.client().queue().unwrap()["undelivered"].clone();
        undelivered.as_array().filter(|rows| rows.len() == 2).cloned()
    });
    for input in failed {
        assert_eq!(input["status"], "failed");
        assert!(input["reason"].as_str().unwrap().contains("cannot resume"), "{input}");
    }
    assert_eq!(bench.session(&id)["queued"], 0);
}

#[test]
fn a_session_is_loaded_again_though_another_server_answered_for_it_before() {
    let bench = Bench::start();
    for (at, is_fork) in [true, false].into_iter().enumerate() {
        let id = bench.spawn(&bench.wish("say: hello")).id;
        bench.settled(&id, 1);
        bench.send(&id, "run: sleep 600", Mode::Start).unwrap();
        bench.wait("a running turn", || bench.session(&id)["turn_id"].as_str().map(drop));
        bench.send(&id, "say: behind", Mode::Queue).unwrap();
        kill(bench.server_pid());
        // Neither needs the thread to be loaded; the server that was killed may still be asked.
        let wish = Rename { name: format!("name-{at}"), ..Rename::default() };
        bench.wait("the next server answers", || match is_fork {
            true => bench.client().verb::<Forked>(&id, "fork", &Fork::default()).ok().map(drop),
            false => bench.client().verb::<Done>(&id, "name", &wish).ok().map(drop),
        });
        bench.wait("what waited is heard", || (bench.last_message(&id) == "behind").then_some(()));
        assert_eq!(bench.settled(&id, 3)["live"], true);
    }
}

#[test]
fn words_that_an_interrupt_threw_away_are_listed_as_not_taken() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("run: sleep 600")).id;
    bench.wait("a command runs", || {
        bench.actions(&id, "command").iter().any(|row| row["status"] == "in_progress").then_some(())
    });
    let steered = bench.send(&id, "say: thrown away", Mode::Steer).unwrap();
    assert_eq!(steered.status, "steered");
    bench.client().interrupt(&id, &Act::default()).unwrap();
    let input = bench.wait("its thread was searched for it", || {
        let input = bench.client().queue().unwrap()["undelivered"][0].clone();
        input["reason"].as_str()?.contains("does not have it").then_some(input)
    });
    assert_eq!((&input["id"], &input["status"]), (&steered.id.into(), &"unknown".into()));
}

#[test]
fn a_message_that_codex_refused_for_now_waits_over_a_crash() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: hello")).id;
    bench.settled(&id, 1);
    let of = ReviewOf::Prompt("slow: 20000 5".to_owned());
    let review = Review { of, ..Review::default() };
    let _: Reviewing = bench.client().verb(&id, "review", &review).unwrap();
    let steered = bench.send(&id, "say: kept", Mode::Steer).unwrap();
    assert_eq!(steered.status, "queued", "a review takes no words: {steered:?}");
    // For that turn only, it would never be delivered.
    let expected_turn = bench.session(&id)["turn_id"].as_str().map(str::to_owned);
    let only = Input { mode: Mode::Steer, expected_turn, ..Input::default() };
    match bench.client().input(&id, &Input { text: "say: only then".to_owned(), ..only }) {
        Err(ClientError::Refused { status: 409, problem }) => {
            assert_eq!(problem.code, "turn_unsteerable", "{}", problem.message);
        }
        other => panic!("not refused: {other:?}"),
    }
    assert!(steered.reason.is_some());
    bench.kill_daemon();
    bench.serve();
    bench.wait("it is heard", || (bench.last_message(&id) == "kept").then_some(()));
    assert_eq!(bench.client().queue().unwrap()["undelivered"], serde_json::json!([]));
}

#[test]
fn a_message_whose_daemon_died_at_its_acceptance_waits_behind_what_is_held() {
    let mut bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("slow: 20000 5"));
    let id = spawned.id;
    let first = bench.send(&id, "say: first", Mode::Queue).unwrap().id;
    bench.client().interrupt(&id, &Act::default()).unwrap();
    bench.kill_daemon();
    {
        let (log, _) = sm_log::Log::open(bench.home.log_dir(), sm_log::Options::default()).unwrap();
        let scribe = sm_ingest::Scribe::new(log);
        for (text, mode) in
            [("say: second", "start"), ("say: third", "queue"), ("say: now", "urgent")]
        {
            let accepted = InputAccepted {
                text: text.to_owned(),
                mode: mode.to_owned(),
                by: "user".to_owned(),
                ..InputAccepted::default()
            };
            let accepted = Synthetic::InputAccepted(accepted);
            scribe.note(1, &spawned.thread_id, &accepted).unwrap().wait().unwrap();
        }
    }
    bench.serve();
    // Only what is urgent goes past it.
    bench.wait("the urgent one is over", || (bench.last_message(&id) == "now").then_some(()));
    let waiting = bench.wait("the others are held", || {
        let inputs = bench.client().queue().unwrap()["inputs"].as_array()?.clone();
        inputs.iter().all(|input| input["held"] == true).then_some(inputs)
    });
    let words: Vec<_> = waiting.iter().map(|input| input["summary"].as_str().unwrap()).collect();
    assert_eq!(words, ["say: first", "say: second", "say: third"]);
    assert_eq!(waiting[0]["id"], first.as_str());
    bench.client().resume(&id, &Act::default()).unwrap();
    bench.settled(&id, 5);
    assert_eq!(bench.last_message(&id), "third");
}

/// A program that is a daemon when it is called as `sm` would be.
fn program(dir: &std::path::Path, script: &str) -> std::path::PathBuf {
    let path = dir.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn two_starters_get_the_same_daemon_and_one_that_dies_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path().join("sm"));
    let dies = program(dir.path(), "echo the reason >&2; exit 3");
    match Client::or_start(&home, &dies, &Start::default()) {
        Err(ClientError::NotStarted { why, log }) => {
            assert!(why.contains('3') && log.contains("the reason"), "{why}: {log}");
        }
        other => panic!("started: {:?}", other.map(drop)),
    }
    // Where it could say nothing none is started, and what an earlier one said is not told.
    let (log, kept) = (home.daemon_log(), dir.path().join("kept"));
    std::fs::rename(&log, &kept).unwrap();
    std::fs::create_dir(&log).unwrap();
    let refused = Client::or_start(&home, &dies, &Start::default()).map(drop).unwrap_err();
    assert!(matches!(refused, ClientError::Home(_)), "{refused}");
    assert!(refused.to_string().contains(&log.display().to_string()), "{refused}");
    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(&kept, &log).unwrap();
    let this = std::env::current_exe().unwrap();
    let serves = program(
        dir.path(),
        &format!(
            "export SM_TEST_SERVE_HOME=\"$2\" SM_TEST_SERVE_CODEX_HOME=/nowhere\n\
             exec {} daemon_process --exact --nocapture",
            this.display()
        ),
    );
    let pids: Vec<u32> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let client = Client::or_start(&home, &serves, &Start::default()).unwrap();
                    client.health().unwrap().pid
                })
            })
            .collect();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect()
    });
    assert_eq!(pids[0], pids[1]);
    Client::connect(&home).unwrap().shutdown().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while is_alive(pids[0]) && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(!is_alive(pids[0]));
}

#[test]
fn an_input_whose_answer_was_lost_is_unknown_and_never_sent_again() {
    let mut bench = Bench::start();
    let spawned = bench.spawn(&bench.wish("say: hello"));
    bench.settled(&spawned.id, 1);
    // A server that stands still takes the input and answers nothing.
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let sent = |bench: &Bench| bench.told(Kind::TURN_START).len();
    let (home, id) = (bench.home.clone(), spawned.id.clone());
    let input = std::thread::spawn(move || {
        let words = Input { text: "say: lost".into(), ..Input::default() };
        Client::connect(&home).unwrap().input(&id, &words)
    });
    bench.wait("the input is sent", || (sent(&bench) == 2).then_some(()));
    kill(server);
    let taken = input.join().unwrap().unwrap();
    assert_eq!(taken.status, "unknown");
    assert!(taken.reason.unwrap().contains("ended before it answered"));
    bench.client().resume(&spawned.id, &Act::default()).unwrap();
    bench.wait("the thread is searched for it", || {
        let changed = bench.told(Kind::SM_INPUT_CHANGED);
        let reason = changed.last()?["params"]["reason"].as_str()?.to_owned();
        reason.contains("the thread does not have it").then_some(())
    });

    // The same, but it is the daemon that dies with the answer outstanding.
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let (home, id) = (bench.home.clone(), spawned.id.clone());
    let input = std::thread::spawn(move || {
        let words = Input { text: "say: lost too".into(), ..Input::default() };
        Client::connect(&home).unwrap().input(&id, &words)
    });
    bench.wait("the input is sent", || (sent(&bench) == 3).then_some(()));
    bench.kill_daemon();
    assert!(input.join().unwrap().is_err());
    bench.serve();
    let changed = bench.told(Kind::SM_INPUT_CHANGED);
    let last = &changed.last().unwrap()["params"];
    assert_eq!(last["status"], "unknown");
    assert!(!is_alive(server));
    // Whoever was first: the kernel hangs up on a stopped group that lost its parent, the next daemon ends it.
    let ended = bench.told(Kind::SM_GENERATION_ENDED);
    let reason = ended.last().unwrap()["params"]["reason"].as_str().unwrap();
    assert!(reason.contains("a daemon that died"), "{reason}");
    bench.wait("the session is live again", || {
        (bench.session(&spawned.id)["live"] == true).then_some(())
    });
    assert_eq!(bench.session(&spawned.id)["queued"], 0);
    assert_eq!(sent(&bench), 3);
}

/// Asks for a session's newest turn to be dropped, and leaves its server standing still where it is to do that.
fn rollback_unanswered(
    bench: &Bench,
    id: &str,
    method: &str,
) -> (u32, JoinHandle<Result<RolledBack, ClientError>>) {
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let (home, word) = (bench.home.clone(), id.to_owned());
    let asked = std::thread::spawn(move || {
        let one = Rollback { turns: 1, ..Rollback::default() };
        Client::connect(&home).unwrap().verb(&word, "rollback", &one)
    });
    let asks = || {
        let records = bench.records();
        let sent = records.iter().filter(|record| record.direction == sm_log::Direction::Client);
        let quoted = format!("\"{method}\"");
        sent.filter(|record| String::from_utf8_lossy(&record.payload).contains(&quoted)).count()
    };
    let before = asks();
    bench.wait("the rollback is asked for", || {
        let asks = asks() > before;
        if !asks {
            // What comes before it is answered, a little at a time.
            signal(server, Signal::CONT);
            std::thread::sleep(Duration::from_micros(200));
            signal(server, Signal::STOP);
            // The daemon has the time to ask for the next.
            std::thread::sleep(Duration::from_millis(50));
        }
        asks.then_some(())
    });
    (server, asked)
}

/// The bytes of all that Codex stored of its threads.
fn stored(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let sizes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => stored(&entry.path()),
        false => entry.metadata().unwrap().len(),
    });
    sizes.sum()
}

/// What a rollback did that nobody heard of is found out, on that release, by that method: where Codex carried it out, and
/// where it did not.
pub fn unheard_rollbacks(codex: PathBuf, method: &str) {
    let mut bench = Bench::start();
    bench.codex = codex;
    bench.stop_daemon();
    bench.serve();
    let id = bench.spawn(&bench.wish("say: one")).id;
    bench.settled(&id, 1);
    bench.send(&id, "say: two", Mode::Start).unwrap();
    bench.settled(&id, 2);
    let found_out = |bench: &Bench, times: usize| {
        let told = bench.wait("it is found out", || {
            let told = bench.told(Kind::SM_TURNS_DROPPED);
            (told.len() == times).then_some(told)
        });
        let last = told.last().unwrap()["params"].clone();
        assert_eq!(last["by"], "codex", "{last}");
        let turns = bench.rows(&id, "turns");
        (last["count"].clone(), turns.iter().map(|turn| !turn["dropped_seq"].is_null()).collect())
    };
    // The server dies before it has done anything.
    let (server, asked) = rollback_unanswered(&bench, &id, method);
    kill(server);
    match asked.join().unwrap() {
        Err(ClientError::Refused { problem, .. }) => {
            assert_eq!((problem.code.as_str(), problem.retryable), ("codex_died", false));
            assert!(problem.hint.unwrap().contains(&format!("`sm turns {id}` marks what went")));
        }
        other => panic!("answered: {other:?}"),
    }
    bench.client().resume(&id, &Act::default()).unwrap();
    assert_eq!(found_out(&bench, 1), (0.into(), vec![false, false]));
    // It does it, and the daemon dies before it hears of it.
    let sessions = bench.codex_home.join("sessions");
    let before = stored(&sessions);
    let (server, asked) = rollback_unanswered(&bench, &id, method);
    // What is recorded is also sent.
    std::thread::sleep(Duration::from_millis(100));
    signal(bench.daemon_pid(), Signal::STOP);
    signal(server, Signal::CONT);
    let mut last = before;
    bench.wait("Codex has carried it out", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = stored(&sessions);
        let is_done = now != before && now == last;
        last = now;
        is_done.then_some(())
    });
    bench.kill_daemon();
    assert!(matches!(asked.join().unwrap(), Err(ClientError::Broken(_))));
    bench.serve();
    assert_eq!(found_out(&bench, 2), (1.into(), vec![false, true]));
    // The next one takes what is left, and is told of as ever.
    let one = Rollback { turns: 1, ..Rollback::default() };
    let back: RolledBack = bench.client().verb(&id, "rollback", &one).unwrap();
    assert_eq!(back.turns, [1]);
}

#[test]
fn what_a_rollback_did_that_was_never_answered_is_found_out() {
    unheard_rollbacks(crate::bench::codex(), "thread/revert");
}

/// The log's files that end so.
fn segments(bench: &Bench, end: &str) -> Vec<std::path::PathBuf> {
    let names = std::fs::read_dir(bench.home.log_dir()).unwrap();
    let mut names: Vec<_> = names.map(|name| name.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|found| found == end));
    names
}

/// Seals all that the log of a daemon that is not there has.
fn seal(bench: &Bench) {
    let options = sm_log::Options::default().with_segment_bytes(4096);
    let (log, _) = sm_log::Log::open(bench.home.log_dir(), options).unwrap();
    let changed = Synthetic::RulesChanged(RulesChanged::default());
    for _ in 0..2 {
        sm_ingest::Scribe::new(log.clone()).note(1, "", &changed).unwrap().wait().unwrap();
    }
    log.seal().unwrap();
}

#[test]
fn damage_behind_a_held_message_keeps_no_daemon_from_starting_and_leaves_it_unknown() {
    for is_sealed in [true, false] {
        let mut bench = Bench::start();
        let id = bench.spawn(&bench.wish("slow: 20000 5")).id;
        bench.wait("a running turn", || bench.session(&id)["turn_id"].as_str().map(drop));
        let held = bench.send(&id, "say: held", Mode::Queue).unwrap().id;
        bench.client().interrupt(&id, &Act::default()).unwrap();
        let wish = Rename { name: "damaged".to_owned(), ..Rename::default() };
        let _: Done = bench.client().verb(&id, "name", &wish).unwrap();
        bench.kill_daemon();
        if is_sealed {
            seal(&bench);
        }
        let file = match is_sealed {
            true => segments(&bench, "sealed").remove(0),
            false => segments(&bench, "seg").remove(0),
        };
        let mut bytes = std::fs::read(&file).unwrap();
        let words = b"sm/session/named";
        let at = match is_sealed {
            true => bytes.len() / 2,
            false => bytes.windows(words.len()).position(|found| found == words).unwrap(),
        };
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        bench.serve();
        let input = bench.wait("the thread is searched for it", || {
            let input = bench.client().queue().unwrap()["undelivered"][0].clone();
            input["reason"].as_str()?.contains("the thread does not have it").then_some(input)
        });
        assert_eq!((&input["id"], &input["status"]), (&held.as_str().into(), &"unknown".into()));
        assert_eq!(bench.session(&id)["counts"]["turns"], 1);
    }
}

#[test]
fn a_server_whose_end_is_folded_late_has_its_sessions_brought_back_all_the_same() {
    let mut bench = Bench::start();
    bench.stop_daemon();
    bench.fold_patience = Some(200);
    bench.serve();
    let id = bench.spawn(&bench.wish("say: hello")).id;
    bench.settled(&id, 1);
    let (server, tables) = (bench.server_pid(), bench.tables());
    let stalled = tables.write_txn().unwrap();
    kill(server);
    bench.wait("it was waited for in vain", || {
        let said = std::fs::read_to_string(bench.home.daemon_log()).unwrap();
        said.contains("is not folded yet").then_some(())
    });
    drop(stalled);
    bench.wait("the session is live again", || {
        let servers = bench.client().health().unwrap().servers;
        let is_new = servers.first().is_some_and(|found| found.pid != Some(server));
        (is_new && bench.session(&id)["live"] == true).then_some(())
    });
    assert_eq!(bench.told(Kind::SM_GENERATION_ENDED).len(), 1, "it ended once");
}

#[test]
fn what_was_put_away_with_the_daemon_is_settled_and_loaded_by_the_next_message() {
    let mut bench = Bench::start();
    let parent = bench.spawn(&bench.wish("say: hello")).id;
    bench.settled(&parent, 1);
    let child = Spawn { parent: Some(parent.clone()), ..bench.wish("slow: 20000 5") };
    let child = bench.spawn(&child).id;
    bench.wait("a running turn", || bench.session(&child)["turn_id"].as_str().map(drop));
    bench.stop_daemon();
    bench.serve();
    // Nothing is loaded that nobody has something for.
    let servers = bench.client().servers().unwrap();
    assert!(servers.servers.is_empty() && servers.resuming.is_empty(), "{servers:?}");
    assert_eq!(bench.session(&parent)["activity_state"], "stopped");
    let asks = format!(
        "dyn: sm_wait {{\"sessions\": [\"{child}\"]}}\n\
         say: {{{{1.timed_out}}}} {{{{1.sessions.0.settled}}}} {{{{1.sessions.0.outcome}}}}"
    );
    assert_eq!(bench.send(&parent, &asks, Mode::Start).unwrap().status, "started");
    bench.settled(&parent, 2);
    assert_eq!(bench.last_message(&parent), "false true interrupted");
    assert_eq!(bench.session(&child)["activity_state"], "stopped");
    // What its child comes to is told to a parent that was put away, too.
    bench.stop_daemon();
    bench.serve();
    bench.send(&child, "say: done after all", Mode::Start).unwrap();
    bench.settled(&parent, 3);
    let told = bench.told(Kind::SM_INPUT_ACCEPTED);
    let told = told.last().unwrap()["params"]["text"].as_str().unwrap();
    assert!(told.contains("> done after all"), "{told}");
}

#[test]
fn no_command_outlives_its_server() {
    let mut bench = Bench::start();
    let pid_file = bench.work.join("pid");
    let spawned = bench.spawn(&bench.wish("run: echo $$ > pid; exec sleep 1000"));
    let started = |file: &std::path::Path| {
        std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u32>().ok())
    };
    let command = bench.wait("the command runs", || started(&pid_file));
    bench.kill_daemon();
    bench.serve();
    bench.wait("the command is gone", || (!is_alive(command)).then_some(()));
    std::fs::remove_file(&pid_file).unwrap();
    bench.send(&spawned.id, "run: echo $$ > pid; exec sleep 1000", Mode::Start).unwrap();
    let command = bench.wait("the command runs", || started(&pid_file));
    kill(bench.server_pid());
    bench.wait("the command is gone", || (!is_alive(command)).then_some(()));
}

#[test]
fn a_codex_that_is_missing_or_dies_at_its_start_says_so() {
    let bench = Bench::start();
    let elsewhere = bench.codex_home.join("elsewhere");
    let home = Some(elsewhere.to_string_lossy().into_owned());
    let wish = sm_daemon::api::Spawn { codex_home: home, ..bench.wish("say: hello") };
    match bench.client().spawn(&wish) {
        Err(ClientError::Refused { status: 404, problem }) => {
            assert_eq!(problem.code, "codex_home_missing");
        }
        other => panic!("not refused: {other:?}"),
    }
    // A folder where Codex keeps its state database: it cannot go on.
    std::fs::create_dir_all(elsewhere.join("state_5.sqlite")).unwrap();
    match bench.client().spawn(&wish) {
        Err(ClientError::Refused { status: 502, problem }) => {
            assert_eq!(problem.code, "codex_died");
            assert!(problem.message.contains("state_5.sqlite"), "{}", problem.message);
            assert!(problem.hint.is_some_and(|hint| hint.contains("CODEX_HOME=")));
        }
        other => panic!("not refused: {other:?}"),
    }
    let ended = bench.told(Kind::SM_GENERATION_ENDED);
    assert_eq!(ended.len(), 1);

    let mut bench = bench;
    bench.stop_daemon();
    bench.codex = bench.codex_home.join("nothing");
    bench.serve();
    match bench.client().spawn(&bench.wish("say: hello")) {
        Err(ClientError::Refused { status: 502, problem }) => {
            assert_eq!(problem.code, "codex_missing");
        }
        other => panic!("not refused: {other:?}"),
    }
}
