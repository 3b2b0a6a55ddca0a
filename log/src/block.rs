//! A block of a sealed segment: some hundred records, compressed, readable alone.
//!
//! ```text
//! little-endian, starts at a multiple of 8
//!  0 magic 4 | 4 crc 4 | 8 first_seq 8 | 16 count 4 | 20 raw_len 4 | 24 packed_len 4
//! 28 packed_crc 4 | 32 raw_crc 4 | 36 zero 4 | 40 packed: one zstd frame | zeros to a multiple of 8
//!
//! raw, in variable length numbers
//!  the number of keys, each key with its length
//!  for each record: its payload's length + 1 (0: it is missing) … its key's number + 1 (0: none) …
//!  time less the one before … source less the one before … generation … kind … flags … direction …
//!  all payloads
//! ```
//!
//! `crc` covers the head and starts from the segment's seed and the position; `packed_crc` covers
//! what lies there and `raw_crc` what comes out, so that a wrong byte is found whether it changed
//! on the medium or was compressed wrongly.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::record::{Direction, Record};
use crate::varint::{self, Input};

/// Bytes before the packed ones.
pub const HEAD_LEN: usize = 40;
/// A block is closed once its payloads have that many bytes.
pub const PAYLOAD_BYTES: usize = 256 << 10;
/// Most records in a block.
pub const RECORDS_MAX: usize = 4096;
const MAGIC: u32 = 0xB10C_5EA1;
const LEVEL: i32 = 9;

/// A block's head, found valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub first_seq: u64,
    pub count: u32,
    pub raw_len: u32,
    pub packed_len: u32,
    packed_crc: u32,
    raw_crc: u32,
}

impl Head {
    pub fn end_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count)
    }

    /// Bytes to the next block.
    pub fn len(&self) -> usize {
        (HEAD_LEN + self.packed_len as usize).next_multiple_of(8)
    }
}

/// Gathers records for a block.
#[derive(Default)]
pub struct Builder<'a> {
    records: Vec<Option<Record<'a>>>,
    payload_bytes: usize,
}

impl<'a> Builder<'a> {
    /// Adds the next record, or that it is missing.
    pub fn push(&mut self, record: Option<Record<'a>>) {
        self.payload_bytes += record.map_or(0, |record| record.payload.len());
        self.records.push(record);
    }

    /// Writes the block, which will lie at `position`, and empties the builder.
    pub fn finish(&mut self, seed: u32, position: u64, first_seq: u64) -> std::io::Result<Vec<u8>> {
        let raw = self.raw();
        let packed = zstd::bulk::compress(&raw, LEVEL)?;
        let mut out = Vec::with_capacity(HEAD_LEN + packed.len() + 8);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&first_seq.to_le_bytes());
        let numbers = [
            self.records.len() as u32,
            raw.len() as u32,
            packed.len() as u32,
            crc(seed, first_seq, &packed),
            crc(seed, first_seq, &raw),
            0,
        ];
        numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        let head_crc = crc(seed, position, &out[8..]);
        out[4..8].copy_from_slice(&head_crc.to_le_bytes());
        out.extend_from_slice(&packed);
        out.resize(out.len().next_multiple_of(8), 0);
        *self = Builder::default();
        Ok(out)
    }

    fn raw(&self) -> Vec<u8> {
        let mut numbers = HashMap::new();
        let mut keys = Vec::new();
        for key in self.records.iter().flatten().map(|record| record.session) {
            if !key.is_empty() && !numbers.contains_key(key) {
                numbers.insert(key, keys.len() as u64 + 1);
                keys.push(key);
            }
        }
        let mut raw = Vec::with_capacity(self.payload_bytes + self.records.len() * 16);
        varint::put(&mut raw, keys.len() as u64);
        keys.iter().for_each(|key| varint::put_bytes(&mut raw, key));
        for record in &self.records {
            varint::put(&mut raw, record.map_or(0, |record| record.payload.len() as u64 + 1));
        }
        let all = || self.records.iter().flatten();
        for record in all() {
            varint::put(&mut raw, numbers.get(record.session).copied().unwrap_or(0));
        }
        let (mut time, mut source) = (0, 0);
        for record in all() {
            varint::put_signed(&mut raw, record.time.wrapping_sub(time));
            time = record.time;
        }
        for record in all() {
            varint::put_signed(&mut raw, record.source.wrapping_sub(source) as i64);
            source = record.source;
        }
        all().for_each(|record| varint::put(&mut raw, u64::from(record.generation)));
        all().for_each(|record| varint::put(&mut raw, u64::from(record.kind)));
        all().for_each(|record| varint::put(&mut raw, u64::from(record.flags)));
        all().for_each(|record| raw.push(record.direction as u8));
        all().for_each(|record| raw.extend_from_slice(record.payload));
        raw
    }
}

fn crc(seed: u32, start: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&start.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// The head that `bytes` begin with, which lie at `position` in the file, if it is valid. Any bytes
/// will do.
pub fn decode_head(bytes: &[u8], position: u64, seed: u32) -> Option<Head> {
    let head = bytes.first_chunk::<HEAD_LEN>()?;
    let half = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if half(0) != MAGIC || half(4) != crc(seed, position, &head[8..]) {
        return None;
    }
    let first_seq = u64::from(half(8)) | u64::from(half(12)) << 32;
    first_seq.checked_add(u64::from(half(16)))?;
    Some(Head {
        first_seq,
        count: half(16),
        raw_len: half(20),
        packed_len: half(24),
        packed_crc: half(28),
        raw_crc: half(32),
    })
}

/// Whether the packed bytes behind the head are the ones that were written.
pub fn packed_fits(bytes: &[u8], head: &Head, seed: u32) -> bool {
    packed(bytes, head).is_some_and(|packed| crc(seed, head.first_seq, packed) == head.packed_crc)
}

fn packed<'a>(bytes: &'a [u8], head: &Head) -> Option<&'a [u8]> {
    bytes.get(HEAD_LEN..HEAD_LEN + head.packed_len as usize)
}

/// The records of a block, unpacked.
pub struct Block {
    pub first_seq: u64,
    raw: Vec<u8>,
    records: Vec<Option<Fields>>,
}

#[derive(Clone, Copy)]
struct Fields {
    time: i64,
    source: u64,
    generation: u32,
    kind: u16,
    flags: u16,
    direction: Direction,
    session: (u32, u32),
    payload: (u32, u32),
}

thread_local! {
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn unpack(packed: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    UNPACKER.with_borrow_mut(|unpacker| {
        if unpacker.is_none() {
            *unpacker = zstd::bulk::Decompressor::new().ok();
        }
        unpacker.as_mut()?.decompress(packed, raw_len).ok().filter(|raw| raw.len() == raw_len)
    })
}

/// Unpacks the block that `bytes` begin with, given its valid head; `None` if they are damaged.
pub fn decode(bytes: &[u8], head: &Head, seed: u32) -> Option<Block> {
    if !packed_fits(bytes, head, seed) && !planted!(SkipBlockChecksum) {
        return None;
    }
    let raw = unpack(packed(bytes, head)?, head.raw_len as usize)?;
    if crc(seed, head.first_seq, &raw) != head.raw_crc && !planted!(SkipBlockChecksum) {
        return None;
    }
    let records = fields(&raw, head.count as usize)?;
    Some(Block { first_seq: head.first_seq, raw, records })
}

fn fields(raw: &[u8], count: usize) -> Option<Vec<Option<Fields>>> {
    let mut input = Input::new(raw);
    let mut keys = vec![(0, 0)];
    for _ in 0..input.number()? {
        let len = input.number()?;
        let (from, to) = input.skip(usize::try_from(len).ok()?)?;
        keys.push((from as u32, to as u32));
    }
    if count > raw.len() {
        return None;
    }
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        let len = input.number()?;
        let blank = Fields {
            time: 0,
            source: 0,
            generation: 0,
            kind: 0,
            flags: 0,
            direction: Direction::Server,
            session: (0, 0),
            payload: (0, u32::try_from(len.saturating_sub(1)).ok()?),
        };
        records.push((len > 0).then_some(blank));
    }
    let mut all: Vec<&mut Fields> = records.iter_mut().flatten().collect();
    for record in &mut all {
        record.session = *keys.get(usize::try_from(input.number()?).ok()?)?;
    }
    let (mut time, mut source) = (0i64, 0u64);
    for record in &mut all {
        time = time.wrapping_add(input.signed()?);
        record.time = time;
    }
    for record in &mut all {
        source = source.wrapping_add(input.signed()? as u64);
        record.source = source;
    }
    for record in &mut all {
        record.generation = u32::try_from(input.number()?).ok()?;
    }
    for record in &mut all {
        record.kind = u16::try_from(input.number()?).ok()?;
    }
    for record in &mut all {
        record.flags = u16::try_from(input.number()?).ok()?;
    }
    for record in &mut all {
        record.direction = Direction::from_u8(*input.take(1)?.first()?)?;
    }
    for record in &mut all {
        let (from, to) = input.skip(record.payload.1 as usize)?;
        record.payload = (from as u32, to as u32);
    }
    Some(records)
}

/// Reads unpacked bytes as records, for the fuzzer.
#[cfg(feature = "fuzzing")]
pub fn read_raw(raw: &[u8], count: usize) {
    let Some(records) = fields(raw, count) else { return };
    let block = Block { first_seq: 1, raw: raw.to_vec(), records };
    (1..block.end_seq()).for_each(|seq| assert!(block.record(seq).is_none_or(|r| r.seq == seq)));
}

impl Block {
    pub fn end_seq(&self) -> u64 {
        self.first_seq + self.records.len() as u64
    }

    /// The record with that seq; `None`: it is not here, or missing.
    pub fn record(&self, seq: u64) -> Option<Record<'_>> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        let fields = self.records.get(index)?.as_ref()?;
        let bytes = |(from, to): (u32, u32)| &self.raw[from as usize..to as usize];
        Some(Record {
            seq,
            time: fields.time,
            session: bytes(fields.session),
            source: fields.source,
            generation: fields.generation,
            kind: fields.kind,
            direction: fields.direction,
            flags: fields.flags,
            payload: bytes(fields.payload),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u32 = 77;

    fn block(position: u64) -> Vec<u8> {
        let mut builder = Builder::default();
        for seq in 10..13u64 {
            let payload = [&b"one"[..], b"", b"three"][seq as usize - 10];
            builder.push(Some(Record {
                seq,
                time: 5 - seq as i64,
                session: [&b"a"[..], b"", b"a"][seq as usize - 10],
                source: u64::MAX - seq,
                generation: 4,
                kind: 5,
                direction: Direction::Own,
                flags: 6,
                payload,
            }));
        }
        builder.push(None);
        builder.finish(SEED, position, 10).unwrap()
    }

    #[test]
    fn a_block_comes_back() {
        let bytes = block(0);
        let head = decode_head(&bytes, 0, SEED).unwrap();
        assert_eq!((head.first_seq, head.end_seq(), head.len()), (10, 14, bytes.len()));
        let block = decode(&bytes, &head, SEED).unwrap();
        let record = block.record(12).unwrap();
        assert_eq!((record.session, record.payload, record.time), (&b"a"[..], &b"three"[..], -7));
        assert_eq!((record.source, record.flags), (u64::MAX - 12, 6));
        assert_eq!(block.record(11).unwrap().session, b"");
        assert!(block.record(13).is_none() && block.record(9).is_none());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = block(0);
        let whole = decode_head(&bytes, 0, SEED).unwrap();
        let used = HEAD_LEN + whole.packed_len as usize;
        for bit in 0..used * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let head = decode_head(&bytes, 0, SEED);
            assert_eq!(head.is_some(), bit / 8 >= HEAD_LEN, "bit {bit}");
            assert!(head.is_none_or(|head| decode(&bytes, &head, SEED).is_none()), "bit {bit}");
        }
        for len in 0..used {
            let head = decode_head(&bytes[..len], 0, SEED);
            assert!(head.is_none_or(|head| decode(&bytes[..len], &head, SEED).is_none()));
        }
        assert!(decode_head(&block(8), 0, SEED).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(raw: Vec<u8>, count in 0usize..100) {
            let _ = fields(&raw, count);
            let _ = decode_head(&raw, 0, SEED);
        }
    }
}
