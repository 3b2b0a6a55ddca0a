//! `sm completions`, `sm man`: help for shells and manual readers.

use crate::args::Args as Root;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Prints the completion script of a shell.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell.
    shell: Shell,
}

/// Prints the manual page.
#[derive(Debug, Args)]
pub struct Man {}

impl Completions {
    /// Prints it.
    pub fn run(&self, streams: &mut Streams) -> Result<Exit, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Root::command(), "sm", &mut script);
        streams.bytes(&script)?;
        Ok(Exit::Ok)
    }
}

impl Man {
    /// Prints it.
    pub fn run(&self, streams: &mut Streams) -> Result<Exit, Error> {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Root::command()).render(&mut page);
        rendered.map_err(|error| Error::new(Exit::Failed, "io", error.to_string()))?;
        streams.bytes(&page)?;
        Ok(Exit::Ok)
    }
}
