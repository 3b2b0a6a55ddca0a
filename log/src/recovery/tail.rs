//! What lies beyond all that is known to be on the medium, and what is decided about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Torn;
use crate::chain::{Part, Span, spans};
use crate::error::{Gap, GapReason};
use crate::frame::{self, FrameKind, Head};
use crate::ring::Batch;
use crate::segment::{Form, HEADER_LEN};
use crate::storage::Storage;
use crate::walk::{self, Step};
use crate::watermark::{Mark, Place};
use crate::writer::Active;

/// Walks what is there. A segment that was begun to write acknowledged records again, after a failed
/// sync, and did not get to the last of them, is left out where the older one has more.
pub fn look(
    storage: &dyn Storage,
    parts: &BTreeMap<u64, Arc<Part>>,
    mark: &Mark,
) -> std::io::Result<(Walk, Verdict, bool)> {
    let walk = Walk::run(storage, spans(parts), mark)?;
    let verdict = walk.decide(storage, mark);
    let seen = mark.watermark;
    let mut older = parts.clone();
    older.retain(|&serial, part| serial <= seen.serial || part.identity.first_seq > seen.seq);
    if older.len() < parts.len() {
        let mut other = Walk::run(storage, spans(&older), mark)?;
        other.durable = other.durable.max(walk.durable);
        let other_verdict = other.decide(storage, mark);
        if other_verdict.missing() < verdict.missing() {
            return Ok((other, other_verdict, true));
        }
    }
    Ok((walk, verdict, false))
}

/// Index of the segment with the place that is known to be synced, where the walk begins; `None`: it is
/// not there, and all that is there is walked.
pub fn beginning(
    storage: &dyn Storage,
    spans: &[Span],
    mark: &Mark,
) -> std::io::Result<Option<usize>> {
    let is_it = |span: &Span| span.part.identity.serial == mark.synced.serial;
    let Some(index) = spans.iter().position(is_it) else { return Ok(None) };
    let span = &spans[index];
    let reaches =
        span.part.form == Form::Sealed || mark.synced.position <= span.part.file(storage)?.len()?;
    Ok((reaches && mark.synced.seq + 1 >= span.first).then_some(index))
}

/// What was found beyond the place that is known to be synced.
pub struct Walk {
    pub spans: Vec<Span>,
    /// Index of the segment it began in.
    from: usize,
    /// The first seq that no valid frame has.
    next: u64,
    /// End of the last valid frame.
    pub place: Place,
    /// The greatest seq that is known to have been durable.
    durable: u64,
    /// The last one in a sealed segment.
    sealed: u64,
    troubles: Vec<Trouble>,
    frames: Vec<Found>,
}

/// A valid frame.
struct Found {
    part: Arc<Part>,
    position: usize,
    head: Head,
    /// The seq after the last one that is its own: a later segment may have the others.
    end: u64,
}

/// Something between the valid frames.
struct Trouble {
    part: Arc<Part>,
    position: usize,
    first: u64,
    last: u64,
    /// Where the log would end if this is torn.
    cut: u64,
    reason: GapReason,
}

/// What is decided.
pub struct Verdict {
    /// The seq that will be given away next.
    pub next: u64,
    pub torn: Option<Torn>,
    pub gaps: Vec<Gap>,
    /// The last segment can be gone on with, as far as its valid frames are concerned.
    pub whole: bool,
}

impl Verdict {
    fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.last - gap.first + 1).sum()
    }
}

impl Walk {
    fn run(storage: &dyn Storage, spans: Vec<Span>, mark: &Mark) -> std::io::Result<Walk> {
        let mut walk = Walk {
            from: 0,
            next: spans.first().map_or(mark.synced.seq + 1, |span| span.first),
            place: Place::default(),
            durable: mark.synced.seq,
            sealed: 0,
            troubles: Vec::new(),
            frames: Vec::new(),
            spans,
        };
        if let Some(index) = beginning(storage, &walk.spans, mark)? {
            (walk.from, walk.next, walk.place) = (index, mark.synced.seq + 1, mark.synced);
        }
        for index in walk.from..walk.spans.len() {
            let span = walk.spans[index].clone();
            walk.segment(storage, &span)?;
        }
        Ok(walk)
    }

    fn segment(&mut self, storage: &dyn Storage, span: &Span) -> std::io::Result<()> {
        let serial = span.part.identity.serial;
        if self.next < span.first {
            self.trouble(span, HEADER_LEN, span.first - 1, GapReason::Segment);
        }
        if span.part.form == Form::Sealed {
            return self.sealed(storage, span);
        }
        let (view, len) = span.part.try_view(storage, None)?;
        let bytes = view.bytes(len).unwrap_or(&[]);
        let mut position = HEADER_LEN;
        if self.place.serial == serial {
            position = self.place.position as usize;
        }
        view.expect(position as u64);
        while self.next < span.end {
            match walk::step(bytes, position, span.part.seed, self.next, span.end) {
                Step::Frame { position: at, head } => {
                    position = self.frame(span, bytes, at, &head);
                }
                Step::Skip { resumed, head } => {
                    self.trouble(span, position, head.first_seq - 1, GapReason::Frame);
                    position = resumed;
                }
                Step::End if span.end == u64::MAX => break,
                Step::End => self.trouble(span, position, span.end - 1, GapReason::Frame),
            }
            self.place = Place { seq: self.next - 1, serial, position: position as u64 };
        }
        if self.place.serial != serial {
            self.place = Place { seq: self.next - 1, serial, position: position as u64 };
        }
        Ok(())
    }

    /// A sealed segment was durable before it had its name.
    fn sealed(&mut self, storage: &dyn Storage, span: &Span) -> std::io::Result<()> {
        let footer = span.part.footer(storage, span.end)?;
        self.next = self.next.max(footer.end_seq.min(span.end));
        self.sealed = self.next - 1;
        self.durable = self.durable.max(self.sealed);
        let (seq, serial) = (self.next - 1, span.part.identity.serial);
        self.place = Place { seq, serial, position: 0 };
        Ok(())
    }

    fn frame(&mut self, span: &Span, bytes: &[u8], position: usize, head: &Head) -> usize {
        let end = head.end_seq().min(span.end);
        self.frames.push(Found { part: span.part.clone(), position, head: *head, end });
        self.durable = self.durable.max(head.durable_before);
        let mut at = position + head.table_end();
        for index in 0..if head.kind == FrameKind::Records { head.count } else { 0 } {
            let seq = head.first_seq + u64::from(index);
            let len = frame::record_len(bytes, position, index);
            let record = bytes.get(at..at + len);
            let fits = |record: &[u8]| frame::record_fits(record, span.part.seed, seq);
            if seq < end && !record.is_some_and(fits) {
                let reason = GapReason::Record;
                let (part, first, cut) = (span.part.clone(), seq, head.first_seq);
                self.troubles.push(Trouble { part, position: at, first, last: seq, cut, reason });
            }
            at += len;
        }
        self.next = end;
        position + head.len as usize
    }

    /// Nothing valid from the next seq to `last`.
    fn trouble(&mut self, span: &Span, position: usize, last: u64, reason: GapReason) {
        let (part, first) = (span.part.clone(), self.next);
        self.troubles.push(Trouble { part, position, first, last, cut: first, reason });
        self.next = last + 1;
    }

    fn decide(&self, storage: &dyn Storage, mark: &Mark) -> Verdict {
        let given_away = self.durable.max(mark.watermark.seq);
        let mut verdict = Verdict { next: self.next, torn: None, gaps: Vec::new(), whole: true };
        for trouble in &self.troubles {
            if trouble.first <= given_away {
                let last = trouble.last.min(given_away);
                let reason =
                    if trouble.first > self.durable { GapReason::Unsynced } else { trouble.reason };
                let (first, at) = (trouble.first, trouble.position);
                verdict.gaps.push(trouble.part.gap(storage, first, last, at, reason));
            }
            if trouble.last > given_away {
                let first = trouble.cut.max(given_away + 1);
                let (file, position) = (storage.path(&trouble.part.name), trouble.position as u64);
                verdict.torn = Some(Torn { first, file, position });
                (verdict.next, verdict.whole) = (first, false);
                return verdict;
            }
        }
        if self.next <= given_away {
            let reason =
                if self.next > self.durable { GapReason::Unsynced } else { GapReason::Frame };
            let (first, last) = (self.next, given_away);
            verdict.gaps.push(match self.spans.last() {
                Some(span) => {
                    span.part.gap(storage, first, last, self.place.position as usize, reason)
                }
                None => {
                    let (file, reason) = (storage.path(""), GapReason::Segment);
                    Gap { first, last, file, position: 0, reason }
                }
            });
            (verdict.next, verdict.whole) = (given_away + 1, false);
        }
        verdict
    }

    /// The first seq that is to be written again: behind all that is known durable, or from the first
    /// gap on of which nothing would tell any more. Frames that are left behind with a torn tail
    /// tell nothing later.
    pub fn write_again_from(&self, verdict: &Verdict, mark: &Mark) -> u64 {
        let stays = |found: &&Found| found.head.first_seq < verdict.next;
        let told = self.frames.iter().filter(stays).map(|found| found.head.durable_before);
        let told = told.fold(mark.synced.seq.max(self.sealed), u64::max);
        let untold = verdict.gaps.iter().any(|gap| gap.last > told);
        let from = if untold { told.min(self.durable) } else { self.durable } + 1;
        // A frame is written again as a whole.
        let straddles = |found: &&Found| found.head.first_seq < from && from < found.end;
        self.frames.iter().find(straddles).map_or(from, |found| found.head.first_seq)
    }

    /// What is not written again counts as synced from now on, so it has to be: frames may say that more
    /// is settled than was synced, as with `Os` what was given away counts, wherever it is.
    pub fn sync_below(&self, storage: &dyn Storage, from: u64, mark: &Mark) -> std::io::Result<()> {
        if from > mark.synced.seq + 1 {
            for active in self.files(storage)? {
                active.file.sync()?;
            }
        }
        Ok(())
    }

    /// What lies from there on, gaps included.
    pub fn to_write_again(
        &self,
        storage: &dyn Storage,
        verdict: &Verdict,
        from: u64,
    ) -> std::io::Result<Vec<Batch>> {
        let mut batches = Vec::new();
        let mut next = from;
        let kept = |f: &&Found| f.head.first_seq >= from && f.head.first_seq < verdict.next;
        for found in self.frames.iter().filter(kept) {
            missing(&mut batches, FrameKind::Unsynced, next, found.head.first_seq);
            next = found.end.min(verdict.next);
            found.read(storage, next, &mut batches)?;
        }
        missing(&mut batches, FrameKind::Unsynced, next, verdict.next);
        Ok(batches)
    }

    /// The segments that were walked, for syncing.
    pub fn files(&self, storage: &dyn Storage) -> std::io::Result<Vec<Arc<Active>>> {
        let plain = |span: &&Span| span.part.form == Form::Plain;
        let walked = self.spans[self.from..].iter().filter(plain).map(|span| {
            let file = storage.open(&span.part.name)?;
            let made = file.len()?;
            Ok(Arc::new(Active::new(span.part.identity, file, made)))
        });
        walked.collect()
    }
}

/// Adds what declares the seqs from `first` to before `end` as missing.
fn missing(batches: &mut Vec<Batch>, kind: FrameKind, mut first: u64, end: u64) {
    while first < end {
        let count = (end - first).min(u64::from(u32::MAX)) as u32;
        batches.push(Batch::missing(kind, first, count));
        first += u64::from(count);
    }
}

impl Found {
    /// Adds the frame's seqs up to before `end` as they were, a damaged record as missing.
    fn read(
        &self,
        storage: &dyn Storage,
        end: u64,
        batches: &mut Vec<Batch>,
    ) -> std::io::Result<()> {
        if self.head.kind != FrameKind::Records {
            missing(batches, self.head.kind, self.head.first_seq, end);
            return Ok(());
        }
        let (view, len) = self.part.try_view(storage, None)?;
        let bytes = view.bytes(len).unwrap_or(&[]);
        let mut at = self.position + self.head.table_end();
        let mut batch = Batch { first_seq: self.head.first_seq, ..Batch::empty() };
        for (index, seq) in (self.head.first_seq..end).enumerate() {
            let len = frame::record_len(bytes, self.position, index as u32);
            match bytes.get(at..at + len).filter(|r| frame::record_fits(r, self.part.seed, seq)) {
                Some(record) => {
                    batch.bytes.extend_from_slice(record);
                    batch.lens.push(len as u32);
                    batch.count += 1;
                }
                None => {
                    let next = Batch { first_seq: seq + 1, ..Batch::empty() };
                    batches.extend(Some(std::mem::replace(&mut batch, next)));
                    missing(batches, FrameKind::Unsynced, seq, seq + 1);
                }
            }
            at += len;
        }
        batches.push(batch);
        batches.retain(|batch| batch.count > 0);
        Ok(())
    }
}
