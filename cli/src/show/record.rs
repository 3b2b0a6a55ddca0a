//! A record on one line, and as a document.

use crate::output::{Role, Style, clean, cut, width_of};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sm_log::{Direction, ReadError, Reader, Record};
use sm_projections::View;
use sm_projections::tables::{Sessions as SessionRows, Threads};
use sm_projections::views::time;
use sm_protocol::{Envelope, Kind, flags};
use std::collections::HashMap;

/// Short ids of threads, each looked up once.
#[derive(Default)]
pub struct Sessions {
    ids: HashMap<Vec<u8>, Option<String>>,
}

impl Sessions {
    /// The short id of a record's session; `None` where it has none or none is folded yet.
    pub fn id(&mut self, view: Option<&View<'_>>, thread: &[u8]) -> Option<String> {
        if thread.is_empty() {
            return None;
        }
        if let Some(Some(id)) = self.ids.get(thread) {
            return Some(id.clone());
        }
        let text = String::from_utf8(thread.to_vec()).ok()?;
        let sid = view?.get::<Threads>(&text).ok()??;
        let id = view?.get::<SessionRows>(&sid).ok()?.map(|session| session.id);
        self.ids.insert(thread.to_vec(), id.clone());
        id
    }

    /// The short id of the session that did what a record of sm's own tells; `None` where it was no
    /// session.
    pub fn doer(&mut self, view: Option<&View<'_>>, record: &Record<'_>) -> Option<String> {
        if !Kind(record.kind).is_synthetic() {
            return None;
        }
        let message: Value = serde_json::from_slice(record.payload).ok()?;
        self.id(view, message.pointer("/params/by")?.as_str()?.as_bytes())
    }
}

/// Each session's revision numbers, counted along a walk in the log's order.
#[derive(Default)]
pub struct Revisions {
    known: HashMap<Vec<u8>, u64>,
    /// The walk began with the log's first record, so an unknown session begins at 1.
    pub from_start: bool,
}

impl Revisions {
    /// The revision of the record `seq` of `session`; `None` where it belongs to none, or where it hangs on
    /// a segment that the system does not give.
    pub fn next(
        &mut self,
        reader: &Reader,
        session: &[u8],
        seq: u64,
    ) -> Result<Option<u64>, ReadError> {
        if session.is_empty() {
            return Ok(None);
        }
        let revision = match self.known.get(session) {
            Some(before) => before + 1,
            None if self.from_start => 1,
            None => match revision_of(reader, session, seq) {
                Err(error) if error.seqs().is_some() => return Ok(None),
                found => found?,
            },
        };
        self.known.insert(session.to_vec(), revision);
        Ok(Some(revision))
    }

    /// The walk has come to records that are not there: whose they were nobody knows, so each session's
    /// number is asked for anew.
    pub fn pass(&mut self) {
        *self = Revisions::default();
    }
}

/// Finds the revision that lies at `seq`.
fn revision_of(reader: &Reader, session: &[u8], seq: u64) -> Result<u64, ReadError> {
    let mut low = reader.first_revision(session)?;
    let mut high = reader.revisions(session)?.max(low);
    while low < high {
        let middle = low + (high - low) / 2;
        match reader.revision(session, middle)? {
            Some(at) if at < seq => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// A record as a document.
#[derive(Debug, Serialize)]
pub struct RecordDoc<'a> {
    /// `sm.record/1`.
    pub schema: &'static str,
    /// Its number in the log.
    pub seq: u64,
    /// Its number in its session; null where it belongs to none, or nothing tells.
    pub revision: Option<u64>,
    /// Its time; null where nothing told.
    pub time: Option<String>,
    /// The session's short id.
    pub session_id: Option<String>,
    /// Codex's thread id.
    pub thread_id: Option<String>,
    /// `server`, `client` or `sm`.
    pub direction: &'static str,
    /// The source's number.
    pub source: u64,
    /// Which life of it.
    pub generation: u32,
    /// The kind in words.
    pub kind: &'static str,
    /// Codex's method; null for answers and for what is no message.
    pub method: Option<String>,
    /// `redacted`, `unterminated`, `two_way`, `synthetic`, `malformed`.
    pub flags: Vec<&'static str>,
    /// The message, byte for byte; null for what is no JSON.
    pub payload: Option<&'a RawValue>,
    /// The bytes of what is no JSON, in base64.
    pub payload_base64: Option<String>,
    /// How many bytes it has.
    pub bytes: usize,
}

impl<'a> RecordDoc<'a> {
    /// The document of `record`.
    pub fn new(record: &Record<'a>, revision: Option<u64>, session_id: Option<String>) -> Self {
        let kind = Kind(record.kind);
        let text = std::str::from_utf8(record.payload).ok();
        let payload = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        let thread = std::str::from_utf8(record.session).ok().filter(|id| !id.is_empty());
        RecordDoc {
            schema: "sm.record/1",
            seq: record.seq,
            revision,
            time: (record.time > 0).then(|| time(record.time)).flatten(),
            session_id,
            thread_id: thread.map(str::to_owned),
            direction: direction(record.direction),
            source: record.source,
            generation: record.generation,
            kind: kind.label(),
            method: method_of(record),
            flags: flag_words(record),
            payload_base64: payload.is_none().then(|| base64(record.payload)),
            payload,
            bytes: record.payload.len(),
        }
    }
}

/// The word for a direction.
fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Server => "server",
        Direction::Client => "client",
        Direction::Own => "sm",
    }
}

fn flag_words(record: &Record<'_>) -> Vec<&'static str> {
    let kind = Kind(record.kind);
    [
        (record.flags & flags::REDACTED != 0, "redacted"),
        (record.flags & flags::UNTERMINATED != 0, "unterminated"),
        (record.flags & flags::CARRIAGE_RETURN != 0, "carriage_return"),
        (record.flags & flags::LONG_LINE != 0, "long_line"),
        (record.flags & flags::TWO_WAY != 0, "two_way"),
        (kind.is_synthetic(), "synthetic"),
        (kind.is_malformed(), "malformed"),
    ]
    .into_iter()
    .filter_map(|(holds, word)| holds.then_some(word))
    .collect()
}

fn method_of(record: &Record<'_>) -> Option<String> {
    match Kind(record.kind).method() {
        Some(method) => Some(method.to_owned()),
        None => Envelope::scan(record.payload).method.map(|method| method.into_owned()),
    }
}

/// `seq  time  session  ← method  what`; `doer` stands in place of the thread of whoever did it.
pub fn record_line(
    style: Style,
    record: &Record<'_>,
    session_id: Option<&str>,
    doer: Option<&str>,
    width: Option<usize>,
) -> String {
    let time = time(record.time).filter(|_| record.time > 0);
    // Hours to milliseconds; the day stands in --json.
    let time = time.as_deref().and_then(|time| time.get(11..23)).unwrap_or("-");
    let arrow = match record.direction {
        Direction::Server => "←",
        Direction::Client => "→",
        Direction::Own => "·",
    };
    let kind = Kind(record.kind);
    let name = method_of(record).unwrap_or_else(|| kind.label().to_owned());
    let mut marks: Vec<&str> = flag_words(record);
    marks.retain(|word| matches!(*word, "redacted" | "unterminated" | "malformed"));
    let marks = if marks.is_empty() { String::new() } else { format!(" [{}]", marks.join(" ")) };
    let head = format!("{:>7} {time:<12} {:<7} {arrow}", record.seq, session_id.unwrap_or("-"));
    let summary = record_summary(record.payload, doer);
    let taken = width_of(&head) + width_of(&name) + marks.len() + 4;
    let most = width.map_or(200, |width| width.saturating_sub(taken).max(12));
    let name = match kind {
        _ if kind.is_malformed() => style.paint(Role::Bad, clean(&name)),
        Kind::ERROR | Kind::ERROR_RESPONSE => style.paint(Role::Bad, clean(&name)),
        _ if kind.is_synthetic() => style.paint(Role::Active, clean(&name)),
        _ if kind.is_delta() => style.paint(Role::Dim, clean(&name)),
        _ => style.paint(Role::Strong, clean(&name)),
    };
    let line = format!("{} {name}{marks}  {}", style.paint(Role::Dim, head), cut(&summary, most));
    line.trim_end().to_owned()
}

/// What a message says, in a few words.
pub fn record_summary(payload: &[u8], doer: Option<&str>) -> String {
    let Ok(mut message) = serde_json::from_slice::<Value>(payload) else {
        return clean(&String::from_utf8_lossy(&payload[..payload.len().min(400)])).into_owned();
    };
    if let (Some(doer), Some(by)) = (doer, message.pointer_mut("/params/by")) {
        *by = doer.into();
    }
    let body = ["params", "result", "error"].iter().find_map(|name| message.get(name));
    let words = body.map(body_words).unwrap_or_default();
    clean(&words).into_owned()
}

fn body_words(body: &Value) -> String {
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let mut parts: Vec<String> = Vec::new();
    if let Some(item) = body.get("item") {
        parts.push(item_words(item));
    }
    for path in [
        "/command",
        "/delta",
        "/status/type",
        "/turn/status",
        "/turn/error/message",
        "/error/message",
        "/message",
        "/questions/0/question",
        "/reason",
        "/thread/id",
        "/thread/preview",
        "/threadName",
        "/input/0/text",
        "/decision",
        "/tool",
        "/kind",
        "/path",
        "/text",
        "/mode",
        "/name",
        "/by",
        "/summary",
        "/userAgent",
        "/clientInfo/name",
    ] {
        if !text(path).is_empty() {
            parts.push(text(path).chars().take(400).collect());
        }
    }
    if let Some(total) = body.pointer("/tokenUsage/total/totalTokens") {
        parts.push(format!("{total} tokens"));
    }
    if parts.is_empty() {
        let whole = body.to_string();
        return whole.chars().take(400).collect();
    }
    parts.join(" · ")
}

fn item_words(item: &Value) -> String {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let mut parts: Vec<String> = text("type").map(str::to_owned).into_iter().collect();
    let said = item.pointer("/content/0/text").and_then(Value::as_str);
    let what = ["command", "text", "tool", "query", "prompt"].into_iter().find_map(text).or(said);
    parts.extend(what.map(|what| what.chars().take(400).collect()));
    let changes = item.get("changes").and_then(Value::as_array);
    for change in changes.into_iter().flatten().take(3) {
        parts.extend(change.get("path").and_then(Value::as_str).map(str::to_owned));
    }
    parts.extend(text("status").map(str::to_owned));
    if let Some(code) = item.get("exitCode").filter(|code| !code.is_null()) {
        parts.push(format!("exit {code}"));
    }
    parts.join(" ")
}

/// Bytes in base64 (RFC 4648, padded).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut word = [0; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v")] {
            assert_eq!(base64(bytes), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd, 0]), "//79AA==");
    }

    #[test]
    fn a_summary_picks_the_words_and_never_fails() {
        let item = br#"{"method":"item/completed","params":{"item":{"type":"commandExecution","command":"ls","exitCode":0,"status":"completed"}}}"#;
        assert_eq!(record_summary(item, None), "commandExecution ls completed exit 0");
        assert_eq!(record_summary(b"\xff{", None), "\u{fffd}{");
        assert_eq!(record_summary(b"[1]", None), "");
        let decided = br#"{"method":"sm/request/decided","params":{"decision":"accept","by":"T"}}"#;
        assert_eq!(record_summary(decided, Some("k2p")), "accept · k2p");
    }
}
