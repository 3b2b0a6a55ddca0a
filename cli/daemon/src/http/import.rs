//! `POST /v1/import`: a captured transcript, into the log that the daemon writes.

use crate::api::{Import, Imported, Malformed};
use crate::daemon::{Daemon, now};
use crate::pool::blocking;
use crate::problem::Refusal;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::json;
use sm_ingest::{ImportSummary, Importer, hash_file};
use sm_projections::tables::Imports;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) async fn import(
    State(daemon): State<Arc<Daemon>>,
    bytes: Bytes,
) -> Result<Json<Imported>, Refusal> {
    let wish: Import = serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad_request(format!("the body cannot be read: {error}")))?;
    let path = PathBuf::from(&wish.path);
    if !path.is_absolute() {
        return Err(Refusal::bad_request(format!("{:?} is no absolute path", wish.path)));
    }
    if path.is_dir() {
        return Err(Refusal::bad_request(format!("{} is a folder", path.display())));
    }
    daemon.caught_up().await?;
    let importing = Arc::clone(&daemon);
    let summary = blocking(move || run(&importing, &path, &wish)).await??;
    daemon.caught_up().await?;
    let mut sessions = Vec::new();
    for thread in &summary.threads {
        sessions.push(daemon.document(thread)?);
    }
    Ok(Json(Imported {
        source: summary.source,
        records: summary.records,
        bytes: summary.bytes,
        malformed: summary.malformed,
        malformed_lines: summary
            .malformed_lines
            .iter()
            .map(|line| Malformed { line: line.line, seq: line.seq, why: line.kind.to_string() })
            .collect(),
        first_seq: summary.first_seq,
        last_seq: summary.last_seq,
        sessions,
    }))
}

fn run(daemon: &Daemon, path: &Path, wish: &Import) -> Result<ImportSummary, Refusal> {
    let (hash, bytes) = hash_file(path)?;
    let before = daemon.look(|view| view.get::<Imports>(&hash))?;
    if let (Some(source), false) = (before, wish.again) {
        let message = format!("the same bytes were imported before, as source {source}");
        return Err(Refusal::new(409, "already_imported", message)
            .hint("`--again` imports them once more")
            .details(json!({ "source": source })));
    }
    let named = wish.name.as_ref().map(PathBuf::from);
    let name = named.as_deref().unwrap_or(path);
    let log = daemon.log().clone();
    let importer = Importer::begin(log, name, Some(hash), Some(bytes), now(), |_, _| {})?;
    let file = std::fs::File::open(path)
        .map_err(|error| Refusal::bad_request(format!("{}: {error}", path.display())))?;
    Ok(importer.run(file, now())?)
}
