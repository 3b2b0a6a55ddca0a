//! [`Options`] of a writer.

use std::time::Duration;

use crate::caps;

/// When a record counts as acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Acknowledged = on the medium: it survives a power cut.
    #[default]
    Sync,
    /// Acknowledged = in the operating system's hands: it survives the process, and at the latest
    /// after this time also a power cut.
    Interval(Duration),
    /// Acknowledged = in the operating system's hands. Only [`Log::sync`](crate::Log::sync) syncs.
    Os,
}

/// How a log is written. Readers need none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// When a record counts as acknowledged.
    pub durability: Durability,
    /// A segment is left for the next one at that size; one longer record may exceed it.
    pub segment_bytes: u64,
    /// Bytes accepted and not yet acknowledged: beyond this, appending waits.
    pub ring_bytes: usize,
    /// How long an append waits for room in the ring, and a receipt for a disk that fails.
    pub patience: Duration,
    /// Whether full segments are sealed: compressed, in the background.
    pub seal: bool,
    /// Longest pause between two tries on a disk that fails; the first ones are shorter.
    pub back_off: Duration,
    /// Whether threads of the log write and sync what nobody waits for. Without them that is left
    /// to who waits, commits or syncs: nothing happens by itself, as tests like it.
    pub background: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durability: Durability::Sync,
            segment_bytes: 64 << 20,
            ring_bytes: 16 << 20,
            patience: Duration::from_secs(10),
            seal: true,
            back_off: Duration::from_secs(1),
            background: true,
        }
    }
}

impl Options {
    /// The defaults with another durability.
    pub fn durability(durability: Durability) -> Options {
        Options { durability, ..Options::default() }
    }

    /// The same with another segment size.
    pub fn with_segment_bytes(self, segment_bytes: u64) -> Options {
        Options { segment_bytes, ..self }
    }

    /// The same with another ring size.
    pub fn with_ring_bytes(self, ring_bytes: usize) -> Options {
        Options { ring_bytes, ..self }
    }

    /// The same with another patience.
    pub fn with_patience(self, patience: Duration) -> Options {
        Options { patience, ..self }
    }

    /// The same with another longest pause between two tries.
    pub fn with_back_off(self, back_off: Duration) -> Options {
        Options { back_off, ..self }
    }

    /// The same without sealing.
    pub fn without_sealing(self) -> Options {
        Options { seal: false, ..self }
    }

    /// The same without threads.
    pub fn without_background(self) -> Options {
        Options { background: false, ..self }
    }

    /// The same with every value inside its caps.
    pub(crate) fn clamped(self) -> Options {
        let range = caps::SEGMENT_BYTES_MIN..=caps::SEGMENT_BYTES_MAX;
        Options { segment_bytes: self.segment_bytes.clamp(*range.start(), *range.end()), ..self }
    }
}
