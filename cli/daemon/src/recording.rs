//! Whether the disk takes what is recorded, watched.
//!
//! What always holds: that it does not is said once, when it begins, with why; and once more when it does again.

use crate::counted;
use crate::daemon::Daemon;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Says when writes begin to fail, and when they do no more.
pub(crate) async fn watch(daemon: Arc<Daemon>) {
    let mut told = 0;
    let mut was_failing = false;
    while daemon.pause(LOOK).await {
        let health = daemon.log().health();
        if health.persist_errors > told && !was_failing {
            let why = health.last_error.unwrap_or_default();
            daemon.say(&format!(
                "the disk does not take what is recorded: {why}; it is kept in memory and tried again, and readers \
                 do not see it until then"
            ));
        }
        if was_failing && !health.failing {
            let failed = counted(health.persist_errors - told, "write");
            daemon.say(&format!("the disk takes what is recorded again; failed before: {failed}"));
        }
        if !health.failing {
            told = health.persist_errors;
        }
        was_failing = health.failing;
    }
}
