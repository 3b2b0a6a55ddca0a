//! The tables as a fold sees them: rows in memory above a base that is only read.
//!
//! What always holds: a fold reads and writes rows here and nowhere else, so it cannot tell whether
//! the base is LMDB, another memory or nothing at all; and what it changed is known exactly.

use crate::changes::Changes;
use crate::table::{Key, Table, address_prefix, put_address};
use crate::tables::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Committed rows, read only. An address is a table's number and a key's bytes.
pub trait Base {
    /// The bytes of the row at `address`.
    fn get(&self, address: &[u8]) -> Option<&[u8]>;
    /// The addresses that begin with `prefix`, in order.
    fn addresses(&self, prefix: &[u8]) -> Vec<Vec<u8>>;
}

/// A base without rows.
pub struct Nothing;

impl Base for Nothing {
    fn get(&self, _: &[u8]) -> Option<&[u8]> {
        None
    }
    fn addresses(&self, _: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// A row in memory. `row` is `None` when it is known to be absent or was taken away.
///
/// Boxed: rows are large, and a map that grows moves its slots.
struct Slot<R> {
    row: Option<Box<R>>,
    changed: bool,
}

impl<R: serde::de::DeserializeOwned> Slot<R> {
    /// The row as the base has it.
    fn load<T: Table<Row = R>>(base: &dyn Base, key: &T::Key) -> Slot<R> {
        let mut address = Vec::with_capacity(32);
        put_address::<T>(key, &mut address);
        let row =
            base.get(&address).and_then(|bytes| postcard::from_bytes(bytes).ok().map(Box::new));
        Slot { row, changed: false }
    }
}

/// One table in memory.
pub struct Shelf<T: Table> {
    slots: FxHashMap<T::Key, Slot<T::Row>>,
    /// The keys of the slots changed since the last [`State::flush`], each once, in no order.
    changed: Vec<T::Key>,
    /// The keys that were changed before it, and may not be in the base yet.
    leaving: Vec<T::Key>,
}

impl<T: Table> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { slots: FxHashMap::default(), changed: Vec::new(), leaving: Vec::new() }
    }
}

impl<T: Table> Shelf<T> {
    fn slot(&mut self, base: &dyn Base, key: &T::Key) -> &mut Slot<T::Row> {
        self.slots.entry(key.clone()).or_insert_with(|| Slot::load::<T>(base, key))
    }

    /// The row of `key`, for reading.
    pub fn get(&mut self, base: &dyn Base, key: &T::Key) -> Option<&T::Row> {
        self.slot(base, key).row.as_deref()
    }

    /// The row of `key`, for changing; it counts as changed.
    pub fn get_mut(&mut self, base: &dyn Base, key: &T::Key) -> Option<&mut T::Row> {
        let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot::load::<T>(base, key));
        let row = slot.row.as_deref_mut()?;
        if !slot.changed {
            slot.changed = true;
            self.changed.push(key.clone());
        }
        Some(row)
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
        self.replace(key, Some(Box::new(row)));
    }

    /// Takes a row away.
    pub fn remove(&mut self, key: T::Key) {
        self.replace(key, None);
    }

    fn replace(&mut self, key: T::Key, row: Option<Box<T::Row>>) {
        let before = self.slots.insert(key.clone(), Slot { row, changed: true });
        if !before.is_some_and(|slot| slot.changed) {
            self.changed.push(key);
        }
    }

    /// The keys that begin with the bytes `prefix`, in order.
    pub fn keys(&self, base: &dyn Base, prefix: &[u8]) -> Vec<T::Key> {
        let addresses = base.addresses(&address_prefix::<T>(prefix));
        let mut keys: BTreeSet<T::Key> =
            addresses.iter().filter_map(|address| T::Key::decode(address.get(1..)?)).collect();
        // All else is as the base has it.
        for key in self.leaving.iter().chain(&self.changed) {
            match self.slots.get(key).and_then(|slot| slot.row.as_ref()) {
                None => drop(keys.remove(key)),
                Some(_) if key.to_bytes().starts_with(prefix) => drop(keys.insert(key.clone())),
                Some(_) => {}
            }
        }
        keys.into_iter().collect()
    }

    /// Adds every changed row to `changes`, in the order of their keys.
    fn flush(&mut self, changes: &mut Changes) {
        self.changed.sort_unstable();
        for key in &self.changed {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.changed = false;
                changes.add::<T>(key, slot.row.as_deref());
            }
        }
        debug_assert!(self.leaving.is_empty(), "one flush is on its way at a time");
        std::mem::swap(&mut self.changed, &mut self.leaving);
    }

    /// What was flushed is in the base now. Forgets rows that can be read again, once more than
    /// `most` are held.
    fn arrived(&mut self, most: usize) {
        self.leaving.clear();
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
            /// Adds every row changed since the last flush to `changes`, in the order of
            /// addresses. The next flush must wait until these have [`arrived`](Self::arrived).
            pub fn flush(&mut self, changes: &mut Changes) {
                $(self.$field.flush(changes);)*
            }

            /// What was flushed last is in the base from now on. Bounds the memory held: rows that
            /// are in the base can be read again.
            pub fn arrived(&mut self) {
                $(self.$field.arrived($most);)*
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
    spans: Spans, 8192;
    input_keys: InputKeys, 256;
    reminders: Reminders, 256;
    trims: Trims, 16;
    environments: Environments, 256;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

    impl Base for Memory {
        fn get(&self, address: &[u8]) -> Option<&[u8]> {
            self.0.get(address).map(Vec::as_slice)
        }
        fn addresses(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
            self.0.keys().filter(|address| address.starts_with(prefix)).cloned().collect()
        }
    }

    impl Memory {
        fn take(&mut self, changes: &Changes) {
            for (address, row) in changes.iter() {
                match row {
                    Some(row) => self.0.insert(address.to_vec(), row.to_vec()),
                    None => self.0.remove(address),
                };
            }
        }
    }

    fn flush(state: &mut State) -> Changes {
        let mut changes = Changes::default();
        state.flush(&mut changes);
        changes
    }

    #[test]
    fn a_new_state_reads_what_an_old_one_flushed() {
        let mut memory = Memory::default();
        let mut state = State::default();
        *state.kinds.entry(&memory, &7) += 3;
        state.attached.put((1, 0, 5), ());
        state.attached.put((1, 1, 6), ());
        memory.take(&flush(&mut state));

        let mut state = State::default();
        assert_eq!(state.kinds.get(&memory, &7), Some(&3));
        state.attached.remove((1, 0, 5));
        state.attached.put((1, 0, 9), ());
        let prefix = [1u64.to_bytes(), 0u32.to_bytes()].concat();
        assert_eq!(state.attached.keys(&memory, &prefix), vec![(1, 0, 9)]);
        memory.take(&flush(&mut state));
        state.arrived();
        assert_eq!(State::default().attached.keys(&memory, &[]), vec![(1, 0, 9), (1, 1, 6)]);
    }

    #[test]
    fn what_is_on_its_way_is_seen_as_if_it_had_arrived() {
        let mut memory = Memory::default();
        let mut state = State::default();
        state.attached.put((1, 0, 5), ());
        let first = flush(&mut state);
        let keys = state.attached.keys(&memory, &[]);
        assert_eq!(keys, vec![(1, 0, 5)], "flushed, not yet in the base");
        state.attached.put((1, 0, 6), ());
        state.attached.remove((1, 0, 5));
        assert_eq!(state.attached.keys(&memory, &[]), vec![(1, 0, 6)]);
        memory.take(&first);
        state.arrived();
        assert_eq!(state.attached.keys(&memory, &[]), vec![(1, 0, 6)]);
        memory.take(&flush(&mut state));
        assert_eq!(State::default().attached.keys(&memory, &[]), vec![(1, 0, 6)]);
    }

    #[test]
    fn only_changed_rows_are_written() {
        let mut memory = Memory::default();
        let mut state = State::default();
        state.kinds.put(1, 1);
        memory.take(&flush(&mut state));
        state.arrived();
        state.kinds.get(&memory, &1);
        assert_eq!(flush(&mut state).iter().count(), 0);
    }
}
