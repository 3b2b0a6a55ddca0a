//! The files of a log as a crash may have left them: which of them are segments of this log, and which
//! were on their way to be one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Stranger;
use crate::chain::{self, Part, below, is_foreign};
use crate::error::OpenError;
use crate::id::LogId;
use crate::prepare::PREPARED;
use crate::seal;
use crate::sealed;
use crate::segment::{self, Form, HEADER_LEN, Header, Identity, Named};
use crate::storage::Storage;
use crate::trim::{self, Trimmed, Unread};
use crate::watermark::{self, Page, PageError};

const ANOTHERS: &str = "a segment of another log; ignored";
/// A file with so many zeros is not worth looking at any further.
const BLANK_BYTES: u64 = 1 << 20;
/// The headers of so many segments are read whatever they decide: so a log that is not large is looked
/// at as a whole, and a large one opens as fast.
const NEWEST: usize = 8;

/// The log's files, as their names and headers tell.
pub struct Files {
    pub id: LogId,
    pub parts: BTreeMap<u64, Arc<Part>>,
    pub strangers: Vec<Stranger>,
    /// Serials of segments whose header is damaged.
    pub headless: Vec<u64>,
    pub next_serial: u64,
    /// Those that only their names tell of so far.
    unread: Vec<(Named, String)>,
}

impl Files {
    /// Reads the headers of the newest segments, at least from the one on that the page says was synced
    /// last: what lies before decides nothing, and a log may have very many. Their headers are
    /// read when a reader first lists them, and in [`Files::read_all`].
    pub fn find(
        storage: &dyn Storage,
        page: &Page,
        names: Vec<String>,
    ) -> Result<Files, OpenError> {
        let named = names.into_iter().filter_map(|name| Some((segment::parse_name(&name)?, name)));
        let mut named: Vec<(Named, String)> = named.collect();
        named.sort();
        let (mut doubles, mut clash) = (Vec::new(), false);
        for (one, other) in named.iter().zip(named.iter().skip(1)) {
            if one.0.serial == other.0.serial {
                let gone = drop_double(storage, page, one, other)?;
                clash |= gone.is_none();
                doubles.extend(gone);
            }
        }
        named.retain(|(_, name)| !doubles.contains(name));
        let id = Files::id(storage, page, &named)?;
        let synced = page.read(id).map_or(0, |mark| mark.synced.serial);
        let next_serial = named.last().map_or(1, |(named, _)| named.serial + 1);
        let mut files = Files {
            id,
            next_serial,
            parts: BTreeMap::new(),
            strangers: Vec::new(),
            headless: Vec::new(),
            unread: Vec::new(),
        };
        let newest = named.len().saturating_sub(NEWEST);
        for (index, (named, name)) in named.into_iter().enumerate() {
            if index < newest && named.serial < synced && !clash {
                files.insert(name.clone(), named);
                files.unread.push((named, name));
            } else {
                files.read(storage, name, named)?;
            }
        }
        let others = files.strangers.iter().filter(|stranger| stranger.what == ANOTHERS).count();
        if others > 0 && files.parts.len() == files.unread.len() {
            // Going on would begin another log on top of this one.
            return Err(OpenError::Damaged {
                file: storage.path(watermark::NAME),
                position: 0,
                what: "it is of another log than the segments",
                remedy: "put the log's own back, or remove it: it is made again from the segments",
            });
        }
        Ok(files)
    }

    /// Reads the headers that were not read yet, for what is decided by older segments, too.
    pub fn read_all(&mut self, storage: &dyn Storage) -> Result<(), OpenError> {
        for (named, name) in std::mem::take(&mut self.unread) {
            self.parts.remove(&named.serial);
            self.read(storage, name, named)?;
        }
        Ok(())
    }

    fn read(&mut self, storage: &dyn Storage, name: String, named: Named) -> Result<(), OpenError> {
        let Named { serial, first_seq, form } = named;
        let header = read_header(storage, &name)?;
        let identity = Identity { log: self.id, first_seq, serial };
        let foreign = header == Header::Damaged && is_foreign(storage, &name, &identity, form);
        match foreign {
            true => self.strangers.push(Stranger {
                file: storage.path(&name),
                what: "nothing in it is of a segment; ignored",
            }),
            false => self.sort_in(storage, name, named, header),
        }
        Ok(())
    }

    /// The id that the page has; or else that of the newest whole header, or of the trim file.
    fn id(
        storage: &dyn Storage,
        page: &Page,
        named: &[(Named, String)],
    ) -> Result<LogId, OpenError> {
        if let Ok(id) = page.id() {
            return Ok(id);
        }
        let (mut known, mut blank) = (None, true);
        for (_, name) in named {
            if let Header::Valid { identity, .. } = read_header(storage, name)? {
                known = Some(identity.log);
            }
            blank = blank && is_blank(storage, name)?;
        }
        let trimmed = Trimmed::log(storage);
        let trimmed = trimmed.map_err(OpenError::io("read", storage.path(trim::NAME)))?;
        match known.or(trimmed) {
            Some(id) => Ok(id),
            // Made, and then the power went before anything was durable.
            None if blank => LogId::random().map_err(OpenError::io("name", storage.path(""))),
            None => Err(OpenError::Damaged {
                file: storage.path(watermark::NAME),
                position: 0,
                what: "neither it nor any segment tells the log's id",
                remedy: "put the watermark file or one whole segment back",
            }),
        }
    }

    /// Does what a trim had not got to.
    pub fn remove_below(&mut self, storage: &dyn Storage, floor: u64) -> Result<(), OpenError> {
        if !below(&self.parts, floor).is_empty() {
            self.read_all(storage)?;
        }
        for name in below(&self.parts, floor) {
            match storage.remove(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(OpenError::io("remove", storage.path(&name))(error));
                }
                _ => self.parts.retain(|_, part| part.name != name),
            }
        }
        Ok(())
    }

    fn sort_in(&mut self, storage: &dyn Storage, name: String, named: Named, header: Header) {
        let Named { serial, first_seq, form } = named;
        let file = storage.path(&name);
        let named = Identity { log: self.id, first_seq, serial };
        let what = match header {
            header if header.is(&named, form) => None,
            Header::Valid { identity, .. } if identity.log != named.log => Some(ANOTHERS),
            Header::Valid { .. } => Some("another segment than its name says; ignored"),
            Header::Newer { .. } | Header::Damaged => {
                self.strangers.push(Stranger { file, what: "its header is damaged" });
                self.headless.push(serial);
                return self.insert(name, Named { serial, first_seq, form });
            }
        };
        match what {
            Some(what) => self.strangers.push(Stranger { file, what }),
            None => self.insert(name, Named { serial, first_seq, form }),
        }
    }

    fn insert(&mut self, name: String, named: Named) {
        let Named { serial, first_seq, form } = named;
        let identity = Identity { log: self.id, first_seq, serial };
        self.parts.insert(serial, Arc::new(Part::new(name, identity, form)));
    }
}

/// A log of a newer format is left as it is: so this comes before anything is changed.
pub fn refuse_newer(storage: &dyn Storage, page: &Page) -> Result<(), OpenError> {
    let newer = |name: &str, found: u32| OpenError::Version {
        file: storage.path(name),
        found,
        known: segment::VERSION,
    };
    if let Err(PageError::Newer(found)) = page.id() {
        return Err(newer(watermark::NAME, found.min(u64::from(u32::MAX)) as u32));
    }
    // Whichever log it is of: a newer format may say that elsewhere.
    let trimmed = Trimmed::read(storage, LogId([0; 16]));
    match trimmed.map_err(OpenError::io("read", storage.path(trim::NAME)))? {
        Some(Err(Unread::Newer(found))) => Err(newer(trim::NAME, found)),
        _ => Ok(()),
    }
}

/// Removes what was not sealed to its end.
pub fn remove_unfinished(storage: &dyn Storage, names: &mut Vec<String>) -> Result<(), OpenError> {
    for name in names.extract_if(.., |name| name.ends_with(seal::UNFINISHED)) {
        storage.remove(&name).map_err(OpenError::io("remove", storage.path(&name)))?;
    }
    Ok(())
}

/// A file that was prepared and then used, but lost its new name with the power, gets it again; one
/// that was not used is removed.
pub fn name_prepared(
    storage: &dyn Storage,
    page: &Page,
    names: &mut Vec<String>,
) -> Result<(), OpenError> {
    let Some(at) = names.iter().position(|name| name == PREPARED) else { return Ok(()) };
    names.swap_remove(at);
    let path = storage.path(PREPARED);
    let done = match read_header(storage, PREPARED)? {
        Header::Valid { identity, form: Form::Plain, .. }
            if page.id().is_ok_and(|id| id == identity.log)
                || page.id() == Err(PageError::Damaged) =>
        {
            names.push(identity.name(Form::Plain));
            storage.rename(PREPARED, &identity.name(Form::Plain))
        }
        _ if is_blank(storage, PREPARED)? => storage.remove(PREPARED),
        // Not known to be worthless: put aside, and told of.
        _ => storage.rename(PREPARED, "prepared.damaged"),
    };
    done.map_err(OpenError::io("name", path))
}

/// Of a segment that is there plain and sealed, which one is to go: sealing ended after the new
/// name was durable. The sealed one stays, if it is whole. `None`: they are not the same segment, or
/// nothing tells that they are.
fn drop_double(
    storage: &dyn Storage,
    page: &Page,
    (named, plain): &(Named, String),
    (other, sealed): &(Named, String),
) -> Result<Option<String>, OpenError> {
    let headers = (read_header(storage, plain)?, read_header(storage, sealed)?);
    let log = match (page.id(), headers.0) {
        (Ok(log), _) | (Err(_), Header::Valid { identity: Identity { log, .. }, .. }) => log,
        _ => return Ok(None),
    };
    let Named { serial, first_seq, .. } = *named;
    let identity = Identity { log, first_seq, serial };
    let may_be = |header: &Header, form| *header == Header::Damaged || header.is(&identity, form);
    let is_same = may_be(&headers.0, Form::Plain) && may_be(&headers.1, Form::Sealed);
    if !is_same || other.first_seq != first_seq {
        return Ok(None);
    }
    let read = || sealed::own_footer(&*storage.open_read(sealed)?, &identity);
    let footer = read().map_err(OpenError::io("read", storage.path(sealed)))?;
    let gone = if footer.is_some() { plain } else { sealed };
    storage.remove(gone).map_err(OpenError::io("remove", storage.path(gone)))?;
    Ok(Some(gone.clone()))
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
        Ok(frames.is_none_or(segment::is_zeros))
    };
    read().map_err(OpenError::io("read", path))
}

fn read_header(storage: &dyn Storage, name: &str) -> Result<Header, OpenError> {
    let file = storage.path(name);
    match chain::read_header(storage, name).map_err(OpenError::io("read", &file))? {
        Header::Newer { version } => {
            Err(OpenError::Version { file, found: version, known: segment::VERSION })
        }
        header => Ok(header),
    }
}
