//! The footer of a sealed segment: what is in it and where, and the link to the one before.
//!
//! ```text
//! footer, in variable length numbers
//!  first_seq, end_seq, payload bytes, whether there are times, first and last time
//!  previous serial, its hash 32
//!  number of blocks; each: position, first_seq, count, length
//!  number of gaps; each: first, last, reason, position it had
//!  number of sessions, in order of key; each: key, base revision, count, length of its posting,
//!    posting: seqs, each less the one before
//!
//! trailer, at the end of the file
//!  0 magic 8 | 8 footer_len 8 | 16 footer_crc 4 | 20 crc 4 | 24 hash 32
//! ```
//!
//! `hash` is the SHA-256 of all bytes before the trailer; as the footer holds the hash of the
//! segment before, the newest hash vouches for all. `crc` covers the trailer with itself as zero.

use sha2::{Digest, Sha256};

use crate::error::GapReason;
use crate::varint::{self, Input};

/// Bytes of the trailer.
pub const TRAILER_LEN: usize = 56;
const MAGIC: [u8; 8] = *b"smlogend";

/// A hash in the chain.
pub type Hash = [u8; 32];

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace {
    pub position: u64,
    pub first_seq: u64,
    pub count: u32,
    pub len: u64,
}

/// Seqs that were missing when the segment was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedGap {
    pub first: u64,
    pub last: u64,
    pub reason: GapReason,
    pub position: u64,
}

/// A session's records in the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    pub key: Vec<u8>,
    /// How many records the session has before this segment.
    pub base: u64,
    pub seqs: Seqs,
}

/// Seqs, packed as they lie in the footer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seqs {
    pub count: u64,
    packed: Vec<u8>,
}

impl Seqs {
    pub fn new(seqs: &[u64]) -> Seqs {
        let (mut packed, mut before) = (Vec::new(), 0);
        for &seq in seqs {
            varint::put(&mut packed, seq - before);
            before = seq;
        }
        Seqs { count: seqs.len() as u64, packed }
    }

    /// All of them; fewer, if the bytes were made wrongly.
    pub fn list(&self) -> Vec<u64> {
        let mut input = Input::new(&self.packed);
        let mut seq = 0u64;
        let mut next = || {
            seq = seq.checked_add(input.number()?)?;
            Some(seq)
        };
        (0..self.count).map_while(|_| next()).collect()
    }
}

/// A sealed segment's table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footer {
    pub first_seq: u64,
    pub end_seq: u64,
    pub payload_bytes: u64,
    pub times: Option<(i64, i64)>,
    pub previous_serial: u64,
    pub previous: Hash,
    pub blocks: Vec<BlockPlace>,
    pub gaps: Vec<SealedGap>,
    /// In order of key.
    pub sessions: Vec<Posting>,
    /// Made from the blocks, as the one on the medium is damaged: bases are not known. Not stored.
    pub rebuilt: bool,
}

impl Footer {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let (low, high) = self.times.unwrap_or_default();
        for number in [self.first_seq, self.end_seq, self.payload_bytes] {
            varint::put(&mut out, number);
        }
        varint::put(&mut out, u64::from(self.times.is_some()));
        varint::put_signed(&mut out, low);
        varint::put_signed(&mut out, high);
        varint::put(&mut out, self.previous_serial);
        out.extend_from_slice(&self.previous);
        varint::put(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            for number in [block.position, block.first_seq, block.count.into(), block.len] {
                varint::put(&mut out, number);
            }
        }
        varint::put(&mut out, self.gaps.len() as u64);
        for gap in &self.gaps {
            for number in [gap.first, gap.last, gap.reason.number().into(), gap.position] {
                varint::put(&mut out, number);
            }
        }
        varint::put(&mut out, self.sessions.len() as u64);
        for session in &self.sessions {
            varint::put_bytes(&mut out, &session.key);
            varint::put(&mut out, session.base);
            varint::put(&mut out, session.seqs.count);
            varint::put_bytes(&mut out, &session.seqs.packed);
        }
        out
    }

    /// Reads a footer whose checksum fits. Any bytes will do.
    pub fn decode(bytes: &[u8]) -> Option<Footer> {
        let mut input = Input::new(bytes);
        let mut footer = Footer {
            first_seq: input.number()?,
            end_seq: input.number()?,
            payload_bytes: input.number()?,
            ..Footer::default()
        };
        let timed = input.number()? != 0;
        let times = (input.signed()?, input.signed()?);
        footer.times = timed.then_some(times);
        footer.previous_serial = input.number()?;
        footer.previous = input.take(32)?.try_into().ok()?;
        for _ in 0..input.number()? {
            footer.blocks.push(BlockPlace {
                position: input.number()?,
                first_seq: input.number()?,
                count: u32::try_from(input.number()?).ok()?,
                len: input.number()?,
            });
        }
        for _ in 0..input.number()? {
            footer.gaps.push(SealedGap {
                first: input.number()?,
                last: input.number()?,
                reason: GapReason::from_number(u8::try_from(input.number()?).ok()?),
                position: input.number()?,
            });
        }
        for _ in 0..input.number()? {
            footer.sessions.push(session(&mut input)?);
        }
        (input.at == bytes.len()).then_some(footer)
    }

    /// The session's posting.
    pub fn session(&self, key: &[u8]) -> Option<&Posting> {
        let at = self.sessions.binary_search_by(|posting| posting.key.as_slice().cmp(key));
        self.sessions.get(at.ok()?)
    }

    /// Index of the block that has or should have that seq.
    pub fn block(&self, seq: u64) -> Option<usize> {
        let index = self.blocks.partition_point(|block| block.first_seq <= seq).checked_sub(1)?;
        let block = self.blocks.get(index)?;
        (seq - block.first_seq < u64::from(block.count)).then_some(index)
    }
}

fn session(input: &mut Input<'_>) -> Option<Posting> {
    let len = usize::try_from(input.number()?).ok()?;
    let key = input.take(len)?.to_vec();
    let (base, count) = (input.number()?, input.number()?);
    let len = usize::try_from(input.number()?).ok()?;
    let packed = input.take(len)?.to_vec();
    (count <= packed.len() as u64).then_some(Posting { key, base, seqs: Seqs { count, packed } })
}

/// A trailer, found valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    pub footer_len: u64,
    pub footer_crc: u32,
    pub hash: Hash,
}

impl Trailer {
    pub fn new(footer: &[u8], sha: Sha256) -> Trailer {
        let footer_crc = crc32fast::hash(footer);
        Trailer { footer_len: footer.len() as u64, footer_crc, hash: sha.finalize().into() }
    }

    pub fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.footer_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.footer_crc.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.hash);
        let crc = crc32fast::hash(&bytes);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The trailer at the end of a file's bytes.
    pub fn decode(file: &[u8]) -> Option<Trailer> {
        let bytes = *file.last_chunk::<TRAILER_LEN>()?;
        let mut zeroed = bytes;
        zeroed[20..24].fill(0);
        if bytes[0..8] != MAGIC || crc32fast::hash(&zeroed).to_le_bytes() != bytes[20..24] {
            return None;
        }
        Some(Trailer {
            footer_len: u64::from_le_bytes(bytes[8..16].try_into().ok()?),
            footer_crc: u32::from_le_bytes(bytes[16..20].try_into().ok()?),
            hash: bytes[24..56].try_into().ok()?,
        })
    }

    /// The footer's place in the file.
    pub fn footer<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let end = file.len().checked_sub(TRAILER_LEN)?;
        let footer = file.get(end.checked_sub(usize::try_from(self.footer_len).ok()?)?..end)?;
        (crc32fast::hash(footer) == self.footer_crc).then_some(footer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        Footer {
            first_seq: 5,
            end_seq: 12,
            payload_bytes: 999,
            times: Some((-3, 8)),
            previous_serial: 2,
            previous: [7; 32],
            blocks: vec![BlockPlace { position: 64, first_seq: 5, count: 7, len: 80 }],
            gaps: vec![SealedGap { first: 7, last: 8, reason: GapReason::Lost, position: 64 }],
            sessions: vec![
                Posting { key: b"a".to_vec(), base: 3, seqs: Seqs::new(&[5, 9, 11]) },
                Posting { key: b"b".to_vec(), base: 0, seqs: Seqs::new(&[6]) },
            ],
            rebuilt: false,
        }
    }

    #[test]
    fn a_footer_comes_back() {
        let found = Footer::decode(&footer().encode()).unwrap();
        assert_eq!(found, footer());
        assert_eq!(found.session(b"a").unwrap().seqs.list(), [5, 9, 11]);
        assert!(found.session(b"c").is_none());
        assert_eq!((found.block(11), found.block(12), found.block(4)), (Some(0), None, None));
    }

    #[test]
    fn every_flipped_bit_of_footer_and_trailer_is_noticed() {
        let mut file = footer().encode();
        let trailer = Trailer::new(&file, Sha256::new());
        file.extend_from_slice(&trailer.encode());
        let found = Trailer::decode(&file).unwrap();
        assert_eq!(found.footer(&file), Some(&footer().encode()[..]));
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let found = Trailer::decode(&file);
            assert!(found.is_none_or(|trailer| trailer.footer(&file).is_none()), "bit {bit}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Some(footer) = Footer::decode(&bytes) {
                footer.sessions.iter().for_each(|posting| drop(posting.seqs.list()));
                let _ = footer.block(1);
            }
            let _ = Trailer::decode(&bytes).and_then(|trailer| trailer.footer(&bytes).map(<[u8]>::len));
        }
    }
}
