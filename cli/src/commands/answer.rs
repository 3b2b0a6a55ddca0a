//! `sm approve`, `sm deny`, `sm answer`: what a request waits for.

use crate::context::Context;
use crate::daemon::{Client, of_server};
use crate::error::{Error, Exit};
use crate::output::{Streams, clean};
use crate::read::{Tables, nothing_yet, open_log};
use crate::show::{details, question_id};
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api::{self, Answered};
use sm_projections::View;
use sm_projections::rows::Request;
use sm_projections::tables::Requests;
use sm_projections::views;
use std::collections::BTreeMap;

/// Grants what requests ask for: a command, a file change, a permission.
#[derive(Debug, Args)]
pub struct Approve {
    /// The requests' ids, as `sm inbox` shows them.
    #[arg(required = true, value_name = "REQUEST")]
    requests: Vec<String>,

    /// Also what is like it, for as long as the session lives.
    #[arg(long)]
    for_session: bool,
}

/// Declines what requests ask for.
#[derive(Debug, Args)]
pub struct Deny {
    /// The requests' ids, as `sm inbox` shows them.
    #[arg(required = true, value_name = "REQUEST")]
    requests: Vec<String>,

    /// Words to go along: why, or what to do instead.
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,

    /// Ends the turn, too.
    #[arg(long)]
    cancel: bool,
}

/// Answers the questions of a request.
#[derive(Debug, Args)]
pub struct AnswerTo {
    /// The request's id, as `sm inbox` shows it.
    request: String,

    /// ID=TEXT for each question; TEXT alone where there is one question; `-` reads it from
    /// standard input, as suits a secret.
    #[arg(value_name = "[ID=]TEXT")]
    answers: Vec<String>,

    /// Accepts what an MCP server asks, without more.
    #[arg(long, conflicts_with = "answers")]
    accept: bool,

    /// The answer in Codex's own form, for requests of unknown kinds.
    #[arg(long, value_name = "JSON", conflicts_with_all = ["answers", "accept"])]
    raw: Option<String>,
}

impl Approve {
    /// Grants it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let decision = if self.for_session { "acceptForSession" } else { "accept" };
        let decision = Some(decision.to_owned());
        let answer = api::Answer { decision, by: context.caller.clone(), ..Default::default() };
        answer_all(context, streams, &self.requests, &answer)
    }
}

impl Deny {
    /// Declines it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let decision = if self.cancel { "cancel" } else { "decline" };
        let answer = api::Answer {
            decision: Some(decision.to_owned()),
            say: self.say.clone(),
            by: context.caller.clone(),
            ..Default::default()
        };
        answer_all(context, streams, &self.requests, &answer)
    }
}

impl AnswerTo {
    /// Answers it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let raw: Option<Value> = match &self.raw {
            Some(text) => Some(
                serde_json::from_str(text)
                    .map_err(|error| Error::usage(format!("--raw is no JSON: {error}")))?,
            ),
            None => None,
        };
        if self.answers.is_empty() && raw.is_none() && !self.accept {
            return Err(Error::usage("say what to answer: sm answer REQUEST [ID=]TEXT"));
        }
        let answer = api::Answer {
            decision: self.accept.then(|| "accept".to_owned()),
            answers: match self.answers.is_empty() {
                true => BTreeMap::new(),
                false => by_question(&self.answers, &self.questions(context, streams)?)?,
            },
            raw,
            by: context.caller.clone(),
            ..Default::default()
        };
        answer_all(context, streams, std::slice::from_ref(&self.request), &answer)
    }

    /// The ids of the request's questions.
    fn questions(&self, context: &Context, streams: &Streams) -> Result<Vec<String>, Error> {
        let tables = Tables::open_some(context, streams)?;
        let view = tables.view()?;
        let (seq, row) = find(context, &view, &self.request)?;
        let asked = details(&open_log(context)?, &views::request_doc(&view, seq, row)?);
        let ids = asked.questions.iter().filter_map(question_id);
        Ok(ids.collect())
    }
}

/// The request of that id.
fn find(context: &Context, view: &View<'_>, id: &str) -> Result<(u64, Request), Error> {
    let missing = || {
        let home = context.home_words();
        Error::new(Exit::NotFound, "not_found", format!("there is no request {id:?}"))
            .hint(format!("See what waits: sm{home} inbox"))
    };
    let seq = views::parse_request_id(id).ok_or_else(missing)?;
    Ok((seq, view.get::<Requests>(&seq)?.ok_or_else(missing)?))
}

/// Why nobody waits for an answer to that request, where no daemon runs.
fn not_waiting(context: &Context, view: &View<'_>, id: &str) -> Result<Error, Error> {
    let (seq, row) = match find(context, view, id) {
        Ok(found) => found,
        Err(error) => return Ok(error),
    };
    let doc = views::request_doc(view, seq, row)?;
    let home = context.home_words();
    if let Some(session) = &doc.session_id
        && let Err(error) = of_server(context, view, session)
    {
        return Ok(error);
    }
    if doc.status == "answered" {
        let decided = doc.decision.as_deref().unwrap_or("answered");
        let by = doc.decided_by.as_deref().unwrap_or("somebody else");
        let message = format!("request {} was decided: {decided}, by {by}", doc.id);
        return Ok(Error::new(Exit::Conflict, "already_answered", message)
            .details(json!({
                "decision": doc.decision,
                "decided_by": doc.decided_by,
                "decided_by_thread": doc.decided_by_thread,
            }))
            .hint(format!("See what waits: sm{home} inbox")));
    }
    let session = doc.session_id.as_deref().unwrap_or("SESSION");
    let message =
        format!("request {} no longer waits: no daemon runs, nor the Codex that asked it", doc.id);
    Ok(Error::new(Exit::Conflict, "conflict", message).hint(format!(
        "Load its session again: sm{home} resume {session}; it asks anew where it still needs to."
    )))
}

/// Sorts answers by the questions they are for.
fn by_question(
    answers: &[String],
    questions: &[String],
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for answer in answers {
        let named = answer.split_once('=').filter(|(id, _)| questions.iter().any(|q| q == id));
        let (id, text) = match (named, questions) {
            (Some((id, text)), _) => (id, text),
            (None, [only]) => (only.as_str(), answer.as_str()),
            (None, []) => ("", answer.as_str()),
            (None, several) => {
                // The text itself is not shown: it may be a secret.
                let ids = several.join(", ");
                let message = "there are several questions, and one answer names none of them";
                return Err(
                    Error::usage(message).hint(format!("Give ID=TEXT, with ID one of {ids}."))
                );
            }
        };
        let text = if text == "-" {
            super::send::text("-")?.trim_end().to_owned()
        } else {
            text.to_owned()
        };
        sorted.entry(id.to_owned()).or_default().push(text);
    }
    Ok(sorted)
}

fn answer_all(
    context: &Context,
    streams: &mut Streams,
    requests: &[String],
    answer: &api::Answer,
) -> Result<Exit, Error> {
    // None is started: what asked ended with the daemon before, at the latest.
    let client = Client::connect(context)?;
    let tables = match client {
        Some(_) => None,
        None => Some(Tables::open_some(context, streams)?),
    };
    let mut told: Vec<Value> = Vec::new();
    let mut failed: Option<Error> = None;
    for id in requests {
        let done = match (&client, &tables) {
            (Some(client), _) => client.answer(id, answer),
            (None, Some(tables)) => Err(not_waiting(context, &tables.view()?, id)?),
            (None, None) => Err(nothing_yet(context)),
        };
        match done {
            Ok(answered) => {
                if !context.json {
                    print(streams, id, &answered)?;
                }
                told.push(json!({
                    "request": answered.request, "repeated": answered.repeated, "error": null,
                }));
            }
            Err(error) => {
                if requests.len() > 1 && !context.json {
                    error.tell(streams, false);
                }
                told.push(json!({
                    "request": {"id": id}, "repeated": false,
                    "error": {"code": error.code, "message": error.message, "hint": error.hint},
                }));
                failed.get_or_insert(error);
            }
        }
    }
    if context.json {
        streams.document(&json!({"schema": "sm.answer/1", "answers": told}))?;
    }
    match failed {
        Some(error) if requests.len() == 1 || context.json => Err(error),
        Some(error) => Ok(error.exit),
        None => Ok(Exit::Ok),
    }
}

fn print(streams: &mut Streams, id: &str, answered: &Answered) -> Result<(), Error> {
    let text = |name: &str| answered.request.get(name).and_then(Value::as_str).unwrap_or_default();
    let again = if answered.repeated { ", as before" } else { "" };
    let decision = clean(text("decision")).into_owned();
    streams.line(format_args!("{id} {decision}{again}: {}", clean(text("summary"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(
        answers: &[&str],
        questions: &[&str],
    ) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        by_question(&own(answers), &own(questions))
    }

    #[test]
    fn an_answer_finds_its_question() {
        let one = sorted(&["a=b"], &["q"]).unwrap();
        assert_eq!(one["q"], ["a=b"]);
        let two = sorted(&["p=1", "q=2", "q=3"], &["p", "q"]).unwrap();
        assert_eq!((two["p"].len(), two["q"].len()), (1, 2));
        assert!(sorted(&["x"], &["p", "q"]).is_err());
    }
}
