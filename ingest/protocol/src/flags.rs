//! The bits of a record's `flags`. Persisted: a bit is never given a second meaning.

/// A secret was masked before the record was written; its payload is not the bytes that came.
pub const REDACTED: u16 = 1;

/// The transcript ended without a newline after this record.
pub const UNTERMINATED: u16 = 2;

/// The message came in a two-way capture; its payload is the bytes of the `msg` value.
pub const TWO_WAY: u16 = 4;
