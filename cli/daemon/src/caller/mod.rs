//! Who asks for something.
//!
//! What always holds: the word that is recorded of a caller leads back to the same caller, and no word of an
//! agent's is the user's.

pub(crate) mod peer;
mod proof;

use crate::daemon::Daemon;
use crate::problem::Refusal;
use sm_projections::views::Selection;

/// The sender of what nobody sent.
pub(crate) const SENDER: &str = "sm";

/// The word for an agent whose session cannot be told, before its server's source; 0 where that cannot
/// be told either.
const NAMELESS: &str = "agent of server ";

/// Who asks for something.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The human.
    User,
    /// The demo, in the human's place.
    Demo,
    /// An agent of that server whose session cannot be told.
    Nameless(u64),
    /// An agent, as its session.
    Agent(Box<Selection>),
}

impl Caller {
    /// The word recorded: `user`, `demo`, the thread of a session, `agent of server N`.
    pub fn word(&self) -> String {
        match self {
            Caller::User => "user".to_owned(),
            Caller::Demo => "demo".to_owned(),
            Caller::Nameless(source) => nameless(*source),
            Caller::Agent(agent) => agent.session.thread_id.clone(),
        }
    }

    /// Whether it is the human, or stands in the human's place.
    pub fn is_user(&self) -> bool {
        matches!(self, Caller::User | Caller::Demo)
    }

    /// Refuses agents, with `words`.
    pub fn must_be_user(&self, words: &str) -> Result<(), Refusal> {
        match self.is_user() {
            true => Ok(()),
            false => Err(Refusal::forbidden(words)),
        }
    }
}

impl Daemon {
    /// Who `by` is.
    pub fn caller(&self, by: Option<&str>) -> Result<Caller, Refusal> {
        match by {
            None | Some("" | "user") => Ok(Caller::User),
            Some("demo") if self.config.demo => Ok(Caller::Demo),
            Some(by) if let Some(source) = nameless_source(by) => Ok(Caller::Nameless(source)),
            Some(by) => Ok(Caller::Agent(Box::new(self.find(by, None)?))),
        }
    }
}

/// What an agent is called whose session cannot be told.
pub(crate) fn nameless(source: u64) -> String {
    format!("{NAMELESS}{source}")
}

/// The server in such a word.
fn nameless_source(word: &str) -> Option<u64> {
    word.strip_prefix(NAMELESS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_for_one_without_a_name_leads_back_to_its_server() {
        assert_eq!(nameless_source(&nameless(7)), Some(7));
        assert_eq!(nameless_source("agent of server x"), None);
    }
}
