//! What Codex asks less often, through all of `sm`, with `examples/fake_codex` in Codex's place: the
//! requests are those of the recordings, and what Codex is answered comes back as its turn's message.

use crate::support::{Ran, Sm, ran};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A data directory with a fake codex that keeps to that script.
pub struct Stage {
    pub sm: Sm,
}

impl Stage {
    pub fn new(script: &Value) -> Stage {
        let sm = Sm::new();
        let built = Path::new(env!("CARGO_BIN_EXE_sm")).with_file_name("examples/fake_codex");
        let binary = sm.dir.path().join("bin/codex");
        std::fs::create_dir(sm.dir.path().join("bin")).expect("a folder");
        std::fs::copy(&built, &binary).unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo build -p sm --examples` builds it", built.display())
        });
        std::fs::write(binary.with_extension("json"), script.to_string()).expect("a file");
        std::fs::create_dir(sm.dir.path().join(".codex")).expect("a folder");
        let sm = sm.with("SM_CODEX", binary.to_str().expect("a plain path"));
        Stage { sm }
    }

    pub fn spawn(&self, prompt: &str) -> Ran {
        let cwd = self.sm.dir.path().to_str().expect("a plain path");
        self.sm.run(&["spawn", prompt, "--cwd", cwd, "--json"])
    }

    /// A session that asks that, and what it asks as the inbox shows it.
    pub fn asks(&self, method: &str, params: &Value) -> (String, Value) {
        let spawned = self.spawn(&json!({ "method": method, "params": params }).to_string());
        assert_eq!(spawned.code, 0, "{}", spawned.err);
        let spawned: Value = serde_json::from_slice(&spawned.out).expect("a document");
        let id = spawned["id"].as_str().expect("an id").to_owned();
        assert_eq!(self.sm.run(&["wait", &id, "--timeout", "60"]).code, 3, "{method}");
        let inbox = self.sm.json(&["inbox"]);
        let requests = inbox["requests"].as_array().expect("requests");
        let asked = requests.iter().find(|request| request["session_id"] == id.as_str());
        (id, asked.expect("its request").clone())
    }

    /// What Codex is answered to that request by those words of the command line.
    pub fn answer(&self, method: &str, params: &Value, words: &[&str]) -> Value {
        let (id, asked) = self.asks(method, params);
        let request = asked["id"].as_str().expect("an id");
        let words: Vec<&str> =
            words.iter().map(|word| if *word == "REQUEST" { request } else { word }).collect();
        let ran = self.sm.run(&words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
        assert_eq!(self.sm.run(&["wait", &id, "--timeout", "60"]).code, 0);
        let heard = self.sm.run(&["result", &id]).text();
        serde_json::from_str(&heard).unwrap_or_else(|error| panic!("{error}: {heard}"))
    }

    pub fn refused(&self, words: &[&str], exit: i32, code: &str) -> Value {
        let ran = self.sm.run(&[words, &["--json"]].concat());
        assert_eq!((ran.code, ran.error()["code"].as_str()), (exit, Some(code)), "{}", ran.err);
        ran.error()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.sm.run(&["serve", "--stop"]);
    }
}

/// The parameters of the `nth` request of that method in a recording of 0.169.0.
pub fn recorded(file: &str, method: &str, nth: usize) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/codex/0.169.0");
    let text = std::fs::read_to_string(root.join(file)).expect("a recording");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut asked = lines.filter(|line| line["msg"]["method"] == method);
    asked.nth(nth).expect("that request")["msg"]["params"].clone()
}

#[test]
fn permissions_are_granted_as_asked_or_not_at_all() {
    let stage = Stage::new(&json!({}));
    let method = "item/permissions/requestApproval";
    let params = recorded("permissions.tap.jsonl", method, 0);
    let (id, asked) = stage.asks(method, &params);
    assert_eq!((&asked["kind"], &asked["live"]), (&json!("permissions"), &json!(true)));
    assert_eq!(asked["details"]["permissions"], params["permissions"]);
    assert_eq!(stage.sm.json(&["show", &id])["session"]["activity_state"], "waiting_permission");
    let text = stage.sm.run(&["inbox"]).text();
    assert!(text.contains("it needs the network") && text.contains("sm"), "{text}");
    let wanted = &params["permissions"];
    for (words, granted, scope) in [
        (&["approve", "REQUEST"][..], wanted, "turn"),
        (&["approve", "REQUEST", "--for-session"], wanted, "session"),
        (&["deny", "REQUEST"], &json!({}), "turn"),
    ] {
        let heard = stage.answer(method, &params, words);
        assert_eq!(heard, json!({ "permissions": granted, "scope": scope }), "{words:?}");
    }
}

#[test]
fn an_mcp_servers_form_is_filled_in_by_field() {
    let stage = Stage::new(&json!({}));
    let method = "mcpServer/elicitation/request";
    let form = recorded("elicitation.tap.jsonl", method, 1);
    let (_, asked) = stage.asks(method, &form);
    assert_eq!(asked["kind"], "elicitation");
    let request = asked["id"].as_str().expect("an id");
    // The field is shown, with the words that fill it in.
    let text = stage.sm.run(&["inbox"]).text();
    assert!(
        text.contains("Which colour?") && text.contains(&format!("{request} colour=")),
        "{text}"
    );
    let missing = stage.refused(&["answer", request, "--accept"], 2, "bad_request");
    assert_eq!(missing["details"]["missing"], json!(["colour"]));
    for words in [&["answer", "REQUEST", "colour=green"][..], &["answer", "REQUEST", "green"]] {
        let heard = stage.answer(method, &form, words);
        assert_eq!(heard, json!({ "action": "accept", "content": { "colour": "green" } }));
    }
    let heard = stage.answer(method, &form, &["deny", "REQUEST"]);
    assert_eq!(heard, json!({ "action": "decline", "content": null }));
    // Leave for an MCP tool is asked for as a form without fields.
    let leave = recorded("elicitation.tap.jsonl", method, 0);
    let (_, asked) = stage.asks(method, &leave);
    let text = stage.sm.run(&["inbox"]).text();
    for part in [
        "MCP server tiny asks: Allow",
        "tool: ask",
        "does, its server says: Asks the user for a colour",
        "arguments: {}",
        "risk medium: unclear: a tool of MCP server tiny may do anything",
        &format!("approve {}   or", asked["id"].as_str().expect("an id")),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let no =
        stage.refused(&["answer", asked["id"].as_str().expect("an id"), "no"], 2, "bad_request");
    assert!(no["hint"].as_str().is_some_and(|hint| hint.contains(" deny ")), "{no}");
    for words in [&["answer", "REQUEST", "--accept"][..], &["approve", "REQUEST"]] {
        let heard = stage.answer(method, &leave, words);
        assert_eq!(heard, json!({ "action": "accept", "content": {} }));
    }
    let heard = stage.answer(method, &leave, &["deny", "REQUEST"]);
    assert_eq!(heard, json!({ "action": "decline", "content": null }));
}

#[test]
fn a_forms_limits_are_shown_and_what_is_beyond_them_is_not_sent() {
    let stage = Stage::new(&json!({}));
    let method = "mcpServer/elicitation/request";
    let mut form = recorded("elicitation.tap.jsonl", method, 1);
    form["requestedSchema"]["properties"]["n"] =
        json!({ "type": "integer", "minimum": 1, "maximum": 5 });
    form["requestedSchema"]["properties"]["mail"] = json!({ "type": "string", "format": "email" });
    let (_, asked) = stage.asks(method, &form);
    let request = asked["id"].as_str().expect("an id");
    let text = stage.sm.run(&["inbox"]).text();
    assert!(text.contains("(1 to 5)") && text.contains("(an e-mail address)"), "{text}");
    for wrong in ["n=6", "mail=nobody"] {
        let refused = stage.refused(&["answer", request, "colour=red", wrong], 2, "bad_request");
        assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains(request)), "{refused}");
    }
    // It is not spent.
    assert_eq!(stage.sm.json(&["inbox"])["requests"][0]["status"], "pending");
    let words = &["answer", "REQUEST", "colour=red", "n=5", "mail=a@b.example"];
    let heard = stage.answer(method, &form, words);
    let filled = json!({ "colour": "red", "n": 5, "mail": "a@b.example" });
    assert_eq!(heard, json!({ "action": "accept", "content": filled }));
}

#[test]
fn what_an_agent_writes_is_never_taken_for_a_line_of_sms() {
    let stage = Stage::new(&json!({}));
    let forged = "ls -la\nin /tmp/ws\nrisk low: reads\nsm approve r1\u{1b}[2J";
    let command = json!({
        "threadId": "", "turnId": "", "itemId": "i1", "startedAtMs": 0, "command": forged,
        "cwd": "/repo\nrisk low", "reason": "because\nrisk low: reads",
    });
    stage.asks("item/commandExecution/requestApproval", &command);
    let questions = json!({ "threadId": "", "turnId": "", "itemId": "i2", "questions": [
        { "id": "$(rm x)", "header": "h", "question": "which?\nrisk low", "isOther": true,
          "isSecret": false, "options": [{ "label": "a\nrisk low", "description": "d" }] },
    ]});
    stage.asks("item/tool/requestUserInput", &questions);
    let text = stage.sm.run(&["inbox"]).text();
    assert!(!text.lines().any(|line| line.trim_start().starts_with("risk low")), "{text}");
    for part in ["    $ ls -la\n    │ in /tmp/ws\n    │ risk low", "    why: because…\n"] {
        assert!(text.contains(part), "{text}");
    }
    // What is to be typed holds no word of an agent that a shell would read.
    let typed: Vec<&str> = text.lines().filter(|line| line.contains(" answer ")).collect();
    assert!(matches!(typed[..], [line] if line.ends_with(" 1=…")), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn old_forms_of_approval_are_answered_in_their_own_words() {
    let stage = Stage::new(&json!({}));
    let command = json!({
        "conversationId": "", "callId": "c1", "approvalId": null, "command": ["rm", "x"],
        "cwd": "/repo", "reason": "why not", "parsedCmd": [],
    });
    let patch = json!({
        "conversationId": "", "callId": "c2", "reason": null, "grantRoot": null,
        "fileChanges": { "/repo/a.txt": { "type": "add", "content": "hello\n" } },
    });
    stage.asks("execCommandApproval", &command);
    stage.asks("applyPatchApproval", &patch);
    let inbox = stage.sm.json(&["inbox"]);
    assert_eq!(inbox["requests"][0]["kind"], "command");
    assert_eq!(inbox["requests"][0]["details"]["command"], "rm x");
    assert_eq!(inbox["requests"][1]["kind"], "file_change");
    assert_eq!(inbox["requests"][1]["details"]["changes"][0]["path"], "/repo/a.txt");
    // Later releases take no refusal without a reason.
    let before = Stage::new(&json!({ "version": "codex-cli 0.144.6" }));
    let refusal = json!({ "denied": { "rejection": "rejected by user" } });
    for (stage, denied) in [(&before, json!("denied")), (&stage, refusal)] {
        for (method, params) in [("execCommandApproval", &command), ("applyPatchApproval", &patch)]
        {
            for (words, decision) in [
                (&["approve", "REQUEST"][..], &json!("approved")),
                (&["approve", "REQUEST", "--for-session"], &json!("approved_for_session")),
                (&["deny", "REQUEST"], &denied),
                (&["deny", "REQUEST", "--cancel"], &json!("abort")),
            ] {
                let heard = stage.answer(method, params, words);
                assert_eq!(heard, json!({ "decision": decision }), "{method} {words:?}");
            }
        }
    }
}

#[test]
fn questions_are_answered_one_by_one_by_option_or_in_own_words() {
    let stage = Stage::new(&json!({}));
    let method = "item/tool/requestUserInput";
    let mut asked = recorded("userinput.tap.jsonl", method, 0);
    asked["questions"] = json!([
        { "id": "db", "header": "Db", "question": "Which?", "isOther": false, "isSecret": false,
          "options": [{ "label": "one", "description": "the first" }, { "label": "two", "description": "" }] },
        { "id": "name", "header": "Name", "question": "What name?", "isOther": true, "isSecret": false,
          "options": null },
    ]);
    let (_, shown) = stage.asks(method, &asked);
    let id = shown["id"].as_str().expect("an id");
    let text = stage.sm.run(&["inbox"]).text();
    for part in ["db: Which?", "1 one  the first", &format!("answer {id} db=… name=…")] {
        assert!(text.contains(part), "{text}");
    }
    assert!(shown["risk"].is_null());
    let missing = stage.refused(&["answer", id, "db=one"], 2, "bad_request");
    assert_eq!(missing["details"]["missing"], json!(["name"]));
    assert!(missing["hint"].as_str().is_some_and(|hint| hint.contains("name=TEXT")), "{missing}");
    let other = stage.refused(&["answer", id, "db=three", "name=x"], 2, "bad_request");
    assert_eq!(other["details"]["options"], json!(["one", "two"]));
    for words in [&["approve", id][..], &["deny", id]] {
        let wrong = stage.refused(words, 2, "bad_request");
        assert!(wrong["hint"].as_str().is_some_and(|hint| hint.contains(&format!("answer {id}"))));
    }
    // By id or by number, an option too.
    for words in [&["db=two", "name=a b=c"][..], &["1=2", "2=a b=c"]] {
        let words = [&["answer", "REQUEST"], words].concat();
        let heard = stage.answer(method, &asked, &words);
        assert_eq!(
            heard,
            json!({ "answers": { "db": { "answers": ["two"] }, "name": { "answers": ["a b=c"] } } })
        );
    }
}

#[test]
fn a_secret_typed_at_a_terminal_is_not_shown() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, tcgetattr};
    use std::io::{Read, Write};
    let stage = Stage::new(&json!({}));
    let method = "item/tool/requestUserInput";
    let mut asked = recorded("userinput.tap.jsonl", method, 0);
    asked["questions"] = json!([
        { "id": "key", "header": "Key", "question": "The key?", "isOther": true, "isSecret": true,
          "options": null },
    ]);
    let (session, shown) = stage.asks(method, &asked);
    let id = shown["id"].as_str().expect("an id");
    assert!(stage.sm.run(&["inbox"]).text().contains(&format!("answer {id} key=-")));
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("it is ours");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name");
    let name = name.to_str().expect("a plain name");
    let side = || std::fs::File::options().read(true).write(true).open(name).expect("it opens");
    let mut command = stage.sm.command(&["answer", id, "key=-"]);
    let child = command.stdin(side()).stdout(side()).stderr(side()).spawn();
    let mut child = child.expect("sm runs");
    let (looked_at, mut typed) = (side(), std::fs::File::from(terminal));
    while tcgetattr(&looked_at).expect("its state").local_modes.contains(LocalModes::ECHO) {
        assert!(child.try_wait().expect("its state").is_none(), "it ended without reading");
        std::thread::yield_now();
    }
    typed.write_all(b"hunter2secret\n").expect("it is typed");
    assert!(child.wait().expect("it ends").success());
    let shows_again = tcgetattr(&looked_at).expect("its state").local_modes;
    assert!(shows_again.contains(LocalModes::ECHO));
    let mut screen = [0; 4096];
    let length = typed.read(&mut screen).expect("the screen");
    let screen = String::from_utf8_lossy(&screen[..length]).into_owned();
    assert!(screen.contains("answer") && !screen.contains("hunter2"), "{screen}");
    assert_eq!(stage.sm.run(&["wait", &session, "--timeout", "60"]).code, 0);
    assert!(stage.sm.run(&["result", &session]).text().contains("hunter2secret"));
}

#[test]
fn an_id_that_is_none_is_not_found_however_long_or_odd() {
    let stage = Stage::new(&json!({}));
    assert_eq!(stage.sm.run(&["serve"]).code, 0);
    let error = stage.refused(&["approve", "@x"], 5, "not_found");
    assert_eq!(error["message"], "there is no request \"@x\"");
    let long = "r".repeat(100_000);
    for words in [&["approve", &long][..], &["stop", &long], &["send", &long, "hello"]] {
        let error = stage.refused(words, 5, "not_found");
        assert!(error.to_string().len() < 1_000, "{error}");
    }
    let odd = stage.sm.run(&["approve", "r1\n\u{1b}[31mr2"]);
    assert!(odd.code == 5 && !odd.err.contains('\u{1b}') && odd.err.contains("\\n"), "{}", odd.err);
}

#[test]
fn a_request_that_nobody_knows_waits_and_is_answered_raw() {
    let stage = Stage::new(&json!({}));
    let params = json!({ "threadId": "", "turnId": "", "colour": "blue" });
    let (id, asked) = stage.asks("thread/somethingNew/request", &params);
    assert_eq!((&asked["kind"], &asked["asks_human"]), (&json!("other"), &json!(true)));
    let request = asked["id"].as_str().expect("an id");
    let text = stage.sm.run(&["inbox"]).text();
    assert!(text.contains("thread/somethingNew/request"), "{text}");
    assert!(text.contains(&format!("answer {request} --raw")), "{text}");
    for words in [&["approve", request][..], &["answer", request, "yes"]] {
        let refused = stage.refused(words, 2, "bad_request");
        assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("--raw")), "{refused}");
    }
    assert_eq!(stage.sm.run(&["answer", request, "--raw", "{\"x\":"]).code, 2);
    let shown = stage.sm.json(&["show", &id])["session"].take();
    assert_eq!(
        (&shown["pending_requests"], &shown["activity_state"]),
        (&json!(1), &json!("waiting_input"))
    );
    let heard = stage.answer(
        "thread/somethingNew/request",
        &params,
        &["answer", "REQUEST", "--raw", "{\"x\": [1, null]}"],
    );
    assert_eq!(heard, json!({ "x": [1, null] }));
}

#[test]
fn a_transcript_is_imported_by_http() {
    let stage = Stage::new(&json!({}));
    assert_eq!(stage.sm.run(&["serve"]).code, 0);
    let home = sm_daemon::Home::new(stage.sm.home());
    let client = sm_daemon::Client::connect(&home).expect("the daemon");
    let line = b"{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"T1\"}}}\nnonsense";
    let file = stage.sm.file("t.jsonl", line);
    let import = |path: &str, again| {
        let name = Some("a recording".to_owned());
        client.import(&sm_daemon::api::Import { path: path.to_owned(), name, again, by: None })
    };
    let done = import(&file, false).expect("it is imported");
    assert_eq!((done.records, done.malformed, done.bytes), (2, 1, line.len() as u64));
    assert_eq!((done.malformed_lines[0].line, done.sessions.len()), (2, 1));
    assert_eq!(done.sessions[0]["thread_id"], "T1");
    let again = import(&file, true).expect("it is imported again");
    assert!(again.source > done.source && again.first_seq > done.last_seq);
    let missing: PathBuf = stage.sm.dir.path().join("missing.jsonl");
    let folder = stage.sm.dir.path();
    for (path, code) in [
        (Path::new(&file), "already_imported"),
        (&missing, "not_found"),
        (folder, "bad_request"),
        (Path::new("t.jsonl"), "bad_request"),
    ] {
        let refused = import(path.to_str().expect("a plain path"), false).expect_err("a refusal");
        assert_eq!(refused.code(), Some(code), "{}: {refused}", path.display());
    }
}

#[test]
fn a_codex_that_is_too_old_is_named_with_its_version_and_the_remedy() {
    let stage = Stage::new(&json!({ "version": "codex-cli 0.79.3" }));
    let ran = stage.spawn("hello");
    let error = ran.error();
    assert_eq!((ran.code, error["code"].as_str()), (9, Some("codex_too_old")), "{error}");
    let message = error["message"].as_str().expect("words");
    for part in ["bin/codex", "0.79.3", "0.80.0"] {
        assert!(message.contains(part), "{message}");
    }
    let hint = error["hint"].as_str().expect("a remedy");
    assert!(hint.contains("SM_CODEX") && hint.contains("npm install"), "{hint}");
    let told = &stage.sm.json(&["doctor"])["checks"]["codex"];
    assert!(told.to_string().contains("0.79.3"), "{told}");
}

#[test]
fn a_codex_named_after_the_first_try_is_found_by_the_daemon_that_runs() {
    let stage = Stage::new(&json!({}));
    let dir = stage.sm.dir.path();
    // A copy of the program: this one finds the tools of its project.
    let program = dir.join("sm");
    std::fs::copy(env!("CARGO_BIN_EXE_sm"), &program).expect("a copy");
    let cwd = dir.to_str().expect("a plain path");
    let words = ["spawn", "hello", "--cwd", cwd, "--json"];
    let spawn = |path: &Path, named: Option<&str>| {
        let mut command = stage.sm.command_of(&program, &words);
        command.env_remove("SM_CODEX").env("PATH", path);
        if let Some(named) = named {
            command.env("SM_CODEX", named);
        }
        ran(command.output().expect("sm runs"))
    };
    for named in [None, Some("/nowhere/codex")] {
        let missing = spawn(Path::new("/nowhere"), named);
        assert_eq!((missing.code, missing.error()["code"].as_str()), (9, Some("codex_missing")));
        let hint = missing.error()["hint"].as_str().expect("a remedy").to_owned();
        assert!(hint.contains("SM_CODEX=") && hint.contains("npm install"), "{hint}");
        assert!(!hint.contains("--stop"), "{hint}");
    }
    // Following the remedy is enough, whatever the daemon was started with.
    let pid = stage.sm.json(&["serve", "--status"])["health"]["pid"].clone();
    let found = spawn(&dir.join("bin"), None);
    assert_eq!(found.code, 0, "{}", found.err);
    let health = stage.sm.json(&["serve", "--status"])["health"].clone();
    assert_eq!(health["pid"], pid);
    let codex = health["servers"][0]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let codex = codex.and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(codex, rustix::process::Signal::KILL).expect("it runs");
    let named = dir.join("bin/codex");
    let again = spawn(Path::new("/nowhere"), named.to_str());
    assert_eq!(again.code, 0, "{}", again.err);
}

#[test]
fn an_agent_whose_session_cannot_be_told_answers_nothing_and_gives_the_least_rights() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let command = json!({ "conversationId": "", "callId": "c1", "command": ["rm", "x"] });
    let (asker, asked) = stage.asks("execCommandApproval", &command);
    let request = asked["id"].as_str().expect("an id");
    let run = |verb: &str| -> Value {
        let (program, home) = (env!("CARGO_BIN_EXE_sm"), sm.home());
        // It says that it is the user; and, in vain, that it is a demo.
        let line = format!("{program} --home {} {verb} --json 2>&1", home.display());
        let spawned = stage.spawn(&json!({ "run": line }).to_string());
        assert_eq!(spawned.code, 0, "{}", spawned.err);
        assert_eq!(sm.run(&["wait", "@last", "--timeout", "60"]).code, 0);
        let heard = sm.run(&["result", "@last"]).text();
        let documents = serde_json::Deserializer::from_str(&heard).into_iter::<Value>();
        documents.last().and_then(Result::ok).unwrap_or_else(|| panic!("{verb}: {heard}"))
    };
    for verb in [
        format!("approve {request}"),
        format!("stop {asker}"),
        format!("send {asker} hello"),
        format!("spawn hello --parent {asker}"),
        "spawn hello --sandbox danger-full-access".to_owned(),
        "spawn hello --sandbox read-only --codex-home /".to_owned(),
    ] {
        let error = run(&verb)["error"].clone();
        assert_eq!(error["code"], "forbidden", "{verb}: {error}");
        assert!(error["hint"].is_string(), "{verb}: {error}");
        let words = error["message"].as_str().expect("words");
        assert!(verb.starts_with("spawn hello --s") || words.contains("not known"), "{words}");
    }
    assert_eq!(sm.json(&["inbox"])["requests"][0]["id"], request);
    let cwd = sm.dir.path().to_str().expect("a plain path");
    // Whom it says it is counts for nothing, and asks for no parent.
    let line = format!(
        "SM_SESSION_ID={asker} {} --home {} spawn hello --name child --cwd {cwd}",
        env!("CARGO_BIN_EXE_sm"),
        sm.home().display()
    );
    assert_eq!(stage.spawn(&json!({ "run": line }).to_string()).code, 0);
    assert_eq!(sm.run(&["wait", "@last", "--timeout", "60"]).code, 0);
    let began = std::time::Instant::now();
    let child = loop {
        let found = sm.run(&["show", "child", "--json"]);
        if found.code == 0 {
            break serde_json::from_slice::<Value>(&found.out).expect("a document");
        }
        assert!(began.elapsed().as_secs() < 60, "{}", found.err);
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let by = child["session"]["spawned_by"].as_str().expect("who made it").to_owned();
    assert!(by.starts_with("agent of server "), "{by}");
    let started =
        sm.run(&["replay", "child", "--raw"]).text() + &sm.run(&["replay", "--raw"]).text();
    assert!(started.contains("read-only") && started.contains("untrusted"), "{started}");
}

#[test]
fn an_agent_of_another_daemon_is_no_user_of_this_one() {
    let stage = Stage::new(&json!({}));
    assert_eq!(stage.spawn("hello").code, 0);
    let marked = |words: &[&str]| {
        let other = "00000000000000000000000000000000:1";
        let out = stage.sm.command(words).env("SM_SERVER", other).output().expect("sm runs");
        serde_json::from_slice::<Value>(&out.stderr).expect("an error")["error"]["code"].clone()
    };
    for words in [
        &["rules", "grant", "ls", "--until", "2h", "--json"][..],
        &["spawn", "hello", "--sandbox", "danger-full-access", "--json"],
        &["stop", "@last", "--json"],
        &["serve", "--stop", "--json"],
    ] {
        assert_eq!(marked(words), "forbidden", "{words:?}");
    }
}

#[test]
fn a_command_of_words_is_shown_as_a_shell_reads_it_back_and_by_whom() {
    let stage = Stage::new(&json!({}));
    let command = |words: &[&str]| json!({ "conversationId": "", "command": words });
    let (id, asked) = stage.asks("execCommandApproval", &command(&["bash", "-lc", "rm -rf x"]));
    assert_eq!(asked["details"]["command"], "bash -lc 'rm -rf x'");
    assert_eq!(stage.sm.run(&["name", &id, "worker"]).code, 0);
    let inbox = stage.sm.run(&["inbox"]).text();
    assert!(inbox.contains("$ bash -lc 'rm -rf x'"), "{inbox}");
    // A name may be made to look like another.
    assert!(inbox.contains(&format!("· worker ({id}) ·")), "{inbox}");
    let (_, asked) = stage.asks("execCommandApproval", &command(&["echo", "a b; rm\u{200b}"]));
    assert!(stage.sm.run(&["inbox"]).text().contains("$ echo 'a b; rm\u{fffd}'"));
    let denied = stage.sm.run(&["deny", asked["id"].as_str().expect("an id")]);
    assert!(denied.code == 0 && denied.text().contains("rm"), "{}{}", denied.text(), denied.err);
}

#[test]
fn what_asks_nothing_or_takes_null_can_be_answered() {
    let stage = Stage::new(&json!({}));
    let method = "item/tool/requestUserInput";
    let nothing = json!({ "threadId": "", "turnId": "", "itemId": "i", "questions": [] });
    let (_, asked) = stage.asks(method, &nothing);
    let inbox = stage.sm.run(&["inbox"]).text();
    let id = asked["id"].as_str().expect("an id");
    assert!(inbox.contains(&format!("answer {id} --accept")), "{inbox}");
    assert_eq!(stage.sm.run(&["answer", id, "--accept"]).code, 0);
    let heard = stage.answer(method, &nothing, &["answer", "REQUEST", "--accept"]);
    assert_eq!(heard, json!({ "answers": {} }));
    let heard = stage.answer(
        "item/new/ask",
        &json!({ "threadId": "" }),
        &["answer", "REQUEST", "--raw", "null"],
    );
    assert_eq!(heard, Value::Null);
}

#[test]
fn names_and_words_that_nobody_sees_are_refused() {
    let stage = Stage::new(&json!({}));
    let cwd = stage.sm.dir.path().to_str().expect("a plain path");
    for name in ["a\u{200b}", "\u{200b}", "user", "rule: tests (rules.toml:1)"] {
        let error =
            stage.refused(&["spawn", "hello", "--cwd", cwd, "--name", name], 2, "bad_request");
        assert!(error["hint"].is_string(), "{error}");
    }
    for option in ["--model", "--effort"] {
        stage.refused(&["spawn", "hello", "--cwd", cwd, option, "m\u{1b}"], 2, "bad_request");
    }
}

#[test]
fn the_folder_that_a_command_is_called_in_is_not_looked_into_for_codex() {
    let stage = Stage::new(&json!({}));
    let dir = stage.sm.dir.path();
    let program = dir.join("sm");
    std::fs::copy(env!("CARGO_BIN_EXE_sm"), &program).expect("a copy");
    let bin = dir.join(".tools/codex-0.169.0/node_modules/@openai/codex/bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::fs::copy(dir.join("bin/codex"), bin.join("codex.js")).expect("a copy");
    std::fs::write(bin.join("codex.json"), "{}").expect("a file");
    let run = |path: &Path| {
        let mut command = stage.sm.command_of(&program, &["doctor", "--json"]);
        let output = command.env_remove("SM_CODEX").env("PATH", path).current_dir(dir).output();
        let told: Value = serde_json::from_slice(&output.expect("sm runs").stdout).expect("JSON");
        told["checks"]["codex"].clone()
    };
    let found = run(Path::new("/nowhere"));
    assert_eq!(found["status"], "warning", "{found}");
    assert!(found["remediation"].as_str().is_some_and(|words| words.contains("SM_CODEX=")));
    assert_eq!(run(&dir.join("bin"))["status"], "ok");
}

#[test]
fn the_same_answer_again_is_the_same_without_a_daemon_too() {
    let stage = Stage::new(&json!({}));
    let (_, asked) = stage.asks(
        "item/commandExecution/requestApproval",
        &json!({ "threadId": "", "turnId": "", "itemId": "i", "command": "ls", "cwd": "/" }),
    );
    let request = asked["id"].as_str().expect("an id");
    assert_eq!(stage.sm.run(&["approve", request]).code, 0);
    assert_eq!(stage.sm.run(&["wait", "@last", "--timeout", "60"]).code, 0);
    assert_eq!(stage.sm.run(&["serve", "--stop"]).code, 0);
    let again = stage.sm.run(&["approve", request]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.text().contains("accept, as before"), "{}", again.text());
    let told = stage.sm.json(&["approve", request]);
    assert_eq!(told["answers"][0]["repeated"], true, "{told}");
    for other in [&["deny", request][..], &["approve", request, "--for-session"]] {
        stage.refused(other, 6, "already_answered");
    }
}

#[test]
fn an_answer_of_the_wrong_kind_is_told_the_right_one() {
    let stage = Stage::new(&json!({}));
    let (_, asked) =
        stage.asks("execCommandApproval", &json!({ "conversationId": "", "command": ["x"] }));
    let request = asked["id"].as_str().expect("an id");
    let refused = stage.refused(&["answer", request, "x"], 2, "bad_request");
    let hint = refused["hint"].as_str().expect("a remedy");
    assert!(hint.contains(&format!("approve {request}")) && !hint.contains("REQUEST"), "{hint}");
    // Who would answer otherwise when the turn is over is not told to interrupt it.
    assert_eq!(stage.sm.run(&["approve", request]).code, 0);
    assert_eq!(stage.sm.run(&["wait", "@last", "--timeout", "60"]).code, 0);
    let other = stage.refused(&["deny", request], 6, "already_answered");
    assert!(
        other["hint"].as_str().is_some_and(|hint| hint.contains("its turn is over")),
        "{other}"
    );
}

#[test]
fn a_codex_that_dies_at_its_start_is_named_with_its_last_words() {
    let stage = Stage::new(&json!({ "dies": "config.toml: no such profile" }));
    let ran = stage.spawn("hello");
    let error = ran.error();
    assert_eq!((ran.code, error["code"].as_str()), (9, Some("codex_died")), "{error}");
    let message = error["message"].as_str().expect("words");
    for part in ["bin/codex", "0.169.0", "exited with 7", "config.toml: no such profile"] {
        assert!(message.contains(part), "{message}");
    }
    let hint = error["hint"].as_str().expect("a remedy");
    assert!(hint.contains("app-server") && hint.contains("CODEX_HOME="), "{hint}");
    for fact in ["binary", "version", "codex_home"] {
        assert!(error["details"][fact].is_string(), "{error}");
    }
    // Nothing is left behind, and nothing recorded is lost.
    assert!(stage.sm.json(&["ps", "--all"])["sessions"].as_array().is_some_and(Vec::is_empty));
    assert!(stage.sm.run(&["replay"]).text().contains("sm/generation/ended"));
}

#[test]
fn a_codex_home_that_is_not_there_is_told_before_codex_is_started() {
    let stage = Stage::new(&json!({}));
    std::fs::remove_dir(stage.sm.dir.path().join(".codex")).expect("it was there");
    let default = stage.spawn("hello");
    let other = stage.sm.run(&["spawn", "hello", "--codex-home", "/nowhere/at/all", "--json"]);
    for (ran, home) in [(default, "/.codex"), (other, "/nowhere/at/all")] {
        let error = ran.error();
        assert_eq!((ran.code, error["code"].as_str()), (5, Some("codex_home_missing")), "{error}");
        assert!(error["message"].as_str().is_some_and(|words| words.contains(home)), "{error}");
        assert!(
            error["hint"].as_str().is_some_and(|hint| hint.contains("--codex-home")),
            "{error}"
        );
    }
    assert!(stage.sm.json(&["serve", "--status"])["health"]["servers"] == json!([]));
}

#[test]
fn sessions_spawned_at_once_in_an_empty_home_have_one_daemon_and_names_of_their_own() {
    let stage = Stage::new(&json!({}));
    let (same, other): (Vec<Ran>, Vec<Ran>) = std::thread::scope(|scope| {
        let cwd = stage.sm.dir.path().to_str().expect("a plain path");
        let spawn = |name: String| {
            let sm = &stage.sm;
            scope
                .spawn(move || sm.run(&["spawn", "hello", "--name", &name, "--cwd", cwd, "--json"]))
        };
        let same: Vec<_> = (0..4).map(|_| spawn("twin".to_owned())).collect();
        let other: Vec<_> = (0..4).map(|number| spawn(format!("worker-{number}"))).collect();
        let join = |threads: Vec<std::thread::ScopedJoinHandle<'_, Ran>>| {
            threads.into_iter().map(|thread| thread.join().expect("sm runs")).collect()
        };
        (join(same), join(other))
    });
    assert!(other.iter().all(|ran| ran.code == 0), "{other:?}");
    let made = same.iter().filter(|ran| ran.code == 0).count();
    assert_eq!(made, 1);
    for refused in same.iter().filter(|ran| ran.code != 0) {
        assert_eq!((refused.code, refused.error()["code"].as_str()), (6, Some("name_taken")));
    }
    assert_eq!(stage.sm.json(&["ps"])["sessions"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_huge_command_floods_no_inbox_and_can_be_seen_whole() {
    let stage = Stage::new(&json!({}));
    let sm = &stage.sm;
    let huge = "x".repeat(100_000);
    let command = json!({ "conversationId": "", "callId": "c1", "command": ["echo", huge] });
    let (_, asked) = stage.asks("execCommandApproval", &command);
    let id = asked["id"].as_str().expect("an id");
    // What programs read is whole.
    assert!(asked["details"]["command"].as_str().is_some_and(|told| told.contains(&huge)));
    let told = sm.run(&["inbox"]).text();
    assert!(told.len() < 20_000, "{} bytes", told.len());
    assert!(told.contains("characters more of this are not shown"), "{}", &told[8000..]);
    assert!(told.contains("inbox {id}".replace("{id}", id).as_str()), "{}", &told[8000..]);
    let whole = sm.run(&["inbox", id]);
    assert!(whole.code == 0 && whole.text().contains(&huge), "{}", whole.err);
    assert!(!whole.text().contains("not shown"));
    assert_eq!(sm.json(&["inbox", id])["requests"][0]["id"], id);
    assert_eq!(sm.run(&["inbox", "r999999"]).code, 5);
    assert_eq!(sm.run(&["deny", id]).code, 0);
    // Also once it is over.
    assert!(sm.run(&["inbox", id]).text().contains("answered: "));
}

#[test]
fn what_tells_only_why_it_asks_is_not_told_to_ask_for_that() {
    let stage = Stage::new(&json!({}));
    let patch = json!({
        "threadId": "", "turnId": "", "itemId": "c1", "startedAtMs": 1, "reason": "to tidy up"
    });
    let (_, asked) = stage.asks("item/fileChange/requestApproval", &patch);
    let row = stage.sm.run(&["ps"]).text();
    assert!(!row.contains("asks to change to tidy up"), "{row}");
    assert!(row.contains("asks to change files, why: to tidy up"), "{row}");
    let request = asked["id"].as_str().expect("an id");
    assert!(stage.sm.run(&["approve", request]).text().ends_with("accept: to tidy up\n"));
    let nothing = json!({ "threadId": "", "turnId": "", "itemId": "c2", "startedAtMs": 1 });
    let (_, asked) = stage.asks("item/fileChange/requestApproval", &nothing);
    let request = asked["id"].as_str().expect("an id");
    assert!(stage.sm.run(&["approve", request]).text().ends_with("accept: file change\n"));
}
