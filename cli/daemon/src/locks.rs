//! One lock for each thing of a kind: a session, a request.
//!
//! What always holds: whoever asks for the lock of the same thing waits for whoever has it; what nobody holds
//! takes no room for long.

use crate::guard::guard;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::OwnedMutexGuard;

/// How many are kept before those that nobody holds are looked for.
const KEPT: usize = 1024;

/// See the module.
pub(crate) struct Locks<K>(Mutex<HashMap<K, Weak<tokio::sync::Mutex<()>>>>);

impl<K> Default for Locks<K> {
    fn default() -> Locks<K> {
        Locks(Mutex::default())
    }
}

impl<K: Eq + Hash> Locks<K> {
    /// Takes the lock of one.
    pub async fn take(&self, key: K) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    /// The same, where nobody has it.
    pub fn try_take(&self, key: K) -> Option<OwnedMutexGuard<()>> {
        self.of(key).try_lock_owned().ok()
    }

    fn of(&self, key: K) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = guard(&self.0);
        if locks.len() > KEPT {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let kept = locks.entry(key).or_default();
        kept.upgrade().unwrap_or_else(|| {
            let lock = Arc::default();
            *kept = Arc::downgrade(&lock);
            lock
        })
    }
}
