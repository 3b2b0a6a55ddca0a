//! Changed rows on their way from memory into the tables.
//!
//! What always holds: they are in the order of addresses, each address once; they need nothing of the
//! state they came from, so that one batch can be written while the next is folded.

use crate::table::{Table, put_address};

/// Changed rows, and the seq up to which the tables are folded once they are written.
#[derive(Default)]
pub struct Changes {
    /// Each change's address and row, one after the other.
    bytes: Vec<u8>,
    ends: Vec<End>,
    /// The last seq folded.
    pub checkpoint: u64,
}

/// Where a change ends in the bytes.
struct End {
    address: usize,
    /// `None` for a row that was taken away.
    row: Option<usize>,
}

impl Changes {
    /// Adds the row of `key`; `None`: it was taken away.
    pub fn add<T: Table>(&mut self, key: &T::Key, row: Option<&T::Row>) {
        put_address::<T>(key, &mut self.bytes);
        let address = self.bytes.len();
        if let Some(row) = row {
            self.bytes = postcard::to_extend(row, std::mem::take(&mut self.bytes))
                .expect("every row type can be encoded");
        }
        let row = row.map(|_| self.bytes.len());
        self.ends.push(End { address, row });
    }

    /// Every change: the row's address, and its bytes or `None` for one taken away.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let address = &self.bytes[begin..end.address];
            let row = end.row.map(|row_end| &self.bytes[end.address..row_end]);
            begin = end.row.unwrap_or(end.address);
            (address, row)
        })
    }

    /// Forgets them, and keeps their room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
