//! Import of captured traffic, durable at the end: `sm` (log, folds, LMDB) beside SQLite, same run.

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use sm_benches::{sm, sqlite, traffic};
use std::time::{Duration, Instant};

const RECORDS: usize = 100_000;

fn import(criterion: &mut Criterion) {
    let transcript = traffic::transcript(RECORDS, None);
    let mut group = criterion.benchmark_group("import");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Elements(traffic::lines(&transcript) as u64));
    for (name, import) in [
        ("sm", sm::import as fn(&std::path::Path, &[u8]) -> u64),
        ("sqlite_full_64", sqlite::import),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    let dir = tempfile::tempdir().expect("a temporary folder");
                    let begin = Instant::now();
                    import(dir.path(), &transcript);
                    taken += begin.elapsed();
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, import);
criterion_main!(benches);
