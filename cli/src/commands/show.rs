//! `sm show`: one session.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, ago, clean, tokens};
use crate::past::{At, Question};
use crate::read::AsOf;
use crate::show::{RequestShown, SessionShown, kept_words, label, show, show_request};
use clap::Args;
use serde::Serialize;
use sm_daemon::counted;
use sm_projections::rows::Request;
use sm_projections::tables::Requests;
use sm_projections::views::{self, RequestDoc};

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

impl Shown {
    fn print(&self, streams: &mut Streams, now: i64) -> Result<(), Error> {
        let doc = &self.session.doc;
        let (role, state) = self.session.state_cell();
        let state = streams.style.paint(role.unwrap_or(Role::Dim), state);
        let name = streams.style.paint(Role::Strong, label(doc, 60));
        streams.line(format_args!("{name} ({})", doc.id))?;
        let mut row = |name: &str, value: Option<String>| match value {
            Some(value) => {
                let name = streams.style.paint(Role::Dim, format!("{name:<12}"));
                streams.line(format_args!("  {name} {value}"))
            }
            None => Ok(()),
        };
        let text = |text: &Option<String>| text.as_deref().map(|text| clean(text).into_owned());
        let by = |seq: Option<u64>| seq.map_or(String::new(), |seq| format!(", by record {seq}"));
        row("state", Some(state + &by(self.session.made_so().1)))?;
        row(
            "resuming",
            self.session.resuming.as_ref().map(|of| {
                let why = of.reason.as_deref().map(|why| clean(why).into_owned());
                why.unwrap_or_else(|| "it is being loaded again".to_owned())
            }),
        )?;
        row("outcome", doc.outcome.map(str::to_owned))?;
        row("health", (doc.health != "ok").then(|| doc.health.to_owned()))?;
        row("last error", text(&doc.last_error))?;
        row("dead", text(&doc.unresumable))?;
        row(
            "blocked on",
            doc.blocked_on.as_ref().map(|on| format!("{} {}", on.kind, clean(&on.what))),
        )?;
        row("looks stuck", self.session.looks_stuck.as_ref().map(|stuck| stuck.reason.to_owned()))?;
        row("title", text(&doc.title))?;
        row("thread", Some(doc.thread_id.clone()))?;
        row("parent", doc.parent_id.clone())?;
        row("forked from", doc.forked_from.clone())?;
        row("spawned by", text(&doc.spawned_by))?;
        row("agent", text(&doc.agent))?;
        let put_away = || format!("yes, in Codex's archive{}", by(doc.archived_cause_seq));
        row("archived", doc.archived.then(put_away))?;
        row(
            "goal",
            doc.goal.as_ref().map(|goal| {
                let budget = goal.token_budget.map(|most| format!(" of {}", tokens(most)));
                let (words, status) = (clean(&goal.objective), clean(&goal.status));
                let spent = tokens(goal.tokens_used) + budget.as_deref().unwrap_or_default();
                format!("{words} ({status}, {spent} tokens)")
            }),
        )?;
        row("labels", (!doc.labels.is_empty()).then(|| clean(&doc.labels.join(" ")).into_owned()))?;
        row(
            "source",
            doc.source.map(|source| match &doc.codex_version {
                Some(version) => format!("{source}, codex {}", clean(version)),
                None => source.to_owned(),
            }),
        )?;
        row("live", doc.live.map(|live| if live { "yes" } else { "no" }.to_owned()))?;
        row("folder", text(&doc.cwd))?;
        let model = [&doc.model, &doc.model_provider, &doc.effort];
        let model: Vec<String> = model.into_iter().filter_map(text).collect();
        row("model", (!model.is_empty()).then(|| model.join(" · ")))?;
        row("approvals", text(&doc.approval_policy))?;
        row("sandbox", text(&doc.sandbox))?;
        row("keeps", kept_words(doc))?;
        for failed in &doc.mcp_failed {
            let (name, error) = (clean(&failed.name), clean(&failed.error));
            row("mcp", Some(format!("{name} did not start: {error}")))?;
        }
        let counts = &doc.counts;
        let dropped = match counts.turns_dropped {
            0 => String::new(),
            dropped => format!(" ({dropped} of them rolled back)"),
        };
        row(
            "did",
            Some(format!(
                "{}{dropped}, {}, {}, {}, {}, {}",
                counted(counts.turns, "turn"),
                counted(counts.commands, "command"),
                counted(counts.file_changes, "file change"),
                counted(counts.tool_calls, "tool call"),
                counted(counts.messages, "message"),
                counted(counts.requests, "request")
            )),
        )?;
        row(
            "tokens",
            doc.tokens.as_ref().map(|used| {
                format!(
                    "{} ({} in, {} cached, {} out)",
                    tokens(used.total),
                    tokens(used.input),
                    tokens(used.cached),
                    tokens(used.output)
                )
            }),
        )?;
        row(
            "last action",
            doc.last_action.as_ref().map(|_| self.session.last_action_words(now, 100)),
        )?;
        row("queued", (doc.queued > 0).then(|| format!("{} inputs", doc.queued)))?;
        row(
            "records",
            Some(format!("{}, the newest {} ago", counts.records, ago(now, doc.last_micros))),
        )?;
        for child in &self.children {
            row(
                "child",
                Some(format!(
                    "{} {} {}",
                    child.doc.id,
                    label(&child.doc, 40),
                    child.state_cell().1
                )),
            )?;
        }
        for request in &self.requests {
            let words =
                |doc: &RequestDoc| format!("{} {}: {}", doc.id, doc.kind, clean(&doc.summary));
            match request.unheard() {
                None => row("waits for", Some(words(&request.doc)))?,
                Some(why) => row("asked", Some(format!("{} · {why}", words(&request.doc))))?,
            }
        }
        Ok(())
    }
}
