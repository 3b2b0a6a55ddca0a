//! Programs: what they do, what they start, and by which of their words.
//!
//! What always holds: what is known of a program stands in a table; of one that stands in none nothing good is
//! taken for granted but where that is said.

pub(crate) mod awk;
pub(crate) mod carriers;
pub(crate) mod git;
pub(crate) mod harmless;
pub(crate) mod known;
pub(crate) mod looks;
pub(crate) mod named;
pub(crate) mod scripts;
pub(crate) mod sed;
pub(crate) mod starts;
pub(crate) mod strays;
pub(crate) mod told;
pub(crate) mod tools;
