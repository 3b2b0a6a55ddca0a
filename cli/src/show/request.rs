//! A request as it is shown: what the log tells, with whether anybody waits, and in words.

use super::Lives;
use crate::context::Context;
use crate::output::{Role, clean, clean_block, now_micros};
use serde::Serialize;
use serde_json::Value;
use sm_daemon::asked::{Details, HeldUp, Weighed};
use sm_daemon::{Rulebook, answers_itself};
use sm_log::Reader;
use sm_projections::rows::Session;
use sm_projections::tables::Requests;
use sm_projections::views::{self, RequestDoc};
use sm_projections::{StoreError, View};
use sm_rules::{Level, Risk};
use std::fmt::Write as _;

/// A request's document with what the present adds.
#[derive(Debug, Clone, Serialize)]
pub struct RequestShown {
    /// What the log tells.
    #[serde(flatten)]
    pub doc: RequestDoc,
    /// Whether the process that asked is alive, so that an answer reaches it; null for imports, and where
    /// it is not known.
    pub live: Option<bool>,
    /// Whether a process asked, and it does not stand in a transcript.
    #[serde(skip)]
    of_server: bool,
}

/// Adds what the present tells.
pub fn show_request(
    view: &View<'_>,
    lives: &mut Lives,
    doc: RequestDoc,
) -> Result<RequestShown, StoreError> {
    let (live, of_server) = match view.get::<Requests>(&doc.seq)? {
        Some(row) => {
            let live = lives.of_life(view, row.source, row.generation)?;
            (live, lives.is_of_server(row.source))
        }
        None => (None, false),
    };
    Ok(RequestShown { doc, live, of_server })
}

/// All requests that wait for a human, oldest first.
pub fn waiting(view: &View<'_>, lives: &mut Lives) -> Result<Vec<RequestShown>, StoreError> {
    let docs = views::pending_requests(view)?.into_iter();
    let docs = docs.filter(|doc| doc.asks_human && !answers_itself(&doc.method));
    docs.map(|doc| show_request(view, lives, doc)).collect()
}

/// Tells which requests a rule is about to answer: those wait for nobody.
pub struct Soon {
    book: Rulebook,
    log: Option<Reader>,
}

impl Soon {
    /// Reads the rules as they are now.
    pub fn read(context: &Context) -> Soon {
        let book = Rulebook::read(&context.home);
        // Without rules nobody looks at the log.
        let log = (!book.rules.is_empty()).then(|| context.home.open_log().ok()).flatten();
        Soon { book, log }
    }

    /// Whether a rule is about to answer that request.
    pub fn answers(&self, view: &View<'_>, doc: &RequestDoc) -> Result<bool, StoreError> {
        match &self.log {
            Some(log) => self.book.is_about_to_answer(view, log, doc, now_micros()),
            None => Ok(false),
        }
    }

    /// Whether a human must answer what a session asks.
    pub fn asks_human(&self, view: &View<'_>, session: &Session) -> Result<bool, StoreError> {
        for (number, class) in &session.pending {
            if !class.asks_human() {
                continue;
            }
            let Some(row) = view.get::<Requests>(number)? else { continue };
            let doc = views::request_doc(view, *number, row)?;
            if !answers_itself(&doc.method) && !self.answers(view, &doc)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
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
            None if self.of_server => (Role::NeedsHuman, "▲"),
            Some(false) => (Role::Bad, "✗"),
            None => (Role::Dim, "◌"),
        }
    }

    /// Why an answer reaches nobody; `None`: it reaches who asked, as far as can be told from here.
    pub fn unheard(&self) -> Option<&'static str> {
        match self.live {
            Some(true) => None,
            None if self.of_server => None,
            Some(false) => Some("its Codex process is gone: nobody waits for the answer"),
            None => Some("of a transcript: nobody waits for the answer"),
        }
    }
}

/// What a request asks in words, indented below the request's own line.
pub fn details_text(details: &Details) -> String {
    let mut text = String::new();
    let mut put = |line: &str| {
        for line in clean_block(line).lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "    {line}");
        }
    };
    if details.text_trimmed {
        put("full text trimmed");
    }
    if let Some(command) = &details.command {
        put(&format!("$ {command}"));
    }
    if let Some(cwd) = &details.cwd {
        put(&format!("in {cwd}"));
    }
    if let Some(message) = &details.message {
        let server = details.server.as_deref().map_or(String::new(), |name| format!("{name}: "));
        put(&format!("{server}{message}"));
    }
    if let Some(url) = &details.url {
        put(&format!("at {url}"));
    }
    if let Some(network) = &details.network {
        put(&format!("network: {network}"));
    }
    if let Some(permissions) = &details.permissions {
        put(&format!("permissions: {permissions}"));
    }
    if let Some(root) = &details.grant_root {
        put(&format!("asks that {root} be writable from then on"));
    }
    if let Some(arguments) = &details.arguments {
        put(&format!("arguments: {arguments}"));
    }
    if let Some(params) = &details.params {
        put(&params.to_string());
    }
    for change in &details.changes {
        let kind = change.kind.as_deref().unwrap_or("change");
        let moved = change.moved_to.as_deref().map_or(String::new(), |to| format!(" → {to}"));
        put(&format!("{kind} {}{moved}", change.path));
        let sign = match kind {
            "add" => "+",
            "delete" => "-",
            _ => "",
        };
        for line in change.diff.as_deref().unwrap_or_default().lines() {
            put(&format!("  {sign}{line}"));
        }
    }
    for question in &details.questions {
        put(&question_line(question));
        let options = question.get("options").and_then(Value::as_array);
        for (at, option) in options.into_iter().flatten().enumerate() {
            let description = option.get("description").and_then(Value::as_str).unwrap_or_default();
            put(&format!("  {} {}  {description}", at + 1, label(option.get("label"))));
        }
    }
    text
}

fn question_line(question: &Value) -> String {
    let is = |name: &str| question.get(name).and_then(Value::as_bool);
    let has_options =
        question.get("options").and_then(Value::as_array).is_some_and(|o| !o.is_empty());
    let id = question_id(question).unwrap_or_default();
    let words = question.get("question").and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{id}: {words}");
    if is("isSecret") == Some(true) {
        line.push_str(" (secret: give it as `-`, on standard input)");
    }
    if has_options && is("isOther") == Some(true) {
        line.push_str(" (or words of your own)");
    }
    if is("isRequired") == Some(false) {
        line.push_str(" (may be left out)");
    }
    line
}

fn label(label: Option<&Value>) -> String {
    match label {
        Some(Value::String(label)) => label.clone(),
        Some(label) => label.to_string(),
        None => String::new(),
    }
}

/// How risky it looks, on one line, and how to mark it.
pub fn risk_line(risk: &Risk) -> (Role, String) {
    let role = match risk.level {
        Level::High => Role::Bad,
        Level::Medium => Role::NeedsHuman,
        Level::Low => Role::Dim,
    };
    let mut line = format!("risk {}", risk.level.as_str());
    for (at, hint) in risk.hints.iter().enumerate() {
        let sign = if at == 0 { ":" } else { " ·" };
        let _ = write!(line, "{sign} {}: {}", hint.kind.as_str(), clean(&hint.reason));
    }
    (role, line)
}

/// Who waits behind it, on one line; `None` where nobody does.
pub fn holds_up_line(weighed: &Weighed) -> Option<String> {
    let name = |held: &HeldUp| {
        let name = held.session_name.as_deref().unwrap_or(&held.session_id);
        format!("{} ({})", clean(name), held.activity_state)
    };
    let names: Vec<String> = weighed.holds_up.iter().map(name).collect();
    (!names.is_empty()).then(|| format!("holds up {}", names.join(", ")))
}
