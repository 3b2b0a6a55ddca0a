//! [`Reader`]: any number of them, in any process. They take no lock and see what is durable.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::chain::Chain;
use crate::cursor::Cursor;
use crate::error::{GapReason, OpenError, ReadError};
use crate::id::LogId;
use crate::record::RecordRef;
use crate::recovery;
use crate::session::{self, SessionCursor, SessionSeq};
use crate::stats::{self, Segment};
use crate::storage::{Directory, Storage};
use crate::verify::{self, Verification};
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

    /// Opens the log in that storage. Where its watermark file is missing or damaged, the segments say
    /// how far it is, at this moment; [`Reader::verify`] tells of it.
    pub fn open_in(storage: Arc<dyn Storage>) -> Result<Reader, OpenError> {
        let (page, id) = match crate::lock::open_page(&*storage) {
            Err(damaged @ OpenError::Damaged { .. }) => {
                recovery::survey::page(&storage)?.ok_or(damaged)?
            }
            opened => opened?,
        };
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
        let found = self.chain.record(seq, &mark);
        if matches!(&found, Err(ReadError::Gap(gap)) if gap.reason == GapReason::Trimmed) {
            check(seq, &self.chain.mark(), 0)?;
        }
        found
    }

    /// The seq of a session's record with that number, dense from 1; `None` if there is none yet,
    /// [`ReadError::NoRevision`] if it is no longer kept.
    pub fn revision(&self, session: &[u8], revision: u64) -> Result<Option<u64>, ReadError> {
        let trimmed = self.chain.trimmed_records(&self.chain.mark(), session)?;
        if (1..=trimmed).contains(&revision) {
            let (first, last) = (trimmed + 1, self.revisions(session)?);
            return Err(ReadError::NoRevision { revision, first, last });
        }
        self.chain.again(|| {
            let posting = session::find(&self.chain, session, revision)?;
            Ok(posting.and_then(|posting| posting.seq(revision)))
        })
    }

    /// The oldest revision of the session that is kept: 1 where none of its records was trimmed, one
    /// after its last where all were.
    pub fn first_revision(&self, session: &[u8]) -> Result<u64, ReadError> {
        Ok(self.chain.trimmed_records(&self.chain.mark(), session)? + 1)
    }

    /// How many records the session has, those that are no longer kept included.
    pub fn revisions(&self, session: &[u8]) -> Result<u64, ReadError> {
        self.chain.again(|| session::count(&self.chain, session))
    }

    /// The seqs of the session's records up to `through`, in order.
    pub fn seqs(&self, session: &[u8], through: u64) -> Result<Vec<u64>, ReadError> {
        self.chain.again(|| session::seqs(&self.chain, session, through))
    }

    /// The sessions with the newest records up to `through`, the newest first, each with that record's
    /// seq: `count` of them, or all if there are fewer.
    pub fn newest_sessions(
        &self,
        through: u64,
        count: usize,
    ) -> Result<Vec<SessionSeq>, ReadError> {
        self.chain.again(|| session::newest(&self.chain, through, count))
    }

    /// The session's records, from a revision on: the first one kept to one after the last.
    pub fn session(&self, session: &[u8], from_revision: u64) -> Result<SessionCursor, ReadError> {
        let last = self.revisions(session)?;
        let first = self.first_revision(session)?;
        if from_revision < first || from_revision > last + 1 {
            return Err(ReadError::NoRevision { revision: from_revision, first, last });
        }
        Ok(SessionCursor::new(self.chain.clone(), session, from_revision))
    }

    /// The session's last `count` records, or all if there are fewer; goes on with new ones.
    pub fn session_tail(&self, session: &[u8], count: u64) -> Result<SessionCursor, ReadError> {
        let first = self.first_revision(session)?;
        let from = (self.revisions(session)? + 1).saturating_sub(count).max(first);
        Ok(SessionCursor::new(self.chain.clone(), session, from))
    }

    /// The first seq whose record has that time or a later one; one after the watermark if none.
    pub fn seek_time(&self, time: i64) -> Result<u64, ReadError> {
        self.chain.again(|| self.find_time(time))
    }

    fn find_time(&self, time: i64) -> Result<u64, ReadError> {
        let mark = self.chain.mark();
        let parts = self.chain.parts(&mark)?;
        for span in &parts.list {
            let limit = parts.limit(span, &mark);
            if span.times(&self.chain, &limit)?.is_none_or(|(_, newest)| newest < time) {
                continue;
            }
            for seq in span.first.max(self.floor())..limit.end_seq {
                match span.record(&self.chain, &limit, seq)? {
                    Ok(record) if record.record().time >= time => return Ok(seq),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(mark.watermark.seq + 1)
    }

    /// The segments with their sizes, oldest first.
    pub fn segments(&self) -> Result<Vec<Segment>, ReadError> {
        self.chain.again(|| stats::segments(&self.chain))
    }

    /// Proves the log up to its watermark: frames, footers and the chain of sealed segments; `deep`
    /// unpacks every block and follows every posting, too.
    pub fn verify(&self, deep: bool) -> Result<Verification, ReadError> {
        self.verify_watched(deep, |_, _| {})
    }

    /// The same; `watch` is told, after each segment, the last seq that was looked at and the last
    /// one there is.
    pub fn verify_watched(
        &self,
        deep: bool,
        mut watch: impl FnMut(u64, u64),
    ) -> Result<Verification, ReadError> {
        self.chain.again(|| verify::verify(&self.chain, deep, &mut watch))
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
