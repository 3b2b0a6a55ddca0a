//! What Codex asks, and who answers.

use crate::bench::Bench;
use sm_daemon::ClientError;
use sm_daemon::api::{Answer, Spawn};
use sm_protocol::Kind;
use std::collections::BTreeMap;

fn code(result: Result<impl std::fmt::Debug, ClientError>) -> String {
    match result {
        Err(ClientError::Refused { problem, .. }) => problem.code.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_approval_is_accepted_and_the_command_runs() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch yes.txt")).id;
    let request = bench.asked(&id);
    assert_eq!(request["kind"], "command");
    assert!(request["params"]["command"].as_str().unwrap().contains("touch yes.txt"));
    assert_eq!(bench.session(&id)["activity_state"], "waiting_permission");
    assert!(!bench.work.join("yes.txt").exists());
    let answered = bench.decide(request["id"].as_str().unwrap(), "accept").unwrap();
    assert_eq!(answered["status"], "answered");
    assert_eq!(answered["decision"], "accept");
    assert_eq!(answered["decided_by"], "user");
    bench.settled(&id, 1);
    assert!(bench.work.join("yes.txt").exists());
    let command = &bench.actions(&id, "command")[0];
    assert_eq!(command["approvals"][0]["decision"], "accept");
    assert_eq!(command["approvals"][0]["decided_by"], "user");
}

#[test]
fn a_declined_approval_runs_nothing_and_its_reason_reaches_the_agent() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch no.txt\nsay: went on")).id;
    let request = bench.asked(&id);
    let answer = Answer {
        decision: Some("decline".into()),
        say: Some("say: use another name".into()),
        ..Answer::default()
    };
    let answered = bench.client().answer(request["id"].as_str().unwrap(), &answer).unwrap();
    assert_eq!(answered.request["say"], "say: use another name");
    let session = bench.settled(&id, 1);
    assert_eq!(session["outcome"], "completed");
    assert!(!bench.work.join("no.txt").exists());
    assert_eq!(bench.actions(&id, "command")[0]["status"], "declined");
    let heard = bench.rows(&id, "messages");
    assert!(heard.iter().any(|m| m["role"] == "user" && m["text"] == "say: use another name"));
}

#[test]
fn a_cancelled_file_change_interrupts_the_turn() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("patch: no.txt")).id;
    let request = bench.asked(&id);
    assert_eq!(request["kind"], "file_change");
    bench.decide(request["id"].as_str().unwrap(), "cancel").unwrap();
    assert_eq!(bench.settled(&id, 1)["outcome"], "interrupted");
    assert!(!bench.work.join("no.txt").exists());
}

#[test]
fn questions_are_answered_whole_or_not_at_all() {
    let bench = Bench::start();
    let wish = Spawn {
        plan: Some(true),
        ..bench.wish("ask: db=Which database? [Postgres|SQLite]; key=The key? [mine|yours] secret\nsay: thanks")
    };
    let id = bench.spawn(&wish).id;
    let request = bench.asked(&id);
    assert_eq!(request["kind"], "user_input");
    assert_eq!(bench.session(&id)["activity_state"], "waiting_input");
    let number = request["id"].as_str().unwrap();
    let answers = |told: &[(&str, &str)]| Answer {
        answers: told
            .iter()
            .map(|(key, value)| (key.to_string(), vec![value.to_string()]))
            .collect::<BTreeMap<_, _>>(),
        ..Answer::default()
    };
    match bench.client().answer(number, &answers(&[("db", "SQLite")])) {
        Err(ClientError::Refused { status: 400, problem }) => {
            assert_eq!(problem.details["missing"][0], "key");
        }
        other => panic!("not refused: {other:?}"),
    }
    let whole = answers(&[("1", "SQLite"), ("key", "hunter2")]);
    let answered = bench.client().answer(number, &whole).unwrap();
    assert!(!answered.repeated);
    assert!(bench.client().answer(number, &whole).unwrap().repeated);
    let other = answers(&[("1", "Postgres"), ("key", "hunter2")]);
    assert_eq!(code(bench.client().answer(number, &other)), "already_answered");
    assert_eq!(bench.settled(&id, 1)["outcome"], "completed");
    // The secret reached the agent, and nothing else.
    assert!(bench.model.requests().iter().any(|seen| seen.outputs.join("").contains("hunter2")));
    let client = bench.records();
    let sent = client.iter().filter(|record| record.direction == sm_log::Direction::Client);
    for record in sent {
        let text = String::from_utf8_lossy(&record.payload);
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn the_first_answer_wins() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch one")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    let both = std::thread::scope(|scope| {
        let answer = |word: &'static str| {
            let (bench, request) = (&bench, &request);
            scope.spawn(move || {
                let client = sm_daemon::Client::connect(&bench.home).unwrap();
                let answer = Answer { decision: Some(word.into()), ..Answer::default() };
                client.answer(request, &answer).map(|answered| answered.repeated)
            })
        };
        [answer("accept"), answer("decline")].map(|thread| thread.join().unwrap())
    });
    let won = both.iter().filter(|answer| matches!(answer, Ok(false))).count();
    assert_eq!(won, 1, "{both:?}");
    let lost = both.into_iter().find(|answer| answer.is_err()).unwrap();
    assert_eq!(code(lost), "already_answered");
    bench.settled(&id, 1);
    assert_eq!(bench.told(Kind::SM_REQUEST_DECIDED).len(), 1);
    // The same again, long after: the stored one.
    let decision = bench.client().request(&request).unwrap()["decision"].clone();
    let answer = Answer { decision: decision.as_str().map(str::to_owned), ..Answer::default() };
    assert!(bench.client().answer(&request, &answer).unwrap().repeated);
}

#[test]
fn an_answer_that_fits_no_request_of_its_kind_is_refused() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch one")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    let told =
        Answer { answers: BTreeMap::from([("q".into(), vec!["x".into()])]), ..Answer::default() };
    assert_eq!(code(bench.client().answer(&request, &told)), "bad_request");
    assert_eq!(code(bench.decide(&request, "perhaps")), "bad_request");
    assert_eq!(bench.session(&id)["pending_requests"], 1);
    bench.decide(&request, "acceptForSession").unwrap();
    bench.settled(&id, 1);
    bench.send(&id, "run: touch one", Default::default()).unwrap();
    assert_eq!(bench.settled(&id, 2)["outcome"], "completed");
}

#[test]
fn an_interrupt_clears_what_the_turn_asked() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch no.txt")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    let session = bench.client().interrupt(&id, &Default::default()).unwrap();
    assert_eq!(session["outcome"], "interrupted");
    assert_eq!(session["pending_requests"], 0);
    assert_eq!(bench.client().request(&request).unwrap()["status"], "cleared");
    assert_eq!(code(bench.decide(&request, "accept")), "conflict");
    bench.send(&id, "say: next", Default::default()).unwrap();
    bench.settled(&id, 2);
}

#[test]
fn two_requests_of_one_turn_are_answered_in_any_order() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch a.txt\n+ run: touch b.txt\nsay: done")).id;
    let mut answered = 0;
    while answered < 2 {
        let requests = bench.client().requests().unwrap();
        let newest = requests["requests"].as_array().unwrap().last().cloned();
        if let Some(request) = newest {
            bench.decide(request["id"].as_str().unwrap(), "accept").unwrap();
            answered += 1;
        }
    }
    bench.settled(&id, 1);
    assert!(bench.work.join("a.txt").exists() && bench.work.join("b.txt").exists());
}
