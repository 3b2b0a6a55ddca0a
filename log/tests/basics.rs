//! What everybody relies on: records come back as they went in, in order, to every reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sm_log::storage::Memory;
use sm_log::{
    Direction, Durability, Entry, Item, Log, OpenError, Options, ReadError, Reader, peek,
};

fn entry<'a>(session: &'a [u8], payload: &'a [u8]) -> Entry<'a> {
    Entry { session, payload, ..Entry::default() }
}

fn payloads(reader: &Reader, from: u64) -> Vec<Vec<u8>> {
    let mut cursor = reader.cursor(from).unwrap();
    let mut all = Vec::new();
    while let Some(item) = cursor.next().unwrap() {
        match item {
            Item::Record(record) => all.push(record.payload.to_vec()),
            Item::Gap(gap) => panic!("{gap}"),
        }
    }
    all
}

#[test]
fn every_field_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recovery) = Log::open(dir.path(), Options::default()).unwrap();
    assert!(recovery.created);
    let entry = Entry {
        time: -7,
        session: b"key",
        source: u64::MAX,
        generation: 3,
        kind: 4,
        direction: Direction::Own,
        flags: 5,
        payload: b"\0\xffbytes",
    };
    log.commit(&[entry, Entry::default()]).unwrap();
    let record = log.reader().get(1).unwrap().to_owned();
    assert_eq!((record.seq, record.as_record().entry()), (1, entry));
    assert_eq!(log.reader().get(2).unwrap().record().payload, b"");
}

#[test]
fn a_log_goes_on_where_it_ended() {
    for durability in
        [Durability::Sync, Durability::Os, Durability::Interval(Duration::from_millis(2))]
    {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::durability(durability).with_segment_bytes(4096);
        let mut expected = Vec::new();
        let mut id = None;
        for round in 0..5u64 {
            let (log, recovery) = Log::open(dir.path(), options.clone()).unwrap();
            assert_eq!(recovery.last, expected.len() as u64, "{durability:?}");
            assert_eq!((&recovery.torn, recovery.gaps.len()), (&None, 0), "{recovery:?}");
            assert_eq!(*id.get_or_insert(log.id()), log.id());
            for number in 0..50 {
                let payload = format!("{round}/{number}/{}", "x".repeat(number));
                let receipt = log.append(&[entry(b"s", payload.as_bytes())]).unwrap();
                expected.push(payload.into_bytes());
                assert_eq!(receipt.first, expected.len() as u64);
            }
            assert_eq!(log.sync().unwrap(), expected.len() as u64);
            assert_eq!(payloads(&log.reader(), 1), expected);
        }
        let reader = Reader::open(dir.path()).unwrap();
        assert_eq!(payloads(&reader, 1), expected);
        assert_eq!(payloads(&reader, 200), expected[199..]);
        let head = peek(dir.path()).unwrap();
        assert_eq!((Some(head.id), head.watermark), (id, expected.len() as u64));
    }
}

#[test]
fn a_cursor_follows_across_segments_and_processes() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default().with_segment_bytes(4096);
    let (log, _) = Log::open(dir.path(), options).unwrap();
    let other = Reader::open(dir.path()).unwrap();
    let mut cursors = [log.reader().cursor(1).unwrap(), other.cursor(1).unwrap()];
    for number in 0..300u64 {
        let payload = number.to_le_bytes().repeat(20);
        log.commit(&[entry(b"", &payload)]).unwrap();
        assert!(other.wait(number + 1, Duration::from_secs(5)));
        for cursor in &mut cursors {
            assert!(matches!(cursor.next().unwrap(),
                Some(Item::Record(r)) if r.seq == number + 1 && r.payload == payload));
            assert_eq!(cursor.next().unwrap(), None);
            assert_eq!(cursor.position(), number + 2);
        }
    }
}

#[test]
fn sessions_have_dense_revisions() {
    let storage = Arc::new(Memory::new());
    let options = Options::default().with_segment_bytes(4096);
    let (log, _) = Log::open_in(storage.clone(), options).unwrap();
    for number in 0..200u64 {
        let key: &[u8] = [b"a".as_slice(), b"b", b""][(number % 3) as usize];
        log.append(&[entry(key, &[number as u8; 100])]).unwrap();
    }
    log.sync().unwrap();
    for reader in [log.reader(), Reader::open_in(storage).unwrap()] {
        assert_eq!(reader.revisions(b"a").unwrap(), 67);
        assert_eq!(reader.revisions(b"none").unwrap(), 0);
        assert_eq!(reader.revision(b"b", 1).unwrap(), Some(2));
        assert_eq!(reader.revision(b"b", 67).unwrap(), Some(200));
        assert_eq!(reader.revision(b"b", 68).unwrap(), None);
        assert_eq!(reader.revision(b"b", 0).unwrap(), None);
        let mut cursor = reader.session(b"a", 60).unwrap();
        for revision in 60..=67 {
            let (found, record) = cursor.next().unwrap().unwrap();
            assert_eq!((found, record.seq), (revision, revision * 3 - 2));
        }
        assert!(cursor.next().unwrap().is_none());
        for revision in (1..=67).rev() {
            assert_eq!(cursor.next_back().unwrap().unwrap().0, revision);
        }
        assert!(cursor.next_back().unwrap().is_none());
        assert_eq!(reader.session_tail(b"a", 2).unwrap().next().unwrap().unwrap().0, 66);
        assert!(matches!(reader.session(b"a", 69), Err(ReadError::NoRevision { last: 67, .. })));
    }
}

#[test]
fn times_are_sought() {
    let (log, _) = Log::open_in(Arc::new(Memory::new()), Options::default()).unwrap();
    for time in [10, 20, 15, 30] {
        log.append(&[Entry { time, ..Entry::default() }]).unwrap();
    }
    log.sync().unwrap();
    let reader = log.reader();
    for (time, seq) in [(i64::MIN, 1), (11, 2), (20, 2), (21, 4), (31, 5)] {
        assert_eq!(reader.seek_time(time).unwrap(), seq, "{time}");
    }
}

#[test]
fn out_of_range_is_told() {
    let (log, _) = Log::open_in(Arc::new(Memory::new()), Options::default()).unwrap();
    log.commit(&[Entry::default()]).unwrap();
    let reader = log.reader();
    assert!(matches!(reader.cursor(0), Err(ReadError::BelowFloor { seq: 0, floor: 1 })));
    assert!(matches!(reader.cursor(3), Err(ReadError::BeyondHead { seq: 3, watermark: 1 })));
    assert!(matches!(reader.get(2), Err(ReadError::BeyondHead { .. })));
    assert!(!reader.wait(2, Duration::from_millis(1)));
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), Options::default()).unwrap();
    match Log::open(dir.path(), Options::default()) {
        Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    assert!(sm_log::lock(dir.path()).unwrap().is_none());
    drop(log);
    let lock = sm_log::lock(dir.path()).unwrap().unwrap();
    Log::open_with(lock, Options::default()).unwrap();
}

#[test]
fn no_log_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("none");
    assert!(matches!(Reader::open(&dir), Err(OpenError::NotFound { .. })));
    assert!(matches!(peek(&dir), Err(OpenError::NotFound { .. })));
    assert!(!dir.exists());
}

#[test]
fn many_producers_get_dense_seqs_and_all_is_there() {
    let (log, _) = Log::open_in(
        Arc::new(Memory::new()),
        Options::default().with_segment_bytes(64 << 10).with_ring_bytes(32 << 10),
    )
    .unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    let advanced = seen.clone();
    log.on_advance(move |seq| assert!(advanced.swap(seq, Ordering::SeqCst) < seq));
    std::thread::scope(|scope| {
        for producer in 0..4u8 {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..500u32 {
                    let payload = number.to_le_bytes();
                    let session = [producer + 1];
                    let pair = [entry(&session, &payload); 2];
                    let receipt = log.append(&pair).unwrap();
                    assert_eq!(receipt.last, receipt.first + 1);
                    if number % 7 == 0 {
                        receipt.wait().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(log.sync().unwrap(), 4000);
    assert_eq!(seen.load(Ordering::SeqCst), 4000);
    for producer in 0..4u8 {
        let mut cursor = log.reader().session(&[producer + 1], 1).unwrap();
        for number in 0..1000u32 {
            let (_, record) = cursor.next().unwrap().unwrap();
            assert_eq!(record.payload, (number / 2).to_le_bytes());
        }
    }
}

#[test]
fn a_long_record_fits() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::default().with_segment_bytes(4096);
    let (log, _) = Log::open(dir.path(), options).unwrap();
    let long = vec![7; 50_000_000];
    log.commit(&[entry(b"s", b"before"), entry(b"s", &long), entry(b"s", b"after")]).unwrap();
    assert_eq!(log.reader().get(2).unwrap().record().payload, long);
    assert_eq!(payloads(&Reader::open(dir.path()).unwrap(), 3), [b"after"]);
}

/// Expecting much makes no zeros ahead; who waits is served at once, all is as durable as ever, and when it
/// is over the zeros come again.
#[test]
fn expecting_much_changes_no_promise() {
    let storage = Memory::new();
    let options = Options::default().with_segment_bytes(4 << 20).without_background();
    let (log, _) = Log::open_in(Arc::new(storage.clone()), options).unwrap();
    let (payload, mut expected) = ([7; 100_000], Vec::new());
    // More than a segment; gives the longest that the next one's file was before it was needed.
    let mut fill = || {
        let mut longest = 0;
        for _ in 0..60 {
            log.commit(&[entry(b"s", &payload)]).unwrap();
            expected.push(payload.to_vec());
            assert_eq!(log.health().synced, expected.len() as u64);
            log.prepare().unwrap();
            longest = longest.max(storage.read("prepared").map_or(0, |bytes| bytes.len()));
        }
        longest
    };
    log.expect_bulk(true);
    assert_eq!(fill(), 1 << 20, "no more than its beginning");
    log.expect_bulk(false);
    assert_eq!(fill(), 4 << 20, "zeros in all of it");
    assert_eq!(payloads(&log.reader(), 1), expected);

    // With its threads: nobody waits for any one part, and a sync has all.
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), Options::default()).unwrap();
    log.expect_bulk(true);
    for number in 0..5000u64 {
        log.append(&[entry(b"s", &number.to_le_bytes())]).unwrap();
        if number == 2500 {
            log.commit(&[entry(b"s", b"waited for")]).unwrap();
            assert_eq!(log.watermark(), 2502);
        }
    }
    assert_eq!(log.sync().unwrap(), 5001);
    assert_eq!(log.health().waited, 0);
    log.expect_bulk(false);
    drop(log);
    let (_, recovery) = Log::open(dir.path(), Options::default()).unwrap();
    assert_eq!((recovery.last, recovery.found), (5001, 0));
}
