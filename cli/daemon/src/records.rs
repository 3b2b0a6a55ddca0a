//! Single records, read again where the tables tell only a part of them.
//!
//! What always holds: a record that is no longer there, below the floor or in a place that is damaged, is
//! none; whatever else keeps it from being read is told.

use crate::problem::Refusal;
use serde_json::Value;
use sm_log::{ReadError, Reader, RecordRef};
use sm_projections::StoreError;
use sm_protocol::synthetic::Synthetic;

/// Why what takes the tables and the log cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The tables cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<LookError> for Refusal {
    fn from(error: LookError) -> Refusal {
        match error {
            LookError::Store(error) => error.into(),
            LookError::Read(error) => error.into(),
        }
    }
}

/// Record `seq`.
pub fn get(log: &Reader, seq: u64) -> Result<Option<RecordRef>, ReadError> {
    match log.get(seq) {
        Ok(record) => Ok(Some(record)),
        Err(ReadError::BelowFloor { .. } | ReadError::Gap(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The message that record `seq` holds; null where that is no JSON.
pub fn message(log: &Reader, seq: u64) -> Result<Option<Value>, ReadError> {
    let record = get(log, seq)?;
    Ok(record.map(|record| serde_json::from_slice(record.record().payload).unwrap_or_default()))
}

/// The parameters of the message that record `seq` holds; null where it has none.
pub(crate) fn params(log: &Reader, seq: u64) -> Result<Option<Value>, ReadError> {
    let message = message(log, seq)?;
    Ok(message.map(|mut message| message.get_mut("params").map(Value::take).unwrap_or_default()))
}

/// What `sm` noted in record `seq`; `None` also where it is of a newer release.
pub(crate) fn note(log: &Reader, seq: u64) -> Result<Option<Synthetic>, ReadError> {
    let record = get(log, seq)?;
    Ok(record.and_then(|record| Synthetic::from_payload(record.record().payload)))
}
