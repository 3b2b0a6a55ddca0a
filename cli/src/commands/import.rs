//! `sm import`: a captured transcript, into the log.
//!
//! What always holds: the lines are folded while they are read, by a second thread that holds
//! nothing up; what was read before a failure is kept.

use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Streams, clean, now_micros};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sm_daemon::api::{self, Imported, Malformed};
use sm_daemon::counted;
use sm_daemon::{HomeError, Transcript, Writer};
use sm_ingest::{ImportError, ImportSummary};
use sm_log::OpenError;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Another command that only catches up is gone within this time.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Records a captured transcript of a Codex app-server: its plain output, or both directions.
///
/// Every line is kept byte for byte, whatever it is; lines that are no messages are counted with
/// their numbers. A file that was imported before is refused (exit 6).
#[derive(Debug, Args)]
pub struct Import {
    /// The transcript, one JSON message a line; `-` reads standard input.
    file: PathBuf,

    /// Also when the same bytes were imported before.
    #[arg(long)]
    again: bool,
}

/// What was imported, and by which run.
#[derive(Debug, Serialize)]
struct Done {
    schema: &'static str,
    #[serde(flatten)]
    imported: Imported,
    elapsed_ms: u64,
    warnings: Vec<String>,
}

impl Import {
    /// Records the file.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let began = Instant::now();
        let spool = if self.file.as_os_str() == "-" {
            Some(spool(context, io::stdin().lock())?)
        } else if is_stream(&self.file) {
            let stream = File::open(&self.file);
            let stream = stream.map_err(|source| Error::io("open", &self.file, &source))?;
            Some(spool(context, stream)?)
        } else {
            None
        };
        let transcript =
            transcript(spool.as_ref().map_or(&self.file, |file| file.path()), &self.file)?;
        let (imported, warnings) = match Door::open(context, streams)? {
            Door::Daemon(client) => {
                (self.through(&client, &transcript, context.caller.clone())?, Vec::new())
            }
            Door::Own(writer) => self.alone(context, *writer, streams, &transcript)?,
        };
        let elapsed_ms = began.elapsed().as_millis() as u64;
        let done = Done { schema: "sm.import/1", imported, elapsed_ms, warnings };
        match context.json {
            true => streams.document(&done)?,
            false => done.print(context, streams)?,
        }
        Ok(Exit::Ok)
    }

    /// The daemon holds the lock: it reads the file.
    fn through(
        &self,
        client: &Client<'_>,
        transcript: &Transcript,
        caller: Option<String>,
    ) -> Result<Imported, Error> {
        let path = std::path::absolute(&transcript.path);
        let path = path.map_err(|source| Error::io("find", &transcript.path, &source))?;
        client.import(&api::Import {
            path: path.to_string_lossy().into_owned(),
            name: Some(transcript.name.clone()),
            again: self.again,
            by: caller,
        })
    }

    /// Nobody else writes: this process does.
    fn alone(
        &self,
        context: &Context,
        mut writer: Writer,
        streams: &mut Streams,
        transcript: &Transcript,
    ) -> Result<(Imported, Vec<String>), Error> {
        let before = writer.store.bytes()?;
        let summary = self.record(&mut writer, transcript, streams)?;
        let imported = transcript.imported(&writer.store.view()?, &summary, |doc| {
            let doc = serde_json::to_value(&doc);
            doc.map_err(|error| Error::new(Exit::Failed, "bug", error.to_string()))
        })?;
        let mut warnings = warnings(&writer);
        if let Err(why) = context.home.pack_what_grew(writer, before) {
            // What was imported is in the tables either way.
            warnings.push(format!("the tables could not be packed: {why}"));
        }
        Ok((imported, warnings))
    }

    fn record(
        &self,
        writer: &mut Writer,
        transcript: &Transcript,
        streams: &mut Streams,
    ) -> Result<ImportSummary, Error> {
        let now = now_micros();
        let path = &transcript.path;
        let file = File::open(path).map_err(|source| Error::io("open", path, &source))?;
        let bytes = transcript.bytes;
        let meter = streams.meter();
        let tell = move |records: u64, read: u64| {
            let part = read.saturating_mul(100).checked_div(bytes).unwrap_or(100);
            meter.tell(format_args!("{records} records, {part} %"));
        };
        let importer =
            transcript.begin(&writer.log, &writer.store.view()?, self.again, now, tell)?;
        let done = AtomicBool::new(false);
        let projector = &mut writer.projector;
        let (summary, folded) = std::thread::scope(|scope| {
            let folder = scope.spawn(|| projector.fold_along(&done));
            let summary = importer.run(file, now);
            done.store(true, Ordering::Release);
            (summary, folder.join())
        });
        streams.meter().done();
        let folded = folded.map_err(|_| {
            Error::new(Exit::Failed, "bug", "the folding thread of the import panicked")
        })?;
        let summary = summary.map_err(failed)?;
        folded?;
        Ok(summary)
    }
}

/// The transcript at `path`, given as `file`: where that is standard input, `path` is its spool.
fn transcript(path: &Path, file: &Path) -> Result<Transcript, Error> {
    let meta = std::fs::metadata(path);
    let meta = meta.map_err(|source| Error::io("read", path, &source))?;
    if meta.is_dir() {
        let shown = path.to_string_lossy();
        let shown = shown.trim_end_matches('/');
        let message = format!("{} is a directory, not a transcript", path.display());
        return Err(Error::new(Exit::Usage, "is_a_directory", message).hint(format!(
            "Import its files: for f in {shown}/*.jsonl; do sm import \"$f\"; done"
        )));
    }
    let name = match path == file {
        true => std::path::absolute(path).unwrap_or(path.to_path_buf()),
        false => file.to_path_buf(),
    };
    Transcript::new(name.display().to_string(), path.to_path_buf()).map_err(failed)
}

/// Whether it can be read only once: a pipe, as `<(command)` makes one.
fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// What can be read only once, kept in a private file: its hash must be known before its first line is
/// recorded.
fn spool(context: &Context, mut stream: impl Read) -> Result<tempfile::NamedTempFile, Error> {
    context.home.create()?;
    let dir = context.home.dir();
    let mut file = tempfile::Builder::new()
        .prefix("import-")
        .tempfile_in(dir)
        .map_err(|source| Error::io("make a file in", dir, &source))?;
    let copied = io::copy(&mut stream, &mut file);
    copied.map_err(|source| Error::io("copy what is to be imported to", dir, &source))?;
    Ok(file)
}

/// Who records.
enum Door<'c> {
    /// The daemon that holds the lock.
    Daemon(Client<'c>),
    /// This process.
    Own(Box<Writer>),
}

impl<'c> Door<'c> {
    /// The way in, waited for where another command only catches up.
    fn open(context: &'c Context, streams: &Streams) -> Result<Door<'c>, Error> {
        let meter = streams.meter();
        let began = Instant::now();
        loop {
            if let Some(client) = Client::connect(context)? {
                return Ok(Door::Daemon(client));
            }
            let tell = |seq| meter.tell(format_args!("folding the log: seq {seq}"));
            match context.home.open_writer(tell) {
                Err(HomeError::Log(OpenError::Locked { .. }))
                    if began.elapsed() < LOCK_PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
                opened => {
                    meter.done();
                    return Ok(Door::Own(Box::new(opened?)));
                }
            }
        }
    }
}

/// An import stopped before its end.
pub fn failed(error: ImportError) -> Error {
    match error {
        ImportError::Read { path, line: 0, source } => Error::io("read", &path, &source),
        ImportError::Read { .. } => Error::new(Exit::Failed, "io", error.to_string())
            .hint("What was read before is recorded; the same command goes on after it."),
        other => Error::new(Exit::Failed, "not_recorded", other.to_string()).hint(
            "What was acknowledged is kept; the same command goes on after it. \
             See the disk's state: sm doctor.",
        ),
    }
}

fn warnings(writer: &Writer) -> Vec<String> {
    let torn = writer.recovery.torn.as_ref();
    let torn = torn.map(|torn| {
        format!("the last writer left a torn tail from seq {} on; nothing acknowledged", torn.first)
    });
    torn.into_iter().chain(writer.recovery.gaps.iter().map(ToString::to_string)).collect()
}

/// How many malformed lines and sessions are shown by name.
const SHOWN_MAX: usize = 20;

impl Done {
    fn print(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        let home = context.home_words();
        let done = &self.imported;
        let range = match (done.first_seq, done.last_seq) {
            (Some(first), Some(last)) => format!(", seq {first} to {last}"),
            _ => String::new(),
        };
        if let Some(lines) = done.continued_after {
            streams.line(format_args!(
                "went on after line {lines}: an import of it was cut off there"
            ))?;
        }
        streams.line(format_args!(
            "{}{range}, {}, {} malformed",
            counted(done.records, "record"),
            counted(done.sessions.len(), "session"),
            done.malformed
        ))?;
        print_lines(streams, &done.malformed_lines, done.malformed)?;
        if done.marked > 0 {
            streams.line(format_args!("{} lines kept as they came, and marked", done.marked))?;
            print_lines(streams, &done.marked_lines, done.marked)?;
        }
        for kept in done.not_folded.iter().take(SHOWN_MAX) {
            streams.line(format_args!(
                "kept and not folded: {} of session {}: a server runs it, so what a file says of it \
                 changes nothing",
                counted(kept.records, "record"),
                kept.session_id
            ))?;
        }
        if done.not_folded.len() > SHOWN_MAX {
            let more = done.not_folded.len() - SHOWN_MAX;
            streams
                .line(format_args!("and those of {more} more sessions: sm{home} import --json"))?;
        }
        for warning in &self.warnings {
            streams.say(warning);
        }
        let text = |session: &Value, name: &str| {
            session.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        for session in done.sessions.iter().take(SHOWN_MAX) {
            let id = text(session, "id").unwrap_or_default();
            let words = ["name", "agent", "title"].iter().find_map(|name| text(session, name));
            streams.line(format_args!("  {id} {}", clean(words.as_deref().unwrap_or("-"))))?;
        }
        if done.sessions.len() > SHOWN_MAX {
            let more = done.sessions.len() - SHOWN_MAX;
            streams.line(format_args!("  and {more} more: sm{home} ps --all"))?;
        }
        if let Some(id) = done.sessions.last().and_then(|session| text(session, "id")) {
            streams.say(format_args!("Look at it: sm{home} tail {id}"));
        }
        Ok(())
    }
}

fn print_lines(streams: &mut Streams, lines: &[Malformed], count: u64) -> Result<(), Error> {
    for at in lines.iter().take(SHOWN_MAX) {
        let seq = at.seq.map_or(String::new(), |seq| format!(" (seq {seq})"));
        streams.line(format_args!("  line {}: {}{seq}", at.line, at.why))?;
    }
    if count > SHOWN_MAX as u64 {
        streams.line(format_args!("  and {} more", count - SHOWN_MAX as u64))?;
    }
    Ok(())
}
