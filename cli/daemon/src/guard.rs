//! A lock, taken whatever became of who held it before.
//!
//! What always holds: nothing that these locks guard is left half changed where its holder panics, so what is
//! there then is as good as before.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock.
pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
