//! A `codex` for tests: asks whatever it is told to, and dies when it is told to.
//!
//! What always holds: it says nothing that the real one would not say in that place, but for what its
//! script or a prompt tells it. The script is the file `codex.json` beside the binary; a prompt that is a
//! JSON object is the server request that its turn makes, whose answer is then the turn's message; with
//! `run` it is a command.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, Write};

/// A request that waits: its thread and its turn.
type Waiting = HashMap<String, (String, String)>;

fn main() {
    let script = std::env::current_exe().expect("its own path").with_extension("json");
    let script = std::fs::read_to_string(script).expect("a script beside the binary");
    let script: Value = serde_json::from_str(&script).expect("JSON");
    if std::env::args().any(|word| word == "--version") {
        return say(script["version"].as_str().unwrap_or("codex-cli 0.169.0"));
    }
    if let Some(words) = script["dies"].as_str() {
        let _ = writeln!(std::io::stderr(), "{words}");
        std::process::exit(7);
    }
    serve();
}

fn say(line: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    // Whoever ends it closes its ends first.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn tell(method: &str, params: Value) {
    say(json!({ "method": method, "params": params }));
}

fn serve() {
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
        match method {
            "initialize" => reply(id, json!({ "userAgent": "sm/0.169.0 (test)" })),
            "initialized" => {}
            "thread/start" => {
                threads += 1;
                let process = std::process::id();
                let thread = format!("01a1fc22-0000-7000-8000-{process:08x}{threads:04x}");
                let thread = json!({ "id": thread, "preview": "", "cwd": params["cwd"] });
                reply(id, json!({ "thread": thread, "model": "m", "cwd": params["cwd"] }));
                tell("thread/started", json!({ "thread": thread }));
            }
            "thread/resume" => reply(id, json!({ "thread": { "id": thread } })),
            "turn/start" => {
                turns += 1;
                let turn = format!("turn-{turns}");
                let begun = json!({ "id": turn, "items": [], "status": "inProgress" });
                reply(id, json!({ "turn": begun }));
                tell("turn/started", json!({ "threadId": thread, "turn": begun }));
                let prompt = params["input"][0]["text"].as_str().unwrap_or_default();
                match serde_json::from_str::<Value>(prompt) {
                    Ok(Value::Object(words)) if words.contains_key("run") => {
                        let line = words["run"].as_str().unwrap_or_default().to_owned();
                        std::thread::spawn(move || run(&thread, &turn, &line));
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
