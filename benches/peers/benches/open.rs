//! Opening a large log after its writer was killed: `DIR=… GB=1,10 cargo bench -p sm-peers --bench open`.
//!
//! A process fills the log, sealing as it goes, and is killed with `SIGKILL` while it commits. Then
//! `ROUNDS` (5) times: it is opened for writing and one record is committed; then a process writes a
//! little more and is killed. Once with the files in the system's cache and once without their
//! bytes (`posix_fadvise`; names and inodes stay cached).

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use sm_log::{Durability, Entry, Log, Options};
use sm_peers::Place;
use sm_peers::load::{Load, RECORDS};

const CHILD: &str = "SM_PEERS_CHILD";

fn main() {
    if let Ok(words) = std::env::var(CHILD) {
        let (bytes, dir) = words.split_once(' ').expect("bytes and a directory");
        return write(Path::new(dir), bytes.parse().expect("a number"));
    }
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let sizes = std::env::var("GB").unwrap_or_else(|_| "1,10".to_owned());
    println!(
        "{:<8}{:>10}{:>14}{:>14}{:>12}{:>10}{:>12}",
        "payload", "files", "open ms", "first ms", "", "MB", "read KB"
    );
    for size in sizes.split(',').filter_map(|size| size.parse::<u64>().ok()) {
        let place = Place::new("open");
        killed(&place.0, size * 1_000_000_000);
        for cold in [false, true] {
            let all: Vec<[f64; 3]> = (0..rounds).map(|_| opened(&place.0, cold)).collect();
            let [open, first, read] = [0, 1, 2].map(|at| median(all.iter().map(|all| all[at])));
            let names = std::fs::read_dir(&place.0).expect("a directory");
            let sizes: Vec<u64> = names
                .map(|name| name.expect("a name").metadata().expect("its size").len())
                .collect();
            println!(
                "{:<8}{:>10}{open:>14.1}{first:>14.1}{:>12}{:>10}{read:>12.0}",
                format!("{size} GB"),
                sizes.len(),
                if cold { "cold" } else { "warm" },
                sizes.iter().sum::<u64>() / 1_000_000,
            );
        }
    }
}

/// Appends that many bytes, says so, and goes on until it is killed.
fn write(dir: &Path, bytes: u64) {
    let load = Load::recorded();
    let (log, _) = Log::open(dir, Options::durability(Durability::Sync)).expect("a log");
    let mut written = 0;
    for from in (0..RECORDS).step_by(64).cycle() {
        let entries: Vec<Entry<'_>> = (from..from + 64).map(|index| load.entry(index)).collect();
        written += entries.iter().map(|entry| entry.payload.len() as u64).sum::<u64>();
        log.append(&entries).expect("append");
        if written >= bytes {
            log.sync().expect("sync");
            break;
        }
    }
    println!("written");
    for index in 0.. {
        log.commit(&[load.entry(index)]).expect("commit");
    }
}

/// Has a process write so much and be killed.
fn killed(dir: &Path, bytes: u64) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .env(CHILD, format!("{bytes} {}", dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    lines.next().expect("a line").expect("it says when it is done");
    std::thread::sleep(std::time::Duration::from_millis(50));
    child.kill().expect("kill");
    child.wait().expect("wait");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Kilobytes that this process has had read from the disk.
fn read() -> f64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.and_then(|bytes| bytes.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// Milliseconds to open, and to the first durable record; and what opening had read.
fn opened(dir: &Path, cold: bool) -> [f64; 3] {
    if cold {
        for name in std::fs::read_dir(dir).expect("a directory") {
            let file = std::fs::File::open(name.expect("a name").path()).expect("a file");
            file.sync_all().expect("sync");
            let advice = rustix::fs::Advice::DontNeed;
            rustix::fs::fadvise(&file, 0, None, advice).expect("the system's cache");
        }
    }
    let before = read();
    let start = Instant::now();
    let (log, recovery) = Log::open(dir, Options::default().without_sealing()).expect("a log");
    let open = start.elapsed().as_secs_f64() * 1000.0;
    let kilobytes = read() - before;
    log.commit(&[Entry { payload: b"first", ..Entry::default() }]).expect("commit");
    let first = start.elapsed().as_secs_f64() * 1000.0;
    assert!(recovery.gaps.is_empty() && recovery.torn.is_none(), "{recovery:?}");
    drop(log);
    killed(dir, 4_000_000);
    [open, first, kilobytes]
}
