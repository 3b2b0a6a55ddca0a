//! The data directory: what lies where, and who may write.
//!
//! What always holds: everything in it is private to the user. The log's lock decides who writes and
//! folds: the daemon while one runs, else a command for as long as it works.
//!
//! ```text
//!  HOME/log/            the log, and its lock
//!  HOME/snapshots/      what the folds made of records that were trimmed
//!  HOME/projections/vN/ LMDB, derived, may be deleted
//!  HOME/rules.toml      which requests are answered without a human; the user's own
//!  HOME/grants.toml     the same with an end, written by `sm rules grant`
//!  HOME/run/sm.sock     the daemon's HTTP, while one runs
//!  HOME/run/daemon.log  what the daemon says of itself
//!  HOME/http-token      what calls over TCP have to show, once they were asked for
//! ```

use crate::prune;
use sm_log::{Log, LogId, OpenError, Options, Reader, Recovery, WriterLock};
use sm_projections::{
    Below, Commit, FoldError, Projector, Snapshots, Store, StoreError, pack, rebuild, sweep,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest path a unix socket may have, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// Smaller tables are not worth the time that packing them takes.
const PACKED_FROM_BYTES: u64 = 32 << 20;

/// A data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// It cannot be made or entered.
    #[error("failed to {act} {}: {source}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The projections cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// Another process makes the projections of this build's version, and has not done so yet.
    #[error("the projections in {} are being made by another process", dir.display())]
    Building {
        /// The data directory.
        dir: PathBuf,
    },
}

/// The whole of a data directory, open for writing by the holder of its lock.
pub struct Writer {
    /// The log.
    pub log: Log,
    /// What opening it found.
    pub recovery: Recovery,
    /// The tables.
    pub store: Arc<Store>,
    /// Folds the log into the tables.
    pub projector: Projector,
}

/// A data directory, open for reading.
pub struct Readings {
    /// The tables; `None` before anything was ever folded.
    pub store: Option<Store>,
    /// The log's last durable seq.
    pub watermark: u64,
    /// The log's id; `None` before there is a log.
    pub log_id: Option<String>,
    /// Why the tables could not be brought up to the log: nothing can be written there now.
    pub behind: Option<HomeError>,
}

/// Whether nothing is wrong with what is there, and only nothing can be added to it.
fn is_unwritable(error: &HomeError) -> bool {
    match error {
        HomeError::Io { .. } | HomeError::Log(OpenError::Io { .. }) => true,
        HomeError::Store(error) | HomeError::Fold(FoldError::Store(error)) => error.is_unwritable(),
        _ => false,
    }
}

impl Home {
    /// The data directory at `dir`; nothing is made yet.
    pub fn new(dir: impl Into<PathBuf>) -> Home {
        Home { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the log lies.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Where this build's tables lie.
    pub fn store_path(&self) -> PathBuf {
        Store::path_in(&self.projections_dir())
    }

    /// Where tables of any version lie.
    pub fn projections_dir(&self) -> PathBuf {
        self.dir.join("projections")
    }

    /// What the folds made of records that were trimmed: with the log, what must be kept.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(self.dir.join("snapshots"))
    }

    /// The user's rules.
    pub fn rules_path(&self) -> PathBuf {
        self.dir.join("rules.toml")
    }

    /// The rules with an end that `sm` wrote for the user.
    pub fn grants_path(&self) -> PathBuf {
        self.dir.join("grants.toml")
    }

    /// What calls over TCP have to show.
    pub fn http_token_path(&self) -> PathBuf {
        self.dir.join("http-token")
    }

    /// The same, made if it is not there: 256 bits by the system's generator, in hexadecimal.
    pub(crate) fn http_token(&self) -> io::Result<String> {
        use std::io::{Read, Write};
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let path = self.http_token_path();
        let made = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(mut file) => {
                let mut bytes = [0; 32];
                std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
                writeln!(file, "{}", blake3::hash(&bytes).to_hex())?;
                file.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
            }
            Err(error) => return Err(error),
        }
        let token = std::fs::read_to_string(&path)?.trim().to_owned();
        match token.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty: remove it")),
            false => Ok(token),
        }
    }

    /// The folder of the running daemon.
    pub fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// What the daemon says of itself.
    pub fn daemon_log(&self) -> PathBuf {
        self.run_dir().join("daemon.log")
    }

    /// The daemon's socket. A directory too deep for one has it in the runtime directory, under a
    /// name made of the directory's own.
    pub fn socket_path(&self) -> PathBuf {
        let path = self.run_dir().join("sm.sock");
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return path;
        }
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in self.dir.as_os_str().as_encoded_bytes() {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let uid = rustix::process::getuid().as_raw();
        std::env::temp_dir().join(format!("sm-{uid}-{hash:016x}")).join("sm.sock")
    }

    /// Makes the directory, private to the user.
    pub fn create(&self) -> Result<(), HomeError> {
        create_private(&self.dir)
    }

    /// Makes the folder of the daemon's socket, private to the user.
    pub fn create_run_dir(&self) -> Result<(), HomeError> {
        for folder in [Some(self.run_dir().as_path()), self.socket_path().parent()] {
            let Some(folder) = folder else { continue };
            create_private(folder)?;
            own(folder).map_err(|source| HomeError::Io {
                act: "take for this user alone",
                path: folder.to_path_buf(),
                source,
            })?;
        }
        Ok(())
    }

    /// Opens everything for writing, made if it is not there, with the tables folded to the log's
    /// end; `progress` is told the seq reached.
    ///
    /// # Errors
    /// [`OpenError::Locked`] while somebody else writes.
    pub fn open_writer(&self, progress: impl FnMut(u64)) -> Result<Writer, HomeError> {
        self.create()?;
        let (log, recovery) = Log::open(self.log_dir(), Options::default())?;
        self.writer(log, recovery, progress)
    }

    fn writer(
        &self,
        log: Log,
        recovery: Recovery,
        mut progress: impl FnMut(u64),
    ) -> Result<Writer, HomeError> {
        let path = self.store_path();
        sweep(&self.projections_dir())?;
        let (reader, snapshots) = (log.reader(), self.snapshots());
        if !path.exists() && log.watermark() > 0 {
            // There are none of this version: those of another one serve until these are whole.
            let below = Below::Kept(&snapshots);
            rebuild(&self.projections_dir(), below, &reader, &mut progress)?;
        }
        let mut store = Store::open(&path, &log.id(), Commit::Synced)?;
        let folded = store.view()?.checkpoint()?;
        if folded + 1 < reader.floor() {
            // They were put back from a time before the trim: what comes next is only in the snapshot.
            drop(store);
            let below = Below::Kept(&snapshots);
            rebuild(&self.projections_dir(), below, &reader, &mut progress)?;
            store = Store::open(&path, &log.id(), Commit::Synced)?;
        }
        let store = Arc::new(store);
        let mut projector = Projector::new(Arc::clone(&store), reader)?;
        projector.catch_up(progress)?;
        prune::finish(&log, &store.view()?, &snapshots)?;
        Ok(Writer { log, recovery, store, projector })
    }

    /// Makes the tables anew from the log and what is kept of its trimmed records, and puts them in the
    /// place of those that are there, whatever their state. `partial`: without the snapshot, where it is
    /// lost; the tables say so then.
    ///
    /// # Errors
    /// [`OpenError::Locked`] while somebody else writes.
    pub fn rebuild(&self, partial: bool, progress: impl FnMut(u64)) -> Result<u64, HomeError> {
        let (log, _) = Log::open(self.log_dir(), Options::default())?;
        let snapshots = self.snapshots();
        let below = if partial { Below::Unknown } else { Below::Kept(&snapshots) };
        rebuild(&self.projections_dir(), below, &log.reader(), progress)?;
        Ok(log.watermark())
    }

    /// Ends the writing of much at once. Where that has at least doubled the tables, of `before` bytes,
    /// they are packed: rows that came in between others have left their pages half empty.
    pub fn pack_what_grew(&self, writer: Writer, before: u64) -> Result<(), HomeError> {
        let bytes = writer.store.bytes()?;
        if bytes >= PACKED_FROM_BYTES && bytes / 2 >= before {
            pack(&self.projections_dir(), &writer.store)?;
        }
        Ok(())
    }

    /// Opens everything for reading. Where nobody writes and the tables are behind the log, they are
    /// brought up to it first; `progress` is told the seq reached.
    pub fn open_readings(&self, mut progress: impl FnMut(u64)) -> Result<Readings, HomeError> {
        let head = match sm_log::peek(self.log_dir()) {
            Ok(head) => head,
            Err(OpenError::NotFound { .. }) => {
                return Ok(Readings { store: None, watermark: 0, log_id: None, behind: None });
            }
            // Without the watermark file there is more to catch up than the tables.
            Err(damaged @ OpenError::Damaged { .. }) => match sm_log::lock(self.log_dir())? {
                Some(lock) => {
                    self.catch_up(lock, &mut progress)?;
                    sm_log::peek(self.log_dir())?
                }
                None => return Err(damaged.into()),
            },
            Err(error) => return Err(error.into()),
        };
        let store = self.existing_store(&head.id)?;
        let checkpoint = match &store {
            Some(store) => store.view()?.checkpoint()?,
            None => 0,
        };
        let log_id = Some(head.id.to_string());
        if checkpoint == head.watermark && store.is_some() {
            return Ok(Readings { store, watermark: head.watermark, log_id, behind: None });
        }
        // Dropped first: LMDB opens an environment once in a process.
        drop(store);
        let caught_up = match sm_log::lock(self.log_dir()) {
            Ok(Some(lock)) => self.catch_up(lock, progress),
            _ => Ok(()),
        };
        let watermark = sm_log::peek(self.log_dir())?.watermark;
        let store = self.existing_store(&head.id)?;
        let behind = match caught_up {
            // What is there is right as far as it goes.
            Err(error) if store.is_some() && is_unwritable(&error) => Some(error),
            Err(error) => return Err(error),
            Ok(()) => None,
        };
        if store.is_none() && watermark > 0 {
            return Err(HomeError::Building { dir: self.dir.clone() });
        }
        Ok(Readings { store, watermark, log_id, behind })
    }

    /// This build's tables of the log `log`, if there are any.
    fn existing_store(&self, log: &LogId) -> Result<Option<Store>, HomeError> {
        let path = self.store_path();
        let store = match Store::open_existing(&path) {
            Ok(store) => store,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (found, expected) = (store.view()?.log_id()?, log.to_string());
        // Tables that are being made name no log yet.
        match found == expected || found.is_empty() {
            true => Ok(Some(store)),
            false => Err(StoreError::ForeignLog { path, found, expected }.into()),
        }
    }

    fn catch_up(&self, lock: WriterLock, progress: impl FnMut(u64)) -> Result<(), HomeError> {
        let (log, recovery) = Log::open_with(lock, Options::default())?;
        self.writer(log, recovery, progress).map(drop)
    }

    /// The log, for reading.
    pub fn open_log(&self) -> Result<Reader, HomeError> {
        Ok(Reader::open(self.log_dir())?)
    }
}

fn create_private(path: &Path) -> Result<(), HomeError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| HomeError::Io { act: "create", path: path.to_path_buf(), source })
}

/// Makes sure that a folder which may have been there before is this user's and nobody else's.
fn own(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let found = std::fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is somebody else's"));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
