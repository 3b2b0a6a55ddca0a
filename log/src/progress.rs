//! How far the log is, inside the process: one atomic to read, one to sleep on, and the functions to
//! call.
//!
//! Who sleeps says so first and looks then; who moves something moves it first and looks for sleepers
//! then. So nobody sleeps on, and without sleepers nothing is asked of the system.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::RwLock;
use rustix::thread::futex;

type Listener = Box<dyn Fn(u64) + Send + Sync>;

/// The watermark of a log that is written in this process.
pub struct Progress {
    watermark: AtomicU64,
    /// Counts whatever a waiter may wait for: an advance, a failure, a stage that was left.
    epoch: AtomicU32,
    sleepers: AtomicUsize,
    listeners: RwLock<Vec<Listener>>,
    listened: AtomicBool,
}

impl Progress {
    pub fn new(watermark: u64) -> Progress {
        Progress {
            watermark: AtomicU64::new(watermark),
            epoch: AtomicU32::new(0),
            sleepers: AtomicUsize::new(0),
            listeners: RwLock::new(Vec::new()),
            listened: AtomicBool::new(false),
        }
    }

    pub fn watermark(&self) -> u64 {
        self.watermark.load(Ordering::Acquire)
    }

    pub fn epoch(&self) -> u32 {
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
            // It cannot fail for a word of this process.
            let _ = futex::wake(&self.epoch, futex::Flags::PRIVATE, i32::MAX as u32);
        }
    }

    /// Sleeps until the epoch is no longer `epoch`, or the deadline; or shorter.
    pub fn sleep(&self, epoch: u32, deadline: Instant) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = futex::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        // However it ends, the caller looks again.
        let _ = futex::wait(&self.epoch, futex::Flags::PRIVATE, epoch, Some(&limit));
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
