//! Any bytes as a trim file: `cargo +nightly fuzz run trim` in `log/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sm_log::fuzzing::trim(bytes));
