//! A segment's records, whatever form it has: one record, a session's seqs, the times.

use std::io;
use std::sync::Arc;

use crate::chain::{Chain, Limit, Span};
use crate::error::{Gap, GapReason, ReadError};
use crate::footer::Footer;
use crate::frame;
use crate::record::{Held, Record, RecordRef};
use crate::segment::Form;
use crate::session::SessionSeq;
use crate::storage::View;

/// Where some records of a plain segment lie.
pub struct Places {
    view: Arc<View>,
    end: u64,
    seed: u32,
    places: Vec<(u32, u32)>,
}

impl Places {
    fn bytes(&self, index: usize) -> Option<&[u8]> {
        let &(at, len) = self.places.get(index)?;
        self.view.bytes(self.end)?.get(at as usize..at as usize + len as usize)
    }

    /// The record with that index, if it fits its checksum.
    pub fn record(&self, index: usize, seq: u64) -> Option<Record<'_>> {
        let bytes = self.bytes(index)?;
        if let Some(next) = self.bytes(index + 1) {
            prefetch(next);
        }
        frame::record_fits(bytes, self.seed, seq).then(|| frame::record_fields(seq, bytes))
    }
}

/// Asks for the beginning of what is read next: a session's records lie apart, where the processor does
/// not look ahead by itself. A sixth of the time of reading them.
fn prefetch(record: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in record.chunks(64).take(4) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: only a hint; it reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = record;
}

impl Span {
    /// Its first and last seq, as far as it may be read.
    pub fn seqs_within(&self, limit: &Limit) -> (u64, u64) {
        (self.first, limit.end_seq.saturating_sub(1).max(self.first))
    }

    /// What it means that the system does not give its bytes.
    pub fn unread(&self, chain: &Chain, limit: &Limit) -> impl FnOnce(io::Error) -> ReadError {
        let (path, seqs) = (chain.storage.path(&self.part.name), Some(self.seqs_within(limit)));
        move |source| ReadError::Io { act: "read", path, source, seqs }
    }

    /// The bytes up to the limit's position, and that position.
    pub fn view(&self, chain: &Chain, limit: &Limit) -> Result<(Arc<View>, u64), ReadError> {
        let view = self.part.try_view(&*chain.storage, limit.end_position);
        view.map_err(self.unread(chain, limit))
    }

    /// Sees to it that a plain segment's index reaches to the limit.
    fn indexed(&self, chain: &Chain, limit: &Limit) -> Result<(), ReadError> {
        let part = &*self.part;
        if part.index.read().next_seq(part) >= limit.end_seq {
            return Ok(());
        }
        let (view, end) = self.view(chain, limit)?;
        let bytes = view.bytes(end).unwrap_or(&[]);
        part.index.write().extend(part, &*chain.storage, bytes, limit);
        Ok(())
    }

    /// One record, or the gap it lies in.
    pub fn record(
        &self,
        chain: &Chain,
        limit: &Limit,
        seq: u64,
    ) -> Result<Result<RecordRef, Gap>, ReadError> {
        let (part, storage) = (&*self.part, &*chain.storage);
        if part.form == Form::Sealed {
            let found = part.sealed_record(storage, self.end, seq);
            let found = found.map_err(self.unread(chain, limit))?;
            return Ok(found.map_err(|gap| limit.clip(gap)));
        }
        self.indexed(chain, limit)?;
        let damaged = |at: usize| part.gap(storage, seq, seq, at, GapReason::Record);
        let place = part.index.read().place(part, seq).map_err(|gap| gap.cloned());
        let (at, len) = match place {
            Ok(place) => place,
            Err(gap) => return Ok(Err(gap.unwrap_or_else(|| damaged(0)))),
        };
        let limit = Limit { end_position: Some((at + len) as u64), ..*limit };
        let (view, end) = self.view(chain, &limit)?;
        let record = view.bytes(end).and_then(|bytes| bytes.get(at..at + len));
        if !record.is_some_and(|record| frame::record_fits(record, part.seed, seq)) {
            return Ok(Err(damaged(at)));
        }
        Ok(Ok(RecordRef { held: Held::Viewed { view, from: at, to: at + len }, seq }))
    }

    /// The oldest and the newest time of its records.
    pub fn times(&self, chain: &Chain, limit: &Limit) -> Result<Option<(i64, i64)>, ReadError> {
        if self.part.form == Form::Sealed {
            return Ok(self.footer(chain, limit)?.times);
        }
        self.indexed(chain, limit)?;
        Ok(self.part.index.read().times())
    }

    /// How many records a session has in it, and before it where that is known.
    pub fn count(
        &self,
        chain: &Chain,
        limit: &Limit,
        session: &[u8],
    ) -> Result<(Option<u64>, u64), ReadError> {
        if self.part.form == Form::Sealed {
            let footer = self.footer(chain, limit)?;
            let posting = footer.session(session);
            let base = posting.filter(|_| !footer.rebuilt).map(|posting| posting.base);
            return Ok((base, posting.map_or(0, |posting| posting.seqs.count)));
        }
        self.indexed(chain, limit)?;
        let index = self.part.index.read();
        Ok((None, index.posting(session, limit.end_seq).len() as u64))
    }

    /// The seqs of a session in it.
    pub fn seqs(
        &self,
        chain: &Chain,
        limit: &Limit,
        session: &[u8],
    ) -> Result<Vec<u64>, ReadError> {
        if self.part.form == Form::Sealed {
            let footer = self.footer(chain, limit)?;
            return Ok(footer.session(session).map(|p| p.seqs.list()).unwrap_or_default());
        }
        self.indexed(chain, limit)?;
        Ok(self.part.index.read().posting(session, limit.end_seq).to_vec())
    }

    /// Every session in it with its newest seq up to `through`, in no order.
    pub fn newest(
        &self,
        chain: &Chain,
        limit: &Limit,
        through: u64,
    ) -> Result<Vec<SessionSeq>, ReadError> {
        let last =
            |seqs: &[u64]| seqs[..seqs.partition_point(|&seq| seq <= through)].last().copied();
        if self.part.form == Form::Sealed {
            let footer = self.footer(chain, limit)?;
            let each = footer.sessions.iter();
            let each = each.filter_map(|p| Some((p.key.clone().into(), last(&p.seqs.list())?)));
            return Ok(each.collect());
        }
        self.indexed(chain, limit)?;
        let through = through.min(limit.end_seq.saturating_sub(1));
        Ok(self.part.index.read().newest(through))
    }

    /// Where these records lie in a plain segment, to be read without asking again.
    pub fn places(
        &self,
        chain: &Chain,
        limit: &Limit,
        seqs: &[u64],
    ) -> Result<Option<Places>, ReadError> {
        if self.part.form == Form::Sealed {
            return Ok(None);
        }
        self.indexed(chain, limit)?;
        let (view, end) = self.view(chain, limit)?;
        let places = self.part.index.read().places(&self.part, seqs);
        Ok(Some(Places { view, end, seed: self.part.seed, places }))
    }

    /// Bytes of its payloads, and how many sessions it has.
    pub fn sums(&self, chain: &Chain, limit: &Limit) -> Result<(u64, u64), ReadError> {
        if self.part.form == Form::Sealed {
            let footer = self.footer(chain, limit)?;
            return Ok((footer.payload_bytes, footer.sessions.len() as u64));
        }
        self.indexed(chain, limit)?;
        Ok(self.part.index.read().sums())
    }

    /// The gaps it has.
    pub fn gaps(&self, chain: &Chain, limit: &Limit) -> Result<Vec<Gap>, ReadError> {
        self.indexed(chain, limit)?;
        Ok(self.part.index.read().gaps().to_vec())
    }

    fn footer(&self, chain: &Chain, limit: &Limit) -> Result<Arc<Footer>, ReadError> {
        self.part.footer(&*chain.storage, self.end).map_err(self.unread(chain, limit))
    }
}
