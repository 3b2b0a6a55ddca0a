//! `sm rebuild`: the projections anew.
//!
//! What always holds: the tables that are there serve until the new ones are whole; the log is only
//! read.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::nothing_yet;
use clap::Args;
use serde::Serialize;
use sm_daemon::HomeError;
use sm_daemon::counted;
use sm_log::OpenError;
use std::time::Instant;

/// Folds the whole log anew and puts the result in the place of the projections.
///
/// For projections that are damaged, of another log, or ahead of theirs. The log itself is only read.
#[derive(Debug, Args)]
pub struct Rebuild {
    /// Without the snapshot of trimmed records, where it is lost: what only it knew is then unknown,
    /// and `sm doctor` says so.
    #[arg(long)]
    partial: bool,
}

#[derive(Serialize)]
struct Rebuilt {
    schema: &'static str,
    /// The last seq folded.
    seq: u64,
    elapsed_ms: u64,
}

impl Rebuild {
    /// Folds.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let began = Instant::now();
        match sm_log::peek(context.home.log_dir()) {
            Err(OpenError::NotFound { .. }) => return Err(nothing_yet(context)),
            found => drop(found.map_err(HomeError::from)?),
        }
        let meter = streams.meter();
        let tell = |seq| meter.tell(format_args!("folding anew: seq {seq}"));
        let seq = context.home.rebuild(self.partial, tell)?;
        meter.done();
        let elapsed_ms = began.elapsed().as_millis() as u64;
        match context.json {
            true => streams.document(&Rebuilt { schema: "sm.rebuild/1", seq, elapsed_ms })?,
            false => streams.line(format_args!("✓ {} folded anew", counted(seq, "record")))?,
        }
        Ok(Exit::Ok)
    }
}
