//! What may wait for the log, beside the other tasks of the thread that does it.
//!
//! What always holds: a log that has no room holds up who writes to it, and no other task of the runtime;
//! who writes is not overtaken by itself, for nothing is handed to another thread.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work`, which may wait for as long as the log, or a disk far away, does.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        // Another thread takes the worker's tasks over meanwhile.
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A thread of our own, or a runtime that has no other thread.
        _ => work(),
    }
}
