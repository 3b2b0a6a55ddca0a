//! How far the log is, inside the process: one atomic to read, one condvar to wait on, and the
//! functions to call.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex, RwLock};

type Listener = Box<dyn Fn(u64) + Send + Sync>;

/// The watermark of a log that is written in this process.
pub struct Progress {
    watermark: AtomicU64,
    /// Counts whatever a waiter may wait for: an advance, a failure, a stage that was left.
    epoch: AtomicU64,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
    listeners: RwLock<Vec<Listener>>,
    listened: AtomicBool,
}

impl Progress {
    pub fn new(watermark: u64) -> Progress {
        Progress {
            watermark: AtomicU64::new(watermark),
            epoch: AtomicU64::new(0),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            changed: Condvar::new(),
            listeners: RwLock::new(Vec::new()),
            listened: AtomicBool::new(false),
        }
    }

    pub fn watermark(&self) -> u64 {
        self.watermark.load(Ordering::Acquire)
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// The watermark is `seq` now. Called by one thread at a time.
    pub fn advance(&self, seq: u64) {
        self.watermark.store(seq, Ordering::Release);
        self.bump();
        if self.listened.load(Ordering::Acquire) {
            self.listeners.read().iter().for_each(|listener| listener(seq));
        }
    }

    /// Wakes all who wait, to look again.
    pub fn bump(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.changed.notify_all();
        }
    }

    /// Sleeps until the epoch is no longer `epoch`, or the deadline.
    pub fn sleep(&self, epoch: u64, deadline: Instant) {
        let mut guard = self.lock.lock();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while self.epoch() == epoch {
            if self.changed.wait_until(&mut guard, deadline).timed_out() {
                break;
            }
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until the watermark is at least `seq`; false at the deadline.
    pub fn wait(&self, seq: u64, deadline: Instant) -> bool {
        loop {
            let epoch = self.epoch();
            if self.watermark() >= seq {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            self.sleep(epoch, deadline);
        }
    }

    pub fn listen(&self, listener: Listener) {
        self.listeners.write().push(listener);
        self.listened.store(true, Ordering::Release);
    }
}
