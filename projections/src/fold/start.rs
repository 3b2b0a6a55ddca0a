//! The settings that a turn is started with: those in force from then on.
//!
//! What always holds: a wish counts once Codex has said yes to it. Releases to 0.122 tell of no change of
//! settings otherwise; where they are told of, that says the same.

use super::Step;
use crate::rows::{Sid, Start};
use sm_protocol::Kind;
use sm_protocol::message::{Answer, Call, Collaboration, Settings};

impl Step<'_> {
    /// A client asks for a turn, maybe under settings of its own.
    pub(super) fn start_asked(&mut self, sid: Sid, payload: &[u8]) {
        let Some(call) = self.read::<Call<'_, Settings<'_>>>(payload) else { return };
        let (Some(rpc_id), Some(told)) = (call.id, call.params.0) else { return };
        let word = |text: &sm_protocol::Text<'_>| text.filled().map(str::to_owned);
        let start = Start {
            rpc_id: rpc_id.get().to_owned(),
            model: word(&told.model),
            effort: word(&told.effort),
            approval_policy: word(&told.approval_policy.0),
            sandbox: told.sandbox_policy.get().and_then(|policy| word(&policy.kind)),
        };
        let plans = told.collaboration_mode.get().and_then(Collaboration::plans);
        let tells = start.model.is_some()
            || start.effort.is_some()
            || start.approval_policy.is_some()
            || start.sandbox.is_some()
            || plans.is_some();
        let session = self.session(sid);
        session.start = tells.then_some(start);
        session.start_plans = plans;
    }

    /// A server's answer, maybe to such a wish.
    pub(super) fn start_answered(&mut self, sid: Sid, kind: Kind, payload: &[u8]) {
        let Some(start) = self.session(sid).start.clone() else { return };
        let Some(answer) = self.read::<Answer<'_, serde::de::IgnoredAny>>(payload) else { return };
        if answer.id.is_none_or(|id| id.get() != start.rpc_id) {
            return;
        }
        let session = self.session(sid);
        session.start = None;
        let plans = session.start_plans.take();
        if kind == Kind::ERROR_RESPONSE {
            return;
        }
        let Start { rpc_id: _, model, effort, approval_policy, sandbox } = start;
        session.model = model.or(session.model.take());
        session.effort = effort.or(session.effort.take());
        session.approval_policy = approval_policy.or(session.approval_policy.take());
        session.sandbox = sandbox.or(session.sandbox.take());
        session.plans = plans.unwrap_or(session.plans);
    }
}
