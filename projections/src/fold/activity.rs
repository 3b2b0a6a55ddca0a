//! What a session is doing: the design's table of evidence, first match wins.
//!
//! What always holds: the state is a function of the session's row alone, and changes only at the
//! record that changed that row, which becomes its cause.

use super::Step;
use crate::rows::{ActivityState, Session, Sid};

/// The state that the evidence in `session` makes.
pub(super) fn derive(session: &Session) -> ActivityState {
    let waits = |asks: fn(crate::rows::RequestClass) -> bool| {
        session.pending.iter().any(|(_, class)| asks(*class))
    };
    if session.ended || session.gone {
        ActivityState::Stopped
    } else if session.flag_approval || waits(|class| class.asks_permission()) {
        ActivityState::WaitingPermission
    } else if session.flag_input || waits(|class| class.asks_input()) {
        ActivityState::WaitingInput
    } else if session.open_turn.is_none() {
        ActivityState::Idle
    } else if session.open_items.iter().any(|item| item.kind.is_work()) {
        ActivityState::Working
    } else {
        ActivityState::Thinking
    }
}

impl Step<'_> {
    /// Brings the session's state up to its evidence; a change is caused by the record at hand.
    pub(super) fn settle(&mut self, sid: Sid) {
        let at = self.at;
        let session = self.session(sid);
        let state = derive(session);
        if state != session.state {
            session.state = state;
            session.since = at.time;
            session.cause_seq = at.seq;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{ActionKind, OpenItem, OpenTurn, RequestClass};

    /// Every combination of evidence, against the table read top down.
    #[test]
    fn first_match_wins_for_every_combination() {
        for bits in 0..128u32 {
            let bit = |n: u32| bits & (1 << n) != 0;
            let mut session = Session { ended: bit(0), gone: bit(1), ..Session::default() };
            if bit(2) {
                session.pending.push((1, RequestClass::FileChange));
            }
            session.flag_approval = bit(3);
            if bit(4) {
                session.pending.push((2, RequestClass::UserInput));
            }
            session.open_turn = bit(5).then(OpenTurn::default);
            if bit(6) {
                session.open_items.push(OpenItem { seq: 1, kind: ActionKind::Command });
            }
            let expected = match () {
                () if bit(0) || bit(1) => ActivityState::Stopped,
                () if bit(2) || bit(3) => ActivityState::WaitingPermission,
                () if bit(4) => ActivityState::WaitingInput,
                () if bit(5) && bit(6) => ActivityState::Working,
                () if bit(5) => ActivityState::Thinking,
                () => ActivityState::Idle,
            };
            assert_eq!(derive(&session), expected, "{session:?}");
        }
    }

    #[test]
    fn reasoning_is_thinking_and_a_tool_call_waits_for_no_human() {
        let mut session = Session { open_turn: Some(OpenTurn::default()), ..Session::default() };
        session.open_items.push(OpenItem { seq: 1, kind: ActionKind::Reasoning });
        assert_eq!(derive(&session), ActivityState::Thinking);
        session.pending.push((1, RequestClass::Tool));
        session.open_items.push(OpenItem { seq: 2, kind: ActionKind::DynamicTool });
        assert_eq!(derive(&session), ActivityState::Working);
    }
}
