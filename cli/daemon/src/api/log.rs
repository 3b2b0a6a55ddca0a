//! What is brought into the log, and what goes.

use serde::{Deserialize, Serialize};

/// What the log shall keep. Without any limit the defaults hold; with one, that one alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Prune {
    /// Segments go whose newest record was appended longer ago, in milliseconds.
    pub older_than_ms: Option<u64>,
    /// The oldest go until the log takes no more bytes than this.
    pub max_bytes: Option<u64>,
    /// Sessions serve no more than so many of their newest records.
    pub max_records_per_session: Option<u64>,
    /// What stands open at the end of a transcript that was read to its end holds nothing.
    pub past_imports: bool,
    /// Do it; else only say what would be done.
    pub apply: bool,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// What went, or would go.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pruned {
    /// It was done.
    pub applied: bool,
    /// The age that was asked for, or is the default.
    pub older_than_ms: Option<u64>,
    /// The size that was asked for, or is the default.
    pub max_bytes: Option<u64>,
    /// The oldest seq kept before.
    pub floor_before: u64,
    /// The oldest seq kept.
    pub floor: u64,
    /// How many segments go.
    pub segments: u64,
    /// How many seqs.
    pub records: u64,
    /// How many bytes of files.
    pub bytes: u64,
    /// How many bytes of files are left.
    pub kept_bytes: u64,
    /// What still needs the oldest segment that would go, too; null where nothing does.
    pub held_by: Option<sm_projections::views::Hold>,
    /// How many sessions serve fewer records from now on.
    pub capped_sessions: u64,
    /// What is kept of the folds; null where nothing goes, and before it is done.
    pub snapshot: Option<Kept>,
    /// The record that tells of it.
    pub trim_seq: Option<u64>,
}

/// The snapshot of the folds below the floor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The last seq folded.
    pub seq: u64,
    /// The size of its tables.
    pub bytes: u64,
    /// Its BLAKE3, in hexadecimal.
    pub blake3: String,
}

/// A transcript to import.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// The file, an absolute path that the daemon's user can read.
    pub path: String,
    /// What to call it in the log, if not by its path.
    pub name: Option<String>,
    /// Also when the same bytes were imported before.
    pub again: bool,
    /// Who asks: a session's id, or none for the user. Agents are refused.
    pub by: Option<String>,
}

/// A transcript was imported.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Imported {
    /// The source's number.
    pub source: u64,
    /// What the transcript is called in the log.
    pub path: String,
    /// The BLAKE3 of its bytes, in hexadecimal.
    pub blake3: String,
    /// Bytes read.
    pub bytes: u64,
    /// Lines, and so records.
    pub records: u64,
    /// How many of them were recorded by an import of the same bytes that was cut off; null where
    /// there was none.
    pub continued_after: Option<u64>,
    /// Lines that are no messages.
    pub malformed: u64,
    /// The first of them: line, seq, why.
    pub malformed_lines: Vec<Malformed>,
    /// Lines that are kept as they came and are odd: cut, of another line end, or long.
    pub marked: u64,
    /// The first of them: line, seq, why.
    pub marked_lines: Vec<Malformed>,
    /// The first line's record.
    pub first_seq: Option<u64>,
    /// The last line's record.
    pub last_seq: Option<u64>,
    /// The sessions it concerns.
    pub sessions: Vec<serde_json::Value>,
    /// Those of them that a server runs: what a file says of such a session changes nothing.
    pub not_folded: Vec<NotFolded>,
}

/// Records of a transcript that are kept and change nothing, because a server runs their session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NotFolded {
    /// The session's short id.
    pub session_id: String,
    /// Its thread.
    pub thread_id: String,
    /// How many.
    pub records: u64,
}

/// A line that is no message, or odd.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Malformed {
    /// Its number, from 1.
    pub line: u64,
    /// Its record; null where the import that was cut off made it.
    pub seq: Option<u64>,
    /// Why.
    pub why: String,
}
