//! The fold: (state, record) → state.
//!
//! What always holds: [`fold`] is pure, total and tolerant. It knows no clock, no randomness, no map
//! order and no table but through [`State`]; a message told twice counts once, a missing one leaves
//! what can still be known, an unknown or broken one is counted and changes nothing else. Only
//! evidence changes a session's state, and the record that did is kept beside it.

mod activity;
mod cut;
mod goal;
mod hook;
pub mod input;
mod item;
mod mcp;
mod phase;
mod request;
mod session;
mod sm;
mod source;
mod start;
mod tokens;
mod turn;

use crate::rows::{Micros, Session, Sid};
use crate::state::{Base, Nothing, State};
use serde::Deserialize;
use sm_log::{Direction, Gap, Record};
use sm_protocol::Kind;
use sm_protocol::message::{Answer, Call};

/// A new meaning of any fold is a new version: its tables are rebuilt beside the old ones.
pub const FOLD_VERSION: u32 = 13;

/// What a fold step knows of the record at hand.
#[derive(Clone, Copy)]
struct At {
    seq: u64,
    time: Micros,
    source: u64,
    generation: u32,
    /// When the process of what it ends was seen to end.
    seen_end: Option<Micros>,
}

/// One step: the state being changed, above its base, at one record.
struct Step<'s> {
    state: &'s mut State,
    base: &'s dyn Base,
    at: At,
}

/// Folds one record in.
pub fn fold(state: &mut State, base: &dyn Base, record: &Record<'_>) {
    let at = At {
        seq: record.seq,
        time: record.time,
        source: record.source,
        generation: record.generation,
        seen_end: None,
    };
    Step { state, base, at }.record(record);
}

/// Whether some step reads a server's messages of this method. The dispatch itself is asked, so that
/// the answer cannot differ from what happens.
pub fn reads(method: &str) -> bool {
    let Some(kind) = Kind::of_method(method) else { return false };
    let mut state = State::default();
    let at = At { seq: 1, time: 0, source: 0, generation: 0, seen_end: None };
    let mut step = Step { state: &mut state, base: &Nothing, at };
    let sid = step.session_named("any");
    step.server_message(Some(sid), kind, b"{}")
}

/// Folds a declared gap in: records `gap.first..=gap.last` cannot be read any more.
pub fn fold_gap(state: &mut State, gap: &Gap) {
    state.gaps.put(gap.first, gap.last);
}

impl Step<'_> {
    fn record(&mut self, record: &Record<'_>) {
        let kind = Kind(record.kind);
        *self.state.kinds.entry(self.base, &record.kind) += 1;
        if record.direction != Direction::Own {
            self.came_from_source();
        }
        let (sid, hearsay) = self.touch(record, kind);
        if self.passes_by(sid, kind) {
            return;
        }
        if hearsay {
            return self.trouble("transcript of a session that a server runs: kept, not folded");
        }
        self.dispatch(sid, kind, record);
        if let Some(sid) = sid {
            self.settle(sid);
            self.enter_phase(sid);
        }
    }

    /// Counts the record to its session and keeps the session's newest source. Returns the session, and
    /// whether the record tells of it by hearsay.
    fn touch(&mut self, record: &Record<'_>, kind: Kind) -> (Option<Sid>, bool) {
        let sid = match &self.state.latest {
            Some((thread, sid)) if thread == record.session => *sid,
            _ => {
                let thread = std::str::from_utf8(record.session).ok();
                let Some(thread) = thread.filter(|thread| !thread.is_empty()) else {
                    return (None, false);
                };
                let sid = self.session_named(thread);
                self.state.latest = Some((record.session.to_vec(), sid));
                sid
            }
        };
        let at = self.at;
        let hearsay = record.direction != Direction::Own && self.is_hearsay(sid);
        let attach = record.direction == Direction::Server
            && !matches!(kind, Kind::ERROR_RESPONSE)
            && !kind.is_malformed()
            && !hearsay;
        if attach && (self.session(sid).source == 0 || tells_of_loaded(kind)) {
            self.attach(sid);
        }
        let session = self.session(sid);
        session.unconfirmed &= !attach && record.direction != Direction::Own;
        session.counts.records += 1;
        session.counts.malformed += u64::from(kind.is_malformed());
        if session.first_seq.is_none() {
            session.first_seq = Some(at.seq);
            session.first_at = at.time;
            session.since = at.time;
            session.cause_seq = at.seq;
        }
        session.last_seq = Some(at.seq);
        session.last_at = at.time;
        (Some(sid), hearsay)
    }

    /// Whether the record changes nothing that [`Step::touch`] did not: the many pieces of an item
    /// that is known to be open. Their payloads are never parsed.
    fn passes_by(&mut self, sid: Option<Sid>, kind: Kind) -> bool {
        let Some(of) = item::delta_kind(kind) else { return false };
        let Some(sid) = sid else { return true };
        let session = self.session(sid);
        let known =
            session.open_turn.is_some() && session.open_items.iter().any(|item| item.kind == of);
        known && session.retrying.is_none() && session.pending.is_empty()
    }

    fn dispatch(&mut self, sid: Option<Sid>, kind: Kind, record: &Record<'_>) {
        if kind.is_synthetic() {
            return self.synthetic(sid, record.payload);
        }
        match (record.direction, kind) {
            (Direction::Server, _) => drop(self.server_message(sid, kind, record.payload)),
            (Direction::Client, Kind::RESPONSE | Kind::ERROR_RESPONSE) => {
                self.client_answer(kind, record.payload);
            }
            (Direction::Client, _) => self.client_call(sid, kind, record.payload),
            (Direction::Own, _) => {}
        }
    }

    /// A client's request: but for what it wants taken back, Codex tells what became of it.
    fn client_call(&mut self, sid: Option<Sid>, kind: Kind, payload: &[u8]) {
        let kind = match kind {
            // Its method may have a number by now.
            Kind::REQUEST => {
                let method = sm_protocol::Envelope::scan(payload).method;
                method.and_then(|method| Kind::of_method(&method)).unwrap_or(kind)
            }
            kind => kind,
        };
        match (sid, kind) {
            (Some(sid), Kind::THREAD_REVERT | Kind::THREAD_ROLLBACK) => {
                self.cut_asked(sid, kind, payload);
            }
            (Some(sid), Kind::TURN_START) => self.start_asked(sid, payload),
            _ => {}
        }
    }

    /// Whether some step reads such a message.
    fn server_message(&mut self, sid: Option<Sid>, kind: Kind, payload: &[u8]) -> bool {
        match kind {
            Kind::RESPONSE => {
                if let Some(answer) = self.read::<Answer<_>>(payload) {
                    self.thread_answered(&answer, payload);
                }
                if let Some(sid) = sid {
                    self.cut_answered(sid, kind, payload);
                    self.start_answered(sid, kind, payload);
                }
            }
            Kind::ERROR_RESPONSE => {
                if let Some(sid) = sid {
                    self.cut_answered(sid, kind, payload);
                    self.start_answered(sid, kind, payload);
                    self.refused(sid, payload);
                }
            }
            Kind::REQUEST => {
                let known = self.count_method(payload);
                self.request(sid, known.unwrap_or(kind), payload);
            }
            Kind::NOTIFICATION => return self.unnumbered(sid, payload),
            Kind::OTHER_OBJECT => drop(self.count_method(payload)),
            Kind::COMMAND_APPROVAL
            | Kind::FILE_CHANGE_APPROVAL
            | Kind::PERMISSIONS_APPROVAL
            | Kind::USER_INPUT_REQUEST
            | Kind::MCP_ELICITATION
            | Kind::TOOL_CALL
            | Kind::EXEC_COMMAND_APPROVAL
            | Kind::APPLY_PATCH_APPROVAL
            | Kind::AUTH_TOKENS_REFRESH
            | Kind::SKILL_APPROVAL => self.request(sid, kind, payload),
            Kind::SERVER_REQUEST_RESOLVED => self.request_resolved(payload),
            _ => return sid.is_some_and(|sid| self.thread_message(sid, kind, payload)),
        }
        true
    }

    /// A notification whose method had no number when it was recorded; it may have one by now.
    fn unnumbered(&mut self, sid: Option<Sid>, payload: &[u8]) -> bool {
        match (self.count_method(payload), sid) {
            (Some(kind), Some(sid)) => self.thread_message(sid, kind, payload),
            _ => false,
        }
    }

    fn thread_message(&mut self, sid: Sid, kind: Kind, payload: &[u8]) -> bool {
        match kind {
            Kind::THREAD_STARTED => self.thread_started(payload),
            Kind::THREAD_STATUS_CHANGED => self.status_changed(sid, payload),
            Kind::THREAD_NAME_UPDATED => self.name_updated(sid, payload),
            Kind::THREAD_SETTINGS_UPDATED => self.settings_updated(sid, payload),
            Kind::THREAD_TOKEN_USAGE_UPDATED => self.tokens_updated(sid, payload),
            Kind::THREAD_ARCHIVED => self.put_away(sid, true),
            Kind::THREAD_UNARCHIVED => self.put_away(sid, false),
            Kind::THREAD_REVERTED => self.reverted(sid),
            Kind::THREAD_CLOSED => self.closed(sid),
            Kind::THREAD_DELETED => self.deleted(sid),
            Kind::THREAD_GOAL_UPDATED => self.goal_updated(sid, payload),
            Kind::THREAD_GOAL_CLEARED => self.session(sid).goal = None,
            Kind::TURN_STARTED => self.turn_started(sid, payload),
            Kind::TURN_COMPLETED => self.turn_completed(sid, payload),
            Kind::TURN_DIFF_UPDATED | Kind::TURN_PLAN_UPDATED => {
                self.turn_updated(sid, kind, payload);
            }
            Kind::ITEM_STARTED => self.item_started(sid, payload),
            Kind::ITEM_COMPLETED => self.item_completed(sid, payload),
            Kind::ERROR => self.error(sid, payload),
            Kind::HOOK_STARTED | Kind::HOOK_COMPLETED => self.hook(sid, payload),
            Kind::MODEL_REROUTED => self.model_rerouted(sid, payload),
            Kind::MCP_STARTUP_STATUS => self.mcp_startup(sid, payload),
            kind if kind.is_delta() => self.item_delta(sid, kind, payload),
            _ => return false,
        }
        true
    }

    /// Reads a payload as `T`; one that cannot be read is counted.
    fn read<'p, T: Deserialize<'p>>(&mut self, payload: &'p [u8]) -> Option<T> {
        // Checked as a whole, which is quicker than string by string.
        let text = std::str::from_utf8(payload).ok();
        match text.and_then(|text| serde_json::from_str(text).ok()) {
            Some(message) => Some(message),
            None => {
                self.trouble("unreadable message");
                None
            }
        }
    }

    /// Reads the parameters of a notification or request.
    fn params<'p, P: Deserialize<'p>>(&mut self, payload: &'p [u8]) -> Option<P> {
        self.read::<Call<'p, P>>(payload)?.params.0
    }

    fn trouble(&mut self, what: &str) {
        *self.state.troubles.entry(self.base, &what.to_owned()) += 1;
    }

    /// Counts a message by its method; returns the method's kind, if it has a number in this build.
    fn count_method(&mut self, payload: &[u8]) -> Option<Kind> {
        let envelope = sm_protocol::Envelope::scan(payload);
        let method = envelope.method.as_deref().unwrap_or("(no method)");
        let end = (0..=method.len().min(200)).rev().find(|end| method.is_char_boundary(*end));
        *self.state.methods.entry(self.base, &method[..end.unwrap_or(0)].to_owned()) += 1;
        Kind::of_method(method)
    }

    fn session(&mut self, sid: Sid) -> &mut Session {
        self.state.sessions.entry(self.base, &sid)
    }
}

/// Whether only a server that has the thread loaded says that: one that has not answers what is asked of it all
/// the same, and tells of a new name and of the archive. An answer to its loading attaches it by itself.
fn tells_of_loaded(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::RESPONSE
            | Kind::THREAD_NAME_UPDATED
            | Kind::THREAD_ARCHIVED
            | Kind::THREAD_UNARCHIVED
            | Kind::THREAD_CLOSED
    )
}
