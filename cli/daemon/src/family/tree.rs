//! The family tree, climbed.
//!
//! What always holds: a climb ends, also where the log tells of a session that is above itself.

use sm_projections::rows::{Session, Sid};
use sm_projections::tables::Sessions;
use sm_projections::{StoreError, View};

/// How far up it is followed.
const STEPS_MAX: usize = 64;

/// The sessions above one, the nearest first.
pub(crate) fn above(view: &View<'_>, sid: Sid) -> Result<Vec<(Sid, Session)>, StoreError> {
    let mut above = Vec::new();
    let mut next = view.get::<Sessions>(&sid)?.and_then(|session| session.parent);
    while let Some(sid) = next.filter(|_| above.len() < STEPS_MAX) {
        let session = view.get::<Sessions>(&sid)?.unwrap_or_default();
        next = session.parent;
        above.push((sid, session));
    }
    Ok(above)
}
