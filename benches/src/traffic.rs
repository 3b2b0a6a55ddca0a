//! Recorded traffic in quantity: real captures, each copy under thread ids of its own.

use std::path::{Path, PathBuf};

/// Where the captures lie.
pub fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures/codex-0.169.0")
}

/// The plain captures, `bigoutput` left out (its few lines of 400 KB would hide the rest).
fn plain() -> Vec<u8> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(captures())
        .expect("the captures are part of the repository")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .filter(|path| {
            let name = path.to_string_lossy();
            !name.ends_with(".tap.jsonl") && !name.ends_with("bigoutput.jsonl")
        })
        .collect();
    names.sort();
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend(std::fs::read(name).expect("a capture can be read"));
    }
    bytes
}

/// At least `records` lines: the captures over and over, each copy with its own thread ids. The ids of
/// one recording session share their first digits, which are replaced by the copy's number.
pub fn transcript(records: usize) -> Vec<u8> {
    let plain = String::from_utf8(plain()).expect("captures are UTF-8");
    // One server greets once: its other greetings would each begin a new life of it.
    let (greeting, plain): (Vec<&str>, Vec<&str>) =
        plain.lines().partition(|line| line.contains(r#""userAgent":"#));
    let (lines, plain) = (plain.len(), plain.join("\n") + "\n");
    let copies = records.div_ceil(lines);
    let mut transcript = Vec::with_capacity(plain.len() * copies);
    transcript.extend_from_slice(greeting[0].as_bytes());
    transcript.push(b'\n');
    for copy in 0..copies {
        transcript.extend_from_slice(plain.replace("01a1fa", &format!("{copy:06x}")).as_bytes());
    }
    transcript
}

/// How many lines there are.
pub fn lines(transcript: &[u8]) -> usize {
    transcript.iter().filter(|byte| **byte == b'\n').count()
}
