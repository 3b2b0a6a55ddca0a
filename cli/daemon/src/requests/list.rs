//! Requests as documents: one, those that wait, those that stand so.
//!
//! What always holds: each comes with what was asked and what its answer needs; what waits for nobody is no
//! part of what waits. Weighing one looks at files, which may take its time.

use super::asked;
use super::own::answers_itself;
use super::request::{number_of, params, unknown};
use crate::daemon::{Daemon, now, to_value};
use crate::problem::Refusal;
use crate::records::LookError;
use serde_json::{Value, json};
use sm_ingest::aside;
use sm_log::Reader;
use sm_projections::tables::Requests;
use sm_projections::views::{self, RequestDoc};
use sm_projections::{StoreError, View};

/// Where a request may stand.
const STATUSES: [&str; 4] = ["pending", "answered", "cleared", "orphaned"];

/// One request as a document.
pub(crate) fn document(daemon: &Daemon, id: &str) -> Result<Value, Refusal> {
    let number = number_of(id)?;
    let look = |view: &View<'_>| match view.get::<Requests>(&number)? {
        Some(row) => Ok(whole(view, &daemon.reader, &views::request_doc(view, number, row)?)?),
        None => Err(unknown(id)),
    };
    aside(|| daemon.look(look))
}

/// All requests that wait, oldest first, each with what was asked.
pub(crate) fn waiting(daemon: &Daemon) -> Result<Vec<Value>, Refusal> {
    let look = |view: &View<'_>| {
        let waiting = views::pending_requests(view)?.into_iter();
        let waiting = waiting.filter(|doc| waits_for_somebody(daemon, doc));
        waiting.map(|doc| Ok(whole(view, &daemon.reader, &doc)?)).collect()
    };
    aside(|| daemon.look(look))
}

/// How many requests wait.
pub(crate) fn count_waiting(daemon: &Daemon) -> Result<usize, Refusal> {
    let waiting = daemon.look(views::pending_requests)?;
    Ok(waiting.iter().filter(|doc| waits_for_somebody(daemon, doc)).count())
}

/// Whether anybody is waited for: what `sm` answers itself, or a rule is about to, waits for nobody.
fn waits_for_somebody(daemon: &Daemon, doc: &RequestDoc) -> bool {
    doc.decision.is_none() && !answers_itself(&doc.method) && !daemon.rules.is_judged(doc.seq)
}

/// A request with what was asked, and what its answer needs.
pub(super) fn whole(view: &View<'_>, log: &Reader, doc: &RequestDoc) -> Result<Value, LookError> {
    let mut value = to_value(doc);
    value["params"] = params(log, doc.seq)?;
    let weighed = to_value(&asked::weigh(view, log, doc)?);
    if let (Some(value), Value::Object(weighed)) = (value.as_object_mut(), weighed) {
        value.extend(weighed);
    }
    let waited = (doc.asked_micros > 0 && doc.status == "pending")
        .then(|| (now() - doc.asked_micros) / 1000);
    value["waiting_ms"] = json!(waited);
    Ok(value)
}

/// The newest `last` requests to a human that stand so (`None`: however they stand), newest first.
pub fn newest_requests(
    view: &View<'_>,
    status: Option<&str>,
    last: usize,
) -> Result<Vec<RequestDoc>, StoreError> {
    let mut rows = Vec::new();
    if last > 0 {
        view.scan_back::<Requests>(&[], |number, row| {
            let is_wanted = status.is_none_or(|status| row.status.as_str() == status);
            if row.class.asks_human() && is_wanted {
                rows.push((number, row));
            }
            rows.len() < last
        })?;
    }
    rows.into_iter().map(|(number, row)| views::request_doc(view, number, row)).collect()
}

/// The newest requests that stand so, each with what was asked.
pub(crate) fn standing(daemon: &Daemon, status: &str, last: usize) -> Result<Vec<Value>, Refusal> {
    let status = match status {
        "all" => None,
        word if STATUSES.contains(&word) => Some(word),
        word => {
            let words = STATUSES.join(", ");
            return Err(Refusal::bad_request(format!("no request has the status {word:?}"))
                .hint(format!("one of {words}, all")));
        }
    };
    daemon.look(|view| {
        let documents = newest_requests(view, status, last)?;
        documents.iter().map(|doc| Ok(whole(view, &daemon.reader, doc)?)).collect()
    })
}
