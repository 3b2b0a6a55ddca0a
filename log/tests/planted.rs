//! Would the tests notice? Each bug that is planted on purpose is caught by the check that is there to
//! catch it.

#[expect(dead_code, reason = "shared by several tests")]
mod sim;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::{Act, Random, Sim};
use sm_log::planted::{Bug, plant};
use sm_log::storage::Storage;
use sm_log::{Entry, Item, Log, Options};

/// One bug at a time.
static ONE: Mutex<()> = Mutex::new(());

fn open(sim: &Sim) -> Log {
    let options = Options::default()
        .with_segment_bytes(4096)
        .with_patience(Duration::from_millis(2))
        .with_back_off(Duration::from_micros(50))
        .without_background();
    Log::open_in(Arc::new(sim.clone()), options).unwrap().0
}

fn payload(seq: u64) -> Vec<u8> {
    (0..300).map(|at| (seq * 31 + at * seq % 7) as u8).collect()
}

fn commit(log: &Log, seq: u64) -> bool {
    log.commit(&[Entry { session: b"s", payload: &payload(seq), ..Entry::default() }]).is_ok()
}

/// All up to `acknowledged` is there as it was said.
fn holds(log: &Log, acknowledged: u64) -> bool {
    let mut cursor = log.reader().cursor(1).unwrap();
    let mut next = 1;
    while let Some(Item::Record(record)) = cursor.next().unwrap() {
        if record.seq != next || record.payload != payload(next) {
            return false;
        }
        next += 1;
    }
    next > acknowledged
}

/// Whether `check` holds without the bug, and does not with it.
fn catches(bug: Bug, check: impl Fn() -> bool) {
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    plant(Bug::None);
    assert!(check(), "fails without a bug");
    plant(bug);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| !check()));
    plant(Bug::None);
    assert!(caught.unwrap_or(true), "{bug:?} is not caught");
}

#[test]
fn acknowledging_before_the_sync_is_caught_by_a_power_cut() {
    catches(Bug::AcknowledgeBeforeSync, || {
        (0..20).all(|seed| {
            let sim = Sim::new();
            let log = open(&sim);
            let acknowledged = (1..20).take_while(|&seq| commit(&log, seq)).count() as u64;
            holds(&open(&sim.cut(&mut Random(seed))), acknowledged)
        })
    });
}

#[test]
fn believing_a_sync_after_a_failed_one_is_caught_by_a_power_cut() {
    catches(Bug::BelieveLaterSync, || {
        (0..20).all(|seed| {
            let sim = Sim::new();
            let log = open(&sim);
            commit(&log, 1);
            sim.fail(Act::Sync, 0, 1);
            let acknowledged = (2..10).take_while(|&seq| commit(&log, seq)).count() as u64 + 1;
            holds(&open(&sim.cut(&mut Random(seed))), acknowledged)
        })
    });
}

#[test]
fn a_record_checksum_that_is_skipped_is_caught_by_a_flipped_bit() {
    catches(Bug::SkipRecordChecksum, || flipped(false));
}

#[test]
fn a_block_checksum_that_is_skipped_is_caught_by_a_flipped_bit() {
    catches(Bug::SkipBlockChecksum, || flipped(true));
}

/// Nothing wrong is served, whichever bit is flipped.
fn flipped(seal: bool) -> bool {
    let sim = Sim::new();
    let log = open(&sim);
    (1..20).for_each(|seq| assert!(commit(&log, seq)));
    if seal {
        log.seal().unwrap();
    }
    drop(log);
    let name = sim.names().unwrap().into_iter().min().unwrap();
    (64 * 8..sim.read(&name).len() * 8).step_by(7).all(|bit| {
        let sim = sim.kill();
        sim.damage(&name, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let mut cursor = open(&sim).reader().cursor(1).unwrap();
        let mut right = true;
        while let Some(item) = cursor.next().unwrap() {
            if let Item::Record(record) = item {
                right &= record.payload == payload(record.seq) && record.session == b"s";
            }
        }
        right
    })
}

#[test]
fn a_block_that_is_left_out_is_caught_by_reading() {
    catches(Bug::DropLastBlock, || {
        let log = open(&Sim::new());
        (1..30).for_each(|seq| assert!(commit(&log, seq)));
        log.seal().unwrap();
        holds(&log, 29)
    });
}

#[test]
fn removing_the_plain_segment_too_early_is_caught_by_dying_at_every_step() {
    catches(Bug::RemoveTooEarly, || {
        (0..60).all(|lives| {
            let sim = Sim::new();
            let log = open(&sim);
            (1..30).for_each(|seq| assert!(commit(&log, seq)));
            sim.die_after(lives);
            let _ = log.seal();
            (0..4).all(|seed| holds(&open(&sim.cut(&mut Random(seed))), 29))
        })
    });
}
