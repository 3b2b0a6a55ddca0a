//! A disk that is full, for real: a small tmpfs where mounting is allowed, else a limit on the size
//! of files. Nothing acknowledged is lost, what is lost is declared, and the log goes on by itself
//! when there is room.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sm_log::{AppendError, Durability, Entry, GapReason, Item, Log, Options, ReadError, Reader};

const CHILD: &str = "SM_LOG_LIMIT_CHILD";

fn options() -> Options {
    Options::durability(Durability::Sync)
        .with_segment_bytes(1 << 20)
        .with_ring_bytes(256 << 10)
        .with_patience(Duration::from_millis(100))
        .with_back_off(Duration::from_millis(5))
}

fn payload(number: u64) -> Vec<u8> {
    let mut state = number + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..5000).map(|_| next()).collect()
}

struct Small(PathBuf);

impl Small {
    fn mount(name: &str) -> Option<Small> {
        let dir = std::env::temp_dir().join(format!("sm-log-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(&dir)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Small(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// All records are there, but for what was declared lost; gives how many those are.
fn check(reader: &Reader, numbers: &[Option<u64>]) -> usize {
    let mut cursor = reader.cursor(1).unwrap();
    let (mut lost, mut next) = (0, 0);
    while let Some(item) = cursor.next().unwrap() {
        match item {
            Item::Record(record) => {
                let number = numbers[next].expect("what is lost is not there");
                assert_eq!(record.payload, payload(number), "seq {}", record.seq);
                next += 1;
            }
            Item::Gap(gap) => {
                assert_eq!(gap.reason, GapReason::Lost, "{gap}");
                for _ in gap.first..=gap.last {
                    assert_eq!(numbers[next], None, "{gap}");
                    (lost, next) = (lost + 1, next + 1);
                }
            }
        }
    }
    assert_eq!(next, numbers.len());
    lost
}

#[test]
fn a_full_disk_is_survived_and_what_is_lost_is_declared() {
    let Some(disk) = Small::mount("append") else {
        return; // The limit below tests the same with what is allowed here.
    };
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let dir = disk.0.join("log");
    let (log, _) = Log::open(&dir, options()).unwrap();
    let (mut numbers, mut lost) = (Vec::new(), 0);
    for number in 0.. {
        match log.append(&[Entry { payload: &payload(number), ..Entry::default() }]) {
            Ok(_) => numbers.push(Some(number)),
            Err(AppendError::Lost { first, .. }) => {
                assert_eq!(first, numbers.len() as u64 + 1);
                numbers.push(None);
                lost += 1;
            }
            Err(error) => panic!("{error}"),
        }
        if lost == 3 {
            break;
        }
    }
    let health = log.health();
    assert!(health.failing && health.persist_errors > 0 && health.lost.len() == 3, "{health:?}");
    // However often it was tried, there is at most the one that is tried again and again.
    let empty = || {
        let files = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap());
        let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(".seg"));
        files
            .filter(|file| std::fs::read(file.path()).unwrap().iter().skip(64).all(|&b| b == 0))
            .count()
    };
    assert!(empty() <= 1, "{} after {health:?}", empty());
    // The ring is as full as it may be, no fuller, and says so.
    assert!(health.ring_bytes_used <= health.ring_bytes && health.waited >= 3, "{health:?}");
    assert!(log.watermark() < numbers.len() as u64);
    // What was acknowledged can be read all the while.
    let reader = Reader::open(&dir).unwrap();
    let seen = reader.watermark() as usize;
    assert!(seen > 100);
    assert_eq!(check(&reader, &numbers[..seen]), 0);
    std::fs::remove_file(&ballast).unwrap();
    while log.sync().is_err() {}
    log.commit(&[Entry { payload: &payload(7), ..Entry::default() }]).unwrap();
    numbers.push(Some(7));
    assert_eq!(check(&log.reader(), &numbers), 3);
    assert!(empty() <= 1, "{} empty segments are left", empty());
    drop(log);
    let (log, recovery) = Log::open(&dir, options()).unwrap();
    assert_eq!(recovery.last, numbers.len() as u64);
    assert_eq!(check(&log.reader(), &numbers), 3);
}

#[test]
fn a_disk_that_fills_while_sealing_costs_nothing() {
    let Some(disk) = Small::mount("seal") else {
        return; // As above.
    };
    let dir = disk.0.join("log");
    let options = options().with_segment_bytes(512 << 10).without_sealing();
    let (log, _) = Log::open(&dir, options.clone()).unwrap();
    let numbers: Vec<_> = (0..400).map(Some).collect();
    for number in numbers.iter().flatten() {
        log.commit(&[Entry { payload: &payload(*number), ..Entry::default() }]).unwrap();
    }
    // Room for a part of a sealed segment: these payloads do not compress.
    let ballast = disk.0.join("ballast");
    let mut left = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut left, &[1; 4096]).is_ok() {}
    left.set_len(left.metadata().unwrap().len().saturating_sub(100 << 10)).unwrap();
    drop(left);
    let refused = log.seal();
    assert!(matches!(refused, Err(ReadError::Io { act: "seal", .. })), "{refused:?}");
    assert_eq!(check(&log.reader(), &numbers), 0);
    assert_eq!(check(&Reader::open(&dir).unwrap(), &numbers), 0);
    // A process that dies now leaves an unfinished file, which the next one removes.
    drop(log);
    let (log, recovery) = Log::open(&dir, options).unwrap();
    assert_eq!((recovery.last, recovery.gaps.len()), (400, 0));
    std::fs::remove_file(&ballast).unwrap();
    assert!(log.seal().unwrap() >= 2);
    assert_eq!(check(&log.reader(), &numbers), 0);
    assert_eq!(log.reader().verify(true).unwrap().problems, []);
}

/// A segment that cannot grow is left for the next one, again and again.
fn limited(dir: &Path) {
    let (log, _) = Log::open(
        dir,
        options().with_segment_bytes(64 << 20).with_patience(Duration::from_secs(60)),
    )
    .unwrap();
    let numbers: Vec<_> = (0..1000).map(Some).collect();
    for number in numbers.iter().flatten() {
        log.append(&[Entry { payload: &payload(*number), ..Entry::default() }]).unwrap();
    }
    while log.sync().is_err() {}
    assert!(log.health().persist_errors > 0);
    assert_eq!(check(&log.reader(), &numbers), 0);
    drop(log);
    let (log, recovery) = Log::open(dir, options()).unwrap();
    assert_eq!((recovery.last, recovery.gaps.len()), (1000, 0));
    assert_eq!(check(&log.reader(), &numbers), 0);
    assert_eq!(log.reader().verify(true).unwrap().problems, []);
}

#[test]
fn files_that_may_not_grow_are_survived() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return limited(Path::new(&dir));
    }
    let dir = std::env::temp_dir().join(format!("sm-log-limit-{}", std::process::id()));
    let status = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact files_that_may_not_grow_are_survived",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, &dir)
        .status()
        .unwrap();
    let _ = std::fs::remove_dir_all(&dir);
    assert!(status.success());
}
