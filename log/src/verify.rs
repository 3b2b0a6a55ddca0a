//! Proving a log: every frame, block and footer fits its checksum, the chain of sealed segments holds,
//! and no seq is missing that is not declared.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::block;
use crate::chain::{self, Chain, Limit, Span};
use crate::error::{Gap, GapReason, OpenError, ReadError, remedy_of};
use crate::footer::{BlockPlace, Footer, TRAILER_LEN, Trailer};
use crate::lock;
use crate::sealed;
use crate::segment::{self, Form, HEADER_LEN, Header, Identity, Named};
use crate::storage::{File, bytes_at};
use crate::trim;

const NEWER: &str = "of a newer format; not read: use a newer release";
const NO_SEGMENT: &str = "nothing in it is of a segment; not read";
/// Bytes that are read at once for a hash.
const PIECE: u64 = 1 << 20;

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
    remedy: &'static str,
}

impl Problem {
    fn new(file: PathBuf, position: u64, seqs: Option<(u64, u64)>, what: &'static str) -> Problem {
        let remedy = match seqs {
            Some(_) => {
                "put the file back from a copy; without one those seqs stay a gap, and all else reads"
            }
            None => "nothing is lost; a copy of the file puts it right",
        };
        Problem { file, position, seqs, what, remedy }
    }

    /// What can be done about it.
    pub fn remedy(&self) -> &'static str {
        self.remedy
    }

    /// Whether `next` only goes on with what this one says.
    fn continues(&self, next: &Problem) -> bool {
        let ends = self.seqs.map(|(_, last)| last + 1);
        let follows = ends.is_some() && ends == next.seqs.map(|(first, _)| first);
        follows && (&self.file, self.what) == (&next.file, next.what)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, position {}: {}", self.file.display(), self.position, self.what)?;
        match self.seqs {
            Some((first, last)) => write!(f, "; seq {first} to {last} cannot be read"),
            None => write!(f, "; no record is lost by it"),
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
    let strangers = strangers(chain)?;
    let mut check = Check { chain, deep, previous, strangers, found };
    if mark.floor > 1 && trimmed.is_none_or(|trimmed| trimmed.floor < mark.floor) {
        check.note(Problem::new(chain.storage.path(trim::NAME), 0, None, unknown));
    }
    if let Err(OpenError::Damaged { file, position, what, remedy }) =
        lock::open_page(&*chain.storage)
    {
        check.note(Problem { remedy, ..Problem::new(file, position, None, what) });
    }
    let mut next = check.found.first;
    for span in parts.kept(mark.floor) {
        let limit = parts.limit(span, &mark);
        if next < span.first {
            check.missing(next, span.first - 1);
        }
        match check.segment(span, &limit) {
            Err(ReadError::Io { source, .. }) if source.kind() != io::ErrorKind::NotFound => {
                check.refused(span, &limit, source.kind());
            }
            result => result?,
        }
        watch(limit.end_seq - 1, mark.watermark.seq);
        next = next.max(limit.end_seq);
    }
    if next <= mark.watermark.seq {
        check.missing(next, mark.watermark.seq);
    }
    // A file that a crash left before it was anything is no problem where nothing is missing.
    let left = std::mem::take(&mut check.strangers).into_iter();
    for Stranger { file, what, .. } in left.filter(|stranger| stranger.what != NO_SEGMENT) {
        let remedy = "nothing is lost: it is left out; move it to where it belongs";
        check.note(Problem { remedy, ..Problem::new(file, 0, None, what) });
    }
    Ok(check.found)
}

/// A file with a segment's name that is not read as one.
struct Stranger {
    first_seq: u64,
    file: PathBuf,
    what: &'static str,
}

/// All of them, in the order of the seqs that their names say they begin with.
fn strangers(chain: &Chain) -> Result<Vec<Stranger>, ReadError> {
    let storage = &*chain.storage;
    let mut strangers = Vec::new();
    for name in storage.names().map_err(ReadError::io("list", storage.path("")))? {
        let Some(Named { serial, first_seq, form }) = segment::parse_name(&name) else { continue };
        let identity = Identity { log: chain.id, first_seq, serial };
        let what = match chain::read_header(storage, &name) {
            Ok(Header::Valid { identity, .. }) if identity.log != chain.id => {
                "a segment of another log; not read"
            }
            Ok(header @ Header::Valid { .. }) if !header.is(&identity, form) => {
                "another segment than its name says; not read"
            }
            Ok(Header::Newer { .. }) => NEWER,
            Ok(Header::Damaged) if chain::is_foreign(storage, &name, &identity, form) => NO_SEGMENT,
            _ => continue,
        };
        strangers.push(Stranger { first_seq, file: storage.path(&name), what });
    }
    strangers.sort_by_key(|stranger| stranger.first_seq);
    Ok(strangers)
}

struct Check<'a> {
    chain: &'a Chain,
    deep: bool,
    /// Serial and hash of the sealed segment before, or of the last one that was trimmed.
    previous: Option<(u64, [u8; 32])>,
    /// Those that no gap was laid to yet.
    strangers: Vec<Stranger>,
    found: Verification,
}

impl Check<'_> {
    fn problem(&mut self, span: &Span, at: u64, seqs: Option<(u64, u64)>, what: &'static str) {
        self.note(Problem::new(self.chain.storage.path(&span.part.name), at, seqs, what));
    }

    fn note(&mut self, problem: Problem) {
        let before = self.found.problems.last_mut().filter(|before| before.continues(&problem));
        match (before.and_then(|before| before.seqs.as_mut()), problem.seqs) {
            (Some((_, last)), Some((_, to))) => *last = to,
            _ => self.found.problems.push(problem),
        }
    }

    fn refused(&mut self, span: &Span, limit: &Limit, kind: io::ErrorKind) {
        let what = match kind {
            io::ErrorKind::PermissionDenied => "it may not be read",
            _ => "the system cannot read it",
        };
        let (file, seqs) = (self.chain.storage.path(&span.part.name), span.seqs_within(limit));
        let problem = Problem::new(file, 0, Some(seqs), what);
        self.note(Problem { remedy: remedy_of(kind), ..problem });
        self.previous = None;
    }

    /// Nothing that is read has these: laid to the strangers that should, as far as there are any.
    fn missing(&mut self, first: u64, last: u64) {
        let is_here = |stranger: &mut Stranger| (first..=last).contains(&stranger.first_seq);
        let mut here =
            self.strangers.extract_if(.., is_here).collect::<Vec<_>>().into_iter().peekable();
        let mut next = first;
        while let Some(Stranger { first_seq, file, what }) = here.next() {
            if next < first_seq {
                self.nothing(next, first_seq - 1);
            }
            let end = here.peek().map_or(last, |later| later.first_seq - 1);
            let seqs = (first_seq <= end).then_some((first_seq, end));
            self.note(Problem::new(file, 0, seqs, what));
            next = end + 1;
        }
        if next <= last {
            self.nothing(next, last);
        }
    }

    fn nothing(&mut self, first: u64, last: u64) {
        let dir = self.chain.storage.path("");
        self.note(Problem::new(dir, 0, Some((first, last)), "a segment is missing"));
    }

    fn segment(&mut self, span: &Span, limit: &Limit) -> Result<(), ReadError> {
        let read = || {
            let file = span.part.file(&*self.chain.storage)?;
            Ok((file.clone(), file.len()?, chain::header_of(&**file)?))
        };
        let (file, len, header) = read().map_err(span.unread(self.chain, limit))?;
        self.found.bytes += limit.end_position.map_or(len, |end| end.min(len));
        let before = self.found.problems.len();
        if !header.is(&span.part.identity, span.part.form) {
            self.problem(span, 0, None, "the header does not fit");
        }
        if span.part.form == Form::Plain {
            return self.plain(span, limit);
        }
        let trailer = self.sealed(span, limit, &*file)?;
        if before == self.found.problems.len()
            && let Some(trailer) = trailer
        {
            let hash = hash(&*file, len).map_err(span.unread(self.chain, limit))?;
            if hash != trailer.hash {
                let what = "the bytes do not give the hash that was stored";
                self.problem(span, HEADER_LEN as u64, None, what);
            }
        }
        Ok(())
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
            GapReason::Segment => return self.missing(gap.first, gap.last),
            GapReason::Record => "a record does not fit its checksum",
            _ => "a frame does not fit its checksum",
        };
        self.problem(span, gap.position, Some((gap.first, gap.last)), what);
    }

    fn sealed(
        &mut self,
        span: &Span,
        limit: &Limit,
        file: &dyn File,
    ) -> Result<Option<Trailer>, ReadError> {
        self.found.sealed += 1;
        let storage = &*self.chain.storage;
        let unread = || span.unread(self.chain, limit);
        let footer = span.part.footer(storage, span.end).map_err(unread())?;
        let trailer = sealed::trailer(file).map_err(unread())?;
        let end = file.len().map_err(unread())?.saturating_sub(TRAILER_LEN as u64);
        self.trailer(span, end, trailer.as_ref(), &footer);
        for block in &footer.blocks {
            if !self.block_fits(span, file, block).map_err(span.unread(self.chain, limit))? {
                let seqs = (block.first_seq, block.first_seq + u64::from(block.count) - 1);
                let what = "a block does not fit its checksum";
                self.problem(span, block.position, Some(seqs), what);
            }
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
        self.previous = trailer.map(|trailer| (span.part.identity.serial, trailer.hash));
        self.found.hash = trailer.map(|trailer| trailer.hash);
        Ok(trailer)
    }

    fn trailer(&mut self, span: &Span, end: u64, trailer: Option<&Trailer>, footer: &Footer) {
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

    fn block_fits(&self, span: &Span, file: &dyn File, block: &BlockPlace) -> io::Result<bool> {
        let &BlockPlace { position, first_seq, len, .. } = block;
        let seed = span.part.seed;
        let bytes = bytes_at(file, position, len)?.unwrap_or_default();
        let head = block::decode_head(&bytes, position, seed);
        Ok(head.filter(|head| head.first_seq == first_seq).is_some_and(|head| match self.deep {
            false => block::packed_fits(&bytes, &head, seed),
            true => block::decode(&bytes, &head, seed).is_some(),
        }))
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
}

/// The hash of a sealed file of that length, as its trailer should have it.
fn hash(file: &dyn File, len: u64) -> io::Result<[u8; 32]> {
    let (mut sha, end) = (Sha256::new(), len.saturating_sub(TRAILER_LEN as u64));
    let mut at = 0;
    while at < end {
        let piece = bytes_at(file, at, PIECE.min(end - at))?;
        sha.update(piece.ok_or(io::ErrorKind::UnexpectedEof)?);
        at += PIECE;
    }
    Ok(sha.finalize().into())
}
