//! The log beside the floors of the machine, in one run: `cargo bench -p sm-log --bench floors`.
//!
//! Ratios count, absolute figures inform. Each line is the median of the rounds (`ROUNDS`, 5).
//! `DIR` says where the files go; it must be on the disk that is meant.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sm_log::{Durability, Entry, Item, Log, Options, Reader};

const RECORDS: usize = 200_000;
const SESSIONS: usize = 1_000;

/// Payloads shaped like real traffic: most small, few large; about 590 bytes in the mean.
struct Load {
    bytes: Vec<u8>,
    lens: Vec<usize>,
    keys: Vec<[u8; 16]>,
    sessions: Vec<usize>,
}

impl Load {
    fn new() -> Load {
        let mut seed = 1u64;
        let mut next = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let lens: Vec<usize> = (0..RECORDS)
            .map(|_| match next(1000) {
                0..700 => 208 + next(50) as usize,
                700..940 => 300 + next(900) as usize,
                940..995 => 1500 + next(5000) as usize,
                _ => 8000 + next(12000) as usize,
            })
            .collect();
        let bytes: Vec<u8> = (0..1 << 20).map(|_| b' ' + next(90) as u8).collect();
        let keys =
            (0..SESSIONS as u128).map(|n| (n * 0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
        let mut active: Vec<usize> = (0..12).collect();
        let sessions = (0..RECORDS)
            .map(|_| {
                let at = next(12) as usize;
                if next(20) == 0 {
                    active[at] = next(SESSIONS as u64) as usize;
                }
                active[at]
            })
            .collect();
        Load { bytes, lens, keys, sessions }
    }

    fn entry(&self, index: usize) -> Entry<'_> {
        let len = self.lens[index];
        let from = (index * 4099) % (self.bytes.len() - len);
        Entry {
            time: index as i64,
            session: &self.keys[self.sessions[index]],
            payload: &self.bytes[from..from + len],
            ..Entry::default()
        }
    }

    fn payload_bytes(&self, records: usize) -> usize {
        self.lens[..records].iter().sum()
    }
}

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let dir = std::env::var_os("DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = dir.join(format!("sm-log-bench-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory for the bench");
        Place(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Figures of one line: records per second and latencies.
#[derive(Clone, Copy)]
struct Figure {
    rate: f64,
    p50: f64,
    p99: f64,
}

fn rate(records: usize, took: Duration) -> Figure {
    Figure { rate: records as f64 / took.as_secs_f64(), p50: 0.0, p99: 0.0 }
}

fn latencies(mut all: Vec<u64>, took: Duration) -> Figure {
    all.sort_unstable();
    let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    Figure { rate: all.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

fn frame(into: &mut Vec<u8>, entry: &Entry<'_>) {
    into.extend_from_slice(&(entry.payload.len() as u32).to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(entry.payload).to_le_bytes());
    into.extend_from_slice(&entry.time.to_le_bytes());
    into.extend_from_slice(entry.session);
    into.extend_from_slice(entry.payload);
}

fn floor_file(place: &Path, len: u64, zeroed: bool) -> File {
    let path = place.join("floor");
    let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path);
    let file = file.expect("a file for the bench");
    if zeroed {
        let zeros = vec![0; 1 << 20];
        for at in (0..len).step_by(zeros.len()) {
            file.write_all_at(&zeros, at).expect("room");
        }
    } else {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, len).expect("room");
    }
    file.sync_all().expect("sync");
    file
}

fn floor_buffered(load: &Load) -> Figure {
    let place = Place::new("floor");
    let file = floor_file(&place.0, 160 << 20, false);
    let (mut buffer, mut at) = (Vec::with_capacity(512 << 10), 0);
    let start = Instant::now();
    for index in 0..RECORDS {
        frame(&mut buffer, &load.entry(index));
        if buffer.len() >= 256 << 10 {
            file.write_all_at(&buffer, at).expect("write");
            at += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_all_at(&buffer, at).expect("write");
    rate(RECORDS, start.elapsed())
}

fn floor_each(load: &Load) -> Figure {
    let place = Place::new("floor");
    let file = floor_file(&place.0, 160 << 20, false);
    let (mut buffer, mut at) = (Vec::new(), 0);
    let start = Instant::now();
    for index in 0..RECORDS {
        buffer.clear();
        frame(&mut buffer, &load.entry(index));
        file.write_all_at(&buffer, at).expect("write");
        at += buffer.len() as u64;
    }
    rate(RECORDS, start.elapsed())
}

fn floor_sync(load: &Load, group: usize, groups: usize) -> Figure {
    let place = Place::new("floor");
    let file = floor_file(&place.0, 64 << 20, true);
    let (mut buffer, mut at) = (Vec::new(), 0);
    let (start, mut all) = (Instant::now(), Vec::new());
    for number in 0..groups {
        let begin = Instant::now();
        buffer.clear();
        (0..group).for_each(|index| frame(&mut buffer, &load.entry(number * group + index)));
        file.write_all_at(&buffer, at).expect("write");
        at += buffer.len() as u64;
        file.sync_data().expect("sync");
        all.push(begin.elapsed().as_nanos() as u64);
    }
    let took = start.elapsed();
    Figure { rate: (groups * group) as f64 / took.as_secs_f64(), ..latencies(all, took) }
}

fn floor_pipelined(load: &Load) -> Figure {
    let place = Place::new("floor");
    let file = floor_file(&place.0, 160 << 20, true);
    let written = std::sync::atomic::AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        use std::sync::atomic::Ordering::SeqCst;
        let (file, written) = (&file, &written);
        scope.spawn(move || {
            let (mut buffer, mut at) = (Vec::new(), 0);
            for index in 0..RECORDS {
                frame(&mut buffer, &load.entry(index));
                if buffer.len() >= 64 << 10 || index + 1 == RECORDS {
                    file.write_all_at(&buffer, at).expect("write");
                    at += buffer.len() as u64;
                    buffer.clear();
                    written.store(index + 1, SeqCst);
                }
            }
        });
        let mut synced = 0;
        while synced < RECORDS {
            let upto = written.load(SeqCst);
            if upto > synced {
                file.sync_data().expect("sync");
                synced = upto;
            } else {
                std::thread::yield_now();
            }
        }
    });
    rate(RECORDS, start.elapsed())
}

fn log(place: &Place, durability: Durability) -> Log {
    Log::open(&place.0, Options::durability(durability).without_sealing()).expect("a log").0
}

fn log_batches(load: &Load, durability: Durability, batch: usize) -> Figure {
    let place = Place::new("log");
    let log = log(&place, durability);
    let mut entries = Vec::new();
    let start = Instant::now();
    for from in (0..RECORDS).step_by(batch) {
        entries.clear();
        entries.extend((from..(from + batch).min(RECORDS)).map(|index| load.entry(index)));
        log.commit(&entries).expect("commit");
    }
    rate(RECORDS, start.elapsed())
}

fn log_pipelined(load: &Load, durability: Durability, batch: usize) -> Figure {
    let place = Place::new("log");
    let log = log(&place, durability);
    let mut entries = Vec::new();
    let acked = std::sync::Mutex::new(Vec::new());
    let start = Instant::now();
    let acks = std::sync::Arc::new(acked);
    let seen = acks.clone();
    log.on_advance(move |seq| seen.lock().unwrap().push((seq, start.elapsed())));
    let mut given = Vec::new();
    for from in (0..RECORDS).step_by(batch) {
        entries.clear();
        entries.extend((from..(from + batch).min(RECORDS)).map(|index| load.entry(index)));
        given.push(start.elapsed());
        log.append(&entries).expect("append");
    }
    let last = log.accepted();
    while log.watermark() < last {
        log.reader().wait(last, Duration::from_secs(5));
    }
    let took = start.elapsed();
    while acks.lock().unwrap().last().is_none_or(|ack: &(u64, Duration)| ack.0 < last) {
        std::thread::yield_now();
    }
    let acks = acks.lock().unwrap();
    let mut at = 0;
    let all = given.iter().enumerate().map(|(index, &given)| {
        let seq = ((index + 1) * batch).min(RECORDS) as u64;
        while acks[at].0 < seq {
            at += 1;
        }
        acks[at].1.saturating_sub(given).as_nanos() as u64
    });
    let all = latencies(all.collect(), took);
    Figure { rate: RECORDS as f64 / took.as_secs_f64(), ..all }
}

fn log_sync(load: &Load, group: usize, groups: usize) -> Figure {
    let place = Place::new("log");
    let log = log(&place, Durability::Sync);
    let mut entries = Vec::new();
    std::thread::sleep(Duration::from_millis(200));
    let (start, mut all) = (Instant::now(), Vec::new());
    for number in 0..groups {
        let begin = Instant::now();
        entries.clear();
        entries.extend((0..group).map(|index| load.entry(number * group + index)));
        log.commit(&entries).expect("commit");
        all.push(begin.elapsed().as_nanos() as u64);
    }
    let took = start.elapsed();
    Figure { rate: (groups * group) as f64 / took.as_secs_f64(), ..latencies(all, took) }
}

fn log_producers(load: &Load, producers: usize, each: usize) -> Figure {
    let place = Place::new("log");
    let log = log(&place, Durability::Sync);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for producer in 0..producers {
            let log = &log;
            scope.spawn(move || {
                for index in 0..each {
                    log.commit(&[load.entry(producer * each + index)]).expect("commit");
                }
            });
        }
    });
    rate(producers * each, start.elapsed())
}

struct Written {
    place: Place,
    bytes: usize,
}

fn written(load: &Load) -> Written {
    let place = Place::new("written");
    let log = log(&place, Durability::Os);
    let entries: Vec<_> = (0..RECORDS).map(|index| load.entry(index)).collect();
    for batch in entries.chunks(64) {
        log.commit(batch).expect("commit");
    }
    drop(log);
    Written { place, bytes: load.payload_bytes(RECORDS) }
}

fn segments(place: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(place).expect("a directory").map(|entry| entry.expect("entry").path());
    let mut names: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "seg")).collect();
    names.sort();
    names
}

fn floor_scan(written: &Written) -> Figure {
    let files: Vec<_> = segments(&written.place.0)
        .iter()
        .map(|path| {
            let file = File::open(path).expect("open");
            // SAFETY: the bench's own file, which nobody changes.
            unsafe { memmap2::Mmap::map(&file).expect("map") }
        })
        .collect();
    let start = Instant::now();
    for map in &files {
        for chunk in map.chunks(640) {
            black_box(crc32fast::hash(chunk));
        }
    }
    rate(RECORDS, start.elapsed())
}

fn log_replay(written: &Written) -> Figure {
    let reader = Reader::open(&written.place.0).expect("a log");
    let mut cursor = reader.cursor(1).expect("a cursor");
    let (mut records, mut bytes) = (0, 0);
    let start = Instant::now();
    while let Some(item) = cursor.next().expect("next") {
        if let Item::Record(record) = item {
            records += 1;
            bytes += record.payload.len();
        }
    }
    let took = start.elapsed();
    assert_eq!((records, bytes), (RECORDS, written.bytes));
    rate(records, took)
}

fn log_get(written: &Written) -> Figure {
    let reader = Reader::open(&written.place.0).expect("a log");
    let (mut seq, mut all) = (1u64, Vec::new());
    reader.get(RECORDS as u64).expect("get");
    for seq in (1..=RECORDS as u64).step_by(1000) {
        reader.get(seq).expect("get");
    }
    let start = Instant::now();
    for _ in 0..20_000 {
        seq = (seq * 48_271 + 11) % RECORDS as u64;
        let begin = Instant::now();
        black_box(reader.get(seq + 1).expect("get").record().payload.len());
        all.push(begin.elapsed().as_nanos() as u64);
    }
    latencies(all, start.elapsed())
}

fn log_session(written: &Written, load: &Load) -> Figure {
    let reader = Reader::open(&written.place.0).expect("a log");
    reader.revisions(&load.keys[0]).expect("revisions");
    let start = Instant::now();
    let mut records = 0;
    for key in load.keys.iter().take(200) {
        let mut cursor = reader.session(key, 1).expect("a session");
        while let Some((_, record)) = cursor.next().expect("next") {
            black_box(record.payload.len());
            records += 1;
        }
    }
    rate(records, start.elapsed())
}

fn log_open(written: &Written) -> Figure {
    let mut all = Vec::new();
    let start = Instant::now();
    for _ in 0..20 {
        let begin = Instant::now();
        let log = log(&written.place, Durability::Sync);
        all.push(begin.elapsed().as_nanos() as u64);
        drop(log);
    }
    latencies(all, start.elapsed())
}

/// Seals one full segment at a time: payload bytes in a second, and of what is left of them.
fn log_seal(load: &Load) -> Figure {
    let place = Place::new("log");
    let log = log(&place, Durability::Os);
    let entries: Vec<_> = (0..RECORDS).map(|index| load.entry(index)).collect();
    entries.chunks(64).for_each(|batch| drop(log.commit(batch).expect("commit")));
    let start = Instant::now();
    let sealed = log.seal().expect("seal");
    let took = start.elapsed();
    assert!(sealed >= 1);
    let mut cursor = log.reader().cursor(1).expect("a cursor");
    let records = cursor_len(&mut cursor, RECORDS / 2);
    Figure { rate: records as f64 / took.as_secs_f64(), p50: 0.0, p99: 0.0 }
}

fn cursor_len(cursor: &mut sm_log::Cursor, records: usize) -> usize {
    (0..records).take_while(|_| cursor.next().expect("next").is_some()).count()
}

fn log_replay_sealed(load: &Load) -> Figure {
    let place = Place::new("log");
    let log = log(&place, Durability::Os);
    let entries: Vec<_> = (0..RECORDS).map(|index| load.entry(index)).collect();
    entries.chunks(64).for_each(|batch| drop(log.commit(batch).expect("commit")));
    log.seal().expect("seal");
    let mut cursor = log.reader().cursor(1).expect("a cursor");
    let start = Instant::now();
    let records = cursor_len(&mut cursor, RECORDS / 2);
    rate(records, start.elapsed())
}

fn log_get_sealed(load: &Load) -> Figure {
    let place = Place::new("log");
    let log = log(&place, Durability::Os);
    let entries: Vec<_> = (0..RECORDS).map(|index| load.entry(index)).collect();
    entries.chunks(64).for_each(|batch| drop(log.commit(batch).expect("commit")));
    log.seal().expect("seal");
    let (reader, mut seq, mut all) = (log.reader(), 1u64, Vec::new());
    let start = Instant::now();
    for _ in 0..1_000 {
        seq = (seq * 48_271 + 11) % (RECORDS as u64 / 2);
        let begin = Instant::now();
        black_box(reader.get(seq + 1).expect("get").record().payload.len());
        all.push(begin.elapsed().as_nanos() as u64);
    }
    latencies(all, start.elapsed())
}

fn log_follow(durability: Durability) -> Figure {
    let place = Place::new("log");
    let log = log(&place, durability);
    let (mut all, reader) = (Vec::new(), log.reader());
    let start = Instant::now();
    let payload = vec![7; 600];
    let (tell, told) = std::sync::mpsc::channel::<Instant>();
    std::thread::scope(|scope| {
        let follower = scope.spawn(move || {
            let (mut cursor, mut all) = (reader.cursor(1).expect("a cursor"), Vec::new());
            for given in told {
                let seq = cursor.position();
                reader.wait(seq, Duration::from_secs(5));
                black_box(cursor.next().expect("next"));
                all.push(given.elapsed().as_nanos() as u64);
            }
            all
        });
        for _ in 0..5_000 {
            let given = Instant::now();
            tell.send(given).expect("send");
            log.commit(&[Entry { payload: &payload, ..Entry::default() }]).expect("commit");
            std::thread::sleep(Duration::from_micros(50));
        }
        drop(tell);
        all = follower.join().expect("join");
    });
    latencies(all, start.elapsed())
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let only = std::env::var("ONLY").unwrap_or_default();
    let load = Load::new();
    println!("{RECORDS} records, mean {} bytes", load.payload_bytes(RECORDS) / RECORDS);
    // The first touch of memory is slow on a virtual machine.
    drop(black_box(vec![1u8; 512 << 20]));
    let written = written(&load);
    type Run<'a> = Box<dyn Fn() -> Figure + 'a>;
    let lines: Vec<(&str, Option<&str>, Run<'_>)> = vec![
        ("floor: buffered", None, Box::new(|| floor_buffered(&load))),
        (
            "os, batches of 64",
            Some("floor: buffered"),
            Box::new(|| log_batches(&load, Durability::Os, 64)),
        ),
        (
            "os, appended one by one",
            Some("floor: buffered"),
            Box::new(|| log_pipelined(&load, Durability::Os, 1)),
        ),
        ("floor: write each", None, Box::new(|| floor_each(&load))),
        (
            "os, each awaited",
            Some("floor: write each"),
            Box::new(|| log_batches(&load, Durability::Os, 1)),
        ),
        ("floor: pipelined", None, Box::new(|| floor_pipelined(&load))),
        (
            "sync, pipelined, one by one",
            Some("floor: pipelined"),
            Box::new(|| log_pipelined(&load, Durability::Sync, 1)),
        ),
        (
            "sync, pipelined, by 64",
            Some("floor: pipelined"),
            Box::new(|| log_pipelined(&load, Durability::Sync, 64)),
        ),
        ("floor: sync 64", None, Box::new(|| floor_sync(&load, 64, 1000))),
        ("sync 64", Some("floor: sync 64"), Box::new(|| log_sync(&load, 64, 1000))),
        ("floor: sync each", None, Box::new(|| floor_sync(&load, 1, 2000))),
        ("sync each", Some("floor: sync each"), Box::new(|| log_sync(&load, 1, 2000))),
        ("sync, 8 producers", Some("sync each"), Box::new(|| log_producers(&load, 8, 2000))),
        ("floor: scan", None, Box::new(|| floor_scan(&written))),
        ("replay", Some("floor: scan"), Box::new(|| log_replay(&written))),
        ("get", None, Box::new(|| log_get(&written))),
        ("session range", None, Box::new(|| log_session(&written, &load))),
        ("seal", None, Box::new(|| log_seal(&load))),
        ("replay, sealed", None, Box::new(|| log_replay_sealed(&load))),
        ("get, sealed", None, Box::new(|| log_get_sealed(&load))),
        ("open", None, Box::new(|| log_open(&written))),
        ("follow, os", None, Box::new(|| log_follow(Durability::Os))),
        ("follow, sync", None, Box::new(|| log_follow(Durability::Sync))),
    ];
    let lines: Vec<_> = lines.into_iter().filter(|line| line.0.contains(&only)).collect();
    let mut all: Vec<Vec<Figure>> = vec![Vec::new(); lines.len()];
    for _ in 0..rounds {
        for (line, figures) in lines.iter().zip(&mut all) {
            figures.push(line.2());
        }
    }
    let median = |figures: &[Figure], of: fn(&Figure) -> f64| {
        let mut values: Vec<_> = figures.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("{:<30} {:>12} {:>7} {:>9} {:>9}", "", "records/s", "ratio", "p50 µs", "p99 µs");
    for (line, figures) in lines.iter().zip(&all) {
        let rate = median(figures, |figure| figure.rate);
        let base = lines.iter().position(|other| Some(other.0) == line.1);
        let ratio = base.map(|at| format!("{:.2}", rate / median(&all[at], |figure| figure.rate)));
        let (p50, p99) = (median(figures, |f| f.p50), median(figures, |f| f.p99));
        let ratio = ratio.unwrap_or_default();
        println!("{:<30} {rate:>12.0} {ratio:>7} {p50:>9.1} {p99:>9.1}", line.0);
    }
}
