//! Sources that turn Codex's messages into log records.
//!
//! What always holds: a message is recorded verbatim before anything else looks at it; no line is
//! too long, too broken or too many; nothing here reads a projection.

pub mod app_server;
mod aside;
mod import;
mod interpreter;
mod lines;
mod recorder;
mod secrets;
mod unanswered;

pub use aside::aside;
pub use import::{
    CutOff, ImportError, ImportSummary, Importer, MalformedLine, MarkedLine, hash_file,
};
pub use interpreter::{Interpreter, Reading};
pub use recorder::{Recorder, Scribe};
pub use secrets::{MASK, is_secret_member};
