//! A log as text: what every build must find in the committed logs. Used by the test that compares
//! and by the example that made them.

use std::fmt::Write;
use std::path::Path;

use sm_log::{Item, Log, OpenError, Options, Reader};

fn options() -> Options {
    Options::default().with_segment_bytes(4096).without_background()
}

/// What a reader finds, and then what a writer finds that opens the log. Changes the directory.
pub fn dump(dir: &Path) -> String {
    let mut text = String::new();
    match Reader::open(dir) {
        Ok(reader) => read(&mut text, &reader),
        Err(error) => refused(&mut text, "read", &error),
    }
    match Log::open(dir, options()) {
        Ok((log, recovery)) => {
            let torn = recovery.torn.as_ref().map(|torn| (torn.first, torn.position));
            let strangers: Vec<_> = recovery.strangers.iter().map(|found| found.what).collect();
            let _ = writeln!(text, "opened: last {}, torn {torn:?}", recovery.last);
            let _ = writeln!(text, "strangers {strangers:?}");
            read(&mut text, &log.reader());
        }
        Err(error) => refused(&mut text, "open", &error),
    }
    text
}

fn refused(text: &mut String, act: &str, error: &OpenError) {
    let kind = match error {
        OpenError::Damaged { position, what, .. } => format!("damaged at {position}: {what}"),
        OpenError::Version { found, .. } => format!("version {found}"),
        OpenError::NotFound { .. } => "no log".to_owned(),
        other => other.to_string(),
    };
    let _ = writeln!(text, "refused to {act}: {kind}");
}

fn read(text: &mut String, reader: &Reader) {
    let (floor, watermark) = (reader.floor(), reader.watermark());
    let _ = writeln!(text, "log {}, seq {floor} to {watermark}", reader.id());
    let mut cursor = reader.cursor(floor).expect("a cursor");
    while let Some(item) = cursor.next().expect("next") {
        let _ = match item {
            Item::Record(r) => {
                let session = String::from_utf8_lossy(r.session);
                let crc = crc32fast::hash(r.payload);
                let (len, direction) = (r.payload.len(), r.direction);
                let numbers = (r.source, r.generation, r.kind, r.flags);
                writeln!(
                    text,
                    "{} {} {session:?} {numbers:?} {direction:?} {len} {crc:08x}",
                    r.seq, r.time
                )
            }
            Item::Gap(gap) => writeln!(text, "gap {} to {}: {}", gap.first, gap.last, gap.reason),
        };
    }
    for session in [&b"alpha"[..], b"beta"] {
        let count = reader.revisions(session).expect("revisions");
        let _ = writeln!(text, "{:?} has {count}", String::from_utf8_lossy(session));
    }
    let verified = reader.verify(true).expect("verify");
    for problem in verified.problems {
        let name = problem.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let seqs = problem.seqs;
        let name = if seqs.is_some() && problem.position == 0 { "log" } else { &name };
        let _ = writeln!(text, "problem {name} {} {seqs:?}: {}", problem.position, problem.what);
    }
}
