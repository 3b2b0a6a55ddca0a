//! What a request asks, whole: read from its record, and from its item's.
//!
//! What always holds: Codex's releases put a request's parts in different places, and all of them are
//! looked at here, once, for the inbox, the rules and the risk hint alike.

use crate::records;
use crate::requests::form::{self, Offered};
use serde::Serialize;
use serde_json::{Value, json};
use sm_log::{ReadError, Reader};
use sm_projections::views::RequestDoc;

/// What a request asks.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Details {
    /// The command.
    pub command: Option<String>,
    /// The folder it would run in.
    pub cwd: Option<String>,
    /// The files it would change: path, kind, diff.
    pub changes: Vec<Change>,
    /// The questions: id, header, question, options, isSecret, as Codex gave them; an elicitation's
    /// fields in the same form.
    pub questions: Vec<Value>,
    /// What an MCP server asks.
    pub message: Option<String>,
    /// That server.
    pub server: Option<String>,
    /// Where it sends the user.
    pub url: Option<String>,
    /// The answers that Codex offers, where it says.
    pub decisions: Vec<Value>,
    /// The permissions asked for, as Codex gave them; a command's are those beyond its sandbox.
    pub permissions: Option<Value>,
    /// The host that a command wants to reach, as Codex gave it.
    pub network: Option<Value>,
    /// A folder that is to be writable from then on.
    pub grant_root: Option<String>,
    /// The tool of an MCP server that it asks leave for.
    pub tool: Option<Tool>,
    /// A tool's arguments.
    pub arguments: Option<Value>,
    /// All of it, where `sm` does not know the request's kind.
    pub params: Option<Value>,
    /// The record that asked is not there any more: its line is all that is known.
    pub text_trimmed: bool,
}

/// A tool of an MCP server, as far as Codex tells.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tool {
    /// Its name, of releases from 0.169 on; older ones name it in the message alone.
    pub name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What its server says that it does.
    pub description: Option<String>,
}

/// One file that would change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// The file.
    pub path: String,
    /// `add`, `delete` or `update`.
    pub kind: Option<String>,
    /// The file that it becomes, where it is moved.
    pub moved_to: Option<String>,
    /// An update's unified diff; an added or deleted file's whole text.
    pub diff: Option<String>,
}

/// Reads what `request` asks. A record that is not there any more leaves it empty.
pub fn details(log: &Reader, request: &RequestDoc) -> Result<Details, ReadError> {
    read(log, request).map(|(_, details)| details)
}

/// The same, with the request's parameters.
pub(super) fn read(log: &Reader, request: &RequestDoc) -> Result<(Value, Details), ReadError> {
    let Some(params) = records::params(log, request.seq)? else {
        return Ok((Value::Null, Details { text_trimmed: true, ..Details::default() }));
    };
    let item = match request.action_seq {
        Some(seq) => records::params(log, seq)?,
        None => None,
    };
    let details = details_of(&params, item.as_ref(), request.kind);
    Ok((params, details))
}

/// The same of a request's parameters, with those of the first record of its item.
fn details_of(params: &Value, item: Option<&Value>, kind: &str) -> Details {
    let text = |name: &str| params.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| params.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let kept = |name: &str| params.get(name).filter(|value| !value.is_null()).cloned();
    let of_item = |name: &str| item?.get("item")?.get(name);
    let command = words(params.get("command"));
    // The oldest releases name command and folder in the item alone.
    let command = command.or_else(|| words(of_item("command")).filter(|_| kind == "command"));
    let folder = of_item("cwd").and_then(Value::as_str).map(str::to_owned);
    let mut changes = old_changes(params.get("fileChanges"));
    if kind == "file_change" && changes.is_empty() {
        changes = item_changes(of_item("changes"));
    }
    Details {
        command,
        cwd: text("cwd").or(folder),
        changes,
        questions: match form::fields(params) {
            Some(fields) => {
                let is_required = |id: &str| form::required(params).any(|name| name == id);
                fields.iter().map(|(id, one)| field(id, one, is_required(id))).collect()
            }
            None => list("questions"),
        },
        message: text("message").or_else(|| {
            let (title, more) = (text("title")?, text("description"));
            Some(more.map_or(title.clone(), |more| format!("{title}: {more}")))
        }),
        server: text("serverName"),
        url: text("url"),
        decisions: list("availableDecisions"),
        permissions: kept("permissions").or_else(|| kept("additionalPermissions")),
        network: kept("networkApprovalContext"),
        grant_root: text("grantRoot"),
        tool: tool(params),
        arguments: kept("arguments").or_else(|| params.pointer("/_meta/tool_params").cloned()),
        params: (kind == "other").then(|| params.clone()),
        text_trimmed: false,
    }
}

/// The tool that an elicitation asks leave for; none where it asks for something else.
fn tool(params: &Value) -> Option<Tool> {
    let meta = params.get("_meta")?;
    if meta.get("codex_approval_kind")?.as_str() != Some("mcp_tool_call") {
        return None;
    }
    let text = |name: &str| meta.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Tool {
        name: text("tool_name"),
        title: text("tool_title"),
        description: text("tool_description"),
    })
}

fn words(command: Option<&Value>) -> Option<String> {
    match command? {
        Value::String(text) => Some(text.clone()),
        Value::Array(words) => {
            let words: Vec<String> = words.iter().filter_map(Value::as_str).map(quoted).collect();
            Some(words.join(" "))
        }
        _ => None,
    }
}

/// A word as a shell reads it back: where one ends is to be seen.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A form's field, as a question.
fn field(id: &str, field: &Value, is_required: bool) -> Value {
    let mut words = ["description", "title", "type"].into_iter();
    let words = words.find_map(|name| field.get(name)?.as_str()).unwrap_or(id);
    let option = |one: &Offered<'_>| json!({ "label": one.value, "description": one.title });
    let options: Vec<Value> = form::offered(field).iter().map(option).collect();
    let mut question = json!({
        "id": id,
        "question": words,
        "options": options,
        "isSecret": field.get("format").and_then(Value::as_str) == Some("password"),
        "isRequired": is_required,
        "type": field.get("type"),
    });
    for limit in form::LIMITS {
        question[limit] = field.get(limit).cloned().unwrap_or_default();
    }
    question
}

fn item_changes(changes: Option<&Value>) -> Vec<Change> {
    let changes = changes.and_then(Value::as_array);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let change = |change: &Value| Change {
        path: text(change.get("path")).unwrap_or_default(),
        kind: text(change.pointer("/kind/type")).or_else(|| text(change.get("kind"))),
        moved_to: text(change.pointer("/kind/move_path")),
        diff: text(change.get("diff")),
    };
    changes.into_iter().flatten().map(change).collect()
}

/// Old releases put path → change into the request itself.
fn old_changes(changes: Option<&Value>) -> Vec<Change> {
    let changes = changes.and_then(Value::as_object);
    let change = |(path, change): (&String, &Value)| {
        let text = |name: &str| change.get(name).and_then(Value::as_str).map(str::to_owned);
        Change {
            path: path.clone(),
            kind: text("type"),
            moved_to: text("move_path"),
            diff: text("unified_diff").or_else(|| text("content")),
        }
    };
    changes.into_iter().flatten().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_words_is_shown_word_by_word() {
        for (given, shown) in [
            (json!(["bash", "-lc", "rm -rf x"]), "bash -lc 'rm -rf x'"),
            (json!(["echo", "a b; rm", "", "it's"]), r"echo 'a b; rm' '' 'it'\''s'"),
            (json!("rm -rf x"), "rm -rf x"),
        ] {
            assert_eq!(words(Some(&given)).unwrap(), shown);
        }
    }

    #[test]
    fn a_form_shows_what_its_fields_offer() {
        let params = json!({ "requestedSchema": { "required": ["many"], "properties": {
            "many": { "type": "array", "items": { "oneOf": [{ "const": "r", "title": "Red" }] } },
            "free": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
        }}});
        let questions = details_of(&params, None, "elicitation").questions;
        let found = |id: &str| questions.iter().find(|one| one["id"] == id).unwrap();
        let red = json!([{ "label": "r", "description": "Red" }]);
        assert_eq!((&found("many")["options"], &found("many")["isRequired"]), (&red, &json!(true)));
        assert_eq!(found("free")["options"], json!([]));
    }
}
