//! Reading the tables and the log, for one answer.
//!
//! What always holds: an answer is made of one view and says which seq it reflects; where nobody
//! writes, the tables are brought up to the log first.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, now_micros};
use crate::past::Past;
use crate::show::Lives;
use serde::Serialize;
use sm_daemon::api::NotWritten;
use sm_daemon::{Client, Home, HomeError};
use sm_log::{OpenError, Reader};
use sm_projections::views::{self, Selection};
use sm_projections::{Store, View};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an answer waits for what only the daemon knows.
const GLANCE: Duration = Duration::from_millis(250);

/// The tables, open for reading.
#[derive(Clone)]
pub struct Tables {
    store: Arc<Store>,
    /// They are those of a moment gone by.
    past: Option<Arc<Past>>,
    home: Home,
    /// The log's id.
    pub log_id: String,
    /// The log's last durable seq when they were opened.
    pub head: u64,
    /// What the disk did not take then.
    not_written: Option<NotWritten>,
}

/// What an answer reflects.
#[derive(Debug, Clone, Serialize)]
pub struct AsOf {
    /// The last seq folded.
    pub seq: u64,
    /// Which log; null before there is one.
    pub log_id: Option<String>,
    /// The last durable seq of that log.
    pub head: u64,
    /// What the disk does not take at the moment; null while all is well.
    pub not_written: Option<NotWritten>,
}

impl AsOf {
    /// Nothing was ever recorded.
    pub fn nothing() -> AsOf {
        AsOf { seq: 0, log_id: None, head: 0, not_written: None }
    }
}

/// What every list says beside its rows.
#[derive(Debug, Serialize)]
pub struct Head {
    /// Which list.
    pub schema: &'static str,
    /// What the reader should know about it.
    pub warnings: Vec<String>,
    /// Hosts that did not answer; this machine always does.
    pub host_errors: Vec<String>,
    /// What it reflects.
    pub as_of: AsOf,
}

impl Head {
    /// The head of a list under `schema`.
    pub fn new(schema: &'static str, as_of: AsOf) -> Head {
        Head { schema, warnings: Vec::new(), host_errors: Vec::new(), as_of }
    }
}

impl Tables {
    /// Opens them; `None` where nothing was ever recorded.
    pub fn open(context: &Context, streams: &Streams) -> Result<Option<Tables>, Error> {
        let meter = streams.meter();
        let mut told = false;
        let readings = context.home.open_readings(|seq| {
            told = true;
            meter.tell(format_args!("folding the log: seq {seq}"));
        });
        if told {
            meter.done();
        }
        let readings = readings?;
        if let Some(why) = readings.behind {
            streams.warn(format_args!("answered at what was folded before: {why}"));
        }
        let (Some(store), Some(log_id)) = (readings.store, readings.log_id) else {
            return Ok(None);
        };
        let not_written = not_written(&context.home);
        if let Some(not_written) = &not_written {
            streams.warn(format_args!("{not_written}"));
        }
        Ok(Some(Tables {
            store: Arc::new(store),
            past: None,
            home: context.home.clone(),
            log_id,
            head: readings.watermark,
            not_written,
        }))
    }

    /// The tables in `store`, of the moment `past`, in place of these.
    pub fn gone_by(&self, store: Arc<Store>, past: Past) -> Tables {
        Tables { store, past: Some(Arc::new(past)), ..self.clone() }
    }

    /// The present of whoever looks: that of the moment where it is gone by. Unix microseconds.
    pub fn now(&self) -> i64 {
        self.past.as_ref().map_or_else(now_micros, |past| past.time)
    }

    /// Whether they are those of a moment gone by.
    pub fn is_past(&self) -> bool {
        self.past.is_some()
    }

    /// Whether no session is left out: those of a moment gone by may be only the newest.
    pub fn is_whole(&self) -> bool {
        self.past.as_ref().is_none_or(|past| past.whole)
    }

    /// Looks at processes; at none, where their moment is gone by.
    pub fn lives(&self) -> Lives {
        match self.past {
            Some(_) => Lives::unknown(),
            None => Lives::new(self.home.clone()),
        }
    }

    /// The session that `word` means. In a moment gone by, a word means what it means now, if it was
    /// there then.
    pub fn select(
        &self,
        context: &Context,
        view: &View<'_>,
        word: &str,
    ) -> Result<Selection, Error> {
        let Some(past) = &self.past else { return select(context, view, word) };
        let thread = past.threads.get(word).map_or(word, String::as_str);
        select(context, view, thread).map_err(|error| match past.began.get(word) {
            Some(began) if error.code == "not_found" => past.not_yet(word, *began),
            _ => error,
        })
    }

    /// Opens them for a question about one session.
    pub fn open_some(context: &Context, streams: &Streams) -> Result<Tables, Error> {
        Tables::open(context, streams)?.ok_or_else(|| nothing_yet(context))
    }

    /// Begins one answer.
    pub fn view(&self) -> Result<View<'_>, Error> {
        Ok(self.store.view()?)
    }

    /// Forgets readers whose process died; returns how many.
    pub fn clear_stale_readers(&self) -> Result<usize, Error> {
        Ok(self.store.clear_stale_readers()?)
    }

    /// What an answer made of `view` reflects.
    pub fn as_of(&self, view: &View<'_>) -> Result<AsOf, Error> {
        let seq = view.checkpoint()?;
        Ok(AsOf {
            seq,
            log_id: Some(self.log_id.clone()),
            head: self.head.max(seq),
            not_written: self.not_written.clone(),
        })
    }
}

/// What the daemon could not write yet. One that does not answer at once, or is out of reach, tells nothing.
pub fn not_written(home: &Home) -> Option<NotWritten> {
    Client::glance(home, GLANCE)?.not_written
}

/// The session that `word` means; `@parent` is the caller's.
pub fn select(context: &Context, view: &View<'_>, word: &str) -> Result<Selection, Error> {
    if word == "@parent" && context.caller.is_none() {
        return Err(Error::usage(
            "@parent is the session that made the calling one, and none calls",
        )
        .hint("SM_SESSION_ID says who calls; sm sets it for the sessions that it makes."));
    }
    views::find(view, word, context.caller.as_deref()).map_err(|error| {
        let (home, error) = (context.home_words(), Error::from(error));
        match error.code.as_str() {
            "not_found" if word == "@parent" => {
                let id = context.caller.as_deref().unwrap_or_default();
                let message = format!("the calling session, {id}, has no parent");
                Error::new(Exit::NotFound, "not_found", message)
                    .hint(format!("A human, or sm itself, began it: sm{home} show {id}"))
            }
            "not_found" => error.hint(format!("See which there are: sm{home} ps --all")),
            _ => error,
        }
    })
}

/// The threads that words mean now: who follows stays with those.
pub fn pin(context: &Context, view: &View<'_>, words: &[String]) -> Result<Vec<String>, Error> {
    let thread = |word: &String| Ok(select(context, view, word)?.session.thread_id);
    words.iter().map(thread).collect()
}

/// The log, for reading.
pub fn open_log(context: &Context) -> Result<Reader, Error> {
    context.home.open_log().map_err(|error| match error {
        HomeError::Log(OpenError::NotFound { .. }) => nothing_yet(context),
        error => error.into(),
    })
}

/// Nothing was ever recorded in this data directory.
pub fn nothing_yet(context: &Context) -> Error {
    let home = context.home_words();
    Error::new(
        Exit::NotFound,
        "not_found",
        format!("nothing was recorded in {} yet", context.home.dir().display()),
    )
    .hint(format!("Begin: sm{home} spawn 'PROMPT', or sm{home} import FILE, or sm demo."))
}

/// How long a follower sleeps between two looks where nothing wakes it.
const LOOK: Duration = Duration::from_millis(250);

/// How long the writer may take to fold what it recorded before a follower shows what there is.
const FOLDED_BY: Duration = Duration::from_millis(500);

/// Follows the tables as they change, whoever writes; also from before anything was recorded.
pub struct Follow<'c> {
    context: &'c Context,
    log: Option<Reader>,
    tables: Option<Tables>,
    seen: u64,
}

impl<'c> Follow<'c> {
    /// Begins to follow.
    pub fn new(context: &'c Context) -> Follow<'c> {
        Follow { context, log: None, tables: None, seen: 0 }
    }

    /// The tables as they are now; waits for the first record where there is none.
    pub fn next(&mut self, streams: &mut Streams) -> Result<&Tables, Error> {
        let began = Instant::now();
        loop {
            self.refresh(streams)?;
            if let Some(tables) = &self.tables {
                let (checkpoint, head) = (tables.view()?.checkpoint()?, self.head());
                if checkpoint >= head || began.elapsed() > FOLDED_BY {
                    self.seen = checkpoint;
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            } else {
                streams.pause(LOOK)?;
            }
        }
        match &self.tables {
            Some(tables) => Ok(tables),
            None => Err(nothing_yet(self.context)),
        }
    }

    /// Waits until the log has gone on.
    pub fn wait(&mut self, streams: &mut Streams) -> Result<(), Error> {
        while self.head() <= self.seen {
            self.pause(streams, LOOK)?;
        }
        Ok(())
    }

    /// Waits until the log has gone on, but no longer than `most`.
    pub fn pause(&mut self, streams: &mut Streams, most: Duration) -> Result<(), Error> {
        match &self.log {
            Some(log) if log.watermark() <= self.seen => {
                streams.flush()?;
                if streams.is_closed() {
                    return Err(Error::closed_pipe());
                }
                log.wait(self.seen + 1, most);
                Ok(())
            }
            _ => streams.pause(most.min(LOOK)),
        }
    }

    fn head(&self) -> u64 {
        self.log.as_ref().map_or(0, Reader::watermark)
    }

    /// Opens what is not open yet. Tables that lag are opened anew, which brings them up to the log
    /// where nobody writes.
    fn refresh(&mut self, streams: &Streams) -> Result<(), Error> {
        let lags = match &self.tables {
            Some(tables) => tables.view()?.checkpoint()? < self.head(),
            None => true,
        };
        if lags {
            // Dropped first: LMDB opens an environment once in a process.
            self.tables = None;
            self.tables = Tables::open(self.context, streams)?;
        }
        if self.log.is_none() && self.tables.is_some() {
            self.log = Some(open_log(self.context)?);
        }
        Ok(())
    }
}
