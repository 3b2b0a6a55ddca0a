//! Writes recorded traffic in quantity to standard output: `transcript RECORDS [SESSIONS]`.
#![expect(clippy::print_stderr, reason = "a program")]

use sm_benches::traffic;
use std::io::Write;

fn main() -> std::io::Result<()> {
    let numbers: Result<Vec<usize>, _> =
        std::env::args().skip(1).map(|word| word.parse()).collect();
    let (records, sessions) = match numbers.as_deref() {
        Ok([records]) => (*records, None),
        Ok([records, sessions]) => (*records, Some(*sessions)),
        _ => {
            eprintln!("usage: transcript RECORDS [SESSIONS]");
            std::process::exit(2);
        }
    };
    std::io::stdout().write_all(&traffic::transcript(records, sessions))
}
