//! The `codex app-server` process, its pipes or a socket to it, and the tap on them.
//!
//! The process leads a group of its own, which is killed when the value is dropped: Codex starts
//! shells and MCP servers that would outlive it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};

use super::websocket;

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

/// A connection to a server, and the server itself where the connection brought it up.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    line: Line,
    tap: Tap,
    reader: Option<JoinHandle<()>>,
    /// Its messages. The end of the channel is the end of its output.
    pub messages: Receiver<Vec<u8>>,
}

#[derive(Debug)]
enum Line {
    Pipe(ChildStdin),
    Socket(TcpStream),
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
        let input = child.stdin.take().expect("standard input is piped");
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, messages) = mpsc::channel();
        let seen = Arc::clone(tap);
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(output);
            let mut line = Vec::new();
            // A read error is the end of the pipe, as far as a recording goes.
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                pass_on(&seen, &sender, std::mem::take(&mut line));
            }
        });
        let line = Line::Pipe(input);
        Ok(Server {
            child: Some(child),
            line,
            tap: Arc::clone(tap),
            reader: Some(reader),
            messages,
        })
    }

    /// Starts the command, which must make it listen on the port, and connects.
    ///
    /// # Errors
    /// When it cannot be started or does not listen in time.
    pub fn listen(mut command: Command, port: u16, tap: &Tap) -> std::io::Result<Server> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let mut guard = OnlyChild(Some(child));
        let mut server = Server::join(port, tap)?;
        server.child = guard.0.take();
        Ok(server)
    }

    /// Connects to a server that listens on a port of loopback.
    ///
    /// # Errors
    /// When nobody does.
    pub fn join(port: u16, tap: &Tap) -> std::io::Result<Server> {
        let stream = websocket::connect(port)?;
        let mut incoming = BufReader::new(stream.try_clone()?);
        let (sender, messages) = mpsc::channel();
        let seen = Arc::clone(tap);
        let reader = std::thread::spawn(move || {
            while let Ok(Some(message)) = websocket::read(&mut incoming) {
                pass_on(&seen, &sender, message);
            }
        });
        let line = Line::Socket(stream);
        Ok(Server { child: None, line, tap: Arc::clone(tap), reader: Some(reader), messages })
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the server no longer reads.
    pub fn send(&mut self, message: &[u8]) -> std::io::Result<()> {
        // Noted first: an answer that overtakes the note would stand before its question.
        note(&self.tap, Direction::Client, message.to_vec());
        match &mut self.line {
            Line::Pipe(input) => {
                input.write_all(message)?;
                input.write_all(b"\n")?;
                input.flush()
            }
            Line::Socket(stream) => websocket::write(stream, message),
        }
    }

    /// Kills the whole group, as a crash would. What it had said is read to the end.
    pub fn kill(&mut self) {
        OnlyChild(self.child.take()).kill();
        if let Line::Socket(stream) = &self.line {
            // The reader's clone ends with it; that it was closed already is as good.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
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

/// A process that does not outlive the value.
struct OnlyChild(Option<Child>);

impl OnlyChild {
    fn kill(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // A process that has ended is still unreaped here, so its number is no stranger's.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
    }
}

impl Drop for OnlyChild {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pass_on(tap: &Tap, sender: &Sender<Vec<u8>>, message: Vec<u8>) {
    note(tap, Direction::Server, message.clone());
    // Nobody waits for what comes after a kill; it is recorded all the same.
    let _ = sender.send(message);
}

fn note(tap: &Tap, direction: Direction, bytes: Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    tap.lock().unwrap_or_else(PoisonError::into_inner).push(Tapped { at, direction, bytes });
}
