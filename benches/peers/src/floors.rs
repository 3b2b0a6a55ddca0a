//! The floors of the machine: what the same bytes cost with nothing around them.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use sm_log::Entry;

use crate::load::{Load, RECORDS};
use crate::{Figure, Place, latencies, rate};

/// Length, checksum, time, key, payload: what any log writes at least.
pub(crate) fn frame(into: &mut Vec<u8>, entry: &Entry<'_>) {
    into.extend_from_slice(&(entry.payload.len() as u32).to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(entry.payload).to_le_bytes());
    into.extend_from_slice(&entry.time.to_le_bytes());
    into.extend_from_slice(entry.session);
    into.extend_from_slice(entry.payload);
}

fn file(place: &Path, len: u64, zeroed: bool) -> File {
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

/// Frames gathered in pieces of that many bytes, then written; space taken before.
pub fn buffered(load: &Load, piece: usize) -> Figure {
    let place = Place::new("floor");
    let file = file(&place.0, 192 << 20, false);
    let (mut buffer, mut at) = (Vec::with_capacity(512 << 10), 0);
    let start = Instant::now();
    for index in 0..RECORDS {
        frame(&mut buffer, &load.entry(index));
        if buffer.len() >= piece {
            file.write_all_at(&buffer, at).expect("write");
            at += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_all_at(&buffer, at).expect("write");
    rate(RECORDS, start.elapsed())
}

/// One write for each frame; space taken before.
pub fn each(load: &Load) -> Figure {
    let place = Place::new("floor");
    let file = file(&place.0, 192 << 20, false);
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

/// Groups of frames, each written and synced, into zeros that were synced before.
pub fn sync(load: &Load, group: usize, groups: usize) -> Figure {
    let place = Place::new("floor");
    let file = file(&place.0, 64 << 20, true);
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

/// One thread writes pieces of at least `piece` bytes, another one syncs all the while.
pub fn pipelined(load: &Load, piece: usize) -> Figure {
    let place = Place::new("floor");
    let file = file(&place.0, 192 << 20, true);
    let written = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let (file, written) = (&file, &written);
        scope.spawn(move || {
            let (mut buffer, mut at) = (Vec::new(), 0);
            for index in 0..RECORDS {
                frame(&mut buffer, &load.entry(index));
                if buffer.len() >= piece || index + 1 == RECORDS {
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

/// Checksums of the files' bytes, mapped, in pieces as long as the records are.
pub fn scan(load: &Load, files: &[std::path::PathBuf]) -> Figure {
    let maps: Vec<_> = files
        .iter()
        .map(|path| {
            let file = File::open(path).expect("open");
            // SAFETY: the bench's own file, which nobody changes.
            unsafe { memmap2::Mmap::map(&file).expect("map") }
        })
        .collect();
    let start = Instant::now();
    let mut index = 0;
    for map in &maps {
        let mut rest = &map[..];
        while !rest.is_empty() {
            let len = (load.payload(index).len() + 52).min(rest.len());
            let (piece, after) = rest.split_at(len);
            black_box(crc32fast::hash(piece));
            (rest, index) = (after, index + 1);
        }
    }
    rate(RECORDS, start.elapsed())
}

/// Checksums of these ranges of a file, mapped and touched before.
pub fn ranges(file: &Path, ranges: &[Range<usize>]) -> Figure {
    let file = File::open(file).expect("open");
    // SAFETY: the bench's own file, which nobody changes.
    let map = unsafe { memmap2::Mmap::map(&file).expect("map") };
    black_box(crc32fast::hash(&map));
    let start = Instant::now();
    for range in ranges {
        black_box(crc32fast::hash(&map[range.clone()]));
    }
    rate(ranges.len(), start.elapsed())
}

/// From the write of a record in one thread to its checked bytes in another that sleeps: a write, a
/// store, one condvar, a read of the mapping.
pub fn follow(pace: Duration) -> Figure {
    const COUNT: usize = 5_000;
    let place = Place::new("floor");
    let file = file(&place.0, 8 << 20, false);
    // SAFETY: the bench's own file; what is read was written before it was told of.
    let map = unsafe { memmap2::Mmap::map(&file).expect("map") };
    let given: Vec<AtomicU64> = (0..COUNT).map(|_| AtomicU64::new(0)).collect();
    let (written, lock) = (AtomicUsize::new(0), std::sync::Mutex::new(()));
    let changed = std::sync::Condvar::new();
    let (start, payload) = (Instant::now(), [7u8; 600]);
    let entry = Entry { payload: &payload, ..Entry::default() };
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut all = Vec::new();
            for index in 0..COUNT {
                let mut guard = lock.lock().expect("lock");
                while written.load(SeqCst) <= index {
                    guard = changed.wait(guard).expect("wait");
                }
                drop(guard);
                black_box(crc32fast::hash(&map[index * 616..index * 616 + 616]));
                let since = start.elapsed().as_nanos() as u64;
                all.push(since - given[index].load(SeqCst));
            }
            all
        });
        let mut buffer = Vec::new();
        for (index, given) in given.iter().enumerate() {
            std::thread::sleep(pace);
            given.store(start.elapsed().as_nanos() as u64, SeqCst);
            buffer.clear();
            frame(&mut buffer, &entry);
            file.write_all_at(&buffer, index as u64 * 616).expect("write");
            written.store(index + 1, SeqCst);
            drop(lock.lock().expect("lock"));
            changed.notify_all();
        }
        latencies(follower.join().expect("join"), start.elapsed())
    })
}
