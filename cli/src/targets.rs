//! Which sessions a command is about: words, or labels.
//!
//! What always holds: labels choose among the sessions that nobody has stopped, oldest first, also those that are
//! loaded again by themselves or by their next message; to be resumed among those that are stopped. Labels that no
//! such session has are an error, never an empty success.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{Tables, nothing_yet, select};
use clap::Args;
use sm_projections::rows::{ActivityState, Session};
use sm_projections::tables::Sessions;
use std::collections::HashSet;

/// Sessions, chosen by what they are labelled with.
#[derive(Debug, Clone, Default, Args)]
pub struct Selector {
    /// Those open sessions that have this label: role=reviewer, or role for any value. Given several
    /// times, those that have all of them.
    #[arg(short = 'l', long = "label", value_name = "KEY[=VALUE]")]
    labels: Vec<String>,
}

impl Selector {
    /// Whether it chooses at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Whether a session with these labels is chosen.
    pub fn fits(&self, labels: &[String]) -> bool {
        self.labels.iter().all(|wanted| {
            labels.iter().any(|label| {
                label == wanted || label.split_once('=').is_some_and(|(key, _)| key == wanted)
            })
        })
    }

    /// The sessions named, then those chosen, each once however it is named. A word that means none is left
    /// to whoever says so.
    pub fn sessions(
        &self,
        context: &Context,
        streams: &Streams,
        named: &[String],
    ) -> Result<Vec<String>, Error> {
        self.sessions_of(context, streams, named, false)
    }

    /// The same; `stopped`: those chosen that are stopped, and no others.
    pub fn sessions_of(
        &self,
        context: &Context,
        streams: &Streams,
        named: &[String],
        stopped: bool,
    ) -> Result<Vec<String>, Error> {
        let mut found = named.to_vec();
        if self.is_empty() && found.len() < 2 {
            return match found.is_empty() {
                true => Err(Error::usage("name a session, or choose some with -l KEY=VALUE")),
                false => Ok(found),
            };
        }
        let tables = Tables::open(context, streams)?.ok_or_else(|| nothing_yet(context))?;
        let view = tables.view()?;
        let mut meant = HashSet::new();
        found.retain(|word| {
            let session = select(context, &view, word);
            session.map_or(true, |found| meant.insert(found.sid))
        });
        if self.is_empty() {
            return Ok(found);
        }
        let is_there = |row: &Session| !row.unconfirmed && !row.archived && self.fits(&row.labels);
        let (mut is_any, mut others) = (false, 0);
        view.scan::<Sessions>(&[], &[], |sid, row| {
            if is_there(&row) {
                let is_meant = match stopped {
                    true => row.state == ActivityState::Stopped,
                    false => !row.ended && row.unresumable.is_none(),
                };
                if !is_meant {
                    others += 1;
                } else {
                    is_any = true;
                    if meant.insert(sid) {
                        found.push(row.id);
                    }
                }
            }
            true
        })?;
        if !is_any {
            let home = context.home_words();
            let words = self.labels.join(", ");
            let which = if stopped { "stopped" } else { "open" };
            let message = format!("no {which} session is labelled {words}");
            let hint = match (others, stopped) {
                (0, _) | (_, true) => {
                    format!(
                        "Label one: sm{home} label SESSION KEY=VALUE; see all: sm{home} ps --json"
                    )
                }
                (_, false) => format!(
                    "{others} stopped: sm{home} resume -l {} loads them again.",
                    self.labels.join(" -l ")
                ),
            };
            return Err(Error::new(Exit::NotFound, "not_found", message).hint(hint));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_labels_given_must_fit() {
        let labels = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let has = labels(&["role=reviewer", "team=a"]);
        for (wanted, fits) in [
            (&["role=reviewer"][..], true),
            (&["role", "team=a"], true),
            (&["role=writer"], false),
            (&["role", "x"], false),
            (&[], true),
        ] {
            assert_eq!(Selector { labels: labels(wanted) }.fits(&has), fits, "{wanted:?}");
        }
    }
}
