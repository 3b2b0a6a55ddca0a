//! Time travel: the tables as they were after some record, of the sessions that are asked about.
//!
//! What always holds: a past moment is made by the same folds as the present, over the same records; so
//! it is what the tables were, and nothing is kept for it but the log. Only records that can matter are
//! read: those of the sessions asked about and of the sessions that name them, and what was noted of
//! their sources. Where that would be most of the log, all of it is folded up to the moment. What was
//! trimmed comes from the snapshot.

use crate::fold::{fold, fold_gap};
use crate::projector::{FoldError, Projector};
use crate::rows::{ANCESTORS_MAX, Session, Sid, Source};
use crate::snapshot::Snapshots;
use crate::state::State;
use crate::store::{Commit, Store, StoreError, View};
use crate::table::Key;
use crate::tables::{Children, Requests, Sessions, Sources, Threads};
use sm_log::{GapReason, ReadError, Reader};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Beyond this share of all records up to the moment, reading them in their order is quicker.
const MOST_OF_THE_LOG: u64 = 3;

/// How many records are folded between two reports of progress.
const REPORT_RECORDS: usize = 4096;

/// Which sessions are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One session.
    Session(Sid),
    /// One session and all its descendants.
    Family(Sid),
    /// Those with the newest records then, so many of them.
    Newest(usize),
    /// Those whose requests waited then.
    Waiting,
}

/// What was after a record, made at a path of its own.
pub struct Moment {
    /// The tables of then, as far as they were asked for.
    pub store: Arc<Store>,
    /// Whether every session of then is among them.
    pub whole: bool,
}

/// Makes at `path`, where nothing is, the tables as they were after record `at`, as far as `scopes` ask:
/// on top of the snapshot where the log was trimmed. `live` are the tables now, folded to `at` or
/// further. `progress` is told the last seq folded.
///
/// # Errors
/// [`ReadError::BelowFloor`] for a moment that the snapshot is later than.
pub fn moment(
    live: &View<'_>,
    log: &Reader,
    snapshots: &Snapshots,
    at: u64,
    scopes: &[Scope],
    path: &Path,
    progress: impl FnMut(u64),
) -> Result<Moment, FoldError> {
    let floor = log.floor();
    if at == 0 {
        // Before everything.
        let store = Arc::new(Store::open(path, &log.id(), Commit::AtTheEnd)?);
        return Ok(Moment { store, whole: true });
    }
    if at + 1 < floor {
        return Err(ReadError::BelowFloor { seq: at, floor }.into());
    }
    let store = Arc::new(snapshots.begin(path, log)?);
    let whole = fold_what_matters(live, log, at, scopes, &store, progress)?;
    Ok(Moment { store, whole })
}

fn fold_what_matters(
    live: &View<'_>,
    log: &Reader,
    at: u64,
    scopes: &[Scope],
    store: &Arc<Store>,
    mut progress: impl FnMut(u64),
) -> Result<bool, FoldError> {
    let floor = log.floor();
    let mut wanted = Wanted {
        live,
        log,
        at,
        floor,
        threads: BTreeSet::new(),
        seqs: BTreeSet::new(),
        records: 0,
        all: false,
    };
    for scope in scopes {
        wanted.scope(*scope)?;
    }
    if wanted.records.saturating_mul(MOST_OF_THE_LOG) > at + 1 - floor {
        Projector::new(Arc::clone(store), log.clone())?.fold_to(at, REPORT_RECORDS, progress)?;
        return Ok(true);
    }
    let all = wanted.all;
    let seqs = wanted.all_seqs()?;
    let mut state = State::default();
    let base = store.view()?;
    for (done, seq) in seqs.iter().enumerate() {
        match log.get(*seq) {
            Ok(record) => fold(&mut state, &base, &record.record()),
            Err(ReadError::Gap(gap)) if gap.reason == GapReason::Trimmed => {
                return Err(FoldError::Trimmed);
            }
            Err(ReadError::BelowFloor { .. }) => return Err(FoldError::Trimmed),
            Err(ReadError::Gap(gap)) => fold_gap(&mut state, &gap),
            Err(error) => return Err(error.into()),
        }
        if done % REPORT_RECORDS == 0 {
            progress(*seq);
        }
    }
    base.sound()?;
    store.write(&state.leave(at))?;
    Ok(all)
}

/// The records that matter, while they are gathered.
struct Wanted<'v, 's> {
    live: &'v View<'s>,
    log: &'v Reader,
    at: u64,
    floor: u64,
    /// Threads whose every record matters.
    threads: BTreeSet<String>,
    /// Further records.
    seqs: BTreeSet<u64>,
    /// How many records the threads have, roughly.
    records: u64,
    /// No session of then is left out.
    all: bool,
}

impl Wanted<'_, '_> {
    fn scope(&mut self, scope: Scope) -> Result<(), FoldError> {
        match scope {
            Scope::Session(sid) => Ok(self.session(sid)?),
            Scope::Family(root) => {
                let mut open = vec![root];
                while let Some(sid) = open.pop() {
                    self.session(sid)?;
                    self.live.scan::<Children>(&sid.to_bytes(), &[], |(_, child), ()| {
                        open.push(child);
                        true
                    })?;
                }
                Ok(())
            }
            Scope::Newest(count) => self.newest(count),
            Scope::Waiting => Ok(self.waiting()?),
        }
    }

    /// A session, its ancestors, whose items may name it, and the thread it was forked from.
    fn session(&mut self, sid: Sid) -> Result<(), StoreError> {
        let mut next = Some(sid);
        for _ in 0..ANCESTORS_MAX {
            let Some(sid) = next else { break };
            let Some(session) = self.live.get::<Sessions>(&sid)? else { break };
            if !self.thread(&session) {
                break;
            }
            if let Some(origin) = session.forked_from.as_ref()
                && let Some(origin) = self.live.get::<Threads>(origin)?
                && let Some(origin) = self.live.get::<Sessions>(&origin)?
            {
                self.thread(&origin);
            }
            next = session.parent;
        }
        Ok(())
    }

    /// Whether the thread was not wanted before.
    fn thread(&mut self, session: &Session) -> bool {
        let new = self.threads.insert(session.thread_id.clone());
        if new {
            let thread = session.thread_id.as_bytes();
            let kept = self.log.first_revision(thread).map_or(0, |first| first - 1);
            self.records += session.counts.records.saturating_sub(kept);
        }
        new
    }

    /// The sessions with the newest records then. Also those that only others name stand in a list that
    /// is long enough: they come with all.
    fn newest(&mut self, count: usize) -> Result<(), FoldError> {
        let newest = self.log.newest_sessions(self.at, count)?;
        self.all = newest.len() < count;
        for (thread, _) in newest {
            let thread = String::from_utf8_lossy(&thread).into_owned();
            if let Some(sid) = self.live.get::<Threads>(&thread)? {
                self.session(sid)?;
            }
        }
        Ok(())
    }

    fn waiting(&mut self) -> Result<(), StoreError> {
        let mut waited = Vec::new();
        let at = self.at;
        let floor = self.floor;
        self.live.scan::<Requests>(&[], &[], |seq, request| {
            let waits_then = request.end_seq.is_none_or(|end| end > at);
            // In the snapshot it waits; by then it does not.
            let waited_before = seq < floor && request.end_seq.is_some_and(|end| end >= floor);
            if seq <= at && (waits_then || waited_before) {
                waited.push((seq, request.session));
            }
            seq <= at
        })?;
        for (seq, session) in waited {
            match session {
                Some(session) => self.session(session)?,
                None => drop(self.seqs.insert(seq)),
            }
        }
        Ok(())
    }

    /// Every record that matters, in the log's order.
    fn all_seqs(mut self) -> Result<Vec<u64>, FoldError> {
        let (log, at) = (self.log, self.at);
        let first = self.floor;
        let mut seqs = Vec::new();
        for thread in &self.threads {
            seqs.extend(log.seqs(thread.as_bytes(), at)?);
        }
        seqs.extend(self.seqs.iter().copied());
        seqs.sort_unstable();
        self.live.scan::<Sources>(&[], &[], |number, source| {
            if spans_any(&source, &seqs) {
                notes(number, &source, &mut self.seqs);
            }
            number <= at
        })?;
        seqs.extend(self.seqs);
        seqs.retain(|seq| (first..=at).contains(seq));
        seqs.sort_unstable();
        seqs.dedup();
        Ok(seqs)
    }
}

/// Whether one of `seqs`, in order, lies among the source's records.
fn spans_any(source: &Source, seqs: &[u64]) -> bool {
    let (Some(first), Some(last)) = (source.first_seq, source.last_seq) else { return false };
    let from = seqs.partition_point(|seq| *seq < first);
    seqs.get(from).is_some_and(|seq| *seq <= last)
}

/// The records that tell of the source itself and of its lives.
fn notes(number: u64, source: &Source, seqs: &mut BTreeSet<u64>) {
    seqs.insert(number);
    seqs.extend(source.greeted_seq);
    for life in &source.generations {
        seqs.extend(life.started_seq);
        seqs.extend(life.ended_seq);
    }
}
