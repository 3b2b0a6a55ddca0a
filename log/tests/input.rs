//! Files that a log did not write, or not like that: each is refused or left out by name, and the rest
//! stays readable.

#[expect(dead_code, reason = "shared by several tests")]
mod sim;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sim::Sim;
use sm_log::storage::{File, Lock, Storage, Words};
use sm_log::{Entry, GapReason, Item, Log, OpenError, Options, ReadError, Reader};

fn options() -> Options {
    Options::default().with_segment_bytes(4096).without_background()
}

fn payload(seq: u64) -> Vec<u8> {
    (0..300).map(|at| (seq * 31 + at) as u8).collect()
}

fn append(log: &Log, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        let payload = payload(seq);
        let entry = Entry { time: 1000 - seq as i64, payload: &payload, ..Entry::default() };
        log.commit(&[entry]).unwrap();
    }
}

/// Sixty records in several segments; the older ones sealed, where asked for.
fn written(seal: bool) -> Sim {
    filled(60, seal)
}

fn filled(last: u64, seal: bool) -> Sim {
    let sim = Sim::new();
    let (log, _) = Log::open_in(Arc::new(sim.clone()), options()).unwrap();
    append(&log, 1..=last);
    if seal {
        assert!(log.seal().unwrap() >= 3);
    }
    drop(log);
    sim.kill()
}

fn names(storage: &dyn Storage, ending: &str) -> Vec<String> {
    let mut names = storage.names().unwrap();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

/// First and last seq of each gap, and why; every record is compared.
fn gaps(reader: &Reader) -> Vec<(u64, u64, GapReason)> {
    let (mut cursor, mut next, mut gaps) = (reader.cursor(1).unwrap(), 1, Vec::new());
    while let Some(item) = cursor.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!((record.seq, record.payload), (next, &payload(next)[..]));
                next += 1;
            }
            Item::Gap(gap) => {
                assert_eq!(gap.first, next);
                gaps.push((gap.first, gap.last, gap.reason));
                next = gap.last + 1;
            }
        }
    }
    assert_eq!(next, reader.watermark() + 1);
    gaps
}

#[test]
fn a_foreign_file_with_a_segments_name_hides_nothing() {
    for name in ["00000000000000000005-00000090.seg", "00000000000000000005-00000090.sealed"] {
        let sim = written(false);
        let text = b"this is no segment. ".repeat(100);
        sim.create(name).unwrap().write_at(&[&text], 0).unwrap();
        let sim = sim.kill();
        assert_eq!(gaps(&Reader::open_in(Arc::new(sim.clone())).unwrap()), []);
        let (log, recovery) = Log::open_in(Arc::new(sim), options()).unwrap();
        assert!(recovery.strangers.iter().any(|found| found.file.ends_with(name)), "{recovery:?}");
        assert_eq!((recovery.last, recovery.gaps.len()), (60, 0), "{recovery:?}");
        append(&log, 61..=62);
        assert_eq!(gaps(&log.reader()), []);
    }
}

#[test]
fn files_that_are_none_of_a_logs_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = ["notes.txt", "00000000000000000001.seg", "1-1.sealed", "core"];
    for name in foreign {
        std::fs::write(dir.path().join(name), b"mine").unwrap();
    }
    let (log, recovery) = Log::open(dir.path(), options()).unwrap();
    assert!(recovery.created && recovery.strangers.is_empty(), "{recovery:?}");
    append(&log, 1..=60);
    log.seal().unwrap();
    log.trim(30).unwrap();
    for name in foreign {
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), b"mine", "{name}");
    }
}

#[test]
fn a_newer_format_is_refused_wherever_it_stands() {
    let base = written(true);
    for ending in [".seg", ".sealed"] {
        let sim = base.kill();
        let name = names(&sim, ending).remove(0);
        sim.damage(&name, |bytes| make_newer(bytes));
        match Log::open_in(Arc::new(sim), options()) {
            Err(OpenError::Version { file, found: 2, known: 1 }) => {
                assert!(file.ends_with(&name));
            }
            other => panic!("{other:?}"),
        }
    }
    // The watermark file's head: word 1 is the version, word 4 covers the four before it.
    let sim = base.kill();
    let mut words = sim.words_now();
    words[1] = 2;
    let head: Vec<u8> = words[..4].iter().flat_map(|word| word.to_le_bytes()).collect();
    words[4] = u64::from(crc32fast::hash(&head)) | 1 << 32;
    sim.set_words(&words);
    let version = |error| matches!(error, OpenError::Version { found: 2, .. });
    assert!(version(Reader::open_in(Arc::new(sim.clone())).unwrap_err()));
    assert!(version(Log::open_in(Arc::new(sim), options()).unwrap_err()));
}

/// The trim file decides what is kept: one of a newer format is not taken for a damaged one. Nothing is
/// changed, records are read, and what cannot be counted without it is refused.
#[test]
fn a_newer_trim_file_is_refused_and_the_records_are_read() {
    let sim = written(true);
    let (log, _) = Log::open_in(Arc::new(sim.clone()), options()).unwrap();
    let floor = log.trim(40).unwrap();
    assert!(floor > 1);
    drop(log);
    let sim = sim.kill();
    sim.damage("trimmed", |bytes| {
        // All that a newer format has to keep is the head up to the checksum.
        bytes.truncate(40);
        bytes[16..].fill(9);
        newer(bytes, 40);
    });
    sim.create("00000000000000000001-00000001.sealed.tmp").unwrap();
    let before = sim.names().unwrap();
    let is_told = |file: &Path, found: u32, known: u32| {
        assert!(file.ends_with("trimmed"), "{}", file.display());
        assert_eq!((found, known), (2, 1));
    };
    match Log::open_in(Arc::new(sim.clone()), options()) {
        Err(OpenError::Version { file, found, known }) => is_told(&file, found, known),
        other => panic!("{other:?}"),
    }
    assert_eq!(sim.names().unwrap(), before);
    let reader = Reader::open_in(Arc::new(sim)).unwrap();
    let mut cursor = reader.cursor(floor).unwrap();
    for seq in floor..=60 {
        let Some(Item::Record(record)) = cursor.next().unwrap() else { panic!("{seq}") };
        assert_eq!((record.seq, record.payload), (seq, &payload(seq)[..]));
    }
    match reader.revisions(b"any") {
        Err(ReadError::Version { file, found, known }) => is_told(&file, found, known),
        other => panic!("{other:?}"),
    }
    let problems = reader.verify(true).unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].file.ends_with("trimmed") && problems[0].what.contains("newer"));
}

fn make_newer(bytes: &mut [u8]) {
    newer(bytes, 64);
}

/// Makes it version 2; `covered`: how many bytes the checksum is of.
fn newer(bytes: &mut [u8], covered: usize) {
    bytes[8] = 2;
    bytes[12..16].fill(0);
    let crc = crc32fast::hash(&bytes[..covered]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
}

/// Of a log with many segments the old ones are not looked at to open it; whatever they are, the log goes
/// on, and who reads or verifies it is told.
#[test]
fn what_old_segments_are_is_told_when_they_are_read() {
    let base = filled(300, true);
    let sealed = names(&base, ".sealed");
    assert!(sealed.len() > 20);
    let (name, last) = (&sealed[1][..], sealed[2][..20].parse::<u64>().unwrap() - 1);
    let first: u64 = name[..20].parse().unwrap();
    let problem = |reader: &Reader| {
        let problems = reader.verify(false).unwrap().problems;
        let found = problems.into_iter().find(|problem| problem.file.ends_with(name));
        found.map(|problem| problem.what)
    };
    let newer = base.kill();
    newer.damage(name, |bytes| make_newer(bytes));
    let foreign = base.kill();
    let other = filled(60, true);
    foreign.damage(name, |bytes| *bytes = other.read(&names(&other, ".sealed")[1]));
    let damaged = base.kill();
    damaged.damage(name, |bytes| bytes[20] ^= 1);
    let gone = vec![(first, last, GapReason::Segment)];
    for (sim, lost, what) in [
        (newer.kill(), gone.clone(), "of a newer format; not read: use a newer release"),
        (foreign.kill(), gone.clone(), "a segment of another log; not read"),
        (damaged.kill(), Vec::new(), "the header does not fit"),
    ] {
        let (log, recovery) = Log::open_in(Arc::new(sim), options()).unwrap();
        assert_eq!((recovery.last, &recovery.gaps[..]), (300, &[][..]), "{what}");
        let found = gaps(&log.reader());
        assert_eq!(found, lost, "{what}");
        assert_eq!(problem(&log.reader()), Some(what));
        append(&log, 301..=302);
    }
    // Without the watermark file all of them count.
    let lose = |sim: &Sim| {
        let sim = sim.kill();
        sim.set_words(&[0; sm_log::storage::WORDS]);
        Log::open_in(Arc::new(sim), options())
    };
    assert!(matches!(lose(&newer), Err(OpenError::Version { found: 2, .. })));
    for sim in [&foreign, &damaged] {
        let (_, recovery) = lose(sim).unwrap();
        assert!(recovery.strangers.iter().any(|found| found.file.ends_with(name)), "{recovery:?}");
    }
}

/// So a large log opens as fast as a small one: its files are listed once, and as many looked at.
#[test]
fn opening_looks_at_no_more_files_of_a_large_log() {
    let opened = [filled(200, true), filled(2000, true)].map(|sim| {
        let files = sim.names().unwrap().len();
        let watched = Watched::new(sim, "none");
        let (log, recovery) = Log::open_in(watched.clone(), options()).unwrap();
        assert_eq!(recovery.gaps, []);
        assert_eq!(watched.listed.load(Relaxed), 1);
        drop(log);
        (files, watched.opened.load(Relaxed))
    });
    let [(few, small), (many, large)] = opened;
    assert!(many > 5 * few, "{few} {many}");
    assert_eq!(small, large);
}

/// Sealing leaves both forms of a segment at most for a moment; a sealed file of another log beside a plain
/// one is none of that.
#[test]
fn another_logs_sealed_segment_removes_no_plain_one() {
    let (sim, other) = (filled(60, false), filled(60, true));
    let (plain, sealed) = (names(&sim, ".seg").remove(0), names(&other, ".sealed").remove(0));
    assert_eq!(plain.split('.').next(), sealed.split('.').next());
    sim.create(&sealed).unwrap().write_at(&[&other.read(&sealed)], 0).unwrap();
    let sim = sim.kill();
    // Nor does it hide one from a reader.
    assert_eq!(gaps(&Reader::open_in(Arc::new(sim.clone())).unwrap()), []);
    let (_, recovery) = Log::open_in(Arc::new(sim.clone()), options()).unwrap();
    assert!(recovery.strangers.iter().any(|found| found.file.ends_with(&sealed)), "{recovery:?}");
    assert!(names(&sim, ".seg").contains(&plain));
    sim.delete(&sealed);
    assert_eq!(gaps(&Reader::open_in(Arc::new(sim)).unwrap()), []);
}

/// A sealed segment under another one's name, of the same log or of another, whenever it came: a reader
/// serves it as nothing, nor what its footer says; what else is there under that serial it reads.
#[test]
fn a_sealed_segment_in_anothers_place_is_not_taken_for_it() {
    let (base, other) = (filled(60, true), filled(60, true));
    let sealed = names(&base, ".sealed");
    let (first, last) =
        (sealed[1][..20].parse().unwrap(), sealed[2][..20].parse::<u64>().unwrap() - 1);
    let gone = vec![(first, last, GapReason::Segment)];
    for bytes in [other.read(&sealed[1]), base.read(&sealed[2])] {
        for stage in ["before it was opened", "listed", "removed"] {
            let sim = base.kill();
            let reader = Reader::open_in(Arc::new(sim.clone())).unwrap();
            if stage != "before it was opened" {
                assert_eq!(reader.get(1).unwrap().record().payload, payload(1));
            }
            if stage == "removed" {
                sim.delete(&sealed[1]);
                sim.create(&sealed[1]).unwrap().write_at(&[&bytes], 0).unwrap();
            } else {
                sim.damage(&sealed[1], |there| there.clone_from(&bytes));
            }
            // The postings first: no block is looked at for them.
            assert_eq!(reader.seqs(b"", 60).unwrap(), Vec::<u64>::new());
            assert_eq!(reader.seek_time(1000 - 60).unwrap(), 1);
            assert_eq!(gaps(&reader), gone, "{stage}");
            let problems = reader.verify(true).unwrap().problems;
            let told = |problem: &sm_log::Problem| {
                problem.file.ends_with(&sealed[1]) && problem.what.ends_with("not read")
            };
            assert!(problems.iter().any(told), "{problems:?}");
        }
    }
}

/// With a damaged header the name counts; but a footer, whose checksum says nothing of whose it is, only
/// with its own blocks.
#[test]
fn anothers_footer_counts_for_nothing_behind_a_damaged_header() {
    let (base, other) = (filled(60, true), filled(60, true));
    let sealed = names(&base, ".sealed");
    let mut bytes = other.read(&sealed[1]);
    bytes[..64].copy_from_slice(&base.read(&sealed[1])[..64]);
    bytes[50] ^= 1;
    base.damage(&sealed[1], |there| there.clone_from(&bytes));
    let reader = Reader::open_in(Arc::new(base.clone())).unwrap();
    let (first, after): (u64, u64) =
        (sealed[1][..20].parse().unwrap(), sealed[2][..20].parse().unwrap());
    let segments = reader.segments().unwrap();
    let segment = segments.iter().find(|segment| segment.first == first).unwrap();
    assert_eq!((segment.payload_bytes, segment.times), (0, None));
    assert_eq!(gaps(&reader), [(first, after - 1, GapReason::Block)]);
    // Beside the plain one it is the plain one that stays.
    let plain = filled(60, false);
    let name = names(&plain, ".seg").remove(1);
    let mut bytes = other.read(&sealed[1]);
    bytes[..64].copy_from_slice(&plain.read(&name)[..64]);
    bytes[..8].copy_from_slice(b"smlogsea");
    plain.create(&sealed[1]).unwrap().write_at(&[&bytes], 0).unwrap();
    let (log, recovery) = Log::open_in(Arc::new(plain.kill()), options()).unwrap();
    assert_eq!((recovery.last, gaps(&log.reader())), (60, vec![]), "{recovery:?}");
}

/// With another log's watermark file none of the segments would count, and a new log would begin on top.
#[test]
fn another_logs_watermark_file_is_refused_for_writing() {
    let (sim, other) = (written(true), written(true));
    sim.set_words(&other.words_now());
    match Log::open_in(Arc::new(sim.clone()), options()) {
        Err(error @ OpenError::Damaged { .. }) => {
            assert!(error.to_string().contains("watermark is damaged"), "{error}");
            assert!(error.remedy().contains("remove it"));
        }
        other => panic!("{other:?}"),
    }
    sim.set_words(&[0; sm_log::storage::WORDS]);
    let (log, recovery) = Log::open_in(Arc::new(sim), options()).unwrap();
    assert_eq!((recovery.last, gaps(&log.reader())), (60, vec![]), "{recovery:?}");
}

/// A copy of a segment under a name of one's own making, and the higher serial that is in it.
#[test]
fn a_copy_under_another_name_hides_nothing() {
    for seal in [false, true] {
        let sim = filled(60, seal);
        let ending = if seal { ".sealed" } else { ".seg" };
        let name = names(&sim, ending).remove(1);
        let copy = format!("{}-00000090{ending}", &name[..20]);
        sim.create(&copy).unwrap().write_at(&[&sim.read(&name)], 0).unwrap();
        let sim = sim.kill();
        let (log, recovery) = Log::open_in(Arc::new(sim), options()).unwrap();
        assert_eq!((recovery.last, recovery.gaps.len()), (60, 0), "{recovery:?}");
        assert!(recovery.strangers.iter().any(|found| found.file.ends_with(&copy)));
        append(&log, 61..=62);
        assert_eq!(gaps(&log.reader()), []);
    }
}

#[test]
fn a_log_copied_while_it_was_written_gives_nothing_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), options().with_segment_bytes(8192)).unwrap();
    for round in 0..20u64 {
        let copy = tempfile::tempdir().unwrap();
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        // The watermark file first, last, or in between.
        let first = round as usize % files.len();
        files.rotate_left(first);
        for (at, file) in files.iter().enumerate() {
            let to = copy.path().join(file.file_name().unwrap());
            match std::fs::read(file) {
                // The last one half.
                Ok(bytes) if at + 1 == files.len() && round % 2 == 1 => {
                    std::fs::write(to, &bytes[..bytes.len() / 2]).unwrap();
                }
                Ok(bytes) => std::fs::write(to, bytes).unwrap(),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            }
            let last = log.watermark();
            append(&log, last + 1..=last + 2);
            if round % 5 == 0 {
                log.seal().unwrap();
            }
        }
        match Log::open(copy.path(), options()) {
            Ok((copy, recovery)) => {
                assert!(recovery.last <= log.watermark());
                let missing = gaps(&copy.reader());
                assert!(missing.iter().all(|gap| gap.1 <= recovery.last), "{missing:?}");
            }
            // Nothing but half a watermark file and no whole header.
            Err(error) => assert!(matches!(error, OpenError::Damaged { .. }), "{error}"),
        }
    }
}

#[test]
fn a_segment_that_vanishes_under_a_reader_is_a_gap() {
    for seal in [false, true] {
        let sim = written(seal);
        let reader = Reader::open_in(Arc::new(sim.clone())).unwrap();
        let ending = if seal { ".sealed" } else { ".seg" };
        let names = names(&sim, ending);
        let (held, gone) = (names[0].clone(), names[1].clone());
        let first = gone[..20].parse::<u64>().unwrap();
        let mut cursor = reader.cursor(1).unwrap();
        cursor.next().unwrap();
        sim.delete(&held);
        sim.delete(&gone);
        // What the cursor is in it goes on reading; what is gone is a gap; what follows is there.
        let (mut next, mut missing) = (2, None);
        while let Some(item) = cursor.next().unwrap() {
            match item {
                Item::Record(record) => {
                    assert_eq!((record.seq, record.payload), (next, &payload(next)[..]));
                    next += 1;
                }
                Item::Gap(gap) => {
                    assert_eq!(missing.replace((gap.first, gap.reason)), None);
                    next = gap.last + 1;
                }
            }
        }
        assert_eq!((next, missing.map(|gap| gap.0)), (61, Some(first)));
        let other = Reader::open_in(Arc::new(sim.clone())).unwrap();
        match other.get(first) {
            Err(ReadError::Gap(gap)) => assert_eq!(gap.reason, GapReason::Segment),
            other => panic!("{other:?}"),
        }
        assert_eq!(other.get(60).unwrap().record().payload, payload(60));
    }
}

#[test]
fn a_clock_that_jumps_back_loses_no_record_and_can_be_sought() {
    for seal in [false, true] {
        // Every record is older than the one before: see `append`.
        let sim = written(seal);
        let (log, recovery) = Log::open_in(Arc::new(sim), options()).unwrap();
        assert_eq!(recovery.last, 60);
        let reader = log.reader();
        assert_eq!(gaps(&reader), []);
        assert_eq!(reader.seek_time(i64::MIN).unwrap(), 1);
        assert_eq!(reader.seek_time(999).unwrap(), 1);
        assert_eq!(reader.seek_time(1000).unwrap(), 61);
        for segment in reader.segments().unwrap() {
            let times = (1000 - segment.last as i64, 1000 - segment.first as i64);
            assert_eq!(segment.times, Some(times));
        }
    }
}

/// A storage in which one file may not be opened, as one of another owner; it counts what is opened, and
/// how often all are listed.
struct Watched {
    sim: Sim,
    denied: String,
    opened: AtomicUsize,
    listed: AtomicUsize,
}

impl Watched {
    fn new(sim: Sim, denied: &str) -> Arc<Watched> {
        let (opened, listed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Watched { sim, denied: denied.to_owned(), opened, listed })
    }

    fn check(&self, name: &str) -> io::Result<()> {
        self.opened.fetch_add(1, Relaxed);
        match name == self.denied {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(()),
        }
    }
}

impl Storage for Watched {
    fn path(&self, name: &str) -> PathBuf {
        self.sim.path(name)
    }
    fn make(&self) -> io::Result<()> {
        self.sim.make()
    }
    fn names(&self) -> io::Result<Vec<String>> {
        self.listed.fetch_add(1, Relaxed);
        self.sim.names()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.sim.create(name)
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.check(name)?;
        self.sim.open(name)
    }
    fn open_read(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.check(name)?;
        self.sim.open_read(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.sim.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.sim.remove(name)
    }
    fn sync_names(&self) -> io::Result<()> {
        self.sim.sync_names()
    }
    fn words(&self, name: &str, write: bool) -> io::Result<Arc<dyn Words>> {
        self.check(name)?;
        self.sim.words(name, write)
    }
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn Lock>>> {
        self.check(name)?;
        self.sim.lock(name)
    }
    fn lock_holder(&self, name: &str) -> Option<u32> {
        self.sim.lock_holder(name)
    }
}

fn is_denied(source: &io::Error, path: &Path, name: &str) -> bool {
    source.kind() == io::ErrorKind::PermissionDenied && path.ends_with(name)
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_the_rest_is_read() {
    let base = written(true);
    let sealed = names(&base, ".sealed");
    for name in [&sealed[1][..], "watermark", "lock"] {
        let denied = || Watched::new(base.kill(), name);
        match Log::open_in(denied(), options()) {
            Err(OpenError::Io { path, source, .. }) => assert!(is_denied(&source, &path, name)),
            other => panic!("{name}: {other:?}"),
        }
    }
    // A reader that was there before is told where it comes to it, and can go around.
    let reader = Reader::open_in(Watched::new(base.kill(), &sealed[1]));
    let reader = reader.unwrap();
    let first: u64 = sealed[1][..20].parse().unwrap();
    match reader.get(first) {
        Err(ReadError::Io { path, source, .. }) => {
            assert!(is_denied(&source, &path, &sealed[1]), "{path:?}");
        }
        other => panic!("{other:?}"),
    }
    let after: u64 = sealed[2][..20].parse().unwrap();
    for seq in (1..first).chain(after..=60) {
        assert_eq!(reader.get(seq).unwrap().record().payload, payload(seq));
    }
}

/// Does it as a user that is not the files' owner, where this one may do anything: as itself else.
fn as_another<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    let work = || {
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(65_534);
            // This thread's only, and it ends with it.
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        f()
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// On real files, which another user owns and does not let be read.
#[test]
fn real_files_of_wrong_owner_or_mode_are_named_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (log, _) = Log::open(dir, options()).unwrap();
    append(&log, 1..=60);
    log.seal().unwrap();
    drop(log);
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    // Let be read by all, but for one after the other.
    set_mode(dir, 0o755);
    names.iter().for_each(|name| set_mode(&dir.join(name), 0o644));
    let sealed: Vec<_> = names.iter().filter_map(|name| name.to_str()).collect();
    let sealed: Vec<_> = sealed.into_iter().filter(|name| name.ends_with(".sealed")).collect();
    let (first, after): (u64, u64) =
        (sealed[1][..20].parse().unwrap(), sealed[2][..20].parse().unwrap());
    set_mode(&dir.join(sealed[1]), 0);
    as_another(|| {
        let reader = Reader::open(dir).unwrap();
        match reader.get(first) {
            Err(error @ ReadError::Io { .. }) => {
                assert!(error.remedy().contains("owner"));
                let ReadError::Io { path, source, .. } = error else { return };
                assert!(is_denied(&source, &path, sealed[1]), "{path:?}");
            }
            other => panic!("{other:?}"),
        }
        for seq in (1..first).chain(after..=60) {
            assert_eq!(reader.get(seq).unwrap().record().payload, payload(seq));
        }
    });
    set_mode(&dir.join(sealed[1]), 0o644);
    for name in ["watermark", "lock"] {
        set_mode(&dir.join(name), 0);
        let denied = |result: Result<(), OpenError>| match result {
            Err(error @ OpenError::Io { .. }) => {
                assert!(error.remedy().contains("owner"));
                let OpenError::Io { path, source, .. } = error else { return };
                assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
                assert!(path.starts_with(dir) && path != dir, "{path:?}");
            }
            other => panic!("{name}: {other:?}"),
        };
        as_another(|| {
            denied(Log::open(dir, options()).map(drop));
            if name == "watermark" {
                denied(Reader::open(dir).map(drop));
            } else {
                assert_eq!(gaps(&Reader::open(dir).unwrap()), []);
            }
        });
        set_mode(&dir.join(name), 0o644);
    }
    // Nothing was changed: its owner goes on.
    let (log, recovery) = Log::open(dir, options()).unwrap();
    assert_eq!((recovery.last, gaps(&log.reader())), (60, vec![]));
}

/// Whatever is wrong with a segment: the error names the file, the place in it, the seqs and what to do.
#[test]
fn what_is_wrong_is_told_with_file_position_seqs_and_remedy() {
    let base = written(true);
    let sealed = names(&base, ".sealed");
    let (name, first) = (&sealed[1], sealed[1][..20].parse::<u64>().unwrap());
    let last = sealed[2][..20].parse::<u64>().unwrap() - 1;
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, GapReason, u64); 3] = [
        (|bytes| bytes[200] ^= 1, GapReason::Block, 64),
        (|bytes| bytes.truncate(80), GapReason::Block, 80),
        (|bytes| make_newer(bytes), GapReason::Segment, 0),
    ];
    for (change, reason, position) in changes {
        let sim = base.kill();
        sim.damage(name, change);
        let reader = Reader::open_in(Arc::new(sim)).unwrap();
        let Err(error @ ReadError::Gap(_)) = reader.get(first) else { panic!("{reason}") };
        let remedy = error.remedy();
        let ReadError::Gap(gap) = error else { return };
        assert!(remedy.contains("put the file back") && gap.remedy() == remedy);
        assert_eq!((gap.first, gap.last, gap.reason), (first, last, reason));
        assert_eq!(gap.position, position, "{gap}");
        // Of a segment that is not there, the directory.
        assert!(reason == GapReason::Segment || gap.file.ends_with(name), "{gap}");
        let problems = reader.verify(false).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.file.ends_with(name)), "{problems:?}");
        assert!(problems.iter().all(|problem| !problem.remedy().is_empty()));
        assert_eq!(reader.get(first - 1).unwrap().record().payload, payload(first - 1));
        assert_eq!(reader.get(last + 1).unwrap().record().payload, payload(last + 1));
    }
}
