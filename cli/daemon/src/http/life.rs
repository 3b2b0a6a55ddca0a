//! The verbs of a thread's life, and questions to Codex: one shape of route for all of them.

use super::Named;
use super::openapi::{Op, Routes};
use super::routes::Shared;
use super::wish::Wish;
use crate::api::{self, Act};
use crate::daemon::{Daemon, whole};
use crate::life::{self, Question};
use crate::problem::Refusal;
use axum::Json;
use axum::routing::{MethodRouter, post};
use serde::Serialize;
use std::sync::Arc;

/// The route of a verb.
macro_rules! verb {
    ($body:ty, $run:path) => {
        post(|daemon: Shared, id: Named, Wish(wish): Wish<$body>| async move {
            answered(async move { $run(&daemon.0, &id.0, wish).await }).await
        })
    };
}

/// The route of a question.
fn question(question: Question) -> MethodRouter<Arc<Daemon>> {
    post(move |daemon: Shared, Wish(wish): Wish<api::Ask>| async move {
        answered(async move { life::ask(&daemon.0, question, wish).await }).await
    })
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

async fn rpc(daemon: Shared, Wish(wish): Wish<api::Rpc>) -> Result<Json<api::Told>, Refusal> {
    answered(async move { life::rpc(&daemon.0, wish).await }).await
}
