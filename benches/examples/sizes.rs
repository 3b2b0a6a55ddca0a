//! What the tables of a data directory take, table by table: `sizes HOME`.

#![expect(clippy::print_stdout, reason = "printing is all it does")]

use sm_projections::Store;
use std::path::PathBuf;

fn main() {
    let home = std::env::args_os().nth(1).map(PathBuf::from).expect("sizes HOME");
    let path = Store::path_in(&home.join("projections"));
    let store = Store::open_existing(&path).expect("tables of this version");
    let view = store.view().expect("they can be read");
    let sizes = view.sizes().expect("they can be read");
    let file = std::fs::metadata(path.join("data.mdb")).expect("the file").len();
    let rows = |table: &str| sizes.iter().find(|size| size.table == table).map_or(0, |s| s.rows);
    let (sessions, actions) = (rows("sessions"), rows("actions"));
    for size in &sizes {
        let all = size.key_bytes + size.row_bytes;
        println!(
            "{:<12} {:>9} rows {:>12} bytes {:>7.1} a row {:>8.1} a session {:>7.1} an action",
            size.table,
            size.rows,
            all,
            all as f64 / size.rows as f64,
            all as f64 / sessions.max(1) as f64,
            all as f64 / actions.max(1) as f64,
        );
    }
    let (pages, page_bytes) = view.pages().expect("they can be counted");
    let used = pages as u64 * u64::from(page_bytes);
    let held: u64 = sizes.iter().map(|size| size.key_bytes + size.row_bytes).sum();
    println!("{held} bytes of keys and rows in {used} bytes of pages, in a file of {file}");
    let allowed = 3000 * sessions + 300 * actions;
    println!(
        "{sessions} sessions, {actions} actions; 3 KB a session and 300 bytes an action are {allowed}: \
         rows {:.2}, pages {:.2}, file {:.2} of it",
        held as f64 / allowed as f64,
        used as f64 / allowed as f64,
        file as f64 / allowed as f64
    );
}
