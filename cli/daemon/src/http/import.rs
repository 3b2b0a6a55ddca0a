//! `POST /v1/import`: a captured transcript, into the log that the daemon writes.
//!
//! What always holds: one import is over before the next begins, also where whoever asked for it is gone.

use super::wish::Wish;
use crate::api::{Import, Imported};
use crate::daemon::{Daemon, blocking, now, whole};
use crate::import::Transcript;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use sm_ingest::{ImportSummary, aside};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) async fn import(
    State(daemon): State<Arc<Daemon>>,
    Wish(wish): Wish<Import>,
) -> Result<Json<Imported>, Refusal> {
    daemon.caller(wish.by.as_deref())?.must_be_user("only the user imports transcripts")?;
    let path = PathBuf::from(&wish.path);
    if !path.is_absolute() {
        return Err(Refusal::bad_request(format!("{:?} is no absolute path", wish.path)));
    }
    if aside(|| path.is_dir()) {
        return Err(Refusal::bad_request(format!("{} is a folder", path.display())));
    }
    Ok(Json(whole(async move { take_in(daemon, wish, path).await }).await?))
}

async fn take_in(daemon: Arc<Daemon>, wish: Import, path: PathBuf) -> Result<Imported, Refusal> {
    let name = wish.name.unwrap_or_else(|| path.display().to_string());
    let transcript = blocking(move || Transcript::new(name, path)).await??;
    // Two imports of the same bytes at once would each record them.
    let _one_at_a_time = daemon.importing.lock().await;
    daemon.caught_up().await?;
    let (importing, again) = (Arc::clone(&daemon), wish.again);
    let (transcript, summary) = blocking(move || {
        let summary = run(&importing, &transcript, again);
        (transcript, summary)
    })
    .await?;
    let summary = summary?;
    daemon.caught_up().await?;
    let show = |doc| Ok(daemon.documents(vec![doc])?.pop().unwrap_or_default());
    daemon.look(|view| transcript.imported(view, &summary, show))
}

fn run(daemon: &Daemon, transcript: &Transcript, again: bool) -> Result<ImportSummary, Refusal> {
    let file = std::fs::File::open(&transcript.path)
        .map_err(|error| Refusal::bad_request(format!("{}: {error}", transcript.path.display())))?;
    let importer =
        daemon.look(|view| transcript.begin(daemon.log(), view, again, now(), |_, _| {}))?;
    Ok(importer.run(file, now())?)
}
