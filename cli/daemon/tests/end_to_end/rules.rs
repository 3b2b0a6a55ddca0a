//! What Codex asks is answered by the user's rules, and by nobody else's.

use crate::bench::Bench;
use serde_json::{Value, json};
use sm_daemon::ClientError;
use sm_daemon::api::{Grant, Keep, Mode, Revoke};
use sm_protocol::Kind;

impl Bench {
    /// Writes the user's rules, `WORK` standing for the sessions' folder.
    fn rules(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let work = self.work.canonicalize().unwrap();
        let text = text.replace("WORK", work.to_str().unwrap());
        let path = self.home.rules_path();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn decided(&self) -> Vec<Value> {
        let told = self.told(Kind::SM_REQUEST_DECIDED);
        told.into_iter().map(|record| record["params"].clone()).collect()
    }
}

fn in_an_hour() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_micros() as i64 + 3_600_000_000
}

#[test]
fn a_rule_accepts_what_it_covers_and_the_rest_asks() {
    let bench = Bench::start();
    bench.rules(
        "[[rule]]\nname = \"touching\"\ndecision = \"accept\"\ncommand = [\"touch\"]\npath = \"WORK\"\n",
    );
    let id =
        bench.spawn(&bench.asking("run: touch a.txt\nrun: touch b.txt && rm b.txt\nsay: done")).id;
    // The first is done when the second asks.
    let request = bench.asked(&id);
    assert!(request["details"]["command"].as_str().unwrap().contains("rm b.txt"), "{request}");
    assert_eq!(request["risk"]["level"], "high");
    assert!(bench.work.join("a.txt").exists());
    let decided = bench.decided();
    assert_eq!(decided.len(), 1);
    assert_eq!(decided[0]["by"], "rule: touching (rules.toml:1)");
    assert_eq!(decided[0]["decision"], "accept");
    let action = &bench.actions(&id, "command")[0];
    assert_eq!(action["approvals"][0]["decided_by"], "rule: touching (rules.toml:1)");
    // It stands before the answer that it made.
    let records = bench.records();
    let at = |kind: Kind| records.iter().position(|record| record.kind == kind.0).unwrap();
    let sent = records[at(Kind::SM_REQUEST_DECIDED)..].iter().position(|record| {
        record.direction == sm_log::Direction::Client && record.kind == Kind::RESPONSE.0
    });
    assert_eq!(sent, Some(1));
    bench.decide(request["id"].as_str().unwrap(), "decline").unwrap();
    bench.settled(&id, 1);
}

#[test]
fn a_rule_with_a_path_accepts_no_argument_beyond_it() {
    let bench = Bench::start();
    bench.rules("[[rule]]\ndecision = \"accept\"\ncommand = \"touch\"\npath = \"WORK/**\"\n");
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("x.txt");
    let id = bench
        .spawn(
            &bench.asking(&format!("run: touch a.txt\nrun: touch {}\nsay: done", file.display())),
        )
        .id;
    let request = bench.asked(&id);
    assert!(request["details"]["command"].as_str().unwrap().contains("x.txt"), "{request}");
    assert!(bench.work.join("a.txt").exists() && !file.exists());
    bench.decide(request["id"].as_str().unwrap(), "decline").unwrap();
    bench.settled(&id, 1);
}

#[test]
fn a_rule_accepts_no_command_that_another_one_carries_and_no_hook() {
    let bench = Bench::start();
    bench.rules(
        "[[rule]]\ndecision = \"accept\"\ncommand = \"find\"\npath = \"WORK\"\n\
         [[rule]]\ndecision = \"accept\"\ncommand = \"touch\"\npath = \"WORK\"\n",
    );
    let id = bench
        .spawn(&bench.asking(
            "run: find . -maxdepth 0 -exec touch a.txt \\;\nrun: touch .codex/config.toml\n\
             run: find . -maxdepth 0 -exec sh -c 'touch b.txt' \\;\n\
             run: find . -maxdepth 0 -exec rm a.txt \\;\nsay: done",
        ))
        .id;
    for part in [".codex/config.toml", "rm a.txt"] {
        let request = bench.wait(part, || {
            let request = bench.asked(&id);
            let is_it = request["details"]["command"].as_str().is_some_and(|c| c.contains(part));
            is_it.then_some(request)
        });
        bench.decide(request["id"].as_str().unwrap(), "decline").unwrap();
    }
    bench.settled(&id, 1);
    assert!(bench.work.join("a.txt").exists() && bench.work.join("b.txt").exists());
}

#[test]
fn a_rule_declines_and_its_note_reaches_the_agent() {
    let bench = Bench::start();
    bench.rules(
        "[[rule]]\ndecision = \"accept\"\nkind = \"file_change\"\n[[rule]]\nname = \"no rm\"\ndecision = \"decline\"\n\
         command = \"rm\"\nnote = \"say: use trash\"\n",
    );
    let id = bench
        .spawn(&bench.asking("run: touch x.txt && /bin/rm x.txt\npatch: y.txt\nsay: went on"))
        .id;
    assert_eq!(bench.settled(&id, 1)["outcome"], "completed");
    assert!(!bench.work.join("x.txt").exists());
    let heard = bench.rows(&id, "messages");
    assert!(
        heard.iter().any(|m| m["role"] == "user" && m["text"] == "say: use trash"),
        "{heard:?}"
    );
    let decided = bench.decided();
    assert_eq!(decided[0]["by"], "rule: no rm (rules.toml:4)");
    assert_eq!(
        (&decided[0]["decision"], &decided[0]["say"]),
        (&json!("decline"), &json!("say: use trash"))
    );
}

#[test]
fn file_changes_are_accepted_by_their_place() {
    let bench = Bench::start();
    bench.rules("[[rule]]\nname = \"texts\"\ndecision = \"accept\"\npath = \"WORK/*.txt\"\n");
    let id = bench.spawn(&bench.asking("patch: a.txt\npatch: b.md\nsay: done")).id;
    let request = bench.asked(&id);
    assert_eq!(request["kind"], "file_change");
    assert!(request["details"]["changes"][0]["path"].as_str().unwrap().ends_with("b.md"));
    assert!(bench.work.join("a.txt").exists());
    assert_eq!(bench.decided()[0]["by"], "rule: texts (rules.toml:1)");
    bench.decide(request["id"].as_str().unwrap(), "accept").unwrap();
    bench.settled(&id, 1);
}

#[test]
fn a_file_with_a_fault_is_told_and_everything_asks_until_it_is_right() {
    let bench = Bench::start();
    let right =
        "[[rule]]\nname = \"all\"\ndecision = \"accept\"\nkind = [\"command\", \"file_change\"]\n";
    bench.rules(&format!("{right}comand = \"x\"\n"));
    let id = bench.spawn(&bench.asking("run: touch a.txt\nrun: touch b.txt")).id;
    let request = bench.asked(&id);
    let faults = bench.client().rules().unwrap()["faults"].clone();
    assert_eq!((&faults[0]["line"], &faults[0]["file"]), (&json!(5), &json!("rules.toml")));
    let log = std::fs::read_to_string(bench.home.daemon_log()).unwrap();
    assert!(log.contains("no rule applies, every request asks: rules.toml:5:"), "{log}");
    assert!(!bench.told(Kind::SM_RULES_CHANGED)[0]["params"]["faults"][0].is_null());
    bench.rules(right);
    bench.decide(request["id"].as_str().unwrap(), "accept").unwrap();
    bench.settled(&id, 1);
    assert_eq!(bench.decided()[1]["by"], "rule: all (rules.toml:1)");
}

#[test]
fn a_grant_holds_over_a_restart_until_it_is_revoked() {
    let mut bench = Bench::start();
    let work = bench.work.canonicalize().unwrap();
    let wish = Grant {
        command: vec!["touch".into()],
        path: Some(work.to_str().unwrap().to_owned()),
        until: Some(in_an_hour()),
        ..Grant::default()
    };
    let made = bench.client().grant(&wish).unwrap();
    assert_eq!(
        (&made["name"], &made["origin"]["file"]),
        (&json!("grant-1"), &json!("grants.toml"))
    );
    bench.stop_daemon();
    bench.serve();
    let id = bench.spawn(&bench.asking("run: touch a.txt")).id;
    bench.settled(&id, 1);
    assert!(bench.decided()[0]["by"].as_str().unwrap().starts_with("rule: grant-1 (grants.toml:"));
    bench.client().revoke(&Revoke { name: "grant-1".into(), by: None }).unwrap();
    let id = bench.spawn(&bench.asking("run: touch b.txt")).id;
    bench.decide(bench.asked(&id)["id"].as_str().unwrap(), "accept").unwrap();
    let changed = bench.told(Kind::SM_RULES_CHANGED);
    let what: Vec<&str> = changed.iter().filter_map(|one| one["params"]["what"].as_str()).collect();
    assert!(what.contains(&"granted") && what.contains(&"revoked"), "{what:?}");
}

#[test]
fn no_rule_is_of_an_agents_making() {
    let bench = Bench::start();
    let id = bench.spawn(&bench.wish("say: hi")).id;
    bench.settled(&id, 1);
    let wish = Grant {
        command: vec!["touch".into()],
        until: Some(in_an_hour()),
        by: Some(id.clone()),
        ..Grant::default()
    };
    for refused in [
        bench.client().grant(&wish).unwrap_err(),
        bench.client().revoke(&Revoke { name: "x".into(), by: Some(id) }).unwrap_err(),
    ] {
        match refused {
            ClientError::Refused { status: 403, problem } => {
                assert!(problem.message.contains("no rule is of an agent's making"));
            }
            other => panic!("not refused: {other:?}"),
        }
    }
    assert!(!bench.home.grants_path().exists());
    // Nor is anything accepted on a name that an agent gave its child.
    bench.rules("[[rule]]\ndecision = \"accept\"\nkind = \"command\"\nsession = \"trusted\"\n");
    let script =
        format!("dyn: sm_spawn {}", json!({ "prompt": "run: touch x.txt", "name": "trusted" }));
    bench.spawn(&bench.asking(&script));
    let request = bench.wait("the child asks", || {
        let requests = bench.client().requests().unwrap();
        requests["requests"]
            .as_array()?
            .iter()
            .find(|one| one["session_name"] == "trusted")
            .cloned()
    });
    assert_eq!(request["kind"], "command");
    assert!(bench.decided().is_empty());
}

#[test]
fn what_nobody_answers_ends_in_time_where_the_user_says_so() {
    let bench = Bench::start();
    bench.rules("[expiry]\nafter = \"1s\"\n");
    let id = bench.spawn(&bench.asking("run: touch a.txt\nsay: went on")).id;
    assert_eq!(bench.settled(&id, 1)["outcome"], "completed");
    assert!(!bench.work.join("a.txt").exists());
    let decided = bench.decided();
    assert_eq!(
        (&decided[0]["by"], &decided[0]["decision"]),
        (&json!("expiry (rules.toml:1)"), &json!("decline"))
    );
    // What is in force stands in the log, the expiry too.
    let changed = bench.told(Kind::SM_RULES_CHANGED);
    let text = changed.last().unwrap()["params"]["text"].as_str().unwrap();
    assert_eq!(text, "[expiry]\nafter = \"1s\"\ndecision = \"decline\"\n");
}

#[test]
fn what_lies_behind_a_link_of_the_agents_own_asks() {
    let bench = Bench::start();
    bench.rules("[[rule]]\ndecision = \"accept\"\ncommand = \"touch\"\npath = \"WORK\"\n");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(elsewhere.path().join("deep")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("deep"), bench.work.join("link")).unwrap();
    let id = bench.spawn(&bench.asking("run: touch a.txt\nrun: touch link/../z\nsay: done")).id;
    let request = bench.asked(&id);
    assert!(request["details"]["command"].as_str().unwrap().contains("link"), "{request}");
    let hints = request["risk"]["hints"].as_array().unwrap();
    assert!(hints.iter().any(|hint| hint["kind"] == "outside"), "{request}");
    assert!(bench.work.join("a.txt").exists() && !elsewhere.path().join("z").exists());
    bench.decide(request["id"].as_str().unwrap(), "decline").unwrap();
    bench.settled(&id, 1);
}

#[test]
fn a_rule_goes_by_a_label_of_the_users_and_by_none_of_an_agents() {
    let bench = Bench::start();
    bench.rules("[[rule]]\nname = \"testers\"\ndecision = \"accept\"\ncommand = [\"touch\"]\nlabel = \"role=tester\"\n");
    let parent = bench.spawn(&bench.asking("dyn: sm_spawn {\"prompt\": \"say: here\"}\nsay: made"));
    bench.settled(&parent.id, 1);
    let child = bench.rows(&parent.id, "children")[0]["id"].as_str().unwrap().to_owned();
    bench.settled(&child, 1);
    let label = |by: Option<&str>| {
        let labels = vec!["role=tester".to_owned()];
        let keep = Keep { labels, by: by.map(str::to_owned), ..Keep::default() };
        bench.client().keep(&child, &keep).unwrap()
    };
    assert_eq!(label(Some(&parent.thread_id))["labels"], json!(["role=tester"]));
    bench.send(&child, "run: touch a.txt\nsay: one", Mode::Start).unwrap();
    let request = bench.asked(&child)["id"].as_str().unwrap().to_owned();
    assert!(bench.decided().is_empty());
    // What the user has labelled since is accepted.
    label(None);
    bench.decide(&request, "decline").unwrap();
    bench.settled(&child, 2);
    bench.send(&child, "run: touch b.txt\nsay: two", Mode::Start).unwrap();
    bench.settled(&child, 3);
    assert!(bench.work.join("b.txt").exists() && !bench.work.join("a.txt").exists());
    assert_eq!(bench.decided()[1]["by"], "rule: testers (rules.toml:1)");
}
