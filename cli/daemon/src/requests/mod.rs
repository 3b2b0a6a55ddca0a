//! What Codex asks: waits in the tables until a human answers, or is answered at once where none can.
//!
//! What always holds: the first answer wins, and what was decided, by whom, is recorded before the
//! answer is sent; nothing is approved but by the user or a rule of theirs; an agent never answers for
//! itself or for one above it.

mod answer;
mod arrival;
pub mod asked;
pub(crate) mod automatic;
mod before;
#[cfg(test)]
mod bench;
mod decision;
mod elicitation;
pub(crate) mod form;
pub(crate) mod grants;
mod list;
mod may;
mod method;
mod own;
mod programs;
mod question;
mod raw;
mod real;
mod request;
pub(crate) mod rulebook;
mod verdict;

pub(crate) use answer::{answer, decide};
pub(crate) use arrival::arrived;
pub use before::same_before;
pub use list::newest_requests;
pub(crate) use list::{count_waiting, document, standing, waiting};
pub use own::answers_itself;
