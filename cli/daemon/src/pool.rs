//! The running servers: one for each CODEX_HOME.
//!
//! What always holds: at most one server runs for a CODEX_HOME; who starts one holds its slot's lock.

use crate::api;
use sm_ingest::app_server::{AppServer, Incoming, Search, Version};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;

/// The variable that marks a server and all that it started, whatever group or session they are in.
pub(crate) const MARK: &str = "SM_SERVER";

/// A running server.
pub(crate) struct Server {
    pub app: AppServer,
    pub source: u64,
    pub generation: u32,
    pub codex_home: PathBuf,
    pub version: Version,
    pub born: Instant,
}

#[derive(Default)]
pub(crate) struct Slot {
    /// Held while a server is started.
    pub starting: tokio::sync::Mutex<()>,
    pub server: Mutex<Option<Arc<Server>>>,
    /// Where the user's last call for it would look for codex.
    pub search: Mutex<Option<Search>>,
    /// How often in a row it ended early.
    pub failures: Mutex<u32>,
}

impl Slot {
    pub fn running(&self) -> Option<Arc<Server>> {
        let server = guard(&self.server).clone();
        server.filter(|server| server.app.is_running())
    }
}

pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running servers.
#[derive(Default)]
pub(crate) struct Pool {
    slots: Mutex<BTreeMap<PathBuf, Arc<Slot>>>,
}

impl Pool {
    pub fn slot(&self, codex_home: &Path) -> Arc<Slot> {
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

/// A server that was started, and what it says of itself from its first word on.
pub(crate) struct Started {
    pub server: Arc<Server>,
    pub incoming: mpsc::UnboundedReceiver<Incoming>,
}
