//! [`SessionCursor`]: the records of one session, forwards and backwards.

use std::sync::Arc;

use crate::chain::{Chain, Limit, Span};
use crate::error::ReadError;
use crate::reader::{fetch, indexed};
use crate::record::{Record, RecordRef};

/// Walks a session's records. It stands between two revisions: [`next`](SessionCursor::next) gives
/// the one after, [`next_back`](SessionCursor::next_back) the one before.
///
/// A record in a gap is an error; the cursor has passed it then, and may be asked again.
pub struct SessionCursor {
    chain: Arc<Chain>,
    session: Box<[u8]>,
    /// The revision that `next` gives.
    next: u64,
    page: Option<Posting>,
    held: Option<RecordRef>,
}

/// The session's records in one segment.
struct Posting {
    span: Span,
    limit: Limit,
    /// Revision of the first of `seqs`.
    first: u64,
    seqs: Vec<u64>,
}

impl SessionCursor {
    pub(crate) fn new(chain: Arc<Chain>, session: &[u8], next: u64) -> SessionCursor {
        SessionCursor { chain, session: session.into(), next, page: None, held: None }
    }

    /// The revision that [`next`](SessionCursor::next) will give.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The next revision and its record. `None`: caught up; call again later.
    #[expect(clippy::should_implement_trait, reason = "it lends, and it can fail")]
    pub fn next(&mut self) -> Result<Option<(u64, Record<'_>)>, ReadError> {
        let revision = self.next;
        if !self.turn_to(revision)? {
            return Ok(None);
        }
        self.next += 1;
        self.read(revision)
    }

    /// The revision before, and its record. `None`: at the oldest.
    pub fn next_back(&mut self) -> Result<Option<(u64, Record<'_>)>, ReadError> {
        let revision = self.next - 1;
        if revision == 0 || !self.turn_to(revision)? {
            return Ok(None);
        }
        self.next = revision;
        self.read(revision)
    }

    fn read(&mut self, revision: u64) -> Result<Option<(u64, Record<'_>)>, ReadError> {
        let Some(page) = &self.page else { return Ok(None) };
        let Some(&seq) = page.seqs.get((revision - page.first) as usize) else { return Ok(None) };
        let record = fetch(&self.chain, &page.span, &page.limit, seq)?;
        Ok(Some((revision, self.held.insert(record).record())))
    }

    /// Finds the segment with that revision; false if there is none yet.
    fn turn_to(&mut self, revision: u64) -> Result<bool, ReadError> {
        if let Some(page) = &self.page
            && (page.first..page.first + page.seqs.len() as u64).contains(&revision)
        {
            return Ok(true);
        }
        let mark = self.chain.mark();
        let parts = self.chain.parts(&mark)?;
        let mut first = 1;
        for span in &parts.list {
            let limit = parts.limit(span, &mark);
            indexed(&self.chain, span, &limit)?;
            let index = span.part.index.read();
            let seqs = index.posting(&self.session, limit.end_seq);
            let end = first + seqs.len() as u64;
            if (first..end).contains(&revision) {
                let (span, seqs) = (span.clone(), seqs.to_vec());
                self.page = Some(Posting { span, limit, first, seqs });
                return Ok(true);
            }
            first = end;
        }
        Ok(false)
    }
}
