//! The running servers: one for each CODEX_HOME, started when first needed.
//!
//! What always holds: at most one server runs for a CODEX_HOME; its end is recorded before another
//! one begins; what it lost is resumed, or declared stopped, never replaced by something fresh.

use crate::api;
use crate::daemon::{Daemon, now};
use crate::problem::Refusal;
use crate::{input, requests, resume};
use serde_json::json;
use sm_ingest::app_server::{
    AppServer, Codex, Incoming, Launch, LocateError, StartError, Version, end_marked, locate,
};
use sm_projections::rows::{Source, SourceKind};
use sm_projections::tables::Sources;
use sm_protocol::Kind;
use sm_protocol::synthetic::{GenerationEnded, SourceOpened, Synthetic};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The most lives of one source; the next one is another source.
const GENERATIONS_MAX: usize = 4000;

/// A restarted server is left alone for so long after its first, second … failure.
const BACK_OFF_FIRST: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// A server that lived so long had not failed at its start.
const LIVED: Duration = Duration::from_secs(60);

/// How often a restart is tried; after that the next call starts it.
const RESTARTS_MAX: u32 = 8;

/// Variables of a caller's own session, which are none of another's.
const ENV_REMOVE: &[&str] = &["SM_SESSION_ID", "CODEX_THREAD_ID"];

/// The variable that marks a server and all that it started, whatever group or session they are in.
pub(crate) const MARK: &str = "SM_SERVER";

/// A running server.
pub(crate) struct Server {
    pub app: AppServer,
    pub source: u64,
    pub generation: u32,
    pub codex_home: PathBuf,
    pub version: Version,
    born: Instant,
}

#[derive(Default)]
struct Slot {
    /// Held while a server is started.
    starting: tokio::sync::Mutex<()>,
    server: Mutex<Option<Arc<Server>>>,
    /// How often in a row it ended early.
    failures: Mutex<u32>,
}

impl Slot {
    fn running(&self) -> Option<Arc<Server>> {
        let server = guard(&self.server).clone();
        server.filter(|server| server.app.is_running())
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running servers.
#[derive(Default)]
pub(crate) struct Pool {
    slots: Mutex<BTreeMap<PathBuf, Arc<Slot>>>,
}

impl Pool {
    fn slot(&self, codex_home: &Path) -> Arc<Slot> {
        Arc::clone(guard(&self.slots).entry(codex_home.to_path_buf()).or_default())
    }

    /// Every server that runs.
    pub fn running(&self) -> Vec<Arc<Server>> {
        guard(&self.slots).values().filter_map(|slot| slot.running()).collect()
    }

    /// The server that is in that life of that source.
    pub fn by_source(&self, source: u64, generation: u32) -> Option<Arc<Server>> {
        let mut running = self.running().into_iter();
        running.find(|server| server.source == source && server.generation == generation)
    }

    /// The running servers, as `GET /healthz` shows them.
    pub fn documents(&self) -> Vec<api::Server> {
        let running = self.running();
        let document = |server: &Arc<Server>| api::Server {
            source: server.source,
            generation: server.generation,
            pid: Some(server.app.process().pid),
            codex_home: server.codex_home.to_string_lossy().into_owned(),
            codex_version: Some(server.version.to_string()),
        };
        running.iter().map(document).collect()
    }
}

impl Daemon {
    /// The server for a CODEX_HOME, started if none runs.
    pub async fn server(self: &Arc<Self>, codex_home: &Path) -> Result<Arc<Server>, Refusal> {
        let slot = self.pool.slot(codex_home);
        let _starting = slot.starting.lock().await;
        if let Some(server) = slot.running() {
            return Ok(server);
        }
        if self.is_stopping() {
            return Err(Refusal::stopping());
        }
        // The end of the one before is recorded before the next begins.
        let before = guard(&slot.server).clone();
        if let Some(before) = before {
            self.recorded_end(&before).await?;
        }
        let server = self.start(codex_home).await?;
        *guard(&slot.server) = Some(Arc::clone(&server));
        Ok(server)
    }

    async fn start(self: &Arc<Self>, codex_home: &Path) -> Result<Arc<Server>, Refusal> {
        let search = self.config.search.clone();
        let named = search.explicit.clone();
        let codex = blocking(move || locate(&search)).await?;
        let codex = codex.map_err(|error| not_located(error, named.as_deref()))?;
        self.caught_up().await?;
        let (source, generation) = self.source_of(&codex, codex_home)?;
        let started = Started {
            binary: codex.binary.clone(),
            version: codex.version,
            codex_home: codex_home.to_path_buf(),
        };
        let launch = Launch {
            binary: codex.binary.clone(),
            codex_home: codex_home.to_path_buf(),
            source,
            generation,
            env: vec![(MARK.to_owned(), self.mark(source))],
            env_remove: ENV_REMOVE.iter().map(|&name| name.to_owned()).collect(),
        };
        let log = self.log().clone();
        let (app, incoming) = blocking(move || AppServer::spawn(log, &launch))
            .await?
            .map_err(|error| started.failed(error))?;
        let server = Arc::new(Server {
            app,
            source,
            generation,
            codex_home: codex_home.to_path_buf(),
            version: codex.version,
            born: Instant::now(),
        });
        // Attended from the first: whatever becomes of it, its end is recorded.
        tokio::spawn(Arc::clone(self).attend(Arc::clone(&server), incoming));
        match server.app.greet("sm", &self.config.version).await {
            Ok(_) => Ok(server),
            Err(error) => {
                server.app.end(Duration::from_millis(500)).await;
                self.recorded_end(&server).await?;
                Err(started.failed(error))
            }
        }
    }

    /// The source and life that a server to be started is: the newest source of the same binary and
    /// CODEX_HOME goes on with another life.
    fn source_of(&self, codex: &Codex, codex_home: &Path) -> Result<(u64, u32), Refusal> {
        let path = codex_home.to_string_lossy().into_owned();
        let version = codex.version.to_string();
        let binary = codex.binary.to_string_lossy().into_owned();
        let is_same = |source: &Source| {
            source.kind == SourceKind::AppServer
                && source.path.as_deref() == Some(&path)
                && source.codex_version.as_deref() == Some(&version)
                && source.binary.as_deref() == Some(&binary)
                && source.generations.len() < GENERATIONS_MAX
        };
        let mut newest = None;
        self.look(|view| {
            view.scan::<Sources>(&[], &[], |number, source| {
                if is_same(&source) {
                    newest = Some((number, source.generations.len() as u32));
                }
                true
            })
        })?;
        if let Some(newest) = newest {
            return Ok(newest);
        }
        let opened = Synthetic::SourceOpened(SourceOpened {
            kind: SourceKind::AppServer.as_str().to_owned(),
            provider: "codex".to_owned(),
            path: Some(path.clone()),
            codex_version: Some(version.clone()),
            binary: Some(binary.clone()),
            ..SourceOpened::default()
        });
        Ok((self.note("", &opened)?.first, 0))
    }

    /// Attends to what a server says of itself, to its end.
    fn attend(
        self: Arc<Self>,
        server: Arc<Server>,
        mut incoming: mpsc::UnboundedReceiver<Incoming>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // Boxed, because what it starts may start a server that is attended to again.
        Box::pin(async move {
            while let Some(said) = incoming.recv().await {
                match said {
                    Incoming::Request(call) => requests::arrived(&self, &server, call),
                    Incoming::Notification { seq, kind: Kind::TURN_COMPLETED, thread } => {
                        tokio::spawn(input::deliver_after(Arc::clone(&self), thread, seq));
                    }
                    Incoming::Ended(ended) => {
                        self.lost(&server, &ended.reason, &ended.stderr).await;
                        break;
                    }
                    _ => {}
                }
            }
        })
    }

    async fn lost(self: &Arc<Self>, server: &Arc<Server>, reason: &str, stderr: &str) {
        let reason = match self.is_stopping() {
            true => "ended with the daemon".to_owned(),
            false => reason.to_owned(),
        };
        self.say(&format!("codex {} {reason}", server.app.process().pid));
        if !self.is_stopping() && !stderr.is_empty() {
            self.say(stderr);
        }
        self.end_leftovers(server.source).await;
        if let Err(error) = self.note_end(server.source, server.generation, &reason).await {
            return self.say(&format!("the end of a server was not recorded: {error}"));
        }
        let slot = self.pool.slot(&server.codex_home);
        let failures = {
            let mut failures = guard(&slot.failures);
            *failures = if server.born.elapsed() < LIVED { *failures + 1 } else { 0 };
            *failures
        };
        if !self.is_stopping() && failures <= RESTARTS_MAX {
            tokio::spawn(Arc::clone(self).restart(Arc::clone(server), failures));
        }
    }

    /// What the mark of a source's processes says.
    fn mark(&self, source: u64) -> String {
        format!("{}:{source}", self.log().id())
    }

    /// Ends what a source's ended life left behind: commands that had moved to sessions of their own.
    pub async fn end_leftovers(&self, source: u64) {
        let mark = self.mark(source);
        let ended = blocking(move || end_marked(MARK, &mark)).await;
        if let Ok(ended @ 1..) = ended {
            self.say(&format!("{ended} processes that codex left behind were ended"));
        }
    }

    /// Records that a life ended, and waits until the tables say so.
    pub async fn note_end(
        &self,
        source: u64,
        generation: u32,
        reason: &str,
    ) -> Result<(), Refusal> {
        let ended = Synthetic::GenerationEnded(GenerationEnded {
            source,
            generation,
            reason: reason.to_owned(),
        });
        let receipt = self.scribe.note_of(source, generation, now(), "", &ended)?;
        self.folded_to(receipt.last).await
    }

    /// Waits until a server's end is recorded.
    pub async fn recorded_end(&self, server: &Server) -> Result<(), Refusal> {
        let recorded = self.until(Duration::from_secs(10), |view| {
            let source = view.get::<Sources>(&server.source)?;
            let lives = source.map(|source| source.generations).unwrap_or_default();
            Ok(lives.get(server.generation as usize).and_then(|life| life.ended_at))
        });
        recorded.await.map(drop)
    }

    /// Starts a server again for the sessions that lost theirs.
    async fn restart(self: Arc<Self>, before: Arc<Server>, failures: u32) {
        let lost = match resume::attached(&self, before.source, before.generation) {
            Ok(lost) if lost.is_empty() => return,
            Ok(lost) => lost,
            Err(error) => return self.say(&format!("nothing was resumed: {error}")),
        };
        for failures in failures..=RESTARTS_MAX {
            let pause = BACK_OFF_FIRST * 2u32.saturating_pow(failures.min(16));
            tokio::select! {
                () = tokio::time::sleep(pause.min(BACK_OFF_MAX)) => {}
                () = self.stopped() => return,
            }
            match self.server(&before.codex_home).await {
                Ok(_) => return resume::resume_all(&self, lost).await,
                Err(error) => self.say(&format!("codex was not started again: {error}")),
            }
        }
    }
}

/// What was started, for the case that it failed.
struct Started {
    binary: PathBuf,
    version: Version,
    codex_home: PathBuf,
}

impl Started {
    fn failed(&self, error: StartError) -> Refusal {
        let refusal = Refusal::from(error);
        if !matches!(refusal.problem.code.as_str(), "codex_died" | "codex_missing") {
            return refusal;
        }
        let Started { binary, version, codex_home } = self;
        let message = format!("codex {version}: {}", refusal.problem.message);
        Refusal::new(refusal.status, &refusal.problem.code, message)
            .retryable()
            .hint(format!(
                "CODEX_HOME={} {} app-server shows more by hand; look at config.toml there",
                codex_home.display(),
                binary.display()
            ))
            .details(json!({ "binary": binary, "version": version.to_string(), "codex_home": codex_home }))
    }
}

/// Where one binary and no other was to be taken, the remedy is to name another one.
fn not_located(error: LocateError, named: Option<&Path>) -> Refusal {
    let refusal = Refusal::from(error);
    let Some(named) = named else { return refusal };
    let first = match refusal.problem.code.as_str() {
        "codex_too_old" => "`npm install -g @openai/codex` brings a newer one; ",
        _ => "",
    };
    refusal.hint(format!(
        "{first}SM_CODEX={} names this one: set it to a codex binary, SM_CODEX=/path/to/codex sm …, \
         or unset it, so that PATH is searched; `sm serve --stop` before, because a daemon keeps the \
         one that it was started with",
        named.display()
    ))
}

/// Does what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(500, "failed", format!("the work was cut short: {error}")))
}
