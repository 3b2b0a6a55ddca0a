//! A segmented, append-only log of records that any number of readers can follow.
//!
//! * One writer ([`Log`]), any number of readers ([`Reader`]) in any process, which never block it.
//! * Acknowledged is durable, where the [`Durability`] is [`Sync`](Durability::Sync); readers see
//!   only what is acknowledged.
//! * A crash costs nothing that was acknowledged. A damaged byte costs one record, at most one
//!   frame; what is missing is a [`Gap`] with a name, and the rest stays readable.
//! * The log never looks into a payload.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! use sm_log::{Entry, Item, Log, Options, Reader};
//!
//! let (log, _recovery) = Log::open(dir.path(), Options::default())?;
//! let receipt = log.append(&[
//!     Entry { session: b"a", payload: b"one", ..Entry::default() },
//!     Entry { session: b"b", payload: b"two", ..Entry::default() },
//! ])?;
//! receipt.wait()?; // durable now
//!
//! // In any process:
//! let reader = Reader::open(dir.path())?;
//! let mut cursor = reader.cursor(1)?;
//! while let Some(item) = cursor.next()? {
//!     match item {
//!         Item::Record(record) => println!("{} {:?}", record.seq, record.payload),
//!         Item::Gap(gap) => println!("missing: {gap}"),
//!     }
//! }
//! assert_eq!(reader.revision(b"b", 1)?, Some(2));
//! # Ok(())
//! # }
//! ```

/// Whether that bug is planted: never, but in the test that looks whether it is found.
macro_rules! planted {
    ($bug:ident) => {{
        #[cfg(feature = "planted")]
        let planted = crate::planted::is(crate::planted::Bug::$bug);
        #[cfg(not(feature = "planted"))]
        let planted = false;
        planted
    }};
}

mod bell;
mod block;
pub mod caps;
mod chain;
mod cursor;
mod error;
mod footer;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod id;
mod index;
mod lock;
mod log;
mod options;
#[cfg(feature = "planted")]
pub mod planted;
mod prepare;
mod progress;
mod reader;
mod record;
mod recovery;
mod ring;
mod seal;
mod sealed;
mod segment;
mod session;
mod span;
mod stats;
pub mod storage;
mod trim;
mod varint;
mod verify;
mod waiters;
mod walk;
mod watermark;
mod writer;

/// The example of the README, so that it is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use cursor::{Cursor, Item};
pub use error::{AppendError, Cause, Gap, GapReason, OpenError, ReadError};
pub use id::{LogId, ParseLogIdError};
pub use lock::{Head, NAME as LOCK_FILE, WriterLock, holder, is_locked, lock, peek};
pub use log::{Health, Log, Receipt};
pub use options::{Durability, Options};
pub use reader::Reader;
pub use record::{Direction, Entry, OwnedRecord, Record, RecordRef};
pub use recovery::{Recovery, Stranger, Torn};
pub use session::{SessionCursor, SessionSeq};
pub use stats::Segment;
pub use verify::{Problem, Verification};
