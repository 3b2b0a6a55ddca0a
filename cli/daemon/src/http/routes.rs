//! Sessions, requests and the daemon itself.

use super::Asked;
use crate::acts::{self, Verb};
use crate::api::{Act, Answer, Answered, Health, Input, InputTaken, Spawn, Spawned};
use crate::daemon::{Daemon, to_value};
use crate::problem::Refusal;
use crate::{input, messages, requests, spawn};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Method, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sm_projections::views;
use std::future::Future;
use std::sync::Arc;

/// How many rows a list has where it is not told.
const LIMIT: usize = 100;

type Shared = State<Arc<Daemon>>;
type Answer200<T> = Result<Json<T>, Refusal>;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Page {
    limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT)
    }
}

/// There is the path, but not with this method.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(405, "bad_request", format!("{} takes no {method}", uri.path()))
}

/// A body as JSON; an empty one is the default. No content type is asked for.
fn body<T: DeserializeOwned + Default>(bytes: &Bytes) -> Result<T, Refusal> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::bad_request(format!("the body cannot be read: {error}")))
}

/// The body of an answer. What is wrong with it is told by its place, not in words that quote it: an
/// answer may be a secret.
fn answer_body(bytes: &Bytes) -> Result<Answer, Refusal> {
    let answer: Result<Answer, _> = serde_json::from_slice(bytes);
    answer.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Refusal::bad_request(format!("the body is no answer, at line {line} column {column}"))
            .hint(r#"{"decision":"accept"}, or {"answers":{"ID":["TEXT"]}}"#)
    })
}

/// Runs a call to its end even if the caller goes away in the middle of it.
async fn whole<T: Send + 'static>(
    call: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(call).await;
    done.unwrap_or_else(|error| {
        Err(Refusal::new(500, "failed", format!("the call broke: {error}")))
    })
}

pub(crate) async fn unknown(method: Method, uri: Uri) -> Refusal {
    Refusal::not_found(format!("there is no {method} {}", uri.path()))
}

pub(crate) async fn health(State(daemon): Shared) -> Json<Health> {
    let health = daemon.log().health();
    Json(Health {
        pid: std::process::id(),
        version: daemon.config.version.clone(),
        log_id: daemon.log().id().to_string(),
        watermark: health.watermark,
        checkpoint: *daemon.folded.borrow(),
        event_persist_errors: health.persist_errors,
        servers: daemon.pool.documents(),
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

fn list(daemon: &Daemon, name: &str, rows: Vec<Value>) -> Answer200<Value> {
    let as_of = as_of(daemon)?;
    Ok(Json(json!({ name: rows, "warnings": [], "host_errors": [], "as_of": as_of })))
}

pub(crate) async fn sessions(State(daemon): Shared, Asked(page): Asked<Page>) -> Answer200<Value> {
    daemon.fresh().await;
    let docs = daemon.look(|view| views::sessions(view, page.limit(), |_| true))?;
    let docs = daemon.documents(docs)?;
    list(&daemon, "sessions", docs)
}

pub(crate) async fn spawn(State(daemon): Shared, bytes: Bytes) -> Answer200<Spawned> {
    let wish: Spawn = body(&bytes)?;
    Ok(Json(whole(async move { spawn::spawn(&daemon, wish).await }).await?))
}

pub(crate) async fn session(State(daemon): Shared, Path(id): Path<String>) -> Answer200<Value> {
    daemon.fresh().await;
    let found = daemon.find(&id, None)?;
    Ok(Json(daemon.document(&found.session.thread_id)?))
}

pub(crate) async fn turns(
    State(daemon): Shared,
    Path(id): Path<String>,
    Asked(page): Asked<Page>,
) -> Answer200<Value> {
    daemon.fresh().await;
    let sid = daemon.find(&id, None)?.sid;
    let turns = daemon.look(|view| views::turns(view, sid, Some(page.limit())))?;
    list(&daemon, "turns", turns.iter().map(to_value).collect())
}

pub(crate) async fn actions(
    State(daemon): Shared,
    Path(id): Path<String>,
    Asked(page): Asked<Page>,
) -> Answer200<Value> {
    daemon.fresh().await;
    let sid = daemon.find(&id, None)?.sid;
    let actions = daemon.look(|view| views::actions(view, sid, page.limit(), |_| true))?;
    list(&daemon, "actions", actions.iter().map(to_value).collect())
}

pub(crate) async fn children(State(daemon): Shared, Path(id): Path<String>) -> Answer200<Value> {
    daemon.fresh().await;
    let sid = daemon.find(&id, None)?.sid;
    let docs = daemon.look(|view| views::children(view, sid))?;
    let docs = daemon.documents(docs)?;
    list(&daemon, "children", docs)
}

pub(crate) async fn messages(
    State(daemon): Shared,
    Path(id): Path<String>,
    Asked(page): Asked<Page>,
) -> Answer200<Value> {
    daemon.fresh().await;
    let sid = daemon.find(&id, None)?.sid;
    let messages = messages::list(&daemon, sid, page.limit())?;
    list(&daemon, "messages", messages)
}

pub(crate) async fn input(
    State(daemon): Shared,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer200<InputTaken> {
    let input: Input = body(&bytes)?;
    Ok(Json(whole(async move { input::take(&daemon, &id, input).await }).await?))
}

async fn verb(daemon: Arc<Daemon>, id: String, verb: Verb, bytes: Bytes) -> Answer200<Value> {
    let act: Act = body(&bytes)?;
    Ok(Json(whole(async move { acts::act(&daemon, &id, verb, act).await }).await?))
}

pub(crate) async fn interrupt(
    State(daemon): Shared,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer200<Value> {
    verb(daemon, id, Verb::Interrupt, bytes).await
}

pub(crate) async fn stop(
    State(daemon): Shared,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer200<Value> {
    verb(daemon, id, Verb::Stop, bytes).await
}

pub(crate) async fn resume(
    State(daemon): Shared,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer200<Value> {
    verb(daemon, id, Verb::Resume, bytes).await
}

pub(crate) async fn requests(State(daemon): Shared) -> Answer200<Value> {
    daemon.fresh().await;
    let waiting = requests::waiting(&daemon)?;
    list(&daemon, "requests", waiting)
}

pub(crate) async fn request(State(daemon): Shared, Path(id): Path<String>) -> Answer200<Value> {
    daemon.fresh().await;
    Ok(Json(requests::document(&daemon, &id)?))
}

pub(crate) async fn answer(
    State(daemon): Shared,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Answer200<Answered> {
    let answer = answer_body(&bytes)?;
    Ok(Json(whole(async move { requests::answer(&daemon, &id, answer).await }).await?))
}

pub(crate) async fn shutdown(State(daemon): Shared) -> Json<Value> {
    daemon.stop();
    Json(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_answer_is_not_quoted() {
        for body in [r#"{"answers":{"key":"hunter2"}}"#, r#"{"decision":["hunter2"]}"#, "hunter2"] {
            let refused = answer_body(&Bytes::from(body)).unwrap_err();
            let told = serde_json::to_string(&refused.problem).unwrap();
            assert!(!told.contains("hunter2") && told.contains("line 1 column"), "{told}");
        }
    }
}
