//! What a request asks, how it is weighed, and what rules look at in it.

mod details;
mod subject;
mod weighed;

pub use super::real::real;
pub use details::{Change, Details, Tool, details};
pub use subject::{asker_of, subject_of};
pub use weighed::{HeldUp, Weighed, weigh};
