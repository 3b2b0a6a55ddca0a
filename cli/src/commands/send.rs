//! `sm send`: a message for sessions.

use super::each::{Outcome, each};
use super::set::SettingsArgs;
use crate::codex;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{Tables, pin};
use crate::targets::Selector;
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::UNKNOWN_WORD;
use sm_daemon::api::{Input, InputTaken, Mode};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Sends a message to sessions: it begins a turn, or waits in the queue of a busy one.
#[derive(Debug, Args)]
pub struct Send {
    /// The sessions, then the text; `-` reads the text from standard input.
    #[arg(required = true, value_names = ["SESSION", "TEXT"])]
    words: Vec<String>,

    /// Into the running turn.
    #[arg(long, group = "mode")]
    steer: bool,

    /// Interrupts the running turn first.
    #[arg(long, group = "mode")]
    urgent: bool,

    /// The turn is to plan: Codex may then ask questions.
    #[arg(long)]
    plan: bool,

    /// Into the queue, also while a request waits for an answer.
    #[arg(long, group = "mode")]
    queue: bool,

    /// With --steer: only into this turn, as `sm show --json` names it.
    #[arg(long, value_name = "TURN", requires = "steer")]
    turn: Option<String>,

    /// Your own name for the message: sent again under it, it is the same message, taken once.
    #[arg(long)]
    key: Option<String>,

    /// A picture that goes along: a file, or an http, https or data address. May be given several times.
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<String>,

    /// The JSON schema that the turn's last message is to keep to.
    #[arg(long, value_name = "FILE")]
    output_schema: Option<PathBuf>,

    /// For this turn only: `sm set` changes them for good.
    #[command(flatten, next_help_heading = "For this turn only")]
    settings: SettingsArgs,

    #[command(flatten)]
    chosen: Selector,
}

/// A text of the command line; `-` stands for standard input.
pub fn text(word: &str) -> Result<String, Error> {
    let text = match word {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|source| {
                Error::new(Exit::Failed, "io", format!("failed to read standard input: {source}"))
            })?;
            text
        }
        word => word.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(Error::usage("the text is empty"));
    }
    Ok(text)
}

/// A picture as the daemon takes it, which does not know this folder.
fn absolute(image: &str) -> Result<String, Error> {
    if image.contains("://") || image.starts_with("data:") {
        return Ok(image.to_owned());
    }
    let path = std::path::absolute(image).map_err(|e| Error::io("find", Path::new(image), &e))?;
    match path.is_file() {
        true => Ok(path.to_string_lossy().into_owned()),
        false => Err(Error::new(
            Exit::NotFound,
            "file_not_found",
            format!("there is no picture {image}"),
        )
        .hint("Give --image a file, or an http, https or data address.")),
    }
}

/// A JSON schema in a file.
pub(super) fn schema(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, &e))?;
    serde_json::from_str(&text).map_err(|error| {
        Error::usage(format!("{} is no JSON: {error}", path.display()))
            .hint("An output schema is a JSON schema: an object with type and properties.")
    })
}

impl Send {
    /// Sends it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        // Flags may stand between the two, so clap cannot count them.
        let Some((last, named)) = self.words.split_last() else {
            return Err(Error::usage("name a session and a text: sm send SESSION TEXT"));
        };
        if named.is_empty() && self.chosen.is_empty() {
            return Err(Error::usage("name a session and a text: sm send SESSION TEXT"));
        }
        let sessions = &self.chosen.sessions(context, streams, named)?;
        let input = Input {
            text: text(last)?,
            mode: match (self.steer, self.urgent, self.queue) {
                (true, ..) => Mode::Steer,
                (_, true, _) => Mode::Urgent,
                (.., true) => Mode::Queue,
                _ => Mode::Start,
            },
            by: context.caller.clone(),
            plan: self.plan.then_some(true),
            key: self.key.clone(),
            images: self.images.iter().map(|image| absolute(image)).collect::<Result<_, _>>()?,
            settings: self.settings.settings(),
            output_schema: self.output_schema.as_deref().map(schema).transpose()?,
            expected_turn: self.turn.clone(),
            codex: Some(codex::told()),
        };
        if sessions.len() > 1 {
            // A word that fits nothing is told before anything is sent: it may be a word of the text.
            let tables = Tables::open_some(context, streams)?;
            pin(context, &tables.view()?, sessions).map_err(|error| {
                error.hint(
                    "Nothing was sent. A text of several words is quoted: sm send SESSION 'TEXT'.",
                )
            })?;
        }
        let client = Client::for_sessions(context, streams, sessions)?;
        let told = each(context, streams, sessions, |word| match client.input(word, &input) {
            Ok(taken) => outcome(context, &taken),
            Err(error) => {
                // It may have been taken: who sends it again without a key may send it twice.
                let is_lost = error.details["answer_lost"] == true;
                let status = if is_lost { "unknown" } else { "refused" };
                let row = json!({
                    "session_id": error.details.get("session_id"), "input": null, "id": null,
                    "repeated": false, "status": status, "turn_id": null,
                    "reason": error.message, "held": false, "cursor": null,
                });
                Outcome::failed(row, error)
            }
        })?;
        told.end(context, streams, "sm.send/1", "inputs")
    }
}

/// What became of a message that the daemon has recorded.
fn outcome(context: &Context, taken: &InputTaken) -> Outcome {
    let row = json!({
        "session_id": taken.session_id, "input": taken.input, "id": taken.id,
        "repeated": taken.repeated, "status": taken.status, "turn_id": taken.turn_id,
        "reason": taken.reason, "held": taken.held, "cursor": taken.cursor,
    });
    if matches!(taken.status.as_str(), "failed" | "unknown" | "refused" | "cancelled") {
        return Outcome::ended(row, not_taken(context, taken));
    }
    let reason = taken.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    let before = if taken.repeated { " (sent before)" } else { "" };
    let line = format!("{} {}{before}{reason}", taken.session_id, taken.status);
    let held = taken.held.then(|| {
        let (home, id) = (context.home_words(), &taken.session_id);
        format!("Its queue is held. Let it go on: sm{home} queue release {id}; past it: --urgent")
    });
    Outcome::done(row, line).note(held)
}

fn not_taken(context: &Context, taken: &InputTaken) -> Error {
    let reason = taken.reason.as_deref().unwrap_or("no reason was given");
    let (home, id, session) = (context.home_words(), &taken.id, &taken.session_id);
    if taken.status == "unknown" {
        let message = format!("whether {session} took it is not known: {reason}");
        return Error::new(Exit::Failed, "answer_lost", message)
            .hint(format!("Look for it in the thread: sm{home} queue find {id}"));
    }
    if taken.status == "cancelled" {
        let why = taken.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
        let message = format!("it was sent before, as {id}, and taken back{why}");
        return Error::new(Exit::Failed, "not_taken", message)
            .hint("A key names one message for good: send it under another one".to_owned());
    }
    let message = format!("{session} did not take it ({}): {reason}", taken.status);
    let hint = match reason.contains(UNKNOWN_WORD) {
        true => format!(
            "Name one of those: sm{home} set {session} --effort WORD for good, or with the message"
        ),
        false => format!("See how it is: sm{home} explain {session}"),
    };
    Error::new(Exit::Failed, "not_taken", message).hint(hint)
}
