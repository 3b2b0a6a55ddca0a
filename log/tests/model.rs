//! The promise itself, against a model: whatever is written, fails, dies or loses its power, what is
//! found afterwards holds all that was acknowledged and nothing that was not said.

#[expect(dead_code, reason = "shared by several tests")]
mod sim;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sim::{ACTS, Act, Random, Sim};
use sm_log::{AppendError, Durability, Entry, GapReason, Item, Log, Options, Reader};

#[derive(Debug, Clone)]
enum Op {
    Append(Vec<u16>),
    Commit(Vec<u16>),
    Sync,
    Seal,
    Trim(u8),
    Prepare,
    Fail(usize, u32, u32),
    Heal,
    FlushWords,
    Kill,
    Cut(u64),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let sizes = || prop::collection::vec(prop_oneof![4 => 0u16..200, 1 => 0u16..5000], 1..6);
    prop_oneof![
        8 => sizes().prop_map(Op::Append),
        8 => sizes().prop_map(Op::Commit),
        2 => Just(Op::Sync),
        3 => Just(Op::Seal),
        1 => any::<u8>().prop_map(Op::Trim),
        3 => Just(Op::Prepare),
        3 => (0..ACTS.len(), 0u32..4, 1u32..4).prop_map(|(act, good, bad)| Op::Fail(act, good, bad)),
        2 => Just(Op::Heal),
        2 => Just(Op::FlushWords),
        1 => Just(Op::Kill),
        2 => any::<u64>().prop_map(Op::Cut),
        1 => Just(Op::Reopen),
    ]
}

/// What the log should hold.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Record(Vec<u8>),
    Lost,
}

struct Model {
    sim: Sim,
    log: Option<Log>,
    options: Options,
    /// All that was accepted, from seq 1 on.
    said: Vec<Expected>,
    /// Must be there whatever happens.
    durable: u64,
    /// Must be there unless the power goes.
    acknowledged: u64,
    /// Was acknowledged when the power went: there, or a gap.
    doubtful: u64,
    /// Below that nothing is kept, durably; and no more was asked for.
    floor: u64,
    asked: u64,
    /// The medium refused to keep these, or may have: there until the power goes, and then perhaps.
    doubted: Vec<(u64, u64)>,
    /// Those of them that the power may have taken.
    gone: Vec<(u64, u64)>,
    count: u64,
}

impl Model {
    fn new(durability: Durability) -> Model {
        let options = Options::durability(durability)
            .with_segment_bytes(4096)
            .with_ring_bytes(16 << 10)
            .with_patience(Duration::from_millis(4))
            .with_back_off(Duration::from_micros(100))
            .without_background();
        let sim = Sim::new();
        let mut model = Model {
            sim,
            log: None,
            options,
            said: Vec::new(),
            durable: 0,
            acknowledged: 0,
            doubtful: 0,
            floor: 1,
            asked: 1,
            doubted: Vec::new(),
            gone: Vec::new(),
            count: 0,
        };
        model.open();
        model
    }

    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Append(sizes) => self.append(sizes, false),
            Op::Commit(sizes) => self.append(sizes, true),
            Op::Sync => {
                if self.log().sync().is_ok() {
                    assert_eq!(self.log().health().synced, self.log().accepted());
                }
            }
            Op::Prepare => drop(self.log().prepare()),
            Op::Seal => {
                let _ = self.log().seal();
                self.check();
            }
            Op::Trim(part) => {
                let keep_from = self.log().watermark() * u64::from(*part) / 256 + 1;
                self.asked = self.asked.max(keep_from);
                if let Ok(floor) = self.log().trim(keep_from) {
                    self.floor = self.floor.max(floor);
                }
                self.check();
            }
            Op::Fail(act, good, bad) => self.sim.fail(ACTS[*act], *good, *bad),
            Op::Heal => self.sim.heal(),
            Op::FlushWords => self.sim.flush_words(),
            Op::Kill => {
                self.note();
                let os = self.options.durability == Durability::Os;
                if os && self.log().health().persist_errors > 0 {
                    // The next process cannot know of a sync that failed in this one.
                    self.doubted.push((self.durable + 1, self.said.len() as u64));
                }
                self.sim = self.sim.kill();
                self.log = None;
                self.open();
            }
            Op::Cut(seed) => {
                self.note();
                self.sim = self.sim.cut(&mut Random(*seed));
                self.log = None;
                self.doubtful = self.doubtful.max(self.acknowledged);
                self.acknowledged = self.durable;
                self.gone = std::mem::take(&mut self.doubted);
                self.open();
                self.gone.clear();
            }
            Op::Reopen => {
                self.sim.heal();
                while self.log().sync().is_err() {}
                self.note();
                self.log = None;
                self.acknowledged = self.said.len() as u64;
                self.open();
            }
        }
        self.note();
    }

    /// What readers were shown is acknowledged; what is synced is durable.
    fn note(&mut self) {
        let health = self.log().health();
        self.acknowledged = self.acknowledged.max(health.watermark);
        for range in health.doubtful {
            if !self.doubted.contains(&range) {
                self.doubted.push(range);
            }
        }
        let mut synced = health.synced;
        while within(&self.doubted, synced) {
            synced -= 1;
        }
        self.durable = self.durable.max(synced);
        if self.options.durability == Durability::Sync {
            self.durable = self.durable.max(self.acknowledged);
        }
    }

    fn append(&mut self, sizes: &[u16], commit: bool) {
        let payloads: Vec<Vec<u8>> = sizes
            .iter()
            .map(|&size| {
                self.count += 1;
                self.count.to_le_bytes().into_iter().cycle().take(size as usize).collect()
            })
            .collect();
        let entries: Vec<_> = payloads
            .iter()
            .map(|payload| Entry { session: b"s", payload, ..Entry::default() })
            .collect();
        let first = self.said.len() as u64 + 1;
        match self.log().append(&entries) {
            Ok(receipt) => {
                assert_eq!(receipt.first, first);
                self.said.extend(payloads.into_iter().map(Expected::Record));
                if commit && receipt.wait().is_ok() {
                    self.acknowledged = self.acknowledged.max(receipt.last);
                }
            }
            Err(AppendError::Lost { first: lost, last, .. }) => {
                assert_eq!((lost, last), (first, first + sizes.len() as u64 - 1));
                self.said.extend(sizes.iter().map(|_| Expected::Lost));
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn open(&mut self) {
        // A disk that fails while the log is opened is told; then it is healed.
        let storage = Arc::new(self.sim.clone());
        let (log, recovery) = match Log::open_in(storage.clone(), self.options.clone()) {
            Ok(opened) => opened,
            Err(_) => {
                self.sim.heal();
                Log::open_in(storage, self.options.clone()).expect("a sound medium opens")
            }
        };
        assert!(recovery.last >= self.durable, "{recovery:?} < {}", self.durable);
        assert!(recovery.last >= self.acknowledged, "{recovery:?} < {}", self.acknowledged);
        // Where the shared words were lost too, nothing tells of what was never synced.
        self.doubtful = self.doubtful.min(recovery.last);
        assert!(recovery.last <= self.said.len() as u64, "invented: {recovery:?}");
        self.said.truncate(recovery.last as usize);
        self.log = Some(log);
        self.check();
        self.acknowledged = recovery.last;
        self.note();
    }

    /// Every reader sees exactly what was said, up to the watermark.
    fn check(&mut self) {
        let other = Reader::open_in(Arc::new(self.sim.clone())).unwrap();
        for reader in [self.log().reader(), other] {
            let floor = reader.floor();
            assert!((self.floor..=self.asked).contains(&floor), "{floor}, trimmed {}", self.floor);
            assert!(floor == 1 || reader.get(floor - 1).is_err());
            let mut cursor = reader.cursor(floor).unwrap();
            let mut next = floor;
            let mut gone = Vec::new();
            while let Some(item) = cursor.next().unwrap() {
                match item {
                    Item::Record(record) => {
                        let said = &self.said[record.seq as usize - 1];
                        assert_eq!(record.seq, next);
                        assert_eq!(*said, Expected::Record(record.payload.to_vec()));
                        next += 1;
                    }
                    Item::Gap(gap) => {
                        assert_eq!(gap.first, next, "{gap}");
                        for seq in gap.first..=gap.last {
                            let lost = self.said[seq as usize - 1] == Expected::Lost;
                            assert!(
                                lost || within(&self.gone, seq)
                                    || seq > self.durable && seq <= self.doubtful,
                                "{gap}, durable {}",
                                self.durable
                            );
                            assert!(lost || gap.reason != GapReason::Lost);
                            gone.push(seq);
                        }
                        next = gap.last + 1;
                    }
                }
            }
            assert_eq!(next, reader.watermark() + 1);
            assert!(next > self.acknowledged);
            // What is gone stays gone, and is expected to.
            for seq in gone {
                self.said[seq as usize - 1] = Expected::Lost;
            }
            let kept = self.said[..next as usize - 1].iter();
            let kept = kept.filter(|said| **said != Expected::Lost).count() as u64;
            assert_eq!(reader.revisions(b"s").unwrap(), kept);
        }
    }
}

fn within(ranges: &[(u64, u64)], seq: u64) -> bool {
    ranges.iter().any(|&(first, last)| (first..=last).contains(&seq))
}

fn check(durability: Durability, ops: &[Op]) {
    let mut model = Model::new(durability);
    for op in ops {
        model.run(op);
    }
    model.check();
    model.run(&Op::Reopen);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(200),
        failure_persistence: Some(Box::new(
            prop::test_runner::FileFailurePersistence::Direct("tests/model.regressions"),
        )),
        ..ProptestConfig::default()
    })]

    #[test]
    fn synced_records_survive_everything(ops in prop::collection::vec(op(), 1..60)) {
        check(Durability::Sync, &ops);
    }

    #[test]
    fn interval_records_survive_or_are_declared(ops in prop::collection::vec(op(), 1..60)) {
        check(Durability::Interval(Duration::from_secs(3600)), &ops);
    }

    #[test]
    fn os_records_survive_or_are_declared(ops in prop::collection::vec(op(), 1..60)) {
        check(Durability::Os, &ops);
    }
}

/// The model bites: on a medium whose sync does nothing it finds a loss.
#[test]
fn a_lying_sync_is_caught() {
    let caught = (0..50u64).any(|seed| {
        std::panic::catch_unwind(|| {
            let mut model = Model::new(Durability::Sync);
            model.sim.lie();
            for _ in 0..10 {
                model.run(&Op::Commit(vec![100, 2000]));
            }
            model.run(&Op::Cut(seed));
        })
        .is_err()
    });
    assert!(caught);
}

#[test]
fn a_failed_sync_is_never_believed_later() {
    let mut model = Model::new(Durability::Sync);
    model.run(&Op::Commit(vec![10]));
    model.sim.fail(Act::Sync, 0, 2);
    model.run(&Op::Append(vec![20, 30]));
    model.run(&Op::Sync);
    model.run(&Op::Sync);
    model.run(&Op::Commit(vec![40]));
    let log = model.log();
    assert_eq!(log.watermark(), 4);
    let health = log.health();
    assert!(health.persist_errors >= 1 && !health.failing, "{health:?}");
    for seed in 0..20 {
        model.run(&Op::Cut(seed));
        assert_eq!(model.log().watermark(), 4);
    }
}

/// With `Os` a sync may fail for records that were acknowledged. A power cut may leave gaps there, which
/// only frames tell from a torn tail that are themselves left behind as torn. What is synced on top
/// of them after the next opening is there, even when the watermark file was lost each time.
#[test]
fn what_is_synced_after_a_gap_survives_without_the_watermark_file() {
    for seed in 0..100 {
        let mut model = Model::new(Durability::Os);
        model.run(&Op::Commit(vec![100, 3000, 100]));
        model.sim.fail(Act::Sync, 0, 1);
        model.run(&Op::Sync);
        assert_eq!(model.log().health().doubtful, [(1, 3)]);
        for op in [
            Op::Commit(vec![54, 4932, 585]),
            Op::Commit(vec![12, 2420, 76]),
            Op::Cut(seed),
            Op::Commit(vec![30, 1200]),
            Op::Sync,
            Op::Cut(seed + 1000),
            Op::Sync,
            Op::Cut(seed + 2000),
        ] {
            model.run(&op);
        }
    }
}

/// The same while the log is open: what is written between the failed sync and the next good one.
#[test]
fn what_is_synced_after_a_failed_sync_survives_without_the_watermark_file() {
    for (seed, kill) in (0..100).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut model = Model::new(Durability::Os);
        model.run(&Op::Commit(vec![10]));
        model.run(&Op::Sync);
        model.sim.fail(Act::Sync, 0, 1);
        model.sim.fail(Act::Create, 0, u32::MAX);
        model.run(&Op::Append(vec![100, 2000, 100, 1000]));
        model.run(&Op::Sync);
        assert!(model.log().health().failing);
        model.sim.heal();
        if kill {
            model.run(&Op::Kill);
        }
        model.run(&Op::Commit(vec![40, 50]));
        model.run(&Op::Sync);
        assert_eq!(model.durable, 7);
        model.run(&Op::Cut(seed));
        model.run(&Op::Sync);
        model.run(&Op::Cut(seed + 1000));
    }
}
