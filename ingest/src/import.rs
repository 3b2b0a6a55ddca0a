//! A captured transcript, into the log.
//!
//! What always holds: every line becomes one record, in order, whatever it is; a line that is no
//! message is marked and counted with its number and stops nothing. Two forms are told apart line by
//! line: a server's plain output, and a two-way capture's `{"ts","dir","msg"}`, whose payload is the
//! exact bytes of `msg`.

use crate::interpreter::Interpreter;
use crate::lines::{Line, Lines};
use crate::recorder::Scribe;
use serde::Deserialize;
use serde_json::value::RawValue;
use sm_log::{AppendError, Direction, Entry, Log};
use sm_protocol::synthetic::{GenerationEnded, SourceClosed, SourceOpened, Synthetic};
use sm_protocol::{Int, Kind, Text, flags};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The most malformed lines that a summary names, and the most marked ones.
const NAMED_MAX: usize = 1000;

/// A line of so many bytes is marked as long.
const LONG_LINE_BYTES: usize = 1_000_000;

/// The most entries and bytes handed to the log at once.
const BATCH_ENTRIES: usize = 512;
const BATCH_BYTES: usize = 1 << 18;

/// A transcript could not be imported to its end. What was read before is in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be opened or read.
    #[error("failed to read {} after line {line}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// How many lines were read before.
        line: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The log did not take it.
    #[error("failed to record line {line}: {source}")]
    Append {
        /// The first line that was not taken.
        line: u64,
        /// The log's answer.
        source: AppendError,
    },
}

/// A line that is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Its record; `None` where an earlier run of the import made it.
    pub seq: Option<u64>,
    /// Why.
    pub kind: Kind,
}

/// A line that is kept as it came and is odd: see [`flags::oddities`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Its record; `None` where an earlier run of the import made it.
    pub seq: Option<u64>,
    /// Its flags.
    pub flags: u16,
}

/// Where an import that was cut off had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff {
    /// The source's number.
    pub source: u64,
    /// How many lines are recorded.
    pub records: u64,
    /// The first line's record.
    pub first_seq: Option<u64>,
    /// The last recorded line's record.
    pub last_seq: Option<u64>,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// The source's number.
    pub source: u64,
    /// Lines, and so records, `sm`'s own not counted.
    pub records: u64,
    /// How many of them an earlier run had recorded, which was cut off.
    pub continued_after: Option<u64>,
    /// Bytes read.
    pub bytes: u64,
    /// How many lines are no messages.
    pub malformed: u64,
    /// The first of them.
    pub malformed_lines: Vec<MalformedLine>,
    /// How many lines are odd: cut, of another line end, or long.
    pub marked: u64,
    /// The first of them.
    pub marked_lines: Vec<MarkedLine>,
    /// The first line's record.
    pub first_seq: Option<u64>,
    /// The last line's record.
    pub last_seq: Option<u64>,
    /// The threads named, in order of their ids, and how many lines belong to each.
    pub threads: BTreeMap<String, u64>,
}

/// The BLAKE3 of a file's bytes in hexadecimal, and their number.
pub fn hash_file(path: &Path) -> Result<(String, u64), ImportError> {
    let read = |source| ImportError::Read { path: path.to_path_buf(), line: 0, source };
    let mut file = File::open(path).map_err(read)?;
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut file, &mut hasher).map_err(read)?;
    Ok((hasher.finalize().to_hex().to_string(), bytes))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Capture<'a> {
    ts: Int,
    #[serde(borrow)]
    dir: Text<'a>,
    #[serde(borrow)]
    msg: Option<&'a RawValue>,
}

/// One import under way.
pub struct Importer {
    scribe: Scribe,
    path: PathBuf,
    interpreter: Interpreter,
    generation: u32,
    /// The time of the record before, in Unix microseconds.
    time: i64,
    summary: ImportSummary,
    progress: Box<dyn FnMut(u64, u64)>,
}

/// One line, ready for the log.
struct Prepared<'l> {
    time: i64,
    thread: Cow<'l, str>,
    kind: Kind,
    direction: Direction,
    flags: u16,
    payload: Cow<'l, [u8]>,
}

impl Importer {
    /// Opens a source for the transcript at `path` (`-` for standard input), whose BLAKE3 is `hash`,
    /// at `now` (Unix microseconds). `progress` is told records and bytes so far.
    pub fn begin(
        log: Log,
        path: &Path,
        hash: Option<String>,
        bytes: Option<u64>,
        now: i64,
        progress: impl FnMut(u64, u64) + 'static,
    ) -> Result<Importer, ImportError> {
        let scribe = Scribe::new(log);
        let opened = Synthetic::SourceOpened(SourceOpened {
            kind: "import".to_owned(),
            provider: "codex".to_owned(),
            path: Some(path.to_string_lossy().into_owned()),
            blake3: hash,
            bytes,
            ..SourceOpened::default()
        });
        let receipt = scribe.note(now, "", &opened);
        let receipt = receipt.map_err(|source| ImportError::Append { line: 1, source })?;
        let summary = ImportSummary { source: receipt.first, ..ImportSummary::default() };
        Ok(Importer::new(scribe, path, summary, progress))
    }

    /// Goes on where an import of the same bytes was cut off: what it recorded is read again, as the
    /// rest can only be understood after it, and not recorded again.
    pub fn go_on(
        log: Log,
        path: &Path,
        cut_off: CutOff,
        progress: impl FnMut(u64, u64) + 'static,
    ) -> Importer {
        let summary = ImportSummary {
            source: cut_off.source,
            continued_after: Some(cut_off.records),
            first_seq: cut_off.first_seq,
            last_seq: cut_off.last_seq,
            ..ImportSummary::default()
        };
        Importer::new(Scribe::new(log), path, summary, progress)
    }

    fn new(
        scribe: Scribe,
        path: &Path,
        summary: ImportSummary,
        progress: impl FnMut(u64, u64) + 'static,
    ) -> Importer {
        Importer {
            scribe,
            path: path.to_path_buf(),
            interpreter: Interpreter::new(),
            generation: 0,
            time: 0,
            summary,
            progress: Box::new(progress),
        }
    }

    /// Records every line of `reader`; returns when all of it is durable.
    pub fn run(self, reader: impl Read, now: i64) -> Result<ImportSummary, ImportError> {
        let log = self.scribe.log().clone();
        // Only the end of it is waited for.
        log.expect_bulk(true);
        let summary = self.record(reader, now);
        log.expect_bulk(false);
        summary
    }

    fn record(mut self, reader: impl Read, now: i64) -> Result<ImportSummary, ImportError> {
        let mut lines = Lines::new(reader);
        loop {
            let more = lines
                .next_batch::<Interrupted>(|batch| self.batch(batch).map_err(Interrupted::Append));
            (self.progress)(self.summary.records, self.summary.bytes);
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(Interrupted::Read(source)) => {
                    let line = self.summary.records;
                    return Err(ImportError::Read { path: self.path, line, source });
                }
                Err(Interrupted::Append(source)) => return Err(self.refused(source)),
            }
        }
        let closed = Synthetic::SourceClosed(SourceClosed {
            source: self.summary.source,
            records: self.summary.records,
            malformed: self.summary.malformed,
        });
        let closed = self.scribe.note_of(self.summary.source, self.generation, now, "", &closed);
        let durable = closed.and_then(|receipt| receipt.wait());
        durable.map_err(|source| self.refused(source))?;
        Ok(self.summary)
    }

    fn refused(&self, source: AppendError) -> ImportError {
        ImportError::Append { line: self.summary.records + 1, source }
    }

    fn batch(&mut self, lines: &mut dyn Iterator<Item = Line<'_>>) -> Result<(), AppendError> {
        let mut ready: Vec<Prepared<'_>> = Vec::with_capacity(BATCH_ENTRIES);
        let mut bytes = 0;
        for line in lines {
            let (prepared, greets_again) = self.prepare(line);
            if greets_again {
                self.append(&ready)?;
                ready.clear();
                self.next_generation()?;
                // The greeting belongs to the life it begins.
                self.interpreter.read(prepared.direction, &prepared.payload);
            }
            self.summary.bytes += line.bytes.len() as u64 + u64::from(line.terminated);
            if self.is_recorded() {
                self.count(None, &prepared);
                continue;
            }
            bytes += line.bytes.len();
            ready.push(prepared);
            if ready.len() >= BATCH_ENTRIES || bytes >= BATCH_BYTES {
                self.append(&ready)?;
                ready.clear();
                bytes = 0;
            }
        }
        self.append(&ready)
    }

    fn prepare<'l>(&mut self, line: Line<'l>) -> (Prepared<'l>, bool) {
        let capture = two_way(line.bytes);
        let (direction, ts, message) = match &capture {
            Some((direction, ts, message)) => (*direction, *ts, *message),
            None => (Direction::Server, None, line.bytes),
        };
        let had_greeted = self.interpreter.has_greeted();
        let reading = self.interpreter.read(direction, message);
        let ms = ts.or(reading.envelope.emitted_at_ms);
        self.time = ms.and_then(|ms| ms.checked_mul(1000)).unwrap_or(self.time);
        let mut flags = reading.flags;
        if capture.is_some() {
            flags |= flags::TWO_WAY;
        }
        if !line.terminated {
            flags |= flags::UNTERMINATED;
        }
        if line.terminated && line.bytes.ends_with(b"\r") {
            flags |= flags::CARRIAGE_RETURN;
        }
        if line.bytes.len() >= LONG_LINE_BYTES {
            flags |= flags::LONG_LINE;
        }
        let greets_again = had_greeted && reading.envelope.greets && direction == Direction::Server;
        let prepared = Prepared {
            time: self.time,
            kind: reading.kind(),
            direction,
            flags,
            payload: reading.payload,
            thread: reading.thread,
        };
        (prepared, greets_again)
    }

    /// Whether an earlier run recorded the next line.
    fn is_recorded(&self) -> bool {
        self.summary.continued_after.is_some_and(|recorded| self.summary.records < recorded)
    }

    fn next_generation(&mut self) -> Result<(), AppendError> {
        let ending = self.generation;
        self.generation += 1;
        self.interpreter = Interpreter::new();
        if self.is_recorded() {
            return Ok(());
        }
        let ended = Synthetic::GenerationEnded(GenerationEnded {
            source: self.summary.source,
            generation: ending,
            reason: "another server greeted in the same transcript".to_owned(),
            seen_at: None,
        });
        self.scribe.note_of(self.summary.source, ending, self.time, "", &ended)?;
        Ok(())
    }

    fn append(&mut self, ready: &[Prepared<'_>]) -> Result<(), AppendError> {
        if ready.is_empty() {
            return Ok(());
        }
        let entries: Vec<Entry<'_>> = ready
            .iter()
            .map(|prepared| Entry {
                time: prepared.time,
                session: prepared.thread.as_bytes(),
                source: self.summary.source,
                generation: self.generation,
                kind: prepared.kind.0,
                direction: prepared.direction,
                flags: prepared.flags,
                payload: &prepared.payload,
            })
            .collect();
        let receipt = self.scribe.log().append(&entries)?;
        for (at, prepared) in ready.iter().enumerate() {
            self.count(Some(receipt.first + at as u64), prepared);
        }
        Ok(())
    }

    fn count(&mut self, seq: Option<u64>, prepared: &Prepared<'_>) {
        let summary = &mut self.summary;
        summary.records += 1;
        summary.first_seq = summary.first_seq.or(seq);
        summary.last_seq = seq.or(summary.last_seq);
        if prepared.kind.is_malformed() {
            summary.malformed += 1;
            if summary.malformed_lines.len() < NAMED_MAX {
                let line = summary.records;
                summary.malformed_lines.push(MalformedLine { line, seq, kind: prepared.kind });
            }
        }
        if flags::oddities(prepared.flags).next().is_some() {
            summary.marked += 1;
            if summary.marked_lines.len() < NAMED_MAX {
                let (line, flags) = (summary.records, prepared.flags);
                summary.marked_lines.push(MarkedLine { line, seq, flags });
            }
        }
        if prepared.thread.is_empty() {
            return;
        }
        match summary.threads.get_mut(&*prepared.thread) {
            Some(lines) => *lines += 1,
            None => drop(summary.threads.insert(prepared.thread.clone().into_owned(), 1)),
        }
    }
}

/// Why a batch was not taken.
enum Interrupted {
    Read(io::Error),
    Append(AppendError),
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Interrupted {
        Interrupted::Read(error)
    }
}

/// The direction, time and message of a two-way capture's line; `None` for any other line.
fn two_way(line: &[u8]) -> Option<(Direction, Option<i64>, &[u8])> {
    // A cheap look first: plain output is by far the more common, and has no such member.
    let head = line.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    if ![&b"\"ts\""[..], b"\"dir\"", b"\"msg\""].into_iter().any(|name| head.starts_with(name)) {
        return None;
    }
    let capture: Capture<'_> = serde_json::from_slice(line).ok()?;
    let direction = match capture.dir.get()? {
        "client" => Direction::Client,
        "server" => Direction::Server,
        _ => return None,
    };
    Some((direction, capture.ts.0, capture.msg?.get().as_bytes()))
}
