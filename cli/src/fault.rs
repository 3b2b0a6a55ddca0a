//! A file that ends before what is mapped of it: the system ends such a process without a word, and its
//! user would learn nothing.
//!
//! What always holds: it is told what happened and what to do, and nothing goes on: all that was made of
//! what was read may be wrong.

use crate::error::{Error, Exit};
use signal_hook::consts::SIGBUS;
use signal_hook::low_level;

/// From now on such an end is told, in words or as JSON. `home` are the words that name the data
/// directory.
pub fn tell(home: &str, as_json: bool) {
    let error = Error::new(
        Exit::Failed,
        "file_damaged",
        "a file of the data directory is shorter than it says, or its disk cannot be read",
    )
    .hint(format!(
        "Fold the log anew: sm{home} rebuild; whether the log itself is whole: sm{home} verify"
    ));
    // Made now: what runs when it happens may not take memory.
    let text = error.words(as_json) + "\n";
    // SAFETY: the action takes no lock and no memory: it writes bytes that are there and ends the process.
    let told = unsafe {
        low_level::register(SIGBUS, move || {
            let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
            low_level::exit(Exit::Failed as i32);
        })
    };
    // Without it such an end is as silent as it was.
    drop(told);
}
