//! One error for each act: opening, appending, reading. And [`Gap`], what is missing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::id::LogId;

/// A range of seqs that cannot be read; everything before and after it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// First missing seq.
    pub first: u64,
    /// Last missing seq.
    pub last: u64,
    /// The file it should be in.
    pub file: PathBuf,
    /// Where in the file the damage begins.
    pub position: u64,
    /// Why it is missing.
    pub reason: GapReason,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gap { first, last, file, position, reason } = self;
        write!(f, "seq {first} to {last}: {reason} ({}, position {position})", file.display())
    }
}

impl Gap {
    /// What can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self.reason {
            GapReason::Record | GapReason::Frame | GapReason::Block | GapReason::Segment => {
                "put the file back from a copy; all else reads without it"
            }
            GapReason::Unsynced | GapReason::Trimmed | GapReason::Lost => {
                "nothing brings them back; all else reads"
            }
        }
    }
}

/// Why a range is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// One record does not fit its checksum.
    Record,
    /// A frame's head does not fit its checksum, or is not there.
    Frame,
    /// A block of a sealed segment does not fit its checksum, or is not there.
    Block,
    /// The whole segment is not there.
    Segment,
    /// Was acknowledged without being synced, and did not survive.
    Unsynced,
    /// Removed since the reader got there: below the floor by now.
    Trimmed,
    /// Never written: the ring overflowed while the disk failed. Declared by the writer.
    Lost,
}

impl GapReason {
    /// The number it has on disk.
    pub(crate) fn number(self) -> u8 {
        match self {
            GapReason::Record => 0,
            GapReason::Frame => 1,
            GapReason::Segment => 2,
            GapReason::Unsynced => 3,
            GapReason::Lost => 4,
            GapReason::Block => 5,
            GapReason::Trimmed => 6,
        }
    }

    /// The reason with that number; a number that is not known stands for damage.
    pub(crate) fn from_number(number: u8) -> GapReason {
        let all = [
            GapReason::Record,
            GapReason::Frame,
            GapReason::Segment,
            GapReason::Unsynced,
            GapReason::Lost,
            GapReason::Block,
            GapReason::Trimmed,
        ];
        all.into_iter().find(|reason| reason.number() == number).unwrap_or(GapReason::Frame)
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GapReason::Record => "record damaged",
            GapReason::Frame => "frame damaged",
            GapReason::Block => "block damaged",
            GapReason::Segment => "segment missing",
            GapReason::Unsynced => "acknowledged before a sync, and gone with the power",
            GapReason::Trimmed => "no longer kept",
            GapReason::Lost => "lost while the disk failed",
        })
    }
}

const USE_NEWER: &str = "use a newer release";

/// What can be done about what the operating system refused.
pub(crate) fn remedy_of(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "give the file back to the log's owner, with mode 0600 in a directory of 0700"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        _ => "see to the disk, and try again",
    }
}

/// A log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no log in that directory.
    #[error("no log in {}", dir.display())]
    NotFound {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// Another writer has the log.
    #[error("the log in {} is being written by {}", dir.display(), Holder(*pid))]
    Locked {
        /// The log's directory.
        dir: PathBuf,
        /// The other writer's process, where its lock file tells.
        pid: Option<u32>,
    },
    /// The file was written by a newer release.
    #[error("{} has format version {found}, this release knows up to {known}; use a newer one", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file is none of a log's.
    #[error("{} is damaged at position {position}: {what}; {remedy}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong.
        what: &'static str,
        /// What can be done.
        remedy: &'static str,
    },
    /// The operating system refused.
    #[error("failed to {act} {}: {source}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl OpenError {
    /// What can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            OpenError::NotFound { .. } => "open it for writing, which makes one",
            OpenError::Locked { .. } => {
                "talk to the other writer or stop it; reading needs no lock"
            }
            OpenError::Version { .. } => USE_NEWER,
            OpenError::Damaged { remedy, .. } => remedy,
            OpenError::Io { source, .. } => remedy_of(source.kind()),
        }
    }
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}; talk to that one or stop it"),
            None => write!(f, "another process"),
        }
    }
}

impl OpenError {
    pub(crate) fn io(act: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| OpenError::Io { act, path, source }
    }
}

/// Entries were not accepted, or not made durable.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A payload is too long; nothing of the call was accepted.
    #[error("a payload of {bytes} bytes is longer than {max}")]
    PayloadTooLong {
        /// Its length.
        bytes: usize,
        /// The cap.
        max: usize,
    },
    /// A session key is too long; nothing of the call was accepted.
    #[error("a session key of {bytes} bytes is longer than {max}")]
    SessionTooLong {
        /// Its length.
        bytes: usize,
        /// The cap.
        max: usize,
    },
    /// The ring stayed full because the disk fails. The entries are not kept; their seqs are a
    /// gap that the log declares as soon as it can write again.
    #[error("seq {first} to {last} lost, the disk fails: {cause}")]
    Lost {
        /// First seq that is lost.
        first: u64,
        /// Last seq that is lost.
        last: u64,
        /// What the disk said.
        cause: Cause,
    },
    /// Not durable yet, and the disk fails. The records are still in the ring and still tried.
    #[error("not durable after {waited:?}, still trying: {cause}")]
    Stalled {
        /// How long was waited.
        waited: Duration,
        /// What the disk said.
        cause: Cause,
    },
    /// A sync failed for records that were acknowledged without one
    /// ([`Durability::Os`](crate::Durability::Os)): they may be gone after a power cut, and the log
    /// has nothing left to write them again from.
    #[error("seq {first} to {last} may not survive a power cut: {cause}")]
    Doubtful {
        /// First seq in doubt.
        first: u64,
        /// Last seq in doubt.
        last: u64,
        /// What the disk said.
        cause: Cause,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// What the disk last said, shared by all who wait.
#[derive(Debug, Clone)]
pub struct Cause(pub Option<Arc<io::Error>>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(error) => error.fmt(f),
            None => f.write_str("it is slow"),
        }
    }
}

/// A record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Older than what is kept.
    #[error("seq {seq} is below {floor}, the oldest kept")]
    BelowFloor {
        /// What was asked for.
        seq: u64,
        /// The oldest seq kept.
        floor: u64,
    },
    /// Newer than what is there.
    #[error("seq {seq} is beyond {watermark}, the newest")]
    BeyondHead {
        /// What was asked for.
        seq: u64,
        /// The newest seq that can be read.
        watermark: u64,
    },
    /// No such revision of the session.
    #[error("revision {revision} is not in {first} to {last}")]
    NoRevision {
        /// What was asked for.
        revision: u64,
        /// The oldest one kept.
        first: u64,
        /// The newest one.
        last: u64,
    },
    /// It lies in a gap.
    #[error("{0}")]
    Gap(Gap),
    /// What is needed to answer was written by a newer release. Records are read without it.
    #[error("{} has format version {found}, this release knows up to {known}; use a newer one", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The log is another one than the cursor was made for.
    #[error("the directory now holds log {found}, not {expected}")]
    OtherLog {
        /// The log that was opened.
        expected: LogId,
        /// The log that is there now.
        found: LogId,
    },
    /// The operating system refused.
    #[error("failed to {act} {}: {source}{}", path.display(), Unread(*seqs))]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
        /// First and last seq that cannot be read for it; `None`: it was nothing with records of its
        /// own, or nothing tells.
        seqs: Option<(u64, u64)>,
    },
}

impl ReadError {
    /// What can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            ReadError::BelowFloor { .. } => "read from the floor on",
            ReadError::BeyondHead { .. } => "wait for it, or read up to the watermark",
            ReadError::NoRevision { .. } => "read within what is kept",
            ReadError::Gap(gap) => gap.remedy(),
            ReadError::Version { .. } => USE_NEWER,
            ReadError::OtherLog { .. } => "begin anew with the log that is there",
            ReadError::Io { source, .. } => remedy_of(source.kind()),
        }
    }

    /// First and last seq that cannot be read for it, where it is a part of the log that fails: what
    /// lies around it can, so who walks may begin again behind the last.
    pub fn seqs(&self) -> Option<(u64, u64)> {
        match self {
            ReadError::Gap(gap) => Some((gap.first, gap.last)),
            ReadError::Io { seqs, .. } => *seqs,
            _ => None,
        }
    }

    pub(crate) fn io(act: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| ReadError::Io { act, path, source, seqs: None }
    }
}

struct Unread(Option<(u64, u64)>);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((first, last)) => write!(f, "; seq {first} to {last} cannot be read"),
            None => Ok(()),
        }
    }
}
