//! What a parent was not told of its children yet.
//!
//! What always holds: a child has news once it has settled with all that hangs below it, waits for a
//! human, or is gone; a record that its parent was told of is no news any more. Sub-agents that Codex
//! made itself have none: Codex tells of them.

use super::change::{Deeds, ended_since, turns_since};
use super::input::waiting;
use super::session::family;
use super::standing::{Answered, Look, Standing};
use super::{FileDoc, PhaseDoc, TurnChange, phases};
use crate::rows::{ActionStatus, Session, Sid, Turn};
use crate::store::{StoreError, View};
use crate::tables::{Actions, Requests, Turns};

/// What is new of one child.
#[derive(Debug, Clone)]
pub struct NewsDoc {
    /// The child's number.
    pub sid: Sid,
    /// Its row.
    pub session: Session,
    /// Where it stands.
    pub standing: Standing,
    /// The newest record of the news: telling it, tells of all before.
    pub seq: u64,
    /// How many messages for it are held until somebody lets them go on.
    pub held: u32,
    /// Requests that wait for a human: id and line, oldest first.
    pub requests: Vec<(u64, String)>,
    /// Turns that began or ended since its parent was last told, and are in its history.
    pub turns: Vec<TurnChange>,
    /// How many more were rolled back.
    pub turns_dropped: usize,
    /// How long they took of that time, in microseconds: up to the request, where one waits.
    pub micros: i64,
    /// Tokens spent in them since; those of the call that made a request count after it, for they may be told
    /// after it.
    pub tokens: u64,
    /// Commands that ended since.
    pub commands: u64,
    /// Of those, the ones that failed.
    pub commands_failed: u64,
    /// Those that never ran to their end: declined, interrupted, lost.
    pub commands_stopped: u64,
    /// Commands that run on in the background, oldest first.
    pub running: Vec<String>,
    /// Files that were changed since, each once.
    pub files: Vec<FileDoc>,
}

/// The news of a session's children, oldest child first.
pub fn news(
    view: &View<'_>,
    parent: Sid,
    answered: Answered<'_>,
) -> Result<Vec<NewsDoc>, StoreError> {
    let look = Look { view, answered, wakes: true };
    let mut news = Vec::new();
    for (_, sid, session) in family(view, parent, 1)? {
        match look.standing(sid, &session, 0)? {
            Some((standing, seq)) if is_news(&session, seq) => {
                news.push(doc(&look, sid, session, standing, seq)?);
            }
            _ => {}
        }
    }
    Ok(news)
}

/// Whether it is the parent's business, and new to it, what a child's record `seq` tells.
pub(super) fn is_news(child: &Session, seq: u64) -> bool {
    child.spawned_by.is_some() && !child.silent && !child.unconfirmed && seq > child.told_seq
}

fn doc(
    look: &Look<'_, '_>,
    sid: Sid,
    session: Session,
    standing: Standing,
    seq: u64,
) -> Result<NewsDoc, StoreError> {
    let view = look.view;
    let mut requests = Vec::new();
    for number in look.asked(&session) {
        let row = view.get::<Requests>(&number)?;
        requests.push((number, row.map(|row| row.summary).unwrap_or_default()));
    }
    let mut turns = turns_since(view, sid, session.told_seq)?;
    let (mut micros, mut tokens, mut dropped) = (0, 0, Vec::new());
    for turn in &turns {
        let Some(row) = view.get::<Turns>(&(sid, turn.seq))? else { continue };
        if row.dropped_seq.is_some() {
            dropped.push(turn.seq);
        }
        let share = share(view, sid, turn.seq, row, session.told_seq, seq)?;
        micros += share.micros;
        tokens += share.tokens;
    }
    // What began before its parent was told may have ended after.
    let begin = turns.first().map_or(session.told_seq, |turn| turn.seq.saturating_sub(1));
    turns.retain(|turn| !dropped.contains(&turn.seq));
    let deeds = Deeds::of(ended_since(view, sid, begin, session.told_seq)?);
    let stopped = deeds.declined + deeds.interrupted;
    let (_, held) = waiting(view, sid, &session)?;
    let mut running = Vec::new();
    for number in &session.may_run_on {
        let row = view.get::<Actions>(&(sid, *number))?;
        running.extend(row.filter(|row| row.status == ActionStatus::RunsOn).map(|row| row.summary));
    }
    Ok(NewsDoc {
        sid,
        session,
        running,
        held,
        standing,
        seq,
        requests,
        turns,
        turns_dropped: dropped.len(),
        micros,
        tokens,
        commands: deeds.commands - stopped,
        commands_failed: deeds.failed,
        commands_stopped: stopped,
        files: deeds.files,
    })
}

/// What a turn came to between two pieces of news.
struct Share {
    micros: i64,
    tokens: u64,
}

/// The share of a turn that lies between record `told`, of which its parent was told, and `now`, which is news.
/// Within a turn both are requests.
fn share(
    view: &View<'_>,
    sid: Sid,
    seq: u64,
    turn: Turn,
    told: u64,
    now: u64,
) -> Result<Share, StoreError> {
    let asked_at = |request: u64| {
        let row = view.get::<Requests>(&request)?;
        Ok::<_, StoreError>(row.map(|row| row.asked_at))
    };
    let is_within = told > seq;
    let begin = if is_within { asked_at(told)? } else { None }.unwrap_or(turn.started_at);
    let end = match turn.ended_at {
        Some(ended) => ended,
        None => asked_at(now)?.unwrap_or(begin),
    };
    let phases = phases(view, sid, seq, &turn)?;
    // The call that made a request is the newest one before it.
    let call = |request: u64| {
        let is_before = |phase: &PhaseDoc| phase.seq <= request && phase.kind.is_model();
        phases.iter().rposition(is_before).unwrap_or(0)
    };
    let from = if is_within { call(told) } else { 0 };
    let to = if turn.ended_at.is_some() { phases.len() } else { call(now) };
    let of = phases.get(from..to).unwrap_or_default();
    Ok(Share {
        micros: end.saturating_sub(begin).max(0),
        tokens: of.iter().map(|phase| phase.tokens).sum(),
    })
}
