//! The thread that folds the log into the tables as it grows.
//!
//! What always holds: it is the only one that writes the tables; the checkpoint it publishes is
//! committed.

use crate::config::Say;
use sm_log::Log;
use sm_projections::Projector;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Small batches: an answer waits for the one it is in.
const BATCH_RECORDS: usize = 256;

/// How long a fold that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// Folding under way.
pub struct Folding {
    folded: watch::Receiver<u64>,
    wake: Option<SyncSender<Wake>>,
    thread: Option<JoinHandle<()>>,
}

enum Wake {
    Advanced,
    End,
}

impl Folding {
    /// Brings the tables up to the log, then follows it.
    pub fn start(log: &Log, mut projector: Projector, say: Say) -> std::io::Result<Folding> {
        let (sender, folded) = watch::channel(projector.checkpoint());
        let (wake, woken) = sync_channel(1);
        let alarm = wake.clone();
        log.on_advance(move |_| match alarm.try_send(Wake::Advanced) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        });
        let thread = std::thread::Builder::new().name("fold".to_owned()).spawn(move || {
            loop {
                let folded = projector.advance(BATCH_RECORDS);
                if let Err(error) = &folded {
                    say(&format!("folding failed, will be tried again: {error}"));
                }
                sender.send_replace(projector.checkpoint());
                let pause = match folded {
                    Ok(0) => Duration::from_secs(60),
                    Ok(_) => Duration::ZERO,
                    Err(_) => RETRY,
                };
                match woken.recv_timeout(pause) {
                    Ok(Wake::End) | Err(RecvTimeoutError::Disconnected) => break,
                    Ok(Wake::Advanced) | Err(RecvTimeoutError::Timeout) => {}
                }
            }
            if let Err(error) = projector.catch_up(|_| {}) {
                say(&format!("the last records were not folded: {error}"));
            }
            sender.send_replace(projector.checkpoint());
        })?;
        Ok(Folding { folded, wake: Some(wake), thread: Some(thread) })
    }

    /// The last folded seq, to be looked at and waited for.
    pub fn folded(&self) -> watch::Receiver<u64> {
        self.folded.clone()
    }
}

impl Drop for Folding {
    /// Folds what is left.
    fn drop(&mut self) {
        if let Some(wake) = self.wake.take() {
            let _ = wake.send(Wake::End);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
