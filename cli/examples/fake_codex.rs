//! A `codex` for tests: asks whatever it is told to, and dies when it is told to.
//!
//! What always holds: it says nothing that the real one would not say in that place, but for what its
//! script or a prompt tells it. The script is the file `codex.json` beside the binary; a prompt that is a
//! JSON object is the server request that its turn makes, whose answer is then the turn's message; with
//! `run` it is a command, with `stderr` so many bytes there, with `deltas` so many pieces of an answer.
//! `faults` in the script say how it fails at a method: `unknown`, `error`, `overloaded`, `nonsense`, `silent`,
//! `exit`, `cut` (answers that a turn began, and is gone before it tells of that), `{"error": …}` with the
//! error that it answers, or, of `turn/start` and `turn/steer`, `{"told": …}`: it tells of the turn and its message, and
//! fails then.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::LazyLock;

/// A request that waits: its thread and its turn.
type Waiting = HashMap<String, (String, String)>;

fn main() {
    let script = script();
    if std::env::args().any(|word| word == "--version") {
        return say(script["version"].as_str().unwrap_or("codex-cli 0.169.0"));
    }
    if let Some(words) = script["dies"].as_str() {
        let _ = writeln!(std::io::stderr(), "{words}");
        std::process::exit(7);
    }
    serve(&version(&script));
}

/// The script as it is now: it may change while this runs.
fn script() -> Value {
    // Told once: another binary may take its place.
    static PATH: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::current_exe().expect("its own path").with_extension("json"));
    let script = std::fs::read_to_string(&*PATH).expect("a script beside the binary");
    serde_json::from_str(&script).expect("JSON")
}

/// The number in `codex-cli 0.169.0`.
fn version(script: &Value) -> String {
    let words = script["version"].as_str().unwrap_or("codex-cli 0.169.0");
    words.rsplit(' ').next().unwrap_or(words).to_owned()
}

fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    // Whoever ends it closes its ends first.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn tell(method: &str, params: Value) {
    say(json!({ "method": method, "params": params }));
}

fn serve(version: &str) {
    let (mut threads, mut turns, mut asked) = (0, 0, 0);
    let mut waiting = Waiting::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let message: Value = serde_json::from_str(&line).expect("a message");
        let Some(method) = message["method"].as_str() else {
            answered(&mut waiting, &message);
            continue;
        };
        let (id, params) = (&message["id"], &message["params"]);
        let thread = params["threadId"].as_str().unwrap_or_default().to_owned();
        if fails(method, id) {
            continue;
        }
        match method {
            "initialize" => reply(id, json!({ "userAgent": format!("sm/{version} (test)") })),
            "initialized" => {}
            "thread/start" => {
                threads += 1;
                let process = std::process::id();
                let thread = format!("01a1fc22-0000-7000-8000-{process:08x}{threads:04x}");
                let thread = json!({ "id": thread, "preview": "", "cwd": params["cwd"] });
                reply(id, json!({ "thread": thread, "model": "m", "cwd": params["cwd"] }));
                tell("thread/started", json!({ "thread": thread }));
            }
            "thread/resume" => {
                let cwd = &params["cwd"];
                reply(id, json!({ "thread": { "id": thread }, "model": "m", "cwd": cwd }));
            }
            "thread/unsubscribe" if thread.is_empty() => {
                let message = "Invalid request: missing field `threadId`";
                say(json!({ "id": id, "error": { "code": -32600, "message": message } }));
            }
            "thread/unsubscribe" => {
                reply(id, json!({ "status": "unsubscribed" }));
                tell("thread/closed", json!({ "threadId": thread }));
            }
            "turn/start" => {
                turns += 1;
                let turn = format!("turn-{}-{turns}", std::process::id());
                let begun = json!({ "id": turn, "items": [], "status": "inProgress" });
                let fault = script()["faults"][method]["told"].take();
                if fault.is_null() {
                    reply(id, json!({ "turn": begun }));
                }
                tell("turn/started", json!({ "threadId": thread, "turn": begun }));
                heard(&thread, &turn, params);
                if !fault.is_null() {
                    fail(&fault, method, id);
                }
                let prompt = params["input"][0]["text"].as_str().unwrap_or_default();
                match serde_json::from_str::<Value>(prompt) {
                    Ok(Value::Object(words)) if words.contains_key("run") => {
                        let line = words["run"].as_str().unwrap_or_default().to_owned();
                        std::thread::spawn(move || run(&thread, &turn, &line));
                    }
                    Ok(Value::Object(words)) if words.contains_key("stderr") => {
                        let bytes = words["stderr"].as_u64().unwrap_or_default();
                        let _ = std::io::copy(
                            &mut std::io::repeat(b'x').take(bytes),
                            &mut std::io::stderr(),
                        );
                        ended(&thread, &turn, "said");
                    }
                    Ok(Value::Object(words)) if words.contains_key("deltas") => {
                        flood(&thread, &turn, words["deltas"].as_u64().unwrap_or_default());
                        ended(&thread, &turn, "flooded");
                    }
                    Ok(Value::Object(request)) => {
                        let request = Value::Object(request);
                        ask(asked, &thread, &turn, request);
                        waiting.insert(asked.to_string(), (thread, turn));
                        asked += 1;
                    }
                    _ => ended(&thread, &turn, prompt),
                }
            }
            "turn/steer" => {
                let turn = params["expectedTurnId"].as_str().unwrap_or_default();
                heard(&thread, turn, params);
                match script()["faults"][method]["told"].take() {
                    Value::Null => reply(id, json!({ "turnId": turn })),
                    fault => fail(&fault, method, id),
                }
            }
            "turn/interrupt" => {
                let turn = params["turnId"].as_str().unwrap_or_default();
                waiting.retain(|_, (_, waits)| waits != turn);
                reply(id, json!({}));
                over(&thread, turn, "interrupted");
            }
            _ => reply(id, json!({})),
        }
    }
}

/// Fails at that method, if the script says so.
fn fails(method: &str, id: &Value) -> bool {
    let fault = script()["faults"][method].take();
    let fails = !fault.is_null() && fault.get("told").is_none();
    if fails {
        fail(&fault, method, id);
    }
    fails
}

fn fail(fault: &Value, method: &str, id: &Value) {
    if let Some(error) = fault.get("error") {
        return say(json!({ "id": id, "error": error }));
    }
    match fault.as_str() {
        // In the words of every release that does not know a method.
        Some("unknown") => {
            let known = "`initialize`, `thread/start`, `thread/fork`, `turn/start`";
            let message =
                format!("Invalid request: unknown variant `{method}`, expected one of {known}");
            say(json!({ "id": id, "error": { "code": -32600, "message": message } }));
        }
        Some("error") => {
            say(json!({ "id": id, "error": { "code": -32603, "message": "scripted failure" } }));
        }
        Some("overloaded") => {
            let message = "Server overloaded; retry later.";
            say(json!({ "id": id, "error": { "code": -32001, "message": message } }));
        }
        Some("nonsense") => {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(b"}{ no message\n\xff\xfe\n[1, 2]\n\n");
            say(json!({ "id": 1_000_000, "result": "of nobody's call" }));
            say(json!({ "id": id, "result": ["no", "such", "shape"] }));
        }
        Some("silent") => {}
        Some("cut") => {
            let turn = format!("turn-{}-cut", std::process::id());
            let begun = json!({ "id": turn, "items": [], "status": "inProgress" });
            say(json!({ "id": id, "result": { "turn": begun } }));
            std::process::exit(9);
        }
        _ => std::process::exit(9),
    }
}

/// Tells of the message that a turn begins with.
fn heard(thread: &str, turn: &str, params: &Value) {
    let item = json!({
        "type": "userMessage", "id": format!("user-{}-of-{turn}", params["clientUserMessageId"]),
        "clientId": params["clientUserMessageId"], "content": params["input"],
    });
    for method in ["item/started", "item/completed"] {
        tell(method, json!({ "threadId": thread, "turnId": turn, "item": item }));
    }
}

/// So many pieces of an answer, as fast as they can be written.
fn flood(thread: &str, turn: &str, count: u64) {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    for number in 0..count {
        let params = json!({
            "threadId": thread, "turnId": turn, "itemId": format!("message-of-{turn}"),
            "delta": format!("{number} "),
        });
        let _ =
            writeln!(out, "{}", json!({ "method": "item/agentMessage/delta", "params": params }));
    }
}

fn reply(id: &Value, result: Value) {
    say(json!({ "id": id, "result": result }));
}

/// Runs a command as the oldest releases do: it is not told its thread. What it prints is the turn's
/// message.
fn run(thread: &str, turn: &str, line: &str) {
    let output = std::process::Command::new("/bin/sh").args(["-c", line]).output();
    let words = output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    ended(thread, turn, &words);
}

/// Asks, in the name of that turn.
fn ask(number: u64, thread: &str, turn: &str, mut request: Value) {
    request["id"] = json!(number);
    for (name, value) in [("threadId", thread), ("conversationId", thread), ("turnId", turn)] {
        if let Some(place) = request["params"].get_mut(name) {
            *place = json!(value);
        }
    }
    say(request);
}

fn answered(waiting: &mut Waiting, message: &Value) {
    let Some((thread, turn)) = waiting.remove(&message["id"].to_string()) else { return };
    let resolved = json!({ "threadId": thread, "requestId": message["id"] });
    tell("serverRequest/resolved", resolved);
    ended(&thread, &turn, &message["result"].to_string());
}

/// Ends a turn with that message.
fn ended(thread: &str, turn: &str, words: &str) {
    let item = json!({ "type": "agentMessage", "id": format!("message-of-{turn}"), "text": words });
    let params = |item| json!({ "threadId": thread, "turnId": turn, "item": item });
    tell("item/started", params(&item));
    tell("item/completed", params(&item));
    over(thread, turn, "completed");
}

fn over(thread: &str, turn: &str, status: &str) {
    let turn = json!({ "id": turn, "items": [], "status": status, "error": null });
    tell("turn/completed", json!({ "threadId": thread, "turn": turn }));
}
