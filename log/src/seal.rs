//! Sealing: a full segment is written again, compressed, with its table of contents, and then takes
//! the plain one's place.
//!
//! 1. `….sealed.tmp` is written and synced.
//! 2. It gets its name, and the name is made durable.
//! 3. The plain file is removed. One with damage in it is set aside, as `….seg.damaged`: what is lost for
//!    the log may be worth something to who mends by hand.
//!
//! After a crash, what has no name yet is thrown away; where both are there the sealed one counts,
//! if it is whole. Segments are sealed in order, so that each can hold the hash of the one before,
//! and the sealed ones all come before the plain ones.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::block;
use crate::chain::{Chain, Limit, Parts, Span};
use crate::error::{GapReason, ReadError};
use crate::footer::{BlockPlace, Footer, Hash, Posting, SealedGap, Seqs, Trailer};
use crate::options::Durability;
use crate::sealed;
use crate::segment::{self, Form};
use crate::storage::File;
use crate::watermark::Mark;
use crate::writer::Core;

/// What is added to a name until the file is whole.
pub const UNFINISHED: &str = ".tmp";
/// What is added to the name of a plain segment that is set aside.
const DAMAGED: &str = ".damaged";

/// Seals the oldest segment that can be; false if there is none.
pub fn seal_one(core: &Core, chain: &Chain) -> Result<bool, ReadError> {
    let mark = chain.mark();
    let parts = chain.parts(&mark)?;
    let is_next = |span: &Span| span.part.form == Form::Plain && span.end > mark.floor;
    let Some(index) = parts.list.iter().position(is_next) else {
        return Ok(false);
    };
    let span = &parts.list[index];
    let safe = match core.options.durability {
        Durability::Os => mark.watermark,
        Durability::Sync | Durability::Interval(_) => mark.synced,
    };
    let is_left = span.part.identity.serial < safe.serial.min(mark.watermark.serial);
    if !is_left || span.end > safe.seq + 1 {
        return Ok(false);
    }
    let job = Job { chain, mark: &mark, parts: &parts, index };
    let path = chain.storage.path(&span.part.name);
    job.run().map_err(ReadError::io("seal", path))?;
    chain.forget();
    Ok(true)
}

struct Job<'a> {
    chain: &'a Chain,
    mark: &'a Mark,
    parts: &'a Arc<Parts>,
    index: usize,
}

/// A sealed file while it is written.
struct Output {
    file: Arc<dyn File>,
    position: u64,
    sha: Sha256,
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(&[bytes], self.position)?;
        self.sha.update(bytes);
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl Job<'_> {
    fn span(&self) -> &Span {
        &self.parts.list[self.index]
    }

    fn run(&self) -> io::Result<()> {
        let storage = &*self.chain.storage;
        let part = &self.span().part;
        let name = part.identity.name(Form::Sealed);
        let unfinished = format!("{name}{UNFINISHED}");
        if storage.names()?.contains(&unfinished) {
            storage.remove(&unfinished)?;
        }
        let file = storage.create(&unfinished)?;
        let footer = self.write(file.clone())?;
        file.sync()?;
        if planted!(RemoveTooEarly) {
            storage.remove(&part.name)?;
            storage.sync_names()?;
            return storage.rename(&unfinished, &name);
        }
        storage.rename(&unfinished, &name)?;
        storage.sync_names()?;
        let is_damage =
            |gap: &SealedGap| matches!(gap.reason, GapReason::Record | GapReason::Frame);
        match footer.gaps.iter().any(is_damage) {
            true => storage.rename(&part.name, &format!("{}{DAMAGED}", part.name))?,
            false => storage.remove(&part.name)?,
        }
        self.remove_shadowed()
    }

    fn write(&self, file: Arc<dyn File>) -> io::Result<Footer> {
        let span = self.span();
        let limit = self.parts.limit(span, self.mark);
        let (previous_serial, previous) = self.previous()?;
        let mut output = Output { file, position: 0, sha: Sha256::new() };
        let now = crate::log::now();
        output.write(&segment::encode_header(&span.part.identity, Form::Sealed, now))?;
        let mut footer = Footer {
            first_seq: span.first,
            end_seq: limit.end_seq,
            previous_serial,
            previous,
            ..Footer::default()
        };
        self.blocks(&limit, &mut output, &mut footer)?;
        let encoded = footer.encode();
        output.write(&encoded)?;
        let trailer = Trailer::new(&encoded, output.sha);
        output.file.write_at(&[&trailer.encode()], output.position)?;
        Ok(footer)
    }

    /// Writes all records in blocks and fills the footer.
    fn blocks(&self, limit: &Limit, output: &mut Output, footer: &mut Footer) -> io::Result<()> {
        let (span, chain) = (self.span(), self.chain);
        let mut postings: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
        for gap in span.gaps(chain, limit).map_err(into_io)? {
            let (first, last) = (gap.first, gap.last.min(limit.end_seq - 1));
            footer.gaps.push(SealedGap { first, last, reason: gap.reason, position: gap.position });
        }
        let mut next = span.first;
        while next < limit.end_seq {
            let first = next;
            let mut held = Vec::new();
            let mut bytes = 0;
            while next < limit.end_seq && held.len() < block::RECORDS_MAX {
                let found = span.record(chain, limit, next).map_err(into_io)?.ok();
                let len = found.as_ref().map_or(0, |record| record.record().payload.len());
                if bytes > 0 && bytes + len > block::PAYLOAD_BYTES {
                    break;
                }
                bytes += len;
                held.push(found);
                next += 1;
            }
            if held.iter().all(Option::is_none) {
                continue;
            }
            let mut builder = block::Builder::default();
            for record in held.iter().map(|held| held.as_ref().map(|held| held.record())) {
                builder.push(record);
                let Some(record) = record else { continue };
                footer.note(record.time, record.payload.len());
                if !record.session.is_empty() {
                    match postings.get_mut(record.session) {
                        Some(seqs) => seqs.push(record.seq),
                        None => {
                            postings.insert(record.session.to_vec(), vec![record.seq]);
                        }
                    }
                }
            }
            let position = output.position;
            let packed = builder.finish(span.part.seed, position, first)?;
            output.write(&packed)?;
            let (count, len) = ((next - first) as u32, packed.len() as u64);
            if next >= limit.end_seq && planted!(DropLastBlock) {
                break;
            }
            footer.blocks.push(BlockPlace { position, first_seq: first, count, len });
        }
        for (key, seqs) in postings {
            let base = self.base(&key).map_err(into_io)?;
            footer.sessions.push(Posting { key, base, seqs: Seqs::new(&seqs) });
        }
        Ok(())
    }

    /// The segments before, from the floor on.
    fn before(&self) -> &[Span] {
        let list = &self.parts.list[..self.index];
        &list[list.partition_point(|span| span.end <= self.mark.floor)..]
    }

    /// How many records the session has before this segment.
    fn base(&self, session: &[u8]) -> Result<u64, ReadError> {
        let mut later = 0;
        for span in self.before().iter().rev() {
            let limit = self.parts.limit(span, self.mark);
            let (base, count) = span.count(self.chain, &limit, session)?;
            later += count;
            if let Some(base) = base {
                return Ok(base + later);
            }
        }
        Ok(later + self.chain.trimmed_records(self.mark, session)?)
    }

    /// Serial and hash of the segment before; zeros if there is none, or its trailer is damaged.
    fn previous(&self) -> io::Result<(u64, Hash)> {
        let Some(before) = self.before().last() else {
            let trimmed = self.chain.trimmed(self.mark).map_err(into_io)?;
            return Ok(trimmed.map_or((0, [0; 32]), |trimmed| (trimmed.serial, trimmed.hash)));
        };
        let trailer = sealed::trailer(&**before.part.file(&*self.chain.storage)?)?;
        let hash = trailer.map_or([0; 32], |trailer| trailer.hash);
        Ok((before.part.identity.serial, hash))
    }

    /// Removes older segments that hold nothing, as later ones have taken all their seqs.
    fn remove_shadowed(&self) -> io::Result<()> {
        let serial = self.span().part.identity.serial;
        for part in self.parts.shadowed().filter(|part| part.identity.serial < serial) {
            match self.chain.storage.remove(&part.name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn into_io(error: ReadError) -> io::Error {
    match error {
        ReadError::Io { source, .. } => source,
        error => io::Error::other(error.to_string()),
    }
}
