//! Tables that may not grow say so, stay what they were, and go on once they may.

use crate::folded::{fold_all, imported, transcripts};
use sm_projections::{Commit, FoldError, Projector, Store, StoreError};
use std::sync::Arc;

#[test]
fn tables_that_are_full_stand_as_they_were_committed_and_go_on_with_more_room() {
    let path = transcripts(true).into_iter().find(|p| p.ends_with("0.169.0/nested.tap.jsonl"));
    let bytes = std::fs::read(path.unwrap()).unwrap();
    let (dir, log, _) = imported(&bytes.repeat(3));
    let whole = fold_all(&log, &dir.path().join("whole"), usize::MAX);
    let expected = whole.view().unwrap().digest().unwrap();
    let (mut full, mut reached) = (0, 0);
    // From hardly any room to enough.
    for pages in (8usize..).step_by(2) {
        let most = pages * 4096;
        let place = dir.path().join("tables");
        let store = Store::open_within(&place, &log.id(), Commit::Synced, most).unwrap();
        let store = Arc::new(store);
        let mut projector = Projector::new(Arc::clone(&store), log.reader()).unwrap();
        assert_eq!(projector.checkpoint(), reached, "what was committed is there");
        let outcome = loop {
            match projector.advance(40) {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        reached = projector.checkpoint();
        let view = store.view().unwrap();
        assert_eq!(view.checkpoint().unwrap(), reached);
        match outcome {
            Ok(()) => {
                assert_eq!(view.digest().unwrap(), expected);
                break;
            }
            Err(FoldError::Store(StoreError::Full { bytes, .. })) => assert_eq!(bytes, most),
            Err(other) => panic!("{other}"),
        }
        // The same again: it fails the same way and harms nothing.
        let before = view.digest().unwrap();
        drop(view);
        assert!(projector.advance(40).is_err());
        assert_eq!(store.view().unwrap().digest().unwrap(), before);
        full += 1;
    }
    assert!(full > 3, "{full} times full");
}
