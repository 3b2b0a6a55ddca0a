//! The daemon against the real Codex with a scripted model: what a user of `sm` relies on.
//!
//! Each test has a daemon of its own in a process of its own, so that it can be killed: this very
//! binary, started again to run nothing but [`daemon_process`].

mod bench;

mod agents;
mod crashes;
mod families;
mod holders;
mod http;
mod inputs;
mod life;
mod queue;
mod requests;
mod rules;
mod upgrades;
mod work;

/// The daemon's process; a test of nothing unless the bench started it.
#[test]
fn daemon_process() {
    bench::serve_if_asked();
}
