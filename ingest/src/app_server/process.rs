//! One process, named for good by its pid and start time, and the group it leads.
//!
//! What always holds: a group is signalled only while its leader is the very process that was
//! meant; a reused pid is never hit.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

/// What `/proc` counts times in, on every machine that Codex runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process: its pid, and its start time in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId {
    /// The pid; also the number of the group it leads.
    pub pid: u32,
    /// When it began; 0 where the system does not tell.
    pub started: u64,
}

/// A process that ended while it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process ended meanwhile")]
pub struct Vanished;

impl ProcessId {
    /// The process that has that pid now.
    pub fn of(pid: u32) -> Option<ProcessId> {
        Some(ProcessId { pid, started: stat(pid)?.started })
    }

    /// The process above it; `None` above the first one that can be seen from here, where those of others
    /// are hidden also above the last one of this user's.
    ///
    /// # Errors
    /// It ended meanwhile, or what was above it did.
    pub fn parent(&self) -> Result<Option<ProcessId>, Vanished> {
        let stat = stat(self.pid).filter(|stat| stat.started == self.started).ok_or(Vanished)?;
        let Some(above) = i32::try_from(stat.parent).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match ProcessId::of(stat.parent) {
            // One that began later has taken over the pid of what was above it.
            Some(parent) if parent.started <= self.started => Ok(Some(parent)),
            Some(_) => Err(Vanished),
            None if test_kill_process(above) == Err(Errno::PERM) => Ok(None),
            None => Err(Vanished),
        }
    }

    /// The processes right below it.
    pub fn children(&self) -> Vec<ProcessId> {
        let is_child = |pid: &u32| stat(*pid).is_some_and(|stat| stat.parent == self.pid);
        pids().filter(is_child).filter_map(ProcessId::of).collect()
    }

    /// When it began, in Unix microseconds by the clock of now; `None` where the system does not tell.
    pub fn began(&self, now: i64) -> Option<i64> {
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let age = uptime - self.started as f64 / TICKS_PER_SECOND;
        Some(now - (age * 1e6) as i64)
    }

    /// What it was started as: program and arguments, `None` where the system does not tell.
    pub fn command_line(&self) -> Option<String> {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).ok()?;
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        Some(words.join(" ").trim_end().to_owned()).filter(|_| self.is_alive())
    }

    /// A variable of the environment that it was started with.
    pub fn variable(&self, name: &str) -> Option<String> {
        let [value] = self.variables([name]);
        value
    }

    /// Several of them, read in one moment.
    pub fn variables<const N: usize>(&self, names: [&str; N]) -> [Option<String>; N] {
        // Another user's cannot be read.
        let environment = std::fs::read(format!("/proc/{}/environ", self.pid));
        let environment = environment.ok().filter(|_| self.is_alive()).unwrap_or_default();
        names.map(|name| {
            environment.split(|byte| *byte == 0).find_map(|entry| {
                let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
                Some(String::from_utf8_lossy(value).into_owned())
            })
        })
    }

    /// Whether it is still there and not only its remains.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|stat| {
            stat.started == self.started && !matches!(stat.state, 'Z' | 'X' | 'x')
        })
    }

    /// Whether it is held still: by a signal, or by one that traces it.
    pub fn is_stopped(&self) -> bool {
        let stat = stat(self.pid).filter(|stat| stat.started == self.started);
        stat.is_some_and(|stat| matches!(stat.state, 'T' | 't'))
    }

    /// Whether these are the remains of one that led a group of its own and was not waited for.
    pub fn is_ended_leader(&self) -> bool {
        let stat = stat(self.pid).filter(|stat| stat.started == self.started);
        stat.is_some_and(|stat| stat.state == 'Z' && stat.group == self.pid)
    }

    /// Whether it has that very file open, by whatever name; false where the system does not tell.
    pub fn has_open(&self, file: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Ok(meant) = std::fs::metadata(file) else { return false };
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid));
        let mut open = open.into_iter().flatten().flatten();
        open.any(|open| {
            let found = std::fs::metadata(open.path());
            found.is_ok_and(|found| (found.dev(), found.ino()) == (meant.dev(), meant.ino()))
        }) && self.is_alive()
    }

    /// Sends `signal` to its group, if it is still there.
    pub fn signal_group(&self, signal: Signal) {
        if self.is_alive() {
            self.signal_group_unchecked(signal);
        }
    }

    /// The same for whoever knows that the pid is not reused: it has not been waited for.
    pub(super) fn signal_group_unchecked(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // The only error that matters is that nobody is there any more.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Ends its group: asks, then, after `patience`, forces. Returns whether it is gone.
    pub fn end_group(&self, patience: Duration) -> bool {
        self.signal_group(Signal::TERM);
        if self.is_gone_within(patience) {
            return true;
        }
        self.signal_group(Signal::KILL);
        self.is_gone_within(Duration::from_secs(5))
    }

    fn is_gone_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

/// The processes of this user that have a file open which `is_meant`, this one excepted.
pub fn with_open(is_meant: impl Fn(&Path) -> bool) -> Vec<ProcessId> {
    let processes = pids().filter(|pid| *pid != std::process::id()).filter_map(ProcessId::of);
    let has = |process: &ProcessId| {
        // Another user's cannot be looked into.
        let files = std::fs::read_dir(format!("/proc/{}/fd", process.pid));
        let mut files = files.into_iter().flatten().flatten();
        files.any(|file| std::fs::read_link(file.path()).is_ok_and(|target| is_meant(&target)))
    };
    processes.filter(has).collect()
}

/// The pids there are.
fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Kills every process of this user that was started with `name=value` in its environment, itself
/// excepted: what a server left behind that had moved to a session of its own. Returns how many.
pub fn end_marked(name: &str, value: &str) -> usize {
    let marker = format!("{name}={value}");
    let mut ended = 0;
    for pid in pids().filter(|pid| *pid != std::process::id()) {
        let Some(process) = ProcessId::of(pid) else { continue };
        // Another user's cannot be read, and is none of ours.
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { continue };
        let is_marked =
            environment.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes());
        if is_marked
            && process.is_alive()
            && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        {
            ended += usize::from(kill_process(pid, Signal::KILL).is_ok());
        }
    }
    ended
}

/// A process that has ended and was not waited for.
pub(super) struct Remains {
    pub pid: u32,
    /// The process group that it was of, by the pid of its leader.
    pub group: u32,
}

/// The remains of children of the process `parent`.
pub(super) fn ended_below(parent: u32) -> Vec<Remains> {
    let ended = |pid| {
        let stat = stat(pid).filter(|stat| stat.parent == parent && stat.state == 'Z')?;
        Some(Remains { pid, group: stat.group })
    };
    pids().filter_map(ended).collect()
}

/// What `/proc/PID/stat` tells of a process.
struct Stat {
    state: char,
    parent: u32,
    group: u32,
    started: u64,
}

/// Reads it. The name in it may hold anything, so fields are counted from its last parenthesis.
fn stat(pid: u32) -> Option<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some(Stat { state, parent, group, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_processes_are_ended() {
        let sleeper = |value: &str| {
            let mut command = std::process::Command::new("sleep");
            command.arg("1000").env("SM_PROCESS_TEST", value).spawn().unwrap()
        };
        let (mut marked, mut other) = (sleeper("one:1"), sleeper("one:12"));
        // Between fork and exec a process still has its parent's environment.
        while end_marked("SM_PROCESS_TEST", "one:1") == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!marked.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn whoever_has_a_file_open_is_found_and_described() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("held");
        let file = std::fs::File::create(&path).unwrap();
        assert_eq!(with_open(|open| open == path), []);
        let mut holder = std::process::Command::new("sleep")
            .arg("1000")
            .env("SM_PROCESS_TEST_HOLDER", "a=b")
            .stdin(file)
            .spawn()
            .unwrap();
        let found = with_open(|open| open == path);
        assert_eq!(found, [ProcessId::of(holder.id()).unwrap()]);
        // Between fork and exec it is still what its parent was.
        while found[0].command_line().as_deref() != Some("sleep 1000") {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(found[0].variable("SM_PROCESS_TEST_HOLDER").as_deref(), Some("a=b"));
        assert_eq!(found[0].variable("SM_PROCESS_TEST"), None);
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert_eq!((found[0].command_line(), with_open(|open| open == path)), (None, vec![]));
    }

    #[test]
    fn what_is_held_still_and_what_has_ended_is_told() {
        use std::os::unix::process::CommandExt;
        let sleeper = |group: bool| {
            let mut command = std::process::Command::new("sleep");
            command.arg("1000");
            let child = if group { command.process_group(0).spawn() } else { command.spawn() };
            let child = child.unwrap();
            (ProcessId::of(child.id()).unwrap(), child)
        };
        let until = |is: &dyn Fn() -> bool| {
            while !is() {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let ((leader, mut its), (member, mut others)) = (sleeper(true), sleeper(false));
        assert!(!leader.is_stopped() && !leader.is_ended_leader());
        leader.signal_group(Signal::STOP);
        until(&|| leader.is_stopped());
        leader.signal_group(Signal::KILL);
        others.kill().unwrap();
        until(&|| leader.is_ended_leader() && !member.is_alive());
        assert!(!member.is_ended_leader() && !leader.is_stopped());
        its.wait().unwrap();
        others.wait().unwrap();
        assert!(!leader.is_ended_leader());
        assert_eq!(leader.parent(), Err(Vanished));
    }

    #[test]
    fn a_process_is_told_by_pid_and_start() {
        let me = ProcessId::of(std::process::id()).unwrap();
        assert!(me.started > 0 && me.is_alive());
        let other = ProcessId { started: me.started + 1, ..me };
        assert!(!other.is_alive());
        // Nothing happens to a stranger.
        other.signal_group(Signal::KILL);
    }
}
