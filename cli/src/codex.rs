//! Where codex and its own home are looked for: SM_CODEX, PATH, a project's `.tools`.

use crate::error::{Error, Exit};
use sm_daemon::Search;
use std::path::{Path, PathBuf};

/// How far above the program a project's tool folder may lie: `PROJECT/target/release/sm`.
const LEVELS_MAX: usize = 4;

/// Where to look for codex.
pub fn search() -> Search {
    let exe = std::env::current_exe().unwrap_or_default();
    let above = exe.ancestors().skip(1).take(LEVELS_MAX).map(Path::to_path_buf);
    let here = std::env::current_dir().ok();
    Search {
        explicit: std::env::var_os("SM_CODEX").map(PathBuf::from),
        path: std::env::var_os("PATH"),
        tools: here.into_iter().chain(above).map(|dir| dir.join(".tools")).collect(),
    }
}

/// The CODEX_HOME of sessions that name none.
pub fn default_home() -> Result<PathBuf, Error> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|d| d.is_absolute());
    let dir = folder("CODEX_HOME").or_else(|| Some(folder("HOME")?.join(".codex")));
    dir.ok_or_else(|| {
        Error::new(Exit::Failed, "no_home", "neither CODEX_HOME nor HOME is set")
            .hint("Name Codex's own folder: CODEX_HOME=DIR sm …")
    })
}
