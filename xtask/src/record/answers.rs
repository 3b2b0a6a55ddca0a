//! What the recorder answers when Codex asks: as a person would who lets it go on.

use serde_json::{Map, Value, json};

/// The result for a server request. `decision` is the word for an approval, or a whole result.
pub fn answer(request: &Value, decision: Option<Value>) -> Value {
    let params = &request["params"];
    match (request["method"].as_str().unwrap_or_default(), decision) {
        (_, Some(Value::Object(result))) => Value::Object(result),
        ("item/commandExecution/requestApproval" | "item/fileChange/requestApproval", decision) => {
            json!({"decision": decision.unwrap_or_else(|| "accept".into())})
        }
        ("item/tool/requestUserInput", _) => json!({"answers": answers(&params["questions"])}),
        ("item/tool/call", _) => json!({
            "contentItems": [{"type": "inputText", "text": dynamic_result(params)}],
            "success": true,
        }),
        ("item/permissions/requestApproval", _) => {
            json!({"permissions": params["permissions"], "scope": "turn"})
        }
        ("mcpServer/elicitation/request", _) => {
            json!({"action": "accept", "content": {"colour": "green"}, "_meta": null})
        }
        _ => json!({}),
    }
}

fn answers(questions: &Value) -> Value {
    let questions = questions.as_array().map(Vec::as_slice).unwrap_or_default();
    let given = questions.iter().map(|question| {
        let first = question.pointer("/options/0/label").and_then(Value::as_str);
        let secret = question["isSecret"] == true;
        let text = if secret { "hunter2-secret" } else { first.unwrap_or("as you like") };
        (question["id"].as_str().unwrap_or_default().to_owned(), json!({"answers": [text]}))
    });
    Value::Object(given.collect::<Map<_, _>>())
}

/// A result in JSON, so that a script can pick a field from it.
fn dynamic_result(params: &Value) -> String {
    json!({"id": "k7q2", "tool": params["tool"], "given": params["arguments"]}).to_string()
}
