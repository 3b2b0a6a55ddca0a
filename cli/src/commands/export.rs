//! `sm export`: what was recorded, in another program's form.
//!
//! What always holds: every slice that begins ends, inside the one around it; a session has a lane of its
//! own, called by the slice around all others; what is still open ends with its session's newest record.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::Tables;
use crate::show::label;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use sm_daemon::counted;
use sm_projections::rows::Sid;
use sm_projections::tables::{Sessions, Threads};
use sm_projections::views::{self, PhaseDoc, SessionDoc, TurnDoc};
use sm_projections::{StoreError, View};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes recorded sessions in another program's form.
///
/// --perfetto: turns and their phases for ui.perfetto.dev or chrome://tracing, a lane for each agent;
/// what waits for a human has a colour of its own.
#[derive(Debug, Args)]
pub struct Export {
    /// Only these sessions and their descendants; all without any.
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,

    /// A trace of turns and phases.
    #[arg(long, required = true)]
    perfetto: bool,

    /// Into this file, not to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// One event of the trace; times in microseconds.
#[derive(Serialize)]
struct Event<'a> {
    /// `b`: an asynchronous slice begins; `e`: it ends.
    ph: &'static str,
    name: &'a str,
    /// The lane.
    cat: &'a str,
    id: &'a str,
    pid: u32,
    tid: Sid,
    ts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cname: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

/// The one process of the trace: all agents are lanes of it.
const PROCESS: u32 = 1;

impl Export {
    /// Writes it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let tables = Tables::open_some(context, streams)?;
        let view = tables.view()?;
        let sids = self.sids(context, &tables, &view)?;
        let Some(path) = &self.output else {
            let mut bytes = Vec::new();
            let written = trace(&view, &sids, &mut bytes);
            written.map_err(|stop| stop.told("make", "the trace".as_ref()))?;
            streams.bytes(&bytes)?;
            return Ok(Exit::Ok);
        };
        let file = File::create(path).map_err(|source| Error::io("create", path, &source))?;
        let written = trace(&view, &sids, &mut BufWriter::new(file));
        written.map_err(|stop| stop.told("write", path))?;
        streams.say(format_args!(
            "{} in {}. Open it in ui.perfetto.dev or chrome://tracing.",
            counted(sids.len(), "session"),
            path.display()
        ));
        Ok(Exit::Ok)
    }

    fn sids(&self, context: &Context, tables: &Tables, view: &View<'_>) -> Result<Vec<Sid>, Error> {
        let mut sids = Vec::new();
        if self.sessions.is_empty() {
            view.scan::<Sessions>(&[], &[], |sid, session| {
                if !session.unconfirmed {
                    sids.push(sid);
                }
                true
            })?;
        }
        for word in &self.sessions {
            let root = tables.select(context, view, word)?.sid;
            sids.push(root);
            for (_, below) in views::descendants(view, root)? {
                sids.extend(view.get::<Threads>(&below.thread_id)?);
            }
        }
        sids.sort_unstable();
        sids.dedup();
        Ok(sids)
    }
}

/// What can stop a trace.
enum Stop {
    /// The tables cannot be read.
    Tables(StoreError),
    /// It cannot be written.
    Medium(io::Error),
}

impl Stop {
    fn told(self, act: &str, path: &Path) -> Error {
        match self {
            Stop::Tables(error) => error.into(),
            Stop::Medium(source) => Error::io(act, path, &source),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Tables(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Medium(error)
    }
}

/// The trace of the sessions.
fn trace(view: &View<'_>, sids: &[Sid], out: &mut impl Write) -> Result<(), Stop> {
    let mut trace = Trace { out, first: true };
    trace.begin()?;
    for sid in sids {
        let Some(doc) = views::session_doc(view, *sid)? else { continue };
        let turns = views::turns(view, *sid, usize::MAX, |_| true)?;
        trace.session(*sid, &doc, &turns)?;
    }
    Ok(trace.end()?)
}

struct Trace<'w, W> {
    out: &'w mut W,
    first: bool,
}

impl<W: Write> Trace<'_, W> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
        self.put(&json!({
            "ph": "M", "name": "process_name", "pid": PROCESS, "args": {"name": "sm"},
        }))
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }

    fn put(&mut self, event: &impl Serialize) -> io::Result<()> {
        self.out.write_all(if std::mem::take(&mut self.first) { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut self.out, event).map_err(io::Error::from)
    }

    fn session(&mut self, sid: Sid, doc: &SessionDoc, turns: &[TurnDoc]) -> io::Result<()> {
        let lane = format!("{} {}", doc.id, label(doc, 40));
        self.put(&json!({
            "ph": "M", "name": "thread_name", "pid": PROCESS, "tid": sid, "args": {"name": lane},
        }))?;
        let Some(first) = turns.first() else { return Ok(()) };
        let event = |ph, ts| Event {
            ph,
            name: "",
            cat: &lane,
            id: &doc.id,
            pid: PROCESS,
            tid: sid,
            ts,
            cname: None,
            args: Value::Null,
        };
        // Perfetto calls a lane of asynchronous slices by the first of them; a thread's name is for
        // others. So the first is the agent.
        self.put(&Event { name: &lane, ..event("b", first.started_micros) })?;
        let mut floor = i64::MIN;
        for turn in turns {
            // Times of imported records may go back; slices may not.
            let began = turn.started_micros.max(floor);
            let ended = turn.ended_micros.unwrap_or(doc.last_micros).max(began);
            floor = ended;
            let name = match &turn.prompt {
                Some(prompt) => format!("turn {}: {prompt}", turn.number),
                None => format!("turn {}", turn.number),
            };
            let about = json!({
                "turn": turn.number, "outcome": turn.outcome, "seq": turn.seq, "model": turn.model,
                "tokens": turn.tokens.as_ref().map(|tokens| tokens.total), "error": turn.error,
            });
            self.put(&Event { name: &name, args: about, ..event("b", began) })?;
            for phase in &turn.phases {
                let from = phase.began_micros.clamp(began, ended);
                let to = phase.ended_micros.unwrap_or(ended).clamp(from, ended);
                let name = words(phase);
                let (cname, args) = (colour(phase), details(phase));
                self.put(&Event { name: &name, cname, args, ..event("b", from) })?;
                self.put(&Event { name: &name, ..event("e", to) })?;
            }
            self.put(&Event { name: &name, ..event("e", ended) })?;
        }
        self.put(&Event { name: &lane, ..event("e", floor) })
    }
}

fn words(phase: &PhaseDoc) -> String {
    let kind = phase.phase.replace('_', " ");
    match &phase.action {
        Some(action) if !action.summary.is_empty() => format!("{kind}: {}", action.summary),
        _ => kind,
    }
}

/// The trace viewers' reserved colour names.
fn colour(phase: &PhaseDoc) -> Option<&'static str> {
    match phase.phase {
        _ if phase.kind.is_waiting() => Some("terrible"),
        "retrying" => Some("bad"),
        "running" | "calling_tool" => Some("thread_state_running"),
        "changing_files" => Some("good"),
        "writing" => Some("rail_response"),
        _ => Some("grey"),
    }
}

fn details(phase: &PhaseDoc) -> Value {
    json!({
        "seq": phase.seq, "tokens": phase.tokens, "request": phase.request_id,
        "status": phase.action.as_ref().map(|action| action.status),
        "exit_code": phase.action.as_ref().and_then(|action| action.exit_code),
    })
}
