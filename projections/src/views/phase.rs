//! The phases of a turn as documents.

use super::{millis, request_id, time};
use crate::rows::{Action, ActionKind, ActionStatus, Phase, Sid, Span, Turn};
use crate::store::{StoreError, View};
use crate::table::Key;
use crate::tables::{Actions, Requests, Spans};
use serde::Serialize;

/// A stretch of a turn in one phase. A turn's lie end to end.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseDoc {
    /// `thinking`, `writing`, `running`, `changing_files`, `calling_tool`, `waiting_permission`,
    /// `waiting_input`, `retrying`, `compacting`, `reviewing` or `starting_mcp`.
    pub phase: &'static str,
    /// The record that began it.
    pub seq: u64,
    /// When it began.
    pub began_at: Option<String>,
    /// When it ended; null while it lasts.
    pub ended_at: Option<String>,
    /// How long it took, in milliseconds; null while it lasts.
    pub duration_ms: Option<i64>,
    /// Tokens told to be spent in it.
    pub tokens: u64,
    /// The request that is waited for.
    pub request_id: Option<String>,
    /// The action that makes it so.
    pub action: Option<PhaseAction>,
    /// When it began, in Unix microseconds.
    #[serde(skip)]
    pub began_micros: i64,
    /// When it ended, in Unix microseconds.
    #[serde(skip)]
    pub ended_micros: Option<i64>,
    /// The phase.
    #[serde(skip)]
    pub kind: Phase,
}

/// The action that a phase is taken up with.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseAction {
    /// Its number.
    pub seq: u64,
    /// What it is.
    pub kind: &'static str,
    /// In one line.
    pub summary: String,
    /// Where it stands.
    pub status: &'static str,
    /// A command's exit code.
    pub exit_code: Option<i64>,
    /// Files that were changed.
    pub files: usize,
    /// Lines added.
    pub plus: u32,
    /// Lines taken away.
    pub minus: u32,
}

impl PhaseAction {
    fn of(seq: u64, action: Action) -> PhaseAction {
        PhaseAction {
            seq,
            kind: action.kind.as_str(),
            status: action.status.as_str(),
            exit_code: action.exit_code,
            files: action.files.len(),
            plus: action.files.iter().map(|file| file.plus).sum(),
            minus: action.files.iter().map(|file| file.minus).sum(),
            summary: action.summary,
        }
    }

    /// Whether it ended otherwise than well.
    pub fn failed(&self) -> bool {
        [ActionStatus::Failed, ActionStatus::Declined, ActionStatus::Lost]
            .iter()
            .any(|status| status.as_str() == self.status)
    }

    /// Whether it is a command or a file change: what an operator looks for.
    pub fn is_deed(&self) -> bool {
        [ActionKind::Command, ActionKind::FileChange].iter().any(|kind| kind.as_str() == self.kind)
    }
}

/// How long a turn was in one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimeIn {
    /// The phase.
    pub phase: &'static str,
    /// Milliseconds; what still lasts is left out.
    pub ms: i64,
    /// Tokens.
    pub tokens: u64,
}

/// The phases of the turn numbered `seq`, oldest first.
pub fn phases(
    view: &View<'_>,
    sid: Sid,
    seq: u64,
    turn: &Turn,
) -> Result<Vec<PhaseDoc>, StoreError> {
    let mut spans: Vec<(u64, Span)> = Vec::new();
    let (of, from) = (sid.to_bytes(), seq.to_bytes());
    view.scan::<Spans>(&of, &from, |(_, at), span| {
        // A turn's spans lie between those of the turns before and after it.
        let mine = span.turn == seq;
        if mine {
            spans.push((at, span));
        }
        mine
    })?;
    let ends: Vec<Option<i64>> =
        spans.iter().skip(1).map(|(_, next)| Some(next.began_at)).chain([turn.ended_at]).collect();
    let mut docs = Vec::with_capacity(spans.len());
    for ((at, span), ended) in spans.into_iter().zip(ends) {
        docs.push(phase(view, sid, at, &span, ended)?);
    }
    Ok(docs)
}

fn phase(
    view: &View<'_>,
    sid: Sid,
    seq: u64,
    span: &Span,
    ended: Option<i64>,
) -> Result<PhaseDoc, StoreError> {
    let request = span.about.filter(|_| span.phase.is_waiting());
    let action = match request {
        Some(request) => view.get::<Requests>(&request)?.and_then(|request| request.action),
        None => span.about,
    };
    let action = match action {
        Some(action) => {
            let row = view.get::<Actions>(&(sid, action))?;
            row.map(|row| PhaseAction::of(action, row))
        }
        None => None,
    };
    Ok(PhaseDoc {
        phase: span.phase.as_str(),
        seq,
        began_at: time(span.began_at),
        ended_at: ended.and_then(time),
        duration_ms: ended.map(|ended| millis(span.began_at, ended)),
        tokens: span.tokens,
        request_id: request.map(request_id),
        action,
        began_micros: span.began_at,
        ended_micros: ended,
        kind: span.phase,
    })
}

/// How long the turn was in each phase it was in, in the order of precedence.
pub fn time_in(phases: &[PhaseDoc]) -> Vec<TimeIn> {
    let each = Phase::ALL.iter().filter_map(|kind| {
        let mut of = phases.iter().filter(|phase| phase.kind == *kind).peekable();
        of.peek()?;
        let (mut ms, mut tokens) = (0, 0);
        for phase in of {
            ms += phase.duration_ms.unwrap_or(0);
            tokens += phase.tokens;
        }
        Some(TimeIn { phase: kind.as_str(), ms, tokens })
    });
    each.collect()
}
