//! Changed rows on their way from memory into the tables.
//!
//! What always holds: nothing of them changes any more. So one thread encodes, writes and frees them,
//! while another folds on and finds in them what is not in the tables yet.

use crate::store::StoreError;

/// Changed rows, and the seq up to which the tables are folded once they are written.
pub struct Changes {
    pub(crate) tables: Vec<Box<dyn TableChanges>>,
    /// The last seq folded.
    pub checkpoint: u64,
}

/// What is done with a row: its address, and its bytes or `None` for one that was taken away.
pub type Visit<'v> = dyn FnMut(&[u8], Option<&[u8]>) -> Result<(), StoreError> + 'v;

/// The changed rows of one table.
pub(crate) trait TableChanges: Send {
    /// Shows each of them once, in the order of their addresses; ends at the first failure.
    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

impl Changes {
    /// Shows every change, each address once and a table's in their order; ends at the first failure.
    pub fn each(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.tables.iter().try_for_each(|table| table.each(visit))
    }
}
