//! Codex's processes: started when first needed, attended to, replaced, and brought back after a crash.
//!
//! What always holds: a server is attended to from its first word to its end, and what it lost is resumed or
//! declared stopped.

pub(crate) mod archive;
pub(crate) mod attend;
pub(crate) mod drain;
mod holder;
mod launch;
pub(crate) mod older;
pub(crate) mod pool;
pub(crate) mod recovery;
pub(crate) mod resume;
pub(crate) mod revive;
