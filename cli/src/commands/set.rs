//! `sm set` and `sm label`: what a session keeps.

use super::each::results;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Streams, clean};
use crate::targets::Selector;
use clap::Args;
use serde_json::Value;
use sm_daemon::api::{Keep, Settings};

/// Settings of a session, or of one turn.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsArgs {
    /// The model.
    #[arg(long)]
    model: Option<String>,

    /// The reasoning effort.
    #[arg(long)]
    effort: Option<String>,

    /// When it asks; on-failure: older releases of Codex only.
    #[arg(long, value_name = "WHEN", value_parser = ["untrusted", "on-request", "on-failure", "never"])]
    approval: Option<String>,

    /// How far its commands reach.
    #[arg(long, value_parser = ["read-only", "workspace-write", "danger-full-access"])]
    sandbox: Option<String>,
}

impl SettingsArgs {
    /// As the daemon takes them.
    pub fn settings(&self) -> Settings {
        Settings {
            model: self.model.clone(),
            effort: self.effort.clone(),
            approval: self.approval.clone(),
            sandbox: self.sandbox.clone(),
        }
    }
}

/// Changes the settings of sessions for good: from the next turn on, and over restarts.
#[derive(Debug, Args)]
pub struct Set {
    /// Ids, names, unique prefixes of either, thread ids, @last or @parent.
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,

    #[command(flatten)]
    chosen: Selector,

    #[command(flatten)]
    settings: SettingsArgs,
}

/// Labels a session: KEY=VALUE sets, KEY- takes away.
#[derive(Debug, Args)]
pub struct Label {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: String,

    /// role=reviewer sets, role- takes away.
    #[arg(required = true, value_name = "KEY=VALUE", allow_hyphen_values = true)]
    labels: Vec<String>,
}

impl Set {
    /// Changes them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let settings = self.settings.settings();
        if settings.is_empty() {
            return Err(Error::usage(
                "say what to set: --model, --effort, --approval or --sandbox",
            ));
        }
        let sessions = self.chosen.sessions(context, streams, &self.sessions)?;
        let keep = Keep { settings, by: context.caller.clone(), ..Keep::default() };
        run(context, streams, &sessions, &keep, |told| {
            let kept = told.get("kept");
            let word = |name: &str| {
                let value = kept?.get(name)?.as_str()?;
                Some(format!("{name} {value}"))
            };
            let words = ["model", "effort", "approval", "sandbox"].into_iter().filter_map(word);
            let words = words.collect::<Vec<_>>().join(", ");
            match told.get("note").and_then(Value::as_str) {
                Some(note) => format!("{words} ({})", clean(note)),
                None => words,
            }
        })
    }
}

impl Label {
    /// Labels it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let (set, unset): (Vec<&String>, Vec<&String>) =
            self.labels.iter().partition(|label| label.contains('='));
        let mut unlabel = Vec::new();
        for label in unset {
            let key = label.strip_suffix('-').filter(|key| !key.is_empty());
            let key = key.ok_or_else(|| {
                Error::usage(format!("{label:?} neither sets nor takes away a label"))
                    .hint("role=reviewer sets, role- takes away")
            })?;
            unlabel.push(key.to_owned());
        }
        let labels = set.into_iter().cloned().collect();
        let keep = Keep { labels, unlabel, by: context.caller.clone(), ..Keep::default() };
        run(context, streams, std::slice::from_ref(&self.session), &keep, |told| {
            let labels = told.get("labels").and_then(Value::as_array);
            let labels = labels.into_iter().flatten().filter_map(Value::as_str);
            labels.collect::<Vec<_>>().join(", ")
        })
    }
}

fn run(
    context: &Context,
    streams: &mut Streams,
    sessions: &[String],
    keep: &Keep,
    words: impl Fn(&Value) -> String,
) -> Result<Exit, Error> {
    let client = Client::for_sessions(context, streams, sessions)?;
    results(
        context,
        streams,
        sessions,
        "sm.session/1",
        |word| client.keep(word, keep),
        |told| {
            let id = told.get("id").and_then(Value::as_str).unwrap_or_default();
            format!("{id}: {}", words(told))
        },
    )
}
