//! Sessions that are being stopped.
//!
//! What always holds: as long as one is, its interrupted turn is no news and no wait for it is over: it is told
//! as one thing that it was stopped.

use crate::guard::guard;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// The threads that are being stopped.
#[derive(Default)]
pub(crate) struct Stops(Mutex<BTreeSet<String>>);

/// A stop under way, until this is dropped.
pub(crate) struct Stop<'s> {
    stops: &'s Stops,
    thread: String,
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.stops.threads().remove(&self.thread);
    }
}

impl Stops {
    /// Begins one; whoever does so holds the session's lock.
    pub fn begin(&self, thread: &str) -> Stop<'_> {
        self.threads().insert(thread.to_owned());
        Stop { stops: self, thread: thread.to_owned() }
    }

    /// Whether that session is being stopped.
    pub fn has(&self, thread: &str) -> bool {
        self.threads().contains(thread)
    }

    /// The threads of all that are.
    pub fn all(&self) -> BTreeSet<String> {
        self.threads().clone()
    }

    fn threads(&self) -> MutexGuard<'_, BTreeSet<String>> {
        guard(&self.0)
    }
}
