//! [`SessionCursor`]: the records of one session, forwards and backwards.
//!
//! Revisions are counted through the postings: a sealed segment says how many records a session has
//! before it, so the newest one that has the session ends the counting.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chain::{Chain, Limit, Span};
use crate::error::ReadError;
use crate::record::{Record, RecordRef};
use crate::span::Places;

/// A session, and a record's seq.
pub type SessionSeq = (Box<[u8]>, u64);

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

/// A session's records in one segment.
pub(crate) struct Posting {
    span: Span,
    limit: Limit,
    /// Revision of the first of `seqs`.
    first: u64,
    seqs: Vec<u64>,
    places: Option<Places>,
}

impl Posting {
    pub(crate) fn seq(&self, revision: u64) -> Option<u64> {
        let index = usize::try_from(revision.checked_sub(self.first)?).ok()?;
        self.seqs.get(index).copied()
    }
}

/// A segment that has the session: the revisions before it, and how many it has.
struct Page {
    span: Span,
    limit: Limit,
    before: u64,
    count: u64,
}

/// The segments from the one with `wanted` on, or all that matter for the count. In order.
fn pages(chain: &Chain, session: &[u8], wanted: u64) -> Result<Vec<Page>, ReadError> {
    let mark = chain.mark();
    let parts = chain.parts(&mark)?;
    let mut pages = Vec::new();
    // Backwards until a segment tells how many were before it, and those are not wanted.
    // A trim that is on its way has its file before it has its floor.
    let trimmed = chain.trimmed(&mark)?;
    let floor = trimmed.as_ref().map_or(mark.floor, |trimmed| trimmed.floor.max(mark.floor));
    for span in parts.kept(floor).rev() {
        let limit = parts.limit(span, &mark);
        let (base, count) = span.count(chain, &limit, session)?;
        if count > 0 {
            pages.push((Page { span: span.clone(), limit, before: 0, count }, base));
        }
        if base.is_some_and(|base| base < wanted) {
            break;
        }
    }
    pages.reverse();
    let mut before = chain.trimmed_records(&mark, session)?;
    let known = pages.into_iter().map(|(page, base)| {
        let page = Page { before: base.unwrap_or(before), ..page };
        before = page.before + page.count;
        page
    });
    Ok(known.collect())
}

/// How many records the session has.
pub(crate) fn count(chain: &Chain, session: &[u8]) -> Result<u64, ReadError> {
    let pages = pages(chain, session, u64::MAX)?;
    match pages.last() {
        Some(page) => Ok(page.before + page.count),
        None => chain.trimmed_records(&chain.mark(), session),
    }
}

/// The session's seqs up to `through`, in order.
pub(crate) fn seqs(chain: &Chain, session: &[u8], through: u64) -> Result<Vec<u64>, ReadError> {
    let mut seqs = Vec::new();
    for page in pages(chain, session, 1)? {
        if page.span.first > through {
            break;
        }
        seqs.extend(page.span.seqs(chain, &page.limit, session)?);
    }
    seqs.truncate(seqs.partition_point(|seq| *seq <= through));
    Ok(seqs)
}

/// The sessions with the newest records up to `through`.
pub(crate) fn newest(
    chain: &Chain,
    through: u64,
    count: usize,
) -> Result<Vec<SessionSeq>, ReadError> {
    let mark = chain.mark();
    let parts = chain.parts(&mark)?;
    let mut found: HashMap<Box<[u8]>, u64> = HashMap::new();
    for span in parts.list.iter().rev().filter(|span| span.first <= through) {
        // What older segments hold is older than all that was found.
        if found.len() >= count {
            break;
        }
        for (session, seq) in span.newest(chain, &parts.limit(span, &mark), through)? {
            found.entry(session).or_insert(seq);
        }
    }
    let mut newest: Vec<SessionSeq> = found.into_iter().collect();
    newest.sort_unstable_by_key(|(_, seq)| std::cmp::Reverse(*seq));
    newest.truncate(count);
    Ok(newest)
}

/// The session's posting with that revision.
pub(crate) fn find(
    chain: &Chain,
    session: &[u8],
    revision: u64,
) -> Result<Option<Posting>, ReadError> {
    let has = |page: &Page| page.before < revision && revision <= page.before + page.count;
    let Some(page) = pages(chain, session, revision)?.into_iter().find(has) else {
        return Ok(None);
    };
    let seqs = page.span.seqs(chain, &page.limit, session)?;
    let places = page.span.places(chain, &page.limit, &seqs)?;
    Ok(Some(Posting { span: page.span, limit: page.limit, first: page.before + 1, seqs, places }))
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
        let Some(seq) = page.seq(revision) else { return Ok(None) };
        let index = (revision - page.first) as usize;
        if let Some(record) = page.places.as_ref().and_then(|places| places.record(index, seq)) {
            return Ok(Some((revision, record)));
        }
        let record = page.span.record(&self.chain, &page.limit, seq)?.map_err(ReadError::Gap)?;
        Ok(Some((revision, self.held.insert(record).record())))
    }

    /// Finds the segment with that revision; false if there is none yet.
    fn turn_to(&mut self, revision: u64) -> Result<bool, ReadError> {
        if self.page.as_ref().is_some_and(|page| page.seq(revision).is_some()) {
            return Ok(true);
        }
        let (chain, session) = (&self.chain, &self.session);
        self.page = chain.again(|| find(chain, session, revision))?;
        Ok(self.page.is_some())
    }
}
