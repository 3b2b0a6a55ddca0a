//! Hooks: the user's own programs that Codex runs around what a session does; an action for each run.
//!
//! What always holds: a run counts once and is nobody's work; no hook's message opens a turn or changes
//! a state.

use super::Step;
use super::item::texts_of;
use crate::rows::{Action, ActionKind, ActionStatus, OpenItem, Sid, line};
use crate::table::id_hash;
use sm_protocol::message::{HookEvent, HookRun};

impl Step<'_> {
    /// `hook/started` and `hook/completed`: both tell the whole run.
    pub(super) fn hook(&mut self, sid: Sid, payload: &[u8]) {
        let Some(event) = self.params::<HookEvent<'_>>(payload) else { return };
        let Some(run) = event.run.get() else { return };
        let Some(id) = run.id.filled() else { return };
        // A hook has one id for all its runs. Two within a second are one: that is all they are told
        // apart by.
        let began = run.started_at.0.unwrap_or(0).to_string();
        let key = (sid, id_hash(&["hook", id, &began]));
        let action = match self.state.item_ids.get(self.base, &key).copied() {
            Some(action) => action,
            None => {
                self.state.item_ids.put(key, self.at.seq);
                self.open_hook(sid, event.turn_id.filled(), id)
            }
        };
        let row = self.action(sid, action);
        if matches!(row.status, ActionStatus::Completed | ActionStatus::Failed) {
            return;
        }
        row.summary = summary_of(run);
        row.duration_ms = run.duration_ms.0.and_then(|ms| u64::try_from(ms).ok());
        match run.status.get() {
            None | Some("running") => {}
            Some("failed") => self.close_item(sid, action, ActionStatus::Failed),
            Some(_) => self.close_item(sid, action, ActionStatus::Completed),
        }
    }

    fn open_hook(&mut self, sid: Sid, turn: Option<&str>, id: &str) -> u64 {
        let at = self.at;
        let open = self.session(sid).open_turn.as_ref().map(|turn| turn.seq);
        let turn = turn.and_then(|turn| self.turn_number(sid, turn)).or(open);
        let kind = ActionKind::Hook;
        let action = Action {
            turn,
            item_id: id.to_owned(),
            item_type: "hook".to_owned(),
            kind,
            started_at: at.time,
            ..Action::default()
        };
        self.state.actions.put((sid, at.seq), action);
        if turn.is_some() && turn == open {
            self.session(sid).open_items.push(OpenItem { seq: at.seq, kind });
        }
        at.seq
    }
}

/// When it ran, what it did to what it ran for, and what it said.
fn summary_of(run: &HookRun<'_>) -> String {
    let event = run.event_name.get().unwrap_or("hook");
    let did = match run.status.get() {
        Some(did @ ("blocked" | "stopped")) => format!("{event} {did}"),
        _ => event.to_owned(),
    };
    match texts_of(&run.entries).next() {
        Some(said) => line(&format!("{did}: {said}")),
        None => line(&did),
    }
}
