//! Documents as they are shown: what views tell, with what needs a clock or a look at a process; and
//! the same in words.

mod action;
mod process;
mod record;
mod request;
mod session;
pub mod timeline;

pub use action::{ActionLine, action_line};
pub use process::{Lives, is_alive, sees_processes};
pub use record::{RecordDoc, Revisions, Sessions, record_line};
pub use request::{
    Extent, INDENT, RequestShown, Soon, details_text, holds_up_line, question_id, quoted_text,
    risk_line, show_request, waiting,
};
pub use session::{SessionShown, family_line, kept_words, label, resuming_words, show};
