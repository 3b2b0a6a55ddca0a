//! `sm rpc`: any other method of Codex's.

use super::ask::{Whom, document};
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use clap::Args;
use serde_json::Value;
use sm_daemon::api;
use std::io::Read;

/// Calls any method of Codex's app-server, recorded, and prints the answer as JSON. What a command of
/// sm's does is refused with its name.
#[derive(Debug, Args)]
pub struct Rpc {
    /// The method: thread/read, config/read …
    method: String,

    /// Its parameters as JSON; `-` reads standard input. A session fills in threadId.
    params: Option<String>,

    #[command(flatten)]
    whom: Whom,
}

impl Rpc {
    /// Calls it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let wish = api::Rpc {
            method: self.method.clone(),
            params: self.params()?,
            ask: self.whom.ask(context)?,
        };
        let client = self.whom.client(context, streams)?;
        let told = client.codex("rpc", &wish)?;
        match context.json {
            true => streams.document(&document("sm.rpc/1", &told))?,
            false => streams.document(&told.answer)?,
        }
        Ok(Exit::Ok)
    }

    /// What cannot be read is told by its place: it may be a secret.
    fn params(&self) -> Result<Value, Error> {
        let text = match self.params.as_deref() {
            None => return Ok(Value::Null),
            Some("-") => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(|source| {
                    Error::new(
                        Exit::Failed,
                        "io",
                        format!("failed to read standard input: {source}"),
                    )
                })?;
                text
            }
            Some(text) => text.to_owned(),
        };
        serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::usage(format!("the parameters are no JSON, at line {line} column {column}"))
                .hint("Give an object: sm rpc config/read '{\"includeLayers\": false}'")
        })
    }
}
