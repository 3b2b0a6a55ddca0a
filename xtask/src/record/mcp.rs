//! A tiny MCP server over stdio: one tool that echoes, one that fails, one that asks the user.

use std::io::{BufRead, Write};

use serde_json::{Value, json};

/// Serves until its input ends.
///
/// # Errors
/// When its output is closed.
pub fn serve() -> Result<(), String> {
    let mut output = std::io::stdout().lock();
    let mut asking = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let message: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(reply) = reply(&message, &mut asking) {
            writeln!(output, "{reply}").and_then(|()| output.flush()).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// The one message to send for a message that came. `asking` holds the id of a tool call that
/// waits for the user.
fn reply(message: &Value, asking: &mut Option<Value>) -> Option<Value> {
    let id = message.get("id")?.clone();
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "tiny", "version": "1.0.0"},
        }),
        Some("tools/list") => json!({"tools": tools()}),
        Some("tools/call") => match message["params"]["name"].as_str() {
            Some("ask") => {
                *asking = Some(id);
                return Some(elicitation());
            }
            Some("fail") => json!({"content": text("it cannot be done"), "isError": true}),
            _ => json!({"content": text(&format!("echo: {}", message["params"]["arguments"]))}),
        },
        Some("ping") => json!({}),
        Some(_) => {
            return Some(json!({"jsonrpc": "2.0", "id": id,
                "error": {"code": -32601, "message": "no such method"}}));
        }
        // The answer to our own question.
        None => {
            let waiting = asking.take()?;
            let said = text(&format!("the user said {}", message["result"]));
            return Some(json!({"jsonrpc": "2.0", "id": waiting, "result": {"content": said}}));
        }
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn text(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn tools() -> Value {
    let tool = |name: &str, about: &str| {
        json!({"name": name, "description": about, "inputSchema":
            {"type": "object", "properties": {"text": {"type": "string"}}}})
    };
    json!([
        tool("echo", "Says it again"),
        tool("fail", "Never works"),
        tool("ask", "Asks the user for a colour"),
    ])
}

fn elicitation() -> Value {
    json!({"jsonrpc": "2.0", "id": "ask-1", "method": "elicitation/create", "params": {
        "message": "Which colour?",
        "requestedSchema": {"type": "object", "properties":
            {"colour": {"type": "string", "title": "Colour"}}, "required": ["colour"]},
    }})
}
