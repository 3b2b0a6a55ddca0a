//! Items: one action each, however many records told of it.
//!
//! What always holds: an action counts once. `item/completed` is the authority for it; the first
//! completion stands (old releases complete a declined item twice), unless its turn's end had closed
//! the action before its own was told.

use super::Step;
use crate::rows::{
    Action, ActionKind, ActionStatus, Counts, FileLines, LastAction, OpenItem, Sid, line,
};
use crate::table::{IdHash, id_hash};
use sm_protocol::Kind;
use sm_protocol::message::{AboutItem, Change, ContentPart, Item, ItemEvent};
use sm_protocol::synthetic::input_of;
use sm_protocol::{List, Obj};
use std::borrow::Cow;

/// The most files of one file change that are kept by name.
const FILES_MAX: usize = 64;

/// The kind of item a delta is a piece of; `None` for what is no delta.
pub(super) fn delta_kind(kind: Kind) -> Option<ActionKind> {
    Some(match kind {
        Kind::AGENT_MESSAGE_DELTA => ActionKind::Message,
        Kind::COMMAND_OUTPUT_DELTA | Kind::TERMINAL_INTERACTION => ActionKind::Command,
        Kind::FILE_CHANGE_OUTPUT_DELTA => ActionKind::FileChange,
        Kind::REASONING_SUMMARY_TEXT_DELTA
        | Kind::REASONING_SUMMARY_PART_ADDED
        | Kind::REASONING_TEXT_DELTA => ActionKind::Reasoning,
        Kind::PLAN_DELTA => ActionKind::Plan,
        Kind::MCP_TOOL_CALL_PROGRESS => ActionKind::McpTool,
        _ => return None,
    })
}

/// What an item is found by: its turn's number and its own id, which the model chose.
fn item_key(turn: Option<u64>, item: &str) -> IdHash {
    id_hash(&[&turn.unwrap_or(0).to_string(), item])
}

/// Where an item stands by Codex's own word; a type without a status ends well.
fn status_of(item: &Item<'_>) -> ActionStatus {
    match item.status.get() {
        Some("failed" | "errored") => ActionStatus::Failed,
        Some("declined") => ActionStatus::Declined,
        Some("interrupted") => ActionStatus::Interrupted,
        _ if item.success.0 == Some(false) => ActionStatus::Failed,
        _ => ActionStatus::Completed,
    }
}

impl Step<'_> {
    /// The row of an action that is known to exist.
    pub(super) fn action(&mut self, sid: Sid, action: u64) -> &mut Action {
        self.state.actions.entry(self.base, &(sid, action))
    }

    /// The number of an item's action, if it was ever told of.
    pub(super) fn action_number(&mut self, sid: Sid, turn: Option<u64>, item: &str) -> Option<u64> {
        self.state.item_ids.get(self.base, &(sid, item_key(turn, item))).copied()
    }

    pub(super) fn item_started(&mut self, sid: Sid, payload: &[u8]) {
        let Some(event) = self.params::<ItemEvent<'_>>(payload) else { return };
        let Some(item) = event.item.get() else { return };
        self.begins_in(sid, event.turn_id.filled());
        let Some(action) = self.item(sid, event.turn_id.filled(), item) else { return };
        if self.action(sid, action).ended_at.is_none() {
            self.tell(sid, action, item);
            // Releases that ask before they tell of the item tell of it once leave was given.
            if action == self.at.seq || self.was_asked_for_first(action) {
                self.leave_is_shown(sid, action);
            }
        }
    }

    pub(super) fn item_completed(&mut self, sid: Sid, payload: &[u8]) {
        let Some(event) = self.params::<ItemEvent<'_>>(payload) else { return };
        let Some(item) = event.item.get() else { return };
        let Some(action) = self.item(sid, event.turn_id.filled(), item) else { return };
        let known = self.action(sid, action).status;
        if !matches!(
            known,
            ActionStatus::InProgress
                | ActionStatus::RunsOn
                | ActionStatus::Interrupted
                | ActionStatus::Lost
        ) {
            return;
        }
        self.tell(sid, action, item);
        self.close_item(sid, action, status_of(item));
        if self.action(sid, action).kind == ActionKind::Message {
            let seq = self.at.seq;
            self.session(sid).last_message_seq = Some(seq);
            if let Some(turn) = self.action(sid, action).turn {
                self.turn(sid, turn).message_seq = Some(seq);
            }
        }
    }

    /// A piece of an item: proof that the item is in progress, where its start was not told.
    pub(super) fn item_delta(&mut self, sid: Sid, kind: Kind, payload: &[u8]) {
        self.session(sid).retrying = None;
        let Some(about) = self.params::<AboutItem<'_>>(payload) else { return };
        let item_type = match delta_kind(kind) {
            Some(ActionKind::Message) => "agentMessage",
            Some(ActionKind::Command) => "commandExecution",
            Some(ActionKind::FileChange) => "fileChange",
            Some(ActionKind::Reasoning) => "reasoning",
            Some(ActionKind::Plan) => "plan",
            _ => "mcpToolCall",
        };
        let item = Item {
            kind: sm_protocol::Text(Some(item_type.into())),
            id: about.item_id,
            ..Item::default()
        };
        let action = self.item(sid, about.turn_id.filled(), &item);
        let printed = matches!(kind, Kind::COMMAND_OUTPUT_DELTA | Kind::FILE_CHANGE_OUTPUT_DELTA);
        if let Some(action) = action.filter(|_| printed) {
            self.leave_is_shown(sid, action);
        }
    }

    /// The action of an item, made if this is the first that is told of it.
    fn item(&mut self, sid: Sid, turn_id: Option<&str>, item: &Item<'_>) -> Option<u64> {
        let item_id = item.id.filled()?;
        let turn = self.turn_of(sid, turn_id);
        let known = match item.kind.get() {
            // Up to 0.142.5 a review's two items share one id.
            Some("exitedReviewMode") => format!("{item_id} exited"),
            _ => item_id.to_owned(),
        };
        match self.action_number(sid, turn, &known) {
            Some(action) => Some(action),
            None => Some(self.open_item(sid, turn, &known, item)),
        }
    }

    pub(super) fn open_item(
        &mut self,
        sid: Sid,
        turn: Option<u64>,
        item_id: &str,
        item: &Item<'_>,
    ) -> u64 {
        let at = self.at;
        let item_type = item.kind.get().unwrap_or("");
        let kind = ActionKind::of_item(item_type);
        if item_type == "exitedReviewMode" {
            self.reviewer_has_spoken(sid, turn);
        }
        let action = Action {
            turn,
            item_id: item.id.get().unwrap_or("").to_owned(),
            item_type: item_type.to_owned(),
            kind,
            started_at: at.time,
            ..Action::default()
        };
        self.state.actions.put((sid, at.seq), action);
        self.state.item_ids.put((sid, item_key(turn, item_id)), at.seq);
        let ended = turn.is_some_and(|turn| self.turn(sid, turn).ended_at.is_some());
        let session = self.session(sid);
        session.retrying = None;
        session.is_answered |= turn.is_some()
            && turn == session.open_turn.as_ref().map(|open| open.seq)
            && !matches!(kind, ActionKind::UserMessage | ActionKind::Hook);
        let counts = &mut session.counts;
        counts.commands += u64::from(kind == ActionKind::Command);
        counts.file_changes += u64::from(kind == ActionKind::FileChange);
        counts.tool_calls += u64::from(kind.is_tool_call());
        counts.messages += u64::from(kind == ActionKind::Message);
        // An item told of after its turn's end is history; it must not look like work.
        if !ended {
            session.open_items.push(OpenItem { seq: at.seq, kind });
        }
        if let Some(turn) = turn {
            let turn = self.turn(sid, turn);
            turn.commands += u32::from(kind == ActionKind::Command);
            turn.file_changes += u32::from(kind == ActionKind::FileChange);
            turn.tool_calls += u32::from(kind.is_tool_call());
            turn.messages += u32::from(kind == ActionKind::Message);
        }
        self.link_requests(sid, at.seq, item_id);
        at.seq
    }

    /// Writes down what an item's record tells of its contents.
    fn tell(&mut self, sid: Sid, action: u64, item: &Item<'_>) {
        let at = self.at;
        let agents = self.agents_of(sid, item);
        let row = self.action(sid, action);
        let kind = row.kind;
        row.exit_code = item.exit_code.0.or(row.exit_code);
        row.duration_ms =
            item.duration_ms.0.and_then(|ms| u64::try_from(ms).ok()).or(row.duration_ms);
        if let Some(cwd) = item.cwd.filled() {
            row.cwd = Some(cwd.to_owned());
        }
        let printed = item.aggregated_output.get().or(item.text.filled());
        row.bytes = printed.map(|text| text.len() as u64).or(row.bytes);
        if !item.changes.0.is_empty() {
            row.files = files_of(item);
        }
        if !agents.is_empty() {
            row.agents = agents;
        }
        if item.process_id.filled().is_some() {
            self.may_run_on(sid, action);
        }
        let row = self.action(sid, action);
        let summary = summary_of(kind, item, &row.files);
        if !summary.is_empty() {
            row.summary = summary;
        }
        let (summary, status, turn) = (row.summary.clone(), row.status, row.turn);
        self.name_requests(sid, action, &summary);
        if kind == ActionKind::UserMessage {
            if let (Some(turn), Some(input)) = (turn, item.client_id.filled().and_then(input_of)) {
                self.input_heard(sid, input, turn);
            }
            self.prompted(sid, turn, &summary);
        }
        // The end of an older one does not hide one that goes on.
        let hidden = self
            .session(sid)
            .last_action
            .as_ref()
            .is_some_and(|last| last.seq > action && last.status == ActionStatus::InProgress);
        if kind.is_nameable() && !hidden {
            let last = LastAction { seq: action, kind, summary, status, at: at.time };
            self.session(sid).last_action = Some(last);
        }
    }

    fn prompted(&mut self, sid: Sid, turn: Option<u64>, words: &str) {
        if let Some(turn) = turn {
            self.turn(sid, turn).prompt.get_or_insert_with(|| words.to_owned());
        }
        self.session(sid).title.get_or_insert_with(|| words.to_owned());
    }

    /// The sub-agents an item names; each becomes the session's child, whether or not a thread of
    /// its own was announced.
    fn agents_of(&mut self, sid: Sid, item: &Item<'_>) -> Vec<Sid> {
        let named = [&item.agent_thread_id, &item.new_thread_id, &item.receiver_thread_id];
        let named = named.into_iter().chain(&item.receiver_thread_ids.0);
        let threads: Vec<&str> = named.filter_map(|thread| thread.filled()).collect();
        let mut agents = Vec::new();
        for thread in threads {
            let agent = self.session_of(thread);
            if agent != sid && !agents.contains(&agent) {
                self.adopt(sid, agent);
                agents.push(agent);
            }
        }
        if let (Some(path), Some(agent)) = (item.agent_path.filled(), agents.first()) {
            self.session(*agent).agent.get_or_insert_with(|| line(path));
        }
        agents
    }

    pub(super) fn close_item(&mut self, sid: Sid, action: u64, status: ActionStatus) {
        let at = self.at;
        let row = self.action(sid, action);
        let (kind, before) = (row.kind, row.status);
        row.status = status;
        row.end_seq = Some(at.seq);
        let ended_at = self.end_time(sid, status == ActionStatus::Lost);
        self.action(sid, action).ended_at = Some(ended_at);
        let session = self.session(sid);
        session.open_items.retain(|item| item.seq != action);
        session.may_run_on.retain(|running| *running != action);
        count_end(&mut session.counts, kind, before, u64::wrapping_sub);
        count_end(&mut session.counts, kind, status, u64::wrapping_add);
        if let Some(last) = session.last_action.as_mut().filter(|last| last.seq == action) {
            last.status = status;
            last.at = at.time;
        }
        self.end_requests_of_action(sid, action, status);
    }

    /// Closes what a turn's end leaves open.
    pub(super) fn close_open_items(&mut self, sid: Sid, status: ActionStatus) {
        for item in std::mem::take(&mut self.session(sid).open_items) {
            let status = match self.was_refused(sid, item.seq) {
                true => ActionStatus::Declined,
                false => status,
            };
            self.close_item(sid, item.seq, status);
        }
    }

    /// The command of an open item is one that need not end with its turn.
    fn may_run_on(&mut self, sid: Sid, action: u64) {
        let session = self.session(sid);
        let is_open = session.open_items.iter().any(|item| item.seq == action);
        if is_open && !session.may_run_on.contains(&action) {
            session.may_run_on.push(action);
        }
    }

    /// A turn ended by itself: its commands in the background go on without it.
    pub(super) fn let_run_on(&mut self, sid: Sid) {
        for action in self.session(sid).may_run_on.clone() {
            let session = self.session(sid);
            session.open_items.retain(|item| item.seq != action);
            if let Some(last) = session.last_action.as_mut().filter(|last| last.seq == action) {
                last.status = ActionStatus::RunsOn;
            }
            self.action(sid, action).status = ActionStatus::RunsOn;
        }
    }

    /// The process of the commands in the background is gone.
    pub(super) fn lose_running_on(&mut self, sid: Sid) {
        for action in std::mem::take(&mut self.session(sid).may_run_on) {
            self.close_item(sid, action, ActionStatus::Lost);
        }
    }

    /// What a reviewer writes is told as the review's result: the message that it began is never ended, and is
    /// none of the agent's.
    fn reviewer_has_spoken(&mut self, sid: Sid, turn: Option<u64>) {
        let Some(turn) = turn else { return };
        let open = self.session(sid).open_items.iter();
        let said = open.filter(|item| item.kind == ActionKind::Message).map(|item| item.seq);
        for action in said.collect::<Vec<u64>>() {
            if self.action(sid, action).turn != Some(turn) {
                continue;
            }
            self.action(sid, action).kind = ActionKind::Reasoning;
            self.close_item(sid, action, ActionStatus::Completed);
            self.session(sid).counts.messages -= 1;
            self.turn(sid, turn).messages -= 1;
        }
    }

    /// A stream broke off, and what it had begun to say is said anew.
    pub(super) fn close_broken_off(&mut self, sid: Sid) {
        let said =
            |item: &OpenItem| matches!(item.kind, ActionKind::Message | ActionKind::Reasoning);
        let open = &self.session(sid).open_items;
        let open: Vec<u64> = open.iter().filter(|item| said(item)).map(|item| item.seq).collect();
        for action in open {
            self.close_item(sid, action, ActionStatus::Interrupted);
        }
    }
}

fn count_end(counts: &mut Counts, kind: ActionKind, status: ActionStatus, by: fn(u64, u64) -> u64) {
    let count = match (kind, status) {
        (ActionKind::Command, ActionStatus::Completed) => &mut counts.commands_completed,
        (ActionKind::Command, ActionStatus::Failed) => &mut counts.commands_failed,
        (ActionKind::Command, ActionStatus::Declined) => &mut counts.commands_declined,
        (ActionKind::FileChange, ActionStatus::Completed) => &mut counts.file_changes_completed,
        (ActionKind::FileChange, ActionStatus::Failed) => &mut counts.file_changes_failed,
        (ActionKind::FileChange, ActionStatus::Declined) => &mut counts.file_changes_declined,
        _ => return,
    };
    *count = by(*count, 1);
}

fn files_of(item: &Item<'_>) -> Vec<FileLines> {
    let changes = item.changes.0.iter().filter_map(|change| change.get());
    changes.take(FILES_MAX).map(lines_of).collect()
}

/// The plus and minus lines of one file: an added or deleted file's text is all plus or all minus,
/// whatever it looks like; an update's diff is counted line by line.
fn lines_of(change: &Change<'_>) -> FileLines {
    let told = change.kind.get();
    let kind = told.and_then(|kind| kind.kind.get()).unwrap_or("update");
    let moved_to = told.and_then(|kind| kind.move_path.filled());
    let diff = change.diff.get().unwrap_or("");
    let (plus, minus) = match kind {
        "add" => (diff.lines().count(), 0),
        "delete" => (0, diff.lines().count()),
        _ => count_diff(diff),
    };
    FileLines {
        path: change.path.get().unwrap_or("").to_owned(),
        kind: kind.to_owned(),
        plus: plus as u32,
        minus: minus as u32,
        moved_to: moved_to.map(str::to_owned),
    }
}

fn count_diff(diff: &str) -> (usize, usize) {
    let mut in_hunk = false;
    let (mut plus, mut minus) = (0, 0);
    for line in diff.lines() {
        match line.as_bytes().first() {
            Some(b'@') => in_hunk = true,
            Some(b'+') if in_hunk => plus += 1,
            Some(b'-') if in_hunk => minus += 1,
            _ => {}
        }
    }
    (plus, minus)
}

fn summary_of(kind: ActionKind, item: &Item<'_>, files: &[FileLines]) -> String {
    let text = match kind {
        ActionKind::Command => item.command.get().map(|command| line(&plain_command(command))),
        ActionKind::FileChange => Some(file_summary(files)),
        ActionKind::McpTool => {
            let server = item.server.get().unwrap_or("mcp");
            item.tool.get().map(|tool| with_problem(&format!("{server}.{tool}"), item))
        }
        ActionKind::DynamicTool => item.tool.get().map(|tool| with_problem(tool, item)),
        ActionKind::ToolOutput => item.name.get().map(line),
        ActionKind::Collab => item.tool.get().map(|tool| match item.prompt.filled() {
            Some(prompt) => line(&format!("{tool}: {prompt}")),
            None => line(tool),
        }),
        ActionKind::SubAgent => {
            let path = item.agent_path.get().unwrap_or("sub-agent");
            Some(line(&format!("{path} {}", item.activity.get().unwrap_or(""))))
        }
        ActionKind::WebSearch => item.query.filled().map(line).or_else(|| searched(item)),
        ActionKind::UserMessage => {
            let parts = item.content.0.iter().filter_map(|part| part.get());
            Some(parts.filter_map(|part| part.text.get()).map(line).collect::<Vec<_>>().join(" "))
        }
        ActionKind::Reasoning => item.summary.0.first().and_then(|text| text.get()).map(line),
        ActionKind::Review => item.review.get().map(line),
        ActionKind::Image => item.path.filled().or(item.revised_prompt.filled()).map(line),
        ActionKind::Hook => texts_of(&item.fragments).next().map(line),
        ActionKind::Sleep => item.duration_ms.0.map(|ms| format!("{ms} ms")),
        ActionKind::Compaction => Some("context compacted".to_owned()),
        _ => item.text.filled().map(line),
    };
    text.unwrap_or_default()
}

/// A tool's name, and why its call failed if it did.
fn with_problem(tool: &str, item: &Item<'_>) -> String {
    let error = item.error.get().and_then(|error| error.message.filled());
    let given = item.result.get().and_then(|result| texts_of(&result.content).next());
    let problem = error.or(given).or_else(|| texts_of(&item.content_items).next());
    match problem.filter(|_| status_of(item) == ActionStatus::Failed) {
        Some(problem) => line(&format!("{tool}: {problem}")),
        None => line(tool),
    }
}

/// What a web search without words does: opens a page, or looks for words in one.
fn searched(item: &Item<'_>) -> Option<String> {
    let action = item.action.get()?;
    match (action.url.filled(), action.pattern.filled()) {
        (Some(url), Some(pattern)) => Some(line(&format!("{pattern} in {url}"))),
        (url, pattern) => url.or(pattern).map(line),
    }
}

pub(super) fn texts_of<'i>(parts: &'i List<Obj<ContentPart<'_>>>) -> impl Iterator<Item = &'i str> {
    parts.0.iter().filter_map(|part| part.get()?.text.filled())
}

/// The command itself, without the shell that Codex wraps it in.
pub(super) fn plain_command(command: &str) -> Cow<'_, str> {
    let mut words = shlex::Shlex::new(command);
    let (shell, flag) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_shell = ["bash", "sh", "zsh"].contains(&shell.rsplit('/').next().unwrap_or(""));
    if !is_shell || !["-lc", "-c"].contains(&flag.as_str()) {
        return Cow::Borrowed(command);
    }
    match (words.next(), words.next()) {
        (Some(script), None) => Cow::Owned(script),
        _ => Cow::Borrowed(command),
    }
}

fn file_summary(files: &[FileLines]) -> String {
    let (plus, minus) = files.iter().fold((0, 0), |(p, m), file| (p + file.plus, m + file.minus));
    match files {
        [] => String::new(),
        [file] => line(&format!("{} +{plus} -{minus}", file.names())),
        [file, rest @ ..] => {
            line(&format!("{} and {} more +{plus} -{minus}", file.names(), rest.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_around_a_command_is_not_part_of_its_line() {
        assert_eq!(plain_command("/bin/bash -lc 'touch f1'"), "touch f1");
        assert_eq!(plain_command("/bin/bash -lc \"a 'b'\""), "a 'b'");
        assert_eq!(plain_command("git status"), "git status");
        assert_eq!(plain_command("/bin/bash -lc 'a'\\''b'"), "a'b");
        assert_eq!(plain_command("bash -lc 'never closed"), "bash -lc 'never closed");
        assert_eq!(plain_command("bash -lc one two"), "bash -lc one two");
    }

    #[test]
    fn every_item_type_says_in_a_line_what_an_operator_asks() {
        for (item, expected) in [
            (
                r#"{"type":"webSearch","query":"","action":{"type":"openPage","url":"https://a.b/c"}}"#,
                "https://a.b/c",
            ),
            (
                r#"{"type":"webSearch","query":"","action":{"type":"findInPage","url":"https://a.b","pattern":"crc"}}"#,
                "crc in https://a.b",
            ),
            (r#"{"type":"webSearch","query":"crc32","action":null}"#, "crc32"),
            (
                r#"{"type":"imageGeneration","status":"completed","result":"iVBO","revisedPrompt":"a dot"}"#,
                "a dot",
            ),
            (r#"{"type":"imageView","path":"/repo/dot.png"}"#, "/repo/dot.png"),
            (
                r#"{"type":"hookPrompt","fragments":[{"text":"once more","hookRunId":"h"}]}"#,
                "once more",
            ),
            (r#"{"type":"sleep","durationMs":300}"#, "300 ms"),
            (r#"{"type":"functionCallOutput","name":"lookup","output":"x"}"#, "lookup"),
            (
                r#"{"type":"mcpToolCall","server":"s","tool":"t","status":"failed","error":{"message":"gone"}}"#,
                "s.t: gone",
            ),
            (
                r#"{"type":"mcpToolCall","server":"s","tool":"t","status":"failed","result":{"content":[{"type":"text","text":"no"}]}}"#,
                "s.t: no",
            ),
            (
                r#"{"type":"mcpToolCall","server":"s","tool":"t","status":"completed","result":{"content":[{"type":"text","text":"yes"}]}}"#,
                "s.t",
            ),
            (
                r#"{"type":"dynamicToolCall","tool":"t","status":"failed","success":false,"contentItems":[{"type":"inputText","text":"no"}]}"#,
                "t: no",
            ),
        ] {
            let item: Item<'_> = serde_json::from_str(item).unwrap();
            let kind = ActionKind::of_item(item.kind.get().unwrap());
            assert_eq!(summary_of(kind, &item, &[]), expected);
        }
    }

    #[test]
    fn a_files_whole_text_is_no_diff_whatever_it_looks_like() {
        for (kind, diff, expected) in [
            ("add", "--- a/f\\n+++ b/f\\n@@ -1,2 +1,2 @@\\n-old\\n+new\\n ctx\\n", (6, 0)),
            ("add", "select 1;\\n@@rowcount\\nfoo\\n", (3, 0)),
            ("delete", "--- \\ntitle\\n--- \\nbody\\n", (0, 4)),
            ("update", "@@ -1,2 +1,2 @@\\n-old\\n+new\\n ctx\\n", (1, 1)),
        ] {
            let change = format!(r#"{{"path":"f","kind":{{"type":"{kind}"}},"diff":"{diff}"}}"#);
            let file = lines_of(&serde_json::from_str(&change).unwrap());
            assert_eq!((file.plus, file.minus), expected, "{change}");
        }
    }

    #[test]
    fn lines_are_counted_inside_hunks_only() {
        assert_eq!(count_diff("--- a\n+++ b\n@@ -1,2 +1,2 @@\n-hello\n+goodbye\n world\n"), (1, 1));
        assert_eq!(count_diff(""), (0, 0));
    }
}
