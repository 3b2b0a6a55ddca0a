//! The projector: folds the log into the tables, batch by batch.
//!
//! What always holds: what is in the tables is the fold of records 1 to the checkpoint, whatever the
//! batches were and however often it was stopped in between.

use crate::fold::{fold, fold_gap};
use crate::state::State;
use crate::store::{Meta, Store, StoreError};
use sm_log::{Item, ReadError, Reader};
use std::sync::Arc;

/// The most records folded before a commit, while catching up.
pub const BATCH_RECORDS_MAX: usize = 16_384;

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
    /// The tables are ahead of the log: it was replaced or cut by another hand.
    #[error(
        "the projections reflect seq {checkpoint}, but the log ends at {watermark}; \
         run `sm rebuild` to make them anew"
    )]
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
    state: State,
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
        Ok(Projector { store, reader, state: State::default(), checkpoint })
    }

    /// The last seq folded and committed.
    pub fn checkpoint(&self) -> u64 {
        self.checkpoint
    }

    /// Folds up to `most` records and commits; returns how many it folded. 0: caught up.
    pub fn advance(&mut self, most: usize) -> Result<usize, FoldError> {
        self.advance_to(u64::MAX, most)
    }

    /// Folds to the log's watermark, telling `progress` the checkpoint after each commit.
    pub fn catch_up(&mut self, mut progress: impl FnMut(u64)) -> Result<u64, FoldError> {
        let target = self.reader.watermark();
        while self.checkpoint < target && self.advance_to(target, BATCH_RECORDS_MAX)? > 0 {
            progress(self.checkpoint);
        }
        Ok(self.checkpoint)
    }

    fn advance_to(&mut self, last: u64, most: usize) -> Result<usize, FoldError> {
        let before = self.checkpoint;
        let mut cursor = self.reader.cursor(before + 1)?;
        let view = self.store.view()?;
        let mut folded = 0;
        while folded < most && cursor.position() <= last {
            match cursor.next()? {
                None => break,
                Some(Item::Record(record)) => fold(&mut self.state, &view, &record),
                Some(Item::Gap(gap)) => fold_gap(&mut self.state, &gap),
            }
            folded += 1;
        }
        let log_id = view.log_id()?;
        drop(view);
        if folded > 0 {
            let checkpoint = cursor.position() - 1;
            let written = self.store.write_state(&mut self.state, &Meta { log_id, checkpoint });
            if written.is_err() {
                // What was folded is not in the tables: fold it again from the rows that are.
                self.state = State::default();
            }
            written?;
            self.state.forget();
            self.checkpoint = checkpoint;
        }
        Ok(folded)
    }

    /// Folds up to seq `last` and no further, in batches of `batch`: for a comparison at that seq.
    pub fn fold_to(
        &mut self,
        last: u64,
        batch: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<(), FoldError> {
        while self.checkpoint < last && self.advance_to(last, batch)? > 0 {
            progress(self.checkpoint);
        }
        Ok(())
    }
}
