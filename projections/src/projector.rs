//! The projector: folds the log into the tables, batch by batch.
//!
//! What always holds: what is in the tables is the fold of records 1 to the checkpoint, whatever the
//! batches were and however often it was stopped in between. Where there is much to fold, one batch
//! is written while the next is folded.

use crate::changes::Changes;
use crate::fold::{fold, fold_gap};
use crate::snapshot::SnapshotError;
use crate::state::State;
use crate::store::{Store, StoreError};
use sm_log::{Cursor, GapReason, Item, ReadError, Reader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// The most records folded before a commit, while catching up.
pub(crate) const BATCH_RECORDS_MAX: usize = 16_384;

/// How many are waited for before a commit while somebody records in haste, and for how long: many
/// small commits would cost more than they bring.
const BATCH_RECORDS_WORTH: u64 = 4_096;
const COMMIT_AT_LATEST: Duration = Duration::from_millis(100);

/// How often a follower looks whether more comes.
const LOOK: Duration = Duration::from_millis(2);

/// The log could not be folded on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// The tables failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The snapshot of what was trimmed failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Records were dropped while they were to be folded.
    #[error("the log was trimmed meanwhile")]
    Trimmed,
    /// The tables are ahead of the log: it was replaced or cut by another hand.
    #[error("the projections reflect seq {checkpoint}, but the log ends at {watermark}")]
    Ahead {
        /// Of the tables.
        checkpoint: u64,
        /// Of the log.
        watermark: u64,
    },
}

/// Folds one log into one store.
pub struct Projector {
    store: Arc<Store>,
    reader: Reader,
    /// Where the last batch ended: to find a place anew is a walk through its segment.
    cursor: Option<Cursor>,
    state: State,
    /// The last seq folded into `state`; beyond the checkpoint while a batch is on its way.
    folded: u64,
    checkpoint: u64,
}

impl Projector {
    /// A projector that goes on where `store` stands.
    ///
    /// # Errors
    /// [`FoldError::Ahead`] when the log ends before that.
    pub fn new(store: Arc<Store>, reader: Reader) -> Result<Projector, FoldError> {
        let checkpoint = store.view()?.checkpoint()?;
        let watermark = reader.watermark();
        if checkpoint > watermark {
            return Err(FoldError::Ahead { checkpoint, watermark });
        }
        let state = State::default();
        Ok(Projector { store, reader, cursor: None, state, folded: checkpoint, checkpoint })
    }

    /// The last seq folded and committed.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }

    /// Folds up to `most` records and commits; returns how many it folded. 0: caught up.
    pub fn advance(&mut self, most: usize) -> Result<usize, FoldError> {
        let folded = self.fold_batch(u64::MAX, most);
        let folded = self.or_forget(folded)?;
        if folded > 0 {
            let changes = self.state.leave(self.folded);
            let written = self.store.write(&changes);
            self.or_forget(written.map_err(FoldError::from))?;
            let checkpoint = changes.checkpoint;
            drop(changes);
            self.arrived(checkpoint);
        }
        Ok(folded)
    }

    /// Folds to the log's watermark, telling `progress` the checkpoint after each commit.
    pub fn catch_up(&mut self, progress: impl FnMut(u64)) -> Result<(), FoldError> {
        let watermark = self.reader.watermark();
        self.fold_to(watermark, BATCH_RECORDS_MAX, progress)
    }

    /// Folds up to seq `last` and no further, in batches of `batch`.
    pub fn fold_to(
        &mut self,
        last: u64,
        batch: usize,
        progress: impl FnMut(u64),
    ) -> Result<(), FoldError> {
        self.pipeline(last, batch, |_, _| false, progress)
    }

    /// Folds what becomes durable, until `over` says that no more comes and all of it is folded.
    pub fn fold_along(&mut self, over: &AtomicBool) -> Result<(), FoldError> {
        let more = |reader: &Reader, folded: u64| {
            let began = Instant::now();
            let wanted = folded + BATCH_RECORDS_WORTH;
            loop {
                // Read before the watermark: what was recorded before the end is then seen.
                let last_round = over.load(Ordering::Acquire);
                let watermark = reader.watermark();
                if watermark >= wanted || last_round {
                    return watermark > folded;
                }
                if watermark > folded && began.elapsed() > COMMIT_AT_LATEST {
                    return true;
                }
                reader.wait(wanted, LOOK);
            }
        };
        self.pipeline(u64::MAX, BATCH_RECORDS_MAX, more, |_| {})
    }

    /// Folds batches up to seq `last`, each written while the next is folded. Where the log ends,
    /// `more` waits for it to go on; the end has come when that says false.
    fn pipeline(
        &mut self,
        last: u64,
        batch: usize,
        mut more: impl FnMut(&Reader, u64) -> bool,
        mut progress: impl FnMut(u64),
    ) -> Result<(), FoldError> {
        let store = Arc::clone(&self.store);
        let outcome = std::thread::scope(|scope| {
            let (hand_over, taken) = sync_channel::<Changes>(1);
            let (tell, written) = sync_channel(1);
            scope.spawn(move || write_each(&store, &taken, &tell));
            let mut on_its_way = false;
            loop {
                let folded = self.fold_batch(last, batch)?;
                if on_its_way {
                    let written = written.recv();
                    self.arrived(written.expect("the writing thread answers each batch")?);
                    progress(self.checkpoint);
                }
                on_its_way = folded > 0;
                if on_its_way {
                    let changes = self.state.leave(self.folded);
                    hand_over.send(changes).expect("the writing thread takes each batch");
                } else if !more(&self.reader, self.folded) {
                    return Ok(());
                }
            }
        });
        self.or_forget(outcome)
    }

    /// Folds up to `most` records, and none beyond seq `last`; returns how many.
    fn fold_batch(&mut self, last: u64, most: usize) -> Result<usize, FoldError> {
        let next = self.folded + 1;
        let mut cursor = match self.cursor.take().filter(|cursor| cursor.position() == next) {
            Some(cursor) => cursor,
            None => self.reader.cursor(next)?,
        };
        let view = self.store.view()?;
        let mut folded = 0;
        while folded < most && cursor.position() <= last {
            match cursor.next()? {
                None => break,
                Some(Item::Record(record)) => fold(&mut self.state, &view, &record),
                Some(Item::Gap(gap)) if gap.reason == GapReason::Trimmed => {
                    return Err(FoldError::Trimmed);
                }
                Some(Item::Gap(gap)) => fold_gap(&mut self.state, &gap),
            }
            folded += 1;
        }
        view.sound()?;
        self.folded = cursor.position() - 1;
        self.cursor = Some(cursor);
        Ok(folded)
    }

    fn arrived(&mut self, checkpoint: u64) {
        self.state.arrived();
        self.checkpoint = checkpoint;
    }

    /// After a failure, what was folded and is not in the tables is folded again from the rows that
    /// are.
    fn or_forget<T>(&mut self, outcome: Result<T, FoldError>) -> Result<T, FoldError> {
        if outcome.is_err() {
            self.state = State::default();
            if let Ok(committed) = self.store.view().and_then(|view| view.checkpoint()) {
                self.checkpoint = committed;
            }
            self.folded = self.checkpoint;
        }
        outcome
    }
}

/// Writes each batch that is handed over, and tells its checkpoint; ends at the first failure.
fn write_each(
    store: &Store,
    taken: &Receiver<Changes>,
    tell: &SyncSender<Result<u64, StoreError>>,
) {
    // Held until the folding thread has let go of it, so that it is freed here.
    let mut before = None;
    for changes in taken {
        let written = store.write(&changes).map(|()| changes.checkpoint);
        let failed = written.is_err();
        if tell.send(written).is_err() || failed {
            return;
        }
        drop(before.replace(changes));
    }
}
