//! A Codex that is older than the one that wrote a thread last.
//!
//! What always holds: it is asked nothing about that thread unless its user insists: an older release takes up
//! what a newer one wrote, and writes into it what the newer one cannot read again.

use super::pool::Server;
use crate::api::OlderCodex;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::json;
use sm_ingest::app_server::{Codex, Version};
use sm_projections::rows::{Session, Source, SourceKind};
use sm_projections::tables::Sources;
use sm_projections::views;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Whether a session may go to a Codex that is older than the one that wrote its thread last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Older {
    Refused,
    /// Its user insists.
    Taken,
}

impl Older {
    /// What is moved off a server that gives way to an older one was asked for so.
    pub fn of(server: &Server) -> Older {
        let is_asked = |to: &Codex| to.version.is_older(server.codex.version);
        match server.successor().is_some_and(is_asked) {
            true => Older::Taken,
            false => Older::Refused,
        }
    }
}

/// The code of the refusal.
pub(crate) const CODE: &str = "older_codex";

/// Whether that is why a session was not loaded.
pub(crate) fn is_older(refusal: &Refusal) -> bool {
    refusal.problem.code == CODE
}

/// The server that a session is to go to: of the codex that is found; where that is older than the one that
/// wrote its thread, of another one that runs.
///
/// # Errors
/// [`CODE`] where there is none.
pub(crate) async fn server(
    daemon: &Daemon,
    session: &Session,
    home: &Path,
    older: Older,
) -> Result<Arc<Server>, Refusal> {
    let codex = daemon.codex_of(home).await?;
    let source = daemon.look(|view| view.get::<Sources>(&session.source))?;
    let wrote = source.as_ref().and_then(wrote);
    let wrote = wrote.filter(|wrote| older == Older::Refused && codex.version.is_older(*wrote));
    let Some(wrote) = wrote else { return daemon.server_of(home, codex).await };
    let mut running = daemon.pool.running().into_iter();
    let fits = |server: &Arc<Server>| {
        server.codex_home == home && !server.is_draining() && !server.codex.version.is_older(wrote)
    };
    running.find(fits).ok_or_else(|| refused(session, wrote, &codex))
}

/// The release that wrote what came from a source; none where no server did.
fn wrote(source: &Source) -> Option<Version> {
    let told = source.codex_version.as_deref();
    told.filter(|_| source.kind == SourceKind::AppServer).and_then(Version::find)
}

fn refused(session: &Session, wrote: Version, found: &Codex) -> Refusal {
    let (id, version, binary) = (&session.id, found.version, found.binary.display());
    Refusal::new(
        409,
        CODE,
        format!(
            "codex {wrote} wrote the thread of session {id} last, and codex {version}, found at \
             {binary}, is older: what it would write, {wrote} may not read again"
        ),
    )
    .hint(format!(
        "have codex {wrote} or a newer one found: SM_CODEX=/path/to/codex sm …, or first in PATH; \
         `sm resume {id} --older-codex` takes the older one all the same"
    ))
    .details(json!({
        "wrote": wrote.to_string(), "found": version.to_string(), "binary": found.binary,
    }))
    .of_session(session)
}

/// Where the codex that is found is older than what wrote sessions that are not loaded: they wait for a newer
/// one.
pub(crate) async fn documents(daemon: &Daemon) -> Result<Vec<OlderCodex>, Refusal> {
    let mut homes: BTreeMap<String, Vec<(u64, Version)>> = BTreeMap::new();
    daemon.look(|view| {
        view.scan::<Sources>(&[], &[], |number, source| {
            if let (Some(version), Some(home)) = (wrote(&source), source.path) {
                homes.entry(home).or_default().push((number, version));
            }
            true
        })
    })?;
    let mut documents = Vec::new();
    for (home, sources) in homes {
        // Where none is found that is said where it is missed.
        let Ok(codex) = daemon.codex_of(Path::new(&home)).await else { continue };
        let newer = sources.into_iter().filter(|(_, wrote)| codex.version.is_older(*wrote));
        let newer: BTreeMap<u64, Version> = newer.collect();
        let Some(wrote) = newer.values().max() else { continue };
        let mut sessions = 0;
        daemon.look(|view| {
            views::heads(view, |head| {
                let is_over = head.ended || head.archived;
                let is_loaded = daemon.pool.by_source(head.source, head.generation).is_some();
                sessions += u64::from(newer.contains_key(&head.source) && !is_over && !is_loaded);
            })
        })?;
        if sessions > 0 {
            documents.push(OlderCodex {
                codex_home: home,
                codex_version: codex.version.to_string(),
                binary: codex.binary.to_string_lossy().into_owned(),
                wrote: wrote.to_string(),
                sessions,
            });
        }
    }
    Ok(documents)
}

/// Says at the daemon's start what it will not load.
pub(crate) async fn say(daemon: Arc<Daemon>) {
    match documents(&daemon).await {
        Ok(documents) => documents.iter().for_each(|older| daemon.say(&older.to_string())),
        Err(error) => daemon.say(&format!("what an older codex wrote is not known: {error}")),
    }
}
