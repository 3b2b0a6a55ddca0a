//! The hot path allocates nothing for a record: what it needs is used again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sm_log::{Durability, Entry, Log, Options};

/// Counts every allocation of the process.
struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps what `dealloc` asks for, and it came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps what `realloc` asks for, and it came from the same allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const RECORDS: u64 = 50_000;

/// Allocations of that many records, each appended or committed by itself.
fn allocations(durability: Durability, commit: bool) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::durability(durability).without_sealing();
    let (log, _) = Log::open(dir.path(), options).unwrap();
    let payload = [7; 300];
    let entry = [Entry { session: b"session", payload: &payload, ..Entry::default() }];
    let append = |count: u64| {
        for _ in 0..count {
            match commit {
                true => drop(log.commit(&entry).unwrap()),
                false => drop(log.append(&entry).unwrap()),
            }
        }
    };
    // Until the buffers have the sizes they keep.
    append(2 * RECORDS);
    log.sync().unwrap();
    // A slow disk makes the buffers grow once more: that round is not the rule.
    let round = |_| {
        let before = COUNT.load(Relaxed);
        append(RECORDS);
        COUNT.load(Relaxed) - before
    };
    (0..6).map(round).min().unwrap_or(u64::MAX)
}

/// One test, as the count is the process's.
#[test]
fn a_record_costs_no_allocation() {
    for (durability, commit) in
        [(Durability::Os, true), (Durability::Os, false), (Durability::Sync, false)]
    {
        let count = allocations(durability, commit);
        // What is made anew now and then: a segment, its preparation, a batch for a longer line.
        assert!(count < RECORDS / 50, "{count} in {RECORDS} ({durability:?}, {commit})");
    }
}
