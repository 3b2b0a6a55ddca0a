//! `sm handoff`: a brief for a fresh session, made of the records of an old one.
//!
//! What always holds: it is made of the log and the tables alone, with no look at a clock or a process,
//! so the same records give the same brief; each thing that it says names the record that it is from.

mod history;
mod page;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::past::{At, Question};
use crate::read::{AsOf, Tables, open_log};
use clap::Args;
use history::{Fork, Origins, Stretch};
use serde::Serialize;
use serde_json::Value;
use sm_log::Reader;
use sm_projections::View;
use sm_projections::rows::{Session, Sid};
use sm_projections::tables::Threads;
use sm_projections::views::{self, ActionDoc, InputDoc, RequestDoc, SessionDoc, TurnDoc};
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
    /// Whose turn it was: the session itself, or one that it was forked from.
    session_id: Option<String>,
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
    /// Whose turn it was: the session itself, or one that it was forked from.
    session_id: String,
    turn: u32,
    outcome: Option<&'static str>,
    error: Option<String>,
    commands: u32,
    file_changes: u32,
    tool_calls: u32,
    /// Its last words; null where there are none, and of older turns.
    said: Option<Said>,
    cursor: String,
}

/// A tool that was called.
#[derive(Serialize)]
struct Tool {
    kind: &'static str,
    summary: String,
    status: &'static str,
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
    /// Who asks: the session, or one below it.
    session_id: Option<String>,
    session_name: Option<String>,
    id: String,
    kind: &'static str,
    summary: String,
    cursor: String,
}

/// A message that waits.
#[derive(Serialize)]
struct Waiting {
    id: String,
    by: Option<String>,
    mode: String,
    held: bool,
    text: String,
    /// Not all of it stands here.
    cut: bool,
    /// The record that holds it.
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
    /// The last turn of its origin's that is in its history; null where it has none, or none is known.
    forked_at: Option<u32>,
    /// The record that made the fork; null where what it took over is not known.
    forked_cursor: Option<String>,
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
    tools: Vec<Tool>,
    tools_left_out: usize,
    children: Vec<Child>,
    decided: Vec<Decided>,
    open_requests: Vec<Open>,
    open_requests_below: Vec<Open>,
    queued: u32,
    queue: Vec<Waiting>,
    /// What it said last to somebody else, where `last_words` are said to news of its children.
    last_answer: Option<Said>,
    last_words: Option<Said>,
    as_of: AsOf,
}

impl Handoff {
    /// Writes it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let words = [self.session.clone()];
        let live = Tables::open_some(context, streams)?;
        let tables = self.at.of(context, streams, &live, &Question::Families(&words))?;
        let view = tables.view()?;
        let found = tables.select(context, &view, &self.session)?;
        let doc = views::session_doc(&view, found.sid)?.ok_or_else(|| {
            Error::new(Exit::NotFound, "not_found", format!("no session fits {:?}", self.session))
        })?;
        let from = From { log: open_log(context)?, log_id: tables.log_id.clone() };
        let as_of = tables.as_of(&view)?;
        let origins = Origins { context, streams, live: &live, log: &from.log };
        let fork = origins.of(&found.session, as_of.seq)?;
        let brief = from.brief(&view, found.sid, &found.session, doc, fork, as_of)?;
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
        session: &Session,
        doc: SessionDoc,
        fork: Option<Fork>,
        as_of: AsOf,
    ) -> Result<Brief, Error> {
        let own = Stretch::of(view, sid, session)?;
        let (forked_at, forked_cursor) = match &fork {
            Some(fork) => (fork.last_turn(), Some(self.cursor(fork.seq))),
            None => (None, None),
        };
        let stretches: Vec<Stretch> =
            fork.into_iter().flat_map(|fork| fork.stretches).chain([own]).collect();
        let each = |kinds: &'static [&'static str]| {
            let of = move |stretch| Stretch::actions(stretch, kinds);
            stretches.iter().flat_map(of)
        };
        let asked = each(&["user_message"]).map(|(stretch, action)| {
            let seq = action.end_seq.unwrap_or(action.seq);
            let turn = stretch.number(action);
            self.said(seq, &stretch.session_id, turn, &action.summary, WORDS_CHARS_MAX)
        });
        let failed = each(&["command"]).map(|(_, action)| action);
        let failed = failed.filter(|action| is_failed(action));
        let mut failed: Vec<Failed> = failed.map(|action| self.failed(action)).collect();
        failed.drain(..failed.len().saturating_sub(FAILED_MAX));
        // What an origin left running may have ended since.
        let running = stretches.last().into_iter().flat_map(|own| own.actions(&["command"]));
        let running = running.map(|(_, action)| action).filter(|it| it.status == "runs_on");
        let running = running.map(|action| Running {
            command: action.summary.clone(),
            cursor: self.cursor(action.seq),
        });
        let tools = each(&["mcp_tool", "dynamic_tool", "collab", "web_search"]);
        let mut tools: Vec<Tool> = tools.map(|(_, action)| self.tool(action)).collect();
        let tools_left_out = tools.len().saturating_sub(TOOLS_MAX);
        tools.drain(..tools_left_out);
        let children = views::children(view, sid)?.into_iter().map(|child| Child {
            cursor: self.cursor(child.cause_seq),
            id: child.id,
            name: child.name.or(child.agent),
            state: child.activity_state,
            outcome: child.outcome,
        });
        let turns: Vec<(&Stretch, &TurnDoc)> = stretches
            .iter()
            .flat_map(|stretch| stretch.turns.iter().map(move |turn| (stretch, turn)))
            .collect();
        let old = turns.len().saturating_sub(TURNS_WORDS_MAX);
        let done = turns.iter().enumerate().map(|(place, (stretch, turn))| {
            let said = turn.message_seq.filter(|_| place >= old);
            Done {
                said: self.words(view, stretch, turn, said, TURN_CHARS_MAX),
                ..self.done(stretch, turn)
            }
        });
        let (last_answer, last_words) = self.last_said(view, session, &turns)?;
        let requests = views::requests_of(view, sid)?.into_iter();
        let (open, ended): (Vec<_>, Vec<_>) =
            requests.partition(|request| request.status == "pending");
        Ok(Brief {
            schema: "sm.handoff/1",
            state: doc.activity_state,
            outcome: doc.outcome,
            last_error: doc.last_error,
            asked: asked.collect(),
            plan: turns.iter().rev().find_map(|(_, turn)| self.plan(turn.plan_seq?)),
            turns: done.collect(),
            turns_dropped: doc.counts.turns_dropped,
            files: self.files(each(&["file_change"]).map(|(_, action)| action)),
            failed_commands: failed,
            running_commands: running.collect(),
            tools,
            tools_left_out,
            children: children.collect(),
            decided: ended.into_iter().filter_map(|request| self.decided(request)).collect(),
            open_requests: open.into_iter().map(|request| self.open(request)).collect(),
            open_requests_below: self.open_below(view, sid)?,
            queued: doc.queued,
            queue: views::queue(view, Some(sid))?
                .into_iter()
                .map(|input| self.waiting(input))
                .collect(),
            last_answer,
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
            forked_at,
            forked_cursor,
            cwd: doc.cwd,
            model: doc.model,
            effort: doc.effort,
            sandbox: doc.sandbox,
            approval_policy: doc.approval_policy,
            as_of,
        })
    }

    /// What was said last; before it, where that was said to news of its children, what was said last to
    /// somebody else.
    fn last_said(
        &self,
        view: &View<'_>,
        session: &Session,
        turns: &[(&Stretch, &TurnDoc)],
    ) -> Result<(Option<Said>, Option<Said>), Error> {
        let mut spoke = turns.iter().rev().filter(|(_, turn)| turn.message_seq.is_some());
        let newest = spoke.next();
        let whole = |(stretch, turn): &(&Stretch, &TurnDoc)| {
            self.words(view, stretch, turn, turn.message_seq, WORDS_CHARS_MAX)
        };
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
                let line = views::line_ended_by(view, &session.thread_id, seq)?.unwrap_or_default();
                let turn = turn.map(|(_, turn)| turn.number);
                Some(self.said(seq, &session.id, turn, &line, WORDS_CHARS_MAX))
            }
            None => newest.and_then(whole),
        };
        Ok((answer.and_then(whole), words))
    }

    /// The message that a record holds; `None` where it cannot be read any more.
    fn message(&self, seq: u64) -> Option<Value> {
        let record = self.log.get(seq).ok()?;
        serde_json::from_slice(record.record().payload).ok()
    }

    /// The words that a turn ended with, in record `seq`; all that is left of one that is dropped is its first
    /// line.
    fn words(
        &self,
        view: &View<'_>,
        stretch: &Stretch,
        turn: &TurnDoc,
        seq: Option<u64>,
        most: usize,
    ) -> Option<Said> {
        let line = views::line_ended_by(view, &stretch.thread_id, seq?).ok().flatten();
        Some(self.said(
            seq?,
            &stretch.session_id,
            Some(turn.number),
            &line.unwrap_or_default(),
            most,
        ))
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
    fn done(&self, stretch: &Stretch, turn: &TurnDoc) -> Done {
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
            said: None,
            cursor: self.cursor(turn.end_seq.unwrap_or(turn.seq)),
        }
    }

    fn tool(&self, action: &ActionDoc) -> Tool {
        Tool {
            kind: action.kind,
            summary: action.summary.clone(),
            status: action.status,
            cursor: self.cursor(action.end_seq.unwrap_or(action.seq)),
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

    /// What the sessions below one wait for a human with, in the order of the tree.
    fn open_below(&self, view: &View<'_>, sid: Sid) -> Result<Vec<Open>, Error> {
        let mut open = Vec::new();
        for (_, below) in views::descendants(view, sid)? {
            let Some(sid) = view.get::<Threads>(&below.thread_id)? else { continue };
            let requests = views::requests_of(view, sid)?.into_iter();
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
}

fn is_failed(action: &ActionDoc) -> bool {
    !matches!(action.status, "completed" | "in_progress" | "runs_on")
        || action.exit_code.is_some_and(|code| code != 0)
}
