//! Any bytes as a frame: `cargo +nightly fuzz run frame` in `log/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sm_log::fuzzing::frame(bytes));
