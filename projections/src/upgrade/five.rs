//! Rows of fold version 5 as version 6 has them.
//!
//! What always holds: a row stands here as its fields in their order, as they were encoded, so that rows
//! of today may change without changing what an old one was.

use super::Upgrade;
use crate::rows::{Micros, Outcome, Tokens};
use crate::store::StoreError;
use crate::table::Table;
use crate::tables::Turns;

/// A turn's fields up to its outcome: id, number, prompt, began, ended, end's seq.
type TurnHead = (String, u32, Option<String>, Micros, Option<Micros>, Option<u64>);
/// Those from its outcome to its tokens: error, retries, model, and the five counts.
type TurnMiddle = (Option<String>, u32, Option<String>, u32, u32, u32, u32, u32);
/// Those behind its tokens: plan, diff, message, dropped.
type TurnTail = (Option<u64>, Option<u64>, Option<u64>, Option<u64>);
/// A turn, with the thread's totals at its begin and as last told within it.
type Turn = (TurnHead, Outcome, TurnMiddle, Option<Tokens>, Option<Tokens>, TurnTail);

pub(super) fn to_six(upgrade: &mut Upgrade<'_>) -> Result<(), StoreError> {
    upgrade.rewrite(Turns::NUMBER, |_, turn: Turn| {
        let (head, outcome, middle, before, after, tail) = turn;
        let spent = after.map(|after| after.less(before.unwrap_or_default()));
        Some((head, outcome, middle, spent, tail))
    })
}

#[cfg(test)]
mod tests {
    use crate::rows;
    use crate::store::{Commit, Store};
    use crate::table::put_address;
    use crate::tables::Turns;
    use crate::upgrade::{STEPS, upgrade};
    use serde::Serialize;
    use sm_log::LogId;

    fn tokens(total: u64) -> rows::Tokens {
        rows::Tokens { total, ..rows::Tokens::default() }
    }

    /// A store with rows of version 5.
    fn of_five(dir: &std::path::Path, put: impl FnOnce(&mut dyn FnMut(Vec<u8>, Vec<u8>))) -> Store {
        let store = Store::open(dir, &LogId([7; 16]), Commit::AtTheEnd).unwrap();
        let mut txn = store.begin().unwrap();
        put(&mut |address, row| store.put(&mut txn, &address, &row).unwrap());
        store.commit(txn).unwrap();
        store
    }

    fn address<T: crate::table::Table>(key: T::Key) -> Vec<u8> {
        let mut address = Vec::new();
        put_address::<T>(&key, &mut address);
        address
    }

    fn encoded(row: &impl Serialize) -> Vec<u8> {
        postcard::to_stdvec(row).unwrap()
    }

    #[test]
    fn a_turn_of_five_has_spent_what_its_totals_rose_by() {
        let dir = tempfile::tempdir().unwrap();
        let head = ("u".to_owned(), 3, Some("say: a".to_owned()), 10, Some(20), Some(7));
        let middle = (None, 1, Some("gpt".to_owned()), 2, 3, 4, 5, 6);
        let totals = (Some(tokens(100)), Some(tokens(250)));
        let tail = (Some(70), Some(71), Some(72), Some(73));
        let turn: super::Turn = (head, rows::Outcome::Failed, middle, totals.0, totals.1, tail);
        let store = of_five(dir.path(), |put| put(address::<Turns>((1, 5)), encoded(&turn)));
        assert!(upgrade(&store, 5, 6, STEPS).unwrap());
        let turn = store.view().unwrap().get::<Turns>(&(1, 5)).unwrap().unwrap();
        let expected = rows::Turn {
            id: "u".to_owned(),
            number: 3,
            prompt: Some("say: a".to_owned()),
            started_at: 10,
            ended_at: Some(20),
            end_seq: Some(7),
            outcome: rows::Outcome::Failed,
            error: None,
            retries: 1,
            model: Some("gpt".to_owned()),
            commands: 2,
            file_changes: 3,
            tool_calls: 4,
            messages: 5,
            requests: 6,
            spent: Some(tokens(150)),
            plan_seq: Some(70),
            diff_seq: Some(71),
            message_seq: Some(72),
            dropped_seq: Some(73),
        };
        assert_eq!(turn, expected);
    }
}
