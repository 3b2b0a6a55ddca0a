//! Proving a log: every frame, block and footer fits its checksum, the chain of sealed segments holds,
//! and no seq is missing that is not declared.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::block;
use crate::chain::{self, Chain, Limit, Span};
use crate::error::{Gap, GapReason, ReadError};
use crate::footer::{Footer, TRAILER_LEN, Trailer};
use crate::segment::{self, Form, HEADER_LEN, Header, Identity, Named};
use crate::trim;
use crate::watermark::Mark;

const NEWER: &str = "of a newer format; not read: use a newer release";

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Verification {
    /// The oldest seq looked at.
    pub first: u64,
    /// The newest seq looked at.
    pub last: u64,
    /// Records that were read and fit. Those of sealed segments count only in a deep verification.
    pub records: u64,
    /// Bytes of the files looked at.
    pub bytes: u64,
    /// Segments, by form.
    pub sealed: u64,
    /// Segments that are not sealed yet.
    pub plain: u64,
    /// The newest sealed segment's hash, which vouches for all before it.
    pub hash: Option<[u8; 32]>,
    /// What is wrong, in order of place. What the writer itself declared as lost is not.
    pub problems: Vec<Problem>,
    /// What the writer itself declared as missing.
    pub declared: Vec<Gap>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// In which file.
    pub file: PathBuf,
    /// Where in the file.
    pub position: u64,
    /// The seqs that cannot be read for it; `None`: all can.
    pub seqs: Option<(u64, u64)>,
    /// What is wrong.
    pub what: &'static str,
}

impl Problem {
    /// What can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self.seqs {
            Some(_) => {
                "put the file back from a copy; without one those seqs stay a gap, and all else reads"
            }
            None => "nothing is lost; a copy of the file puts it right",
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, position {}: {}", self.file.display(), self.position, self.what)?;
        match self.seqs {
            Some((first, last)) => write!(f, "; seq {first} to {last} cannot be read"),
            None => write!(f, "; every record can be read"),
        }
    }
}

/// Verifies a log up to its watermark. `deep`: unpacks every block, too. `watch` is told of each
/// segment's last seq and of the last one of all.
pub fn verify(
    chain: &Chain,
    deep: bool,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<Verification, ReadError> {
    let mark = chain.mark();
    let parts = chain.parts(&mark)?;
    let found = Verification {
        first: mark.floor.max(1),
        last: mark.watermark.seq,
        ..Verification::default()
    };
    let (trimmed, unknown) = match chain.trimmed(&mark) {
        Err(ReadError::Version { .. }) => (None, NEWER),
        found => (found?, "what says where the chain begins since the trim is missing or damaged"),
    };
    let previous = trimmed.as_ref().map(|trimmed| (trimmed.serial, trimmed.hash));
    let mut check = Check { chain, deep, previous, found };
    if mark.floor > 1 && trimmed.is_none_or(|trimmed| trimmed.floor < mark.floor) {
        let file = chain.storage.path(trim::NAME);
        check.found.problems.push(Problem { file, position: 0, seqs: None, what: unknown });
    }
    check.strangers(&mark)?;
    let mut next = check.found.first;
    for span in parts.kept(mark.floor) {
        let limit = parts.limit(span, &mark);
        if next < span.first {
            check.missing(next, span.first - 1);
        }
        check.segment(span, &limit)?;
        watch(limit.end_seq - 1, mark.watermark.seq);
        next = next.max(limit.end_seq);
    }
    if next <= mark.watermark.seq {
        check.missing(next, mark.watermark.seq);
    }
    Ok(check.found)
}

struct Check<'a> {
    chain: &'a Chain,
    deep: bool,
    /// Serial and hash of the sealed segment before, or of the last one that was trimmed.
    previous: Option<(u64, [u8; 32])>,
    found: Verification,
}

impl Check<'_> {
    fn problem(&mut self, span: &Span, at: u64, seqs: Option<(u64, u64)>, what: &'static str) {
        let file = self.chain.storage.path(&span.part.name);
        self.found.problems.push(Problem { file, position: at, seqs, what });
    }

    /// Files with a segment's name that is not read as one.
    fn strangers(&mut self, mark: &Mark) -> Result<(), ReadError> {
        let storage = &*self.chain.storage;
        let names = storage.names().map_err(ReadError::io("list", storage.path("")))?;
        for name in names {
            let Some(named) = segment::parse_name(&name) else { continue };
            if named.serial > mark.watermark.serial {
                continue;
            }
            let Named { serial, first_seq, form } = named;
            let identity = Identity { log: self.chain.id, first_seq, serial };
            let what = match chain::read_header(storage, &name) {
                Ok(Header::Valid { identity, .. }) if identity.log != self.chain.id => {
                    "a segment of another log; not read"
                }
                Ok(header @ Header::Valid { .. }) if !header.is(&identity, form) => {
                    "another segment than its name says; not read"
                }
                Ok(Header::Newer { .. }) => NEWER,
                _ => continue,
            };
            let file = storage.path(&name);
            self.found.problems.push(Problem { file, position: 0, seqs: None, what });
        }
        Ok(())
    }

    fn missing(&mut self, first: u64, last: u64) {
        let (file, what) = (self.chain.storage.path(""), "a segment is missing");
        self.found.problems.push(Problem { file, position: 0, seqs: Some((first, last)), what });
    }

    fn segment(&mut self, span: &Span, limit: &Limit) -> Result<(), ReadError> {
        let (view, len) = span.part.view(self.chain, limit)?;
        let file = view.bytes(len).unwrap_or(&[]);
        self.found.bytes += len;
        if !segment::decode_header(file).is(&span.part.identity, span.part.form) {
            self.problem(span, 0, None, "the header does not fit");
        }
        match span.part.form {
            Form::Plain => self.plain(span, limit),
            Form::Sealed => self.sealed(span, limit, file),
        }
    }

    fn plain(&mut self, span: &Span, limit: &Limit) -> Result<(), ReadError> {
        self.found.plain += 1;
        let gaps = span.gaps(self.chain, limit)?;
        let missing: u64 = gaps.iter().map(|gap| gap.last - gap.first + 1).sum();
        self.found.records += (limit.end_seq - span.first).saturating_sub(missing);
        gaps.into_iter().for_each(|gap| self.gap(span, gap));
        Ok(())
    }

    fn gap(&mut self, span: &Span, gap: Gap) {
        let what = match gap.reason {
            GapReason::Lost | GapReason::Unsynced => return self.found.declared.push(gap),
            GapReason::Record => "a record does not fit its checksum",
            _ => "a frame does not fit its checksum",
        };
        self.problem(span, gap.position, Some((gap.first, gap.last)), what);
    }

    fn sealed(&mut self, span: &Span, limit: &Limit, file: &[u8]) -> Result<(), ReadError> {
        self.found.sealed += 1;
        let before = self.found.problems.len();
        let storage = &*self.chain.storage;
        let footer = span.part.footer(storage, span.end);
        let path = storage.path(&span.part.name);
        let footer = footer.map_err(ReadError::io("read", path))?;
        let trailer = Trailer::decode(file);
        self.trailer(span, file, trailer.as_ref(), &footer);
        for block in &footer.blocks {
            self.block(span, file, block.position as usize, block.first_seq, block.count);
        }
        for gap in &footer.gaps {
            let gap =
                span.part.gap(storage, gap.first, gap.last, gap.position as usize, gap.reason);
            match gap.reason {
                GapReason::Block => {
                    let what = "a block is missing";
                    self.problem(span, gap.position, Some((gap.first, gap.last)), what);
                }
                // Damaged before it was sealed: the sealed bytes are as they were written.
                _ => self.found.declared.push(gap),
            }
        }
        if footer.end_seq < limit.end_seq {
            self.missing(footer.end_seq, limit.end_seq - 1);
        }
        if self.deep && !footer.rebuilt {
            self.postings(span, limit, &footer)?;
        }
        if before == self.found.problems.len()
            && let Some(trailer) = trailer
        {
            self.hash(span, file, &trailer);
        }
        self.previous = trailer.map(|trailer| (span.part.identity.serial, trailer.hash));
        self.found.hash = trailer.map(|trailer| trailer.hash);
        Ok(())
    }

    fn trailer(&mut self, span: &Span, file: &[u8], trailer: Option<&Trailer>, footer: &Footer) {
        let end = (file.len().saturating_sub(TRAILER_LEN)) as u64;
        if trailer.is_none() {
            self.problem(span, end, None, "the trailer does not fit");
        }
        if footer.rebuilt && trailer.is_some() {
            self.problem(span, end, None, "the footer does not fit");
        }
        let expected = self.previous.unwrap_or_default();
        let links = (footer.previous_serial, footer.previous);
        // Said already: nothing tells what the first one that is kept follows on.
        let unknown = self.previous.is_none() && self.found.first > 1;
        if !footer.rebuilt && links != expected && !unknown {
            let what = "it does not follow on the segment before: that one was changed or replaced";
            self.problem(span, end, None, what);
        }
    }

    fn block(&mut self, span: &Span, file: &[u8], at: usize, first_seq: u64, count: u32) {
        let seed = span.part.seed;
        let head = block::decode_head(file, at, seed).filter(|head| head.first_seq == first_seq);
        let fits = head.is_some_and(|head| match self.deep {
            false => block::packed_fits(file, at, &head, seed),
            true => block::decode(file, at, &head, seed).is_some(),
        });
        if !fits {
            let seqs = (first_seq, first_seq + u64::from(count) - 1);
            self.problem(span, at as u64, Some(seqs), "a block does not fit its checksum");
        }
    }

    /// Every record is where the footer says, and no other: one pass over the blocks.
    fn postings(&mut self, span: &Span, limit: &Limit, footer: &Footer) -> Result<(), ReadError> {
        let mut found: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
        let mut missing = Vec::new();
        for seq in span.first..limit.end_seq {
            let Ok(record) = span.record(self.chain, limit, seq)? else {
                missing.push(seq);
                continue;
            };
            self.found.records += 1;
            let session = record.record().session;
            if session.is_empty() {
                continue;
            }
            match found.get_mut(session) {
                Some(seqs) => seqs.push(seq),
                None => {
                    found.insert(session.to_vec(), vec![seq]);
                }
            }
        }
        let mut fits = true;
        for posting in &footer.sessions {
            let mut seqs = posting.seqs.list();
            seqs.retain(|seq| missing.binary_search(seq).is_err());
            fits &= found.remove(&posting.key).unwrap_or_default() == seqs;
        }
        if !fits || !found.is_empty() {
            let what = "the list of a session's records does not fit the records";
            self.problem(
                span,
                (footer.blocks.last()).map_or(0, |b| b.position + b.len),
                None,
                what,
            );
        }
        Ok(())
    }

    fn hash(&mut self, span: &Span, file: &[u8], trailer: &Trailer) {
        let mut sha = Sha256::new();
        sha.update(&file[..file.len() - TRAILER_LEN]);
        if sha.finalize()[..] != trailer.hash {
            let at = HEADER_LEN as u64;
            self.problem(span, at, None, "the bytes do not give the hash that was stored");
        }
    }
}
