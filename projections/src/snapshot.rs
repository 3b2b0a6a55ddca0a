//! Snapshots: what the folds had made of the records that a trim dropped.
//!
//! What always holds: a log that begins at floor F has the snapshot of seq F-1 beside it, and all that
//! is folded of it is folded on top of that. A snapshot is whole under its name or not there; it is
//! never changed, and goes when one of a later seq has taken its place and the log begins there.
//!
//! ```text
//!  DIR/<seq:020>/data.mdb       the tables, folded to that seq, without room between the rows
//!  DIR/<seq:020>/snapshot.json  which log, fold version and seq, and a BLAKE3 over these and the tables
//!  DIR/<seq:020>.making         one that is being made
//! ```

use crate::fold::FOLD_VERSION;
use crate::projector::{BATCH_RECORDS_MAX, FoldError, Projector};
use crate::store::{Commit, Store, StoreError, create_private};
use crate::tables::{Sessions, Threads};
use crate::upgrade;
use serde::{Deserialize, Serialize};
use sm_log::{LogId, Reader};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// LMDB opens an environment once in a process.
static LOOKING: Mutex<()> = Mutex::new(());

const TABLES: &str = "data.mdb";
const MANIFEST: &str = "snapshot.json";
const MAKING: &str = ".making";

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `sm.snapshot/1`.
    pub schema: String,
    /// The log folded.
    pub log_id: String,
    /// The version of the folds.
    pub fold_version: u32,
    /// The last seq folded.
    pub seq: u64,
    /// The size of the tables' file.
    pub bytes: u64,
    /// BLAKE3 over the four lines above and the tables' file, in hexadecimal.
    pub blake3: String,
}

impl Manifest {
    fn hasher(log: &str, fold_version: u32, seq: u64, bytes: u64) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{log}\n{fold_version}\n{seq}\n{bytes}\n").as_bytes());
        hasher
    }
}

/// A snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The log begins above it, and it is not there.
    #[error("the log begins at seq {floor}, and the snapshot of what was before is not in {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// The oldest seq kept.
        floor: u64,
    },
    /// It is not what it was when it was made, or of another log.
    #[error("the snapshot in {} is damaged: {what}", path.display())]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// It is of an older fold version, from which no step leads to this one.
    #[error("the snapshot in {} is of fold version {found}, from which this sm knows no way to {known}", path.display())]
    NoUpgrade {
        /// Where it is.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// This build's.
        known: u32,
    },
}

/// The snapshots of one data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshots {
    dir: PathBuf,
}

impl Snapshots {
    /// Those below `dir`; nothing is made yet.
    pub fn new(dir: impl Into<PathBuf>) -> Snapshots {
        Snapshots { dir: dir.into() }
    }

    /// Where the one of `seq` lies.
    pub fn path(&self, seq: u64) -> PathBuf {
        self.dir.join(format!("{seq:020}"))
    }

    /// Opens new tables at `path`: empty, or those of the snapshot that `log` begins with.
    ///
    /// # Errors
    /// [`SnapshotError`] where there must be one and it cannot be used.
    pub fn begin(&self, path: &Path, log: &Reader) -> Result<Store, FoldError> {
        let floor = log.floor();
        if floor > 1 {
            create_private(path)?;
            let manifest = self.copy(&log.id(), floor - 1, &path.join(TABLES));
            let manifest = match manifest {
                // A trim took it away meanwhile: the log begins elsewhere now.
                Err(_) if log.floor() != floor => return Err(FoldError::Trimmed),
                manifest => manifest?,
            };
            let store = Store::open(path, &log.id(), Commit::AtTheEnd)?;
            let from = manifest.fold_version;
            if !upgrade::upgrade(&store, from, FOLD_VERSION, upgrade::STEPS)? {
                let path = self.path(manifest.seq);
                let known = FOLD_VERSION;
                return Err(SnapshotError::NoUpgrade { path, found: from, known }.into());
            }
            return Ok(store);
        }
        Ok(Store::open(path, &log.id(), Commit::AtTheEnd)?)
    }

    /// Makes the snapshot of `seq`, folded from what `log` has below it, and returns what it says of
    /// itself; durable then. One that is there already stays. `progress` is told the last seq folded.
    pub fn keep(
        &self,
        log: &Reader,
        seq: u64,
        progress: impl FnMut(u64),
    ) -> Result<Manifest, FoldError> {
        let place = self.path(seq);
        if let Ok(manifest) = self.read(&log.id(), seq)
            && manifest.fold_version == FOLD_VERSION
            && self.check(&manifest).is_ok()
        {
            return Ok(manifest);
        }
        create_private(&self.dir)?;
        let making = self.dir.join(format!("{seq:020}{MAKING}"));
        remove(&making)?;
        let folding = making.join("folding");
        create_private(&folding)?;
        let store = Arc::new(self.begin(&folding, log)?);
        let mut projector = Projector::new(Arc::clone(&store), log.clone())?;
        projector.fold_to(seq, BATCH_RECORDS_MAX, progress)?;
        store.pack_to(&making)?;
        drop((projector, store));
        remove(&folding)?;
        let lock = making.join("lock.mdb");
        fs::remove_file(&lock).map_err(io_error("remove", &lock))?;
        let manifest = self.describe(&log.id(), seq, &making.join(TABLES))?;
        write_synced(&making.join(MANIFEST), &manifest)?;
        sync_folder(&making)?;
        remove(&place)?;
        let named = fs::rename(&making, &place);
        named.map_err(io_error("put in place", &place))?;
        sync_folder(&self.dir)?;
        Ok(manifest)
    }

    /// Removes what the log, which begins at `floor`, does not need any more, and what was never
    /// finished.
    pub fn sweep(&self, floor: u64) -> Result<(), FoldError> {
        let found = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found.map_err(io_error("read", &self.dir))?,
        };
        for entry in found {
            let path = entry.map_err(io_error("read", &self.dir))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let Some(name) = name else { continue };
            let is_old = name.parse::<u64>().is_ok_and(|seq| seq + 1 < floor);
            if is_old || name.ends_with(MAKING) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// What the snapshot of `seq` says of itself; its tables are not looked at.
    pub fn read(&self, log: &LogId, seq: u64) -> Result<Manifest, FoldError> {
        let place = self.path(seq);
        let damaged = |what| SnapshotError::Damaged { path: self.path(seq), what };
        let bytes = match fs::read(place.join(MANIFEST)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SnapshotError::Missing { path: place, floor: seq + 1 }.into());
            }
            bytes => bytes.map_err(io_error("read", &place))?,
        };
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|_| damaged("what it says of itself cannot be read"))?;
        if manifest.log_id != log.to_string() {
            return Err(damaged("it is of another log").into());
        }
        if manifest.seq != seq {
            return Err(damaged("it is of another seq").into());
        }
        if manifest.fold_version > FOLD_VERSION {
            let found = manifest.fold_version;
            return Err(StoreError::Newer { path: place, found, known: FOLD_VERSION }.into());
        }
        Ok(manifest)
    }

    /// The newest record of a thread's session in the snapshot of `seq`.
    pub fn last_seq(&self, log: &LogId, seq: u64, thread: &str) -> Result<Option<u64>, FoldError> {
        let manifest = self.read(log, seq)?;
        if manifest.fold_version != FOLD_VERSION {
            return Ok(None);
        }
        let _one_at_a_time = LOOKING.lock();
        let store = Store::open_frozen(&self.path(seq))?;
        let view = store.view()?;
        Ok(match view.get::<Threads>(&thread.to_owned())? {
            Some(sid) => view.get::<Sessions>(&sid)?.and_then(|session| session.last_seq),
            None => None,
        })
    }

    /// Copies the tables of `seq` to `into`, checked on the way.
    fn copy(&self, log: &LogId, seq: u64, into: &Path) -> Result<Manifest, FoldError> {
        let manifest = self.read(log, seq)?;
        let mut copy = File::create(into).map_err(io_error("create", into))?;
        self.walk(&manifest, |piece| copy.write_all(piece).map_err(io_error("write", into)))?;
        Ok(manifest)
    }

    fn check(&self, manifest: &Manifest) -> Result<(), FoldError> {
        self.walk(manifest, |_| Ok(()))
    }

    /// Hands the tables' bytes to `take`; they were as they should be if this succeeds.
    fn walk(
        &self,
        manifest: &Manifest,
        mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), FoldError> {
        let Manifest { log_id, fold_version, seq, bytes, blake3, .. } = manifest;
        let mut hasher = Manifest::hasher(log_id, *fold_version, *seq, *bytes);
        let read = pieces(&self.path(*seq).join(TABLES), |piece| {
            hasher.update(piece);
            take(piece)
        })?;
        if read != *bytes || hasher.finalize().to_hex().as_str() != blake3 {
            let what = "its checksum does not fit";
            return Err(SnapshotError::Damaged { path: self.path(*seq), what }.into());
        }
        Ok(())
    }

    fn describe(&self, log: &LogId, seq: u64, tables: &Path) -> Result<Manifest, StoreError> {
        let bytes = fs::metadata(tables).map_err(io_error("measure", tables))?.len();
        let log_id = log.to_string();
        let mut hasher = Manifest::hasher(&log_id, FOLD_VERSION, seq, bytes);
        pieces(tables, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(Manifest {
            schema: "sm.snapshot/1".to_owned(),
            log_id,
            fold_version: FOLD_VERSION,
            seq,
            bytes,
            blake3: hasher.finalize().to_hex().to_string(),
        })
    }
}

/// Reads a file piece by piece; returns how many bytes it has.
fn pieces(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut file = File::open(path).map_err(io_error("open", path))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut piece).map_err(io_error("read", path))?;
        if count == 0 {
            return Ok(bytes);
        }
        bytes += count as u64;
        take(&piece[..count])?;
    }
}

fn write_synced(path: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec_pretty(manifest).expect("a manifest can be encoded");
    let mut file = File::create(path).map_err(io_error("create", path))?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.map_err(io_error("write", path))
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(io_error("sync", path))
}

/// The system refused `act` on `path`.
pub(crate) fn io_error(
    act: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_path_buf();
    move |source| StoreError::Io { act, path, source }
}

/// Removes a folder, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(source))
        }
        _ => Ok(()),
    }
}
