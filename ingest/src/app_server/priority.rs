//! How servers share the processors with who records them.
//!
//! What always holds: a server, and all that its agents start, gives way to the daemon; among themselves
//! they are equal.

#[cfg(target_os = "linux")]
use preempt_rt::sched::{self, Scheduler, SchedulerParams};
use std::io;

/// How much less a server counts than the daemon, as `nice` tells it: about a third.
#[cfg(target_os = "linux")]
const BELOW: i32 = 5;

/// Starts a process that gives way to this one.
#[cfg(target_os = "linux")]
pub(super) fn giving_way<T: Send>(start: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        // A process begins with the priority of the thread that starts it, and that thread's is its own.
        let starting = std::thread::Builder::new().spawn_scoped(scope, || {
            // Only wishes: where they are refused, the server is the daemon's equal.
            let _ = rustix::process::nice(BELOW);
            // What wakes in a server does not take the processor from who writes a record.
            let (me, equal) = (sched::Pid::current_thread(), SchedulerParams { priority: 0 });
            // A daemon that the user put elsewhere stays there with its servers.
            if sched::get_scheduler(me).is_ok_and(|mine| mine == Scheduler::SCHED_NORMAL) {
                let _ = sched::set_scheduler(me, Scheduler::SCHED_BATCH, equal);
            }
            start()
        })?;
        starting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Elsewhere a thread has no priority of its own to pass on.
#[cfg(not(target_os = "linux"))]
pub(super) fn giving_way<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    start()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::{Pid, getpriority_process};
    use std::process::Command;

    /// How the system shares processors out to a process: the 41st word that it tells of it.
    fn policy(pid: u32) -> u32 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let after_its_name = stat.rsplit_once(')').unwrap().1;
        after_its_name.split_whitespace().nth(38).unwrap().parse().unwrap()
    }

    #[test]
    fn what_is_started_counts_less_and_who_starts_it_as_before() {
        let before = getpriority_process(None).unwrap();
        let policy_before = policy(std::process::id());
        let mut child = giving_way(|| Command::new("sleep").arg("100").spawn()).unwrap();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let its = getpriority_process(pid).unwrap();
        let its_policy = policy(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(its, (before + BELOW).min(19));
        if policy_before == Scheduler::SCHED_NORMAL as u32 {
            assert_eq!(its_policy, Scheduler::SCHED_BATCH as u32);
        }
        assert_eq!(getpriority_process(None).unwrap(), before);
        assert_eq!(policy(std::process::id()), policy_before);
    }

    #[test]
    fn what_cannot_be_started_is_said() {
        let error = giving_way(|| Command::new("/no/such/program").spawn()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
