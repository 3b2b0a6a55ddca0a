//! Protects the recordings under `fixtures/codex`: the two forms of each agree byte for byte, each
//! is named in its release's README, and nothing tells on which machine it was made.

use std::fs;
use std::path::{Path, PathBuf};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the project").into()
}

/// The two-way recordings of all releases.
fn taps() -> Vec<PathBuf> {
    let releases = fs::read_dir(project().join("fixtures/codex")).expect("there are recordings");
    let folders =
        releases.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).expect("readable"));
    let mut taps: Vec<_> = files
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(".tap.jsonl"))
        .collect();
    taps.sort();
    assert!(!taps.is_empty());
    taps
}

fn plain_form(tap: &Path) -> PathBuf {
    tap.with_extension("").with_extension("jsonl")
}

#[test]
fn the_plain_form_is_the_servers_side_of_the_other() {
    for tap in taps() {
        let mut served = Vec::new();
        for line in fs::read(&tap).expect("readable").split_inclusive(|byte| *byte == b'\n') {
            let text = std::str::from_utf8(line).expect("JSON is UTF-8");
            if let Some((_, rest)) = text.split_once(",\"dir\":\"server\",\"msg\":") {
                // One brace belongs to the envelope, the others to the message.
                let message = rest.strip_suffix("}\n").expect("an envelope ends its line");
                served.extend_from_slice(message.as_bytes());
                served.push(b'\n');
            }
        }
        let plain = fs::read(plain_form(&tap)).expect("both forms are there");
        assert!(served == plain, "{} differs from its plain form", tap.display());
    }
}

#[test]
fn every_line_is_json() {
    for tap in taps() {
        for (number, line) in fs::read_to_string(&tap).expect("readable").lines().enumerate() {
            let read = serde_json::from_str::<serde_json::Value>(line);
            assert!(read.is_ok(), "{}:{}", tap.display(), number + 1);
        }
    }
}

#[test]
fn the_recording_machine_has_left_no_trace() {
    let project = project().to_string_lossy().into_owned();
    let traces = ["sm-record-", project.as_str(), "/target/debug", "/node_modules/"];
    for tap in taps() {
        let text = fs::read_to_string(&tap).expect("readable");
        for trace in traces {
            assert!(!text.contains(trace), "{} holds {trace}", tap.display());
        }
    }
}

#[test]
fn the_readme_names_every_recording() {
    for tap in taps() {
        let plain = plain_form(&tap);
        let name = plain.file_stem().expect("a name").to_string_lossy().into_owned();
        let readme = fs::read_to_string(tap.with_file_name("README.md")).expect("a README");
        assert!(readme.contains(&format!("\n| {name} | ")), "{} is not named", tap.display());
    }
}
