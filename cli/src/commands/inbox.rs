//! `sm inbox`: all that waits for a human.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, ago, clean, now_micros};
use crate::read::{AsOf, Follow, Tables, open_log};
use crate::show::{Details, details};
use clap::Args;
use serde::Serialize;
use sm_log::Reader;
use sm_projections::View;
use sm_projections::views::{self, RequestDoc};
use std::collections::HashSet;

/// Shows what waits for an answer: the command, the diff or the questions, and who asks.
#[derive(Debug, Args)]
pub struct Inbox {
    /// Goes on with what is asked next.
    #[arg(short, long)]
    follow: bool,
}

#[derive(Serialize)]
struct Asked {
    #[serde(flatten)]
    request: RequestDoc,
    details: Details,
    waiting_ms: Option<i64>,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    requests: Vec<Asked>,
    warnings: Vec<String>,
    host_errors: Vec<String>,
    as_of: AsOf,
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
        if self.follow {
            return follow(context, streams);
        }
        let mut answer = Answer {
            schema: "sm.inbox/1",
            requests: Vec::new(),
            warnings: Vec::new(),
            host_errors: Vec::new(),
            as_of: AsOf::nothing(),
        };
        if let Some(tables) = Tables::open(context, streams)? {
            let view = tables.view()?;
            answer.requests = asked(&view, &open_log(context)?)?;
            answer.as_of = tables.as_of(&view)?;
        }
        if context.json {
            streams.document(&answer)?;
            return Ok(Exit::Ok);
        }
        if answer.requests.is_empty() {
            streams.say("Nothing waits for you.");
        }
        for asked in &answer.requests {
            asked.print(context, streams)?;
        }
        Ok(Exit::Ok)
    }
}

fn asked(view: &View<'_>, log: &Reader) -> Result<Vec<Asked>, Error> {
    let now = now_micros();
    let requests = views::pending_requests(view)?.into_iter().filter(|r| r.asks_human);
    Ok(requests
        .map(|request| Asked {
            details: details(log, &request),
            waiting_ms: (request.asked_micros > 0).then(|| (now - request.asked_micros) / 1000),
            request,
        })
        .collect())
}

fn follow(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let mut follow = Follow::new(context);
    let mut told = HashSet::new();
    loop {
        let tables = follow.next(streams)?;
        let view = tables.view()?;
        let waiting = asked(&view, &open_log(context)?)?;
        drop(view);
        for asked in &waiting {
            if !told.insert(asked.request.seq) {
                continue;
            }
            match context.json {
                true => streams.json_line(&Followed { schema: "sm.request/1", asked })?,
                false => asked.print(context, streams)?,
            }
        }
        streams.flush()?;
        follow.wait(streams)?;
    }
}

impl Asked {
    fn print(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        let RequestDoc { id, kind, session_id, session_name, asked_micros, .. } = &self.request;
        let who = session_name.as_deref().or(session_id.as_deref()).unwrap_or("a server");
        let head = format!("▲ {id} {}", kind.replace('_', " "));
        let head = streams.style.paint(Role::NeedsHuman, head);
        let since = ago(now_micros(), *asked_micros);
        streams.line(format_args!("{head} · {} · {since} ago", clean(who)))?;
        if let Some(reason) = &self.request.reason {
            streams.line(format_args!("    why: {}", clean(reason)))?;
        }
        streams.bytes(self.details.text().as_bytes())?;
        let home = context.home_words();
        streams.line(match (*kind, self.details.questions.first()) {
            ("user_input" | "elicitation", Some(question)) => {
                let key = question.get("id").and_then(serde_json::Value::as_str).unwrap_or("ID");
                format!("    sm{home} answer {id} {}=…", clean(key))
            }
            ("user_input" | "elicitation", None) => format!("    sm{home} answer {id} --accept"),
            _ => format!("    sm{home} approve {id}   or   sm{home} deny {id} --say WHY"),
        })
    }
}
