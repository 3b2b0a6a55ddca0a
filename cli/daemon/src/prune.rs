//! What both ways to prune have in common: the daemon's, and that of a command where no daemon runs.
//!
//! What always holds: only whole oldest segments go, and none that something open still needs. First
//! the snapshot of what the folds made of them is durable, then the record that tells of the trim, then
//! they go: whoever opens the log after a crash in between finds either that nothing has happened, or
//! the record, and does the rest ([`finish`]).

use crate::api::{Kept, Prune, Pruned};
use crate::problem::Refusal;
use sm_ingest::Scribe;
use sm_log::{Log, ReadError, Reader, Segment};
use sm_projections::tables::Sessions;
use sm_projections::views::{Hold, holds, newest_floor};
use sm_projections::{FoldError, Snapshots, View};
use sm_protocol::synthetic::{LogCapped, LogTrimmed, Synthetic};
use std::collections::BTreeMap;

/// What is kept where no limit is named.
pub const OLDER_THAN_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// What the log may take where no limit is named.
pub const MAX_BYTES: u64 = 20_000_000_000;

/// What is to go, and what was found on the way to that.
#[derive(Debug)]
pub struct Plan {
    /// As it is shown.
    pub pruned: Pruned,
    /// The sessions of which older records are not served any more: revision and seq.
    capped: BTreeMap<String, (u64, u64)>,
    cap: u64,
    /// All that goes is sealed.
    sealed: bool,
}

impl Plan {
    /// What `wish` means for the log as it is at `now` (Unix microseconds). `view` must be folded to
    /// the log's end. Nothing is changed.
    pub fn new(log: &Reader, view: &View<'_>, wish: &Prune, now: i64) -> Result<Plan, Refusal> {
        let unlimited = wish.older_than_ms.is_none()
            && wish.max_bytes.is_none()
            && wish.max_records_per_session.is_none();
        let older_than_ms = wish.older_than_ms.or(unlimited.then_some(OLDER_THAN_MS));
        let max_bytes = wish.max_bytes.or(unlimited.then_some(MAX_BYTES));
        let too_old = older_than_ms.map(|ms| now.saturating_sub_unsigned(ms.saturating_mul(1000)));
        let segments = log.segments()?;
        let open = holds(view)?;
        let open: Vec<Hold> =
            open.into_iter().filter(|hold| !(wish.past_imports && hold.imported)).collect();
        let mut pruned = Pruned {
            older_than_ms,
            max_bytes,
            floor_before: log.floor(),
            floor: log.floor(),
            kept_bytes: segments.iter().map(|segment| segment.bytes).sum(),
            ..Pruned::default()
        };
        let mut sealed = true;
        // The last one is being written to.
        for segment in segments.iter().take(segments.len().saturating_sub(1)) {
            let is_old =
                too_old.is_some_and(|too_old| appended_by(segment).is_some_and(|by| by < too_old));
            let is_much = max_bytes.is_some_and(|most| pruned.kept_bytes > most);
            if !is_old && !is_much {
                break;
            }
            if let Some(hold) = open.first().filter(|hold| hold.seq <= segment.last) {
                pruned.held_by = Some(hold.clone());
                break;
            }
            pruned.segments += 1;
            pruned.bytes += segment.bytes;
            pruned.kept_bytes -= segment.bytes;
            pruned.floor = segment.last + 1;
            sealed &= segment.sealed;
        }
        pruned.records = pruned.floor - pruned.floor_before;
        let cap = wish.max_records_per_session.unwrap_or(0);
        let capped = match cap {
            0 => BTreeMap::new(),
            most => capped(log, view, most, &open)?,
        };
        pruned.capped_sessions = capped.len() as u64;
        Ok(Plan { pruned, capped, cap, sealed })
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.pruned.segments == 0 && self.capped.is_empty()
    }

    /// Does it, as `by` asked at `now` (Unix microseconds). `progress` is told the last seq folded for
    /// the snapshot.
    pub fn apply(
        mut self,
        scribe: &Scribe,
        snapshots: &Snapshots,
        by: &str,
        now: i64,
        progress: impl FnMut(u64),
    ) -> Result<Pruned, Refusal> {
        self.cap(scribe, by, now)?;
        if self.pruned.segments > 0 {
            self.keep(&scribe.log().reader(), snapshots, progress)?;
            self.tell(scribe, by, now)?;
            self.drop_records(scribe.log())?;
            snapshots.sweep(self.pruned.floor)?;
        }
        self.pruned.applied = true;
        Ok(self.pruned)
    }

    /// Raises sessions' floors.
    fn cap(&mut self, scribe: &Scribe, by: &str, now: i64) -> Result<(), Refusal> {
        if !self.capped.is_empty() {
            let sessions = std::mem::take(&mut self.capped);
            let capped = LogCapped { records: self.cap, sessions, by: by.to_owned() };
            scribe.note(now, "", &Synthetic::LogCapped(capped))?.wait()?;
        }
        Ok(())
    }

    /// 1. Keeps what the folds made of the records that will go.
    fn keep(
        &mut self,
        log: &Reader,
        snapshots: &Snapshots,
        progress: impl FnMut(u64),
    ) -> Result<(), Refusal> {
        let kept = snapshots.keep(log, self.pruned.floor - 1, progress)?;
        self.pruned.snapshot = Some(Kept { seq: kept.seq, bytes: kept.bytes, blake3: kept.blake3 });
        Ok(())
    }

    /// 2. Records that they go.
    fn tell(&mut self, scribe: &Scribe, by: &str, now: i64) -> Result<(), Refusal> {
        let Pruned { floor, records, bytes, segments, .. } = self.pruned;
        let snapshot = self.pruned.snapshot.as_ref().map(|kept| kept.blake3.clone());
        let snapshot = snapshot.unwrap_or_default();
        let trimmed = LogTrimmed { floor, records, bytes, segments, snapshot, by: by.to_owned() };
        let receipt = scribe.note(now, "", &Synthetic::LogTrimmed(trimmed))?;
        receipt.wait()?;
        self.pruned.trim_seq = Some(receipt.first);
        Ok(())
    }

    /// 3. Drops them.
    fn drop_records(&mut self, log: &Log) -> Result<(), Refusal> {
        if !self.sealed {
            log.seal()?;
        }
        let floor = log.trim(self.pruned.floor)?;
        if floor < self.pruned.floor {
            let wanted = self.pruned.floor;
            let message = format!("the log begins at {floor} yet, not at {wanted}");
            return Err(Refusal::new(500, "failed", message)
                .hint("a segment could not be sealed; the next `sm prune --apply` goes on"));
        }
        Ok(())
    }
}

/// Does what a prune that was cut off had recorded and not done. `view` must be folded to the log's end.
pub fn finish(log: &Log, view: &View<'_>, snapshots: &Snapshots) -> Result<(), FoldError> {
    let floor = log.reader().floor();
    let Some(told) = newest_floor(view)?.filter(|told| *told > floor) else {
        return snapshots.sweep(floor);
    };
    // Without its snapshot nothing goes: the next prune makes one.
    if snapshots.read(&log.id(), told - 1).is_ok() {
        log.seal()?;
        let floor = log.trim(told)?;
        snapshots.sweep(floor)?;
    }
    Ok(())
}

/// When all of the segment's records had been appended at the latest, in Unix microseconds.
fn appended_by(segment: &Segment) -> Option<i64> {
    if segment.sealed && segment.made.is_some() {
        return segment.made;
    }
    let written = std::fs::metadata(&segment.file).and_then(|meta| meta.modified()).ok()?;
    let since = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}

/// The sessions with more than `most` records, and where the newest `most` of each begin. One that
/// needs an older record stays as it is.
fn capped(
    log: &Reader,
    view: &View<'_>,
    most: u64,
    open: &[Hold],
) -> Result<BTreeMap<String, (u64, u64)>, Refusal> {
    let mut long = Vec::new();
    view.scan::<Sessions>(&[], &[], |sid, session| {
        let revision = (session.counts.records + 1).saturating_sub(most);
        if revision > session.floor.map_or(1, |(revision, _)| revision) {
            long.push((sid, session.thread_id, revision));
        }
        true
    })?;
    let mut capped = BTreeMap::new();
    for (sid, thread, revision) in long {
        let seq = match log.revision(thread.as_bytes(), revision) {
            Ok(Some(seq)) => seq,
            // Trimmed, or not in the log yet.
            Ok(None) | Err(ReadError::NoRevision { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        if !open.iter().any(|hold| hold.sid == Some(sid) && hold.seq < seq) {
            capped.insert(thread, (revision, seq));
        }
    }
    Ok(capped)
}

impl From<FoldError> for Refusal {
    fn from(error: FoldError) -> Refusal {
        match error {
            FoldError::Store(error) => error.into(),
            FoldError::Log(error) => error.into(),
            other => Refusal::new(500, "failed", other.to_string()),
        }
    }
}
