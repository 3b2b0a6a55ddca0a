//! Logs of format version 1, healthy and damaged, as a build of that time wrote them: every later build
//! finds in them what that one found. `examples/freeze.rs` made them; they are never made again.

mod dump;

use std::path::Path;

#[test]
fn logs_of_version_1_are_opened_as_ever() {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs/v1");
    let mut seen = 0;
    for entry in std::fs::read_dir(&logs).unwrap() {
        let log = entry.unwrap().path();
        if !log.is_dir() {
            continue;
        }
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(&log).unwrap() {
            let from = file.unwrap().path();
            std::fs::copy(&from, copy.path().join(from.file_name().unwrap())).unwrap();
        }
        let expected = std::fs::read_to_string(log.with_extension("txt")).unwrap();
        assert_eq!(dump::dump(copy.path()), expected, "{}", log.display());
        seen += 1;
    }
    assert_eq!(seen, 14, "some of them are gone");
}
