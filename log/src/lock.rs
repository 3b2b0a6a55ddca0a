//! The writer's lock, and what can be known of a log without opening it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::OpenError;
use crate::id::LogId;
use crate::storage::{self, Directory, Storage};
use crate::watermark::{self, Page, PageError};

/// The lock's file.
pub const NAME: &str = "lock";

/// The right to write a log. It ends when dropped, or with the process.
pub struct WriterLock {
    storage: Arc<dyn Storage>,
    _lock: Box<dyn storage::Lock>,
}

impl WriterLock {
    pub(crate) fn take(storage: Arc<dyn Storage>) -> Result<Option<WriterLock>, OpenError> {
        let dir = storage.path("");
        storage.make().map_err(OpenError::io("make", &dir))?;
        let lock = storage.lock(NAME).map_err(OpenError::io("lock", storage.path(NAME)))?;
        Ok(lock.map(|lock| WriterLock { storage, _lock: lock }))
    }

    /// The log's directory.
    pub fn dir(&self) -> PathBuf {
        self.storage.path("")
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
}

impl std::fmt::Debug for WriterLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterLock").field("dir", &self.dir()).finish()
    }
}

/// Takes the writer's lock without opening the log; makes the directory if it is missing. `None`
/// while another one has it: [`holder`] may say who.
pub fn lock(dir: impl AsRef<Path>) -> Result<Option<WriterLock>, OpenError> {
    WriterLock::take(Arc::new(Directory::new(dir)))
}

/// The process that wrote itself into the lock last. It need not hold it any more.
pub fn holder(dir: impl AsRef<Path>) -> Option<u32> {
    Directory::new(dir).lock_holder(NAME)
}

/// Whether a writer has the lock now; `None` where that cannot be asked. Works from wherever the file can be
/// read, in another pid namespace and on a file system that is read-only there, too. It takes the lock for
/// an instant, shared, where nobody has it: not for whoever asks all the time.
pub fn is_locked(dir: impl AsRef<Path>) -> Option<bool> {
    Directory::new(dir).is_locked(NAME)
}

/// What the watermark file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Which log.
    pub id: LogId,
    /// The last seq that readers see.
    pub watermark: u64,
    /// The oldest seq kept.
    pub floor: u64,
}

/// Reads the watermark file and nothing else: which log is in `dir`, and how far it is.
pub fn peek(dir: impl AsRef<Path>) -> Result<Head, OpenError> {
    let storage = Directory::new(dir);
    let (page, id) = open_page(&storage)?;
    let mark = page.read(id).ok_or_else(|| damaged(&storage))?;
    Ok(Head { id, watermark: mark.watermark.seq, floor: mark.floor })
}

/// Opens the watermark file for reading.
pub(crate) fn open_page(storage: &dyn Storage) -> Result<(Page, LogId), OpenError> {
    let words = match storage.words(watermark::NAME, false) {
        Ok(words) => words,
        Err(error) if is_missing(&error) => return Err(missing_page(storage)),
        Err(source) => {
            return Err(OpenError::io("open", storage.path(watermark::NAME))(source));
        }
    };
    let page = Page::new(words);
    match page.id() {
        Ok(id) if page.read(id).is_some() => Ok((page, id)),
        Err(PageError::Newer(found)) => Err(OpenError::Version {
            file: storage.path(watermark::NAME),
            found: found.min(u64::from(u32::MAX)) as u32,
            known: crate::segment::VERSION,
        }),
        Ok(_) | Err(PageError::Damaged) => Err(missing_page(storage)),
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::UnexpectedEof)
}

/// No usable page: is there a log at all?
fn missing_page(storage: &dyn Storage) -> OpenError {
    let names = storage.names().unwrap_or_default();
    if names.iter().any(|name| crate::segment::parse_name(name).is_some()) {
        damaged(storage)
    } else {
        OpenError::NotFound { dir: storage.path("") }
    }
}

fn damaged(storage: &dyn Storage) -> OpenError {
    OpenError::Damaged {
        file: storage.path(watermark::NAME),
        position: 0,
        what: "missing or not whole",
        remedy: "open the log for writing once, which makes it again",
    }
}
