//! Walking the frames of a plain segment, over damage as over sound bytes.
//!
//! One function decides what lies at a position: recovery, cursors and indexes all ask it, so they
//! agree on what a segment holds.

use crate::frame::{self, ALIGN, Head};
use crate::segment;

/// So many are passed at once: a multiple of [`ALIGN`].
const ZEROS: usize = 512;

/// What a walk finds next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A valid frame that starts with the seq that was expected.
    Frame { position: usize, head: Head },
    /// No frame for the expected seq; the next valid one is at `resumed` and starts with `head`.
    Skip { resumed: usize, head: Head },
    /// No valid frame with the expected seq or a later one below the end.
    End,
}

/// What stands at `position`, where the frame with `seq` should be; seqs from `end_seq` on do not
/// belong to the segment.
pub fn step(bytes: &[u8], position: usize, seed: u32, seq: u64, end_seq: u64) -> Step {
    match frame::decode_head(bytes, position, seed) {
        Some(head) if head.first_seq == seq && seq < end_seq => Step::Frame { position, head },
        _ => resync(bytes, position, seed, seq, end_seq),
    }
}

fn resync(bytes: &[u8], position: usize, seed: u32, seq: u64, end_seq: u64) -> Step {
    let mut at = position.next_multiple_of(ALIGN);
    while at < bytes.len() {
        // Most of it are zeros that were written ahead: no frame begins in them.
        if let Some(zeros) = bytes.get(at..at + ZEROS).filter(|piece| segment::is_zeros(piece)) {
            at += zeros.len();
            continue;
        }
        match frame::decode_head(bytes, at, seed) {
            Some(head) if head.first_seq >= end_seq => return Step::End,
            Some(head) if head.first_seq == seq => return Step::Frame { position: at, head },
            Some(head) if head.first_seq > seq => return Step::Skip { resumed: at, head },
            Some(head) => at += head.len as usize,
            None => at += ALIGN,
        }
    }
    Step::End
}
