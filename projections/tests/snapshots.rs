//! A log whose oldest records are gone folds to the same tables as before, on top of its snapshot.

use crate::folded::{fold_all, transcripts};
use sm_ingest::Importer;
use sm_log::{Durability, Log, Options, ReadError};
use sm_projections::fold::FOLD_VERSION;
use sm_projections::tables::Sessions;
use sm_projections::{
    Below, FoldError, Projector, Scope, SnapshotError, Snapshots, Store, View, moment, rebuild,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

struct Home {
    dir: TempDir,
    log: Log,
    snapshots: Snapshots,
    whole: Arc<Store>,
}

/// The newest release's transcripts in one log of many small segments, all but the last sealed.
fn home() -> Home {
    home_of("codex/0.169.0", 48 << 10)
}

/// The same of the transcripts whose paths hold these words, in segments of that size.
fn home_of(words: &str, segment_bytes: u64) -> Home {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::durability(Durability::Os).with_segment_bytes(segment_bytes);
    let (log, _) = Log::open(dir.path().join("log"), options).unwrap();
    for path in transcripts(true) {
        if path.to_string_lossy().contains(words) {
            let bytes = fs::read(&path).unwrap();
            let importer = Importer::begin(log.clone(), &path, None, None, 0, |_, _| {}).unwrap();
            importer.run(&bytes[..], 0).unwrap();
        }
    }
    log.seal().unwrap();
    let whole = fold_all(&log, &dir.path().join("whole"), usize::MAX);
    let snapshots = Snapshots::new(dir.path().join("snapshots"));
    Home { dir, log, snapshots, whole }
}

impl Home {
    /// Drops all below a segment's end, that part of the log.
    fn trim(&self, part: usize, of: usize) -> u64 {
        let segments = self.log.reader().segments().unwrap();
        let floor = segments[segments.len() * part / of].last + 1;
        self.snapshots.keep(&self.log.reader(), floor - 1, |_| {}).unwrap();
        assert_eq!(self.log.trim(floor).unwrap(), floor);
        self.snapshots.sweep(floor).unwrap();
        floor
    }

    fn begin(&self, name: &str) -> Result<Store, FoldError> {
        self.snapshots.begin(&self.dir.path().join(name), &self.log.reader())
    }

    fn is_as_before(&self, view: &View<'_>) {
        let whole = self.whole.view().unwrap();
        assert_eq!(view.first_difference(&whole).unwrap(), None);
        assert_eq!(view.digest().unwrap(), whole.digest().unwrap());
    }
}

#[test]
fn trimmed_again_and_again_it_folds_to_the_same_tables() {
    let home = home();
    for part in [1, 3, 4, 7] {
        let floor = home.trim(part, 8);
        let tables = home.dir.path().join(format!("projections-{part}"));
        let below = Below::Kept(&home.snapshots);
        rebuild(&tables, below, &home.log.reader(), |_| {}).unwrap();
        let store = Store::open_existing(&Store::path_in(&tables)).unwrap();
        home.is_as_before(&store.view().unwrap());
        let kept = fs::read_dir(home.dir.path().join("snapshots")).unwrap().count();
        assert_eq!(kept, 1, "one snapshot, of seq {}", floor - 1);
    }
    let store = Arc::new(home.begin("batches").unwrap());
    let mut projector = Projector::new(Arc::clone(&store), home.log.reader()).unwrap();
    while projector.advance(7).unwrap() > 0 {}
    home.is_as_before(&store.view().unwrap());
}

#[test]
fn a_moment_above_the_floor_is_as_it_was_and_one_below_names_it() {
    let home = home();
    let live = home.whole.view().unwrap();
    let head = home.log.watermark();
    let at_each = |name: &str, at: u64, scope: Scope| {
        let path = home.dir.path().join(format!("{name}-{at}-{scope:?}"));
        moment(&live, &home.log.reader(), &home.snapshots, at, &[scope], &path, |_| {})
    };
    let mut sids = Vec::new();
    live.scan::<Sessions>(&[], &[], |sid, _| {
        sids.push(sid);
        true
    })
    .unwrap();
    // What it was, told while all of the log is there.
    let segments = home.log.reader().segments().unwrap();
    let floor = segments[segments.len() / 2].last + 1;
    let moments = [floor - 1, floor, floor + 40, (floor + head) / 2, head - 1, head];
    let told = |view: &View<'_>, sid: u32| {
        let row = view.get::<Sessions>(&sid).unwrap().filter(|row| row.first_seq.is_some());
        row.map(|row| (row.thread_id, row.state, row.counts, row.pending, row.last_action))
    };
    let all = |name: &str| {
        let mut all = Vec::new();
        for at in moments {
            for (number, sid) in sids.iter().enumerate().filter(|(number, _)| number % 5 == 0) {
                let live = live.get::<Sessions>(sid).unwrap().unwrap();
                let made = at_each(name, at, Scope::Session(*sid)).unwrap();
                let view = made.store.view().unwrap();
                // Numbers may differ: sessions that do not matter are not there.
                let mut found = None;
                view.scan::<Sessions>(&[], &[], |sid, row| {
                    found = (row.thread_id == live.thread_id).then_some(sid).or(found);
                    true
                })
                .unwrap();
                all.push((number, at, found.and_then(|sid| told(&view, sid))));
            }
            let waiting = at_each(name, at, Scope::Waiting).unwrap();
            let view = waiting.store.view().unwrap();
            let pending = sm_projections::views::pending_requests(&view).unwrap();
            let pending = pending.into_iter().map(|request| request.id).collect::<Vec<_>>();
            all.push((usize::MAX, at, None));
            all.extend(pending.iter().map(|id| (id.len(), at, None)));
        }
        all
    };
    let before = all("before");
    assert_eq!(home.trim(1, 2), floor);
    assert_eq!(all("after"), before);
    for at in [1, floor / 2, floor - 2] {
        let refused = at_each("below", at, Scope::Newest(3)).err();
        let names_it = matches!(
            refused,
            Some(FoldError::Log(ReadError::BelowFloor { floor: told, .. })) if told == floor
        );
        assert!(names_it, "{at}");
    }
    let nothing = at_each("zero", 0, Scope::Newest(3)).unwrap();
    assert_eq!(nothing.store.view().unwrap().checkpoint().unwrap(), 0);
}

/// How a snapshot tells its fold version.
fn version(version: u32) -> String {
    format!("\"fold_version\": {version}")
}

#[test]
fn an_older_versions_snapshot_is_taken_and_what_it_cannot_tell_is_partial() {
    // Where there are neither turns nor actions, the rows of today pass for old ones.
    let home = home_of("stops-empty", 4 << 10);
    let floor = home.trim(1, 2);
    let place = home.snapshots.path(floor - 1);
    let label = |of: u32| {
        let manifest = home.snapshots.read(&home.log.id(), floor - 1).unwrap();
        let mut hasher = blake3::Hasher::new();
        let (log, seq, bytes) = (&manifest.log_id, manifest.seq, manifest.bytes);
        hasher.update(format!("{log}\n{of}\n{seq}\n{bytes}\n").as_bytes());
        hasher.update(&fs::read(place.join("data.mdb")).unwrap());
        let words = fs::read_to_string(place.join("snapshot.json")).unwrap();
        let words = words.replace(&version(manifest.fold_version), &version(of));
        let words = words.replace(&manifest.blake3, hasher.finalize().to_hex().as_str());
        fs::write(place.join("snapshot.json"), words).unwrap();
    };
    // No log was ever trimmed before version 4.
    label(3);
    match home.begin("three").err() {
        Some(FoldError::Snapshot(SnapshotError::NoUpgrade { found, known, .. })) => {
            assert_eq!((found, known), (3, FOLD_VERSION));
        }
        other => panic!("{other:?}"),
    }
    label(4);
    let store = Arc::new(home.begin("four").unwrap());
    let mut projector = Projector::new(Arc::clone(&store), home.log.reader()).unwrap();
    while projector.advance(500).unwrap() > 0 {}
    let view = store.view().unwrap();
    let census = sm_projections::views::census(&view).unwrap();
    assert_eq!(census.partial.get("hooks"), Some(&floor));
    assert_eq!(view.checkpoint().unwrap(), home.log.watermark());
}

#[test]
fn a_snapshot_that_is_damaged_missing_or_anothers_is_refused_by_name() {
    let home = home();
    let floor = home.trim(1, 2);
    let place = home.snapshots.path(floor - 1);
    let damaged = |what: &str| match home.begin(what).err() {
        Some(FoldError::Snapshot(SnapshotError::Damaged { path, .. })) => assert_eq!(path, place),
        other => panic!("{what}: {other:?}"),
    };
    let tables = place.join("data.mdb");
    let good = fs::read(&tables).unwrap();
    for at in [0, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&tables, &bad).unwrap();
        damaged(&format!("byte-{at}"));
    }
    fs::write(&tables, &good[..good.len() - 4096]).unwrap();
    damaged("cut");
    fs::write(&tables, &good).unwrap();
    let manifest = place.join("snapshot.json");
    let words = fs::read_to_string(&manifest).unwrap();
    for (from, to) in [
        (home.log.id().to_string(), "00".repeat(16)),
        (format!("\"seq\": {}", floor - 1), format!("\"seq\": {floor}")),
        (version(FOLD_VERSION), version(FOLD_VERSION - 1)),
        ("{".to_owned(), "[".to_owned()),
    ] {
        let other = words.replacen(&from, &to, 1);
        assert_ne!(other, words, "{from}");
        fs::write(&manifest, other).unwrap();
        damaged(&format!("manifest-{}", from.len()));
    }
    fs::remove_dir_all(&place).unwrap();
    match home.begin("missing").err() {
        Some(FoldError::Snapshot(SnapshotError::Missing { floor: told, .. })) => {
            assert_eq!(told, floor);
        }
        other => panic!("{other:?}"),
    }
    // What is kept can be folded alone, and says that it is not all.
    let alone = home.dir.path().join("alone");
    rebuild(&alone, Below::Unknown, &home.log.reader(), |_| {}).unwrap();
    let store = Store::open_existing(&Store::path_in(&alone)).unwrap();
    let census = sm_projections::views::census(&store.view().unwrap()).unwrap();
    assert_eq!(census.partial.get("everything"), Some(&floor));
    assert_eq!(store.view().unwrap().checkpoint().unwrap(), home.log.watermark());
}

#[test]
fn a_snapshot_that_was_never_finished_is_made_anew() {
    let home = home();
    let segments = home.log.reader().segments().unwrap();
    let seq = segments[segments.len() / 2].last;
    let making = home.dir.path().join("snapshots").join(format!("{seq:020}.making"));
    fs::create_dir_all(making.join("folding")).unwrap();
    fs::write(making.join("data.mdb"), b"half").unwrap();
    let first = home.snapshots.keep(&home.log.reader(), seq, |_| {}).unwrap();
    assert!(!making.exists());
    // The same again: nothing is to be done.
    assert_eq!(home.snapshots.keep(&home.log.reader(), seq, |_| {}).unwrap(), first);
    let tables = home.snapshots.path(seq).join("data.mdb");
    fs::write(&tables, b"damaged").unwrap();
    let again = home.snapshots.keep(&home.log.reader(), seq, |_| {}).unwrap();
    assert_eq!((again.seq, again.bytes), (first.seq, first.bytes));
    home.begin("fresh").unwrap();
    assert!(Path::new(&tables).exists());
}
