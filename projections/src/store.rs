//! The tables in LMDB.
//!
//! What always holds: rows and checkpoint commit in one transaction, so the tables are those of the
//! log up to the checkpoint exactly. One writer, the holder of the log's lock; readers open the
//! environment from their own process and keep a transaction no longer than one answer. All of it is
//! derived: it may be deleted at any time and is made again from the log.
//!
//! All tables live in LMDB's unnamed database, each under its own first byte: one tree, no handles to
//! open, and a table's range is a range of bytes.

use crate::changes::Changes;
use crate::fold::FOLD_VERSION;
use crate::state::Base;
use crate::table::{Key, Table, address_prefix, put_address};
use crate::tables;
use heed::types::Bytes;
use heed::{
    CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, PutFlags, RoTxn, RwTxn,
    WithoutTls,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sm_log::LogId;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The address space set aside; the file grows only as far as rows need.
const MAP_BYTES: usize = 1 << 38;

/// How many readers may be at work at once, in all processes.
const READERS_MAX: u32 = 1022;

/// How many bytes of rows are packed before a commit: what is not committed is held in memory.
const PACK_BYTES: usize = 16 << 20;

/// The byte before every key of the store's own facts; tables follow from 1.
const META: u8 = 0;

/// The tables could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There are none yet.
    #[error("no projections in {}", path.display())]
    NotFound {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// They are of another log.
    #[error(
        "the projections in {} belong to log {found}, not to {expected}",
        path.display()
    )]
    ForeignLog {
        /// Where they are.
        path: PathBuf,
        /// Whose they are.
        found: String,
        /// Whose they should be.
        expected: String,
    },
    /// They were made by a newer `sm`, whose meaning of them this one does not know.
    #[error(
        "the projections in {} are of fold version {found}, made by a newer sm; this one knows {known}",
        path.display()
    )]
    Newer {
        /// Where they are.
        path: PathBuf,
        /// Their version.
        found: u32,
        /// This build's.
        known: u32,
    },
    /// The operating system refused.
    #[error("failed to {act} {}: {source}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// LMDB refused.
    #[error("LMDB failed to {act} in {}: {source}", path.display())]
    Lmdb {
        /// What was tried.
        act: &'static str,
        /// Where.
        path: PathBuf,
        /// LMDB's answer.
        source: heed::Error,
    },
    /// The tables have grown to the address space that is set aside for them. What was committed
    /// stands; the batch at hand is not in it.
    #[error("the projections in {} have grown to their limit of {bytes} bytes", path.display())]
    Full {
        /// Where.
        path: PathBuf,
        /// The limit.
        bytes: usize,
    },
    /// A row cannot be decoded.
    #[error("a row of table {table} in {} is damaged", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// The table.
        table: &'static str,
    },
}

impl StoreError {
    /// Whether the tables are what they were, and only nothing can be added to them.
    pub fn is_unwritable(&self) -> bool {
        match self {
            StoreError::Io { .. } | StoreError::Full { .. } => true,
            StoreError::Lmdb { source, .. } => matches!(source, heed::Error::Io(_)),
            _ => false,
        }
    }
}

/// What the store knows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The log folded.
    pub log_id: String,
    /// The last seq folded; 0 for none.
    pub checkpoint: u64,
}

/// How carefully commits are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// Every commit survives a power cut, whole.
    Synced,
    /// Only [`Store::sync`] makes it so: for tables that nobody reads yet.
    AtTheEnd,
}

/// The tables of one fold version, in one LMDB environment.
pub struct Store {
    env: Env<WithoutTls>,
    rows: Database<'static, Bytes, Bytes>,
    path: PathBuf,
}

/// Whether a batch of rows may not fit on the disk of `path` any more.
fn is_nearly_full(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < PACK_BYTES as u64)
}

/// Whether the system lets nobody of this user write there.
fn is_denied(why: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(why.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

impl Store {
    /// Where the tables of this build's fold version lie below `dir`.
    pub fn path_in(dir: &Path) -> PathBuf {
        dir.join(format!("v{FOLD_VERSION}"))
    }

    /// Opens the tables at `path` for the log `log`, made empty if there are none.
    ///
    /// # Errors
    /// [`StoreError::ForeignLog`] for tables of another log; nothing is changed then.
    pub fn open(path: &Path, log: &LogId, commit: Commit) -> Result<Store, StoreError> {
        Store::open_within(path, log, commit, MAP_BYTES)
    }

    /// The same, where the tables may grow to `most` bytes and no further.
    pub fn open_within(
        path: &Path,
        log: &LogId,
        commit: Commit,
        most: usize,
    ) -> Result<Store, StoreError> {
        create_private(path)?;
        let flags = match commit {
            Commit::Synced => EnvFlags::empty(),
            Commit::AtTheEnd => EnvFlags::NO_SYNC,
        };
        let store = Store::open_env(path, flags, most)?;
        let expected = log.to_string();
        let meta = store.view()?.meta()?;
        match meta {
            Some(meta) if meta.log_id != expected => Err(StoreError::ForeignLog {
                path: path.to_path_buf(),
                found: meta.log_id,
                expected,
            }),
            Some(_) => Ok(store),
            None => {
                let mut txn = store.begin()?;
                store.put_meta(&mut txn, &Meta { log_id: expected, checkpoint: 0 })?;
                store.commit(txn)?;
                Ok(store)
            }
        }
    }

    /// Opens existing tables for reading, from any process; also where nothing can be written.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there are none.
    pub fn open_existing(path: &Path) -> Result<Store, StoreError> {
        if !path.join("data.mdb").exists() {
            return Err(StoreError::NotFound { path: path.to_path_buf() });
        }
        match Store::open_env(path, EnvFlags::empty(), MAP_BYTES) {
            // A reader's place in LMDB's lock file cannot be taken. Where somebody writes, it is for the writer
            // to keep what was there for as long as an answer takes.
            Err(StoreError::Lmdb { source: heed::Error::Io(why), .. }) if is_denied(&why) => {
                Store::open_env(path, EnvFlags::READ_ONLY | EnvFlags::NO_LOCK, MAP_BYTES)
            }
            opened => opened,
        }
    }

    /// Opens tables that nobody ever writes to again; nothing is put beside them.
    pub(crate) fn open_frozen(path: &Path) -> Result<Store, StoreError> {
        Store::open_env(path, EnvFlags::READ_ONLY | EnvFlags::NO_LOCK, MAP_BYTES)
    }

    fn open_env(path: &Path, flags: EnvFlags, most: usize) -> Result<Store, StoreError> {
        let fail = |act| {
            let path = path.to_path_buf();
            move |source| StoreError::Lmdb { act, path, source }
        };
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(most).max_readers(READERS_MAX);
        // SAFETY: NO_SYNC is for tables that nobody else reads and that are thrown away unless they
        // were synced at the end; NO_LOCK, with READ_ONLY, for files that their user cannot write.
        unsafe { options.flags(flags) };
        // SAFETY: the files are this program's own, private to the user, and opened only through
        // LMDB; heed hands out one environment for each path within a process.
        let env = unsafe { options.open(path) }.map_err(fail("open the environment"))?;
        let txn = env.read_txn().map_err(fail("begin to read"))?;
        let opened = env.open_databases_and_commit(txn, |open, txn| {
            open.open_database::<Bytes, Bytes>(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        });
        let opened = opened.map_err(fail("open the tables"))?;
        let rows = opened.unwrap_commit().expect("LMDB's unnamed database is always there");
        Ok(Store { env, rows, path: path.to_path_buf() })
    }

    /// Where the tables lie.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins one answer: all that is read through it is of one moment.
    pub fn view(&self) -> Result<View<'_>, StoreError> {
        let txn = self.env.read_txn().map_err(|source| self.fail("begin to read", source))?;
        Ok(View { store: self, txn, failure: OnceLock::new() })
    }

    /// Writes `changes` and their checkpoint, all or nothing.
    pub fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut txn = self.begin()?;
        changes.each(&mut |address, row| match row {
            Some(row) => self.put(&mut txn, address, row),
            None => self.delete(&mut txn, address),
        })?;
        self.set_checkpoint(&mut txn, changes.checkpoint)?;
        self.commit(txn)
    }

    /// Makes every commit so far survive a power cut.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.env.force_sync().map_err(|source| self.fail("sync", source))
    }

    /// Forgets readers whose process died; returns how many.
    pub fn clear_stale_readers(&self) -> Result<usize, StoreError> {
        self.env.clear_stale_readers().map_err(|source| self.fail("clear stale readers", source))
    }

    /// The size of the file, in bytes.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        self.env.real_disk_size().map_err(|source| self.fail("measure the file", source))
    }

    /// Writes all rows, in their order and close together, into new tables at `path`; durable then. Rows
    /// that came in between others have left their pages half empty.
    pub(crate) fn pack_to(&self, path: &Path) -> Result<(), StoreError> {
        create_private(path)?;
        let packed = Store::open_env(path, EnvFlags::NO_SYNC, MAP_BYTES)?;
        let view = self.view()?;
        let rows = self.rows.iter(&view.txn);
        let mut txn = packed.begin()?;
        let mut bytes = 0;
        for row in rows.map_err(|source| self.fail("read all rows", source))? {
            let (address, row) = row.map_err(|source| self.fail("read all rows", source))?;
            let put = packed.rows.put_with_flags(&mut txn, PutFlags::APPEND, address, row);
            put.map_err(|source| packed.fail("write a row", source))?;
            bytes += address.len() + row.len();
            if bytes > PACK_BYTES {
                bytes = 0;
                packed.commit(txn)?;
                txn = packed.begin()?;
            }
        }
        packed.commit(txn)?;
        packed.sync()
    }

    /// The addresses of all rows of the table numbered `number`.
    pub(crate) fn addresses(
        &self,
        txn: &RwTxn<'_>,
        number: u8,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.rows.range(txn, &between(&[number], &[number + 1]));
        let rows = rows.map_err(|source| self.fail("read a range", source))?;
        let addresses: Result<_, _> = rows.map(|row| Ok(row?.0.to_vec())).collect();
        addresses.map_err(|source| self.fail("read a range", source))
    }

    /// The row at `address`, as an `R`.
    pub(crate) fn row<R: DeserializeOwned>(
        &self,
        txn: &RwTxn<'_>,
        address: &[u8],
    ) -> Result<R, StoreError> {
        let row = postcard::from_bytes(&self.row_bytes(txn, address)?).ok();
        row.ok_or_else(|| self.damaged(tables::name(address[0])))
    }

    /// A row as it stands.
    pub(crate) fn row_bytes(&self, txn: &RwTxn<'_>, address: &[u8]) -> Result<Vec<u8>, StoreError> {
        let bytes = self.rows.get(txn, address);
        let bytes = bytes.map_err(|source| self.fail("read a row", source))?;
        bytes.map(<[u8]>::to_vec).ok_or_else(|| self.damaged(tables::name(address[0])))
    }

    pub(crate) fn put(
        &self,
        txn: &mut RwTxn<'_>,
        address: &[u8],
        row: &[u8],
    ) -> Result<(), StoreError> {
        self.rows.put(txn, address, row).map_err(|source| self.fail("write a row", source))
    }

    pub(crate) fn delete(&self, txn: &mut RwTxn<'_>, address: &[u8]) -> Result<(), StoreError> {
        let deleted = self.rows.delete(txn, address).map(drop);
        deleted.map_err(|source| self.fail("write a row", source))
    }

    /// Says that the rows are those of the log up to `checkpoint`.
    pub(crate) fn set_checkpoint(
        &self,
        txn: &mut RwTxn<'_>,
        checkpoint: u64,
    ) -> Result<(), StoreError> {
        let meta = self.rows.get(txn, &[META]);
        let meta = meta.map_err(|source| self.fail("read the checkpoint", source))?;
        let meta: Option<Meta> = meta.and_then(|bytes| postcard::from_bytes(bytes).ok());
        let log_id = meta.ok_or_else(|| self.damaged("meta"))?.log_id;
        self.put_meta(txn, &Meta { log_id, checkpoint })
    }

    pub(crate) fn begin(&self) -> Result<RwTxn<'_>, StoreError> {
        self.env.write_txn().map_err(|source| self.fail("begin to write", source))
    }

    pub(crate) fn commit(&self, txn: RwTxn<'_>) -> Result<(), StoreError> {
        txn.commit().map_err(|source| self.fail("commit", source))
    }

    fn put_meta(&self, txn: &mut RwTxn<'_>, meta: &Meta) -> Result<(), StoreError> {
        let bytes = postcard::to_stdvec(meta).expect("the meta row can be encoded");
        let put = self.rows.put(txn, &[META], &bytes);
        put.map_err(|source| self.fail("write the checkpoint", source))
    }

    fn fail(&self, act: &'static str, source: heed::Error) -> StoreError {
        let path = self.path.clone();
        match source {
            heed::Error::Mdb(MdbError::MapFull) => {
                StoreError::Full { path, bytes: self.env.info().map_size }
            }
            heed::Error::Io(source) if source.kind() == std::io::ErrorKind::StorageFull => {
                StoreError::Io { act, path, source }
            }
            // What LMDB says of a write that ended early.
            heed::Error::Io(source)
                if source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
                    && is_nearly_full(&path) =>
            {
                StoreError::Io { act, path, source: std::io::ErrorKind::StorageFull.into() }
            }
            source => StoreError::Lmdb { act, path, source },
        }
    }

    fn damaged(&self, table: &'static str) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), table }
    }
}

/// Makes a folder that only its user can enter.
pub(crate) fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StoreError::Io { act: "create", path: path.to_path_buf(), source })
}

/// The tables at one moment, read only.
pub struct View<'s> {
    store: &'s Store,
    txn: RoTxn<'s, WithoutTls>,
    /// The first failure that a fold could not be told of.
    failure: OnceLock<StoreError>,
}

impl View<'_> {
    fn meta(&self) -> Result<Option<Meta>, StoreError> {
        match self.bytes(&[META])? {
            Some(bytes) => {
                let meta = postcard::from_bytes(bytes);
                Ok(Some(meta.map_err(|_| self.store.damaged("meta"))?))
            }
            None => Ok(None),
        }
    }

    /// The last seq folded; 0 for none.
    pub fn checkpoint(&self) -> Result<u64, StoreError> {
        Ok(self.meta()?.map_or(0, |meta| meta.checkpoint))
    }

    /// The log folded, in hexadecimal.
    pub fn log_id(&self) -> Result<String, StoreError> {
        Ok(self.meta()?.unwrap_or_default().log_id)
    }

    /// One row.
    pub fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Row>, StoreError> {
        let mut address = Vec::with_capacity(32);
        put_address::<T>(key, &mut address);
        match self.bytes(&address)? {
            Some(bytes) => Ok(Some(self.decode::<T, _>(bytes)?)),
            None => Ok(None),
        }
    }

    /// The rows whose keys begin with `prefix` and are not below `from`, in the order of keys, until
    /// `take` says stop. `from` holds the bytes that follow the prefix.
    pub fn scan<T: Table>(
        &self,
        prefix: &[u8],
        from: &[u8],
        take: impl FnMut(T::Key, T::Row) -> bool,
    ) -> Result<(), StoreError> {
        self.scan_as::<T, T::Row>(prefix, from, take)
    }

    /// The same, of each row only its first fields, which are those of `R`.
    pub fn scan_as<T: Table, R: DeserializeOwned>(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut take: impl FnMut(T::Key, R) -> bool,
    ) -> Result<(), StoreError> {
        let prefix = address_prefix::<T>(prefix);
        let low = [&prefix[..], from].concat();
        let high = after(&prefix);
        let rows = self.store.rows.range(&self.txn, &between(&low, &high));
        for row in rows.map_err(|source| self.store.fail("read a range", source))? {
            let (key, row) = row.map_err(|source| self.store.fail("read a range", source))?;
            if !take(self.key::<T>(key)?, self.decode::<T, _>(row)?) {
                break;
            }
        }
        Ok(())
    }

    /// The rows whose keys begin with `prefix`, backwards, until `take` says stop.
    pub fn scan_back<T: Table>(
        &self,
        prefix: &[u8],
        mut take: impl FnMut(T::Key, T::Row) -> bool,
    ) -> Result<(), StoreError> {
        let low = address_prefix::<T>(prefix);
        let high = after(&low);
        let rows = self.store.rows.rev_range(&self.txn, &between(&low, &high));
        for row in rows.map_err(|source| self.store.fail("read a range", source))? {
            let (key, row) = row.map_err(|source| self.store.fail("read a range", source))?;
            if !take(self.key::<T>(key)?, self.decode::<T, _>(row)?) {
                break;
            }
        }
        Ok(())
    }

    /// A digest of all tables: equal digests, equal rows.
    pub fn digest(&self) -> Result<String, StoreError> {
        let mut hasher = blake3::Hasher::new();
        let rows = self.store.rows.iter(&self.txn);
        for row in rows.map_err(|source| self.store.fail("read all rows", source))? {
            let (key, row) = row.map_err(|source| self.store.fail("read all rows", source))?;
            if key == [META] {
                continue;
            }
            for part in [key, row] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// How many rows each table has, and how many bytes of keys and rows; by the tables' numbers.
    pub fn sizes(&self) -> Result<Vec<Size>, StoreError> {
        let mut sizes: Vec<Size> = Vec::new();
        let rows = self.store.rows.iter(&self.txn);
        for row in rows.map_err(|source| self.store.fail("read all rows", source))? {
            let (key, row) = row.map_err(|source| self.store.fail("read all rows", source))?;
            let table = match key.first() {
                Some(&META) => "meta",
                number => number.map_or("unknown", |number| tables::name(*number)),
            };
            if sizes.last().is_none_or(|size| size.table != table) {
                sizes.push(Size { table, rows: 0, key_bytes: 0, row_bytes: 0 });
            }
            if let Some(size) = sizes.last_mut() {
                size.rows += 1;
                size.key_bytes += key.len() as u64;
                size.row_bytes += row.len() as u64;
            }
        }
        Ok(sizes)
    }

    /// How many pages of the file hold rows, and how many bytes a page has: the rest is free, to be used
    /// by what comes next.
    pub fn pages(&self) -> Result<(usize, u32), StoreError> {
        let stat = self.store.rows.stat(&self.txn);
        let stat = stat.map_err(|source| self.store.fail("count the pages", source))?;
        Ok((stat.leaf_pages + stat.branch_pages + stat.overflow_pages, stat.page_size))
    }

    /// The first row that differs between two stores: its table, its key, and both sides.
    pub fn first_difference(&self, other: &View<'_>) -> Result<Option<Difference>, StoreError> {
        let fail = |store: &Store, source| store.fail("read all rows", source);
        let mine = self.store.rows.iter(&self.txn).map_err(|e| fail(self.store, e))?;
        let theirs = other.store.rows.iter(&other.txn).map_err(|e| fail(other.store, e))?;
        let mut mine = mine.filter(|row| !matches!(row, Ok((key, _)) if *key == [META]));
        let mut theirs = theirs.filter(|row| !matches!(row, Ok((key, _)) if *key == [META]));
        loop {
            let a = mine.next().transpose().map_err(|e| fail(self.store, e))?;
            let b = theirs.next().transpose().map_err(|e| fail(other.store, e))?;
            if a == b {
                match a {
                    None => return Ok(None),
                    Some(_) => continue,
                }
            }
            let key = match (a, b) {
                (Some((a, _)), Some((b, _))) => a.min(b),
                (Some((key, _)), None) | (None, Some((key, _))) => key,
                (None, None) => return Ok(None),
            };
            // A damaged file may hold an empty key.
            let (number, key) = key.split_first().unwrap_or((&META, &[]));
            return Ok(Some(Difference { table: tables::name(*number), key: key.to_vec() }));
        }
    }

    fn key<T: Table>(&self, bytes: &[u8]) -> Result<T::Key, StoreError> {
        let key = bytes.get(1..).and_then(T::Key::decode);
        key.ok_or_else(|| self.store.damaged(tables::name(T::NUMBER)))
    }

    fn bytes(&self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        let found = self.store.rows.get(&self.txn, key);
        found.map_err(|source| self.store.fail("read a row", source))
    }

    fn decode<'a, T: Table, R: Deserialize<'a>>(&self, bytes: &'a [u8]) -> Result<R, StoreError> {
        let row = postcard::from_bytes(bytes);
        row.map_err(|_| self.store.damaged(tables::name(T::NUMBER)))
    }
}

/// What a table takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Bytes of their keys.
    pub key_bytes: u64,
    /// Bytes of the rows.
    pub row_bytes: u64,
}

/// Where two stores differ first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The key's bytes.
    pub key: Vec<u8>,
}

/// The keys from `low` to below `high`.
fn between<'k>(low: &'k [u8], high: &'k [u8]) -> (Bound<&'k [u8]>, Bound<&'k [u8]>) {
    (Bound::Included(low), Bound::Excluded(high))
}

/// The least bytes above all that begin with `prefix`.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut high = prefix.to_vec();
    while let Some(last) = high.pop() {
        if last < u8::MAX {
            high.push(last + 1);
            return high;
        }
    }
    vec![u8::MAX; 511]
}

impl View<'_> {
    /// Whether all that was read as a fold's base could be read: else what was folded must not be kept.
    pub(crate) fn sound(self) -> Result<(), StoreError> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }

    fn note<T>(&self, read: Result<T, StoreError>) -> Option<T> {
        read.map_err(|error| drop(self.failure.set(error))).ok()
    }
}

impl Base for View<'_> {
    fn get(&self, address: &[u8]) -> Option<&[u8]> {
        self.note(self.bytes(address)).flatten()
    }

    fn addresses(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let high = after(prefix);
        let rows = self.store.rows.range(&self.txn, &between(prefix, &high));
        let addresses = rows.and_then(|rows| rows.map(|row| Ok(row?.0.to_vec())).collect());
        let addresses = addresses.map_err(|source| self.store.fail("read a range", source));
        self.note(addresses).unwrap_or_default()
    }

    fn is_damaged(&self, table: &'static str) {
        self.note::<()>(Err(self.store.damaged(table)));
    }
}
