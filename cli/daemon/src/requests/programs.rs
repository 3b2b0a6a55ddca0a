//! Programs that a session may have made itself: those that its PATH leads to in a folder that it may
//! write.
//!
//! What always holds: it is looked up when it is asked; what the session writes after that is not seen.

use super::asked::real;
use rustix::fs::{Access, access};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// As many files of one folder are looked at.
const FILES_MAX: usize = 10_000;

/// The names of the programs that `path`, a PATH, leads to in `workspace` or where Codex lets any
/// sandboxed agent write.
pub(crate) fn own(path: &str, workspace: Option<&Path>) -> BTreeSet<String> {
    found(path, workspace, Some(Path::new("/tmp")))
}

fn found(path: &str, workspace: Option<&Path>, common: Option<&Path>) -> BTreeSet<String> {
    let writable: Vec<PathBuf> = workspace.into_iter().chain(common).filter_map(real).collect();
    let mut found = BTreeSet::new();
    let mut before: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(path) {
        let folder = workspace.unwrap_or(Path::new("/")).join(folder);
        let is_within = |real: &PathBuf| writable.iter().any(|own| real.starts_with(own));
        let is_own = real(&folder).as_ref().is_none_or(is_within)
            && access(&folder, Access::WRITE_OK).is_ok();
        if is_own {
            let files = std::fs::read_dir(&folder).into_iter().flatten().take(FILES_MAX);
            let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
            found.extend(
                names.filter(|name| !before.iter().any(|folder| folder.join(name).exists())),
            );
        }
        before.push(folder);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_first_counts() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for file in ["ws/.venv/bin/ls", "ws/.venv/bin/pytest", "sys/ls", "sys/cat"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        let (ws, sys) = (root.join("ws"), root.join("sys"));
        std::os::unix::fs::symlink(ws.join(".venv/bin"), root.join("link")).unwrap();
        let names = |folders: &[&Path], common| -> Vec<String> {
            let path = std::env::join_paths(folders).unwrap();
            found(path.to_str().unwrap(), Some(&ws), common).into_iter().collect()
        };
        let bin = ws.join(".venv/bin");
        assert_eq!(names(&[&bin, &sys], None), ["ls", "pytest"]);
        assert_eq!(names(&[&sys, &bin], None), ["pytest"]);
        assert_eq!(names(&[&root.join("link"), &sys], None), ["ls", "pytest"]);
        assert_eq!(names(&[Path::new(".venv/bin")], None), ["ls", "pytest"]);
        assert_eq!(names(&[&sys], Some(root)), ["cat", "ls"]);
        assert!(names(&[&sys, Path::new("/nowhere")], None).is_empty());
    }
}
