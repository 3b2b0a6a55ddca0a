//! New sessions.
//!
//! What always holds: Codex's answer that makes a thread, and whose it is, its name and its parent, are
//! recorded in one frame; then the session gets its prompt by the one path that all inputs take.

use super::rights::{Approval, Rights, Sandbox};
use super::shell;
use super::trust::{self, Choice};
use super::{keep, names};
use crate::api::{Input, Spawn, Spawned};
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::input::{self, message};
use crate::life::words;
use crate::problem::Refusal;
use crate::tools::offer;
use serde_json::{Value, json};
use sm_ingest::aside;
use sm_projections::rows::Session;
use sm_projections::views::Selection;
use sm_protocol::synthetic::{SessionSpawned, Synthetic};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to make a thread.
const STARTING: Duration = Duration::from_secs(120);

/// What a thread is started with, decided.
struct Plan {
    codex_home: PathBuf,
    cwd: String,
    model: Option<String>,
    approval: Option<Approval>,
    sandbox: Option<Sandbox>,
    env: BTreeMap<String, String>,
}

/// Makes a session.
pub(crate) async fn spawn(daemon: &Arc<Daemon>, wish: Spawn) -> Result<Spawned, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(wish.by.as_deref())?;
    let parent = parent(daemon, &wish, &caller)?;
    let plan = aside(|| plan(daemon, &wish, &caller, parent.as_ref()))?;
    let prompt = wish.prompt.clone().filter(|prompt| !prompt.trim().is_empty());
    prompt.as_deref().map_or(Ok(()), message::check_text)?;
    for (what, word) in [("a model", &wish.model), ("a reasoning effort", &wish.effort)] {
        word.as_deref()
            .filter(|word| !word.is_empty())
            .map(|said| words::word(what, said))
            .transpose()?;
    }
    wish.labels.iter().try_for_each(|label| keep::check_label(label))?;
    // Agents fill in what they could leave out.
    let name = wish.name.clone().filter(|name| !name.trim().is_empty());
    let _reserved = match &name {
        Some(name) => Some(names::reserve(&daemon.given, &daemon.store, name)?),
        None => None,
    };
    let server = daemon.server_for(&caller, &plan.codex_home, wish.codex.as_ref()).await?;
    let params = params(daemon, &wish, &plan, &caller, parent.as_ref())?;
    // Noted along with Codex's answer: nobody ever sees the session without its name and parent.
    let spawned = Synthetic::SessionSpawned(SessionSpawned {
        name,
        parent: parent.map(|parent| parent.session.thread_id),
        labels: keep::relabelled(&[], &wish.labels, &[]),
        by: caller.word(),
        env: plan.env.clone(),
        silent: wish.silent,
        ..SessionSpawned::default()
    });
    let reply =
        server.app.call_noting("thread/start", params, STARTING, Some(spawned.into())).await?;
    let thread = reply.result.pointer("/thread/id").and_then(Value::as_str);
    let (Some(thread), Some(made)) = (thread, reply.noted) else {
        let message = "Codex's answer to thread/start names no thread, or was not recorded";
        return Err(Refusal::new(502, "codex_error", message)
            .hint("`sm replay -n 20` shows the answer; `sm doctor` the state of the disk"));
    };
    let lock = daemon.lock(thread).await;
    daemon.folded_to(made).await.map_err(|late| made_all_the_same("thread", thread, late))?;
    let session = daemon.session(thread)?.session;
    let mut turn_id = None;
    if let Some(text) = prompt {
        let first = Input { text, plan: wish.plan, ..Input::default() };
        let taken = input::take_locked(daemon, &session, &first, &caller).await;
        let taken = taken.map_err(|refusal| {
            made_all_the_same("session", &session.id, refusal).of_session(&session)
        })?;
        if let ("failed" | "unknown", Some(reason)) = (taken.status.as_str(), &taken.reason) {
            let is_away = !server.app.is_running();
            return Err(not_taken(&session, &taken.status, reason, is_away));
        }
        turn_id = taken.turn_id;
    }
    drop(lock);
    Ok(Spawned {
        id: session.id,
        thread_id: thread.to_owned(),
        turn_id,
        cursor: daemon.cursor(made),
        session: daemon.document(thread)?,
    })
}

/// What went wrong once the session was there: whoever is not told of it would spawn another.
fn made_all_the_same(what: &str, id: &str, refusal: Refusal) -> Refusal {
    let Refusal { status, mut problem } = refusal;
    problem.message = format!("{what} {id} was made: {}", problem.message);
    problem.retryable = false;
    Refusal { status, problem }
}

/// What became of the prompt of a session that is there: under the code that the same cause has where it
/// keeps a session from being made.
fn not_taken(session: &Session, status: &str, reason: &str, is_away: bool) -> Refusal {
    let id = &session.id;
    let is_unknown = status == "unknown";
    let code = match (is_away, is_unknown) {
        (true, _) => "codex_died",
        (false, true) => "timeout",
        (false, false) => "codex_error",
    };
    let said = match is_unknown {
        true => "nobody knows whether its prompt was taken",
        false => "its prompt was not taken",
    };
    Refusal::new(502, code, format!("session {id} was made, {said}: {reason}"))
        .hint(format!("`sm tail {id}` shows what it does; `sm send {id} …` gives it a prompt"))
        .of_session(session)
}

fn parent(daemon: &Daemon, wish: &Spawn, by: &Caller) -> Result<Option<Selection>, Refusal> {
    let named = match wish.parent.as_deref().filter(|parent| !parent.is_empty()) {
        Some(word) => Some(daemon.find(word, wish.by.as_deref())?),
        None => None,
    };
    let agent = match by {
        Caller::User | Caller::Demo => return Ok(named),
        Caller::Nameless(_) if named.is_none() => return Ok(None),
        Caller::Nameless(_) => {
            return Err(Refusal::forbidden(
                "an agent puts children under itself or its own, and which session asks is not known",
            )
            .hint("spawn without a parent, or from your own terminal"));
        }
        Caller::Agent(agent) => agent,
    };
    match named {
        None => Ok(Some(agent.as_ref().clone())),
        Some(named) if named.sid == agent.sid || daemon.is_above(agent.sid, named.sid)? => {
            Ok(Some(named))
        }
        Some(named) => Err(Refusal::forbidden(format!(
            "an agent puts children under itself or its own: {} is neither",
            named.session.id
        ))
        .hint("leave the parent out: it is then the child of the agent itself")),
    }
}

fn plan(
    daemon: &Daemon,
    wish: &Spawn,
    caller: &Caller,
    parent: Option<&Selection>,
) -> Result<Plan, Refusal> {
    let session = parent.map(|parent| &parent.session);
    let env = match (caller.is_user() && !wish.env.is_empty(), session) {
        (true, _) => wish.env.clone(),
        // What its commands mean hangs on it: an agent's child has what its parent has.
        (false, Some(session)) => shell::env_of(daemon, &session.thread_id)?,
        (false, None) => BTreeMap::new(),
    };
    let codex_home = match (caller, &wish.codex_home, session) {
        (Caller::User | Caller::Demo, Some(home), _) => real(Path::new(home)),
        (Caller::Nameless(source), ..) => daemon.codex_home_of_source(*source),
        (_, _, Some(session)) => {
            daemon.codex_home_of(session).unwrap_or_else(|_| daemon.config.codex_home.clone())
        }
        _ => daemon.config.codex_home.clone(),
    };
    if let (false, Some(told)) = (caller.is_user(), &wish.codex_home)
        && real(Path::new(told)) != codex_home
    {
        let message = format!("an agent's child lives under {}", codex_home.display());
        return Err(Refusal::forbidden(message)
            .hint("leave --codex-home and CODEX_HOME out; another one is the user's to choose"));
    }
    let inherited = |field: fn(&sm_projections::rows::Session) -> &Option<String>| {
        session.and_then(|session| field(session).clone())
    };
    let (sandbox, approval) =
        (Sandbox::wished(wish.sandbox.as_deref())?, Approval::wished(wish.approval.as_deref())?);
    let mut plan = Plan {
        codex_home,
        cwd: String::new(),
        model: wish.model.clone().or_else(|| inherited(|session| &session.model)),
        approval,
        sandbox,
        env,
    };
    let cwd = wish.cwd.as_deref().filter(|cwd| !cwd.is_empty());
    match caller {
        Caller::Agent(agent) => {
            let rights = Rights::of(&agent.session);
            let rights = rights.of_child(sandbox, approval, cwd.map(Path::new))?;
            plan.approval = Some(rights.approval);
            plan.sandbox = Some(rights.sandbox);
            plan.cwd = rights.cwd.map(text).unwrap_or_default();
        }
        Caller::Nameless(_) => {
            // What is not known of its rights counts as the least.
            let rights = Rights { cwd: cwd.map(PathBuf::from), ..Rights::default() };
            let rights = rights.of_child(sandbox, approval, None)?;
            plan.approval = Some(rights.approval);
            plan.sandbox = Some(rights.sandbox);
            plan.cwd = rights.cwd.map(text).unwrap_or_default();
        }
        Caller::User | Caller::Demo => {
            let rights = session.map(Rights::of);
            plan.approval = approval.or(rights.as_ref().map(|rights| rights.approval));
            plan.sandbox = sandbox.or(rights.as_ref().map(|rights| rights.sandbox));
            plan.cwd = cwd
                .map(str::to_owned)
                .or_else(|| inherited(|session| &session.cwd))
                .ok_or_else(|| Refusal::bad_request("a session needs a folder: cwd is missing"))?;
        }
    }
    if !Path::new(&plan.cwd).is_absolute() || !Path::new(&plan.cwd).is_dir() {
        return Err(Refusal::bad_request(format!("{:?} is no folder (absolute path)", plan.cwd)));
    }
    Ok(plan)
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

fn params(
    daemon: &Daemon,
    wish: &Spawn,
    plan: &Plan,
    caller: &Caller,
    parent: Option<&Selection>,
) -> Result<Value, Refusal> {
    let mut config = shell::config(daemon, &plan.env, None);
    config.extend(trust::config(
        daemon,
        &Choice {
            by_agent: !caller.is_user(),
            origin: parent.map(|parent| &parent.session),
            cwd: &plan.cwd,
        },
    )?);
    if let Some(effort) = &wish.effort {
        config.insert("model_reasoning_effort".to_owned(), json!(effort));
    }
    let mut params = json!({
        "cwd": plan.cwd,
        "config": config,
        "dynamicTools": offer::specs(),
    });
    let told = [
        ("model", plan.model.as_deref()),
        ("approvalPolicy", plan.approval.map(Approval::as_str)),
        ("sandbox", plan.sandbox.map(Sandbox::as_str)),
    ];
    for (name, value) in told {
        if let Some(value) = value {
            params[name] = json!(value);
        }
    }
    Ok(params)
}
