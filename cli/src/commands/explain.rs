//! `sm explain`: why a session is in its state.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, clean};
use crate::past::{At, Question};
use crate::read::{AsOf, open_log};
use crate::show::{
    Lives, RecordDoc, RequestShown, SessionShown, Sessions, label, record_line, show, show_request,
};
use clap::Args;
use serde::Serialize;
use sm_log::ReadError;
use sm_projections::View;
use sm_projections::rows::{Action, ActivityState, Request, Session, Sid};
use sm_projections::tables::{Actions, Requests};
use sm_projections::views::{self, ActionDoc};

/// Shows why a session is in its state: the record that made it so, and the evidence.
#[derive(Debug, Args)]
pub struct Explain {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    #[arg(default_value = "@last")]
    session: String,

    #[command(flatten)]
    at: At,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    session: SessionShown,
    state: &'static str,
    since: Option<String>,
    cause: Option<RecordDoc<'a>>,
    evidence: Vec<Evidence>,
    pending: Vec<RequestShown>,
    open_items: Vec<ActionDoc>,
    as_of: AsOf,
}

/// One row of the table of evidence.
#[derive(Serialize)]
struct Evidence {
    state: &'static str,
    evidence: &'static str,
    /// What of it holds; none: it does not.
    facts: Vec<String>,
    holds: bool,
    /// The first that holds decides.
    matched: bool,
}

impl Explain {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let words = [self.session.clone()];
        let tables = self.at.open_some(context, streams, &Question::Sessions(&words))?;
        let view = tables.view()?;
        let found = tables.select(context, &view, &self.session)?;
        let not_found = || Error::new(Exit::NotFound, "not_found", "the session is gone");
        let doc = views::session_doc(&view, found.sid)?.ok_or_else(not_found)?;
        let mut lives = tables.lives();
        let session = show(&view, &mut lives, doc, tables.now())?;
        // What is printed may say `archived`, which is no state of its own.
        let cause_seq = match context.json {
            true => Some(session.doc.cause_seq),
            false => session.made_so().1,
        };
        let log = open_log(context)?;
        let cause = cause_seq.map(|seq| log.get(seq));
        let below_floor = matches!(cause, Some(Err(ReadError::BelowFloor { .. })));
        let cause = cause.as_ref().and_then(|cause| cause.as_ref().ok());
        let cause = cause.map(|record| record.record());
        let (pending, open_items) = open_things(&view, &mut lives, found.sid, &found.session)?;
        let id = &found.session.id;
        let answer = Answer {
            schema: "sm.explain/1",
            state: session.doc.activity_state,
            since: session.doc.since.clone(),
            cause: cause.as_ref().map(|cause| RecordDoc::new(cause, None, Some(id.clone()))),
            evidence: evidence(&found.session, session.resuming_words()),
            pending,
            open_items,
            as_of: tables.as_of(&view)?,
            session,
        };
        if context.json {
            streams.document(&answer)?;
            return Ok(Exit::Ok);
        }
        answer.print(streams)?;
        if let Some(cause) = &cause {
            let width = streams.size().map(|(columns, _)| columns);
            let doer = Sessions::default().doer(Some(&view), cause);
            let line = record_line(streams.style, cause, Some(id), doer.as_deref(), width);
            streams.line(format_args!("Made so by record {}:\n{line}", cause.seq))?;
        } else if let Some(seq) = cause_seq.filter(|_| below_floor) {
            streams.line(format_args!("Made so by record {seq}, which is no longer kept."))?;
        }
        Ok(Exit::Ok)
    }
}

fn open_things(
    view: &View<'_>,
    lives: &mut Lives,
    sid: Sid,
    session: &Session,
) -> Result<(Vec<RequestShown>, Vec<ActionDoc>), Error> {
    let mut pending = Vec::new();
    for (seq, _) in &session.pending {
        let row: Option<Request> = view.get::<Requests>(seq)?;
        if let Some(row) = row {
            let doc = views::request_doc(view, *seq, row)?;
            pending.push(show_request(view, lives, doc)?);
        }
    }
    let mut open = Vec::new();
    for item in &session.open_items {
        let row: Option<Action> = view.get::<Actions>(&(sid, item.seq))?;
        if let Some(row) = row {
            open.push(views::action_doc(view, sid, item.seq, row)?);
        }
    }
    Ok((pending, open))
}

/// The design's table, row by row, with what of it holds.
fn evidence(session: &Session, resuming: Option<String>) -> Vec<Evidence> {
    let turn = session.open_turn.as_ref();
    let waiting = |asks: fn(sm_projections::rows::RequestClass) -> bool| {
        session
            .pending
            .iter()
            .filter(move |(_, class)| asks(*class))
            .map(|(seq, class)| format!("{} {}", views::request_id(*seq), class.as_str()))
    };
    let flag = |set: bool, name: &str| set.then(|| format!("flag {name}"));
    let turn_fact = || turn.map(|turn| format!("turn {} is open", turn.id));
    let work = || session.open_items.iter().filter(|item| item.kind.is_work());
    let mut rows = Vec::new();
    for state in ActivityState::ALL {
        let (evidence, facts): (&'static str, Vec<String>) = match state {
            ActivityState::Stopped => (
                "it was ended, or its server process is gone and it was not resumed",
                [(session.ended, "it was ended"), (session.gone, "its process is gone")]
                    .into_iter()
                    .filter(|(holds, _)| *holds)
                    .map(|(_, words)| words.to_owned())
                    .chain(session.unresumable.clone())
                    .chain(resuming.clone())
                    .collect(),
            ),
            ActivityState::WaitingPermission => (
                "an unanswered approval or permission request, or the flag waitingOnApproval",
                waiting(|class| class.asks_permission())
                    .chain(flag(session.flag_approval, "waitingOnApproval"))
                    .collect(),
            ),
            ActivityState::WaitingInput => (
                "an unanswered question, elicitation or unknown request, or the flag waitingOnUserInput",
                waiting(|class| class.asks_input())
                    .chain(flag(session.flag_input, "waitingOnUserInput"))
                    .collect(),
            ),
            ActivityState::Working => (
                "a turn is open, and a command, file change, tool call or answer is in progress",
                match turn_fact() {
                    Some(fact) if work().next().is_some() => {
                        let items = work().map(|item| {
                            format!("{} in progress since record {}", item.kind.as_str(), item.seq)
                        });
                        std::iter::once(fact).chain(items).collect()
                    }
                    _ => Vec::new(),
                },
            ),
            ActivityState::Thinking => {
                ("a turn is open, and nothing of the above", turn_fact().into_iter().collect())
            }
            ActivityState::Idle => (
                "no turn is open",
                turn.is_none().then(|| last_turn(session)).into_iter().collect(),
            ),
        };
        let holds = !facts.is_empty();
        let matched = holds && !rows.iter().any(|row: &Evidence| row.matched);
        rows.push(Evidence { state: state.as_str(), evidence, facts, holds, matched });
    }
    if session.archived {
        // It goes with a state, and decides none.
        let fact = match session.archived_by {
            Some((seq, _)) => format!("put there by record {seq}"),
            None => "no record of that is kept".to_owned(),
        };
        let (evidence, facts) = ("it is in Codex's archive", vec![fact]);
        rows.push(Evidence { state: "archived", evidence, facts, holds: true, matched: false });
    }
    rows
}

/// The end of the turn after which none is open.
fn last_turn(session: &Session) -> String {
    match (session.outcome.as_str(), session.settled_seq) {
        (Some(outcome), Some(seq)) => format!("the last one ended with record {seq}, {outcome}"),
        _ => "none has begun".to_owned(),
    }
}

impl Answer<'_> {
    fn print(&self, streams: &mut Streams) -> Result<(), Error> {
        let doc = &self.session.doc;
        let (role, state) = self.session.state_cell();
        let state = streams.style.paint(role.unwrap_or(Role::Dim), state);
        let name = streams.style.paint(Role::Strong, label(doc, 60));
        let since = match self.session.made_so() {
            (Some(since), _) => format!("since {since}"),
            (None, Some(seq)) => format!("no time told (since record {seq})"),
            (None, None) => "since before what is kept".to_owned(),
        };
        streams.line(format_args!("{name} ({}) is {state}, {since}.", doc.id))?;
        if let Some(stuck) = &self.session.looks_stuck {
            let words =
                streams.style.paint(Role::Bad, format!("It looks stuck: {}.", stuck.reason));
            streams.line(words)?;
        }
        streams.line("Evidence, the first that holds decides:")?;
        for row in &self.evidence {
            let mark = match (row.matched, row.holds) {
                (true, _) => "▶",
                (false, true) => "+",
                (false, false) => " ",
            };
            let facts = match row.facts.is_empty() {
                true => String::new(),
                false => format!(": {}", clean(&row.facts.join(", "))),
            };
            let line = format!("{mark} {:<18} {}{facts}", row.state, row.evidence);
            let role = if row.matched { Role::Strong } else { Role::Dim };
            streams.line(format_args!("  {}", streams.style.paint(role, line)))?;
        }
        for request in &self.pending {
            let doc = &request.doc;
            let (id, kind, summary) = (&doc.id, doc.kind, clean(&doc.summary));
            streams.line(match request.unheard() {
                None => format!("Waits: {id} {kind} {summary}"),
                Some(why) => format!("Question: {id} {kind} {summary} · {why}"),
            })?;
        }
        for item in &self.open_items {
            let summary = clean(&item.summary);
            streams
                .line(format_args!("Open since record {}: {} {summary}", item.seq, item.kind))?;
        }
        Ok(())
    }
}
