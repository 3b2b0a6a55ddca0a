//! The verbs of a thread's life, one family a file: each is passed to Codex and recorded.
//!
//! What always holds: an agent acts on what hangs below it, and begins no turn in what may do more than
//! it; a session's lock is held from the look at its row to the record of what was done; what a release
//! cannot do is refused by name, on its own word, and nothing is done half.

pub(crate) mod acts;
mod archive;
mod ask;
mod compact;
mod fork;
mod goal;
mod history;
mod name;
mod releases;
mod review;
mod revision;
mod rollback;
mod rpc;
mod scene;
pub(crate) mod words;

pub(crate) use archive::{archive, unarchive};
pub(crate) use ask::{Question, ask};
pub(crate) use compact::compact;
pub(crate) use fork::fork;
pub(crate) use goal::goal;
pub(crate) use name::name;
pub(crate) use review::review;
pub(crate) use rollback::{find_out, rollback};
pub(crate) use rpc::rpc;
pub(crate) use scene::Scene;
