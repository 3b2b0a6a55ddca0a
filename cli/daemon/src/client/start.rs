//! A daemon started where none runs.
//!
//! What always holds: it outlives whoever started it, and is nothing of the session that they may belong to.

use super::{Client, ClientError};
use crate::home::{Home, HomeError};
use crate::servers::pool::MARK;
use sm_ingest::app_server::ProcessId;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take to answer at first.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// The exit status of a daemon that finds another one's log open.
const GAVE_WAY: i32 = 6;

/// How long another daemon may take after ours gave way to it.
const OTHER_PATIENCE: Duration = Duration::from_secs(10);

/// How much of the daemon's own log an error shows.
const LOG_LINES: usize = 12;

/// In how many bytes they are looked for.
const LOG_BYTES: u64 = 1 << 16;

/// How to start a daemon where none runs.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Arguments after `EXE --home HOME serve`.
    pub args: Vec<OsString>,
    /// How long it may take to answer at first; `None`: a minute.
    pub patience: Option<Duration>,
}

impl Client {
    /// A client of the daemon that runs for `home`; where none runs, `EXE --home HOME serve` is started, detached from this process and
    /// its terminal, its output in [`Home::daemon_log`]. Where two start one at once, the log's lock
    /// decides and both get the same.
    pub fn or_start(home: &Home, exe: &Path, start: &Start) -> Result<Client, ClientError> {
        match Client::connect(home) {
            Err(ClientError::NotRunning { .. }) => {}
            connected => return connected,
        }
        home.create()?;
        home.create_run_dir()?;
        let log = home.daemon_log();
        let (output, begin) = open_log(&log)?;
        let begun = || {
            let child = output.try_clone().and_then(|to| detached(home, exe, &start.args, to));
            child.map_err(|error| {
                not_started(&format_args!("{} cannot be run: {error}", exe.display()), &log, begin)
            })
        };
        let mut child = begun()?;
        let patience = start.patience.unwrap_or(START_PATIENCE);
        let mut deadline = Instant::now() + patience;
        let (mut ended, mut gave_way, mut is_second) = (None, false, false);
        loop {
            match Client::connect(home) {
                Err(ClientError::NotRunning { .. }) => {}
                connected => return connected,
            }
            if ended.is_none()
                && let Ok(Some(status)) = child.try_wait()
            {
                // It may have given way to another one, which may need a moment too.
                ended = Some(status);
                gave_way = status.code() == Some(GAVE_WAY) || has_other_writer(home, child.id());
                deadline = match gave_way {
                    true => Instant::now() + OTHER_PATIENCE,
                    false if status.success() => deadline.min(Instant::now() + OTHER_PATIENCE),
                    false => deadline.min(Instant::now() + Duration::from_secs(1)),
                };
            }
            // The other one was about to end.
            if gave_way && !is_second && !has_other_writer(home, child.id()) {
                (child, is_second) = (begun()?, true);
                (ended, gave_way) = (None, false);
                deadline = Instant::now() + patience;
            }
            if Instant::now() >= deadline {
                return Err(match ended {
                    Some(status) => not_started(&format_args!("it ended ({status})"), &log, begin),
                    None => not_started(&"it does not answer", &log, begin),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What a daemon says is added there. Returns how much was said before, too.
fn open_log(path: &Path) -> Result<(File, u64), HomeError> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let opened = file.and_then(|file| Ok((file.metadata()?.len(), file)));
    let (begin, file) = opened.map_err(|source| HomeError::Io {
        act: "write to",
        path: path.to_path_buf(),
        source,
    })?;
    Ok((file, begin))
}

fn detached(home: &Home, exe: &Path, args: &[OsString], output: File) -> io::Result<Child> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(exe);
    command
        .arg("--home")
        .arg(home.dir())
        .arg("serve")
        .args(args)
        // Started by an agent's command, it is still none of what that agent's server started, and
        // its own sessions are not that agent.
        .env_remove(MARK)
        .env_remove("SM_SESSION_ID")
        .env_remove("CODEX_THREAD_ID")
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output);
    // SAFETY: setsid is async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?));
    }
    command.spawn()
}

/// Whether somebody else writes this data directory: most likely the daemon that was quicker.
fn has_other_writer(home: &Home, ours: u32) -> bool {
    let holder = sm_log::holder(home.log_dir()).filter(|pid| *pid != ours);
    holder.and_then(ProcessId::of).is_some_and(|process| process.is_alive())
}

fn not_started(why: &impl std::fmt::Display, log: &Path, begin: u64) -> ClientError {
    let mut said = Vec::new();
    if let Ok(mut file) = File::open(log)
        && let Ok(end) = file.seek(SeekFrom::End(0))
        && file.seek(SeekFrom::Start(begin.max(end.saturating_sub(LOG_BYTES)))).is_ok()
    {
        // What cannot be read is not shown.
        let _ = file.read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let lines = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    ClientError::NotStarted { why: why.to_string(), log: lines }
}
