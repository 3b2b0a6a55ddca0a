//! The tables as a fold sees them: rows in memory above a base that is only read.
//!
//! What always holds: a fold reads and writes rows here and nowhere else, so it cannot tell whether
//! the base is LMDB, another memory or nothing at all; and what it changed is known exactly.

use crate::table::{Key, Table};
use crate::tables::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Committed rows, read only.
pub trait Base {
    /// The bytes of one row.
    fn get(&self, table: &'static str, key: &[u8]) -> Option<Vec<u8>>;
    /// The keys that begin with `prefix`, in order.
    fn keys(&self, table: &'static str, prefix: &[u8]) -> Vec<Vec<u8>>;
}

/// A base without rows.
pub struct Nothing;

impl Base for Nothing {
    fn get(&self, _: &'static str, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn keys(&self, _: &'static str, _: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// A row in memory. `row` is `None` when it is known to be absent or was taken away.
struct Slot<R> {
    row: Option<R>,
    changed: bool,
}

impl<R: serde::de::DeserializeOwned> Slot<R> {
    /// The row as the base has it.
    fn load<T: Table<Row = R>>(base: &dyn Base, key: &T::Key) -> Slot<R> {
        let row = base.get(T::NAME, &key.to_bytes());
        Slot { row: row.and_then(|bytes| postcard::from_bytes(&bytes).ok()), changed: false }
    }
}

/// One table in memory.
pub struct Shelf<T: Table> {
    slots: FxHashMap<T::Key, Slot<T::Row>>,
    /// The keys of the changed slots, each once, in no order.
    changed: Vec<T::Key>,
}

impl<T: Table> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { slots: FxHashMap::default(), changed: Vec::new() }
    }
}

impl<T: Table> Shelf<T> {
    fn slot(&mut self, base: &dyn Base, key: &T::Key) -> &mut Slot<T::Row> {
        self.slots.entry(key.clone()).or_insert_with(|| Slot::load::<T>(base, key))
    }

    /// The row of `key`, for reading.
    pub fn get(&mut self, base: &dyn Base, key: &T::Key) -> Option<&T::Row> {
        self.slot(base, key).row.as_ref()
    }

    /// The row of `key`, for changing; it counts as changed.
    pub fn get_mut(&mut self, base: &dyn Base, key: &T::Key) -> Option<&mut T::Row> {
        let slot = self.slot(base, key);
        if slot.row.is_some() && !slot.changed {
            slot.changed = true;
            self.changed.push(key.clone());
        }
        self.slots.get_mut(key)?.row.as_mut()
    }

    /// The row of `key`, made by `T::Row::default` if there is none; it counts as changed.
    pub fn entry(&mut self, base: &dyn Base, key: &T::Key) -> &mut T::Row
    where
        T::Row: Default,
    {
        // Borrowed in one go: this is the hottest of all calls.
        let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot::load::<T>(base, key));
        if !slot.changed {
            slot.changed = true;
            self.changed.push(key.clone());
        }
        slot.row.get_or_insert_default()
    }

    /// Puts a row in place of whatever there was.
    pub fn put(&mut self, key: T::Key, row: T::Row) {
        self.replace(key, Some(row));
    }

    /// Takes a row away.
    pub fn remove(&mut self, key: T::Key) {
        self.replace(key, None);
    }

    fn replace(&mut self, key: T::Key, row: Option<T::Row>) {
        let before = self.slots.insert(key.clone(), Slot { row, changed: true });
        if !before.is_some_and(|slot| slot.changed) {
            self.changed.push(key);
        }
    }

    /// The keys that begin with the bytes `prefix`, in order.
    pub fn keys(&self, base: &dyn Base, prefix: &[u8]) -> Vec<T::Key> {
        let mut keys: BTreeSet<T::Key> =
            base.keys(T::NAME, prefix).iter().filter_map(|bytes| T::Key::decode(bytes)).collect();
        // What did not change is as the base has it.
        for key in &self.changed {
            match self.slots.get(key).and_then(|slot| slot.row.as_ref()) {
                None => drop(keys.remove(key)),
                Some(_) if key.to_bytes().starts_with(prefix) => drop(keys.insert(key.clone())),
                Some(_) => {}
            }
        }
        keys.into_iter().collect()
    }

    /// Hands every changed row to `write`, in the order of their keys; a removed one as `None`.
    fn flush<E>(
        &mut self,
        write: &mut impl FnMut(&'static str, &[u8], Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.changed.sort_unstable();
        let (mut key_bytes, mut row_bytes) = (Vec::new(), Vec::new());
        for key in self.changed.drain(..) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            slot.changed = false;
            key_bytes.clear();
            key.encode(&mut key_bytes);
            row_bytes.clear();
            let row = match &slot.row {
                Some(row) => {
                    row_bytes = postcard::to_extend(row, std::mem::take(&mut row_bytes))
                        .expect("every row type can be encoded");
                    Some(row_bytes.as_slice())
                }
                None => None,
            };
            write(T::NAME, &key_bytes, row)?;
        }
        Ok(())
    }

    /// Forgets rows that can be read again, once more than `most` are held.
    fn forget(&mut self, most: usize) {
        if self.slots.len() > most {
            self.slots.retain(|_, slot| slot.changed);
        }
    }
}

macro_rules! state {
    ($($field:ident: $table:ident, $most:literal;)*) => {
        /// Every table in memory.
        #[derive(Default)]
        pub struct State {
            $(#[doc = concat!("See [`", stringify!($table), "`].")]
            pub $field: Shelf<$table>,)*
            /// The thread of the record before, and its session: mostly the next one's too.
            pub latest: Option<(Vec<u8>, crate::rows::Sid)>,
        }

        impl State {
            /// Hands every changed row to `write`, table by table, in the order of keys.
            pub fn flush<E>(
                &mut self,
                mut write: impl FnMut(&'static str, &[u8], Option<&[u8]>) -> Result<(), E>,
            ) -> Result<(), E> {
                $(self.$field.flush(&mut write)?;)*
                Ok(())
            }

            /// Bounds the memory held: rows that were flushed can be read again.
            pub fn forget(&mut self) {
                $(self.$field.forget($most);)*
            }
        }
    };
}

state! {
    sessions: Sessions, 4096;
    threads: Threads, 16384;
    short_ids: ShortIds, 256;
    names: Names, 256;
    children: Children, 256;
    turns: Turns, 4096;
    turn_ids: TurnIds, 4096;
    actions: Actions, 8192;
    item_ids: ItemIds, 8192;
    requests: Requests, 1024;
    waiting: Waiting, 1024;
    pending: Pending, 1024;
    sources: Sources, 256;
    attached: Attached, 4096;
    imports: Imports, 16;
    inputs: Inputs, 1024;
    queue: Queue, 1024;
    kinds: Kinds, 256;
    methods: Methods, 1024;
    troubles: Troubles, 256;
    totals: Totals, 16;
    gaps: Gaps, 256;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Memory(BTreeMap<(&'static str, Vec<u8>), Vec<u8>>);

    impl Base for Memory {
        fn get(&self, table: &'static str, key: &[u8]) -> Option<Vec<u8>> {
            self.0.get(&(table, key.to_vec())).cloned()
        }
        fn keys(&self, table: &'static str, prefix: &[u8]) -> Vec<Vec<u8>> {
            let of_table = self.0.keys().filter(|(name, _)| *name == table);
            of_table.map(|(_, key)| key.clone()).filter(|key| key.starts_with(prefix)).collect()
        }
    }

    fn flush(state: &mut State, memory: &mut Memory) {
        state
            .flush::<()>(|table, key, row| {
                match row {
                    Some(row) => memory.0.insert((table, key.to_vec()), row.to_vec()),
                    None => memory.0.remove(&(table, key.to_vec())),
                };
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_new_state_reads_what_an_old_one_flushed() {
        let mut memory = Memory::default();
        let mut state = State::default();
        *state.kinds.entry(&memory, &7) += 3;
        state.attached.put((1, 0, 5), ());
        state.attached.put((1, 1, 6), ());
        flush(&mut state, &mut memory);

        let mut state = State::default();
        assert_eq!(state.kinds.get(&memory, &7), Some(&3));
        state.attached.remove((1, 0, 5));
        state.attached.put((1, 0, 9), ());
        let prefix = [1u64.to_bytes(), 0u32.to_bytes()].concat();
        assert_eq!(state.attached.keys(&memory, &prefix), vec![(1, 0, 9)]);
        flush(&mut state, &mut memory);
        state.forget();
        assert_eq!(State::default().attached.keys(&memory, &[]), vec![(1, 0, 9), (1, 1, 6)]);
    }

    #[test]
    fn only_changed_rows_are_written() {
        let mut memory = Memory::default();
        let mut state = State::default();
        state.kinds.put(1, 1);
        flush(&mut state, &mut memory);
        state.kinds.get(&memory, &1);
        let mut writes = 0;
        state
            .flush::<()>(|_, _, _| {
                writes += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(writes, 0);
    }
}
