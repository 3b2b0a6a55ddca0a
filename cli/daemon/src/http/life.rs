//! The verbs of a thread's life, and questions to Codex: one shape of route for all of them.

use super::openapi::{Op, Routes};
use super::routes::{Shared, body, whole};
use super::{Named, Whole};
use crate::api::{self, Act};
use crate::daemon::Daemon;
use crate::life::{self, Question};
use crate::peer::Peer;
use crate::problem::Refusal;
use axum::Json;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::routing::{MethodRouter, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The routes of a verb: its body says who asks, which is believed where no agent asks.
macro_rules! verb {
    ($body:ty, $run:path) => {
        post(|daemon: Shared, peer: ConnectInfo<Peer>, id: Named, Whole(bytes): Whole| async move {
            let wish: $body = called(&daemon.0, &peer.0, &bytes).await?;
            answered(async move { $run(&daemon.0, &id.0, wish).await }).await
        })
    };
}

/// The route of a question.
fn question(question: Question) -> MethodRouter<Arc<Daemon>> {
    post(move |daemon: Shared, peer: ConnectInfo<Peer>, Whole(bytes): Whole| async move {
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
pub(crate) fn routes() -> Routes {
    macro_rules! question_route {
        ($path:literal, $does:literal, $question:expr) => {
            (Op::post::<api::Ask>($path, $does).answers::<api::Told>(), question($question))
        };
    }
    let verbs = [
        (
            Op::post::<api::Rename>("/v1/sessions/{id}/name", "names it").answers::<api::Done>(),
            verb!(api::Rename, life::name),
        ),
        (
            Op::post::<api::Fork>("/v1/sessions/{id}/fork", "a copy that goes its own way")
                .answers::<api::Forked>(),
            verb!(api::Fork, life::fork),
        ),
        (
            Op::post::<Act>("/v1/sessions/{id}/archive", "into Codex's archive")
                .answers::<api::Done>(),
            verb!(Act, life::archive),
        ),
        (
            Op::post::<Act>("/v1/sessions/{id}/unarchive", "out of it").answers::<api::Done>(),
            verb!(Act, life::unarchive),
        ),
        (
            Op::post::<Act>("/v1/sessions/{id}/compact", "shortens its history")
                .answers::<api::Done>(),
            verb!(Act, life::compact),
        ),
        (
            Op::post::<api::Review>(
                "/v1/sessions/{id}/review",
                "Codex's reviewer looks at its work",
            )
            .answers::<api::Reviewing>(),
            verb!(api::Review, life::review),
        ),
        (
            Op::post::<api::Rollback>("/v1/sessions/{id}/rollback", "drops its newest turns")
                .answers::<api::RolledBack>(),
            verb!(api::Rollback, life::rollback),
        ),
        (
            Op::post::<api::Goal>("/v1/sessions/{id}/goal", "what it pursues")
                .answers::<api::GoalTold>(),
            verb!(api::Goal, life::goal),
        ),
        question_route!("/v1/codex/models", "the models", Question::Models),
        question_route!("/v1/codex/mcp", "the MCP servers", Question::Mcp),
        question_route!("/v1/codex/limits", "the rate limits", Question::Limits),
        question_route!("/v1/codex/account", "the account", Question::Account),
        question_route!("/v1/codex/skills", "the skills", Question::Skills),
        (
            Op::post::<api::Rpc>("/v1/codex/rpc", "any other method").answers::<api::Told>(),
            post(rpc),
        ),
    ];
    verbs.into_iter().fold(Routes::default(), |routes, (op, route)| routes.route(op, route))
}

async fn rpc(
    daemon: Shared,
    peer: ConnectInfo<Peer>,
    Whole(bytes): Whole,
) -> Result<Json<api::Told>, Refusal> {
    let wish: api::Rpc = called(&daemon.0, &peer.0, &bytes).await?;
    answered(async move { life::rpc(&daemon.0, wish).await }).await
}
