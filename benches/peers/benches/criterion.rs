//! A few acts of the log, watched for changes from one run to the next:
//! `cargo bench -p sm-peers --bench criterion`. The figures that count are ratios: `--bench figures`.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sm_log::Durability;
use sm_peers::load::{Load, RECORDS};
use sm_peers::log::{self, Written};
use sm_peers::{Figure, floors};

/// The time that so many records took.
fn took(figure: Figure, records: usize) -> Duration {
    Duration::from_secs_f64(records as f64 / figure.rate)
}

fn watch(criterion: &mut Criterion, name: &str, records: usize, run: impl Fn() -> Figure) {
    let mut group = criterion.benchmark_group("log");
    group.sample_size(10).throughput(Throughput::Elements(records as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| took(run(), records)).sum());
    });
    group.finish();
}

fn acts(criterion: &mut Criterion) {
    let load = Load::mixed();
    let written = Written::new("plain", &load, 1 << 30, false).closed();
    watch(criterion, "floor: buffered", RECORDS, || floors::buffered(&load, 256 << 10));
    watch(criterion, "os, batches of 64", RECORDS, || log::batches(&load, Durability::Os, 64));
    watch(criterion, "os, each awaited", RECORDS, || log::batches(&load, Durability::Os, 1));
    watch(criterion, "sync, one by one", RECORDS, || log::pipelined(&load, Durability::Sync, 1));
    watch(criterion, "replay", RECORDS, || written.replay(RECORDS));
    watch(criterion, "get", 20_000, || written.get(RECORDS, 20_000));
}

criterion_group!(benches, acts);
criterion_main!(benches);
