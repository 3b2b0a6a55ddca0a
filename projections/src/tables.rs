//! The schema: every table, its key, its row, and who writes it.
//!
//! What always holds: a table's number is the first byte of all its rows' addresses, from 1, and is
//! never given to another table within a fold version. [`NAMES`] lists all of them.

use crate::rows::{Action, Input, Reminder, Request, Session, Sid, Source, Span, Trim, Turn};
use crate::table::{IdHash, Table};
use std::collections::BTreeMap;

macro_rules! tables {
    ($($(#[$doc:meta])* $number:literal $name:ident = $text:literal: $key:ty => $row:ty;)*) => {
        $($(#[$doc])* pub struct $name;
        impl Table for $name {
            const NUMBER: u8 = $number;
            type Key = $key;
            type Row = $row;
        })*

        /// The numbers and names of all tables.
        pub const NAMES: &[(u8, &str)] = &[$(($number, $text)),*];
    };
}

/// The name of the table numbered `number`.
pub fn name(number: u8) -> &'static str {
    NAMES.iter().find(|(of, _)| *of == number).map_or("unknown", |(_, name)| name)
}

tables! {
    /// Every session.
    1 Sessions = "sessions": Sid => Session;
    /// Thread id → session.
    2 Threads = "threads": String => Sid;
    /// Short id → session.
    3 ShortIds = "short_ids": String => Sid;
    /// (name, session), for sessions that have one.
    4 Names = "names": (String, Sid) => ();
    /// (parent, child).
    5 Children = "children": (Sid, Sid) => ();
    /// (session, number of the turn).
    6 Turns = "turns": (Sid, u64) => Turn;
    /// (session, digest of Codex's turn id) → number of the turn.
    7 TurnIds = "turn_ids": (Sid, IdHash) => u64;
    /// (session, number of the action).
    8 Actions = "actions": (Sid, u64) => Action;
    /// (session, digest of Codex's turn and item id) → number of the action.
    9 ItemIds = "item_ids": (Sid, IdHash) => u64;
    /// Every request ever asked.
    10 Requests = "requests": u64 => Request;
    /// Those that wait, by (source, generation, digest of the JSON-RPC id).
    11 Waiting = "waiting": (u64, u32, IdHash) => u64;
    /// Those that wait, by number.
    12 Pending = "pending": u64 => ();
    /// Every source.
    13 Sources = "sources": u64 => Source;
    /// (source, generation, session) of each session's newest record.
    14 Attached = "attached": (u64, u32, Sid) => ();
    /// BLAKE3 of an imported file → the newest source made of it, closed or cut off.
    15 Imports = "imports": String => u64;
    /// Every input.
    16 Inputs = "inputs": u64 => Input;
    /// (session, input) of those not yet delivered.
    17 Queue = "queue": (Sid, u64) => ();
    /// (session, input) of those of which nobody knows whether they were taken, until they are looked for.
    29 Lost = "lost": (Sid, u64) => ();
    /// Records of each kind.
    18 Kinds = "kinds": u16 => u64;
    /// Records of each method that has no kind of its own.
    19 Methods = "methods": String => u64;
    /// What could not be folded, by reason.
    20 Troubles = "troubles": String => u64;
    /// How many sessions there are, under 0: the next session's number.
    21 Totals = "totals": u16 => u64;
    /// (session, seq of the record that began it): the spans of every turn.
    23 Spans = "spans": (Sid, u64) => Span;
    /// Declared gaps: first seq → last seq.
    22 Gaps = "gaps": u64 => u64;
    /// (session, digest of the sender's own name) → input.
    27 InputKeys = "input_keys": (Sid, IdHash) => u64;
    /// Reminders that have not come to their end.
    28 Reminders = "reminders": u64 => Reminder;
    /// What was dropped from the log's beginning, by the record that tells of it.
    24 Trims = "trims": u64 => Trim;
    /// What is known only of records from some seq on, for older ones are gone; see `upgrade`.
    25 Partial = "partial": String => u64;
    /// The environment that `sm` gave a session's commands, to be given again when it is resumed.
    26 Environments = "environments": Sid => BTreeMap<String, String>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_names_are_unique() {
        assert!(NAMES.iter().all(|(number, _)| *number > 0));
        assert_eq!(
            NAMES.iter().map(|(number, _)| number).collect::<BTreeSet<_>>().len(),
            NAMES.len()
        );
        assert_eq!(NAMES.iter().map(|(_, name)| name).collect::<BTreeSet<_>>().len(), NAMES.len());
    }
}
