//! `sm inbox`: all that waits for a human.

use super::answer::find_doc;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, ago, clean, now_micros};
use crate::past::{At, Question};
use crate::read::{AsOf, Follow, Head, Tables, nothing_yet, open_log};
use crate::show::{
    Extent, INDENT, RequestShown, Soon, details_text, holds_up_line, question_id, quoted_text,
    risk_line, show_request, waiting,
};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sm_daemon::asked::{Weighed, weigh};
use sm_daemon::{Rulebook, answers_itself};
use sm_log::Reader;
use sm_projections::View;
use sm_projections::views::RequestDoc;
use std::collections::HashSet;

/// Shows what waits for an answer: the command, the diff or the questions, and who asks.
#[derive(Debug, Args)]
pub struct Inbox {
    /// Only these requests, whole, also those that no longer wait.
    #[arg(value_name = "REQUEST", conflicts_with_all = ["follow", "all", "status", "at"])]
    requests: Vec<String>,

    /// Goes on with what is asked next.
    #[arg(short, long)]
    follow: bool,

    /// What no longer waits, too: answered, cleared by the end of its turn, orphaned by its process's;
    /// the newest first.
    #[arg(long, conflicts_with_all = ["follow", "at"])]
    all: bool,

    /// Only what stands so, the newest first.
    #[arg(
        long,
        value_parser = ["pending", "answered", "cleared", "orphaned"],
        conflicts_with_all = ["follow", "at", "all"],
    )]
    status: Option<String>,

    /// How many with --all or --status [default: 20].
    #[arg(short = 'n', value_name = "COUNT")]
    count: Option<usize>,

    #[command(flatten)]
    at: At,
}

/// How many requests `--all` and `--status` show where they are not told.
const COUNT: usize = 20;

#[derive(Serialize)]
struct Asked {
    #[serde(flatten)]
    request: RequestShown,
    #[serde(flatten)]
    weighed: Weighed,
    waiting_ms: Option<i64>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    head: Head,
    requests: Vec<Asked>,
}

#[derive(Serialize)]
struct Followed<'a> {
    schema: &'static str,
    #[serde(flatten)]
    asked: &'a Asked,
}

impl Inbox {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        self.at.none_when_following(self.follow)?;
        let standing = self.all || self.status.is_some();
        if self.count.is_some() && !standing {
            return Err(Error::usage("-n goes with --all or --status: all that waits is shown"));
        }
        if self.follow {
            return follow(context, streams);
        }
        let head = Head::new("sm.inbox/1", AsOf::nothing());
        let mut now = now_micros();
        let mut answer = Answer { head, requests: Vec::new() };
        let tables = self.at.open(context, streams, &Question::Waiting)?;
        if tables.is_none() && !self.requests.is_empty() {
            return Err(nothing_yet(context));
        }
        if let Some(tables) = tables {
            let view = tables.view()?;
            let docs = match standing {
                _ if !self.requests.is_empty() => self.named(context, &tables, &view)?,
                true => self.standing(&tables, &view)?,
                false => still_waiting(context, &tables, &view)?,
            };
            answer.requests = asked(&tables, &view, &open_log(context)?, docs)?;
            now = tables.now();
            answer.head.as_of = tables.as_of(&view)?;
        }
        let faults = Rulebook::read(&context.home).faults;
        let warn = |fault: &_| format!("no rule applies: {fault}");
        answer.head.warnings.extend(faults.iter().map(warn));
        if context.json {
            streams.document(&answer)?;
            return Ok(Exit::Ok);
        }
        answer.head.warnings.iter().for_each(|warning| streams.say(clean(warning)));
        if answer.requests.is_empty() {
            streams.say(match (self.all, &self.status) {
                (true, _) => "Nothing was ever asked.".to_owned(),
                (_, Some(status)) => format!("No request is {status}."),
                _ => "Nothing waits for you.".to_owned(),
            });
        }
        let extent = match self.requests.is_empty() {
            true => Extent::Beginning,
            false => Extent::Whole,
        };
        for asked in &answer.requests {
            asked.print(context, streams, now, extent)?;
        }
        Ok(Exit::Ok)
    }
}

impl Inbox {
    /// Those that are named.
    fn named(
        &self,
        context: &Context,
        tables: &Tables,
        view: &View<'_>,
    ) -> Result<Vec<RequestShown>, Error> {
        let mut lives = tables.lives();
        let shown = self.requests.iter().map(|id| {
            let doc = find_doc(context, view, id)?;
            Ok(show_request(view, &mut lives, doc)?)
        });
        shown.collect()
    }

    /// The newest that stand as wanted.
    fn standing(&self, tables: &Tables, view: &View<'_>) -> Result<Vec<RequestShown>, Error> {
        let count = self.count.unwrap_or(COUNT);
        let docs = sm_daemon::newest_requests(view, self.status.as_deref(), count)?;
        let docs = docs.into_iter().filter(|doc| !answers_itself(&doc.method));
        let mut lives = tables.lives();
        let shown = docs.map(|doc| show_request(view, &mut lives, doc));
        Ok(shown.collect::<Result<_, _>>()?)
    }
}

/// What waits for a human and for no rule; what waited then, in a moment gone by.
fn still_waiting(
    context: &Context,
    tables: &Tables,
    view: &View<'_>,
) -> Result<Vec<RequestShown>, Error> {
    let found = waiting(view, &mut tables.lives())?;
    if tables.is_past() {
        return Ok(found);
    }
    let soon = Soon::read(context);
    let mut left = Vec::with_capacity(found.len());
    for request in found {
        if !soon.answers(view, &request.doc)? {
            left.push(request);
        }
    }
    Ok(left)
}

fn asked(
    tables: &Tables,
    view: &View<'_>,
    log: &Reader,
    requests: Vec<RequestShown>,
) -> Result<Vec<Asked>, Error> {
    let now = tables.now();
    let asked = |request: RequestShown| {
        let at = request.doc.asked_micros;
        Ok(Asked {
            weighed: weigh(view, log, &request.doc)?,
            waiting_ms: (at > 0 && request.waits()).then(|| (now - at) / 1000),
            request,
        })
    };
    requests.into_iter().map(asked).collect()
}

fn follow(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let mut follow = Follow::new(context);
    let mut told = HashSet::new();
    loop {
        let tables = follow.next(streams)?;
        let view = tables.view()?;
        let waiting = still_waiting(context, tables, &view)?;
        let waiting = asked(tables, &view, &open_log(context)?, waiting)?;
        drop(view);
        for asked in &waiting {
            if !told.insert(asked.request.doc.seq) {
                continue;
            }
            match context.json {
                true => streams.json_line(&Followed { schema: "sm.request/1", asked })?,
                false => asked.print(context, streams, tables.now(), Extent::Beginning)?,
            }
        }
        streams.flush()?;
        follow.wait(streams)?;
    }
}

impl Asked {
    fn print(
        &self,
        context: &Context,
        streams: &mut Streams,
        now: i64,
        extent: Extent,
    ) -> Result<(), Error> {
        let RequestDoc { id, kind, method, session_id, session_name, asked_micros, .. } =
            &self.request.doc;
        // A name is of an agent's choice; the id is not.
        let who = match (session_name, session_id) {
            (Some(name), Some(id)) => format!("{} ({id})", clean(name)),
            (_, Some(id)) => id.clone(),
            _ => "a server".to_owned(),
        };
        let (role, glyph) = self.request.mark();
        let what = match *kind {
            "other" => clean(method).into_owned(),
            kind => kind.replace('_', " "),
        };
        let head = format!("{glyph} {id} {what}");
        let head = streams.style.paint(role, head);
        let since = ago(now, *asked_micros);
        streams.line(format_args!("{head} · {who} · {since} ago"))?;
        let width = streams.size().map(|(columns, _)| columns);
        if let Some(reason) = &self.request.doc.reason {
            streams.bytes(quoted_text("why: ", reason, width).as_bytes())?;
        }
        let (details, is_cut) = details_text(&self.weighed.details, width, extent);
        streams.bytes(details.as_bytes())?;
        let home = context.home_words();
        if is_cut {
            streams.line(format_args!("{INDENT}not all of it is shown: sm{home} inbox {id}"))?;
        }
        if let Some(risk) = self.weighed.risk.as_ref().filter(|_| self.request.waits()) {
            let (role, line) = risk_line(risk);
            for line in quoted_text("", &line, width).lines() {
                let line = line.strip_prefix(INDENT).unwrap_or(line);
                streams.line(format_args!("{INDENT}{}", streams.style.paint(role, line)))?;
            }
        }
        if let Some(line) = holds_up_line(&self.weighed).filter(|_| self.request.waits()) {
            streams.bytes(quoted_text("", &line, width).as_bytes())?;
        }
        if !self.request.waits() {
            return streams.line(format_args!("    {}", self.request.end()));
        }
        if let Some(why) = self.request.unheard() {
            let resume = match (self.request.live, session_id) {
                (Some(false), Some(id)) => format!("; sm{home} resume {id}"),
                _ => String::new(),
            };
            return streams.line(format_args!("    {why}{resume}"));
        }
        let secret = |question: &Value| question.get("isSecret").and_then(Value::as_bool);
        let questions = &self.weighed.details.questions;
        streams.line(match *kind {
            "user_input" | "elicitation" if !questions.is_empty() => {
                let mut words = String::new();
                for (at, question) in questions.iter().enumerate() {
                    // An id is an agent's word, and this line is one to be typed.
                    let key = question_id(question).filter(|id| is_plain(id));
                    let number = (at + 1).to_string();
                    let is_taken =
                        questions.iter().any(|one| question_id(one).as_ref() == Some(&number));
                    let number = if is_taken { "ID".to_owned() } else { number };
                    let key = key.unwrap_or(number);
                    let value = if secret(question) == Some(true) { "-" } else { "…" };
                    words.push_str(&format!(" {key}={value}"));
                }
                format!("    sm{home} answer {id}{words}")
            }
            "other" | "tool" => format!("    sm{home} answer {id} --raw JSON"),
            "user_input" => format!("    sm{home} answer {id} --accept   (it asks nothing)"),
            _ => format!("    sm{home} approve {id}   or   sm{home} deny {id} --say WHY"),
        })
    }
}

/// Whether a question's id can be typed as it stands, and means nothing to a shell.
fn is_plain(id: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.len() <= 40 && id.chars().all(is_word)
}
