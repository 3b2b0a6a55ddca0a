//! Opening a log for writing: what was left by the last writer, and what is decided.
//!
//! * Known durable is the larger of what the watermark file says was synced and what any valid
//!   frame says was durable before it. What was acknowledged without a sync counts as given away.
//! * What cannot be read up to there is damage: it becomes a gap, and nothing is cut.
//! * What cannot be read beyond is torn: the log ends before it. The segment is left behind as it
//!   is, and a new one begins at that seq.
//! * What can be read beyond is kept. It is written again, into a new segment, before anybody sees
//!   it: the writer before may have died of a failed sync, after which a sync of the old bytes
//!   would mean nothing. With [`Durability::Os`], which promises less, it stays where it is, unless
//!   there are gaps in it.
//! * What is decided here is durable before anything is promised on top of it: the watermark file
//!   may be lost with the next power cut, and then only frames tell that a gap is one and that
//!   the log goes on behind it. So each frame that follows says how far the log was given away,
//!   and a gap of which no frame that stays says so is written down.

mod files;
mod place;
pub mod survey;
mod tail;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::chain::{Chain, Part, spans};
use crate::error::{Gap, OpenError};
use crate::id::LogId;
use crate::options::{Durability, Options};
use crate::storage::Storage;
use crate::trim::Trimmed;
use crate::watermark::{self, Mark, Page, Place};
use crate::writer::{Core, Published, Tail};
use files::Files;

/// What was found when a log was opened for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// There was no log; it was made.
    pub created: bool,
    /// The last seq of the log as it is now; 0 if it is empty.
    pub last: u64,
    /// Records found beyond the published watermark, which count now.
    pub found: u64,
    /// A torn tail that was left behind. None of it was acknowledged.
    pub torn: Option<Torn>,
    /// What could not be read in the part that was looked at: behind the synced place.
    pub gaps: Vec<Gap>,
    /// Files that are not what their name says, as far as they were looked at: of a log with many
    /// segments the newest. [`Reader::verify`](crate::Reader::verify) looks at all.
    pub strangers: Vec<Stranger>,
}

/// A tail that was not durable when the last writer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The seq it would have begun with, which is given away again.
    pub first: u64,
    /// The file that it was left in.
    pub file: PathBuf,
    /// Where it begins.
    pub position: u64,
}

/// A file in the log's directory that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: &'static str,
}

/// An opened log.
pub struct Opened {
    pub core: Arc<Core>,
    pub chain: Arc<Chain>,
    pub id: LogId,
    pub recovery: Recovery,
}

/// Opens the log in a storage whose lock is held.
pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<Opened, OpenError> {
    let words = storage
        .words(watermark::NAME, true)
        .map_err(OpenError::io("open", storage.path(watermark::NAME)))?;
    let page = Page::new(words);
    files::refuse_newer(&*storage, &page)?;
    // Listed once: a log may have very many.
    let mut names = storage.names().map_err(OpenError::io("list", storage.path("")))?;
    files::name_prepared(&*storage, &page, &mut names)?;
    files::remove_unfinished(&*storage, &mut names)?;
    let mut files = Files::find(&*storage, &page, names)?;
    let published = page.read(files.id);
    let io = || OpenError::io("recover", storage.path(""));
    let trimmed = Trimmed::read(&*storage, files.id).map_err(io())?.and_then(Result::ok);
    if trimmed.is_none() && published.is_none_or(|mark| mark.floor > 1) {
        files.read_all(&*storage)?;
    }
    let mark = known(published, trimmed.as_ref(), &files.parts);
    if let Some(trimmed) = &trimmed {
        files.remove_below(&*storage, trimmed.floor)?;
    }

    if tail::beginning(&*storage, &spans(&files.parts), &mark).map_err(io())?.is_none() {
        files.read_all(&*storage)?;
    }
    let (walk, verdict, unfinished) = tail::look(&*storage, &files.parts, &mark).map_err(io())?;
    let undamaged = verdict.gaps.is_empty() && !unfinished;
    let in_place = options.durability == Durability::Os && undamaged;
    let again = match in_place {
        true => Vec::new(),
        false => {
            let from = walk.write_again_from(&verdict, &mark);
            walk.sync_below(&*storage, from, &mark).map_err(io())?;
            walk.to_write_again(&*storage, &verdict, from).map_err(io())?
        }
    };
    let first = again.first().map_or(verdict.next, |batch| batch.first_seq);
    let mut stage = place::writing_place(&*storage, &files, &walk, &verdict, first).map_err(io())?;
    stage.settled = first - 1;
    storage.sync_names().map_err(io())?;

    let recovery = Recovery {
        created: published.is_none() && files.parts.is_empty(),
        last: verdict.next - 1,
        found: (verdict.next - 1).saturating_sub(mark.watermark.seq),
        torn: verdict.torn.clone(),
        gaps: verdict.gaps.clone(),
        strangers: files.strangers.clone(),
    };
    let serial = stage.active.identity.serial;
    let end = Place { seq: first - 1, serial, position: stage.position };
    let (mut tail, mut next_mark) = (Tail::new(end), Mark { watermark: end, synced: end, ..mark });
    if in_place {
        (tail.synced, next_mark.synced) = (mark.synced, mark.synced);
        tail.dirty = walk.files(&*storage).map_err(io())?;
    }
    if end.seq < mark.watermark.seq {
        next_mark.watermark = mark.watermark;
    }
    let mut writer = page.clone().writer(files.id);
    writer.write(&next_mark);
    if page.id() != Ok(files.id) {
        page.write_head(files.id);
    }
    let published = Published { page: page.clone(), writer, mark: next_mark };
    let core = Core::new(storage.clone(), options, published, stage, tail);
    let chain = Chain::new(storage, files.id, page, Some(core.progress.clone()));
    core.ring.restore(again, verdict.next);
    core.write_again()?;
    core.limit_line();
    let (core, chain) = (Arc::new(core), Arc::new(chain));
    Ok(Opened { core, chain, id: files.id, recovery })
}

/// What was known when the last writer ended: what the watermark file says, but that the floor is
/// the trim file's, if there is one, and that all below it was on the medium once.
fn known(
    published: Option<Mark>,
    trimmed: Option<&Trimmed>,
    parts: &BTreeMap<u64, Arc<Part>>,
) -> Mark {
    let mut mark = published.unwrap_or_default();
    let oldest = spans(parts).first().map_or(1, |span| span.first);
    mark.floor = match (trimmed, published) {
        (Some(trimmed), _) => trimmed.floor,
        // A trim was on its way, or its file is lost.
        (None, Some(_)) => mark.floor.min(oldest),
        (None, None) => oldest,
    };
    for place in [&mut mark.watermark, &mut mark.synced] {
        if place.seq + 1 < mark.floor {
            *place = Place { seq: mark.floor - 1, ..Place::default() };
        }
    }
    mark
}
