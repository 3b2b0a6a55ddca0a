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
use sm_daemon::{HomeError, Writer, api};
use sm_ingest::{ImportError, ImportSummary, Importer, hash_file};
use sm_log::OpenError;
use sm_projections::tables::{Imports, Sources, Threads};
use sm_projections::views;
use sm_projections::{BATCH_RECORDS_MAX, FoldError, Projector, View};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Another command that only catches up is gone within this time.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// Readers are not kept waiting longer than this for what was imported.
const COMMIT_AT_LATEST: Duration = Duration::from_millis(200);

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

/// What was imported.
#[derive(Debug, Serialize)]
struct Imported {
    schema: &'static str,
    /// The source's number.
    source: u64,
    path: String,
    blake3: Option<String>,
    bytes: u64,
    records: u64,
    malformed: u64,
    malformed_lines: Vec<Malformed>,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    sessions: Vec<Value>,
    elapsed_ms: u64,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Malformed {
    line: u64,
    seq: u64,
    why: String,
}

impl Import {
    /// Records the file.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let began = Instant::now();
        let input = Input::open(&self.file, context)?;
        let imported = match Door::open(context)? {
            Door::Daemon(client) => self.through(&client, &input, began)?,
            Door::Own(writer) => self.alone(*writer, context, streams, &input, began)?,
        };
        match context.json {
            true => streams.document(&imported)?,
            false => imported.print(context, streams)?,
        }
        Ok(Exit::Ok)
    }

    /// The daemon holds the lock: it reads the file.
    fn through(
        &self,
        client: &Client<'_>,
        input: &Input,
        began: Instant,
    ) -> Result<Imported, Error> {
        let path = std::path::absolute(&input.path);
        let path = path.map_err(|source| Error::io("find", &input.path, &source))?;
        let done = client.import(&api::Import {
            path: path.to_string_lossy().into_owned(),
            name: Some(input.name.clone()),
            again: self.again,
        })?;
        let why =
            |line: api::Malformed| Malformed { line: line.line, seq: line.seq, why: line.why };
        Ok(Imported {
            schema: "sm.import/1",
            source: done.source,
            path: input.name.clone(),
            blake3: Some(input.hash.clone()),
            bytes: done.bytes,
            records: done.records,
            malformed: done.malformed,
            malformed_lines: done.malformed_lines.into_iter().map(why).collect(),
            first_seq: done.first_seq,
            last_seq: done.last_seq,
            sessions: done.sessions,
            elapsed_ms: began.elapsed().as_millis() as u64,
            warnings: Vec::new(),
        })
    }

    /// Nobody else writes: this process does.
    fn alone(
        &self,
        mut writer: Writer,
        context: &Context,
        streams: &mut Streams,
        input: &Input,
        began: Instant,
    ) -> Result<Imported, Error> {
        let meter = streams.meter();
        writer.projector.catch_up(|seq| meter.tell(format_args!("folding the log: seq {seq}")))?;
        if !self.again {
            refuse_repeated(context, &writer, input)?;
        }
        let summary = self.record(&mut writer, input, streams)?;
        let view = writer.store.view()?;
        Ok(Imported {
            schema: "sm.import/1",
            source: summary.source,
            path: input.name.clone(),
            blake3: Some(input.hash.clone()),
            bytes: summary.bytes,
            records: summary.records,
            malformed: summary.malformed,
            malformed_lines: malformed(&summary),
            first_seq: summary.first_seq,
            last_seq: summary.last_seq,
            sessions: sessions(&view, &summary)?,
            elapsed_ms: began.elapsed().as_millis() as u64,
            warnings: warnings(&writer),
        })
    }

    fn record(
        &self,
        writer: &mut Writer,
        input: &Input,
        streams: &mut Streams,
    ) -> Result<ImportSummary, Error> {
        let now = now_micros();
        let file = File::open(&input.path);
        let file = file.map_err(|source| Error::io("open", &input.path, &source))?;
        let (bytes, name) = (input.bytes, Path::new(&input.name));
        let meter = streams.meter();
        let tell = move |records: u64, read: u64| {
            let part = read.saturating_mul(100).checked_div(bytes).unwrap_or(100);
            meter.tell(format_args!("{records} records, {part} %"));
        };
        let hash = Some(input.hash.clone());
        let importer = Importer::begin(writer.log.clone(), name, hash, Some(bytes), now, tell);
        let importer = importer.map_err(failed)?;
        let done = AtomicBool::new(false);
        let log = writer.log.reader();
        let projector = &mut writer.projector;
        let (summary, folded) = std::thread::scope(|scope| {
            let folder = scope.spawn(|| fold_along(projector, &log, &done));
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

/// Folds what becomes durable until the import is done and all of it is folded.
fn fold_along(
    projector: &mut Projector,
    log: &sm_log::Reader,
    done: &AtomicBool,
) -> Result<(), FoldError> {
    let mut committed = Instant::now();
    loop {
        let last_round = done.load(Ordering::Acquire);
        // Many small commits would cost more than they bring.
        let wanted = projector.checkpoint() + (BATCH_RECORDS_MAX / 4) as u64;
        if last_round || log.watermark() >= wanted || committed.elapsed() > COMMIT_AT_LATEST {
            while projector.advance(BATCH_RECORDS_MAX)? > 0 {}
            committed = Instant::now();
        }
        if last_round {
            return Ok(());
        }
        log.wait(wanted, Duration::from_millis(2));
    }
}

/// What is imported: a file, or standard input in a file of its own.
struct Input {
    name: String,
    path: PathBuf,
    hash: String,
    bytes: u64,
    _spool: Option<tempfile::NamedTempFile>,
}

impl Input {
    fn open(file: &Path, context: &Context) -> Result<Input, Error> {
        let spool = match file.as_os_str() == "-" {
            true => Some(spool(context)?),
            false => None,
        };
        let path = spool.as_ref().map_or(file, |spool| spool.path()).to_path_buf();
        let meta = std::fs::metadata(&path);
        let meta = meta.map_err(|source| Error::io("read", &path, &source))?;
        if meta.is_dir() {
            let shown = file.display();
            return Err(Error::new(
                Exit::Usage,
                "is_a_directory",
                format!("{shown} is a directory, not a transcript"),
            )
            .hint(format!(
                "Import its files: for f in {shown}/*.jsonl; do sm import \"$f\"; done"
            )));
        }
        let (hash, bytes) = hash_file(&path).map_err(failed)?;
        let name = match &spool {
            Some(_) => "-".to_owned(),
            None => std::path::absolute(&path).unwrap_or(path.clone()).display().to_string(),
        };
        Ok(Input { name, path, hash, bytes, _spool: spool })
    }
}

/// Standard input, kept in a private file: its hash must be known before its first line is recorded.
fn spool(context: &Context) -> Result<tempfile::NamedTempFile, Error> {
    context.home.create()?;
    let dir = context.home.dir();
    let mut file = tempfile::Builder::new()
        .prefix("import-")
        .tempfile_in(dir)
        .map_err(|source| Error::io("make a file in", dir, &source))?;
    let copied = io::copy(&mut io::stdin().lock().by_ref(), &mut file);
    copied.map_err(|source| Error::io("spool standard input to", dir, &source))?;
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
    fn open(context: &'c Context) -> Result<Door<'c>, Error> {
        let began = Instant::now();
        loop {
            if let Some(client) = Client::connect(context)? {
                return Ok(Door::Daemon(client));
            }
            match context.home.open_writer() {
                Err(HomeError::Log(OpenError::Locked { .. }))
                    if began.elapsed() < LOCK_PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
                opened => return Ok(Door::Own(Box::new(opened?))),
            }
        }
    }
}

fn refuse_repeated(context: &Context, writer: &Writer, input: &Input) -> Result<(), Error> {
    let view = writer.store.view()?;
    let Some(source) = view.get::<Imports>(&input.hash)? else { return Ok(()) };
    let before = view.get::<Sources>(&source)?;
    let at = before.as_ref().and_then(|source| views::time(source.opened_at));
    let path = before.and_then(|source| source.path);
    let name = &input.name;
    let when = at.as_deref().unwrap_or("before");
    let message = format!("{name} was imported already, {when}, as source {source}");
    let home = context.home_words();
    Err(Error::new(Exit::Conflict, "already_imported", message)
        .hint(format!("See its sessions: sm{home} ps --all. To record it once more: --again"))
        .details(serde_json::json!({
            "source": source, "path": path, "imported_at": at, "blake3": input.hash,
        })))
}

fn failed(error: ImportError) -> Error {
    match error {
        ImportError::Read { path, line: 0, source } => Error::io("read", &path, &source),
        ImportError::Read { .. } => Error::new(Exit::Failed, "io", error.to_string())
            .hint("What was read before is recorded. Run it again with --again."),
        other => Error::new(Exit::Failed, "not_recorded", other.to_string())
            .hint("What was read before is recorded. See the disk's state: sm doctor."),
    }
}

fn malformed(summary: &ImportSummary) -> Vec<Malformed> {
    let lines = summary.malformed_lines.iter();
    lines
        .map(|at| Malformed { line: at.line, seq: at.seq, why: at.kind.label().to_owned() })
        .collect()
}

fn sessions(view: &View<'_>, summary: &ImportSummary) -> Result<Vec<Value>, Error> {
    let mut sids = Vec::new();
    for thread in &summary.threads {
        sids.extend(view.get::<Threads>(thread)?);
    }
    sids.sort_unstable();
    let mut docs = Vec::new();
    for sid in sids {
        if let Some(doc) = views::session_doc(view, sid)? {
            let doc = serde_json::to_value(&doc);
            docs.push(doc.map_err(|error| Error::new(Exit::Failed, "bug", error.to_string()))?);
        }
    }
    Ok(docs)
}

fn warnings(writer: &Writer) -> Vec<String> {
    let torn = writer.recovery.torn.as_ref();
    let torn = torn.map(|torn| {
        format!("the last writer left a torn tail from seq {} on; nothing acknowledged", torn.first)
    });
    torn.into_iter().chain(writer.recovery.gaps.iter().map(ToString::to_string)).collect()
}

impl Imported {
    fn print(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        let home = context.home_words();
        let range = match (self.first_seq, self.last_seq) {
            (Some(first), Some(last)) => format!(", seq {first} to {last}"),
            _ => String::new(),
        };
        streams.line(format_args!(
            "{} records{range}, {} sessions, {} malformed",
            self.records,
            self.sessions.len(),
            self.malformed
        ))?;
        for at in self.malformed_lines.iter().take(20) {
            streams.line(format_args!("  line {}: {} (seq {})", at.line, at.why, at.seq))?;
        }
        if self.malformed > 20 {
            streams.line(format_args!("  and {} more", self.malformed - 20))?;
        }
        for warning in &self.warnings {
            streams.say(warning);
        }
        let text = |session: &Value, name: &str| {
            session.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        for session in &self.sessions {
            let id = text(session, "id").unwrap_or_default();
            let words = ["name", "agent", "title"].iter().find_map(|name| text(session, name));
            streams.line(format_args!("  {id} {}", clean(words.as_deref().unwrap_or("-"))))?;
        }
        if let Some(id) = self.sessions.last().and_then(|session| text(session, "id")) {
            streams.say(format_args!("Look at it: sm{home} tail {id}"));
        }
        Ok(())
    }
}
