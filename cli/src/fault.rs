//! Reading what is not there: a file that ends before what is mapped of it, or tables whose damaged pages
//! point anywhere. The system ends such a process without a word, and its user would learn nothing.
//!
//! What always holds: it is told what most likely happened and what to do, and nothing goes on: all that
//! was made of what was read may be wrong.

use crate::error::{Error, Exit};
use signal_hook::consts::{SIGBUS, SIGSEGV};
use signal_hook::low_level;
use signal_hook_registry::register_unchecked;

/// From now on such an end is told, in words or as JSON. `home` are the words that name the data
/// directory.
pub fn tell(home: &str, as_json: bool) {
    let causes = [
        (
            SIGBUS,
            "a file of the data directory is shorter than it says, its disk is full, or it cannot be read",
        ),
        (SIGSEGV, "memory was read that is not there: most likely the projections are damaged"),
    ];
    for (signal, cause) in causes {
        let error = Error::new(Exit::Failed, "file_damaged", cause).hint(format!(
            "See that there is room on the disk, then fold the log anew: sm{home} rebuild; whether the \
             log itself is whole: sm{home} verify"
        ));
        // Made now: what runs when it happens may not take memory.
        let text = error.words(as_json) + "\n";
        // SAFETY: the action takes no lock and no memory: it writes bytes that are there and ends the
        // process, so it never goes back to what failed.
        let told = unsafe {
            register_unchecked(signal, move |_| {
                let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
                low_level::exit(Exit::Failed as i32);
            })
        };
        // Without it such an end is as silent as it was.
        drop(told);
    }
}
