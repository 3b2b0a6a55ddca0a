//! `sm diff` and `sm catchup`: what changed between two moments, and since the user last looked.
//!
//! What always holds: both are one comparison of two states of the tables; `catchup` remembers where the
//! user was in a file of its own, which is written only once the answer was printed.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, clean, cut, tokens};
use crate::past::Since;
use crate::read::{AsOf, Head, Tables};
use clap::Args;
use serde::{Deserialize, Serialize};
use sm_daemon::counted;
use sm_projections::views::{self, ChangeDoc};
use std::io::Write as _;
use std::path::PathBuf;

/// Shows what changed between two moments: sessions, states, turns, commands, files, tokens.
#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    since: Since,
}

/// Shows what has changed since you last looked: what waits for you, failed, was done, which files.
#[derive(Debug, Args)]
pub struct Catchup {
    /// Looks again the next time: does not remember that you looked.
    #[arg(long)]
    peek: bool,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    head: Head,
    /// The moment before: all records up to this one.
    from: u64,
    /// The moment after.
    to: u64,
    changes: Vec<ChangeDoc>,
}

/// Where the user was.
#[derive(Serialize, Deserialize)]
struct Seen {
    log_id: String,
    seq: u64,
}

impl Diff {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let Some(live) = Tables::open(context, streams)? else { return nothing(context, streams) };
        let (from, to) = self.since.open(context, streams, &live)?;
        let answer = compare("sm.diff/1", &from, &to)?;
        if context.json {
            streams.document(&answer)?;
            return Ok(Exit::Ok);
        }
        if answer.changes.is_empty() {
            let (from, to) = (answer.from, answer.to);
            streams.say(format_args!("Nothing changed in any session from record {from} to {to}."));
        }
        for change in &answer.changes {
            print(streams, change)?;
        }
        Ok(Exit::Ok)
    }
}

impl Catchup {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let Some(live) = Tables::open(context, streams)? else { return nothing(context, streams) };
        let seen = Seen::read(context).filter(|seen| seen.log_id == live.log_id);
        let since = Since::seq(seen.map_or(0, |seen| seen.seq).min(live.head));
        let (from, to) = since.open(context, streams, &live)?;
        let answer = compare("sm.catchup/1", &from, &to)?;
        let seen = Seen { log_id: live.log_id.clone(), seq: answer.to };
        match context.json {
            true => streams.document(&answer)?,
            false => answer.print_groups(context, streams)?,
        }
        streams.flush()?;
        if !self.peek {
            seen.write(context)?;
        }
        Ok(Exit::Ok)
    }
}

fn nothing(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    if context.json {
        return Err(crate::read::nothing_yet(context));
    }
    let home = context.home_words();
    streams.say(format_args!("Nothing recorded yet. Begin: sm{home} spawn 'PROMPT'"));
    Ok(Exit::Ok)
}

fn compare(schema: &'static str, from: &Tables, to: &Tables) -> Result<Answer, Error> {
    let (then, now) = (from.view()?, to.view()?);
    let (before, as_of): (u64, AsOf) = (then.checkpoint()?, to.as_of(&now)?);
    let changes = views::changes(&then, &now, before)?;
    Ok(Answer { from: before, to: as_of.seq, changes, head: Head::new(schema, as_of) })
}

impl Answer {
    fn print_groups(&self, context: &Context, streams: &mut Streams) -> Result<(), Error> {
        let home = context.home_words();
        if self.changes.is_empty() {
            streams.say("Nothing has changed since you last looked.");
            return Ok(());
        }
        let mut rest: Vec<&ChangeDoc> = self.changes.iter().collect();
        let mut group = |title: &str, role, is: fn(&ChangeDoc) -> bool| -> Result<usize, Error> {
            let of: Vec<&ChangeDoc> = rest.extract_if(.., |change| is(change)).collect();
            if !of.is_empty() {
                streams.line(streams.style.paint(role, title))?;
            }
            for change in &of {
                print(streams, change)?;
            }
            Ok(of.len())
        };
        let waits = group("Waiting for you", Role::NeedsHuman, |change| {
            change.state.to.is_some_and(|state| state.starts_with("waiting"))
        })?;
        group("Failed", Role::Bad, |change| {
            let last = change.turns.last().and_then(|turn| turn.outcome);
            matches!(last, Some("failed" | "lost"))
        })?;
        group("Done", Role::Good, |change| {
            let last = change.turns.last().and_then(|turn| turn.outcome);
            change.state.to == Some("idle") && last == Some("completed")
        })?;
        group("Going on", Role::Active, |change| {
            matches!(change.state.to, Some("working" | "thinking"))
        })?;
        group("Also", Role::Dim, |_| true)?;
        if waits > 0 {
            streams.say(format_args!("What is asked: sm{home} inbox"));
        }
        Ok(())
    }
}

fn print(streams: &mut Streams, change: &ChangeDoc) -> Result<(), Error> {
    let label = change.label.as_deref().unwrap_or("-");
    let label = cut(&clean(label), 40).into_owned();
    let name = streams.style.paint(Role::Strong, label);
    let state = match (change.began, change.state.from, change.state.to) {
        (true, _, Some(to)) => format!("new, {to}"),
        (_, Some(from), Some(to)) if from != to => format!("{from} → {to}"),
        (_, _, to) => to.unwrap_or("?").to_owned(),
    };
    let mut did = Vec::new();
    let mut count = |count: u64, noun: &str, ends: &str| {
        if count > 0 {
            did.push(counted(count, noun) + ends);
        }
    };
    count(change.turns.len() as u64, "turn", "");
    count(change.commands, "command", &ends(change));
    count(change.files.len() as u64, "file", "");
    count(change.requests, "request", "");
    if change.tokens > 0 {
        did.push(format!("{} tokens", tokens(change.tokens)));
    }
    streams.line(format_args!("  {} {name}  {state}  {}", change.id, did.join(", ")))?;
    for file in &change.files {
        let (plus, minus) = (file.plus, file.minus);
        streams.line(format_args!("      {} +{plus} -{minus}", clean(&file.names())))?;
    }
    let failed = change.turns.iter().filter_map(|turn| turn.error.as_deref());
    for error in failed {
        let error = streams.style.paint(Role::Bad, cut(&clean(error), 100));
        streams.line(format_args!("      {error}"))?;
    }
    if !change.waiting.is_empty() {
        streams.line(format_args!("      waits: {}", change.waiting.join(" ")))?;
    } else if let Some(last) = change.last_action.as_deref().filter(|last| !last.is_empty()) {
        streams.line(format_args!("      last: {}", cut(&clean(last), 100)))?;
    }
    Ok(())
}

/// How those commands ended that did not end well.
fn ends(change: &ChangeDoc) -> String {
    let ends = [
        (change.commands_failed, "failed"),
        (change.commands_declined, "declined"),
        (change.commands_interrupted, "interrupted"),
    ];
    let ends = ends.iter().filter(|(count, _)| *count > 0);
    let ends: Vec<String> = ends.map(|(count, how)| format!("{count} {how}")).collect();
    match ends.is_empty() {
        true => String::new(),
        false => format!(" ({})", ends.join(", ")),
    }
}

impl Seen {
    fn path(context: &Context) -> PathBuf {
        context.home.dir().join("seen.json")
    }

    /// What was remembered; a file that cannot be read counts as none.
    fn read(context: &Context) -> Option<Seen> {
        serde_json::from_slice(&std::fs::read(Seen::path(context)).ok()?).ok()
    }

    fn write(&self, context: &Context) -> Result<(), Error> {
        let path = Seen::path(context);
        let fail = |source: std::io::Error| Error::io("write", &path, &source);
        let mut file = tempfile::Builder::new()
            .prefix("seen-")
            .tempfile_in(context.home.dir())
            .map_err(fail)?;
        let text = serde_json::to_vec(self).map_err(|error| fail(error.into()))?;
        file.write_all(&text).map_err(fail)?;
        file.persist(&path).map_err(|error| fail(error.error))?;
        Ok(())
    }
}

impl Since {
    /// From after record `seq` until now.
    fn seq(seq: u64) -> Since {
        Since { from: crate::bound::Bound::Seq(seq), to: None }
    }
}
