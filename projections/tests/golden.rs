//! Golden projections: what the folds make of each recorded transcript, as text a reader can check.
//!
//! `SM_BLESS=1 cargo test -p sm-projections golden` writes them anew; a changed fold then shows as a
//! diff to review.

use crate::folded::{Folded, folded, transcripts};
use sm_projections::readable::{self, Form};
use std::path::{Path, PathBuf};

fn golden_path(transcript: &Path) -> PathBuf {
    let name = transcript.file_name().unwrap().to_string_lossy();
    let name = name.trim_end_matches(".jsonl");
    transcript.parent().unwrap().join("golden").join(format!("{name}.txt"))
}

fn text(folded: &Folded, form: Form) -> String {
    let lines = readable::lines(&folded.store.view().unwrap(), folded.first_seq, form).unwrap();
    readable::joined(&lines)
}

#[test]
fn recorded_traffic_folds_to_its_golden_text() {
    let bless = std::env::var_os("SM_BLESS").is_some();
    let mut differing = Vec::new();
    for path in transcripts(false) {
        let text = text(&folded(&std::fs::read(&path).unwrap(), 1000), Form::Full);
        let golden = golden_path(&path);
        if bless {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, &text).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != text {
            differing.push(golden);
        }
    }
    assert!(differing.is_empty(), "differ, SM_BLESS=1 shows how: {differing:#?}");
}

/// Both forms of one capture tell the same story. What only the client's side tells (decisions, who
/// made them) and what counts records is left out.
#[test]
fn the_two_way_form_folds_as_the_plain_one() {
    for two_way in transcripts(true) {
        let plain = PathBuf::from(two_way.to_string_lossy().replace(".tap.jsonl", ".jsonl"));
        let (a, b) = (std::fs::read(&two_way).unwrap(), std::fs::read(&plain).unwrap());
        let (a, b) = (text(&folded(&a, 1000), Form::Bare), text(&folded(&b, 1000), Form::Bare));
        for (a, b) in a.lines().zip(b.lines()) {
            assert_eq!(a, b, "{}", two_way.display());
        }
        assert_eq!(a.lines().count(), b.lines().count(), "{}", two_way.display());
    }
}
