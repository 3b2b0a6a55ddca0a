//! Synthetic records: what `sm` itself did, recorded like everything else.

use super::Step;
use crate::rows::{Reminder, Sid, Trim, line};
use sm_protocol::synthetic::{
    LogCapped, LogTrimmed, News, ReminderSet, SessionEnded, SessionSpawned, Synthetic,
    is_users_word,
};

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
            (Synthetic::SessionEnded(ended), Some(sid)) => self.ended(sid, &ended),
            (Synthetic::SessionUnresumable(given_up), Some(sid)) => {
                let session = self.session(sid);
                session.gone = true;
                session.unresumable = Some(line(&given_up.reason));
            }
            (Synthetic::SessionNamed(named), Some(sid)) => {
                self.rename(sid, Some(&named.name));
                self.session(sid).is_users_name = is_users_word(&named.by);
            }
            (Synthetic::SessionArchived(archived), Some(sid)) => {
                self.put_away(sid, archived.archived);
            }
            (Synthetic::TurnsDropped(dropped), Some(sid)) => {
                self.drop_turns(sid, &dropped.turns);
                self.cut_found_out(sid);
            }
            (Synthetic::InputAccepted(accepted), Some(sid)) => self.input_accepted(sid, accepted),
            (Synthetic::InputChanged(changed), _) => self.input_changed(changed),
            (Synthetic::InputEdited(edited), _) => self.input_edited(&edited),
            (Synthetic::InputsHeld(held), _) => self.inputs_held(&held),
            (Synthetic::SessionSet(set), Some(sid)) => {
                let session = self.session(sid);
                session.kept = set.settings.or(std::mem::take(&mut session.kept));
            }
            (Synthetic::SessionLabelled(labelled), Some(sid)) => {
                let session = self.session(sid);
                session.labels = labelled.labels;
                session.users_labels = labelled.users;
            }
            (Synthetic::ParentTold(told), _) => self.told(&told.news),
            (Synthetic::ReminderSet(set), Some(sid)) => self.reminder_set(sid, set),
            (Synthetic::ReminderEnded(ended), _) => self.state.reminders.remove(ended.reminder),
            (Synthetic::LogTrimmed(trimmed), _) => self.trimmed(trimmed),
            (Synthetic::LogCapped(capped), _) => self.capped(capped),
            // No row tells of them: what they decided stands with each request.
            (Synthetic::RulesChanged(_), _) => {}
            (_, None) => self.trouble("synthetic record without its session"),
        }
    }

    fn spawned(&mut self, sid: Sid, spawned: &SessionSpawned) {
        if let Some(name) = spawned.name.as_deref().filter(|name| !name.is_empty()) {
            self.rename(sid, Some(name));
            self.session(sid).is_users_name = is_users_word(&spawned.by);
        }
        if let Some(parent) = spawned.parent.as_deref().filter(|parent| !parent.is_empty()) {
            let parent = self.session_of(parent);
            self.adopt(parent, sid);
        }
        if !spawned.env.is_empty() {
            self.state.environments.put(sid, spawned.env.clone());
        }
        let session = self.session(sid);
        if let Some(origin) = spawned.forked_from.as_ref().filter(|origin| !origin.is_empty()) {
            session.forked_from = Some(origin.clone());
        }
        session.spawned_by = Some(spawned.by.clone());
        session.labels.clone_from(&spawned.labels);
        session.users_labels = match is_users_word(&spawned.by) {
            true => spawned.labels.clone(),
            false => Vec::new(),
        };
        session.silent = spawned.silent;
    }

    /// Whoever ended a session knows of it.
    fn ended(&mut self, sid: Sid, ended: &SessionEnded) {
        let seq = self.at.seq;
        let parent = self.session(sid).parent;
        let by_parent = parent.is_some_and(|parent| self.session(parent).thread_id == ended.by);
        let session = self.session(sid);
        session.ended = true;
        if by_parent {
            session.told_seq = seq;
        }
    }

    pub(super) fn told(&mut self, news: &[News]) {
        for News { thread, seq } in news {
            if let Some(sid) = self.state.threads.get(self.base, thread).copied() {
                let session = self.session(sid);
                session.told_seq = session.told_seq.max(*seq);
            }
        }
    }

    fn trimmed(&mut self, trimmed: LogTrimmed) {
        let at = self.at;
        let LogTrimmed { floor, records, bytes, by, .. } = trimmed;
        self.state.trims.put(at.seq, Trim { floor, records, bytes, by, at: at.time });
    }

    /// A session's floor only rises.
    fn capped(&mut self, capped: LogCapped) {
        for (thread, floor) in capped.sessions {
            if let Some(sid) = self.state.threads.get(self.base, &thread).copied() {
                let session = self.session(sid);
                session.floor = session.floor.max(Some(floor));
            }
        }
    }

    fn reminder_set(&mut self, sid: Sid, set: ReminderSet) {
        let at = self.at;
        let reminder = Reminder {
            session: sid,
            due: set.at,
            summary: line(&set.text),
            by: set.by,
            made_at: at.time,
        };
        self.state.reminders.put(at.seq, reminder);
    }
}
