//! Synthetic records: what `sm` itself did, recorded like everything else.

use super::Step;
use crate::rows::{Input, InputStatus, Sid, line};
use sm_protocol::synthetic::{InputAccepted, InputChanged, SessionSpawned, Synthetic};

impl Step<'_> {
    pub(super) fn synthetic(&mut self, sid: Option<Sid>, payload: &[u8]) {
        let Some(message) = Synthetic::from_payload(payload) else {
            return self.trouble("synthetic record of a newer sm");
        };
        match (message, sid) {
            (Synthetic::SourceOpened(opened), _) => self.source_opened(opened),
            (Synthetic::SourceClosed(closed), _) => self.source_closed(closed),
            (Synthetic::GenerationStarted(started), _) => self.generation_started(started),
            (Synthetic::GenerationEnded(ended), _) => self.generation_ended(ended),
            (Synthetic::RequestDecided(decided), _) => self.request_decided(decided),
            (Synthetic::SessionSpawned(spawned), Some(sid)) => self.spawned(sid, &spawned),
            (Synthetic::SessionEnded(_), Some(sid)) => self.session(sid).ended = true,
            (Synthetic::SessionUnresumable(_), Some(sid)) => self.session(sid).gone = true,
            (Synthetic::InputAccepted(accepted), Some(sid)) => self.input_accepted(sid, accepted),
            (Synthetic::InputChanged(changed), _) => self.input_changed(changed),
            // No row tells of them: what they decided stands with each request.
            (Synthetic::RulesChanged(_), _) => {}
            (_, None) => self.trouble("synthetic record without its session"),
        }
    }

    fn spawned(&mut self, sid: Sid, spawned: &SessionSpawned) {
        if let Some(name) = spawned.name.as_deref().filter(|name| !name.is_empty()) {
            self.rename(sid, Some(name));
        }
        if let Some(parent) = spawned.parent.as_deref().filter(|parent| !parent.is_empty()) {
            let parent = self.session_of(parent);
            self.adopt(parent, sid);
        }
        let session = self.session(sid);
        session.spawned_by = Some(spawned.by.clone());
        session.labels.clone_from(&spawned.labels);
    }

    fn input_accepted(&mut self, sid: Sid, accepted: InputAccepted) {
        let at = self.at;
        let input = Input {
            session: sid,
            summary: line(&accepted.text),
            mode: accepted.mode,
            by: accepted.by,
            accepted_at: at.time,
            changed_at: at.time,
            ..Input::default()
        };
        self.state.inputs.put(at.seq, input);
        self.state.queue.put((sid, at.seq), ());
        self.session(sid).queued += 1;
    }

    fn input_changed(&mut self, changed: InputChanged) {
        let at = self.at;
        let Some(input) = self.state.inputs.get_mut(self.base, &changed.input) else { return };
        let Some(status) = InputStatus::of_str(&changed.status) else {
            return self.trouble("input status of a newer sm");
        };
        let (sid, waited) = (input.session, input.status.waits());
        input.status = status;
        input.changed_at = at.time;
        input.turn = changed.turn.or(input.turn.take());
        input.reason = changed.reason.as_deref().map(line);
        match (waited, status.waits()) {
            (true, false) => {
                self.state.queue.remove((sid, changed.input));
                let session = self.session(sid);
                session.queued = session.queued.saturating_sub(1);
            }
            (false, true) => {
                self.state.queue.put((sid, changed.input), ());
                self.session(sid).queued += 1;
            }
            _ => {}
        }
    }
}
