//! `sm compact`: a history made short.

use super::archive::begin;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;

/// Has Codex sum up sessions' histories, which makes room in their contexts. It takes a turn:
/// `sm wait` waits for its end.
#[derive(Debug, Args)]
pub struct Compact {
    /// Ids, names, unique prefixes of either, thread ids, @last or @parent.
    #[arg(required = true, value_name = "SESSION")]
    sessions: Vec<String>,
}

impl Compact {
    /// Begins it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        begin(context, streams, &self.sessions, "compact", "is being compacted")
    }
}
