//! Where a log's files live: a trait, so that every promise can be tested on a medium that breaks.
//!
//! [`Directory`] is the real one, [`Memory`] keeps the same files in memory. All names are plain
//! file names in one flat directory.

mod directory;
mod memory;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use directory::Directory;
pub use memory::Memory;

/// A flat directory of files.
pub trait Storage: Send + Sync + 'static {
    /// How to name that file in a message.
    fn path(&self, name: &str) -> PathBuf;
    /// Makes the directory, if it is missing, readable for its owner only.
    fn make(&self) -> io::Result<()>;
    /// All names, in no order. [`io::ErrorKind::NotFound`] if there is no directory.
    fn names(&self) -> io::Result<Vec<String>>;
    /// A new, empty file for reading and writing; [`io::ErrorKind::AlreadyExists`] if it is there.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// An existing file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// An existing file for reading.
    fn open_read(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Renames; what had the new name is gone. At a crash either name may be found until
    /// [`Storage::sync_names`] has returned.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name; who has the file open keeps it.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes all creations, renames and removals durable.
    fn sync_names(&self) -> io::Result<()>;
    /// A file of exactly [`WORDS`] words that all processes share. Stores are seen by all at once;
    /// when they reach the medium is open. `write`: created if missing, else only read.
    fn words(&self, name: &str, write: bool) -> io::Result<Arc<dyn Words>>;
    /// The writer's lock: `None` while another writer has it. Dropping the value frees it, and so
    /// does the end of the process.
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn Lock>>>;
    /// What the lock's holder wrote into it.
    fn lock_holder(&self, name: &str) -> Option<u32>;
}

/// A held lock.
pub trait Lock: Send + Sync + 'static {}

/// An open file. Reading, writing and syncing may happen in many threads at once.
pub trait File: Send + Sync + 'static {
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Writes all the parts one after the other from `position` on, growing the file as needed.
    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()>;
    /// Fills `bytes` from `position`; [`io::ErrorKind::UnexpectedEof`] if there are fewer.
    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()>;
    /// All bytes written so far are on the medium when this returns `Ok`. When it fails, nothing
    /// is known about any byte since the last success, and a later success says nothing of them.
    fn sync(&self) -> io::Result<()>;
    /// Makes the file at least `len` bytes long, zeros at the end, and takes the space for it.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// The file's bytes for reading, at least the first `len`, which must be there.
    fn view(&self, len: u64) -> io::Result<View>;
}

/// The `len` bytes from `position` on; `None` where the file ends before.
pub(crate) fn bytes_at(file: &dyn File, position: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
    let there = file.len()?;
    if position.checked_add(len).is_none_or(|end| end > there) {
        return Ok(None);
    }
    let mut bytes = vec![0; len as usize];
    match file.read_at(&mut bytes, position) {
        Ok(()) => Ok(Some(bytes)),
        // Cut meanwhile, by another hand.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which of them is the bell.
pub const BELL: usize = 192;

/// Where nobody can be woken: how often to look.
const POLL: Duration = Duration::from_micros(500);

/// Words in the shared file.
pub const WORDS: usize = 512;

/// A small shared file of words.
pub trait Words: Send + Sync + 'static {
    /// The words, always [`WORDS`] of them.
    fn words(&self) -> &[AtomicU64];

    /// What the bell shows: the lower half of word [`BELL`], which nothing else touches.
    fn bell(&self) -> u32 {
        self.words()[BELL].load(Ordering::SeqCst) as u32
    }

    /// Makes the bell show something else, and wakes all who wait for that, in any process.
    fn ring(&self) {
        self.words()[BELL].fetch_add(1, Ordering::SeqCst);
    }

    /// Sleeps while the bell shows `shown`, at most that long. May return earlier.
    fn await_ring(&self, shown: u32, limit: Duration) {
        if self.bell() == shown {
            std::thread::sleep(limit.min(POLL));
        }
    }
}

/// A file's bytes for reading: a mapping of the file, or a copy.
///
/// The bytes below the length it was asked for never change. A mapping may reach beyond; what is
/// there may still be written, and becomes readable once it is durable.
pub struct View(Inner);

enum Inner {
    Mapped(memmap2::MmapRaw),
    Copied(Vec<u8>),
}

impl View {
    /// A copy of the bytes.
    pub fn copied(bytes: Vec<u8>) -> View {
        View(Inner::Copied(bytes))
    }

    fn mapped(map: memmap2::MmapRaw) -> View {
        View(Inner::Mapped(map))
    }

    /// How many bytes can be asked for.
    pub fn reach(&self) -> u64 {
        match &self.0 {
            Inner::Mapped(map) => map.len() as u64,
            Inner::Copied(bytes) => bytes.len() as u64,
        }
    }

    /// What follows is read soon, all of it: the system may fetch it in large pieces.
    pub(crate) fn expect(&self, from: u64) {
        if let Inner::Mapped(map) = &self.0
            && let Some(len) = map.len().checked_sub(from as usize).filter(|&len| len > 0)
        {
            // Only a wish.
            let _ = map.advise_range(memmap2::Advice::WillNeed, from as usize, len);
        }
    }

    /// The first `len` bytes. The caller knows that they are durable, so that nobody writes them.
    pub(crate) fn bytes(&self, len: u64) -> Option<&[u8]> {
        let len = usize::try_from(len).ok()?;
        match &self.0 {
            Inner::Mapped(map) if len <= map.len() => {
                // SAFETY: the mapping is at least `len` long and lives as long as `self`. Bytes
                // below the durable position, which is all that is asked for, are never written
                // again, and files of a log are never truncated.
                Some(unsafe { std::slice::from_raw_parts(map.as_ptr(), len) })
            }
            Inner::Mapped(_) => None,
            Inner::Copied(bytes) => bytes.get(..len),
        }
    }
}
