//! The tables as a fold sees them: rows in memory above a base that is only read.
//!
//! What always holds: a fold reads and writes rows here and nowhere else, so it cannot tell whether
//! the base is LMDB, another memory or nothing at all; and what it changed is known exactly.

use crate::changes::{Changes, TableChanges, Visit};
use crate::store::StoreError;
use crate::table::{Key, Table, address_prefix, put_address};
use crate::tables::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Committed rows, read only. An address is a table's number and a key's bytes.
pub trait Base {
    /// The bytes of the row at `address`.
    fn get(&self, address: &[u8]) -> Option<&[u8]>;
    /// The addresses that begin with `prefix`, in order.
    fn addresses(&self, prefix: &[u8]) -> Vec<Vec<u8>>;
    /// Is told that a row of `table` is there and cannot be decoded. It counts as absent to the fold,
    /// whose outcome must not be kept.
    fn is_damaged(&self, table: &'static str);
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
    fn is_damaged(&self, _: &'static str) {}
}

/// A row in memory. `row` is `None` when it is known to be absent or was taken away.
///
/// Boxed: rows are large, and a map that grows moves its slots.
#[derive(Clone)]
struct Slot<R> {
    row: Option<Box<R>>,
    changed: bool,
}

/// Rows of one table.
struct Rows<T: Table> {
    slots: FxHashMap<T::Key, Slot<T::Row>>,
    /// The keys of the changed ones, each once, in no order.
    changed: Vec<T::Key>,
}

impl<T: Table> Default for Rows<T> {
    fn default() -> Self {
        Rows { slots: FxHashMap::default(), changed: Vec::new() }
    }
}

impl<T: Table> TableChanges for Arc<Rows<T>> {
    fn each(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut keys: Vec<&T::Key> = self.changed.iter().collect();
        keys.sort_unstable();
        let (mut address, mut bytes) = (Vec::new(), Vec::new());
        for key in keys {
            address.clear();
            put_address::<T>(key, &mut address);
            match &self.slots[key].row {
                None => visit(&address, None)?,
                Some(row) => {
                    bytes.clear();
                    bytes = postcard::to_extend(row, bytes).expect("every row type can be encoded");
                    visit(&address, Some(&bytes))?;
                }
            }
        }
        Ok(())
    }
}

/// How many rows of a table stay in memory, where one batch is written before the next is folded.
const KEPT_MAX: usize = 4096;

/// One table in memory.
pub struct Shelf<T: Table> {
    /// What was asked for or changed, and what was kept when it had arrived.
    here: Rows<T>,
    /// What left with the last [`State::leave`], and may not be in the base yet.
    leaving: Option<Arc<Rows<T>>>,
}

impl<T: Table> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { here: Rows::default(), leaving: None }
    }
}

impl<T: Table> Shelf<T> {
    /// The slot of `key`, and where to say that it is changed.
    fn slot(&mut self, base: &dyn Base, key: &T::Key) -> (&mut Slot<T::Row>, &mut Vec<T::Key>) {
        let Shelf { here, leaving } = self;
        let slot = here.slots.entry(key.clone()).or_insert_with(|| Slot {
            row: match leaving.as_ref().and_then(|rows| rows.slots.get(key)) {
                Some(slot) => slot.row.clone(),
                None => load::<T>(base, key),
            },
            changed: false,
        });
        (slot, &mut here.changed)
    }

    /// The row of `key`, for reading.
    pub fn get(&mut self, base: &dyn Base, key: &T::Key) -> Option<&T::Row> {
        self.slot(base, key).0.row.as_deref()
    }

    /// The row of `key`, for changing; it counts as changed.
    pub fn get_mut(&mut self, base: &dyn Base, key: &T::Key) -> Option<&mut T::Row> {
        let (slot, changed) = self.slot(base, key);
        let row = slot.row.as_deref_mut()?;
        if !slot.changed {
            slot.changed = true;
            changed.push(key.clone());
        }
        Some(row)
    }

    /// The row of `key`, made by `T::Row::default` if there is none; it counts as changed.
    pub fn entry(&mut self, base: &dyn Base, key: &T::Key) -> &mut T::Row
    where
        T::Row: Default,
    {
        let (slot, changed) = self.slot(base, key);
        if !slot.changed {
            slot.changed = true;
            changed.push(key.clone());
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
        let before = self.here.slots.insert(key.clone(), Slot { row, changed: true });
        if !before.is_some_and(|slot| slot.changed) {
            self.here.changed.push(key);
        }
    }

    /// The keys that begin with the bytes `prefix`, in order.
    pub fn keys(&self, base: &dyn Base, prefix: &[u8]) -> Vec<T::Key> {
        let addresses = base.addresses(&address_prefix::<T>(prefix));
        let mut keys: BTreeSet<T::Key> =
            addresses.iter().filter_map(|address| T::Key::decode(address.get(1..)?)).collect();
        // All else is as the base has it.
        for rows in self.leaving.as_deref().into_iter().chain([&self.here]) {
            for key in &rows.changed {
                match &rows.slots[key].row {
                    None => drop(keys.remove(key)),
                    Some(_) if key.to_bytes().starts_with(prefix) => drop(keys.insert(key.clone())),
                    Some(_) => {}
                }
            }
        }
        keys.into_iter().collect()
    }

    /// Adds every changed row to `changes`. They leave with the others of their table.
    fn leave(&mut self, changes: &mut Changes) {
        debug_assert!(self.leaving.is_none(), "what leaves is on its way alone");
        if !self.here.changed.is_empty() {
            let rows = Arc::new(std::mem::take(&mut self.here));
            changes.tables.push(Box::new(Arc::clone(&rows)));
            self.leaving = Some(rows);
        } else if self.here.slots.len() > KEPT_MAX {
            self.here.slots.clear();
        }
    }

    /// What left is in the base. Where its changes are dropped by now and nothing came meanwhile, it is
    /// kept, so that it need not be read again.
    fn arrived(&mut self) {
        let rows = self.leaving.take().and_then(Arc::into_inner);
        if let Some(mut rows) = rows
            && self.here.slots.is_empty()
            && rows.slots.len() <= KEPT_MAX
        {
            for key in rows.changed.drain(..) {
                if let Some(slot) = rows.slots.get_mut(&key) {
                    slot.changed = false;
                }
            }
            self.here = rows;
        }
    }
}

/// The row of `key` as the base has it.
fn load<T: Table>(base: &dyn Base, key: &T::Key) -> Option<Box<T::Row>> {
    let mut address = Vec::with_capacity(32);
    put_address::<T>(key, &mut address);
    let row = postcard::from_bytes(base.get(&address)?);
    if row.is_err() {
        base.is_damaged(name(T::NUMBER));
    }
    row.ok().map(Box::new)
}

macro_rules! state {
    ($($field:ident: $table:ident;)*) => {
        /// Every table in memory.
        #[derive(Default)]
        pub struct State {
            $(#[doc = concat!("See [`", stringify!($table), "`].")]
            pub $field: Shelf<$table>,)*
            /// The thread of the record before, and its session: mostly the next one's too.
            pub latest: Option<(Vec<u8>, crate::rows::Sid)>,
        }

        impl State {
            /// Every row changed since the last time, for the tables; seq `checkpoint` was the last
            /// one folded. The next must wait until these have [`arrived`](Self::arrived).
            pub fn leave(&mut self, checkpoint: u64) -> Changes {
                let mut changes = Changes { tables: Vec::new(), checkpoint };
                $(self.$field.leave(&mut changes);)*
                changes
            }

            /// What left last is in the base from now on.
            pub fn arrived(&mut self) {
                $(self.$field.arrived();)*
            }
        }
    };
}

state! {
    sessions: Sessions;
    threads: Threads;
    short_ids: ShortIds;
    names: Names;
    children: Children;
    turns: Turns;
    turn_ids: TurnIds;
    actions: Actions;
    item_ids: ItemIds;
    requests: Requests;
    waiting: Waiting;
    pending: Pending;
    sources: Sources;
    attached: Attached;
    imports: Imports;
    inputs: Inputs;
    queue: Queue;
    lost: Lost;
    kinds: Kinds;
    methods: Methods;
    troubles: Troubles;
    totals: Totals;
    gaps: Gaps;
    spans: Spans;
    input_keys: InputKeys;
    reminders: Reminders;
    trims: Trims;
    environments: Environments;
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
        fn is_damaged(&self, table: &'static str) {
            panic!("a row of {table} cannot be decoded");
        }
    }

    impl Memory {
        fn take(&mut self, changes: &Changes) {
            let taken = changes.each(&mut |address, row| {
                match row {
                    Some(row) => self.0.insert(address.to_vec(), row.to_vec()),
                    None => self.0.remove(address),
                };
                Ok(())
            });
            taken.expect("a map takes all");
        }
    }

    #[test]
    fn a_new_state_reads_what_an_old_one_wrote() {
        let mut memory = Memory::default();
        let mut state = State::default();
        *state.kinds.entry(&memory, &7) += 3;
        state.attached.put((1, 0, 5), ());
        state.attached.put((1, 1, 6), ());
        memory.take(&state.leave(0));

        let mut state = State::default();
        assert_eq!(state.kinds.get(&memory, &7), Some(&3));
        state.attached.remove((1, 0, 5));
        state.attached.put((1, 0, 9), ());
        let prefix = [1u64.to_bytes(), 0u32.to_bytes()].concat();
        assert_eq!(state.attached.keys(&memory, &prefix), vec![(1, 0, 9)]);
        memory.take(&state.leave(0));
        state.arrived();
        assert_eq!(State::default().attached.keys(&memory, &[]), vec![(1, 0, 9), (1, 1, 6)]);
    }

    #[test]
    fn what_is_on_its_way_is_seen_as_if_it_had_arrived() {
        let mut memory = Memory::default();
        let mut state = State::default();
        state.attached.put((1, 0, 5), ());
        let first = state.leave(0);
        let keys = state.attached.keys(&memory, &[]);
        assert_eq!(keys, vec![(1, 0, 5)], "left, not yet in the base");
        state.attached.put((1, 0, 6), ());
        state.attached.remove((1, 0, 5));
        assert_eq!(state.attached.keys(&memory, &[]), vec![(1, 0, 6)]);
        memory.take(&first);
        state.arrived();
        assert_eq!(state.attached.keys(&memory, &[]), vec![(1, 0, 6)]);
        memory.take(&state.leave(0));
        assert_eq!(State::default().attached.keys(&memory, &[]), vec![(1, 0, 6)]);
    }

    #[test]
    fn what_has_arrived_is_not_read_again_but_where_there_is_too_much() {
        let mut state = State::default();
        state.kinds.put(7, 3);
        drop(state.leave(0));
        state.arrived();
        assert_eq!(state.kinds.get(&Nothing, &7), Some(&3));
        assert!(state.leave(0).tables.is_empty(), "it is as it was written");
        for seq in 0..=KEPT_MAX as u64 {
            state.pending.put(seq, ());
        }
        drop(state.leave(0));
        state.arrived();
        assert_eq!(state.pending.get(&Nothing, &1), None);
    }

    #[test]
    fn only_changed_rows_are_written() {
        let mut memory = Memory::default();
        let mut state = State::default();
        state.kinds.put(1, 1);
        memory.take(&state.leave(0));
        state.arrived();
        state.kinds.get(&memory, &1);
        assert!(state.leave(0).tables.is_empty());
    }
}
