//! Paths: patterns of them, where they lead, and which of them a command names.
//!
//! What always holds: a path is as it was given until something says otherwise, `..` and all.

pub(crate) mod glob;
pub(crate) mod guarded;
pub(crate) mod links;
pub(crate) mod places;
