//! Whether the process that would report a session's next change is alive.
//!
//! What always holds: a pid counts only together with the process's start time, so a number that was
//! given away again is never taken for the old process.

use sm_daemon::ProcessId;
use sm_projections::StoreError;
use sm_projections::View;
use sm_projections::rows::{Session, Source, SourceKind};
use sm_projections::tables::{Sessions, ShortIds, Sources};
use std::collections::HashMap;

/// Looks each source and process up once, for one answer.
#[derive(Default)]
pub struct Lives {
    /// Nothing is known of any process.
    unknown: bool,
    sources: HashMap<u64, Option<Source>>,
    alive: HashMap<(u32, Option<u64>), bool>,
}

impl Lives {
    /// Looks nowhere: of no session is known whether it is live.
    pub fn unknown() -> Lives {
        Lives { unknown: true, ..Lives::default() }
    }

    /// Whether the session with that short id is live; `None` for imports and where nothing tells.
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
        let is_over = session.ended || session.gone;
        Ok(match self.sources.get(&session.source) {
            Some(Some(source)) if source.kind == SourceKind::AppServer && is_over => Some(false),
            _ => alive,
        })
    }

    /// Whether that life of that source goes on; `None` for imports and where nothing tells.
    pub fn of_life(
        &mut self,
        view: &View<'_>,
        source: u64,
        generation: u32,
    ) -> Result<Option<bool>, StoreError> {
        if self.unknown {
            return Ok(None);
        }
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
                let alive = self.alive.entry(process).or_insert_with(|| is_alive(pid, process.1));
                Some(*alive)
            }
            (None, None) => None,
        })
    }
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
}
