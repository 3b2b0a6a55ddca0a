//! What tells that something is over, or goes on: turns that nobody told the end of, commands in the
//! background, broken streams, sessions given up and loaded again.

use crate::folded::{Folded, fixtures, folded};
use serde_json::{Value, json};
use sm_projections::rows::{ActionStatus, ActivityState, Outcome, Session};
use sm_projections::tables::Sessions;
use sm_projections::views::{self, ActionDoc, SessionDoc};

/// The only session of a transcript.
struct Told {
    session: Session,
    doc: SessionDoc,
    actions: Vec<ActionDoc>,
}

fn told(folded: &Folded) -> Told {
    let view = folded.store.view().unwrap();
    Told {
        session: view.get::<Sessions>(&0).unwrap().unwrap(),
        doc: views::session_doc(&view, 0).unwrap().unwrap(),
        actions: views::actions(&view, 0, usize::MAX, |_| true).unwrap(),
    }
}

/// What the lines tell of a session in a turn, made of its schema's required fields.
fn after(more: &[Value]) -> Told {
    let begin = [
        json!({"method": "thread/started", "params": {"thread": {"id": "t"}}}),
        turn("turn/started", "inProgress"),
    ];
    let lines = begin.iter().chain(more).map(|line| format!("{line}\n"));
    told(&folded(lines.collect::<String>().as_bytes(), usize::MAX))
}

fn turn(method: &str, status: &str) -> Value {
    json!({"method": method, "params": {
        "threadId": "t", "turn": {"id": "u", "status": status, "items": []},
    }})
}

fn item(method: &str, item: &Value) -> Value {
    json!({"method": method, "params": {"threadId": "t", "turnId": "u", "item": item}})
}

fn command(id: &str, status: &str) -> Value {
    json!({
        "id": id, "type": "commandExecution", "command": format!("do {id}"), "status": status,
        "processId": "7",
    })
}

#[test]
fn a_numbered_turn_of_which_only_an_error_is_told_is_over() {
    // As 0.98.0 told of a review whose base could not be found.
    let about = |id: &str| {
        [
            json!({"method": "turn/started", "params": {
                "threadId": "t", "turn": {"id": id, "status": "inProgress", "items": []},
            }}),
            json!({"method": "error", "params": {
                "threadId": "t", "turnId": id, "willRetry": false,
                "error": {"message": "no git repository"},
            }}),
        ]
    };
    let over = after(&[&[turn("turn/completed", "completed")], &about("1")[..]].concat());
    assert_eq!((over.session.state, over.session.outcome), (ActivityState::Idle, Outcome::Failed));
    assert_eq!(over.session.counts.turns_failed, 1);
    // Of others the end is told, too, and of one that has begun.
    let told = after(&[&[turn("turn/completed", "completed")], &about("v")[..]].concat());
    assert!(told.session.open_turn.is_some());
    let [began, error] = about("1");
    let begun = json!({"method": "item/started", "params": {
        "threadId": "t", "turnId": "1", "item": {"id": "i", "type": "userMessage", "content": []},
    }});
    let told = after(&[turn("turn/completed", "completed"), began, begun, error]);
    assert!(told.session.open_turn.is_some());
}

#[test]
fn a_thread_without_a_turn_has_lost_the_one_that_nobody_told_the_end_of() {
    let loaded = |status: &str| {
        json!({"id": 9, "result": {
            "thread": {"id": "t", "status": {"type": status}}, "model": "m", "cwd": "/",
        }})
    };
    for evidence in
        [loaded("idle"), json!({"method": "thread/closed", "params": {"threadId": "t"}})]
    {
        let told = after(&[evidence]);
        assert_eq!(
            (told.session.state, told.session.outcome),
            (ActivityState::Idle, Outcome::Lost)
        );
    }
    let told = after(&[loaded("active")]);
    assert_eq!(told.session.state, ActivityState::Thinking, "it goes on");
    let told = after(&[loaded("idle"), turn("turn/completed", "completed")]);
    assert_eq!(told.session.outcome, Outcome::Completed, "its real end is told after all");
    let deleted = json!({"method": "thread/deleted", "params": {"threadId": "t"}});
    let told = after(&[deleted]);
    assert_eq!((told.session.state, told.session.outcome), (ActivityState::Stopped, Outcome::Lost));
    assert_eq!(told.session.unresumable.as_deref(), Some("its thread was deleted"));
}

#[test]
fn codexs_word_that_no_turn_is_active_ends_the_one_that_seemed_to_be() {
    for (words, expected) in [
        ("no active turn to interrupt", Outcome::Lost),
        ("cannot steer a review turn", Outcome::None),
    ] {
        let tap = |dir: &str, msg: Value| json!({"ts": 1, "dir": dir, "msg": msg});
        let interrupt = json!({"id": 4, "method": "turn/interrupt", "params": {
            "threadId": "t", "turnId": "u",
        }});
        let refusal = json!({"id": 4, "error": {"code": -32600, "message": words}});
        let lines = [
            tap("server", json!({"method": "thread/started", "params": {"thread": {"id": "t"}}})),
            tap("server", turn("turn/started", "inProgress")),
            tap("client", interrupt),
            tap("server", refusal),
        ];
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(
            told(&folded(lines.as_bytes(), usize::MAX)).session.outcome,
            expected,
            "{words}"
        );
    }
}

#[test]
fn a_command_in_the_background_runs_on_until_its_end_is_told() {
    let begun = item("item/started", &command("a", "inProgress"));
    let ended = turn("turn/completed", "completed");
    let told = after(&[begun.clone(), ended.clone()]);
    assert_eq!((told.actions[0].status, told.actions[0].phase), ("runs_on", "running"));
    assert_eq!(told.session.state, ActivityState::Idle);
    assert_eq!(told.doc.last_action.unwrap().status, "runs_on");
    let over = item("item/completed", &command("a", "completed"));
    let told = after(&[begun.clone(), ended, over]);
    assert_eq!((told.actions[0].status, told.session.counts.commands_completed), ("completed", 1));
    assert!(told.session.may_run_on.is_empty());
    let told = after(&[begun.clone(), turn("turn/completed", "interrupted")]);
    assert_eq!(told.actions[0].status, "interrupted");
    // What ran in a thread ends with it.
    let closed = json!({ "method": "thread/closed", "params": { "threadId": "t" } });
    let told = after(&[begun, turn("turn/completed", "completed"), closed]);
    assert_eq!(told.actions[0].status, "lost");
    assert!(told.session.may_run_on.is_empty());
}

/// Recorded: two commands are left running, their turn ends by itself, then the next one types into one.
#[test]
fn what_was_left_running_is_never_told_as_cut_off() {
    for release in ["0.98.0", "0.115.0", "0.169.0"] {
        let path = fixtures().join(format!("codex/{release}/background.jsonl"));
        let bytes = std::fs::read(path).unwrap();
        let mut ran_on = 0;
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for end in 1..=lines.len() {
            let folded = folded(&lines[..end].concat(), usize::MAX);
            if folded.store.view().unwrap().get::<Sessions>(&0).unwrap().is_none() {
                continue;
            }
            for action in told(&folded).actions {
                assert_ne!(
                    (action.kind, action.status),
                    ("command", "interrupted"),
                    "by line {end}"
                );
                ran_on += usize::from(action.status == "runs_on");
            }
        }
        assert!(ran_on > 0, "none ran on");
    }
}

#[test]
fn what_ends_does_not_hide_what_goes_on() {
    let told = after(&[
        item("item/started", &command("a", "inProgress")),
        item("item/started", &command("b", "inProgress")),
        item("item/completed", &command("a", "completed")),
    ]);
    assert_eq!(told.doc.last_action.unwrap().summary, "do b");
    let on = told.doc.blocked_on.unwrap();
    assert_eq!((on.kind, on.what.as_str()), ("command", "do b"));
}

#[test]
fn what_a_broken_stream_began_to_say_is_over() {
    let told = after(&[
        item("item/started", &json!({"id": "m", "type": "agentMessage", "text": ""})),
        item("item/started", &command("a", "inProgress")),
        json!({"method": "error", "params": {
            "threadId": "t", "turnId": "u", "willRetry": true, "error": {"message": "gone"},
        }}),
    ]);
    let stands: Vec<&str> = told.actions.iter().map(|action| action.status).collect();
    assert_eq!(stands, ["interrupted", "in_progress"]);
}

/// What Codex 0.169 tells once the account has used up what it may.
#[test]
fn a_turn_that_failed_with_a_limit_leaves_its_session_blocked_until_something_begins() {
    let words = "You\u{2019}ve hit your usage limit. Visit https://chatgpt.com/settings/usage to purchase more \
                 credits or try again at 3:49 AM.";
    let failed = |info: &str| {
        let problem = json!({"message": words, "codexErrorInfo": info, "additionalDetails": null});
        let mut over = turn("turn/completed", "failed");
        over["params"]["turn"]["error"] = problem.clone();
        [
            json!({"method": "error", "params": {
                "threadId": "t", "turnId": "u", "willRetry": false, "error": problem,
            }}),
            over,
        ]
    };
    let limit = failed("usageLimitExceeded");
    let on = after(&limit).doc.blocked_on.unwrap();
    assert_eq!((on.kind, on.what.as_str()), ("rate_limit", words));
    assert_eq!(after(&limit[..1]).doc.blocked_on, None, "its turn is open");
    assert_eq!(after(&failed("other")).doc.blocked_on, None);
    let mut next = turn("turn/started", "inProgress");
    next["params"]["turn"]["id"] = "v".into();
    let told = after(&[&limit[..], &[next.clone()]].concat());
    assert_eq!(told.doc.blocked_on, None);
    next["method"] = "turn/completed".into();
    next["params"]["turn"]["status"] = "completed".into();
    // The limit's end told again, once another turn has ended.
    let told = after(&[&limit[..], &[next], &limit[1..]].concat());
    assert_eq!(told.doc.blocked_on, None);
}

#[test]
fn a_thread_loaded_again_has_the_effort_that_the_answer_tells() {
    let loaded = |effort: Value| {
        json!({"id": 9, "result": {
            "thread": {"id": "t"}, "model": "m", "cwd": "/", "reasoningEffort": effort,
        }})
    };
    let told = after(&[loaded(json!("high")), loaded(Value::Null)]);
    assert_eq!(told.session.effort, None);
    let told = after(&[loaded(Value::Null), loaded(json!("high"))]);
    assert_eq!(told.session.effort.as_deref(), Some("high"));
}

/// Recorded: a client changes the model with a turn. Releases to 0.122 tell of it in no other way.
#[test]
fn the_settings_that_a_turn_is_started_with_are_in_force() {
    for release in ["0.105.0", "0.169.0"] {
        let path = fixtures().join(format!("codex/{release}/model-change.tap.jsonl"));
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let calls = text.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).unwrap();
            (message["msg"]["method"] == "turn/start").then(|| message["msg"]["params"].clone())
        });
        let model =
            calls.filter_map(|params| Some(params["model"].as_str()?.to_owned())).next_back();
        assert!(model.is_some(), "{}", path.display());
        assert_eq!(told(&folded(&bytes, usize::MAX)).session.model, model, "{release}");
    }
}

#[test]
fn what_was_rolled_back_is_marked_and_no_last_action() {
    for release in ["0.98.0", "0.169.0"] {
        let path = fixtures().join(format!("codex/{release}/rollback.tap.jsonl"));
        let folded = folded(&std::fs::read(path).unwrap(), usize::MAX);
        let view = folded.store.view().unwrap();
        let turns = views::turns(&view, 0, usize::MAX, |_| true).unwrap();
        let told = told(&folded);
        for action in &told.actions {
            let turn = turns.iter().find(|turn| Some(turn.seq) == action.turn_seq);
            assert_eq!(action.dropped, turn.is_some_and(|turn| turn.dropped_seq.is_some()));
        }
        assert!(told.actions.iter().any(|action| action.dropped), "{release}");
        let last = told.session.last_action.unwrap();
        let last = told.actions.iter().find(|action| action.seq == last.seq).unwrap();
        assert!(!last.dropped, "{release}");
        assert_ne!(last.status, ActionStatus::Lost.as_str());
    }
}
