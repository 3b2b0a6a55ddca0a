//! Where a session stands: whether it has settled, waits for a human, or is gone.
//!
//! What always holds: a session has settled when nothing goes on in it or below it, and nothing will before a
//! human does something; one that will be brought back, or will be told something, has not.

use super::input::waiting;
use super::news::is_news;
use super::session::family;
use crate::rows::{
    ActivityState, Generation, InputStatus, Micros, Outcome, Session, SessionHead, Sid,
};
use crate::store::{StoreError, View};
use crate::tables::{Inputs, Queue, Sessions, Sources, Threads};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How far down a family is looked at.
const DEPTH_MAX: usize = 64;

/// Whether a request is about to be answered without a human, by its number: only a running daemon knows.
pub type Answered<'a> = &'a dyn Fn(u64) -> bool;

/// Where a session stands.
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

/// Whether what has settled did so after that record.
pub fn settled_after(view: &View<'_>, session: &Session, after: u64) -> Result<bool, StoreError> {
    if after == 0 || session.settled_seq.is_some_and(|seq| seq > after) {
        return Ok(true);
    }
    // An input that was never taken begins no turn to wait for, one that is held none by itself, and of one
    // that was lost nobody knows.
    let input = view.get::<Inputs>(&after)?;
    Ok(input.is_some_and(|input| {
        use InputStatus::{Cancelled, Failed, Refused, Unknown};
        matches!(input.status, Refused | Failed | Cancelled | Unknown) || input.held
    }))
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

/// Whether a session is told of its children when it is idle. One that was interrupted is left alone, and so
/// is one with messages that wait.
pub fn can_hear(session: &Session) -> bool {
    let is_left_alone = session.outcome == Outcome::Interrupted || session.queued > 0;
    !session.ended && !session.archived && !is_left_alone
}

/// Whether a session's server was ended in order, together with its daemon: it is loaded again once somebody
/// has something for it.
pub fn was_put_away(view: &View<'_>, session: &Session) -> Result<bool, StoreError> {
    if !session.gone {
        return Ok(false);
    }
    let lives = view.get::<Sources>(&session.source)?.map(|source| source.generations);
    let life = lives.as_ref().and_then(|lives| lives.get(session.generation as usize));
    Ok(life.is_some_and(Generation::ended_with_daemon))
}

/// Whether a session lost its server and is to be brought back: nobody put it away, or a message waits for it, and
/// Codex has not said that it cannot be resumed.
pub fn comes_back(view: &View<'_>, session: &Session) -> Result<bool, StoreError> {
    let is_decided = session.ended || session.archived || session.unresumable.is_some();
    let is_lost = session.gone && !is_decided;
    Ok(is_lost && (!was_put_away(view, session)? || has_mail(view, session)?))
}

/// Whether a message waits for a session that is not held.
fn has_mail(view: &View<'_>, session: &Session) -> Result<bool, StoreError> {
    // Most have none.
    if session.queued == 0 {
        return Ok(false);
    }
    let sid = view.get::<Threads>(&session.thread_id)?;
    Ok(sid
        .map(|sid| waiting(view, sid, session))
        .transpose()?
        .is_some_and(|(queued, _)| queued > 0))
}

/// The sessions that are to be brought back, each by its first record. It reads heads, and the rows of those that
/// stopped and were not put away, or for which messages wait.
pub fn coming_back(view: &View<'_>) -> Result<BTreeSet<u64>, StoreError> {
    let mut stopped: Vec<(Sid, (u64, u32))> = Vec::new();
    view.scan_as::<Sessions, SessionHead>(&[], &[], |sid, head| {
        let is_over = head.ended || head.archived || head.unconfirmed;
        if head.state == ActivityState::Stopped && !is_over {
            stopped.push((sid, (head.source, head.generation)));
        }
        true
    })?;
    let mut with_mail: HashSet<Sid> = HashSet::new();
    view.scan::<Queue>(&[], &[], |(sid, _), ()| {
        with_mail.insert(sid);
        true
    })?;
    // Many were put away together: of each life it is asked once.
    let mut lives: HashMap<(u64, u32), bool> = HashMap::new();
    let mut coming = BTreeSet::new();
    for (sid, life) in stopped {
        if lives.get(&life) == Some(&true) && !with_mail.contains(&sid) {
            continue;
        }
        let Some(session) = view.get::<Sessions>(&sid)? else { continue };
        lives.insert(life, was_put_away(view, &session)?);
        if comes_back(view, &session)? {
            coming.extend(session.first_seq);
        }
    }
    Ok(coming)
}

/// Whether Codex goes on by itself, turn after turn, towards the session's goal: as long as that is active, and
/// no turn ended otherwise than whole.
fn pursues(session: &Session) -> bool {
    let is_whole = matches!(session.outcome, Outcome::Completed | Outcome::None);
    let is_active = session.goal.as_ref().is_some_and(|goal| goal.status == "active");
    is_active && is_whole && !session.gone
}

/// A look at a family at one moment. `depth` counts the steps down.
pub(super) struct Look<'l, 'v> {
    pub view: &'l View<'v>,
    pub answered: Answered<'l>,
    pub wakes: bool,
}

impl Look<'_, '_> {
    /// Where a session stands, and the newest record that its parent is told of; `None` while something goes
    /// on in it, or below it, or will by itself.
    pub fn standing(
        &self,
        sid: Sid,
        session: &Session,
        depth: usize,
    ) -> Result<Option<(Standing, u64)>, StoreError> {
        let is_over = session.ended || session.gone && session.archived;
        if is_over || session.unresumable.is_some() {
            return Ok(Some((Standing::Gone, session.cause_seq)));
        }
        // Or it is said that it does not. One that was put away with its daemon stands as that left it while nothing
        // waits for it.
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
        if self.wakes && pursues(session) {
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
    pub fn asked(&self, session: &Session) -> impl Iterator<Item = u64> {
        let asked = session.pending.iter().filter(|(_, class)| class.asks_human());
        asked.map(|(number, _)| *number).filter(|number| !(self.answered)(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{ActivityState, Goal, RequestClass};

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

    #[test]
    fn an_active_goal_goes_on_after_a_whole_turn_only() {
        let goal = |status: &str| Some(Goal { status: status.to_owned(), ..Goal::default() });
        let whole = Session { outcome: Outcome::Completed, ..Session::default() };
        assert!(!pursues(&whole));
        assert!(pursues(&Session { goal: goal("active"), ..whole.clone() }));
        assert!(pursues(&Session { goal: goal("active"), ..Session::default() }));
        for status in ["paused", "complete", "budgetLimited"] {
            assert!(!pursues(&Session { goal: goal(status), ..whole.clone() }));
        }
        for outcome in [Outcome::Interrupted, Outcome::Failed, Outcome::Lost] {
            let over = Session { goal: goal("active"), outcome, ..Session::default() };
            assert!(!pursues(&over));
        }
        assert!(!pursues(&Session { goal: goal("active"), gone: true, ..whole }));
    }
}
