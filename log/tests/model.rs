//! The promise itself, against a model: whatever is written, fails, dies or loses its power, what is
//! found afterwards holds all that was acknowledged and nothing that was not said.

#[expect(dead_code, reason = "shared by several tests")]
mod sim;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sim::{ACTS, Act, Random, Sim};
use sm_log::{AppendError, Cursor, Durability, Entry, GapReason, Item, Log, Options, Reader};

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
    /// A follower reads so many items on.
    Follow(bool, u8),
    ExpectBulk(bool),
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
        2 => Just(Op::Reopen),
        4 => (any::<bool>(), 0u8..40).prop_map(|(inside, items)| Op::Follow(inside, items)),
        1 => any::<bool>().prop_map(Op::ExpectBulk),
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
    /// One inside the writer's process, one that knows nothing but the files. They live through
    /// whatever the medium does, and through the log's being closed and opened again.
    followers: [Option<Cursor>; 2],
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
            followers: [None, None],
            count: 0,
        };
        model.open();
        model.start_followers();
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
            Op::Follow(inside, items) => self.follow(usize::from(*inside), (*items).into()),
            Op::ExpectBulk(much) => self.log().expect_bulk(*much),
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
                self.start_followers();
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
                self.start_followers();
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

    /// On this medium, from where they were on the one before: what was seen is still there, but for a
    /// power cut of what was not durable.
    fn start_followers(&mut self) {
        let files = Reader::open_in(Arc::new(self.sim.clone())).unwrap();
        let readers = [files, self.log().reader()];
        for (follower, reader) in self.followers.iter_mut().zip(readers) {
            let from = follower.as_ref().map_or(1, Cursor::position);
            let from = from.clamp(reader.floor(), self.said.len() as u64 + 1);
            *follower = Some(reader.cursor(from).unwrap());
        }
    }

    /// Reads on where it was: each seq once and in order, whatever became of the files meanwhile.
    fn follow(&mut self, which: usize, items: usize) {
        let watermark = self.log().watermark();
        let Some(follower) = &mut self.followers[which] else { return };
        for _ in 0..items {
            let next = follower.position();
            match follower.next().unwrap() {
                None => {
                    assert_eq!(next, watermark + 1, "not caught up");
                    return;
                }
                Some(Item::Record(record)) => {
                    assert_eq!(record.seq, next);
                    let said = &self.said[record.seq as usize - 1];
                    assert_eq!(*said, Expected::Record(record.payload.to_vec()));
                }
                Some(Item::Gap(gap)) => {
                    assert_eq!(gap.first, next, "{gap}");
                    let trimmed = gap.reason == GapReason::Trimmed && gap.last < self.asked;
                    let is_lost = |seq: u64| self.said[seq as usize - 1] == Expected::Lost;
                    assert!(trimmed || (gap.first..=gap.last).all(is_lost), "{gap}");
                }
            }
            assert!(follower.position() > next && follower.position() <= watermark + 1);
        }
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
    for follower in [0, 1] {
        model.follow(follower, usize::MAX);
    }
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

/// What once failed, as operations: a kept seed means something else as soon as an operation is added.
#[test]
fn what_once_failed_holds() {
    use Op::{Append, Commit, Cut, Fail, Follow, Heal, Kill, Prepare, Reopen, Seal, Sync, Trim};
    let cases = [
        // A follower that knew the records in a segment that was left for the next one.
        vec![
            Append(vec![0]),
            Append(vec![0]),
            Reopen,
            Commit(vec![0]),
            Commit(vec![0]),
            Append(vec![0]),
            Append(vec![0]),
            Append(vec![0]),
            Append(vec![0]),
            Reopen,
            Append(vec![0]),
            Reopen,
            Append(vec![0]),
            Append(vec![135]),
            Commit(vec![0, 1398, 141, 1391, 117]),
            Append(vec![138, 187, 69]),
            Follow(false, 1),
            Fail(0, 0, 1),
            Sync,
            Seal,
        ],
        vec![Append(vec![889]), Fail(2, 0, 1), Prepare, Reopen, Cut(8086991141448829)],
        vec![
            Commit(vec![0]),
            Append(vec![578]),
            Commit(vec![192, 61, 150, 128, 2582]),
            Reopen,
            Commit(vec![0, 0]),
            Fail(6, 2, 2),
            Seal,
            Trim(29),
            Trim(200),
        ],
        vec![
            Commit(vec![0]),
            Append(vec![0, 0, 0, 3229, 183]),
            Commit(vec![105, 137]),
            Append(vec![0]),
            Append(vec![0, 0]),
            Commit(vec![0, 0, 0, 0]),
            Reopen,
            Seal,
            Fail(6, 0, 2),
            Trim(18),
            Trim(137),
        ],
        vec![
            Commit(vec![0]),
            Commit(vec![3876]),
            Fail(5, 0, 1),
            Seal,
            Commit(vec![0]),
            Trim(86),
            Seal,
        ],
        vec![Fail(2, 0, 1), Prepare, Kill, Commit(vec![0]), Cut(856735180848949238)],
        vec![
            Commit(vec![1684]),
            Commit(vec![159, 1909, 1, 8]),
            Seal,
            Append(vec![0]),
            Trim(52),
            Cut(6418584276149785041),
        ],
        vec![
            Commit(vec![65, 105, 3690, 164, 89]),
            Commit(vec![60, 65]),
            Fail(2, 0, 2),
            Append(vec![144]),
            Sync,
            Append(vec![18, 1686, 111, 174, 190]),
            Sync,
            Prepare,
            Append(vec![54, 4932, 585]),
            Commit(vec![12, 2420, 76, 253, 4680]),
            Cut(12289354209036142909),
            Commit(vec![104, 38]),
            Fail(1, 0, 2),
            Append(vec![3876]),
            Sync,
            Prepare,
            Cut(14325474554898935749),
            Sync,
        ],
        vec![
            Append(vec![1966, 2200]),
            Commit(vec![76, 126, 24, 186, 180]),
            Commit(vec![0]),
            Append(vec![4412, 19]),
            Sync,
            Kill,
            Kill,
            Commit(vec![0]),
            Heal,
            Append(vec![4771, 115, 1355]),
            Commit(vec![138, 115, 28, 165, 82]),
            Seal,
            Reopen,
            Commit(vec![0]),
            Commit(vec![3598, 163, 121]),
            Kill,
            Append(vec![0]),
            Fail(2, 0, 1),
            Commit(vec![3483, 1854, 1, 6]),
            Seal,
            Cut(212079398858152892),
            Cut(1472101177051891051),
        ],
    ];
    for ops in cases {
        for durability in
            [Durability::Sync, Durability::Interval(Duration::from_secs(3600)), Durability::Os]
        {
            check(durability, &ops);
        }
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
