//! Any bytes as a block: `cargo +nightly fuzz run block` in `log/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sm_log::fuzzing::block(bytes));
