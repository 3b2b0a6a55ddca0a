//! The chain of segments as a reader sees it: which segment holds which seqs, and how far each may
//! be read.
//!
//! Segments are ordered by serial. Where two claim a seq, the higher serial has it; so a segment
//! ends where a later one begins. Segments with a serial above the watermark's do not exist yet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::block;
use crate::error::{Gap, GapReason, ReadError};
use crate::footer::Footer;
use crate::frame;
use crate::id::LogId;
use crate::index::Index;
use crate::prepare::PREPARED;
use crate::progress::Progress;
use crate::record::RecordRef;
use crate::sealed::Cache;
use crate::segment::{self, Form, HEADER_LEN, Header, Identity, Named};
use crate::storage::{File, Storage, View, bytes_at};
use crate::trim::{self, Trimmed, Unread};
use crate::watermark::{Mark, Page};

/// So much of a file is looked at to tell whether it is a segment: more than one frame's head.
const BEGINNING: u64 = 512 << 10;
const LISTINGS_MAX: usize = 16;
/// How long a bell is trusted to ring: the writer may be gone, or have no threads to ring it.
const UNRUNG: Duration = Duration::from_millis(20);

/// What all readers of one log share.
pub struct Chain {
    pub storage: Arc<dyn Storage>,
    pub id: LogId,
    page: Page,
    progress: Option<Arc<Progress>>,
    parts: RwLock<Arc<Parts>>,
    /// The newest mark that was read.
    seen: RwLock<Mark>,
    trimmed: RwLock<Option<Arc<Trimmed>>>,
}

/// The segments that hold anything, in order of seq and of serial.
#[derive(Default)]
pub struct Parts {
    /// The watermark's segment when this was made.
    serial: u64,
    /// All that were listed, other logs' too.
    serials: BTreeSet<u64>,
    pub all: BTreeMap<u64, Arc<Part>>,
    pub list: Vec<Span>,
    /// What has a segment's name and is none of the log's: the seq it should begin with, and the name.
    strangers: Vec<(u64, String)>,
}

/// A segment, and which seqs it has. The last one's end is open.
#[derive(Clone)]
pub struct Span {
    pub first: u64,
    pub end: u64,
    pub part: Arc<Part>,
    /// The serial of the one that was made after it, as far as one is there.
    next_serial: Option<u64>,
}

/// A segment's file.
pub struct Part {
    pub name: String,
    pub identity: Identity,
    pub seed: u32,
    pub form: Form,
    file: OnceLock<Arc<dyn File>>,
    view: RwLock<Option<Arc<View>>>,
    /// Of a plain one.
    pub index: RwLock<Index>,
    /// Of a sealed one.
    pub footer: OnceLock<Arc<Footer>>,
    pub cache: Cache,
    /// Another segment's file was found in its place.
    replaced: AtomicBool,
}

/// How far a segment may be read.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub end_seq: u64,
    /// `None`: to the end of the file.
    pub end_position: Option<u64>,
    /// What it means where nothing follows: damage, or that the segment after it is not there.
    pub nothing: GapReason,
}

impl Chain {
    pub fn new(
        storage: Arc<dyn Storage>,
        id: LogId,
        page: Page,
        progress: Option<Arc<Progress>>,
    ) -> Chain {
        let (parts, seen) = (RwLock::default(), RwLock::default());
        let trimmed = RwLock::default();
        Chain { storage, id, page, progress, parts, seen, trimmed }
    }

    /// What the shared page says now.
    pub fn mark(&self) -> Mark {
        self.page.read(self.id).unwrap_or_default()
    }

    /// A mark that covers `seq`, if there is one by now: one read before will do.
    pub fn mark_for(&self, seq: u64) -> Mark {
        let seen = *self.seen.read();
        if seq <= seen.watermark.seq && self.parts.read().serial >= seen.watermark.serial {
            return seen;
        }
        let mark = self.mark();
        *self.seen.write() = mark;
        mark
    }

    /// Waits until the watermark is at least `seq`.
    pub fn wait(&self, seq: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        if let Some(progress) = &self.progress {
            return progress.wait(seq, deadline);
        }
        loop {
            let shown = self.page.bell();
            if self.mark().watermark.seq >= seq {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.page.wait_bell(shown, left.min(UNRUNG));
        }
    }

    /// The segments, at least up to the one of the mark. A mark that was read long ago will do: what it
    /// tells of may have been written again since, into a segment that it does not know.
    pub fn parts(&self, mark: &Mark) -> Result<Arc<Parts>, ReadError> {
        let parts = self.parts.read().clone();
        if parts.serial >= mark.watermark.serial && parts.serial > 0 {
            return Ok(parts);
        }
        let (dir, now) = (self.storage.path(""), self.mark());
        let newer = now.watermark.serial > mark.watermark.serial;
        let parts = parts
            .refreshed(self, if newer { &now } else { mark })
            .map_err(ReadError::io("list", dir))?;
        let parts = Arc::new(parts);
        *self.parts.write() = parts.clone();
        Ok(parts)
    }

    /// What is left of what was trimmed; `None` where nothing was, or what is left is damaged. What a
    /// newer release left is an error: counting without it would count wrongly.
    pub fn trimmed(&self, mark: &Mark) -> Result<Option<Arc<Trimmed>>, ReadError> {
        if mark.floor <= 1 {
            return Ok(None);
        }
        let held = self.trimmed.read().clone();
        if held.as_ref().is_some_and(|trimmed| trimmed.floor >= mark.floor) {
            return Ok(held);
        }
        let found = Trimmed::read(&*self.storage, self.id);
        let file = self.storage.path(trim::NAME);
        let found = match found.map_err(ReadError::io("read", &file))? {
            Some(Ok(trimmed)) => Some(Arc::new(trimmed)),
            Some(Err(Unread::Newer(found))) => {
                return Err(ReadError::Version { file, found, known: segment::VERSION });
            }
            Some(Err(Unread::Damaged)) | None => None,
        };
        self.trimmed.write().clone_from(&found);
        Ok(found)
    }

    /// How many of a session's records were trimmed.
    pub fn trimmed_records(&self, mark: &Mark, session: &[u8]) -> Result<u64, ReadError> {
        let trimmed = self.trimmed(mark)?;
        Ok(trimmed.and_then(|trimmed| trimmed.sessions.get(session).copied()).unwrap_or(0))
    }

    /// Looks anew how far the log is, and lists the segments again, when that is next asked for.
    pub fn forget(&self) {
        *self.seen.write() = Mark::default();
        let mut parts = self.parts.write();
        let (all, list) = (parts.all.clone(), parts.list.clone());
        *parts = Arc::new(Parts { all, list, ..Parts::default() });
    }

    /// Does it, and does it again where a segment was gone: sealing replaces files.
    pub fn again<T>(&self, mut f: impl FnMut() -> Result<T, ReadError>) -> Result<T, ReadError> {
        for _ in 0..3 {
            match f() {
                Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    self.forget();
                }
                result => return result,
            }
        }
        f()
    }

    /// Names the file that stands where a segment is missing, if one does.
    pub fn lay(&self, gap: Gap) -> Gap {
        if gap.reason != GapReason::Segment {
            return gap;
        }
        let parts = self.parts.read();
        let before = parts.list.partition_point(|span| span.first <= gap.first).checked_sub(1);
        let from = before.map_or(0, |at| parts.list[at].first + 1);
        let is_there = |(first, _): &&(u64, String)| (from..=gap.last).contains(first);
        match parts.strangers.iter().find(is_there) {
            Some((_, name)) => Gap { file: self.storage.path(name), position: 0, ..gap },
            None => gap,
        }
    }

    /// One record, its checksum verified; the gap that it is in is an error.
    pub fn record(&self, seq: u64, mark: &Mark) -> Result<RecordRef, ReadError> {
        self.again(|| {
            let (span, limit) = self.locate(seq, mark)?.map_err(ReadError::Gap)?;
            let found = span.record(self, &limit, seq)?;
            found.map_err(|gap| ReadError::Gap(self.lay(gap)))
        })
    }

    /// Where the gap begins that `seq` is in: no record from there to `seq` can be read.
    pub fn gap_begin(&self, seq: u64, mark: &Mark) -> u64 {
        let mut first = seq;
        while first > mark.floor && matches!(self.record(first - 1, mark), Err(ReadError::Gap(_))) {
            first -= 1;
        }
        first
    }

    /// The segment that should hold `seq`, which is at most the watermark or the one after it; or
    /// what is missing there.
    pub fn locate(&self, seq: u64, mark: &Mark) -> Result<Result<(Span, Limit), Gap>, ReadError> {
        let parts = self.parts(mark)?;
        let after = parts.list.partition_point(|span| span.first <= seq);
        match after.checked_sub(1).and_then(|at| parts.list.get(at)) {
            Some(span) if seq < span.end => Ok(Ok((span.clone(), parts.limit(span, mark)))),
            _ => {
                let next = parts.list.get(after).map_or(mark.watermark.seq + 1, |span| span.first);
                let (file, mut last) = (self.storage.path(""), next.saturating_sub(1).max(seq));
                let (floor, mut reason) = (self.mark().floor, GapReason::Segment);
                if seq < floor {
                    (last, reason) = (last.min(floor - 1), GapReason::Trimmed);
                }
                Ok(Err(self.lay(Gap { first: seq, last, file, position: 0, reason })))
            }
        }
    }
}

impl Parts {
    /// The names that segments with nothing but seqs below the floor may have.
    pub fn below(&self, floor: u64) -> Vec<String> {
        below(&self.all, floor)
    }

    /// The segments from the floor on.
    pub fn kept(&self, floor: u64) -> impl DoubleEndedIterator<Item = &Span> {
        self.list.iter().filter(move |span| span.end > floor)
    }

    /// Segments that hold nothing, as later ones have all their seqs.
    pub fn shadowed(&self) -> impl Iterator<Item = &Arc<Part>> {
        let listed = |part: &Part| {
            let serial = part.identity.serial;
            self.list.iter().any(|span| span.part.identity.serial == serial)
        };
        self.all.values().filter(move |part| !listed(part))
    }

    /// How far the segment may be read.
    pub fn limit(&self, span: &Span, mark: &Mark) -> Limit {
        let (serial, newest) = (span.part.identity.serial, mark.watermark.serial);
        let is_active = serial == newest;
        let is_followed = span.next_serial.map_or(serial >= newest, |next| next == serial + 1);
        Limit {
            end_seq: span.end.min(mark.watermark.seq + 1),
            end_position: is_active.then_some(mark.watermark.position),
            nothing: if is_followed { GapReason::Frame } else { GapReason::Segment },
        }
    }

    /// Lists the segments. Sealing replaces names meanwhile, and a listing may miss both the old and
    /// the new one: so it counts when the next one finds the same segments.
    fn refreshed(&self, chain: &Chain, mark: &Mark) -> io::Result<Parts> {
        let mut found = listed(chain, mark)?;
        for _ in 0..LISTINGS_MAX {
            let (parts, vanished) = self.identified(chain, mark, found)?;
            found = listed(chain, mark)?;
            if !vanished && found.keys().all(|serial| parts.serials.contains(serial)) {
                return Ok(parts);
            }
        }
        // A name that leads nowhere, whenever it is asked for.
        Ok(self.identified(chain, mark, found)?.0)
    }

    /// The segments of a listing, and whether any was gone by the time it was looked at.
    fn identified(
        &self,
        chain: &Chain,
        mark: &Mark,
        mut found: Listing,
    ) -> io::Result<(Parts, bool)> {
        let (serials, mut vanished) = (found.keys().copied().collect(), false);
        if let Some(named) = used_prepared(chain)? {
            found.entry(named.serial).or_insert(vec![(named, PREPARED.to_owned())]);
        }
        let (mut all, mut strangers) = (BTreeMap::new(), Vec::new());
        for (serial, names) in found {
            for (named, name) in names {
                if let Some(part) = self.all.get(&serial).filter(|part| part.is(&name)) {
                    all.insert(serial, part.clone());
                    break;
                }
                let identity = Identity { log: chain.id, first_seq: named.first_seq, serial };
                match is_ours(&*chain.storage, &name, &identity, named.form) {
                    Ok(false) => strangers.push((named.first_seq, name)),
                    Ok(true) => {
                        all.insert(serial, Arc::new(Part::new(name, identity, named.form)));
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => vanished = true,
                    Err(error) => return Err(error),
                }
            }
        }
        let list = spans(&all);
        let serial = mark.watermark.serial;
        Ok((Parts { serial, serials, all, list, strangers }, vanished))
    }
}

/// Names by serial, the one to be believed first in front: the sealed one, where both forms are there.
type Listing = BTreeMap<u64, Vec<(Named, String)>>;

fn listed(chain: &Chain, mark: &Mark) -> io::Result<Listing> {
    let mut found = Listing::new();
    for name in chain.storage.names()? {
        let Some(named) = segment::parse_name(&name) else { continue };
        if named.serial <= mark.watermark.serial {
            found.entry(named.serial).or_default().push((named, name));
        }
    }
    found.values_mut().for_each(|names| names.sort_by_key(|(named, _)| Reverse(named.form)));
    Ok(found)
}

/// The segment that the prepared file has become, where it lost its new name with the power and no
/// writer has opened the log since.
fn used_prepared(chain: &Chain) -> io::Result<Option<Named>> {
    let Ok(file) = chain.storage.open_read(PREPARED) else { return Ok(None) };
    let mut header = [0; HEADER_LEN];
    Ok(match file.read_at(&mut header, 0).map(|()| segment::decode_header(&header)) {
        Ok(Header::Valid { identity, form, .. }) if identity.log == chain.id => {
            Some(Named { serial: identity.serial, first_seq: identity.first_seq, form })
        }
        _ => None,
    })
}

/// Whether a file is the segment it is named as: its header says so, or its name where the header is
/// damaged or may not be read: then reading it will say why. Else it is another log's, another
/// segment's, or none at all.
fn is_ours(storage: &dyn Storage, name: &str, named: &Identity, form: Form) -> io::Result<bool> {
    let header = match read_header(storage, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
        read => read.unwrap_or(Header::Damaged),
    };
    Ok(match header {
        Header::Damaged => !is_foreign(storage, name, named, form),
        header => header.is(named, form),
    })
}

/// A segment's header; one that is cut short is damaged.
pub fn read_header(storage: &dyn Storage, name: &str) -> io::Result<Header> {
    header_of(&*storage.open_read(name)?)
}

pub fn header_of(file: &dyn File) -> io::Result<Header> {
    let mut header = [0; HEADER_LEN];
    match file.read_at(&mut header, 0) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(segment::decode_header(&header)),
    }
}

/// Whether a file whose header does not fit never was the segment it is named as: nothing of the
/// header is as it should be, it is not zeros either, and no frame or block begins behind it. One that
/// cannot be read may be anything: who reads it is told why.
pub fn is_foreign(storage: &dyn Storage, name: &str, named: &Identity, form: Form) -> bool {
    let read = || {
        let file = storage.open_read(name)?;
        bytes_at(&*file, 0, file.len()?.min(BEGINNING))
    };
    let Ok(Some(bytes)) = read() else { return false };
    let seed = named.seed();
    let begins = match form {
        Form::Plain => frame::decode_head(&bytes, HEADER_LEN, seed).is_some(),
        Form::Sealed => bytes
            .get(HEADER_LEN..)
            .is_some_and(|rest| block::decode_head(rest, HEADER_LEN as u64, seed).is_some()),
    };
    !begins && !segment::resembles(&bytes, named, form)
}

/// The names that segments with nothing but seqs below the floor have or may still have, given all by
/// serial: sealing may have left the plain one.
pub fn below(all: &BTreeMap<u64, Arc<Part>>, floor: u64) -> Vec<String> {
    let list = spans(all);
    let gone = list.iter().take_while(|span| span.end <= floor);
    // What is older than one that went was covered by it, or came before it.
    let last = gone.map(|span| span.part.identity.serial).max().unwrap_or(0);
    let forms = [Form::Plain, Form::Sealed];
    let names = |part: &Arc<Part>| forms.map(|form| part.identity.name(form));
    all.range(..=last).flat_map(|(_, part)| names(part)).collect()
}

/// Which seqs each segment has, given all by serial.
pub fn spans(all: &BTreeMap<u64, Arc<Part>>) -> Vec<Span> {
    let (mut end, mut next_serial) = (u64::MAX, None);
    let mut list = Vec::new();
    for part in all.values().rev() {
        let Identity { first_seq: first, serial, .. } = part.identity;
        if first < end {
            list.push(Span { first, end, part: part.clone(), next_serial });
            end = first;
        }
        next_serial = Some(serial);
    }
    list.reverse();
    list
}

impl Limit {
    /// The gap, as far as it lies within.
    pub fn clip(&self, gap: Gap) -> Gap {
        Gap { last: gap.last.min(self.end_seq - 1), ..gap }
    }
}

impl Part {
    pub fn new(name: String, identity: Identity, form: Form) -> Part {
        Part {
            name,
            form,
            identity,
            seed: identity.seed(),
            file: OnceLock::new(),
            view: RwLock::new(None),
            index: RwLock::default(),
            footer: OnceLock::new(),
            cache: Cache::default(),
            replaced: AtomicBool::new(false),
        }
    }

    /// Whether it has that name, and is what that name says as far as is known.
    fn is(&self, name: &str) -> bool {
        self.name == name && !self.replaced.load(Relaxed)
    }

    /// The file, which may be another one than when it was listed: one of another log or segment is as
    /// good as none.
    pub fn file(&self, storage: &dyn Storage) -> io::Result<&Arc<dyn File>> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = storage.open_read(&self.name)?;
        match header_of(&*file)? {
            Header::Damaged => {}
            header if header.is(&self.identity, self.form) => {}
            _ => {
                self.replaced.store(true, Relaxed);
                let what = "the file in its place is another one";
                return Err(io::Error::new(io::ErrorKind::NotFound, what));
            }
        }
        Ok(self.file.get_or_init(|| file))
    }

    /// The bytes up to `end`, or to the end of the file, and where that is. A file that is too
    /// short gives what there is.
    pub fn try_view(
        &self,
        storage: &dyn Storage,
        end: Option<u64>,
    ) -> io::Result<(Arc<View>, u64)> {
        if let (Some(view), Some(end)) = (self.view.read().as_ref(), end)
            && view.reach() >= end
        {
            return Ok((view.clone(), end));
        }
        let file = self.file(storage)?;
        let len = file.len()?;
        let end = end.map_or(len, |end| end.min(len));
        let mut held = self.view.write();
        if let Some(view) = held.as_ref().filter(|view| view.reach() >= end) {
            return Ok((view.clone(), end));
        }
        let view = Arc::new(file.view(end)?);
        *held = Some(view.clone());
        Ok((view, end))
    }

    /// A gap in this segment.
    pub fn gap(
        &self,
        storage: &dyn Storage,
        first: u64,
        last: u64,
        position: usize,
        reason: GapReason,
    ) -> Gap {
        Gap { first, last, file: storage.path(&self.name), position: position as u64, reason }
    }
}
