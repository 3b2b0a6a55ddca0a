//! One request and all that concerns it, as who answers it needs it.
//!
//! What always holds: an answer takes the form that the release which asked reads.

use super::decision;
use super::method::Method;
use super::verdict::{self, Verdict};
use crate::api::Answer;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::records;
use serde_json::Value;
use sm_ingest::app_server::Version;
use sm_log::{ReadError, Reader};
use sm_projections::rows::Request;
use sm_projections::tables::{Requests, Sessions, Sources};
use sm_projections::views::{self, Selection};
use sm_projections::{StoreError, View};

/// A request and all that concerns it.
pub(super) struct Asked {
    pub number: u64,
    pub row: Request,
    pub session: Option<Selection>,
    /// The request as it came.
    pub params: Value,
    /// The release that asked.
    pub asked_by: Option<Version>,
}

impl Asked {
    /// What is sent for an answer, in the form that this release reads.
    pub fn verdict(&self, answer: &Answer) -> Result<Verdict, Refusal> {
        verdict_of(&self.row, &self.params, self.asked_by, answer)
    }
}

/// The same, of a request's parts.
pub(super) fn verdict_of(
    row: &Request,
    params: &Value,
    asked_by: Option<Version>,
    answer: &Answer,
) -> Result<Verdict, Refusal> {
    let method = Method::of(&row.method);
    let verdict = decision::verdict(method, params, answer)?;
    Ok(verdict::fit(verdict, method, asked_by))
}

/// The request that `id` names.
pub(super) fn find(daemon: &Daemon, id: &str) -> Result<Asked, Refusal> {
    let number = number_of(id)?;
    let (row, session, asked_by) = daemon.look(|view| {
        let row = view.get::<Requests>(&number)?.ok_or_else(|| unknown(id))?;
        let session = match row.session {
            Some(sid) => view.get::<Sessions>(&sid)?.map(|session| Selection { sid, session }),
            None => None,
        };
        let asked_by = asked_by(view, &row)?;
        Ok::<_, Refusal>((row, session, asked_by))
    })?;
    Ok(Asked { number, row, session, params: params(&daemon.reader, number)?, asked_by })
}

/// The number in a request's id.
pub(super) fn number_of(id: &str) -> Result<u64, Refusal> {
    views::parse_request_id(id).ok_or_else(|| unknown(id))
}

/// That there is no such request.
pub(super) fn unknown(id: &str) -> Refusal {
    let short: String = id.chars().take(40).collect();
    Refusal::not_found(format!("no request {short:?}")).hint("`sm inbox` lists those that wait")
}

/// What a request asked, from its record; null where that is not there any more. None is trimmed while it
/// waits.
pub(super) fn params(log: &Reader, number: u64) -> Result<Value, ReadError> {
    Ok(records::params(log, number)?.unwrap_or_default())
}

/// The release that asked.
pub(super) fn asked_by(view: &View<'_>, row: &Request) -> Result<Option<Version>, StoreError> {
    let source = view.get::<Sources>(&row.source)?;
    Ok(source.and_then(|source| Version::find(&source.codex_version?)))
}
