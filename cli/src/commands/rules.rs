//! `sm rules`: which requests are answered without a human.

mod check;
mod grant;
mod history;
mod list;
mod test;

pub use check::exposed;
pub use grant::{grant_it, plain_words};

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::{Args, Subcommand};
use serde_json::json;
use sm_daemon::asked::real;
use sm_daemon::mending;
use sm_rules::Fault;
use std::path::{Path, PathBuf};

/// Lists, checks and tries the rules by which requests are answered without you; grants and revokes.
#[derive(Debug, Args)]
pub struct Rules {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists all rules, the grants too.
    List,
    /// Says what is wrong in the files; while anything is, no rule applies.
    Check,
    Test(test::Test),
    Grant(grant::Grant),
    Revoke(grant::Revoke),
}

impl Rules {
    /// Does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        match &self.verb {
            None | Some(Verb::List) => list::run(context, streams),
            Some(Verb::Check) => check::run(context, streams),
            Some(Verb::Test(test)) => test.run(context, streams),
            Some(Verb::Grant(wish)) => wish.run(context, streams),
            Some(Verb::Revoke(wish)) => wish.run(context, streams),
        }
    }
}

/// The error of a file with a fault.
fn faulty(context: &Context, faults: &[Fault]) -> Option<Error> {
    let first = faults.first()?;
    let message = match faults.len() {
        1 => format!("no rule applies: {first}"),
        more => format!("no rule applies: {first} (and {} more)", more - 1),
    };
    Some(
        Error::new(Exit::Failed, "rules_faulty", message)
            .hint(mending(&context.home, faults))
            .details(json!({ "faults": faults })),
    )
}

/// A path from the root on, with nothing in it that leads elsewhere.
fn whole(path: &Path) -> Result<PathBuf, Error> {
    let whole = std::path::absolute(path).map_err(|source| Error::io("find", path, &source))?;
    real(&whole).ok_or_else(|| {
        Error::usage(format!("where {} leads is not sure", path.display()))
            .hint("Name a folder without `..` behind what is not there, and none that is hidden.")
    })
}
