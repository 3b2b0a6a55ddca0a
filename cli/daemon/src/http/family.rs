//! Reminders, and what parents have looked at themselves.

use super::Named;
use super::openapi::{Op, Routes};
use super::routes::{Shared, list};
use super::wish::Wish;
use crate::api::{Cancel, Looked, Remind};
use crate::daemon::whole;
use crate::family;
use crate::input::reminders;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use serde_json::{Value, json};

pub(super) fn routes() -> Routes {
    Routes::default()
        .route(
            Op::post::<Remind>("/v1/sessions/{id}/reminders", "a message for it, later"),
            post(remind),
        )
        .route(
            Op::post::<Looked>("/v1/sessions/{id}/looked", "a parent has seen how it stands"),
            post(looked),
        )
        .route(Op::get("/v1/reminders", "reminders that are to come"), get(reminders))
        .route(Op::post::<Cancel>("/v1/reminders/{id}/cancel", "takes one back"), post(cancel))
}

async fn remind(
    State(daemon): Shared,
    Named(id): Named,
    Wish(wish): Wish<Remind>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(whole(async move { reminders::set(&daemon, &id, wish).await }).await?))
}

async fn reminders(State(daemon): Shared) -> Result<Json<Value>, Refusal> {
    daemon.fresh().await;
    let reminders = reminders::list(&daemon)?;
    list(&daemon, "reminders", reminders)
}

async fn cancel(
    State(daemon): Shared,
    Named(id): Named,
    Wish(wish): Wish<Cancel>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(whole(async move { reminders::cancel(&daemon, &id, wish).await }).await?))
}

async fn looked(
    State(daemon): Shared,
    Named(id): Named,
    Wish(wish): Wish<Looked>,
) -> Result<Json<Value>, Refusal> {
    family::looked(&daemon, &id, wish.seq, wish.by.as_deref()).await?;
    Ok(Json(json!({})))
}
