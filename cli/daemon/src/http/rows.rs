//! `GET /v1/sessions/stream`: the sessions as they are, then each that changed, whole.
//!
//! What always holds: an event is of one moment of the tables, its id the cursor of that moment; a row is
//! sent whole, never what changed in it, so that whoever misses some is right again with the next. A
//! slow reader gets fewer of them, and the newest.

use super::events::Events;
use super::routes::Shared;
use crate::api::Resuming;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use serde_json::{Value, json};
use sm_projections::rows::{SessionHead, Sid};
use sm_projections::tables::Sessions;
use sm_projections::views;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(100);

/// How often is looked whether servers live and what waits for one, where no record tells.
const LOOK: Duration = Duration::from_secs(5);

pub(crate) async fn stream(State(daemon): Shared) -> Sse<KeepAliveStream<Events>> {
    let (sender, events) = mpsc::channel(1);
    tokio::spawn(follow(daemon, sender));
    Sse::new(Events::new(events)).keep_alive(KeepAlive::default())
}

/// What a reader was told last.
#[derive(Default)]
struct Shown {
    rows: BTreeMap<Sid, (SessionHead, blake3::Hash)>,
    /// The lives of the servers that ran.
    lives: Vec<(u64, u32)>,
    /// What waited for a server.
    resuming: Vec<Resuming>,
}

async fn follow(daemon: Arc<Daemon>, reader: mpsc::Sender<Event>) {
    let mut folded = daemon.folded.seq();
    let mut shown = Shown::default();
    let mut is_first = true;
    loop {
        folded.borrow_and_update();
        let (seq, changed) = match shown.renew(&daemon) {
            Ok(renewed) => renewed,
            Err(error) => {
                let told = Event::default().event("error").data(error.to_string());
                let _ = reader.send(told).await;
                return;
            }
        };
        let id = daemon.cursor(seq);
        let events = match is_first {
            true => vec![event("snapshot", &id, &json!({"sessions": changed, "cursor": id}))],
            false => changed.iter().map(|row| event("session", &id, row)).collect(),
        };
        is_first = false;
        for event in events {
            tokio::select! {
                sent = reader.send(event) => if sent.is_err() {
                    return;
                },
                () = daemon.stopped() => return,
            }
        }
        tokio::select! {
            changed = folded.changed() => if changed.is_err() {
                return;
            },
            () = tokio::time::sleep(LOOK) => {}
            () = reader.closed() => return,
            () = daemon.stopped() => return,
        }
        tokio::time::sleep(GATHER).await;
    }
}

fn event(name: &str, id: &str, data: &Value) -> Event {
    Event::default().id(id).event(name).data(data.to_string())
}

impl Shown {
    /// The rows that are others than those shown, and of which seq they tell.
    fn renew(&mut self, daemon: &Daemon) -> Result<(u64, Vec<Value>), Refusal> {
        let running = daemon.pool.running();
        let lives: Vec<_> =
            running.iter().map(|server| (server.source, server.generation)).collect();
        let resuming = daemon.revivals.documents();
        // Whether a session is live, and what keeps it from coming back, stands in no row.
        let anew = lives != self.lives || resuming != self.resuming;
        (self.lives, self.resuming) = (lives, resuming);
        let (seq, docs) = daemon.look(|view| {
            let mut docs = Vec::new();
            let mut heads = Vec::new();
            view.scan_as::<Sessions, SessionHead>(&[], &[], |sid, head| {
                let is_same = self.rows.get(&sid).is_some_and(|(before, _)| *before == head);
                if !head.unconfirmed && (anew || !is_same) {
                    heads.push((sid, head));
                }
                true
            })?;
            for (sid, head) in heads {
                docs.extend(views::session_doc(view, sid)?.map(|doc| (sid, head, doc)));
            }
            Ok::<_, Refusal>((view.checkpoint()?, docs))
        })?;
        let mut changed = Vec::new();
        for (sid, head, doc) in docs {
            let Some(row) = daemon.documents(vec![doc])?.pop() else { continue };
            let hash = blake3::hash(row.to_string().as_bytes());
            let before = self.rows.insert(sid, (head, hash));
            if before.is_none_or(|(_, before)| before != hash) {
                changed.push(row);
            }
        }
        Ok((seq, changed))
    }
}
