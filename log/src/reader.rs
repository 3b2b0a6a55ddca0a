//! [`Reader`]: any number of them, in any process. They take no lock and see what is durable.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::chain::{Chain, Limit, Span};
use crate::cursor::Cursor;
use crate::error::{OpenError, ReadError};
use crate::frame;
use crate::id::LogId;
use crate::record::{Bytes, RecordRef};
use crate::session::SessionCursor;
use crate::storage::{Directory, Storage};
use crate::watermark::Mark;

/// A view of the log up to its watermark. Clones share what they have read.
#[derive(Clone)]
pub struct Reader {
    chain: Arc<Chain>,
}

impl Reader {
    pub(crate) fn new(chain: Arc<Chain>) -> Reader {
        Reader { chain }
    }

    /// Opens the log in `dir`, which another process may be writing.
    pub fn open(dir: impl AsRef<Path>) -> Result<Reader, OpenError> {
        Reader::open_in(Arc::new(Directory::new(dir)))
    }

    /// Opens the log in that storage.
    pub fn open_in(storage: Arc<dyn Storage>) -> Result<Reader, OpenError> {
        let (page, id) = crate::lock::open_page(&*storage)?;
        Ok(Reader { chain: Arc::new(Chain::new(storage, id, page, None)) })
    }

    /// Which log this is.
    pub fn id(&self) -> LogId {
        self.chain.id
    }

    /// The oldest seq kept; 1 where nothing was trimmed.
    pub fn floor(&self) -> u64 {
        self.chain.mark().floor.max(1)
    }

    /// The newest seq that can be read, now.
    pub fn watermark(&self) -> u64 {
        self.chain.mark().watermark.seq
    }

    /// Walks the log from `from` on, which lies from the floor to one after the watermark.
    pub fn cursor(&self, from: u64) -> Result<Cursor, ReadError> {
        let mark = self.chain.mark();
        check(from, &mark, 1)?;
        Ok(Cursor::new(self.chain.clone(), mark, from))
    }

    /// One record, its checksum verified.
    pub fn get(&self, seq: u64) -> Result<RecordRef, ReadError> {
        let mark = self.chain.mark_for(seq);
        check(seq, &mark, 0)?;
        let (span, limit) = self.chain.locate(seq, &mark)?.map_err(ReadError::Gap)?;
        fetch(&self.chain, &span, &limit, seq)
    }

    /// The seq of a session's record with that number, dense from 1; `None` if there is none yet.
    pub fn revision(&self, session: &[u8], revision: u64) -> Result<Option<u64>, ReadError> {
        let mut before = 0;
        let mut found = None;
        self.for_each_posting(session, &mut |seqs| {
            let index = revision.checked_sub(before + 1).map(|index| index as usize);
            found = index.and_then(|index| seqs.get(index)).copied();
            before += seqs.len() as u64;
            found.is_none()
        })?;
        Ok(found)
    }

    /// How many records the session has.
    pub fn revisions(&self, session: &[u8]) -> Result<u64, ReadError> {
        let mut count = 0;
        self.for_each_posting(session, &mut |seqs| {
            count += seqs.len() as u64;
            true
        })?;
        Ok(count)
    }

    /// The session's records, from a revision on: 1 to one after the last.
    pub fn session(&self, session: &[u8], from_revision: u64) -> Result<SessionCursor, ReadError> {
        let last = self.revisions(session)?;
        if from_revision == 0 || from_revision > last + 1 {
            return Err(ReadError::NoRevision { revision: from_revision, first: 1, last });
        }
        Ok(SessionCursor::new(self.chain.clone(), session, from_revision))
    }

    /// The session's last `count` records, or all if there are fewer; goes on with new ones.
    pub fn session_tail(&self, session: &[u8], count: u64) -> Result<SessionCursor, ReadError> {
        let from = (self.revisions(session)? + 1).saturating_sub(count).max(1);
        Ok(SessionCursor::new(self.chain.clone(), session, from))
    }

    fn for_each_posting(
        &self,
        session: &[u8],
        each: &mut dyn FnMut(&[u64]) -> bool,
    ) -> Result<(), ReadError> {
        let mark = self.chain.mark();
        let parts = self.chain.parts(&mark)?;
        for span in &parts.list {
            let limit = parts.limit(span, &mark);
            indexed(&self.chain, span, &limit)?;
            if !each(span.part.index.read().posting(session, limit.end_seq)) {
                break;
            }
        }
        Ok(())
    }

    /// The first seq whose record has that time or a later one; one after the watermark if none.
    pub fn seek_time(&self, time: i64) -> Result<u64, ReadError> {
        let mark = self.chain.mark();
        let parts = self.chain.parts(&mark)?;
        for span in &parts.list {
            let limit = parts.limit(span, &mark);
            indexed(&self.chain, span, &limit)?;
            let times = span.part.index.read().times();
            if times.is_none_or(|(_, newest)| newest < time) {
                continue;
            }
            for seq in span.first.max(self.floor())..limit.end_seq {
                match fetch(&self.chain, span, &limit, seq) {
                    Ok(record) if record.record().time >= time => return Ok(seq),
                    Ok(_) | Err(ReadError::Gap(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(mark.watermark.seq + 1)
    }

    /// Waits until the watermark is at least `seq`; false if the time was over before.
    pub fn wait(&self, seq: u64, timeout: Duration) -> bool {
        self.chain.wait(seq, timeout)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("id", &self.id()).field("mark", &self.chain.mark()).finish()
    }
}

fn check(seq: u64, mark: &Mark, beyond: u64) -> Result<(), ReadError> {
    let (floor, watermark) = (mark.floor.max(1), mark.watermark.seq);
    if seq < floor {
        return Err(ReadError::BelowFloor { seq, floor });
    }
    if seq > watermark + beyond {
        return Err(ReadError::BeyondHead { seq, watermark });
    }
    Ok(())
}

/// Sees to it that the segment's index reaches to the limit.
pub(crate) fn indexed(chain: &Chain, span: &Span, limit: &Limit) -> Result<(), ReadError> {
    let part = &*span.part;
    if part.index.read().next_seq(part) >= limit.end_seq {
        return Ok(());
    }
    let (view, end) = part.view(chain, limit)?;
    let bytes = view.bytes(end).unwrap_or(&[]);
    part.index.write().extend(part, &*chain.storage, bytes, limit);
    Ok(())
}

/// Reads one record of a segment.
pub(crate) fn fetch(
    chain: &Chain,
    span: &Span,
    limit: &Limit,
    seq: u64,
) -> Result<RecordRef, ReadError> {
    indexed(chain, span, limit)?;
    let part = &*span.part;
    let damaged =
        |at: usize| part.gap(&*chain.storage, seq, seq, at, crate::error::GapReason::Record);
    let place = part.index.read().place(part, seq).map_err(|gap| gap.cloned());
    let (at, len) = place.map_err(|gap| ReadError::Gap(gap.unwrap_or_else(|| damaged(0))))?;
    let limit = Limit { end_position: Some((at + len) as u64), ..*limit };
    let (view, end) = part.view(chain, &limit)?;
    let record = view.bytes(end).and_then(|bytes| bytes.get(at..at + len));
    if !record.is_some_and(|record| frame::record_fits(record, part.seed, seq)) {
        return Err(ReadError::Gap(damaged(at)));
    }
    Ok(RecordRef { bytes: Bytes::Viewed { view, from: at, to: at + len }, seq })
}
