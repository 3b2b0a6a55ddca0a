//! New tables beside the old, and the swap.
//!
//! What always holds: whoever opens the tables finds either the old ones or the new ones, whole. What
//! was being built when its process died is begun anew; what the swap took out is thrown away.

use crate::fold::FOLD_VERSION;
use crate::projector::{BATCH_RECORDS_MAX, FoldError, Projector};
use crate::snapshot::{Snapshots, io_error, remove};
use crate::store::{Commit, Store, StoreError};
use crate::upgrade::forget_all_below;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sm_log::Reader;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where rows are as they were folded, before they are packed.
const FOLDING: &str = "folding";

/// Where tables are built, or wait to be thrown away.
fn aside(dir: &Path) -> PathBuf {
    dir.join(format!("v{FOLD_VERSION}.building"))
}

/// What new tables begin with.
#[derive(Debug, Clone, Copy)]
pub enum Below<'s> {
    /// The snapshot of what was trimmed, where anything was.
    Kept(&'s Snapshots),
    /// Nothing: what was trimmed is unknown, and the tables say so.
    Unknown,
}

impl Below<'_> {
    /// Opens new tables at `path`, as those of `log` begin.
    pub fn begin(self, path: &Path, log: &Reader) -> Result<Store, FoldError> {
        match self {
            Below::Kept(snapshots) => snapshots.begin(path, log),
            Below::Unknown => {
                let store = Store::open(path, &log.id(), Commit::AtTheEnd)?;
                forget_all_below(&store, log.floor())?;
                Ok(store)
            }
        }
    }
}

/// Folds the whole of `log`, on top of what is kept of its trimmed records, into new tables below `dir`
/// and puts them in the place of those that are there, whatever their state. Older versions' tables go
/// with them. Only the holder of the log's lock may call it; `progress` is told the last seq folded.
pub fn rebuild(
    dir: &Path,
    below: Below<'_>,
    log: &Reader,
    progress: impl FnMut(u64),
) -> Result<(), FoldError> {
    let (place, building) = (Store::path_in(dir), aside(dir));
    remove(&building)?;
    build(&building, below, log, progress).inspect_err(|_| {
        // The disk may be full. What is left here is thrown away by the next one too.
        let _ = remove(&building);
    })?;
    swap(&building, &place)?;
    remove(&building)?;
    sweep(dir)
}

/// Folds into new tables at `building`, and packs them.
fn build(
    building: &Path,
    below: Below<'_>,
    log: &Reader,
    progress: impl FnMut(u64),
) -> Result<(), FoldError> {
    let folding = building.join(FOLDING);
    let store = Arc::new(below.begin(&folding, log)?);
    let mut projector = Projector::new(Arc::clone(&store), log.clone())?;
    projector.fold_to(log.watermark(), BATCH_RECORDS_MAX, progress)?;
    store.pack_to(building)?;
    drop((projector, store));
    Ok(remove(&folding)?)
}

/// Puts the tables of `store`, which lie below `dir`, close together in a new file in the place of theirs.
/// Whoever has them open reads on in the old one; nobody may write to that any more. Only the holder of the
/// log's lock may call it.
pub fn pack(dir: &Path, store: &Store) -> Result<(), FoldError> {
    let building = aside(dir);
    remove(&building)?;
    store.pack_to(&building).inspect_err(|_| {
        let _ = remove(&building);
    })?;
    swap(&building, store.path())?;
    Ok(remove(&building)?)
}

/// Throws away what a swap that was cut off left behind, and tables of older versions.
///
/// # Errors
/// [`StoreError::Newer`] where there are tables of a newer version.
pub fn sweep(dir: &Path) -> Result<(), FoldError> {
    let found = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(io_error("read", dir))?,
    };
    for entry in found {
        let path = entry.map_err(io_error("read", dir))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(version) = name.as_deref().and_then(|name| name.strip_prefix('v')) else {
            continue;
        };
        match version.strip_suffix(".building").unwrap_or(version).parse::<u32>() {
            Ok(found) if found > FOLD_VERSION => {
                return Err(StoreError::Newer { path, found, known: FOLD_VERSION }.into());
            }
            Ok(found) if found < FOLD_VERSION || version.ends_with(".building") => remove(&path)?,
            _ => {}
        }
    }
    Ok(())
}

/// Puts `new` in the place of `old`, in one step where there is an old one.
fn swap(new: &Path, old: &Path) -> Result<(), StoreError> {
    let swapped = match old.exists() {
        true => renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).map_err(io::Error::from),
        false => fs::rename(new, old),
    };
    let parent = old.parent().unwrap_or(old);
    let synced = swapped.and_then(|()| fs::File::open(parent)?.sync_all());
    synced.map_err(io_error("put in place", old))
}
