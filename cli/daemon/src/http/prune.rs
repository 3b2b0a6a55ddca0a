//! `POST /v1/prune`: what the log need not keep, told or dropped.

use super::wish::Wish;
use crate::api::{Prune, Pruned};
use crate::daemon::{Daemon, blocking, now, whole};
use crate::problem::Refusal;
use crate::prune::Plan;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;

pub(crate) async fn prune(
    State(daemon): State<Arc<Daemon>>,
    Wish(wish): Wish<Prune>,
) -> Result<Json<Pruned>, Refusal> {
    let caller = daemon.caller(wish.by.as_deref())?;
    if wish.apply {
        caller.must_be_user("only the user drops records")?;
    }
    Ok(Json(whole(async move { run(daemon, wish, caller.word()).await }).await?))
}

async fn run(daemon: Arc<Daemon>, wish: Prune, by: String) -> Result<Pruned, Refusal> {
    let _one_at_a_time = daemon.pruning.lock().await;
    daemon.caught_up().await?;
    let pruning = Arc::clone(&daemon);
    blocking(move || {
        let daemon = &pruning;
        let plan = daemon.look(|view| Plan::new(&daemon.reader, view, &wish, now()))?;
        if !wish.apply {
            return Ok(plan.pruned);
        }
        plan.apply(&daemon.scribe, &daemon.config.home.snapshots(), &by, now(), |_| {})
    })
    .await?
}
