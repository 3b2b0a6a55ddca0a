//! Who waits for what he gave to be acknowledged: threads, each with its seq.
//!
//! * A thread is woken when its seq is reached, when it is its turn to lead, or when something
//!   failed; the others sleep on.
//! * Whoever wakes moves what is waited for first and looks for waiters then; whoever waits says so
//!   first and looks then. So nobody sleeps on.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use std::thread::Thread;
use std::time::Instant;

use parking_lot::Mutex;

use crate::watermark::Mark;

/// The threads that wait.
#[derive(Default)]
pub struct Waiters {
    count: AtomicUsize,
    list: Mutex<Vec<Waiter>>,
}

struct Waiter {
    seq: u64,
    /// It waits for the medium, whatever counts as acknowledged.
    synced: bool,
    thread: Thread,
}

impl Waiters {
    /// Sleeps until it is woken, or until then; not at all where `is_due` says so.
    pub fn sleep(&self, seq: u64, synced: bool, until: Instant, is_due: impl Fn() -> bool) {
        let thread = std::thread::current();
        let id = thread.id();
        let mut list = self.list.lock();
        self.count.fetch_add(1, SeqCst);
        fence(SeqCst);
        if is_due() {
            self.count.fetch_sub(1, SeqCst);
            return;
        }
        list.push(Waiter { seq, synced, thread });
        drop(list);
        std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
        // Still there if the time was over, or the wake-up was meant for something else.
        if self.count.load(SeqCst) > 0 {
            self.remove(|waiter| waiter.thread.id() == id);
        }
    }

    fn remove(&self, mut is_one: impl FnMut(&Waiter) -> bool) -> usize {
        let mut list = self.list.lock();
        let before = list.len();
        list.retain(|waiter| !is_one(waiter));
        let gone = before - list.len();
        self.count.fetch_sub(gone, SeqCst);
        gone
    }

    /// Wakes those whose seq is reached; gives how many.
    pub fn reached(&self, mark: &Mark) -> usize {
        fence(SeqCst);
        if self.count.load(SeqCst) == 0 {
            return 0;
        }
        self.remove(|waiter| {
            let reached = if waiter.synced { mark.synced.seq } else { mark.watermark.seq };
            let done = waiter.seq <= reached;
            if done {
                waiter.thread.unpark();
            }
            done
        })
    }

    /// Wakes the one that came first: it is its turn.
    pub fn next_leads(&self) {
        fence(SeqCst);
        if self.count.load(SeqCst) == 0 {
            return;
        }
        let mut first = true;
        self.remove(|waiter| {
            let is_first = std::mem::take(&mut first);
            if is_first {
                waiter.thread.unpark();
            }
            is_first
        });
    }

    /// Wakes all, to look again.
    pub fn all(&self) {
        self.remove(|waiter| {
            waiter.thread.unpark();
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::*;
    use crate::watermark::Place;

    fn mark(seq: u64) -> Mark {
        let watermark = Place { seq, ..Place::default() };
        Mark { watermark, ..Mark::default() }
    }

    #[test]
    fn each_is_woken_when_its_seq_is_reached_and_none_sleeps_on() {
        let (waiters, reached) = (Waiters::default(), AtomicU64::new(0));
        let far = Instant::now() + Duration::from_secs(60);
        std::thread::scope(|scope| {
            for seq in 1..=8u64 {
                let (waiters, reached) = (&waiters, &reached);
                scope.spawn(move || {
                    while reached.load(SeqCst) < seq {
                        waiters.sleep(seq, false, far, || reached.load(SeqCst) >= seq);
                    }
                });
            }
            for seq in 1..=8u64 {
                reached.store(seq, SeqCst);
                waiters.reached(&mark(seq));
            }
        });
        assert_eq!((waiters.count.load(SeqCst), waiters.list.lock().len()), (0, 0));
    }

    #[test]
    fn one_alone_is_told_to_lead() {
        let (waiters, turns) = (Waiters::default(), AtomicU64::new(0));
        let far = Instant::now() + Duration::from_secs(60);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    waiters.sleep(9, true, far, || false);
                    turns.fetch_add(1, SeqCst);
                });
            }
            for led in 1..=2 {
                while waiters.count.load(SeqCst) != 3 - led {
                    std::thread::yield_now();
                }
                waiters.next_leads();
                while turns.load(SeqCst) != led as u64 {
                    std::thread::yield_now();
                }
                assert_eq!(waiters.list.lock().len(), 2 - led);
            }
        });
    }
}
