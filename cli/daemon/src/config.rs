//! What a daemon is told; it reads no environment itself.

use crate::home::Home;
use sm_ingest::app_server::Search;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Says a line to whoever keeps the daemon's own log.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// How long an answer waits for the tables, where nobody says.
const FOLD_PATIENCE: Duration = Duration::from_secs(30);

/// What a daemon is told.
#[derive(Clone)]
pub struct Config {
    /// The data directory.
    pub home: Home,
    /// Where to look for codex.
    pub search: Search,
    /// The CODEX_HOME of sessions that name none.
    pub codex_home: PathBuf,
    /// `sm`'s own version.
    pub version: String,
    /// Where its own words go: a line a call.
    pub say: Say,
    /// A loopback address to serve on, too, behind a token.
    pub tcp: Option<SocketAddr>,
    /// It is a demo's: it ends when its standard input does, which the demo holds, and an answer of
    /// `demo` is the demo's own.
    pub demo: bool,
    /// How long an answer waits for the tables to tell what was done.
    pub fold_patience: Duration,
}

impl Config {
    /// The least: says nothing, looks nowhere for codex.
    pub fn new(home: Home, codex_home: impl Into<PathBuf>) -> Config {
        Config {
            home,
            search: Search::default(),
            codex_home: codex_home.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            say: Arc::new(|_| {}),
            tcp: None,
            demo: false,
            fold_patience: FOLD_PATIENCE,
        }
    }
}
