//! Finding the session a user means: id, name, unique prefix of either, thread id, `@last`.

use crate::rows::{Session, SessionHead, Sid};
use crate::store::{StoreError, View};
use crate::table::Key;
use crate::tables::{Names, Sessions, ShortIds, Threads};

/// How many candidates an error names.
const CANDIDATES_MAX: usize = 5;

/// A session that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Its number.
    pub sid: Sid,
    /// Its row.
    pub session: Session,
}

/// No session, or more than one, fits the word.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// None does.
    #[error("no session fits {given:?}")]
    NotFound {
        /// What was asked for.
        given: String,
    },
    /// Several do.
    #[error("{given:?} fits several sessions: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        given: String,
        /// Some of them.
        candidates: Vec<String>,
    },
    /// The tables failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds the one session that `word` means. An exact id, thread id or name wins over a prefix.
/// `parent_of` is the session whose parent `@parent` means, by any word this function takes.
pub fn find(
    view: &View<'_>,
    word: &str,
    parent_of: Option<&str>,
) -> Result<Selection, SelectError> {
    let not_found = || SelectError::NotFound { given: word.to_owned() };
    let sid = match word {
        "" => return Err(not_found()),
        "@last" => newest(view)?.ok_or_else(not_found)?,
        "@parent" => {
            let child = find(view, parent_of.ok_or_else(not_found)?, None)?;
            child.session.parent.ok_or_else(not_found)?
        }
        word => by_word(view, word)?.ok_or_else(not_found)?,
    };
    let session = view.get::<Sessions>(&sid)?.ok_or_else(not_found)?;
    Ok(Selection { sid, session })
}

fn newest(view: &View<'_>) -> Result<Option<Sid>, StoreError> {
    let mut newest = None;
    view.scan_as::<Sessions, SessionHead>(&[], &[], |sid, head| {
        let last = head.last_seq.filter(|_| !head.unconfirmed);
        newest = newest.max(last.map(|seq| (seq, sid)));
        true
    })?;
    Ok(newest.map(|(_, sid)| sid))
}

fn by_word(view: &View<'_>, word: &str) -> Result<Option<Sid>, SelectError> {
    if word.len() > 400 {
        return Ok(None);
    }
    let text = word.to_owned();
    if let Some(sid) = view.get::<ShortIds>(&text)? {
        return Ok(Some(sid));
    }
    if let Some(sid) = view.get::<Threads>(&text)? {
        return Ok(Some(sid));
    }
    let mut exact: Vec<Sid> = Vec::new();
    let mut found: Vec<Sid> = Vec::new();
    let prefix = text.to_bytes();
    view.scan::<Names>(&prefix, &[], |(name, sid), ()| {
        if name == word {
            exact.push(sid);
        }
        found.push(sid);
        found.len() < 1000
    })?;
    if exact.is_empty() {
        let mut take = |_: String, sid: Sid| {
            found.push(sid);
            found.len() < 2000
        };
        view.scan::<ShortIds>(&prefix, &[], &mut take)?;
        view.scan::<Threads>(&prefix, &[], &mut take)?;
    } else {
        found = exact;
    }
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => Ok(None),
        [sid] => Ok(Some(*sid)),
        several => Err(ambiguous(view, word, several)?),
    }
}

fn ambiguous(view: &View<'_>, word: &str, sids: &[Sid]) -> Result<SelectError, StoreError> {
    let mut candidates = Vec::new();
    for sid in sids.iter().take(CANDIDATES_MAX) {
        if let Some(session) = view.get::<Sessions>(sid)? {
            candidates.push(match session.name {
                Some(name) => format!("{} ({name})", session.id),
                None => session.id,
            });
        }
    }
    if sids.len() > CANDIDATES_MAX {
        candidates.push(format!("and {} more", sids.len() - CANDIDATES_MAX));
    }
    Ok(SelectError::Ambiguous { given: word.to_owned(), candidates })
}
