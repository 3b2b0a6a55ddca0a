//! Goals: what a thread pursues turn after turn, until it is reached, paused or too dear.

use super::Step;
use crate::rows::{Goal, Sid, line};
use sm_protocol::Int;
use sm_protocol::message::GoalUpdated;

impl Step<'_> {
    pub(super) fn goal_updated(&mut self, sid: Sid, payload: &[u8]) {
        let Some(update) = self.params::<GoalUpdated<'_>>(payload) else { return };
        let Some(told) = update.goal.get() else { return };
        let count = |told: Int| told.0.and_then(|count| u64::try_from(count).ok());
        let goal = Goal {
            objective: told.objective.get().map(line).unwrap_or_default(),
            status: told.status.get().map(line).unwrap_or_default(),
            token_budget: count(told.token_budget),
            tokens_used: count(told.tokens_used).unwrap_or(0),
            seq: self.at.seq,
        };
        self.session(sid).goal = Some(goal);
    }
}
