//! The real storage: a directory of the file system.

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::thread::futex;

use super::{BELL, File, Lock, Storage, View, WORDS, Words};

const WORDS_LEN: u64 = WORDS as u64 * 8;

/// A directory of the file system. Made 0700, its files 0600.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`, which need not exist yet.
    pub fn new(path: impl AsRef<Path>) -> Directory {
        Directory { path: path.as_ref().to_path_buf() }
    }

    fn options(write: bool) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(write).mode(0o600);
        options
    }

    /// Whether somebody has the lock, without taking it for longer than the question.
    pub fn is_locked(&self, name: &str) -> Option<bool> {
        let file = match Directory::options(false).open(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
            file => file.ok()?,
        };
        match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }
}

impl Storage for Directory {
    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }

    fn make(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => fs::File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = Directory::options(true).create_new(true).open(self.path(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(Directory::options(true).open(self.path(name))?)))
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(Directory::options(false).open(self.path(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn words(&self, name: &str, write: bool) -> io::Result<Arc<dyn Words>> {
        let file = Directory::options(write).create(write).open(self.path(name))?;
        if file.metadata()?.len() < WORDS_LEN {
            if !write {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, WORDS_LEN)
                .or_else(|errno| if unsupported(errno) { Ok(()) } else { Err(errno) })?;
            file.set_len(WORDS_LEN)?;
        }
        let mut options = memmap2::MmapOptions::new();
        let options = options.len(WORDS_LEN as usize);
        let map = if write { options.map_raw(&file) } else { options.map_raw_read_only(&file) };
        Ok(Arc::new(RealWords(map?)))
    }

    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn Lock>>> {
        let mut file = Directory::options(true).create(true).open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Only said to help: a full disk must not keep the log from being opened.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Some(Box::new(RealLock(file))))
    }

    fn lock_holder(&self, name: &str) -> Option<u32> {
        fs::read_to_string(self.path(name)).ok()?.trim().parse().ok()
    }
}

fn unsupported(errno: Errno) -> bool {
    errno == Errno::OPNOTSUPP || errno == Errno::NOSYS
}

struct RealLock(#[expect(dead_code, reason = "held, never read")] fs::File);

impl Lock for RealLock {}

struct RealFile(fs::File);

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn write_at(&self, parts: &[&[u8]], mut position: u64) -> io::Result<()> {
        let [first, second] = parts else {
            for part in parts {
                self.0.write_all_at(part, position)?;
                position += part.len() as u64;
            }
            return Ok(());
        };
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        let written = loop {
            match rustix::io::pwritev(&self.0, &slices, position) {
                Err(Errno::INTR) => {}
                result => break result?,
            }
        };
        if let Some(rest) = first.get(written..) {
            self.0.write_all_at(rest, position + written as u64)?;
            self.0.write_all_at(second, position + first.len() as u64)
        } else {
            let rest = &second[written - first.len()..];
            self.0.write_all_at(rest, position + written as u64)
        }
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            Err(errno) if unsupported(errno) => {
                if self.len()? < len {
                    self.0.set_len(len)
                } else {
                    Ok(())
                }
            }
            result => Ok(result?),
        }
    }

    fn view(&self, len: u64) -> io::Result<View> {
        let have = self.len()?;
        if have < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if have == 0 {
            return Ok(View::copied(Vec::new()));
        }
        let map = memmap2::MmapOptions::new().len(have as usize).map_raw_read_only(&self.0)?;
        Ok(View::mapped(map))
    }
}

struct RealWords(memmap2::MmapRaw);

impl Words for RealWords {
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is WORDS * 8 bytes long, page-aligned, lives as long as `self`, and
        // every process touches it through atomics only; a read-only mapping is only loaded from.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<AtomicU64>(), WORDS) }
    }

    fn bell(&self) -> u32 {
        self.half().load(Ordering::SeqCst)
    }

    fn ring(&self) {
        self.half().fetch_add(1, Ordering::SeqCst);
        // Who is not woken looks by himself a little later.
        let _ = futex::wake(self.half(), futex::Flags::empty(), i32::MAX as u32);
    }

    fn await_ring(&self, shown: u32, limit: Duration) {
        let limit = futex::Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        // However it ends, the caller looks again.
        let _ = futex::wait(self.half(), futex::Flags::empty(), shown, Some(&limit));
    }
}

impl RealWords {
    /// The bell, as the system wakes for it: half a word. On the medium it is nothing.
    fn half(&self) -> &AtomicU32 {
        // SAFETY: word BELL lies within the mapping, is aligned, and is touched nowhere else but
        // through this; a read-only mapping is only loaded from.
        unsafe { AtomicU32::from_ptr(self.0.as_mut_ptr().cast::<u32>().add(BELL * 2)) }
    }
}
