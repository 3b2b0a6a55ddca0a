//! `sm demo`: the whole thing, with no account and no network.

use crate::context::Context;
use crate::demo::{Stage, live, recorded};
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use std::path::PathBuf;

/// Shows it all at work: a scripted model on this machine drives the real codex, or recorded traffic
/// is replayed where there is none. No account, no network.
#[derive(Debug, Args)]
pub struct Demo {
    /// A new folder to keep it in [default: one in the temporary folder].
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Replays recorded traffic, even where there is a codex.
    #[arg(long)]
    recorded: bool,

    /// The part of the actors, when recorded traffic is replayed.
    #[arg(long, hide = true)]
    actors: bool,
}

impl Demo {
    /// Shows it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        if self.actors {
            recorded::act(context)?;
            return Ok(Exit::Ok);
        }
        let stage = Stage::new(self.keep.as_deref())?;
        stage.tell_when_interrupted()?;
        // A data directory of its own: a demo must not touch the user's.
        let context = Context::at(stage.home(), context.json);
        let codex = match self.recorded {
            true => None,
            false => match sm_daemon::locate(&crate::codex::search()) {
                Ok(codex) => Some(codex),
                Err(error) => {
                    streams.say(format_args!("{error}; recorded traffic will do."));
                    None
                }
            },
        };
        match codex {
            Some(codex) => live::run(&stage, &codex, &context, streams)?,
            None => recorded::run(&context, streams)?,
        }
        stage.close(&context, streams)?;
        Ok(Exit::Ok)
    }
}
