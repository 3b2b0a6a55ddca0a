//! Sealed segments: the same records in less space, every bit of them watched, and no moment of the
//! sealing at which a crash would matter.

#[expect(dead_code, reason = "shared by several tests")]
mod sim;

use std::sync::Arc;
use std::time::Duration;

use sim::{Random, Sim};
use sm_log::storage::Storage;
use sm_log::{Entry, Gap, GapReason, Item, Log, Options, ReadError, Reader};

fn options() -> Options {
    Options::default()
        .with_segment_bytes(4096)
        .with_patience(Duration::from_millis(2))
        .with_back_off(Duration::from_micros(50))
        .without_background()
}

fn payload(seq: u64) -> Vec<u8> {
    format!("{{\"seq\":{seq},\"text\":\"{}\"}}", "and so on, ".repeat(seq as usize % 30))
        .into_bytes()
}

fn key(seq: u64) -> &'static [u8] {
    [&b"alpha"[..], b"beta", b""][seq as usize % 3]
}

fn commit(log: &Log, seqs: std::ops::RangeInclusive<u64>) -> bool {
    let payloads: Vec<_> = seqs.clone().map(payload).collect();
    let entries = seqs.zip(&payloads).map(|(seq, payload)| Entry {
        time: seq as i64 * 10,
        session: key(seq),
        payload,
        source: seq,
        ..Entry::default()
    });
    log.commit(&entries.collect::<Vec<_>>()).is_ok()
}

fn open(sim: &Sim) -> (Log, sm_log::Recovery) {
    Log::open_in(Arc::new(sim.clone()), options()).unwrap()
}

fn names(sim: &Sim, extension: &str) -> Vec<String> {
    let mut names = sim.names().unwrap();
    names.retain(|name| name.ends_with(extension));
    names
}

/// All gaps; every record is compared.
fn gaps(reader: &Reader, from: u64) -> Vec<Gap> {
    let mut cursor = reader.cursor(from).unwrap();
    let (mut next, mut gaps) = (from, Vec::new());
    while let Some(item) = cursor.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!(record.seq, next);
                assert_eq!(record.payload, payload(next));
                assert_eq!((record.session, record.source), (key(next), next));
                next += 1;
            }
            Item::Gap(gap) => {
                assert_eq!(gap.first, next);
                next = gap.last + 1;
                gaps.push(gap);
            }
        }
    }
    assert_eq!(next, reader.watermark() + 1);
    gaps
}

/// A log of ninety records, all but the last segment sealed.
fn sealed() -> Sim {
    let sim = Sim::new();
    let (log, _) = open(&sim);
    (0..30).for_each(|n| assert!(commit(&log, n * 3 + 1..=n * 3 + 3)));
    assert!(log.seal().unwrap() >= 3);
    assert_eq!(log.seal().unwrap(), 0);
    drop(log);
    sim.kill()
}

#[test]
fn sealed_records_are_the_same_in_less_space() {
    let sim = Sim::new();
    let (log, _) = open(&sim);
    (0..30).for_each(|n| assert!(commit(&log, n * 3 + 1..=n * 3 + 3)));
    let reader = log.reader();
    let mut before = reader.cursor(1).unwrap();
    before.next().unwrap();
    let plain: usize = names(&sim, ".seg").iter().map(|name| sim.read(name).len()).sum();
    log.seal().unwrap();
    assert_eq!(names(&sim, ".seg").len(), 1);
    let sealed: usize = names(&sim, ".sealed").iter().map(|name| sim.read(name).len()).sum();
    assert!(sealed * 3 < plain, "{sealed} {plain}");
    // A cursor that was there before goes on, and so does a new one, here and elsewhere.
    let elsewhere = Reader::open_in(Arc::new(sim.clone())).unwrap();
    assert!(matches!(before.next().unwrap(), Some(Item::Record(r)) if r.seq == 2));
    for reader in [reader, elsewhere] {
        for from in 1..=91 {
            assert_eq!(gaps(&reader, from), []);
        }
        for seq in 1..=90 {
            assert_eq!(reader.get(seq).unwrap().record().payload, payload(seq));
            assert_eq!(reader.seek_time(seq as i64 * 10 - 5).unwrap(), seq);
        }
        assert_eq!(reader.revisions(b"beta").unwrap(), 30);
        let mut cursor = reader.session(b"beta", 1).unwrap();
        for revision in 1..=30 {
            assert_eq!(reader.revision(b"beta", revision).unwrap(), Some(revision * 3 - 2));
            let (found, record) = cursor.next().unwrap().unwrap();
            assert_eq!((found, record.seq), (revision, revision * 3 - 2));
        }
        for revision in (1..=30).rev() {
            assert_eq!(cursor.next_back().unwrap().unwrap().0, revision);
        }
    }
    let segments = log.reader().segments().unwrap();
    assert_eq!((segments[0].first, segments.last().unwrap().last), (1, 90));
    let sum: u64 = segments.iter().map(|segment| segment.payload_bytes).sum();
    assert_eq!(sum, (1..=90).map(|seq| payload(seq).len() as u64).sum());
    // And the log goes on.
    drop(log);
    let (log, recovery) = open(&sim);
    assert_eq!((recovery.last, recovery.gaps.len()), (90, 0), "{recovery:?}");
    (30..60).for_each(|n| assert!(commit(&log, n * 3 + 1..=n * 3 + 3)));
    log.seal().unwrap();
    assert_eq!(gaps(&log.reader(), 1), []);
    assert_eq!(log.reader().revisions(b"alpha").unwrap(), 60);
    assert!(log.reader().verify(true).unwrap().problems.is_empty());
}

#[test]
fn every_flipped_bit_of_a_sealed_segment_costs_one_block_at_most() {
    let base = sealed();
    let names = names(&base, ".sealed");
    let name = &names[1];
    let (mut none, mut blocks) = (0, 0);
    for bit in 0..base.read(name).len() * 8 {
        let sim = base.kill();
        sim.damage(name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let reader = Reader::open_in(Arc::new(sim.clone())).unwrap();
        let read = gaps(&reader, 1);
        match read.as_slice() {
            [] => {
                assert_eq!(reader.revisions(b"alpha").unwrap(), 30, "bit {bit}");
                none += 1;
            }
            [gap] => {
                assert_eq!(gap.reason, GapReason::Block, "bit {bit}: {gap}");
                blocks += 1;
            }
            more => panic!("bit {bit}: {more:?}"),
        }
        if bit % 16 == 0 {
            let (log, recovery) = open(&sim);
            assert_eq!((recovery.last, recovery.torn), (90, None), "bit {bit}");
            assert_eq!(gaps(&log.reader(), 1), read, "bit {bit}");
            assert!(!log.reader().verify(false).unwrap().problems.is_empty(), "bit {bit}");
        }
    }
    assert!(none > 0 && blocks > 0);
}

#[test]
fn every_cut_of_a_sealed_segment_is_a_gap() {
    let base = sealed();
    let names = names(&base, ".sealed");
    let name = &names[1];
    for len in 0..base.read(name).len() {
        let sim = base.kill();
        sim.damage(name, |bytes| bytes.truncate(len));
        let (log, recovery) = open(&sim);
        assert_eq!((recovery.last, recovery.torn), (90, None), "cut to {len}");
        assert!(gaps(&log.reader(), 1).len() <= 1, "cut to {len}");
        assert!(!log.reader().verify(false).unwrap().problems.is_empty(), "cut to {len}");
    }
}

#[test]
fn a_swapped_segment_breaks_the_chain() {
    let base = sealed();
    let names = names(&base, ".sealed");
    assert!(
        Reader::open_in(Arc::new(base.clone())).unwrap().verify(true).unwrap().problems.is_empty()
    );
    // The same segment sealed anew with other times is whole in itself.
    let bytes = base.read(&names[1]);
    let mut other = bytes.clone();
    let len = other.len();
    other[48] ^= 1;
    other[12..16].fill(0);
    let crc = crc32fast::hash(&other[..64]);
    other[12..16].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(other.len(), len);
    base.damage(&names[1], |bytes| bytes.clone_from(&other));
    let problems = Reader::open_in(Arc::new(base.clone())).unwrap().verify(false).unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].file.ends_with(&names[1]));
}

/// Dies at every single act of writing, rolling and sealing, by the process or with the power.
#[test]
fn no_step_of_append_roll_seal_and_trim_loses_what_was_acknowledged() {
    for lives in 0.. {
        let sim = Sim::new();
        sim.die_after(lives);
        let mut acknowledged = 0;
        if let Ok((log, _)) = Log::open_in(Arc::new(sim.clone()), options()) {
            for n in 0..14 {
                if !commit(&log, n * 3 + 1..=n * 3 + 3) {
                    break;
                }
                acknowledged = n * 3 + 3;
                if n % 2 == 1 {
                    let _ = log.prepare();
                }
                if n % 5 == 4 {
                    let _ = log.seal();
                    let _ = log.trim(n);
                }
                if n % 3 == 0 {
                    sim.flush_words();
                }
            }
        }
        let finished = !sim.is_dead();
        for seed in 0..6 {
            let next = if seed == 0 { sim.kill() } else { sim.cut(&mut Random(seed)) };
            let (log, recovery) = open(&next);
            let what = format!("after {lives} acts, seed {seed}: {recovery:?}");
            assert!(recovery.last >= acknowledged, "{what}, {acknowledged} acknowledged");
            let floor = log.reader().floor();
            assert_eq!(gaps(&log.reader(), floor), [], "{what}");
            assert!(commit(&log, recovery.last + 1..=recovery.last + 2), "{what}");
            log.seal().unwrap();
            assert_eq!(gaps(&log.reader(), floor), [], "{what}");
            let of_alpha = (1..=recovery.last + 2).filter(|&seq| key(seq) == b"alpha").count();
            assert_eq!(log.reader().revisions(b"alpha").unwrap(), of_alpha as u64, "{what}");
            let problems = log.reader().verify(true).unwrap().problems;
            assert!(problems.is_empty(), "{what}: {problems:?}");
            assert!(names(&next, ".tmp").is_empty(), "{what}");
        }
        if finished {
            assert!(lives > 40, "{lives} acts only");
            return;
        }
    }
}

/// A log of ninety records, all sealed but the last segment, trimmed somewhere.
fn trimmed() -> (Sim, u64) {
    let sim = sealed();
    let (log, _) = open(&sim);
    let floor = log.trim(60).unwrap();
    assert!(floor > 1 && floor <= 60, "{floor}");
    drop(log);
    (sim.kill(), floor)
}

#[test]
fn what_is_trimmed_is_refused_and_what_is_kept_keeps_its_numbers() {
    let sim = sealed();
    let (log, _) = open(&sim);
    let whole = log.reader().verify(true).unwrap();
    let elsewhere = Reader::open_in(Arc::new(sim.clone())).unwrap();
    let mut behind = elsewhere.cursor(1).unwrap();
    behind.next().unwrap();
    let before = names(&sim, ".sealed").len();
    let floor = log.trim(60).unwrap();
    assert_eq!((log.trim(60).unwrap(), log.trim(1).unwrap()), (floor, floor));
    assert!(names(&sim, ".sealed").len() < before);
    // A cursor that was there comes to the end of what it holds, then to a gap, then goes on.
    let mut next = 2;
    while let Some(item) = behind.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!((record.seq, record.payload), (next, &payload(next)[..]));
                next += 1;
            }
            Item::Gap(gap) => {
                assert_eq!((gap.first, gap.last), (next, floor - 1));
                assert_eq!(gap.reason, GapReason::Trimmed);
                next = floor;
            }
        }
    }
    assert_eq!(next, 91);
    drop(log);
    let (log, recovery) = open(&sim);
    assert_eq!((recovery.last, recovery.gaps.len()), (90, 0), "{recovery:?}");
    (30..40).for_each(|n| assert!(commit(&log, n * 3 + 1..=n * 3 + 3)));
    for reader in [log.reader(), elsewhere, Reader::open_in(Arc::new(sim.clone())).unwrap()] {
        assert_eq!((reader.floor(), gaps(&reader, floor)), (floor, vec![]));
        let below = [reader.get(floor - 1).err(), reader.cursor(floor - 1).err()];
        for error in below {
            assert!(matches!(error, Some(ReadError::BelowFloor { .. })), "{error:?}");
        }
        assert_eq!(reader.revisions(b"beta").unwrap(), 40);
        let gone = (1..floor).filter(|&seq| key(seq) == b"beta").count() as u64;
        match reader.revision(b"beta", gone) {
            Err(ReadError::NoRevision { first, .. }) => assert_eq!(first, gone + 1),
            other => panic!("{other:?}"),
        }
        assert!(reader.session(b"beta", gone).is_err());
        let mut cursor = reader.session_tail(b"beta", 99).unwrap();
        for revision in gone + 1..=40 {
            let (found, record) = cursor.next().unwrap().unwrap();
            assert_eq!((found, record.seq), (revision, revision * 3 - 2));
        }
        let verified = reader.verify(true).unwrap();
        assert_eq!((verified.first, verified.problems), (floor, vec![]));
        assert_eq!(verified.hash, whole.hash);
    }
    // What comes later goes on counting, sealed or not.
    log.seal().unwrap();
    assert_eq!(log.reader().revisions(b"alpha").unwrap(), 40);
    assert_eq!(log.reader().verify(true).unwrap().problems, []);
}

/// What was damaged before it was sealed stays a gap with its reason, and the damaged file is kept aside.
#[test]
fn a_damaged_segment_that_is_sealed_is_set_aside() {
    let sim = Sim::new();
    let (log, _) = open(&sim);
    (0..30).for_each(|n| assert!(commit(&log, n * 3 + 1..=n * 3 + 3)));
    drop(log);
    let sim = sim.kill();
    let name = names(&sim, ".seg").into_iter().min().unwrap();
    sim.damage(&name, |bytes| bytes[400] ^= 1);
    let damaged = sim.read(&name);
    let (log, _) = open(&sim);
    let gaps = |log: &Log| {
        let gaps = gaps(&log.reader(), 1).into_iter();
        gaps.map(|gap| (gap.first, gap.last, gap.reason)).collect::<Vec<_>>()
    };
    let before = gaps(&log);
    assert!(!before.is_empty());
    assert!(log.seal().unwrap() >= 1);
    assert_eq!(gaps(&log), before);
    assert!(!names(&sim, ".seg").contains(&name));
    assert_eq!(sim.read(&format!("{name}.damaged")), damaged);
    let found = log.reader().verify(true).unwrap();
    assert_eq!((found.problems, found.declared.len()), (vec![], before.len()));
}

#[test]
fn a_lost_or_damaged_trim_file_costs_no_record() {
    let (base, floor) = trimmed();
    for bit in 0..base.read("trimmed").len() * 8 {
        let sim = base.kill();
        sim.damage("trimmed", |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let (log, recovery) = open(&sim);
        assert_eq!((recovery.last, recovery.gaps.len()), (90, 0), "bit {bit}");
        assert_eq!(gaps(&log.reader(), floor), [], "bit {bit}");
        let problems = log.reader().verify(false).unwrap().problems;
        assert_eq!(problems.len(), 1, "bit {bit}: {problems:?}");
        assert!(problems[0].file.ends_with("trimmed"));
    }
    // Without the watermark file it tells the floor; without both, the oldest segment does.
    for lost in [false, true] {
        let sim = base.kill();
        sim.set_words(&[0; sm_log::storage::WORDS]);
        if lost {
            sim.delete("trimmed");
        }
        let (log, recovery) = open(&sim);
        assert_eq!((recovery.last, log.reader().floor()), (90, floor), "{recovery:?}");
        assert_eq!(gaps(&log.reader(), floor), []);
    }
}

#[test]
fn an_older_trim_file_put_back_is_noticed() {
    let sim = sealed();
    let (log, _) = open(&sim);
    let first = log.trim(40).unwrap();
    let older = sim.read("trimmed");
    let second = log.trim(70).unwrap();
    assert!(1 < first && first < second);
    sim.damage("trimmed", |bytes| bytes.clone_from(&older));
    let reader = Reader::open_in(Arc::new(sim.clone())).unwrap();
    assert_eq!((reader.floor(), gaps(&reader, second)), (second, vec![]));
    let problems = reader.verify(false).unwrap().problems;
    assert!(problems.iter().all(|problem| problem.seqs.is_none()), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.file.ends_with("trimmed")), "{problems:?}");
}
