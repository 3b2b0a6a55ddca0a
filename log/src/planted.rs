//! Bugs planted on purpose, one at a time, to see that the tests would find them. Only with the
//! feature `planted`; without it nothing of this is compiled.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// None.
    None = 0,
    /// Acknowledges what was written and not synced.
    AcknowledgeBeforeSync = 1,
    /// Believes a record without looking at its checksum.
    SkipRecordChecksum = 2,
    /// Believes a block without looking at its checksums.
    SkipBlockChecksum = 3,
    /// Leaves the last block out of a sealed segment.
    DropLastBlock = 4,
    /// Believes a sync that follows a failed one.
    BelieveLaterSync = 5,
    /// Removes the plain segment before the sealed one has its name durably.
    RemoveTooEarly = 6,
}

static PLANTED: AtomicU8 = AtomicU8::new(0);

/// Plants a bug, instead of the one before.
pub fn plant(bug: Bug) {
    PLANTED.store(bug as u8, SeqCst);
}

pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.load(SeqCst) == bug as u8
}
