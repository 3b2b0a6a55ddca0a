//! Programs that a session may have made itself: those that its PATH leads to in a folder that is its
//! own.
//!
//! What always holds: it is looked up when it is asked; what the session writes after that is not seen. A
//! folder of its own that cannot be read whole may have any program.

use super::real::real;
use rustix::fs::{Access, access};
use rustix::process::getuid;
use sm_rules::Programs;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// As many files of one folder are looked at.
const FILES_MAX: usize = 10_000;

/// The programs that `path`, a PATH, leads to in `workspace` or where Codex lets any sandboxed agent
/// write.
pub(crate) fn own(path: &str, workspace: Option<&Path>) -> Programs {
    match found(path, workspace, Some(Path::new("/tmp"))) {
        Ok(names) => Programs::These(names),
        Err(folder) => Programs::Any(folder),
    }
}

/// Their names; else the first folder whose programs cannot all be told.
fn found(
    path: &str,
    workspace: Option<&Path>,
    common: Option<&Path>,
) -> Result<BTreeSet<String>, PathBuf> {
    let writable: Vec<PathBuf> = workspace.into_iter().chain(common).filter_map(real).collect();
    let mut found = BTreeSet::new();
    let mut before: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(path) {
        let folder = workspace.unwrap_or(Path::new("/")).join(folder);
        let is_within = |real: &PathBuf| writable.iter().any(|own| real.starts_with(own));
        if real(&folder).as_ref().is_none_or(is_within) {
            let Ok(names) = own_names(&folder) else { return Err(folder) };
            let is_first = |name: &String| !before.iter().any(|folder| folder.join(name).exists());
            found.extend(names.into_iter().filter(is_first));
        }
        before.push(folder);
    }
    Ok(found)
}

/// The names of a folder's files, if the agent may write it or give itself leave to: it is run as the
/// same user, so a mode does not bind it.
fn own_names(folder: &Path) -> io::Result<Vec<String>> {
    let is_own = match folder.metadata() {
        Ok(found) => {
            let is_users = found.uid() == getuid().as_raw();
            found.is_dir() && (is_users || access(folder, Access::WRITE_OK).is_ok())
        }
        // What cannot be found cannot be started.
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => false,
            _ => return Err(error),
        },
    };
    let mut names = Vec::new();
    if is_own {
        for (at, file) in folder.read_dir()?.enumerate() {
            if at == FILES_MAX {
                return Err(ErrorKind::FileTooLarge.into());
            }
            // No rule has a word that is not text.
            names.extend(file?.file_name().into_string().ok());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
            found(path.to_str().unwrap(), Some(&ws), common).unwrap().into_iter().collect()
        };
        let bin = ws.join(".venv/bin");
        assert_eq!(names(&[&bin, &sys], None), ["ls", "pytest"]);
        assert_eq!(names(&[&sys, &bin], None), ["pytest"]);
        assert_eq!(names(&[&root.join("link"), &sys], None), ["ls", "pytest"]);
        assert_eq!(names(&[Path::new(".venv/bin")], None), ["ls", "pytest"]);
        assert_eq!(names(&[&sys], Some(root)), ["cat", "ls"]);
        assert!(names(&[&sys, Path::new("/nowhere")], None).is_empty());
    }
    /// Does it as a user whom modes bind: as itself, where that is not root.
    fn as_user(f: impl FnOnce() + Send) {
        let work = || {
            if getuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65_534);
                // This thread's only, and it ends with it.
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            f();
        };
        std::thread::scope(|scope| scope.spawn(work).join().unwrap());
    }

    #[test]
    fn a_folder_that_the_agent_shut_is_still_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let set_mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set_mode(dir.path(), 0o777);
        as_user(|| {
            let ws = dir.path().join("ws");
            let bin = ws.join(".venv/bin");
            std::fs::create_dir_all(&bin).unwrap();
            std::fs::write(bin.join("cargo"), "").unwrap();
            let found = || own(bin.to_str().unwrap(), Some(&ws));
            let cargo = Programs::These(["cargo".to_owned()].into());
            assert_eq!(found(), cargo);
            set_mode(&bin, 0o555);
            assert_eq!(found(), cargo);
            // Programs are found there still, and not listed.
            for mode in [0o311, 0o111] {
                set_mode(&bin, mode);
                assert!(bin.join("cargo").exists());
                assert_eq!(found(), Programs::Any(bin.clone()));
            }
            set_mode(&bin, 0o755);
        });
    }

    #[test]
    fn a_folder_of_more_files_than_are_looked_at_may_have_any_program() {
        let dir = tempfile::tempdir().unwrap();
        let ws = dir.path();
        let file = |number: usize| std::fs::write(ws.join(number.to_string()), "").unwrap();
        (0..FILES_MAX).for_each(file);
        let found = || found(ws.to_str().unwrap(), Some(ws), None);
        assert_eq!(found().unwrap().len(), FILES_MAX);
        file(FILES_MAX);
        assert_eq!(found().unwrap_err(), ws);
    }
}
