//! A daemon of a test's own: log, tables and folds, nothing served, no Codex.

use crate::config::Config;
use crate::daemon::Daemon;
use crate::home::Home;
use crate::tables::folding::Folding;
use sm_log::{Log, Options};
use sm_projections::{Commit, Projector, Store};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub(super) struct Bench {
    pub daemon: Daemon,
    _folding: Folding,
    _dir: TempDir,
}

impl Bench {
    /// Its log is written as `options` say. It waits for no fold.
    pub fn new(options: Options) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        let (log, _) = Log::open(home.log_dir(), options).unwrap();
        let store = Store::open(&home.store_path(), &log.id(), Commit::Synced).unwrap();
        let store = Arc::new(store);
        let projector = Projector::new(Arc::clone(&store), log.reader()).unwrap();
        let mut config = Config::new(home, dir.path());
        config.fold_patience = Duration::ZERO;
        let folding = Folding::start(&log, projector, Arc::clone(&config.say)).unwrap();
        let (daemon, _) = Daemon::new(config, log, store, folding.folded());
        Bench { daemon, _folding: folding, _dir: dir }
    }
}
