//! Rot, exhaustively: every bit of a small log flipped and every length it can be cut to. The log
//! opens, at most one frame is missing and is named, and nothing wrong is served.

#[expect(dead_code, reason = "shared by several tests")]
mod sim;

use std::sync::Arc;
use std::time::Duration;

use sim::Sim;
use sm_log::storage::Storage;
use sm_log::{Entry, Gap, GapReason, Item, Log, OpenError, Options, ReadError, Reader};

/// Sizes of the frames' records; each frame is one commit.
const FRAMES: [&[usize]; 9] =
    [&[10, 0, 30], &[700], &[5, 5], &[900, 1], &[1300], &[600, 2, 2], &[40], &[7, 7], &[100]];

fn options() -> Options {
    Options::default()
        .with_segment_bytes(4096)
        .with_patience(Duration::from_millis(20))
        .without_background()
}

/// What a record says: told by its seq.
fn payload(seq: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| (seq as usize * 31 + at * 7) as u8).collect()
}

struct Small {
    sim: Sim,
    payloads: Vec<Vec<u8>>,
    /// First and last seq of each frame.
    frames: Vec<(u64, u64)>,
    segments: Vec<String>,
}

fn open(sim: &Sim) -> Result<(Log, sm_log::Recovery), OpenError> {
    Log::open_in(Arc::new(sim.clone()), options())
}

fn small() -> Small {
    let sim = Sim::new();
    let (log, _) = open(&sim).unwrap();
    let (mut payloads, mut frames) = (Vec::new(), Vec::new());
    for sizes in FRAMES {
        let first = payloads.len() as u64 + 1;
        let seqs = first..;
        payloads.extend(seqs.zip(sizes).map(|(seq, &len)| payload(seq, len)));
        let entries: Vec<_> = payloads[first as usize - 1..]
            .iter()
            .map(|payload| Entry { session: b"s", payload, ..Entry::default() })
            .collect();
        log.commit(&entries).unwrap();
        frames.push((first, payloads.len() as u64));
    }
    drop(log);
    let sim = sim.kill();
    let mut segments = sim.names().unwrap();
    segments.retain(|name| name.ends_with(".seg"));
    assert!(segments.len() >= 2, "{segments:?}");
    Small { sim, payloads, frames, segments }
}

/// All gaps; every record is compared.
fn gaps(reader: &Reader, payloads: &[Vec<u8>], what: &str) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut cursor = reader.cursor(1).unwrap();
    let mut next = 1;
    while let Some(item) = cursor.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!(record.seq, next, "{what}");
                assert_eq!(record.payload, payloads[next as usize - 1], "{what}");
                next += 1;
            }
            Item::Gap(gap) => {
                assert_eq!(gap.first, next, "{what}");
                next = gap.last + 1;
                gaps.push(gap);
            }
        }
    }
    assert_eq!(next, reader.watermark() + 1, "{what}");
    sim::assert_both_ways(reader, 1);
    gaps
}

/// Both ways in: by reading only, and by opening for writing and going on.
fn check(small: &Small, sim: &Sim, what: &str) -> Vec<Gap> {
    let count = small.payloads.len() as u64;
    let reader = Reader::open_in(Arc::new(sim.clone()));
    let read = match reader {
        Ok(reader) => gaps(&reader, &small.payloads, what),
        Err(error) => {
            assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {error}");
            Vec::new()
        }
    };
    let (log, recovery) = open(sim).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!((recovery.last, &recovery.torn), (count, &None), "{what}: {recovery:?}");
    let mut payloads = small.payloads.clone();
    payloads.push(b"more".to_vec());
    log.commit(&[Entry { session: b"s", payload: b"more", ..Entry::default() }]).unwrap();
    let reader = log.reader();
    let found = gaps(&reader, &payloads, what);
    for (gap, seq) in found.iter().flat_map(|gap| (gap.first..=gap.last).map(move |s| (gap, s))) {
        match reader.get(seq) {
            Err(ReadError::Gap(named)) => assert_eq!(named.reason, gap.reason, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    let missing: u64 = found.iter().map(|gap| gap.last - gap.first + 1).sum();
    assert_eq!(reader.revisions(b"s").unwrap(), count + 1 - missing, "{what}");
    if !read.is_empty() {
        assert_eq!(seqs(&read), seqs(&found), "{what}");
    }
    found
}

fn seqs(gaps: &[Gap]) -> Vec<(u64, u64)> {
    gaps.iter().map(|gap| (gap.first, gap.last)).collect()
}

#[test]
fn every_flipped_bit_costs_one_frame_at_most() {
    let small = small();
    let (mut none, mut records, mut frames) = (0, 0, 0);
    for name in &small.segments {
        let bytes = small.sim.read(name);
        let used = bytes.len() - bytes.iter().rev().take_while(|&&byte| byte == 0).count();
        // Beyond the last frame a bit here and there is enough.
        let bits = (0..used * 8).chain((used * 8..bytes.len() * 8).step_by(997));
        for bit in bits {
            let sim = small.sim.kill();
            sim.damage(name, |bytes| {
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            });
            let what = format!("{name} bit {bit}");
            match check(&small, &sim, &what).as_slice() {
                [] => none += 1,
                [gap] if gap.reason == GapReason::Record => {
                    assert_eq!(gap.first, gap.last, "{what}");
                    records += 1;
                }
                [gap] => {
                    assert!(small.frames.contains(&(gap.first, gap.last)), "{what}: {gap}");
                    frames += 1;
                }
                more => panic!("{what}: {more:?}"),
            }
        }
    }
    assert!(none > 0 && records > 0 && frames > 0);
}

#[test]
fn every_flipped_bit_of_the_watermark_file_costs_nothing() {
    let small = small();
    let words = small.sim.words_now();
    let used = words.len() - words.iter().rev().take_while(|&&word| word == 0).count();
    for bit in 0..used * 64 {
        let sim = small.sim.kill();
        let mut words = words.clone();
        words[bit / 64] ^= 1 << (bit % 64);
        sim.set_words(&words);
        assert_eq!(check(&small, &sim, &format!("bit {bit}")), []);
    }
}

#[test]
fn a_lost_watermark_file_costs_nothing() {
    let small = small();
    small.sim.set_words(&[0; sm_log::storage::WORDS]);
    // Who may only read gets every record, too, and is told.
    let reader = Reader::open_in(Arc::new(small.sim.clone())).unwrap();
    assert_eq!(reader.watermark(), small.payloads.len() as u64);
    assert_eq!(gaps(&reader, &small.payloads, "read only"), []);
    let problems = reader.verify(true).unwrap().problems;
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.file.ends_with("watermark") && problem.remedy().contains("for writing once"));
    assert_eq!(check(&small, &small.sim, "no words"), []);
}

#[test]
fn every_cut_below_the_watermark_is_a_gap() {
    let small = small();
    for name in &small.segments {
        for len in 0..small.sim.read(name).len() {
            let sim = small.sim.kill();
            sim.damage(name, |bytes| bytes.truncate(len));
            let found = check(&small, &sim, &format!("{name} cut to {len}"));
            // What is missing is one run of seqs.
            let mut runs = seqs(&found);
            runs.dedup_by(|next, before| {
                before.1 + 1 == next.0 && {
                    before.1 = next.1;
                    true
                }
            });
            assert!(runs.len() <= 1, "{runs:?}");
        }
    }
}

#[test]
fn every_cut_beyond_what_is_known_durable_is_torn() {
    let small = small();
    let last = small.segments.last().unwrap();
    let whole = small.sim.read(last);
    let mut lasts = Vec::new();
    for len in 0..whole.len() {
        let sim = small.sim.kill();
        sim.damage(last, |bytes| bytes.truncate(len));
        sim.set_words(&[0; sm_log::storage::WORDS]);
        let (log, recovery) = open(&sim).unwrap();
        assert_eq!(recovery.gaps, [], "cut to {len}");
        let ends = small.frames.iter().map(|frame| frame.1);
        assert!(ends.chain([0]).any(|end| end == recovery.last), "cut to {len}: {recovery:?}");
        assert_eq!(gaps(&log.reader(), &small.payloads, "torn"), []);
        lasts.push(recovery.last);
    }
    assert!(lasts.is_sorted());
    assert_eq!(lasts.last(), Some(&(small.payloads.len() as u64)));
}

#[test]
fn a_log_whose_id_nothing_tells_is_refused() {
    let small = small();
    small.sim.set_words(&[0; sm_log::storage::WORDS]);
    for name in &small.segments {
        small.sim.damage(name, |bytes| bytes[20] ^= 1);
    }
    match open(&small.sim) {
        Err(OpenError::Damaged { remedy, .. }) => assert!(remedy.contains("put")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_segment_is_a_gap() {
    let small = small();
    for name in &small.segments {
        let sim = small.sim.kill();
        sim.delete(name);
        let found = check(&small, &sim, name);
        let first: u64 = name[..20].parse().unwrap();
        assert_eq!(found.first().map(|gap| gap.first), Some(first), "{found:?}");
    }
}

#[test]
fn segments_of_two_logs_in_one_directory_are_told_apart() {
    let (small, other) = (small(), small());
    for (from, to) in other.segments.iter().zip(["00000000000000000002-00000090.seg"]) {
        let bytes = other.sim.read(from);
        small.sim.create(to).unwrap().write_at(&[&bytes], 0).unwrap();
    }
    let sim = small.sim.kill();
    let (_, recovery) = open(&sim).unwrap();
    assert_eq!(recovery.strangers.len(), 1, "{recovery:?}");
    assert_eq!(check(&small, &small.sim.kill(), "mixed"), []);
}

#[test]
fn a_newer_format_is_refused_and_told() {
    let small = small();
    let sim = small.sim.kill();
    sim.damage(&small.segments[0], |bytes| {
        bytes[8] = 99;
        bytes[12..16].fill(0);
        let crc = crc32fast::hash(&bytes[..64]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    });
    match open(&sim) {
        Err(OpenError::Version { found: 99, .. }) => {}
        other => panic!("{other:?}"),
    }
}
