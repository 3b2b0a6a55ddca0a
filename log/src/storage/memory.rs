//! The same files in memory: for tests, and for logs that need not last.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::{File, Lock, Storage, View, WORDS, Words};

/// Files in memory. Clones share them, as processes share a directory.
#[derive(Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    files: Mutex<BTreeMap<String, Arc<MemoryFile>>>,
    words: Mutex<BTreeMap<String, Arc<MemoryWords>>>,
    locked: Arc<AtomicBool>,
}

impl Memory {
    /// An empty directory.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// A copy of a file's bytes.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.0.files.lock().get(name)?.0.read().clone())
    }

    /// Puts a file in place of what was there; who has that open keeps it.
    pub fn write(&self, name: &str, bytes: Vec<u8>) {
        let file = Arc::new(MemoryFile(RwLock::new(bytes)));
        self.0.files.lock().insert(name.to_owned(), file);
    }

    /// A deep copy: the files as they are now, unlocked.
    pub fn snapshot(&self) -> Memory {
        let copy = Memory::new();
        for (name, file) in self.0.files.lock().iter() {
            copy.write(name, file.0.read().clone());
        }
        for (name, words) in self.0.words.lock().iter() {
            let words: Vec<_> = words.words().iter().map(|w| w.load(Ordering::Relaxed)).collect();
            let words = words.into_iter().map(AtomicU64::new).collect();
            copy.0.words.lock().insert(name.clone(), Arc::new(MemoryWords(words)));
        }
        copy
    }

    fn get(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = self.0.files.lock().get(name).cloned();
        Ok(file.ok_or(io::ErrorKind::NotFound)?)
    }
}

impl Storage for Memory {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("memory").join(name)
    }

    fn make(&self) -> io::Result<()> {
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names: Vec<_> = self.0.files.lock().keys().cloned().collect();
        names.extend(self.0.words.lock().keys().cloned());
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut files = self.0.files.lock();
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        files.insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.get(name)
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.get(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.files.lock();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let words = self.0.words.lock().remove(name).is_some();
        let file = self.0.files.lock().remove(name).is_some();
        if words || file { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn words(&self, name: &str, write: bool) -> io::Result<Arc<dyn Words>> {
        let mut all = self.0.words.lock();
        match all.get(name) {
            Some(words) => Ok(words.clone()),
            None if write => {
                let words: Arc<MemoryWords> = Arc::default();
                all.insert(name.to_owned(), words.clone());
                Ok(words)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn Lock>>> {
        if self.0.locked.swap(true, Ordering::Acquire) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock(self.0.locked.clone()))))
    }

    fn lock_holder(&self, _name: &str) -> Option<u32> {
        None
    }
}

struct MemoryLock(Arc<AtomicBool>);

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[derive(Default)]
struct MemoryFile(RwLock<Vec<u8>>);

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.read().len() as u64)
    }

    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        let mut bytes = self.0.write();
        let mut at = position as usize;
        for part in parts {
            if bytes.len() < at + part.len() {
                bytes.resize(at + part.len(), 0);
            }
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        let file = self.0.read();
        let from = position as usize;
        let found = file.get(from..from + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut bytes = self.0.write();
        let len = (len as usize).max(bytes.len());
        bytes.resize(len, 0);
        Ok(())
    }

    fn view(&self, len: u64) -> io::Result<View> {
        let bytes = self.0.read();
        let bytes = bytes.get(..len as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(View::copied(bytes.to_vec()))
    }
}

struct MemoryWords(Vec<AtomicU64>);

impl Default for MemoryWords {
    fn default() -> MemoryWords {
        MemoryWords((0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Words for MemoryWords {
    fn words(&self) -> &[AtomicU64] {
        &self.0
    }
}
