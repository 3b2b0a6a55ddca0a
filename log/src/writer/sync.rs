//! The sync stage: from the file to the medium, for all that was written before; and the one who leads
//! those who wait for it.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::{Core, Failed, SOFT_BYTES, SyncStage};
use crate::watermark::Place;

/// How long a sync is held back at most for those that the last one served, and how long for each
/// of them.
const SIBLINGS_WAIT: Duration = Duration::from_micros(400);
const SIBLING_WAIT: Duration = Duration::from_micros(80);
const SOFT_BYTES_MAX: usize = 4 << 20;
const SOFT_UNIT_MICROS: u128 = 400;
/// A sync of more bytes gains nothing from zeros ahead.
const BULK_BYTES: u64 = 256 << 10;

impl Core {
    /// Syncs all that was written before the call. Stops at a failure, which is noted.
    pub fn sync_stage(&self, _stage: &mut SyncStage) {
        let (dirty, before, upto) = {
            let tail = self.tail.lock();
            if tail.failed.is_some() || tail.written == tail.synced {
                return;
            }
            (tail.dirty.clone(), tail.synced, tail.written)
        };
        if self.names_dirty.swap(false, SeqCst)
            && let Err(error) = self.storage.sync_names()
        {
            self.names_dirty.store(true, SeqCst);
            return self.fail(error, Failed::Write);
        }
        self.ring.hold();
        let start = Instant::now();
        let failed = match planted!(AcknowledgeBeforeSync) {
            true => None,
            false => dirty.iter().find_map(|active| active.file.sync().err()),
        };
        self.ring.release();
        if let Some(error) = failed {
            if planted!(BelieveLaterSync) {
                return;
            }
            return self.fail(error, Failed::Sync);
        }
        self.synced(upto);
        if self.makes_zeros() {
            let same = before.serial == upto.serial;
            let bytes = upto.position - if same { before.position } else { 0 };
            self.bulk.store(bytes > BULK_BYTES || self.expects_bulk.load(SeqCst), SeqCst);
            // What one sync can take, and as much to be written meanwhile.
            let units = start.elapsed().as_micros() / SOFT_UNIT_MICROS + 1;
            self.ring.set_soft((SOFT_BYTES * units as usize).min(SOFT_BYTES_MAX));
        }
    }

    fn synced(&self, upto: Place) {
        let mut tail = self.tail.lock();
        tail.synced = upto;
        let more = tail.written.seq > upto.seq;
        tail.dirty.retain(|active| {
            active.identity.serial > upto.serial || more && active.identity.serial == upto.serial
        });
        let mut done = Vec::new();
        while tail.in_flight.front().is_some_and(|w| w.batch.last_seq() <= upto.seq) {
            done.extend(tail.in_flight.pop_front());
        }
        drop(tail);
        self.synced_seq.store(upto.seq, SeqCst);
        let woken = self.publish(|mark| {
            mark.synced = upto;
            if upto.seq >= mark.watermark.seq {
                mark.watermark = upto;
            }
        });
        self.siblings.store(woken, SeqCst);
        self.ring.recycle(done.into_iter().map(|written| (written.batch, written.bytes)));
        self.recovered();
    }

    /// Writes and syncs all that is there; false if somebody else is at it.
    pub fn lead(&self) -> bool {
        if self.leading.swap(true, SeqCst) {
            return false;
        }
        let _leading = Leading(self);
        self.await_siblings();
        self.write_stage(&mut self.write.lock());
        self.sync_stage(&mut self.sync.lock());
        true
    }

    /// Gives those who waited for the last sync, and were woken by it, the time to hand over what
    /// comes next: so that one sync serves them all.
    fn await_siblings(&self) {
        let siblings = self.siblings.load(SeqCst) as u64;
        if siblings < 2 {
            return;
        }
        let (start, synced) = (Instant::now(), self.synced_seq.load(SeqCst));
        let (mut arrived, mut last) = (0, start);
        loop {
            let (now, came) = (Instant::now(), self.ring.accepted().saturating_sub(synced));
            if came > arrived {
                (arrived, last) = (came, now);
            }
            if came > siblings || now - last > SIBLING_WAIT || now - start > SIBLINGS_WAIT {
                return;
            }
            std::thread::yield_now();
        }
    }
}

/// Somebody leads, until it is dropped.
struct Leading<'a>(&'a Core);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.leading.store(false, SeqCst);
        self.0.waiters.next_leads();
    }
}
