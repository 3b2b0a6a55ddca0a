//! The `sm` command.

fn main() {}
