//! `sm queue`: the messages that wait, and those whose way was lost.

use super::each::results;
use super::send;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, Table, ago, clean_block, now_micros};
use crate::read::{AsOf, Head, Tables, nothing_yet, open_log, select};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use sm_daemon::api::{Hold, InputAct, InputChange};
use sm_projections::tables::Inputs;
use sm_projections::views::{self, InputDoc};

/// Shows the messages that wait for their sessions, and those whose way was lost; changes them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Queue {
    /// Of this session only: id, name, unique prefix of either, thread id, @last or @parent.
    session: Option<String>,

    /// At most so many of those that were not taken.
    #[arg(short = 'n', long, default_value_t = 100, value_name = "N")]
    limit: usize,

    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Shows one message whole, and what became of it.
    Show {
        /// As `sm queue` and `sm send --json` give it: i12.
        input: String,
    },
    /// Gives a message that waits another text.
    Edit {
        /// Which.
        input: String,
        /// Its new text; `-` reads standard input.
        text: String,
    },
    /// Takes messages back that wait, and those that failed off the list.
    Cancel {
        /// Which.
        #[arg(required = true)]
        inputs: Vec<String>,
    },
    /// Looks in Codex's own account of the thread for messages whose answer was lost.
    Find {
        /// Which.
        #[arg(required = true)]
        inputs: Vec<String>,
    },
    /// Delivers messages again that failed, or that are not found there.
    Retry {
        /// Which.
        #[arg(required = true)]
        inputs: Vec<String>,
    },
    /// Keeps what waits for sessions from being delivered.
    Hold {
        /// Which.
        #[arg(required = true, value_name = "SESSION")]
        sessions: Vec<String>,
    },
    /// Lets what was held go on.
    Release {
        /// Which.
        #[arg(required = true, value_name = "SESSION")]
        sessions: Vec<String>,
    },
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    head: Head,
    /// Those that wait, each session's in the order of their delivery.
    inputs: Vec<InputDoc>,
    /// Those that failed, or may or may not have been taken, newest first.
    undelivered: Vec<InputDoc>,
}

#[derive(Serialize)]
struct Shown {
    schema: &'static str,
    #[serde(flatten)]
    input: InputDoc,
    /// The whole text; its first line where the records are gone.
    text: String,
    /// Whether they are.
    text_trimmed: bool,
    images: Vec<String>,
    settings: sm_daemon::api::Settings,
}

impl Queue {
    /// Shows or changes.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        match &self.act {
            None => self.list(context, streams),
            Some(Act::Show { input }) => show(context, streams, input),
            Some(Act::Edit { input, text }) => {
                let text = send::text(text)?;
                change(context, streams, std::slice::from_ref(input), InputAct::Edit, Some(text))
            }
            Some(Act::Cancel { inputs }) => {
                change(context, streams, inputs, InputAct::Cancel, None)
            }
            Some(Act::Find { inputs }) => change(context, streams, inputs, InputAct::Find, None),
            Some(Act::Retry { inputs }) => change(context, streams, inputs, InputAct::Retry, None),
            Some(Act::Hold { sessions }) => hold(context, streams, sessions, true),
            Some(Act::Release { sessions }) => hold(context, streams, sessions, false),
        }
    }

    fn list(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let head = Head::new("sm.queue/1", AsOf::nothing());
        let mut listed = Listed { head, inputs: Vec::new(), undelivered: Vec::new() };
        let tables = Tables::open(context, streams)?;
        if let Some(tables) = &tables {
            let view = tables.view()?;
            let of = match &self.session {
                Some(word) => Some(select(context, &view, word)?.sid),
                None => None,
            };
            listed.inputs = views::queue(&view, of)?;
            let undelivered = views::undelivered(&view, of, self.limit)?;
            listed.undelivered = undelivered.newest;
            let (shown, count) = (listed.undelivered.len(), undelivered.count);
            if shown < count {
                listed.head.warnings.push(format!(
                    "the newest {shown} of {count} that were not taken; more: sm queue -n {count}"
                ));
            }
            listed.head.as_of = tables.as_of(&view)?;
        } else if self.session.is_some() {
            return Err(nothing_yet(context));
        }
        match context.json {
            true => streams.document(&listed)?,
            false => listed.print(context, streams)?,
        }
        Ok(Exit::Ok)
    }
}

impl Listed {
    fn print(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        let home = context.home_words();
        if self.inputs.is_empty() && self.undelivered.is_empty() {
            streams.say(format_args!(
                "Nothing waits. A message for a busy session does:  sm{home} send SESSION TEXT"
            ));
            return Ok(());
        }
        let now = now_micros();
        let rows = |streams: &mut Streams, inputs: &[InputDoc]| {
            let mut table = Table::new(&["INPUT", "SESSION", "FOR", "STATUS", "FROM", "MESSAGE"]);
            for input in inputs {
                let (role, status) = match (input.held, input.status) {
                    (true, _) => (Some(Role::NeedsHuman), "held"),
                    (_, status @ ("failed" | "unknown")) => (Some(Role::Bad), status),
                    (_, status) => (None, status),
                };
                let session = input.session_name.as_ref().unwrap_or(&input.session_id);
                table.row(vec![
                    (None, input.id.clone()),
                    (None, session.clone()),
                    (None, ago(now, input.accepted_micros)),
                    (role, status.to_owned()),
                    (None, input.by.clone().unwrap_or_default()),
                    (None, input.summary.clone()),
                ]);
            }
            table.print(streams)
        };
        if !self.inputs.is_empty() {
            rows(streams, &self.inputs)?;
        }
        if !self.undelivered.is_empty() {
            if !self.inputs.is_empty() {
                streams.line("")?;
            }
            streams.line("not taken, or not known to be:")?;
            rows(streams, &self.undelivered)?;
        }
        for warning in &self.head.warnings {
            streams.say(warning);
        }
        if self.inputs.iter().any(|input| input.held) {
            streams.say(format_args!(
                "Held, by an interrupt or by hand: sm{home} queue release SESSION."
            ));
        }
        if self.undelivered.iter().any(|input| input.status == "unknown") {
            streams.say(format_args!(
                "Unknown: whether Codex took it. sm{home} queue show INPUT says why; sm{home} queue find \
                 INPUT looks in the thread; sm{home} queue retry INPUT sends it again if it is not there."
            ));
        }
        Ok(())
    }
}

fn show(context: &Context, streams: &mut Streams, word: &str) -> Result<Exit, Error> {
    let tables = Tables::open_some(context, streams)?;
    let view = tables.view()?;
    let number = views::parse_input_id(word);
    let row = match number {
        Some(number) => view.get::<Inputs>(&number)?.map(|row| (number, row)),
        None => None,
    };
    let Some((number, row)) = row else {
        let home = context.home_words();
        let message = format!("no input {word}");
        return Err(Error::new(Exit::NotFound, "not_found", message)
            .hint(format!("sm{home} queue lists what waits; sm{home} send --json gives the id.")));
    };
    let whole = sm_daemon::whole_input(&open_log(context)?, number, &row)?;
    let text_trimmed = whole.is_none();
    let accepted = whole.unwrap_or_else(|| sm_daemon::input_told_by(&row));
    let input = views::input_doc(&view, number, row)?;
    let shown = Shown {
        schema: "sm.input/1",
        input,
        text: accepted.text,
        text_trimmed,
        images: accepted.images,
        settings: accepted.settings,
    };
    if context.json {
        streams.document(&shown)?;
        return Ok(Exit::Ok);
    }
    let Shown { input, text, text_trimmed, .. } = &shown;
    let session = input.session_name.as_ref().unwrap_or(&input.session_id);
    let reason = input.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    let by = input.by.as_deref().unwrap_or("unknown");
    let turn = input.turn_id.as_deref().map_or(String::new(), |turn| format!(", turn {turn}"));
    streams.line(format_args!("{} for {session}, from {by}", input.id))?;
    streams.line(format_args!("{}{turn}{reason}", input.status))?;
    streams.line("")?;
    streams.line(clean_block(text))?;
    if *text_trimmed {
        streams.say("The rest of it can no longer be read: its record is dropped or damaged.");
    }
    Ok(Exit::Ok)
}

fn change(
    context: &Context,
    streams: &mut Streams,
    inputs: &[String],
    act: InputAct,
    text: Option<String>,
) -> Result<Exit, Error> {
    let change = InputChange { act, text, by: context.caller.clone() };
    let client = Client::or_start(context, streams)?;
    results(
        context,
        streams,
        inputs,
        "sm.inputs/1",
        |word| client.change_input(word, &change),
        |told| {
            let text =
                |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let is_held = told.get("held").and_then(Value::as_bool) == Some(true);
            let status = if is_held { "held".to_owned() } else { text("status") };
            let reason = match act {
                InputAct::Find => told.get("reason").and_then(Value::as_str),
                InputAct::Cancel | InputAct::Edit | InputAct::Retry => None,
            };
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            format!("{} {status}{reason}: {}", text("id"), text("summary"))
        },
    )
}

fn hold(
    context: &Context,
    streams: &mut Streams,
    sessions: &[String],
    hold: bool,
) -> Result<Exit, Error> {
    let hold = Hold { hold, by: context.caller.clone() };
    let client = Client::for_sessions(context, streams, sessions)?;
    results(
        context,
        streams,
        sessions,
        "sm.session/1",
        |word| client.hold(word, &hold),
        |told| {
            let queued = told.get("queued").and_then(Value::as_u64).unwrap_or_default();
            let id = told.get("id").and_then(Value::as_str).unwrap_or_default();
            let word = if hold.hold { "held" } else { "released" };
            format!("{id}: {queued} {word}")
        },
    )
}
