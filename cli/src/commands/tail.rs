//! `sm tail`: what sessions did last, one line an action.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams};
use crate::past::{At, Question};
use crate::read::{Follow, Head, Tables, open_log, pin, select};
use crate::show::{ActionLine, SessionShown, action_line, label, show};
use clap::Args;
use serde::Serialize;
use sm_projections::View;
use sm_projections::rows::{Action, ActionKind, Sid};
use sm_projections::views::{self, ActionDoc};
use std::collections::HashMap;

/// Shows the last actions of sessions: commands and file changes apart, messages, tool calls.
#[derive(Debug, Args)]
pub struct Tail {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    #[arg(required = true, value_name = "SESSION")]
    sessions: Vec<String>,

    /// How many of each.
    #[arg(short = 'n', default_value_t = 10, value_name = "N")]
    count: usize,

    /// Goes on with what they do next.
    #[arg(short, long)]
    follow: bool,

    /// What was thought and what the user said, too.
    #[arg(short, long)]
    all: bool,

    /// The last records themselves, byte for byte.
    #[arg(long, conflicts_with_all = ["all", "follow", "at"])]
    raw: bool,

    #[command(flatten)]
    at: At,
}

/// The last actions of one session.
#[derive(Serialize)]
struct Part {
    session: SessionShown,
    actions: Vec<ActionDoc>,
    /// When they are looked at, in Unix microseconds.
    #[serde(skip)]
    now: i64,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    head: Head,
    sessions: Vec<Part>,
}

#[derive(Serialize)]
struct Followed<'a> {
    schema: &'static str,
    session_id: &'a str,
    #[serde(flatten)]
    action: &'a ActionDoc,
}

impl Tail {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        self.at.none_when_following(self.follow)?;
        if self.raw {
            return self.raw(context, streams);
        }
        if self.follow {
            return self.follow(context, streams);
        }
        let asked = Question::Sessions(&self.sessions);
        let tables = self.at.open_some(context, streams, &asked)?;
        let view = tables.view()?;
        let parts = self.parts(context, &tables, &view, &self.sessions)?;
        if context.json {
            streams.document(&Answer {
                head: Head::new("sm.tail/1", tables.as_of(&view)?),
                sessions: parts.into_iter().map(|(_, part)| part).collect(),
            })?;
            return Ok(Exit::Ok);
        }
        for (at, (_, part)) in parts.iter().enumerate() {
            if at > 0 {
                streams.line("")?;
            }
            part.print(streams, self.count)?;
        }
        Ok(Exit::Ok)
    }

    fn parts(
        &self,
        context: &Context,
        tables: &Tables,
        view: &View<'_>,
        sessions: &[String],
    ) -> Result<Vec<(Sid, Part)>, Error> {
        let (mut lives, now) = (tables.lives(), tables.now());
        let mut parts = Vec::new();
        for word in sessions {
            let found = tables.select(context, view, word)?;
            let actions = views::actions(view, found.sid, self.count, |a| self.wants(a))?;
            if let Some(doc) = views::session_doc(view, found.sid)? {
                let session = show(view, &mut lives, doc, now)?;
                parts.push((found.sid, Part { session, actions, now }));
            }
        }
        Ok(parts)
    }

    fn wants(&self, action: &Action) -> bool {
        self.all
            || !matches!(
                action.kind,
                ActionKind::UserMessage | ActionKind::Reasoning | ActionKind::Hook
            )
    }

    fn raw(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let tables = Tables::open_some(context, streams)?;
        let view = tables.view()?;
        let log = open_log(context)?;
        for word in &self.sessions {
            let found = select(context, &view, word)?;
            let thread = found.session.thread_id.as_bytes();
            let mut cursor = log.session_tail(thread, self.count as u64)?;
            while let Some((_, record)) = cursor.next()? {
                super::replay::print_raw(streams, &record)?;
            }
        }
        Ok(Exit::Ok)
    }

    /// Prints each action once it has ended, and those that wait for leave as they begin to.
    fn follow(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let mut follow = Follow::new(context);
        let mut told: HashMap<(Sid, u64), &'static str> = HashMap::new();
        let mut first = true;
        let mut sessions = self.sessions.clone();
        let many = self.sessions.len() > 1;
        loop {
            let tables = follow.next(streams)?;
            let view = tables.view()?;
            if first {
                sessions = pin(context, &view, &sessions)?;
            }
            for (sid, mut part) in self.parts(context, tables, &view, &sessions)? {
                if !first {
                    // More may have been done since than is shown at first.
                    part.actions = views::actions(&view, sid, 1000, |a| self.wants(a))?;
                }
                let id = &part.session.doc.id;
                for action in &part.actions {
                    let before = told.insert((sid, action.seq), action.phase);
                    let fresh = before != Some(action.phase);
                    let shown = first || matches!(action.phase, "post" | "pre");
                    if !fresh || !shown && !context.json {
                        continue;
                    }
                    if context.json {
                        let schema = "sm.action/1";
                        streams.json_line(&Followed { schema, session_id: id, action })?;
                    } else {
                        print_action(streams, action, part.now, many.then_some(id.as_str()))?;
                    }
                }
                if first {
                    // Older ones are not to appear once more is looked at.
                    let older = views::actions(&view, sid, 1000, |a| self.wants(a))?;
                    for action in older {
                        told.entry((sid, action.seq)).or_insert(action.phase);
                    }
                }
            }
            drop(view);
            first = false;
            streams.flush()?;
            follow.wait(streams)?;
        }
    }
}

impl Part {
    fn print(&self, streams: &mut Streams, wanted: usize) -> Result<(), Error> {
        let doc = &self.session.doc;
        if self.actions.is_empty() && wanted > 0 {
            streams.say(format_args!("No actions yet in {} ({}).", label(doc, 40), doc.id));
            return Ok(());
        }
        let (role, state) = self.session.state_cell();
        let state = streams.style.paint(role.unwrap_or(Role::Dim), state);
        let count = self.actions.len();
        let name = streams.style.paint(Role::Strong, label(doc, 40));
        if wanted == 0 {
            return streams.line(format_args!("{name} ({}), {state}", doc.id));
        }
        streams.line(format_args!("Last {count} actions of {name} ({}), {state}:", doc.id))?;
        for action in &self.actions {
            print_action(streams, action, self.now, None)?;
        }
        Ok(())
    }
}

fn print_action(
    streams: &mut Streams,
    action: &ActionDoc,
    now: i64,
    id: Option<&str>,
) -> Result<(), Error> {
    let before = id.map_or("  ".to_owned(), |id| format!("  {id:<7} "));
    let width = streams.size().map(|(columns, _)| columns.saturating_sub(before.len()));
    let line = action_line(streams.style, action, &ActionLine { now, width });
    streams.line(format_args!("{before}{line}"))
}
