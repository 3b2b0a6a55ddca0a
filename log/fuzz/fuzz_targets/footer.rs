//! Any bytes as a footer: `cargo +nightly fuzz run footer` in `log/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sm_log::fuzzing::footer(bytes));
