//! [`Log`]: the one writer of a log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::caps::{FRAME_BYTES, PAYLOAD_BYTES_MAX, SESSION_BYTES_MAX};
use crate::chain::Chain;
use crate::error::{AppendError, Cause, OpenError, ReadError};
use crate::id::LogId;
use crate::lock::WriterLock;
use crate::options::{Durability, Options};
use crate::prepare;
use crate::reader::Reader;
use crate::record::Entry;
use crate::recovery::{self, Recovery};
use crate::ring::Refused;
use crate::seal;
use crate::storage::{Directory, Storage};
use crate::trim;
use crate::writer::Core;

/// The one writer of a log. Clones share it; the directory's lock is held while any clone lives.
///
/// The last clone's end makes everything accepted durable, as far as the disk lets it.
#[derive(Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

struct Handle {
    core: Arc<Core>,
    chain: Arc<Chain>,
    id: LogId,
    threads: Vec<JoinHandle<()>>,
    lock: WriterLock,
}

impl Log {
    /// Opens the log in `dir`, or makes one, 0700 and 0600. [`Recovery`] says what was found.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<(Log, Recovery), OpenError> {
        Log::open_in(Arc::new(Directory::new(dir)), options)
    }

    /// Opens the log in that storage, or makes one.
    pub fn open_in(
        storage: Arc<dyn Storage>,
        options: Options,
    ) -> Result<(Log, Recovery), OpenError> {
        match WriterLock::take(storage.clone())? {
            Some(lock) => Log::open_with(lock, options),
            None => Err(OpenError::Locked {
                dir: storage.path(""),
                pid: storage.lock_holder(crate::lock::NAME),
            }),
        }
    }

    /// Opens the log whose lock was taken before, with [`lock`](crate::lock()).
    pub fn open_with(lock: WriterLock, options: Options) -> Result<(Log, Recovery), OpenError> {
        let opened = recovery::open(lock.storage().clone(), options.clamped())?;
        let mut threads = Vec::new();
        if opened.core.options.background {
            let works = [
                ("log-write", write_thread as fn(&Core)),
                ("log-sync", sync_thread),
                ("log-prepare", prepare_thread),
                ("log-tell", tell_thread),
            ];
            for (name, work) in works {
                let core = opened.core.clone();
                let thread = std::thread::Builder::new().name(name.to_owned());
                let spawned = thread.spawn(move || work(&core));
                threads.push(spawned.map_err(OpenError::io("start a thread for", lock.dir()))?);
            }
        }
        if opened.core.options.background && opened.core.options.seal {
            let (core, chain) = (opened.core.clone(), opened.chain.clone());
            let thread = std::thread::Builder::new().name("log-seal".to_owned());
            let spawned = thread.spawn(move || seal_thread(&core, &chain));
            threads.push(spawned.map_err(OpenError::io("start a thread for", lock.dir()))?);
        }
        let handle =
            Handle { core: opened.core, chain: opened.chain, id: opened.id, threads, lock };
        Ok((Log { handle: Arc::new(handle) }, opened.recovery))
    }

    /// Which log this is.
    pub fn id(&self) -> LogId {
        self.handle.id
    }

    /// Takes the entries in, from any thread. They get the next seqs, one after the other.
    ///
    /// Returns before they are durable: [`Receipt::wait`] waits for that. Waits only while the
    /// ring is full, at most [`Options::patience`]; an error tells what became of the entries.
    pub fn append(&self, entries: &[Entry<'_>]) -> Result<Receipt, AppendError> {
        self.accept(entries, true)
    }

    /// Appends, and waits until the entries are durable. The calling thread does the work itself
    /// where nobody else does: the quickest way for one record, or for one batch.
    pub fn commit(&self, entries: &[Entry<'_>]) -> Result<Receipt, AppendError> {
        let receipt = self.accept(entries, false)?;
        receipt.wait()?;
        Ok(receipt)
    }

    fn accept(&self, entries: &[Entry<'_>], wake: bool) -> Result<Receipt, AppendError> {
        let core = &self.handle.core;
        entries.iter().try_for_each(check)?;
        if entries.is_empty() {
            let last = core.ring.accepted();
            return Ok(Receipt { first: last + 1, last, core: core.clone() });
        }
        match core.ring.accept(entries, core.options.patience, wake) {
            Ok((first, last, queued)) => {
                // A full frame is written at once, by who has it in his cache, if nobody else is at it.
                if wake
                    && queued >= FRAME_BYTES
                    && core.options.durability == Durability::Os
                    && let Some(mut stage) = core.write.try_lock()
                {
                    core.write_stage(&mut stage);
                }
                Ok(Receipt { first, last, core: core.clone() })
            }
            Err(Refused::Closed) => Err(AppendError::Closed),
            Err(Refused::Lost { first, last }) => {
                let mut troubles = core.troubles.lock();
                troubles.lost.push((first, last));
                Err(AppendError::Lost { first, last, cause: Cause(troubles.last.clone()) })
            }
        }
    }

    /// Everything accepted so far is on the medium when this returns; gives the watermark.
    pub fn sync(&self) -> Result<u64, AppendError> {
        let core = &self.handle.core;
        let target = core.ring.accepted();
        let doubtful = core.troubles.lock().doubtful.len();
        drive(core, core.options.patience, true, target)?;
        let troubles = core.troubles.lock();
        match troubles.doubtful.get(doubtful) {
            Some(&(first, last)) => {
                Err(AppendError::Doubtful { first, last, cause: Cause(troubles.last.clone()) })
            }
            None => Ok(core.progress.watermark()),
        }
    }

    /// Makes room for what comes, so that appending need not. The log's own thread does so by
    /// itself, where [`Options::background`] is set.
    pub fn prepare(&self) -> std::io::Result<()> {
        prepare::prepare(&self.handle.core)
    }

    /// Seals all segments that are full and safe now; gives how many. The log's own thread does so
    /// by itself, where [`Options::seal`] and [`Options::background`] are set.
    pub fn seal(&self) -> Result<usize, ReadError> {
        let core = &self.handle.core;
        let _one_at_a_time = core.sealing.lock();
        let mut count = 0;
        while seal::seal_one(core, &self.handle.chain)? {
            count += 1;
        }
        Ok(count)
    }

    /// Removes the sealed segments that lie wholly below `keep_from`; gives the oldest seq that is
    /// kept. Records keep their seqs and revisions. Below it reading is refused
    /// ([`ReadError::BelowFloor`], [`ReadError::NoRevision`]); a cursor that is there comes to a gap
    /// ([`GapReason::Trimmed`](crate::GapReason::Trimmed)), at the latest with its next segment.
    /// After a crash it has happened, or not.
    pub fn trim(&self, keep_from: u64) -> Result<u64, ReadError> {
        let core = &self.handle.core;
        let _nor_sealing = core.sealing.lock();
        trim::trim(core, &self.handle.chain, keep_from)
    }

    /// Says that much comes of which nobody waits for any one part, or that it is over: meanwhile the
    /// log brings more to the medium at once, and makes no zeros ahead. Who does wait is served as ever.
    pub fn expect_bulk(&self, much: bool) {
        let core = &self.handle.core;
        core.expects_bulk.store(much, SeqCst);
        core.bulk.store(much, SeqCst);
    }

    /// The last seq given away.
    pub fn accepted(&self) -> u64 {
        self.handle.core.ring.accepted()
    }

    /// The last seq that readers see.
    pub fn watermark(&self) -> u64 {
        self.handle.core.progress.watermark()
    }

    /// Has `f` called with the watermark after each of its advances, in the thread that made it:
    /// `f` must be quick, and must not wait for the log.
    pub fn on_advance(&self, f: impl Fn(u64) + Send + Sync + 'static) {
        self.handle.core.progress.listen(Box::new(f));
    }

    /// A reader that is woken within the process.
    pub fn reader(&self) -> Reader {
        Reader::new(self.handle.chain.clone())
    }

    /// How the log is doing.
    pub fn health(&self) -> Health {
        let core = &self.handle.core;
        let troubles = core.troubles.lock();
        let mut health = Health {
            persist_errors: troubles.errors,
            last_error: troubles.last.as_ref().map(|error| error.to_string()),
            failing: troubles.in_a_row > 0,
            lost: troubles.lost.clone(),
            doubtful: troubles.doubtful.clone(),
            ..Health::default()
        };
        drop(troubles);
        health.accepted = core.ring.accepted();
        health.watermark = core.progress.watermark();
        health.synced = core.tail.lock().synced.seq;
        health.ring_bytes_used = core.ring.used();
        health.ring_bytes = core.ring.capacity();
        health.waited = core.ring.waited();
        health
    }

    /// The lock this log holds.
    pub fn lock(&self) -> &WriterLock {
        &self.handle.lock
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("id", &self.id()).field("watermark", &self.watermark()).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.ring.close();
        self.core.progress.bump();
        self.core.ringer.news();
        drop(self.core.sealing_wait.lock());
        self.core.rolled.notify_all();
        drop(self.core.unsynced_wait.lock());
        self.core.unsynced.notify_all();
        drop(self.core.make_room_wait.lock());
        self.core.make_room.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing more to do with it.
            let _ = thread.join();
        }
        let core = &self.core;
        let target = core.ring.accepted();
        let _ = drive(core, core.options.patience, true, target);
        core.write.lock().closed = true;
        core.closed.store(true, SeqCst);
        core.waiters.all();
        if core.prepared.lock().take().is_some() {
            // Only space; opening removes it, too.
            let _ = core.storage.remove(crate::prepare::PREPARED);
        }
        core.progress.bump();
    }
}

fn check(entry: &Entry<'_>) -> Result<(), AppendError> {
    let (bytes, max) = (entry.payload.len(), PAYLOAD_BYTES_MAX);
    if bytes > max {
        return Err(AppendError::PayloadTooLong { bytes, max });
    }
    let (bytes, max) = (entry.session.len(), SESSION_BYTES_MAX);
    if bytes > max {
        return Err(AppendError::SessionTooLong { bytes, max });
    }
    Ok(())
}

/// What an append gives: which seqs its entries got, and a way to wait until they are durable.
#[derive(Clone)]
pub struct Receipt {
    /// The first entry's seq.
    pub first: u64,
    /// The last entry's seq; `first - 1` if there was none.
    pub last: u64,
    core: Arc<Core>,
}

impl Receipt {
    /// Waits until the entries are acknowledged as [`Durability`] says. An error means that they
    /// are not, yet: they are still tried, and waiting may be tried again.
    pub fn wait(&self) -> Result<(), AppendError> {
        if self.is_done() {
            return Ok(());
        }
        drive(&self.core, self.core.options.patience, false, self.last)
    }

    /// Whether the entries are acknowledged.
    pub fn is_done(&self) -> bool {
        self.core.progress.watermark() >= self.last
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt").field("first", &self.first).field("last", &self.last).finish()
    }
}

/// How a log is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Health {
    /// The last seq given away.
    pub accepted: u64,
    /// The last seq that readers see.
    pub watermark: u64,
    /// The last seq known to be on the medium.
    pub synced: u64,
    /// Bytes accepted and not yet safe.
    pub ring_bytes_used: usize,
    /// Their bound.
    pub ring_bytes: usize,
    /// Calls that had to wait for room in the ring, or in the short line before the disk that is kept
    /// while all is well.
    pub waited: u64,
    /// Whether the last try to write or sync failed.
    pub failing: bool,
    /// Writes and syncs that failed since the log was opened.
    pub persist_errors: u64,
    /// What the last one said.
    pub last_error: Option<String>,
    /// Seqs lost since the log was opened, because the ring overflowed.
    pub lost: Vec<(u64, u64)>,
    /// Seqs that were acknowledged without a sync whose sync then failed: they can be read now,
    /// and may be gone after a power cut.
    pub doubtful: Vec<(u64, u64)>,
}

/// Does what is to do, or waits for who does it, until `seq` is acknowledged; `synced`: until it is
/// on the medium.
fn drive(core: &Core, patience: Duration, synced: bool, seq: u64) -> Result<(), AppendError> {
    let mut start = None;
    let syncs = synced || core.options.durability == Durability::Sync;
    let done = || match synced {
        true => core.synced_seq.load(SeqCst) >= seq,
        false => core.progress.watermark() >= seq,
    };
    loop {
        let led = if syncs { core.lead() } else { true };
        if !syncs {
            core.write_stage(&mut core.write.lock());
        }
        if done() {
            return Ok(());
        }
        if core.closed.load(SeqCst) {
            return Err(AppendError::Closed);
        }
        let now = Instant::now();
        let start = *start.get_or_insert(now);
        let deadline = start + patience;
        if now >= deadline {
            let cause = Cause(core.troubles.lock().last.clone());
            return Err(AppendError::Stalled { waited: now - start, cause });
        }
        let retry = core.troubles.lock().retry_at.unwrap_or(deadline);
        let until = deadline.min(retry.max(now + Duration::from_millis(1)));
        // Who led and is not done has failed; nobody else would do it before the next try.
        core.waiters.sleep(seq, synced, until, || {
            done() || core.closed.load(SeqCst) || !led && !core.leading.load(SeqCst)
        });
    }
}

/// A producer that comes again so soon is busy.
const BUSY: Duration = Duration::from_micros(30);
const GATHER: Duration = Duration::from_micros(20);
const GATHER_BYTES: usize = 64 << 10;
const IDLE: Duration = Duration::from_millis(500);
/// How long a sync that nobody waits for gathers more, where much is expected.
const BULK_GATHER: Duration = Duration::from_millis(1);
const FAILED: Duration = Duration::from_millis(1);

/// Writes what nobody waits for.
fn write_thread(core: &Core) {
    let mut last = Instant::now();
    while !core.ring.is_closed() {
        if core.backing_off() {
            let epoch = core.progress.epoch();
            core.progress.sleep(epoch, Instant::now() + Duration::from_millis(1));
            continue;
        }
        if core.tail.lock().failed.is_none() {
            core.ring.wait_work(IDLE);
        }
        let begin = Instant::now();
        core.write_stage(&mut core.write.lock());
        if core.options.durability == Durability::Sync {
            sync_or_wake(core);
        } else if begin - last < BUSY && core.ring.queued() < GATHER_BYTES {
            // A busy producer: fewer, larger frames cost both sides less.
            std::thread::sleep(GATHER);
        }
        last = begin;
    }
}

/// Syncs what was just written: on a busy machine each thread that must be woken for it may wait some
/// milliseconds for a processor. Where much comes, another thread syncs, and writing goes on meanwhile.
fn sync_or_wake(core: &Core) {
    let stage = if core.bulk.load(SeqCst) { None } else { core.sync.try_lock() };
    match stage {
        Some(mut stage) => {
            core.sync_stage(&mut stage);
            drop(stage);
            core.progress.bump();
        }
        // Or who syncs now has not seen all of it.
        None => {
            drop(core.unsynced_wait.lock());
            core.unsynced.notify_all();
        }
    }
}

/// Syncs what nobody waits for, and who writes does not.
fn sync_thread(core: &Core) {
    while !core.ring.is_closed() {
        match core.options.durability {
            Durability::Sync => {}
            Durability::Interval(interval) => pause(core, interval),
            Durability::Os => {
                pause(core, IDLE);
                continue;
            }
        }
        if core.has_unsynced() && core.tail.lock().failed.is_none() {
            if core.expects_bulk.load(SeqCst) && core.ring.used() * 4 < core.ring.capacity() {
                std::thread::sleep(BULK_GATHER);
            }
            core.sync_stage(&mut core.sync.lock());
            core.progress.bump();
        } else {
            let mut guard = core.unsynced_wait.lock();
            if !core.has_unsynced() && !core.ring.is_closed() {
                core.unsynced.wait_for(&mut guard, IDLE);
            } else {
                // It failed: who writes starts anew, when it is time.
                core.unsynced.wait_for(&mut guard, FAILED);
            }
        }
    }
}

/// Lets that time go by, but for a ring that fills, which empties by a sync only.
fn pause(core: &Core, time: Duration) {
    let start = Instant::now();
    while !core.ring.is_closed() && start.elapsed() < time {
        if core.ring.used() * 2 > core.ring.capacity() {
            break;
        }
        let until = (start + time).min(Instant::now() + Duration::from_millis(5));
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

/// Tells other processes.
fn tell_thread(core: &Core) {
    let page = core.page.lock().page.clone();
    let watermark = || core.progress.watermark();
    core.ringer.run(watermark, || page.ring_bell(), || core.ring.is_closed());
}

/// Makes room.
fn prepare_thread(core: &Core) {
    while !core.ring.is_closed() {
        if core.makes_zeros() && !core.backing_off() {
            let _ = prepare::prepare(core);
        }
        let mut guard = core.make_room_wait.lock();
        if !core.ring.is_closed() {
            core.make_room.wait_for(&mut guard, IDLE);
        }
    }
}

/// Seals what has been left. A failure is tried again with the next segment: nothing depends on it
/// but space.
fn seal_thread(core: &Core, chain: &Chain) {
    // Only a wish: what is sealed has all the time there is.
    let _ = rustix::process::nice(19);
    while !core.ring.is_closed() {
        let sealed = {
            let _one_at_a_time = core.sealing.lock();
            seal::seal_one(core, chain)
        };
        if !matches!(sealed, Ok(true)) {
            let mut guard = core.sealing_wait.lock();
            if !core.ring.is_closed() {
                core.rolled.wait_for(&mut guard, IDLE);
            }
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or_else(|before| -(before.duration().as_micros() as i64), |d| d.as_micros() as i64)
}
