//! Rows of fold version 8 as version 9 has them.
//!
//! What always holds: a row stands here as its fields in their order, as they were encoded, so that rows
//! of today may change without changing what an old one was.

use super::Upgrade;
use crate::rows::{Micros, Outcome, Tokens};
use crate::store::StoreError;
use crate::table::Table;
use crate::tables::{Sessions, Turns};
use std::collections::BTreeMap;

/// A turn's fields up to its outcome: id, number, prompt, began, ended, end's seq.
type TurnHead = (String, u32, Option<String>, Micros, Option<Micros>, Option<u64>);
/// Those from its outcome to what it spent: error, retries, model, and the five counts.
type TurnMiddle = (Option<String>, u32, Option<String>, u32, u32, u32, u32, u32);
/// A turn up to what it spent; what stands behind is not read.
type Turn = (TurnHead, Outcome, TurnMiddle, Option<Tokens>);

pub(super) fn to_nine(upgrade: &mut Upgrade<'_>) -> Result<(), StoreError> {
    // By the bytes of the session's number, which a turn's key begins with.
    let mut spent: BTreeMap<Vec<u8>, Tokens> = BTreeMap::new();
    upgrade.each(Turns::NUMBER, |key, (_, _, _, turn): Turn| {
        if let (Some(sid), Some(turn)) = (key.get(..size_of::<crate::rows::Sid>()), turn) {
            let sum = spent.entry(sid.to_vec()).or_default();
            *sum = sum.plus(turn);
        }
    })?;
    // Fillers were taken for tokens that were spent, and of some calls nothing was counted.
    upgrade.partial("tokens_spent")?;
    upgrade.partial("archived_by")?;
    upgrade.partial("limits")?;
    let is_cut = false;
    let (archived_by, limited) = (None::<(u64, Micros)>, None::<String>);
    // The next thing the model does in an open turn says so.
    let is_answered = false;
    upgrade.append_each(Sessions::NUMBER, |sid| {
        let spent = spent.get(sid).copied().unwrap_or_default();
        (spent, is_cut, &archived_by, &limited, is_answered)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Commit, Store};
    use crate::table::put_address;
    use crate::tables::Partial;
    use crate::upgrade::{STEPS, upgrade};
    use sm_log::LogId;

    fn tokens(total: u64) -> Tokens {
        Tokens { total, ..Tokens::default() }
    }

    #[test]
    fn a_session_of_eight_has_spent_what_its_turns_did() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &LogId([7; 16]), Commit::AtTheEnd).unwrap();
        let mut txn = store.begin().unwrap();
        let row = |spent| -> Turn {
            let head = ("u".to_owned(), 1, None, 10, None, None);
            (head, Outcome::None, (None, 0, None, 0, 0, 0, 0, 0), spent)
        };
        for (key, spent) in
            [((1, 5), Some(100)), ((1, 6), Some(50)), ((1, 7), None), ((2, 8), None)]
        {
            let mut address = Vec::new();
            put_address::<Turns>(&key, &mut address);
            let row = postcard::to_stdvec(&row(spent.map(tokens))).unwrap();
            store.put(&mut txn, &address, &row).unwrap();
        }
        for sid in [1, 2] {
            let mut address = Vec::new();
            put_address::<Sessions>(&sid, &mut address);
            // As long as the row of then, which says nothing here.
            store.put(&mut txn, &address, b"old").unwrap();
        }
        store.commit(txn).unwrap();
        assert!(upgrade(&store, 8, 9, STEPS).unwrap());
        let txn = store.begin().unwrap();
        for (sid, total) in [(1, 150), (2, 0)] {
            let mut address = Vec::new();
            put_address::<Sessions>(&sid, &mut address);
            let row = store.row_bytes(&txn, &address).unwrap();
            let spent: Tokens = postcard::from_bytes(&row[b"old".len()..]).unwrap();
            assert_eq!(spent.total, total);
        }
        drop(txn);
        let view = store.view().unwrap();
        assert_eq!(view.get::<Partial>(&"tokens_spent".to_owned()).unwrap(), Some(1));
    }
}
