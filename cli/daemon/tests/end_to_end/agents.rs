//! Agents as users: children made, awaited and talked to through Codex itself; what they may not do.

use crate::bench::{Bench, kill};
use serde_json::{Value, json};
use sm_daemon::ClientError;
use sm_daemon::api::{
    Act, Answer, Ask, CodexSearch, Fork, Forked, Goal, GoalVerb, Hold, Input, Keep, Mode, Review,
    ReviewOf, Settings, Spawn,
};
use sm_protocol::Kind;

#[test]
fn a_sandboxed_agent_spawns_a_child_and_awaits_it() {
    let bench = Bench::start();
    let wish = Spawn {
        sandbox: Some("workspace-write".into()),
        name: Some("parent".into()),
        ..bench.wish(concat!(
            "dyn: sm_spawn {\"prompt\": \"say: child words\", \"name\": \"child\"}\n",
            "dyn: sm_wait {\"sessions\": [\"{{1.id}}\"]}\n",
            "dyn: sm_children\n",
            "dyn: sm_send {\"session\": \"{{1.id}}\", \"text\": \"say: more words\"}\n",
            "dyn: sm_wait\n",
            "dyn: sm_result {\"session\": \"{{1.id}}\"}\n",
            "say: {{2.sessions.0.result}}, {{3.sessions.0.name}}, {{5.timed_out}}, {{6.result}}",
        ))
    };
    let parent = bench.spawn(&wish);
    let session = bench.settled(&parent.id, 1);
    assert_eq!(session["outcome"], "completed");
    assert_eq!(bench.last_message(&parent.id), "child words, child, false, more words");
    let children = bench.rows(&parent.id, "children");
    let child = &children[0];
    assert_eq!(child["name"], "child");
    assert_eq!(child["parent_id"], parent.id.as_str());
    assert_eq!(child["spawned_by"], parent.id.as_str());
    assert_eq!(child["spawned_by_thread"], parent.thread_id.as_str());
    // It has what its parent has.
    for field in ["cwd", "model", "approval_policy", "sandbox"] {
        assert_eq!(child[field], session[field], "{field}");
    }
    let calls = bench.actions(&parent.id, "dynamic_tool");
    assert_eq!(calls.len(), 6);
    assert!(calls.iter().all(|call| call["status"] == "completed"), "{calls:?}");
    let sent = bench.told(Kind::SM_INPUT_ACCEPTED);
    assert!(sent.iter().skip(1).all(|sent| sent["params"]["by"] == parent.thread_id.as_str()));
}

#[test]
fn an_agent_that_calls_a_tool_wrongly_is_told_how_it_is_called() {
    let bench = Bench::start();
    let parent = bench.spawn(&bench.wish(concat!(
        "dyn: sm_spawn {\"prompt\": \"say: x\", \"folder\": \"/\"}\n",
        "dyn: sm_wait {\"any\": \"yes\"}\n",
        "say: {{1.error.message}} | {{1.error.hint}} | {{2.error.message}}",
    )));
    bench.settled(&parent.id, 1);
    let told = bench.last_message(&parent.id);
    assert!(told.contains("sm_spawn has no argument \"folder\""), "{told}");
    assert!(told.contains("prompt (string, needed)") && told.contains("cwd (string)"), "{told}");
    assert!(told.contains("any of sm_wait is a text, not true or false"), "{told}");
    assert!(bench.rows(&parent.id, "children").is_empty());
}

#[test]
fn a_child_gets_no_more_rights_than_its_parent() {
    let bench = Bench::start();
    let wish = Spawn {
        sandbox: Some("workspace-write".into()),
        approval: Some("on-request".into()),
        ..bench.wish(concat!(
            "dyn: sm_spawn {\"prompt\": \"say: x\", \"sandbox\": \"danger-full-access\"}\n",
            "dyn: sm_spawn {\"prompt\": \"say: x\", \"approval\": \"never\"}\n",
            "dyn: sm_spawn {\"prompt\": \"say: x\", \"cwd\": \"/\"}\n",
            "say: {{1.error.code}} {{2.error.code}} {{3.error.code}}",
        ))
    };
    let parent = bench.spawn(&wish);
    bench.settled(&parent.id, 1);
    assert_eq!(bench.last_message(&parent.id), "forbidden forbidden forbidden");
    assert!(bench.rows(&parent.id, "children").is_empty());
}

#[test]
fn an_agent_answers_no_request_of_its_own_nor_of_one_above_it() {
    let bench = Bench::start();
    let parent = bench.spawn(&bench.asking("run: touch it"));
    let child = bench.spawn(&Spawn { parent: Some(parent.id.clone()), ..bench.wish("say: hi") });
    let stranger = bench.spawn(&bench.wish("say: hi"));
    let request = bench.asked(&parent.id)["id"].as_str().unwrap().to_owned();
    for by in [&parent.id, &child.id, &stranger.id] {
        let answer =
            Answer { decision: Some("accept".into()), by: Some(by.clone()), ..Answer::default() };
        match bench.client().answer(&request, &answer) {
            Err(ClientError::Refused { status: 403, problem }) => {
                assert_eq!(problem.code, "forbidden");
                assert!(problem.hint.is_some_and(|hint| hint.contains("your own terminal")));
            }
            other => panic!("not refused: {other:?}"),
        }
    }
    assert_eq!(bench.session(&parent.id)["pending_requests"], 1);
    assert!(bench.told(Kind::SM_REQUEST_DECIDED).is_empty());
    bench.decide(&request, "decline").unwrap();
    bench.settled(&parent.id, 1);
}

#[test]
fn an_agent_reaches_its_own_family_only() {
    let bench = Bench::start();
    let stranger = bench.spawn(&bench.wish("say: secret words"));
    bench.settled(&stranger.id, 1);
    let agent = bench.spawn(&bench.wish(&format!(
        "dyn: sm_result {{\"session\": \"{0}\"}}\ndyn: sm_send {{\"session\": \"{0}\", \"text\": \"hi\"}}\n\
         say: {{{{1.error.code}}}} {{{{2.error.code}}}}",
        stranger.id
    )));
    bench.settled(&agent.id, 1);
    assert_eq!(bench.last_message(&agent.id), "forbidden forbidden");
}

#[test]
fn a_waiting_agent_can_be_interrupted_and_its_child_asks_the_human() {
    let bench = Bench::start();
    let parent = bench.spawn(&bench.asking(concat!(
        "dyn: sm_spawn {\"prompt\": \"run: touch child.txt\", \"wake\": false}\n",
        "dyn: sm_wait\n",
        "say: it waits for {{2.sessions.0.activity_state}}\n",
    )));
    // A child that waits for a human has settled: its parent is told so.
    bench.settled(&parent.id, 1);
    assert_eq!(bench.last_message(&parent.id), "it waits for waiting_permission");
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    let request = bench.asked(&child)["id"].as_str().unwrap().to_owned();
    bench.decide(&request, "accept").unwrap();
    bench.settled(&child, 1);
    assert!(bench.work.join("child.txt").exists());

    bench.send(&child, "slow: 20000 5", Default::default()).unwrap();
    // One that goes on working is told of as far as it is known, and that it goes on.
    let impatient = "dyn: sm_wait {\"timeout_seconds\": 0.01}\nsay: {{1.timed_out}}, {{1.note}}";
    bench.send(&parent.id, impatient, Default::default()).unwrap();
    bench.settled(&parent.id, 2);
    assert_eq!(bench.last_message(&parent.id), "true, still running, call again");
    bench.send(&parent.id, "dyn: sm_wait", Default::default()).unwrap();
    bench.wait("the parent waits", || {
        let calls = bench.actions(&parent.id, "dynamic_tool");
        (calls.last()?["status"] == "in_progress").then_some(())
    });
    let session = bench.client().interrupt(&parent.id, &Default::default()).unwrap();
    assert_eq!(session["outcome"], "interrupted");
    bench.client().interrupt(&child, &Default::default()).unwrap();
}

#[test]
fn a_session_has_its_name_and_its_parent_from_its_first_appearance() {
    let bench = Bench::start();
    let parent = bench.spawn(&bench.wish("say: hi")).id;
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let seen = scope.spawn(|| {
            let client = sm_daemon::Client::connect(&bench.home).unwrap();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let sessions = client.sessions(None).unwrap()["sessions"].clone();
                for session in
                    sessions.as_array().unwrap().iter().filter(|s| s["id"] != parent.as_str())
                {
                    assert!(session["name"].is_string(), "{session}");
                    assert_eq!(session["parent_id"], parent.as_str());
                }
            }
        });
        for number in 0..8 {
            let name = Some(format!("child-{number}"));
            bench.spawn(&Spawn { name, parent: Some(parent.clone()), ..bench.wish("") });
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        seen.join().unwrap();
    });
    // Because Codex's answer and what sm has to say of it are next to each other, in one frame.
    let records = bench.records();
    let made = records.iter().filter(|record| record.kind == Kind::SM_SESSION_SPAWNED.0);
    let before = made.map(|made| &records[made.seq as usize - 2]);
    let kinds: Vec<_> = before.map(|before| (before.direction, Kind(before.kind))).collect();
    assert_eq!(kinds, [(sm_log::Direction::Server, Kind::RESPONSE); 9]);
}

#[test]
fn a_folder_of_an_agents_choice_brings_no_settings_of_its_own() {
    let mut bench = Bench::start();
    let out = bench.work.parent().unwrap().join("escaped");
    let settings = format!(
        "[mcp_servers.x]\\ncommand=\"/bin/sh\"\\nargs=[\"-c\",\"touch {}\"]\\n",
        out.display()
    );
    let wish = Spawn {
        sandbox: Some("workspace-write".into()),
        ..bench.wish(&format!(
            "run: mkdir -p sub/.codex; printf '{settings}' > sub/.codex/config.toml\n\
             dyn: sm_spawn {{\"prompt\": \"say: x\", \"cwd\": \"sub\", \"name\": \"kid\"}}\n\
             dyn: sm_wait\n"
        ))
    };
    let parent = bench.spawn(&wish);
    bench.settled(&parent.id, 1);
    assert!(bench.work.join("sub/.codex/config.toml").exists(), "the agent wrote it");
    let kid = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.settled(&kid, 1);
    assert!(!out.exists(), "its program was not started");
    // Nor when the session is loaded again; and Codex was told to trust nothing for good.
    let server = bench.server_pid();
    kill(server);
    bench.wait("the child is live again", || {
        (bench.session(&kid)["live"] == true && bench.server_pid() != server).then_some(())
    });
    bench.send(&kid, "say: again", Default::default()).unwrap();
    bench.settled(&kid, 2);
    assert!(!out.exists());
    let config = std::fs::read_to_string(bench.codex_home.join("config.toml")).unwrap();
    assert!(!config.contains("sub\""), "{config}");
    // A user who goes there chooses it, and Codex follows what lies there.
    bench.stop_daemon();
    bench.serve();
    let wish = Spawn {
        sandbox: Some("workspace-write".into()),
        cwd: Some(bench.work.join("sub").to_string_lossy().into_owned()),
        ..bench.wish("say: x")
    };
    let own = bench.spawn(&wish);
    bench.settled(&own.id, 1);
    bench.wait("the program of the user's choice", || out.exists().then_some(()));
}

#[test]
fn one_turns_rights_are_no_childs_and_a_narrowed_parent_moves_no_wider_child() {
    let bench = Bench::start();
    let wish = Spawn {
        sandbox: Some("workspace-write".into()),
        approval: Some("on-request".into()),
        ..bench.wish("say: hi")
    };
    let parent = bench.spawn(&wish);
    bench.settled(&parent.id, 1);
    let once = Input {
        text: "dyn: sm_spawn {\"prompt\": \"say: kid\", \"name\": \"kid\"}\ndyn: sm_wait".into(),
        settings: Settings {
            sandbox: Some("danger-full-access".into()),
            approval: Some("never".into()),
            ..Settings::default()
        },
        ..Input::default()
    };
    bench.client().input(&parent.id, &once).unwrap();
    bench.settled(&parent.id, 2);
    let kid = bench.rows(&parent.id, "children")[0].clone();
    assert_eq!(kid["sandbox"], "workspaceWrite");
    assert_eq!(kid["approval_policy"], "on-request");
    // What it sends while the child is busy waits, and is judged again when it would go.
    let kid_id = kid["id"].as_str().unwrap();
    bench.send(kid_id, "slow: 20000 5", Default::default()).unwrap();
    bench.wait("the child is busy", || bench.session(kid_id)["turn_id"].as_str().map(drop));
    let early = "dyn: sm_send {\"session\": \"kid\", \"text\": \"run: touch early\"}\n\
                 dyn: sm_remind {\"session\": \"kid\", \"text\": \"run: touch later\", \"in_seconds\": 3}\n\
                 say: sent";
    bench.send(&parent.id, early, Default::default()).unwrap();
    bench.settled(&parent.id, 3);
    let settings = Settings { sandbox: Some("read-only".into()), ..Settings::default() };
    bench.client().keep(&parent.id, &Keep { settings, ..Keep::default() }).unwrap();
    let ask = "dyn: sm_send {\"session\": \"kid\", \"text\": \"run: touch x\"}\n\
               dyn: sm_remind {\"session\": \"kid\", \"text\": \"run: touch x\", \"in_seconds\": 0}\n\
               say: {{1.error.code}} {{2.error.code}}";
    bench.send(&parent.id, ask, Default::default()).unwrap();
    bench.settled(&parent.id, 4);
    assert_eq!(bench.last_message(&parent.id), "forbidden forbidden");
    bench.client().interrupt(kid_id, &Act::default()).unwrap();
    bench.client().hold(kid_id, &Hold { hold: false, ..Hold::default() }).unwrap();
    bench.wait("what it sent before is refused, and so is its reminder", || {
        let refused = |told: &Value| {
            told["params"]["reason"].as_str().is_some_and(|why| why.contains("may do more by now"))
        };
        let inputs = bench.told(Kind::SM_INPUT_CHANGED).iter().filter(|told| refused(told)).count();
        let reminders = bench.told(Kind::SM_REMINDER_ENDED);
        (inputs == 2 && reminders.iter().any(refused)).then_some(())
    });
    let listed = bench.client().queue().unwrap();
    let listed = listed["undelivered"].as_array().unwrap().iter();
    let listed: Vec<(&str, &str)> = listed
        .map(|input| (input["summary"].as_str().unwrap(), input["status"].as_str().unwrap()))
        .collect();
    for words in ["run: touch early", "run: touch later"] {
        assert!(listed.contains(&(words, "refused")), "{listed:?}");
    }
    assert!(!bench.work.join("early").exists() && !bench.work.join("later").exists());
}

#[test]
fn an_agents_wait_goes_through_approvals_for_a_state_and_after_a_cursor() {
    let bench = Bench::start();
    let parent = bench.spawn(&bench.wish(concat!(
        "dyn: sm_spawn {\"prompt\": \"run: touch x\\nsay: made it\", \"approval\": \"untrusted\"}\n",
        "dyn: sm_wait {\"for\": \"waiting_permission\", \"timeout_seconds\": 600}\n",
        "dyn: sm_wait {\"for\": \"settled\", \"timeout_seconds\": 600}\n",
        "dyn: sm_wait {\"through_approvals\": true, \"timeout_seconds\": 1}\n",
        "dyn: sm_wait {\"through_approvals\": true, \"timeout_seconds\": 600}\n",
        "dyn: sm_wait {\"after\": \"{{5.sessions.0.cursor}}\", \"timeout_seconds\": 1}\n",
        "dyn: sm_send {\"session\": \"{{1.id}}\", \"text\": \"slow: 300 5\\nsay: and more\"}\n",
        "dyn: sm_wait {\"after\": \"{{7.cursor}}\", \"timeout_seconds\": 600}\n",
        "dyn: sm_wait {\"after\": \"x:1\"}\n",
        "say: {{2.sessions.0.reached}} {{3.sessions.0.reached}} {{4.timed_out}} ",
        "{{4.sessions.0.reached}} {{4.sessions.0.settled}} {{5.sessions.0.reached}} {{5.sessions.0.result}} ",
        "{{6.timed_out}} {{6.sessions.0.reached}} {{8.sessions.0.reached}} ",
        "{{8.sessions.0.result}} {{9.error.code}}",
    )));
    let child = bench.wait("the child is there", || {
        bench.rows(&parent.id, "children").first()?["id"].as_str().map(str::to_owned)
    });
    let request = bench.asked(&child);
    bench.wait("it is waited for through the request", || {
        (bench.actions(&parent.id, "dynamic_tool").len() == 5).then_some(())
    });
    bench.decide(request["id"].as_str().unwrap(), "accept").unwrap();
    bench.settled(&parent.id, 1);
    assert_eq!(
        bench.last_message(&parent.id),
        "yes needs_human true no false yes made it true no yes and more bad_request"
    );
    // A session that is gone is never what it was waited for to be.
    bench.client().stop(&child, &Act::default()).unwrap();
    let ask = "dyn: sm_wait {\"for\": \"working\"}\ndyn: sm_wait {\"for\": \"stopped\"}\n\
               say: {{1.sessions.0.reached}} {{2.sessions.0.reached}}";
    bench.send(&parent.id, ask, Default::default()).unwrap();
    bench.wait("it is told", || (bench.last_message(&parent.id) == "dead yes").then_some(()));
}

#[test]
fn no_verb_of_a_narrowed_parents_begins_a_turn_in_a_child_that_may_do_more() {
    let bench = Bench::start();
    let kid = r#"{"prompt": "run: touch asked", "name": "kid", "approval": "untrusted"}"#;
    let parent = bench.spawn(&bench.wish(&format!("dyn: sm_spawn {kid}"))).id;
    bench.settled(&parent, 1);
    let narrow = Settings { sandbox: Some("read-only".into()), ..Settings::default() };
    bench.client().keep(&parent, &Keep { settings: narrow, ..Keep::default() }).unwrap();
    let kid = bench.rows(&parent, "children")[0]["id"].as_str().unwrap().to_owned();
    let by = || Some(parent.clone());
    let refused = |answer: Result<Value, ClientError>| {
        let Err(ClientError::Refused { status, problem }) = answer else {
            panic!("not refused: {answer:?}")
        };
        assert_eq!((status, problem.code.as_str()), (403, "forbidden"), "{problem:?}");
        assert!(problem.message.contains("may do more by now"), "{problem:?}");
        assert!(problem.hint.is_some_and(|hint| hint.contains("sm set")));
    };
    // It may decline, but not put words into the turn.
    let request = bench.asked(&kid)["id"].as_str().unwrap().to_owned();
    let deny = |say: Option<&str>| {
        let (decision, say) = (Some("decline".into()), say.map(str::to_owned));
        let answer = Answer { decision, say, by: by(), ..Answer::default() };
        bench.client().answer(&request, &answer).map(|answered| answered.request)
    };
    refused(deny(Some("run: touch said")));
    deny(None).unwrap();
    let turns = bench.settled(&kid, 1)["counts"]["turns"].clone();
    let act = || Act { by: by(), ..Act::default() };
    for detached in [false, true] {
        let of = ReviewOf::Prompt("run: touch reviewed".into());
        let review = Review { of, detached, act: act() };
        refused(bench.client().verb(&kid, "review", &review));
    }
    let goal = |verb, objective: Option<&str>| Goal {
        verb,
        objective: objective.map(str::to_owned),
        act: act(),
        ..Goal::default()
    };
    refused(bench.client().verb(&kid, "goal", &goal(GoalVerb::Set, Some("run: touch pursued"))));
    refused(bench.client().verb(&kid, "goal", &goal(GoalVerb::Resume, None)));
    refused(bench.client().verb(&kid, "compact", &act()));
    // So it is with a copy of it; what begins nothing is the parent's to do.
    let fork: Forked =
        bench.client().verb(&kid, "fork", &Fork { act: act(), ..Fork::default() }).unwrap();
    refused(bench.client().verb(&fork.id, "goal", &goal(GoalVerb::Set, Some("run: touch copied"))));
    let _: Value = bench.client().verb(&kid, "goal", &goal(GoalVerb::Clear, None)).unwrap();
    bench.client().stop(&fork.id, &act()).unwrap();
    assert_eq!(bench.session(&kid)["counts"]["turns"], turns);
    // The user's words are the user's.
    let _: Value = bench.client().verb(&kid, "compact", &Act::default()).unwrap();
}

#[test]
fn a_waiting_message_gives_its_turn_no_right_that_its_sender_lost_meanwhile() {
    let bench = Bench::start();
    let wish = Spawn {
        sandbox: Some("danger-full-access".into()),
        approval: Some("never".into()),
        ..bench.wish("dyn: sm_spawn {\"prompt\": \"slow: 20000 5\", \"sandbox\": \"read-only\"}")
    };
    let parent = bench.spawn(&wish);
    bench.settled(&parent.id, 1);
    let kid = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.wait("the child is busy", || bench.session(&kid)["turn_id"].as_str().map(drop));
    let full = || Settings { sandbox: Some("danger-full-access".into()), ..Settings::default() };
    let say = |settings| Input {
        text: "run: touch outside".into(),
        settings,
        by: Some(parent.id.clone()),
        ..Input::default()
    };
    let wide = bench.client().input(&kid, &say(full())).unwrap();
    let plain = bench.client().input(&kid, &say(Settings::default())).unwrap();
    assert_eq!((wide.status.as_str(), plain.status.as_str()), ("queued", "queued"));
    let settings = Settings { sandbox: Some("read-only".into()), ..Settings::default() };
    bench.client().keep(&parent.id, &Keep { settings, ..Keep::default() }).unwrap();
    bench.client().interrupt(&kid, &Act::default()).unwrap();
    bench.client().hold(&kid, &Hold { hold: false, ..Hold::default() }).unwrap();
    let row = |list: &str| {
        let queue = bench.client().queue().unwrap();
        queue[list].as_array().unwrap().iter().find(|row| row["id"] == wide.id.as_str()).cloned()
    };
    // Its sender was told that it waits: it is in the list of what did not go.
    let refused = bench.wait("it is refused", || row("undelivered"));
    assert_eq!(refused["status"], "refused", "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("no more rights"), "{refused}");
    assert!(row("inputs").is_none());
}

#[test]
fn a_child_whose_parent_is_interrupted_as_it_is_made_gets_its_prompt_once() {
    let bench = Bench::start();
    for round in 1..=8 {
        let parent = bench.spawn(&bench.wish("dyn: sm_spawn {\"prompt\": \"say: once\"}"));
        let begun = |kind: Kind| {
            bench.records().iter().filter(|record| record.kind == kind.0).count() >= 2 * round
        };
        bench.wait("the child's prompt is on its way", || {
            begun(Kind::SM_INPUT_ACCEPTED).then_some(())
        });
        // It may be over already.
        let _ = bench.client().interrupt(&parent.id, &Default::default());
        for child in bench.rows(&parent.id, "children") {
            let id = child["id"].as_str().unwrap();
            bench.settled(id, 1);
            let is = bench.wait("nothing waits", || {
                let session = bench.session(id);
                (session["queued"] == 0 && session["activity_state"] == "idle").then_some(session)
            });
            assert_eq!(is["counts"]["turns"], 1, "round {round}");
        }
    }
}

#[test]
fn a_tool_call_is_answered_also_where_the_tables_cannot_be_read() {
    let bench = Bench::start();
    let parents = [1, 2, 3, 4].map(|_| {
        bench.spawn(&bench.wish(concat!(
            "dyn: sm_spawn {\"prompt\": \"slow: 400 10\"}\n",
            "dyn: sm_wait {\"timeout_seconds\": 600}\n",
            "say: {{2.error.code}}",
        )))
    });
    bench.wait("all wait", || {
        let calls = bench.told(Kind::TOOL_CALL);
        let waits = calls.iter().filter(|call| call["params"]["tool"] == "sm_wait");
        (waits.count() == parents.len()).then_some(())
    });
    let answered = |bench: &Bench| {
        let told = bench.told(Kind::RESPONSE).into_iter();
        told.filter(|told| told["result"]["contentItems"].is_array()).count()
    };
    let readers = bench.all_readers();
    bench.wait("all are answered", || (answered(&bench) == 2 * parents.len()).then_some(()));
    drop(readers);
    for parent in &parents {
        bench.settled(&parent.id, 1);
        assert_eq!(bench.actions(&parent.id, "dynamic_tool").len(), 2);
    }
}

#[test]
fn a_question_about_itself_does_not_choose_which_codex_others_get() {
    let bench = Bench::start();
    let agent = bench.spawn(&bench.wish("say: hello")).id;
    bench.settled(&agent, 1);
    let codex = CodexSearch { explicit: Some("/bin/echo".to_owned()), ..CodexSearch::default() };
    let act = Act { by: Some(agent.clone()), codex: Some(codex), ..Act::default() };
    let asked = Ask { session: Some(agent), act, ..Ask::default() };
    assert!(bench.client().codex("models", &asked).unwrap().answer["data"].is_array());
    bench.spawn(&bench.wish("say: on the user's own"));
    assert_eq!(bench.client().servers().unwrap().servers.len(), 1);
}

#[test]
fn upwards_an_agent_has_its_words_and_its_child_has_its_parents_environment() {
    let bench = Bench::start();
    let env = [("LANG".to_owned(), "C".to_owned())].into();
    let parent = bench.spawn(&Spawn { env, ..bench.wish("say: hello") }).id;
    bench.settled(&parent, 1);
    let env = [("BASH_ENV".to_owned(), "/tmp/own.sh".to_owned())].into();
    let by = Some(parent.clone());
    let child = bench.spawn(&Spawn { env, by, ..bench.wish("say: hello") }).id;
    bench.settled(&child, 1);
    let made = bench.told(Kind::THREAD_START).pop().unwrap();
    let set =
        |name: &str| &made["params"]["config"][format!("shell_environment_policy.set.{name}")];
    assert_eq!((set("LANG"), set("BASH_ENV")), (&"C".into(), &Value::Null));
    let settings = Settings { effort: Some("high".into()), ..Settings::default() };
    let words = Input { text: "say: heard".into(), by: Some(child), ..Input::default() };
    for odd in [
        Input { mode: Mode::Urgent, ..words.clone() },
        Input { settings, ..words.clone() },
        Input { plan: Some(false), ..words.clone() },
        Input { output_schema: Some(json!({})), ..words.clone() },
    ] {
        match bench.client().input(&parent, &odd) {
            Err(ClientError::Refused { problem, .. }) => assert_eq!(problem.code, "forbidden"),
            other => panic!("not refused: {other:?}"),
        }
    }
    bench.client().input(&parent, &words).unwrap();
    bench.settled(&parent, 2);
}
