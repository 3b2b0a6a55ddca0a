//! Ways in for the fuzz targets and for the test that replays their corpus. Only with the feature
//! `fuzzing`.
//!
//! The first four bytes are taken as what the checksum should be put right for: a fuzzer would not
//! get past the checksums else.

use sha2::{Digest, Sha256};

use crate::block;
use crate::footer::{Footer, Trailer};
use crate::frame;
use crate::id::LogId;
use crate::trim::{self, Trimmed};

const SEED: u32 = 7;

/// Decodes bytes as a frame's head, as they are and with the checksum put right, and its records.
pub fn frame(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    for _ in 0..2 {
        if let Some(head) = frame::decode_head(&bytes, 0, SEED) {
            let mut at = head.table_end();
            for index in 0..head.count.min(1000) {
                let len = frame::record_len(&bytes, 0, index);
                if let Some(record) = bytes.get(at..at + len) {
                    let _ = frame::record_fits(record, SEED, head.first_seq);
                    let _ = frame::record_fields(head.first_seq, record);
                }
                at += len;
            }
        }
        frame::put_right(&mut bytes, SEED);
    }
}

/// Decodes bytes as a footer, alone and behind a trailer that fits.
pub fn footer(bytes: &[u8]) {
    let mut file = bytes.to_vec();
    file.extend_from_slice(&Trailer::new(bytes, Sha256::new()).encode());
    let found = Trailer::decode(&file).and_then(|trailer| Footer::decode(trailer.footer(&file)?));
    assert_eq!(found, Footer::decode(bytes));
    if let Some(footer) = found {
        footer.sessions.iter().for_each(|posting| drop(posting.seqs.list()));
        let _ = footer.block(footer.first_seq);
        assert_eq!(Footer::decode(&footer.encode()), Some(footer));
    }
    let _ = Trailer::decode(bytes).map(|trailer| trailer.footer(bytes).is_some());
}

/// Decodes bytes as a trim file, and as what follows a head that fits.
pub fn trim(bytes: &[u8]) {
    let log = LogId([7; 16]);
    let _ = Trimmed::decode(bytes, log);
    let mut file = Trimmed::default().encode(log);
    file.truncate(trim::HEAD_LEN);
    file.extend_from_slice(bytes);
    trim::put_right(&mut file);
    if let Ok(trimmed) = Trimmed::decode(&file, log) {
        assert_eq!(Trimmed::decode(&trimmed.encode(log), log), Ok(trimmed));
    }
}

/// Decodes bytes as a block and, the first two apart, as what comes out of one.
pub fn block(bytes: &[u8]) {
    if let Some(head) = block::decode_head(bytes, 0, SEED) {
        let _ = block::decode(bytes, &head, SEED);
    }
    if let Some((count, raw)) = bytes.split_first_chunk::<2>() {
        block::read_raw(raw, usize::from(u16::from_le_bytes(*count)));
    }
}
