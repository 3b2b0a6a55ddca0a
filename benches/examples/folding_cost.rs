//! What live folding adds to ingest: the processor time of the daemon's folding thread beside recorded
//! traffic that comes at a steady pace. `folding_cost [RECORDS_A_SECOND] [SECONDS]`.

#![expect(clippy::print_stdout, reason = "printing is all it does")]

use sm_benches::traffic;
use sm_daemon::Folding;
use sm_ingest::Importer;
use sm_log::{Log, Options};
use sm_projections::{Commit, Projector, Store};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A transcript that can be read no quicker than so many lines a second.
struct Paced<'t> {
    rest: &'t [u8],
    began: Instant,
    rate: f64,
    given: f64,
}

impl Read for Paced<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else { return Ok(0) };
        while self.began.elapsed().as_secs_f64() * self.rate < self.given {
            std::thread::sleep(Duration::from_micros(200));
        }
        let count = (end + 1).min(into.len());
        into[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        self.given += f64::from(u8::from(count == end + 1));
        Ok(count)
    }
}

/// The processor time that the thread `name` has had, and all of them.
fn processor(name: &str) -> (Duration, Duration) {
    let (mut of, mut all) = (Duration::ZERO, Duration::ZERO);
    for task in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file));
        let (Ok(comm), Ok(times)) = (read("comm"), read("schedstat")) else { continue };
        let nanos = times.split(' ').next().and_then(|text| text.parse().ok());
        let time = Duration::from_nanos(nanos.unwrap_or(0));
        all += time;
        if comm.trim() == name {
            of += time;
        }
    }
    (of, all)
}

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<f64>().expect("a number"));
    let (rate, seconds) = (words.next().unwrap_or(5000.0), words.next().unwrap_or(30.0));
    let transcript = traffic::transcript((rate * seconds) as usize, Some(100));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (log, _) = Log::open(dir.path().join("log"), Options::default()).expect("a log");
    let path = Store::path_in(&dir.path().join("projections"));
    let store = Arc::new(Store::open(&path, &log.id(), Commit::Synced).expect("tables"));
    let projector = Projector::new(store, log.reader()).expect("a projector");
    let folding = Folding::start(&log, projector, Arc::new(|_: &str| {})).expect("a thread");
    let importer = Importer::begin(log.clone(), Path::new("paced"), None, None, 0, |_, _| {});
    let began = Instant::now();
    let paced = Paced { rest: &transcript, began, rate, given: 0.0 };
    importer.expect("a source").run(paced, 0).expect("every line is taken");
    let (of, all) = processor("fold");
    let (took, records) = (began.elapsed().as_secs_f64(), log.watermark());
    let behind = records - *folding.folded().seq().borrow();
    println!(
        "{records} records in {took:.1} s, {:.0} a second: folding took {:.2} % of one processor, all \
         threads {:.1} %; {behind} records behind at the end",
        records as f64 / took,
        of.as_secs_f64() / took * 100.0,
        all.as_secs_f64() / took * 100.0,
    );
}
