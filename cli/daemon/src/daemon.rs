//! What all of the daemon shares: the log, the tables, the servers, one lock for each session.
//!
//! What always holds: the tables say what is; nothing here remembers what the log could tell. An act
//! on a session holds its lock from the look at its row to the record of what was done.

use crate::api::CodexSearch;
use crate::caller::Caller;
use crate::config::Config;
use crate::family;
use crate::locks::Locks;
use crate::problem::Refusal;
use crate::requests::rulebook::Keeper;
use crate::servers::pool::{Pool, Started};
use crate::servers::revive::Revivals;
use crate::sessions::names::Given;
use crate::sessions::stops::Stops;
use crate::tables::folding::Folded;
use serde_json::Value;
use sm_ingest::Scribe;
use sm_ingest::app_server::Locator;
use sm_log::{Log, LogId, Reader, Receipt};
use sm_projections::rows::{Session, Sid, SourceKind};
use sm_projections::tables::{Sessions, Sources, Threads};
use sm_projections::views::{self, Selection, SessionDoc};
use sm_projections::{Store, StoreError, View};
use sm_protocol::synthetic::Synthetic;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc, watch};

/// How long a look waits for what has just happened.
const FRESH_PATIENCE: Duration = Duration::from_secs(1);

/// What the disk or the folds do not do is tried again so much later.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);

/// A running daemon.
pub(crate) struct Daemon {
    pub config: Config,
    pub scribe: Scribe,
    pub store: Arc<Store>,
    pub reader: Reader,
    /// How far the log is folded.
    pub folded: Folded,
    /// The last durable seq.
    pub watermark: watch::Receiver<u64>,
    pub pool: Pool,
    /// Finds codex, and remembers what its binaries said of themselves.
    pub locator: Arc<Locator>,
    /// Sessions that lost their server and are to be resumed.
    pub revivals: Revivals,
    /// Hands each server that was started to whoever attends to it.
    pub started: mpsc::UnboundedSender<Started>,
    /// One answer at a time to each request, by its number.
    pub answering: Locks<u64>,
    /// By thread: one input at a time is accepted. Held for a moment only, unlike a session's lock, and never while
    /// that is waited for.
    pub accepting: Locks<String>,
    /// One import at a time.
    pub importing: tokio::sync::Mutex<()>,
    /// One prune at a time.
    pub pruning: tokio::sync::Mutex<()>,
    /// Names that are being given.
    pub given: Given,
    /// Sessions that are being stopped.
    pub stops: Stops,
    /// Rung when a reminder is set.
    pub reminding: tokio::sync::Notify,
    /// Threads for which a failed delivery is tried again.
    pub retrying: Mutex<HashSet<String>>,
    /// Inputs that a server was sent and did not answer in time: its source and generation.
    pub unanswered: Mutex<HashMap<u64, (u64, u32)>>,
    /// The rules in force.
    pub rules: Keeper,
    /// Where TCP is served, if it is.
    pub tcp: OnceLock<SocketAddr>,
    stopping: watch::Sender<bool>,
    locks: Locks<String>,
}

/// Now, in Unix microseconds.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}

impl Daemon {
    /// A daemon, and the servers that it will start, for whoever attends to them.
    pub fn new(
        config: Config,
        log: Log,
        store: Arc<Store>,
        folded: Folded,
    ) -> (Daemon, mpsc::UnboundedReceiver<Started>) {
        let codex_home = config.codex_home.canonicalize().unwrap_or(config.codex_home);
        let config = Config { codex_home, ..config };
        let (started, attended) = mpsc::unbounded_channel();
        let (advanced, watermark) = watch::channel(log.watermark());
        log.on_advance(move |seq| {
            advanced.send_replace(seq);
        });
        let daemon = Daemon {
            config,
            watermark,
            reader: log.reader(),
            scribe: Scribe::new(log),
            store,
            folded,
            pool: Pool::default(),
            locator: Arc::default(),
            revivals: Revivals::default(),
            started,
            answering: Locks::default(),
            accepting: Locks::default(),
            importing: tokio::sync::Mutex::default(),
            pruning: tokio::sync::Mutex::default(),
            given: Given::default(),
            stops: Stops::default(),
            reminding: tokio::sync::Notify::default(),
            retrying: Mutex::default(),
            unanswered: Mutex::default(),
            rules: Keeper::default(),
            tcp: OnceLock::new(),
            stopping: watch::Sender::new(false),
            locks: Locks::default(),
        };
        (daemon, attended)
    }

    pub fn log(&self) -> &Log {
        self.scribe.log()
    }

    pub fn say(&self, words: &str) {
        (self.config.say)(words);
    }

    /// The daemon ends: whoever waits stops waiting.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives as long as the daemon does.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// `LOGID:SEQ`.
    pub fn cursor(&self, seq: u64) -> String {
        format!("{}:{seq}", self.log().id())
    }

    /// The seq in a cursor: `LOGID:SEQ`, or a plain seq.
    pub fn seq_of(&self, cursor: &str) -> Result<u64, Refusal> {
        let wrong = || Refusal::bad_request(format!("{cursor:?} is no cursor"));
        let seq = match cursor.split_once(':') {
            Some((log, seq)) => {
                let log: LogId = log.parse().map_err(|_| wrong())?;
                if log != self.log().id() {
                    return Err(Refusal::conflict(format!("{cursor:?} is of another log")));
                }
                seq
            }
            None => cursor,
        };
        let seq: u64 = seq.parse().map_err(|_| wrong())?;
        let watermark = self.reader.watermark();
        if seq > watermark {
            let message = format!("seq {seq} is beyond the newest, {watermark}");
            return Err(Refusal::bad_request(message));
        }
        Ok(seq)
    }

    /// Records what `sm` did in a thread.
    pub fn note(&self, thread: &str, message: &Synthetic) -> Result<Receipt, Refusal> {
        Ok(self.scribe.note(now(), thread, message)?)
    }

    /// The same, and waits until the tables tell of it.
    pub async fn noted(&self, thread: &str, message: &Synthetic) -> Result<Receipt, Refusal> {
        let receipt = self.note(thread, message)?;
        self.folded_to(receipt.last).await?;
        Ok(receipt)
    }

    /// Looks at the tables, all of it at one moment.
    pub fn look<T, E: From<StoreError>>(
        &self,
        question: impl FnOnce(&View<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        question(&self.store.view()?)
    }

    /// Waits until the tables tell of record `seq`.
    pub async fn folded_to(&self, seq: u64) -> Result<(), Refusal> {
        match tokio::time::timeout(self.config.fold_patience, self.folded.reach(seq)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::stopping()),
            Err(_) => Err(Refusal::new(503, "timeout", "the projections do not follow the log")
                .hint("the daemon's log says why")
                .retryable()),
        }
    }

    /// The same, however long the folds take. False if the daemon ends before.
    pub async fn folded_at_last(&self, seq: u64) -> bool {
        while let Err(error) = self.folded_to(seq).await {
            self.say(&format!("record {seq} is not folded yet: {error}"));
            if !self.pause(AGAIN).await {
                return false;
            }
        }
        true
    }

    /// Waits. False if the daemon ends before.
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.stopped() => false,
        }
    }

    /// Waits until the tables tell all that is in the log now.
    pub async fn caught_up(&self) -> Result<(), Refusal> {
        self.folded_to(self.log().accepted()).await
    }

    /// Waits a moment for the tables to tell all that is in the log now. Where they are far behind,
    /// what is shown says how far they are.
    pub async fn fresh(&self) {
        let seq = self.log().accepted();
        // Late or not, the answer is of one moment, and says of which.
        let _ = tokio::time::timeout(FRESH_PATIENCE, self.folded.reach(seq)).await;
    }

    /// Waits until `look` finds something in the tables; `None` once `patience` is over.
    pub async fn until<T>(
        &self,
        patience: Duration,
        mut look: impl FnMut(&View<'_>) -> Result<Option<T>, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        let mut folded = self.folded.seq();
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            folded.borrow_and_update();
            if let Some(found) = self.look(&mut look)? {
                return Ok(Some(found));
            }
            tokio::select! {
                changed = folded.changed() => if changed.is_err() {
                    return Err(Refusal::stopping());
                },
                () = tokio::time::sleep_until(deadline) => return Ok(None),
            }
        }
    }

    /// Finds the session that a word means.
    pub fn find(&self, word: &str, by: Option<&str>) -> Result<Selection, Refusal> {
        self.look(|view| views::find(view, word, by)).map_err(Refusal::from)
    }

    /// The session's row as it is now.
    pub fn session(&self, thread: &str) -> Result<Selection, Refusal> {
        self.look(|view| {
            let sid = view.get::<Threads>(&thread.to_owned())?;
            let session = match sid {
                Some(sid) => view.get::<Sessions>(&sid)?.map(|session| Selection { sid, session }),
                None => None,
            };
            session.ok_or_else(|| Refusal::not_found(format!("no session has thread {thread}")))
        })
    }

    /// Keeps where a caller would look for codex, for when a server of that CODEX_HOME is chosen. An
    /// agent does not choose what the others' server is.
    pub fn keep_search(&self, caller: &Caller, home: &Path, told: Option<&CodexSearch>) {
        if let Some(told) = told.filter(|_| caller.is_user()) {
            self.pool.prefer(home, told.to_search());
        }
    }

    /// Whether `ancestor` is above `sid` in the family tree.
    pub fn is_above(&self, ancestor: Sid, sid: Sid) -> Result<bool, Refusal> {
        Ok(self.ancestors(sid)?.contains(&ancestor))
    }

    /// Whether two sessions hang under the same root.
    pub fn is_family(&self, a: Sid, b: Sid) -> Result<bool, Refusal> {
        let root = |sid| Ok::<_, Refusal>(self.ancestors(sid)?.last().copied().unwrap_or(sid));
        Ok(root(a)? == root(b)?)
    }

    /// The sessions above one, the nearest first.
    pub fn ancestors(&self, sid: Sid) -> Result<Vec<Sid>, Refusal> {
        let above = self.look(|view| family::above(view, sid))?;
        Ok(above.into_iter().map(|(sid, _)| sid).collect())
    }

    /// The CODEX_HOME that a session lives under.
    pub fn codex_home_of(&self, session: &Session) -> Result<PathBuf, Refusal> {
        let source = self.look(|view| view.get::<Sources>(&session.source))?;
        match source {
            Some(source) if source.kind == SourceKind::AppServer => {
                Ok(source.path.map_or_else(|| self.config.codex_home.clone(), PathBuf::from))
            }
            Some(_) => Err(Refusal::dead(format!(
                "session {} was imported: there is no process behind it",
                session.id
            ))),
            None => Err(Refusal::dead(format!("nothing is known of session {}", session.id))),
        }
    }

    /// The CODEX_HOME of a running server; the daemon's own where it runs no more.
    pub fn codex_home_of_source(&self, source: u64) -> PathBuf {
        let mut running = self.pool.running().into_iter();
        let server = running.find(|server| server.source == source);
        server.map_or_else(|| self.config.codex_home.clone(), |found| found.codex_home.clone())
    }

    /// A session as a document, whether it is live looked up.
    pub fn document(&self, thread: &str) -> Result<Value, Refusal> {
        let doc = self.look(|view| {
            let Some(sid) = view.get::<Threads>(&thread.to_owned())? else { return Ok(None) };
            views::session_doc(view, sid)
        });
        let doc = doc.map_err(|error: StoreError| Refusal::from(error))?;
        let doc = doc.ok_or_else(|| Refusal::not_found(format!("no session {thread}")))?;
        Ok(self.documents(vec![doc])?.pop().unwrap_or_default())
    }

    /// Sessions as documents; whether they are live, and what keeps those that are to be resumed, looked up.
    pub fn documents(&self, docs: Vec<SessionDoc>) -> Result<Vec<Value>, Refusal> {
        let mut values = Vec::with_capacity(docs.len());
        for mut doc in docs {
            let mut comeback = None;
            if doc.source == Some(SourceKind::AppServer.as_str()) {
                let session = self.session(&doc.thread_id)?.session;
                doc.live = Some(self.is_live(&session));
                let comes_back = self.look(|view| views::comes_back(view, &session))?;
                comeback = comes_back.then(|| self.revivals.comeback(&session.thread_id));
            }
            let mut value = to_value(&doc);
            value["resuming"] = to_value(&comeback);
            values.push(value);
        }
        Ok(values)
    }

    /// Whether the process that would report a change of the session runs.
    pub fn is_live(&self, session: &Session) -> bool {
        !session.gone && self.pool.by_source(session.source, session.generation).is_some()
    }

    /// Takes the session's lock.
    pub async fn lock(&self, thread: &str) -> OwnedMutexGuard<()> {
        self.locks.take(thread.to_owned()).await
    }

    /// The same, where nobody has it.
    pub fn try_lock(&self, thread: &str) -> Option<OwnedMutexGuard<()>> {
        self.locks.try_take(thread.to_owned())
    }
}

/// Does what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(500, "failed", format!("the work was cut short: {error}")))
}

/// Runs a call to its end, even if whoever called goes away in the middle of it.
pub(crate) async fn whole<T: Send + 'static>(
    call: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(call).await;
    done.unwrap_or_else(|error| {
        Err(Refusal::new(500, "failed", format!("the call broke: {error}")))
    })
}

/// A document as JSON. Documents are plain data, so this cannot fail.
pub(crate) fn to_value(document: &impl serde::Serialize) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}
