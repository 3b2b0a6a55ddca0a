//! A conversation with one server: requests, answers, and waiting for what it says.
//!
//! All that was received is kept, so that a wait can look back to a mark: what is waited for often
//! comes before the answer to the request that brought it about.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answers::answer;
use super::server::{Server, Tap};
use super::stage::Stop;

/// How long anything may take before the scenario has gone wrong.
const PATIENCE: Duration = Duration::from_secs(45);

/// A connected client.
#[derive(Debug)]
pub struct Client {
    server: Server,
    next_id: u64,
    received: Vec<Value>,
    /// The server's requests that were not answered yet, oldest first.
    pub open: VecDeque<Value>,
    /// Whether requests stay open until [`Client::decide`].
    pub holds: bool,
    /// What approvals are answered with, in order; then all are accepted.
    pub decisions: VecDeque<Value>,
}

impl Client {
    /// Starts a server and says hello.
    ///
    /// # Errors
    /// When it does not start or does not answer.
    pub fn start(command: Command, tap: &Tap, capabilities: &Value) -> Result<Client, Stop> {
        let server = Server::start(command, tap)
            .map_err(|error| Stop::Wrong(format!("cannot start codex: {error}")))?;
        Client::greet(server, capabilities)
    }

    /// Says hello on a connection. Capabilities that are null are not mentioned.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn greet(server: Server, capabilities: &Value) -> Result<Client, Stop> {
        let mut client = Client {
            server,
            next_id: 0,
            received: Vec::new(),
            open: VecDeque::new(),
            holds: false,
            decisions: VecDeque::new(),
        };
        let mut hello = json!({"clientInfo":
            {"name": "recorder", "title": "recorder", "version": "0.1"}});
        if !capabilities.is_null() {
            hello["capabilities"] = capabilities.clone();
        }
        client.request("initialize", hello)?;
        client.send(&json!({"method": "initialized"}))?;
        Ok(client)
    }

    /// Where the record of what was received stands now.
    pub fn mark(&self) -> usize {
        self.received.len()
    }

    /// What was received since a mark.
    pub fn since(&self, mark: usize) -> &[Value] {
        &self.received[mark..]
    }

    /// Sends a request and waits for its result.
    ///
    /// # Errors
    /// When the server answers with an error, or not at all.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Stop> {
        let answer = self.ask(method, params)?;
        match answer.get("error") {
            Some(error) => Err(Stop::Wrong(format!("{method}: {error}"))),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Sends a request and waits for its answer, be it a result or an error.
    ///
    /// # Errors
    /// When there is none.
    pub fn ask(&mut self, method: &str, params: Value) -> Result<Value, Stop> {
        let mark = self.mark();
        let id = self.post(method, params)?;
        self.wait(mark, method, |message| message.get("method").is_none() && message["id"] == id)
    }

    /// Sends a request and does not wait.
    ///
    /// # Errors
    /// When the server no longer reads.
    pub fn post(&mut self, method: &str, params: Value) -> Result<u64, Stop> {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"id": id, "method": method, "params": params}))?;
        Ok(id)
    }

    /// Waits for a message, looking back to the mark.
    ///
    /// # Errors
    /// When the server ends first, or patience does.
    pub fn wait(
        &mut self,
        mark: usize,
        what: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value, Stop> {
        let deadline = Instant::now() + PATIENCE;
        let mut next = mark;
        loop {
            while let Some(message) = self.received.get(next) {
                if is_it(message) {
                    return Ok(message.clone());
                }
                next += 1;
            }
            if !self.receive(deadline)? {
                let last = self.received.last().map(Value::to_string).unwrap_or_default();
                let last: String = last.chars().take(300).collect();
                return Err(Stop::Wrong(format!("no {what} came; the last message was {last}")));
            }
        }
    }

    /// Waits for a notification of this thread.
    ///
    /// # Errors
    /// As [`Client::wait`].
    pub fn wait_for(&mut self, mark: usize, method: &str, thread: &str) -> Result<Value, Stop> {
        self.wait(mark, method, |message| {
            message["method"] == method && message["params"]["threadId"] == thread
        })
    }

    /// Waits until so many requests are open.
    ///
    /// # Errors
    /// As [`Client::wait`].
    pub fn wait_open(&mut self, count: usize) -> Result<(), Stop> {
        let deadline = Instant::now() + PATIENCE;
        while self.open.len() < count {
            if !self.receive(deadline)? {
                return Err(Stop::Wrong(format!("only {} requests are open", self.open.len())));
            }
        }
        Ok(())
    }

    /// Takes in what comes until nothing has come for so long.
    ///
    /// # Errors
    /// When the server ends.
    pub fn settle(&mut self, quiet: Duration) -> Result<(), Stop> {
        while self.receive(Instant::now() + quiet)? {}
        Ok(())
    }

    /// Takes in what comes for so long.
    ///
    /// # Errors
    /// When the server ends.
    pub fn pass(&mut self, time: Duration) -> Result<(), Stop> {
        let deadline = Instant::now() + time;
        while self.receive(deadline)? {}
        Ok(())
    }

    /// Kills the server; nothing can be sent or received after it.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Answers an open request, the oldest being number 0.
    ///
    /// # Errors
    /// When there is none, or the server no longer reads.
    pub fn decide(&mut self, index: usize, decision: Value) -> Result<(), Stop> {
        let request = self
            .open
            .remove(index)
            .ok_or_else(|| Stop::Wrong("no such request is open".to_owned()))?;
        self.respond(&request, Some(decision))
    }

    fn send(&mut self, message: &Value) -> Result<(), Stop> {
        self.server
            .send(message.to_string().as_bytes())
            .map_err(|error| Stop::Wrong(format!("codex does not read: {error}")))
    }

    /// Takes in one message; false when none came in time.
    fn receive(&mut self, deadline: Instant) -> Result<bool, Stop> {
        let rest = deadline.saturating_duration_since(Instant::now());
        let bytes = match self.server.messages.recv_timeout(rest) {
            Ok(bytes) => bytes,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Stop::Wrong("codex ended its output".to_owned()));
            }
        };
        let message: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        self.received.push(message.clone());
        if message.get("method").is_some() && message.get("id").is_some() {
            if self.holds {
                self.open.push_back(message);
            } else {
                let decision = is_approval(&message).then(|| self.decisions.pop_front()).flatten();
                self.respond(&message, decision)?;
            }
        }
        Ok(true)
    }

    fn respond(&mut self, request: &Value, decision: Option<Value>) -> Result<(), Stop> {
        self.send(&json!({"id": request["id"], "result": answer(request, decision)}))
    }
}

fn is_approval(request: &Value) -> bool {
    request["method"].as_str().is_some_and(|method| method.ends_with("/requestApproval"))
}
