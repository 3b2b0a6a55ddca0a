//! Phases: what an open turn is taken up with, from one record to another.
//!
//! What always holds: the spans of a turn lie end to end from its first record to its end; the phase is
//! a function of the session's row alone; every token told within a turn is counted to one span.

use super::Step;
use crate::rows::{ActionKind, Phase, Session, Sid, Span};

/// The phase that the evidence in `session` makes, and the action or request that makes it so.
fn derive(session: &Session) -> (Phase, Option<u64>) {
    let asked = |asks: fn(crate::rows::RequestClass) -> bool| {
        session.pending.iter().find(|(_, class)| asks(*class)).map(|(seq, _)| *seq)
    };
    let open = |is: fn(ActionKind) -> bool| {
        session.open_items.iter().find(|item| is(item.kind)).map(|item| item.seq)
    };
    let permission = asked(|class| class.asks_permission());
    if permission.is_some() || session.flag_approval {
        return (Phase::WaitingPermission, permission);
    }
    let input = asked(|class| class.asks_input());
    if input.is_some() || session.flag_input {
        return (Phase::WaitingInput, input);
    }
    if session.retrying.is_some() {
        return (Phase::Retrying, None);
    }
    let by_item = open(|kind| kind == ActionKind::Compaction)
        .map(|action| (Phase::Compacting, action))
        .or_else(|| Some((Phase::ChangingFiles, open(|kind| kind == ActionKind::FileChange)?)))
        .or_else(|| Some((Phase::Running, open(|kind| kind == ActionKind::Command)?)))
        .or_else(|| Some((Phase::CallingTool, open(ActionKind::is_tool)?)))
        .or_else(|| Some((Phase::Writing, open(|kind| kind == ActionKind::Message)?)));
    if let Some((phase, action)) = by_item {
        return (phase, Some(action));
    }
    // A model that answers waits for none of them.
    if !session.mcp_starting.is_empty() && !session.is_answered {
        return (Phase::StartingMcp, None);
    }
    match open(|kind| kind == ActionKind::Review) {
        Some(review) => (Phase::Reviewing, Some(review)),
        None => (Phase::Thinking, None),
    }
}

impl Step<'_> {
    /// Begins a new span where the open turn's phase has changed.
    pub(super) fn enter_phase(&mut self, sid: Sid) {
        let at = self.at;
        let session = self.session(sid);
        let (phase, about) = derive(session);
        let Some(open) = session.open_turn.as_mut() else { return };
        if open.span.is_some() && (open.phase, open.about) == (phase, about) {
            return;
        }
        (open.phase, open.about) = (phase, about);
        open.span = Some(at.seq);
        if phase.is_model() {
            open.model_span = Some(at.seq);
        }
        let span = Span { turn: open.seq, phase, about, began_at: at.time, tokens: 0 };
        // A record that changes the phase twice leaves the second.
        self.state.spans.put((sid, at.seq), span);
    }

    /// Counts `tokens` to the newest span of the open turn in which the model was at work.
    pub(super) fn spend(&mut self, sid: Sid, tokens: u64) {
        let open = self.session(sid).open_turn.as_ref();
        let Some(span) = open.and_then(|open| open.model_span.or(open.span)) else { return };
        if let Some(span) = self.state.spans.get_mut(self.base, &(sid, span)) {
            span.tokens += tokens;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{OpenItem, RequestClass};

    #[test]
    fn first_match_wins() {
        let mut session = Session::default();
        assert_eq!(derive(&session), (Phase::Thinking, None));
        for (seq, kind, expected) in [
            (1, ActionKind::Review, (Phase::Reviewing, Some(1))),
            (2, ActionKind::Reasoning, (Phase::Reviewing, Some(1))),
            (3, ActionKind::Message, (Phase::Writing, Some(3))),
            (4, ActionKind::McpTool, (Phase::CallingTool, Some(4))),
            (5, ActionKind::Command, (Phase::Running, Some(5))),
            // The oldest of two.
            (6, ActionKind::Command, (Phase::Running, Some(5))),
            (7, ActionKind::FileChange, (Phase::ChangingFiles, Some(7))),
            (8, ActionKind::Compaction, (Phase::Compacting, Some(8))),
        ] {
            session.open_items.push(OpenItem { seq, kind });
            assert_eq!(derive(&session), expected);
        }
        session.retrying = Some("overloaded".to_owned());
        assert_eq!(derive(&session), (Phase::Retrying, None));
        session.pending.push((9, RequestClass::UserInput));
        assert_eq!(derive(&session), (Phase::WaitingInput, Some(9)));
        session.flag_approval = true;
        assert_eq!(derive(&session), (Phase::WaitingPermission, None));
        session.pending.push((10, RequestClass::Command));
        assert_eq!(derive(&session), (Phase::WaitingPermission, Some(10)));
    }

    #[test]
    fn servers_that_start_show_only_where_nothing_else_goes_on() {
        let mut session = Session { mcp_starting: vec!["tiny".to_owned()], ..Session::default() };
        assert_eq!(derive(&session), (Phase::StartingMcp, None));
        session.open_items.push(OpenItem { seq: 1, kind: ActionKind::Command });
        assert_eq!(derive(&session), (Phase::Running, Some(1)));
        session.open_items.clear();
        session.is_answered = true;
        assert_eq!(derive(&session), (Phase::Thinking, None));
    }
}
