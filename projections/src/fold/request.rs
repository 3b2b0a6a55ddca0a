//! Requests: what Codex asked, and what ends the wait.
//!
//! What always holds: a request waits until `serverRequest/resolved`, the recorded answer, its
//! item's first output or completion, its turn's end or its server's, whichever comes first (old
//! releases send no `resolved`, and an interrupt may send neither that nor a completion). Its number
//! never changes.

use super::Step;
use crate::rows::{
    ActionStatus, Approval, LastAction, Request, RequestClass, RequestStatus, Sid, line,
};
use crate::table::{Key, id_hash};
use sm_protocol::message::{Answer, Call, Decision, Item, RequestResolved, ServerRequest};
use sm_protocol::{CLIENTS_OWN, Envelope, Kind, Text};

fn class_of(kind: Kind, method: &str) -> RequestClass {
    match kind {
        Kind::COMMAND_APPROVAL | Kind::EXEC_COMMAND_APPROVAL => RequestClass::Command,
        Kind::FILE_CHANGE_APPROVAL | Kind::APPLY_PATCH_APPROVAL => RequestClass::FileChange,
        Kind::PERMISSIONS_APPROVAL | Kind::SKILL_APPROVAL => RequestClass::Permissions,
        Kind::USER_INPUT_REQUEST => RequestClass::UserInput,
        Kind::MCP_ELICITATION => RequestClass::Elicitation,
        Kind::TOOL_CALL => RequestClass::Tool,
        _ if CLIENTS_OWN.contains(&method) => RequestClass::Client,
        _ => RequestClass::Other,
    }
}

impl Step<'_> {
    fn waiting_key(&self, rpc_id: &str) -> (u64, u32, [u8; 16]) {
        (self.at.source, self.at.generation, id_hash(&[rpc_id]))
    }

    pub(super) fn request(&mut self, sid: Option<Sid>, kind: Kind, payload: &[u8]) {
        let Some(call) = self.read::<Call<'_, ServerRequest<'_>>>(payload) else { return };
        let Some(rpc_id) = call.id.map(|id| id.get()) else { return };
        let params = call.params.0.unwrap_or_default();
        let waiting = self.waiting_key(rpc_id);
        let item_id = params.item_id.filled().or(params.call_id.filled());
        let told = sid;
        let sid = sid.or_else(|| self.session_at_work_on(item_id?));
        if let Some(earlier) = self.state.waiting.get(self.base, &waiting).copied() {
            let row = self.state.requests.entry(self.base, &earlier);
            if row.session == sid && row.item_id.as_deref() == item_id {
                return;
            }
            self.end_request(earlier, RequestStatus::Cleared, None);
        }
        if let Some(sid) = sid {
            self.begins_in(sid, params.turn_id.filled());
        }
        let turn = sid.and_then(|sid| self.turn_of(sid, params.turn_id.filled()));
        let action = match (sid, turn, item_id) {
            (Some(sid), Some(_), Some(item)) => self.action_number(sid, turn, item),
            _ => None,
        };
        let method = self.method_of(kind, payload);
        let row = Request {
            session: sid,
            turn,
            action,
            item_id: item_id.map(str::to_owned),
            rpc_id: rpc_id.to_owned(),
            source: self.at.source,
            generation: self.at.generation,
            class: class_of(kind, &method),
            method,
            summary: self.request_summary(sid, action, &params),
            reason: params.reason.filled().map(line),
            asked_at: self.at.time,
            ..Request::default()
        };
        self.wait_for(row);
        if let (Some(sid), None) = (sid, told) {
            self.settle(sid);
            self.enter_phase(sid);
        }
    }

    /// A new request waits: its session, turn and action know of it.
    fn wait_for(&mut self, row: Request) {
        let number = self.at.seq;
        let Request { session, turn, action, class, asked_at, .. } = row;
        let unlinked = action.is_none() && row.item_id.is_some();
        self.state.waiting.put(self.waiting_key(&row.rpc_id), number);
        self.state.pending.put(number, ());
        self.state.requests.put(number, row);
        let Some(sid) = session else { return };
        if let Some(action) = action {
            let approval = Approval { request: number, asked_at, ..Approval::default() };
            self.action(sid, action).approvals.push(approval);
        }
        if let Some(turn) = turn {
            self.turn(sid, turn).requests += u32::from(class.asks_human());
        }
        let session = self.session(sid);
        session.pending.push((number, class));
        session.counts.requests += u64::from(class.asks_human());
        if unlinked {
            session.unlinked.push(number);
            if turn.is_some() {
                self.tell_asked_for(sid, number);
            }
        }
    }

    /// The session of the record's server in whose open turn that item is: some requests name no
    /// thread.
    fn session_at_work_on(&mut self, item: &str) -> Option<Sid> {
        let sessions = self.attached(self.at.source, self.at.generation);
        sessions.into_iter().find(|sid| {
            let turn = self.session(*sid).open_turn.as_ref().map(|turn| turn.seq);
            turn.is_some() && self.action_number(*sid, turn, item).is_some()
        })
    }

    /// Leave is asked for a command or a file change that nobody told of yet: asking tells of it.
    fn tell_asked_for(&mut self, sid: Sid, number: u64) {
        let row = self.state.requests.entry(self.base, &number);
        let item_type = match row.class {
            RequestClass::Command => "commandExecution",
            RequestClass::FileChange => "fileChange",
            _ => return,
        };
        let (turn, summary) = (row.turn, row.summary.clone());
        let Some(item_id) = row.item_id.clone() else { return };
        let item = Item {
            kind: Text(Some(item_type.into())),
            id: Text(Some(item_id.as_str().into())),
            ..Item::default()
        };
        let action = self.open_item(sid, turn, &item_id, &item);
        let row = self.action(sid, action);
        row.summary.clone_from(&summary);
        let (kind, status, at) = (row.kind, row.status, self.at.time);
        let last = LastAction { seq: action, kind, summary, status, at };
        self.session(sid).last_action = Some(last);
    }

    /// Whether leave for an action was refused that nothing else was told of.
    pub(super) fn was_refused(&mut self, sid: Sid, action: u64) -> bool {
        let last = self.action(sid, action).approvals.last();
        let decision = last.and_then(|last| last.decision.as_deref());
        let refused = matches!(decision, Some("decline" | "denied" | "cancel" | "abort"));
        refused && self.was_asked_for_first(action)
    }

    /// Whether the first that was told of an action was that leave is asked for it.
    pub(super) fn was_asked_for_first(&mut self, action: u64) -> bool {
        self.state.requests.get(self.base, &action).is_some()
    }

    /// Some releases ask leave for an item before they tell of it: the new action takes over what was
    /// asked, and maybe decided, already.
    pub(super) fn link_requests(&mut self, sid: Sid, action: u64, item_id: &str) {
        for number in self.session(sid).unlinked.clone() {
            let row = self.state.requests.entry(self.base, &number);
            if row.item_id.as_deref() != Some(item_id) {
                continue;
            }
            row.action = Some(action);
            let approval = Approval {
                request: number,
                asked_at: row.asked_at,
                decision: row.decision.clone(),
                decided_at: row.decision.as_ref().and(row.ended_at),
                decided_by: row.decided_by.clone(),
            };
            self.action(sid, action).approvals.push(approval);
            self.session(sid).unlinked.retain(|unlinked| *unlinked != number);
        }
    }

    /// The requests for leave to do that action, oldest first.
    fn asked_for(&mut self, sid: Sid, action: u64) -> Vec<u64> {
        self.action(sid, action).approvals.iter().map(|approval| approval.request).collect()
    }

    /// A request that came before its item takes its line from the item.
    pub(super) fn name_requests(&mut self, sid: Sid, action: u64, summary: &str) {
        for number in self.asked_for(sid, action) {
            let row = self.state.requests.entry(self.base, &number);
            if row.summary.is_empty() {
                summary.clone_into(&mut row.summary);
            }
        }
    }

    fn method_of(&self, kind: Kind, payload: &[u8]) -> String {
        match kind.method() {
            Some(method) => method.to_owned(),
            None => line(Envelope::scan(payload).method.as_deref().unwrap_or("")),
        }
    }

    fn request_summary(
        &mut self,
        sid: Option<Sid>,
        action: Option<u64>,
        params: &ServerRequest<'_>,
    ) -> String {
        let questions = params.questions.0.iter().filter_map(|question| question.get());
        let mut asked = questions.filter_map(|question| question.question.filled());
        if let Some(command) = params.command.filled() {
            return line(&super::item::plain_command(command));
        }
        if let Some(question) = asked.next() {
            return match asked.count() {
                0 => line(question),
                more => line(&format!("{question} (and {more} more)")),
            };
        }
        let words = [&params.message, &params.tool, &params.skill_name];
        if let Some(words) = words.iter().find_map(|words| words.filled()) {
            return line(words);
        }
        let of_action = match (sid, action) {
            (Some(sid), Some(action)) => self.action(sid, action).summary.clone(),
            _ => String::new(),
        };
        match params.reason.filled() {
            Some(reason) if of_action.is_empty() => line(reason),
            _ => of_action,
        }
    }

    pub(super) fn request_resolved(&mut self, payload: &[u8]) {
        let Some(told) = self.params::<RequestResolved<'_>>(payload) else { return };
        let Some(rpc_id) = told.request_id.map(|id| id.get()) else { return };
        let waiting = self.waiting_key(rpc_id);
        if let Some(number) = self.state.waiting.get(self.base, &waiting).copied() {
            self.end_request(number, RequestStatus::Answered, None);
        }
    }

    /// A client's answer, told by the id of the request it answers.
    pub(super) fn client_answer(&mut self, kind: Kind, payload: &[u8]) {
        let Some(answer) = self.read::<Answer<'_, Decision<'_>>>(payload) else { return };
        let Some(rpc_id) = answer.id.map(|id| id.get()) else { return };
        let waiting = self.waiting_key(rpc_id);
        let Some(number) = self.state.waiting.get(self.base, &waiting).copied() else { return };
        let decision = match kind {
            Kind::ERROR_RESPONSE => Some("error".to_owned()),
            _ => answer.result.get().and_then(decision_of),
        };
        self.end_request(number, RequestStatus::Answered, decision);
    }

    /// Ends a wait. A decision told now or before is kept in the request and in its action.
    fn end_request(&mut self, number: u64, status: RequestStatus, decision: Option<String>) {
        let at = self.at;
        let row = self.state.requests.entry(self.base, &number);
        if row.status != RequestStatus::Pending {
            return;
        }
        row.status = status;
        row.ended_at = Some(at.time);
        row.end_seq = Some(at.seq);
        row.decision = decision.or(row.decision.take());
        let waiting = (row.source, row.generation, id_hash(&[&row.rpc_id]));
        let session = row.session;
        self.state.waiting.remove(waiting);
        self.state.pending.remove(number);
        if let Some(sid) = session {
            self.session(sid).pending.retain(|(pending, _)| *pending != number);
        }
        self.copy_decision(number);
        if let Some(sid) = session {
            self.settle(sid);
        }
    }

    /// Brings the approval in the request's action up to the request.
    fn copy_decision(&mut self, number: u64) {
        let at = self.at;
        let row = self.state.requests.entry(self.base, &number);
        let (decision, by) = (row.decision.clone(), row.decided_by.clone());
        let decided_at = row.ended_at.unwrap_or(at.time);
        let (Some(sid), Some(action)) = (row.session, row.action) else { return };
        if decision.is_none() && by.is_none() {
            return;
        }
        let mut approvals = self.action(sid, action).approvals.iter_mut();
        if let Some(approval) = approvals.find(|approval| approval.request == number) {
            approval.decided_at.get_or_insert(decided_at);
            approval.decision = decision;
            approval.decided_by = by;
        }
    }

    /// What an action's end tells of the leave that was asked for it: it ends the wait, and where
    /// nobody recorded the decision it shows what it must have been.
    pub(super) fn end_requests_of_action(&mut self, sid: Sid, action: u64, status: ActionStatus) {
        let shown = match status {
            ActionStatus::Completed | ActionStatus::Failed => Some("accept"),
            ActionStatus::Declined => Some("decline"),
            _ => None,
        };
        for number in self.asked_for(sid, action) {
            let row = self.state.requests.entry(self.base, &number);
            match (row.status, shown) {
                (RequestStatus::Pending, Some(shown)) => {
                    self.end_request(number, RequestStatus::Answered, Some(shown.to_owned()));
                }
                (RequestStatus::Answered, Some(shown)) if row.decision.is_none() => {
                    row.decision = Some(shown.to_owned());
                    self.copy_decision(number);
                }
                _ => {}
            }
        }
    }

    /// An action that runs was given leave, whoever gave it: the oldest releases tell nothing else.
    pub(super) fn leave_is_shown(&mut self, sid: Sid, action: u64) {
        for number in self.asked_for(sid, action) {
            self.end_request(number, RequestStatus::Answered, Some("accept".to_owned()));
        }
    }

    pub(super) fn end_requests_of_turn(&mut self, sid: Sid, turn: u64, status: RequestStatus) {
        for (number, _) in self.session(sid).pending.clone() {
            if self.state.requests.entry(self.base, &number).turn == Some(turn) {
                self.end_request(number, status, None);
            }
        }
    }

    /// Ends every wait of one session whose server is gone.
    pub(super) fn orphan_requests_of(&mut self, sid: Sid) {
        for (number, _) in self.session(sid).pending.clone() {
            self.end_request(number, RequestStatus::Orphaned, None);
        }
    }

    /// Ends every wait of one generation of a source: whoever asked is gone.
    pub(super) fn orphan_requests(&mut self, source: u64, generation: u32) {
        let prefix = [source.to_bytes(), generation.to_bytes()].concat();
        for key in self.state.waiting.keys(self.base, &prefix) {
            if let Some(number) = self.state.waiting.get(self.base, &key).copied() {
                self.end_request(number, RequestStatus::Orphaned, None);
            }
        }
    }

    /// Somebody decided through `sm`: who and why stand beside the answer that follows.
    pub(super) fn request_decided(&mut self, decided: sm_protocol::synthetic::RequestDecided) {
        let Some(row) = self.state.requests.get_mut(self.base, &decided.request) else { return };
        if row.decision.is_none() {
            row.decision = Some(decided.decision);
            row.decided_by = Some(decided.by);
            row.say = decided.say.as_deref().map(line);
            self.copy_decision(decided.request);
        }
    }
}

/// The word of a decision: the string, or the only key of the object.
fn decision_of(told: &Decision<'_>) -> Option<String> {
    if let Some(decision) = told.decision {
        return match serde_json::from_str::<serde_json::Value>(decision.get()).ok()? {
            serde_json::Value::String(word) => Some(line(&word)),
            serde_json::Value::Object(object) => object.keys().next().map(|key| line(key)),
            _ => None,
        };
    }
    if let Some(action) = told.action.filled() {
        return Some(line(action));
    }
    told.answers.is_some().then(|| "answer".to_owned())
}
