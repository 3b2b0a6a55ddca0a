//! A trim: what was dropped from the log's beginning.

use super::Micros;
use serde::{Deserialize, Serialize};

/// One row a trim, under the seq of the record that tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trim {
    /// The oldest seq kept.
    pub floor: u64,
    /// How many seqs went.
    pub records: u64,
    /// The bytes of their segments.
    pub bytes: u64,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Micros,
}
