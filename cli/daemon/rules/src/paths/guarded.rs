//! Folders that say what runs later: hooks, settings, skills.
//!
//! What always holds: Codex lets no sandboxed agent write into them, at the root of what it may write; a
//! rule that accepts all of a repository does not mean them either, wherever they lie.

use std::path::{Component, Path};

/// Their names.
pub(crate) const GUARDED: &[&str] = &[".git", ".codex", ".agents"];

/// The guarded folder that a path is or lies in, in whatever case, and that is not meant.
pub(crate) fn guarded(path: &Path, is_meant: impl Fn(&str) -> bool) -> Option<&'static str> {
    let mut on_path = path.components().filter_map(|part| match part {
        Component::Normal(name) => {
            GUARDED.iter().find(|guarded| name.eq_ignore_ascii_case(guarded)).copied()
        }
        _ => None,
    });
    on_path.find(|name| !is_meant(name))
}
