//! The watermark file: how far the log is, for every process, in one page.
//!
//! ```text
//! words of 8 bytes, little-endian
//!   0 magic | 1 version | 2..4 log id | 4 crc          the page's head
//!  64 slot 0    128 slot 1                             each in a sector of its own
//!     0 counter | 1 watermark | 2 its serial | 3 its position
//!     4 synced  | 5 its serial | 6 its position | 7 floor | 8..15 zero | 15 crc
//! 192 bell                                             its lower half changes when there is news
//! ```
//!
//! The writer fills the slots in turn, so one of them is whole at every moment, also after a
//! crash; the whole slot with the higher counter counts. A slot is written after what it says is
//! true, never before. When the page itself reaches the medium is open: after a power cut it may
//! be behind, never ahead of what was synced.
//!
//! The bell is what readers in other processes sleep on. It says nothing itself, so it has no
//! checksum; one that is not rung costs a reader some milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::id::LogId;
use crate::storage::Words;

/// The file's name.
pub const NAME: &str = "watermark";
const MAGIC: u64 = u64::from_le_bytes(*b"smlogwat");
const VERSION: u64 = 1;
const HEAD_WORDS: usize = 4;
const SLOTS: [usize; 2] = [64, 128];
const SLOT_WORDS: usize = 16;

/// A place in the log: everything up to `seq` lies below `position` of segment `serial`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    pub seq: u64,
    pub serial: u64,
    pub position: u64,
}

/// What the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Acknowledged: what readers may see.
    pub watermark: Place,
    /// Synced: what is on the medium.
    pub synced: Place,
    /// The oldest seq kept.
    pub floor: u64,
}

/// The shared page.
#[derive(Clone)]
pub struct Page(Arc<dyn Words>);

/// Why a page has no log id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageError {
    Damaged,
    Newer(u64),
}

impl Page {
    pub fn new(words: Arc<dyn Words>) -> Page {
        Page(words)
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        &self.0.words()[at]
    }

    /// Writes the head of a new or damaged page.
    pub fn write_head(&self, id: LogId) {
        let [low, high] = id.words();
        let head = [MAGIC, VERSION, low, high];
        for (at, word) in head.iter().enumerate() {
            self.word(at).store(*word, Ordering::Relaxed);
        }
        self.word(HEAD_WORDS).store(crc(&head, 0), Ordering::Release);
    }

    /// Which log the page belongs to.
    pub fn id(&self) -> Result<LogId, PageError> {
        let mut head = [0; HEAD_WORDS];
        self.load(0, &mut head);
        if head[0] != MAGIC || crc(&head, 0) != self.word(HEAD_WORDS).load(Ordering::Acquire) {
            return Err(PageError::Damaged);
        }
        if head[1] > VERSION {
            return Err(PageError::Newer(head[1]));
        }
        Ok(LogId::from_words([head[2], head[3]]))
    }

    fn load(&self, from: usize, into: &mut [u64]) {
        for (at, word) in into.iter_mut().enumerate() {
            *word = self.word(from + at).load(Ordering::Relaxed);
        }
    }

    /// What the page says now; `None` if neither slot is whole.
    pub fn read(&self, id: LogId) -> Option<Mark> {
        // A slot is only rewritten while the other one is whole, so a torn pair means that the
        // writer was twice as fast as this; a few tries end that.
        (0..64).find_map(|_| self.read_once(id)).map(|(_, mark)| mark)
    }

    fn read_once(&self, id: LogId) -> Option<(u64, Mark)> {
        let counter = |at: usize| self.word(at).load(Ordering::Relaxed);
        let [mut newer, mut older] = SLOTS;
        if counter(newer) < counter(older) {
            (newer, older) = (older, newer);
        }
        // One that says it is newer and is not whole says nothing.
        self.read_slot(newer, id).or_else(|| self.read_slot(older, id))
    }

    fn read_slot(&self, at: usize, id: LogId) -> Option<(u64, Mark)> {
        let mut words = [0; SLOT_WORDS];
        self.load(at, &mut words);
        std::sync::atomic::fence(Ordering::Acquire);
        let (fields, stored) = words.split_at(SLOT_WORDS - 1);
        if crc(fields, seed(id)) != stored[0] {
            return None;
        }
        let place =
            |at: usize| Place { seq: words[at], serial: words[at + 1], position: words[at + 2] };
        Some((words[0], Mark { watermark: place(1), synced: place(4), floor: words[7] }))
    }

    /// What the bell shows: to be read before the mark that is waited on.
    pub fn bell(&self) -> u32 {
        self.0.bell()
    }

    /// Sleeps until the bell shows something else, or that time is over; or shorter.
    pub fn wait_bell(&self, shown: u32, limit: Duration) {
        self.0.await_ring(shown, limit);
    }

    /// Wakes who waits for the bell, in any process.
    pub fn ring_bell(&self) {
        self.0.ring();
    }

    /// Starts to write; only the holder of the writer's lock may.
    pub fn writer(self, id: LogId) -> PageWriter {
        let counter = self.read_once(id).map_or(0, |(counter, _)| counter);
        PageWriter { page: self, id, counter }
    }
}

/// The one writer of a page.
pub struct PageWriter {
    page: Page,
    id: LogId,
    counter: u64,
}

impl PageWriter {
    /// Publishes what is true by now.
    pub fn write(&mut self, mark: &Mark) {
        self.counter += 1;
        let mut words = [0; SLOT_WORDS];
        words[0] = self.counter;
        for (at, place) in [(1, mark.watermark), (4, mark.synced)] {
            words[at..at + 3].copy_from_slice(&[place.seq, place.serial, place.position]);
        }
        words[7] = mark.floor;
        words[SLOT_WORDS - 1] = crc(&words[..SLOT_WORDS - 1], seed(self.id));
        let slot = SLOTS[(self.counter % 2) as usize];
        for (at, word) in words.iter().enumerate() {
            self.page.word(slot + at).store(*word, Ordering::Relaxed);
        }
        std::sync::atomic::fence(Ordering::Release);
    }
}

fn seed(id: LogId) -> u32 {
    crc32fast::hash(&id.0)
}

/// The words' checksum. Never zero, so that a page of zeros is not whole.
fn crc(words: &[u64], seed: u32) -> u64 {
    let mut bytes = [0; SLOT_WORDS * 8];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(&bytes[..words.len() * 8]);
    u64::from(hasher.finalize()) | 1 << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Memory, Storage};

    const ID: LogId = LogId([9; 16]);

    fn page() -> Page {
        Page::new(Memory::new().words(NAME, true).unwrap())
    }

    fn mark(seq: u64) -> Mark {
        let place = Place { seq, serial: 1, position: seq * 8 };
        Mark { watermark: place, synced: place, floor: 1 }
    }

    #[test]
    fn the_newest_mark_comes_back() {
        let page = page();
        assert_eq!(page.id(), Err(PageError::Damaged));
        page.write_head(ID);
        assert_eq!(page.id(), Ok(ID));
        assert_eq!(page.read(ID), None);
        for seq in 1..5 {
            page.clone().writer(ID).write(&mark(seq));
            assert_eq!(page.read(ID), Some(mark(seq)));
        }
    }

    #[test]
    fn any_flipped_bit_gives_the_mark_before_or_the_same() {
        let page = page();
        page.write_head(ID);
        let mut writer = page.clone().writer(ID);
        writer.write(&mark(1));
        writer.write(&mark(2));
        for at in 0..WORDS_USED {
            for bit in 0..64 {
                page.word(at).fetch_xor(1 << bit, Ordering::Relaxed);
                let found = page.read(ID).expect("one slot is whole");
                assert!(found == mark(1) || found == mark(2), "word {at} bit {bit}");
                page.word(at).fetch_xor(1 << bit, Ordering::Relaxed);
            }
        }
    }

    const WORDS_USED: usize = SLOTS[1] + SLOT_WORDS;
}
