//! Records over HTTP: a session's pages, and all of them as a stream.
//!
//! What always holds: pages joined are the session's records, each once; the stream reads the log
//! itself, so a slow reader is only late; its ids are cursors and resume it.

use super::openapi::{Op, Routes};
use super::{Asked, Named, SSE};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use axum::routing::get;
use futures_core::Stream;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sm_log::{Direction, GapReason, Item, ReadError, Record};
use sm_projections::rows::Session;
use sm_projections::tables::{Sessions, Threads};
use sm_projections::views::time;
use sm_protocol::{Envelope, Kind};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// How many events a page has where it is not told, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// How much of a payload a preview shows.
const PREVIEW_CHARS: usize = 200;

/// Why records above a session's cap are not served.
const CAPPED: &str = "only the newest records of the session are served";

/// How many events are ready before the reader takes them.
const AHEAD: usize = 64;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wish {
    since_seq: u64,
    limit: Option<usize>,
    /// The payload whole, not only its first words.
    payload: bool,
}

/// The routes of records.
pub(crate) fn routes() -> Routes {
    const PAGE: &[(&str, &str)] = &[
        ("since_seq", "only records after it"),
        ("limit", "how many, 1000 at most"),
        ("payload", "true: whole payloads, not their first words"),
    ];
    let paths = [
        "/v1/sessions/{id}/events",
        "/v1/sessions/{id}/codex-events",
        "/sessions/{id}/codex-events",
    ];
    let pages = paths.into_iter().fold(Routes::default(), |routes, path| {
        routes.route(Op::get(path, "a page of its records").query(PAGE), get(page))
    });
    let all = Op::get("/v1/events", "all records as they come; `Last-Event-ID` resumes")
        .query(&[("after", "a cursor, or a seq"), ("payload", "true: whole payloads")]);
    pages.route(all.media(SSE), get(stream))
}

/// A page of a session's records after `since_seq`.
pub(crate) async fn page(
    State(daemon): State<Arc<Daemon>>,
    Named(id): Named,
    Asked(wish): Asked<Wish>,
) -> Result<Json<Value>, Refusal> {
    daemon.fresh().await;
    let session = daemon.find(&id, None)?.session;
    let watermark = daemon.reader.watermark();
    if wish.since_seq > watermark {
        let message = format!("seq {} is beyond the newest, {watermark}", wish.since_seq);
        return Err(Refusal::bad_request(message).details(json!({ "latest_seq": watermark })));
    }
    let thread = session.thread_id.as_bytes();
    let limit = wish.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let total = daemon.reader.revisions(thread)?;
    let served = served(&daemon, &session, wish.since_seq)?;
    let first = first_after(&daemon, thread, wish.since_seq, served.first, total)?;
    let mut records = daemon.reader.session(thread, first)?;
    let (mut events, mut gap, mut next) = (Vec::new(), served.gap, wish.since_seq);
    if gap.is_some() {
        next = next.max(served.below);
    }
    while events.len() < limit {
        match records.next() {
            Ok(None) => break,
            Ok(Some((revision, record))) => {
                next = record.seq;
                events.push(event(&record, &session.id, Some(revision), wish.payload));
            }
            Err(ReadError::Gap(found)) => {
                next = found.last;
                gap = Some(found.reason.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(json!({
        "events": events,
        "earliest_seq": daemon.reader.revision(thread, served.first)?,
        "latest_seq": session.last_seq,
        "next_seq": next,
        "history_gap": gap.is_some(),
        "gap_reason": gap,
    })))
}

/// From where on a session's records are served.
struct Served {
    /// The oldest revision.
    first: u64,
    /// The newest seq that is not served any more.
    below: u64,
    /// Why records that were asked for are not there.
    gap: Option<String>,
}

fn served(daemon: &Daemon, session: &Session, since: u64) -> Result<Served, Refusal> {
    let (thread, floor) = (&session.thread_id, daemon.reader.floor());
    let trimmed = daemon.reader.first_revision(thread.as_bytes())?;
    if let Some((capped, seq)) = session.floor.filter(|(capped, _)| *capped > trimmed) {
        let gap = (since + 1 < seq && is_missed(daemon, thread, since, capped)?).then_some(CAPPED);
        return Ok(Served { first: capped, below: seq - 1, gap: gap.map(str::to_owned) });
    }
    let mut gap = None;
    if trimmed > 1 && since + 1 < floor {
        // Whoever has seen the last of them misses nothing.
        let snapshots = daemon.config.home.snapshots();
        let last = snapshots.last_seq(&daemon.log().id(), floor - 1, thread).unwrap_or(None);
        gap = last.is_none_or(|last| last > since).then(|| GapReason::Trimmed.to_string());
    }
    Ok(Served { first: trimmed, below: floor - 1, gap })
}

/// Whether the revision before `capped` has a seq above `since`.
fn is_missed(daemon: &Daemon, thread: &str, since: u64, capped: u64) -> Result<bool, Refusal> {
    match daemon.reader.revision(thread.as_bytes(), capped - 1) {
        Ok(seq) => Ok(seq.is_some_and(|seq| seq > since)),
        Err(ReadError::NoRevision { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The session's first revision from `low` on whose seq is above `seq`.
fn first_after(
    daemon: &Daemon,
    thread: &[u8],
    seq: u64,
    mut low: u64,
    total: u64,
) -> Result<u64, Refusal> {
    let mut high = (total + 1).max(low);
    while low < high {
        let middle = low + (high - low) / 2;
        match daemon.reader.revision(thread, middle)? {
            Some(at) if at <= seq => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// A record as an event.
fn event(record: &Record<'_>, session: &str, revision: Option<u64>, whole: bool) -> Value {
    let envelope = Envelope::scan(record.payload);
    let kind = Kind(record.kind);
    let event_type = envelope.method.as_deref().unwrap_or(kind.label()).to_owned();
    let told: Value = serde_json::from_slice(record.payload).unwrap_or_default();
    let find = |paths: &[&str]| paths.iter().find_map(|path| told.pointer(path)?.as_str());
    let text = String::from_utf8_lossy(record.payload);
    let mut event = json!({
        "session_id": session,
        "thread_id": String::from_utf8_lossy(record.session),
        "seq": record.seq,
        "revision": revision,
        "timestamp": time(record.time),
        "direction": direction(record.direction),
        "event_type": event_type,
        "turn_id": find(&["/params/turnId", "/params/turn/id", "/result/turn/id"]),
        "item_id": find(&["/params/itemId", "/params/item/id", "/params/callId"]),
        "source": record.source,
        "generation": record.generation,
        "persisted": true,
    });
    if whole {
        event["payload"] = match serde_json::from_slice::<&RawValue>(record.payload) {
            Ok(raw) => serde_json::to_value(raw).unwrap_or_default(),
            Err(_) => Value::from(text),
        };
    } else {
        event["payload_preview"] = text.chars().take(PREVIEW_CHARS).collect::<String>().into();
    }
    event
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Server => "server",
        Direction::Client => "client",
        Direction::Own => "sm",
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct After {
    after: Option<String>,
    payload: bool,
}

/// All records after a cursor, as they come.
pub(crate) async fn stream(
    State(daemon): State<Arc<Daemon>>,
    Asked(wish): Asked<After>,
    headers: HeaderMap,
) -> Result<Sse<KeepAliveStream<Events>>, Refusal> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let after = match last.or(wish.after.as_deref()).filter(|after| !after.is_empty()) {
        Some(cursor) => daemon.seq_of(cursor)?,
        None => daemon.reader.watermark(),
    };
    let (sender, events) = mpsc::channel(AHEAD);
    tokio::spawn(follow(daemon, after + 1, wish.payload, sender));
    Ok(Sse::new(Events(events)).keep_alive(KeepAlive::default()))
}

/// Reads the log from `from` on and hands it to the reader at the reader's pace.
async fn follow(daemon: Arc<Daemon>, from: u64, whole: bool, reader: mpsc::Sender<Event>) {
    let mut watermark = daemon.watermark.clone();
    let floor = daemon.reader.floor();
    let mut next = from.max(floor);
    if from < floor {
        let reason = GapReason::Trimmed.to_string();
        let data = json!({
            "first": from, "last": floor - 1, "reason": reason,
            "history_gap": true, "gap_reason": reason, "earliest_seq": floor,
        });
        let id = daemon.cursor(floor - 1);
        let gap = Event::default().id(id).event("gap").data(data.to_string());
        if reader.send(gap).await.is_err() {
            return;
        }
    }
    loop {
        watermark.borrow_and_update();
        loop {
            let (batch, after) = match read(&daemon, next, whole) {
                Ok(read) => read,
                Err(error) => {
                    let event = Event::default().event("error").data(error.to_string());
                    let _ = reader.send(event).await;
                    return;
                }
            };
            if batch.is_empty() {
                break;
            }
            for event in batch {
                tokio::select! {
                    sent = reader.send(event) => if sent.is_err() {
                        return;
                    },
                    () = daemon.stopped() => return,
                }
            }
            next = after;
        }
        tokio::select! {
            changed = watermark.changed() => if changed.is_err() {
                return;
            },
            () = reader.closed() => return,
            () = daemon.stopped() => return,
        }
    }
}

/// The next events and the seq after them.
fn read(daemon: &Daemon, from: u64, whole: bool) -> Result<(Vec<Event>, u64), Refusal> {
    let mut cursor = daemon.reader.cursor(from)?;
    let mut events = Vec::new();
    while events.len() < AHEAD {
        match cursor.next()? {
            None => break,
            Some(Item::Record(record)) => {
                let session = short_id(daemon, record.session)?;
                let data = event(&record, &session.unwrap_or_default(), None, whole);
                let id = daemon.cursor(record.seq);
                events.push(Event::default().id(id).event("record").data(data.to_string()));
            }
            Some(Item::Gap(gap)) => {
                let data = json!({ "first": gap.first, "last": gap.last, "reason": gap.reason.to_string() });
                let id = daemon.cursor(gap.last);
                events.push(Event::default().id(id).event("gap").data(data.to_string()));
            }
        }
    }
    Ok((events, cursor.position()))
}

fn short_id(daemon: &Daemon, thread: &[u8]) -> Result<Option<String>, Refusal> {
    let Ok(thread) = std::str::from_utf8(thread) else { return Ok(None) };
    if thread.is_empty() {
        return Ok(None);
    }
    daemon.look(|view| match view.get::<Threads>(&thread.to_owned())? {
        Some(sid) => Ok(view.get::<Sessions>(&sid)?.map(|session| session.id)),
        None => Ok(None),
    })
}

/// Events on their way to one reader.
pub(crate) struct Events(mpsc::Receiver<Event>);

impl Events {
    pub fn new(events: mpsc::Receiver<Event>) -> Events {
        Events(events)
    }
}

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|event| event.map(Ok))
    }
}
