//! The log, its peers and the floors of the machine, measured the same way on the same records.
//!
//! Each function makes what it needs in a directory of its own, does one thing, and gives a
//! [`Figure`]. Two benches use them: `figures` interleaves all of them and prints medians and
//! ratios, `criterion` watches a few for changes.

pub mod floors;
pub mod load;
pub mod log;
pub mod peers;

use std::path::PathBuf;
use std::time::Duration;

/// A directory for one measurement, on the disk that `DIR` names.
pub struct Place(pub PathBuf);

impl Place {
    /// An empty one.
    pub fn new(name: &str) -> Place {
        let dir = std::env::var_os("DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = dir.join(format!("sm-peers-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory for the bench");
        Place(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What one run of one measurement gave. What was not measured is zero.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figure {
    /// Records in a second; or what else the line says.
    pub rate: f64,
    /// Microseconds for one act.
    pub p50: f64,
    /// The same, the slowest of a hundred.
    pub p99: f64,
}

/// A figure of a rate only.
pub fn rate(records: usize, took: Duration) -> Figure {
    Figure { rate: records as f64 / took.as_secs_f64(), ..Figure::default() }
}

/// A figure of single acts, in nanoseconds.
pub fn latencies(mut all: Vec<u64>, took: Duration) -> Figure {
    all.sort_unstable();
    let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    Figure { rate: all.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}
