//! A transcript imported into a fresh log and folded: what the tests look at.

use sm_ingest::Importer;
use sm_log::{Durability, Log, Options};
use sm_projections::{Commit, Projector, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

pub struct Folded {
    pub dir: TempDir,
    pub log: Log,
    pub store: Arc<Store>,
    pub first_seq: u64,
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// Every recorded transcript below `fixtures/`, plain or two-way.
pub fn transcripts(two_way: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![fixtures()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".jsonl") && name.ends_with(".tap.jsonl") == two_way {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no recorded transcripts below fixtures/");
    found
}

/// A log that holds the transcript's bytes.
pub fn imported(bytes: &[u8]) -> (TempDir, Log, u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.durability = Durability::Os;
    let (log, _) = Log::open(dir.path().join("log"), options).unwrap();
    let importer = Importer::begin(log.clone(), Path::new("t"), None, None, 0, |_, _| {}).unwrap();
    let summary = importer.run(bytes, 0).unwrap();
    (dir, log, summary.first_seq.unwrap_or(0))
}

/// The transcript's bytes, imported and folded in batches of `batch`.
pub fn folded(bytes: &[u8], batch: usize) -> Folded {
    let (dir, log, first_seq) = imported(bytes);
    let store = fold_all(&log, &dir.path().join("store"), batch);
    Folded { dir, log, store, first_seq }
}

pub fn fold_all(log: &Log, path: &Path, batch: usize) -> Arc<Store> {
    let store = Arc::new(Store::open(path, &log.id(), Commit::AtTheEnd).unwrap());
    let mut projector = Projector::new(Arc::clone(&store), log.reader()).unwrap();
    while projector.advance(batch).unwrap() > 0 {}
    assert_eq!(projector.checkpoint(), log.watermark());
    store
}
