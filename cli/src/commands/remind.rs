//! `sm remind`: words for a session, at a moment to come.

use super::each::results;
use super::send;
use super::wait::parse_time;
use crate::bound::Until;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Streams, Table, age, now_micros};
use crate::read::{AsOf, Head, Tables};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sm_daemon::{api, counted};
use sm_projections::views::{self, InputDoc, ReminderDoc};
use std::time::Duration;

/// Sends a session a message at a moment to come; lists what is to come; takes it back.
///
/// Reminders are kept in the log: one that is due while nothing runs is sent when the daemon is there again.
#[derive(Debug, Args)]
pub struct Remind {
    /// Id, name, unique prefix of either, thread id, @last or @parent; none lists what is to come.
    #[arg(requires = "text")]
    session: Option<String>,

    /// The message; `-` reads standard input.
    #[arg(requires = "when")]
    text: Option<String>,

    /// From now: 10m, 2h, or seconds.
    #[arg(long = "in", value_name = "TIME", value_parser = parse_time, group = "when")]
    ahead: Option<Duration>,

    /// A moment: 18:00 (the next time), 2026-11-21T18:00.
    #[arg(long, value_name = "WHEN", group = "when")]
    at: Option<Until>,

    /// Takes one back; may be given several times.
    #[arg(long, value_name = "REMINDER", conflicts_with_all = ["session", "when"])]
    cancel: Vec<String>,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    head: Head,
    /// The next one first.
    reminders: Vec<ReminderDoc>,
    /// The messages of those that were not taken at their moment, newest first.
    undelivered: Vec<InputDoc>,
}

impl Remind {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        match (&self.session, &self.text) {
            (Some(session), Some(text)) => self.set(context, streams, session, text),
            _ if !self.cancel.is_empty() => self.cancel(context, streams),
            _ => list(context, streams),
        }
    }

    fn set(
        &self,
        context: &Context,
        streams: &mut Streams,
        session: &str,
        text: &str,
    ) -> Result<Exit, Error> {
        let remind = api::Remind {
            text: send::text(text)?,
            at: self.at.map(|at| at.0),
            in_seconds: self.ahead.map(|ahead| ahead.as_secs_f64()),
            by: context.caller.clone(),
        };
        let client = Client::for_sessions(context, streams, &[session.to_owned()])?;
        let set = client.remind(session, &remind)?;
        if context.json {
            let mut document = set;
            document["schema"] = "sm.reminder/1".into();
            streams.document(&document)?;
        } else {
            let word = |name: &str| set.get(name).and_then(Value::as_str).unwrap_or_default();
            streams.line(format_args!("{} at {}", word("id"), word("due_at")))?;
        }
        Ok(Exit::Ok)
    }

    fn cancel(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let client = Client::or_start(context, streams)?;
        let wish = api::Cancel { by: context.caller.clone() };
        results(
            context,
            streams,
            &self.cancel,
            "sm.reminders-cancelled/1",
            |id| client.cancel_reminder(id, &wish),
            |was| {
                let word = |name: &str| was.get(name).and_then(Value::as_str).unwrap_or_default();
                format!("{} taken back: {}", word("id"), word("summary"))
            },
        )
    }
}

fn list(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let head = Head::new("sm.reminders/1", AsOf::nothing());
    let mut listed = Listed { head, reminders: Vec::new(), undelivered: Vec::new() };
    if let Some(tables) = Tables::open(context, streams)? {
        let view = tables.view()?;
        listed.reminders = views::reminders(&view)?;
        listed.undelivered = views::undelivered(&view, None, usize::MAX)?.newest;
        let is_reminder = |key: &String| key.starts_with(views::REMINDER_KEY);
        listed.undelivered.retain(|input| input.key.as_ref().is_some_and(is_reminder));
        listed.head.as_of = tables.as_of(&view)?;
    }
    if context.json {
        streams.document(&listed)?;
        return Ok(Exit::Ok);
    }
    let home = context.home_words();
    if !listed.undelivered.is_empty() {
        let reminders = counted(listed.undelivered.len(), "reminder");
        streams.say(format_args!("{reminders} did not get through: sm{home} queue"));
    }
    if listed.reminders.is_empty() {
        streams.say(format_args!(
            "No reminder is to come. Set one:  sm{home} remind SESSION TEXT --in 30m"
        ));
        return Ok(Exit::Ok);
    }
    let now = now_micros();
    let mut table = Table::new(&["REMINDER", "SESSION", "IN", "DUE", "FROM", "MESSAGE"]);
    for reminder in listed.reminders {
        table.row(vec![
            (None, reminder.id),
            (None, reminder.session_name.unwrap_or(reminder.session_id)),
            (None, age(reminder.due_micros - now)),
            (None, reminder.due_at.unwrap_or_default()),
            (None, reminder.by.unwrap_or_default()),
            (None, reminder.summary),
        ]);
    }
    table.print(streams)?;
    Ok(Exit::Ok)
}
