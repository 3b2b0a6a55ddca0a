//! `sm`: the log, the folds, LMDB; all of it durable at the end.

use sm_ingest::Importer;
use sm_log::{Log, Options};
use sm_projections::{Commit, Projector, Store};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Imports `transcript` into a fresh home at `dir`; returns the last seq folded.
pub fn import(dir: &Path, transcript: &[u8]) -> u64 {
    let (log, _) = Log::open(dir.join("log"), Options::default()).expect("a fresh log opens");
    let path = Store::path_in(&dir.join("projections"));
    let store =
        Arc::new(Store::open(&path, &log.id(), Commit::Synced).expect("a fresh store opens"));
    let mut projector = Projector::new(store, log.reader()).expect("a fresh store can be folded");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let folding = scope.spawn(|| {
            projector.fold_along(&done).expect("the log folds");
            projector.checkpoint()
        });
        let importer = Importer::begin(log.clone(), Path::new("bench"), None, None, 0, |_, _| {});
        let importer = importer.expect("the source opens");
        importer.run(transcript, 0).expect("every line is taken");
        done.store(true, Ordering::Release);
        folding.join().expect("the folding thread ends")
    })
}
