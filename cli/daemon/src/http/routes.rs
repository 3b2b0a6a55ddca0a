//! Sessions, requests and the daemon itself.

use super::wish::Wish;
use super::{Asked, DESCRIBED, Named, drained, tcp};
use crate::api::{
    Act, Answer, Answered, Drain, Drained, Grant, Health, Hold, Input, InputChange, InputTaken,
    Keep, NotWritten, Revoke, Servers, Shutdown, Spawn, Spawned,
};
use crate::daemon::{Daemon, blocking, to_value, whole};
use crate::life::acts::{self, Verb};
use crate::problem::Refusal;
use crate::requests::{grants, rulebook};
use crate::servers::drain;
use crate::sessions::{keep, messages, spawn};
use crate::{input, requests};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use sm_projections::views::{self, Selection};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many rows a list has where it is not told.
const LIMIT: usize = 100;

pub(crate) type Shared = State<Arc<Daemon>>;
type Answer200<T> = Result<Json<T>, Refusal>;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<NonZeroUsize>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.map_or(LIMIT, NonZeroUsize::get)
    }
}

/// There is the path, but not with this method.
pub(crate) async fn wrong_method(method: Method, uri: Uri, request: Request) -> Refusal {
    drained(request).await;
    Refusal::new(405, "bad_request", format!("{} takes no {method}", uri.path())).hint(DESCRIBED)
}

pub(crate) async fn unknown(method: Method, uri: Uri, request: Request) -> Refusal {
    drained(request).await;
    Refusal::not_found(format!("there is no {method} {}", uri.path())).hint(DESCRIBED)
}

pub(crate) async fn health(State(daemon): Shared) -> Json<Health> {
    let health = daemon.log().health();
    Json(Health {
        pid: std::process::id(),
        version: daemon.config.version.clone(),
        log_id: daemon.log().id().to_string(),
        watermark: health.watermark,
        checkpoint: *daemon.folded.seq().borrow(),
        event_persist_errors: health.persist_errors,
        not_written: health.failing.then(|| NotWritten {
            records: health.accepted.saturating_sub(health.watermark),
            why: health.last_error.unwrap_or_default(),
        }),
        servers: daemon.pool.documents(),
        tcp: tcp::told(&daemon),
    })
}

/// What an answer reflects.
fn as_of(daemon: &Daemon) -> Result<Value, Refusal> {
    let seq = daemon.look(|view| view.checkpoint())?;
    Ok(json!({
        "log_id": daemon.log().id().to_string(),
        "seq": seq,
        "watermark": daemon.log().watermark(),
    }))
}

pub(super) fn list(daemon: &Daemon, name: &str, rows: Vec<Value>) -> Answer200<Value> {
    newest(daemon, name, rows, false)
}

/// The same; `is_cut`: there are older ones.
fn newest(daemon: &Daemon, name: &str, rows: Vec<Value>, is_cut: bool) -> Answer200<Value> {
    let warnings = is_cut.then(|| format!("the newest {} {name}; more with ?limit=", rows.len()));
    let warnings: Vec<String> = warnings.into_iter().collect();
    let as_of = as_of(daemon)?;
    Ok(Json(json!({ name: rows, "warnings": warnings, "host_errors": [], "as_of": as_of })))
}

/// Which sessions.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    limit: Option<NonZeroUsize>,
    /// The `next` of the page before.
    before: Option<u64>,
    /// Only those with records after it: what has changed since a page was made.
    since_seq: Option<u64>,
}

pub(crate) async fn sessions(
    State(daemon): Shared,
    Asked(which): Asked<Which>,
) -> Answer200<Value> {
    daemon.fresh().await;
    let limit = which.limit.map_or(LIMIT, NonZeroUsize::get);
    let is_asked = |seq: u64| {
        which.before.is_none_or(|before| seq < before)
            && which.since_seq.is_none_or(|since| seq > since)
    };
    let (docs, next) = daemon.look(|view| {
        let more = limit.saturating_add(1);
        let mut docs = views::sessions(view, more, |head| head.last_seq.is_some_and(is_asked))?;
        if docs.len() > limit {
            docs.truncate(limit);
            let next = docs.last().and_then(|last| last.last_seq);
            return Ok((docs, next));
        }
        // Those that are only named by others stand at the end, in no order of their own.
        if which.since_seq.is_none() {
            docs.extend(views::sessions(view, usize::MAX, |head| head.last_seq.is_none())?);
        }
        Ok::<_, Refusal>((docs, None))
    })?;
    let docs = daemon.documents(docs)?;
    let Json(mut answer) = list(&daemon, "sessions", docs)?;
    answer["next"] = json!(next);
    Ok(Json(answer))
}

pub(crate) async fn spawn(State(daemon): Shared, Wish(wish): Wish<Spawn>) -> Answer200<Spawned> {
    Ok(Json(whole(async move { spawn::spawn(&daemon, wish).await }).await?))
}

/// The session that a path names, as it is by now.
async fn named(daemon: &Daemon, id: &str) -> Result<Selection, Refusal> {
    daemon.fresh().await;
    daemon.find(id, None)
}

pub(crate) async fn session(State(daemon): Shared, Named(id): Named) -> Answer200<Value> {
    let found = named(&daemon, &id).await?;
    Ok(Json(daemon.document(&found.session.thread_id)?))
}

/// A list of what belongs to a session.
#[derive(Debug, Clone, Copy)]
pub(crate) enum List {
    Turns,
    Actions,
    Children,
    Messages,
}

pub(crate) async fn of_session(
    which: List,
    State(daemon): Shared,
    Named(id): Named,
    Asked(page): Asked<Page>,
) -> Answer200<Value> {
    let sid = named(&daemon, &id).await?.sid;
    // One more than is told, to know whether there is more.
    let more = page.limit().saturating_add(1);
    let (name, mut rows) = match which {
        List::Turns => {
            let turns = daemon.look(|view| views::turns(view, sid, more, |_| true))?;
            ("turns", turns.iter().map(to_value).collect())
        }
        List::Actions => {
            let actions = daemon.look(|view| views::actions(view, sid, more, |_| true))?;
            ("actions", actions.iter().map(to_value).collect())
        }
        List::Children => {
            let docs = daemon.look(|view| views::children(view, sid))?;
            return list(&daemon, "children", daemon.documents(docs)?);
        }
        List::Messages => ("messages", messages::list(&daemon, sid, more)?),
    };
    let is_cut = rows.len() >= more;
    if is_cut {
        // The newest come last.
        rows.remove(0);
    }
    newest(&daemon, name, rows, is_cut)
}

pub(crate) async fn input(
    State(daemon): Shared,
    Named(id): Named,
    Wish(input): Wish<Input>,
) -> Answer200<InputTaken> {
    Ok(Json(whole(async move { input::take(&daemon, &id, input).await }).await?))
}

/// Whose inputs.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Of {
    session: Option<String>,
    limit: Option<NonZeroUsize>,
}

pub(crate) async fn queue(State(daemon): Shared, Asked(of): Asked<Of>) -> Answer200<Value> {
    daemon.fresh().await;
    let last = of.limit.map_or(LIMIT, NonZeroUsize::get);
    let of = of.session.map(|word| daemon.find(&word, None)).transpose()?;
    let mut answer = input::list(&daemon, of.map(|found| found.sid), last)?;
    answer["as_of"] = json!(as_of(&daemon)?);
    Ok(Json(answer))
}

pub(crate) async fn hold(
    State(daemon): Shared,
    Named(id): Named,
    Wish(hold): Wish<Hold>,
) -> Answer200<Value> {
    let held =
        async move { input::hold_or_release(&daemon, &id, hold.hold, hold.by.as_deref()).await };
    Ok(Json(whole(held).await?))
}

pub(crate) async fn keep(
    State(daemon): Shared,
    Named(id): Named,
    Wish(wish): Wish<Keep>,
) -> Answer200<Value> {
    Ok(Json(whole(async move { keep::keep(&daemon, &id, wish).await }).await?))
}

pub(crate) async fn one_input(State(daemon): Shared, Named(id): Named) -> Answer200<Value> {
    daemon.fresh().await;
    Ok(Json(input::document(&daemon, &id)?))
}

pub(crate) async fn change_input(
    State(daemon): Shared,
    Named(id): Named,
    Wish(change): Wish<InputChange>,
) -> Answer200<Value> {
    Ok(Json(whole(async move { input::act(&daemon, &id, change).await }).await?))
}

pub(crate) async fn act(
    verb: Verb,
    State(daemon): Shared,
    Named(id): Named,
    Wish(act): Wish<Act>,
) -> Answer200<Value> {
    Ok(Json(whole(async move { acts::act(&daemon, &id, verb, act).await }).await?))
}

/// Which requests.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Standing {
    status: Option<String>,
    limit: Option<NonZeroUsize>,
}

pub(crate) async fn requests(
    State(daemon): Shared,
    Asked(asked): Asked<Standing>,
) -> Answer200<Value> {
    daemon.fresh().await;
    let Some(status) = &asked.status else {
        return list(&daemon, "requests", requests::waiting(&daemon)?);
    };
    let limit = asked.limit.map_or(LIMIT, NonZeroUsize::get);
    let mut found = requests::standing(&daemon, status, limit.saturating_add(1))?;
    let is_cut = found.len() > limit;
    found.truncate(limit);
    newest(&daemon, "requests", found, is_cut)
}

pub(crate) async fn request(State(daemon): Shared, Named(id): Named) -> Answer200<Value> {
    daemon.fresh().await;
    Ok(Json(requests::document(&daemon, &id)?))
}

pub(crate) async fn answer(
    State(daemon): Shared,
    Named(id): Named,
    Wish(answer): Wish<Answer>,
) -> Answer200<Answered> {
    Ok(Json(whole(async move { requests::answer(&daemon, &id, answer).await }).await?))
}

pub(crate) async fn servers(State(daemon): Shared) -> Answer200<Servers> {
    daemon.fresh().await;
    Ok(Json(drain::servers(&daemon).await?))
}

pub(crate) async fn drain(State(daemon): Shared, Wish(wish): Wish<Drain>) -> Answer200<Drained> {
    Ok(Json(whole(async move { drain::drain(&daemon, wish).await }).await?))
}

pub(crate) async fn rules(State(daemon): Shared) -> Json<Value> {
    Json(rulebook::document(&daemon))
}

pub(crate) async fn grant(State(daemon): Shared, Wish(wish): Wish<Grant>) -> Answer200<Value> {
    blocking(move || grants::grant(&daemon, &wish)).await?.map(Json)
}

pub(crate) async fn revoke(State(daemon): Shared, Wish(wish): Wish<Revoke>) -> Answer200<Value> {
    let gone = blocking(move || grants::revoke(&daemon, &wish.name, wish.by.as_deref()));
    gone.await?.map(Json)
}

pub(crate) async fn shutdown(
    State(daemon): Shared,
    Wish(wish): Wish<Shutdown>,
) -> Answer200<Value> {
    daemon.caller(wish.by.as_deref())?.must_be_user("only the user ends the daemon")?;
    daemon.stop();
    Ok(Json(json!({})))
}
