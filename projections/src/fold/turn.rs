//! Turns: opened and closed once each, whatever is missing, repeated or late.
//!
//! What always holds: a session has at most one open turn. A turn that ended is never reopened; one
//! that was given up (lost with its process, or because the next one began and nobody told its end) is
//! put right when its real end is told after all. A turn inside a turn
//! (a review runs as one) is part of the outer one, under its own id.

use super::Step;
use crate::rows::{
    ActionKind, ActionStatus, Counts, Health, Micros, OpenTurn, Outcome, RequestStatus, Sid, Turn,
    line,
};
use crate::table::{IdHash, is_numbered, turn_key};
use sm_protocol::Kind;
use sm_protocol::message::{AboutItem, ErrorEvent, ModelRerouted, Refused, TurnError, TurnEvent};

/// How a turn comes to its end.
pub(super) enum End<'e> {
    /// Codex told: the outcome, and the error if there was one.
    Told(Outcome, Option<&'e str>),
    /// It was never told, for that reason: its process ended first, or its thread has no turn any more.
    Unheard(&'e str),
    /// Another turn began, and nobody told how this one ended.
    Untold,
}

/// Why a turn is lost that is known by its message alone.
const UNHEARD: &str = "its process ended before it told of it";

impl Step<'_> {
    /// The row of a turn that is known to exist.
    pub(super) fn turn(&mut self, sid: Sid, turn: u64) -> &mut Turn {
        self.state.turns.entry(self.base, &(sid, turn))
    }

    /// The number of the turn Codex calls `id`, if it was ever told of.
    pub(super) fn turn_number(&mut self, sid: Sid, id: &str) -> Option<u64> {
        let key = (sid, self.turn_key(id));
        self.state.turn_ids.get(self.base, &key).copied()
    }

    /// Something begins in a turn of that id: where the id is an older turn's number, given again, it no
    /// more stands for that one. What only ends is never taken for a begin, or a record told twice would
    /// make a turn.
    pub(super) fn begins_in(&mut self, sid: Sid, id: Option<&str>) {
        let Some(id) = id.filter(|id| is_numbered(id)) else { return };
        let Some(turn) = self.turn_number(sid, id) else { return };
        let ended = self.state.turns.get(self.base, &(sid, turn)).and_then(|turn| turn.end_seq);
        if self.session(sid).has_renumbered(id, ended) {
            self.state.turn_ids.remove((sid, self.turn_key(id)));
        }
    }

    fn turn_key(&self, id: &str) -> IdHash {
        turn_key(id, self.at.source, self.at.generation)
    }

    /// The turn an item or request belongs to: the one it names, opened if nobody told of it yet, or
    /// the open one where it names none.
    pub(super) fn turn_of(&mut self, sid: Sid, id: Option<&str>) -> Option<u64> {
        let open = self.session(sid).open_turn.as_ref();
        match id {
            None => open.map(|turn| turn.seq),
            Some(id) if open.is_some_and(|turn| turn.id == id) => open.map(|turn| turn.seq),
            Some(id) => match self.turn_number(sid, id) {
                Some(turn) => Some(turn),
                None => Some(self.open_turn(sid, id, false)),
            },
        }
    }

    pub(super) fn turn_started(&mut self, sid: Sid, payload: &[u8]) {
        let Some(event) = self.params::<TurnEvent<'_>>(payload) else { return };
        let Some(told) = event.turn.get() else { return };
        let Some(id) = told.id.filled() else { return };
        self.begins_in(sid, Some(id));
        if self.turn_number(sid, id).is_some() {
            if let Some(open) = &mut self.session(sid).open_turn {
                open.announced |= open.id == id;
            }
            return;
        }
        match self.outer_turn(sid, told.root_turn_id.filled()) {
            Some(outer) => self.state.turn_ids.put((sid, self.turn_key(id)), outer),
            None => drop(self.open_turn(sid, id, true)),
        }
    }

    /// Codex took a message into a turn. Its server may have died before it told of that turn; then it is known
    /// by this alone. `is_over`: it has ended since.
    pub(super) fn turn_taken(&mut self, sid: Sid, id: &str, is_over: bool) {
        // What says so is no record of a server's, and numbers are each server's own.
        if is_numbered(id) || self.turn_number(sid, id).is_some() {
            return;
        }
        let session = self.session(sid);
        if session.open_turn.is_some() {
            if is_over {
                self.past_turn(sid, id);
            }
            return;
        }
        let (is_over, was_ended) = (is_over || session.gone, session.ended);
        let turn = self.open_turn(sid, id, false);
        if is_over {
            self.close_turn(sid, turn, &End::Unheard(UNHEARD));
            self.session(sid).ended = was_ended;
        }
    }

    /// A turn that ended before the open one began, and that nothing else tells of.
    fn past_turn(&mut self, sid: Sid, id: &str) {
        let at = self.at;
        let session = self.session(sid);
        session.counts.turns += 1;
        if let Some(count) = outcome_count(&mut session.counts, Outcome::Lost) {
            *count += 1;
        }
        let turn = Turn {
            id: id.to_owned(),
            number: session.counts.turns as u32,
            started_at: at.time,
            ended_at: Some(at.time),
            end_seq: Some(at.seq),
            outcome: Outcome::Lost,
            error: Some(UNHEARD.to_owned()),
            ..Turn::default()
        };
        self.state.turns.put((sid, at.seq), turn);
        self.state.turn_ids.put((sid, self.turn_key(id)), at.seq);
    }

    /// The open turn, if a turn that begins now runs inside it: the new one names it as its root, or,
    /// where releases name none, it is a review, which is told of by its items only.
    fn outer_turn(&mut self, sid: Sid, root: Option<&str>) -> Option<u64> {
        let open = self.session(sid).open_turn.clone()?;
        let inside = match root {
            Some(root) => root == open.id,
            None => !open.announced && self.action(sid, open.seq).kind == ActionKind::Review,
        };
        inside.then_some(open.seq)
    }

    fn open_turn(&mut self, sid: Sid, id: &str, announced: bool) -> u64 {
        let at = self.at;
        if let Some(open) = self.session(sid).open_turn.clone() {
            self.close_turn(sid, open.seq, &End::Untold);
        }
        let session = self.session(sid);
        session.counts.turns += 1;
        session.open_turn =
            Some(OpenTurn { seq: at.seq, id: id.to_owned(), announced, ..OpenTurn::default() });
        session.last_turn_seq = Some(at.seq);
        session.ended = false;
        session.limited = None;
        session.is_answered = false;
        let turn = Turn {
            id: id.to_owned(),
            number: session.counts.turns as u32,
            started_at: at.time,
            model: session.model.clone(),
            ..Turn::default()
        };
        self.state.turns.put((sid, at.seq), turn);
        self.state.turn_ids.put((sid, self.turn_key(id)), at.seq);
        at.seq
    }

    pub(super) fn turn_completed(&mut self, sid: Sid, payload: &[u8]) {
        let Some(event) = self.params::<TurnEvent<'_>>(payload) else { return };
        let Some(told) = event.turn.get() else { return };
        let Some(id) = told.id.filled() else { return };
        let outcome = match told.status.get() {
            Some("interrupted") => Outcome::Interrupted,
            Some("failed") => Outcome::Failed,
            _ => Outcome::Completed,
        };
        let problem = told.error.get();
        let error = problem.and_then(|error| error.message.filled());
        let turn = match self.turn_number(sid, id) {
            // The end of a turn inside a turn is not the end of the outer one.
            Some(turn) if self.turn(sid, turn).id != id => return,
            Some(turn) => turn,
            None => self.open_turn(sid, id, false),
        };
        self.close_turn(sid, turn, &End::Told(outcome, error));
        let session = self.session(sid);
        if session.last_turn_seq == Some(turn) && problem.is_some_and(TurnError::is_limit) {
            session.limited = Some(line(error.unwrap_or_default()));
        }
    }

    /// Ends a turn: with it end its items and its requests.
    pub(super) fn close_turn(&mut self, sid: Sid, turn: u64, end: &End<'_>) {
        let at = self.at;
        let (outcome, error) = match *end {
            End::Told(outcome, error) => (outcome, error),
            End::Unheard(reason) => (Outcome::Lost, Some(reason)),
            End::Untold => (Outcome::Lost, Some("its end was not told: another turn began")),
        };
        let row = self.turn(sid, turn);
        let before = row.outcome;
        // What Codex itself told of the end stands; what was concluded without it gives way.
        let concluded = outcome == Outcome::Lost;
        if !matches!(before, Outcome::Lost | Outcome::None) || row.ended_at.is_some() && concluded {
            return;
        }
        row.outcome = outcome;
        row.end_seq = Some(at.seq);
        row.error = error.map(line);
        let unheard = matches!(end, End::Unheard(_));
        let ended_at = self.end_time(sid, unheard);
        self.turn(sid, turn).ended_at = Some(ended_at);
        let session = self.session(sid);
        if let Some(count) = outcome_count(&mut session.counts, before) {
            *count -= 1;
        }
        if let Some(count) = outcome_count(&mut session.counts, outcome) {
            *count += 1;
        }
        if session.last_turn_seq == Some(turn) {
            session.outcome = outcome;
            session.settled_seq = Some(at.seq);
        }
        if session.open_turn.as_ref().is_some_and(|open| open.seq == turn) {
            session.open_turn = None;
            session.flag_approval = false;
            session.flag_input = false;
            session.retrying = None;
            session.unlinked.clear();
            let (items, requests) = match unheard {
                true => (ActionStatus::Lost, RequestStatus::Orphaned),
                false => (ActionStatus::Interrupted, RequestStatus::Cleared),
            };
            if matches!(outcome, Outcome::Completed | Outcome::Failed) {
                self.let_run_on(sid);
            }
            self.close_open_items(sid, items);
            self.end_requests_of_turn(sid, turn, requests);
        }
    }

    /// Codex shows that no turn is open in the thread, and never told how the one that was ended.
    pub(super) fn turn_is_over(&mut self, sid: Sid, reason: &str) {
        if let Some(open) = self.session(sid).open_turn.clone() {
            self.close_turn(sid, open.seq, &End::Unheard(reason));
        }
    }

    /// A refused wish: one that was about a turn may tell that there is none.
    pub(super) fn refused(&mut self, sid: Sid, payload: &[u8]) {
        let Some(refusal) = self.read::<Refused<'_>>(payload) else { return };
        let words = refusal.error.get().and_then(|error| error.message.filled());
        if words.is_some_and(|words| words.starts_with("no active turn")) {
            self.turn_is_over(sid, "Codex says that no turn is active");
        }
    }

    /// When what ends at the record at hand ended: what was lost, when its process was seen to end, else at its
    /// session's last sign of life, for that end may be told much later.
    pub(super) fn end_time(&mut self, sid: Sid, lost: bool) -> Micros {
        let (now, seen) = (self.at.time, self.at.seen_end);
        let last = self.session(sid).last_at;
        match (lost, seen) {
            (true, Some(seen)) => seen.max(last).min(now),
            (true, None) => last.min(now),
            (false, _) => now,
        }
    }

    pub(super) fn turn_updated(&mut self, sid: Sid, kind: Kind, payload: &[u8]) {
        let Some(about) = self.params::<AboutItem<'_>>(payload) else { return };
        let Some(turn) = self.turn_of(sid, about.turn_id.filled()) else { return };
        let seq = self.at.seq;
        let row = self.turn(sid, turn);
        match kind {
            Kind::TURN_DIFF_UPDATED => row.diff_seq = Some(seq),
            _ => row.plan_seq = Some(seq),
        }
    }

    /// The server gave the turn to another model.
    pub(super) fn model_rerouted(&mut self, sid: Sid, payload: &[u8]) {
        let Some(told) = self.params::<ModelRerouted<'_>>(payload) else { return };
        let Some(model) = told.to_model.filled() else { return };
        if let Some(turn) = self.turn_of(sid, told.turn_id.filled()) {
            self.turn(sid, turn).model = Some(line(model));
        }
    }

    pub(super) fn error(&mut self, sid: Sid, payload: &[u8]) {
        let Some(event) = self.params::<ErrorEvent<'_>>(payload) else { return };
        let words = event.error.get().and_then(|error| {
            let message = error.message.filled()?;
            Some(match error.details.filled() {
                Some(details) => line(&format!("{message}: {details}")),
                None => line(message),
            })
        });
        let retries = event.will_retry.0 == Some(true);
        let session = self.session(sid);
        session.counts.errors += 1;
        session.last_error = words.clone();
        if retries {
            session.retrying = Some(words.unwrap_or_default());
            self.close_broken_off(sid);
            if let Some(turn) = self.turn_of(sid, event.turn_id.filled()) {
                self.turn(sid, turn).retries += 1;
            }
            return;
        }
        if let Health::Error(known) = &mut session.health {
            known.clone_from(&words);
        }
        self.never_began(sid, event.turn_id.filled(), words.as_deref());
    }

    /// Of a review that could not begin, releases that number their turns tell an error after its begin, and
    /// nothing more.
    fn never_began(&mut self, sid: Sid, id: Option<&str>, words: Option<&str>) {
        let Some(id) = id.filter(|id| is_numbered(id)) else { return };
        let session = self.session(sid);
        let (is_answered, open) = (session.is_answered, session.open_turn.clone());
        let Some(open) = open.filter(|open| open.id == id && !is_answered) else { return };
        if self.turn(sid, open.seq).prompt.is_none() {
            self.close_turn(sid, open.seq, &End::Told(Outcome::Failed, words));
        }
    }
}

fn outcome_count(counts: &mut Counts, outcome: Outcome) -> Option<&mut u64> {
    match outcome {
        Outcome::None => None,
        Outcome::Completed => Some(&mut counts.turns_completed),
        Outcome::Interrupted => Some(&mut counts.turns_interrupted),
        Outcome::Failed => Some(&mut counts.turns_failed),
        Outcome::Lost => Some(&mut counts.turns_lost),
    }
}
