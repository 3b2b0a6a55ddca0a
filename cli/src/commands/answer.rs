//! `sm approve`, `sm deny`, `sm answer`: what a request waits for.

use super::each::{Outcome, each};
use super::rules::{grant_it, plain_words};
use crate::bound::Until;
use crate::context::Context;
use crate::daemon::{Client, of_server};
use crate::error::{Error, Exit};
use crate::output::{Streams, clean};
use crate::read::{Tables, nothing_yet, open_log};
use crate::show::question_id;
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api::{self, Answered};
use sm_daemon::asked::{details, subject_of};
use sm_daemon::same_before;
use sm_projections::View;
use sm_projections::rows::Request;
use sm_projections::tables::Requests;
use sm_projections::views::{self, RequestDoc};
use sm_rules::{Kind, Subject, What};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

/// Grants what requests ask for: a command, a file change, a permission.
#[derive(Debug, Args)]
pub struct Approve {
    /// The requests' ids, as `sm inbox` shows them. ID@SHOWN, with `shown` of its JSON: only as long
    /// as that is what it asks.
    #[arg(required = true, value_name = "REQUEST")]
    requests: Vec<String>,

    /// Also what is like it, for as long as the session lives.
    #[arg(long)]
    for_session: bool,

    /// Also the same command, word for word, in the same folder or below, or changes of the same files,
    /// by whatever session, without asking, until the time of --until. COMMAND: all that begins so.
    #[arg(
        long,
        value_name = "COMMAND",
        num_args = 0..=1,
        default_missing_value = "",
        require_equals = true,
        requires = "until",
        conflicts_with = "for_session",
    )]
    grant: Option<String>,

    /// Until when: 18:00, 2026-11-21T18:00, 2h (from now).
    #[arg(long, value_name = "TIME", requires = "grant")]
    until: Option<Until>,
}

/// Declines what requests ask for.
#[derive(Debug, Args)]
pub struct Deny {
    /// The requests' ids, as `sm inbox` shows them; ID@SHOWN as for approve.
    #[arg(required = true, value_name = "REQUEST")]
    requests: Vec<String>,

    /// Words to go along: why, or what to do instead. Once for each session, with its last request.
    #[arg(long, value_name = "TEXT")]
    say: Option<String>,

    /// Ends the turn, too.
    #[arg(long)]
    cancel: bool,
}

/// Answers the questions of a request.
#[derive(Debug, Args)]
pub struct AnswerTo {
    /// The request's id, as `sm inbox` shows it; ID@SHOWN as for approve.
    request: String,

    /// ID=TEXT for each question, or its number for ID, from 1; TEXT alone where there is one question.
    /// For TEXT also the number of an option, as `sm inbox` shows it; `-` reads it from standard input,
    /// as suits a secret, which a terminal does not show.
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
        let Some(prefix) = &self.grant else {
            return answer_all(context, streams, &self.requests, &answer);
        };
        // What cannot be granted is told before anything is answered.
        let grants = self.grants(context, streams, prefix)?;
        let told = answer_each(context, streams, &self.requests, &answer)?;
        for ((word, grants), is_accepted) in self.requests.iter().zip(grants).zip(told.accepted) {
            if is_accepted {
                grants.iter().try_for_each(|grant| grant_it(context, streams, grant))?;
            } else if !context.json {
                let id = clean(request_and_shown(word).0);
                streams
                    .say(format_args!("{id}: nothing is granted for longer, it is not accepted"));
            }
        }
        told.exit
    }

    /// The grants that cover what is asked, of each request.
    fn grants(
        &self,
        context: &Context,
        streams: &Streams,
        prefix: &str,
    ) -> Result<Vec<Vec<api::Grant>>, Error> {
        let tables = Tables::open_some(context, streams)?;
        let (view, log) = (tables.view()?, open_log(context)?);
        let (until, by) = (self.until.map(|until| until.0), context.caller.clone());
        let whole = |grant| api::Grant { until, by: by.clone(), ..grant };
        let mut grants: Vec<Vec<api::Grant>> = Vec::new();
        for request in &self.requests {
            let doc = find_doc(context, &view, request_and_shown(request).0)?;
            let subject = subject_of(&view, &log, &doc)?;
            let found = grants_of(&subject, prefix, &doc.id)?;
            grants.push(found.into_iter().map(whole).collect());
        }
        Ok(grants)
    }
}

/// The grants that cover what `subject` asks, or all commands that begin with `prefix` there.
fn grants_of(subject: &Subject, prefix: &str, id: &str) -> Result<Vec<api::Grant>, Error> {
    let refuse = |why: &str| {
        Error::usage(format!("request {id} cannot be granted for longer: {why}"))
            .hint("Grant in your own words: sm rules grant COMMAND --under DIR --until TIME")
    };
    match &subject.what {
        What::Command { line: Some(line), cwd, .. } => {
            let found = line.simple_commands(cwd.as_deref());
            let found = found.map_err(|why| refuse(&format!("what it runs is unclear, {why}")))?;
            let mut granted = found.iter().filter(|simple| !simple.is_cd);
            let (Some(one), None) = (granted.next(), granted.next()) else {
                return Err(refuse("it runs several commands"));
            };
            let [folder] = &one.folders[..] else { return Err(refuse("its folder is unclear")) };
            if one.words.iter().any(|word| !word.is_literal) {
                return Err(refuse("the shell replaces words of it"));
            }
            let words: Vec<String> = one.words.iter().map(|word| word.text.clone()).collect();
            let exact = prefix.is_empty();
            if exact && !(one.reads.is_empty() && one.writes.is_empty()) {
                return Err(refuse("the shell opens files for it"));
            }
            let command = if exact { words.clone() } else { plain_words(prefix)? };
            if !words.starts_with(&command) {
                return Err(refuse(&format!("it does not begin with {prefix:?}")));
            }
            let path = Some(folder.to_string_lossy().into_owned());
            Ok(vec![api::Grant { command, exact, path, ..api::Grant::default() }])
        }
        What::Files { files, root: None } if !files.is_empty() => {
            let paths: BTreeSet<_> = files.iter().map(|file| &file.path).collect();
            let grant = |path: &std::path::PathBuf| api::Grant {
                path: Some(path.to_string_lossy().into_owned()),
                ..api::Grant::default()
            };
            Ok(paths.into_iter().map(grant).collect())
        }
        _ => {
            let kinds: Vec<&str> = Kind::ALL[..2].iter().map(|kind| kind.as_str()).collect();
            Err(refuse(&format!("only requests of kind {} are", kinds.join(" and "))))
        }
    }
}

/// The id and, behind an `@`, what was shown.
fn request_and_shown(word: &str) -> (&str, Option<&str>) {
    match word.split_once('@') {
        Some((id, shown)) => (id, Some(shown)),
        None => (word, None),
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

    /// The request's questions: the id of each, and whether its answer is a secret.
    fn questions(&self, context: &Context, streams: &Streams) -> Result<Vec<Asked>, Error> {
        let tables = Tables::open_some(context, streams)?;
        let doc = find_doc(context, &tables.view()?, request_and_shown(&self.request).0)?;
        let asked = details(&open_log(context)?, &doc)?;
        let question = |question: &Value| {
            let is_secret = question.get("isSecret").and_then(Value::as_bool) == Some(true);
            let options = question.get("options").and_then(Value::as_array).into_iter().flatten();
            let options =
                options.filter_map(|option| Some(option.get("label")?.as_str()?.to_owned()));
            Some(Asked { id: question_id(question)?, is_secret, options: options.collect() })
        };
        Ok(asked.questions.iter().filter_map(question).collect())
    }
}

/// A question.
#[derive(Debug)]
struct Asked {
    id: String,
    is_secret: bool,
    /// The words that it offers.
    options: Vec<String>,
}

impl Asked {
    /// What an answer means: an option may be given by its number, unless it is one itself. Where there are
    /// options, a number is none but that of one.
    fn meant(&self, text: &str) -> Result<String, Error> {
        let is_own = self.options.iter().any(|option| option == text);
        let number = text.parse::<usize>().ok().filter(|_| !is_own && !self.options.is_empty());
        let Some(number) = number else { return Ok(text.to_owned()) };
        let option = number.checked_sub(1).and_then(|at| self.options.get(at));
        option.cloned().ok_or_else(|| {
            let (id, count) = (&self.id, self.options.len());
            Error::new(
                Exit::Usage,
                "bad_request",
                format!("{id} has no option {number}: 1 to {count}"),
            )
            .hint("A number that is no option is sent with --raw, or by a word more.")
        })
    }
}

/// The question that a word names: by its id, or by its number from 1.
fn named<'q>(questions: &'q [Asked], word: &str) -> Option<&'q Asked> {
    let number = || questions.get(word.parse::<usize>().ok()?.checked_sub(1)?);
    questions.iter().find(|question| question.id == word).or_else(number)
}

/// The request of that id, as a document.
pub fn find_doc(context: &Context, view: &View<'_>, id: &str) -> Result<RequestDoc, Error> {
    let (seq, row) = find(context, view, id)?;
    Ok(views::request_doc(view, seq, row)?)
}

fn no_request(context: &Context, word: &str) -> Error {
    let (home, short) = (context.home_words(), word.chars().take(40).collect::<String>());
    Error::new(Exit::NotFound, "not_found", format!("there is no request {short:?}"))
        .hint(format!("See what waits: sm{home} inbox"))
}

/// The request of that id.
fn find(context: &Context, view: &View<'_>, id: &str) -> Result<(u64, Request), Error> {
    let missing = || no_request(context, id);
    let seq = views::parse_request_id(id).ok_or_else(missing)?;
    Ok((seq, view.get::<Requests>(&seq)?.ok_or_else(missing)?))
}

/// Why nobody waits for an answer to that request, where no daemon runs; the same as before stands.
fn not_waiting(
    context: &Context,
    tables: &Tables,
    id: &str,
    answer: &api::Answer,
) -> Result<Answered, Error> {
    let view = &tables.view()?;
    let (seq, row) = find(context, view, id)?;
    let doc = views::request_doc(view, seq, row)?;
    let home = context.home_words();
    if let Some(session) = &doc.session_id {
        of_server(context, view, session)?;
    }
    if doc.status == "answered" {
        if let Some(before) = same_before(view, &open_log(context)?, seq, answer)? {
            return Ok(before);
        }
        let decided = doc.decision.as_deref().unwrap_or("answered");
        let by = doc.decided_by.as_deref().unwrap_or("somebody else");
        let message = format!("request {} was decided: {decided}, by {by}", doc.id);
        return Err(Error::new(Exit::Conflict, "already_answered", message)
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
    Err(Error::new(Exit::Conflict, "conflict", message).hint(format!(
        "Load its session again: sm{home} resume {session}; it asks anew where it still needs to."
    )))
}

/// Sorts answers by the questions they are for.
fn by_question(
    answers: &[String],
    questions: &[Asked],
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for answer in answers {
        let named = answer
            .split_once('=')
            .and_then(|(word, text)| named(questions, word).map(|question| (question, text)));
        let (question, text) = match (named, questions) {
            (Some((question, text)), _) => (Some(question), text),
            (None, [only]) => (Some(only), answer.as_str()),
            (None, []) => (None, answer.as_str()),
            (None, several) => {
                // The text itself is not shown: it may be a secret.
                let ids: Vec<_> = several.iter().map(|question| clean(&question.id)).collect();
                let ids = ids.join(", ");
                let message = "there are several questions, and one answer names none of them";
                return Err(Error::usage(message)
                    .hint(format!("Give ID=TEXT, with ID one of {ids}, or its number.")));
            }
        };
        let text = match (text, question) {
            ("-", Some(question)) if question.is_secret => secret(&question.id)?,
            ("-", _) => super::send::text("-")?.trim_end().to_owned(),
            (text, Some(question)) => question.meant(text)?,
            (text, None) => text.to_owned(),
        };
        let id = question.map_or("", |question| question.id.as_str());
        sorted.entry(id.to_owned()).or_default().push(text);
    }
    Ok(sorted)
}

/// A secret from standard input: a terminal does not show it.
fn secret(id: &str) -> Result<String, Error> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Ok(super::send::text("-")?.trim_end_matches(['\n', '\r']).to_owned());
    }
    let failed = |error: std::io::Error| {
        Error::new(Exit::Failed, "io", format!("the terminal shows what is typed: {error}"))
            .hint(format!("Hand it in: printf %s SECRET | sm answer REQUEST {id}=-"))
    };
    let shown = tcgetattr(&stdin).map_err(|error| failed(error.into()))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|error| failed(error.into()))?;
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    // Whatever became of the reading, the terminal is as it was.
    let put_back = tcsetattr(&stdin, OptionalActions::Flush, &shown);
    read.map_err(failed)?;
    put_back.map_err(|error| failed(error.into()))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// What became of several answers.
struct Told {
    /// Of each whether it stands, now or from before.
    accepted: Vec<bool>,
    /// How it ends.
    exit: Result<Exit, Error>,
}

fn answer_all(
    context: &Context,
    streams: &mut Streams,
    requests: &[String],
    answer: &api::Answer,
) -> Result<Exit, Error> {
    answer_each(context, streams, requests, answer)?.exit
}

fn answer_each(
    context: &Context,
    streams: &mut Streams,
    requests: &[String],
    answer: &api::Answer,
) -> Result<Told, Error> {
    // None is started: what asked ended with the daemon before, at the latest.
    let client = Client::connect(context)?;
    let tables = match client {
        Some(_) => None,
        None => Some(Tables::open_some(context, streams)?),
    };
    let said_with = match (&client, &answer.say) {
        (Some(client), Some(_)) => last_of_each_session(client, requests),
        _ => BTreeSet::new(),
    };
    let mut accepted: Vec<bool> = Vec::new();
    let told = each(context, streams, requests, |word| {
        let (id, shown) = request_and_shown(word);
        let say = answer.say.clone().filter(|_| said_with.contains(&accepted.len()));
        let answer = api::Answer { expected: shown.map(str::to_owned), say, ..answer.clone() };
        let done = match (&client, &tables) {
            _ if views::parse_request_id(id).is_none() => Err(no_request(context, word)),
            (Some(client), _) => client.answer(id, &answer),
            (None, Some(tables)) => not_waiting(context, tables, id, &answer),
            (None, None) => Err(nothing_yet(context)),
        };
        accepted.push(done.is_ok());
        done.map_or_else(|error| not_answered(id, error), |answered| outcome(id, &answered))
    })?;
    let exit = told.end(context, streams, "sm.answer/1", "answers");
    Ok(Told { accepted, exit })
}

fn not_answered(id: &str, error: Error) -> Outcome {
    let row = json!({
        "request": {"id": id}, "repeated": false, "secret_not_compared": false, "note": null,
    });
    Outcome::failed(row, error)
}

/// Which of the requests the words go with. One that cannot be looked at is told of when it is answered.
fn last_of_each_session(client: &Client, requests: &[String]) -> BTreeSet<usize> {
    if requests.len() == 1 {
        return BTreeSet::from([0]);
    }
    let mut found: Vec<Option<(String, bool)>> = Vec::new();
    for (at, word) in requests.iter().enumerate() {
        let (id, _) = request_and_shown(word);
        // The same request twice is one, and the first answer wins.
        let is_again = requests[..at].iter().any(|before| request_and_shown(before).0 == id);
        let request = client.request(id).ok().filter(|_| !is_again);
        found.push(request.map(|request| {
            let session = request["session_id"].as_str().unwrap_or_default().to_owned();
            (session, request["status"] == "pending")
        }));
    }
    carriers(&found)
}

/// Of requests, each with its session and whether it waits, the last that waits of each session: after
/// that its turn goes on. Where none waits, the last.
fn carriers(requests: &[Option<(String, bool)>]) -> BTreeSet<usize> {
    let mut best: BTreeMap<&str, (bool, usize)> = BTreeMap::new();
    for (at, request) in requests.iter().enumerate() {
        let Some((session, waits)) = request else { continue };
        let best = best.entry(session).or_default();
        *best = (*best).max((*waits, at));
    }
    best.into_values().map(|(_, at)| at).collect()
}

fn outcome(id: &str, answered: &Answered) -> Outcome {
    let text = |name: &str| answered.request.get(name).and_then(Value::as_str).unwrap_or_default();
    let again = match (answered.repeated, answered.secret_not_compared) {
        (true, true) => ", before: a secret cannot be compared",
        (true, false) => ", as before",
        (false, _) => "",
    };
    let decision = clean(text("decision")).into_owned();
    // The old forms have their parts elsewhere than the row's line is made of.
    let details = &answered.request["details"];
    let parts = [
        &answered.request["summary"],
        &details["command"],
        &details["changes"][0]["path"],
        &details["message"],
    ];
    let mut parts = parts.into_iter().filter_map(Value::as_str).filter(|part| !part.is_empty());
    // One that says nothing of itself is told by its kind.
    let summary = match parts.next() {
        Some(part) => clean(part).into_owned(),
        None => text("kind").replace('_', " "),
    };
    let line = format!("{} {decision}{again}: {summary}", clean(id));
    let note = answered.note.as_deref().map(|note| format!("{}: {}", clean(id), clean(note)));
    let row = json!({
        "request": answered.request, "repeated": answered.repeated,
        "secret_not_compared": answered.secret_not_compared, "note": answered.note,
    });
    Outcome::done(row, line).note(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(
        answers: &[&str],
        questions: &[&str],
    ) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let answers: Vec<String> = answers.iter().map(|word| (*word).to_owned()).collect();
        let question = |id: &&str| Asked {
            id: (*id).to_owned(),
            is_secret: false,
            options: vec!["red".to_owned(), "3".to_owned(), "blue".to_owned()],
        };
        by_question(&answers, &questions.iter().map(question).collect::<Vec<_>>())
    }

    #[test]
    fn an_answer_finds_its_question() {
        let one = sorted(&["a=b"], &["q"]).unwrap();
        assert_eq!(one["q"], ["a=b"]);
        let two = sorted(&["p=1", "q=2", "q=3"], &["p", "q"]).unwrap();
        assert_eq!((two["p"].len(), two["q"].len()), (1, 2));
        assert!(sorted(&["x"], &["p", "q"]).is_err());
        let numbers = sorted(&["1=x", "q=y"], &["p", "q"]).unwrap();
        assert_eq!((&numbers["p"][0], &numbers["q"][0]), (&"x".to_owned(), &"y".to_owned()));
        assert!(sorted(&["3=x"], &["p", "q"]).is_err() && sorted(&["0=x"], &["p", "q"]).is_err());
        assert_eq!(sorted(&["1=x"], &["2", "1"]).unwrap()["1"], ["x"]);
    }

    #[test]
    fn words_go_once_to_each_session() {
        let of = |session: &str, waits| Some((session.to_owned(), waits));
        let requests =
            [of("a", true), of("b", false), of("a", true), None, of("a", false), of("b", false)];
        assert_eq!(carriers(&requests), BTreeSet::from([2, 5]));
        assert_eq!(carriers(&[of("a", true)]), BTreeSet::from([0]));
    }

    #[test]
    fn an_option_is_meant_by_its_number_unless_one_is_called_so() {
        let meant = |text| sorted(&[text], &["q"]).unwrap()["q"][0].clone();
        for (text, option) in
            [("1", "red"), ("2", "3"), ("3", "3"), ("red", "red"), ("blue", "blue")]
        {
            assert_eq!(meant(text), option, "{text}");
        }
        for text in ["0", "4"] {
            let refused = sorted(&[text], &["q"]).unwrap_err().message;
            assert!(refused.contains("q has no option"), "{refused}");
        }
    }
}
