//! The one path of an input: started, steered, queued, refused; interrupt, stop, resume.

use crate::bench::Bench;
use sm_daemon::ClientError;
use sm_daemon::api::{Act, Hold, Input, Mode};
use sm_protocol::Kind;

/// A turn long enough to be caught in the middle, and ended by the test.
const LONG: &str = "slow: 20000 5";

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> (u16, String) {
    match result {
        Err(ClientError::Refused { status, problem }) => (status, problem.code.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_interrupt_ends_the_turn_and_holds_what_waits() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish(LONG)).id;
    let queued = bench.send(&id, "say: later", Mode::Start).unwrap();
    assert_eq!(queued.status, "queued");
    let session = bench.client().interrupt(&id, &Act::default()).unwrap();
    assert_eq!(session["outcome"], "interrupted");
    assert_eq!(session["activity_state"], "idle");
    assert_eq!(session["queued"], 1);
    // What comes next waits behind it; only what is urgent goes past it.
    let behind = bench.send(&id, "say: last", Mode::Start).unwrap();
    assert_eq!(behind.status, "queued");
    assert!(behind.reason.unwrap().starts_with("held"));
    let urgent = bench.send(&id, "say: now", Mode::Urgent).unwrap();
    assert_eq!(urgent.status, "started");
    bench.wait("the urgent one is over", || {
        let session = bench.session(&id);
        (session["counts"]["turns"] == 2 && session["turn_id"].is_null()).then_some(())
    });
    assert_eq!(bench.session(&id)["queued"], 2);
    bench.client().hold(&id, &Hold { hold: false, ..Hold::default() }).unwrap();
    bench.settled(&id, 4);
    let texts: Vec<_> = bench
        .rows(&id, "messages")
        .iter()
        .filter(|message| message["role"] == "user")
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect();
    // The interrupt may have come before the first one was told.
    assert_eq!(texts[texts.len() - 3..], ["say: now", "say: later", "say: last"]);
}

#[test]
fn a_resume_ends_a_hold() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish(LONG)).id;
    bench.send(&id, "say: later", Mode::Queue).unwrap();
    bench.client().interrupt(&id, &Act::default()).unwrap();
    bench.client().resume(&id, &Act::default()).unwrap();
    assert_eq!(bench.settled(&id, 2)["outcome"], "completed");
}

#[test]
fn a_busy_session_queues_in_order() {
    let bench = Bench::start();
    // Busy for as long as nobody answers.
    let id = bench.spawn(&bench.asking("run: touch it\nsay: zero")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    for word in ["one", "two", "three"] {
        assert_eq!(bench.send(&id, &format!("say: {word}"), Mode::Queue).unwrap().status, "queued");
    }
    bench.decide(&request, "accept").unwrap();
    bench.settled(&id, 4);
    let said: Vec<_> = bench
        .rows(&id, "messages")
        .iter()
        .filter(|message| message["role"] == "agent")
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["zero", "one", "two", "three"]);
}

#[test]
fn a_steer_goes_into_the_running_turn_and_an_urgent_one_ends_it() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish(LONG));
    let id = spawned.id;
    // What is steered in is long too, so that the turn runs until it is interrupted.
    let steered = bench.send(&id, LONG, Mode::Steer).unwrap();
    assert_eq!(steered.status, "steered");
    assert_eq!(steered.turn_id, spawned.turn_id);
    let urgent = bench.send(&id, "say: urgent", Mode::Urgent).unwrap();
    assert_eq!(urgent.status, "started");
    let session = bench.settled(&id, 2);
    assert_eq!(session["outcome"], "completed");
    assert_eq!(session["counts"]["turns_interrupted"], 1);
    assert_eq!(bench.last_message(&id), "urgent");
}

#[test]
fn a_steer_of_an_idle_session_begins_a_turn() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: hello")).id;
    bench.settled(&id, 1);
    assert_eq!(bench.send(&id, "say: again", Mode::Steer).unwrap().status, "started");
    bench.settled(&id, 2);
}

#[test]
fn a_waiting_request_refuses_inputs_but_queues_those_that_say_so() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch it")).id;
    let request = bench.asked(&id);
    for mode in [Mode::Start, Mode::Steer, Mode::Urgent] {
        match bench.send(&id, "say: hello", mode) {
            Err(ClientError::Refused { status: 409, problem }) => {
                assert_eq!(problem.code, "pending_structured_request");
                assert_eq!(problem.details["request_id"], request["id"]);
                assert_eq!(problem.details["type"], "command");
                assert!(problem.details["asked_at"].is_string());
            }
            other => panic!("not refused: {other:?}"),
        }
    }
    let queued = bench.send(&id, "say: queued", Mode::Queue).unwrap();
    let number = request["id"].as_str().unwrap();
    let waits = Some(format!("request {number} waits"));
    assert_eq!((queued.status.as_str(), &queued.reason), ("queued", &waits));
    let told = || bench.client().one_input(&queued.id).unwrap()["reason"].clone();
    assert_eq!(told().as_str(), waits.as_deref());
    bench.decide(number, "accept").unwrap();
    bench.settled(&id, 2);
    assert!(told().is_null(), "that was a moment ago");
    assert_eq!(bench.last_message(&id), "queued");
    let statuses: Vec<_> = bench
        .told(Kind::SM_INPUT_CHANGED)
        .iter()
        .map(|changed| changed["params"]["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(statuses.iter().filter(|status| *status == "refused").count(), 3);
}

#[test]
fn a_stopped_session_takes_nothing_until_it_is_resumed() {
    let bench = Bench::start();
    let spawned = bench.spawn(&bench.wish(LONG));
    let id = spawned.id;
    bench.send(&id, "say: never", Mode::Queue).unwrap();
    let session = bench.client().stop(&id, &Act::default()).unwrap();
    assert_eq!(session["activity_state"], "stopped");
    assert_eq!(session["queued"], 0);
    assert_eq!(refused(bench.send(&id, "say: no", Mode::Start)), (409, "session_dead".into()));
    let session = bench.client().resume(&id, &Act::default()).unwrap();
    assert_eq!(session["activity_state"], "idle");
    assert_eq!(session["thread_id"], spawned.thread_id.as_str());
    bench.send(&id, "say: back", Mode::Start).unwrap();
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "back");
    // Codex puts a thread away in its own time: whoever resumes at once waits for it.
    for _ in 0..5 {
        bench.client().stop(&id, &Act::default()).unwrap();
        let session = bench.client().resume(&id, &Act::default()).unwrap();
        assert_eq!(session["activity_state"], "idle");
    }
}

#[test]
fn what_cannot_be_done_says_why() {
    let bench = Bench::start();
    assert_eq!(refused(bench.client().session("nobody")), (404, "not_found".into()));
    assert_eq!(refused(bench.client().request("r1")), (404, "not_found".into()));
    let nowhere = sm_daemon::api::Spawn { cwd: Some("/no/such/folder".into()), ..bench.wish("x") };
    assert_eq!(refused(bench.client().spawn(&nowhere)), (400, "bad_request".into()));
    let id = bench.spawn(&bench.wish("say: hello")).id;
    let empty = Input { text: "  ".into(), ..Input::default() };
    assert_eq!(refused(bench.client().input(&id, &empty)), (400, "bad_request".into()));
}

#[test]
fn events_come_once_each_by_page_and_by_stream() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("run: echo one")).id;
    bench.settled(&id, 1);
    let own: Vec<u64> = {
        let thread = bench.session(&id)["thread_id"].as_str().unwrap().to_owned();
        let records = bench.records();
        let own = records.iter().filter(|record| record.session == thread.as_bytes());
        own.map(|record| record.seq).collect()
    };
    for limit in [1, 7, 1000] {
        let (mut seqs, mut since) = (Vec::new(), 0);
        loop {
            let page = bench.client().events(&id, since, limit).unwrap();
            let events = page["events"].as_array().unwrap();
            if events.is_empty() {
                break;
            }
            seqs.extend(events.iter().map(|event| event["seq"].as_u64().unwrap()));
            since = page["next_seq"].as_u64().unwrap();
            assert_eq!(page["history_gap"], false);
        }
        assert_eq!(seqs[..own.len()], own, "pages of {limit}");
    }
    let log = bench.client().health().unwrap().log_id;
    let last = bench.client().health().unwrap().watermark;
    let mut seqs = Vec::new();
    let mut take = |id: &str, event: serde_json::Value| {
        let seq = event["seq"].as_u64().unwrap();
        assert_eq!(id, format!("{log}:{seq}"));
        seqs.push(seq);
        seq < last
    };
    bench.client().follow(Some(&format!("{log}:2")), &mut take).unwrap();
    assert_eq!(seqs, (3..=last).collect::<Vec<_>>());
}
