//! `GET /metrics`: how the daemon is, in Prometheus' text form.
//!
//! What always holds: every number is read when it is asked for, from the log, the tables and the pool;
//! nothing is counted beside them. The form is lines of text: a crate would bring a registry to keep.

use super::routes::Shared;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::requests;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use sm_projections::rows::ActivityState;
use sm_projections::tables::Queue;
use sm_projections::views;
use std::fmt::{Display, Write as _};

/// The form's name.
pub(crate) const FORM: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn metrics(
    State(daemon): Shared,
) -> Result<([(HeaderName, &'static str); 1], String), Refusal> {
    Ok(([(CONTENT_TYPE, FORM)], text(&daemon)?))
}

fn text(daemon: &Daemon) -> Result<String, Refusal> {
    let health = daemon.log().health();
    let (mut sessions, mut queued) = ([0u64; ActivityState::ALL.len()], 0u64);
    let checkpoint = daemon.look(|view| {
        views::heads(view, |head| {
            let at = ActivityState::ALL.iter().position(|state| *state == head.state);
            at.into_iter().for_each(|at| sessions[at] += 1);
        })?;
        view.scan::<Queue>(&[], &[], |_, ()| {
            queued += 1;
            true
        })?;
        view.checkpoint()
    })?;
    let waiting = requests::count_waiting(daemon)?;
    let mut page = Page::default();
    page.one("sm_log_watermark", "counter", "The last durable seq.", health.watermark);
    page.one("sm_log_floor", "counter", "The oldest seq kept.", daemon.reader.floor());
    page.one("sm_projections_checkpoint", "counter", "The last folded seq.", checkpoint);
    let told = "Writes of the log that failed and were tried again.";
    page.one("sm_event_persist_errors_total", "counter", told, health.persist_errors);
    page.head("sm_sessions", "gauge", "Sessions by activity state.");
    for (state, count) in ActivityState::ALL.iter().zip(sessions) {
        page.line(format_args!("sm_sessions{{state=\"{}\"}}", state.as_str()), count);
    }
    page.one("sm_requests_waiting", "gauge", "Requests that wait for somebody.", waiting);
    page.one("sm_inputs_waiting", "gauge", "Messages that wait for their turn.", queued);
    page.one("sm_servers", "gauge", "Running Codex servers.", daemon.pool.running().len());
    let resuming: usize = daemon.revivals.documents().iter().map(|lost| lost.threads.len()).sum();
    let told = "Sessions that lost their server and are not loaded again yet.";
    page.one("sm_sessions_resuming", "gauge", told, resuming);
    Ok(page.0)
}

/// The page as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, told: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {told}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: impl Display, value: impl Display) {
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, told: &str, value: impl Display) {
        self.head(name, kind, told);
        self.line(name, value);
    }
}
