//! The two stages of writing: *write*, from the ring into the active segment, and *sync*, from the
//! file to the medium. Each has its lock, so that the next frames are written while the last ones
//! are synced. Whoever waits for a record may do the work of a stage himself; threads of the log do
//! it for those who do not wait.
//!
//! * Locks are taken in this order: write stage, sync stage, tail, ring or page.
//! * A batch stays in the tail until it is synced. When a write or a sync fails, all in the tail
//!   goes back to the ring and is written again into a new segment; the old one is left behind and
//!   no byte in it that was not known durable is believed.
//! * The watermark never falls, and is published after what it says is true.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::bell::Ringer;
use crate::error::OpenError;
use crate::frame::{self, FrameKind};
use crate::options::{Durability, Options};
use crate::prepare::{Ahead, Prepared};
use crate::progress::Progress;
use crate::ring::{Batch, Ring};
use crate::segment::{self, Form, HEADER_LEN, Identity};
use crate::storage::{File, Storage};
use crate::waiters::Waiters;
use crate::watermark::{Mark, Page, PageWriter, Place};

const BACK_OFF_MIN: Duration = Duration::from_millis(1);
/// How long a sync is held back at most for those that the last one served, and how long for each
/// of them.
const SIBLINGS_WAIT: Duration = Duration::from_micros(400);
const SIBLING_WAIT: Duration = Duration::from_micros(80);
/// Bytes in the ring for each so many microseconds that a sync takes.
const SOFT_BYTES: usize = 512 << 10;
const SOFT_BYTES_MAX: usize = 4 << 20;
const SOFT_UNIT_MICROS: u128 = 400;
/// Frames that are shorter are copied into one piece for writing.
const ONE_PIECE: usize = 16 << 10;
const ALLOCATE_MIN: u64 = 64 << 10;
const ALLOCATE_MAX: u64 = 8 << 20;
/// A sync of more bytes gains nothing from zeros ahead.
const BULK_BYTES: u64 = 256 << 10;

/// The segment that is written.
pub struct Active {
    pub identity: Identity,
    pub seed: u32,
    pub file: Arc<dyn File>,
    pub ahead: Ahead,
}

impl Active {
    /// `made`: how far its file is made.
    pub fn new(identity: Identity, file: Arc<dyn File>, made: u64) -> Active {
        Active { identity, seed: identity.seed(), file, ahead: Ahead::new(made) }
    }
}

/// All that the stages share.
pub struct Core {
    pub storage: Arc<dyn Storage>,
    pub options: Options,
    pub ring: Ring,
    pub progress: Arc<Progress>,
    pub write: Mutex<WriteStage>,
    pub sync: Mutex<SyncStage>,
    pub tail: Mutex<Tail>,
    pub page: Mutex<Published>,
    pub troubles: Mutex<Troubles>,
    /// Something failed, and the next success has not come yet.
    pub uneasy: AtomicBool,
    /// A segment was made whose name is not durable yet.
    pub names_dirty: AtomicBool,
    /// `tail.synced.seq`, to be read without the tail.
    pub synced_seq: AtomicU64,
    /// Nothing is written any more.
    pub closed: AtomicBool,
    /// Somebody who waits writes and syncs for all.
    pub leading: AtomicBool,
    /// Wakes who syncs what nobody waits for.
    pub unsynced: Condvar,
    pub unsynced_wait: Mutex<()>,
    /// Tells other processes.
    pub ringer: Ringer,
    /// Who waits for what was given to be acknowledged.
    pub waiters: Waiters,
    /// How many waited for the last sync: as many may be about to write.
    pub siblings: AtomicUsize,
    /// Wakes the sealer: there is a segment to seal, or the log is closed.
    pub rolled: Condvar,
    pub sealing_wait: Mutex<()>,
    /// The active segment, and how far it was when it last took space: for who prepares.
    pub active: Mutex<(Arc<Active>, u64)>,
    pub prepared: Mutex<Option<Prepared>>,
    /// Wakes who prepares.
    pub make_room: Condvar,
    pub make_room_wait: Mutex<()>,
    /// Held by who prepares.
    pub preparing: Mutex<()>,
    /// The last sync took many bytes.
    pub bulk: AtomicBool,
    /// Held by who seals.
    pub sealing: Mutex<()>,
}

/// The write stage's own: where the next frame goes.
pub struct WriteStage {
    pub active: Arc<Active>,
    pub position: u64,
    /// How far the file was made when it was last looked at.
    pub allocated: u64,
    /// Beyond that, whoever prepares is asked for more.
    pub ask_at: u64,
    pub next_serial: u64,
    pub head: Vec<u8>,
    pub closed: bool,
}

/// The sync stage's own: nothing but the right to sync.
pub struct SyncStage;

/// What is written and not known to be on the medium.
pub struct Tail {
    pub in_flight: VecDeque<Written>,
    /// Segments with bytes that were not synced, in order.
    pub dirty: Vec<Arc<Active>>,
    pub written: Place,
    pub synced: Place,
    /// A write or sync failed: the active segment must be left.
    pub failed: Option<Failed>,
}

/// What failed, in rising order of what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failed {
    Write,
    /// Nothing is known of what was written and not synced before.
    Sync,
}

/// A batch that lies in a segment.
pub struct Written {
    batch: Batch,
    bytes: usize,
}

/// The page, and what it says.
pub struct Published {
    pub page: Page,
    pub writer: PageWriter,
    pub mark: Mark,
}

/// What went wrong so far.
#[derive(Default)]
pub struct Troubles {
    pub errors: u64,
    pub last: Option<Arc<io::Error>>,
    pub in_a_row: u32,
    pub retry_at: Option<Instant>,
    pub lost: Vec<(u64, u64)>,
    /// Acknowledged without a sync, and then the sync failed.
    pub doubtful: Vec<(u64, u64)>,
}

impl Tail {
    pub fn new(end: Place) -> Tail {
        Tail {
            in_flight: VecDeque::new(),
            dirty: Vec::new(),
            written: end,
            synced: end,
            failed: None,
        }
    }
}

impl Core {
    /// A log that goes on at the stage's place.
    pub fn new(
        storage: Arc<dyn Storage>,
        options: Options,
        published: Published,
        stage: WriteStage,
        tail: Tail,
    ) -> Core {
        Core {
            ring: Ring::new(options.ring_bytes),
            storage,
            options,
            progress: Arc::new(Progress::new(published.mark.watermark.seq)),
            synced_seq: AtomicU64::new(tail.synced.seq),
            active: Mutex::new((stage.active.clone(), stage.position)),
            write: Mutex::new(stage),
            sync: Mutex::new(SyncStage),
            tail: Mutex::new(tail),
            page: Mutex::new(published),
            troubles: Mutex::new(Troubles::default()),
            uneasy: AtomicBool::new(false),
            names_dirty: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            leading: AtomicBool::new(false),
            unsynced: Condvar::new(),
            unsynced_wait: Mutex::new(()),
            ringer: Ringer::default(),
            waiters: Waiters::default(),
            siblings: AtomicUsize::new(0),
            rolled: Condvar::new(),
            sealing_wait: Mutex::new(()),
            sealing: Mutex::new(()),
            prepared: Mutex::new(None),
            make_room: Condvar::new(),
            make_room_wait: Mutex::new(()),
            preparing: Mutex::new(()),
            bulk: AtomicBool::new(false),
        }
    }

    /// Readers refuse what is below from now on.
    pub fn publish_floor(&self, floor: u64) {
        self.publish(|mark| mark.floor = mark.floor.max(floor));
    }

    /// Writes and syncs what recovery has put into the ring.
    pub fn write_again(&self) -> Result<(), OpenError> {
        if self.ring.is_empty() {
            return Ok(());
        }
        self.write_stage(&mut self.write.lock());
        self.sync_stage(&mut self.sync.lock());
        match self.troubles.lock().last.take() {
            None => Ok(()),
            Some(error) => {
                let source = io::Error::new(error.kind(), error);
                Err(OpenError::io("write", self.storage.path(""))(source))
            }
        }
    }

    fn keeps_until_synced(&self) -> bool {
        self.options.durability != Durability::Os
    }

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
        let durable_before = self.synced_seq.load(SeqCst);
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
        } else if tail.failed == Some(Failed::Sync) {
            // Not kept in memory, so they cannot be written again: all there is to do is say so.
            tail.dirty.clear();
            let doubtful = (tail.synced.seq + 1, tail.written.seq);
            self.troubles.lock().doubtful.push(doubtful);
            tail.failed = Some(Failed::Write);
        }
        self.roll(stage, first_seq)?;
        tail.failed = None;
        Ok(())
    }

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
            self.bulk.store(bytes > BULK_BYTES, SeqCst);
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

    /// Says how far the log is; gives how many waited for that.
    fn publish(&self, change: impl FnOnce(&mut Mark)) -> usize {
        let mut page = self.page.lock();
        let before = page.mark;
        change(&mut page.mark);
        if page.mark.watermark.seq < before.watermark.seq {
            // Rewritten after a failure: seen when it has caught up with what was seen before.
            page.mark.watermark = before.watermark;
        }
        let mark = page.mark;
        page.writer.write(&mark);
        if mark.watermark.seq > before.watermark.seq {
            self.progress.advance(mark.watermark.seq);
        } else {
            self.progress.bump();
        }
        drop(page);
        let woken = self.waiters.reached(&mark);
        self.ringer.news();
        woken
    }

    pub fn fail(&self, error: io::Error, failed: Failed) {
        let mut tail = self.tail.lock();
        tail.failed = tail.failed.max(Some(failed));
        self.uneasy.store(true, SeqCst);
        drop(tail);
        let mut troubles = self.troubles.lock();
        let wait = BACK_OFF_MIN * 2u32.saturating_pow(troubles.in_a_row.min(16));
        troubles.errors += 1;
        troubles.in_a_row += 1;
        troubles.last = Some(Arc::new(error));
        troubles.retry_at = Some(Instant::now() + wait.min(self.options.back_off));
        drop(troubles);
        self.progress.bump();
        self.waiters.all();
        self.ring.set_soft(usize::MAX);
        self.ring.wake();
    }

    /// While all is well the line before the disk is short: what it holds stays in the processor's
    /// caches. Where records are kept until a sync at some interval, all the ring is needed.
    pub fn limit_line(&self) {
        if !matches!(self.options.durability, Durability::Interval(_)) {
            self.ring.set_soft(2 * SOFT_BYTES);
        }
    }

    fn recovered(&self) {
        if !self.uneasy.load(SeqCst) || self.tail.lock().failed.is_some() {
            return;
        }
        self.uneasy.store(false, SeqCst);
        let mut troubles = self.troubles.lock();
        troubles.in_a_row = 0;
        troubles.retry_at = None;
        drop(troubles);
        self.limit_line();
    }

    /// Whether the next try is not due yet.
    pub fn backing_off(&self) -> bool {
        self.uneasy.load(SeqCst)
            && self.troubles.lock().retry_at.is_some_and(|at| Instant::now() < at)
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

    /// Whether there is something that no sync has covered.
    pub fn has_unsynced(&self) -> bool {
        let tail = self.tail.lock();
        tail.written != tail.synced || tail.failed.is_some()
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

/// Makes a segment with its header. Neither is durable yet.
pub fn create_segment(storage: &dyn Storage, identity: &Identity) -> io::Result<Arc<dyn File>> {
    let file = storage.create(&identity.name(Form::Plain))?;
    file.write_at(&[&segment::encode_header(identity, Form::Plain, crate::log::now())], 0)?;
    Ok(file)
}
