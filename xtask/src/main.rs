//! The project's chores, in Rust.

fn main() {}
