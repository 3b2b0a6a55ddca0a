//! Rows of fold version 9 as version 10 has them.
//!
//! What always holds: a row stands here as its fields in their order, as they were encoded, so that rows
//! of today may change without changing what an old one was.

use super::Upgrade;
use crate::rows::{InputStatus, Micros, Sid};
use crate::store::StoreError;
use crate::table::{Key, Table};
use crate::tables::{Inputs, Lost};

/// An input's fields up to its sender: session, summary, text's seq, key, mode, by whom.
type InputHead = (Sid, String, u64, Option<String>, String, String);
/// Those behind: status, turn, reason, accepted, changed, whether it is held, whether it was looked for.
type InputTail = (InputStatus, Option<String>, Option<String>, Micros, Micros, bool, bool);

pub(super) fn to_ten(upgrade: &mut Upgrade<'_>) -> Result<(), StoreError> {
    let mut lost = Vec::new();
    upgrade.rewrite(Inputs::NUMBER, |key, (head, tail): (InputHead, InputTail)| {
        let (status, sought) = (tail.0, tail.6);
        if let (InputStatus::Unknown, false, Some(number)) = (status, sought, u64::decode(key)) {
            lost.push((head.0, number));
        }
        let has_waited = status == InputStatus::Queued;
        Some((head, tail, has_waited))
    })?;
    lost.iter().try_for_each(|key| upgrade.put::<Lost>(key, &()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Input;
    use crate::store::{Commit, Store};
    use crate::table::put_address;
    use crate::upgrade::{STEPS, upgrade};
    use sm_log::LogId;

    #[test]
    fn what_nobody_looked_for_in_nine_is_lost_and_what_waited_there_has() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &LogId([7; 16]), Commit::AtTheEnd).unwrap();
        let mut txn = store.begin().unwrap();
        let rows = [
            (5, InputStatus::Unknown, false),
            (6, InputStatus::Unknown, true),
            (7, InputStatus::Queued, false),
        ];
        for (number, status, sought) in rows {
            let head: InputHead =
                (3, "do it".to_owned(), number, None, "start".to_owned(), "user".to_owned());
            let tail: InputTail = (status, Some("t".to_owned()), None, 10, 20, false, sought);
            let mut address = Vec::new();
            put_address::<Inputs>(&number, &mut address);
            store.put(&mut txn, &address, &postcard::to_stdvec(&(head, tail)).unwrap()).unwrap();
        }
        store.commit(txn).unwrap();
        assert!(upgrade(&store, 9, 10, STEPS).unwrap());
        let view = store.view().unwrap();
        let mut lost = Vec::new();
        view.scan::<Lost>(&[], &[], |key, ()| {
            lost.push(key);
            true
        })
        .unwrap();
        assert_eq!(lost, [(3, 5)]);
        let row = |number| -> Input { view.get::<Inputs>(&number).unwrap().unwrap() };
        assert_eq!((row(5).status, row(5).sought), (InputStatus::Unknown, false));
        assert_eq!((row(5).has_waited, row(7).has_waited), (false, true));
    }
}
