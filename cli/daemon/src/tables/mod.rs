//! The tables as the daemon keeps them: folded from the log as it grows, and readable for everybody.
//!
//! What always holds: nothing but the log makes them what they are.

pub(crate) mod folding;
pub(crate) mod unseen;
