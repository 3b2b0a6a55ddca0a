//! `sm rules`, and what the inbox tells of risk, with `examples/fake_codex` in Codex's place.

use crate::requests::{Stage, recorded};
use crate::support::Sm;
use serde_json::{Value, json};
use std::path::Path;

const COMMAND: &str = "item/commandExecution/requestApproval";

/// A request for leave to run that, in the form of 0.169.0.
fn command(line: &str, cwd: &str) -> Value {
    let mut params = recorded("approvals.tap.jsonl", COMMAND, 0);
    params["command"] = json!(line);
    params["cwd"] = json!(cwd);
    params
}

impl Stage {
    fn rules(&self, text: &str) {
        write_rules(&self.sm, text);
    }

    /// A session that asks that, and how its turn ended: the answer that Codex heard.
    fn heard(&self, line: &str) -> Value {
        let cwd = self.sm.dir.path().to_str().expect("a plain path");
        let params = command(line, cwd);
        let ran = self.spawn(&json!({ "method": COMMAND, "params": params }).to_string());
        let spawned: Value = serde_json::from_slice(&ran.out).expect("a document");
        let id = spawned["id"].as_str().expect("an id");
        // No human is waited for, not even for a moment.
        let waited = self.sm.run(&["wait", id, "--timeout", "60"]);
        assert_eq!(waited.code, 0, "{}", waited.text());
        let heard = self.sm.run(&["result", id]).text();
        serde_json::from_str(&heard).unwrap_or_else(|error| panic!("{error}: {heard}"))
    }
}

fn write_rules(sm: &Sm, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(sm.home()).expect("a folder");
    let path = sm.home().join("rules.toml");
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
}

const RULES: &str = "[[rule]]
name = \"look\"
decision = \"accept\"
command = \"ls\"

[[rule]]
name = \"no rm\"
decision = \"decline\"
command = \"rm\"
";

#[test]
fn without_rules_the_list_teaches_how_to_write_one() {
    let sm = Sm::new();
    let ran = sm.run(&["rules"]);
    assert_eq!((ran.code, ran.text().as_str()), (0, ""));
    for part in ["rules.toml", "[[rule]]", "decision = \"accept\"", "rules test", "rules grant"] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    // What it teaches is right.
    let lesson: Vec<&str> = ran.err.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    write_rules(&sm, &lesson.join("\n"));
    assert_eq!(sm.json(&["rules", "check"])["rules"], 1);
    let listed = sm.json(&["rules"]);
    assert_eq!(
        (&listed["schema"], &listed["rules"][0]["name"]),
        (&json!("sm.rules/1"), &json!("tests"))
    );
    assert_eq!(listed["rules"][0]["left_ms"], Value::Null);
    assert!(sm.run(&["rules"]).text().contains("cargo test in /path/to/repo"));
}

#[test]
fn a_fault_is_named_by_every_verb_and_by_the_inbox() {
    let sm = Sm::new();
    write_rules(&sm, &format!("{RULES}until = \"soon\"\n"));
    for words in [&["rules"][..], &["rules", "test", "--command", "ls"], &["rules", "check"]] {
        let ran = sm.run(&[words, &["--json"]].concat());
        let error = ran.error();
        assert_eq!((ran.code, error["code"].as_str()), (1, Some("rules_faulty")), "{words:?}");
        assert_eq!(error["details"]["faults"][0]["line"], 10);
        assert!(error["hint"].is_string());
    }
    let checked = sm.run(&["rules", "check"]);
    assert!(checked.err.contains("1 fault: no rule applies"), "{}", checked.err);
    let told = checked.text();
    assert!(told.starts_with("rules.toml:10: ") && told.contains("zone"), "{told}");
    let warnings = sm.json(&["inbox"])["warnings"].clone();
    assert!(
        warnings[0].as_str().is_some_and(|w| w.contains("no rule applies: rules.toml:10")),
        "{warnings}"
    );
    assert!(sm.run(&["inbox"]).err.contains("no rule applies"));
}

#[test]
fn a_command_is_tried_before_anything_asks() {
    let sm = Sm::new();
    write_rules(&sm, RULES);
    for (line, decision, by) in [
        ("ls -la", "accept", json!("rule: look (rules.toml:1)")),
        ("bash -lc 'ls && rm x'", "decline", json!("rule: no rm (rules.toml:6)")),
        ("ls $(rm x)", "ask", Value::Null),
        ("cargo test", "ask", Value::Null),
    ] {
        let told = sm.json(&["rules", "test", "--command", line, "--cwd", "/"]);
        assert_eq!((&told["decision"], &told["by"]), (&json!(decision), &by), "{line}: {told}");
        assert_eq!(told["automatic"], decision != "ask");
        assert!(told["why"].is_string() && told["risk"]["level"].is_string());
    }
    let text = sm.run(&["rules", "test", "--command", "ls; rm x"]).text();
    assert!(
        text.contains("decline by rule: no rm") && text.contains("risk high: deletes"),
        "{text}"
    );
    assert_eq!(sm.json(&["rules", "test", "--change", "a.txt"])["decision"], "ask");
    let none = sm.run(&["rules", "test", "--json"]);
    let hint = none.error()["hint"].to_string();
    assert!(none.code == 2 && hint.contains("--command") && hint.contains("--history"), "{hint}");
}

#[test]
fn what_waited_before_a_rule_was_written_still_waits() {
    let stage = Stage::new(&json!({}));
    let cwd = stage.sm.dir.path().to_str().expect("a plain path").to_owned();
    let (id, asked) = stage.asks(COMMAND, &command("ls", &cwd));
    stage.rules("[[rule]]\ndecision = \"accept\"\npath = \"/\"\n");
    assert_eq!(stage.sm.json(&["inbox"])["requests"][0]["id"], asked["id"]);
    assert_eq!(stage.sm.run(&["wait", &id, "--timeout", "60"]).code, 3);
}

#[test]
fn what_rules_answer_waits_for_nobody() {
    let stage = Stage::new(&json!({}));
    stage.rules(RULES);
    for _ in 0..5 {
        assert_eq!(stage.heard("/bin/bash -lc ls"), json!({ "decision": "accept" }));
        assert_eq!(stage.heard("rm x"), json!({ "decision": "decline" }));
    }
    let inbox = stage.sm.json(&["inbox", "--all"]);
    let requests = inbox["requests"].as_array().expect("requests");
    assert_eq!(requests.len(), 10);
    assert!(requests.iter().all(|request| request["status"] == "answered"));
    assert_eq!(requests[0]["decided_by"], "rule: no rm (rules.toml:6)");
}

#[test]
fn history_is_replayed_against_the_rules() {
    let stage = Stage::new(&json!({}));
    let cwd = stage.sm.dir.path().to_str().expect("a plain path").to_owned();
    for (line, verb) in
        [("ls -l", "approve"), ("ls secret", "deny"), ("rm x", "approve"), ("make", "approve")]
    {
        stage.answer(COMMAND, &command(line, &cwd), &[verb, "REQUEST"]);
    }
    let question = recorded("userinput.tap.jsonl", "item/tool/requestUserInput", 0);
    stage.asks("item/tool/requestUserInput", &question);
    stage.rules(RULES);
    let told = stage.sm.json(&["rules", "test", "--history", "30d"]);
    assert_eq!((&told["requests"], &told["automatic"]), (&json!(5), &json!(3)), "{told}");
    assert_eq!(told["you_had_declined"][0]["summary"], "ls secret");
    assert_eq!(told["you_had_declined"][0]["by"], "rule: look (rules.toml:1)");
    assert_eq!(told["you_had_accepted"][0]["summary"], "rm x");
    let text = stage.sm.run(&["rules", "test", "--history", "30d"]).text();
    assert!(
        text.starts_with(
            "3 of 5 would have been automatic (2 accepted, 1 declined); 1 of them you had declined; \
             1 of them you had accepted\n"
        ),
        "{text}"
    );
    assert!(text.contains("ls secret → accept by rule: look (rules.toml:1)"), "{text}");
    assert_eq!(stage.sm.run(&["rules", "test", "--history", "soon"]).code, 2);
    // One of them alone.
    let request = told["you_had_declined"][0]["request"].as_str().expect("an id");
    assert_eq!(stage.sm.json(&["rules", "test", request])["decision"], "accept");
    assert_eq!(stage.sm.run(&["rules", "test", "r99999"]).code, 5);
}

#[test]
fn history_goes_by_the_labels_of_then() {
    let stage = Stage::new(&json!({}));
    let cwd = stage.sm.dir.path().to_str().expect("a plain path").to_owned();
    let (early, _) = stage.asks(COMMAND, &command("ls", &cwd));
    assert_eq!(stage.sm.run(&["label", &early, "role=tester"]).code, 0);
    assert_eq!(stage.sm.run(&["name", &early, "tess"]).code, 0);
    for who in ["label = \"role=tester\"", "session = \"tess\""] {
        stage.rules(&format!("[[rule]]\ndecision = \"accept\"\ncommand = \"ls\"\n{who}\n"));
        let told = stage.sm.json(&["rules", "test", "--history", "30d"]);
        assert_eq!((&told["requests"], &told["automatic"]), (&json!(1), &json!(0)), "{told}");
        // Asked now, it is another matter.
        let tried = stage.sm.json(&["rules", "test", "--command", "ls", "--session", &early]);
        assert_eq!(tried["decision"], "accept", "{tried}");
    }
}

#[test]
fn no_grant_puts_the_rules_out_of_force() {
    let stage = Stage::new(&json!({}));
    stage.rules(RULES);
    for words in [["--name", "a\nb"], ["--note", "x\ny"]] {
        let words = [&["rules", "grant", "make", "--until", "2h"][..], &words].concat();
        stage.refused(&words, 2, "bad_request");
        assert_eq!(stage.sm.json(&["rules"])["rules"].as_array().map(Vec::len), Some(2));
    }
    // One that a fault was put into tells where, and how it is mended.
    assert_eq!(stage.sm.run(&["rules", "grant", "make", "--until", "2h"]).code, 0);
    let path = stage.sm.home().join("grants.toml");
    std::fs::write(&path, "[[rule]]\nname = \"a\\nb\"\n").expect("a file");
    for (words, exit, code) in [
        (&["rules", "revoke", "a"][..], 6, "conflict"),
        (&["rules", "test", "--command", "ls"], 1, "rules_faulty"),
        (&["rules", "check"], 1, "rules_faulty"),
    ] {
        let refused = stage.refused(words, exit, code);
        let hint = refused["hint"].as_str().expect("a hint");
        assert!(hint.contains("line 2 of") && hint.contains("remove the file"), "{hint}");
    }
}

#[test]
fn a_home_where_agents_may_write_is_told() {
    let sm = Sm::new();
    write_rules(&sm, RULES);
    let common = std::env::temp_dir().canonicalize().expect("it is there");
    let is_common = sm.home().canonicalize().expect("it is there").starts_with(common);
    assert!(is_common, "tests have their folders there");
    let told = sm.json(&["rules", "check"]);
    assert!(told["warnings"][0].as_str().is_some_and(|w| w.contains("agents write")), "{told}");
    let ran = sm.run(&["rules", "check"]);
    assert!(ran.code == 0 && ran.err.contains("agents write"), "{}", ran.err);
    let doctor = sm.json(&["doctor"]);
    assert_eq!(doctor["checks"]["rules"]["status"], "warning", "{doctor}");
}

#[test]
fn a_request_is_granted_for_a_while_along_with_its_answer() {
    let stage = Stage::new(&json!({}));
    let cwd = stage.sm.dir.path().canonicalize().expect("it is there");
    let cwd = cwd.to_str().expect("a plain path").to_owned();
    let asked = command("bash -lc 'cargo test --all'", &cwd);
    let heard = stage.answer(
        COMMAND,
        &asked,
        &["approve", "REQUEST", "--grant=cargo test", "--until", "2h"],
    );
    assert_eq!(heard, json!({ "decision": "accept" }));
    let granted = stage.sm.json(&["rules"])["rules"][0].clone();
    assert_eq!(
        (&granted["name"], &granted["command"]),
        (&json!("grant-1"), &json!(["cargo", "test"]))
    );
    assert_eq!((&granted["path"], &granted["over"]), (&json!(cwd), &json!(false)));
    assert!(granted["left_ms"].as_i64().is_some_and(|left| left > 7_000_000));
    assert_eq!(stage.heard("cargo test -p x"), json!({ "decision": "accept" }));
    // What cannot be granted is told before anything is answered.
    let (_, several) = stage.asks(COMMAND, &command("a && b", &cwd));
    let id = several["id"].as_str().expect("an id");
    let refused = stage.refused(&["approve", id, "--grant", "--until", "2h"], 2, "usage");
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("rules grant")), "{refused}");
    assert_eq!(stage.sm.json(&["inbox"])["requests"][0]["id"], id);
    assert_eq!(stage.sm.run(&["approve", id, "--grant"]).code, 2);
    assert_eq!(stage.sm.run(&["approve", id, "--grant", "--until", "yesterday"]).code, 2);
    // Revoked, it asks again.
    assert_eq!(stage.sm.run(&["rules", "revoke", "grant-1"]).code, 0);
    stage.refused(&["rules", "revoke", "grant-1"], 5, "not_found");
    stage.asks(COMMAND, &command("cargo test -p x", &cwd));
}

#[test]
fn a_grant_without_words_of_its_own_is_of_the_same_command_alone() {
    let stage = Stage::new(&json!({}));
    let cwd = stage.sm.dir.path().canonicalize().expect("it is there");
    let cwd = cwd.to_str().expect("a plain path").to_owned();
    let grant = ["approve", "REQUEST", "--grant", "--until", "2h"];
    stage.answer(COMMAND, &command("git push", &cwd), &grant);
    let granted = stage.sm.json(&["rules"])["rules"][0].clone();
    assert_eq!((&granted["command"], &granted["exact"]), (&json!(["git", "push"]), &json!(true)));
    assert!(stage.sm.run(&["rules"]).text().contains("git push and no word more"));
    assert_eq!(stage.heard("git push"), json!({ "decision": "accept" }));
    stage.asks(COMMAND, &command("git push --force origin :main", &cwd));
    // What the shell opens is in none of its words.
    let (_, opens) = stage.asks(COMMAND, &command("ls > x", &cwd));
    let id = opens["id"].as_str().expect("an id");
    stage.refused(&["approve", id, "--grant", "--until", "2h"], 2, "usage");
}

#[test]
fn every_grant_that_is_named_is_revoked_whatever_the_others_are() {
    let stage = Stage::new(&json!({}));
    for name in ["g1", "g2", "g3"] {
        let words = ["rules", "grant", "ls", "--until", "2h", "--name", name];
        assert_eq!(stage.sm.run(&words).code, 0);
    }
    let ran = stage.sm.run(&["rules", "revoke", "g3", "nosuch", "g2"]);
    assert_eq!((ran.code, ran.text()), (5, "g3 is revoked\ng2 is revoked\n".to_owned()));
    assert!(ran.err.contains("nosuch"), "{}", ran.err);
    let ran = stage.sm.run(&["rules", "revoke", "none", "g1", "--json"]);
    let told: Value = serde_json::from_slice(&ran.out).expect("a document");
    assert_eq!((ran.code, ran.error()["code"].as_str()), (5, Some("not_found")));
    assert_eq!(
        (&told["rules"][0]["name"], &told["errors"][0]["name"]),
        (&json!("g1"), &json!("none"))
    );
    assert_eq!(stage.sm.json(&["rules"])["rules"], json!([]));
}

#[test]
fn grants_are_made_and_refused_by_name() {
    let stage = Stage::new(&json!({}));
    stage.rules(RULES);
    let grant = |words: &[&str]| stage.sm.run(&[&["rules", "grant"], words, &["--json"]].concat());
    let made = grant(&["cargo test", "--under", ".", "--until", "23:59", "--name", "tests"]);
    assert_eq!(made.code, 0, "{}", made.err);
    for (words, exit, code) in [
        (&["cargo test", "--until", "2h", "--name", "tests"][..], 6, "conflict"),
        (&["ls", "--until", "2h", "--name", "look"], 6, "conflict"),
        (&["a | b", "--until", "2h"], 2, "usage"),
        (&["a", "--until", "2000-01-01T00:00"], 2, "usage"),
        (&["a"], 2, "usage"),
        (&["--until", "2h"], 2, "usage"),
    ] {
        let ran = grant(words);
        assert_eq!((ran.code, ran.error()["code"].as_str()), (exit, Some(code)), "{words:?}");
    }
    let refused = stage.refused(&["rules", "revoke", "look"], 6, "conflict");
    assert!(
        refused["hint"].as_str().is_some_and(|hint| hint.contains("rules.toml, line 1")),
        "{refused}"
    );
    let names: Vec<Value> = stage.sm.json(&["rules"])["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| rule["name"].clone())
        .collect();
    assert_eq!(names, ["look", "no rm", "tests"]);
}

#[test]
fn an_agents_shell_makes_no_rule() {
    let stage = Stage::new(&json!({}));
    let (program, home) = (env!("CARGO_BIN_EXE_sm"), stage.sm.home());
    for verb in ["grant ls --until 2h", "revoke x"] {
        let line = format!("{program} --home {} rules {verb} --json 2>&1", home.display());
        assert_eq!(stage.spawn(&json!({ "run": line }).to_string()).code, 0);
        assert_eq!(stage.sm.run(&["wait", "@last", "--timeout", "60"]).code, 0);
        let heard = stage.sm.run(&["result", "@last"]).text();
        assert!(heard.contains("\"forbidden\"") && heard.contains("agent's making"), "{heard}");
    }
    assert!(!home.join("grants.toml").exists());
}

#[test]
fn what_was_accepted_is_granted_whatever_became_of_the_others() {
    let stage = Stage::new(&json!({}));
    let ids = ["a", "b"].map(|line| {
        let (_, asked) = stage.asks(COMMAND, &command(line, "/"));
        asked["id"].as_str().expect("an id").to_owned()
    });
    assert_eq!(stage.sm.run(&["deny", &ids[0]]).code, 0);
    let ran = stage.sm.run(&["approve", &ids[0], &ids[1], "--grant", "--until", "2h"]);
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.text().contains("grant-1 holds for"), "{}", ran.text());
    let told = format!("{}: nothing is granted", ids[0]);
    assert!(ran.err.contains(&told) && !ran.err.contains(&format!("{}:", ids[1])), "{}", ran.err);
    let rules = stage.sm.json(&["rules"])["rules"].clone();
    assert_eq!((rules[0]["command"].clone(), rules[1].clone()), (json!(["b"]), Value::Null));
}

#[test]
fn several_are_answered_at_once_and_each_failure_is_told() {
    let stage = Stage::new(&json!({}));
    let ids: Vec<String> = ["a", "b"]
        .into_iter()
        .map(|line| {
            let (_, asked) = stage.asks(COMMAND, &command(line, "/"));
            asked["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let ran = stage.sm.run(&["approve", &ids[0], "r9999", &ids[1], "--json"]);
    assert_eq!(ran.code, 5);
    let told: Value = serde_json::from_slice(&ran.out).expect("a document");
    let errors: Vec<&Value> = told["answers"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|one| &one["error"]["code"])
        .collect();
    assert_eq!(errors, [&Value::Null, &json!("not_found"), &Value::Null]);
    let ran = stage.sm.run(&["deny", &ids[0], "r9999"]);
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("already_answered") && ran.err.contains("not_found"), "{}", ran.err);
}

#[test]
fn what_was_shown_goes_along_with_the_answer() {
    let stage = Stage::new(&json!({}));
    let (_, asked) = stage.asks(COMMAND, &command("rm -rf /etc/x", "/"));
    let (id, shown) =
        (asked["id"].as_str().expect("an id"), asked["shown"].as_str().expect("shown"));
    let error = stage.refused(&["approve", &format!("{id}@0000")], 6, "request_changed");
    assert_eq!(error["details"]["shown"], shown);
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains(&format!("{id}@{shown}"))));
    let text = stage.sm.run(&["inbox"]).text();
    assert!(text.contains("risk high: deletes") && text.contains("/etc/x is outside"), "{text}");
    assert_eq!(stage.sm.run(&["approve", &format!("{id}@{shown}")]).code, 0);
}

#[test]
fn a_command_is_shown_wherever_its_release_names_it() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/codex");
    for release in ["0.80.0", "0.98.0", "0.105.0", "0.115.0", "0.125.0", "0.169.0"] {
        let sm = Sm::new();
        let file = fixtures.join(release).join("stops-approval.jsonl");
        assert_eq!(sm.run(&["import", file.to_str().expect("a plain path")]).code, 0);
        let asked = sm.json(&["inbox"])["requests"][0].clone();
        let line = asked["details"]["command"].as_str().unwrap_or_default();
        assert!(line.contains("touch never"), "{release}: {asked}");
        assert!(asked["details"]["cwd"].is_string(), "{release}: {asked}");
        assert_eq!(asked["risk"]["hints"][0]["kind"], "writes", "{release}: {asked}");
        let id = asked["id"].as_str().expect("an id");
        write_rules(&sm, "[[rule]]\ndecision = \"accept\"\ncommand = \"touch\"\n");
        assert_eq!(sm.json(&["rules", "test", id])["decision"], "accept", "{release}");
    }
}

#[test]
fn more_than_a_command_is_shown_and_no_rule_accepts_it() {
    let stage = Stage::new(&json!({}));
    stage.rules("[[rule]]\ndecision = \"accept\"\npath = \"/\"\n");
    let with = |name: &str, value: Value| {
        let mut params = command("curl x", "/");
        params[name] = value;
        params
    };
    for (params, words) in [
        (
            with("networkApprovalContext", json!({ "host": "example.org", "protocol": "https" })),
            "example.org",
        ),
        (
            with("additionalPermissions", json!({ "network": { "enabled": true } })),
            "beyond its sandbox",
        ),
        (with("kind", json!("writeStdin")), "input for a command"),
    ] {
        let (_, asked) = stage.asks(COMMAND, &params);
        let risk = asked["risk"].to_string();
        assert!(risk.contains(words), "{risk}");
        let id = asked["id"].as_str().expect("an id");
        let why = stage.sm.json(&["rules", "test", id])["why"].clone();
        assert!(why.as_str().is_some_and(|why| why.contains("asks for more")), "{why}");
    }
}

#[test]
fn what_sm_answers_itself_is_not_shown_as_waiting() {
    let stage = Stage::new(&json!({}));
    let ran = stage.spawn(&json!({ "method": "currentTime/read", "params": {} }).to_string());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(stage.sm.run(&["wait", "@last", "--timeout", "60"]).code, 0);
    assert!(stage.sm.run(&["result", "@last"]).text().contains("currentTimeAt"));
    assert_eq!(stage.sm.json(&["inbox", "--all"])["requests"], json!([]));
}
