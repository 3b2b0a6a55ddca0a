//! Tables of an older fold version as this one has them, where the log does not reach back to make them
//! anew.
//!
//! What always holds: a step leads from one version to the next, and all of them are taken in one
//! transaction. What a step cannot derive from the older rows it does not guess: it is noted in the
//! table `partial`, with the seq from which on it is known.

mod eight;
mod nine;
mod seven;
mod six;

use crate::store::{Store, StoreError};
use crate::table::{Table, put_address};
use crate::tables::{Partial, Sessions};
use heed::RwTxn;
use serde::{Serialize, de::DeserializeOwned};

/// From one fold version to the next.
pub struct Step {
    /// The version it begins with.
    pub from: u32,
    /// What it does.
    pub run: fn(&mut Upgrade<'_>) -> Result<(), StoreError>,
}

/// The steps of this build, in order. No log was ever trimmed before fold version 4, so there is no
/// snapshot of an older one.
pub const STEPS: &[Step] = &[
    Step {
        from: 4,
        run: |upgrade| {
            // A parent is not told now of what its children did long ago.
            let told_seq = upgrade.floor - 1;
            let (silent, unresumable) = (false, None::<String>);
            upgrade.append(Sessions::NUMBER, &(told_seq, silent, unresumable))?;
            upgrade.partial("hooks")
        },
    },
    Step {
        from: 5,
        run: |upgrade| {
            // Nobody knows who gave those that are there: no rule goes by them.
            upgrade.append(Sessions::NUMBER, &Vec::<String>::new())?;
            upgrade.partial("users_labels")
        },
    },
    Step { from: 6, run: six::to_seven },
    Step { from: 7, run: seven::to_eight },
    Step { from: 8, run: eight::to_nine },
    Step { from: 9, run: nine::to_ten },
    // The rows are the same: only what comes is read in another way.
    Step { from: 10, run: |_| Ok(()) },
    Step { from: 11, run: |_| Ok(()) },
    Step {
        from: 12,
        run: |upgrade| {
            let (workspace, plans, start_plans) = (None::<String>, false, None::<bool>);
            upgrade.append(Sessions::NUMBER, &(workspace, plans, start_plans))
        },
    },
];

/// Tables on their way from one version to the next.
pub struct Upgrade<'s> {
    store: &'s Store,
    txn: RwTxn<'s>,
    /// The first seq that is folded by the new version.
    floor: u64,
}

/// Takes the tables from fold version `from` to version `to`; false where `steps` do not lead there,
/// and nothing was changed.
pub fn upgrade(store: &Store, from: u32, to: u32, steps: &[Step]) -> Result<bool, StoreError> {
    let mut way = Vec::new();
    for version in from..to {
        match steps.iter().find(|step| step.from == version) {
            Some(step) => way.push(step),
            None => return Ok(false),
        }
    }
    if !way.is_empty() {
        let floor = store.view()?.checkpoint()? + 1;
        let mut upgrade = Upgrade { store, txn: store.begin()?, floor };
        for step in way {
            (step.run)(&mut upgrade)?;
        }
        store.commit(upgrade.txn)?;
    }
    Ok(from <= to)
}

/// What is known only in part of tables that were made without the snapshot of what was trimmed.
pub const EVERYTHING: &str = "everything";

/// Notes that nothing is known of what is below `floor`, in tables that are empty: for a log whose
/// snapshot is lost.
pub fn forget_all_below(store: &Store, floor: u64) -> Result<(), StoreError> {
    if floor <= 1 {
        return Ok(());
    }
    let mut upgrade = Upgrade { store, txn: store.begin()?, floor };
    upgrade.partial(EVERYTHING)?;
    store.set_checkpoint(&mut upgrade.txn, floor.saturating_sub(1))?;
    store.commit(upgrade.txn)
}

impl Upgrade<'_> {
    /// Puts in place of every row of table `number` what `turn` makes of it and its key's bytes; `None`
    /// takes it away. `Old` is the row as the older version had it.
    pub fn rewrite<Old: DeserializeOwned, New: Serialize>(
        &mut self,
        number: u8,
        mut turn: impl FnMut(&[u8], Old) -> Option<New>,
    ) -> Result<(), StoreError> {
        for address in self.store.addresses(&self.txn, number)? {
            let old: Old = self.store.row(&self.txn, &address)?;
            match turn(&address[1..], old) {
                Some(new) => {
                    let bytes = postcard::to_stdvec(&new).expect("every row can be encoded");
                    self.store.put(&mut self.txn, &address, &bytes)?;
                }
                None => self.store.delete(&mut self.txn, &address)?,
            }
        }
        Ok(())
    }

    /// Shows `look` every row of table `number` with its key's bytes. `Old` are its first fields as the older
    /// version had them.
    pub fn each<Old: DeserializeOwned>(
        &mut self,
        number: u8,
        mut look: impl FnMut(&[u8], Old),
    ) -> Result<(), StoreError> {
        for address in self.store.addresses(&self.txn, number)? {
            look(&address[1..], self.store.row(&self.txn, &address)?);
        }
        Ok(())
    }

    /// Gives every row of table `number` more fields at its end.
    pub fn append(&mut self, number: u8, fields: &impl Serialize) -> Result<(), StoreError> {
        self.append_each(number, |_| fields)
    }

    /// Gives every row of table `number` at its end what `fields` makes of its key's bytes.
    pub fn append_each<Fields: Serialize>(
        &mut self,
        number: u8,
        mut fields: impl FnMut(&[u8]) -> Fields,
    ) -> Result<(), StoreError> {
        for address in self.store.addresses(&self.txn, number)? {
            let more = postcard::to_stdvec(&fields(&address[1..]));
            let more = more.expect("every row can be encoded");
            let row = [self.store.row_bytes(&self.txn, &address)?, more].concat();
            self.store.put(&mut self.txn, &address, &row)?;
        }
        Ok(())
    }

    /// Notes that `what` is known only of records from the floor on.
    pub fn partial(&mut self, what: &str) -> Result<(), StoreError> {
        let floor = self.floor;
        self.put::<Partial>(&what.to_owned(), &floor)
    }

    /// Puts a row into a table that is the same in this version and the next.
    pub fn put<T: Table>(&mut self, key: &T::Key, row: &T::Row) -> Result<(), StoreError> {
        let mut address = Vec::new();
        put_address::<T>(key, &mut address);
        let bytes = postcard::to_stdvec(row).expect("every row can be encoded");
        self.store.put(&mut self.txn, &address, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;
    use crate::store::Commit;
    use crate::tables::Kinds;
    use sm_log::LogId;

    /// Rows of a version 1 that never was: counts were words.
    fn synthetic(dir: &std::path::Path) -> Store {
        let store = Store::open(dir, &LogId([7; 16]), Commit::AtTheEnd).unwrap();
        let mut state = State::default();
        state.kinds.put(32, 3);
        state.kinds.put(33, 9);
        store.write(&state.leave(12)).unwrap();
        store
    }

    const DOUBLED: Step = Step {
        from: 1,
        run: |upgrade| {
            upgrade.rewrite(Kinds::NUMBER, |_, count: u64| Some(count * 2))?;
            upgrade.partial("doubles")
        },
    };
    const NINES_GO: Step = Step {
        from: 2,
        run: |upgrade| {
            upgrade.rewrite(Kinds::NUMBER, |_, count: u64| (count != 18).then_some(count))
        },
    };

    #[test]
    fn steps_lead_from_any_version_to_this_one_and_say_what_is_partial() {
        let dir = tempfile::tempdir().unwrap();
        let store = synthetic(dir.path());
        assert!(upgrade(&store, 1, 3, &[DOUBLED, NINES_GO]).unwrap());
        let view = store.view().unwrap();
        assert_eq!(view.get::<Kinds>(&32).unwrap(), Some(6));
        assert_eq!(view.get::<Kinds>(&33).unwrap(), None);
        assert_eq!(view.get::<Partial>(&"doubles".to_owned()).unwrap(), Some(13));
        assert_eq!(view.checkpoint().unwrap(), 12);
    }

    #[test]
    fn without_a_way_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let store = synthetic(dir.path());
        let before = store.view().unwrap().digest().unwrap();
        assert!(!upgrade(&store, 1, 3, &[NINES_GO]).unwrap());
        assert!(!upgrade(&store, 1, 3, &[DOUBLED]).unwrap());
        assert!(!upgrade(&store, 4, 3, &[]).unwrap());
        assert_eq!(store.view().unwrap().digest().unwrap(), before);
        assert!(upgrade(&store, 3, 3, &[]).unwrap());
    }

    #[test]
    fn tables_without_a_snapshot_say_that_everything_below_is_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &LogId([7; 16]), Commit::AtTheEnd).unwrap();
        forget_all_below(&store, 50).unwrap();
        let view = store.view().unwrap();
        assert_eq!(view.checkpoint().unwrap(), 49);
        assert_eq!(view.get::<Partial>(&EVERYTHING.to_owned()).unwrap(), Some(50));
    }
}
