//! A request as it is shown: what the log tells, with whether anybody waits, and in words.

use super::Lives;
use crate::context::Context;
use crate::output::{GUTTER, Role, clean, now_micros, quoted};
use serde::Serialize;
use serde_json::Value;
use sm_daemon::asked::{Details, HeldUp, Tool, Weighed};
use sm_daemon::records::LookError;
use sm_daemon::{Rulebook, answers_itself, form_limits};
use sm_log::Reader;
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
    pub fn answers(&self, view: &View<'_>, doc: &RequestDoc) -> Result<bool, LookError> {
        match &self.log {
            Some(log) => self.book.is_about_to_answer(view, log, doc, now_micros()),
            None => Ok(false),
        }
    }

    /// The same by the request's number. What cannot be told is for a human.
    pub fn answers_numbered(&self, view: &View<'_>, number: u64) -> bool {
        let Ok(Some(row)) = view.get::<Requests>(&number) else { return false };
        let Ok(doc) = views::request_doc(view, number, row) else { return false };
        answers_itself(&doc.method) || self.answers(view, &doc).unwrap_or(false)
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

/// How far what belongs to a request stands below its own line.
pub const INDENT: &str = "    ";

/// Lines below a request's own. What others wrote follows a word of `sm`'s, or the gutter.
struct Block {
    text: String,
    width: Option<usize>,
}

impl Block {
    fn put(&mut self, word: &str, theirs: &str) {
        for line in quoted(word, theirs, self.width) {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "{INDENT}{line}");
        }
    }
}

/// The room for a line below a request's own, where there is a terminal of that width.
fn room(width: Option<usize>) -> Option<usize> {
    // Narrower than that nothing can be read anyway.
    width.map(|width| width.saturating_sub(INDENT.len()).max(20))
}

/// Text of others behind a word of `sm`'s, indented below a request's line.
pub fn quoted_text(word: &str, theirs: &str, width: Option<usize>) -> String {
    let mut block = Block { text: String::new(), width: room(width) };
    block.put(word, theirs);
    block.text
}

/// What a request asks in words, indented below the request's own line, for a terminal of that width.
pub fn details_text(details: &Details, width: Option<usize>) -> String {
    let mut block = Block { text: String::new(), width: room(width) };
    let mut put = |word: &str, theirs: &str| block.put(word, theirs);
    if details.text_trimmed {
        put("full text trimmed", "");
    }
    if let Some(command) = &details.command {
        put("$ ", command);
    }
    if let Some(cwd) = &details.cwd {
        put("in ", cwd);
    }
    if let Some(message) = &details.message {
        put(&says(details.server.as_deref()), message);
    }
    if let Some(Tool { name, title, description }) = &details.tool {
        let named = name.as_deref().or(title.as_deref()).unwrap_or("(named above)");
        put("tool: ", named);
        if let Some(title) = title.as_deref().filter(|title| *title != named) {
            put("title: ", title);
        }
        put("does, its server says: ", description.as_deref().unwrap_or("nothing"));
    }
    if let Some(url) = &details.url {
        put("at ", url);
    }
    if let Some(network) = &details.network {
        put("network: ", &network.to_string());
    }
    if let Some(permissions) = &details.permissions {
        put("permissions: ", &permissions.to_string());
    }
    if let Some(root) = &details.grant_root {
        put("writable from then on: ", root);
    }
    if let Some(arguments) = &details.arguments {
        put("arguments: ", &shown_value(arguments));
    }
    if let Some(params) = &details.params {
        put("asks: ", &shown_value(params));
    }
    for change in &details.changes {
        let kind = change.kind.as_deref().unwrap_or("change");
        let moved = change.moved_to.as_deref().map_or(String::new(), |to| format!(" → {to}"));
        put(&format!("{} ", clean(kind)), &format!("{}{moved}", change.path));
        let sign = match kind {
            "add" => "+",
            "delete" => "-",
            _ => "",
        };
        for line in change.diff.as_deref().unwrap_or_default().lines() {
            put(GUTTER, &format!("{sign}{line}"));
        }
    }
    for (at, question) in details.questions.iter().enumerate() {
        put(&format!("{}. ", at + 1), &question_line(question));
        let options = question.get("options").and_then(Value::as_array);
        for (at, option) in options.into_iter().flatten().enumerate() {
            let description = option.get("description").and_then(Value::as_str).unwrap_or_default();
            let words = format!("{}  {description}", label(option.get("label")));
            put(&format!("  {} ", at + 1), words.trim_end());
        }
    }
    block.text
}

/// Who says something.
fn says(server: Option<&str>) -> String {
    server.map_or("asks: ".to_owned(), |server| format!("MCP server {} asks: ", clean(server)))
}

/// A value on one line, or on several where it has much in it.
fn shown_value(value: &Value) -> String {
    let line = value.to_string();
    match line.len() > LINE_MAX {
        true => serde_json::to_string_pretty(value).unwrap_or(line),
        false => line,
    }
}

/// A longer value is shown part by part.
const LINE_MAX: usize = 100;

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
    let limits = form_limits(question);
    if !limits.is_empty() {
        let _ = write!(line, " ({})", limits.join(", "));
    }
    if let Some(value) = question.get("default").filter(|value| !value.is_null()) {
        let _ = write!(line, " (its server suggests {value})");
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

/// How risky it looks, on one line, and how to mark it. The hints name what others wrote: where a terminal would break the line, see [`quoted_text`].
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
