//! Writes recorded traffic in quantity to standard output: `transcript RECORDS`.
#![expect(clippy::print_stderr, reason = "a program")]

use sm_benches::traffic;
use std::io::Write;

fn main() -> std::io::Result<()> {
    let Some(records) = std::env::args().nth(1).and_then(|argument| argument.parse().ok()) else {
        eprintln!("usage: transcript RECORDS");
        std::process::exit(2);
    };
    std::io::stdout().write_all(&traffic::transcript(records))
}
