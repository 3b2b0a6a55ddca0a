//! Rows of fold version 6 as version 7 has them.
//!
//! What always holds: a row stands here as its fields in their order, as they were encoded, so that rows
//! of today may change without changing what an old one was.

use super::Upgrade;
use crate::rows::{ActionKind, ActionStatus, Micros, Outcome, Sid, Tokens};
use crate::store::StoreError;
use crate::table::Table;
use crate::tables::{Actions, Sessions, Turns};

/// A turn's fields up to its outcome: id, number, prompt, began, ended, end's seq.
type TurnHead = (String, u32, Option<String>, Micros, Option<Micros>, Option<u64>);
/// Those from its outcome to its tokens: error, retries, model, and the five counts.
type TurnMiddle = (Option<String>, u32, Option<String>, u32, u32, u32, u32, u32);
/// Those behind its tokens: plan, diff, message, dropped.
type TurnTail = (Option<u64>, Option<u64>, Option<u64>, Option<u64>);
/// A turn, with the thread's totals at its begin and as last told within it.
type Turn = (TurnHead, Outcome, TurnMiddle, Option<Tokens>, Option<Tokens>, TurnTail);

/// An action's fields up to its files: turn, item's id and type, kind, status, line, began, ended, end's
/// seq, duration, folder, exit code, bytes.
type ActionHead = (
    (Option<u64>, String, String, ActionKind, ActionStatus, String),
    (Micros, Option<Micros>, Option<u64>, Option<u64>, Option<String>, Option<i64>, Option<u64>),
);
/// A file: path, kind, plus, minus.
type File = (String, String, u32, u32);
/// Leave: request, asked, decision, decided, by whom.
type Leave = (u64, Micros, Option<String>, Option<Micros>, Option<String>);
type Action = (ActionHead, Vec<File>, Vec<Leave>, Vec<Sid>);

pub(super) fn to_seven(upgrade: &mut Upgrade<'_>) -> Result<(), StoreError> {
    upgrade.rewrite(Turns::NUMBER, |_, turn: Turn| {
        let (head, outcome, middle, before, after, tail) = turn;
        let ended = head.4.is_some();
        let outcome = match outcome {
            // Its end was not told.
            Outcome::None if ended => Outcome::Lost,
            outcome => outcome,
        };
        let spent = after.map(|after| after.less(before.unwrap_or_default()));
        Some((head, outcome, middle, spent, tail))
    })?;
    upgrade.rewrite(Actions::NUMBER, |_, action: Action| {
        let (head, files, leave, agents) = action;
        let unmoved = |file: File| (file, None::<String>);
        let files: Vec<_> = files.into_iter().map(unmoved).collect();
        Some((head, files, leave, agents))
    })?;
    upgrade.partial("moved_files")?;
    // They were counted nowhere.
    upgrade.partial("turns_lost")?;
    // Which loading of a thread was its last is not known; a wish that was open is over.
    let (loaded_seq, loaded_by, cut) = (0_u64, "", None::<()>);
    upgrade.append(Sessions::NUMBER, &(loaded_seq, loaded_by, cut))
}

#[cfg(test)]
mod tests {
    use crate::rows;
    use crate::store::{Commit, Store};
    use crate::table::put_address;
    use crate::tables::{Actions, Partial, Turns};
    use crate::upgrade::{STEPS, upgrade};
    use serde::Serialize;
    use sm_log::LogId;

    fn tokens(total: u64) -> rows::Tokens {
        rows::Tokens { total, ..rows::Tokens::default() }
    }

    /// A store with rows of version 6.
    fn of_six(dir: &std::path::Path, put: impl FnOnce(&mut dyn FnMut(Vec<u8>, Vec<u8>))) -> Store {
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
    fn a_turn_whose_end_was_not_told_is_lost_and_an_open_one_open() {
        let dir = tempfile::tempdir().unwrap();
        let row = |ended| -> super::Turn {
            let head = ("u".to_owned(), 1, None, 10, ended, None);
            let tail = (None, None, None, None);
            (head, rows::Outcome::None, (None, 0, None, 0, 0, 0, 0, 0), None, None, tail)
        };
        let store = of_six(dir.path(), |put| {
            put(address::<Turns>((1, 5)), encoded(&row(Some(20))));
            put(address::<Turns>((1, 6)), encoded(&row(None)));
        });
        assert!(upgrade(&store, 6, 7, STEPS).unwrap());
        let view = store.view().unwrap();
        let outcome = |seq| view.get::<Turns>(&(1, seq)).unwrap().unwrap().outcome;
        assert_eq!((outcome(5), outcome(6)), (rows::Outcome::Lost, rows::Outcome::None));
        assert_eq!(view.get::<Partial>(&"turns_lost".to_owned()).unwrap(), Some(1));
    }

    #[test]
    fn an_action_of_six_keeps_all_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let words = ("i".to_owned(), "fileChange".to_owned(), "f +1 -2".to_owned());
        let (kind, status) = (rows::ActionKind::FileChange, rows::ActionStatus::Completed);
        let cwd = Some("/repo".to_owned());
        let head = (
            (Some(5), words.0, words.1, kind, status, words.2),
            (10, Some(20), Some(7), Some(3), cwd, Some(0), Some(9)),
        );
        let files = vec![("f".to_owned(), "update".to_owned(), 1, 2)];
        let leave = vec![(6, 11, Some("accept".to_owned()), Some(12), Some("user".to_owned()))];
        let row: super::Action = (head, files, leave, vec![4]);
        let store = of_six(dir.path(), |put| put(address::<Actions>((1, 6)), encoded(&row)));
        assert!(upgrade(&store, 6, 7, STEPS).unwrap());
        let action = store.view().unwrap().get::<Actions>(&(1, 6)).unwrap().unwrap();
        let file = rows::FileLines {
            path: "f".to_owned(),
            kind: "update".to_owned(),
            plus: 1,
            minus: 2,
            moved_to: None,
        };
        let approval = rows::Approval {
            request: 6,
            asked_at: 11,
            decision: Some("accept".to_owned()),
            decided_at: Some(12),
            decided_by: Some("user".to_owned()),
        };
        let expected = rows::Action {
            turn: Some(5),
            item_id: "i".to_owned(),
            item_type: "fileChange".to_owned(),
            kind: rows::ActionKind::FileChange,
            status: rows::ActionStatus::Completed,
            summary: "f +1 -2".to_owned(),
            started_at: 10,
            ended_at: Some(20),
            end_seq: Some(7),
            duration_ms: Some(3),
            cwd: Some("/repo".to_owned()),
            exit_code: Some(0),
            bytes: Some(9),
            files: vec![file],
            approvals: vec![approval],
            agents: vec![4],
        };
        assert_eq!(action, expected);
    }

    #[test]
    fn a_turn_of_six_has_spent_what_its_totals_rose_by() {
        let dir = tempfile::tempdir().unwrap();
        let head = ("u".to_owned(), 3, Some("say: a".to_owned()), 10, Some(20), Some(7));
        let middle = (None, 1, Some("gpt".to_owned()), 2, 3, 4, 5, 6);
        let totals = (Some(tokens(100)), Some(tokens(250)));
        let tail = (Some(70), Some(71), Some(72), Some(73));
        let turn: super::Turn = (head, rows::Outcome::Failed, middle, totals.0, totals.1, tail);
        let store = of_six(dir.path(), |put| put(address::<Turns>((1, 5)), encoded(&turn)));
        assert!(upgrade(&store, 6, 7, STEPS).unwrap());
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
