//! Tokens: what a session's calls of the model cost, out of the totals that Codex tells.
//!
//! What always holds: a call counts once, when it is told first, to its session and to the turn that is
//! open then. What was spent never falls, whatever Codex's totals do: a fork's begin with its origin's,
//! those of a thread whose turns were taken back count on from an earlier one, and those of a context that
//! ran over are filled up to the window. What nobody read and nobody wrote was not spent.

use super::Step;
use crate::rows::{Sid, Tokens};
use sm_protocol::Int;
use sm_protocol::message::TokenUsageUpdated;

impl Step<'_> {
    pub(super) fn tokens_updated(&mut self, sid: Sid, payload: &[u8]) {
        let Some(update) = self.params::<TokenUsageUpdated>(payload) else { return };
        let Some(usage) = update.token_usage.get() else { return };
        let Some(total) = usage.total.get() else { return };
        let last = usage.last.get().map(counts).unwrap_or_default();
        let context = usage.last.get().map_or(0, |last| count(last.total_tokens));
        let window = usage.model_context_window.0.and_then(|window| u64::try_from(window).ok());
        let now = Tokens { context, window, ..counts(total) };
        let session = self.session(sid);
        let known = session.totals;
        let turn = session.open_turn.as_ref().map(|turn| turn.seq);
        let is_answered = turn.is_some() && session.is_answered;
        let is_fork = session.forked_from.is_some();
        // An estimate, which a rollback is told with, is no call: that one is still to come.
        let is_recount = session.is_cut && last.total > 0;
        session.is_cut &= last.total == 0;
        let before = match known {
            Some(known) if !is_recount && !is_rewound(known, now, last) => known,
            // What a fork, or a thread from before the log, is first told to have spent was spent
            // elsewhere, but for the model call that just ended; old releases tell it at the begin of
            // a call, too.
            None if (is_fork || now.total > last.total) && !is_answered => now,
            _ if turn.is_some() => now.less(last),
            _ => now,
        };
        let spent = now.less(before);
        let session = self.session(sid);
        if known.is_none() {
            session.tokens_inherited = before.total;
        }
        session.totals = Some(now);
        session.spent = session.spent.plus(spent);
        let Some(turn) = turn else { return };
        let row = self.turn(sid, turn);
        row.spent = Some(row.spent.unwrap_or_default().plus(spent));
        self.spend(sid, spent.total);
    }
}

/// Whether Codex counts from an earlier total than `known`, as it does once turns were taken out of the
/// thread's history: the newest call alone makes more than the total grew by. A total that is told again
/// is none, whatever call stands beside it (old releases tell each twice).
fn is_rewound(known: Tokens, now: Tokens, last: Tokens) -> bool {
    let without_last = now.total.checked_sub(last.total);
    now.total < known.total
        || now.total > known.total && without_last.is_some_and(|before| before < known.total)
}

/// What was told, without what is beyond input and output: an estimate of the context, or its filler.
fn counts(told: &sm_protocol::message::Tokens) -> Tokens {
    let (input, output) = (count(told.input_tokens), count(told.output_tokens));
    Tokens {
        total: count(told.total_tokens).min(input.saturating_add(output)),
        input,
        cached: count(told.cached_input_tokens),
        output,
        reasoning: count(told.reasoning_output_tokens),
        ..Tokens::default()
    }
}

fn count(told: Int) -> u64 {
    told.0.and_then(|told| u64::try_from(told).ok()).unwrap_or(0)
}
