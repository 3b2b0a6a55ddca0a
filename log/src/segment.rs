//! A segment file: its name, its header, its seed.
//!
//! ```text
//! <first_seq:020>-<serial:08>.seg        plain: frames follow; little-endian
//! <first_seq:020>-<serial:08>.sealed     blocks, footer and trailer follow
//!  0 magic 8 | 8 version 4 | 12 crc 4 | 16 log id 16 | 32 first_seq 8 | 40 serial 8
//! 48 created 8 (microseconds) | 56 zero 8 | 64 frames …
//! ```
//!
//! * `crc` covers the 64 bytes with itself as zero.
//! * Serials grow by one with each segment made and are never reused; where two segments claim a
//!   seq, the one with the higher serial has it. So a torn or abandoned segment is left behind by
//!   making the next one: nothing is cut.
//! * The name repeats what the header says, so a damaged header costs no record.

use crate::id::LogId;

/// Bytes of the header, and position of the first frame.
pub const HEADER_LEN: usize = 64;
/// The format that is written. What version 1 means never changes: docs/format.md.
pub const VERSION: u32 = 1;

/// What follows the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Frames, as they were written.
    Plain,
    /// Compressed blocks, a footer and a trailer.
    Sealed,
}

impl Form {
    fn magic(self) -> [u8; 8] {
        match self {
            Form::Plain => *b"smlogseg",
            Form::Sealed => *b"smlogsea",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Form::Plain => "seg",
            Form::Sealed => "sealed",
        }
    }
}

/// Which segment: all that its name and its checksums depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub log: LogId,
    pub first_seq: u64,
    pub serial: u64,
}

impl Identity {
    /// The file's name.
    pub fn name(&self, form: Form) -> String {
        format!("{:020}-{:08}.{}", self.first_seq, self.serial, form.extension())
    }

    /// Start value of every checksum in the segment, so that bytes of another one never fit.
    pub fn seed(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.log.0);
        hasher.update(&self.first_seq.to_le_bytes());
        hasher.update(&self.serial.to_le_bytes());
        hasher.finalize()
    }
}

/// What a segment's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub serial: u64,
    pub first_seq: u64,
    pub form: Form,
}

/// Reads a segment's name; `None`: it is no segment's.
pub fn parse_name(name: &str) -> Option<Named> {
    let (stem, extension) = name.split_once('.')?;
    let forms = [Form::Plain, Form::Sealed];
    let form = forms.into_iter().find(|form| form.extension() == extension)?;
    let (first_seq, serial) = stem.split_once('-')?;
    if first_seq.len() != 20 || serial.len() < 8 {
        return None;
    }
    Some(Named { serial: serial.parse().ok()?, first_seq: first_seq.parse().ok()?, form })
}

/// What a header was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    Valid {
        identity: Identity,
        form: Form,
        created: i64,
    },
    /// Whole, but of a format this release does not know.
    Newer {
        version: u32,
    },
    Damaged,
}

impl Header {
    /// Whether it is whole and that segment's, in that form.
    pub fn is(&self, named: &Identity, named_form: Form) -> bool {
        matches!(self, Header::Valid { identity, form, .. } if identity == named && *form == named_form)
    }
}

/// The header's bytes.
pub fn encode_header(identity: &Identity, form: Form, created: i64) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[0..8].copy_from_slice(&form.magic());
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&identity.log.0);
    bytes[32..40].copy_from_slice(&identity.first_seq.to_le_bytes());
    bytes[40..48].copy_from_slice(&identity.serial.to_le_bytes());
    bytes[48..56].copy_from_slice(&created.to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads a header; any bytes will do.
pub fn decode_header(bytes: &[u8]) -> Header {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Header::Damaged };
    let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap_or_default());
    let half = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap_or_default());
    let mut zeroed = *header;
    zeroed[12..16].fill(0);
    let form = [Form::Plain, Form::Sealed].into_iter().find(|form| header[0..8] == form.magic());
    let Some(form) = form.filter(|_| crc32fast::hash(&zeroed) == half(12)) else {
        return Header::Damaged;
    };
    if half(8) > VERSION {
        return Header::Newer { version: half(8) };
    }
    let log = LogId(header[16..32].try_into().unwrap_or_default());
    let identity = Identity { log, first_seq: word(32), serial: word(40) };
    Header::Valid { identity, form, created: word(48) as i64 }
}

/// Whether there are only zeros: so written that the compiler makes wide steps of it.
pub fn is_zeros(bytes: &[u8]) -> bool {
    bytes.chunks(4096).all(|chunk| chunk.iter().fold(0, |all, &byte| all | byte) == 0)
}

/// Whether bytes may be a header of that segment that rotted, or that a power cut left in part: most of
/// what tells a log and its files from others is there, or all is zeros.
pub fn resembles(bytes: &[u8], identity: &Identity, form: Form) -> bool {
    let expected = encode_header(identity, form, 0);
    let header = &bytes[..bytes.len().min(HEADER_LEN)];
    let marks = (0..8).chain(16..32).filter(|&at| header.get(at) == Some(&expected[at])).count();
    marks >= 12 || is_zeros(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity { log: LogId([7; 16]), first_seq: 42, serial: 3 };

    #[test]
    fn a_header_comes_back() {
        let bytes = encode_header(&IDENTITY, Form::Plain, 99);
        assert_eq!(
            decode_header(&bytes),
            Header::Valid { identity: IDENTITY, form: Form::Plain, created: 99 }
        );
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_header_is_noticed() {
        let bytes = encode_header(&IDENTITY, Form::Plain, 99);
        for bit in 0..HEADER_LEN * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_header(&bytes), Header::Damaged, "bit {bit}");
        }
        for len in 0..HEADER_LEN {
            assert_eq!(decode_header(&bytes[..len]), Header::Damaged, "length {len}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = encode_header(&IDENTITY, Form::Plain, 99);
        bytes[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
        bytes[12..16].fill(0);
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode_header(&bytes), Header::Newer { version: VERSION + 1 });
    }

    #[test]
    fn names_come_back_and_others_are_no_names() {
        for form in [Form::Plain, Form::Sealed] {
            let named = Named { serial: 3, first_seq: 42, form };
            assert_eq!(parse_name(&IDENTITY.name(form)), Some(named));
        }
        for name in [
            "lock",
            "watermark",
            "1-1.seg",
            "00000000000000000042-00000003.sealed.tmp",
            "00000000000000000042.seg",
            "x-00000003.seg",
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }
}
