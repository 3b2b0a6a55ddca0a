//! The verbs of a thread's life, and questions to Codex: one shape of route for all of them.

use super::routes::{Shared, body, whole};
use crate::api::{self, Act};
use crate::daemon::Daemon;
use crate::life::{self, Question};
use crate::peer::Peer;
use crate::problem::Refusal;
use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path};
use axum::routing::{MethodRouter, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The routes of a verb: its body says who asks, which is believed where no agent asks.
macro_rules! verb {
    ($body:ty, $run:path) => {
        post(|daemon: Shared, peer: ConnectInfo<Peer>, id: Path<String>, bytes: Bytes| async move {
            let wish: $body = called(&daemon.0, &peer.0, &bytes).await?;
            answered(async move { $run(&daemon.0, &id.0, wish).await }).await
        })
    };
}

/// The route of a question.
fn question(question: Question) -> MethodRouter<Arc<Daemon>> {
    post(move |daemon: Shared, peer: ConnectInfo<Peer>, bytes: Bytes| async move {
        let wish: api::Ask = called(&daemon.0, &peer.0, &bytes).await?;
        answered(async move { life::ask(&daemon.0, question, wish).await }).await
    })
}

/// A body, with who asks by evidence.
async fn called<B: DeserializeOwned + Default + AsMut<Act>>(
    daemon: &Daemon,
    peer: &Peer,
    bytes: &Bytes,
) -> Result<B, Refusal> {
    let mut wish: B = body(bytes)?;
    let act = wish.as_mut();
    act.by = peer.by(daemon, act.by.take()).await;
    Ok(wish)
}

async fn answered<T: Serialize + Send + 'static>(
    call: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<Json<T>, Refusal> {
    Ok(Json(whole(call).await?))
}

/// All of them.
pub(crate) fn routes() -> Router<Arc<Daemon>> {
    Router::new()
        .route("/v1/sessions/{id}/name", verb!(api::Rename, life::name))
        .route("/v1/sessions/{id}/fork", verb!(api::Fork, life::fork))
        .route("/v1/sessions/{id}/archive", verb!(Act, life::archive))
        .route("/v1/sessions/{id}/unarchive", verb!(Act, life::unarchive))
        .route("/v1/sessions/{id}/compact", verb!(Act, life::compact))
        .route("/v1/sessions/{id}/review", verb!(api::Review, life::review))
        .route("/v1/sessions/{id}/rollback", verb!(api::Rollback, life::rollback))
        .route("/v1/sessions/{id}/goal", verb!(api::Goal, life::goal))
        .route("/v1/codex/models", question(Question::Models))
        .route("/v1/codex/mcp", question(Question::Mcp))
        .route("/v1/codex/limits", question(Question::Limits))
        .route("/v1/codex/account", question(Question::Account))
        .route("/v1/codex/skills", question(Question::Skills))
        .route("/v1/codex/rpc", post(rpc))
}

async fn rpc(
    daemon: Shared,
    peer: ConnectInfo<Peer>,
    bytes: Bytes,
) -> Result<Json<api::Told>, Refusal> {
    let wish: api::Rpc = called(&daemon.0, &peer.0, &bytes).await?;
    answered(async move { life::rpc(&daemon.0, wish).await }).await
}
