//! Questions that Codex itself answers: models, MCP servers, rate limits, account, skills.
//!
//! What always holds: an agent asks its own server only, and nothing about the user's account.

use super::Scene;
use super::scene::refused;
use crate::api::{Ask, Told};
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::servers::pool::Server;
use serde_json::{Value, json};
use sm_ingest::app_server::CallError;
use sm_projections::rows::Session;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take where nobody says: it may ask its own server.
const PATIENCE: Duration = Duration::from_secs(15);

/// The same where it starts MCP servers. It gives up one that does not greet after 30 s by itself, and
/// names it: that is worth waiting for, whatever else a server does not answer is not.
const PATIENCE_MCP: Duration = Duration::from_secs(40);

/// The same for a method that only the caller knows.
pub(super) const PATIENCE_RPC: Duration = Duration::from_secs(120);

/// The longest that anybody may wait.
const PATIENCE_MAX: Duration = Duration::from_secs(3600);

/// The most pages of one list.
const PAGES_MAX: usize = 100;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Models,
    Mcp,
    Limits,
    Account,
    Skills,
}

/// Whom a question is asked of.
pub(super) struct Asked {
    pub server: Arc<Server>,
    pub session: Option<Session>,
    /// How long each call may take.
    pub patience: Duration,
}

/// Asks it.
pub(crate) async fn ask(
    daemon: &Arc<Daemon>,
    question: Question,
    ask: Ask,
) -> Result<Told, Refusal> {
    let caller = daemon.caller(ask.act.by.as_deref())?;
    let is_agent = matches!(caller, Caller::Agent(_) | Caller::Nameless(_));
    if is_agent && question == Question::Account {
        return Err(Refusal::forbidden("the account is the user's, not an agent's"));
    }
    let is_mcp = question == Question::Mcp;
    let patience = patience(&ask, if is_mcp { PATIENCE_MCP } else { PATIENCE })?;
    let asked = whom(daemon, &caller, &ask, is_mcp, patience).await?;
    let thread = asked.session.as_ref().map(|session| session.thread_id.as_str());
    let cwd = ask.cwd.as_deref().or(asked.session.as_ref().and_then(|row| row.cwd.as_deref()));
    match question {
        Question::Models => listed(daemon, &asked, "model/list", json!({})).await,
        Question::Mcp => {
            let params = thread.map_or(json!({}), |thread| json!({ "threadId": thread }));
            listed(daemon, &asked, "mcpServerStatus/list", params).await
        }
        Question::Limits => call(daemon, &asked, "account/rateLimits/read", Value::Null).await,
        Question::Account => {
            call(daemon, &asked, "account/read", json!({ "refreshToken": false })).await
        }
        Question::Skills => {
            let cwds: Vec<&str> = cwd.into_iter().collect();
            call(daemon, &asked, "skills/list", json!({ "cwds": cwds })).await
        }
    }
}

/// How long Codex may take: as long as the caller says, else `default`.
pub(super) fn patience(ask: &Ask, default: Duration) -> Result<Duration, Refusal> {
    let Some(seconds) = ask.timeout_seconds else { return Ok(default) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(wished) if !wished.is_zero() => Ok(wished.min(PATIENCE_MAX)),
        _ => Err(Refusal::bad_request(format!("{seconds} s is no time to wait"))
            .hint("timeout_seconds is more than 0 and at most 3600")),
    }
}

/// The server to ask: a session's, else that of a CODEX_HOME.
pub(super) async fn whom(
    daemon: &Arc<Daemon>,
    caller: &Caller,
    ask: &Ask,
    loaded: bool,
    patience: Duration,
) -> Result<Asked, Refusal> {
    if let Some(word) = ask.session.as_deref().filter(|word| !word.is_empty()) {
        let scene = Scene::to_ask(daemon, word, &ask.act).await?;
        let server = match loaded && !scene.session.ended && !scene.session.archived {
            true => scene.loaded().await?,
            false => scene.server().await?,
        };
        return Ok(Asked { server, session: Some(scene.session), patience });
    }
    let home = match (caller, &ask.codex_home) {
        (Caller::User | Caller::Demo, Some(home)) => {
            Path::new(home).canonicalize().unwrap_or_else(|_| PathBuf::from(home))
        }
        (Caller::Nameless(source), _) => daemon.codex_home_of_source(*source),
        (Caller::Agent(agent), _) => daemon.codex_home_of(&agent.session)?,
        _ => daemon.config.codex_home.clone(),
    };
    daemon.keep_search(caller, &home, ask.act.codex.as_ref());
    Ok(Asked { server: daemon.server(&home).await?, session: None, patience })
}

/// Calls a method and tells what was answered.
pub(super) async fn call(
    daemon: &Daemon,
    asked: &Asked,
    method: &str,
    params: Value,
) -> Result<Told, Refusal> {
    let server = &asked.server;
    let reply = server.app.call(method, params, asked.patience).await;
    let reply = reply.map_err(|error| match error {
        CallError::NoAnswer { .. } => no_answer(&error),
        error => refused(server.codex.version, error),
    })?;
    daemon.folded_to(reply.seq).await?;
    Ok(Told {
        codex_version: server.codex.version.to_string(),
        codex_home: server.codex_home.to_string_lossy().into_owned(),
        session_id: asked.session.as_ref().map(|session| session.id.clone()),
        answer: reply.result,
        cursor: daemon.cursor(reply.seq),
    })
}

/// Nothing hangs on such an answer: whoever wants it waits longer.
fn no_answer(error: &CallError) -> Refusal {
    Refusal::new(502, "timeout", error.to_string())
        .hint(
            "the same with --timeout 5m waits longer; an MCP server that hangs holds up `sm mcp`: \
             look at config.toml; `sm serve --status` names the server that was asked",
        )
        .retryable()
}

/// The same for a list: its pages in one.
async fn listed(
    daemon: &Daemon,
    asked: &Asked,
    method: &str,
    mut params: Value,
) -> Result<Told, Refusal> {
    let mut told = call(daemon, asked, method, params.clone()).await?;
    for _ in 1..PAGES_MAX {
        let cursor = told.answer.get("nextCursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            break;
        }
        params["cursor"] = cursor;
        let mut page = call(daemon, asked, method, params.clone()).await?;
        let mut rows = told.answer.get_mut("data").map(Value::take).unwrap_or_default();
        let more = page.answer.get_mut("data").map(Value::take).unwrap_or_default();
        if let (Value::Array(rows), Value::Array(more)) = (&mut rows, more) {
            rows.extend(more);
        }
        page.answer["data"] = rows;
        told = page;
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_waits_as_long_as_its_caller_says() {
        let told = |timeout_seconds| patience(&Ask { timeout_seconds, ..Ask::default() }, PATIENCE);
        assert_eq!(told(None).unwrap(), PATIENCE);
        assert_eq!(told(Some(0.5)).unwrap(), Duration::from_millis(500));
        assert_eq!(told(Some(1e9)).unwrap(), PATIENCE_MAX);
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(told(Some(wrong)).unwrap_err().problem.code, "bad_request", "{wrong}");
        }
    }
}
