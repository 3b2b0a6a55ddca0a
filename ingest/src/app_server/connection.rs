//! One life of one server: its process, its calls and what it says of itself.

use super::error::{CallError, StartError};
use super::now;
use super::orphans;
use super::outgoing::{self, Wire};
use super::priority::giving_way;
use super::process::ProcessId;
use super::stderr::LastWords;
use crate::aside::aside;
use crate::interpreter::Reading;
use crate::recorder::{Recorder, Scribe};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sm_log::{Direction, Log};
use sm_protocol::synthetic::{GenerationStarted, Synthetic};
use sm_protocol::{Envelope, Kind, RpcId, Shape};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc as threads;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// A line longer than this gives its memory back once it is dealt with.
const LINE_KEPT_BYTES: usize = 1 << 20;

/// How long a dead server's output may still come before it is given up.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How long a greeting may take.
const GREETING: Duration = Duration::from_secs(30);

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The native binary.
    pub binary: PathBuf,
    /// The CODEX_HOME to run under.
    pub codex_home: PathBuf,
    /// The source's number.
    pub source: u64,
    /// Which life of it.
    pub generation: u32,
    /// Settings that hold whatever its own files say: `key=value`, the value in TOML.
    pub settings: Vec<String>,
    /// Variables that it gets, and with it all that it starts.
    pub env: Vec<(String, String)>,
    /// Variables that the server must not inherit.
    pub env_remove: Vec<String>,
}

/// A request of the server.
#[derive(Debug, Clone)]
pub struct ServerCall {
    /// Its record.
    pub seq: u64,
    /// What it is.
    pub kind: Kind,
    /// Codex's method.
    pub method: String,
    /// The id to answer under.
    pub id: RpcId,
    /// The thread it belongs to; empty for none.
    pub thread: String,
    /// The whole message.
    pub payload: Vec<u8>,
}

/// What a server says of itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Incoming {
    /// It asks something and waits.
    Request(ServerCall),
    /// It tells something; pieces of items are not handed on.
    Notification {
        /// Its record.
        seq: u64,
        /// What it is.
        kind: Kind,
        /// The thread it belongs to; empty for none.
        thread: String,
    },
    /// It is gone; nothing comes after this.
    Ended(Ended),
}

/// How a server ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// `exited with 1`, `was killed by signal 9`.
    pub reason: String,
    /// The last it said on its standard error.
    pub stderr: String,
}

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its record.
    pub seq: u64,
    /// The result.
    pub result: Value,
    /// The record of what was noted along with it.
    pub noted: Option<u64>,
}

struct Answer {
    seq: u64,
    noted: Option<u64>,
    payload: Vec<u8>,
}

/// A call that waits for its answer.
struct Waiting {
    answer: oneshot::Sender<Answer>,
    /// What is to be noted along with a success.
    note: Option<Note>,
}

/// What `sm` has to say of a success, recorded in one frame with it.
#[derive(Debug, Clone)]
pub struct Note {
    /// What is said.
    pub said: Synthetic,
    /// The member of the result that names the thread that it is said in: where the answer does not, or names the
    /// thread that the call was about, nothing is said. None for the thread that a result usually names (the
    /// answer to a fork belongs to the thread that was forked and names the new one), else that of the call.
    pub member: Option<&'static str>,
}

impl From<Synthetic> for Note {
    fn from(said: Synthetic) -> Note {
        Note { said, member: None }
    }
}

impl Note {
    /// The thread that it is said in.
    fn thread(&self, reading: &Reading<'_>, line: &[u8]) -> Option<String> {
        let Some(member) = self.member else {
            let named = reading.envelope.thread.as_deref().unwrap_or(&reading.thread);
            return (!reading.thread.is_empty()).then(|| named.to_owned());
        };
        let answer: Value = serde_json::from_slice(line).ok()?;
        let named = answer.get("result")?.get(member)?.as_str()?;
        (!named.is_empty() && *named != reading.thread).then(|| named.to_owned())
    }
}

#[derive(Default)]
struct Calls {
    next: u64,
    waiting: HashMap<u64, Waiting>,
    /// The server is gone.
    closed: bool,
}

struct Shared {
    wire: Mutex<Wire>,
    calls: Mutex<Calls>,
    stderr: LastWords,
    process: ProcessId,
    /// The process has not been waited for, so its pid is its own.
    unreaped: Mutex<bool>,
    ended: watch::Sender<Option<Ended>>,
}

/// A running server. Clones share it.
#[derive(Clone)]
pub struct AppServer {
    shared: Arc<Shared>,
    binary: PathBuf,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AppServer {
    /// Starts a server in a process group of its own and records that it lives. It has not greeted
    /// yet: see [`AppServer::greet`].
    pub fn spawn(
        log: Log,
        launch: &Launch,
    ) -> Result<(AppServer, mpsc::UnboundedReceiver<Incoming>), StartError> {
        let mut child = orphans::remember(|| giving_way(|| command(launch).spawn()), Child::id)
            .map_err(|source| StartError::Spawn { binary: launch.binary.clone(), source })?;
        let process = ProcessId::of(child.id());
        let process = process.unwrap_or(ProcessId { pid: child.id(), started: 0 });
        let started = Synthetic::GenerationStarted(GenerationStarted {
            source: launch.source,
            generation: launch.generation,
            pid: Some(process.pid),
            pid_started: Some(process.started),
        });
        let noted =
            Scribe::new(log.clone()).note_of(launch.source, launch.generation, now(), "", &started);
        // Whoever finds it after a crash must find it in the log.
        if let Err(error) = noted.and_then(|receipt| receipt.wait()) {
            process.signal_group_unchecked(Signal::KILL);
            let _ = child.wait();
            orphans::forget(process.pid);
            return Err(error.into());
        }
        let (wire, messages) = Wire::new(Recorder::new(log, launch.source, launch.generation));
        let shared = Arc::new(Shared {
            wire: Mutex::new(wire),
            calls: Mutex::default(),
            stderr: LastWords::default(),
            process,
            unreaped: Mutex::new(true),
            ended: watch::Sender::new(None),
        });
        let incoming = attend(&shared, child, messages);
        Ok((AppServer { shared, binary: launch.binary.clone() }, incoming))
    }

    /// Greets the server. Returns its answer.
    pub async fn greet(&self, client: &str, version: &str) -> Result<Reply, StartError> {
        let params = json!({
            "clientInfo": { "name": client, "title": client, "version": version },
            "capabilities": { "experimentalApi": true },
        });
        match self.call("initialize", params, GREETING).await {
            Ok(reply) => {
                // It is only gone by now if it died, which its end will tell.
                let _ = self.notify("initialized");
                Ok(reply)
            }
            Err(CallError::Lost { .. } | CallError::Gone { .. }) => {
                let ended = self.ended().await;
                let binary = self.binary.clone();
                Err(StartError::Died { binary, reason: ended.reason, stderr: ended.stderr })
            }
            Err(source) => {
                let stderr = self.shared.stderr.text();
                Err(StartError::Greeting { binary: self.binary.clone(), source, stderr })
            }
        }
    }

    /// Its process, leader of its group.
    pub fn process(&self) -> ProcessId {
        self.shared.process
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        !lock(&self.shared.calls).closed
    }

    /// Calls a method and waits for the answer, at most `patience`.
    pub async fn call(
        &self,
        method: &str,
        params: Value,
        patience: Duration,
    ) -> Result<Reply, CallError> {
        self.call_noting(method, params, patience, None).await
    }

    /// The same; a success that names a thread, or answers a call about one, is recorded together with
    /// `note`.
    pub async fn call_noting(
        &self,
        method: &str,
        params: Value,
        patience: Duration,
        note: Option<Note>,
    ) -> Result<Reply, CallError> {
        let name = || method.to_owned();
        let (id, answer) = self.send_call(method, &params, note)?;
        let _forget = Forget { shared: &self.shared, id };
        let answer = match tokio::time::timeout(patience, answer).await {
            Err(_) => return Err(CallError::NoAnswer { method: name(), waited: patience }),
            Ok(Err(_)) => return Err(CallError::Lost { method: name() }),
            Ok(Ok(answer)) => answer,
        };
        let seq = answer.seq;
        let mut message: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        if let Some(error) = message.get("error") {
            let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
            return Err(CallError::Refused {
                method: name(),
                code,
                message: reason_of(error),
                seq,
            });
        }
        let result = message.get_mut("result").map(Value::take).unwrap_or_default();
        Ok(Reply { seq, result, noted: answer.noted })
    }

    fn send_call(
        &self,
        method: &str,
        params: &Value,
        note: Option<Note>,
    ) -> Result<(u64, oneshot::Receiver<Answer>), CallError> {
        aside(|| self.record_call(method, params, note))
    }

    /// Records a call and hands it to the writer; waits while the log has no room.
    fn record_call(
        &self,
        method: &str,
        params: &Value,
        note: Option<Note>,
    ) -> Result<(u64, oneshot::Receiver<Answer>), CallError> {
        let name = || method.to_owned();
        let mut wire = lock(&self.shared.wire);
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut calls = lock(&self.shared.calls);
            if calls.closed || !wire.is_open() {
                return Err(CallError::Gone { method: name() });
            }
            calls.next += 1;
            let id = calls.next;
            calls.waiting.insert(id, Waiting { answer: sender, note });
            id
        };
        let message = json!({ "id": id, "method": method, "params": params });
        match wire.send(now(), message.to_string().into_bytes()) {
            Ok(_) => Ok((id, answer)),
            Err(source) => {
                lock(&self.shared.calls).waiting.remove(&id);
                Err(CallError::Log { method: name(), source })
            }
        }
    }

    /// Says something that needs no answer.
    pub fn notify(&self, method: &str) -> Result<u64, CallError> {
        self.send(method, json!({ "method": method }).to_string())
    }

    /// Answers a request of the server.
    pub fn respond(&self, id: &RpcId, result: &Value) -> Result<u64, CallError> {
        self.send("the answer", format!("{{\"id\":{},\"result\":{result}}}", raw(id)))
    }

    /// Answers a request of the server with an error.
    pub fn refuse(&self, id: &RpcId, code: i64, message: &str) -> Result<u64, CallError> {
        let error = json!({ "code": code, "message": message });
        self.send("the answer", format!("{{\"id\":{},\"error\":{error}}}", raw(id)))
    }

    fn send(&self, what: &str, message: String) -> Result<u64, CallError> {
        aside(|| {
            let mut wire = lock(&self.shared.wire);
            if lock(&self.shared.calls).closed || !wire.is_open() {
                return Err(CallError::Gone { method: what.to_owned() });
            }
            let sent = wire.send(now(), message.into_bytes());
            sent.map_err(|source| CallError::Log { method: what.to_owned(), source })
        })
    }

    /// Waits until it is gone.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        let found = ended.wait_for(Option::is_some).await;
        found.map(|ended| ended.clone().unwrap_or_default()).unwrap_or_default()
    }

    /// Ends it in order: closes its input, then asks its group to end, then forces it to.
    pub async fn end(&self, patience: Duration) -> Ended {
        aside(|| lock(&self.shared.wire).close());
        for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
            if let Some(signal) = signal {
                self.shared.signal(signal);
            }
            if let Ok(ended) = tokio::time::timeout(patience, self.ended()).await {
                return ended;
            }
        }
        self.ended().await
    }
}

/// The words of an error. One that is not made as JSON-RPC says is told as it came.
fn reason_of(error: &Value) -> String {
    let words = error.get("message").unwrap_or(error);
    match words {
        Value::String(words) => words.clone(),
        Value::Null => "no reason given".to_owned(),
        other => other.to_string(),
    }
}

/// The id as it came, or as text if it is no JSON.
fn raw(id: &RpcId) -> String {
    match serde_json::from_str::<&RawValue>(&id.0) {
        Ok(raw) => raw.get().to_owned(),
        Err(_) => Value::from(id.0.as_str()).to_string(),
    }
}

/// Forgets a call that nobody waits for any more.
struct Forget<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut calls = lock(&self.shared.calls);
        // An answer that comes too late for its caller makes a thread all the same: whose it is, is noted.
        if calls.waiting.get(&self.id).is_some_and(|waiting| waiting.note.is_none()) {
            calls.waiting.remove(&self.id);
        }
    }
}

fn command(launch: &Launch) -> Command {
    let mut command = Command::new(&launch.binary);
    for setting in &launch.settings {
        // Before the subcommand, where every release knows it.
        command.args(["-c", setting]);
    }
    command
        .arg("app-server")
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .env("CODEX_HOME", &launch.codex_home)
        .current_dir(Path::new("/"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    for name in &launch.env_remove {
        command.env_remove(name);
    }
    command
}

/// Gives each of the process's streams a thread, and its end one.
fn attend(
    shared: &Arc<Shared>,
    mut child: Child,
    messages: threads::Receiver<outgoing::Message>,
) -> mpsc::UnboundedReceiver<Incoming> {
    let (sender, incoming) = mpsc::unbounded_channel();
    let (all_read, last_line) = threads::channel::<()>();
    if let Some(stdin) = child.stdin.take() {
        std::thread::spawn(move || outgoing::write_all(messages, stdin));
    }
    if let Some(stderr) = child.stderr.take() {
        let (words, all_read) = (shared.stderr.clone(), all_read.clone());
        std::thread::spawn(move || {
            words.drain(stderr);
            drop(all_read);
        });
    }
    if let Some(stdout) = child.stdout.take() {
        let (shared, sender) = (Arc::clone(shared), sender.clone());
        std::thread::spawn(move || {
            shared.read(stdout, &sender);
            drop(all_read);
        });
    }
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let status = shared.reap(&mut child);
        // Its last lines and words come before its end: nothing is ever sent, but whoever has read all
        // lets go. A stranger that holds its output does not matter.
        let _ = last_line.recv_timeout(LAST_LINES);
        shared.close(status, &sender);
    });
    incoming
}

impl Shared {
    /// Sends a signal to the server's group while its pid cannot be another's.
    fn signal(&self, signal: Signal) {
        let unreaped = lock(&self.unreaped);
        if *unreaped {
            self.process.signal_group_unchecked(signal);
        }
    }

    /// Waits for the process's end, ends what is left of its group, and takes the pid back.
    fn reap(&self, child: &mut Child) -> Option<ExitStatus> {
        if let Some(pid) = i32::try_from(self.process.pid).ok().and_then(Pid::from_raw) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        }
        self.signal(Signal::KILL);
        let mut unreaped = lock(&self.unreaped);
        *unreaped = false;
        let status = child.wait().ok();
        orphans::forget(self.process.pid);
        status
    }

    fn close(&self, status: Option<ExitStatus>, incoming: &mpsc::UnboundedSender<Incoming>) {
        lock(&self.wire).close();
        let mut calls = lock(&self.calls);
        calls.closed = true;
        calls.waiting.clear();
        drop(calls);
        let ended = Ended { reason: reason(status), stderr: self.stderr.text() };
        self.ended.send_replace(Some(ended.clone()));
        let _ = incoming.send(Incoming::Ended(ended));
    }

    /// Reads lines of any length until the stream ends.
    fn read(&self, stdout: impl Read, incoming: &mpsc::UnboundedSender<Incoming>) {
        let mut stdout = BufReader::with_capacity(1 << 16, stdout);
        let mut line = Vec::new();
        loop {
            line.clear();
            line.shrink_to(LINE_KEPT_BYTES);
            match stdout.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            self.heard(&line, incoming);
        }
    }

    /// What is to be noted along with an answer.
    fn note_of(&self, reading: &Reading<'_>, line: &[u8]) -> Option<(String, Synthetic)> {
        let envelope = &reading.envelope;
        if envelope.shape != Shape::Response {
            return None;
        }
        let id = envelope.id.as_ref()?.0.parse().ok()?;
        let mut calls = lock(&self.calls);
        let note = &mut calls.waiting.get_mut(&id)?.note;
        let thread = note.as_ref()?.thread(reading, line)?;
        Some((thread, note.take()?.said))
    }

    fn heard(&self, line: &[u8], incoming: &mpsc::UnboundedSender<Incoming>) {
        let recorded = {
            let mut wire = lock(&self.wire);
            let note = |reading: &Reading<'_>| self.note_of(reading, line);
            let recorded = wire.recorder.record_noting(Direction::Server, now(), line, note);
            recorded.map(|(reading, receipt)| {
                let noted = (receipt.last > receipt.first).then_some(receipt.last);
                (reading.envelope, reading.thread.into_owned(), receipt.first, noted)
            })
        };
        // What a failing disk lost is declared in the log; the conversation goes on.
        let (envelope, thread, seq, noted) = recorded.unwrap_or_else(|_| {
            let envelope = Envelope::scan(line);
            let thread = envelope.thread.as_deref().unwrap_or("").to_owned();
            (envelope, thread, 0, None)
        });
        match envelope.shape {
            Shape::Response | Shape::ErrorResponse => {
                let id = envelope.id.and_then(|id| id.0.parse::<u64>().ok());
                let caller = id.and_then(|id| lock(&self.calls).waiting.remove(&id));
                if let Some(caller) = caller {
                    let _ = caller.answer.send(Answer { seq, noted, payload: line.to_vec() });
                }
            }
            Shape::Request => {
                let Some(id) = envelope.id else { return };
                let method = envelope.method.as_deref().unwrap_or("").to_owned();
                let (kind, payload) = (envelope.kind, line.to_vec());
                let call = ServerCall { seq, kind, method, id, thread, payload };
                let _ = incoming.send(Incoming::Request(call));
            }
            Shape::Notification if !envelope.kind.is_delta() => {
                let kind = envelope.kind;
                let _ = incoming.send(Incoming::Notification { seq, kind, thread });
            }
            _ => {}
        }
    }
}

fn reason(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("was killed by signal {signal}"),
            (None, Some(code)) => format!("exited with {code}"),
            (None, None) => "ended".to_owned(),
        },
        None => "ended, nobody knows how".to_owned(),
    }
}
