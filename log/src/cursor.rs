//! [`Cursor`]: the log from a seq on, record by record, forwards and backwards. Catching up and following
//! are one.

use std::sync::Arc;

use crate::block::Block;
use crate::chain::{Chain, Limit, Span};
use crate::error::{Gap, GapReason, ReadError};
use crate::frame::{self, FrameKind, HEAD_LEN, Head};
use crate::record::{Record, RecordRef};
use crate::segment::{Form, HEADER_LEN};
use crate::storage::View;
use crate::walk::{self, Step};
use crate::watermark::Mark;

/// What a cursor comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record, its checksum verified.
    Record(Record<'a>),
    /// Records that cannot be read; the cursor goes on behind them.
    Gap(Gap),
}

/// Walks the log in order, up to the watermark of the moment and back to the floor. It stands between two
/// seqs: [`next`](Cursor::next) gives what is after, [`next_back`](Cursor::next_back) what is before.
pub struct Cursor {
    chain: Arc<Chain>,
    mark: Mark,
    /// The next seq to give.
    next: u64,
    open: Option<Open>,
    /// What was given last on the way back.
    held: Option<RecordRef>,
}

/// Where the cursor is within a segment.
struct Open {
    span: Span,
    limit: Limit,
    view: Arc<View>,
    /// How far `view` may be read.
    end: u64,
    /// Start of the next frame.
    position: usize,
    /// What is left of the frame the cursor is in.
    frame: Rest,
    /// In a sealed segment: the block the cursor is in.
    block: Option<Arc<Block>>,
}

/// The records of a frame that are still to come.
#[derive(Default)]
struct Rest {
    count: u32,
    /// Where the next record's length is.
    table: usize,
    /// Where the next record is.
    record: usize,
}

/// What was found, as places: to be turned into an [`Item`] when nothing is borrowed any more.
enum Found {
    Record {
        seq: u64,
        from: usize,
        to: usize,
    },
    /// In the open block.
    Unpacked {
        seq: u64,
    },
    Gap(Gap),
    Nothing,
}

impl Cursor {
    pub(crate) fn new(chain: Arc<Chain>, mark: Mark, next: u64) -> Cursor {
        Cursor { chain, mark, next, open: None, held: None }
    }

    /// The seq of the next item.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The next item. `None`: caught up; call again later, or [`wait`](crate::Reader::wait) first. Where
    /// the system does not give what is next, the error says which seqs ([`ReadError::seqs`]), and the
    /// cursor stays before them: a new one goes on behind.
    #[expect(clippy::should_implement_trait, reason = "it lends, and it can fail")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        if let Some((seq, from, to)) = self.next_in_frame() {
            let bytes = self.open.as_ref().map_or(&[][..], Open::bytes);
            let record = bytes.get(from..to).unwrap_or(&[]);
            return Ok(Some(Item::Record(frame::record_fields(seq, record))));
        }
        let found = loop {
            match self.find()? {
                Found::Nothing if self.next <= self.mark.watermark.seq => {}
                found => break found,
            }
        };
        match found {
            Found::Nothing => Ok(None),
            Found::Gap(gap) => Ok(Some(Item::Gap(self.chain.lay(gap)))),
            Found::Record { seq, from, to } => {
                let bytes = self.open.as_ref().and_then(|open| open.view.bytes(to as u64));
                let record = bytes.map_or(&[][..], |bytes| &bytes[from..]);
                Ok(Some(Item::Record(frame::record_fields(seq, record))))
            }
            Found::Unpacked { seq } => {
                let block = self.open.as_ref().and_then(|open| open.block.as_ref());
                Ok(block.and_then(|block| block.record(seq)).map(Item::Record))
            }
        }
    }

    /// The item before. `None`: at the floor. Ranges that cannot be read come whole, as they do forwards,
    /// but for those that the way began in the middle of.
    pub fn next_back(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        // Whoever turns round begins anew.
        self.open = None;
        let floor = self.chain.mark().floor;
        if self.next <= floor {
            return Ok(None);
        }
        let seq = self.next - 1;
        match self.chain.record(seq, &self.mark) {
            Ok(record) => {
                self.next = seq;
                Ok(Some(Item::Record(self.held.insert(record).record())))
            }
            Err(ReadError::Gap(gap)) => {
                let first = self.chain.gap_begin(seq, &self.mark).max(floor);
                self.next = first;
                Ok(Some(Item::Gap(Gap { first, last: seq, ..gap })))
            }
            Err(error) => Err(error),
        }
    }

    /// The place of the next record, where it is whole and in the same frame as the last one: the way
    /// that nearly all records go.
    #[inline]
    fn next_in_frame(&mut self) -> Option<(u64, usize, usize)> {
        let seq = self.next;
        let open = self.open.as_mut().filter(|open| seq < open.limit.end_seq)?;
        let Rest { count, table, record: from } = open.frame;
        if count == 0 {
            return None;
        }
        let bytes = open.view.bytes(open.end)?;
        let len = u32::from_le_bytes(*bytes.get(table..)?.first_chunk()?) as usize;
        let to = from + len;
        if !frame::record_fits(bytes.get(from..to)?, open.span.part.seed, seq) {
            return None;
        }
        open.frame = Rest { count: count - 1, table: table + 4, record: to };
        self.next = seq + 1;
        Some((seq, from, to))
    }

    fn find(&mut self) -> Result<Found, ReadError> {
        if self.next > self.mark.watermark.seq && !self.catch_up()? {
            return Ok(Found::Nothing);
        }
        if self.open.as_ref().is_none_or(|open| self.next >= open.span.end)
            && let Some(gap) = self.enter()?
        {
            self.next = gap.last + 1;
            return Ok(Found::Gap(gap));
        }
        let Some(open) = &mut self.open else { return Ok(Found::Nothing) };
        let found = match open.span.part.form {
            Form::Plain => open.find(&self.chain, self.next),
            Form::Sealed => open.find_sealed(&self.chain, self.next)?,
        };
        match &found {
            Found::Record { seq, .. } | Found::Unpacked { seq } => self.next = seq + 1,
            Found::Gap(gap) => self.next = gap.last + 1,
            Found::Nothing => {}
        }
        Ok(found)
    }

    /// Looks how far the log is by now; false: no further.
    fn catch_up(&mut self) -> Result<bool, ReadError> {
        self.mark = self.chain.mark();
        if self.next > self.mark.watermark.seq {
            return Ok(false);
        }
        let active = self.mark.watermark;
        if let Some(open) = &mut self.open
            && open.span.part.identity.serial == active.serial
            && open.view.reach() >= active.position
        {
            let end_position = Some(active.position);
            open.limit = Limit { end_seq: active.seq + 1, end_position, ..open.limit };
            (open.span.end, open.end) = (u64::MAX, active.position);
        } else if let Some(open) = &mut self.open {
            // What was active may have been left for another segment by now.
            match self.chain.locate(self.next, &self.mark)? {
                Ok((span, limit)) if Arc::ptr_eq(&span.part, &open.span.part) => {
                    (open.view, open.end) = viewed(&self.chain, &span, &limit)?;
                    (open.span, open.limit) = (span, limit);
                }
                _ => self.open = None,
            }
        }
        Ok(true)
    }

    /// Opens the segment with the next seq, or says what is missing there.
    fn enter(&mut self) -> Result<Option<Gap>, ReadError> {
        self.open = None;
        let located = self.chain.again(|| {
            let (span, limit) = match self.chain.locate(self.next, &self.mark)? {
                Ok(located) => located,
                Err(gap) => return Ok(Err(gap)),
            };
            let viewed = viewed(&self.chain, &span, &limit)?;
            Ok(Ok((span, limit, viewed)))
        })?;
        let (span, limit, (view, end)) = match located {
            Ok(located) => located,
            Err(gap) => return Ok(Some(gap)),
        };
        let (frame, block) = (Rest::default(), None);
        let mut open = Open { span, limit, view, end, position: HEADER_LEN, frame, block };
        if open.span.part.form == Form::Plain {
            open.seek(self.next, &self.mark);
        }
        self.open = Some(open);
        Ok(None)
    }
}

/// The bytes of a plain segment, and how far they may be read; a sealed one's are read block by block.
fn viewed(chain: &Chain, span: &Span, limit: &Limit) -> Result<(Arc<View>, u64), ReadError> {
    if span.part.form == Form::Plain {
        return span.view(chain, limit);
    }
    span.part.file(&*chain.storage).map_err(span.unread(chain, limit))?;
    Ok((Arc::new(View::copied(Vec::new())), 0))
}

impl Open {
    fn bytes(&self) -> &[u8] {
        self.view.bytes(self.end).unwrap_or(&[])
    }

    /// Goes to the frame with `seq`, or to the damage it may lie in.
    fn seek(&mut self, seq: u64, mark: &Mark) {
        let Open { span, limit, .. } = self;
        let (seed, end_seq) = (span.part.seed, limit.end_seq);
        let mut expected = span.part.identity.first_seq;
        let is_active = span.part.identity.serial == mark.watermark.serial;
        if is_active && seq == mark.watermark.seq + 1 {
            self.position = mark.watermark.position as usize;
            return;
        }
        while expected < seq {
            let found = walk::step(self.bytes(), self.position, seed, expected, end_seq);
            let (position, head) = match found {
                Step::Frame { position, head } => (position, head),
                Step::Skip { resumed, head } if head.first_seq <= seq => (resumed, head),
                _ => return,
            };
            if head.end_seq() > seq {
                self.enter_frame(position, &head);
                self.pass((seq - head.first_seq) as u32);
                return;
            }
            self.position = position + head.len as usize;
            expected = head.end_seq();
        }
    }

    fn enter_frame(&mut self, position: usize, head: &Head) {
        self.position = position + head.len as usize;
        if head.kind == FrameKind::Records {
            self.frame = Rest {
                count: head.count,
                table: position + HEAD_LEN,
                record: position + head.table_end(),
            };
        }
    }

    fn pass(&mut self, records: u32) {
        for _ in 0..records.min(self.frame.count) {
            self.take();
        }
    }

    /// The place of the next record in the frame.
    fn take(&mut self) -> (usize, usize) {
        let table = self.frame.table;
        let len = self.bytes().get(table..table + 4).and_then(|len| len.try_into().ok());
        let from = self.frame.record;
        let to = from + u32::from_le_bytes(len.unwrap_or_default()) as usize;
        self.frame = Rest { count: self.frame.count - 1, table: table + 4, record: to };
        (from, to)
    }

    fn find_sealed(&mut self, chain: &Chain, next: u64) -> Result<Found, ReadError> {
        if next >= self.limit.end_seq {
            return Ok(Found::Nothing);
        }
        let (part, storage) = (&self.span.part, &*chain.storage);
        let held = self.block.as_ref().is_some_and(|block| next < block.end_seq());
        if !held {
            let found = part.block(storage, self.span.end, next);
            match found.map_err(self.span.unread(chain, &self.limit))? {
                Ok(block) => self.block = Some(block),
                Err(gap) => return Ok(Found::Gap(self.limit.clip(gap))),
            }
        }
        if self.block.as_ref().is_some_and(|block| block.record(next).is_some()) {
            return Ok(Found::Unpacked { seq: next });
        }
        let gap = part.sealed_record(storage, self.span.end, next);
        match gap.map_err(self.span.unread(chain, &self.limit))? {
            Ok(_) => Ok(Found::Unpacked { seq: next }),
            Err(gap) => Ok(Found::Gap(self.limit.clip(gap))),
        }
    }

    fn find(&mut self, chain: &Chain, next: u64) -> Found {
        if next >= self.limit.end_seq {
            return Found::Nothing;
        }
        if self.frame.count == 0
            && let Some(found) = self.next_frame(chain, next)
        {
            return found;
        }
        let (from, to) = self.take();
        let record = self.bytes().get(from..to);
        if record.is_some_and(|record| frame::record_fits(record, self.span.part.seed, next)) {
            return Found::Record { seq: next, from, to };
        }
        Found::Gap(self.gap(chain, next, next, from, GapReason::Record))
    }

    /// Enters the next frame; or gives the gap that is there instead.
    fn next_frame(&mut self, chain: &Chain, next: u64) -> Option<Found> {
        let seed = self.span.part.seed;
        let at = self.position;
        let (last, reason) = match walk::step(self.bytes(), at, seed, next, self.limit.end_seq) {
            Step::Frame { position, head } => {
                self.enter_frame(position, &head);
                let reason = head.kind.gap()?;
                (head.end_seq().min(self.limit.end_seq) - 1, reason)
            }
            Step::Skip { resumed, head } => {
                self.position = resumed;
                (head.first_seq - 1, GapReason::Frame)
            }
            Step::End => {
                // Frames may follow later where nothing is now: beyond what may be read.
                self.position = self.end as usize;
                (self.limit.end_seq - 1, self.limit.nothing)
            }
        };
        Some(Found::Gap(self.gap(chain, next, last, at, reason)))
    }

    fn gap(&self, chain: &Chain, first: u64, last: u64, at: usize, reason: GapReason) -> Gap {
        self.span.part.gap(&*chain.storage, first, last, at, reason)
    }
}
