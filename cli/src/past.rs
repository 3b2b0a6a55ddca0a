//! `--at`: a reading command's answer as it would have been at a moment gone by.
//!
//! What always holds: the tables of a past moment are made beside the live ones, in a folder of their
//! own that goes with them; nothing is changed. A time means all records before the first that is later,
//! so what was imported after that time is not there yet, however old it is.

use crate::bound::Bound;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{Tables, nothing_yet, open_log, select};
use clap::Args;
use serde_json::json;
use sm_log::{Direction, Item, ReadError, Reader};
use sm_projections::rows::Sid;
use sm_projections::tables::Sessions;
use sm_projections::{Scope, Snapshots, View, moment, views};
use std::collections::HashMap;

/// The option of every command that can look back.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct At {
    /// As things were after this record, or at this time: 120, 2026-11-21T03:00Z, 03:00, 10m, 3d (ago).
    #[arg(long, value_name = "SEQ|TIME")]
    at: Option<Bound>,
}

/// Two moments.
#[derive(Debug, Clone, Copy, Args)]
pub struct Since {
    /// From after this record or time: 120, 2026-11-21T03:00Z, 03:00, 10m, 3d (ago).
    #[arg(long, value_name = "SEQ|TIME")]
    pub from: Bound,

    /// Up to this record or time, if not until now.
    #[arg(long = "to", value_name = "SEQ|TIME")]
    pub to: Option<Bound>,
}

impl Since {
    /// The tables of both moments, as far as sessions are concerned that had records in between.
    pub fn open(
        self,
        context: &Context,
        streams: &Streams,
        live: &Tables,
    ) -> Result<(Tables, Tables), Error> {
        let log = open_log(context)?;
        let view = live.view()?;
        let folded = view.checkpoint()?;
        let from = resolve(&log, self.from, folded)?;
        let to = match self.to {
            Some(bound) => resolve(&log, bound, folded)?,
            None => folded,
        };
        if from > to {
            return Err(Error::usage(format!("--from (record {from}) is later than --to ({to})")));
        }
        let mut scopes = Vec::new();
        view.scan::<Sessions>(&[], &[], |sid, session| {
            let began_by = |at: u64| session.first_seq.is_none_or(|first| first <= at);
            if session.last_seq.is_some_and(|last| last > from) && began_by(to) {
                scopes.push(Scope::Session(sid));
            }
            true
        })?;
        let of = |seq, bound| {
            let past = Past::new(context, &log, bound, seq)?;
            past.tables(streams, live, &view, &log, &scopes)
        };
        let then = of(from, self.from)?;
        let now = match self.to {
            Some(bound) => of(to, bound)?,
            None => live.clone(),
        };
        Ok((then, now))
    }
}

/// A moment gone by.
pub struct Past {
    /// When it was, in Unix microseconds.
    pub time: i64,
    /// What words that were asked for mean now, as threads.
    pub threads: HashMap<String, String>,
    /// The first record of each.
    pub began: HashMap<String, u64>,
    seq: u64,
    /// Goes with the tables.
    folder: tempfile::TempDir,
    snapshots: Snapshots,
    /// No session of then is left out.
    pub whole: bool,
}

/// What a command asks of a moment.
pub enum Question<'w> {
    /// These sessions.
    Sessions(&'w [String]),
    /// These sessions and their descendants; with none, every family.
    Families(&'w [String]),
    /// So many sessions, those with the newest records first.
    Newest(usize),
    /// What waited for a human.
    Waiting,
}

impl At {
    /// The moment after a record.
    pub fn after(seq: u64) -> At {
        At { at: Some(Bound::Seq(seq)) }
    }

    /// Whether a moment gone by is asked for.
    pub fn is_given(self) -> bool {
        self.at.is_some()
    }

    /// Refuses to be combined with following: what is gone by does not go on.
    pub fn none_when_following(self, follows: bool) -> Result<(), Error> {
        match self.at {
            Some(_) if follows => Err(Error::usage("--at and --follow exclude each other")
                .hint("To see what came after a record: sm replay --since SEQ")),
            _ => Ok(()),
        }
    }

    /// The tables of the moment, as far as the question goes; the live ones without `--at`. `None` where nothing
    /// was ever recorded.
    pub fn open(
        self,
        context: &Context,
        streams: &Streams,
        question: &Question<'_>,
    ) -> Result<Option<Tables>, Error> {
        let live = Tables::open(context, streams)?;
        live.map(|live| self.of(context, streams, &live, question)).transpose()
    }

    /// The same, out of the live tables.
    pub fn of(
        self,
        context: &Context,
        streams: &Streams,
        live: &Tables,
        question: &Question<'_>,
    ) -> Result<Tables, Error> {
        match self.at {
            Some(bound) => gone_by(context, streams, live, bound, question),
            None => Ok(live.clone()),
        }
    }

    /// The same, for a question about sessions.
    pub fn open_some(
        self,
        context: &Context,
        streams: &Streams,
        question: &Question<'_>,
    ) -> Result<Tables, Error> {
        self.open(context, streams, question)?.ok_or_else(|| nothing_yet(context))
    }
}

impl Past {
    /// A session that began later.
    pub fn not_yet(&self, word: &str, began: u64) -> Error {
        let seq = self.seq;
        let message = format!("{word} began at record {began}, after record {seq}");
        Error::new(Exit::NotFound, "not_found", message)
            .details(json!({"given": word, "first_seq": began, "at": seq}))
            .hint(format!("Look later: --at {began}"))
    }
}

fn gone_by(
    context: &Context,
    streams: &Streams,
    live: &Tables,
    bound: Bound,
    question: &Question<'_>,
) -> Result<Tables, Error> {
    let log = open_log(context)?;
    let view = live.view()?;
    let folded = view.checkpoint()?;
    let seq = resolve(&log, bound, folded)?;
    let mut past = Past::new(context, &log, bound, seq)?;
    let scopes = past.scopes(context, &view, question)?;
    past.tables(streams, live, &view, &log, &scopes)
}

impl Past {
    /// The moment after record `seq`, which `bound` means.
    fn new(context: &Context, log: &Reader, bound: Bound, seq: u64) -> Result<Past, Error> {
        Ok(Past {
            time: time_of(log, bound, seq),
            threads: HashMap::new(),
            began: HashMap::new(),
            seq,
            folder: folder(context)?,
            snapshots: context.home.snapshots(),
            whole: false,
        })
    }

    /// Its tables, as far as `scopes` ask.
    fn tables(
        mut self,
        streams: &Streams,
        live: &Tables,
        view: &View<'_>,
        log: &Reader,
        scopes: &[Scope],
    ) -> Result<Tables, Error> {
        let (meter, seq) = (streams.meter(), self.seq);
        let path = self.folder.path().join("tables");
        let made = moment(view, log, &self.snapshots, seq, scopes, &path, |reached| {
            meter.tell(format_args!("looking back: record {reached} of {seq}"));
        });
        meter.done();
        let made = made?;
        self.whole = made.whole;
        Ok(live.gone_by(made.store, self))
    }
}

impl Past {
    fn scopes(
        &mut self,
        context: &Context,
        view: &View<'_>,
        question: &Question<'_>,
    ) -> Result<Vec<Scope>, Error> {
        let (words, of): (_, fn(Sid) -> Scope) = match question {
            Question::Newest(count) => return Ok(vec![Scope::Newest(*count)]),
            Question::Waiting => return Ok(vec![Scope::Waiting]),
            Question::Families([]) => {
                // A session that has children now may have had them then; no other had.
                let roots = views::roots(view)?.into_iter();
                return Ok(roots.map(|(sid, _)| Scope::Family(sid)).collect());
            }
            Question::Sessions(words) => (words, Scope::Session),
            Question::Families(words) => (words, Scope::Family),
        };
        let mut scopes = Vec::new();
        for word in *words {
            // The newest session of then, not of now. Whose family it has is not known before.
            if word == "@last" {
                scopes.push(Scope::Newest(1));
                continue;
            }
            let found = select(context, view, word)?;
            scopes.push(of(found.sid));
            self.began.extend(found.session.first_seq.map(|seq| (word.clone(), seq)));
            self.threads.insert(word.clone(), found.session.thread_id);
        }
        Ok(scopes)
    }
}

/// The last record of the moment.
fn resolve(log: &Reader, bound: Bound, folded: u64) -> Result<u64, Error> {
    match bound {
        Bound::Seq(seq) if seq > folded => {
            let message = format!("there is no record {seq} yet: the log ends at {folded}");
            Err(Error::new(Exit::NotFound, "beyond_head", message)
                .details(json!({"at": seq, "head": folded}))
                .hint(format!("The newest: --at {folded}")))
        }
        Bound::Seq(seq) => {
            let floor = log.floor();
            match seq > 0 && seq < floor {
                true => Err(below_floor(seq, floor)),
                false => Ok(seq),
            }
        }
        Bound::Time(time) => {
            let (seq, known, floor) = last_before(log, time, folded)?;
            // All that is kept is later: what was then is not known any more.
            match floor > 1 && !known {
                true => Err(below_floor(floor - 1, floor)),
                false => Ok(seq),
            }
        }
    }
}

fn below_floor(seq: u64, floor: u64) -> Error {
    let message = format!("record {seq} is no longer kept: the log begins at {floor}");
    Error::new(Exit::NotFound, "below_floor", message)
        .details(json!({"at": seq, "floor": floor}))
        .hint(format!("The oldest: --at {floor}"))
}

/// The record before the first one that is later than `time`. What `sm` itself noted does not count:
/// a transcript is older than the note that its import began. Beside it stand whether any record that is
/// kept is as old, and the floor.
fn last_before(log: &Reader, time: i64, folded: u64) -> Result<(u64, bool, u64), ReadError> {
    let (floor, mut known) = (log.floor(), false);
    for segment in log.segments()? {
        if segment.times.is_none_or(|(_, newest)| newest <= time) {
            // No time was told of a record at 0.
            known |= segment.times.is_some_and(|(_, newest)| newest > 0);
            continue;
        }
        let mut cursor = log.cursor(segment.first.max(floor))?;
        while cursor.position() <= segment.last.min(folded) {
            match cursor.next()? {
                Some(Item::Record(record)) => {
                    let counts = record.direction != Direction::Own;
                    if counts && record.time > time {
                        return Ok((record.seq - 1, known, floor));
                    }
                    known |= counts && record.time > 0;
                }
                Some(Item::Gap(_)) => {}
                None => break,
            }
        }
    }
    Ok((folded, known, floor))
}

/// When the moment was: the time that was named, or the record's.
fn time_of(log: &Reader, bound: Bound, seq: u64) -> i64 {
    match bound {
        Bound::Time(time) => time,
        Bound::Seq(_) => log.get(seq).map_or(0, |record| record.record().time),
    }
}

/// A folder for tables that are thrown away; also where the data directory cannot be written to.
pub fn folder(context: &Context) -> Result<tempfile::TempDir, Error> {
    let dir = context.home.dir();
    let folder = tempfile::Builder::new().prefix("scratch-").tempdir_in(dir);
    let folder = folder.or_else(|_| tempfile::Builder::new().prefix("sm-scratch-").tempdir());
    folder.map_err(|source| Error::io("make a folder in", dir, &source))
}
