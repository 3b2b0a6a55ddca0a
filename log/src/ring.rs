//! The ring: what was accepted and is not yet safe, in order, bounded in bytes.
//!
//! Producers encode into the last batch under a short lock; the writer takes batches from the
//! front. A batch becomes one frame. Its memory is used again, so the hot path allocates nothing.
//! Checksums are put in by the writer, which knows the segment.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::caps::{FRAME_BYTES, FRAME_RECORDS_MAX};
use crate::frame::{self, FrameKind};
use crate::record::Entry;

const SPARES_MAX: usize = 64;
/// While a sync runs, fewer bytes than that wait for its end.
const HELD_BYTES: usize = 64 << 10;

/// The records of one frame to be.
pub struct Batch {
    pub kind: FrameKind,
    pub first_seq: u64,
    pub count: u32,
    /// Length of each record in `bytes`.
    pub lens: Vec<u32>,
    pub bytes: Vec<u8>,
}

impl Batch {
    /// A batch that declares seqs as missing.
    pub fn missing(kind: FrameKind, first_seq: u64, count: u32) -> Batch {
        Batch { kind, first_seq, count, ..Batch::empty() }
    }

    pub fn empty() -> Batch {
        Batch {
            kind: FrameKind::Records,
            first_seq: 0,
            count: 0,
            lens: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Bytes of its records: what padding follows is not theirs.
    pub fn records_bytes(&self) -> usize {
        self.lens.iter().map(|&len| len as usize).sum()
    }

    /// The last seq in it.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count) - 1
    }
}

/// The ring.
pub struct Ring {
    state: Mutex<State>,
    room: Condvar,
    work: Condvar,
    capacity: usize,
    /// Beyond that appending waits while the disk is well: more would only wait in line for it.
    soft: AtomicUsize,
    /// A sync runs: what is little may as well wait for its end.
    held: AtomicBool,
}

struct State {
    queue: VecDeque<Batch>,
    spare: Vec<Batch>,
    next_seq: u64,
    used: usize,
    /// Calls that had to wait for room.
    waited: u64,
    /// Bytes in the queue.
    queued: usize,
    /// The writer's thread sleeps and wants to be woken.
    parked: bool,
    closed: bool,
}

/// Why entries were not taken in.
pub enum Refused {
    Closed,
    /// They got seqs, which are declared lost.
    Lost {
        first: u64,
        last: u64,
    },
}

impl Ring {
    pub fn new(capacity: usize) -> Ring {
        let state = State {
            queue: VecDeque::new(),
            spare: Vec::new(),
            next_seq: 1,
            used: 0,
            waited: 0,
            queued: 0,
            parked: false,
            closed: false,
        };
        Ring {
            state: Mutex::new(state),
            room: Condvar::new(),
            work: Condvar::new(),
            capacity,
            soft: AtomicUsize::new(capacity),
            held: AtomicBool::new(false),
        }
    }

    /// Takes in what recovery found and nobody made durable yet.
    pub fn restore(&self, batches: Vec<Batch>, next_seq: u64) {
        let mut state = self.state.lock();
        state.used += batches.iter().map(Batch::records_bytes).sum::<usize>();
        state.queued = state.used;
        state.queue = batches.into();
        state.next_seq = next_seq;
    }

    /// Takes the entries in and gives their first and last seq, and how many bytes wait to be written
    /// now. Waits for room for at most
    /// `patience`; then they are lost. `wake`: see to it that the writer's thread looks.
    pub fn accept(
        &self,
        entries: &[Entry<'_>],
        patience: Duration,
        wake: bool,
    ) -> Result<(u64, u64, usize), Refused> {
        let bytes: usize = entries.iter().map(frame::encoded_len).sum();
        let mut state = self.state.lock();
        if state.is_full(bytes, self.soft.load(SeqCst)) {
            let deadline = Instant::now() + patience;
            state.waited += 1;
            while state.is_full(bytes, self.soft.load(SeqCst)) && !state.closed {
                if self.room.wait_until(&mut state, deadline).timed_out() {
                    break;
                }
            }
        }
        if state.closed {
            return Err(Refused::Closed);
        }
        let (first, last) = (state.next_seq, state.next_seq + entries.len() as u64 - 1);
        if state.is_full(bytes, self.capacity) {
            state.lose(entries.len() as u64);
            return Err(Refused::Lost { first, last });
        }
        for entry in entries {
            state.push(entry);
        }
        state.used += bytes;
        state.queued += bytes;
        if wake && state.parked && !self.lets_wait(&state) {
            state.parked = false;
            self.work.notify_one();
        }
        Ok((first, last, state.queued))
    }

    /// The next batch to write.
    pub fn pop(&self) -> Option<Batch> {
        self.state.lock().pop()
    }

    /// Lets the ring fill up to `soft` bytes before appending waits; at most its capacity.
    pub fn set_soft(&self, soft: usize) {
        let soft = soft.min(self.capacity);
        if self.soft.swap(soft, SeqCst) < soft {
            drop(self.state.lock());
            self.room.notify_all();
        }
    }

    /// A sync begins: until it ends the writer's thread leaves small batches to grow.
    pub fn hold(&self) {
        self.held.store(true, SeqCst);
    }

    /// The sync ended.
    pub fn release(&self) {
        self.held.store(false, SeqCst);
        let mut state = self.state.lock();
        if state.parked && !state.queue.is_empty() {
            state.parked = false;
            self.work.notify_one();
        }
    }

    fn lets_wait(&self, state: &State) -> bool {
        state.queued < HELD_BYTES && self.held.load(SeqCst)
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        self.state.lock().queued
    }

    /// Puts back what was popped, so that it comes next. More may be added to it.
    pub fn unpop(&self, mut batch: Batch) {
        batch.bytes.truncate(batch.records_bytes());
        let mut state = self.state.lock();
        state.queued += batch.bytes.len();
        state.queue.push_front(batch);
    }

    /// Gives the memory of safe batches back, with the bytes their records had.
    pub fn recycle(&self, batches: impl Iterator<Item = (Batch, usize)>) {
        let mut state = self.state.lock();
        batches.for_each(|(batch, bytes)| state.recycle(batch, bytes));
        drop(state);
        self.room.notify_all();
    }

    /// Gives one back, if there is one, and pops the next.
    pub fn turn(&self, done: Option<(Batch, usize)>) -> Option<Batch> {
        let mut state = self.state.lock();
        if let Some((batch, bytes)) = done {
            state.recycle(batch, bytes);
            self.room.notify_all();
        }
        state.pop()
    }

    /// Sleeps until there is something to write, or the ring is closed, or `limit` is over.
    pub fn wait_work(&self, limit: Duration) {
        let mut state = self.state.lock();
        if (state.queue.is_empty() || self.lets_wait(&state)) && !state.closed {
            state.parked = true;
            self.work.wait_for(&mut state, limit);
            state.parked = false;
        }
    }

    /// Wakes the writer's thread, to look what happened.
    pub fn wake(&self) {
        self.state.lock().parked = false;
        self.work.notify_all();
    }

    /// The last seq that was accepted or declared lost.
    pub fn accepted(&self) -> u64 {
        self.state.lock().next_seq - 1
    }

    pub fn is_empty(&self) -> bool {
        self.state.lock().queue.is_empty()
    }

    pub fn used(&self) -> usize {
        self.state.lock().used
    }

    /// How many calls had to wait for room.
    pub fn waited(&self) -> u64 {
        self.state.lock().waited
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Refuses all further entries and wakes who waits.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.room.notify_all();
        self.work.notify_all();
    }
}

impl State {
    fn pop(&mut self) -> Option<Batch> {
        let batch = self.queue.pop_front()?;
        self.queued -= batch.bytes.len();
        Some(batch)
    }

    /// One call may exceed the capacity, when it is alone.
    fn is_full(&self, bytes: usize, capacity: usize) -> bool {
        self.used > 0 && self.used + bytes > capacity
    }

    fn recycle(&mut self, mut batch: Batch, bytes: usize) {
        self.used -= bytes;
        let fits = batch.bytes.capacity() <= 2 * FRAME_BYTES;
        if fits && batch.kind == FrameKind::Records && self.spare.len() < SPARES_MAX {
            batch.lens.clear();
            batch.bytes.clear();
            self.spare.push(batch);
        }
    }

    fn push(&mut self, entry: &Entry<'_>) {
        let len = frame::encoded_len(entry);
        let fits = self.queue.back().is_some_and(|batch| {
            batch.kind == FrameKind::Records
                && batch.bytes.len() + len <= FRAME_BYTES
                && batch.count < FRAME_RECORDS_MAX
        });
        if !fits {
            let batch = self.spare.pop().unwrap_or_else(Batch::empty);
            self.queue.push_back(Batch { first_seq: self.next_seq, count: 0, ..batch });
        }
        if let Some(batch) = self.queue.back_mut() {
            batch.lens.push(frame::encode_record(&mut batch.bytes, entry));
            batch.count += 1;
        }
        self.next_seq += 1;
    }

    /// Gives seqs away that stand for what is lost.
    fn lose(&mut self, mut count: u64) {
        while count > 0 {
            let fits = self.queue.back().is_some_and(|batch| {
                batch.kind == FrameKind::Lost && batch.count < FRAME_RECORDS_MAX
            });
            if !fits {
                let first_seq = self.next_seq;
                self.queue.push_back(Batch { kind: FrameKind::Lost, first_seq, ..Batch::empty() });
            }
            if let Some(batch) = self.queue.back_mut() {
                let some = count.min(u64::from(FRAME_RECORDS_MAX - batch.count));
                batch.count += some as u32;
                self.next_seq += some;
                count -= some;
            }
        }
    }
}
