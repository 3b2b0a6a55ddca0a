//! Readers of the tables whom their writer does not see: in a sandbox the data directory is read-only, so
//! they take no place in LMDB's list of readers, which keeps what a reader looks at from being written over.
//!
//! What always holds: what the tables said stays as it was for [`GRACE`] at least, for this process looks at
//! it, too; nothing is held for longer than it takes two others to come, unless nothing is written.

use crate::daemon::Daemon;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take that is made without a place in the list. What is written in twice this time is
/// what the tables grow by.
const GRACE: Duration = Duration::from_millis(500);

/// Looks at the tables as they are written, until the daemon ends.
pub(crate) async fn keep_readable(daemon: Arc<Daemon>) {
    let mut folded = daemon.folded.seq();
    // What is looked at since before the newest one stays, too: that one may be as new as the reader's own.
    let mut looks = [daemon.store.view().ok(), daemon.store.view().ok()];
    loop {
        tokio::select! {
            changed = folded.changed() => if changed.is_err() { return },
            () = daemon.stopped() => return,
        }
        if !daemon.pause(GRACE).await {
            return;
        }
        looks.rotate_left(1);
        looks[1] = daemon.store.view().ok();
    }
}
