//! `sm handoff`: a brief for a fresh session, made of the records of an old one.
//!
//! What always holds: it is made of the log and the tables alone, with no look at a clock or a process,
//! so the same records give the same brief; each thing that it says names the record that it is from.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, clean, clean_block};
use crate::past::{At, Question};
use crate::read::{AsOf, open_log};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sm_daemon::counted;
use sm_log::Reader;
use sm_projections::View;
use sm_projections::rows::{ActionKind, Sid};
use sm_projections::views::{self, ActionDoc, RequestDoc, SessionDoc, TurnDoc};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How much of one message a brief holds, in characters; the record holds it whole.
const WORDS_CHARS_MAX: usize = 4000;

/// How many records may lie between the end of a request's wait and the answer that Codex was sent.
const ANSWERED_WITHIN: usize = 4;

/// How many of the failed commands are named, the newest.
const FAILED_MAX: usize = 10;

/// Writes a brief from which a fresh session can go on: what was asked, planned, done, said and left
/// open, each with the record that says so. Markdown; begin one with it:
/// `sm handoff OLD | sm spawn -`
#[derive(Debug, Args)]
pub struct Handoff {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    #[arg(default_value = "@last")]
    session: String,

    #[command(flatten)]
    at: At,
}

/// Something that was said.
#[derive(Serialize)]
struct Said {
    turn: Option<u32>,
    text: String,
    /// Not all of it stands here.
    cut: bool,
    /// `LOGID:SEQ` of the record that holds it.
    cursor: String,
}

/// A step of the plan.
#[derive(Serialize)]
struct Step {
    step: String,
    status: String,
}

#[derive(Serialize)]
struct Plan {
    steps: Vec<Step>,
    cursor: String,
}

/// A turn in short.
#[derive(Serialize)]
struct Done {
    turn: u32,
    outcome: Option<&'static str>,
    error: Option<String>,
    commands: u32,
    file_changes: u32,
    tool_calls: u32,
    cursor: String,
}

/// A file that was changed.
#[derive(Default, Serialize)]
struct Changed {
    path: String,
    /// `add`, `delete` or `update`; what was made and then changed was made.
    kind: String,
    plus: u64,
    minus: u64,
    cursor: String,
}

/// A command that runs on in the background.
#[derive(Serialize)]
struct Running {
    command: String,
    cursor: String,
}

/// A command that did not end well.
#[derive(Serialize)]
struct Failed {
    command: String,
    exit_code: Option<i64>,
    status: &'static str,
    cursor: String,
}

/// A child of the session.
#[derive(Serialize)]
struct Child {
    id: String,
    name: Option<String>,
    state: &'static str,
    outcome: Option<&'static str>,
    /// The record that made its state what it is.
    cursor: String,
}

/// A request that was answered.
#[derive(Serialize)]
struct Decided {
    id: String,
    kind: &'static str,
    summary: String,
    decision: String,
    by: Option<String>,
    /// What was said along with it, or answered to its questions.
    words: Option<String>,
    cursor: String,
}

/// A request that nobody answered.
#[derive(Serialize)]
struct Open {
    id: String,
    kind: &'static str,
    summary: String,
    cursor: String,
}

#[derive(Serialize)]
struct Goal {
    objective: String,
    status: String,
    cursor: String,
}

#[derive(Serialize)]
struct Brief {
    schema: &'static str,
    session_id: String,
    thread_id: String,
    name: Option<String>,
    title: Option<String>,
    forked_from: Option<String>,
    state: &'static str,
    outcome: Option<&'static str>,
    last_error: Option<String>,
    cwd: Option<String>,
    model: Option<String>,
    effort: Option<String>,
    sandbox: Option<String>,
    approval_policy: Option<String>,
    tokens: Option<u64>,
    goal: Option<Goal>,
    asked: Vec<Said>,
    plan: Option<Plan>,
    turns: Vec<Done>,
    turns_dropped: u64,
    files: Vec<Changed>,
    failed_commands: Vec<Failed>,
    running_commands: Vec<Running>,
    children: Vec<Child>,
    decided: Vec<Decided>,
    open_requests: Vec<Open>,
    queued: u32,
    last_words: Option<Said>,
    as_of: AsOf,
}

impl Handoff {
    /// Writes it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let words = [self.session.clone()];
        let tables = self.at.open_some(context, streams, &Question::Families(&words))?;
        let view = tables.view()?;
        let found = tables.select(context, &view, &self.session)?;
        let doc = views::session_doc(&view, found.sid)?.ok_or_else(|| {
            Error::new(Exit::NotFound, "not_found", format!("no session fits {:?}", self.session))
        })?;
        let from = From { log: open_log(context)?, log_id: tables.log_id.clone() };
        let last = found.session.last_message_seq;
        let brief = from.brief(&view, found.sid, doc, last, tables.as_of(&view)?)?;
        match context.json {
            true => streams.document(&brief)?,
            false => streams.bytes(brief.markdown().as_bytes())?,
        }
        Ok(Exit::Ok)
    }
}

/// What a brief is made from.
struct From {
    log: Reader,
    log_id: String,
}

impl From {
    fn cursor(&self, seq: u64) -> String {
        format!("{}:{seq}", self.log_id)
    }

    fn brief(
        &self,
        view: &View<'_>,
        sid: Sid,
        doc: SessionDoc,
        last_message: Option<u64>,
        as_of: AsOf,
    ) -> Result<Brief, Error> {
        let turns = views::turns(view, sid, usize::MAX, |turn| turn.dropped_seq.is_none())?;
        let numbers: BTreeMap<u64, u32> =
            turns.iter().map(|turn| (turn.seq, turn.number)).collect();
        let mut actions = views::actions(view, sid, usize::MAX, |action| {
            matches!(
                action.kind,
                ActionKind::UserMessage | ActionKind::FileChange | ActionKind::Command
            )
        })?;
        // What was rolled back is no part of the history; what it did to files is.
        let is_there = |action: &ActionDoc| {
            action.kind == "file_change"
                || action.turn_seq.is_none_or(|turn| numbers.contains_key(&turn))
        };
        actions.retain(is_there);
        let number = |action: &ActionDoc| numbers.get(&action.turn_seq?).copied();
        let of = |kind: &'static str| actions.iter().filter(move |action| action.kind == kind);
        let asked = of("user_message").map(|action| {
            let seq = action.end_seq.unwrap_or(action.seq);
            self.said(seq, number(action), &action.summary)
        });
        let failed = of("command").filter(|action| is_failed(action));
        let mut failed: Vec<Failed> = failed.map(|action| self.failed(action)).collect();
        failed.drain(..failed.len().saturating_sub(FAILED_MAX));
        let running = of("command").filter(|action| action.status == "runs_on");
        let running = running.map(|action| Running {
            command: action.summary.clone(),
            cursor: self.cursor(action.seq),
        });
        let children = views::children(view, sid)?.into_iter().map(|child| Child {
            cursor: self.cursor(child.cause_seq),
            id: child.id,
            name: child.name.or(child.agent),
            state: child.activity_state,
            outcome: child.outcome,
        });
        let requests = views::requests_of(view, sid)?.into_iter();
        let (open, ended): (Vec<_>, Vec<_>) =
            requests.partition(|request| request.status == "pending");
        let last_turn = turns.iter().rev().find(|turn| turn.message_seq.is_some());
        let last_words = match last_message {
            Some(seq) => {
                // All that is left of one whose record is dropped is its first line.
                let line = views::line_ended_by(view, &doc.thread_id, seq)?.unwrap_or_default();
                Some(self.said(seq, last_turn.map(|turn| turn.number), &line))
            }
            None => None,
        };
        Ok(Brief {
            schema: "sm.handoff/1",
            state: doc.activity_state,
            outcome: doc.outcome,
            last_error: doc.last_error,
            asked: asked.collect(),
            plan: turns.iter().rev().find_map(|turn| self.plan(turn.plan_seq?)),
            turns: turns.iter().map(|turn| self.done(turn, &actions)).collect(),
            turns_dropped: doc.counts.turns_dropped,
            files: self.files(of("file_change")),
            failed_commands: failed,
            running_commands: running.collect(),
            children: children.collect(),
            decided: ended.into_iter().filter_map(|request| self.decided(request)).collect(),
            open_requests: open.into_iter().map(|request| self.open(request)).collect(),
            queued: doc.queued,
            last_words,
            goal: doc.goal.map(|goal| Goal {
                objective: self.goal(goal.seq).unwrap_or(goal.objective),
                status: goal.status,
                cursor: self.cursor(goal.seq),
            }),
            tokens: doc.tokens.map(|tokens| tokens.total),
            session_id: doc.id,
            thread_id: doc.thread_id,
            name: doc.name,
            title: doc.title,
            forked_from: doc.forked_from,
            cwd: doc.cwd,
            model: doc.model,
            effort: doc.effort,
            sandbox: doc.sandbox,
            approval_policy: doc.approval_policy,
            as_of,
        })
    }

    /// The message that a record holds; `None` where it cannot be read any more.
    fn message(&self, seq: u64) -> Option<Value> {
        let record = self.log.get(seq).ok()?;
        serde_json::from_slice(record.record().payload).ok()
    }

    /// The words of the item that a record tells of; `short` where the record holds none.
    fn said(&self, seq: u64, turn: Option<u32>, short: &str) -> Said {
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
        let kept: String = text.chars().take(WORDS_CHARS_MAX).collect();
        Said { turn, cut: kept.len() < text.len(), text: kept, cursor: self.cursor(seq) }
    }

    fn goal(&self, seq: u64) -> Option<String> {
        let told = self.message(seq)?;
        told.pointer("/params/goal/objective")?.as_str().map(str::to_owned)
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

    /// What was declined was not done: it is told where what was decided is.
    fn done(&self, turn: &TurnDoc, actions: &[ActionDoc]) -> Done {
        let own = actions.iter().filter(|action| action.turn_seq == Some(turn.seq));
        let declined = |kind| {
            let declined = own.clone().filter(|action| action.status == "declined");
            declined.filter(|action| action.kind == kind).count() as u32
        };
        Done {
            turn: turn.number,
            outcome: turn.outcome,
            error: turn.error.clone(),
            commands: turn.commands.saturating_sub(declined("command")),
            file_changes: turn.file_changes.saturating_sub(declined("file_change")),
            tool_calls: turn.tool_calls,
            cursor: self.cursor(turn.end_seq.unwrap_or(turn.seq)),
        }
    }

    fn failed(&self, action: &ActionDoc) -> Failed {
        Failed {
            command: action.command.clone().unwrap_or_else(|| action.summary.clone()),
            exit_code: action.exit_code,
            status: action.status,
            cursor: self.cursor(action.end_seq.unwrap_or(action.seq)),
        }
    }

    /// Every file that was changed, by its path, with all that was changed in it.
    fn files<'a>(&self, changes: impl Iterator<Item = &'a ActionDoc>) -> Vec<Changed> {
        let mut files: BTreeMap<String, Changed> = BTreeMap::new();
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

    fn open(&self, request: RequestDoc) -> Open {
        Open {
            cursor: self.cursor(request.seq),
            id: request.id,
            kind: request.kind,
            summary: request.summary,
        }
    }
}

fn is_failed(action: &ActionDoc) -> bool {
    !matches!(action.status, "completed" | "in_progress" | "runs_on")
        || action.exit_code.is_some_and(|code| code != 0)
}

impl Brief {
    /// The brief in Markdown.
    fn markdown(&self) -> String {
        let mut page = Page::default();
        let name = self.name.as_ref().or(self.title.as_ref());
        let name = name.map_or(String::new(), |name| format!(": {}", clean(name)));
        page.line(format_args!("# Handoff of session {}{name}", self.session_id));
        let log = self.as_of.log_id.as_deref().unwrap_or("?");
        page.block(format_args!(
            "Made from the records of another agent's session, up to {log}:{}. What stands here in \
             brackets is the record that says so: [{log}:7] is `sm replay --since 7 --until 7`.",
            self.as_of.seq
        ));
        let facts = [
            ("Folder", &self.cwd),
            ("Model", &self.model),
            ("Effort", &self.effort),
            ("Sandbox", &self.sandbox),
            ("Asks", &self.approval_policy),
            ("Last error", &self.last_error),
        ];
        page.line("");
        for (name, fact) in facts {
            if let Some(fact) = fact {
                page.line(format_args!("- {name}: {}", clean(fact)));
            }
        }
        if let Some(origin) = &self.forked_from {
            page.line(format_args!(
                "- Forked from: {0}; what came before is told by `sm handoff {0}`",
                clean(origin)
            ));
        }
        let outcome = self.outcome.map_or(String::new(), |word| format!(", last turn {word}"));
        page.line(format_args!("- State: {}{outcome}", self.state));
        if let Some(goal) = &self.goal {
            page.head("Goal");
            page.block(format_args!(
                "{} ({}) [{}]",
                clean(&goal.objective),
                goal.status,
                goal.cursor
            ));
        }
        page.head("Asked");
        match self.asked.is_empty() {
            true => page.block("Nothing."),
            false => self.asked.iter().for_each(|said| page.said(said)),
        }
        if let Some(plan) = &self.plan {
            page.head(format_args!("Plan [{}]", plan.cursor));
            page.line("");
            for Step { step, status } in &plan.steps {
                let done = if status == "completed" { "x" } else { " " };
                page.line(format_args!("- [{done}] {} ({})", clean(step), clean(status)));
            }
        }
        page.head("Done");
        page.line("");
        for turn in &self.turns {
            page.turn(turn);
        }
        if self.turns_dropped > 0 {
            page.block(format_args!(
                "{} more turns were rolled back: forget them, but what they did to files stands.",
                self.turns_dropped
            ));
        }
        if !self.files.is_empty() {
            page.head("Files changed");
            page.line("");
            for file in &self.files {
                let Changed { path, kind, plus, minus, cursor } = file;
                page.line(format_args!(
                    "- `{}` ({kind}, +{plus} -{minus}) [{cursor}]",
                    clean(path)
                ));
            }
        }
        if !self.failed_commands.is_empty() {
            page.head("Commands that failed, or were not run");
            page.line("");
            for Failed { command, exit_code, status, cursor } in &self.failed_commands {
                let how = exit_code.map_or((*status).to_owned(), |code| format!("exit {code}"));
                page.line(format_args!("- `{}`: {how} [{cursor}]", clean(command)));
            }
        }
        if !self.running_commands.is_empty() {
            page.head("Commands that run on in the background");
            page.line("");
            for Running { command, cursor } in &self.running_commands {
                page.line(format_args!("- `{}` [{cursor}]", clean(command)));
            }
        }
        if !self.decided.is_empty() {
            page.head("What it asked, and was answered");
            page.line("");
            for Decided { id, kind, summary, decision, by, words, cursor } in &self.decided {
                let by = by.as_deref().map_or(String::new(), |by| format!(" by {}", clean(by)));
                let words =
                    words.as_deref().map_or(String::new(), |said| format!(": {}", clean(said)));
                page.line(format_args!(
                    "- {id} ({kind}) {}: {decision}{by}{words} [{cursor}]",
                    clean(summary)
                ));
            }
        }
        if !self.children.is_empty() {
            page.head("Its own agents");
            page.line("");
            for Child { id, name, state, outcome, cursor } in &self.children {
                let name =
                    name.as_deref().map_or(String::new(), |name| format!(" {}", clean(name)));
                let outcome = outcome.map_or(String::new(), |word| format!(", {word}"));
                page.line(format_args!("- {id}{name}: {state}{outcome} [{cursor}]"));
            }
        }
        if !self.open_requests.is_empty() || self.queued > 0 {
            page.head("Left open");
            page.line("");
            for Open { id, kind, summary, cursor } in &self.open_requests {
                page.line(format_args!("- request {id} ({kind}): {} [{cursor}]", clean(summary)));
            }
            if self.queued > 0 {
                page.line(format_args!("- in its queue: {}", counted(self.queued, "message")));
            }
        }
        if let Some(words) = &self.last_words {
            page.head("Its last words");
            page.said(words);
        }
        page.0
    }
}

/// Markdown in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{text}");
    }

    fn block(&mut self, text: impl std::fmt::Display) {
        self.line(format_args!("\n{text}"));
    }

    fn head(&mut self, text: impl std::fmt::Display) {
        self.block(format_args!("## {text}"));
    }

    /// Words of others, as a quotation: nothing in them can pass for the brief's own.
    fn said(&mut self, said: &Said) {
        let turn = said.turn.map_or(String::new(), |turn| format!("Turn {turn} "));
        self.block(format_args!("{turn}[{}]:\n", said.cursor));
        for line in clean_block(&said.text).lines() {
            self.line(format_args!("> {line}").to_string().trim_end());
        }
        if said.cut {
            self.line("> … (cut; the record holds it whole)");
        }
    }

    fn turn(&mut self, turn: &Done) {
        let counts = [
            (turn.commands, "commands"),
            (turn.file_changes, "file changes"),
            (turn.tool_calls, "tool calls"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        let did =
            if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
        let error = turn.error.as_deref().map_or(String::new(), |why| format!(" ({})", clean(why)));
        let outcome = turn.outcome.unwrap_or("still open");
        self.line(format_args!("- Turn {} {outcome}{error}{did} [{}]", turn.turn, turn.cursor));
    }
}
