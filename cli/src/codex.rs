//! Where codex and its own home are looked for: SM_CODEX, PATH, this project's own `.tools`.
//!
//! What always holds: what lies in the folder that a command is called in is never run.

use crate::error::{Error, Exit};
use sm_daemon::Search;
use sm_daemon::api::CodexSearch;
use std::path::{Path, PathBuf};

/// How far above the program a project's tool folder may lie: `PROJECT/target/release/sm`.
const LEVELS_MAX: usize = 4;

/// Where to look for codex.
pub fn search() -> Search {
    let exe = std::env::current_exe().unwrap_or_default();
    let named = std::env::var_os("SM_CODEX").filter(|named| !named.is_empty()).map(PathBuf::from);
    Search {
        // The daemon, which is told of it, works in another folder.
        explicit: named.map(|named| std::path::absolute(&named).unwrap_or(named)),
        path: std::env::var_os("PATH"),
        tools: project_of(&exe).map(|project| project.join(".tools")).into_iter().collect(),
    }
}

/// The same, for the daemon.
pub fn told() -> CodexSearch {
    let Search { explicit, path, tools } = search();
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    CodexSearch {
        explicit: explicit.map(text),
        path: path.map(|path| path.to_string_lossy().into_owned()),
        tools: tools.into_iter().map(text).collect(),
    }
}

/// The project that the program was built in, if it still lies in its `target`.
fn project_of(exe: &Path) -> Option<&Path> {
    let mut above = exe.ancestors().skip(1).take(LEVELS_MAX);
    let target = above.find(|dir| dir.file_name().is_some_and(|name| name == "target"))?;
    target.parent().filter(|project| project.join("xtask/codex-version").is_file())
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
