//! `git`: what it runs, when it only lists, what it throws away, and its options' other names.
//!
//! What always holds: words are read as `git` and its subcommand, `git-push` as `git push`.

pub(crate) mod lists;
pub(crate) mod loses;
mod runs;
pub(crate) mod twins;

pub(crate) use runs::{VALUED, code, settings_elsewhere, subcommand, unpaged};
