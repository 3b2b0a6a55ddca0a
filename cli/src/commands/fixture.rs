//! `sm fixture`: recorded traffic kept as regression tests.
//!
//! What always holds: a transcript is looked at in a scratch log of its own; the data directory is
//! read by `record` and never written.

mod check;
mod deltas;
mod folded;
mod forms;
mod generate;
mod named;
mod record;
mod redact;
mod strings;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::{Args, Subcommand};

/// Transcripts as regression tests: check them, make them of sessions, generate traffic of any size.
///
/// A fixture is a transcript (NAME.jsonl, or NAME.tap.jsonl of both directions) and beside it
/// golden/NAME.txt: what the folds made of it, as text to review.
#[derive(Debug, Args)]
pub struct Fixture {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Check),
    Record(record::RecordOf),
    Gen(generate::Gen),
}

impl Fixture {
    /// Runs the verb.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        match &self.verb {
            Verb::Check(verb) => verb.run(context, streams),
            Verb::Record(verb) => verb.run(context, streams),
            Verb::Gen(verb) => verb.run(context, streams),
        }
    }
}
