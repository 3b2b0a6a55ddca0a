//! The thread that folds the log into the tables as it grows.
//!
//! What always holds: it is the only one that writes the tables; the checkpoint it publishes is
//! committed. A commit costs far more than a record: what comes is gathered for a moment, unless
//! somebody waits for it.

use crate::config::Say;
use crate::guard::guard;
use sm_log::Log;
use sm_projections::Projector;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Small batches: an answer waits for the one it is in.
const BATCH_RECORDS: usize = 1024;

/// How long records are gathered that nobody waits for, at least and at most.
const GATHER: Duration = Duration::from_millis(10);
const GATHER_MOST: Duration = Duration::from_millis(100);

/// A batch is followed by a rest of so many times its own time, as far as that goes: folding is no more
/// than a small part of what the machine does.
const REST: u32 = 32;

/// How long a fold that failed is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// Folding under way.
pub struct Folding {
    folded: Folded,
    thread: Option<JoinHandle<()>>,
}

/// How far the log is folded, to be looked at and waited for.
#[derive(Clone)]
pub struct Folded {
    seq: watch::Receiver<u64>,
    bell: Arc<Bell>,
}

/// Wakes the folding thread.
#[derive(Default)]
struct Bell {
    rung: Mutex<Rung>,
    heard: Condvar,
}

#[derive(Default)]
struct Rung {
    /// There are records to fold.
    advanced: bool,
    /// Somebody waits for them.
    wanted: bool,
    /// It is over once all is folded.
    end: bool,
}

impl Bell {
    fn rung(&self) -> MutexGuard<'_, Rung> {
        guard(&self.rung)
    }

    /// Rings, unless it has rung for the same.
    fn ring(&self, which: impl FnOnce(&mut Rung) -> &mut bool) {
        let mut rung = self.rung();
        if !std::mem::replace(which(&mut rung), true) {
            self.heard.notify_one();
        }
    }

    /// Waits until there is something to fold and no more is to be gathered, which nobody who does not
    /// wait asks for before `rested`. False once it is over.
    fn hear(&self, rested: Instant) -> bool {
        let wait = |rung, time, until: fn(&mut Rung) -> bool| {
            let waited = self.heard.wait_timeout_while(rung, time, until);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        let rung = wait(self.rung(), Duration::from_secs(60), |rung| !rung.advanced && !rung.end);
        let gather = rested.saturating_duration_since(Instant::now()).max(GATHER);
        let mut rung = wait(rung, gather, |rung| !rung.wanted && !rung.end);
        rung.advanced = false;
        rung.wanted = false;
        !rung.end
    }

    /// Leaves what failed alone for a while. False once it is over.
    fn pause(&self) -> bool {
        let rung = self.heard.wait_timeout_while(self.rung(), RETRY, |rung| !rung.end);
        !rung.unwrap_or_else(PoisonError::into_inner).0.end
    }
}

impl Folded {
    /// The last folded seq, where nobody is in a hurry.
    pub fn seq(&self) -> watch::Receiver<u64> {
        self.seq.clone()
    }

    /// Waits until record `seq` is folded, at once and not in a moment. False if folding is over.
    pub async fn reach(&self, seq: u64) -> bool {
        let mut folded = self.seq.clone();
        if *folded.borrow_and_update() >= seq {
            return true;
        }
        loop {
            // Each batch answers one wish, and may have begun before this record was there.
            self.bell.ring(|rung| &mut rung.wanted);
            if folded.changed().await.is_err() {
                return false;
            }
            if *folded.borrow_and_update() >= seq {
                return true;
            }
        }
    }
}

impl Folding {
    /// Brings the tables up to the log, then follows it.
    pub fn start(log: &Log, mut projector: Projector, say: Say) -> std::io::Result<Folding> {
        let (sender, seq) = watch::channel(projector.checkpoint());
        let bell = Arc::new(Bell::default());
        let (alarm, woken) = (Arc::clone(&bell), Arc::clone(&bell));
        log.on_advance(move |_| alarm.ring(|rung| &mut rung.advanced));
        let thread = std::thread::Builder::new().name("fold".to_owned()).spawn(move || {
            loop {
                let began = Instant::now();
                let folded = projector.advance(BATCH_RECORDS);
                let rested = Instant::now() + (began.elapsed() * REST).min(GATHER_MOST);
                if let Err(error) = &folded {
                    say(&format!("folding failed, will be tried again: {error}"));
                }
                sender.send_replace(projector.checkpoint());
                let goes_on = match folded {
                    Ok(BATCH_RECORDS..) => !woken.rung().end,
                    Ok(_) => woken.hear(rested),
                    Err(_) => woken.pause(),
                };
                if !goes_on {
                    break;
                }
            }
            if let Err(error) = projector.catch_up(|_| {}) {
                say(&format!("the last records were not folded: {error}"));
            }
            sender.send_replace(projector.checkpoint());
        })?;
        Ok(Folding { folded: Folded { seq, bell }, thread: Some(thread) })
    }

    /// How far the log is folded.
    pub fn folded(&self) -> Folded {
        self.folded.clone()
    }
}

impl Drop for Folding {
    /// Folds what is left.
    fn drop(&mut self) {
        self.folded.bell.ring(|rung| &mut rung.end);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
