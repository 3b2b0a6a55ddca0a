//! The schema: every table, its key, its row, and who writes it.
//!
//! What always holds: [`NAMES`] lists all of them, so a digest, a dump or a deletion that walks the
//! list leaves none out.

use crate::rows::{Action, Input, Request, Session, Sid, Source, Turn};
use crate::table::{IdHash, Table};

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $text:literal: $key:ty => $row:ty;)*) => {
        $($(#[$doc])* pub struct $name;
        impl Table for $name {
            const NAME: &'static str = $text;
            type Key = $key;
            type Row = $row;
        })*

        /// The names of all tables, in the order in which a digest takes them.
        pub const NAMES: &[&str] = &[$($text),*];
    };
}

tables! {
    /// Every session.
    Sessions = "sessions": Sid => Session;
    /// Thread id → session.
    Threads = "threads": String => Sid;
    /// Short id → session.
    ShortIds = "short_ids": String => Sid;
    /// (name, session), for sessions that have one.
    Names = "names": (String, Sid) => ();
    /// (parent, child).
    Children = "children": (Sid, Sid) => ();
    /// (session, number of the turn).
    Turns = "turns": (Sid, u64) => Turn;
    /// (session, digest of Codex's turn id) → number of the turn.
    TurnIds = "turn_ids": (Sid, IdHash) => u64;
    /// (session, number of the action).
    Actions = "actions": (Sid, u64) => Action;
    /// (session, digest of Codex's turn and item id) → number of the action.
    ItemIds = "item_ids": (Sid, IdHash) => u64;
    /// Every request ever asked.
    Requests = "requests": u64 => Request;
    /// Those that wait, by (source, generation, digest of the JSON-RPC id).
    Waiting = "waiting": (u64, u32, IdHash) => u64;
    /// Those that wait, by number.
    Pending = "pending": u64 => ();
    /// Every source.
    Sources = "sources": u64 => Source;
    /// (source, generation, session) of each session's newest record.
    Attached = "attached": (u64, u32, Sid) => ();
    /// BLAKE3 of a file that was imported to its end → its source.
    Imports = "imports": String => u64;
    /// Every input.
    Inputs = "inputs": u64 => Input;
    /// (session, input) of those not yet delivered.
    Queue = "queue": (Sid, u64) => ();
    /// Records of each kind.
    Kinds = "kinds": u16 => u64;
    /// Records of each method that has no kind of its own.
    Methods = "methods": String => u64;
    /// What could not be folded, by reason.
    Troubles = "troubles": String => u64;
    /// How many sessions there are, under 0: the next session's number.
    Totals = "totals": u16 => u64;
    /// Declared gaps: first seq → last seq.
    Gaps = "gaps": u64 => u64;
}
