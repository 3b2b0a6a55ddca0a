//! What waits can be seen, changed, held; a message is taken once; settings of a turn and of a session.

use crate::bench::{Bench, signal};
use rustix::process::Signal;
use serde_json::{Value, json};
use sm_daemon::ClientError;
use sm_daemon::api::{
    Act, Goal, GoalTold, GoalVerb, Hold, Input, InputAct, InputChange, InputTaken, Keep, Mode,
    Review, ReviewOf, Reviewing, Settings, Spawn,
};
use sm_protocol::Kind;
use std::time::Duration;

/// A turn long enough to be caught in the middle, and ended by the test.
const LONG: &str = "slow: 20000 5";

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> (u16, String) {
    match result {
        Err(ClientError::Refused { status, problem }) => (status, problem.code.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

fn change(bench: &Bench, input: &InputTaken, act: InputAct) -> Result<Value, ClientError> {
    bench.client().change_input(&input.id, &InputChange { act, ..InputChange::default() })
}

fn edit(bench: &Bench, input: &InputTaken, text: &str) -> Result<Value, ClientError> {
    let text = Some(text.to_owned());
    let change = InputChange { act: InputAct::Edit, text, ..InputChange::default() };
    bench.client().change_input(&input.id, &change)
}

/// The parameters of every `turn/start` that was sent.
fn starts(bench: &Bench) -> Vec<Value> {
    bench.told(Kind::TURN_START).iter().map(|call| call["params"].clone()).collect()
}

#[test]
fn what_waits_is_edited_taken_back_held_and_released() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch it\nsay: zero")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    let one = bench.send(&id, "say: one", Mode::Queue).unwrap();
    let two = bench.send(&id, "say: two", Mode::Queue).unwrap();
    let edited = edit(&bench, &one, "say: another one").unwrap();
    assert_eq!(
        (&edited["summary"], &edited["status"]),
        (&json!("say: another one"), &json!("queued"))
    );
    assert_eq!(change(&bench, &two, InputAct::Cancel).unwrap()["status"], "cancelled");
    assert_eq!(refused(change(&bench, &two, InputAct::Cancel)), (409, "conflict".into()));
    assert_eq!(refused(edit(&bench, &two, "say: late")), (409, "conflict".into()));
    assert_eq!(refused(edit(&bench, &one, "\u{7}")), (400, "bad_text".into()));
    assert_eq!(refused(change(&bench, &one, InputAct::Retry)), (409, "conflict".into()));
    let hold = |hold| bench.client().hold(&id, &Hold { hold, ..Hold::default() }).unwrap();
    hold(true);
    bench.decide(&request, "accept").unwrap();
    bench.wait("the first turn is over", || bench.session(&id)["turn_id"].is_null().then_some(()));
    let session = bench.session(&id);
    assert_eq!((&session["queued"], &session["activity_state"]), (&json!(1), &json!("idle")));
    hold(false);
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "another one");
    assert_eq!(bench.client().one_input(&one.id).unwrap()["text"], "say: another one");
    // An agent changes nothing that it did not send.
    let by = Some(bench.session(&id)["thread_id"].as_str().unwrap().to_owned());
    let stranger = InputChange { act: InputAct::Cancel, by, ..InputChange::default() };
    assert_eq!(refused(bench.client().change_input(&two.id, &stranger)), (403, "forbidden".into()));
}

#[test]
fn a_message_while_codex_is_away_waits_like_those_before_it() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    bench.stop_daemon();
    let codex = std::mem::replace(&mut bench.codex, "/nowhere/codex".into());
    bench.serve();
    let key = Some("once".to_owned());
    let input = Input { text: "say: one".to_owned(), key, ..Input::default() };
    let taken = bench.client().input(&id, &input).unwrap();
    assert_eq!(taken.status, "queued");
    assert!(taken.reason.unwrap().starts_with("not delivered yet: "));
    assert!(bench.client().input(&id, &input).unwrap().repeated);
    // One for a certain turn is of no use later.
    let turn = Some("gone".to_owned());
    let steer = Input { mode: Mode::Steer, expected_turn: turn, ..Input::default() };
    let steer = Input { text: "say: never".to_owned(), ..steer };
    assert_eq!(refused(bench.client().input(&id, &steer)).1, "turn_changed");
    // What is urgent goes before it.
    let urgent = bench.send(&id, "say: now", Mode::Urgent).unwrap();
    assert_eq!(urgent.status, "queued");
    assert!(urgent.reason.unwrap().starts_with("not delivered yet: "));
    assert_eq!(bench.client().queue().unwrap()["inputs"][0]["id"], urgent.id.as_str());
    bench.stop_daemon();
    bench.codex = codex;
    bench.serve();
    bench.settled(&id, 3);
    assert_eq!((bench.last_message(&id).as_str(), starts(&bench).len()), ("one", 3));
}

#[test]
fn a_message_under_a_key_is_taken_once() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("")).id;
    let send = |bench: &Bench, text: &str| {
        let key = Some("build-7".to_owned());
        bench.client().input(&id, &Input { text: text.to_owned(), key, ..Input::default() })
    };
    let first = send(&bench, "say: once").unwrap();
    assert_eq!((first.status.as_str(), first.repeated), ("started", false));
    let again = send(&bench, "say: once").unwrap();
    assert!(again.repeated && again.input == first.input && again.turn_id == first.turn_id);
    assert_eq!(refused(send(&bench, "say: twice")), (409, "key_reused".into()));
    bench.settled(&id, 1);
    // A key is kept like everything else.
    bench.kill_daemon();
    bench.serve();
    assert_eq!(send(&bench, "say: once").unwrap().input, first.input);
    assert_eq!(starts(&bench).len(), 1);
}

#[test]
fn a_message_keeps_its_key_whatever_is_done_with_it() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish(LONG)).id;
    let send = |key: &str| {
        let (text, mode) = ("say: once".to_owned(), Mode::Queue);
        let key = Some(key.to_owned());
        bench.client().input(&id, &Input { text, key, mode, ..Input::default() })
    };
    let first = send("build-7").unwrap();
    edit(&bench, &first, "say: edited").unwrap();
    let again = send("build-7").unwrap();
    assert!(again.repeated && again.input == first.input);
    change(&bench, &first, InputAct::Cancel).unwrap();
    assert_eq!(send("build-7").unwrap().status, "cancelled");
    for own in ["reminder:m1", "answer:r1"] {
        assert_eq!(refused(send(own)), (400, "bad_request".into()));
    }
}

#[test]
fn what_waits_for_a_codex_that_is_away_is_held_by_an_interrupt() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish(LONG)).id;
    bench.wait("a running turn", || bench.session(&id)["turn_id"].as_str().map(drop));
    let waits = bench.send(&id, "say: one", Mode::Queue).unwrap();
    let config = bench.codex_home.join("config.toml");
    let (good, server) = (std::fs::read_to_string(&config).unwrap(), bench.server_pid());
    std::fs::write(&config, "model = [").unwrap();
    crate::bench::kill(server);
    bench.wait("it is away", || bench.session(&id)["live"].as_bool().filter(|live| !live));
    bench.client().interrupt(&id, &Act::default()).unwrap();
    let held = || bench.client().one_input(&waits.id).unwrap()["held"] == true;
    assert!(held());
    std::fs::write(&config, good).unwrap();
    bench.client().hold(&id, &Hold { hold: false, ..Hold::default() }).unwrap();
    bench.wait("it is said", || (bench.last_message(&id) == "one").then_some(()));
}

#[test]
fn what_nothing_could_take_is_refused_before_it_is_accepted() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("")).id;
    let send = |input: Input| {
        let text = if input.text.is_empty() { "say: x".to_owned() } else { input.text.clone() };
        refused(bench.client().input(&id, &Input { text, ..input }))
    };
    let input = Input::default;
    assert_eq!(send(Input { text: "x".repeat(10 << 20), ..input() }), (413, "too_long".into()));
    assert_eq!(send(Input { text: "\u{1b}[2J".into(), ..input() }), (400, "bad_text".into()));
    assert_eq!(
        send(Input { images: vec!["/no/such.png".into()], ..input() }),
        (404, "not_found".into())
    );
    let odd = Settings { sandbox: Some("moon".into()), ..Settings::default() };
    assert_eq!(send(Input { settings: odd, ..input() }), (400, "bad_request".into()));
    assert_eq!(
        send(Input { output_schema: Some(json!([])), ..input() }),
        (400, "bad_request".into())
    );
    assert_eq!(send(Input { key: Some("\n".into()), ..input() }), (400, "bad_request".into()));
    let turn = Some("t".to_owned());
    assert_eq!(send(Input { expected_turn: turn, ..input() }), (400, "bad_request".into()));
    assert!(bench.told(Kind::SM_INPUT_ACCEPTED).is_empty());
}

#[test]
fn a_steer_goes_into_the_turn_that_its_sender_saw_or_nowhere() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish(LONG));
    let steer = |turn: Option<String>| {
        let (text, mode) = ("say: aside".to_owned(), Mode::Steer);
        bench
            .client()
            .input(&spawned.id, &Input { text, mode, expected_turn: turn, ..Input::default() })
    };
    assert_eq!(refused(steer(Some("another".into()))), (409, "turn_changed".into()));
    assert_eq!(steer(spawned.turn_id.clone()).unwrap().status, "steered");
    bench.client().interrupt(&spawned.id, &Act::default()).unwrap();
    assert_eq!(refused(steer(spawned.turn_id.clone())), (409, "turn_changed".into()));
}

#[test]
fn settings_of_a_turn_end_with_it_and_those_of_a_session_stay() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("")).id;
    let before = bench.session(&id);
    let model = before["model"].as_str().unwrap().to_owned();
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let one = Input {
        text: "say: one".into(),
        settings: Settings {
            effort: Some("low".into()),
            sandbox: Some("read-only".into()),
            ..Settings::default()
        },
        output_schema: Some(schema.clone()),
        ..Input::default()
    };
    bench.client().input(&id, &one).unwrap();
    bench.settled(&id, 1);
    bench.send(&id, "say: two", Mode::Start).unwrap();
    bench.settled(&id, 2);
    let told = starts(&bench);
    assert_eq!(told[0]["sandboxPolicy"]["type"], "readOnly");
    assert_eq!((&told[0]["effort"], &told[0]["outputSchema"]), (&json!("low"), &schema));
    assert_eq!(told[1]["sandboxPolicy"]["type"], "dangerFullAccess", "as it was before");
    assert_eq!(told[1]["outputSchema"], Value::Null);
    assert_eq!(bench.session(&id)["sandbox"], before["sandbox"]);
    // For good, and over restarts.
    let settings = Settings {
        effort: Some("high".into()),
        approval: Some("untrusted".into()),
        ..Settings::default()
    };
    let kept = bench.client().keep(&id, &Keep { settings, ..Keep::default() }).unwrap();
    assert_eq!(
        (&kept["kept"]["effort"], &kept["kept"]["approval"]),
        (&json!("high"), &json!("untrusted"))
    );
    bench.kill_daemon();
    bench.serve();
    bench.send(&id, "run: touch it\nsay: three", Mode::Start).unwrap();
    let request = bench.asked(&id);
    bench.decide(request["id"].as_str().unwrap(), "accept").unwrap();
    let session = bench.settled(&id, 3);
    assert_eq!((&session["model"], &session["effort"]), (&json!(model), &json!("high")));
    assert_eq!(session["approval_policy"], "untrusted");
    assert_eq!(starts(&bench)[2]["effort"], "high");
}

#[test]
fn labels_are_set_and_taken_away() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("")).id;
    let keep = |labels: &[&str], unlabel: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let keep = Keep { labels: words(labels), unlabel: words(unlabel), ..Keep::default() };
        bench.client().keep(&id, &keep)
    };
    keep(&["role=writer", "team=a"], &[]).unwrap();
    assert_eq!(keep(&["role=reviewer"], &["team"]).unwrap()["labels"], json!(["role=reviewer"]));
    assert_eq!(refused(keep(&["no label"], &[])), (400, "bad_request".into()));
}

#[test]
fn a_lost_answer_is_found_in_the_thread() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    // Codex stands still while the message is sent, the daemon while Codex takes it.
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let sender = sending(&bench, &id, Input { text: "say: lost".into(), ..Input::default() });
    bench.wait("the message is sent", || (starts(&bench).len() == 2).then_some(()));
    // It is recorded, then written, in one go.
    std::thread::sleep(Duration::from_millis(300));
    signal(bench.daemon_pid(), Signal::STOP);
    signal(server, Signal::CONT);
    bench.wait("codex has written the turn down", || {
        let has_it = |path: &std::path::PathBuf| {
            std::fs::read_to_string(path).is_ok_and(|text| text.contains("say: lost"))
        };
        rollouts(&bench.codex_home).iter().any(has_it).then_some(())
    });
    bench.kill_daemon();
    let _ = sender.join().unwrap();
    bench.serve();
    let accepted = |record: &&sm_log::OwnedRecord| record.kind == Kind::SM_INPUT_ACCEPTED.0;
    let number = bench.records().iter().rfind(accepted).unwrap().seq;
    let found = bench.wait("it is found", || {
        let input = bench.client().one_input(&format!("i{number}")).unwrap();
        (input["status"] == "started").then_some(input)
    });
    assert!(found["turn_id"].is_string(), "{found}");
    let statuses: Vec<Value> = bench
        .told(Kind::SM_INPUT_CHANGED)
        .iter()
        .filter(|changed| changed["params"]["input"] == number)
        .map(|changed| changed["params"]["status"].clone())
        .collect();
    assert_eq!(statuses, ["unknown", "started"]);
    assert_eq!(starts(&bench).len(), 2, "nothing was sent twice");
}

#[test]
fn what_a_release_does_not_know_is_said_with_what_it_takes() {
    let bench = Bench::start();
    let approval = Some("on-failure".to_owned());
    let known = |told: &str| {
        assert!(told.ends_with("it takes untrusted, on-request, never"), "{told}");
    };
    let wish = sm_daemon::api::Spawn { approval: approval.clone(), ..bench.wish("say: no") };
    match bench.client().spawn(&wish) {
        Err(ClientError::Refused { status: 501, problem }) => {
            assert_eq!(problem.code, "unsupported");
            known(&problem.message);
        }
        other => panic!("not refused: {other:?}"),
    }
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    let settings = Settings { approval, ..Settings::default() };
    let keep = Keep { settings: settings.clone(), ..Keep::default() };
    assert_eq!(refused(bench.client().keep(&id, &keep)), (501, "unsupported".into()));
    let input = Input { text: "say: one".to_owned(), settings, ..Input::default() };
    let taken = bench.client().input(&id, &input).unwrap();
    assert_eq!(taken.status, "failed");
    known(&taken.reason.unwrap());
    // Nothing of it is kept: turns begin as before.
    bench.send(&id, "say: two", Mode::Start).unwrap();
    bench.settled(&id, 2);
}

#[test]
fn what_waits_is_tried_again_until_codex_is_back() {
    let mut bench = Bench::start();
    // As an upgrade does it: for a moment there is no codex.
    let link = bench.work.join("codex");
    let codex = bench.codex.canonicalize().unwrap();
    std::os::unix::fs::symlink(&codex, &link).unwrap();
    bench.codex = link.clone();
    bench.stop_daemon();
    bench.serve();
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    std::fs::remove_file(&link).unwrap();
    crate::bench::kill(bench.server_pid());
    bench.wait("its end is seen", || {
        bench.client().health().unwrap().servers.is_empty().then_some(())
    });
    let taken = bench.send(&id, "say: at once", Mode::Start).unwrap();
    assert_eq!(taken.status, "queued");
    let waiting = bench.client().one_input(&taken.id).unwrap();
    assert_eq!(waiting["status"], "queued");
    assert!(waiting["reason"].as_str().unwrap().contains("no codex found"), "{waiting}");
    std::os::unix::fs::symlink(&codex, &link).unwrap();
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "at once");
}

/// Every thread that Codex has written down.
fn rollouts(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(rollouts(&entry.path())),
            _ if entry.path().extension().is_some_and(|ext| ext == "jsonl") => {
                found.push(entry.path())
            }
            _ => {}
        }
    }
    found
}

#[test]
fn what_codex_has_taken_is_not_sent_again_however_late_the_tables_tell_of_it() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    bench.stop_daemon();
    bench.fold_patience = Some(2000);
    bench.serve();
    bench.client().resume(&id, &Act::default()).unwrap();
    // Codex stands still until the message is on its way to it, the tables from then on.
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let sender = sending(&bench, &id, Input { text: "say: once".into(), ..Input::default() });
    bench.wait("the message is sent", || (starts(&bench).len() == 2).then_some(()));
    let tables = bench.tables();
    let stalled = tables.write_txn().unwrap();
    signal(server, Signal::CONT);
    // Late as it is, the sender is told, and the log knows what was done.
    let _ = sender.join().unwrap();
    drop(stalled);
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "once");
    let changed = bench.told(Kind::SM_INPUT_CHANGED);
    assert_eq!(changed.last().unwrap()["params"]["status"], "started");
    assert_eq!(starts(&bench).len(), 2);
    assert_eq!(bench.client().queue().unwrap()["undelivered"], json!([]));
}

/// What each turn of the session's began with, as Codex wrote it down.
fn turn_contexts(bench: &Bench, id: &str) -> Vec<Value> {
    let thread = bench.session(id)["thread_id"].as_str().unwrap().to_owned();
    let mut folders = vec![bench.codex_home.join("sessions")];
    let mut contexts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().contains(&thread) {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
                let turns = lines.filter(|line| line["type"] == "turn_context");
                contexts.extend(turns.map(|mut turn| turn["payload"].take()));
            }
        }
    }
    contexts
}

/// The approvals, the sandbox and the effort that each turn was given.
fn turns_were_given(bench: &Bench, id: &str) -> Vec<Value> {
    let given = |told: &Value| {
        json!([told["approval_policy"], told["sandbox_policy"]["type"], told["effort"]])
    };
    turn_contexts(bench, id).iter().map(given).collect()
}

#[test]
fn what_one_turn_is_given_no_later_one_has_whoever_begins_it() {
    let bench = Bench::start();
    let settings = Settings {
        approval: Some("untrusted".into()),
        sandbox: Some("read-only".into()),
        ..Settings::default()
    };
    let wish = Spawn {
        approval: settings.approval.clone(),
        sandbox: settings.sandbox.clone(),
        ..bench.wish("say: one")
    };
    let id = bench.spawn(&wish).id;
    bench.settled(&id, 1);
    let free = |text: &str| Input {
        text: text.into(),
        settings: Settings {
            approval: Some("never".into()),
            sandbox: Some("danger-full-access".into()),
            effort: Some("high".into()),
            ..Settings::default()
        },
        ..Input::default()
    };
    bench.client().input(&id, &free("say: two")).unwrap();
    bench.settled(&id, 2);
    // No message of sm's begins these.
    let of = ReviewOf::Prompt("look".into());
    let review = Review { of, detached: false, act: Act::default() };
    let _: Reviewing = bench.client().verb(&id, "review", &review).unwrap();
    bench.settled(&id, 3);
    let goal = |verb, objective: Option<&str>| Goal {
        verb,
        objective: objective.map(str::to_owned),
        ..Goal::default()
    };
    // One that comes first, and goes once the goal is pursued.
    bench.send(&id, "slow: 200 10", Mode::Start).unwrap();
    let before = bench.client().input(&id, &free("say: three")).unwrap();
    assert_eq!(before.status, "queued");
    let set = goal(GoalVerb::Set, Some("make it green"));
    let _: GoalTold = bench.client().verb(&id, "goal", &set).unwrap();
    bench.wait("the goal is told of", || {
        (bench.session(&id)["goal"]["status"] == "active").then_some(())
    });
    // It would have it in all turns of its goal, whether one runs or not, and none ends for it.
    for mode in [Mode::Start, Mode::Queue, Mode::Urgent] {
        let sent = bench.client().input(&id, &Input { mode, ..free("say: four") });
        assert_eq!(refused(sent), (409, "goal_active".into()));
    }
    bench.wait("what came first is refused, too", || {
        let shown = bench.client().one_input(&before.id).ok()?;
        (shown["status"] == "refused").then_some(())
    });
    bench.wait("a turn of the goal", || (turns_were_given(&bench, &id).len() > 4).then_some(()));
    let pause = goal(GoalVerb::Pause, None);
    let _: GoalTold = bench.client().verb(&id, "goal", &pause).unwrap();
    let given = turns_were_given(&bench, &id);
    assert_eq!(given[1], json!(["never", "danger-full-access", "high"]));
    let own = |turn: &Value| turn[0] == "untrusted" && turn[1] == "read-only" && turn[2] != "high";
    let others = given.iter().enumerate().filter(|(at, _)| *at != 1);
    assert!(others.clone().all(|(_, turn)| own(turn)), "{given:?}");
    assert_eq!(bench.session(&id)["sandbox"], "readOnly");
}

/// What each turn of the session's was given, in Codex's own words: the value at that place of its context.
fn contexts(bench: &Bench, id: &str, place: &str) -> Vec<Value> {
    let contexts = turn_contexts(bench, id);
    contexts.iter().map(|context| context.pointer(place).cloned().unwrap_or_default()).collect()
}

/// Puts settings before all others of the configuration.
fn configured(bench: &Bench, settings: &str) {
    let file = bench.codex_home.join("config.toml");
    let others = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{settings}\n{others}")).unwrap();
}

#[test]
fn a_turn_that_plans_is_one_turn_and_has_the_model_that_it_is_given() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: one")).id;
    bench.settled(&id, 1);
    let own = bench.session(&id)["model"].clone();
    let sent = |input: Input, turns: u64| {
        bench.client().input(&id, &input).unwrap();
        bench.settled(&id, turns);
    };
    let with = |model: Option<&str>, plan: Option<bool>| Input {
        text: "say: more".into(),
        settings: Settings { model: model.map(str::to_owned), ..Settings::default() },
        plan,
        ..Input::default()
    };
    sent(with(Some("gpt-5.4"), None), 2);
    sent(with(None, Some(true)), 3);
    sent(with(Some("gpt-5.4"), Some(true)), 4);
    sent(with(None, None), 5);
    sent(with(None, Some(true)), 6);
    // No message of sm's begins this one.
    let of = ReviewOf::Prompt("look".into());
    let review = Review { of, detached: false, act: Act::default() };
    let _: Reviewing = bench.client().verb(&id, "review", &review).unwrap();
    bench.settled(&id, 7);
    sent(with(None, None), 8);
    let modes = contexts(&bench, &id, "/collaboration_mode/mode");
    let plans: Vec<_> = modes.iter().map(|mode| mode == "plan").collect();
    let models = contexts(&bench, &id, "/model");
    let given = ["gpt-5.4"].map(Value::from);
    let has_given: Vec<_> = models.iter().map(|model| given.contains(model)).collect();
    assert_eq!(plans[..6], [false, false, true, true, false, true], "{modes:?}");
    assert!(!plans[6..].contains(&true), "{modes:?}");
    assert_eq!(has_given[..6], [false, true, false, true, false, false], "{models:?}");
    assert_eq!(bench.session(&id)["model"], own);
}

#[test]
fn what_the_configuration_adds_to_a_sandbox_comes_back_after_a_turn_with_another() {
    let bench = Bench::start();
    configured(&bench, "sandbox_workspace_write.network_access = true");
    let wish = Spawn { sandbox: Some("workspace-write".into()), ..bench.wish("say: one") };
    let id = bench.spawn(&wish).id;
    bench.settled(&id, 1);
    let settings = Settings { sandbox: Some("read-only".into()), ..Settings::default() };
    let bound = Input { text: "say: two".into(), settings, ..Input::default() };
    bench.client().input(&id, &bound).unwrap();
    bench.settled(&id, 2);
    for turns in 3..=4 {
        bench.send(&id, "say: more", Mode::Start).unwrap();
        bench.settled(&id, turns);
    }
    let open = contexts(&bench, &id, "/sandbox_policy/network_access");
    assert_eq!(open, [json!(true), Value::Null, json!(true), json!(true)]);
}

#[test]
fn approvals_that_no_word_stands_for_are_not_lent_away() {
    let bench = Bench::start();
    let granular = "sandbox_approval = true, rules = true, mcp_elicitations = true";
    configured(&bench, &format!("approval_policy = {{ granular = {{ {granular} }} }}"));
    let id = bench.spawn(&Spawn { approval: None, ..bench.wish("say: one") }).id;
    bench.settled(&id, 1);
    assert_eq!(bench.session(&id)["approval_policy"], "granular");
    let free = |approval: Option<&str>| Input {
        text: "say: more".into(),
        settings: Settings { approval: approval.map(str::to_owned), ..Settings::default() },
        ..Input::default()
    };
    assert_eq!(
        refused(bench.client().input(&id, &free(Some("never")))),
        (501, "unsupported".into())
    );
    bench.client().input(&id, &free(None)).unwrap();
    bench.settled(&id, 2);
    let given = contexts(&bench, &id, "/approval_policy");
    assert!(given.iter().all(|policy| policy["granular"]["rules"] == true), "{given:?}");
}

/// Sends from a thread of its own: the answer may wait for whoever has the session's lock.
fn sending(
    bench: &Bench,
    id: &str,
    input: Input,
) -> std::thread::JoinHandle<Result<InputTaken, ClientError>> {
    let (home, word) = (bench.home.clone(), id.to_owned());
    std::thread::spawn(move || sm_daemon::Client::connect(&home).unwrap().input(&word, &input))
}

#[test]
fn messages_are_accepted_and_held_while_one_before_them_waits_for_codex() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let send = |text: &str, key: Option<&str>| {
        let (text, key) = (text.to_owned(), key.map(str::to_owned));
        sending(&bench, &id, Input { text, key, ..Input::default() })
    };
    let one = send("say: one", None);
    bench.wait("it is sent", || (starts(&bench).len() == 2).then_some(()));
    assert_eq!(bench.send(&id, "say: two", Mode::Queue).unwrap().status, "queued");
    bench.client().hold(&id, &Hold { hold: true, ..Hold::default() }).unwrap();
    let three = [send("say: three", Some("3")), send("say: three", Some("3"))];
    let accepted = || bench.told(Kind::SM_INPUT_ACCEPTED);
    bench.wait("it is accepted", || (accepted().len() == 4).then_some(()));
    assert!(!one.is_finished() && three.iter().all(|one| !one.is_finished()));
    bench.kill_daemon();
    assert!(one.join().unwrap().is_err());
    assert!(three.into_iter().all(|one| one.join().unwrap().is_err()));
    bench.serve();
    let waiting = bench.wait("both are held", || {
        let inputs = bench.client().queue().unwrap()["inputs"].as_array()?.clone();
        inputs.iter().all(|input| input["held"] == true).then_some(inputs)
    });
    let words: Vec<_> = waiting.iter().map(|input| input["summary"].as_str().unwrap()).collect();
    assert_eq!(words, ["say: two", "say: three"]);
    bench.client().hold(&id, &Hold { hold: false, ..Hold::default() }).unwrap();
    bench.wait("the last is over", || (bench.last_message(&id) == "three").then_some(()));
    let said = bench.rows(&id, "messages");
    let said = said.iter().filter(|message| message["role"] == "agent");
    let said: Vec<_> = said.map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!(said, ["zero", "two", "three"]);
}

#[test]
fn what_is_on_its_way_as_its_session_is_stopped_may_be_sent_again_under_its_key() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let one = sending(&bench, &id, Input { text: LONG.into(), ..Input::default() });
    bench.wait("it is sent", || (starts(&bench).len() == 2).then_some(()));
    let stop = {
        let (home, word) = (bench.home.clone(), id.clone());
        std::thread::spawn(move || {
            sm_daemon::Client::connect(&home).unwrap().stop(&word, &Act::default())
        })
    };
    // It stands in line before what comes now.
    std::thread::sleep(Duration::from_millis(300));
    let keyed = Input { text: "say: two".into(), key: Some("2".into()), ..Input::default() };
    let two = sending(&bench, &id, keyed.clone());
    let accepted = || bench.told(Kind::SM_INPUT_ACCEPTED).len();
    bench.wait("it is accepted", || (accepted() == 3).then_some(()));
    signal(server, Signal::CONT);
    let _ = one.join().unwrap();
    stop.join().unwrap().unwrap();
    assert_eq!(refused(two.join().unwrap()), (409, "session_dead".into()));
    bench.client().resume(&id, &Act::default()).unwrap();
    assert!(!bench.client().input(&id, &keyed).unwrap().repeated);
    bench.wait("it is heard", || (bench.last_message(&id) == "two").then_some(()));
}

#[test]
fn what_is_urgent_and_on_its_way_goes_past_a_hold_also_after_a_crash() {
    let mut bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: zero")).id;
    bench.settled(&id, 1);
    signal(bench.server_pid(), Signal::STOP);
    let one = sending(&bench, &id, Input { text: "say: one".into(), ..Input::default() });
    bench.wait("it is sent", || (starts(&bench).len() == 2).then_some(()));
    let urgent = Input { text: "say: urgent".into(), mode: Mode::Urgent, ..Input::default() };
    let urgent = sending(&bench, &id, urgent);
    let accepted = || bench.told(Kind::SM_INPUT_ACCEPTED).len();
    bench.wait("it is accepted", || (accepted() == 3).then_some(()));
    bench.client().hold(&id, &Hold { hold: true, ..Hold::default() }).unwrap();
    bench.kill_daemon();
    assert!(one.join().unwrap().is_err() && urgent.join().unwrap().is_err());
    bench.serve();
    bench.wait("it is heard", || (bench.last_message(&id) == "urgent").then_some(()));
}
