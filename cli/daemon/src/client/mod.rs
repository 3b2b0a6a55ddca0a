//! The daemon's client, blocking: for commands.
//!
//! What always holds: a connection a call; nothing is tried twice, because a call may have been
//! carried out; no call but a glance has a time limit of its own, because the daemon bounds what it waits for.

mod events;
mod start;

pub use start::Start;

use crate::api::{
    Act, Answer, Answered, Cancel, Drain, Drained, Grant, Health, Hold, Import, Imported, Input,
    InputChange, InputTaken, Keep, Looked, Problem, ProblemBody, Prune, Pruned, Remind, Revoke,
    Servers, Spawn, Spawned, Told,
};
use crate::home::{Home, HomeError};
use events::EventLines;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// The longest path of a call, in bytes: ids are short, and no HTTP takes any length.
const PATH_MAX: usize = 8 << 10;

/// A call was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No daemon answers.
    #[error("no daemon runs for this data directory (nothing answers on {})", socket.display())]
    NotRunning {
        /// Its socket.
        socket: PathBuf,
    },
    /// The caller may not reach the socket, so whether a daemon runs is not known: in a sandbox, say.
    #[error("the daemon cannot be reached from here: {why} ({}); nothing was sent", socket.display())]
    Unreachable {
        /// Its socket.
        socket: PathBuf,
        /// The system's answer.
        why: io::Error,
    },
    /// The daemon refused, with its reason.
    #[error("{}", problem.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The reason.
        problem: Box<Problem>,
    },
    /// The daemon could not be started.
    #[error("the daemon did not start: {why}{}", last_lines(log))]
    NotStarted {
        /// Why, as far as it can be told.
        why: String,
        /// The last of its own log.
        log: String,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The conversation broke off: the call may or may not have been carried out.
    #[error("the daemon's answer was lost: {0}")]
    Broken(String),
}

fn last_lines(log: &str) -> String {
    match log.trim_end() {
        "" => String::new(),
        log => format!("; the last of its log:\n{log}"),
    }
}

impl ClientError {
    /// The daemon's stable code, where it refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            ClientError::Refused { problem, .. } => Some(&problem.code),
            _ => None,
        }
    }
}

/// Talks to the daemon of one data directory.
pub struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Client {
    /// A client of the daemon that runs for `home`.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] where none answers.
    pub fn connect(home: &Home) -> Result<Client, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ClientError::Broken(error.to_string()))?;
        let client = Client { socket: home.socket_path(), runtime };
        match client.health() {
            // It ended as it was asked: by now it is gone, or another one is there.
            Err(ClientError::Broken(_)) => drop(client.health()?),
            asked => drop(asked?),
        }
        Ok(client)
    }

    /// How the daemon of `home` is, if one answers within `patience`.
    pub fn glance(home: &Home, patience: Duration) -> Option<Health> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let client = Client { socket: home.socket_path(), runtime };
        client.runtime.block_on(async {
            let asked = client.send(Method::GET, "/healthz", Bytes::new());
            let told = async { whole(asked.await.ok()?).await.ok() };
            let told = tokio::time::timeout(patience, told).await.ok()??;
            serde_json::from_slice(&told).ok()
        })
    }

    /// `GET /healthz`.
    pub fn health(&self) -> Result<Health, ClientError> {
        self.get("/healthz")
    }

    /// `GET /v1/sessions`.
    pub fn sessions(&self, limit: Option<usize>) -> Result<Value, ClientError> {
        match limit {
            Some(limit) => self.get(&format!("/v1/sessions?limit={limit}")),
            None => self.get("/v1/sessions"),
        }
    }

    /// `GET /v1/sessions/{id}`.
    pub fn session(&self, session: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/sessions/{}", escape(session)))
    }

    /// `GET /v1/sessions/{id}/{list}`: `turns`, `actions`, `children`, `messages`.
    pub fn list(&self, session: &str, list: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/sessions/{}/{list}", escape(session)))
    }

    /// `GET /v1/sessions/{id}/events`.
    pub fn events(
        &self,
        session: &str,
        since_seq: u64,
        limit: usize,
    ) -> Result<Value, ClientError> {
        let session = escape(session);
        self.get(&format!("/v1/sessions/{session}/events?since_seq={since_seq}&limit={limit}"))
    }

    /// `POST /v1/sessions`.
    pub fn spawn(&self, spawn: &Spawn) -> Result<Spawned, ClientError> {
        self.post("/v1/sessions", spawn)
    }

    /// `POST /v1/sessions/{id}/input`.
    pub fn input(&self, session: &str, input: &Input) -> Result<InputTaken, ClientError> {
        self.post(&format!("/v1/sessions/{}/input", escape(session)), input)
    }

    /// `POST /v1/sessions/{id}/queue`.
    pub fn hold(&self, session: &str, hold: &Hold) -> Result<Value, ClientError> {
        self.post(&format!("/v1/sessions/{}/queue", escape(session)), hold)
    }

    /// `POST /v1/sessions/{id}/keep`.
    pub fn keep(&self, session: &str, keep: &Keep) -> Result<Value, ClientError> {
        self.post(&format!("/v1/sessions/{}/keep", escape(session)), keep)
    }

    /// `POST /v1/sessions/{id}/reminders`.
    pub fn remind(&self, session: &str, remind: &Remind) -> Result<Value, ClientError> {
        self.post(&format!("/v1/sessions/{}/reminders", escape(session)), remind)
    }

    /// `POST /v1/reminders/{id}/cancel`.
    pub fn cancel_reminder(&self, id: &str, cancel: &Cancel) -> Result<Value, ClientError> {
        self.post(&format!("/v1/reminders/{}/cancel", escape(id)), cancel)
    }

    /// `POST /v1/sessions/{id}/looked`.
    pub fn looked(&self, session: &str, looked: &Looked) -> Result<(), ClientError> {
        self.post::<Value>(&format!("/v1/sessions/{}/looked", escape(session)), looked).map(drop)
    }

    /// `GET /v1/queue`.
    pub fn queue(&self) -> Result<Value, ClientError> {
        self.get("/v1/queue")
    }

    /// `GET /v1/inputs/{id}`.
    pub fn one_input(&self, id: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/inputs/{}", escape(id)))
    }

    /// `POST /v1/inputs/{id}`.
    pub fn change_input(&self, id: &str, change: &InputChange) -> Result<Value, ClientError> {
        self.post(&format!("/v1/inputs/{}", escape(id)), change)
    }

    /// `POST /v1/sessions/{id}/interrupt`.
    pub fn interrupt(&self, session: &str, act: &Act) -> Result<Value, ClientError> {
        self.post(&format!("/v1/sessions/{}/interrupt", escape(session)), act)
    }

    /// `POST /v1/sessions/{id}/stop`.
    pub fn stop(&self, session: &str, act: &Act) -> Result<Value, ClientError> {
        self.post(&format!("/v1/sessions/{}/stop", escape(session)), act)
    }

    /// `POST /v1/sessions/{id}/resume`.
    pub fn resume(&self, session: &str, act: &Act) -> Result<Value, ClientError> {
        self.post(&format!("/v1/sessions/{}/resume", escape(session)), act)
    }

    /// `POST /v1/sessions/{id}/{verb}`: `name`, `fork`, `archive`, `unarchive`, `compact`, `review`,
    /// `rollback`, `goal`, each with its own body and answer.
    pub fn verb<T: DeserializeOwned>(
        &self,
        session: &str,
        verb: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.post(&format!("/v1/sessions/{}/{verb}", escape(session)), body)
    }

    /// `POST /v1/codex/{question}`: `models`, `mcp`, `limits`, `account`, `skills`, `rpc`.
    pub fn codex(&self, question: &str, body: &impl Serialize) -> Result<Told, ClientError> {
        self.post(&format!("/v1/codex/{question}"), body)
    }

    /// `GET /v1/requests`.
    pub fn requests(&self) -> Result<Value, ClientError> {
        self.get("/v1/requests")
    }

    /// `GET /v1/requests?status=`: the newest of that status first.
    pub fn requests_of(&self, status: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/requests?status={}", escape(status)))
    }

    /// `GET /v1/requests/{id}`.
    pub fn request(&self, request: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/requests/{}", escape(request)))
    }

    /// `POST /v1/requests/{id}`.
    pub fn answer(&self, request: &str, answer: &Answer) -> Result<Answered, ClientError> {
        self.post(&format!("/v1/requests/{}", escape(request)), answer)
    }

    /// `GET /v1/rules`.
    pub fn rules(&self) -> Result<Value, ClientError> {
        self.get("/v1/rules")
    }

    /// `POST /v1/rules`.
    pub fn grant(&self, grant: &Grant) -> Result<Value, ClientError> {
        self.post("/v1/rules", grant)
    }

    /// `POST /v1/rules/revoke`.
    pub fn revoke(&self, revoke: &Revoke) -> Result<Value, ClientError> {
        self.post("/v1/rules/revoke", revoke)
    }

    /// `POST /v1/import`.
    pub fn import(&self, import: &Import) -> Result<Imported, ClientError> {
        self.post("/v1/import", import)
    }

    /// `POST /v1/prune`.
    pub fn prune(&self, wish: &Prune) -> Result<Pruned, ClientError> {
        self.post("/v1/prune", wish)
    }

    /// `GET /v1/servers`.
    pub fn servers(&self) -> Result<Servers, ClientError> {
        self.get("/v1/servers")
    }

    /// `POST /v1/drain`. The servers that give way have yet to end when this returns.
    pub fn drain(&self, drain: &Drain) -> Result<Drained, ClientError> {
        self.post("/v1/drain", drain)
    }

    /// `POST /v1/shutdown`. The daemon has yet to end when this returns.
    pub fn shutdown(&self) -> Result<(), ClientError> {
        self.post::<Value>("/v1/shutdown", &serde_json::json!({})).map(drop)
    }

    /// `GET /v1/events`: hands each event's id and document to `take` until it says stop, or the
    /// daemon ends.
    pub fn follow(
        &self,
        after: Option<&str>,
        mut take: impl FnMut(&str, Value) -> bool,
    ) -> Result<(), ClientError> {
        let path = match after {
            Some(after) => format!("/v1/events?payload=true&after={}", escape(after)),
            None => "/v1/events?payload=true".to_owned(),
        };
        self.runtime.block_on(async {
            let response = self.send(Method::GET, &path, Bytes::new()).await?;
            let status = response.status().as_u16();
            if status != 200 {
                return Err(refused(status, &whole(response).await?));
            }
            let mut body = response.into_body();
            let mut lines = EventLines::default();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| ClientError::Broken(error.to_string()))?;
                let Ok(data) = frame.into_data() else { continue };
                if !lines.push(&data, &mut take) {
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, Bytes::new())
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body =
            serde_json::to_vec(body).map_err(|error| ClientError::Broken(error.to_string()))?;
        self.call(Method::POST, path, body.into())
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        if path.len() > PATH_MAX {
            return Err(no_id("nothing has an id of that length"));
        }
        if path.contains("//") || path.ends_with('/') {
            return Err(no_id("an empty word names nothing"));
        }
        let (status, bytes) = self.runtime.block_on(async {
            let response = self.send(method, path, body).await?;
            let status = response.status().as_u16();
            Ok::<_, ClientError>((status, whole(response).await?))
        })?;
        if status != 200 {
            return Err(refused(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Broken(error.to_string()))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ClientError::NotRunning { socket: self.socket.clone() }
                }
                _ => ClientError::Unreachable { socket: self.socket.clone(), why: error },
            })?;
        let broken = |error: hyper::Error| ClientError::Broken(error.to_string());
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "sm")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        sender.send_request(request).await.map_err(broken)
    }
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = response.into_body().collect().await;
    Ok(body.map_err(|error| ClientError::Broken(error.to_string()))?.to_bytes())
}

fn refused(status: u16, body: &[u8]) -> ClientError {
    let problem = match serde_json::from_slice::<ProblemBody>(body) {
        Ok(body) if !body.error.code.is_empty() => body.error,
        _ => Problem {
            code: "failed".to_owned(),
            message: format!("HTTP {status}: {}", String::from_utf8_lossy(body)),
            ..Problem::default()
        },
    };
    ClientError::Refused { status, problem: Box::new(problem) }
}

/// The refusal of an id that is none.
fn no_id(message: &str) -> ClientError {
    let problem = Problem {
        code: "not_found".to_owned(),
        message: message.to_owned(),
        hint: Some(
            "`sm ps` lists the sessions, `sm inbox` the requests, with their ids".to_owned(),
        ),
        ..Problem::default()
    };
    ClientError::Refused { status: 404, problem: Box::new(problem) }
}

/// A path segment, or a query's value.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' | b':' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_any_kind_is_one_path_segment() {
        assert_eq!(escape("a b/ü?"), "a%20b%2F%C3%BC%3F");
        assert_eq!(escape("@last"), "@last");
    }
}
