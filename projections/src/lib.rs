//! Deterministic folds of the log into LMDB tables, and the questions that can be asked of them.
//!
//! What always holds: `fold(state, record) → state` is pure; rows and checkpoint commit together; a
//! rebuild gives the same bytes. This crate starts nothing and reads no clock: what depends on the
//! present (how long, whether alive) is added by whoever shows it.
//!
//! ```text
//!  log ──records──▶ fold ──rows──▶ State ──batch──▶ Store (LMDB) ──▶ View ──▶ documents
//! ```

mod changes;
pub mod fold;
mod moment;
mod projector;
pub mod readable;
mod rebuild;
pub mod rows;
mod snapshot;
pub mod state;
mod store;
pub mod table;
pub mod tables;
pub mod upgrade;
pub mod views;

pub use changes::Changes;
pub use moment::{Moment, Scope, moment};
pub use projector::{FoldError, Projector};
pub use rebuild::{Below, pack, rebuild, sweep};
pub use snapshot::{Manifest, SnapshotError, Snapshots};
pub use store::{Commit, Difference, Meta, Size, Store, StoreError, View};
