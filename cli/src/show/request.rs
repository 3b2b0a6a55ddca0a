//! What a request asks, whole: read from its record, and from its item's.

use super::Lives;
use crate::output::{Role, clean, clean_block};
use serde::Serialize;
use serde_json::{Value, json};
use sm_log::Reader;
use sm_projections::tables::Requests;
use sm_projections::views::{self, RequestDoc};
use sm_projections::{StoreError, View};
use std::fmt::Write as _;

/// A request's document with what the present adds.
#[derive(Debug, Clone, Serialize)]
pub struct RequestShown {
    /// What the log tells.
    #[serde(flatten)]
    pub doc: RequestDoc,
    /// Whether the process that asked is alive, so that an answer reaches it; null for imports.
    pub live: Option<bool>,
}

/// Adds what the present tells.
pub fn show_request(
    view: &View<'_>,
    lives: &mut Lives,
    doc: RequestDoc,
) -> Result<RequestShown, StoreError> {
    let live = match view.get::<Requests>(&doc.seq)? {
        Some(row) => lives.of_life(view, row.source, row.generation)?,
        None => None,
    };
    Ok(RequestShown { doc, live })
}

/// All requests that wait for a human, oldest first.
pub fn waiting(view: &View<'_>, lives: &mut Lives) -> Result<Vec<RequestShown>, StoreError> {
    let docs = views::pending_requests(view)?.into_iter().filter(|doc| doc.asks_human);
    docs.map(|doc| show_request(view, lives, doc)).collect()
}

/// A question's id as an answer names it.
pub fn question_id(question: &Value) -> Option<String> {
    match question.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

impl RequestShown {
    /// Whether nobody has answered it and nothing ended its wait.
    pub fn waits(&self) -> bool {
        self.doc.status == "pending"
    }

    /// How its wait ended.
    pub fn end(&self) -> String {
        let doc = &self.doc;
        let when = doc.ended_at.as_deref().map_or(String::new(), |at| format!(", {at}"));
        let how = match (doc.status, &doc.decision, &doc.decided_by) {
            ("orphaned", ..) => "orphaned: its Codex process ended before anybody answered".into(),
            ("cleared", ..) => "cleared: its item or turn ended before anybody answered".into(),
            (_, Some(decision), Some(by)) => {
                format!("answered: {} by {}", clean(decision), clean(by))
            }
            (_, Some(decision), None) => format!("answered: {}", clean(decision)),
            (status, None, _) => status.to_owned(),
        };
        how + &when
    }

    /// Role and glyph; what nobody waits for is never the brightest.
    pub fn mark(&self) -> (Role, &'static str) {
        match self.live {
            _ if !self.waits() => (Role::Dim, "·"),
            Some(true) => (Role::NeedsHuman, "▲"),
            Some(false) => (Role::Bad, "✗"),
            None => (Role::Dim, "◌"),
        }
    }

    /// Why an answer reaches nobody; `None`: it reaches who asked.
    pub fn unheard(&self) -> Option<&'static str> {
        match self.live {
            Some(true) => None,
            Some(false) => Some("its Codex process is gone: nobody waits for the answer"),
            None => Some("of a transcript: nobody waits for the answer"),
        }
    }
}

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
    /// The answers that Codex offers, where it says.
    pub decisions: Vec<Value>,
    /// The permissions asked for, as Codex gave them.
    pub permissions: Option<Value>,
    /// A tool's arguments.
    pub arguments: Option<Value>,
    /// All of it, where `sm` does not know the request's kind.
    pub params: Option<Value>,
    /// The record that asked was trimmed: its line is all that is known.
    pub text_trimmed: bool,
}

/// One file that would change.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// The file.
    pub path: String,
    /// `add`, `delete` or `update`.
    pub kind: Option<String>,
    /// An update's unified diff; an added or deleted file's whole text.
    pub diff: Option<String>,
}

/// Reads what `request` asks. A record that cannot be read leaves it empty.
pub fn details(reader: &Reader, request: &RequestDoc) -> Details {
    let Some(params) = params(reader, request.seq) else {
        let text_trimmed = request.seq < reader.floor();
        return Details { text_trimmed, ..Details::default() };
    };
    let text = |name: &str| params.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| params.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let kept = |name: &str| params.get(name).filter(|value| !value.is_null()).cloned();
    let command = text("command").or_else(|| {
        let words = params.get("command")?.as_array()?;
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        Some(words.join(" "))
    });
    let mut changes = old_changes(params.get("fileChanges"));
    if request.kind == "file_change" && changes.is_empty() {
        let item = request.action_seq.and_then(|seq| self::params(reader, seq));
        changes = item_changes(item.as_ref().and_then(|params| params.pointer("/item/changes")));
    }
    Details {
        command,
        cwd: text("cwd"),
        changes,
        questions: match params.pointer("/requestedSchema/properties").and_then(Value::as_object) {
            Some(fields) => fields.iter().map(field).collect(),
            None => list("questions"),
        },
        message: text("message"),
        decisions: list("availableDecisions"),
        permissions: kept("permissions"),
        arguments: kept("arguments"),
        params: (request.kind == "other").then(|| params.clone()),
        text_trimmed: false,
    }
}

/// A form's field, as a question.
fn field((id, field): (&String, &Value)) -> Value {
    let mut words = ["description", "title", "type"].into_iter();
    let words = words.find_map(|name| field.get(name)?.as_str()).unwrap_or(id);
    let options = field.get("enum").and_then(Value::as_array).into_iter().flatten();
    let options: Vec<Value> = options.map(|label| json!({ "label": label })).collect();
    json!({ "id": id, "question": words, "options": options, "isSecret": false })
}

fn params(reader: &Reader, seq: u64) -> Option<Value> {
    let record = reader.get(seq).ok()?;
    let mut message: Value = serde_json::from_slice(record.record().payload).ok()?;
    message.get_mut("params").map(Value::take)
}

fn item_changes(changes: Option<&Value>) -> Vec<Change> {
    let changes = changes.and_then(Value::as_array);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let change = |change: &Value| Change {
        path: text(change.get("path")).unwrap_or_default(),
        kind: text(change.pointer("/kind/type")).or_else(|| text(change.get("kind"))),
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
            diff: text("unified_diff").or_else(|| text("content")),
        }
    };
    changes.into_iter().flatten().map(change).collect()
}

impl Details {
    /// In words, indented below the request's own line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut put = |line: &str| {
            for line in clean_block(line).lines() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "    {line}");
            }
        };
        if self.text_trimmed {
            put("full text trimmed");
        }
        if let Some(command) = &self.command {
            put(&format!("$ {command}"));
        }
        if let Some(cwd) = &self.cwd {
            put(&format!("in {cwd}"));
        }
        if let Some(message) = &self.message {
            put(message);
        }
        if let Some(permissions) = &self.permissions {
            put(&format!("permissions: {permissions}"));
        }
        if let Some(params) = &self.params {
            put(&params.to_string());
        }
        for change in &self.changes {
            let kind = change.kind.as_deref().unwrap_or("change");
            put(&format!("{kind} {}", change.path));
            let sign = match kind {
                "add" => "+",
                "delete" => "-",
                _ => "",
            };
            for line in change.diff.as_deref().unwrap_or_default().lines() {
                put(&format!("  {sign}{line}"));
            }
        }
        for question in &self.questions {
            let text = |name: &str| question.get(name).and_then(Value::as_str).unwrap_or_default();
            let id = question_id(question).unwrap_or_default();
            put(&format!("{id}: {}", text("question")));
            let options = question.get("options").and_then(Value::as_array);
            for option in options.into_iter().flatten() {
                let text =
                    |name: &str| option.get(name).and_then(Value::as_str).unwrap_or_default();
                put(&format!("  - {}  {}", text("label"), text("description")));
            }
        }
        text
    }
}
