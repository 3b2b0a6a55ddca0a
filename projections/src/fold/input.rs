//! Inputs: from their acceptance to their turn.
//!
//! What always holds: a row's status only moves as [`InputStatus::may_follow`] allows, so that a record that
//! came too late, such as the hold of one that was taken back meanwhile, changes nothing.

use super::Step;
use crate::rows::{Input, InputStatus, Sid, line};
use crate::table::id_hash;
use sm_protocol::synthetic::{InputAccepted, InputChanged, InputEdited, InputsHeld};

/// How logs tell of a hold that have no record of its own for it; a queued input without it was let go.
pub(crate) const HELD: &str = "held: the turn was interrupted";

/// How they tell that an input was looked for.
pub(crate) const SOUGHT: &str = "Codex's answer was lost, and the thread does not have it";

/// Whether a record says that an input is held.
pub fn is_hold(changed: &InputChanged) -> bool {
    changed.held || changed.reason.as_deref() == Some(HELD)
}

impl Step<'_> {
    pub(super) fn input_accepted(&mut self, sid: Sid, accepted: InputAccepted) {
        let at = self.at;
        self.told(&accepted.news);
        let input = Input {
            session: sid,
            summary: line(&accepted.text),
            text_seq: at.seq,
            key: accepted.key.clone(),
            mode: accepted.mode,
            by: accepted.by,
            accepted_at: at.time,
            changed_at: at.time,
            ..Input::default()
        };
        self.state.inputs.put(at.seq, input);
        if let Some(key) = accepted.key {
            self.state.input_keys.put((sid, id_hash(&[&key])), at.seq);
        }
        self.state.queue.put((sid, at.seq), ());
        self.session(sid).queued += 1;
    }

    pub(super) fn input_changed(&mut self, changed: InputChanged) {
        let at = self.at;
        let Some(input) = self.state.inputs.get_mut(self.base, &changed.input) else { return };
        let Some(status) = InputStatus::of_str(&changed.status) else {
            return self.trouble("input status of a newer sm");
        };
        let is_doubted = changed.turn_over && status == InputStatus::Unknown;
        if !status.may_follow(input.status) && !is_doubted {
            return;
        }
        let (sid, before, was_lost) = (input.session, input.status, input.is_lost());
        input.status = status;
        input.changed_at = at.time;
        input.has_waited |= status == InputStatus::Queued;
        // One that was held while it was on its way into the queue stays so.
        input.held =
            status.waits() && (is_hold(&changed) || input.held && before == InputStatus::Accepted);
        let reason = changed.reason.as_deref();
        input.sought = changed.sought || reason == Some(SOUGHT);
        input.reason = reason.filter(|reason| *reason != HELD).map(line);
        let took = changed.turn.clone();
        input.turn = changed.turn.or(input.turn.take());
        let (now, is_lost) = (input.status, input.is_lost());
        self.input_moved((sid, changed.input), (before, was_lost), (now, is_lost));
        if let (InputStatus::Started, Some(turn)) = (status, took) {
            self.turn_taken(sid, &turn, changed.turn_over);
        }
    }

    /// Keeps the tables of what waits and what is lost; each side a status, and whether it is lost.
    fn input_moved(
        &mut self,
        key: (Sid, u64),
        before: (InputStatus, bool),
        now: (InputStatus, bool),
    ) {
        match (before.1, now.1) {
            (false, true) => self.state.lost.put(key, ()),
            (true, false) => self.state.lost.remove(key),
            _ => {}
        }
        match (before.0.waits(), now.0.waits()) {
            (true, false) => {
                self.state.queue.remove(key);
                let session = self.session(key.0);
                session.queued = session.queued.saturating_sub(1);
            }
            (false, true) => {
                self.state.queue.put(key, ());
                self.session(key.0).queued += 1;
            }
            _ => {}
        }
    }

    /// Codex shows the message of an input in a turn: one that is on its way, or of which nobody knew whether it
    /// was taken, was.
    pub(super) fn input_heard(&mut self, sid: Sid, number: u64, turn: u64) {
        let at = self.at;
        let row = self.turn(sid, turn);
        let (id, is_first) = (row.id.clone(), row.prompt.is_none());
        let Some(input) = self.state.inputs.get_mut(self.base, &number) else { return };
        let is_open = input.status.waits() || input.status == InputStatus::Unknown;
        if input.session != sid || !is_open {
            return;
        }
        let before = (input.status, input.is_lost());
        input.status = if is_first { InputStatus::Started } else { InputStatus::Steered };
        input.turn = Some(id);
        input.reason = None;
        input.held = false;
        input.changed_at = at.time;
        let now = (input.status, false);
        self.input_moved((sid, number), before, now);
    }

    pub(super) fn inputs_held(&mut self, held: &InputsHeld) {
        let at = self.at;
        for number in &held.inputs {
            let Some(input) = self.state.inputs.get_mut(self.base, number) else { continue };
            if input.status.waits() && input.held != held.held {
                input.held = held.held;
                input.changed_at = at.time;
            }
        }
    }

    pub(super) fn input_edited(&mut self, edited: &InputEdited) {
        let at = self.at;
        let Some(input) = self.state.inputs.get_mut(self.base, &edited.input) else { return };
        input.summary = line(&edited.text);
        input.text_seq = at.seq;
        input.changed_at = at.time;
    }
}
