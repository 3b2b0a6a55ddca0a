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

/// How much is shown of what others wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The beginning of what is long; what is left out is told.
    Beginning,
}

/// The longest text of which not only the beginning is shown, in characters.
const TEXT_CHARS_MAX: usize = 8000;

/// The same in lines.
const TEXT_LINES_MAX: usize = 200;

/// How many lines of what a request has many of, changes and questions, are shown.
const MANY_LINES_MAX: usize = 1000;

/// The beginning of a text, and what is not shown of it, in words.
fn beginning(text: &str) -> (&str, Option<String>) {
    let long = text.char_indices().nth(TEXT_CHARS_MAX).map(|(at, _)| at);
    let high = text.match_indices('\n').nth(TEXT_LINES_MAX - 1).map(|(at, _)| at);
    let Some(at) = long.into_iter().chain(high).min().filter(|at| *at + 1 < text.len()) else {
        return (text, None);
    };
    let (shown, rest) = text.split_at(at);
    (shown, Some(format!("… {} characters more of this are not shown", rest.chars().count())))
}

/// Lines below a request's own. What others wrote follows a word of `sm`'s, or the gutter.
struct Block {
    text: String,
    width: Option<usize>,
    extent: Extent,
    /// How many lines are shown of what there are many.
    many: usize,
    /// Whether something is left out.
    is_cut: bool,
}

impl Block {
    fn new(width: Option<usize>, extent: Extent) -> Block {
        Block { text: String::new(), width: room(width), extent, many: 0, is_cut: false }
    }

    fn put(&mut self, word: &str, theirs: &str) {
        let (shown, rest) = match self.extent {
            Extent::Whole => (theirs, None),
            Extent::Beginning => beginning(theirs),
        };
        self.is_cut |= rest.is_some();
        // Nothing of `sm`'s own stands behind the gutter.
        for line in quoted(word, shown, self.width).into_iter().chain(rest) {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "{INDENT}{line}");
        }
    }

    /// One of many, as long as they are not too many.
    fn put_one(&mut self, word: &str, theirs: &str) {
        self.many += 1;
        if self.extent == Extent::Whole || self.many <= MANY_LINES_MAX {
            self.put(word, theirs);
        }
    }

    /// Says how many there are that are not shown.
    fn end(mut self) -> (String, bool) {
        if let (Extent::Beginning, left @ 1..) =
            (self.extent, self.many.saturating_sub(MANY_LINES_MAX))
        {
            let _ = writeln!(self.text, "{INDENT}… {left} lines more are not shown");
            self.is_cut = true;
        }
        (self.text, self.is_cut)
    }
}

/// The room for a line below a request's own, where there is a terminal of that width.
fn room(width: Option<usize>) -> Option<usize> {
    // Narrower than that nothing can be read anyway.
    width.map(|width| width.saturating_sub(INDENT.len()).max(20))
}

/// Text of others behind a word of `sm`'s, indented below a request's line.
pub fn quoted_text(word: &str, theirs: &str, width: Option<usize>) -> String {
    let mut block = Block::new(width, Extent::Whole);
    block.put(word, theirs);
    block.end().0
}

/// What a request asks in words, indented below the request's own line, for a terminal of that width;
/// and whether something of it is left out.
pub fn details_text(details: &Details, width: Option<usize>, extent: Extent) -> (String, bool) {
    let mut block = Block::new(width, extent);
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
    let mut put = |word: &str, theirs: &str| block.put_one(word, theirs);
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
        let options = options.map(Vec::as_slice).unwrap_or_default();
        for (at, option) in options.iter().enumerate() {
            let description = option.get("description").and_then(Value::as_str).unwrap_or_default();
            let words = label(option.get("label"));
            // An answer is the label: nothing else tells the two apart.
            let is_again =
                options.iter().take(at).any(|before| label(before.get("label")) == words);
            let again =
                if is_again { " (the same answer as the one above that is called so)" } else { "" };
            let words = format!("{words}{again}  {description}");
            put(&format!("  {} ", at + 1), words.trim_end());
        }
    }
    block.end()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sm_daemon::asked::Change;

    #[test]
    fn of_what_is_long_the_beginning_is_shown_and_how_much_is_not() {
        assert_eq!(beginning("short\n"), ("short\n", None));
        let whole = "y".repeat(TEXT_CHARS_MAX + 1);
        assert_eq!(beginning(&whole), (whole.as_str(), None));
        let long = "ü".repeat(TEXT_CHARS_MAX + 7);
        let (shown, rest) = beginning(&long);
        assert_eq!(shown.chars().count(), TEXT_CHARS_MAX);
        assert!(rest.unwrap().contains("… 7 characters more"));
        let high = "x\n".repeat(TEXT_LINES_MAX + 2);
        let (shown, rest) = beginning(&high);
        assert_eq!((shown.lines().count(), rest.is_some()), (TEXT_LINES_MAX, true));
        let many = "x\n".repeat(3 * MANY_LINES_MAX);
        let change = |path: &str| Change {
            path: path.to_owned(),
            kind: Some("add".into()),
            moved_to: None,
            diff: Some(many.clone()),
        };
        let details = Details { changes: vec![change("/a"), change("/b")], ..Details::default() };
        let (shown, is_cut) = details_text(&details, None, Extent::Beginning);
        assert!(is_cut && shown.lines().count() == MANY_LINES_MAX + 1);
        assert!(shown.ends_with("    … 5002 lines more are not shown\n"));
        let (shown, is_cut) = details_text(&details, None, Extent::Whole);
        assert!(!is_cut && shown.lines().count() == 6 * MANY_LINES_MAX + 2);
    }

    #[test]
    fn two_options_of_one_name_are_told_to_be_the_same_answer() {
        let option = |label: &str, does: &str| json!({ "label": label, "description": does });
        let options = [option("Yes", "keep it"), option("No", ""), option("Yes", "delete it")];
        let question = json!({ "id": "q", "question": "?", "options": options });
        let details = Details { questions: vec![question], ..Details::default() };
        let (shown, _) = details_text(&details, None, Extent::Beginning);
        assert!(shown.contains("  1 Yes  keep it\n"), "{shown}");
        assert!(shown.contains("  3 Yes (the same answer as the one above"), "{shown}");
        assert_eq!(shown.matches("same answer").count(), 1);
    }
}
