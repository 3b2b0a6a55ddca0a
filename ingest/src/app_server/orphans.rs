//! Processes whose own parent ended: what a server's commands left running.
//!
//! What always holds: such a process hangs below this one from then on, so whoever looks up from it still
//! finds where it came from; its remains are taken away, and those of this process's own children never,
//! which whoever started them waits for.

use super::process;
use rustix::process::{Pid, WaitId, WaitIdOptions, getpgid, waitid};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The children of this process that lead a process group of their own, until they were waited for.
static OWN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn own() -> MutexGuard<'static, BTreeSet<u32>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a child that leads a process group of its own. Who waits for it says so with [`forget`].
pub(super) fn remember<T>(
    start: impl FnOnce() -> io::Result<T>,
    pid: impl FnOnce(&T) -> u32,
) -> io::Result<T> {
    // One that has ended before it is known by its pid is not taken for another's.
    let mut own = own();
    let child = start()?;
    own.insert(pid(&child));
    Ok(child)
}

/// That child was waited for.
pub(super) fn forget(pid: u32) {
    own().remove(&pid);
}

/// From now on orphans below this process hang under it, not under the system's first one. Other systems
/// than Linux know no such thing.
pub fn adopt_orphans() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Takes away the remains of orphans that ended. Returns how many.
pub fn reap_orphans() -> usize {
    let (me, Ok(group)) = (std::process::id(), getpgid(None)) else { return 0 };
    let group = group.as_raw_nonzero().get().unsigned_abs();
    let own = own();
    let ended = process::ended_below(me).into_iter();
    // What this process started otherwise stayed in its group; what a server did is in none of it.
    let orphans = ended.filter(|ended| ended.group != group && !own.contains(&ended.pid));
    let reaped = orphans.filter_map(|ended| Pid::from_raw(i32::try_from(ended.pid).ok()?));
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    reaped.filter(|pid| matches!(waitid(WaitId::Pid(*pid), options), Ok(Some(_)))).count()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::app_server::ProcessId;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    #[test]
    fn orphans_are_adopted_and_reaped_and_own_children_left_to_their_parent() {
        adopt_orphans().unwrap();
        // Its own child, which has ended and was not waited for.
        let mut command = Command::new("true");
        let mut mine = remember(|| command.process_group(0).spawn(), |child| child.id()).unwrap();
        let mut plain = Command::new("true").spawn().unwrap();
        // One that another one leaves behind, in a session of its own.
        let mut server = Command::new("sh");
        let left = "setsid sh -c 'echo $$; exec sleep 1000' &";
        let server = server.args(["-c", left]).stdout(Stdio::piped());
        let mut server = server.process_group(0).spawn().unwrap();
        let mut said = std::io::BufReader::new(server.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        let orphan = ProcessId::of(line.trim().parse().unwrap()).unwrap();
        server.wait().unwrap();
        let me = std::process::id();
        while !matches!(orphan.parent(), Ok(Some(parent)) if parent.pid == me) {
            std::thread::yield_now();
        }
        orphan.signal_group(rustix::process::Signal::KILL);
        while reap_orphans() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(ProcessId::of(orphan.pid), None);
        while !process::ended_below(me).iter().any(|ended| ended.pid == mine.id()) {
            std::thread::yield_now();
        }
        assert_eq!(reap_orphans(), 0);
        assert!(mine.wait().unwrap().success() && plain.wait().unwrap().success());
        forget(mine.id());
    }
}
