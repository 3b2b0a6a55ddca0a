//! A rebuild of all projections from a log that is there, durable at the end, beside the same folds kept
//! in memory only, and beside SQLite keeping the same rows; same run. `CLOCK=processor` counts processor time.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use sm_benches::sqlite_tables::Rows;
use sm_benches::{sm, sqlite_tables, traffic};
use sm_log::{Item, Reader};
use sm_projections::fold::fold;
use sm_projections::state::{Nothing, State};
use sm_projections::{Below, Snapshots, Store};
use std::path::Path;
use std::time::Duration;

const RECORDS: usize = 200_000;

/// Folds everything into rows in memory, and nothing else.
fn in_memory(log: &Reader) -> State {
    let mut state = State::default();
    let mut cursor = log.cursor(1).expect("the log can be read");
    while let Some(item) = cursor.next().expect("the log can be read") {
        if let Item::Record(record) = item {
            fold(&mut state, &Nothing, &record);
        }
    }
    state
}

/// How long it took, or with CLOCK=processor how much of the processors: what others do on the machine
/// is then left out, and it is what one processor would need.
fn clock() -> Duration {
    let which = match std::env::var_os("CLOCK").is_some_and(|clock| clock == "processor") {
        true => ClockId::ProcessCPUTime,
        false => ClockId::Monotonic,
    };
    let now = clock_gettime(which);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn timed(mut work: impl FnMut(&Path)) -> impl FnMut(u64) -> Duration {
    move |rounds| {
        let mut taken = Duration::ZERO;
        for _ in 0..rounds {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let begin = clock();
            work(dir.path());
            taken += clock() - begin;
        }
        taken
    }
}

/// How many rows the folds make where the peer makes rows.
fn rows(log: &Reader) -> Rows {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let snapshots = Snapshots::new(dir.path().join("snapshots"));
    sm_projections::rebuild(dir.path(), Below::Kept(&snapshots), log, |_| {}).expect("it folds");
    let store = Store::open_existing(&Store::path_in(dir.path())).expect("the tables open");
    let sizes = store.view().and_then(|view| view.sizes()).expect("the tables are read");
    let of = |table: &str| {
        let size = sizes.iter().find(|size| size.table == table);
        size.map_or(0, |size| size.rows as i64)
    };
    Rows {
        sessions: of("sessions"),
        turns: of("turns"),
        actions: of("actions"),
        requests: of("requests"),
        spans: of("spans"),
    }
}

fn rebuild(criterion: &mut Criterion) {
    let transcript = traffic::transcript(RECORDS, None);
    let home = tempfile::tempdir().expect("a temporary folder");
    sm::import(home.path(), &transcript);
    let reader = Reader::open(home.path().join("log")).expect("the log opens");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let theirs = sqlite_tables::rebuild(dir.path(), &transcript);
    let ours = rows(&reader);
    assert_eq!(Rows { spans: ours.spans, ..theirs }, ours, "both keep the same rows");
    // The peer has no phase for the retries that Codex makes by itself.
    assert!((ours.spans * 98 / 100..=ours.spans).contains(&theirs.spans), "{theirs:?} {ours:?}");
    let mut group = criterion.benchmark_group("rebuild");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Elements(reader.watermark()));
    group.bench_function("sm", |bencher| {
        bencher.iter_custom(timed(|dir| {
            // Nothing was trimmed.
            let snapshots = Snapshots::new(dir.join("snapshots"));
            sm_projections::rebuild(dir, Below::Kept(&snapshots), &reader, |_| {})
                .expect("the log folds");
        }));
    });
    group.bench_function("in_memory", |bencher| {
        bencher.iter_custom(timed(|_| drop(std::hint::black_box(in_memory(&reader)))));
    });
    group.bench_function("sqlite", |bencher| {
        bencher.iter_custom(timed(|dir| {
            sqlite_tables::rebuild(dir, &transcript);
        }));
    });
    group.finish();
}

criterion_group!(benches, rebuild);
criterion_main!(benches);
