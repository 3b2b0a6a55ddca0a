//! The same log gives the same tables, whatever the batches, however often the fold was stopped.

use crate::folded::{fold_all, folded, imported, transcripts};
use sm_projections::{Commit, Projector, Store, pack};
use std::sync::Arc;

#[test]
fn any_batch_size_gives_the_same_digest() {
    for path in transcripts(false).into_iter().chain(transcripts(true)) {
        let bytes = std::fs::read(&path).unwrap();
        if bytes.len() > 80_000 {
            continue;
        }
        let whole = folded(&bytes, usize::MAX);
        let digest = whole.store.view().unwrap().digest().unwrap();
        for batch in [1, 29] {
            let store = fold_all(&whole.log, &whole.dir.path().join(format!("b{batch}")), batch);
            let view = store.view().unwrap();
            let other = whole.store.view().unwrap();
            assert_eq!(view.first_difference(&other).unwrap(), None, "{} {batch}", path.display());
            assert_eq!(view.digest().unwrap(), digest, "{} {batch}", path.display());
        }
    }
}

#[test]
fn a_new_projector_goes_on_where_the_last_one_stopped() {
    let path = transcripts(true).into_iter().find(|p| p.ends_with("approvals.tap.jsonl")).unwrap();
    let (dir, log, _) = imported(&std::fs::read(path).unwrap());
    let whole = fold_all(&log, &dir.path().join("whole"), usize::MAX);
    let store =
        Arc::new(Store::open(&dir.path().join("cut"), &log.id(), Commit::AtTheEnd).unwrap());
    loop {
        let mut projector = Projector::new(Arc::clone(&store), log.reader()).unwrap();
        if projector.advance(13).unwrap() == 0 {
            break;
        }
    }
    let (cut, whole) = (store.view().unwrap(), whole.view().unwrap());
    assert_eq!(cut.digest().unwrap(), whole.digest().unwrap());
}

#[test]
fn packed_tables_are_the_same_and_smaller() {
    let path = transcripts(true).into_iter().find(|p| p.ends_with("approvals.tap.jsonl")).unwrap();
    let (dir, log, _) = imported(&std::fs::read(path).unwrap());
    let path = Store::path_in(dir.path());
    let store = fold_all(&log, &path, 1);
    let (bytes, digest) = (store.bytes().unwrap(), store.view().unwrap().digest().unwrap());
    pack(dir.path(), &store).unwrap();
    assert_eq!(store.view().unwrap().digest().unwrap(), digest, "who has them open reads on");
    drop(store);
    let packed = Store::open(&path, &log.id(), Commit::Synced).unwrap();
    assert_eq!(packed.view().unwrap().digest().unwrap(), digest);
    assert!(packed.bytes().unwrap() < bytes);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "the log and the tables");
}
