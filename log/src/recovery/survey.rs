//! How far a log is by what its segments say, where the watermark file is missing or damaged: so that it
//! can be read where nobody may or wants to write.
//!
//! Nothing is changed. What is torn and what is damage is told as for who opens the log for writing; the
//! answer is the moment's, and a new reader is needed for what comes later.

use std::io;
use std::sync::Arc;

use super::{known, tail};
use crate::chain::{self, Chain};
use crate::error::{OpenError, ReadError};
use crate::id::LogId;
use crate::segment::{self, Header};
use crate::storage::{Memory, Storage};
use crate::trim::Trimmed;
use crate::watermark::{self, Mark, Page, Place};

/// A page in memory that says what the lost one may have said; `None`: no segment tells which log it is.
pub fn page(storage: &Arc<dyn Storage>) -> Result<Option<(Page, LogId)>, OpenError> {
    let failed = |source| OpenError::io("survey", storage.path(""))(source);
    let Some(id) = newest_id(&**storage).map_err(failed)? else { return Ok(None) };
    let page = Page::new(Memory::new().words(watermark::NAME, true).map_err(failed)?);
    page.write_head(id);
    let mut writer = page.clone().writer(id);
    let every = Place { serial: u64::MAX, ..Place::default() };
    let all = Mark { watermark: every, ..Mark::default() };
    let chain = Chain::new(storage.clone(), id, page.clone(), None);
    let parts = chain.parts(&all).map_err(|error| match error {
        ReadError::Io { act, path, source, .. } => OpenError::Io { act, path, source },
        error => failed(io::Error::other(error.to_string())),
    })?;
    let trimmed = Trimmed::read(&**storage, id).map_err(failed)?.and_then(Result::ok);
    let mut mark = known(None, trimmed.as_ref(), &parts.all);
    let (walk, verdict, _) = tail::look(&**storage, &parts.all, &mark).map_err(failed)?;
    mark.watermark = Place { seq: verdict.next - 1, ..walk.place };
    writer.write(&mark);
    Ok(Some((page, id)))
}

/// The log that the newest whole header names.
fn newest_id(storage: &dyn Storage) -> io::Result<Option<LogId>> {
    let names = storage.names()?.into_iter();
    let mut named: Vec<_> = names.filter_map(|n| Some((segment::parse_name(&n)?, n))).collect();
    named.sort();
    let id = |(_, name): &(_, String)| match chain::read_header(storage, name) {
        Ok(Header::Valid { identity, .. }) => Some(identity.log),
        _ => None,
    };
    Ok(named.iter().rev().find_map(id))
}
