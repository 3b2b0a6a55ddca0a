//! [`Segment`]: what a log's files hold, in numbers.

use std::path::PathBuf;

use crate::chain::{Chain, read_header};
use crate::error::ReadError;
use crate::segment::{Form, Header};

/// One segment of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// Its file.
    pub file: PathBuf,
    /// The first seq it has.
    pub first: u64,
    /// The last seq it has, so far; `first - 1` if none.
    pub last: u64,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Bytes of the file; of the active one, of the part that is used.
    pub bytes: u64,
    /// Bytes of the payloads in it.
    pub payload_bytes: u64,
    /// Sessions it has records of.
    pub sessions: u64,
    /// Oldest and newest time of its records.
    pub times: Option<(i64, i64)>,
    /// When its file was made, by this machine's clock, in Unix microseconds; `None` where its header
    /// does not tell. A sealed one was made when all its records had been appended.
    pub made: Option<i64>,
}

/// All segments, oldest first.
pub fn segments(chain: &Chain) -> Result<Vec<Segment>, ReadError> {
    let mark = chain.mark();
    let parts = chain.parts(&mark)?;
    let mut segments = Vec::new();
    for span in parts.kept(mark.floor) {
        let limit = parts.limit(span, &mark);
        let len = span.part.file(&*chain.storage).and_then(|file| file.len());
        let len = len.map_err(span.unread(chain, &limit))?;
        let (payload_bytes, sessions) = span.sums(chain, &limit)?;
        segments.push(Segment {
            file: chain.storage.path(&span.part.name),
            first: span.first,
            last: limit.end_seq - 1,
            sealed: span.part.form == Form::Sealed,
            bytes: limit.end_position.map_or(len, |end| end.min(len)),
            payload_bytes,
            sessions,
            times: span.times(chain, &limit)?,
            made: match read_header(&*chain.storage, &span.part.name) {
                Ok(Header::Valid { created, .. }) => Some(created),
                _ => None,
            },
        });
    }
    Ok(segments)
}
