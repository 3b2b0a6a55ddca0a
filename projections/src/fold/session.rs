//! Sessions: how threads become them, and what Codex tells about a thread as a whole.

use super::Step;
use crate::rows::{ANCESTORS_MAX, Health, Session, Sid, SourceKind, line};
use crate::table::{Key, id_hash};
use serde_json::value::RawValue;
use sm_protocol::Text;
use sm_protocol::message::{
    Answer, Collaboration, NameUpdated, Settings, SettingsUpdated, Status, StatusChanged, Thread,
    ThreadOpened, Typed,
};

/// Digits of short ids: no letter that looks like another.
const ID_DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The longest name kept, in bytes.
const NAME_BYTES_MAX: usize = 120;

/// The first `len` digits of the short id of a provider's thread.
pub(super) fn short_id(provider: &str, thread: &str, len: usize) -> String {
    let hash = u128::from_be_bytes(id_hash(&[provider, thread]));
    (0..len).map(|at| ID_DIGITS[(hash >> (123 - 5 * at)) as usize % 32] as char).collect()
}

impl Step<'_> {
    /// The session of a `thread` that a server or `sm` names.
    pub(super) fn session_of(&mut self, thread: &str) -> Sid {
        let sid = self.session_named(thread);
        if self.session(sid).unconfirmed {
            self.session(sid).unconfirmed = false;
        }
        sid
    }

    /// The session of `thread`, made if the log names the thread for the first time.
    pub(super) fn session_named(&mut self, thread: &str) -> Sid {
        let key = thread.to_owned();
        if let Some(sid) = self.state.threads.get(self.base, &key) {
            return *sid;
        }
        let count = self.state.totals.entry(self.base, &0);
        let sid = *count as Sid;
        *count += 1;
        self.state.threads.put(key, sid);
        let id = self.free_id(thread);
        self.state.short_ids.put(id.clone(), sid);
        let session = Session {
            id,
            thread_id: thread.to_owned(),
            unconfirmed: true,
            provider: "codex".to_owned(),
            since: self.at.time,
            cause_seq: self.at.seq,
            ..Session::default()
        };
        self.state.sessions.put(sid, session);
        sid
    }

    /// Six digits, or more where an earlier session has the same six.
    fn free_id(&mut self, thread: &str) -> String {
        (6..=24)
            .map(|len| short_id("codex", thread, len))
            .find(|id| self.state.short_ids.get(self.base, id).is_none())
            .unwrap_or_else(|| thread.to_owned())
    }

    /// Whether the record at hand is of a transcript and the session a server's: what a file says of such
    /// a session changes nothing, or an old one, or a forged one, would take it over.
    pub(super) fn is_hearsay(&mut self, sid: Sid) -> bool {
        let (of, by) = (self.session(sid).source, self.at.source);
        of != by && self.is_kind(by, SourceKind::Import) && self.is_kind(of, SourceKind::AppServer)
    }

    fn is_kind(&mut self, source: u64, kind: SourceKind) -> bool {
        self.state.sources.get(self.base, &source).is_some_and(|source| source.kind == kind)
    }

    /// Notes that the session's newest server message came from the record's source and generation.
    pub(super) fn attach(&mut self, sid: Sid) {
        let at = self.at;
        let session = self.session(sid);
        let before = (session.source, session.generation);
        if before == (at.source, at.generation) && session.first_seq.is_some() {
            return;
        }
        session.source = at.source;
        session.generation = at.generation;
        session.gone = false;
        session.unresumable = None;
        self.state.attached.remove((before.0, before.1, sid));
        self.state.attached.put((at.source, at.generation, sid), ());
        self.settle(sid);
    }

    /// The sessions whose newest server message came from one generation of a source.
    pub(super) fn attached(&mut self, source: u64, generation: u32) -> Vec<Sid> {
        let prefix = [source.to_bytes(), generation.to_bytes()].concat();
        self.state.attached.keys(self.base, &prefix).into_iter().map(|key| key.2).collect()
    }

    pub(super) fn thread_started(&mut self, payload: &[u8]) {
        if let Some(opened) = self.params::<ThreadOpened<'_>>(payload) {
            self.thread_opened(&opened);
        }
    }

    /// A response may carry a thread: the answer to starting, resuming, forking or reading one.
    pub(super) fn thread_answered(
        &mut self,
        answer: &Answer<'_, ThreadOpened<'_>>,
        payload: &[u8],
    ) {
        let Some(opened) = answer.result.get() else { return };
        let Some(sid) = self.thread_opened(opened) else { return self.greeted(payload) };
        // Only an answer that tells the settings in force has loaded the thread.
        if opened.model.get().is_some() || opened.cwd.get().is_some() {
            self.attach(sid);
            let seq = self.at.seq;
            let session = self.session(sid);
            session.ended = false;
            // It may have been given up in the same life of the same source.
            session.gone = false;
            session.unresumable = None;
            // Such an answer tells of every setting: none is told as none.
            session.effort = opened.reasoning_effort.filled().map(str::to_owned);
            let by = answer.id.map_or("", |id| id.get());
            let is_told_again = session.loaded_by == by;
            if !is_told_again {
                by.clone_into(&mut session.loaded_by);
                session.loaded_seq = seq;
            }
            let status = opened.thread.get().and_then(|thread| thread.status.get());
            // Told again it tells of what was before the turn that is open now.
            if !is_told_again && status.is_some_and(|status| status.kind.get() == Some("idle")) {
                self.turn_is_over(sid, "its thread was loaded again and had no turn");
            }
            self.settle(sid);
        }
    }

    fn thread_opened(&mut self, opened: &ThreadOpened<'_>) -> Option<Sid> {
        let thread = opened.thread.get()?;
        let sid = self.session_of(thread.id.filled()?);
        if self.is_hearsay(sid) {
            return None;
        }
        self.describe(sid, thread);
        let session = self.session(sid);
        set(&mut session.model, &opened.model);
        set(&mut session.model_provider, &opened.model_provider);
        set(&mut session.cwd, &opened.cwd);
        set(&mut session.approval_policy, &opened.approval_policy.0);
        set(&mut session.effort, &opened.reasoning_effort);
        if let Some(told) = opened.sandbox.map(RawValue::get) {
            let kind = serde_json::from_str::<Typed<'_>>(told).map(|sandbox| sandbox.kind);
            set(&mut session.sandbox, &kind.unwrap_or_default());
            if session.sandbox.as_deref() == Some("workspaceWrite") {
                session.workspace = Some(told.to_owned());
            }
        }
        if let Some(plans) = opened.collaboration_mode.get().and_then(Collaboration::plans) {
            session.plans = plans;
        }
        Some(sid)
    }

    fn describe(&mut self, sid: Sid, thread: &Thread<'_>) {
        let session = self.session(sid);
        set(&mut session.forked_from, &thread.forked_from_id);
        set(&mut session.model_provider, &thread.model_provider);
        set(&mut session.model, &thread.model);
        set(&mut session.effort, &thread.reasoning_effort);
        set(&mut session.cwd, &thread.cwd);
        set(&mut session.cli_version, &thread.cli_version);
        let agent = [&thread.agent_nickname, &thread.agent_role];
        if session.agent.is_none() {
            session.agent = agent.iter().find_map(|name| name.filled()).map(line);
        }
        if session.title.is_none() {
            session.title = thread.preview.filled().map(line);
        }
        if let Some(name) = thread.name.filled().filter(|name| !self.is_inherited(sid, name)) {
            self.rename(sid, Some(name));
        }
        let spawn = thread.source.get().and_then(|source| source.sub_agent.get());
        let spawn = spawn.and_then(|sub_agent| sub_agent.thread_spawn.get());
        let parent = thread.parent_thread_id.filled();
        let parent = parent.or_else(|| spawn.and_then(|spawn| spawn.parent_thread_id.filled()));
        if let Some(parent) = parent {
            let parent = self.session_of(parent);
            self.adopt(parent, sid);
        }
    }

    /// Whether that name is its origin's: Codex gives a fork the name of the thread that it was forked
    /// from, which would then name two sessions.
    fn is_inherited(&mut self, sid: Sid, name: &str) -> bool {
        let Some(origin) = self.session(sid).forked_from.clone() else { return false };
        let origin = self.state.threads.get(self.base, &origin).copied();
        origin.is_some_and(|origin| self.session(origin).name.as_deref() == Some(name))
    }

    /// Makes `child` a child of `parent`, unless it has one or is its ancestor. Other sessions'
    /// states never depend on it.
    pub(super) fn adopt(&mut self, parent: Sid, child: Sid) {
        if self.session(child).parent.is_some() {
            return;
        }
        let mut ancestor = Some(parent);
        for _ in 0..ANCESTORS_MAX {
            match ancestor {
                None => break,
                Some(sid) if sid == child => return,
                Some(sid) => ancestor = self.session(sid).parent,
            }
        }
        self.session(child).parent = Some(parent);
        self.state.children.put((parent, child), ());
    }

    /// Gives the session a name, or takes its name away.
    pub(super) fn rename(&mut self, sid: Sid, name: Option<&str>) {
        let name = name.map(|name| {
            let clean: String = name.chars().filter(|c| !c.is_control()).collect();
            let end = (0..=clean.len().min(NAME_BYTES_MAX)).rev();
            let end = end.into_iter().find(|end| clean.is_char_boundary(*end)).unwrap_or(0);
            clean[..end].to_owned()
        });
        let session = self.session(sid);
        // Who gave it is told beside it; Codex tells again of the name that there is.
        session.is_users_name &= session.name == name;
        let old = std::mem::replace(&mut session.name, name.clone());
        if let Some(old) = old {
            self.state.names.remove((old, sid));
        }
        if let Some(name) = name {
            self.state.names.put((name, sid), ());
        }
    }

    pub(super) fn name_updated(&mut self, sid: Sid, payload: &[u8]) {
        if let Some(update) = self.params::<NameUpdated<'_>>(payload) {
            self.rename(sid, update.thread_name.filled());
        }
    }

    pub(super) fn settings_updated(&mut self, sid: Sid, payload: &[u8]) {
        let Some(update) = self.params::<SettingsUpdated<'_>>(payload) else { return };
        let Some(settings) = update.thread_settings.get() else { return };
        let Settings {
            cwd,
            model,
            model_provider,
            effort,
            approval_policy,
            sandbox_policy,
            collaboration_mode,
        } = settings;
        let session = self.session(sid);
        set(&mut session.cwd, cwd);
        set(&mut session.model, model);
        set(&mut session.model_provider, model_provider);
        set(&mut session.effort, effort);
        set(&mut session.approval_policy, &approval_policy.0);
        let plans = collaboration_mode.get().and_then(Collaboration::plans);
        session.plans = plans.unwrap_or(session.plans);
        if let Some(sandbox) = sandbox_policy.get() {
            set(&mut session.sandbox, &sandbox.kind);
        }
    }

    /// The session is put into the archive or taken out. `sm` and Codex both tell of it: whoever tells first.
    pub(super) fn put_away(&mut self, sid: Sid, archived: bool) {
        let at = self.at;
        let session = self.session(sid);
        if session.archived != archived {
            session.archived = archived;
            session.archived_by = archived.then_some((at.seq, at.time));
        }
    }

    /// Its server has put it away, with all that ran there.
    pub(super) fn closed(&mut self, sid: Sid) {
        self.turn_is_over(sid, "its thread was closed");
        self.lose_running_on(sid);
    }

    /// Nothing can bring it back.
    pub(super) fn deleted(&mut self, sid: Sid) {
        const REASON: &str = "its thread was deleted";
        self.turn_is_over(sid, REASON);
        self.lose_running_on(sid);
        let session = self.session(sid);
        session.ended = true;
        session.unresumable = Some(REASON.to_owned());
    }

    pub(super) fn status_changed(&mut self, sid: Sid, payload: &[u8]) {
        let Some(change) = self.params::<StatusChanged<'_>>(payload) else { return };
        let Some(status) = change.status.get() else { return };
        self.status(sid, status);
    }

    fn status(&mut self, sid: Sid, status: &Status<'_>) {
        let flag = |name: &str| status.active_flags.0.iter().any(|flag| flag.get() == Some(name));
        let session = self.session(sid);
        session.flag_approval = flag("waitingOnApproval");
        session.flag_input = flag("waitingOnUserInput");
        match status.kind.get() {
            Some("systemError") => {
                if session.health == Health::Ok {
                    session.health = Health::Error(session.last_error.clone());
                }
            }
            _ => session.health = Health::Ok,
        }
    }
}

/// Sets what the message tells; what it does not tell stays.
fn set(field: &mut Option<String>, told: &Text<'_>) {
    if let Some(value) = told.filled()
        && field.as_deref() != Some(value)
    {
        *field = Some(value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_short_id_begins_with_the_shorter_one() {
        let six = short_id("codex", "01a1faf7-4a45-75b3-a47f-5bbca1883fdd", 6);
        let eight = short_id("codex", "01a1faf7-4a45-75b3-a47f-5bbca1883fdd", 8);
        assert_eq!(six.len(), 6);
        assert!(eight.starts_with(&six));
        assert_ne!(six, short_id("codex", "another thread", 6));
    }
}
