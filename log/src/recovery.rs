//! Opening a log for writing: what was left by the last writer, and what is decided.
//!
//! * Known durable is the larger of what the watermark file says was synced and what any valid
//!   frame says was durable before it. What was acknowledged without a sync counts as given away.
//! * What cannot be read up to there is damage: it becomes a gap, and nothing is cut.
//! * What cannot be read beyond is torn: the log ends before it. The segment is left behind as it
//!   is, and a new one begins at that seq.
//! * What can be read beyond is kept. It is written again, into a new segment, before anybody sees
//!   it: the writer before may have died of a failed sync, after which a sync of the old bytes
//!   would mean nothing. With [`Durability::Os`], which promises less, it stays where it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use parking_lot::{Condvar, Mutex};

use crate::bell::Ringer;
use crate::chain::{Chain, Part, Span, spans};
use crate::error::{Gap, GapReason, OpenError};
use crate::frame::{self, FrameKind, Head};
use crate::id::LogId;
use crate::options::{Durability, Options};
use crate::prepare::PREPARED;
use crate::progress::Progress;
use crate::ring::{Batch, Ring};
use crate::seal;
use crate::sealed;
use crate::segment::{self, Form, HEADER_LEN, Header, Identity, Named};
use crate::storage::Storage;
use crate::waiters::Waiters;
use crate::walk::{self, Step};
use crate::watermark::{self, Mark, Page, PageError, Place};
use crate::writer::{self, Active, Core, Published, SyncStage, Tail, Troubles, WriteStage};

/// A file with so many zeros is not worth looking at any further.
const BLANK_BYTES: u64 = 1 << 20;

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
    /// Files that are not what their name says.
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
    remove_unfinished(&*storage)?;
    name_prepared(&*storage, &page)?;
    let files = Files::find(&*storage, &page)?;
    let published = page.read(files.id);
    let mark = published.unwrap_or_default();
    let io = || OpenError::io("recover", storage.path(""));

    let (walk, verdict, unfinished) = look(&*storage, &files.parts, &mark).map_err(io())?;
    let in_place = options.durability == Durability::Os && !unfinished;
    let again = match in_place {
        true => Vec::new(),
        false => walk.to_write_again(&*storage, &verdict).map_err(io())?,
    };
    let first = again.first().map_or(verdict.next, |batch| batch.first_seq);
    let stage = writing_place(&*storage, &files, &walk, &verdict, first).map_err(io())?;
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
    if published.is_none() {
        let first_seqs = files.parts.values().map(|part| part.identity.first_seq);
        next_mark.floor = first_seqs.min().unwrap_or(1);
    }
    let mut writer = page.clone().writer(files.id);
    writer.write(&next_mark);
    if page.id() != Ok(files.id) {
        page.write_head(files.id);
    }
    let published = Published { page: page.clone(), writer, mark: next_mark };
    let opened = start(storage, options, files.id, page, published, stage, tail, recovery);
    opened.core.ring.restore(again, verdict.next);
    opened.core.write_again()?;
    opened.core.limit_line();
    Ok(opened)
}

/// Walks what is there. A segment that was begun to write acknowledged records again, after a failed
/// sync, and did not get to the last of them, is left out where the older one has more.
fn look(
    storage: &dyn Storage,
    parts: &BTreeMap<u64, Arc<Part>>,
    mark: &Mark,
) -> std::io::Result<(Walk, Verdict, bool)> {
    let walk = Walk::run(storage, spans(parts), mark)?;
    let verdict = walk.decide(storage, mark);
    let seen = mark.watermark;
    let mut older = parts.clone();
    older.retain(|&serial, part| serial <= seen.serial || part.identity.first_seq > seen.seq);
    if older.len() < parts.len() {
        let mut other = Walk::run(storage, spans(&older), mark)?;
        other.durable = other.durable.max(walk.durable);
        let other_verdict = other.decide(storage, mark);
        if other_verdict.missing() < verdict.missing() {
            return Ok((other, other_verdict, true));
        }
    }
    Ok((walk, verdict, false))
}

#[expect(clippy::too_many_arguments, reason = "what an open log is made of")]
fn start(
    storage: Arc<dyn Storage>,
    options: Options,
    id: LogId,
    page: Page,
    published: Published,
    stage: WriteStage,
    tail: Tail,
    recovery: Recovery,
) -> Opened {
    let (watermark, synced) = (published.mark.watermark.seq, tail.synced.seq);
    let progress = Arc::new(Progress::new(watermark));
    let chain = Chain::new(storage.clone(), id, page, Some(progress.clone()));
    let active = Mutex::new((stage.active.clone(), stage.position));
    let core = Core {
        ring: Ring::new(options.ring_bytes),
        storage,
        options,
        progress,
        write: Mutex::new(stage),
        sync: Mutex::new(SyncStage),
        tail: Mutex::new(tail),
        page: Mutex::new(published),
        troubles: Mutex::new(Troubles::default()),
        uneasy: AtomicBool::new(false),
        names_dirty: AtomicBool::new(false),
        synced_seq: AtomicU64::new(synced),
        closed: AtomicBool::new(false),
        leading: AtomicBool::new(false),
        unsynced: Condvar::new(),
        unsynced_wait: Mutex::new(()),
        ringer: Ringer::default(),
        waiters: Waiters::default(),
        siblings: AtomicUsize::new(0),
        rolled: Condvar::new(),
        active,
        prepared: Mutex::new(None),
        make_room: Condvar::new(),
        make_room_wait: Mutex::new(()),
        preparing: Mutex::new(()),
        bulk: AtomicBool::new(false),
        sealing_wait: Mutex::new(()),
        sealing: Mutex::new(()),
    };
    Opened { core: Arc::new(core), chain: Arc::new(chain), id, recovery }
}

/// The log's files, as their names and headers tell.
struct Files {
    id: LogId,
    parts: BTreeMap<u64, Arc<Part>>,
    strangers: Vec<Stranger>,
    /// Serials of segments whose header is damaged.
    headless: Vec<u64>,
    next_serial: u64,
}

impl Files {
    fn find(storage: &dyn Storage, page: &Page) -> Result<Files, OpenError> {
        let names = storage.names().map_err(OpenError::io("list", storage.path("")))?;
        let named = names.into_iter().filter_map(|name| Some((segment::parse_name(&name)?, name)));
        let mut named: Vec<(Named, String)> = named.collect();
        named.sort();
        let mut doubles = Vec::new();
        for (one, other) in named.iter().zip(named.iter().skip(1)) {
            if one.0.serial == other.0.serial {
                doubles.extend(drop_double(storage, &one.1, &other.1)?);
            }
        }
        named.retain(|(_, name)| !doubles.contains(name));
        let mut headers = Vec::new();
        for (_, name) in &named {
            headers.push(read_header(storage, name)?);
        }
        let mut blank = true;
        for (_, name) in &named {
            blank = blank && is_blank(storage, name)?;
        }
        let id = Files::id(storage, page, &headers, blank)?;
        let next_serial = named.last().map_or(1, |(named, _)| named.serial + 1);
        let mut files = Files {
            id,
            next_serial,
            parts: BTreeMap::new(),
            strangers: Vec::new(),
            headless: Vec::new(),
        };
        for ((named, name), header) in named.into_iter().zip(headers) {
            files.sort_in(storage, name, named, header);
        }
        Ok(files)
    }

    /// The id that the page has; or else that of the newest whole header.
    fn id(
        storage: &dyn Storage,
        page: &Page,
        headers: &[Header],
        blank: bool,
    ) -> Result<LogId, OpenError> {
        let file = storage.path(watermark::NAME);
        match page.id() {
            Ok(id) => return Ok(id),
            Err(PageError::Newer(found)) => {
                let found = found.min(u64::from(u32::MAX)) as u32;
                return Err(OpenError::Version { file, found, known: segment::VERSION });
            }
            Err(PageError::Damaged) => {}
        }
        let known = headers.iter().rev().find_map(|header| match header {
            Header::Valid { identity, .. } => Some(identity.log),
            _ => None,
        });
        match known {
            Some(id) => Ok(id),
            // Made, and then the power went before anything was durable.
            None if blank => LogId::random().map_err(OpenError::io("name", storage.path(""))),
            None => Err(OpenError::Damaged {
                file,
                position: 0,
                what: "neither it nor any segment tells the log's id",
                remedy: "put the watermark file or one whole segment back",
            }),
        }
    }

    fn sort_in(&mut self, storage: &dyn Storage, name: String, named: Named, header: Header) {
        let Named { serial, first_seq, form } = named;
        let file = storage.path(&name);
        let named = Identity { log: self.id, first_seq, serial };
        let what = match header {
            Header::Valid { identity, form: found, .. } if identity == named && found == form => {
                None
            }
            Header::Valid { identity, .. } if identity.log != named.log => {
                self.strangers.push(Stranger { file, what: "a segment of another log; ignored" });
                return;
            }
            Header::Valid { .. } => Some("its header gives another place than its name"),
            Header::Newer { .. } | Header::Damaged => {
                self.headless.push(serial);
                Some("its header is damaged")
            }
        };
        self.strangers.extend(what.map(|what| Stranger { file, what }));
        self.parts.insert(named.serial, Arc::new(Part::new(name, named, form)));
    }
}

/// Removes what was not sealed to its end.
fn remove_unfinished(storage: &dyn Storage) -> Result<(), OpenError> {
    let names = storage.names().map_err(OpenError::io("list", storage.path("")))?;
    for name in names.iter().filter(|name| name.ends_with(seal::UNFINISHED)) {
        storage.remove(name).map_err(OpenError::io("remove", storage.path(name)))?;
    }
    Ok(())
}

/// A file that was prepared and then used, but lost its new name with the power, gets it again; one
/// that was not used is removed.
fn name_prepared(storage: &dyn Storage, page: &Page) -> Result<(), OpenError> {
    let names = storage.names().map_err(OpenError::io("list", storage.path("")))?;
    if !names.iter().any(|name| name == PREPARED) {
        return Ok(());
    }
    let path = storage.path(PREPARED);
    let done = match read_header(storage, PREPARED)? {
        Header::Valid { identity, form: Form::Plain, .. }
            if page.id().is_ok_and(|id| id == identity.log)
                || page.id() == Err(PageError::Damaged) =>
        {
            storage.rename(PREPARED, &identity.name(Form::Plain))
        }
        _ if is_blank(storage, PREPARED)? => storage.remove(PREPARED),
        // Not known to be worthless: put aside, and told of.
        _ => storage.rename(PREPARED, "prepared.damaged"),
    };
    done.map_err(OpenError::io("name", path))
}

/// Of a segment that is there plain and sealed, which one is to go: sealing ended after the new
/// name was durable. The sealed one stays, if it is whole.
fn drop_double(
    storage: &dyn Storage,
    plain: &str,
    sealed: &str,
) -> Result<Option<String>, OpenError> {
    let read = || {
        let file = storage.open_read(sealed)?;
        let len = file.len()?;
        Ok(file.view(len)?.bytes(len).is_some_and(sealed::is_whole))
    };
    let whole = read().map_err(OpenError::io("read", storage.path(sealed)))?;
    let gone = if whole { plain } else { sealed };
    storage.remove(gone).map_err(OpenError::io("remove", storage.path(gone)))?;
    Ok(Some(gone.to_owned()))
}

/// Whether there is nothing but zeros behind the file's header, as far as it matters: what was never
/// durable may follow on zeros, but not for long.
fn is_blank(storage: &dyn Storage, name: &str) -> Result<bool, OpenError> {
    let path = storage.path(name);
    let read = || {
        let file = storage.open_read(name)?;
        let len = file.len()?;
        let view = file.view(len)?;
        let frames = view.bytes(len.min(BLANK_BYTES)).and_then(|bytes| bytes.get(HEADER_LEN..));
        Ok(frames.is_none_or(|bytes| bytes.iter().all(|&byte| byte == 0)))
    };
    read().map_err(OpenError::io("read", path))
}

fn read_header(storage: &dyn Storage, name: &str) -> Result<Header, OpenError> {
    let path = storage.path(name);
    let file = storage.open_read(name).map_err(OpenError::io("open", &path))?;
    let mut header = [0; HEADER_LEN];
    match file.read_at(&mut header, 0) {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Err(OpenError::io("read", path)(error))
        }
        _ => match segment::decode_header(&header) {
            Header::Newer { version } => {
                Err(OpenError::Version { file: path, found: version, known: segment::VERSION })
            }
            header => Ok(header),
        },
    }
}

/// What was found beyond the place that is known to be synced.
struct Walk {
    spans: Vec<Span>,
    /// Index of the segment it began in.
    from: usize,
    /// The first seq that no valid frame has.
    next: u64,
    /// End of the last valid frame.
    place: Place,
    /// The greatest seq that is known to have been durable.
    durable: u64,
    troubles: Vec<Trouble>,
    frames: Vec<Found>,
}

/// A valid frame.
struct Found {
    part: Arc<Part>,
    position: usize,
    head: Head,
}

/// Something between the valid frames.
struct Trouble {
    part: Arc<Part>,
    position: usize,
    first: u64,
    last: u64,
    /// Where the log would end if this is torn.
    cut: u64,
    reason: GapReason,
}

/// What is decided.
struct Verdict {
    /// The seq that will be given away next.
    next: u64,
    torn: Option<Torn>,
    gaps: Vec<Gap>,
    /// The last segment can be gone on with, as far as its valid frames are concerned.
    whole: bool,
}

impl Verdict {
    fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.last - gap.first + 1).sum()
    }
}

impl Walk {
    fn run(storage: &dyn Storage, spans: Vec<Span>, mark: &Mark) -> std::io::Result<Walk> {
        let mut walk = Walk {
            from: 0,
            next: spans.first().map_or(mark.synced.seq + 1, |span| span.first),
            place: Place::default(),
            durable: mark.synced.seq,
            troubles: Vec::new(),
            frames: Vec::new(),
            spans,
        };
        let known = walk.spans.iter().position(|s| s.part.identity.serial == mark.synced.serial);
        if let Some(index) = known {
            let (_, len) = walk.spans[index].part.try_view(storage, None)?;
            let plain = walk.spans[index].part.form == Form::Plain;
            if (mark.synced.position <= len || !plain)
                && mark.synced.seq + 1 >= walk.spans[index].first
            {
                (walk.from, walk.next, walk.place) = (index, mark.synced.seq + 1, mark.synced);
            }
        }
        for index in walk.from..walk.spans.len() {
            let span = walk.spans[index].clone();
            walk.segment(storage, &span)?;
        }
        Ok(walk)
    }

    fn segment(&mut self, storage: &dyn Storage, span: &Span) -> std::io::Result<()> {
        let serial = span.part.identity.serial;
        if self.next < span.first {
            self.trouble(span, HEADER_LEN, span.first - 1, GapReason::Segment);
        }
        if span.part.form == Form::Sealed {
            return self.sealed(storage, span);
        }
        let (view, len) = span.part.try_view(storage, None)?;
        let bytes = view.bytes(len).unwrap_or(&[]);
        let mut position = HEADER_LEN;
        if self.place.serial == serial {
            position = self.place.position as usize;
        }
        while self.next < span.end {
            match walk::step(bytes, position, span.part.seed, self.next, span.end) {
                Step::Frame { position: at, head } => {
                    position = self.frame(span, bytes, at, &head);
                }
                Step::Skip { resumed, head } => {
                    self.trouble(span, position, head.first_seq - 1, GapReason::Frame);
                    position = resumed;
                }
                Step::End if span.end == u64::MAX => break,
                Step::End => self.trouble(span, position, span.end - 1, GapReason::Frame),
            }
            self.place = Place { seq: self.next - 1, serial, position: position as u64 };
        }
        if self.place.serial != serial {
            self.place = Place { seq: self.next - 1, serial, position: position as u64 };
        }
        Ok(())
    }

    /// A sealed segment was durable before it had its name.
    fn sealed(&mut self, storage: &dyn Storage, span: &Span) -> std::io::Result<()> {
        let footer = span.part.footer(storage, span.end)?;
        self.next = self.next.max(footer.end_seq.min(span.end));
        self.durable = self.durable.max(self.next - 1);
        let (seq, serial) = (self.next - 1, span.part.identity.serial);
        self.place = Place { seq, serial, position: 0 };
        Ok(())
    }

    fn frame(&mut self, span: &Span, bytes: &[u8], position: usize, head: &Head) -> usize {
        self.frames.push(Found { part: span.part.clone(), position, head: *head });
        self.durable = self.durable.max(head.durable_before);
        let mut at = position + head.table_end();
        for index in 0..if head.kind == FrameKind::Records { head.count } else { 0 } {
            let seq = head.first_seq + u64::from(index);
            let len = frame::record_len(bytes, position, index);
            let record = bytes.get(at..at + len);
            if !record.is_some_and(|record| frame::record_fits(record, span.part.seed, seq)) {
                let reason = GapReason::Record;
                let (part, first, cut) = (span.part.clone(), seq, head.first_seq);
                self.troubles.push(Trouble { part, position: at, first, last: seq, cut, reason });
            }
            at += len;
        }
        self.next = head.end_seq().min(span.end);
        position + head.len as usize
    }

    /// Nothing valid from the next seq to `last`.
    fn trouble(&mut self, span: &Span, position: usize, last: u64, reason: GapReason) {
        let (part, first) = (span.part.clone(), self.next);
        self.troubles.push(Trouble { part, position, first, last, cut: first, reason });
        self.next = last + 1;
    }

    fn decide(&self, storage: &dyn Storage, mark: &Mark) -> Verdict {
        let given_away = self.durable.max(mark.watermark.seq);
        let mut verdict = Verdict { next: self.next, torn: None, gaps: Vec::new(), whole: true };
        for trouble in &self.troubles {
            if trouble.first <= given_away {
                let last = trouble.last.min(given_away);
                let reason =
                    if trouble.first > self.durable { GapReason::Unsynced } else { trouble.reason };
                let (first, at) = (trouble.first, trouble.position);
                verdict.gaps.push(trouble.part.gap(storage, first, last, at, reason));
            }
            if trouble.last > given_away {
                let first = trouble.cut.max(given_away + 1);
                let (file, position) = (storage.path(&trouble.part.name), trouble.position as u64);
                verdict.torn = Some(Torn { first, file, position });
                (verdict.next, verdict.whole) = (first, false);
                return verdict;
            }
        }
        if self.next <= given_away {
            let reason =
                if self.next > self.durable { GapReason::Unsynced } else { GapReason::Frame };
            let (first, last) = (self.next, given_away);
            verdict.gaps.push(match self.spans.last() {
                Some(span) => {
                    span.part.gap(storage, first, last, self.place.position as usize, reason)
                }
                None => {
                    let (file, reason) = (storage.path(""), GapReason::Segment);
                    Gap { first, last, file, position: 0, reason }
                }
            });
            (verdict.next, verdict.whole) = (given_away + 1, false);
        }
        verdict
    }

    /// What lies beyond all that is known durable, to be written again, gaps included.
    fn to_write_again(
        &self,
        storage: &dyn Storage,
        verdict: &Verdict,
    ) -> std::io::Result<Vec<Batch>> {
        let mut batches = Vec::new();
        let mut next = self.durable + 1;
        let kept = |f: &&Found| f.head.first_seq > self.durable && f.head.first_seq < verdict.next;
        for found in self.frames.iter().filter(kept) {
            missing(&mut batches, FrameKind::Unsynced, next, found.head.first_seq);
            next = found.head.end_seq().min(verdict.next);
            found.read(storage, next, &mut batches)?;
        }
        missing(&mut batches, FrameKind::Unsynced, next, verdict.next);
        Ok(batches)
    }

    /// The segments that were walked, for syncing.
    fn files(&self, storage: &dyn Storage) -> std::io::Result<Vec<Arc<Active>>> {
        let plain = |span: &&Span| span.part.form == Form::Plain;
        let walked = self.spans[self.from..].iter().filter(plain).map(|span| {
            let file = storage.open(&span.part.name)?;
            let made = file.len()?;
            Ok(Arc::new(Active::new(span.part.identity, file, made)))
        });
        walked.collect()
    }
}

/// Adds what declares the seqs from `first` to before `end` as missing.
fn missing(batches: &mut Vec<Batch>, kind: FrameKind, mut first: u64, end: u64) {
    while first < end {
        let count = (end - first).min(u64::from(u32::MAX)) as u32;
        batches.push(Batch::missing(kind, first, count));
        first += u64::from(count);
    }
}

impl Found {
    /// Adds the frame's seqs up to before `end` as they were, a damaged record as missing.
    fn read(
        &self,
        storage: &dyn Storage,
        end: u64,
        batches: &mut Vec<Batch>,
    ) -> std::io::Result<()> {
        if self.head.kind != FrameKind::Records {
            missing(batches, self.head.kind, self.head.first_seq, end);
            return Ok(());
        }
        let (view, len) = self.part.try_view(storage, None)?;
        let bytes = view.bytes(len).unwrap_or(&[]);
        let mut at = self.position + self.head.table_end();
        let mut batch = Batch { first_seq: self.head.first_seq, ..Batch::empty() };
        for (index, seq) in (self.head.first_seq..end).enumerate() {
            let len = frame::record_len(bytes, self.position, index as u32);
            match bytes.get(at..at + len).filter(|r| frame::record_fits(r, self.part.seed, seq)) {
                Some(record) => {
                    batch.bytes.extend_from_slice(record);
                    batch.lens.push(len as u32);
                    batch.count += 1;
                }
                None => {
                    let next = Batch { first_seq: seq + 1, ..Batch::empty() };
                    batches.extend(Some(std::mem::replace(&mut batch, next)));
                    missing(batches, FrameKind::Unsynced, seq, seq + 1);
                }
            }
            at += len;
        }
        batches.push(batch);
        batches.retain(|batch| batch.count > 0);
        Ok(())
    }
}

/// Where writing goes on with `first`: in the last segment, if all in it counts and nothing but
/// zeros follows; else in a new one.
fn writing_place(
    storage: &dyn Storage,
    files: &Files,
    walk: &Walk,
    verdict: &Verdict,
    first: u64,
) -> std::io::Result<WriteStage> {
    let goes_on = verdict.whole && first == verdict.next;
    let last = walk.spans.last().filter(|span| goes_on && span.part.form == Form::Plain);
    if let Some(span) = last {
        let (view, len) = span.part.try_view(storage, None)?;
        let rest = view.bytes(len).and_then(|bytes| bytes.get(walk.place.position as usize..));
        if walk.place.serial == span.part.identity.serial
            && len >= HEADER_LEN as u64
            && rest.is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
        {
            let file = storage.open(&span.part.name)?;
            if files.headless.contains(&span.part.identity.serial) {
                let header =
                    segment::encode_header(&span.part.identity, Form::Plain, crate::log::now());
                file.write_at(&[&header], 0)?;
                file.sync()?;
            }
            let active = Arc::new(Active::new(span.part.identity, file, len));
            return Ok(stage(active, walk.place.position, len, files.next_serial));
        }
    }
    let serial = files.next_serial;
    let identity = Identity { log: files.id, first_seq: first, serial };
    let file = writer::create_segment(storage, &identity)?;
    file.sync()?;
    let (position, active) =
        (HEADER_LEN as u64, Arc::new(Active::new(identity, file, HEADER_LEN as u64)));
    Ok(stage(active, position, position, serial + 1))
}

fn stage(active: Arc<Active>, position: u64, allocated: u64, next_serial: u64) -> WriteStage {
    WriteStage {
        active,
        position,
        allocated,
        ask_at: 0,
        next_serial,
        head: Vec::new(),
        closed: false,
    }
}
