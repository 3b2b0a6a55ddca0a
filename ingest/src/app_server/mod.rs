//! The `codex app-server` as a source: one process, spoken to over its standard input and output.
//!
//! What always holds: what the server says is recorded before anybody looks at it, and what is said
//! to it before it is written; the reader waits for nothing but the log. No pending request, long
//! line or slow listener ever stops it.
//!
//! ```text
//!  codex ──stdout──▶ reader ──▶ log ──▶ waiting call, or [`Incoming`]
//!  codex ◀──stdin─── writer ◀── log ◀── [`AppServer::call`], [`AppServer::respond`]
//!  codex ──stderr──▶ drained, its end kept for error messages
//! ```

mod connection;
mod error;
mod locate;
mod orphans;
mod outgoing;
mod priority;
mod process;
mod stderr;

pub use connection::{AppServer, Ended, Incoming, Launch, Note, Reply, ServerCall};
pub use error::{CallError, StartError};
pub use locate::{
    Codex, FileId, LocateError, Locator, Search, Stage, VERSION_MIN, Version, locate,
};
pub use orphans::{adopt_orphans, reap_orphans};
pub use process::{ProcessId, Vanished, end_marked, with_open};

/// Now, in Unix microseconds.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}
