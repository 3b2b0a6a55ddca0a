//! `sm show`: one session.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, Style, ago, clean, tokens};
use crate::past::{At, Question};
use crate::read::AsOf;
use crate::show::{RequestShown, SessionShown, kept_words, label, show, show_request};
use clap::Args;
use serde::Serialize;
use sm_daemon::counted;
use sm_projections::rows::Request;
use sm_projections::tables::Requests;
use sm_projections::views;

/// Shows one session: what it is, what it does, what it cost.
#[derive(Debug, Args)]
pub struct Show {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    #[arg(default_value = "@last")]
    session: String,

    #[command(flatten)]
    at: At,
}

#[derive(Serialize)]
struct Shown {
    schema: &'static str,
    session: SessionShown,
    children: Vec<SessionShown>,
    requests: Vec<RequestShown>,
    as_of: AsOf,
}

impl Show {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let words = [self.session.clone()];
        let tables = self.at.open_some(context, streams, &Question::Families(&words))?;
        let view = tables.view()?;
        let found = tables.select(context, &view, &self.session)?;
        let (mut lives, now) = (tables.lives(), tables.now());
        let doc = views::session_doc(&view, found.sid)?.ok_or_else(|| {
            Error::new(Exit::NotFound, "not_found", format!("no session fits {:?}", self.session))
        })?;
        let session = show(&view, &mut lives, doc, now)?;
        let mut children = Vec::new();
        for child in views::children(&view, found.sid)? {
            children.push(show(&view, &mut lives, child, now)?);
        }
        let mut requests = Vec::new();
        for (seq, _) in &found.session.pending {
            let row: Option<Request> = view.get::<Requests>(seq)?;
            if let Some(row) = row {
                let doc = views::request_doc(&view, *seq, row)?;
                requests.push(show_request(&view, &mut lives, doc)?);
            }
        }
        let as_of = tables.as_of(&view)?;
        let shown = Shown { schema: "sm.show/1", session, children, requests, as_of };
        match context.json {
            true => streams.document(&shown)?,
            false => shown.print(streams, now)?,
        }
        Ok(Exit::Ok)
    }
}

/// A line of what is shown: its name, and its value where there is one.
type Line = (&'static str, Option<String>);

impl Shown {
    fn print(&self, streams: &mut Streams, now: i64) -> Result<(), Error> {
        let doc = &self.session.doc;
        let name = streams.style.paint(Role::Strong, label(doc, 60));
        streams.line(format_args!("{name} ({})", doc.id))?;
        let lines = [
            self.how_it_is(streams.style),
            self.what_it_is(),
            self.how_it_is_set(),
            self.what_it_did(now),
            self.who_is_below(),
            self.what_it_asks(),
        ];
        for (name, value) in lines.into_iter().flatten() {
            if let Some(value) = value {
                let name = streams.style.paint(Role::Dim, format!("{name:<12}"));
                streams.line(format_args!("  {name} {value}"))?;
            }
        }
        Ok(())
    }

    fn how_it_is(&self, style: Style) -> Vec<Line> {
        let doc = &self.session.doc;
        let (role, state) = self.session.state_cell();
        let state = style.paint(role.unwrap_or(Role::Dim), state);
        let resuming =
            self.session.resuming.as_ref().map(|of| {
                text(&of.reason).unwrap_or_else(|| "it is being loaded again".to_owned())
            });
        let blocked_on =
            doc.blocked_on.as_ref().map(|on| format!("{} {}", on.kind, clean(&on.what)));
        vec![
            ("state", Some(state + &by(self.session.made_so().1))),
            ("resuming", resuming),
            ("outcome", doc.outcome.map(str::to_owned)),
            ("health", (doc.health != "ok").then(|| doc.health.to_owned())),
            ("last error", text(&doc.last_error)),
            ("dead", text(&doc.unresumable)),
            ("blocked on", blocked_on),
            ("looks stuck", self.session.looks_stuck.as_ref().map(|stuck| stuck.reason.to_owned())),
        ]
    }

    fn what_it_is(&self) -> Vec<Line> {
        let doc = &self.session.doc;
        let archived = || format!("yes, in Codex's archive{}", by(doc.archived_cause_seq));
        let goal = doc.goal.as_ref().map(|goal| {
            let budget = goal.token_budget.map(|most| format!(" of {}", tokens(most)));
            let (words, status) = (clean(&goal.objective), clean(&goal.status));
            let spent = tokens(goal.tokens_used) + budget.as_deref().unwrap_or_default();
            format!("{words} ({status}, {spent} tokens)")
        });
        let source = doc.source.map(|source| match &doc.codex_version {
            Some(version) => format!("{source}, codex {}", clean(version)),
            None => source.to_owned(),
        });
        vec![
            ("title", text(&doc.title)),
            ("thread", Some(doc.thread_id.clone())),
            ("parent", doc.parent_id.clone()),
            ("forked from", doc.forked_from.clone()),
            ("spawned by", text(&doc.spawned_by)),
            ("agent", text(&doc.agent)),
            ("archived", doc.archived.then(archived)),
            ("goal", goal),
            ("labels", (!doc.labels.is_empty()).then(|| clean(&doc.labels.join(" ")).into_owned())),
            ("source", source),
            ("live", doc.live.map(|live| if live { "yes" } else { "no" }.to_owned())),
        ]
    }

    fn how_it_is_set(&self) -> Vec<Line> {
        let doc = &self.session.doc;
        let model = [&doc.model, &doc.model_provider, &doc.effort];
        let model: Vec<String> = model.into_iter().filter_map(text).collect();
        let mut lines = vec![
            ("folder", text(&doc.cwd)),
            ("model", (!model.is_empty()).then(|| model.join(" · "))),
            ("approvals", text(&doc.approval_policy)),
            ("sandbox", text(&doc.sandbox)),
            ("keeps", kept_words(doc)),
        ];
        lines.extend(doc.mcp_failed.iter().map(|failed| {
            let (name, error) = (clean(&failed.name), clean(&failed.error));
            ("mcp", Some(format!("{name} did not start: {error}")))
        }));
        lines
    }

    fn what_it_did(&self, now: i64) -> Vec<Line> {
        let doc = &self.session.doc;
        let counts = &doc.counts;
        let dropped = match counts.turns_dropped {
            0 => String::new(),
            dropped => format!(" ({dropped} of them rolled back)"),
        };
        let did = format!(
            "{}{dropped}, {}, {}, {}, {}, {}",
            counted(counts.turns, "turn"),
            counted(counts.commands, "command"),
            counted(counts.file_changes, "file change"),
            counted(counts.tool_calls, "tool call"),
            counted(counts.messages, "message"),
            counted(counts.requests, "request")
        );
        let used = doc.tokens.as_ref().map(|used| {
            format!(
                "{} ({} in, {} cached, {} out)",
                tokens(used.total),
                tokens(used.input),
                tokens(used.cached),
                tokens(used.output)
            )
        });
        let last_action =
            doc.last_action.as_ref().map(|_| self.session.last_action_words(now, 100));
        let records = format!("{}, the newest {} ago", counts.records, ago(now, doc.last_micros));
        vec![
            ("did", Some(did)),
            ("tokens", used),
            ("last action", last_action),
            ("queued", (doc.queued > 0).then(|| format!("{} inputs", doc.queued))),
            ("records", Some(records)),
        ]
    }

    fn who_is_below(&self) -> Vec<Line> {
        let child = |child: &SessionShown| {
            let (doc, state) = (&child.doc, child.state_cell().1);
            ("child", Some(format!("{} {} {state}", doc.id, label(doc, 40))))
        };
        self.children.iter().map(child).collect()
    }

    fn what_it_asks(&self) -> Vec<Line> {
        let asks = |request: &RequestShown| {
            let doc = &request.doc;
            let words = format!("{} {}: {}", doc.id, doc.kind, clean(&doc.summary));
            match request.unheard() {
                None => ("waits for", Some(words)),
                Some(why) => ("asked", Some(format!("{words} · {why}"))),
            }
        };
        self.requests.iter().map(asks).collect()
    }
}

fn text(text: &Option<String>) -> Option<String> {
    text.as_deref().map(|text| clean(text).into_owned())
}

/// The record that made something what it is.
fn by(seq: Option<u64>) -> String {
    seq.map_or(String::new(), |seq| format!(", by record {seq}"))
}
