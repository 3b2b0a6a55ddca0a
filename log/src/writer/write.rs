//! The write stage: from the ring into the active segment, a batch a frame; and on to the next segment
//! when it is full or has failed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::{Active, Core, Failed, WriteStage, Written};
use crate::frame::{self, FrameKind};
use crate::options::Durability;
use crate::ring::Batch;
use crate::segment::{self, Form, HEADER_LEN, Identity};
use crate::storage::{File, Storage};
use crate::watermark::Place;

/// Frames that are shorter are copied into one piece for writing.
const ONE_PIECE: usize = 16 << 10;
const ALLOCATE_MIN: u64 = 64 << 10;
const ALLOCATE_MAX: u64 = 8 << 20;

impl Core {
    /// Writes all batches of the ring. Stops at a failure, which is noted.
    pub fn write_stage(&self, stage: &mut WriteStage) {
        if stage.closed || self.backing_off() {
            return;
        }
        if self.uneasy.load(SeqCst)
            && self.tail.lock().failed.is_some()
            && let Err(error) = self.start_anew(stage)
        {
            return self.fail(error, Failed::Write);
        }
        let mut next = self.ring.pop();
        while let Some(mut batch) = next {
            match self.write_batch(stage, &mut batch) {
                Ok(bytes) => next = self.written(stage, batch, bytes),
                Err(error) => {
                    self.ring.unpop(batch);
                    return self.fail(error, Failed::Write);
                }
            }
        }
    }

    /// Writes one frame; gives the bytes of its records.
    fn write_batch(&self, stage: &mut WriteStage, batch: &mut Batch) -> io::Result<usize> {
        let bytes = batch.records_bytes();
        let len = frame::aligned(frame::HEAD_LEN + batch.lens.len() * 4 + bytes) as u64;
        let end = stage.position + len;
        if end > self.options.segment_bytes && stage.position > HEADER_LEN as u64 {
            self.roll(stage, batch.first_seq)?;
        }
        let durable_before = self.synced_seq.load(SeqCst).max(stage.settled);
        let (seed, position) = (stage.active.seed, stage.position);
        match batch.kind {
            FrameKind::Records => {
                let mut at = 0;
                for (seq, &len) in (batch.first_seq..).zip(&batch.lens) {
                    let record = &mut batch.bytes[at..at + len as usize];
                    frame::seal_record(record, seed, seq);
                    at += len as usize;
                }
                let first = batch.first_seq;
                let lens = &batch.lens;
                frame::encode_head(&mut stage.head, seed, position, first, durable_before, lens);
            }
            kind => {
                let (first, count) = (batch.first_seq, batch.count);
                let head = &mut stage.head;
                frame::encode_missing(head, kind, seed, position, first, durable_before, count);
            }
        }
        batch.bytes.resize(len as usize - stage.head.len(), 0);
        self.allocate(stage, position + len);
        if batch.bytes.len() <= ONE_PIECE {
            stage.head.extend_from_slice(&batch.bytes);
            stage.active.file.write_at(&[&stage.head], position)?;
        } else {
            stage.active.file.write_at(&[&stage.head, &batch.bytes], position)?;
        }
        stage.position = position + len;
        Ok(bytes)
    }

    /// Takes space ahead of the writing, little for a small log and more for a growing one; and
    /// asks for more while there still is some.
    fn allocate(&self, stage: &mut WriteStage, needed: u64) {
        if needed > stage.allocated {
            let zeros_come = self.makes_zeros() && !self.bulk.load(SeqCst);
            let ahead = match zeros_come {
                true => ALLOCATE_MIN,
                false => stage.allocated.clamp(ALLOCATE_MIN, ALLOCATE_MAX),
            };
            let goal = (needed + ahead).next_multiple_of(4096);
            let goal = goal.min(self.options.segment_bytes.next_multiple_of(4096)).max(needed);
            stage.allocated = stage.active.ahead.claim(&*stage.active.file, needed, goal);
            stage.ask_at = needed + (stage.allocated - needed) / 2;
        }
        if needed > stage.ask_at && self.makes_zeros() {
            stage.ask_at = u64::MAX;
            *self.active.lock() = (stage.active.clone(), needed);
            self.make_room.notify_one();
        }
    }

    /// Where nothing is synced, zeros ahead would only cost.
    pub fn makes_zeros(&self) -> bool {
        self.options.durability == Durability::Sync
    }

    /// Notes what was written; gives the next batch to write.
    fn written(&self, stage: &WriteStage, batch: Batch, bytes: usize) -> Option<Batch> {
        let serial = stage.active.identity.serial;
        let place = Place { seq: batch.last_seq(), serial, position: stage.position };
        let mut tail = self.tail.lock();
        tail.written = place;
        if tail.dirty.last().is_none_or(|last| last.identity.serial != serial) {
            tail.dirty.push(stage.active.clone());
        }
        let done = if self.keeps_until_synced() {
            tail.in_flight.push_back(Written { batch, bytes });
            None
        } else {
            Some((batch, bytes))
        };
        drop(tail);
        if self.options.durability != Durability::Sync {
            self.publish(|mark| mark.watermark = place);
            self.recovered();
        }
        self.ring.turn(done)
    }

    /// Leaves the full segment for the next one.
    fn roll(&self, stage: &mut WriteStage, first_seq: u64) -> io::Result<()> {
        let identity =
            Identity { log: stage.active.identity.log, first_seq, serial: stage.next_serial };
        stage.next_serial += 1;
        let prepared = self.prepared.lock().take();
        let (file, made) = match prepared {
            Some(prepared) => prepared.become_segment(&*self.storage, &identity)?,
            None => {
                let file = create_segment(&*self.storage, &identity)?;
                self.names_dirty.store(true, SeqCst);
                (file, HEADER_LEN as u64)
            }
        };
        stage.active = Arc::new(Active::new(identity, file, made));
        stage.position = HEADER_LEN as u64;
        stage.allocated = made;
        // Asked for at once where little is made, else when half of it is used.
        stage.ask_at = made / 2;
        *self.active.lock() = (stage.active.clone(), stage.position);
        self.rolled.notify_all();
        Ok(())
    }

    /// After a failure: everything that is not known durable is to be written again, into a new
    /// segment.
    fn start_anew(&self, stage: &mut WriteStage) -> io::Result<()> {
        let _no_sync_runs = self.sync.lock();
        let mut tail = self.tail.lock();
        let failed = tail.failed;
        let first_seq = match tail.in_flight.front() {
            Some(written) => written.batch.first_seq,
            None => tail.written.seq + 1,
        };
        while let Some(written) = tail.in_flight.pop_back() {
            self.ring.unpop(written.batch);
        }
        if self.keeps_until_synced() {
            tail.dirty.clear();
            tail.written = tail.synced;
        } else if failed == Some(Failed::Sync) {
            // Not kept in memory, so they cannot be written again: all there is to do is say so.
            tail.dirty.clear();
            let doubtful = (tail.synced.seq + 1, tail.written.seq);
            self.troubles.lock().doubtful.push(doubtful);
            // What comes next may be synced, and be all that is left: it tells that these were
            // given away, so that recovery does not end the log where they are damaged.
            stage.settled = tail.written.seq;
            tail.failed = Some(Failed::Write);
        }
        let is_unused = stage.position == HEADER_LEN as u64
            && stage.active.identity.first_seq == first_seq
            && failed == Some(Failed::Write);
        // What nothing was written to yet will do again: each try on a full disk would leave a file.
        if !is_unused {
            self.roll(stage, first_seq)?;
        }
        tail.failed = None;
        Ok(())
    }
}

/// Makes a segment with its header. Neither is durable yet.
pub fn create_segment(storage: &dyn Storage, identity: &Identity) -> io::Result<Arc<dyn File>> {
    let name = identity.name(Form::Plain);
    let file = storage.create(&name)?;
    let header = segment::encode_header(identity, Form::Plain, crate::log::now());
    file.write_at(&[&header], 0).inspect_err(|_| {
        // Only a name, which the next try does not use: left behind if it must be.
        let _ = storage.remove(&name);
    })?;
    Ok(file)
}
