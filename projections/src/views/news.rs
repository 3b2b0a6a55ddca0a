//! What a parent was not told of its children yet.
//!
//! What always holds: a child has news once it has settled with all that hangs below it, waits for a
//! human, or is gone; a record that its parent was told of is no news any more. Sub-agents that Codex
//! made itself have none: Codex tells of them.

use super::change::{Deeds, ended_since, turns_since};
use super::input::waiting;
use super::session::family;
use super::{FileDoc, TurnChange, turn_doc};
use crate::rows::{ActionStatus, Generation, Micros, Outcome, Session, Sid};
use crate::store::{StoreError, View};
use crate::tables::{Actions, Requests, Sources, Turns};

/// How far down a family is looked at.
const DEPTH_MAX: usize = 64;

/// Whether a request is about to be answered without a human, by its number: only a running daemon knows.
pub type Answered<'a> = &'a dyn Fn(u64) -> bool;

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its turn is over, and so is what hangs below it.
    Settled,
    /// It waits for a human.
    Waiting,
    /// Something below it does.
    WaitingBelow,
    /// It was stopped, or could not be brought back.
    Gone,
}

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
                news.push(look.doc(sid, session, standing, seq)?);
            }
            _ => {}
        }
    }
    Ok(news)
}

/// Whether nothing goes on in a session and below it, and nothing will before a human does something.
pub fn has_settled(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    answered: Answered<'_>,
) -> Result<bool, StoreError> {
    Ok(standing(view, sid, session, answered, true)?.is_some())
}

/// Where a session stands; `None` while something goes on in it or below it, or will by itself. `wakes`:
/// whether a daemon runs, which tells it of its children.
pub fn standing(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    answered: Answered<'_>,
    wakes: bool,
) -> Result<Option<Standing>, StoreError> {
    let standing = Look { view, answered, wakes }.standing(sid, session, 0)?;
    Ok(standing.map(|(standing, _)| standing))
}

/// A state of waiting that no request goes with is believed when nothing else was told for so long, in
/// microseconds: Codex tells of it just before it asks, and for a moment after it was answered.
const UNASKED_MICROS: Micros = 1_000_000;

/// Whether a session itself waits for a human at `now`: by a request, or by a state that was told without one.
pub fn waits_for_human(session: &Session, answered: Answered<'_>, now: Micros) -> bool {
    let mut asked = session.pending.iter().filter(|(_, class)| class.asks_human()).peekable();
    match asked.peek() {
        Some(_) => asked.any(|(number, _)| !answered(*number)),
        None => session.state.is_waiting() && now - session.last_at >= UNASKED_MICROS,
    }
}

/// Whether it is the parent's business, and new to it, what a child's record `seq` tells.
fn is_news(child: &Session, seq: u64) -> bool {
    child.spawned_by.is_some() && !child.silent && !child.unconfirmed && seq > child.told_seq
}

/// Whether a session is told of its children when it is idle. One that was interrupted is left alone, and so
/// is one with messages that wait.
pub fn can_hear(session: &Session) -> bool {
    let is_left_alone = session.outcome == Outcome::Interrupted || session.queued > 0;
    !session.ended && !session.archived && !is_left_alone
}

/// Whether a session's server was ended in order, together with its daemon: it is loaded again once somebody
/// has something for it, and not before.
pub fn was_put_away(view: &View<'_>, session: &Session) -> Result<bool, StoreError> {
    if !session.gone {
        return Ok(false);
    }
    let lives = view.get::<Sources>(&session.source)?.map(|source| source.generations);
    let life = lives.as_ref().and_then(|lives| lives.get(session.generation as usize));
    Ok(life.is_some_and(Generation::ended_with_daemon))
}

/// Whether a session lost its server and is to be brought back: nobody put it away, and Codex has not said
/// that it cannot be resumed.
pub fn comes_back(view: &View<'_>, session: &Session) -> Result<bool, StoreError> {
    let is_decided = session.ended || session.archived || session.unresumable.is_some();
    Ok(session.gone && !is_decided && !was_put_away(view, session)?)
}

/// A look at a family at one moment. `depth` counts the steps down.
struct Look<'l, 'v> {
    view: &'l View<'v>,
    answered: Answered<'l>,
    wakes: bool,
}

impl Look<'_, '_> {
    /// Where a session stands, and the newest record that its parent is told of; `None` while something goes
    /// on in it, or below it, or will by itself.
    fn standing(
        &self,
        sid: Sid,
        session: &Session,
        depth: usize,
    ) -> Result<Option<(Standing, u64)>, StoreError> {
        let is_over = session.ended || session.gone && session.archived;
        if is_over || session.unresumable.is_some() {
            return Ok(Some((Standing::Gone, session.cause_seq)));
        }
        // Or it is said that it does not. One that was put away with its daemon stands as that left it.
        if comes_back(self.view, session)? {
            return Ok(None);
        }
        if let Some(asked) = self.asked(session).max() {
            return Ok(Some((Standing::Waiting, asked)));
        }
        // What is held goes nowhere before a human says so.
        if session.open_turn.is_some() || waiting(self.view, sid, session)?.0 > 0 {
            return Ok(None);
        }
        let mut below = Standing::Settled;
        if depth < DEPTH_MAX {
            for (_, child, row) in family(self.view, sid, 1)? {
                match self.standing(child, &row, depth + 1)? {
                    None => return Ok(None),
                    // It is told of this first.
                    Some((_, seq)) if self.wakes && can_hear(session) && is_news(&row, seq) => {
                        return Ok(None);
                    }
                    Some((Standing::Waiting | Standing::WaitingBelow, _)) => {
                        below = Standing::WaitingBelow;
                    }
                    Some(_) => {}
                }
            }
        }
        // One that never had a turn has nothing to tell, and neither has one that will go on.
        let seq = session.settled_seq.filter(|_| below == Standing::Settled);
        Ok(Some((below, seq.unwrap_or(0))))
    }

    /// The requests with which a session waits for a human, oldest first.
    fn asked(&self, session: &Session) -> impl Iterator<Item = u64> {
        let asked = session.pending.iter().filter(|(_, class)| class.asks_human());
        asked.map(|(number, _)| *number).filter(|number| !(self.answered)(*number))
    }

    fn doc(
        &self,
        sid: Sid,
        session: Session,
        standing: Standing,
        seq: u64,
    ) -> Result<NewsDoc, StoreError> {
        let view = self.view;
        let mut requests = Vec::new();
        for number in self.asked(&session) {
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
            running.extend(
                row.filter(|row| row.status == ActionStatus::RunsOn).map(|row| row.summary),
            );
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{ActivityState, RequestClass};

    #[test]
    fn a_state_of_waiting_without_a_request_is_believed_when_it_stands() {
        let nobody = |_: u64| false;
        let told = Session {
            state: ActivityState::WaitingPermission,
            last_at: 5_000_000,
            ..Session::default()
        };
        assert!(!waits_for_human(&told, &nobody, 5_000_500));
        assert!(waits_for_human(&told, &nobody, 6_000_000));
        let asked = Session { pending: vec![(7, RequestClass::Command)], ..told };
        assert!(waits_for_human(&asked, &nobody, 5_000_500));
        assert!(!waits_for_human(&asked, &|number| number == 7, 9_000_000));
    }
}
