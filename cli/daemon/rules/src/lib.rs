//! Which requests are answered without a human, and how risky they look.
//!
//! What always holds: pure. It reads no file, no clock, no environment: the text of the rules, the
//! moment and the way to a path's real place are handed in. Whatever it is not sure of it leaves to a
//! human; nothing here ever grants.
//!
//! ```text
//!  rules.toml ─▶ file ─▶ Rule ─┐
//!                              ├─▶ judge ─▶ accept · decline · ask, and which rule said so
//!  request ─▶ Subject ─▶ shell ┘
//!                  └───▶ risk ─▶ reads · writes · network · deletes · outside · privilege
//! ```

mod awk;
mod carrier;
mod code;
mod dialect;
mod file;
mod folders;
mod git;
mod glob;
mod guarded;
mod harmless;
mod judge;
mod links;
mod listing;
mod looker;
mod losing;
mod options;
mod places;
mod programs;
mod risk;
mod rule;
mod sed;
mod shell;
mod start;
mod strays;
mod subject;
mod tools;
mod twins;
mod vain;
mod words;

pub use file::{Expiry, Fault, RuleFile, write_expiry, write_rule};
pub use glob::{Glob, normal};
pub use judge::{Judgement, judge};
pub use links::{Found, Real, followed};
pub use programs::RiskKind;
pub use risk::{Hint, Level, Risk, risk};
pub use rule::{Decision, Kind, Origin, Rule};
pub use shell::{CommandLine, Simple, Unclear, Word};
pub use subject::{Asker, FileTouched, Programs, Subject, What};
