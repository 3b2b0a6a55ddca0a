//! Where the time of an import goes: lines and log, then folds.
use sm_benches::traffic;
use std::time::Instant;
fn main() {
    let t = traffic::transcript(100_000);
    for _ in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) =
            sm_log::Log::open(dir.path().join("log"), sm_log::Options::default()).unwrap();
        let b = Instant::now();
        let i = sm_ingest::Importer::begin(
            log.clone(),
            std::path::Path::new("x"),
            None,
            None,
            0,
            |_, _| {},
        )
        .unwrap();
        i.run(&t[..], 0).unwrap();
        eprintln!("import {:?}", b.elapsed());
        let b = Instant::now();
        let store = std::sync::Arc::new(
            sm_projections::Store::open(
                &dir.path().join("p"),
                &log.id(),
                sm_projections::Commit::Synced,
            )
            .unwrap(),
        );
        let mut p = sm_projections::Projector::new(store, log.reader()).unwrap();
        while p.advance(16384).unwrap() > 0 {}
        eprintln!("fold {:?}", b.elapsed());
    }
}
