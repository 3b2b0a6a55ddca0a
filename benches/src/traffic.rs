//! Recorded traffic in quantity: real captures, each copy under thread ids of its own.

use std::collections::BTreeSet;
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

/// What all ids of the captures begin with, and what stands in its place for threads meanwhile.
const ID_HEAD: &str = "01a1fa";
const THREAD_HEAD: &str = "<thread head>";

/// At least `records` lines: the captures over and over. Each copy has ids of its own, but for its
/// threads where these shall be no more than about `sessions`: then later copies go on in the threads
/// of earlier ones.
pub fn transcript(records: usize, sessions: Option<usize>) -> Vec<u8> {
    let plain = String::from_utf8(plain()).expect("captures are UTF-8");
    // One server greets once: its other greetings would each begin a new life of it.
    let (greeting, plain): (Vec<&str>, Vec<&str>) =
        plain.lines().partition(|line| line.contains(r#""userAgent":"#));
    let (lines, mut plain) = (plain.len(), plain.join("\n") + "\n");
    let threads: Vec<String> = threads(&plain).into_iter().map(str::to_owned).collect();
    for thread in &threads {
        plain = plain.replace(thread, &thread.replacen(ID_HEAD, THREAD_HEAD, 1));
    }
    let families = sessions.map_or(usize::MAX, |sessions| sessions.div_ceil(threads.len()));
    let copies = records.div_ceil(lines);
    let mut transcript = Vec::with_capacity(plain.len() * copies);
    transcript.extend_from_slice(greeting[0].as_bytes());
    transcript.push(b'\n');
    for copy in 0..copies {
        let lines = plain.replace(ID_HEAD, &format!("{copy:06x}"));
        let lines = lines.replace(THREAD_HEAD, &format!("{:06x}", copy % families));
        transcript.extend_from_slice(lines.as_bytes());
    }
    transcript
}

/// The ids of all threads that `lines` name.
fn threads(lines: &str) -> BTreeSet<&str> {
    let named = lines.split(r#""threadId":""#).skip(1);
    named.filter_map(|rest| rest.split('"').next()).filter(|id| id.starts_with(ID_HEAD)).collect()
}

/// How many lines there are.
pub fn lines(transcript: &[u8]) -> usize {
    transcript.iter().filter(|byte| **byte == b'\n').count()
}
