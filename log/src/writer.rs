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

mod sync;
mod write;

pub use write::create_segment;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::bell::Ringer;
use crate::error::OpenError;
use crate::options::{Durability, Options};
use crate::prepare::{Ahead, Prepared};
use crate::progress::Progress;
use crate::ring::{Batch, Ring};
use crate::segment::Identity;
use crate::storage::{File, Storage};
use crate::waiters::Waiters;
use crate::watermark::{Mark, Page, PageWriter, Place};

const BACK_OFF_MIN: Duration = Duration::from_millis(1);
/// Bytes in the ring for each so many microseconds that a sync takes.
const SOFT_BYTES: usize = 512 << 10;

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
    /// Much comes, and nobody waits for any one part.
    pub expects_bulk: AtomicBool,
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
    /// Given away for good, whether it is on the medium or not: what frames say beside what was synced.
    pub settled: u64,
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
            expects_bulk: AtomicBool::new(false),
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

    /// Whether there is something that no sync has covered.
    pub fn has_unsynced(&self) -> bool {
        let tail = self.tail.lock();
        tail.written != tail.synced || tail.failed.is_some()
    }
}
