//! A frame, the bytes of one commit, and the records in it. Pure bytes: no file is touched here.
//!
//! ```text
//! little-endian, starts at a multiple of 8
//!  0 magic 4 | 4 crc 4 | 8 first_seq 8 | 16 count 4 | 20 kind 4 | 24 len 8 | 32 durable_before 8
//! 40 table: count × length of a record, 4 each | records … | zeros to a multiple of 8
//!
//! a record
//!  0 crc 4 | 4 kind 2 | 6 flags 2 | 8 direction 1 | 9 key_len 1 | 10 zero 2 | 12 generation 4
//! 16 time 8 | 24 source 8 | 32 key … | payload …
//! ```
//!
//! A head counts if: its magic is there; `crc` fits all of head and table, started from the
//! segment's seed and the frame's position; `len` is what table and records make. A record counts
//! if its head does and its own `crc` fits, started from the seed and its seq. So one wrong bit in
//! a record loses that record, in a head that frame; bytes that are stale, misplaced or quoted in
//! a payload never count.
//!
//! `durable_before` is the seq that was known to be on the medium when the frame was written: what
//! recovery needs to tell a torn frame from a rotten one. With durability `Os`, what was given away
//! counts like it after a failed sync or an opening, whatever of it is there.

use crate::caps::{FRAME_RECORDS_MAX, PAYLOAD_BYTES_MAX, SESSION_BYTES_MAX};
use crate::error::GapReason;
use crate::record::{Direction, Entry, Record};

/// Bytes of a frame's head before its table.
pub const HEAD_LEN: usize = 40;
/// Bytes of a record before its key.
pub const RECORD_HEAD_LEN: usize = 32;
/// Frames start at multiples of this.
pub const ALIGN: usize = 8;
const MAGIC: u32 = 0xF5A3_1C6E;
const RECORD_LEN_MAX: usize = RECORD_HEAD_LEN + SESSION_BYTES_MAX + PAYLOAD_BYTES_MAX;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum FrameKind {
    Records = 0,
    /// No records: declares `count` seqs as lost before they were written.
    Lost = 1,
    /// No records: declares `count` seqs as gone with the power, acknowledged without a sync.
    Unsynced = 2,
}

impl FrameKind {
    fn from_u32(number: u32) -> Option<FrameKind> {
        match number {
            0 => Some(FrameKind::Records),
            1 => Some(FrameKind::Lost),
            2 => Some(FrameKind::Unsynced),
            _ => None,
        }
    }

    /// What a frame without records says of its seqs.
    pub fn gap(self) -> Option<GapReason> {
        match self {
            FrameKind::Records => None,
            FrameKind::Lost => Some(GapReason::Lost),
            FrameKind::Unsynced => Some(GapReason::Unsynced),
        }
    }
}

/// A frame's head, found valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub kind: FrameKind,
    pub first_seq: u64,
    pub count: u32,
    /// Bytes from the head's start to the next frame.
    pub len: u64,
    pub durable_before: u64,
}

impl Head {
    /// The seq after the last one.
    pub fn end_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count)
    }

    /// Bytes of head and table.
    pub fn table_end(&self) -> usize {
        table_end(self.kind, self.count)
    }
}

fn table_end(kind: FrameKind, count: u32) -> usize {
    match kind {
        FrameKind::Records => HEAD_LEN + count as usize * 4,
        FrameKind::Lost | FrameKind::Unsynced => HEAD_LEN,
    }
}

/// Rounds up to where the next frame may start.
pub fn aligned(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

fn head_seed(seed: u32, position: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&position.to_le_bytes());
    hasher.finalize()
}

fn record_seed(seed: u32, seq: u64) -> u32 {
    // An odd factor: seqs that differ in their low 32 bits start differently.
    seed ^ (seq as u32).wrapping_mul(0x9E37_79B1) ^ ((seq >> 32) as u32)
}

/// Writes head and table of a frame with these records into `out` (cleared before).
pub fn encode_head(
    out: &mut Vec<u8>,
    seed: u32,
    position: u64,
    first_seq: u64,
    durable_before: u64,
    lens: &[u32],
) {
    let records: u64 = lens.iter().map(|&len| u64::from(len)).sum();
    let len = aligned(HEAD_LEN + lens.len() * 4 + records as usize) as u64;
    put_head(out, FrameKind::Records, first_seq, lens.len() as u32, len, durable_before);
    out.reserve(lens.len() * 4);
    for len in lens {
        out.extend_from_slice(&len.to_le_bytes());
    }
    seal_head(out, seed, position);
}

/// Writes a frame that declares `count` seqs as missing.
pub fn encode_missing(
    out: &mut Vec<u8>,
    kind: FrameKind,
    seed: u32,
    position: u64,
    first_seq: u64,
    durable_before: u64,
    count: u32,
) {
    put_head(out, kind, first_seq, count, HEAD_LEN as u64, durable_before);
    seal_head(out, seed, position);
}

fn put_head(
    out: &mut Vec<u8>,
    kind: FrameKind,
    first_seq: u64,
    count: u32,
    len: u64,
    durable_before: u64,
) {
    out.clear();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&first_seq.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&(kind as u32).to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&durable_before.to_le_bytes());
}

fn seal_head(out: &mut [u8], seed: u32, position: u64) {
    let crc = head_crc(out, seed, position);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
}

fn head_crc(head_and_table: &[u8], seed: u32, position: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(head_seed(seed, position));
    hasher.update(&head_and_table[8..]);
    hasher.finalize()
}

/// Gives a head the checksum that fits it, for the fuzzer.
#[cfg(feature = "fuzzing")]
pub fn put_right(bytes: &mut [u8], seed: u32) {
    if bytes.len() < HEAD_LEN {
        return;
    }
    bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    let count = half(bytes, 16) as usize;
    let kind = FrameKind::from_u32(half(bytes, 20)).unwrap_or(FrameKind::Lost);
    let end = count.checked_mul(4).map_or(HEAD_LEN, |_| table_end(kind, count as u32));
    if let Some(head) = bytes.get_mut(..end) {
        seal_head(head, seed, 0);
    }
}

/// The head at `position`, if a valid one is there. Any bytes will do.
pub fn decode_head(bytes: &[u8], position: usize, seed: u32) -> Option<Head> {
    let rest = bytes.get(position..)?;
    let head = rest.first_chunk::<HEAD_LEN>()?;
    if half(head, 0) != MAGIC {
        return None;
    }
    let kind = FrameKind::from_u32(half(head, 20))?;
    let (first_seq, count, len) = (word(head, 8), half(head, 16), word(head, 24));
    if count == 0 || (kind == FrameKind::Records && count > FRAME_RECORDS_MAX) {
        return None;
    }
    let table_end = table_end(kind, count);
    let head_and_table = rest.get(..table_end)?;
    if head_crc(head_and_table, seed, position as u64) != half(head, 4) {
        return None;
    }
    first_seq.checked_add(u64::from(count))?;
    let durable_before = word(head, 32);
    let head = Head { kind, first_seq, count, len, durable_before };
    (frame_len(&head, head_and_table) == Some(len)).then_some(head)
}

fn frame_len(head: &Head, head_and_table: &[u8]) -> Option<u64> {
    let mut len = head.table_end() as u64;
    for record in head_and_table[HEAD_LEN..].chunks_exact(4) {
        let record = half(record, 0);
        if (record as usize) < RECORD_HEAD_LEN || record as usize > RECORD_LEN_MAX {
            return None;
        }
        len += u64::from(record);
    }
    Some(len.next_multiple_of(ALIGN as u64))
}

/// Length of the record with number `index` in a frame whose head is valid.
pub fn record_len(bytes: &[u8], frame: usize, index: u32) -> usize {
    let at = frame + HEAD_LEN + index as usize * 4;
    bytes.get(at..at + 4).map_or(0, |len| half(len, 0) as usize)
}

/// Adds one record without checksum to `out`; returns its length.
pub fn encode_record(out: &mut Vec<u8>, entry: &Entry<'_>) -> u32 {
    let mut head = [0; RECORD_HEAD_LEN];
    head[4..6].copy_from_slice(&entry.kind.to_le_bytes());
    head[6..8].copy_from_slice(&entry.flags.to_le_bytes());
    head[8] = entry.direction as u8;
    head[9] = entry.session.len() as u8;
    head[12..16].copy_from_slice(&entry.generation.to_le_bytes());
    head[16..24].copy_from_slice(&entry.time.to_le_bytes());
    head[24..32].copy_from_slice(&entry.source.to_le_bytes());
    let len = encoded_len(entry);
    out.reserve(len);
    out.extend_from_slice(&head);
    out.extend_from_slice(entry.session);
    out.extend_from_slice(entry.payload);
    len as u32
}

/// Bytes of the record that this entry becomes.
pub fn encoded_len(entry: &Entry<'_>) -> usize {
    RECORD_HEAD_LEN + entry.session.len() + entry.payload.len()
}

/// Puts the checksum into a record; again, if it has one of another segment.
pub fn seal_record(record: &mut [u8], seed: u32, seq: u64) {
    let crc = record_crc(record, seed, seq);
    record[0..4].copy_from_slice(&crc.to_le_bytes());
}

fn record_crc(record: &[u8], seed: u32, seq: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(record_seed(seed, seq));
    hasher.update(&record[4..]);
    hasher.finalize()
}

/// Whether these bytes are the record with that seq of the segment with that seed.
pub fn record_fits(record: &[u8], seed: u32, seq: u64) -> bool {
    record.len() >= RECORD_HEAD_LEN
        && (record_crc(record, seed, seq) == half(record, 0) || planted!(SkipRecordChecksum))
        && RECORD_HEAD_LEN + record[9] as usize <= record.len()
        && Direction::from_u8(record[8]).is_some()
}

/// The fields of a record that [`record_fits`] has accepted. Other bytes give some record, too.
pub fn record_fields(seq: u64, record: &[u8]) -> Record<'_> {
    let Some((head, rest)) = record.split_first_chunk::<RECORD_HEAD_LEN>() else {
        return record_fields(seq, &[0; RECORD_HEAD_LEN]);
    };
    let (session, payload) = rest.split_at((head[9] as usize).min(rest.len()));
    Record {
        seq,
        time: word(head, 16) as i64,
        session,
        source: word(head, 24),
        generation: half(head, 12),
        kind: u16::from_le_bytes([head[4], head[5]]),
        direction: Direction::from_u8(head[8]).unwrap_or_default(),
        flags: u16::from_le_bytes([head[6], head[7]]),
        payload,
    }
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from(half(bytes, at)) | u64::from(half(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u32 = 0xABCD_EF01;

    fn frame(position: u64, first_seq: u64, payloads: &[&[u8]]) -> Vec<u8> {
        let (mut records, mut lens, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for (index, payload) in payloads.iter().enumerate() {
            let from = records.len();
            let entry = Entry { session: b"key", payload, time: -5, ..Entry::default() };
            lens.push(encode_record(&mut records, &entry));
            seal_record(&mut records[from..], SEED, first_seq + index as u64);
        }
        encode_head(&mut out, SEED, position, first_seq, 7, &lens);
        out.extend_from_slice(&records);
        out.resize(aligned(out.len()), 0);
        out
    }

    #[test]
    fn a_frame_comes_back() {
        let bytes = frame(0, 10, &[b"one", b"", b"three"]);
        let head = decode_head(&bytes, 0, SEED).unwrap();
        assert_eq!((head.first_seq, head.count, head.durable_before), (10, 3, 7));
        assert_eq!(head.len as usize, bytes.len());
        let mut at = head.table_end();
        for (index, payload) in [&b"one"[..], b"", b"three"].into_iter().enumerate() {
            let len = record_len(&bytes, 0, index as u32);
            let record = &bytes[at..at + len];
            assert!(record_fits(record, SEED, 10 + index as u64));
            assert_eq!(record_fields(10, record).payload, payload);
            at += len;
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed_where_it_is() {
        let bytes = frame(0, 10, &[b"one", b"two"]);
        let head = decode_head(&bytes, 0, SEED).unwrap();
        let first = head.table_end()..head.table_end() + record_len(&bytes, 0, 0);
        let second = first.end..first.end + record_len(&bytes, 0, 1);
        for bit in 0..second.end * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = decode_head(&bytes, 0, SEED);
            assert_eq!(found.is_some(), bit / 8 >= head.table_end(), "bit {bit}");
            if found.is_some() {
                let fits = record_fits(&bytes[first.clone()], SEED, 10);
                assert_eq!(fits, !first.contains(&(bit / 8)), "bit {bit}");
                let fits = record_fits(&bytes[second.clone()], SEED, 11);
                assert_eq!(fits, !second.contains(&(bit / 8)), "bit {bit}");
            }
        }
    }

    #[test]
    fn bytes_of_another_place_segment_or_seq_never_count() {
        let mut bytes = frame(0, 10, &[b"one"]);
        assert!(decode_head(&bytes, 0, SEED + 1).is_none());
        bytes.splice(0..0, [0; 8]);
        assert!(decode_head(&bytes, 8, SEED).is_none());
        let bytes = frame(0, 10, &[b"one"]);
        let record = &bytes[HEAD_LEN + 4..HEAD_LEN + 4 + record_len(&bytes, 0, 0)];
        assert!(record_fits(record, SEED, 10));
        assert!(!record_fits(record, SEED, 11));
        assert!(!record_fits(record, SEED + 1, 10));
    }

    #[test]
    fn lost_seqs_take_no_table() {
        let mut bytes = Vec::new();
        encode_missing(&mut bytes, FrameKind::Lost, SEED, 64, 5, 4, u32::MAX);
        bytes.splice(0..0, [0; 64]);
        let head = decode_head(&bytes, 64, SEED).unwrap();
        assert_eq!((head.kind, head.count, head.len), (FrameKind::Lost, u32::MAX, 40));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, position in 0usize..64) {
            let _ = decode_head(&bytes, position, SEED);
            let _ = record_fits(&bytes, SEED, 1);
            let _ = record_fields(1, &bytes);
        }
    }
}
