//! Reading a sealed segment: its footer, and its blocks through a small cache.
//!
//! Bytes are read, not mapped: of a file that another hand cuts, or a disk that fails, comes an error
//! and no signal.
//! A footer that is damaged is made again from the blocks; a block that is damaged is a gap.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use crate::block::{self, Block};
use crate::chain::{self, Part};
use crate::error::{Gap, GapReason};
use crate::footer::{BlockPlace, Footer, Posting, SealedGap, Seqs, TRAILER_LEN, Trailer};
use crate::record::{Held, RecordRef};
use crate::segment::{Form, HEADER_LEN, Header, Identity};
use crate::storage::{File, Storage, bytes_at};

const CACHED_BLOCKS: usize = 4;

/// The blocks that were unpacked last.
#[derive(Default)]
pub struct Cache(Mutex<VecDeque<Arc<Block>>>);

impl Cache {
    fn get(&self, seq: u64) -> Option<Arc<Block>> {
        let blocks = self.0.lock();
        blocks.iter().find(|block| (block.first_seq..block.end_seq()).contains(&seq)).cloned()
    }

    fn put(&self, block: &Arc<Block>) {
        let mut blocks = self.0.lock();
        blocks.truncate(CACHED_BLOCKS - 1);
        blocks.push_front(block.clone());
    }
}

/// The trailer of a sealed file, if it fits.
pub fn trailer(file: &dyn File) -> io::Result<Option<Trailer>> {
    let len = TRAILER_LEN as u64;
    let position = file.len()?.saturating_sub(len);
    Ok(bytes_at(file, position, len)?.and_then(|bytes| Trailer::decode(&bytes)))
}

/// The footer of that segment's sealed file, if it and the trailer fit. Their checksums say nothing of
/// whose they are; the blocks' do, where the header is damaged.
pub fn own_footer(file: &dyn File, identity: &Identity) -> io::Result<Option<Footer>> {
    let Some(trailer) = trailer(file)? else { return Ok(None) };
    let len = trailer.footer_len.saturating_add(TRAILER_LEN as u64);
    let Some(position) = file.len()?.checked_sub(len) else { return Ok(None) };
    let ending = bytes_at(file, position, len)?.unwrap_or_default();
    let footer = trailer.footer(&ending).and_then(Footer::decode);
    let Some(footer) = footer.filter(|footer| footer.first_seq == identity.first_seq) else {
        return Ok(None);
    };
    let is_own = match chain::header_of(file)? {
        Header::Damaged => footer.blocks.is_empty() || has_block(file, &footer, identity)?,
        header => header.is(identity, Form::Sealed),
    };
    Ok(is_own.then_some(footer))
}

/// Whether one of the blocks is where the footer says, and that segment's.
fn has_block(file: &dyn File, footer: &Footer, identity: &Identity) -> io::Result<bool> {
    let seed = identity.seed();
    for &BlockPlace { position, .. } in &footer.blocks {
        let head = bytes_at(file, position, block::HEAD_LEN as u64)?;
        if head.is_some_and(|head| block::decode_head(&head, position, seed).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Part {
    /// The footer of a sealed segment, which ends before `end_seq`.
    pub fn footer(&self, storage: &dyn Storage, end_seq: u64) -> io::Result<Arc<Footer>> {
        if let Some(footer) = self.footer.get() {
            return Ok(footer.clone());
        }
        let file = &**self.file(storage)?;
        let footer = match own_footer(file, &self.identity)? {
            Some(footer) => footer,
            None => {
                let all = bytes_at(file, 0, file.len()?)?.unwrap_or_default();
                self.rebuild(&all, end_seq)
            }
        };
        Ok(self.footer.get_or_init(|| Arc::new(footer)).clone())
    }

    /// Makes a footer from the blocks. What it cannot know is left out: the base revisions and the
    /// segment before.
    fn rebuild(&self, file: &[u8], end_seq: u64) -> Footer {
        let first_seq = self.identity.first_seq;
        let mut footer = Footer { first_seq, rebuilt: true, ..Footer::default() };
        let mut postings: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
        let (mut at, mut next) = (HEADER_LEN, first_seq);
        while at < file.len() {
            let head = block::decode_head(&file[at..], at as u64, self.seed);
            let Some(head) = head.filter(|head| head.first_seq >= next) else {
                at += 8;
                continue;
            };
            footer.miss(next, head.first_seq, at);
            footer.blocks.push(BlockPlace {
                position: at as u64,
                first_seq: head.first_seq,
                count: head.count,
                len: head.len() as u64,
            });
            next = head.end_seq();
            if let Some(block) = block::decode(&file[at..], &head, self.seed) {
                for record in (head.first_seq..next).filter_map(|seq| block.record(seq)) {
                    footer.note(record.time, record.payload.len());
                    if !record.session.is_empty() {
                        postings.entry(record.session.to_vec()).or_default().push(record.seq);
                    }
                }
            }
            at += head.len();
        }
        if end_seq != u64::MAX {
            footer.miss(next, end_seq, at);
            next = next.max(end_seq);
        }
        footer.end_seq = next;
        let sessions = postings.into_iter();
        footer.sessions =
            sessions.map(|(key, seqs)| Posting { key, base: 0, seqs: Seqs::new(&seqs) }).collect();
        footer
    }

    /// The block that has `seq`, or the gap that is there.
    pub fn block(
        &self,
        storage: &dyn Storage,
        end_seq: u64,
        seq: u64,
    ) -> io::Result<Result<Arc<Block>, Gap>> {
        if let Some(block) = self.cache.get(seq) {
            return Ok(Ok(block));
        }
        let footer = self.footer(storage, end_seq)?;
        let Some(place) = footer.block(seq).map(|index| footer.blocks[index]) else {
            return Ok(Err(self.sealed_gap(storage, &footer, end_seq, seq)));
        };
        let bytes = match bytes_at(&**self.file(storage)?, place.position, place.len) {
            // What the medium does not give any more is damaged.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => None,
            read => read?,
        };
        let bytes = bytes.unwrap_or_default();
        let head = block::decode_head(&bytes, place.position, self.seed);
        let head = head.filter(|head| head.first_seq == place.first_seq);
        match head.and_then(|head| block::decode(&bytes, &head, self.seed)) {
            Some(block) => {
                let block = Arc::new(block);
                self.cache.put(&block);
                Ok(Ok(block))
            }
            None => {
                let last = place.first_seq + u64::from(place.count) - 1;
                let last = last.min(end_seq - 1);
                Ok(Err(self.gap(storage, seq, last, place.position as usize, GapReason::Block)))
            }
        }
    }

    /// What is missing at `seq`, which no block has or which its block has not.
    pub fn sealed_gap(
        &self,
        storage: &dyn Storage,
        footer: &Footer,
        end_seq: u64,
        seq: u64,
    ) -> Gap {
        if seq >= footer.end_seq {
            // It goes on where the next one begins, and that one is not there.
            return self.gap(storage, seq, end_seq - 1, 0, GapReason::Segment);
        }
        if let Some(gap) = footer.gaps.iter().find(|gap| (gap.first..=gap.last).contains(&seq)) {
            let last = gap.last.min(end_seq - 1);
            return self.gap(storage, seq, last, gap.position as usize, gap.reason);
        }
        let later = footer.blocks.iter().find(|block| block.first_seq > seq);
        let (next, at) = later.map_or((end_seq, 0), |block| (block.first_seq, block.position));
        let has_block = footer.block(seq).is_some();
        let last = if has_block { seq } else { next.min(end_seq) - 1 };
        self.gap(storage, seq, last, at as usize, GapReason::Block)
    }

    /// One record of a sealed segment.
    pub fn sealed_record(
        &self,
        storage: &dyn Storage,
        end_seq: u64,
        seq: u64,
    ) -> io::Result<Result<RecordRef, Gap>> {
        let block = match self.block(storage, end_seq, seq)? {
            Ok(block) => block,
            Err(gap) => return Ok(Err(gap)),
        };
        if block.record(seq).is_none() {
            let footer = self.footer(storage, end_seq)?;
            return Ok(Err(self.sealed_gap(storage, &footer, end_seq, seq)));
        }
        Ok(Ok(RecordRef { held: Held::Unpacked(block), seq }))
    }
}

impl Footer {
    /// Takes a record's time and payload into the sums.
    pub fn note(&mut self, time: i64, payload: usize) {
        let (low, high) = self.times.unwrap_or((time, time));
        self.times = Some((low.min(time), high.max(time)));
        self.payload_bytes += payload as u64;
    }

    fn miss(&mut self, first: u64, end: u64, position: usize) {
        if first < end {
            let (last, position) = (end - 1, position as u64);
            self.gaps.push(SealedGap { first, last, reason: GapReason::Block, position });
        }
    }
}
