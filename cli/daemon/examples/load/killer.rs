//! Ends the daemon and its servers where they stand.

use crate::stage::Stage;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Kills until `deadline`. Returns what was killed.
pub fn kill_until(stage: &Stage, mut rng: fastrand::Rng, deadline: Instant) -> String {
    let mut killed: BTreeMap<&str, u32> = BTreeMap::new();
    loop {
        let pause = Duration::from_millis(rng.u64(1_500..12_000));
        if Instant::now() + pause >= deadline {
            let words: Vec<_> =
                killed.iter().map(|(what, count)| format!("{count} {what}")).collect();
            return format!("killed: {}", words.join(", "));
        }
        std::thread::sleep(pause);
        let status = stage.sm(&["serve", "--status"]).document;
        let daemon = status["health"]["pid"].as_u64();
        let servers = status["servers"].as_array().cloned().unwrap_or_default();
        let server = servers.first().and_then(|server| server["pid"].as_u64());
        let what = match rng.u32(0..20) {
            0..8 => signal(&[daemon], Signal::KILL, "daemons"),
            8..16 => signal(&[server], Signal::KILL, "servers"),
            16..18 => signal(&[server, daemon], Signal::KILL, "daemons with their servers"),
            18 => signal(&[daemon], Signal::TERM, "daemons by SIGTERM"),
            _ => signal(&[server], Signal::TERM, "servers by SIGTERM"),
        };
        if let Some(what) = what {
            *killed.entry(what).or_default() += 1;
        }
    }
}

fn signal<'a>(pids: &[Option<u64>], signal: Signal, what: &'a str) -> Option<&'a str> {
    let pids: Option<Vec<Pid>> =
        pids.iter().map(|pid| Pid::from_raw((*pid)?.try_into().ok()?)).collect();
    // It may have ended in the meantime.
    for pid in pids? {
        let _ = kill_process(pid, signal);
    }
    Some(what)
}
