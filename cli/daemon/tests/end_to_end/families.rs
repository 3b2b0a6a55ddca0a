//! Parents that are woken with what is new of their children, and reminders.

use crate::bench::{Bench, kill, signal};
use rustix::process::Signal;
use serde_json::{Value, json};
use sm_daemon::ClientError;
use sm_daemon::api::{Act, Cancel, Hold, Looked, Mode, Remind, Rollback, RolledBack, Spawn};
use sm_protocol::Kind;

/// The messages that `sm` itself sent, in their order.
fn wakes(bench: &Bench) -> Vec<Value> {
    let sent = bench.told(Kind::SM_INPUT_ACCEPTED).into_iter();
    sent.map(|mut sent| sent["params"].take()).filter(|sent| sent["by"] == "sm").collect()
}

fn text(wake: &Value) -> &str {
    wake["text"].as_str().unwrap()
}

/// Once all that a session was told is dealt with: how often it was woken.
fn count_after_a_turn(bench: &Bench, id: &str) -> usize {
    let turns = bench.session(id)["counts"]["turns"].as_u64().unwrap();
    bench.send(id, "say: barrier", Mode::Start).unwrap();
    bench.settled(id, turns + 1);
    wakes(bench).len()
}

/// A step that has an agent make a child.
fn spawning(child: &Value) -> String {
    format!("dyn: sm_spawn {child}")
}

#[test]
fn a_parent_is_woken_once_with_what_its_child_did() {
    let bench = Bench::start();
    let child = json!({
        "prompt": "run: exit 3\npatch: hi.txt\nrun: true\nsay: last words",
        "name": "builder",
    });
    let parent = bench.spawn(&bench.wish(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 2);
    let child = &bench.rows(&parent.id, "children")[0];
    let (id, thread) = (child["id"].as_str().unwrap(), child["thread_id"].as_str().unwrap());
    let sent = wakes(&bench);
    let told = text(&sent[0]);
    assert!(told.starts_with("[sm] News of a child of yours:\n"), "{told}");
    assert!(told.contains(&format!("{id} (builder) has finished.\n")), "{told}");
    assert!(told.contains(" tokens, ") && told.contains("1 turn, "), "{told}");
    assert!(told.contains(", 2 commands (1 failed).\n"), "{told}");
    assert!(told.contains("Files changed: ") && told.contains("hi.txt (+2 -0).\n"), "{told}");
    assert!(told.ends_with("Its last words:\n> last words\n"), "{told}");
    assert_eq!(sent[0]["news"][0]["thread"], thread);
    assert_eq!(child["outcome"], "completed");
    assert_eq!(count_after_a_turn(&bench, &parent.id), 1);
    // It settles once more: that is news.
    bench.send(id, "say: and more", Mode::Start).unwrap();
    bench.settled(&parent.id, 4);
    let sent = wakes(&bench);
    assert!(text(&sent[1]).contains("> and more\n"), "{sent:?}");
    assert_eq!(count_after_a_turn(&bench, &parent.id), 2);
}

#[test]
fn what_an_older_turn_said_or_suffered_is_no_news_of_a_later_one() {
    let bench = Bench::start();
    let child = json!({ "prompt": "say: the tests are green", "name": "tester" });
    let parent = bench.spawn(&bench.wish(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 2);
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.send(&child, "fail: 400", Mode::Start).unwrap();
    bench.settled(&parent.id, 3);
    let sent = wakes(&bench);
    assert!(text(&sent[0]).contains("> the tests are green\n"), "{sent:?}");
    let told = text(&sent[1]);
    assert!(told.contains("(tester) failed: ") && !told.contains("green"), "{told}");
    bench.send(&child, "run: sleep 20", Mode::Start).unwrap();
    bench.wait("it is at work", || {
        (bench.session(&child)["blocked_on"]["kind"] == "command").then_some(())
    });
    bench.client().interrupt(&child, &Act::default()).unwrap();
    bench.settled(&parent.id, 4);
    let sent = wakes(&bench);
    let told = text(&sent[2]);
    assert!(told.contains("(tester) was interrupted.\n") && !told.contains("green"), "{told}");
    let ask = "dyn: sm_wait\nsay: {{1.sessions.0.result}}, {{1.sessions.0.last_error}}";
    bench.send(&parent.id, ask, Mode::Start).unwrap();
    bench.settled(&parent.id, 5);
    assert_eq!(bench.last_message(&parent.id), "null, null");
}

#[test]
fn a_command_left_in_the_background_is_no_command_cut_off() {
    let bench = Bench::start();
    let go = bench.work.join("go");
    let script =
        format!("run@300: until test -e {}; do sleep 0.1; done\nsay: left it", go.display());
    let child = json!({ "prompt": script, "name": "starter" });
    let parent = bench.spawn(&bench.wish(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 2);
    let sent = wakes(&bench);
    let told = text(&sent[0]);
    assert!(told.contains("Still running in the background: until test -e "), "{told}");
    assert!(!told.contains("cut off"), "{told}");
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    let status = || bench.actions(&child, "command")[0]["status"].clone();
    assert_eq!(
        (status(), &bench.session(&child)["activity_state"]),
        (json!("runs_on"), &json!("idle"))
    );
    std::fs::write(&go, "").unwrap();
    bench.wait("it has ended", || (status() == "completed").then_some(()));
}

#[test]
fn a_command_left_in_the_background_ends_as_its_session_is_stopped() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("run@300: exec sleep 1000\nsay: left it")).id;
    bench.settled(&id, 1);
    let status = || bench.actions(&id, "command")[0]["status"].clone();
    assert_eq!(status(), "runs_on");
    bench.client().stop(&id, &Act::default()).unwrap();
    bench.wait("it is told", || (status() == "lost").then_some(()));
}

#[test]
fn one_wait_runs_three_children_to_their_end_and_then_nothing_is_news() {
    let bench = Bench::start();
    let script = ["one", "two", "three"].map(|name| {
        spawning(&json!({ "prompt": format!("run: sleep 0.3\nsay: {name} is done"), "name": name }))
    });
    let script = format!(
        "{}\ndyn: sm_wait\nsay: {{{{4.sessions.0.result}}}}, {{{{4.sessions.1.result}}}}, \
         {{{{4.sessions.2.result}}}}, {{{{4.timed_out}}}}",
        script.join("\n")
    );
    let wish = Spawn { sandbox: Some("workspace-write".into()), ..bench.wish(&script) };
    let parent = bench.spawn(&wish);
    bench.settled(&parent.id, 1);
    assert_eq!(bench.last_message(&parent.id), "one is done, two is done, three is done, false");
    let told = bench.told(Kind::SM_PARENT_TOLD);
    assert_eq!(told.last().unwrap()["params"]["news"].as_array().unwrap().len(), 3, "{told:?}");
    assert_eq!(count_after_a_turn(&bench, &parent.id), 0);
}

#[test]
fn a_parent_hears_of_a_child_that_waits_for_a_human_and_of_one_that_was_stopped() {
    let bench = Bench::start();
    let child = json!({ "prompt": "run: touch child.txt\nsay: made it", "name": "asker" });
    let parent = bench.spawn(&bench.asking(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 2);
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    let request = bench.asked(&child)["id"].as_str().unwrap().to_owned();
    let sent = wakes(&bench);
    let told = text(&sent[0]);
    assert!(told.contains("(asker) waits for a human.\n"), "{told}");
    assert!(told.contains(&format!("It asks ({request}): ")), "{told}");
    assert!(told.contains("touch child.txt"), "{told}");
    bench.decide(&request, "accept").unwrap();
    bench.settled(&parent.id, 3);
    let sent = wakes(&bench);
    assert!(text(&sent[1]).contains("has finished") && text(&sent[1]).contains("> made it\n"));
    bench.client().stop(&child, &Act::default()).unwrap();
    bench.settled(&parent.id, 4);
    assert!(text(&wakes(&bench)[2]).contains("(asker) was stopped."));
    assert_eq!(count_after_a_turn(&bench, &parent.id), 3);
}

#[test]
fn a_child_that_is_stopped_at_work_is_one_piece_of_news_and_no_wait_ends_before_it() {
    let bench = Bench::start();
    let child = json!({ "prompt": "slow: 20000 5", "name": "victim" });
    let wait = "dyn: sm_wait\nsay: {{2.sessions.0.activity_state}} {{2.sessions.0.settled}}";
    let watcher = bench.spawn(&bench.wish(&format!("{}\n{wait}", spawning(&child))));
    let of_watcher = bench.wait("its child is at work", || {
        let child = bench.rows(&watcher.id, "children").first().cloned()?;
        let waits = bench.actions(&watcher.id, "dynamic_tool").len() == 2;
        (waits && child["turn_id"].is_string()).then(|| child["id"].as_str().unwrap().to_owned())
    });
    bench.send(&of_watcher, "say: later", Mode::Queue).unwrap();
    bench.client().stop(&of_watcher, &Act::default()).unwrap();
    bench.settled(&watcher.id, 1);
    assert_eq!(bench.last_message(&watcher.id), "stopped true");
    assert_eq!(count_after_a_turn(&bench, &watcher.id), 0);
    let parent = bench.spawn(&bench.wish("say: idle"));
    bench.settled(&parent.id, 1);
    for round in 1..=3 {
        let wish = Spawn { parent: Some(parent.id.clone()), ..bench.wish("slow: 20000 5") };
        let child = bench.spawn(&wish).id;
        bench.wait("it is at work", || bench.session(&child)["turn_id"].as_str().map(drop));
        bench.client().stop(&child, &Act::default()).unwrap();
        bench.settled(&parent.id, 2 * round);
        let sent = wakes(&bench);
        let told = text(sent.last().unwrap());
        assert!(told.contains(" was stopped.\nIt did: 1 turn (1 interrupted)"), "{told}");
        assert_eq!(count_after_a_turn(&bench, &parent.id) as u64, round);
    }
    // Of one that did nothing since there is no more to say.
    let idle = bench.spawn(&Spawn { parent: Some(parent.id.clone()), ..bench.wish("") });
    bench.client().stop(&idle.id, &Act::default()).unwrap();
    bench.settled(&parent.id, 8);
    let sent = wakes(&bench);
    let told = text(sent.last().unwrap());
    assert!(told.ends_with(&format!("{} was stopped.\n", idle.id)), "{told}");
}

#[test]
fn what_a_turn_cost_is_told_once_however_often_it_asks() {
    let bench = Bench::start();
    let parent = bench.spawn(&bench.wish("say: idle"));
    bench.settled(&parent.id, 1);
    let script = "run: touch a\nrun: touch b\nsay: made both";
    let child = Spawn { parent: Some(parent.id.clone()), ..bench.asking(script) };
    let child = bench.spawn(&child).id;
    let mut last = String::new();
    for asked in 1..=2 {
        last = bench.wait("it asks the next", || {
            let request = bench.asked(&child)["id"].as_str().unwrap().to_owned();
            (request != last).then_some(request)
        });
        bench.settled(&parent.id, 1 + asked);
        bench.decide(&last, "accept").unwrap();
    }
    bench.settled(&parent.id, 4);
    let sent = wakes(&bench);
    assert_eq!(sent.len(), 3, "{sent:?}");
    let tokens = sent.iter().filter_map(|wake| {
        let (before, _) = text(wake).split_once(" tokens")?;
        before.rsplit(' ').next()?.parse::<u64>().ok()
    });
    assert_eq!(tokens.sum::<u64>(), bench.session(&child)["tokens"]["total"], "{sent:?}");
    let commands = sent.iter().filter(|wake| text(wake).contains(", 1 command.\n"));
    assert_eq!(commands.count(), 2, "{sent:?}");
}

#[test]
fn what_was_rolled_back_before_it_was_told_is_told_as_that() {
    let bench = Bench::start();
    let go = bench.work.join("go");
    let script = format!("run: until test -e {}; do sleep 0.1; done\nsay: over", go.display());
    let parent = bench.spawn(&bench.wish(&script));
    let under = || {
        let wish = Spawn { parent: Some(parent.id.clone()), ..bench.wish("say: taken back") };
        let child = bench.spawn(&wish).id;
        bench.settled(&child, 1);
        child
    };
    let (all, some) = (under(), under());
    bench.send(&some, "say: not this", Mode::Start).unwrap();
    bench.settled(&some, 2);
    for child in [&all, &some] {
        let one = Rollback { turns: 1, ..Rollback::default() };
        let _: RolledBack = bench.client().verb(child, "rollback", &one).unwrap();
    }
    std::fs::write(go, "").unwrap();
    bench.settled(&parent.id, 2);
    let sent = wakes(&bench);
    let (first, second) = text(&sent[0]).split_once(&format!("\n{some} ")).unwrap();
    assert!(first.contains(&format!("{all} is idle; what it was told since was rolled back.")));
    assert!(first.contains("It did: 1 turn rolled back since, "), "{first}");
    assert!(!first.contains("last words"), "{first}");
    assert!(second.starts_with("has finished.\nIt did: 1 turn, 1 turn rolled back since, "));
    assert!(second.ends_with("> taken back\n"), "{second}");
}

#[test]
fn an_interrupted_parent_is_left_alone_until_its_next_turn_ends() {
    let bench = Bench::start();
    let child = json!({ "prompt": "run: sleep 0.5\nsay: late words" });
    let script = format!("{}\nslow: 20000 5", spawning(&child));
    let parent = bench.spawn(&bench.wish(&script));
    let child = bench.wait("the child is there", || {
        bench.rows(&parent.id, "children").first()?["id"].as_str().map(str::to_owned)
    });
    bench.client().interrupt(&parent.id, &Act::default()).unwrap();
    bench.settled(&child, 1);
    // Its parent waits for its user, and a wait for it is over.
    assert_eq!(bench.session(&parent.id)["outcome"], "interrupted");
    bench.send(&parent.id, "say: go on", Mode::Start).unwrap();
    bench.settled(&parent.id, 3);
    let sent = wakes(&bench);
    assert_eq!(sent.len(), 1);
    assert!(text(&sent[0]).contains("> late words\n"), "{sent:?}");
}

#[test]
fn a_child_whose_queue_is_held_has_settled_and_its_parent_hears_of_it() {
    let bench = Bench::start();
    let child = json!({ "prompt": "slow: 20000 5", "name": "held" });
    let script = format!("{}\nsay: delegated", spawning(&child));
    let parent = bench.spawn(&bench.wish(&script));
    bench.settled(&parent.id, 1);
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.send(&child, "say: later", Mode::Queue).unwrap();
    bench.client().interrupt(&child, &Act::default()).unwrap();
    bench.settled(&parent.id, 2);
    let sent = wakes(&bench);
    assert!(text(&sent[0]).contains("(held) was interrupted.\n"), "{sent:?}");
    assert!(text(&sent[0]).contains("Its queue is held, 1 message in it: "), "{sent:?}");
    assert_eq!(bench.session(&child)["queued"], 1);
    // Let go, it settles once more.
    bench.client().hold(&child, &Hold { hold: false, ..Hold::default() }).unwrap();
    bench.settled(&parent.id, 3);
    assert!(text(&wakes(&bench)[1]).contains("> later\n"), "{:?}", wakes(&bench));
    assert_eq!(count_after_a_turn(&bench, &parent.id), 2);
}

#[test]
fn a_silent_child_wakes_nobody_and_neither_does_one_that_its_parent_stopped_or_looked_at() {
    let bench = Bench::start();
    let parent = bench.spawn(&bench.wish("say: idle"));
    bench.settled(&parent.id, 1);
    let under = |prompt: &str, silent: bool| {
        let wish = Spawn { parent: Some(parent.id.clone()), silent, ..bench.wish(prompt) };
        bench.spawn(&wish)
    };
    let silent = under("say: unheard", true);
    bench.settled(&silent.id, 1);
    bench.client().stop(&silent.id, &Act::default()).unwrap();
    assert_eq!(count_after_a_turn(&bench, &parent.id), 0);
    // One that the parent ends itself.
    let idle = under("", false);
    let by = Some(parent.thread_id.clone());
    bench.client().stop(&idle.id, &Act { by: by.clone(), ..Act::default() }).unwrap();
    // One that it looks at while its own turn runs.
    bench.send(&parent.id, "run: sleep 1\nsay: over", Mode::Start).unwrap();
    let seen = under("say: seen", false);
    bench.settled(&seen.id, 1);
    let seq = bench.client().health().unwrap().watermark;
    bench.client().looked(&seen.id, &Looked { seq, by }).unwrap();
    bench.settled(&parent.id, 3);
    assert_eq!(count_after_a_turn(&bench, &parent.id), 0);
}

#[test]
fn a_grandchilds_end_goes_up_the_tree_step_by_step() {
    let bench = Bench::start();
    let grandchild = json!({ "prompt": "run: sleep 0.2\nsay: deep words", "name": "low" });
    let child =
        json!({ "prompt": format!("{}\nsay: handed on", spawning(&grandchild)), "name": "mid" });
    let parent = bench.spawn(&bench.wish(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 2);
    let sent = wakes(&bench);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(text(&sent[0]).contains("(low) has finished"), "{sent:?}");
    // The child has settled only once it was told of its own.
    assert!(text(&sent[1]).contains("(mid) has finished"), "{sent:?}");
    assert!(text(&sent[1]).contains("2 turns, "), "{sent:?}");
    // It sees whose each is.
    let ask = "dyn: sm_children {\"recursive\": true}\nsay: {{1.sessions.0.name}} {{1.sessions.0.parent_id}} \
               {{1.sessions.1.name}} {{1.sessions.1.parent_id}}";
    let mid = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.send(&parent.id, ask, Mode::Start).unwrap();
    bench.settled(&parent.id, 3);
    assert_eq!(bench.last_message(&parent.id), format!("mid {} low {mid}", parent.id));
}

#[test]
fn a_parent_is_told_once_whatever_dies_in_between() {
    let mut bench = Bench::start();
    let child = json!({ "prompt": "slow: 20000 5", "name": "victim" });
    let parent = bench.spawn(&bench.wish(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 1);
    // Its server dies: its turn is lost, and both come back.
    kill(bench.server_pid());
    bench.settled(&parent.id, 2);
    let sent = wakes(&bench);
    assert!(text(&sent[0]).contains("(victim) lost its turn with its server"), "{sent:?}");
    // The daemon dies while a child works, and again at once.
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.send(&child, "slow: 20000 5", Mode::Start).unwrap();
    bench.kill_daemon();
    bench.serve();
    bench.settled(&parent.id, 3);
    let sent = wakes(&bench);
    assert!(text(&sent[1]).contains("(victim) lost its turn with its server"), "{sent:?}");
    assert!(text(&sent[1]).contains("It did: 1 turn (1 lost)"), "{sent:?}");
    bench.kill_daemon();
    bench.serve();
    bench.wait("the parent is live again", || {
        (bench.session(&parent.id)["live"] == true).then_some(())
    });
    assert_eq!(count_after_a_turn(&bench, &parent.id), 2);
}

#[test]
fn turns_and_commands_that_did_not_end_well_are_told_as_they_ended() {
    let bench = Bench::start();
    let script = "run: sleep 60\nsay: never";
    let child = json!({ "prompt": script, "name": "victim" });
    let parent = bench.spawn(&bench.wish(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 1);
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.wait("its command runs", || bench.actions(&child, "command").pop());
    // What waited for the turn that is lost is begun after it.
    bench.send(&child, "run: exit 3\nsay: went on", Mode::Queue).unwrap();
    kill(bench.server_pid());
    bench.settled(&parent.id, 2);
    let sent = wakes(&bench);
    let told = text(&sent[0]);
    assert!(told.contains("(victim) has finished.\n"), "{told}");
    assert!(told.contains("It did: 2 turns (1 lost), "), "{told}");
    assert!(told.contains("1 command (1 failed), 1 command declined or cut off.\n"), "{told}");
}

fn remind(text: &str, in_seconds: f64) -> Remind {
    Remind { text: text.to_owned(), in_seconds: Some(in_seconds), ..Remind::default() }
}

#[test]
fn a_reminder_outlives_the_daemon_and_comes_once() {
    let mut bench = Bench::start();
    let session = bench.spawn(&bench.wish("say: hi"));
    bench.settled(&session.id, 1);
    let client = bench.client();
    let far = client.remind(&session.id, &remind("say: never", 3600.0)).unwrap();
    assert_eq!(far["session_id"], session.id.as_str());
    client.remind(&session.id, &remind("say: reminded", 1.0)).unwrap();
    bench.kill_daemon();
    std::thread::sleep(std::time::Duration::from_secs(1));
    bench.serve();
    bench.settled(&session.id, 2);
    assert_eq!(bench.last_message(&session.id), "reminded");
    bench.stop_daemon();
    bench.serve();
    let far = far["id"].as_str().unwrap();
    let was = bench.client().cancel_reminder(far, &Cancel::default()).unwrap();
    assert_eq!(was["summary"], "say: never");
    match bench.client().cancel_reminder(far, &Cancel::default()) {
        Err(ClientError::Refused { status: 404, problem }) => {
            assert_eq!(problem.code, "not_found");
        }
        other => panic!("taken back twice: {other:?}"),
    }
    let ended = bench.told(Kind::SM_REMINDER_ENDED);
    let ends: Vec<&str> =
        ended.iter().map(|ended| ended["params"]["status"].as_str().unwrap()).collect();
    assert_eq!(ends, ["sent", "cancelled"]);
    assert_eq!(bench.session(&session.id)["counts"]["turns"], 2);
}

#[test]
fn a_reminder_that_died_with_the_server_is_sent_again() {
    let bench = Bench::start();
    let session = bench.spawn(&bench.wish("say: zero"));
    bench.settled(&session.id, 1);
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    bench.client().remind(&session.id, &remind("say: milk", 0.0)).unwrap();
    bench.wait("the words are sent", || (bench.told(Kind::TURN_START).len() == 2).then_some(()));
    kill(server);
    bench.wait("they have come", || (bench.last_message(&session.id) == "milk").then_some(()));
    bench.wait("they are told to have begun a turn", || {
        let told = bench.told(Kind::SM_INPUT_CHANGED).into_iter();
        let statuses: Vec<Value> = told.map(|told| told["params"]["status"].clone()).collect();
        (statuses == ["started", "unknown", "queued", "started"]).then_some(())
    });
}

#[test]
fn an_agent_reminds_itself_and_those_below_it() {
    let bench = Bench::start();
    let stranger = bench.spawn(&bench.wish("say: hi"));
    let script = format!(
        "dyn: sm_remind {}\ndyn: sm_remind {}\nsay: {{{{1.summary}}}}, {{{{2.error.code}}}}",
        json!({ "text": "say: awake again", "in_seconds": 0.5 }),
        json!({ "text": "say: obey", "in_seconds": 0, "session": stranger.id }),
    );
    let agent = bench.spawn(&bench.wish(&script));
    bench.settled(&agent.id, 2);
    assert_eq!(bench.last_message(&agent.id), "awake again");
    let said = &bench.rows(&agent.id, "messages")[1];
    assert!(said["text"].as_str().unwrap().ends_with(", forbidden"), "{said}");
    for wrong in [
        remind("", 1.0),
        remind("x", -1.0),
        remind("x", f64::INFINITY),
        remind("x", 1e20),
        Remind { text: "x".into(), ..Remind::default() },
        Remind { at: Some(1), ..remind("x", 1.0) },
    ] {
        match bench.client().remind(&agent.id, &wrong) {
            Err(ClientError::Refused { status: 400, .. }) => {}
            other => panic!("{wrong:?}: {other:?}"),
        }
    }
}

#[test]
fn a_parent_is_woken_however_late_the_tables_tell_of_its_child() {
    let mut bench = Bench::start();
    bench.stop_daemon();
    bench.fold_patience = Some(200);
    bench.serve();
    let child = json!({ "prompt": "run: sleep 2\nsay: last words" });
    let parent = bench.spawn(&bench.wish(&format!("{}\nsay: delegated", spawning(&child))));
    bench.settled(&parent.id, 1);
    let tables = bench.tables();
    let stalled = tables.write_txn().unwrap();
    bench.wait("it was waited for in vain", || {
        let said = std::fs::read_to_string(bench.home.daemon_log()).unwrap();
        let ended = bench.told(Kind::TURN_COMPLETED).len() == 2;
        (ended && said.contains("is not folded yet")).then_some(())
    });
    drop(stalled);
    bench.settled(&parent.id, 2);
    assert!(text(&wakes(&bench)[0]).contains("> last words\n"));
}
