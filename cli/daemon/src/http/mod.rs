//! The daemon's HTTP: one router over a private socket, and over loopback TCP where it is asked for.
//!
//! What always holds: an answer is a document or a [`ProblemBody`](crate::api::ProblemBody); what
//! shows a session tells all that the call did.

mod events;
mod family;
mod import;
mod life;
mod metrics;
mod openapi;
mod prune;
mod routes;
mod rows;
pub(crate) mod tcp;
mod wish;

use crate::api::{self, Health};
use crate::daemon::Daemon;
use crate::life::acts::Verb;
use crate::problem::Refusal;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{MethodRouter, get, post};
use http_body_util::{BodyExt, Limited};
use openapi::{Op, Routes};
use routes::{List, Page, Shared};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use wish::Wish;

/// The longest body taken.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Server-sent events.
const SSE: &str = "text/event-stream";

/// What tells of every route.
const DESCRIBED: &str = "GET /openapi.json tells of every route and what it takes";

/// A query; one that cannot be read is refused like everything else.
pub(crate) struct Asked<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Refusal> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        let query =
            query.map_err(|error| Refusal::bad_request(error.body_text()).hint(DESCRIBED))?;
        Ok(Asked(query.0))
    }
}

/// The name in a path; one that is no text is refused like everything else.
pub(crate) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Refusal> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let name = name.map_err(|error| Refusal::bad_request(error.body_text()))?;
        Ok(Named(name.0))
    }
}

/// A body, whole; one that is too long is refused like everything else.
pub(crate) struct Whole(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Whole, Refusal> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Whole(bytes)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let message = format!("the body is longer than {BODY_BYTES_MAX} bytes");
                Err(Refusal::new(413, "too_long", message)
                    .hint("put it into a file, and name the file"))
            }
            Err(error) => Err(Refusal::bad_request(error.body_text())),
        }
    }
}

/// The route of a list.
fn of_session(which: List) -> MethodRouter<Arc<Daemon>> {
    get(move |daemon: Shared, id: Named, page: Asked<Page>| {
        routes::of_session(which, daemon, id, page)
    })
}

/// The route of a verb.
fn act(verb: Verb) -> MethodRouter<Arc<Daemon>> {
    post(move |daemon: Shared, id: Named, wish: Wish<api::Act>| routes::act(verb, daemon, id, wish))
}

/// Every route, and the document about them.
fn routes() -> Routes {
    const PAGED: &[(&str, &str)] = &[("limit", "how many rows")];
    let limited = |path, does| Op::get(path, does).query(PAGED);
    Routes::default()
        .route(Op::get("/healthz", "how the daemon is").answers::<Health>(), get(routes::health))
        .route(
            Op::get("/metrics", "the same in numbers, for Prometheus").media(metrics::FORM),
            get(metrics::metrics),
        )
        .route(
            Op::get("/v1/sessions", "sessions, the newest records first").query(&[
                ("limit", "how many rows"),
                ("before", "the `next` of the page before"),
                ("since_seq", "only those with records after it"),
            ]),
            get(routes::sessions),
        )
        .route(
            Op::post::<api::Spawn>("/v1/sessions", "makes a session").answers::<api::Spawned>(),
            post(routes::spawn),
        )
        .route(
            Op::get("/v1/sessions/stream", "all sessions, then each that changed, whole")
                .media(SSE),
            get(rows::stream),
        )
        .route(Op::get("/v1/sessions/{id}", "one session"), get(routes::session))
        .route(limited("/v1/sessions/{id}/turns", "its turns"), of_session(List::Turns))
        .route(limited("/v1/sessions/{id}/actions", "what it did"), of_session(List::Actions))
        .route(Op::get("/v1/sessions/{id}/children", "its children"), of_session(List::Children))
        .route(limited("/v1/sessions/{id}/messages", "what was said"), of_session(List::Messages))
        .merge(events::routes())
        .route(
            Op::post::<api::Input>("/v1/sessions/{id}/input", "a message for it")
                .answers::<api::InputTaken>(),
            post(routes::input),
        )
        .route(
            Op::post::<api::Hold>("/v1/sessions/{id}/queue", "holds or releases what waits for it"),
            post(routes::hold),
        )
        .route(
            Op::post::<api::Keep>("/v1/sessions/{id}/keep", "settings and labels for good"),
            post(routes::keep),
        )
        .route(
            Op::get("/v1/queue", "messages that wait, and those that were not taken").query(&[
                ("session", "of this one only"),
                ("limit", "how many of those that were not taken"),
            ]),
            get(routes::queue),
        )
        .route(Op::get("/v1/inputs/{id}", "one message"), get(routes::one_input))
        .route(
            Op::post::<api::InputChange>("/v1/inputs/{id}", "edits, cancels, finds, retries it"),
            post(routes::change_input),
        )
        .route(
            Op::post::<api::Act>("/v1/sessions/{id}/interrupt", "ends its running turn"),
            act(Verb::Interrupt),
        )
        .route(Op::post::<api::Act>("/v1/sessions/{id}/stop", "ends it"), act(Verb::Stop))
        .route(
            Op::post::<api::Act>("/v1/sessions/{id}/resume", "loads it again"),
            act(Verb::Resume),
        )
        .merge(family::routes())
        .merge(life::routes())
        .route(
            Op::get("/v1/requests", "what waits for an answer").query(&[
                ("status", "pending, answered, cleared, orphaned or all: the newest first"),
                ("limit", "how many rows"),
            ]),
            get(routes::requests),
        )
        .route(Op::get("/v1/requests/{id}", "one request"), get(routes::request))
        .route(
            Op::post::<api::Answer>("/v1/requests/{id}", "answers it")
                .takes("raw")
                .answers::<api::Answered>(),
            post(routes::answer),
        )
        .route(Op::get("/v1/rules", "the rules in force"), get(routes::rules))
        .route(Op::post::<api::Grant>("/v1/rules", "a rule with an end"), post(routes::grant))
        .route(Op::post::<api::Revoke>("/v1/rules/revoke", "takes it back"), post(routes::revoke))
        .route(
            Op::post::<api::Import>("/v1/import", "a transcript, into the log")
                .answers::<api::Imported>(),
            post(import::import),
        )
        .route(
            Op::post::<api::Prune>("/v1/prune", "what the log need not keep, told or dropped")
                .answers::<api::Pruned>(),
            post(prune::prune),
        )
        .route(
            Op::get("/v1/servers", "the Codex servers").answers::<api::Servers>(),
            get(routes::servers),
        )
        .route(
            Op::post::<api::Drain>("/v1/drain", "servers give way to the codex found now")
                .answers::<api::Drained>(),
            post(routes::drain),
        )
        .route(
            Op::post::<api::Shutdown>("/v1/shutdown", "the daemon ends cleanly"),
            post(routes::shutdown),
        )
        .route(Op::get(openapi::PATH, "this document"), get(openapi::document))
}

/// The router.
pub(crate) fn router(daemon: Arc<Daemon>) -> Router {
    routes()
        .into_router()
        .method_not_allowed_fallback(routes::wrong_method)
        .fallback(routes::unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(daemon)
}

/// Reads a body that nobody wants to its end, and keeps nothing of it: who still writes sees no answer.
async fn drained(request: Request) {
    let mut body = Limited::new(request.into_body(), BODY_BYTES_MAX);
    while let Some(Ok(_)) = body.frame().await {}
}
