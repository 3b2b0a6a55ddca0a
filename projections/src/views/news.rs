//! What a parent was not told of its children yet.
//!
//! What always holds: a child has news once it has settled with all that hangs below it, waits for a
//! human, or is gone; a record that its parent was told of is no news any more. Sub-agents that Codex
//! made itself have none: Codex tells of them.

use super::change::{Deeds, ended_since, turns_since};
use super::input::waiting;
use super::session::family;
use super::standing::{Answered, Look, Standing};
use super::{FileDoc, TurnChange, turn_doc};
use crate::rows::{ActionStatus, Session, Sid};
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
    /// Turns that began or ended since its parent was last told.
    pub turns: Vec<TurnChange>,
    /// How long those took that ended, in microseconds.
    pub micros: i64,
    /// Tokens spent in them.
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
    let turns = turns_since(view, sid, session.told_seq)?;
    let (mut micros, mut tokens) = (0, 0);
    for turn in &turns {
        let Some(row) = view.get::<Turns>(&(sid, turn.seq))? else { continue };
        micros += row.ended_at.map_or(0, |ended| (ended - row.started_at).max(0));
        tokens += turn_doc(view, sid, turn.seq, row)?.tokens.map_or(0, |tokens| tokens.total);
    }
    // What began before its parent was told may have ended after.
    let begin = turns.first().map_or(session.told_seq, |turn| turn.seq.saturating_sub(1));
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
        micros,
        tokens,
        commands: deeds.commands - stopped,
        commands_failed: deeds.failed,
        commands_stopped: stopped,
        files: deeds.files,
    })
}
