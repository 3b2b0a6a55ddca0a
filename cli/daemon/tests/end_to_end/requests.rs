//! What Codex asks, and who answers.

use crate::bench::{Bench, codex, kill};
use serde_json::{Value, json};
use sm_daemon::ClientError;
use sm_daemon::api::{Act, Answer, Spawn};
use sm_daemon::{Search, locate};
use sm_protocol::Kind;
use sm_scripted_model::ConfigOptions;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

fn code(result: Result<impl std::fmt::Debug, ClientError>) -> String {
    match result {
        Err(ClientError::Refused { problem, .. }) => problem.code.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

/// An answer in Codex's own form.
fn raw(form: Value) -> Answer {
    Answer { raw: Some(form), ..Answer::default() }
}

/// What a call was refused with.
fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> (u16, String, String) {
    match result {
        Err(ClientError::Refused { status, problem }) => {
            let hint = problem.hint.as_deref().unwrap_or("no hint");
            (status, problem.code.clone(), format!("{}; {hint}", problem.message))
        }
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

/// A session that asks, the request, and an answer with words; the daemon has nothing left to fold.
fn to_be_denied(bench: &Bench) -> (String, String, Answer) {
    let id = bench.spawn(&bench.asking("run: touch no.txt\nsay: went on")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    bench.wait("all has come that Codex says of it", || {
        let health = bench.client().health().unwrap();
        let told = bench.told(Kind::THREAD_STATUS_CHANGED);
        let waits = told.iter().any(|told| told.to_string().contains("waitingOnApproval"));
        (waits && health.checkpoint == health.watermark).then_some(())
    });
    let say = Some("say: use rg\nsay: as I told you".to_owned());
    (id, request, Answer { decision: Some("decline".into()), say, ..Answer::default() })
}

/// Gives an answer while the daemon folds nothing; returns once it has gone out, with what is to wait for
/// the daemon's word on it. What comes behind the answer waits for the tables.
fn deny_stalled(
    bench: &Bench,
    request: &str,
    deny: &Answer,
) -> std::thread::JoinHandle<Result<(), ClientError>> {
    let (home, request, deny) = (bench.home.clone(), request.to_owned(), deny.clone());
    let denied = std::thread::spawn(move || {
        sm_daemon::Client::connect(&home).unwrap().answer(&request, &deny).map(drop)
    });
    bench.wait("the answer is sent", || {
        let told = bench.told(Kind::RESPONSE);
        told.iter().any(|told| told["result"]["decision"] == "decline").then_some(())
    });
    assert!(bench.told(Kind::TURN_STEER).is_empty(), "the words had gone out before");
    denied
}

#[test]
fn words_whose_daemon_dies_behind_the_answer_are_said_by_the_next_one_once() {
    let mut bench = Bench::start();
    let (id, request, deny) = to_be_denied(&bench);
    let tables = bench.tables();
    let stalled = tables.write_txn().unwrap();
    let denied = deny_stalled(&bench, &request, &deny);
    bench.kill_daemon();
    drop(stalled);
    assert!(denied.join().unwrap().is_err());
    bench.serve();
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "as I told you");
    // Nothing is said twice: not by another start, not by the same answer once more.
    bench.kill_daemon();
    bench.serve();
    assert!(bench.client().answer(&request, &deny).unwrap().repeated);
    bench.settled(&id, 2);
    let say = deny.say.unwrap();
    let heard = bench.rows(&id, "messages");
    assert_eq!(heard.iter().filter(|m| m["role"] == "user" && m["text"] == say).count(), 1);
    let accepted = bench.told(Kind::SM_INPUT_ACCEPTED);
    let keyed = accepted.iter().filter(|one| one["params"]["key"] == format!("answer:{request}"));
    assert_eq!(keyed.count(), 1);
    let begun = bench.told(Kind::TURN_START);
    assert_eq!(begun.iter().filter(|one| one.to_string().contains("use rg")).count(), 1);
    assert_eq!(bench.client().request(&request).unwrap()["decision"], "decline");
}

#[test]
fn words_whose_codex_dies_behind_the_answer_wait_until_it_is_back() {
    let mut bench = Bench::start();
    bench.stop_daemon();
    bench.codex = bench.work.join("codex");
    std::os::unix::fs::symlink(codex(), &bench.codex).unwrap();
    bench.serve();
    let (id, request, deny) = to_be_denied(&bench);
    let server = bench.server_pid();
    let tables = bench.tables();
    let stalled = tables.write_txn().unwrap();
    let denied = deny_stalled(&bench, &request, &deny);
    std::fs::remove_file(&bench.codex).unwrap();
    kill(server);
    bench.wait("its end is recorded", || {
        (!bench.told(Kind::SM_GENERATION_ENDED).is_empty()).then_some(())
    });
    drop(stalled);
    denied.join().unwrap().unwrap();
    let waiting = bench.client().queue().unwrap();
    assert_eq!(waiting["undelivered"], json!([]), "{waiting}");
    std::os::unix::fs::symlink(codex(), &bench.codex).unwrap();
    bench.settled(&id, 2);
    assert_eq!(bench.last_message(&id), "as I told you");
}

#[test]
fn words_that_nobody_would_hear_are_refused_before_anything_is_decided() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("run: touch no.txt\nsay: went on")).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    let deny = |word: &str, say: &str| {
        let (decision, say) = (Some(word.to_owned()), Some(say.to_owned()));
        bench.client().answer(&request, &Answer { decision, say, ..Answer::default() })
    };
    let (status, code, told) = refused(deny("cancel", "use another"));
    assert_eq!((status, code.as_str()), (400, "bad_request"));
    assert!(told.contains("ends the turn") && told.contains("sm send"), "{told}");
    assert_eq!(refused(deny("decline", "a\u{1b}[31m")).1, "bad_text");
    assert_eq!(refused(deny("decline", " ")).1, "bad_request");
    assert_eq!(bench.session(&id)["pending_requests"], 1);
    assert!(bench.told(Kind::SM_REQUEST_DECIDED).is_empty());
    // The same words again are the same answer, and are heard once; others are not heard.
    assert!(!deny("decline", "say: use another").unwrap().repeated);
    bench.settled(&id, 1);
    assert!(deny("decline", "say: use another").unwrap().repeated);
    let (status, code, told) = refused(deny("decline", "say: use a third"));
    assert_eq!((status, code.as_str()), (409, "already_answered"));
    assert!(told.contains("not sent") && told.contains(&format!("sm send {id}")), "{told}");
    let heard = bench.rows(&id, "messages");
    let heard = heard.iter().filter(|m| m["role"] == "user" && m["text"] == "say: use another");
    assert_eq!(heard.count(), 1);
    let accepted = bench.told(Kind::SM_INPUT_ACCEPTED);
    let keys = accepted.iter().filter_map(|input| input["params"]["key"].as_str());
    assert_eq!(keys.collect::<Vec<_>>(), [format!("answer:{request}")]);
}

#[test]
fn a_raw_answer_of_another_form_spends_no_request() {
    let bench = Bench::start();
    let wish = Spawn { plan: Some(true), ..bench.wish("ask: db=Which? [A|B]\nsay: thanks") };
    let asking = bench.spawn(&wish).id;
    let question = bench.asked(&asking)["id"].as_str().unwrap().to_owned();
    let changing = bench.spawn(&bench.asking("patch: no.txt\nsay: done")).id;
    let change = bench.asked(&changing)["id"].as_str().unwrap().to_owned();
    for (request, form, part) in [
        (&question, json!({ "decision": "accept" }), "answers"),
        (&question, json!({ "answers": {} }), "db=TEXT"),
        (&change, json!({ "decision": "nonsense" }), "acceptForSession"),
        (&change, json!({ "decision": "accept", "more": true }), "acceptForSession"),
    ] {
        let (status, code, told) = refused(bench.client().answer(request, &raw(form)));
        assert_eq!((status, code.as_str()), (400, "bad_request"), "{told}");
        assert!(told.contains(part), "{told}");
    }
    assert!(bench.told(Kind::SM_REQUEST_DECIDED).is_empty());
    let done = bench.client().answer(&change, &raw(json!({ "decision": "decline" }))).unwrap();
    assert_eq!(done.request["decision"], "decline");
    let form = json!({ "answers": { "db": { "answers": ["A"] } } });
    assert_eq!(bench.client().answer(&question, &raw(form)).unwrap().request["decision"], "answer");
    bench.settled(&changing, 1);
    bench.settled(&asking, 1);
    assert!(!bench.work.join("no.txt").exists());
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
    for (odd, code) in [("SQ\u{0}Lite", "bad_text"), (&"x".repeat(2 << 20), "too_long")] {
        match bench.client().answer(number, &answers(&[("1", odd), ("key", "hunter2")])) {
            Err(ClientError::Refused { problem, .. }) => assert_eq!(problem.code, code),
            other => panic!("not refused: {other:?}"),
        }
    }
    let whole = answers(&[("1", "SQLite"), ("key", "hunter2")]);
    let answered = bench.client().answer(number, &whole).unwrap();
    assert!(!answered.repeated);
    // Secrets are not kept: whether one is the same is not known, and that is said.
    for key in ["hunter2", "hunter3"] {
        let again = answers(&[("1", "SQLite"), ("key", key)]);
        let again = bench.client().answer(number, &again).unwrap();
        assert!(again.repeated && again.secret_not_compared);
    }
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
fn a_question_whose_turn_is_over_takes_no_answer_of_any_form() {
    let bench = Bench::start();
    let wish = Spawn { plan: Some(true), ..bench.wish("ask: db=Which? [Postgres|SQLite]\nsay: x") };
    let id = bench.spawn(&wish).id;
    let request = bench.asked(&id)["id"].as_str().unwrap().to_owned();
    bench.client().interrupt(&id, &Act::default()).unwrap();
    let whole = BTreeMap::from([("db".to_owned(), vec!["SQLite".to_owned()])]);
    for answers in [BTreeMap::new(), BTreeMap::from([("x".to_owned(), vec![])]), whole] {
        let answer = Answer { answers, ..Answer::default() };
        match bench.client().answer(&request, &answer) {
            Err(ClientError::Refused { status: 409, problem }) => {
                assert_eq!(problem.code, "conflict", "{problem:?}");
            }
            other => panic!("not refused: {other:?}"),
        }
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

/// What suits the codex under test.
fn options() -> ConfigOptions {
    let search = Search { explicit: Some(codex()), ..Search::default() };
    ConfigOptions::for_release(&locate(&search).unwrap().version.to_string(), false)
}

#[test]
fn an_agent_asks_for_permissions_and_is_granted_what_it_asked() {
    let mut options = options();
    options
        .features
        .extend(["request_permissions_tool".into(), "exec_permission_approvals".into()]);
    let bench = Bench::start_with(options);
    let wanted = json!({ "reason": "it needs the network",
        "permissions": { "network": { "enabled": true } } });
    let wish = Spawn {
        approval: Some("on-request".into()),
        sandbox: Some("workspace-write".into()),
        ..bench.wish(&format!("dyn: request_permissions {wanted}\nsay: done"))
    };
    let id = bench.spawn(&wish).id;
    let request = bench.asked(&id);
    assert_eq!(
        (&request["kind"], &request["reason"]),
        (&json!("permissions"), &json!("it needs the network"))
    );
    assert_eq!(request["risk"]["hints"][0]["kind"], "network");
    assert_eq!(request["details"]["permissions"]["network"]["enabled"], true);
    let number = request["id"].as_str().unwrap();
    let wrong =
        Answer { answers: BTreeMap::from([("q".into(), vec!["x".into()])]), ..Answer::default() };
    assert_eq!(code(bench.client().answer(number, &wrong)), "bad_request");
    bench.decide(number, "acceptForSession").unwrap();
    bench.settled(&id, 1);
    let heard = bench.model.requests().iter().map(|seen| seen.outputs.join("")).collect::<String>();
    assert!(heard.contains("network"), "{heard}");
}

#[test]
fn an_agent_gives_its_child_no_leave_in_whatever_form() {
    let (_folder, config) = asking_server();
    let mut options = options();
    options.extra += &config;
    options
        .features
        .extend(["request_permissions_tool".into(), "exec_permission_approvals".into()]);
    let bench = Bench::start_with(options);
    let parent = bench.spawn(&bench.asking("say: hi")).id;
    let wanted = json!({ "reason": "why not", "permissions": { "network": { "enabled": true } } });
    let script = format!("dyn: request_permissions {wanted}\ndyn: mcp__tiny__ask {{}}\nsay: done");
    let child = bench.spawn(&Spawn {
        parent: Some(parent.clone()),
        approval: Some("on-request".into()),
        sandbox: Some("workspace-write".into()),
        ..bench.wish(&script)
    });
    let by_parent = |request: &str, answer: Answer| {
        bench.client().answer(request, &Answer { by: Some(parent.clone()), ..answer })
    };
    let word = |word: &str| Answer { decision: Some(word.into()), ..Answer::default() };
    let grant = json!({ "network": { "enabled": true }, "fileSystem": { "write": ["/etc"] } });
    let asked = bench.asked(&child.id);
    assert_eq!(asked["kind"], "permissions");
    let request = asked["id"].as_str().unwrap();
    // What says to decline and grants is no answer at all; nobody but the user gives the rest.
    let lie = json!({ "decision": "decline", "permissions": grant, "scope": "session" });
    assert_eq!(refused(by_parent(request, raw(lie.clone()))).1, "bad_request");
    assert_eq!(refused(bench.client().answer(request, &raw(lie))).1, "bad_request");
    for form in [json!({ "permissions": grant }), json!({ "permissions": {} })] {
        let (status, code, told) = refused(by_parent(request, raw(form)));
        assert_eq!((status, code.as_str()), (403, "forbidden"), "{told}");
        assert!(told.contains("plain words"), "{told}");
    }
    assert_eq!(refused(by_parent(request, word("accept"))).1, "forbidden");
    let declined = by_parent(request, word("decline")).unwrap().request;
    assert_eq!(
        (&declined["decision"], &declined["decided_by_thread"]),
        (&json!("decline"), &bench.session(&parent)["thread_id"])
    );
    let leave = bench.wait("the tool is to be run", || {
        let asked = bench.asked(&child.id);
        (asked["kind"] == "elicitation").then_some(asked)
    });
    let request = leave["id"].as_str().unwrap();
    for answer in [
        word("accept"),
        word("acceptForSession"),
        raw(json!({ "action": "accept", "content": {} })),
        raw(json!({ "action": "decline" })),
    ] {
        assert_eq!(refused(by_parent(request, answer)).1, "forbidden");
    }
    by_parent(request, word("decline")).unwrap();
    bench.settled(&child.id, 1);
    let decided = bench.told(Kind::SM_REQUEST_DECIDED);
    let words: Vec<&str> =
        decided.iter().filter_map(|one| one["params"]["decision"].as_str()).collect();
    assert_eq!(words, ["decline", "decline"]);
}

#[test]
fn an_agent_gives_leave_and_makes_no_rule_of_codexs() {
    let bench = Bench::start();
    let wish = Spawn {
        approval: Some("never".into()),
        sandbox: Some("danger-full-access".into()),
        ..bench.wish("say: hi")
    };
    let parent = bench.spawn(&wish).id;
    bench.settled(&parent, 1);
    let child = bench.spawn(&Spawn {
        parent: Some(parent.clone()),
        approval: Some("untrusted".into()),
        ..bench.wish("run: touch made")
    });
    let asked = bench.asked(&child.id);
    let request = asked["id"].as_str().unwrap();
    let answer = |word: &str, by: Option<&String>| {
        let (decision, by) = (Some(word.to_owned()), by.cloned());
        bench.client().answer(request, &Answer { decision, by, ..Answer::default() })
    };
    let rule = "acceptWithExecpolicyAmendment";
    let (status, code, told) = refused(answer(rule, Some(&parent)));
    assert_eq!((status, code.as_str()), (403, "forbidden"), "{told}");
    answer("accept", Some(&parent)).unwrap();
    bench.settled(&child.id, 1);
    assert!(bench.work.join("made").exists());
    // Too late is too late, whatever it would have been.
    assert_eq!(refused(answer("nonsense", None)).1, "already_answered");
}

/// An MCP server of a few lines: its one tool asks the user for a colour, and tells what it was answered.
const ASKING_SERVER: &str = r#"#!/bin/sh
say() { printf '%s\n' "$1"; }
while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
    case "$line" in
    *'"initialize"'*) say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"tiny\",\"version\":\"1\"}}}" ;;
    *'"tools/list"'*) say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"tools\":[{\"name\":\"ask\",\"description\":\"Asks\",\"inputSchema\":{\"type\":\"object\"}}]}}" ;;
    *'"tools/call"'*)
        call=$id
        say '{"jsonrpc":"2.0","id":"ask","method":"elicitation/create","params":{"message":"Which colour?","requestedSchema":{"type":"object","properties":{"colour":{"type":"string","enum":["red","green"]},"size":{"type":"integer","minimum":1,"maximum":3}},"required":["colour"]}}}' ;;
    *'"id":"ask"'*)
        said=$(printf '%s' "$line" | sed 's/["{}]//g')
        say "{\"jsonrpc\":\"2.0\",\"id\":$call,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"heard $said\"}]}}" ;;
    *'"ping"'*) say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{}}" ;;
    esac
done
"#;

/// An executable MCP server in a folder of its own, and the configuration that names it.
fn asking_server() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let server = folder.path().join("tiny");
    std::fs::write(&server, ASKING_SERVER).unwrap();
    std::fs::set_permissions(&server, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config =
        format!("[mcp_servers.tiny]\ncommand = {}\n", Value::from(server.to_str().unwrap()));
    (folder, config)
}

#[test]
fn an_mcp_servers_question_is_answered_and_leave_for_its_tool_is_remembered() {
    let (_folder, config) = asking_server();
    let mut options = options();
    options.extra += &config;
    let bench = Bench::start_with(options);
    let prompt = "dyn: mcp__tiny__ask {\"file\":\"/etc/x\"}\ndyn: mcp__tiny__ask {}\nsay: done";
    let id = bench.spawn(&bench.asking(prompt)).id;
    // Leave for the tool comes as a form without fields, and is asked for once.
    let leave = bench.asked(&id);
    assert_eq!(
        (&leave["kind"], &leave["details"]["server"]),
        (&json!("elicitation"), &json!("tiny"))
    );
    // What the tool would do is told: its name and arguments, and that nobody knows more.
    let details = &leave["details"];
    assert_eq!(
        (&details["tool"]["name"], &details["tool"]["description"], &details["arguments"]),
        (&json!("ask"), &json!("Asks"), &json!({ "file": "/etc/x" }))
    );
    let hints = leave["risk"]["hints"].as_array().unwrap();
    let kinds: Vec<&str> = hints.iter().filter_map(|hint| hint["kind"].as_str()).collect();
    assert_eq!(kinds, ["outside", "unclear"]);
    assert!(hints[1]["reason"].as_str().unwrap().contains("MCP server tiny"), "{leave}");
    // Words are no leave, whatever they say.
    for field in ["", "tool"] {
        let answers = BTreeMap::from([(field.to_owned(), vec!["no".to_owned()])]);
        let no = Answer { answers, ..Answer::default() };
        assert_eq!(code(bench.client().answer(leave["id"].as_str().unwrap(), &no)), "bad_request");
    }
    bench.decide(leave["id"].as_str().unwrap(), "acceptForSession").unwrap();
    for colour in ["green", "red"] {
        let question = bench.wait("the server asks", || {
            let asked = bench.asked(&id);
            (asked["details"]["message"] == "Which colour?").then_some(asked)
        });
        assert_eq!(question["details"]["questions"][0]["options"][1]["label"], "green");
        let number = question["id"].as_str().unwrap();
        let told = |colour: &str| Answer {
            answers: BTreeMap::from([("colour".into(), vec![colour.into()])]),
            ..Answer::default()
        };
        assert_eq!(code(bench.client().answer(number, &told("blue"))), "bad_request");
        let mut more = told(colour);
        // What a field does not take is refused, and the question still waits.
        for size in ["big", "0", "4"] {
            more.answers.insert("size".into(), vec![size.into()]);
            assert_eq!(code(bench.client().answer(number, &more)), "bad_request");
        }
        assert_eq!(question["details"]["questions"][1]["maximum"], 3);
        more = told(colour);
        more.answers.insert("taste".into(), vec!["1".into()]);
        assert_eq!(code(bench.client().answer(number, &more)), "bad_request");
        assert_eq!(code(bench.decide(number, "accept")), "bad_request");
        let answered = bench.client().answer(number, &told(colour)).unwrap();
        assert_eq!(answered.request["decision"], "accept");
        bench.wait("it no longer waits", || {
            (bench.client().request(number).unwrap()["status"] == "answered").then_some(())
        });
    }
    bench.settled(&id, 1);
    let heard = bench.model.requests().iter().map(|seen| seen.outputs.join("")).collect::<String>();
    assert!(heard.contains("colour:green") && heard.contains("colour:red"), "{heard}");
}

#[test]
fn what_was_changed_since_it_was_shown_is_not_answered() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.asking("patch: a.txt\nsay: done")).id;
    let request = bench.asked(&id);
    let (number, shown) = (request["id"].as_str().unwrap(), request["shown"].as_str().unwrap());
    assert_eq!(request["details"]["changes"][0]["kind"], "add");
    assert_eq!(request["risk"]["hints"][0]["kind"], "writes");
    let answer = |expected: &str| Answer {
        decision: Some("accept".into()),
        expected: Some(expected.to_owned()),
        ..Answer::default()
    };
    match bench.client().answer(number, &answer("0123456789abcdef")) {
        Err(ClientError::Refused { status: 409, problem }) => {
            assert_eq!(problem.code, "request_changed");
            assert_eq!(problem.details["shown"], shown);
        }
        other => panic!("not refused: {other:?}"),
    }
    assert!(!bench.work.join("a.txt").exists());
    bench.client().answer(number, &answer(shown)).unwrap();
    bench.settled(&id, 1);
    assert!(bench.work.join("a.txt").exists());
    // The same answer again is told to be the same.
    assert!(bench.client().answer(number, &answer(shown)).unwrap().repeated);
}

#[test]
fn a_child_that_asks_says_whom_it_holds_up() {
    let bench = Bench::start();
    let script = format!(
        "dyn: sm_spawn {}\ndyn: sm_wait {{\"sessions\": [\"{{{{last.id}}}}\"]}}\nsay: done",
        json!({ "prompt": "run: touch x.txt", "name": "child" })
    );
    let parent = bench.spawn(&Spawn { name: Some("manager".into()), ..bench.asking(&script) }).id;
    let request = bench.wait("the child asks", || {
        let requests = bench.client().requests().unwrap();
        requests["requests"].as_array()?.iter().find(|one| one["kind"] == "command").cloned()
    });
    assert_eq!(request["session_name"], "child");
    assert_eq!(request["holds_up"][0]["session_id"], parent.as_str());
    assert_eq!(request["holds_up"][0]["session_name"], "manager");
    assert!(request["waiting_ms"].is_i64());
    bench.decide(request["id"].as_str().unwrap(), "accept").unwrap();
    bench.settled(&parent, 1);
}

#[test]
fn requests_are_listed_also_where_the_record_of_one_is_damaged() {
    let mut bench = Bench::start();
    let first = bench.spawn(&bench.asking("run: touch damaged.txt\nsay: done"));
    let damaged = bench.asked(&first.id)["id"].as_str().unwrap().to_owned();
    bench.decide(&damaged, "accept").unwrap();
    bench.settled(&first.id, 1);
    let second = bench.spawn(&bench.asking("run: touch whole.txt\nsay: done"));
    let whole = bench.asked(&second.id)["id"].as_str().unwrap().to_owned();
    bench.decide(&whole, "accept").unwrap();
    bench.settled(&second.id, 1);
    bench.stop_daemon();
    let needle = bench.records().into_iter().find(|record| {
        record.kind == Kind::COMMAND_APPROVAL.0 && record.session == first.thread_id.as_bytes()
    });
    let needle = needle.unwrap().payload;
    let files = std::fs::read_dir(bench.home.log_dir()).unwrap();
    let mut places = files.filter_map(|file| {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let at = bytes.windows(needle.len()).position(|part| *part == *needle)?;
        Some((path, bytes, at))
    });
    let (path, mut bytes, at) = places.next().unwrap();
    bytes[at + needle.len() / 2] ^= 1;
    std::fs::write(path, bytes).unwrap();
    bench.serve();
    let listed = bench.client().requests_of("all").unwrap();
    let listed = listed["requests"].as_array().unwrap();
    let trimmed = |id: &str| {
        let request = listed.iter().find(|request| request["id"] == *id).unwrap();
        (request["details"]["text_trimmed"].clone(), request["params"].is_null())
    };
    assert_eq!(trimmed(&damaged), (json!(true), true));
    assert_eq!(trimmed(&whole), (json!(false), false));
}
