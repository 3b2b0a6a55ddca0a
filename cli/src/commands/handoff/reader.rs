//! What a brief is made from, read: the tables of one moment, and the records of the log.
//!
//! What always holds: words are those of their record, in full up to a bound; where a record cannot be read any
//! more, what the tables keep of it stands for it.

use super::brief::{
    Brief, Changed, Child, Decided, Done, Failed, Goal, Open, Plan, Running, Said, Step, Tool,
    Waiting,
};
use super::history::{Fork, Stretch};
use crate::error::Error;
use crate::read::AsOf;
use serde_json::Value;
use sm_projections::View;
use sm_projections::rows;
use sm_projections::tables::Threads;
use sm_projections::views::{
    self, ActionDoc, InputDoc, RequestDoc, Selection, SessionDoc, TurnDoc,
};
use std::collections::BTreeMap;

/// How much of one message a brief holds, in characters; the record holds it whole.
const WORDS_CHARS_MAX: usize = 4000;

/// How many records may lie between the end of a request's wait and the answer that Codex was sent.
const ANSWERED_WITHIN: usize = 4;

/// How many of the failed commands are named, the newest.
const FAILED_MAX: usize = 10;

/// How many of the tool calls are named, the newest.
const TOOLS_MAX: usize = 20;

/// Of how many turns the last words are told, the newest, and how much of each, in characters.
const TURNS_WORDS_MAX: usize = 20;
const TURN_CHARS_MAX: usize = 800;

/// How the prompt begins of a turn that was begun to tell a session of its children.
const NEWS: &str = "[sm] News of ";

/// A turn, and the stretch that it is of.
type Turn<'r> = (&'r Stretch, &'r TurnDoc);

/// Reads of one session.
pub(super) struct Reader<'r> {
    log: &'r sm_log::Reader,
    log_id: &'r str,
    view: &'r View<'r>,
    of: &'r Selection,
    /// Its history, oldest first; the last is its own.
    stretches: Vec<Stretch>,
    /// The last turn that it has of its origin, and the record that made it a fork.
    forked: (Option<u32>, Option<u64>),
}

impl<'r> Reader<'r> {
    /// A reader of that session, which took over what `fork` says.
    pub fn new(
        log: &'r sm_log::Reader,
        log_id: &'r str,
        view: &'r View<'r>,
        of: &'r Selection,
        fork: Option<Fork>,
    ) -> Result<Reader<'r>, Error> {
        let own = Stretch::of(view, of.sid, &of.session)?;
        let forked = fork.as_ref().map_or((None, None), |fork| (fork.last_turn(), Some(fork.seq)));
        let stretches = fork.into_iter().flat_map(|fork| fork.stretches).chain([own]).collect();
        Ok(Reader { log, log_id, view, of, stretches, forked })
    }

    /// The whole brief.
    pub fn brief(&self, doc: SessionDoc, as_of: AsOf) -> Result<Brief, Error> {
        let turns: Vec<Turn<'_>> = self
            .stretches
            .iter()
            .flat_map(|stretch| stretch.turns.iter().map(move |turn| (stretch, turn)))
            .collect();
        let (tools, tools_left_out) = self.tools();
        let requests = views::requests_of(self.view, self.of.sid)?.into_iter();
        let (open, ended): (Vec<_>, Vec<_>) =
            requests.partition(|request| request.status == "pending");
        let (last_answer, last_words) = self.last_said(&turns)?;
        Ok(Brief {
            schema: "sm.handoff/1",
            session_id: doc.id,
            thread_id: doc.thread_id,
            name: doc.name,
            title: doc.title,
            forked_from: doc.forked_from,
            forked_at: self.forked.0,
            forked_cursor: self.forked.1.map(|seq| self.cursor(seq)),
            state: doc.activity_state,
            outcome: doc.outcome,
            last_error: doc.last_error,
            cwd: doc.cwd,
            model: doc.model,
            effort: doc.effort,
            sandbox: doc.sandbox,
            approval_policy: doc.approval_policy,
            tokens: doc.tokens.map(|tokens| tokens.total),
            goal: doc.goal.map(|goal| self.goal(goal)),
            asked: self.asked(),
            plan: turns.iter().rev().find_map(|(_, turn)| self.plan(turn.plan_seq?)),
            turns: self.done(&turns),
            turns_dropped: doc.counts.turns_dropped,
            files: self.files(),
            failed_commands: self.failed_commands(),
            running_commands: self.running_commands(),
            tools,
            tools_left_out,
            children: self.children()?,
            decided: ended.into_iter().filter_map(|request| self.decided(request)).collect(),
            open_requests: open.into_iter().map(|request| self.open(request)).collect(),
            open_requests_below: self.open_below()?,
            queued: doc.queued,
            queue: self.queue()?,
            last_answer,
            last_words,
            as_of,
        })
    }

    /// The actions of those kinds, oldest first, each with the stretch that it is of.
    fn actions(
        &self,
        kinds: &'static [&'static str],
    ) -> impl Iterator<Item = (&Stretch, &ActionDoc)> {
        self.stretches.iter().flat_map(move |stretch| stretch.actions(kinds))
    }

    fn goal(&self, goal: rows::Goal) -> Goal {
        let whole = || {
            let told = self.message(goal.seq)?;
            told.pointer("/params/goal/objective")?.as_str().map(str::to_owned)
        };
        Goal {
            objective: whole().unwrap_or(goal.objective),
            status: goal.status,
            cursor: self.cursor(goal.seq),
        }
    }

    fn asked(&self) -> Vec<Said> {
        let asked = self.actions(&["user_message"]).map(|(stretch, action)| {
            let seq = action.end_seq.unwrap_or(action.seq);
            let turn = stretch.number(action);
            self.said(seq, &stretch.session_id, turn, &action.summary, WORDS_CHARS_MAX)
        });
        asked.collect()
    }

    fn plan(&self, seq: u64) -> Option<Plan> {
        let message = self.message(seq)?;
        let text = |step: &Value, name: &str| {
            step.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let steps = message.pointer("/params/plan")?.as_array()?.iter();
        let steps =
            steps.map(|step| Step { step: text(step, "step"), status: text(step, "status") });
        Some(Plan { steps: steps.collect(), cursor: self.cursor(seq) })
    }

    fn done(&self, turns: &[Turn<'_>]) -> Vec<Done> {
        let old = turns.len().saturating_sub(TURNS_WORDS_MAX);
        let done = turns.iter().enumerate().map(|(place, turn)| {
            let said = turn.1.message_seq.filter(|_| place >= old);
            self.turn(turn, self.words(turn, said, TURN_CHARS_MAX))
        });
        done.collect()
    }

    /// What was declined was not done: it is told where what was decided is.
    fn turn(&self, &(stretch, turn): &Turn<'_>, said: Option<Said>) -> Done {
        let declined = |kinds| {
            let own =
                stretch.actions(kinds).filter(|(_, action)| action.turn_seq == Some(turn.seq));
            own.filter(|(_, action)| action.status == "declined").count() as u32
        };
        Done {
            session_id: stretch.session_id.clone(),
            turn: turn.number,
            outcome: turn.outcome,
            error: turn.error.clone(),
            commands: turn.commands.saturating_sub(declined(&["command"])),
            file_changes: turn.file_changes.saturating_sub(declined(&["file_change"])),
            tool_calls: turn.tool_calls,
            said,
            cursor: self.cursor(turn.end_seq.unwrap_or(turn.seq)),
        }
    }

    /// Every file that was changed, by its path, with all that was changed in it.
    fn files(&self) -> Vec<Changed> {
        let mut files: BTreeMap<String, Changed> = BTreeMap::new();
        let changes = self.actions(&["file_change"]).map(|(_, action)| action);
        for action in changes.filter(|action| action.status == "completed") {
            for file in &action.files {
                let mut changed = files.remove(&file.path).unwrap_or_default();
                file.name_now().clone_into(&mut changed.path);
                if changed.kind != "add" || file.kind == "delete" {
                    changed.kind.clone_from(&file.kind);
                }
                changed.plus += u64::from(file.plus);
                changed.minus += u64::from(file.minus);
                changed.cursor = self.cursor(action.end_seq.unwrap_or(action.seq));
                files.insert(changed.path.clone(), changed);
            }
        }
        files.into_values().collect()
    }

    fn failed_commands(&self) -> Vec<Failed> {
        let failed = self.actions(&["command"]).map(|(_, action)| action);
        let failed = failed.filter(|action| is_failed(action)).map(|action| Failed {
            command: action.command.clone().unwrap_or_else(|| action.summary.clone()),
            exit_code: action.exit_code,
            status: action.status,
            cursor: self.cursor(action.end_seq.unwrap_or(action.seq)),
        });
        let mut failed: Vec<Failed> = failed.collect();
        failed.drain(..failed.len().saturating_sub(FAILED_MAX));
        failed
    }

    /// What an origin left running may have ended since: only its own.
    fn running_commands(&self) -> Vec<Running> {
        let own = self.stretches.last().into_iter().flat_map(|own| own.actions(&["command"]));
        let running = own.map(|(_, action)| action).filter(|action| action.status == "runs_on");
        let running = running.map(|action| Running {
            command: action.summary.clone(),
            cursor: self.cursor(action.seq),
        });
        running.collect()
    }

    /// The newest tool calls, and how many were before them.
    fn tools(&self) -> (Vec<Tool>, usize) {
        let tools = self.actions(&["mcp_tool", "dynamic_tool", "collab", "web_search"]);
        let tools = tools.map(|(_, action)| Tool {
            kind: action.kind,
            summary: action.summary.clone(),
            status: action.status,
            cursor: self.cursor(action.end_seq.unwrap_or(action.seq)),
        });
        let mut tools: Vec<Tool> = tools.collect();
        let left_out = tools.len().saturating_sub(TOOLS_MAX);
        tools.drain(..left_out);
        (tools, left_out)
    }

    fn children(&self) -> Result<Vec<Child>, Error> {
        let children = views::children(self.view, self.of.sid)?.into_iter().map(|child| Child {
            cursor: self.cursor(child.cause_seq),
            id: child.id,
            name: child.name.or(child.agent),
            state: child.activity_state,
            outcome: child.outcome,
        });
        Ok(children.collect())
    }

    fn decided(&self, request: RequestDoc) -> Option<Decided> {
        let end_seq = request.end_seq?;
        Some(Decided {
            words: request.say.clone().or_else(|| self.answers(&request)),
            cursor: self.cursor(end_seq),
            id: request.id,
            kind: request.kind,
            summary: request.summary,
            decision: request.decision?,
            by: request.decided_by,
        })
    }

    /// What was answered to a request's questions. It was sent at the end of its wait, or in the next
    /// few records.
    fn answers(&self, request: &RequestDoc) -> Option<String> {
        let asked = self.message(request.seq)?;
        let sent = (request.end_seq?..).take(ANSWERED_WITHIN).find_map(|seq| {
            let message = self.message(seq)?;
            let is_its = message.get("id") == asked.get("id") && message.get("method").is_none();
            is_its.then_some(message)
        })?;
        let answers = sent.pointer("/result/answers")?.as_object()?.values();
        let words = answers.filter_map(|answer| answer.get("answers")?.as_array());
        let words: Vec<&str> = words.flatten().filter_map(Value::as_str).collect();
        Some(words.join(", "))
    }

    /// What the sessions below one wait for a human with, in the order of the tree.
    fn open_below(&self) -> Result<Vec<Open>, Error> {
        let mut open = Vec::new();
        for (_, below) in views::descendants(self.view, self.of.sid)? {
            let Some(sid) = self.view.get::<Threads>(&below.thread_id)? else { continue };
            let requests = views::requests_of(self.view, sid)?.into_iter();
            let waits = |it: &RequestDoc| it.status == "pending" && it.asks_human;
            open.extend(requests.filter(waits).map(|request| self.open(request)));
        }
        Ok(open)
    }

    fn open(&self, request: RequestDoc) -> Open {
        Open {
            session_id: request.session_id,
            session_name: request.session_name,
            cursor: self.cursor(request.seq),
            id: request.id,
            kind: request.kind,
            summary: request.summary,
        }
    }

    fn queue(&self) -> Result<Vec<Waiting>, Error> {
        let queue = views::queue(self.view, Some(self.of.sid))?.into_iter();
        Ok(queue.map(|input| self.waiting(input)).collect())
    }

    /// A message that waits, in the words that it has now.
    fn waiting(&self, input: InputDoc) -> Waiting {
        let message = self.message(input.text_seq).unwrap_or_default();
        let text = message.pointer("/params/text").and_then(Value::as_str);
        let text = text.map_or(input.summary, str::to_owned);
        let kept: String = text.chars().take(WORDS_CHARS_MAX).collect();
        Waiting {
            id: input.id,
            by: input.by,
            mode: input.mode,
            held: input.held,
            cut: kept.len() < text.len(),
            text: kept,
            cursor: self.cursor(input.text_seq),
        }
    }

    /// What was said last; before it, where that was said to news of its children, what was said last to
    /// somebody else.
    fn last_said(&self, turns: &[Turn<'_>]) -> Result<(Option<Said>, Option<Said>), Error> {
        let session = &self.of.session;
        let mut spoke = turns.iter().rev().filter(|(_, turn)| turn.message_seq.is_some());
        let newest = spoke.next();
        let whole = |turn: &Turn<'_>| self.words(turn, turn.1.message_seq, WORDS_CHARS_MAX);
        let is_news =
            |turn: &TurnDoc| turn.prompt.as_deref().is_some_and(|it| it.starts_with(NEWS));
        let answer = match newest {
            Some((_, newest)) if is_news(newest) => spoke.find(|(_, turn)| !is_news(turn)),
            _ => None,
        };
        // In the middle of a turn it may have said more.
        let words = match session.last_message_seq {
            Some(seq) => {
                let turn = newest.filter(|(stretch, _)| stretch.session_id == session.id);
                let line = views::line_ended_by(self.view, &session.thread_id, seq)?;
                let (line, turn) = (line.unwrap_or_default(), turn.map(|(_, turn)| turn.number));
                Some(self.said(seq, &session.id, turn, &line, WORDS_CHARS_MAX))
            }
            None => newest.and_then(whole),
        };
        Ok((answer.and_then(whole), words))
    }

    /// The words that a turn ended with, in record `seq`; all that is left of one that is dropped is its first
    /// line.
    fn words(&self, (stretch, turn): &Turn<'_>, seq: Option<u64>, most: usize) -> Option<Said> {
        let seq = seq?;
        let line = views::line_ended_by(self.view, &stretch.thread_id, seq).ok().flatten();
        let line = line.unwrap_or_default();
        Some(self.said(seq, &stretch.session_id, Some(turn.number), &line, most))
    }

    /// The words of the item that a record tells of, up to `most` characters; `short` where the record holds none.
    fn said(&self, seq: u64, session: &str, turn: Option<u32>, short: &str, most: usize) -> Said {
        let message = self.message(seq).unwrap_or_default();
        let item = message.pointer("/params/item");
        let parts = item.and_then(|item| item.get("content")?.as_array());
        let parts = parts.into_iter().flatten().filter_map(|part| part.get("text")?.as_str());
        let parts: Vec<&str> = parts.collect();
        let text = match item.and_then(|item| item.get("text")?.as_str()) {
            Some(text) => text.to_owned(),
            None if parts.is_empty() => short.to_owned(),
            None => parts.join("\n"),
        };
        let kept: String = text.chars().take(most).collect();
        Said {
            session_id: Some(session.to_owned()),
            turn,
            cut: kept.len() < text.len(),
            text: kept,
            cursor: self.cursor(seq),
        }
    }

    /// The message that a record holds; `None` where it cannot be read any more.
    fn message(&self, seq: u64) -> Option<Value> {
        let record = self.log.get(seq).ok()?;
        serde_json::from_slice(record.record().payload).ok()
    }

    fn cursor(&self, seq: u64) -> String {
        format!("{}:{seq}", self.log_id)
    }
}

fn is_failed(action: &ActionDoc) -> bool {
    !matches!(action.status, "completed" | "in_progress" | "runs_on")
        || action.exit_code.is_some_and(|code| code != 0)
}
