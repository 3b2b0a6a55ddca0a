//! What a table is: a name, an ordered key, a row.
//!
//! What always holds: the order of encoded keys is the order of keys, so that a range of one session
//! is a range of bytes; and decoding undoes encoding.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::Hash;

/// A table of the projections. Its types are empty; they only name it.
pub trait Table: 'static {
    /// The first byte of its rows' addresses.
    const NUMBER: u8;
    /// What rows are found by.
    type Key: Key;
    /// What is found.
    type Row: Clone + Serialize + DeserializeOwned + Send + Sync;
}

/// Appends to `out` where the row of `key` lies: its table's number, then the key's bytes.
pub fn put_address<T: Table>(key: &T::Key, out: &mut Vec<u8>) {
    out.push(T::NUMBER);
    key.encode(out);
}

/// Where the rows of `T` lie whose keys begin with the bytes `prefix`.
pub fn address_prefix<T: Table>(prefix: &[u8]) -> Vec<u8> {
    let mut address = Vec::with_capacity(32);
    address.push(T::NUMBER);
    address.extend_from_slice(prefix);
    address
}

/// A key that sorts as its bytes do.
pub trait Key: Ord + Hash + Clone + Send + Sync {
    /// Appends the key's bytes to `out`: at most 511 of them, never none.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads a key back; `None` for bytes that no key encodes to.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// The key's bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        self.encode(&mut bytes);
        bytes
    }
}

macro_rules! integer_key {
    ($($type:ty),*) => {$(
        impl Key for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn decode(bytes: &[u8]) -> Option<Self> {
                Some(<$type>::from_be_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}
integer_key!(u16, u32, u64);

/// A digest that stands for an id of any length.
pub type IdHash = [u8; 16];

/// The digest of `parts`, each told apart from its neighbours by its length.
pub fn id_hash(parts: &[&str]) -> IdHash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    hash
}

/// Whether a turn is called by a plain number, as old releases call it.
pub fn is_numbered(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a turn is found by. Old releases number turns from 0 in each life of the server, so there the
/// life is part of the name.
pub fn turn_key(id: &str, source: u64, generation: u32) -> IdHash {
    match is_numbered(id) {
        true => id_hash(&[id, &source.to_string(), &generation.to_string()]),
        false => id_hash(&[id]),
    }
}

impl Key for IdHash {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

/// Text as a key: the first byte keeps an empty text from being an empty key.
impl Key for String {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'=');
        out.extend_from_slice(self.as_bytes());
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.strip_prefix(b"=")?.to_vec()).ok()
    }
}

/// Text, then a number: entries of one text lie side by side.
impl Key for (String, u32) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        out.push(0);
        self.1.encode(out);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (text, number) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        Some((String::decode(text.strip_suffix(&[0])?)?, u32::decode(number)?))
    }
}

macro_rules! pair_key {
    ($(($a:ty, $b:ty, $at:literal)),*) => {$(
        impl Key for ($a, $b) {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
                self.1.encode(out);
            }
            fn decode(bytes: &[u8]) -> Option<Self> {
                let (a, b) = bytes.split_at_checked($at)?;
                Some((<$a>::decode(a)?, <$b>::decode(b)?))
            }
        }
    )*};
}
pair_key!((u32, u32, 4), (u32, u64, 4), (u32, IdHash, 4));

macro_rules! triple_key {
    ($($last:ty),*) => {$(
        impl Key for (u64, u32, $last) {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
                self.1.encode(out);
                self.2.encode(out);
            }
            fn decode(bytes: &[u8]) -> Option<Self> {
                let (a, rest) = bytes.split_at_checked(8)?;
                let (b, c) = rest.split_at_checked(4)?;
                Some((u64::decode(a)?, u32::decode(b)?, <$last>::decode(c)?))
            }
        }
    )*};
}
triple_key!(u32, IdHash);

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<K: Key + std::fmt::Debug>(keys: Vec<K>) {
        for key in &keys {
            assert_eq!(K::decode(&key.to_bytes()).as_ref(), Some(key));
            assert!(!key.to_bytes().is_empty());
        }
        for pair in keys.windows(2) {
            assert_eq!(pair[0].cmp(&pair[1]), pair[0].to_bytes().cmp(&pair[1].to_bytes()));
        }
    }

    #[test]
    fn keys_decode_to_themselves_and_keep_their_order() {
        round_trip(vec![0u32, 1, 255, 256, u32::MAX]);
        round_trip(vec![0u64, 1, 1 << 40, u64::MAX]);
        round_trip(vec![(0u32, 5u64), (0, 600), (1, 0), (256, 1)]);
        round_trip(vec![String::new(), "a".into(), "ab".into(), "b".into()]);
        round_trip(vec![("a".to_owned(), 1u32), ("a".to_owned(), 256), ("b".to_owned(), 0)]);
        round_trip(vec![(1u64, 2u32, 3u32), (1, 3, 0), (2, 0, 0)]);
        round_trip(vec![(7u32, id_hash(&["a"])), (8, id_hash(&["b"]))]);
    }

    #[test]
    fn neighbouring_parts_are_told_apart() {
        assert_ne!(id_hash(&["ab", "c"]), id_hash(&["a", "bc"]));
    }
}
