//! Sessions: begun, changed and interrupted; what they are called, may do, and came to.
//!
//! What always holds: what is done to a session is recorded with who did it, and no child may do more than its
//! maker.

pub(crate) mod called;
pub(crate) mod interrupt;
pub(crate) mod keep;
pub(crate) mod messages;
pub(crate) mod names;
pub(crate) mod rights;
pub(crate) mod settle;
pub(crate) mod shell;
pub(crate) mod spawn;
pub(crate) mod stops;
pub(crate) mod trust;
