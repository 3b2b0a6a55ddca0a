//! Telling other processes: a thread rings the bell of the watermark file, at most so often.
//!
//! Ringing is a system call, and who writes must not pay it for each record; so he only wakes the
//! thread, when it sleeps. The first record after a pause is told of at once, what follows within
//! [`PAUSE`].

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::Thread;
use std::time::Duration;

const PAUSE: Duration = Duration::from_micros(500);
const IDLE: Duration = Duration::from_millis(500);

/// The thread that rings, and whether it sleeps.
#[derive(Default)]
pub struct Ringer {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Ringer {
    /// There is news.
    pub fn news(&self) {
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            self.thread.get().inspect(|thread| thread.unpark());
        }
    }

    /// Rings whenever `watermark` is another one, until `is_over`.
    pub fn run(&self, watermark: impl Fn() -> u64, ring: impl Fn(), is_over: impl Fn() -> bool) {
        let _ = self.thread.set(std::thread::current());
        let mut told = watermark();
        while !is_over() {
            self.asleep.store(true, SeqCst);
            if watermark() == told {
                std::thread::park_timeout(IDLE);
            }
            self.asleep.store(false, SeqCst);
            let now = watermark();
            if now != told {
                ring();
                told = now;
                std::thread::sleep(PAUSE);
            }
        }
    }
}
