//! A reminder: words that a session is to be sent at some moment.

use super::{Micros, Sid};
use serde::{Deserialize, Serialize};

/// One row a reminder that has not come to its end; its number is the seq of its making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The session that is to be reminded.
    pub session: Sid,
    /// When.
    pub due: Micros,
    /// Its first line; the whole text stands in its record.
    pub summary: String,
    /// Who asked.
    pub by: String,
    /// When it was made.
    pub made_at: Micros,
}
