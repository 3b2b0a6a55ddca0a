//! What the benches share: recorded traffic in quantity, and the peers it is given to.

pub mod sm;
pub mod sqlite;
pub mod sqlite_tables;
pub mod traffic;
