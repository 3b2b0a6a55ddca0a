//! `sm handoff`: a brief for a fresh session, made of the records of an old one.
//!
//! What always holds: it is made of the log and the tables alone, with no look at a clock or a process,
//! so the same records give the same brief; each thing that it says names the record that it is from.

mod brief;
mod history;
mod page;
mod reader;

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::past::{At, Question};
use crate::read::{Tables, open_log};
use clap::Args;
use history::Origins;
use reader::Reader;
use sm_projections::views;

/// Writes a brief from which a fresh session can go on: what was asked, planned, done, said and left
/// open, each with the record that says so. Markdown; begin one with it:
/// `sm handoff OLD | sm spawn -`
#[derive(Debug, Args)]
pub struct Handoff {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    #[arg(default_value = "@last")]
    session: String,

    #[command(flatten)]
    at: At,
}

impl Handoff {
    /// Writes it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let words = [self.session.clone()];
        let live = Tables::open_some(context, streams)?;
        let tables = self.at.of(context, streams, &live, &Question::Families(&words))?;
        let view = tables.view()?;
        let found = tables.select(context, &view, &self.session)?;
        let doc = views::session_doc(&view, found.sid)?.ok_or_else(|| {
            Error::new(Exit::NotFound, "not_found", format!("no session fits {:?}", self.session))
        })?;
        let (log, as_of) = (open_log(context)?, tables.as_of(&view)?);
        let origins = Origins { context, streams, live: &live, log: &log };
        let fork = origins.of(&found.session, as_of.seq)?;
        let reader = Reader::new(&log, &tables.log_id, &view, &found, fork)?;
        let brief = reader.brief(doc, as_of)?;
        match context.json {
            true => streams.document(&brief)?,
            false => streams.bytes(brief.markdown().as_bytes())?,
        }
        Ok(Exit::Ok)
    }
}
