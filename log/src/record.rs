//! What goes in and what comes out: [`Entry`], [`Record`], [`OwnedRecord`].
//!
//! The log gives every entry a number, its seq, and keeps the rest as it came. It looks into none
//! of it: `session` is a key to find records by, `kind`, `source`, `generation` and `flags` are
//! numbers that mean something to the caller, and `payload` is bytes.

use std::sync::Arc;

use crate::block::Block;
use crate::storage::View;

/// Which way a record went. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Direction {
    /// Said by the server.
    #[default]
    Server = 0,
    /// Said by a client.
    Client = 1,
    /// Written by the log's owner.
    Own = 2,
}

impl Direction {
    /// The direction with that number on disk, if there is one.
    pub fn from_u8(number: u8) -> Option<Direction> {
        match number {
            0 => Some(Direction::Server),
            1 => Some(Direction::Client),
            2 => Some(Direction::Own),
            _ => None,
        }
    }
}

/// What a caller hands over to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry<'a> {
    /// Microseconds since 1970, UTC; the log only keeps and seeks it.
    pub time: i64,
    /// Key of at most 255 bytes to find records by; empty: belongs to none.
    pub session: &'a [u8],
    /// Opaque number of where it came from.
    pub source: u64,
    /// Opaque number of which life of the source.
    pub generation: u32,
    /// Opaque type.
    pub kind: u16,
    /// Which way it went.
    pub direction: Direction,
    /// Opaque bits.
    pub flags: u16,
    /// The bytes to keep, at most [`caps::PAYLOAD_BYTES_MAX`](crate::caps::PAYLOAD_BYTES_MAX).
    pub payload: &'a [u8],
}

/// A record as it is read: borrowed from where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number in the log: dense from 1, never reused.
    pub seq: u64,
    /// Microseconds since 1970, UTC.
    pub time: i64,
    /// The key; empty: belongs to none.
    pub session: &'a [u8],
    /// Opaque number of where it came from.
    pub source: u64,
    /// Opaque number of which life of the source.
    pub generation: u32,
    /// Opaque type.
    pub kind: u16,
    /// Which way it went.
    pub direction: Direction,
    /// Opaque bits.
    pub flags: u16,
    /// The bytes, as they were given.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// A copy that borrows nothing.
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            seq: self.seq,
            time: self.time,
            session: self.session.to_vec(),
            source: self.source,
            generation: self.generation,
            kind: self.kind,
            direction: self.direction,
            flags: self.flags,
            payload: self.payload.to_vec(),
        }
    }

    /// The record without its seq, to be appended elsewhere.
    pub fn entry(&self) -> Entry<'a> {
        Entry {
            time: self.time,
            session: self.session,
            source: self.source,
            generation: self.generation,
            kind: self.kind,
            direction: self.direction,
            flags: self.flags,
            payload: self.payload,
        }
    }
}

/// A record that owns its bytes. Fields as in [`Record`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of Record, described there")]
pub struct OwnedRecord {
    pub seq: u64,
    pub time: i64,
    pub session: Vec<u8>,
    pub source: u64,
    pub generation: u32,
    pub kind: u16,
    pub direction: Direction,
    pub flags: u16,
    pub payload: Vec<u8>,
}

impl OwnedRecord {
    /// The record as a borrowed one.
    pub fn as_record(&self) -> Record<'_> {
        Record {
            seq: self.seq,
            time: self.time,
            session: &self.session,
            source: self.source,
            generation: self.generation,
            kind: self.kind,
            direction: self.direction,
            flags: self.flags,
            payload: &self.payload,
        }
    }
}

/// One record that keeps alive the bytes it lies in: what [`Reader::get`](crate::Reader::get) gives.
#[derive(Clone)]
pub struct RecordRef {
    pub(crate) held: Held,
    pub(crate) seq: u64,
}

/// Where a record lies that was checked before.
#[derive(Clone)]
pub(crate) enum Held {
    /// Encoded, in a file's view.
    Viewed { view: Arc<View>, from: usize, to: usize },
    /// In an unpacked block.
    Unpacked(Arc<Block>),
}

impl RecordRef {
    /// The record.
    pub fn record(&self) -> Record<'_> {
        let bytes = match &self.held {
            Held::Viewed { view, from, to } => {
                view.bytes(*to as u64).and_then(|bytes| bytes.get(*from..))
            }
            Held::Unpacked(block) => match block.record(self.seq) {
                Some(record) => return record,
                None => None,
            },
        };
        crate::frame::record_fields(self.seq, bytes.unwrap_or(&[]))
    }

    /// A copy that borrows nothing.
    pub fn to_owned(&self) -> OwnedRecord {
        self.record().to_owned()
    }
}

impl std::fmt::Debug for RecordRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.record().fmt(f)
    }
}
