//! `sm models`, `sm mcp`, `sm limits`, `sm account`, `sm skills`: what Codex itself tells.

use super::wait::parse_time;
use crate::context::Context;
use crate::daemon::{Client, acting};
use crate::error::{Error, Exit};
use crate::output::{Role, Streams, Table, age, clean, now_micros};
use clap::Args;
use serde_json::{Value, json};
use sm_daemon::api::{Ask, Told};
use std::path::PathBuf;
use std::time::Duration;

/// Lists the models that Codex offers, with their reasoning efforts.
#[derive(Debug, Args)]
pub struct Models {
    #[command(flatten)]
    whom: Whom,
}

/// Lists the MCP servers, with status, tools and errors.
#[derive(Debug, Args)]
pub struct Mcp {
    #[command(flatten)]
    whom: Whom,
}

/// Shows the account's rate limits.
#[derive(Debug, Args)]
pub struct Limits {
    #[command(flatten)]
    whom: Whom,
}

/// Shows which account Codex works with.
#[derive(Debug, Args)]
pub struct Account {
    #[command(flatten)]
    whom: Whom,
}

/// Lists the skills that Codex finds for a folder.
#[derive(Debug, Args)]
pub struct Skills {
    /// The folder [default: the session's, else this one].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    #[command(flatten)]
    whom: Whom,
}

/// Whom a question is asked of.
#[derive(Debug, Args)]
pub struct Whom {
    /// The session whose Codex is asked.
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,

    /// The CODEX_HOME whose Codex is asked [default: $CODEX_HOME, else ~/.codex].
    #[arg(long, value_name = "DIR", conflicts_with = "session")]
    codex_home: Option<PathBuf>,

    /// Gives up after so long without an answer (exit 124): 30s, 5m, or seconds [default: 15s; mcp: 40s; rpc: 2m].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,
}

impl Whom {
    /// The question as the daemon takes it.
    pub fn ask(&self, context: &Context) -> Result<Ask, Error> {
        let codex_home = match &self.codex_home {
            Some(dir) => Some(std::path::absolute(dir).map_err(|e| Error::io("find", dir, &e))?),
            None => std::env::var_os("CODEX_HOME").map(PathBuf::from),
        };
        Ok(Ask {
            session: self.session.clone(),
            codex_home: codex_home.map(|dir| dir.to_string_lossy().into_owned()),
            cwd: None,
            timeout_seconds: self.timeout.map(|most| most.as_secs_f64()),
            act: acting(context),
        })
    }

    /// The daemon that asks, started if none runs.
    pub fn client<'c>(&self, context: &'c Context, streams: &Streams) -> Result<Client<'c>, Error> {
        match &self.session {
            Some(session) => Client::for_sessions(context, streams, std::slice::from_ref(session)),
            None => Client::or_start(context, streams),
        }
    }

    fn told(&self, context: &Context, streams: &Streams, question: &str) -> Result<Told, Error> {
        let ask = self.ask(context)?;
        self.client(context, streams)?.codex(question, &ask)
    }
}

/// What was told, as every such command's document.
pub fn document(schema: &str, told: &Told) -> Value {
    json!({
        "schema": schema,
        "codex_version": told.codex_version,
        "codex_home": told.codex_home,
        "session_id": told.session_id,
        "answer": told.answer,
        "cursor": told.cursor,
    })
}

/// A member's text, safe to show; `-` for none.
fn text(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).map_or("-".to_owned(), |text| clean(text).into_owned())
}

fn rows(told: &Told) -> &[Value] {
    told.answer.get("data").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl Models {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let told = self.whom.told(context, streams, "models")?;
        if context.json {
            streams.document(&document("sm.models/1", &told))?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(&["MODEL", "DEFAULT", "EFFORTS", "WHAT IT IS"]);
        for model in rows(&told) {
            let is_default = model.get("isDefault") == Some(&Value::Bool(true));
            let default = text(model, "defaultReasoningEffort");
            let efforts = model.get("supportedReasoningEfforts").and_then(Value::as_array);
            let efforts = efforts.into_iter().flatten().map(|effort| {
                let word = text(effort, "reasoningEffort");
                if word == default { format!("{word}*") } else { word }
            });
            table.row(vec![
                (is_default.then_some(Role::Strong), text(model, "model")),
                (None, if is_default { "yes" } else { "" }.to_owned()),
                (None, efforts.collect::<Vec<_>>().join(" ")),
                (None, text(model, "description")),
            ]);
        }
        table.print(streams)?;
        streams.say(format_args!("Of codex {}; * is a model's own default.", told.codex_version));
        Ok(Exit::Ok)
    }
}

impl Mcp {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let told = self.whom.told(context, streams, "mcp")?;
        if context.json {
            streams.document(&document("sm.mcp/1", &told))?;
            return Ok(Exit::Ok);
        }
        if rows(&told).is_empty() {
            streams.say(format_args!(
                "No MCP servers. [mcp_servers.NAME] in {}/config.toml makes one, `codex mcp add` writes it.",
                told.codex_home
            ));
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(&["SERVER", "STATUS", "SIGNED IN", "TOOLS", "ERROR"]);
        for server in rows(&told) {
            let error = text(server, "toolsError");
            let tools = server.get("tools").and_then(Value::as_object);
            let mut tools: Vec<&str> =
                tools.into_iter().flat_map(|tools| tools.keys().map(String::as_str)).collect();
            tools.sort_unstable();
            let (role, status) = match (text(server, "runtimeStatus"), error.as_str()) {
                (status, _) if status == "failed" => (Role::Bad, status),
                (_, error) if error != "-" => (Role::Bad, "failed".to_owned()),
                (status, _) if status != "-" => (Role::Good, status),
                // Older releases tell what it offers, not how it is.
                _ if tools.is_empty() => (Role::Dim, "no tools told".to_owned()),
                _ => (Role::Good, "ready".to_owned()),
            };
            table.row(vec![
                (None, text(server, "name")),
                (Some(role), status),
                (None, text(server, "authStatus")),
                (None, clean(&tools.join(" ")).into_owned()),
                (None, error),
            ]);
        }
        table.print(streams)?;
        Ok(Exit::Ok)
    }
}

impl Limits {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let told = self.whom.told(context, streams, "limits")?;
        if context.json {
            streams.document(&document("sm.limits/1", &told))?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(&["LIMIT", "WINDOW", "USED", "RESETS"]);
        for (name, limit) in limits(&told.answer) {
            for window in ["primary", "secondary"].iter().filter_map(|name| limit.get(*name)) {
                table.row(window_row(&name, window));
            }
        }
        table.print(streams)?;
        let credits = told.answer.pointer("/rateLimits/credits");
        if let Some(balance) = credits.and_then(|credits| credits.get("balance")?.as_str()) {
            streams.line(format_args!("credits: {}", clean(balance)))?;
        }
        Ok(Exit::Ok)
    }
}

/// The limits by their names; older releases tell of one only.
fn limits(answer: &Value) -> Vec<(String, &Value)> {
    let named = answer.get("rateLimitsByLimitId").and_then(Value::as_object);
    match named.filter(|named| !named.is_empty()) {
        Some(named) => {
            named.iter().map(|(name, limit)| (clean(name).into_owned(), limit)).collect()
        }
        None => {
            answer.get("rateLimits").map(|limit| ("codex".to_owned(), limit)).into_iter().collect()
        }
    }
}

fn window_row(name: &str, window: &Value) -> Vec<(Option<Role>, String)> {
    const MINUTE: i64 = 60_000_000;
    let used = window.get("usedPercent").and_then(Value::as_f64);
    let role = match used {
        Some(used) if used >= 95.0 => Some(Role::Bad),
        Some(used) if used >= 75.0 => Some(Role::NeedsHuman),
        _ => None,
    };
    let minutes = window.get("windowDurationMins").and_then(Value::as_i64);
    let resets = window.get("resetsAt").and_then(Value::as_i64);
    let left = |at: i64| format!("in {}", age(at.saturating_mul(1_000_000) - now_micros()));
    vec![
        (None, name.to_owned()),
        (None, minutes.map_or("-".to_owned(), |minutes| age(minutes.saturating_mul(MINUTE)))),
        (role, used.map_or("-".to_owned(), |used| format!("{used:.0} %"))),
        (None, resets.map_or("-".to_owned(), left)),
    ]
}

impl Account {
    /// Prints it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let told = self.whom.told(context, streams, "account")?;
        if context.json {
            streams.document(&document("sm.account/1", &told))?;
            return Ok(Exit::Ok);
        }
        let account = told.answer.get("account").filter(|account| !account.is_null());
        let Some(account) = account else {
            streams.line("no account")?;
            streams.say(match told.answer.get("requiresOpenaiAuth") {
                Some(Value::Bool(false)) => "None is needed: the model provider is not OpenAI's.",
                _ => "Log in: codex login",
            });
            return Ok(Exit::Ok);
        };
        let facts = ["type", "planType", "email", "workspaceName"];
        let facts = facts.iter().map(|name| text(account, name)).filter(|fact| fact != "-");
        streams.line(facts.collect::<Vec<_>>().join(" · "))?;
        Ok(Exit::Ok)
    }
}

impl Skills {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let mut ask = self.whom.ask(context)?;
        let cwd = match (&self.cwd, &self.whom.session) {
            (Some(dir), _) => {
                Some(std::path::absolute(dir).map_err(|e| Error::io("find", dir, &e))?)
            }
            (None, None) => std::env::current_dir().ok(),
            (None, Some(_)) => None,
        };
        ask.cwd = cwd.map(|dir| dir.to_string_lossy().into_owned());
        let told = self.whom.client(context, streams)?.codex("skills", &ask)?;
        if context.json {
            streams.document(&document("sm.skills/1", &told))?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(&["SKILL", "SCOPE", "ON", "WHAT IT IS FOR"]);
        let (mut count, mut errors) = (0, Vec::new());
        for folder in rows(&told) {
            let list =
                |name: &str| folder.get(name).and_then(Value::as_array).into_iter().flatten();
            for skill in list("skills") {
                count += 1;
                let on = skill.get("enabled") != Some(&Value::Bool(false));
                let short = text(skill, "shortDescription");
                let what = if short == "-" { text(skill, "description") } else { short };
                table.row(vec![
                    (None, text(skill, "name")),
                    (None, text(skill, "scope")),
                    (None, if on { "yes" } else { "no" }.to_owned()),
                    (None, what),
                ]);
            }
            errors.extend(
                list("errors")
                    .map(|error| format!("{}: {}", text(error, "path"), text(error, "message"))),
            );
        }
        match count {
            0 => streams.say("No skills. A folder with a SKILL.md in CODEX_HOME/skills is one."),
            _ => table.print(streams)?,
        }
        for error in errors {
            streams.say(format_args!("not read: {error}"));
        }
        Ok(Exit::Ok)
    }
}
