//! The verbs of a thread's life, each against the real Codex, with the errors that it provokes.

use crate::bench::{Bench, signal};
use rustix::process::Signal;
use serde::Serialize;
use serde_json::{Value, json};
use sm_daemon::ClientError;
use sm_daemon::api::{
    Act, Ask, Done, Fork, Forked, Goal, GoalTold, GoalVerb, Problem, Rename, Review, ReviewOf,
    Reviewing, Rollback, RolledBack, Rpc, Spawn,
};
use sm_protocol::Kind;

/// The refusal of a call that must not succeed.
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, status: u16, code: &str) -> Problem {
    match answer {
        Err(ClientError::Refused { status: found, problem }) => {
            assert_eq!((found, problem.code.as_str()), (status, code), "{problem:?}");
            assert!(problem.hint.is_some(), "{problem:?}");
            *problem
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn by(agent: &str) -> Act {
    Act { by: Some(agent.to_owned()), ..Act::default() }
}

/// A session with that many turns.
fn grown(bench: &Bench, turns: u64) -> String {
    let id = bench.spawn(&bench.wish("say: words of turn 1")).id;
    bench.settled(&id, 1);
    for turn in 2..=turns {
        bench.send(&id, &format!("say: words of turn {turn}"), Default::default()).unwrap();
        bench.settled(&id, turn);
    }
    id
}

fn verb<T: serde::de::DeserializeOwned>(
    bench: &Bench,
    id: &str,
    verb: &str,
    body: &impl Serialize,
) -> Result<T, ClientError> {
    bench.client().verb(id, verb, body)
}

fn acted(bench: &Bench, id: &str, word: &str) -> Result<Value, ClientError> {
    verb(bench, id, word, &Act::default())
}

/// A git repository with a commit, and something changed since.
fn repository(bench: &Bench) -> String {
    let git = |words: &[&str]| {
        let run = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
            .args(words)
            .current_dir(&bench.work)
            .output()
            .expect("git runs");
        assert!(run.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).expect("plain words").trim().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    std::fs::write(bench.work.join("a.txt"), "one\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    std::fs::write(bench.work.join("a.txt"), "two\n").unwrap();
    git(&["rev-parse", "HEAD"])
}

#[test]
fn a_session_is_named_for_sm_and_for_codex() {
    let bench = Bench::start();
    let first = grown(&bench, 1);
    let second = grown(&bench, 1);
    let rename = |name: &str| Rename { name: name.to_owned(), ..Rename::default() };
    let done: Done = verb(&bench, &first, "name", &rename("worker")).unwrap();
    assert_eq!((&done.session["name"], done.note), (&Value::from("worker"), None));
    assert_eq!(bench.session("worker")["id"], first.as_str());
    let told = bench.told(Kind::SM_SESSION_NAMED);
    assert_eq!(
        (&told[0]["params"]["by"], &told[0]["params"]["told_codex"]),
        (&"user".into(), &true.into())
    );
    // Codex has it, too.
    let params = json!({});
    let ask = Ask { session: Some(first.clone()), ..Ask::default() };
    let read = Rpc { method: "thread/read".to_owned(), params, ask };
    let told = bench.client().codex("rpc", &read).unwrap();
    assert_eq!(told.answer["thread"]["name"], "worker");
    // Once more is no conflict, another's is.
    let again: Done = verb(&bench, &first, "name", &rename("worker")).unwrap();
    assert_eq!(again.session["name"], "worker");
    refused(verb::<Done>(&bench, &second, "name", &rename("worker")), 409, "name_taken");
    for bad in ["", "@last", "a\nb", "\u{1b}[2J", &"x".repeat(10 << 20)] {
        refused(verb::<Done>(&bench, &second, "name", &rename(bad)), 400, "bad_request");
    }
    refused(verb::<Done>(&bench, "nobody", "name", &rename("x")), 404, "not_found");
    assert!(bench.session(&second)["name"].is_null());
}

#[test]
fn a_fork_goes_its_own_way_and_has_a_name_of_its_own() {
    let bench = Bench::start();
    let wish = Spawn { name: Some("origin".into()), ..bench.wish("say: words of turn 1") };
    let id = bench.spawn(&wish).id;
    bench.settled(&id, 1);
    let forked: Forked = verb(&bench, &id, "fork", &Fork::default()).unwrap();
    assert_eq!((&forked.forked_from, forked.turn), (&id, None));
    let fork = bench.session(&forked.id);
    assert_eq!(fork["forked_from"], id.as_str());
    // Codex gives it its origin's name; the word still means the origin.
    assert!(fork["name"].is_null(), "{fork}");
    assert_eq!(bench.session("origin")["id"], id.as_str());
    for field in ["cwd", "model", "approval_policy", "sandbox"] {
        assert_eq!(fork[field], bench.session(&id)[field], "{field}");
    }
    bench.send(&forked.id, "say: elsewhere", Default::default()).unwrap();
    bench.settled(&forked.id, 1);
    assert_eq!(bench.last_message(&forked.id), "elsewhere");
    assert_eq!(bench.last_message(&id), "words of turn 1");
    let other = Fork {
        name: Some("careful".into()),
        model: Some("gpt-5.4".into()),
        effort: Some("low".into()),
        approval: Some("untrusted".into()),
        sandbox: Some("read-only".into()),
        ..Fork::default()
    };
    let forked: Forked = verb(&bench, &id, "fork", &other).unwrap();
    let fork = forked.session;
    assert_eq!(fork["name"], "careful");
    assert_eq!((&fork["model"], &fork["effort"]), (&"gpt-5.4".into(), &"low".into()));
    assert_eq!(
        (&fork["approval_policy"], &fork["sandbox"]),
        (&"untrusted".into(), &"readOnly".into())
    );
    refused(verb::<Forked>(&bench, &id, "fork", &other), 409, "name_taken");
    let odd = Fork { sandbox: Some("everything".into()), ..Fork::default() };
    refused(verb::<Forked>(&bench, &id, "fork", &odd), 400, "bad_request");
}

#[test]
fn a_fork_at_a_turn_has_none_beyond_it() {
    let bench = Bench::start();
    let id = grown(&bench, 3);
    let at = |turn| Fork { turn: Some(turn), ..Fork::default() };
    let forked: Forked = verb(&bench, &id, "fork", &at(2)).unwrap();
    let ask = Ask { session: Some(forked.id.clone()), ..Ask::default() };
    let params = json!({ "includeTurns": true });
    let read = Rpc { method: "thread/read".to_owned(), params, ask };
    let told = bench.client().codex("rpc", &read).unwrap();
    assert_eq!(told.answer["thread"]["turns"].as_array().unwrap().len(), 2);
    let missing = refused(verb::<Forked>(&bench, &id, "fork", &at(9)), 404, "not_found");
    assert!(missing.message.contains("no turn 9"), "{missing:?}");
    // What still runs is no place to fork at; the turn before it is.
    bench.send(&id, "slow: 20000 5", Default::default()).unwrap();
    refused(verb::<Forked>(&bench, &id, "fork", &at(4)), 409, "turn_running");
    let _: Forked = verb(&bench, &id, "fork", &at(3)).unwrap();
    bench.client().interrupt(&id, &Default::default()).unwrap();
}

#[test]
fn what_is_archived_is_out_of_the_lists_until_it_is_taken_out() {
    let bench = Bench::start();
    let id = grown(&bench, 1);
    let act = Act::default();
    let done: Done = verb(&bench, &id, "archive", &act).unwrap();
    assert_eq!(done.session["archived"], true);
    let again: Done = verb(&bench, &id, "archive", &act).unwrap();
    assert!(again.note.is_some_and(|note| note.contains("already")));
    for (name, body) in [
        ("compact", json!({})),
        ("fork", json!({})),
        ("rollback", json!({ "turns": 1 })),
        ("name", json!({ "name": "shelved" })),
    ] {
        refused(verb::<Value>(&bench, &id, name, &body), 409, "session_archived");
    }
    refused(bench.send(&id, "say: hello?", Default::default()), 409, "session_archived");
    let done: Done = verb(&bench, &id, "unarchive", &act).unwrap();
    assert_eq!((&done.session["archived"], done.note), (&json!(false), None));
    bench.send(&id, "say: back", Default::default()).unwrap();
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "back");
    bench.send(&id, "slow: 20000 5", Default::default()).unwrap();
    refused(verb::<Done>(&bench, &id, "archive", &act), 409, "turn_running");
    bench.client().stop(&id, &act).unwrap();
    // What was stopped stays so, and that is said.
    let _: Done = verb(&bench, &id, "archive", &act).unwrap();
    let done: Done = verb(&bench, &id, "unarchive", &act).unwrap();
    assert!(done.note.is_some_and(|note| note.ends_with(&format!("sm resume {id} loads it"))));
    refused(bench.send(&id, "say: hello?", Default::default()), 409, "session_dead");
    bench.client().resume(&id, &act).unwrap();
    bench.send(&id, "say: back again", Default::default()).unwrap();
    bench.settled(&id, 4);
}

#[test]
fn a_history_is_compacted_by_a_turn_of_its_own() {
    let bench = Bench::start();
    let id = grown(&bench, 2);
    let done: Done = verb(&bench, &id, "compact", &Act::default()).unwrap();
    assert_eq!(done.note, None);
    let session = bench.settled(&id, 3);
    assert_eq!(session["outcome"], "completed");
    assert_eq!(bench.actions(&id, "compaction").len(), 1);
    bench.send(&id, "slow: 20000 5", Default::default()).unwrap();
    let busy = refused(verb::<Done>(&bench, &id, "compact", &Act::default()), 409, "turn_running");
    assert!(busy.retryable && busy.details["session_id"] == id.as_str());
    bench.client().stop(&id, &Act::default()).unwrap();
    refused(verb::<Done>(&bench, &id, "compact", &Act::default()), 409, "session_dead");
}

#[test]
fn a_rollback_drops_turns_and_leaves_files() {
    let bench = Bench::start();
    let id = grown(&bench, 2);
    bench.send(&id, "patch: kept.txt\nsay: words of turn 3", Default::default()).unwrap();
    bench.settled(&id, 3);
    let drop = |turns| Rollback { turns, ..Rollback::default() };
    let many = refused(verb::<RolledBack>(&bench, &id, "rollback", &drop(9)), 400, "bad_request");
    assert!(many.message.contains("only 3 turns"), "{many:?}");
    refused(verb::<RolledBack>(&bench, &id, "rollback", &drop(0)), 400, "bad_request");
    let back: RolledBack = verb(&bench, &id, "rollback", &drop(2)).unwrap();
    assert_eq!((back.count, back.turns.as_slice(), back.files_reverted), (2, &[2, 3][..], false));
    assert!(bench.work.join("kept.txt").exists());
    let turns = bench.rows(&id, "turns");
    let dropped: Vec<bool> = turns.iter().map(|turn| !turn["dropped_seq"].is_null()).collect();
    assert_eq!(dropped, [false, true, true]);
    assert_eq!(bench.session(&id)["counts"]["turns_dropped"], 2);
    // It goes on from there, and what is dropped next is what is left.
    bench.send(&id, "say: another two", Default::default()).unwrap();
    bench.settled(&id, 4);
    let back: RolledBack = verb(&bench, &id, "rollback", &drop(2)).unwrap();
    assert_eq!(back.turns, [1, 4]);
    bench.send(&id, "slow: 20000 5", Default::default()).unwrap();
    refused(verb::<RolledBack>(&bench, &id, "rollback", &drop(1)), 409, "turn_running");
    bench.client().interrupt(&id, &Act::default()).unwrap();
}

#[test]
fn a_session_without_turns_has_none_to_drop() {
    let bench = Bench::start();
    let id = bench.spawn(&Spawn { prompt: None, ..bench.wish("") }).id;
    let one = Rollback { turns: 1, ..Rollback::default() };
    let told = refused(verb::<RolledBack>(&bench, &id, "rollback", &one), 409, "conflict");
    assert_eq!(told.message, format!("session {id} has no turn to drop"));
    assert!(told.hint.unwrap().contains(&format!("sm send {id}")));
}

#[test]
fn a_turn_that_was_lost_is_none_to_fork_at() {
    let bench = Bench::start();
    let id = grown(&bench, 1);
    bench.send(&id, "slow: 20000 5", Default::default()).unwrap();
    bench.wait("it is answered", || {
        (bench.session(&id)["activity_state"] == "working").then_some(())
    });
    crate::bench::kill(bench.server_pid());
    bench.settled(&id, 2);
    bench.send(&id, "say: words of turn 3", Default::default()).unwrap();
    bench.settled(&id, 3);
    let at = |turn| Fork { turn: Some(turn), ..Fork::default() };
    let told = refused(verb::<Forked>(&bench, &id, "fork", &at(2)), 409, "conflict");
    assert!(told.message.ends_with("at turn 2: it was lost with its process"), "{told:?}");
    assert!(told.hint.unwrap().starts_with("take turn 1 or 3; "));
    let _: Forked = verb(&bench, &id, "fork", &at(3)).unwrap();
}

/// What another process of Codex does in a thread is told to nobody.
#[test]
fn a_rollback_marks_none_of_its_turns_for_those_that_another_process_began() {
    let bench = Bench::start();
    let id = grown(&bench, 2);
    let outside = |id: &str| {
        acted(&bench, id, "stop").unwrap();
        let thread = bench.session(id)["thread_id"].as_str().unwrap().to_owned();
        let run = std::process::Command::new(&bench.codex)
            .args(["exec", "--skip-git-repo-check", "resume", &thread, "say: outside"])
            .env("CODEX_HOME", &bench.codex_home)
            .current_dir(&bench.work)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("codex runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        acted(&bench, id, "resume").unwrap();
    };
    let drop = |turns| -> RolledBack {
        verb(&bench, &id, "rollback", &Rollback { turns, ..Rollback::default() }).unwrap()
    };
    let dropped = || -> Vec<bool> {
        let turns = bench.rows(&id, "turns");
        turns.iter().map(|turn| !turn["dropped_seq"].is_null()).collect()
    };
    outside(&id);
    bench.send(&id, "say: words of turn 3", Default::default()).unwrap();
    bench.settled(&id, 3);
    let back = drop(2);
    assert_eq!((back.count, back.turns.as_slice()), (2, &[3][..]));
    assert!(back.note.unwrap().contains("of its turns 1 went and 0 stay"));
    assert_eq!(dropped(), [false, false, true]);
    // With nothing else to drop, nothing of its own is marked.
    outside(&id);
    let back = drop(1);
    assert_eq!((back.count, back.turns.len()), (1, 0));
    bench.send(&id, "say: words of turn 4", Default::default()).unwrap();
    bench.settled(&id, 4);
    assert_eq!(dropped(), [false, false, true, false]);
    // One that stays is told of.
    outside(&id);
    bench.send(&id, "say: words of turn 5", Default::default()).unwrap();
    bench.settled(&id, 5);
    let back = drop(1);
    assert_eq!((back.count, back.turns.as_slice()), (1, &[5][..]));
    assert!(back.note.unwrap().contains("of its turns 0 went and 1 stay"));
}

#[test]
fn a_review_is_no_turn_to_fork_at() {
    let bench = Bench::start();
    repository(&bench);
    let id = grown(&bench, 1);
    let review = Review { of: ReviewOf::Prompt("say: fine".to_owned()), ..Review::default() };
    let _: Reviewing = verb(&bench, &id, "review", &review).unwrap();
    bench.settled(&id, 2);
    let at = |turn| Fork { turn: Some(turn), name: Some("mine".into()), ..Fork::default() };
    let told = refused(verb::<Forked>(&bench, &id, "fork", &at(2)), 409, "conflict");
    assert!(told.message.ends_with("at turn 2: it is a review"), "{told:?}");
    assert!(told.hint.unwrap().starts_with("take turn 1; "));
    let all = bench.client().sessions(None).unwrap();
    assert_eq!(all["sessions"].as_array().unwrap().len(), 1, "{all}");
    let _: Forked = verb(&bench, &id, "fork", &at(1)).unwrap();
}

#[test]
fn a_review_is_a_turn_of_the_session_or_of_one_of_its_own() {
    let bench = Bench::start();
    let commit = repository(&bench);
    let id = grown(&bench, 1);
    let prompt = "say: {\"findings\": [], \"overall_correctness\": \"patch is correct\", \
                  \"overall_explanation\": \"nothing against it\", \"overall_confidence_score\": 1}";
    let of = [
        ReviewOf::Prompt(prompt.to_owned()),
        ReviewOf::Uncommitted,
        ReviewOf::Base("main".to_owned()),
        ReviewOf::Commit(commit),
    ];
    for (turn, of) in (2..).zip(of) {
        let review = Review { of, ..Review::default() };
        let begun: Reviewing = verb(&bench, &id, "review", &review).unwrap();
        assert_eq!((&begun.session_id, &begun.reviewed_id), (&id, &id));
        assert!(begun.turn_id.is_some());
        assert_eq!(bench.settled(&id, turn)["outcome"], "completed");
        assert_eq!(bench.actions(&id, "review").len() as u64, 2 * (turn - 1));
        // What the reviewer began to write is no message that was cut off.
        let said = bench.actions(&id, "message");
        assert!(said.iter().all(|said| said["status"] == "completed"), "{said:?}");
        assert_eq!(bench.session(&id)["counts"]["messages"], turn);
    }
    let of = ReviewOf::Prompt(prompt.to_owned());
    let detached = Review { of, detached: true, ..Review::default() };
    let begun: Reviewing = verb(&bench, &id, "review", &detached).unwrap();
    assert_ne!(begun.session_id, id);
    assert_eq!(begun.session["forked_from"], id.as_str());
    bench.settled(&begun.session_id, 1);
    assert!(!bench.actions(&begun.session_id, "review").is_empty());
    assert_eq!(bench.session(&id)["counts"]["turns"], 5);
    for (of, code) in [
        (ReviewOf::Prompt("\u{1b}[2J".to_owned()), "bad_text"),
        (ReviewOf::Base(String::new()), "bad_request"),
    ] {
        let review = Review { of, ..Review::default() };
        refused(verb::<Reviewing>(&bench, &id, "review", &review), 400, code);
    }
    // Codex would take them.
    for of in [ReviewOf::Base("nosuch".to_owned()), ReviewOf::Commit("0123abc".to_owned())] {
        for detached in [false, true] {
            let review = Review { of: of.clone(), detached, ..Review::default() };
            refused(verb::<Reviewing>(&bench, &id, "review", &review), 404, "not_found");
        }
    }
    assert_eq!(bench.session(&id)["counts"]["turns"], 5);
}

/// Its turn runs inside that which began it, under an id of its own.
#[test]
fn a_running_review_is_interrupted_and_stopped_like_any_turn() {
    let bench = Bench::start();
    repository(&bench);
    let id = grown(&bench, 1);
    let made = bench.work.join("made");
    let review = |turns: u64| {
        let of = ReviewOf::Prompt(format!("run: sleep 20; touch {}", made.display()));
        let review = Review { of, ..Review::default() };
        let _: Reviewing = verb(&bench, &id, "review", &review).unwrap();
        bench.wait("the review runs a command", || {
            let session = bench.session(&id);
            let is_at_it = session["counts"]["commands"].as_u64()? >= turns
                && session["blocked_on"]["kind"] == "command";
            is_at_it.then_some(())
        });
    };
    review(1);
    let ended = acted(&bench, &id, "interrupt").unwrap();
    assert_eq!((&ended["outcome"], &ended["turn_id"]), (&json!("interrupted"), &Value::Null));
    review(2);
    let ended = acted(&bench, &id, "stop").unwrap();
    assert_eq!(
        (&ended["outcome"], &ended["activity_state"]),
        (&json!("interrupted"), &json!("stopped"))
    );
    let again = acted(&bench, &id, "resume").unwrap();
    assert_eq!(again["activity_state"], "idle");
    assert!(!made.exists(), "no command ran to its end");
}

#[test]
fn the_effort_is_kept_when_a_thread_is_loaded_again_or_forked() {
    let mut bench = Bench::start();
    let wish = Spawn { effort: Some("high".to_owned()), ..bench.wish("say: one") };
    let id = bench.spawn(&wish).id;
    assert_eq!(bench.settled(&id, 1)["effort"], "high");
    let fork: Forked = verb(&bench, &id, "fork", &Fork::default()).unwrap();
    assert_eq!(fork.session["effort"], "high");
    bench.stop_daemon();
    bench.serve();
    bench.send(&id, "say: two", Default::default()).unwrap();
    assert_eq!(bench.settled(&id, 2)["effort"], "high");
    let loaded = bench.told(Kind::THREAD_RESUME).pop().expect("it was loaded again");
    assert_eq!(loaded["params"]["config"]["model_reasoning_effort"], "high");
}

#[test]
fn what_is_in_the_archive_is_not_resumed() {
    let bench = Bench::start();
    let id = grown(&bench, 1);
    acted(&bench, &id, "stop").unwrap();
    let _: Done = verb(&bench, &id, "archive", &Act::default()).unwrap();
    let session = bench.session(&id);
    assert_eq!(
        (&session["activity_state"], &session["archived"]),
        (&json!("stopped"), &json!(true))
    );
    refused(acted(&bench, &id, "resume"), 409, "session_archived");
    let _: Done = verb(&bench, &id, "unarchive", &Act::default()).unwrap();
    let again = acted(&bench, &id, "resume").unwrap();
    assert_eq!(again["activity_state"], "idle");
}

/// What somebody does beside the daemon: `codex archive`, `codex unarchive`.
fn elsewhere(bench: &Bench, word: &str, id: &str) {
    let search = sm_daemon::Search { explicit: Some(bench.codex.clone()), ..Default::default() };
    let mut command = std::process::Command::new(sm_daemon::locate(&search).unwrap().binary);
    let thread = bench.session(id)["thread_id"].as_str().unwrap().to_owned();
    let ran = command.args([word, &thread]).env("CODEX_HOME", &bench.codex_home).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn what_somebody_else_took_out_of_the_archive_is_out_of_it() {
    let bench = Bench::start();
    let (id, act) = (grown(&bench, 1), Act::default());
    for turn in [2, 3] {
        let _: Done = verb(&bench, &id, "archive", &act).unwrap();
        elsewhere(&bench, "unarchive", &id);
        if turn == 2 {
            let done: Done = verb(&bench, &id, "unarchive", &act).unwrap();
            assert_eq!(done.session["archived"], false);
        }
        // The next message would have found it out, too.
        bench.send(&id, "say: back", Default::default()).unwrap();
        bench.settled(&id, turn);
    }
    let told = bench.told(Kind::SM_SESSION_ARCHIVED);
    let by: Vec<_> = told.iter().map(|told| told["params"]["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["user", "codex", "user", "codex"]);
    assert_eq!(told[3]["params"]["archived"], false);
}

#[test]
fn what_somebody_else_put_into_the_archive_comes_back_when_it_is_taken_out() {
    let bench = Bench::start();
    let (id, act) = (grown(&bench, 1), Act::default());
    for word in ["sm", "codex"] {
        acted(&bench, &id, "stop").unwrap();
        elsewhere(&bench, "archive", &id);
        for _ in 0..2 {
            refused(acted(&bench, &id, "resume"), 409, "session_archived");
        }
        let session = bench.session(&id);
        assert_eq!((&session["archived"], &session["unresumable"]), (&json!(true), &json!(null)));
        match word {
            "sm" => drop(verb::<Done>(&bench, &id, "unarchive", &act).unwrap()),
            _ => elsewhere(&bench, "unarchive", &id),
        }
        let again = acted(&bench, &id, "resume").unwrap();
        assert_eq!((&again["activity_state"], &again["archived"]), (&json!("idle"), &json!(false)));
    }
    bench.send(&id, "say: back", Default::default()).unwrap();
    bench.settled(&id, 2);
}

#[test]
fn a_deleted_thread_is_a_session_that_is_over() {
    let bench = Bench::start();
    let id = grown(&bench, 1);
    let rpc = Rpc {
        method: "thread/delete".to_owned(),
        ask: Ask { session: Some(id.clone()), ..Ask::default() },
        ..Rpc::default()
    };
    bench.client().codex("rpc", &rpc).unwrap();
    bench.wait("it is over", || (bench.session(&id)["activity_state"] == "stopped").then_some(()));
    // Nothing that it could be told to do loads it again, and no refusal says that something would.
    let mut told = vec![bench.send(&id, "say: more", Default::default()).map(drop)];
    for (name, body) in [
        ("resume", json!({})),
        ("compact", json!({})),
        ("fork", json!({})),
        ("archive", json!({})),
        ("unarchive", json!({})),
        ("rollback", json!({ "turns": 1 })),
        ("goal", json!({})),
        ("review", json!({ "of": "uncommitted" })),
        ("resume", json!({})),
    ] {
        told.push(verb::<Value>(&bench, &id, name, &body).map(drop));
    }
    for answer in told {
        let told = refused(answer, 409, "session_dead");
        assert_eq!(told.message, format!("session {id} is over: its thread was deleted"));
        assert_eq!(told.hint, Some(format!("`sm handoff {id}` makes a brief of it for a new one")));
    }
}

#[test]
fn a_goal_is_pursued_until_it_is_paused_or_taken_away() {
    let bench = Bench::start();
    let id = grown(&bench, 1);
    let goal = |verb, objective: Option<&str>| Goal {
        verb,
        objective: objective.map(str::to_owned),
        token_budget: Some(500),
        ..Goal::default()
    };
    let told: GoalTold = verb(&bench, &id, "goal", &goal(GoalVerb::Show, None)).unwrap();
    assert!(told.goal.is_null());
    for word in [GoalVerb::Pause, GoalVerb::Resume] {
        let none =
            refused(verb::<GoalTold>(&bench, &id, "goal", &goal(word, None)), 404, "not_found");
        assert!(none.hint.unwrap().contains(&format!("sm goal {id} set")));
    }
    let told: GoalTold =
        verb(&bench, &id, "goal", &goal(GoalVerb::Set, Some("make it green"))).unwrap();
    assert_eq!(
        (&told.goal["objective"], &told.goal["tokenBudget"]),
        (&"make it green".into(), &500.into())
    );
    bench.wait("the goal shows", || {
        (bench.session(&id)["goal"]["objective"] == "make it green").then_some(())
    });
    for _ in ["pauses it", "it was"] {
        let told: GoalTold = verb(&bench, &id, "goal", &goal(GoalVerb::Pause, None)).unwrap();
        assert_eq!(
            (&told.goal["objective"], &told.goal["status"]),
            (&"make it green".into(), &"paused".into())
        );
    }
    for cleared in [true, false] {
        let told: GoalTold = verb(&bench, &id, "goal", &goal(GoalVerb::Clear, None)).unwrap();
        assert_eq!(told.cleared, Some(cleared));
    }
    bench.wait("the goal is gone", || bench.session(&id)["goal"].is_null().then_some(()));
    let set =
        |words: &str| verb::<GoalTold>(&bench, &id, "goal", &goal(GoalVerb::Set, Some(words)));
    refused(set(&"x".repeat(10 << 20)), 413, "too_long");
    refused(set("a\0b"), 400, "bad_text");
    let long = verb::<GoalTold>(&bench, &id, "goal", &goal(GoalVerb::Set, Some(&"x".repeat(5000))));
    refused(long, 502, "codex_error");
}

#[test]
fn codex_tells_of_models_servers_account_and_skills_without_a_session() {
    let bench = Bench::start();
    let ask = Ask { cwd: Some(bench.work.to_string_lossy().into_owned()), ..Ask::default() };
    let told = bench.client().codex("models", &ask).unwrap();
    assert!(told.answer["data"].as_array().unwrap().len() > 2);
    assert!(told.session_id.is_none() && !told.codex_version.is_empty());
    let told = bench.client().codex("account", &ask).unwrap();
    assert!(told.answer["account"].is_null());
    let told = bench.client().codex("skills", &ask).unwrap();
    assert_eq!(told.answer["data"][0]["cwd"], ask.cwd.as_deref().unwrap());
    assert_eq!(bench.client().codex("mcp", &ask).unwrap().answer["data"], json!([]));
    refused(bench.client().codex("limits", &ask), 409, "not_logged_in");
    let nowhere = Ask { codex_home: Some("/nowhere/at/all".into()), ..Ask::default() };
    refused(bench.client().codex("models", &nowhere), 404, "codex_home_missing");
    let nobody = Ask { session: Some("nobody".into()), ..Ask::default() };
    refused(bench.client().codex("models", &nobody), 404, "not_found");
}

#[test]
fn a_question_that_codex_does_not_answer_in_time_is_given_up() {
    let bench = Bench::start();
    grown(&bench, 1);
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    let ask = Ask { timeout_seconds: Some(0.2), ..Ask::default() };
    for question in ["models", "mcp", "account", "limits", "skills"] {
        match bench.client().codex(question, &ask) {
            Err(ClientError::Refused { status: 502, problem }) => {
                assert_eq!((problem.code.as_str(), problem.retryable), ("timeout", true));
                assert!(problem.hint.is_some_and(|hint| hint.contains("--timeout")), "{question}");
            }
            other => panic!("{question}: {other:?}"),
        }
    }
    let never = Ask { timeout_seconds: Some(0.0), ..Ask::default() };
    refused(bench.client().codex("models", &never), 400, "bad_request");
    signal(server, Signal::CONT);
    assert!(bench.client().codex("models", &Ask::default()).is_ok());
}

#[test]
fn any_other_method_is_called_and_recorded_but_none_that_has_a_verb() {
    let bench = Bench::start();
    let id = grown(&bench, 1);
    let ask = Ask { session: Some(id.clone()), ..Ask::default() };
    let rpc =
        |method: &str, params: Value| Rpc { method: method.to_owned(), params, ask: ask.clone() };
    let told = bench.client().codex("rpc", &rpc("thread/read", Value::Null)).unwrap();
    assert_eq!(told.answer["thread"]["id"], bench.session(&id)["thread_id"]);
    let sent = bench.told(Kind::REQUEST);
    assert!(sent.iter().any(|sent| sent["method"] == "thread/read"));
    let owned =
        refused(bench.client().codex("rpc", &rpc("turn/start", Value::Null)), 400, "bad_request");
    assert!(owned.hint.unwrap().contains("sm send"));
    let unknown = refused(
        bench.client().codex("rpc", &rpc("thread/nonsense", Value::Null)),
        501,
        "unsupported",
    );
    assert!(unknown.message.contains("has no thread/nonsense"), "{unknown:?}");
    assert!(unknown.hint.unwrap().contains("thread/name/set"));
    let listed = json!([1]);
    refused(bench.client().codex("rpc", &rpc("thread/read", listed)), 400, "bad_request");
    // One that wants parameters is given empty ones, one that wants none is given none.
    let bare = |method: &str| Rpc { method: method.to_owned(), ..Rpc::default() };
    let told = bench.client().codex("rpc", &bare("config/read")).unwrap();
    assert!(told.answer["config"].is_object(), "{told:?}");
    bench.client().codex("rpc", &bare("configRequirements/read")).unwrap();
    // A thread that nobody has is no session.
    let nobody = Rpc {
        method: "thread/read".into(),
        params: json!({ "threadId": "nobody" }),
        ask: Ask::default(),
    };
    bench.client().codex("rpc", &nobody).unwrap_err();
    let all = bench.client().sessions(None).unwrap();
    assert_eq!(all["sessions"].as_array().unwrap().len(), 1, "{all}");
    refused(bench.client().keep("nobody", &Default::default()), 404, "not_found");
    // What is said to log in is not written down.
    let login = json!({ "type": "apiKey", "apiKey": "sk-very-secret" });
    bench.client().codex("rpc", &rpc("account/login/start", login)).unwrap();
    let log = bench.records();
    let holds = |word: &str| {
        log.iter().any(|record| String::from_utf8_lossy(&record.payload).contains(word))
    };
    assert!(holds("account/login/start") && !holds("sk-very-secret"));
}

#[test]
fn an_agent_acts_on_its_own_children_and_widens_nothing() {
    let bench = Bench::start();
    let parent = grown(&bench, 1);
    let wish = Spawn { parent: Some(parent.clone()), ..bench.wish("say: hi") };
    let child = bench.spawn(&wish).id;
    bench.settled(&child, 1);
    let stranger = grown(&bench, 1);
    let rename = |act| Rename { name: "mine".to_owned(), act };
    let done: Done = verb(&bench, &child, "name", &rename(by(&parent))).unwrap();
    assert_eq!(done.session["name"], "mine");
    for other in [&stranger, &parent] {
        refused(verb::<Done>(&bench, other, "name", &rename(by(&parent))), 403, "forbidden");
        refused(verb::<Done>(&bench, other, "archive", &by(&parent)), 403, "forbidden");
    }
    let forked: Forked =
        verb(&bench, &child, "fork", &Fork { act: by(&parent), ..Fork::default() }).unwrap();
    assert_eq!(forked.session["parent_id"], parent.as_str());
    let wider = Fork { sandbox: Some("read-only".into()), act: by(&parent), ..Fork::default() };
    refused(verb::<Forked>(&bench, &child, "fork", &wider), 403, "forbidden");
    let ask = |session: Option<&str>| Ask {
        session: session.map(str::to_owned),
        act: by(&parent),
        ..Ask::default()
    };
    bench.client().codex("models", &ask(None)).unwrap();
    bench.client().codex("mcp", &ask(Some(&parent))).unwrap();
    refused(bench.client().codex("account", &ask(None)), 403, "forbidden");
    refused(bench.client().codex("skills", &ask(Some(&stranger))), 403, "forbidden");
    let rpc = Rpc { method: "thread/read".into(), params: Value::Null, ask: ask(Some(&child)) };
    refused(bench.client().codex("rpc", &rpc), 403, "forbidden");
}

#[test]
fn what_codex_has_done_is_not_to_be_tried_again_because_the_tables_are_late() {
    let mut bench = Bench::start();
    let id = grown(&bench, 2);
    bench.stop_daemon();
    bench.fold_patience = Some(300);
    bench.serve();
    acted(&bench, &id, "resume").unwrap();
    // Codex stands still until the call is on its way to it, the tables from then on.
    let server = bench.server_pid();
    signal(server, Signal::STOP);
    bench.wait("all is folded", || {
        let health = bench.client().health().unwrap();
        (health.checkpoint == health.watermark).then_some(())
    });
    let tables = bench.tables();
    let stalled = tables.write_txn().unwrap();
    let (home, word) = (bench.home.clone(), id);
    let fork = std::thread::spawn(move || {
        let client = sm_daemon::Client::connect(&home).unwrap();
        client.verb::<Forked>(&word, "fork", &Fork::default())
    });
    bench.wait("it is called", || bench.told(Kind::THREAD_FORK).pop());
    signal(server, Signal::CONT);
    let late = refused(fork.join().unwrap(), 503, "timeout");
    assert!(!late.retryable && late.details["done"] == true, "{late:?}");
    drop(stalled);
    bench.wait("the fork is told of", || {
        let told = bench.client().sessions(None).unwrap();
        (told["sessions"].as_array().unwrap().len() == 2).then_some(())
    });
}
