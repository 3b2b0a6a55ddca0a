//! Rows of fold version 7 as version 8 has them.
//!
//! What always holds: a row stands here as its fields in their order, as they were encoded, so that rows
//! of today may change without changing what an old one was.

use super::Upgrade;
use crate::fold::input::{HELD, SOUGHT};
use crate::rows::{InputStatus, Micros, Sid, Start};
use crate::store::StoreError;
use crate::table::Table;
use crate::tables::{Inputs, Sessions};

/// An input's fields up to its sender: session, summary, text's seq, key, mode, by whom.
type InputHead = (Sid, String, u64, Option<String>, String, String);
/// Those behind: status, turn, reason, accepted, changed.
type InputTail = (InputStatus, Option<String>, Option<String>, Micros, Micros);

pub(super) fn to_eight(upgrade: &mut Upgrade<'_>) -> Result<(), StoreError> {
    upgrade.rewrite(Inputs::NUMBER, |_, (head, tail): (InputHead, InputTail)| {
        let (status, turn, reason, accepted, changed) = tail;
        let held = status.waits() && reason.as_deref() == Some(HELD);
        let sought = reason.as_deref() == Some(SOUGHT);
        let reason = reason.filter(|reason| reason != HELD);
        Some((head, (status, turn, reason, accepted, changed), (held, sought)))
    })?;
    // Nobody knows who gave a session its name: nothing is accepted on it.
    upgrade.partial("users_names")?;
    let (is_users_name, start, may_run_on) = (false, None::<Start>, Vec::<u64>::new());
    upgrade.append(Sessions::NUMBER, &(is_users_name, start, may_run_on))
}

#[cfg(test)]
mod tests {
    use crate::rows::{Input, InputStatus};
    use crate::store::{Commit, Store};
    use crate::table::put_address;
    use crate::tables::{Inputs, Partial};
    use crate::upgrade::{STEPS, upgrade};
    use sm_log::LogId;

    #[test]
    fn an_input_of_seven_is_held_or_was_looked_for_as_its_reason_said() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &LogId([7; 16]), Commit::AtTheEnd).unwrap();
        let mut txn = store.begin().unwrap();
        let (held, sought) = (
            "held: the turn was interrupted",
            "Codex's answer was lost, and the thread does not have it",
        );
        let rows = [
            (5, InputStatus::Queued, Some(held)),
            (6, InputStatus::Cancelled, Some(held)),
            (7, InputStatus::Unknown, Some(sought)),
            (8, InputStatus::Queued, Some("not delivered yet: codex_missing")),
        ];
        for (number, status, reason) in rows {
            let head: super::InputHead = (
                3,
                "do it".to_owned(),
                number,
                Some("k".to_owned()),
                "start".to_owned(),
                "user".to_owned(),
            );
            let tail: super::InputTail =
                (status, Some("t".to_owned()), reason.map(str::to_owned), 10, 20);
            let mut address = Vec::new();
            put_address::<Inputs>(&number, &mut address);
            store.put(&mut txn, &address, &postcard::to_stdvec(&(head, tail)).unwrap()).unwrap();
        }
        store.commit(txn).unwrap();
        assert!(upgrade(&store, 7, 10, STEPS).unwrap());
        let view = store.view().unwrap();
        let row = |number: u64| view.get::<Inputs>(&number).unwrap().unwrap();
        let expected = Input {
            session: 3,
            summary: "do it".to_owned(),
            text_seq: 5,
            key: Some("k".to_owned()),
            mode: "start".to_owned(),
            by: "user".to_owned(),
            status: InputStatus::Queued,
            turn: Some("t".to_owned()),
            reason: None,
            accepted_at: 10,
            changed_at: 20,
            held: true,
            sought: false,
            has_waited: true,
        };
        assert_eq!(row(5), expected);
        assert_eq!((row(6).held, row(7).held, row(8).held), (false, false, false));
        assert_eq!((row(7).sought, row(8).sought), (true, false));
        assert_eq!(row(7).reason.as_deref(), Some(sought));
        assert_eq!(row(8).reason.as_deref(), Some("not delivered yet: codex_missing"));
        assert_eq!(view.get::<Partial>(&"users_names".to_owned()).unwrap(), Some(1));
    }
}
