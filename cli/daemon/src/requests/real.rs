//! Where a path really is.
//!
//! What always holds: links are followed as the kernel does; what cannot be seen is nowhere.

use sm_rules::Found;
use std::io;
use std::path::{Path, PathBuf};

/// Where a path really is, links followed as the kernel does; `None` where that is not sure.
pub fn real(path: &Path) -> Option<PathBuf> {
    sm_rules::followed(path, &|at| match std::fs::read_link(at) {
        Ok(to) => Found::Link(to),
        Err(error) => match error.kind() {
            io::ErrorKind::InvalidInput => Found::Plain,
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidFilename => Found::Missing,
            _ => Found::Hidden,
        },
    })
}
