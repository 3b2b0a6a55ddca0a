//! Trimming: the oldest sealed segments go, and what they alone knew is kept in one small file.
//!
//! ```text
//! file `trimmed`, little-endian
//!  0 magic 8 | 8 version 4 | 12 crc 4 | 16 log id 16 | then, in variable length numbers
//!  floor, serial of the last segment that went, its hash 32
//!  number of sessions, in order of key; each: key, how many records it had below the floor
//! ```
//!
//! 1. The file is written under another name, synced and named.
//! 2. The floor is published: readers refuse what is below.
//! 3. The name is made durable.
//! 4. The segments are removed.
//!
//! Whoever opens the log after a crash believes the file and does the rest; where its name was not
//! durable, nothing has happened: all segments are there. `crc` covers all of the file with itself as zero.

use std::collections::BTreeMap;
use std::io;

use crate::chain::{Chain, Parts, Span};
use crate::error::ReadError;
use crate::footer::Hash;
use crate::id::LogId;
use crate::seal::UNFINISHED;
use crate::sealed;
use crate::segment::{Form, VERSION};
use crate::storage::Storage;
use crate::varint::{self, Input};
use crate::writer::Core;

/// The file's name.
pub const NAME: &str = "trimmed";
const MAGIC: [u8; 8] = *b"smlogtrm";
/// Bytes of the head.
pub const HEAD_LEN: usize = 32;

/// What is left of the segments that went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// The oldest seq kept.
    pub floor: u64,
    /// Of the last segment that went: where the chain of hashes goes on from.
    pub serial: u64,
    pub hash: Hash,
    /// Records below the floor, for each session that has any.
    pub sessions: BTreeMap<Vec<u8>, u64>,
}

/// Why a trim file says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It does not fit its checksum, or is another log's.
    Damaged,
    /// Whole, but of that format, which this release does not know.
    Newer(u32),
}

impl Trimmed {
    pub fn encode(&self, log: LogId) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&log.0);
        varint::put(&mut out, self.floor);
        varint::put(&mut out, self.serial);
        out.extend_from_slice(&self.hash);
        varint::put(&mut out, self.sessions.len() as u64);
        for (key, &count) in &self.sessions {
            varint::put_bytes(&mut out, key);
            varint::put(&mut out, count);
        }
        put_right(&mut out);
        out
    }

    /// Reads the file of that log. Any bytes will do. Of a newer version nothing is looked at but that it
    /// is whole: what follows its head may be anything.
    pub fn decode(bytes: &[u8], log: LogId) -> Result<Trimmed, Unread> {
        let Some((head, body)) = bytes.split_at_checked(HEAD_LEN) else {
            return Err(Unread::Damaged);
        };
        if head[..8] != MAGIC || head[12..16] != checksum(bytes) {
            return Err(Unread::Damaged);
        }
        let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if version > VERSION {
            return Err(Unread::Newer(version));
        }
        if head[16..] != log.0 || version != VERSION {
            return Err(Unread::Damaged);
        }
        Trimmed::decode_body(body).ok_or(Unread::Damaged)
    }

    fn decode_body(body: &[u8]) -> Option<Trimmed> {
        let mut input = Input::new(body);
        let (floor, serial) = (input.number()?, input.number()?);
        let hash = input.take(32)?.try_into().ok()?;
        let mut sessions = BTreeMap::new();
        for _ in 0..input.number()? {
            let len = usize::try_from(input.number()?).ok()?;
            let key = input.take(len)?.to_vec();
            sessions.insert(key, input.number()?);
        }
        Some(Trimmed { floor, serial, hash, sessions })
    }

    /// Which log such a file belongs to.
    pub fn log(storage: &dyn Storage) -> io::Result<Option<LogId>> {
        let Some(bytes) = read(storage)? else { return Ok(None) };
        let id = bytes.get(16..HEAD_LEN).and_then(|id| id.try_into().ok()).map(LogId);
        Ok(id.filter(|&id| Trimmed::decode(&bytes, id).is_ok()))
    }

    /// Reads it from the storage; `None` if there is none.
    pub fn read(storage: &dyn Storage, log: LogId) -> io::Result<Option<Result<Trimmed, Unread>>> {
        Ok(read(storage)?.map(|bytes| Trimmed::decode(&bytes, log)))
    }

    fn write(&self, storage: &dyn Storage, log: LogId) -> io::Result<()> {
        let unfinished = format!("{NAME}{UNFINISHED}");
        if storage.names()?.contains(&unfinished) {
            storage.remove(&unfinished)?;
        }
        let file = storage.create(&unfinished)?;
        file.write_at(&[&self.encode(log)], 0)?;
        file.sync()?;
        storage.rename(&unfinished, NAME)
    }
}

/// The checksum of a file's bytes, as it is stored in them.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&[0; 4]);
    hasher.update(&bytes[16..]);
    hasher.finalize().to_le_bytes()
}

/// Gives a file's bytes, a head at least, the checksum that fits them.
pub fn put_right(bytes: &mut [u8]) {
    let crc = checksum(bytes);
    bytes[12..16].copy_from_slice(&crc);
}

fn read(storage: &dyn Storage) -> io::Result<Option<Vec<u8>>> {
    let file = match storage.open_read(NAME) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; file.len()? as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

/// Removes the sealed segments that lie wholly below `keep_from`; gives the oldest seq kept.
pub fn trim(core: &Core, chain: &Chain, keep_from: u64) -> Result<u64, ReadError> {
    let mark = chain.mark();
    let parts = chain.parts(&mark)?;
    let is_gone = |span: &&Span| span.part.form == Form::Sealed && span.end <= keep_from;
    let gone: Vec<&Span> = parts.list.iter().take_while(is_gone).collect();
    let storage = &*chain.storage;
    let Some(last) = gone.last().filter(|last| last.end > mark.floor) else {
        // What an earlier try has left goes now.
        storage.sync_names().map_err(ReadError::io("name", storage.path(NAME)))?;
        finish(storage, &parts, mark.floor)
            .map_err(ReadError::io("remove from", storage.path("")))?;
        return Ok(mark.floor.max(1));
    };
    let path = storage.path(NAME);
    let mut trimmed = match chain.trimmed(&mark)? {
        Some(trimmed) => (*trimmed).clone(),
        None => Trimmed::default(),
    };
    for span in gone.iter().filter(|span| span.end > mark.floor) {
        let footer = span.part.footer(storage, span.end);
        let footer = footer.map_err(ReadError::io("read", storage.path(&span.part.name)))?;
        for posting in &footer.sessions {
            let count = trimmed.sessions.entry(posting.key.clone()).or_default();
            let before = if footer.rebuilt { *count } else { posting.base };
            *count = before.max(*count) + posting.seqs.count;
        }
    }
    let trailer = last.part.file(storage).and_then(|file| sealed::trailer(&**file));
    let trailer = trailer.map_err(ReadError::io("read", storage.path(&last.part.name)))?;
    trimmed.hash = trailer.map_or([0; 32], |trailer| trailer.hash);
    (trimmed.floor, trimmed.serial) = (last.end, last.part.identity.serial);
    trimmed.write(storage, chain.id).map_err(ReadError::io("write", &path))?;
    core.publish_floor(trimmed.floor);
    chain.forget();
    storage.sync_names().map_err(ReadError::io("name", path))?;
    finish(storage, &parts, trimmed.floor)
        .map_err(ReadError::io("remove from", storage.path("")))?;
    Ok(trimmed.floor)
}

/// Removes what a trim has left below its floor.
fn finish(storage: &dyn Storage, parts: &Parts, floor: u64) -> io::Result<()> {
    let mut removed = false;
    for name in parts.below(floor) {
        match storage.remove(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(()) => removed = true,
        }
    }
    if removed { storage.sync_names() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId([3; 16]);

    fn trimmed() -> Trimmed {
        let sessions = BTreeMap::from([(b"a".to_vec(), 7), (b"bc".to_vec(), 300)]);
        Trimmed { floor: 1000, serial: 9, hash: [5; 32], sessions }
    }

    #[test]
    fn it_comes_back_and_every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = trimmed().encode(LOG);
        assert_eq!(Trimmed::decode(&bytes, LOG), Ok(trimmed()));
        assert_eq!(Trimmed::decode(&bytes, LogId([4; 16])), Err(Unread::Damaged));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trimmed::decode(&bytes, LOG), Err(Unread::Damaged), "bit {bit}");
        }
        for len in 0..bytes.len() {
            let cut = Trimmed::decode(&bytes[..len], LOG);
            assert_eq!(cut, Err(Unread::Damaged), "length {len}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage_whatever_follows_its_head() {
        let mut bytes = trimmed().encode(LogId([4; 16]));
        bytes[8] = 7;
        bytes.truncate(HEAD_LEN + 3);
        assert_eq!(Trimmed::decode(&bytes, LOG), Err(Unread::Damaged));
        put_right(&mut bytes);
        assert_eq!(Trimmed::decode(&bytes, LOG), Err(Unread::Newer(7)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Trimmed::decode(&bytes, LOG);
        }
    }
}
