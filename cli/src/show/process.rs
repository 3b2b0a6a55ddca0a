//! Whether the process that would report a session's next change is alive.
//!
//! What always holds: a pid counts only together with the process's start time, so a number that was
//! given away again is never taken for the old process; and a process that is not found is gone only where
//! it would be found: a sandbox or a container has pids of its own, and tells nothing of those outside.

use sm_daemon::api::{Comeback, Servers};
use sm_daemon::{Client, Home, ProcessId};
use sm_projections::StoreError;
use sm_projections::rows::{Session, Source, SourceKind};
use sm_projections::tables::{Sessions, ShortIds, Sources};
use sm_projections::{View, views};
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::Path;

/// Looks each source and process up once, for one answer.
pub struct Lives {
    /// The data directory; `None`: nothing is known of any process.
    home: Option<Home>,
    /// Whether the processes that it names are seen from here, once that was asked.
    sees: Option<bool>,
    sources: HashMap<u64, Option<Source>>,
    alive: HashMap<(u32, Option<u64>), Option<bool>>,
    /// What the daemon says of its servers, once that was asked; none where none answers.
    servers: Option<Option<Servers>>,
}

impl Lives {
    /// Looks at the processes that the log of a data directory names.
    pub fn new(home: Home) -> Lives {
        Lives { home: Some(home), ..Lives::unknown() }
    }

    /// Looks nowhere: of no session is known whether it is live.
    pub fn unknown() -> Lives {
        Lives {
            home: None,
            sees: None,
            sources: HashMap::new(),
            alive: HashMap::new(),
            servers: None,
        }
    }

    /// Whether the session with that short id is live; `None` for imports and where nothing tells, as in a
    /// sandbox.
    pub fn of_id(&mut self, view: &View<'_>, id: &str) -> Result<Option<bool>, StoreError> {
        let Some(sid) = view.get::<ShortIds>(&id.to_owned())? else { return Ok(None) };
        match view.get::<Sessions>(&sid)? {
            Some(session) => self.of(view, &session),
            None => Ok(None),
        }
    }

    /// Whether the session is live.
    pub fn of(&mut self, view: &View<'_>, session: &Session) -> Result<Option<bool>, StoreError> {
        let alive = self.of_life(view, session.source, session.generation)?;
        let is_over = session.ended || session.gone || session.archived;
        Ok(match self.sources.get(&session.source) {
            Some(Some(source)) if source.kind == SourceKind::AppServer && is_over => Some(false),
            _ => alive,
        })
    }

    /// What keeps the session with that short id, if a running daemon is to resume it. Where none runs, nothing
    /// is.
    pub fn comeback_of_id(
        &mut self,
        view: &View<'_>,
        id: &str,
    ) -> Result<Option<Comeback>, StoreError> {
        let Some(sid) = view.get::<ShortIds>(&id.to_owned())? else { return Ok(None) };
        let Some(session) = view.get::<Sessions>(&sid)? else { return Ok(None) };
        self.comeback(view, &session)
    }

    /// The same of a session.
    pub fn comeback(
        &mut self,
        view: &View<'_>,
        session: &Session,
    ) -> Result<Option<Comeback>, StoreError> {
        if !views::comes_back(view, session)? {
            return Ok(None);
        }
        Ok(self.servers().map(|servers| servers.comeback(&session.thread_id)))
    }

    /// The sessions that a running daemon is to resume, each by its first record.
    pub fn coming_back(&mut self, view: &View<'_>) -> Result<BTreeSet<u64>, StoreError> {
        if self.home.is_none() {
            return Ok(BTreeSet::new());
        }
        let coming = views::coming_back(view)?;
        let is_asked = !coming.is_empty() && self.servers().is_some();
        Ok(if is_asked { coming } else { BTreeSet::new() })
    }

    fn servers(&mut self) -> Option<&Servers> {
        let home = self.home.as_ref()?;
        let ask = || Client::connect(home).ok()?.servers().ok();
        self.servers.get_or_insert_with(ask).as_ref()
    }

    /// Whether that source is a server, and no transcript; of one that was looked up.
    pub fn is_of_server(&self, source: u64) -> bool {
        let found = self.sources.get(&source);
        found.is_some_and(|row| row.as_ref().is_some_and(|row| row.kind == SourceKind::AppServer))
    }

    /// Whether that life of that source goes on; `None` for imports and where nothing tells.
    pub fn of_life(
        &mut self,
        view: &View<'_>,
        source: u64,
        generation: u32,
    ) -> Result<Option<bool>, StoreError> {
        let Some(home) = &self.home else { return Ok(None) };
        let source = match self.sources.get(&source) {
            Some(source) => source,
            None => {
                let row = view.get::<Sources>(&source)?;
                self.sources.entry(source).or_insert(row)
            }
        };
        let Some(source) = source.as_ref().filter(|row| row.kind == SourceKind::AppServer) else {
            return Ok(None);
        };
        let Some(life) = source.generations.get(generation as usize) else {
            return Ok(None);
        };
        Ok(match (life.ended_at, life.pid) {
            (Some(_), _) => Some(false),
            (None, Some(pid)) => {
                let process = (pid, life.pid_started);
                let sees = &mut self.sees;
                *self.alive.entry(process).or_insert_with(|| {
                    if is_alive(pid, process.1) {
                        return Some(true);
                    }
                    let sees = *sees.get_or_insert_with(|| sees_processes(&home.log_dir()));
                    sees.then_some(false)
                })
            }
            (None, None) => None,
        })
    }
}

/// Whether the processes that the log in `log_dir` names would be found here. Its writer tells: one that has
/// the lock and is not found under its pid is in another pid namespace, or there is no `/proc`. Where nobody
/// has it, nobody is left to report of what the last one ran.
pub fn sees_processes(log_dir: &Path) -> bool {
    let writer = sm_log::holder(log_dir).and_then(ProcessId::of);
    writer.is_some_and(|writer| writer.has_open(&log_dir.join(sm_log::LOCK_FILE)))
        || sm_log::is_locked(log_dir) == Some(false)
}

/// Whether that very process is alive.
pub fn is_alive(pid: u32, started: Option<u64>) -> bool {
    let process = match started {
        Some(started) => Some(ProcessId { pid, started }),
        None => ProcessId::of(pid),
    };
    process.is_some_and(|process| process.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_under_its_own_start_time_only() {
        let pid = std::process::id();
        assert!(is_alive(pid, None));
        assert!(!is_alive(pid, Some(1)));
        assert!(!is_alive(u32::MAX - 1, None));
    }

    #[test]
    fn processes_are_seen_unless_the_writer_is_somewhere_else() {
        let dir = tempfile::tempdir().unwrap();
        assert!(sees_processes(dir.path()), "there is no writer");
        let lock = sm_log::lock(dir.path()).unwrap();
        assert!(sees_processes(dir.path()), "this process is the writer");
        // As in a sandbox: the pid is somebody else's there, or nobody's.
        for pid in [1, u32::MAX - 1] {
            std::fs::write(dir.path().join(sm_log::LOCK_FILE), format!("{pid}\n")).unwrap();
            assert!(!sees_processes(dir.path()), "{pid}");
        }
        drop(lock);
        assert!(sees_processes(dir.path()), "nobody writes any more");
    }
}
