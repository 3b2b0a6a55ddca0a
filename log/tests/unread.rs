//! Segments that the system does not give, or not as what they were: each is named with its seqs, by
//! reading and by `verify`, and all that lies around it is read. On real files.

use std::fs::{self, File};
use std::path::Path;

use sm_log::{Entry, GapReason, Item, Log, Options, ReadError, Reader};

const LAST: u64 = 60;

/// Sixty records in several segments, all but the last ones sealed. Gives the names, in order.
fn written(dir: &Path) -> Vec<String> {
    let options = Options::default().with_segment_bytes(4096).without_background();
    let (log, _) = Log::open(dir, options).unwrap();
    for seq in 1..=LAST {
        log.commit(&[Entry { session: b"s", payload: &payload(seq), ..Entry::default() }]).unwrap();
        if seq == 40 {
            log.seal().unwrap();
        }
    }
    drop(log);
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains(".se"));
    names.sort();
    assert!(names[1].ends_with(".sealed") && names[names.len() - 2].ends_with(".seg"), "{names:?}");
    names
}

fn payload(seq: u64) -> Vec<u8> {
    (0..300).map(|at| (seq * 31 + at) as u8).collect()
}

fn seqs_of(names: &[String], at: usize) -> (u64, u64) {
    let first = |name: &String| name[..20].parse::<u64>().unwrap();
    (first(&names[at]), names.get(at + 1).map_or(LAST, |next| first(next) - 1))
}

/// What cannot be read, walking on behind each error; every record is compared.
fn unread(reader: &Reader) -> Vec<ReadError> {
    let (mut next, mut errors) = (1, Vec::new());
    while next <= LAST {
        let mut cursor = reader.cursor(next).unwrap();
        loop {
            match cursor.next() {
                Ok(Some(Item::Record(record))) => {
                    assert_eq!((record.seq, record.payload), (next, &payload(next)[..]));
                    next += 1;
                }
                Ok(Some(Item::Gap(gap))) => {
                    assert_eq!(gap.first, next);
                    next = gap.last + 1;
                    errors.push(ReadError::Gap(gap));
                }
                Ok(None) => break,
                Err(error) => {
                    let (first, last) = error.seqs().unwrap_or_else(|| panic!("{error}"));
                    assert_eq!(first, next, "{error}");
                    next = last + 1;
                    errors.push(error);
                    break;
                }
            }
        }
    }
    errors
}

/// A directory in a segment's place, standing for all that opens and does not read; and a name that leads
/// nowhere.
#[test]
fn what_the_system_does_not_give_is_named_with_its_seqs_and_the_rest_is_read() {
    for at in [1, usize::MAX] {
        let dir = tempfile::tempdir().unwrap();
        let names = written(dir.path());
        // A sealed one, or the plain one before the last.
        let at = at.min(names.len() - 2);
        let file = dir.path().join(&names[at]);
        let seqs = seqs_of(&names, at);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        for reader in [Reader::open(dir.path()).unwrap(), Reader::open(dir.path()).unwrap()] {
            let errors = unread(&reader);
            let [error @ ReadError::Io { path, .. }] = &errors[..] else { panic!("{errors:?}") };
            assert_eq!((path, error.seqs()), (&file, Some(seqs)));
            assert!(
                error.to_string().contains(&format!("seq {} to {}", seqs.0, seqs.1)),
                "{error}"
            );
            let problems = reader.verify(true).unwrap().problems;
            let its = problems.iter().find(|problem| problem.seqs.is_some()).unwrap();
            assert_eq!((&its.file, its.seqs), (&file, Some(seqs)), "{problems:?}");
            assert_eq!(its.remedy(), "see to the disk, and try again");
        }
        fs::remove_dir(&file).unwrap();
        std::os::unix::fs::symlink("nowhere", &file).unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        let errors = unread(&reader);
        let [ReadError::Gap(gap)] = &errors[..] else { panic!("{errors:?}") };
        assert_eq!((gap.first, gap.last, gap.reason), (seqs.0, seqs.1, GapReason::Segment));
        let problems = reader.verify(false).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.seqs == Some(seqs)), "{problems:?}");
    }
}

/// What stands in a segment's place and is none of it is laid to that file, by whoever reads and by
/// `verify`: text, two segments exchanged, one of a newer format, in the middle and at the end.
#[test]
fn what_stands_in_a_segments_place_is_named_for_its_seqs() {
    let told = |dir: &Path, file: &Path, seqs: (u64, u64), what: &str| {
        let reader = Reader::open(dir).unwrap();
        let errors = unread(&reader);
        assert!(errors.iter().all(|e| matches!(e, ReadError::Gap(_))), "{errors:?}");
        let problems = reader.verify(false).unwrap().problems;
        let its = problems.iter().find(|problem| problem.file == file).unwrap();
        assert_eq!((its.seqs, its.what), (Some(seqs), what), "{problems:?}");
        errors
    };
    let newer = |bytes: &mut Vec<u8>| {
        bytes[8] = 2;
        bytes[12..16].fill(0);
        let crc = crc32fast::hash(&bytes[..64]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    };
    for at in [1, usize::MAX] {
        let dir = tempfile::tempdir().unwrap();
        let names = written(dir.path());
        let at = at.min(names.len() - 1);
        let (file, seqs) = (dir.path().join(&names[at]), seqs_of(&names, at));
        let mut bytes = fs::read(&file).unwrap();
        fs::write(&file, "this is no segment. ".repeat(400)).unwrap();
        let errors = told(dir.path(), &file, seqs, "nothing in it is of a segment; not read");
        if at == 1 {
            let [ReadError::Gap(gap)] = &errors[..] else { panic!("{errors:?}") };
            assert_eq!((&gap.file, gap.reason), (&file, GapReason::Segment));
        }
        newer(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        told(dir.path(), &file, seqs, "of a newer format; not read: use a newer release");
    }
    let dir = tempfile::tempdir().unwrap();
    let names = written(dir.path());
    let [one, other] = [1, 2].map(|at| dir.path().join(&names[at]));
    let bytes = [fs::read(&one).unwrap(), fs::read(&other).unwrap()];
    fs::write(&one, &bytes[1]).unwrap();
    fs::write(&other, &bytes[0]).unwrap();
    let what = "another segment than its name says; not read";
    told(dir.path(), &one, seqs_of(&names, 1), what);
    told(dir.path(), &other, seqs_of(&names, 2), what);
}

/// The active segment, which the watermark file tells of: not damage of the one before.
#[test]
fn the_newest_segment_gone_is_a_missing_segment() {
    let dir = tempfile::tempdir().unwrap();
    let names = written(dir.path());
    let seqs = seqs_of(&names, names.len() - 1);
    fs::remove_file(dir.path().join(&names[names.len() - 1])).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let errors = unread(&reader);
    let [ReadError::Gap(gap)] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!((gap.first, gap.last, gap.reason), (seqs.0, seqs.1, GapReason::Segment));
    let problems = reader.verify(false).unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((problems[0].seqs, problems[0].what), (Some(seqs), "a segment is missing"));
}

/// A sealed file that another hand cuts under a reader: an answer, and no signal.
#[test]
fn a_sealed_segment_that_is_cut_under_a_reader_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let names = written(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    let (first, last) = seqs_of(&names, 1);
    assert_eq!(reader.revision(b"s", first).unwrap(), Some(first));
    let file = File::options().write(true).open(dir.path().join(&names[1])).unwrap();
    file.set_len(100).unwrap();
    let Err(ReadError::Gap(gap)) = reader.get(first) else { panic!("read from a file cut") };
    assert_eq!((gap.first, gap.last, gap.reason), (first, last, GapReason::Block));
    let problems = reader.verify(true).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.seqs == Some((first, last))), "{problems:?}");
    assert_eq!(unread(&reader).len(), 1);
}
