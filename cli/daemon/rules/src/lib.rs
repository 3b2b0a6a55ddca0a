//! Which requests are answered without a human, and how risky they look.
//!
//! What always holds: pure. It reads no file, no clock, no environment: the text of the rules, the
//! moment and the way to a path's real place are handed in. Whatever it is not sure of it leaves to a
//! human; nothing here ever grants.
//!
//! ```text
//!  rules.toml ─▶ file ─▶ Rule ─┐
//!                              ├─▶ judge ─▶ accept · decline · ask, and which rule said so
//!  request ─▶ Subject ─▶ line ─┘
//!                  └───▶ risk ─▶ reads · writes · network · deletes · outside · privilege
//! ```

mod file;
mod judge;
mod line;
mod paths;
mod programs;
mod risk;
mod rule;
mod subject;

pub use file::{Expiry, Fault, RuleFile, write_expiry, write_rule};
pub use judge::{Judgement, judge};
pub use line::shell::{CommandLine, Simple, Unclear, Word};
pub use paths::glob::{Glob, normal};
pub use paths::links::{Found, Real, followed};
pub use programs::known::RiskKind;
pub use risk::{Hint, Level, Risk, risk};
pub use rule::{Decision, Kind, Origin, Rule};
pub use subject::{Asker, FileTouched, Programs, Subject, What};
