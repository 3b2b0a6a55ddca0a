//! Puts the lines of some files into a log, seals it, and says what became of the bytes:
//! `cargo run --release -p sm-log --example lines -- DIR FILE…`.

#![allow(clippy::print_stdout, reason = "an example shows something")]

use sm_log::{Durability, Entry, Log, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let dir = arguments.next().ok_or("which directory?")?;
    let options = Options::durability(Durability::Os).with_segment_bytes(1 << 20).without_sealing();
    let (log, _) = Log::open(dir, options)?;
    for file in arguments {
        let (bytes, session) = (std::fs::read(&file)?, file.into_encoded_bytes());
        let session = &session[session.len().saturating_sub(255)..];
        for payload in bytes.split(|&byte| byte == b'\n') {
            log.append(&[Entry { session, payload, ..Entry::default() }])?;
        }
    }
    log.sync()?;
    let start = std::time::Instant::now();
    log.seal()?;
    let took = start.elapsed();
    let segments = log.reader().segments()?;
    let sealed = segments.iter().filter(|segment| segment.sealed);
    let (payload, bytes) = sealed.fold((0, 0), |(p, b), s| (p + s.payload_bytes, b + s.bytes));
    println!("sealed {payload} bytes of payload in {bytes} bytes, in {took:?}");
    for segment in segments {
        println!("{segment:?}");
    }
    Ok(())
}
