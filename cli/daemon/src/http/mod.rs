//! The daemon's HTTP: one router over one private socket.
//!
//! What always holds: an answer is a document or a [`ProblemBody`](crate::api::ProblemBody); what
//! shows a session tells all that the call did.

mod events;
mod family;
mod import;
mod life;
mod prune;
mod routes;

use crate::acts::Verb;
use crate::daemon::Daemon;
use crate::peer::Peer;
use crate::problem::Refusal;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::routing::{MethodRouter, get, post};
use routes::{List, Page, Shared};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The longest body taken.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A query; one that cannot be read is refused like everything else.
pub(crate) struct Asked<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Refusal> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        let query = query.map_err(|error| Refusal::bad_request(error.body_text()))?;
        Ok(Asked(query.0))
    }
}

/// The route of a list.
fn of_session(which: List) -> MethodRouter<Arc<Daemon>> {
    get(move |daemon: Shared, id: Path<String>, page: Asked<Page>| {
        routes::of_session(which, daemon, id, page)
    })
}

/// The route of a verb.
fn act(verb: Verb) -> MethodRouter<Arc<Daemon>> {
    post(move |daemon: Shared, peer: ConnectInfo<Peer>, id: Path<String>, bytes: Bytes| {
        routes::act(verb, daemon, peer, id, bytes)
    })
}

/// Every route.
pub(crate) fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route("/healthz", get(routes::health))
        .route("/v1/sessions", get(routes::sessions).post(routes::spawn))
        .route("/v1/sessions/{id}", get(routes::session))
        .route("/v1/sessions/{id}/turns", of_session(List::Turns))
        .route("/v1/sessions/{id}/actions", of_session(List::Actions))
        .route("/v1/sessions/{id}/children", of_session(List::Children))
        .route("/v1/sessions/{id}/messages", of_session(List::Messages))
        .route("/v1/sessions/{id}/events", get(events::page))
        .route("/v1/sessions/{id}/codex-events", get(events::page))
        .route("/sessions/{id}/codex-events", get(events::page))
        .route("/v1/sessions/{id}/input", post(routes::input))
        .route("/v1/sessions/{id}/queue", post(routes::hold))
        .route("/v1/sessions/{id}/keep", post(routes::keep))
        .route("/v1/sessions/{id}/reminders", post(family::remind))
        .route("/v1/sessions/{id}/looked", post(family::looked))
        .route("/v1/reminders", get(family::reminders))
        .route("/v1/reminders/{id}/cancel", post(family::cancel))
        .route("/v1/queue", get(routes::queue))
        .route("/v1/inputs/{id}", get(routes::one_input).post(routes::change_input))
        .route("/v1/sessions/{id}/interrupt", act(Verb::Interrupt))
        .route("/v1/sessions/{id}/stop", act(Verb::Stop))
        .route("/v1/sessions/{id}/resume", act(Verb::Resume))
        .merge(life::routes())
        .route("/v1/requests", get(routes::requests))
        .route("/v1/requests/{id}", get(routes::request).post(routes::answer))
        .route("/v1/rules", get(routes::rules).post(routes::grant))
        .route("/v1/rules/revoke", post(routes::revoke))
        .route("/v1/events", get(events::stream))
        .route("/v1/import", post(import::import))
        .route("/v1/prune", post(prune::prune))
        .route("/v1/servers", get(routes::servers))
        .route("/v1/drain", post(routes::drain))
        .route("/v1/shutdown", post(routes::shutdown))
        .method_not_allowed_fallback(routes::wrong_method)
        .fallback(routes::unknown)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(daemon)
}
