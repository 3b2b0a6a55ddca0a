//! What is known of the records of a plain segment: where each lies, and which belong to a session.
//! Made from the frames, each record's checksum included; grows as the segment does.

use std::collections::HashMap;

use crate::chain::{Limit, Part};
use crate::error::{Gap, GapReason};
use crate::frame::{self, FrameKind, Head};
use crate::session::SessionSeq;
use crate::storage::Storage;
use crate::walk::{self, Step};

/// The index of a segment's records up to some seq.
pub struct Index {
    /// Where the next frame begins.
    position: usize,
    /// For each seq from the segment's first: position and length; length 0: in a gap.
    places: Vec<(u32, u32)>,
    postings: HashMap<Box<[u8]>, Vec<u64>>,
    gaps: Vec<Gap>,
    times: Option<(i64, i64)>,
    payload_bytes: u64,
}

impl Default for Index {
    fn default() -> Index {
        Index {
            position: crate::segment::HEADER_LEN,
            places: Vec::new(),
            postings: HashMap::new(),
            gaps: Vec::new(),
            times: None,
            payload_bytes: 0,
        }
    }
}

impl Index {
    /// The first seq that is not indexed yet.
    pub fn next_seq(&self, part: &Part) -> u64 {
        part.identity.first_seq + self.places.len() as u64
    }

    /// Takes in all up to the limit; `bytes` reach to its position.
    pub fn extend(&mut self, part: &Part, storage: &dyn Storage, bytes: &[u8], limit: &Limit) {
        loop {
            let seq = self.next_seq(part);
            if seq >= limit.end_seq {
                return;
            }
            match walk::step(bytes, self.position, part.seed, seq, limit.end_seq) {
                Step::Frame { position, head } => self.add(part, storage, bytes, position, &head),
                Step::Skip { resumed, head } => {
                    self.skip(part, storage, head.first_seq - 1, GapReason::Frame);
                    self.position = resumed;
                }
                Step::End => return self.skip(part, storage, limit.end_seq - 1, limit.nothing),
            }
        }
    }

    fn add(
        &mut self,
        part: &Part,
        storage: &dyn Storage,
        bytes: &[u8],
        position: usize,
        head: &Head,
    ) {
        if let Some(reason) = head.kind.gap() {
            self.skip(part, storage, head.end_seq() - 1, reason);
        }
        let mut at = position + head.table_end();
        for index in 0..if head.kind == FrameKind::Records { head.count } else { 0 } {
            let seq = head.first_seq + u64::from(index);
            let len = frame::record_len(bytes, position, index);
            match bytes.get(at..at + len).filter(|r| frame::record_fits(r, part.seed, seq)) {
                Some(record) => self.add_record(seq, at, record),
                None => {
                    self.gaps.push(part.gap(storage, seq, seq, at, GapReason::Record));
                    self.places.push((at as u32, 0));
                }
            }
            at += len;
        }
        self.position = position + head.len as usize;
    }

    fn add_record(&mut self, seq: u64, at: usize, bytes: &[u8]) {
        let record = frame::record_fields(seq, bytes);
        self.places.push((at as u32, bytes.len() as u32));
        self.payload_bytes += record.payload.len() as u64;
        let (low, high) = self.times.unwrap_or((record.time, record.time));
        self.times = Some((low.min(record.time), high.max(record.time)));
        if record.session.is_empty() {
            return;
        }
        match self.postings.get_mut(record.session) {
            Some(seqs) => seqs.push(seq),
            None => {
                self.postings.insert(record.session.into(), vec![seq]);
            }
        }
    }

    fn skip(&mut self, part: &Part, storage: &dyn Storage, last: u64, reason: GapReason) {
        let first = self.next_seq(part);
        let gap = part.gap(storage, first, last, self.position, reason);
        self.gaps.push(gap);
        self.places.resize((last + 1 - part.identity.first_seq) as usize, (0, 0));
    }

    /// Position and length of a record, or the gap it lies in.
    pub fn place(&self, part: &Part, seq: u64) -> Result<(usize, usize), Option<&Gap>> {
        let index = seq.checked_sub(part.identity.first_seq).map(|index| index as usize);
        match index.and_then(|index| self.places.get(index)) {
            Some(&(at, len)) if len > 0 => Ok((at as usize, len as usize)),
            _ => Err(self.gaps.iter().find(|gap| (gap.first..=gap.last).contains(&seq))),
        }
    }

    /// Position and length of each of these records; length 0: in a gap.
    pub fn places(&self, part: &Part, seqs: &[u64]) -> Vec<(u32, u32)> {
        let first = part.identity.first_seq;
        let place = |seq: &u64| self.places.get((seq - first) as usize).copied();
        seqs.iter().map(|seq| place(seq).unwrap_or_default()).collect()
    }

    /// The seqs of a session below `end`.
    pub fn posting(&self, session: &[u8], end: u64) -> &[u64] {
        let seqs = self.postings.get(session).map_or(&[][..], Vec::as_slice);
        &seqs[..seqs.partition_point(|&seq| seq < end)]
    }

    /// Every session with its newest seq up to `through`, in no order.
    pub fn newest(&self, through: u64) -> Vec<SessionSeq> {
        let each = self.postings.iter();
        let last =
            |seqs: &Vec<u64>| seqs[..seqs.partition_point(|&seq| seq <= through)].last().copied();
        each.filter_map(|(session, seqs)| Some((session.clone(), last(seqs)?))).collect()
    }

    /// Bytes of all payloads, and the number of sessions.
    pub fn sums(&self) -> (u64, u64) {
        (self.payload_bytes, self.postings.len() as u64)
    }

    /// The gaps so far.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The first and last time of all records.
    pub fn times(&self) -> Option<(i64, i64)> {
        self.times
    }
}
