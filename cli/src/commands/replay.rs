//! `sm replay`: the log itself.
//!
//! What always holds: `--raw` gives the bytes that came, in the order they came, and nothing of sm's
//! own; so a server's output that was imported comes back the same.

mod range;
mod verify;

use crate::bound::Bound;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{Tables, nothing_yet, open_log, select};
use crate::show::{RecordDoc, Revisions, Sessions, record_line};
use clap::Args;
use range::{Pace, Range};
use serde::Serialize;
use sm_daemon::counted;
use sm_log::{Direction, Item, ReadError, Reader, Record};
use sm_projections::rows::Session;
use sm_protocol::{Kind, flags};
use std::time::Duration;

/// Shows the log itself: one line a record, JSON lines, or the exact bytes; or proves the folds.
#[derive(Debug, Args)]
pub struct Replay {
    /// Only this session's records.
    session: Option<String>,

    /// From this record or time on: 120, 2026-11-21T03:00Z, 03:00, 10m (ago).
    #[arg(long, value_name = "SEQ|TIME")]
    since: Option<Bound>,

    /// Up to this record or time.
    #[arg(long, value_name = "SEQ|TIME")]
    until: Option<Bound>,

    /// Only so many of the last.
    #[arg(short = 'n', value_name = "N")]
    last: Option<usize>,

    /// Goes on with what is recorded next.
    #[arg(short, long)]
    follow: bool,

    /// The exact bytes, one message a line, without sm's own records.
    #[arg(long)]
    raw: bool,

    /// At the recorded pace, times this: 1, 10, 0.5.
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,

    /// Folds the whole log anew and compares with the live tables; exit 7 when they differ.
    #[arg(long, conflicts_with_all = ["session", "since", "until", "last", "follow", "raw", "speed"])]
    verify: bool,
}

/// How records are printed.
struct Printer<'t> {
    form: Form,
    tables: Option<&'t Tables>,
    sessions: Sessions,
    revisions: Revisions,
    gaps: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Line,
    Json,
    Raw,
}

impl Replay {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        if self.verify {
            return verify::run(context, streams);
        }
        if self.speed.is_some_and(|speed| !(speed.is_finite() && speed > 0.0)) {
            return Err(Error::usage("--speed takes a factor above 0: 1 is the recorded pace"));
        }
        let tables = Tables::open(context, streams)?;
        let Some(tables) = &tables else { return self.nothing(context, streams) };
        let session = match &self.session {
            Some(word) => Some(select(context, &tables.view()?, word)?.session),
            None => None,
        };
        let log = open_log(context)?;
        let range = Range::new(&log, self.since, self.until)?;
        let mut printer = Printer {
            form: match (self.raw, context.json) {
                (true, _) => Form::Raw,
                (false, true) => Form::Json,
                (false, false) => Form::Line,
            },
            tables: Some(tables),
            sessions: Sessions::default(),
            revisions: Revisions::default(),
            gaps: 0,
        };
        let mut pace = Pace::new(self.speed);
        match &session {
            Some(session) => {
                self.session(&log, session, &range, &mut printer, &mut pace, streams)?;
            }
            None => self.whole(&log, &range, &mut printer, &mut pace, streams)?,
        }
        if printer.gaps > 0 {
            let message = format!("{} ranges of the log cannot be read any more", printer.gaps);
            return Err(Error::new(Exit::Failed, "gap", message).hint("See which: sm verify."));
        }
        Ok(Exit::Ok)
    }

    fn nothing(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        if self.session.is_some() {
            return Err(nothing_yet(context));
        }
        let home = context.home_words();
        streams.say(format_args!("Nothing recorded yet. Begin: sm{home} import FILE"));
        Ok(Exit::Ok)
    }

    fn whole(
        &self,
        log: &Reader,
        range: &Range,
        printer: &mut Printer<'_>,
        pace: &mut Pace,
        streams: &mut Streams,
    ) -> Result<(), Error> {
        let from = match self.last {
            Some(last) => range.last_seqs(log, last, |record| printer.wants(record))?,
            None => range.first,
        };
        printer.revisions.from_start = from == 1;
        if let (Some((first, last)), None) = (range.trimmed, self.last) {
            let gap = HistoryGap::of_seqs(first, last, log.floor());
            gap.print(streams, printer.form)?;
        }
        let mut cursor = log.cursor(from)?;
        loop {
            let next = cursor.position();
            if next > range.last {
                return Ok(());
            }
            let unread = match cursor.next() {
                Ok(Some(Item::Record(record))) => {
                    if range.holds(&record) {
                        pace.keep(streams, record.time)?;
                        printer.print(streams, log, &record)?;
                    } else if printer.form == Form::Json {
                        printer.revisions.next(log, record.session, record.seq)?;
                    }
                    continue;
                }
                Ok(Some(Item::Gap(gap))) => {
                    printer.pass(streams, &gap);
                    continue;
                }
                Ok(None) if self.follow => {
                    wait(log, next, streams)?;
                    continue;
                }
                Ok(None) => return Ok(()),
                Err(error) => error,
            };
            // What lies around what the system does not give is there.
            let Some((_, last)) = unread.seqs() else { return Err(unread.into()) };
            printer.pass(streams, &unread);
            if last >= log.watermark() {
                return Ok(());
            }
            cursor = log.cursor(last + 1)?;
        }
    }

    fn session(
        &self,
        log: &Reader,
        session: &Session,
        range: &Range,
        printer: &mut Printer<'_>,
        pace: &mut Pace,
        streams: &mut Streams,
    ) -> Result<(), Error> {
        let (thread, capped) = (session.thread_id.as_str(), session.floor);
        let kept = log.first_revision(thread.as_bytes())?;
        let capped = capped.filter(|(revision, _)| *revision > kept);
        let from = capped.map_or(kept, |(revision, _)| revision);
        let is_cut = from > 1 && range.trimmed.is_some_and(|(first, _)| first == 1);
        if self.last.is_none() && (is_cut || capped.is_some()) {
            let reason = if capped.is_some() { CAPPED } else { TRIMMED };
            let earliest = log.revision(thread.as_bytes(), from)?;
            let gap = HistoryGap::of_revisions(from - 1, reason, earliest);
            gap.print(streams, printer.form)?;
        }
        let mut cursor = match self.last {
            // What a bound leaves out does not count; without one, the end is found at once.
            Some(last) if range.is_open() && printer.form != Form::Raw => {
                let total = log.revisions(thread.as_bytes())?;
                let first = (total + 1).saturating_sub(last as u64).max(from);
                log.session(thread.as_bytes(), first)?
            }
            Some(last) => {
                let from = range.last_revisions(log, thread, from, last, |r| printer.wants(r))?;
                log.session(thread.as_bytes(), from)?
            }
            None => log.session(thread.as_bytes(), from)?,
        };
        loop {
            match cursor.next() {
                Ok(Some((_, record))) if record.seq > range.last => return Ok(()),
                Ok(Some((_, record))) => {
                    if range.holds(&record) && record.seq >= range.first {
                        pace.keep(streams, record.time)?;
                        printer.print(streams, log, &record)?;
                    }
                }
                Ok(None) if self.follow => wait(log, log.watermark() + 1, streams)?,
                Ok(None) => return Ok(()),
                Err(ReadError::Gap(gap)) => {
                    printer.pass(streams, &gap);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Why records that were asked for are not there.
const TRIMMED: &str = "no longer kept";
const CAPPED: &str = "only the newest records of the session are served";

/// Records that were asked for and are not served any more, told before the first one that is.
#[derive(Serialize)]
struct HistoryGap {
    schema: &'static str,
    history_gap: bool,
    gap_reason: &'static str,
    /// The seqs that are missing; null where revisions are.
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    /// The revisions of the session that are missing; null where seqs are.
    first_revision: Option<u64>,
    last_revision: Option<u64>,
    /// The oldest record that is served; null where none is.
    earliest_seq: Option<u64>,
}

impl HistoryGap {
    fn of_seqs(first: u64, last: u64, floor: u64) -> HistoryGap {
        HistoryGap {
            schema: "sm.history_gap/1",
            history_gap: true,
            gap_reason: TRIMMED,
            first_seq: Some(first),
            last_seq: Some(last),
            first_revision: None,
            last_revision: None,
            earliest_seq: Some(floor),
        }
    }

    fn of_revisions(last: u64, gap_reason: &'static str, earliest: Option<u64>) -> HistoryGap {
        HistoryGap {
            gap_reason,
            first_seq: None,
            last_seq: None,
            first_revision: Some(1),
            last_revision: Some(last),
            earliest_seq: earliest,
            ..HistoryGap::of_seqs(0, 0, 0)
        }
    }

    fn print(&self, streams: &mut Streams, form: Form) -> Result<(), Error> {
        if form == Form::Json {
            return streams.json_line(self);
        }
        let range = match (self.first_seq.zip(self.last_seq), self.last_revision) {
            (Some((first, last)), _) => format!("seq {first} to {last}"),
            (None, last) => {
                format!("the session's first {}", counted(last.unwrap_or(0), "record"))
            }
        };
        streams.say(format_args!("sm: history gap: {range}: {}", self.gap_reason));
        Ok(())
    }
}

/// Waits for record `seq`, seeing to it that what was printed is seen.
fn wait(log: &Reader, seq: u64, streams: &mut Streams) -> Result<(), Error> {
    streams.flush()?;
    if streams.is_closed() {
        return Err(Error::closed_pipe());
    }
    log.wait(seq, Duration::from_millis(250));
    Ok(())
}

impl Printer<'_> {
    /// Tells of records that cannot be read.
    fn pass(&mut self, streams: &mut Streams, unread: &dyn std::fmt::Display) {
        self.gaps += 1;
        self.revisions.pass();
        streams.say(format_args!("sm: gap: {unread}"));
    }

    /// Whether a record is printed at all in this form.
    fn wants(&self, record: &Record<'_>) -> bool {
        self.form != Form::Raw || is_verbatim(record)
    }

    fn print(
        &mut self,
        streams: &mut Streams,
        log: &Reader,
        record: &Record<'_>,
    ) -> Result<(), Error> {
        if self.form == Form::Raw {
            return print_raw(streams, record);
        }
        let view = match self.tables {
            Some(tables) => Some(tables.view()?),
            None => None,
        };
        let id = self.sessions.id(view.as_ref(), record.session);
        if self.form == Form::Json {
            let revision = self.revisions.next(log, record.session, record.seq)?;
            return streams.json_line(&RecordDoc::new(record, revision, id));
        }
        let width = streams.size().map(|(columns, _)| columns);
        let doer = self.sessions.doer(view.as_ref(), record);
        let line = record_line(streams.style, record, id.as_deref(), doer.as_deref(), width);
        streams.line(line)
    }
}

/// Whether the record holds what came from outside.
fn is_verbatim(record: &Record<'_>) -> bool {
    record.direction != Direction::Own && !Kind(record.kind).is_synthetic()
}

/// The record's bytes and its newline, as they came; nothing for one of sm's own.
pub fn print_raw(streams: &mut Streams, record: &Record<'_>) -> Result<(), Error> {
    if !is_verbatim(record) {
        return Ok(());
    }
    streams.bytes(record.payload)?;
    match record.flags & flags::UNTERMINATED {
        0 => streams.bytes(b"\n"),
        _ => Ok(()),
    }
}
