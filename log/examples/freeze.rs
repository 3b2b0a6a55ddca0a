//! Makes the logs that every later build must open, in `DIR`: `cargo run -p sm-log --example freeze --
//! DIR`. It was run once for version 1 of the format, into `tests/logs/v1`. It is kept to show how they
//! came to be, and for the next version; those of version 1 are never made again.

use std::path::Path;

#[path = "../tests/dump/mod.rs"]
mod dump;

use sm_log::{Direction, Entry, Log, Options};

type Done = Result<(), Box<dyn std::error::Error>>;

fn main() -> Done {
    let dir = std::env::args_os().nth(1).ok_or("which directory?")?;
    let dir = Path::new(&dir);
    for (name, what) in LOGS {
        let log = dir.join(name);
        std::fs::create_dir_all(&log)?;
        what(&log)?;
        let _ = std::fs::remove_file(log.join("lock"));
        let copy = std::env::temp_dir().join(format!("freeze-{}", std::process::id()));
        std::fs::create_dir_all(&copy)?;
        for entry in std::fs::read_dir(&log)? {
            let from = entry?.path();
            std::fs::copy(&from, copy.join(from.file_name().unwrap_or_default()))?;
        }
        std::fs::write(dir.join(format!("{name}.txt")), dump::dump(&copy))?;
        std::fs::remove_dir_all(copy)?;
    }
    Ok(())
}

/// How a log is made.
type Make = fn(&Path) -> Done;

/// Each log's name, and how it is made.
const LOGS: [(&str, Make); 14] = [
    ("empty", |dir| write(dir, 0, false).map(drop)),
    ("plain", |dir| write(dir, 14, false).map(drop)),
    ("sealed", |dir| write(dir, 30, true).map(drop)),
    ("trimmed", |dir| {
        let log = write(dir, 30, true)?;
        log.trim(60)?;
        Ok(())
    }),
    ("record-flipped", |dir| write(dir, 14, false).and_then(|_| flip(dir, ".seg", 0, 500))),
    ("head-flipped", |dir| write(dir, 14, false).and_then(|_| flip(dir, ".seg", 0, 64 + 9))),
    ("header-flipped", |dir| write(dir, 14, false).and_then(|_| flip(dir, ".seg", 0, 33))),
    ("block-flipped", |dir| write(dir, 30, true).and_then(|_| flip(dir, ".sealed", 1, 200))),
    ("footer-flipped", |dir| write(dir, 30, true).and_then(|_| flip(dir, ".sealed", 1, -80))),
    ("cut", |dir| {
        write(dir, 30, true)?;
        let name = pick(dir, ".seg", 0)?;
        let bytes = std::fs::read(&name)?;
        Ok(std::fs::write(name, &bytes[..200])?)
    }),
    ("torn", |dir| {
        write(dir, 14, false)?;
        std::fs::remove_file(dir.join("watermark"))?;
        let name = pick(dir, ".seg", -1)?;
        let mut bytes = std::fs::read(&name)?;
        let used = bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count();
        bytes[used - 40..used].fill(0);
        Ok(std::fs::write(name, bytes)?)
    }),
    ("segment-missing", |dir| {
        write(dir, 30, true)?;
        Ok(std::fs::remove_file(pick(dir, ".sealed", 1)?)?)
    }),
    ("watermark-missing", |dir| {
        write(dir, 30, true)?;
        Ok(std::fs::remove_file(dir.join("watermark"))?)
    }),
    ("mixed", |dir| {
        write(dir, 14, false)?;
        let other = dir.join("other");
        write(&other, 14, false)?;
        let name = "00000000000000000009-00000070.seg";
        std::fs::rename(pick(&other, ".seg", 0)?, dir.join(name))?;
        Ok(std::fs::remove_dir_all(other)?)
    }),
];

/// Commits of three records each; seals what can be.
fn write(dir: &Path, commits: u64, seal: bool) -> Result<Log, Box<dyn std::error::Error>> {
    let options = Options::default().with_segment_bytes(4096).without_background();
    let (log, _) = Log::open(dir, options)?;
    for commit in 0..commits {
        let seqs = commit * 3 + 1..=commit * 3 + 3;
        let payloads: Vec<_> = seqs.clone().map(payload).collect();
        let entries = seqs.zip(&payloads).map(|(seq, payload)| Entry {
            time: 1_700_000_000_000_000 + seq as i64 * 1000,
            session: [&b"alpha"[..], b"beta", b""][seq as usize % 3],
            source: seq % 2,
            generation: (seq / 20) as u32,
            kind: seq as u16 % 5,
            direction: [Direction::Server, Direction::Client, Direction::Own][seq as usize / 3 % 3],
            flags: seq as u16 % 2,
            payload,
        });
        log.commit(&entries.collect::<Vec<_>>())?;
    }
    if seal {
        log.seal()?;
    }
    Ok(log)
}

fn payload(seq: u64) -> Vec<u8> {
    let text = "and so on, ".repeat(seq as usize % 30);
    format!("{{\"seq\":{seq},\"text\":\"{text}\"}}").into_bytes()
}

/// The file with that ending and number; a negative one counts from the end.
fn pick(
    dir: &Path,
    ending: &str,
    number: isize,
) -> Result<std::path::PathBuf, Box<dyn std::error::Error>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        names.push(entry?.path());
    }
    names.retain(|name| name.to_string_lossy().ends_with(ending));
    names.sort();
    let at = if number < 0 { names.len() as isize + number } else { number };
    Ok(names.get(at as usize).ok_or("no such file")?.clone())
}

/// Flips a bit of that file; a negative place counts from the end.
fn flip(dir: &Path, ending: &str, number: isize, place: isize) -> Done {
    let name = pick(dir, ending, number)?;
    let mut bytes = std::fs::read(&name)?;
    let at = if place < 0 { bytes.len() as isize + place } else { place };
    bytes[at as usize] ^= 1;
    Ok(std::fs::write(name, bytes)?)
}
