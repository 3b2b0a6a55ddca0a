//! The bits of a record's `flags`. Persisted: a bit is never given a second meaning.

/// A secret was masked before the record was written; its payload is not the bytes that came.
pub const REDACTED: u16 = 1;

/// The transcript ended without a newline after this record.
pub const UNTERMINATED: u16 = 2;

/// The message came in a two-way capture; its payload is the bytes of the `msg` value.
pub const TWO_WAY: u16 = 4;

/// The line ended in a carriage return before its newline; both are kept.
pub const CARRIAGE_RETURN: u16 = 16;

/// The line is a megabyte or longer.
pub const LONG_LINE: u16 = 32;

/// What a flag of a line says, for people; flags that every line of a form has say nothing.
pub fn oddities(flags: u16) -> impl Iterator<Item = &'static str> {
    let named = [
        (UNTERMINATED, "without a newline"),
        (CARRIAGE_RETURN, "ends in a carriage return"),
        (LONG_LINE, "a megabyte or longer"),
    ];
    named.into_iter().filter(move |(flag, _)| flags & flag != 0).map(|(_, words)| words)
}
