//! Turns taken out of a thread's history: rolled back or reverted.
//!
//! What always holds: a turn is dropped once, whoever tells of it; what it said is no more the session's
//! last message nor what it did last, what it did and cost stays counted. Which turns went is told by the client's request
//! together with Codex's answer, and by `sm` for what it asked itself: where the turn to cut before is not
//! known here, by `sm` alone. `thread/reverted` alone tells of the newest turn only: it went, whatever
//! else did.

use super::Step;
use crate::rows::{Cut, CutTurns, LastAction, Sid};
use crate::table::Key;
use sm_protocol::Kind;
use sm_protocol::message::{Answer, Call, CutAnswer, CutRequest};

impl Step<'_> {
    /// A client asks for turns to be taken back.
    pub(super) fn cut_asked(&mut self, sid: Sid, kind: Kind, payload: &[u8]) {
        let Some(call) = self.read::<Call<'_, CutRequest<'_>>>(payload) else { return };
        let (Some(rpc_id), Some(params)) = (call.id, call.params.0) else { return };
        let turns = match kind {
            Kind::THREAD_REVERT => {
                let Some(first) = params.before_turn_id.filled() else { return };
                match self.turn_number(sid, first) {
                    Some(first) => CutTurns::From(first),
                    None => CutTurns::FromUnknown { half_told: false },
                }
            }
            _ => CutTurns::Newest(params.num_turns.0.and_then(|n| n.try_into().ok()).unwrap_or(0)),
        };
        self.session(sid).cut = Some(Cut { rpc_id: rpc_id.get().to_owned(), turns });
    }

    /// A server's answer, maybe to such a wish.
    pub(super) fn cut_answered(&mut self, sid: Sid, kind: Kind, payload: &[u8]) {
        let Some(cut) = self.session(sid).cut.clone() else { return };
        let Some(answer) = self.read::<Answer<'_, CutAnswer<'_>>>(payload) else { return };
        if answer.id.is_none_or(|id| id.get() != cut.rpc_id) {
            return;
        }
        self.session(sid).cut = None;
        if kind == Kind::ERROR_RESPONSE {
            return;
        }
        if let CutTurns::FromUnknown { half_told: false } = cut.turns {
            let turns = CutTurns::FromUnknown { half_told: true };
            self.session(sid).cut = Some(Cut { rpc_id: String::new(), turns });
        }
        let thread = answer.result.0.and_then(|result| result.thread.0);
        let left = thread.map(|thread| thread.turns.0).unwrap_or_default();
        let left: Vec<&str> =
            left.iter().filter_map(|turn| turn.get().and_then(|turn| turn.id.filled())).collect();
        if let Some(first) = self.first_cut(sid, cut.turns, &left) {
            self.drop_from(sid, first);
        }
    }

    /// The process that was to answer is gone: whether the turns went, Codex's own list tells, which `sm` looks
    /// at. Its number stands for another request in the next life.
    pub(super) fn cut_unanswered(&mut self, sid: Sid) {
        let Some(cut) = self.session(sid).cut.take() else { return };
        let turns = match cut.turns {
            CutTurns::FromUnknown { half_told: true } => return,
            // More may begin before it is looked at.
            CutTurns::Newest(_) => match self.first_cut(sid, cut.turns, &[]) {
                Some(first) => CutTurns::From(first),
                None => return,
            },
            turns => turns,
        };
        self.session(sid).cut = Some(Cut { rpc_id: String::new(), turns });
    }

    /// What went is known by now.
    pub(super) fn cut_found_out(&mut self, sid: Sid) {
        let session = self.session(sid);
        if session.cut.as_ref().is_some_and(|cut| cut.unanswered().is_some()) {
            session.cut = None;
        }
    }

    /// The oldest turn that goes, where Codex says that those of `left` stay. Old releases list turns
    /// under ids that they use nowhere else: there the count alone tells.
    fn first_cut(&mut self, sid: Sid, turns: CutTurns, left: &[&str]) -> Option<u64> {
        let count = match turns {
            CutTurns::From(first) => return Some(first),
            CutTurns::FromUnknown { .. } => return None,
            CutTurns::Newest(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let mut begun = Vec::new();
        for number in self.turns_kept(sid) {
            let turn = self.state.turns.get(self.base, &(sid, number));
            if turn.is_some_and(|turn| turn.prompt.is_some()) {
                begun.push(number);
            }
        }
        let counted = *begun.get(begun.len().saturating_sub(count))?;
        let last_left = left.iter().filter_map(|id| self.turn_number(sid, id)).max();
        Some(counted.max(last_left.map_or(0, |last| last + 1)))
    }

    /// A thread was reverted. Where the client's wish is not recorded, or was answered before, its newest
    /// turn tells: dropped by now, or the one that certainly went. An open one began after.
    pub(super) fn reverted(&mut self, sid: Sid) {
        let session = self.session(sid);
        match &mut session.cut {
            Some(Cut { turns: CutTurns::From(first), .. }) => {
                let first = *first;
                return self.drop_from(sid, first);
            }
            // Which of those that are known went with it, if any, `sm` says where it asked.
            Some(Cut { turns: CutTurns::FromUnknown { half_told }, .. }) => {
                match *half_told {
                    true => session.cut = None,
                    false => *half_told = true,
                }
                return;
            }
            _ => {}
        }
        if let Some(newest) = session.last_turn_seq.filter(|_| session.open_turn.is_none()) {
            self.drop_turns(sid, &[newest]);
        }
    }

    /// The session's turns that are in its history, oldest first.
    fn turns_kept(&mut self, sid: Sid) -> Vec<u64> {
        let keys = self.state.turns.keys(self.base, &sid.to_bytes());
        let mut kept = Vec::with_capacity(keys.len());
        for (_, number) in keys {
            let turn = self.state.turns.get(self.base, &(sid, number));
            if turn.is_some_and(|turn| turn.dropped_seq.is_none()) {
                kept.push(number);
            }
        }
        kept
    }

    /// Drops that turn and all after it.
    fn drop_from(&mut self, sid: Sid, first: u64) {
        let mut turns = self.turns_kept(sid);
        turns.retain(|number| *number >= first);
        self.drop_turns(sid, &turns);
    }

    /// Takes turns out of the session's history.
    pub(super) fn drop_turns(&mut self, sid: Sid, turns: &[u64]) {
        let seq = self.at.seq;
        for number in turns {
            let Some(turn) = self.state.turns.get_mut(self.base, &(sid, *number)) else { continue };
            if turn.dropped_seq.is_none() {
                turn.dropped_seq = Some(seq);
                let session = self.session(sid);
                session.counts.turns_dropped += 1;
                session.is_cut = true;
            }
        }
        let kept = self.turns_kept(sid);
        let last_message = kept.into_iter().rev().find_map(|number| {
            self.state.turns.get(self.base, &(sid, number)).and_then(|turn| turn.message_seq)
        });
        self.session(sid).last_message_seq = last_message;
        self.forget_last_action(sid);
    }

    /// The last action is one of a turn that is still there.
    fn forget_last_action(&mut self, sid: Sid) {
        let Some(last) = self.session(sid).last_action.clone() else { return };
        if self.is_kept(sid, last.seq) {
            return;
        }
        let keys = self.state.actions.keys(self.base, &sid.to_bytes());
        let newest = keys
            .into_iter()
            .rev()
            .find(|(_, seq)| self.is_kept(sid, *seq) && self.action(sid, *seq).kind.is_nameable());
        let last = newest.map(|(_, seq)| {
            let row = self.action(sid, seq);
            LastAction {
                seq,
                kind: row.kind,
                summary: row.summary.clone(),
                status: row.status,
                at: row.ended_at.unwrap_or(row.started_at),
            }
        });
        self.session(sid).last_action = last;
    }

    /// Whether an action is of no turn that was dropped.
    fn is_kept(&mut self, sid: Sid, action: u64) -> bool {
        let turn = self.state.actions.get(self.base, &(sid, action)).and_then(|row| row.turn);
        let turn = turn.and_then(|turn| self.state.turns.get(self.base, &(sid, turn)));
        turn.is_none_or(|turn| turn.dropped_seq.is_none())
    }
}
