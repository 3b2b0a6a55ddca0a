//! The log itself.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sm_log::{Durability, Entry, Item, Log, Options, Reader};

use crate::load::{Load, RECORDS, Random};
use crate::{Figure, Place, floors, latencies, rate};

/// How many sessions are read, one after the other.
const READ_SESSIONS: usize = 200;
/// Bytes of a record before its key: docs/format.md.
const RECORD_HEAD: usize = 32;

fn open(place: &Path, durability: Durability) -> Log {
    Log::open(place, Options::durability(durability).without_sealing()).expect("a log").0
}

/// Commits batches, each awaited.
pub fn batches(load: &Load, durability: Durability, batch: usize) -> Figure {
    let place = Place::new("log");
    let log = open(&place.0, durability);
    let mut entries = Vec::new();
    let start = Instant::now();
    for from in (0..RECORDS).step_by(batch) {
        entries.clear();
        entries.extend((from..(from + batch).min(RECORDS)).map(|index| load.entry(index)));
        log.commit(&entries).expect("commit");
    }
    rate(RECORDS, start.elapsed())
}

/// The same with small segments that are sealed meanwhile: what sealing takes away from appending.
pub fn batches_while_sealing(load: &Load, durability: Durability, batch: usize) -> Figure {
    let place = Place::new("log");
    let options = Options::durability(durability).with_segment_bytes(8 << 20);
    let log = Log::open(&place.0, options).expect("a log").0;
    let mut entries = Vec::new();
    let start = Instant::now();
    for from in (0..RECORDS).step_by(batch) {
        entries.clear();
        entries.extend((from..(from + batch).min(RECORDS)).map(|index| load.entry(index)));
        log.commit(&entries).expect("commit");
    }
    rate(RECORDS, start.elapsed())
}

/// Appends without waiting, until all is acknowledged; latency from append to acknowledgement.
pub fn pipelined(load: &Load, durability: Durability, batch: usize) -> Figure {
    let place = Place::new("log");
    let log = open(&place.0, durability);
    let mut entries = Vec::new();
    let start = Instant::now();
    let acks = Arc::new(Mutex::new(Vec::with_capacity(RECORDS)));
    let seen = acks.clone();
    log.on_advance(move |seq| seen.lock().expect("lock").push((seq, start.elapsed())));
    let mut given = Vec::with_capacity(RECORDS);
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
    let told = || acks.lock().expect("lock").last().is_some_and(|ack: &(u64, _)| ack.0 >= last);
    while !told() {
        std::thread::yield_now();
    }
    let acks = acks.lock().expect("lock");
    let mut at = 0;
    let all = given.iter().enumerate().map(|(index, &given): (usize, &Duration)| {
        let seq = ((index + 1) * batch).min(RECORDS) as u64;
        while acks[at].0 < seq {
            at += 1;
        }
        acks[at].1.saturating_sub(given).as_nanos() as u64
    });
    let all = latencies(all.collect(), took);
    Figure { rate: RECORDS as f64 / took.as_secs_f64(), ..all }
}

/// Groups, each durable before the next.
pub fn sync(load: &Load, group: usize, groups: usize) -> Figure {
    let place = Place::new("log");
    let log = open(&place.0, Durability::Sync);
    let mut entries = Vec::new();
    // Not the first segment of a log: that begins small. When it is half full the next one is made,
    // its zeros written as those of the floor.
    let mut filled = 0;
    while filled < 40 << 20 {
        entries.clear();
        entries.extend((0..64).map(|index| load.entry(index)));
        filled += entries.iter().map(|entry| entry.payload.len()).sum::<usize>();
        log.commit(&entries).expect("commit");
    }
    std::thread::sleep(Duration::from_millis(300));
    while filled < 64 << 20 {
        filled += entries.iter().map(|entry| entry.payload.len()).sum::<usize>();
        log.append(&entries).expect("append");
    }
    log.sync().expect("sync");
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

/// Many threads, each awaiting every record.
pub fn producers(load: &Load, producers: usize, each: usize) -> Figure {
    let place = Place::new("log");
    let log = open(&place.0, Durability::Sync);
    let all = Mutex::new(Vec::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for producer in 0..producers {
            let (log, all) = (&log, &all);
            scope.spawn(move || {
                let mut own = Vec::new();
                for index in 0..each {
                    let begin = Instant::now();
                    log.commit(&[load.entry(producer * each + index)]).expect("commit");
                    own.push(begin.elapsed().as_nanos() as u64);
                }
                all.lock().expect("lock").append(&mut own);
            });
        }
    });
    latencies(all.into_inner().expect("lock"), start.elapsed())
}

/// A log that is written, to be read.
pub struct Written {
    place: Place,
    bytes: usize,
    log: Option<Log>,
}

impl Written {
    /// All records of the load, in segments of `segment_bytes`; sealed, all that can be.
    pub fn new(name: &str, load: &Load, segment_bytes: u64, seal: bool) -> Written {
        let place = Place::new(name);
        let options = Options::durability(Durability::Os).without_sealing();
        let (log, _) =
            Log::open(&place.0, options.with_segment_bytes(segment_bytes)).expect("a log");
        let entries: Vec<_> = (0..RECORDS).map(|index| load.entry(index)).collect();
        for batch in entries.chunks(64) {
            log.commit(batch).expect("commit");
        }
        if seal {
            log.seal().expect("seal");
        }
        log.sync().expect("sync");
        Written { place, bytes: load.payload_bytes(RECORDS), log: Some(log) }
    }

    /// The same, closed.
    pub fn closed(mut self) -> Written {
        self.log = None;
        self
    }

    /// Its plain segments' files.
    pub fn files(&self) -> Vec<PathBuf> {
        let segments = self.reader().segments().expect("segments");
        segments.into_iter().map(|segment| segment.file).collect()
    }

    /// Sealed segments: payload bytes, and bytes of the files.
    pub fn sealed_bytes(&self) -> (u64, u64) {
        let segments = self.reader().segments().expect("segments");
        let sealed = segments.iter().filter(|segment| segment.sealed);
        sealed.fold((0, 0), |(payload, file), s| (payload + s.payload_bytes, file + s.bytes))
    }

    /// How many records are sealed.
    pub fn sealed_records(&self) -> usize {
        let segments = self.reader().segments().expect("segments");
        let sealed = segments.iter().filter(|segment| segment.sealed);
        sealed.map(|segment| segment.last).max().unwrap_or(0) as usize
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.place.0).expect("a log")
    }

    /// Walks the first `records`; bytes of payload in a second.
    pub fn replay(&self, records: usize) -> Figure {
        let reader = self.reader();
        let mut cursor = reader.cursor(1).expect("a cursor");
        let (mut seen, mut bytes) = (0, 0);
        let start = Instant::now();
        while seen < records {
            match cursor.next().expect("next") {
                Some(Item::Record(record)) => {
                    seen += 1;
                    bytes += record.payload.len();
                }
                other => panic!("{other:?}"),
            }
        }
        let took = start.elapsed();
        assert!(records < RECORDS || bytes == self.bytes);
        Figure { p50: bytes as f64 / took.as_secs_f64() / 1e9, ..rate(records, took) }
    }

    /// Single records out of the first `records`, anywhere.
    pub fn get(&self, records: usize, count: usize) -> Figure {
        let reader = self.reader();
        for seq in (1..=records as u64).step_by(1000) {
            reader.get(seq).expect("get");
        }
        let (mut random, mut all) = (Random(3), Vec::new());
        let start = Instant::now();
        for _ in 0..count {
            let seq = random.below(records as u64) + 1;
            let begin = Instant::now();
            black_box(reader.get(seq).expect("get").record().payload.len());
            all.push(begin.elapsed().as_nanos() as u64);
        }
        latencies(all, start.elapsed())
    }

    /// What reading the records of [`Written::sessions`] costs at least: their bytes, in the same order,
    /// by places that are known, with a checksum.
    pub fn sessions_floor(&self, load: &Load) -> Figure {
        let files = self.files();
        let [file] = &files[..] else { panic!("one segment: {files:?}") };
        let bytes = std::fs::read(file).expect("the segment");
        let mut places = vec![Vec::new(); READ_SESSIONS];
        let mut end = 0;
        for index in 0..RECORDS {
            let (payload, session) = (load.payload(index), load.sessions[index]);
            let mut windows = bytes[end..].windows(payload.len());
            let at = end + windows.position(|window| window == payload).expect("the payload");
            assert_eq!(&bytes[at - 16..at], &load.keys[session]);
            end = at + payload.len();
            if let Some(places) = places.get_mut(session) {
                places.push(at - RECORD_HEAD - 16..end);
            }
        }
        floors::ranges(file, &places.concat())
    }

    /// All records of 200 sessions, one after the other.
    pub fn sessions(&self, load: &Load) -> Figure {
        let reader = self.reader();
        reader.revisions(&load.keys[0]).expect("revisions");
        let start = Instant::now();
        let mut records = 0;
        for key in load.keys.iter().take(READ_SESSIONS) {
            let mut cursor = reader.session(key, 1).expect("a session");
            while let Some((_, record)) = cursor.next().expect("next") {
                black_box(record.payload.len());
                records += 1;
            }
        }
        rate(records, start.elapsed())
    }
}

/// Seals what was written; payload records in a second, and bytes in a second in `p50` (GB).
pub fn seal(load: &Load) -> Figure {
    let place = Place::new("log");
    let log = open(&place.0, Durability::Os);
    let entries: Vec<_> = (0..RECORDS).map(|index| load.entry(index)).collect();
    entries.chunks(64).for_each(|batch| drop(log.commit(batch).expect("commit")));
    let start = Instant::now();
    log.seal().expect("seal");
    let took = start.elapsed();
    let segments = log.reader().segments().expect("segments");
    let sealed: Vec<_> = segments.iter().filter(|segment| segment.sealed).collect();
    let records: u64 = sealed.iter().map(|s| s.last + 1 - s.first).sum();
    let bytes: u64 = sealed.iter().map(|s| s.payload_bytes).sum();
    let gigabytes = bytes as f64 / took.as_secs_f64() / 1e9;
    Figure { p50: gigabytes, ..rate(records as usize, took) }
}

/// From before the append of a record to its reading, in another thread that waits for it: with
/// `Sync` the sync is part of it.
pub fn follow(durability: Durability, pace: Duration) -> Figure {
    let place = Place::new("log");
    let log = open(&place.0, durability);
    followed(&log, &log.reader(), 5_000, pace)
}

/// The same with a reader that knows nothing of the writer but the files, as another process does.
pub fn follow_files(pace: Duration) -> Figure {
    let place = Place::new("log");
    let log = open(&place.0, Durability::Os);
    followed(&log, &Reader::open(&place.0).expect("a log"), 1_000, pace)
}

fn followed(log: &Log, reader: &Reader, count: usize, pace: Duration) -> Figure {
    let given: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let (start, payload) = (Instant::now(), [7u8; 600]);
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let (mut cursor, mut all) = (reader.cursor(1).expect("a cursor"), Vec::new());
            for given in &given {
                let seq = cursor.position();
                while !reader.wait(seq, Duration::from_secs(5)) {}
                black_box(cursor.next().expect("next"));
                let since = start.elapsed().as_nanos() as u64;
                all.push(since - given.load(SeqCst));
            }
            all
        });
        for given in &given {
            std::thread::sleep(pace);
            given.store(start.elapsed().as_nanos() as u64, SeqCst);
            log.commit(&[Entry { payload: &payload, ..Entry::default() }]).expect("commit");
        }
        latencies(follower.join().expect("join"), start.elapsed())
    })
}
