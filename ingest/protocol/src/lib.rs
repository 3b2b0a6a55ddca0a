//! Codex app-server messages as types.
//!
//! What always holds: decoding never fails on a valid JSON object. Codex changes weekly, so a field
//! of an unexpected type reads as absent, an unknown method keeps its name, and nothing here decides
//! what a message means: that is a fold's work. This crate knows JSON and no files.

mod envelope;
pub mod flags;
mod kind;
mod lenient;
pub mod message;
pub mod synthetic;

pub use envelope::{Envelope, RpcId, Shape};
pub use kind::{CLIENTS_OWN, Kind};
pub use lenient::{Flag, Int, List, Obj, Real, Tag, Text};
