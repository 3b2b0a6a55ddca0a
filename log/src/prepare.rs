//! Making room ahead of the writing, so that neither growing a file nor making the next one is on
//! the way of an append.
//!
//! * Ahead of the active segment's frames zeros are written and synced: then a sync has only the
//!   frames' bytes to bring to the medium, and no change of the file's extents.
//! * When the active segment is half full the next file is made, under the name `prepared`, zeros
//!   in all of it. Rolling gives it a header and its name. That needs no sync: whoever finds a file
//!   `prepared` with a header knows which segment it is.
//! * Where each sync takes much, zeros would cost more than they save: there is only space taken.
//! * Zeros go through a file opened apart. The system tells of a failed write once to each open
//!   file, so a sync of zeros that fails takes nothing away from what the frames' sync will say.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;

use crate::segment::{self, Form, HEADER_LEN, Identity};
use crate::storage::{File, Storage};
use crate::writer::{Active, Core};

/// The next segment's file before it has a segment's name.
pub const PREPARED: &str = "prepared";

const CHUNK: u64 = 256 << 10;
const AHEAD_MAX: u64 = 8 << 20;
/// Bytes of zeros between two syncs of a file that nobody writes yet.
const NEXT_CHUNK: u64 = 1 << 20;

/// How far a segment's file is made: zeros up to there, or nothing that counts.
///
/// The writer writes below it only, whoever prepares above it only, and both move it with the lock
/// held: so zeros never fall on frames.
pub struct Ahead(Mutex<u64>);

impl Ahead {
    pub fn new(made: u64) -> Ahead {
        Ahead(Mutex::new(made))
    }

    /// For the writer: how far it may write. Where that is less than `needed` it takes the space
    /// itself, up to `goal`.
    pub fn claim(&self, file: &dyn File, needed: u64, goal: u64) -> u64 {
        let mut made = self.0.lock();
        if *made < needed {
            // Space that is not there shows in the write itself.
            *made = if file.allocate(goal).is_ok() { goal } else { needed };
        }
        *made
    }

    fn made(&self) -> u64 {
        *self.0.lock()
    }

    fn add_zeros(&self, file: &dyn File, zeros: &[u8]) -> io::Result<()> {
        let mut made = self.0.lock();
        file.write_at(&[zeros], *made)?;
        *made += zeros.len() as u64;
        Ok(())
    }
}

/// A file that waits to be a segment.
pub struct Prepared {
    pub file: Arc<dyn File>,
    made: u64,
}

impl Prepared {
    /// Makes it that segment.
    pub fn become_segment(
        self,
        storage: &dyn Storage,
        identity: &Identity,
    ) -> io::Result<(Arc<dyn File>, u64)> {
        let header = segment::encode_header(identity, Form::Plain, crate::log::now());
        self.file.write_at(&[&header], 0)?;
        storage.rename(PREPARED, &identity.name(Form::Plain))?;
        Ok((self.file, self.made))
    }
}

/// Prepares what is due; what fails is tried again later, as nothing depends on it but speed.
pub fn prepare(core: &Core) -> io::Result<()> {
    let _one_at_a_time = core.preparing.lock();
    let (active, position) = core.active.lock().clone();
    if !core.bulk.load(Relaxed) {
        zeros_ahead(core, &active, position)?;
    }
    if position * 2 > core.options.segment_bytes && core.prepared.lock().is_none() {
        let prepared = next_file(core)?;
        *core.prepared.lock() = Some(prepared);
    }
    Ok(())
}

fn zeros_ahead(core: &Core, active: &Active, position: u64) -> io::Result<()> {
    let ahead = position.clamp(CHUNK, AHEAD_MAX);
    let goal = (position + ahead).min(core.options.segment_bytes);
    if active.ahead.made() >= goal {
        return Ok(());
    }
    let file = core.storage.open(&active.identity.name(Form::Plain))?;
    let zeros = vec![0; CHUNK as usize];
    while active.ahead.made() < goal && !core.ring.is_closed() {
        let made = active.ahead.made();
        let len = (goal - made).min(CHUNK - made % CHUNK);
        active.ahead.add_zeros(&*file, &zeros[..len as usize])?;
        file.sync()?;
    }
    Ok(())
}

fn next_file(core: &Core) -> io::Result<Prepared> {
    let storage = &*core.storage;
    if storage.names()?.iter().any(|name| name == PREPARED) {
        // Left by a try that failed.
        storage.remove(PREPARED)?;
    }
    let file = storage.create(PREPARED)?;
    let goal = core.options.segment_bytes.max(HEADER_LEN as u64);
    let zeros = vec![0; goal.min(NEXT_CHUNK) as usize];
    let mut made = 0;
    // Whoever closes the log waits for this.
    let wanted = || !core.bulk.load(Relaxed) && !core.ring.is_closed();
    while made == 0 || (made < goal && wanted()) {
        let len = (goal - made).min(NEXT_CHUNK);
        file.write_at(&[&zeros[..len as usize]], made)?;
        file.sync()?;
        made += len;
    }
    storage.sync_names()?;
    Ok(Prepared { file, made })
}
