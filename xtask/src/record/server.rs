//! The `codex app-server` process and the tap on its pipes.
//!
//! The process leads a group of its own, which is killed when the value is dropped: Codex starts
//! shells and MCP servers that would outlive it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The recorder.
    Client,
    /// Codex.
    Server,
}

/// One message as it went over the pipe, its newline left out.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// Unix milliseconds at which it was sent or came.
    pub at: u64,
    /// Who sent it.
    pub direction: Direction,
    /// The exact bytes.
    pub bytes: Vec<u8>,
}

/// Both directions of every server of a scenario, in the order seen.
pub type Tap = Arc<Mutex<Vec<Tapped>>>;

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    tap: Tap,
    reader: Option<JoinHandle<()>>,
    /// Its messages. The end of the channel is the end of its output.
    pub messages: Receiver<Vec<u8>>,
}

impl Server {
    /// Starts the command, with pipes and a process group of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command, tap: &Tap) -> std::io::Result<Server> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let (sender, messages) = mpsc::channel();
        let seen = Arc::clone(tap);
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(output.expect("standard output is piped"));
            let mut line = Vec::new();
            // A read error is the end of the pipe, as far as a recording goes.
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                let bytes = std::mem::take(&mut line);
                note(&seen, Direction::Server, bytes.clone());
                let _ = sender.send(bytes);
            }
        });
        Ok(Server { child, input, tap: Arc::clone(tap), reader: Some(reader), messages })
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the server no longer reads.
    pub fn send(&mut self, message: &[u8]) -> std::io::Result<()> {
        // Noted first: an answer that overtakes the note would stand before its question.
        note(&self.tap, Direction::Client, message.to_vec());
        let input = self.input.as_mut().expect("open until the drop");
        input.write_all(message)?;
        input.write_all(b"\n")?;
        input.flush()
    }

    /// Kills the whole group, as a crash would. What it had said is read to the end.
    pub fn kill(&mut self) {
        // A process that has ended is still unreaped here, so its number is no stranger's.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.reader.is_some() {
            self.kill();
        }
    }
}

fn note(tap: &Tap, direction: Direction, bytes: Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    tap.lock().unwrap_or_else(PoisonError::into_inner).push(Tapped { at, direction, bytes });
}
