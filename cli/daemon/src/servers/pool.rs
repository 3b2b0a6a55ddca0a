//! The running servers: one for each CODEX_HOME and Codex version in use.
//!
//! What always holds: of one CODEX_HOME and version at most one server takes new turns; who starts one
//! holds its slot's lock. One that gives way to another takes none and goes on until it is empty.

use crate::api;
use crate::guard::guard;
use crate::said::is_unknown_method;
use serde_json::json;
use sm_ingest::app_server::{AppServer, CallError, Codex, Incoming, Search, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// The variable that marks a server and all that it started, whatever group or session they are in.
pub(crate) const MARK: &str = "SM_SERVER";

/// How long one may take to say whether it knows a method.
const ASKING: Duration = Duration::from_secs(3);

/// A running server.
pub(crate) struct Server {
    pub app: AppServer,
    pub source: u64,
    pub generation: u32,
    pub codex_home: PathBuf,
    pub codex: Codex,
    pub born: Instant,
    /// What it gives way to; empty while it takes turns.
    successor: OnceLock<Codex>,
    /// Why it is ended on purpose.
    why: OnceLock<String>,
    /// It is of a release that unloads no thread.
    keeps_threads: OnceLock<()>,
    /// The threads that it has unloaded since they were last loaded here.
    unloaded: watch::Sender<BTreeSet<String>>,
}

impl Server {
    pub fn new(app: AppServer, of: (u64, u32), codex_home: PathBuf, codex: Codex) -> Server {
        Server {
            app,
            source: of.0,
            generation: of.1,
            codex_home,
            codex,
            born: Instant::now(),
            successor: OnceLock::new(),
            why: OnceLock::new(),
            keeps_threads: OnceLock::new(),
            unloaded: watch::Sender::default(),
        }
    }

    /// From now on no turn begins here: `successor` takes its place. Returns whether that is new.
    pub fn give_way_to(&self, successor: &Codex) -> bool {
        self.successor.set(successor.clone()).is_ok()
    }

    /// What it gives way to.
    pub fn successor(&self) -> Option<&Codex> {
        self.successor.get()
    }

    pub fn is_draining(&self) -> bool {
        self.successor.get().is_some()
    }

    /// Ends it on purpose; `why` is what the record of its end says.
    pub async fn end(&self, why: &str, patience: Duration) {
        let _ = self.why.set(why.to_owned());
        self.app.end(patience).await;
    }

    /// Why it was ended, if it was on purpose.
    pub fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }

    /// Whether it knows a method that is about a thread, by its own word: it is asked without one, which does
    /// nothing. None where it does not answer.
    pub async fn knows(&self, method: &str) -> Option<bool> {
        match self.app.call(method, json!({}), ASKING).await {
            Err(error) if is_unknown_method(&error) => Some(false),
            Ok(_) | Err(CallError::Refused { .. }) => Some(true),
            Err(_) => None,
        }
    }

    /// It knows no call that has it let go of a thread.
    pub fn cannot_unload(&self) {
        let _ = self.keeps_threads.set(());
    }

    /// Whether its threads stay with it to its end.
    pub fn keeps_threads(&self) -> bool {
        self.keeps_threads.get().is_some()
    }

    /// It says that it has unloaded a thread.
    pub fn has_unloaded(&self, thread: String) {
        self.unloaded.send_if_modified(|unloaded| unloaded.insert(thread));
    }

    /// A thread is about to be loaded or unloaded here: what it said of it before counts no more.
    pub fn forget(&self, thread: &str) {
        self.unloaded.send_if_modified(|unloaded| unloaded.remove(thread));
    }

    /// Waits until it says that it has unloaded a thread; false once `patience` is over.
    pub async fn unloaded(&self, thread: &str, patience: Duration) -> bool {
        let mut unloaded = self.unloaded.subscribe();
        let told = unloaded.wait_for(|unloaded| unloaded.contains(thread));
        matches!(tokio::time::timeout(patience, told).await, Ok(Ok(_)))
    }
}

/// What the servers of one CODEX_HOME and version have in common, one after the other.
#[derive(Default)]
pub(crate) struct Slot {
    /// Held while a server is started.
    pub starting: tokio::sync::Mutex<()>,
    /// How often in a row one ended early.
    pub failures: Mutex<u32>,
}

/// The running servers.
#[derive(Default)]
pub(crate) struct Pool {
    slots: Mutex<BTreeMap<(PathBuf, Version), Arc<Slot>>>,
    /// Where the user's last call for a CODEX_HOME would look for codex.
    searches: Mutex<BTreeMap<PathBuf, Search>>,
    /// Every server whose end is not recorded yet.
    servers: Mutex<Vec<Arc<Server>>>,
}

impl Pool {
    pub fn slot(&self, codex_home: &Path, version: Version) -> Arc<Slot> {
        let key = (codex_home.to_path_buf(), version);
        Arc::clone(guard(&self.slots).entry(key).or_default())
    }

    /// Waits until no server is being started any more. Where the daemon ends, none will be again.
    pub async fn started(&self) {
        let slots: Vec<_> = guard(&self.slots).values().cloned().collect();
        for slot in slots {
            drop(slot.starting.lock().await);
        }
    }

    /// Keeps where to look for codex for a CODEX_HOME.
    pub fn prefer(&self, codex_home: &Path, search: Search) {
        guard(&self.searches).insert(codex_home.to_path_buf(), search);
    }

    /// Where to look for codex for a CODEX_HOME, if anybody told.
    pub fn preferred(&self, codex_home: &Path) -> Option<Search> {
        guard(&self.searches).get(codex_home).cloned()
    }

    pub fn add(&self, server: &Arc<Server>) {
        guard(&self.servers).push(Arc::clone(server));
    }

    /// Its end is recorded.
    pub fn remove(&self, server: &Server) {
        let is_other = |other: &Arc<Server>| {
            (other.source, other.generation) != (server.source, server.generation)
        };
        guard(&self.servers).retain(is_other);
    }

    /// Whether a life of that source runs or is not recorded as ended yet.
    pub fn uses(&self, source: u64) -> bool {
        guard(&self.servers).iter().any(|server| server.source == source)
    }

    /// The servers of that CODEX_HOME and version. Of those that run and do not give way there is one at
    /// most while nobody holds the slot's lock.
    pub fn of(&self, codex_home: &Path, version: Version) -> Vec<Arc<Server>> {
        let is_it = |server: &&Arc<Server>| {
            server.codex_home == codex_home && server.codex.version == version
        };
        guard(&self.servers).iter().filter(is_it).cloned().collect()
    }

    /// Every server that runs, also those that give way.
    pub fn running(&self) -> Vec<Arc<Server>> {
        let servers = guard(&self.servers);
        servers.iter().filter(|server| server.app.is_running()).cloned().collect()
    }

    /// The server that is, or just was, in that life of that source.
    pub fn known(&self, source: u64, generation: u32) -> Option<Arc<Server>> {
        let servers = guard(&self.servers);
        let is_it =
            |server: &&Arc<Server>| (server.source, server.generation) == (source, generation);
        servers.iter().find(is_it).cloned()
    }

    /// The server that is in that life of that source.
    pub fn by_source(&self, source: u64, generation: u32) -> Option<Arc<Server>> {
        self.known(source, generation).filter(|server| server.app.is_running())
    }

    /// The running servers, as `GET /healthz` shows them.
    pub fn documents(&self) -> Vec<api::Server> {
        self.running().iter().map(|server| document(server)).collect()
    }
}

/// A server as it is shown.
pub(crate) fn document(server: &Server) -> api::Server {
    api::Server {
        source: server.source,
        generation: server.generation,
        pid: Some(server.app.process().pid),
        codex_home: server.codex_home.to_string_lossy().into_owned(),
        codex_version: Some(server.codex.version.to_string()),
        binary: Some(server.codex.binary.to_string_lossy().into_owned()),
        draining: server.is_draining(),
        gives_way_to: server.successor().map(|codex| codex.version.to_string()),
        up_ms: Some(u64::try_from(server.born.elapsed().as_millis()).unwrap_or(u64::MAX)),
        ..api::Server::default()
    }
}

/// A server that was started, and what it says of itself from its first word on.
pub(crate) struct Started {
    pub server: Arc<Server>,
    pub incoming: mpsc::UnboundedReceiver<Incoming>,
}
