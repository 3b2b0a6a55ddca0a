//! What a parent was not told of its children yet.
//!
//! What always holds: a child has news once it has settled with all that hangs below it, waits for a
//! human, or is gone; a record that its parent was told of is no news any more. Sub-agents that Codex
//! made itself have none: Codex tells of them.

use super::change::{add_files, ended_since, turns_since};
use super::{FileDoc, TurnChange, turn_doc};
use crate::rows::{ActionKind, ActionStatus, Outcome, Session, Sid};
use crate::store::{StoreError, View};
use crate::table::Key;
use crate::tables::{Children, Requests, Sessions, Turns};

/// How far down a family is looked at.
const DEPTH_MAX: usize = 64;

/// What only a running daemon knows of sessions and requests.
pub struct Awaited<'a> {
    /// Whether a request is about to be answered without a human, by its number.
    pub request: &'a dyn Fn(u64) -> bool,
    /// Whether a session that lost its server is being brought back, by its thread.
    pub session: &'a dyn Fn(&str) -> bool,
}

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its turn is over, and so is what hangs below it.
    Settled,
    /// It waits for a human.
    Waiting,
    /// It was stopped, or could not be brought back.
    Gone,
}

/// What is new of one child.
#[derive(Debug, Clone)]
pub struct NewsDoc {
    /// The child.
    pub sid: Sid,
    /// Its row.
    pub session: Session,
    /// Where it stands.
    pub standing: Standing,
    /// The newest record of the news: telling it, tells of all before.
    pub seq: u64,
    /// Requests that wait for a human: id and line, oldest first.
    pub requests: Vec<(u64, String)>,
    /// Turns that began or ended since its parent was last told.
    pub turns: Vec<TurnChange>,
    /// How long those took that ended, in microseconds.
    pub micros: i64,
    /// Tokens spent in them.
    pub tokens: u64,
    /// Commands that ended since.
    pub commands: u32,
    /// Of those, otherwise than well.
    pub commands_failed: u32,
    /// Files that were changed since, each once.
    pub files: Vec<FileDoc>,
}

/// The news of a session's children, oldest child first.
pub fn news(
    view: &View<'_>,
    parent: Sid,
    awaited: &Awaited<'_>,
) -> Result<Vec<NewsDoc>, StoreError> {
    let mut news = Vec::new();
    for (sid, session) in children(view, parent)? {
        if let Some((standing, seq)) = event(view, sid, &session, awaited, 0)? {
            news.push(doc(view, sid, session, standing, seq, awaited)?);
        }
    }
    Ok(news)
}

/// Whether a session hears of its children before it is left alone.
pub fn is_to_be_woken(
    view: &View<'_>,
    sid: Sid,
    awaited: &Awaited<'_>,
) -> Result<bool, StoreError> {
    match view.get::<Sessions>(&sid)? {
        Some(session) => wakes(view, sid, &session, awaited, 0),
        None => Ok(false),
    }
}

/// Whether nothing goes on in a session and below it, and nothing will by itself.
pub fn has_settled(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    awaited: &Awaited<'_>,
) -> Result<bool, StoreError> {
    is_settled(view, sid, session, awaited, 0)
}

/// What a child's parent is to be told: where it stands, by which record.
fn event(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    awaited: &Awaited<'_>,
    depth: usize,
) -> Result<Option<(Standing, u64)>, StoreError> {
    if session.spawned_by.is_none() || session.silent || session.unconfirmed {
        return Ok(None);
    }
    let asked = session.pending.iter().filter(|(_, class)| class.asks_human());
    let asked = asked.map(|(number, _)| *number).filter(|number| !(awaited.request)(*number)).max();
    let event = if session.ended || session.gone {
        let is_decided = session.ended || !(awaited.session)(&session.thread_id);
        is_decided.then_some((Standing::Gone, session.cause_seq))
    } else if let Some(asked) = asked {
        Some((Standing::Waiting, asked))
    } else if is_settled(view, sid, session, awaited, depth)? {
        session.settled_seq.map(|settled| (Standing::Settled, settled))
    } else {
        None
    };
    Ok(event.filter(|(_, seq)| *seq > session.told_seq))
}

fn is_settled(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    awaited: &Awaited<'_>,
    depth: usize,
) -> Result<bool, StoreError> {
    if session.ended || session.gone && !(awaited.session)(&session.thread_id) {
        return Ok(true);
    }
    if session.open_turn.is_some() || session.queued > 0 || session.gone {
        return Ok(false);
    }
    if wakes(view, sid, session, awaited, depth)? {
        return Ok(false);
    }
    if depth < DEPTH_MAX {
        for (child, row) in children(view, sid)? {
            if !is_settled(view, child, &row, awaited, depth + 1)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Whether a session is about to be told of its children. One that was interrupted is left alone.
fn wakes(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    awaited: &Awaited<'_>,
    depth: usize,
) -> Result<bool, StoreError> {
    let is_deaf = session.ended || session.archived || session.outcome == Outcome::Interrupted;
    if is_deaf || depth >= DEPTH_MAX {
        return Ok(false);
    }
    for (child, row) in children(view, sid)? {
        if event(view, child, &row, awaited, depth + 1)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn children(view: &View<'_>, parent: Sid) -> Result<Vec<(Sid, Session)>, StoreError> {
    let mut below = Vec::new();
    view.scan::<Children>(&parent.to_bytes(), &[], |(_, child), ()| {
        below.push(child);
        true
    })?;
    let mut rows = Vec::with_capacity(below.len());
    for sid in below {
        rows.extend(view.get::<Sessions>(&sid)?.map(|row| (sid, row)));
    }
    Ok(rows)
}

fn doc(
    view: &View<'_>,
    sid: Sid,
    session: Session,
    standing: Standing,
    seq: u64,
    awaited: &Awaited<'_>,
) -> Result<NewsDoc, StoreError> {
    let mut requests = Vec::new();
    for (number, class) in &session.pending {
        if class.asks_human() && !(awaited.request)(*number) {
            let row = view.get::<Requests>(number)?;
            requests.push((*number, row.map(|row| row.summary).unwrap_or_default()));
        }
    }
    let turns = turns_since(view, sid, session.told_seq)?;
    let (mut micros, mut tokens) = (0, 0);
    for turn in &turns {
        let Some(row) = view.get::<Turns>(&(sid, turn.seq))? else { continue };
        micros += row.ended_at.map_or(0, |ended| ended - row.started_at);
        tokens += turn_doc(view, sid, turn.seq, row)?.tokens.map_or(0, |tokens| tokens.total);
    }
    // What began before its parent was told may have ended after.
    let begin = turns.first().map_or(session.told_seq, |turn| turn.seq.saturating_sub(1));
    let (mut commands, mut commands_failed, mut files) = (0, 0, Vec::new());
    for action in ended_since(view, sid, begin, session.told_seq)? {
        match action.kind {
            ActionKind::Command => {
                commands += 1;
                commands_failed += u32::from(action.status != ActionStatus::Completed);
            }
            ActionKind::FileChange if action.status == ActionStatus::Completed => {
                add_files(&mut files, action);
            }
            _ => {}
        }
    }
    Ok(NewsDoc {
        sid,
        session,
        standing,
        seq,
        requests,
        turns,
        micros,
        tokens,
        commands,
        commands_failed,
        files,
    })
}
