//! Talking to the daemon by its HTTP, starting it where none runs.
//!
//! What always holds: one request, one connection, no runtime; a daemon's refusal becomes an
//! [`Error`] with the daemon's own code and words.

use crate::codex;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sm_daemon::api::{self, Health, Problem, ProblemBody};
use sm_daemon::{Config, ServeError};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take to answer after its start.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A running daemon.
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The daemon of this data directory, if one answers.
    pub fn connect(context: &Context) -> Option<Client> {
        let socket = context.home.socket_path();
        UnixStream::connect(&socket).is_ok().then_some(Client { socket })
    }

    /// The daemon of this data directory; it is started where none answers.
    pub fn or_start(context: &Context, streams: &Streams) -> Result<Client, Error> {
        match Client::connect(context) {
            Some(client) => Ok(client),
            None => start(context, streams),
        }
    }

    /// How the daemon is.
    pub fn health(&self) -> Result<Health, Error> {
        self.get("/healthz")
    }

    /// Makes a session.
    pub fn spawn(&self, wish: &api::Spawn) -> Result<api::Spawned, Error> {
        self.post("/v1/sessions", wish)
    }

    /// Hands a session a message.
    pub fn input(&self, session: &str, input: &api::Input) -> Result<api::InputTaken, Error> {
        self.post(&format!("/v1/sessions/{}/input", segment(session)), input)
    }

    /// Interrupts, stops or resumes a session.
    pub fn act(&self, verb: &str, session: &str, act: &api::Act) -> Result<Value, Error> {
        self.post(&format!("/v1/sessions/{}/{verb}", segment(session)), act)
    }

    /// Answers a request.
    pub fn answer(&self, request: &str, answer: &api::Answer) -> Result<api::Answered, Error> {
        self.post(&format!("/v1/requests/{}", segment(request)), answer)
    }

    /// Imports a transcript.
    pub fn import(&self, import: &api::Import) -> Result<api::Imported, Error> {
        self.post("/v1/import", import)
    }

    /// Tells the daemon to end.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.post::<Value>("/v1/shutdown", &serde_json::json!({})).map(drop)
    }

    /// Reads a document.
    fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Error> {
        self.call("GET", path, b"")
    }

    /// Asks for something to be done.
    fn post<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A, Error> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|error| Error::new(Exit::Failed, "bug", error.to_string()))?;
        self.call("POST", path, &body)
    }

    fn call<A: DeserializeOwned>(&self, verb: &str, path: &str, body: &[u8]) -> Result<A, Error> {
        let (status, answer) = self.exchange(verb, path, body).map_err(|source| {
            Error::new(Exit::Away, "daemon_away", format!("the daemon did not answer: {source}"))
                .hint("See what it says: sm doctor. Run the command again: it is started anew.")
                .retryable()
        })?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&answer).map_err(|error| {
                let message = format!("the daemon's answer cannot be read: {error}");
                Error::new(Exit::Away, "daemon_version", message)
                    .hint("It may be of another version: sm serve --stop, then run this again.")
            });
        }
        Err(match serde_json::from_slice::<ProblemBody>(&answer) {
            Ok(body) if !body.error.code.is_empty() => refusal(body.error),
            _ => {
                let words = String::from_utf8_lossy(&answer).trim().to_owned();
                Error::new(Exit::Failed, "failed", format!("the daemon says {status}: {words}"))
            }
        })
    }

    fn exchange(&self, verb: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let head = format!(
            "{verb} {path} HTTP/1.1\r\nhost: sm\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        parse(&answer).ok_or_else(|| io::Error::other("it hung up within its answer"))
    }
}

/// The status and body of a whole HTTP answer; `None` for one that was cut.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let is = |name: &str, wanted: &str| name.eq_ignore_ascii_case(wanted);
    let field =
        fields.find(|(name, _)| is(name, "content-length") || is(name, "transfer-encoding"));
    let body = match field {
        Some((name, value)) if is(name, "content-length") => {
            body.get(..value.trim().parse().ok()?)?.to_vec()
        }
        Some(_) => chunks(body)?,
        None => body.to_vec(),
    };
    Some((status, body))
}

fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let from = end + 2;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(from..from.checked_add(size)?)?);
        rest = rest.get(from + size + 2..)?;
    }
}

/// The daemon's refusal as the command's error.
fn refusal(problem: Problem) -> Error {
    let exit = match problem.code.as_str() {
        "not_found" | "ambiguous" => Exit::NotFound,
        "conflict" | "pending_structured_request" | "already_imported" | "already_answered" => {
            Exit::Conflict
        }
        "session_dead" => Exit::Dead,
        "codex_missing" | "codex_too_old" | "codex_died" => Exit::Away,
        "bad_request" => Exit::Usage,
        "timeout" => Exit::TimedOut,
        _ => Exit::Failed,
    };
    let api::Problem { code, message, hint, retryable, details } = problem;
    Error { code, message, hint, exit, retryable, details }
}

/// Starts the daemon in the background and waits until it answers.
fn start(context: &Context, streams: &Streams) -> Result<Client, Error> {
    let meter = streams.meter();
    meter.tell("starting the daemon …");
    let mut child = launch(context)?;
    let began = Instant::now();
    let mut ended = false;
    while began.elapsed() < START_PATIENCE {
        if let Some(client) = Client::connect(context)
            && client.health().is_ok()
        {
            meter.done();
            return Ok(client);
        }
        // Another command may have started one at the same moment: then ours ends, and that one
        // answers soon.
        if !ended && let Ok(Some(status)) = child.try_wait() {
            ended = true;
            if status.code() != Some(Exit::Conflict as i32) {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    meter.done();
    Err(not_started(context, ended))
}

fn launch(context: &Context) -> Result<Child, Error> {
    context.home.create()?;
    context.home.create_run_dir()?;
    let path = context.home.daemon_log();
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let log = log.map_err(|source| Error::io("open", &path, &source))?;
    let errors = log.try_clone().map_err(|source| Error::io("open", &path, &source))?;
    let program = std::env::current_exe()
        .map_err(|source| Error::io("find", std::path::Path::new("sm"), &source))?;
    Command::new(&program)
        .arg("--home")
        .arg(context.home.dir())
        .args(["serve", "--foreground", "--detach"])
        .current_dir("/")
        .env_remove("SM_SESSION_ID")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|source| Error::io("run", &program, &source))
}

fn not_started(context: &Context, ended: bool) -> Error {
    let path = context.home.daemon_log();
    let said = std::fs::read_to_string(&path).unwrap_or_default();
    let mut last: Vec<&str> = said.lines().rev().take(3).collect();
    last.reverse();
    let what = if ended { "ended at once" } else { "does not answer" };
    let message =
        format!("the daemon {what}; it said: {}", crate::output::clean(&last.join(" / ")));
    Error::new(Exit::Away, "daemon_away", message)
        .hint(format!("All it said: {}. Try it by hand: sm serve --foreground", path.display()))
        .retryable()
}

/// Runs the daemon in this process until it is ended.
pub fn serve(context: &Context) -> Result<Exit, Error> {
    let config = Config {
        search: codex::search(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        say: std::sync::Arc::new(crate::output::log_line),
        ..Config::new(context.home.clone(), codex::default_home()?)
    };
    sm_daemon::serve(config).map(|()| Exit::Ok).map_err(|error| match error {
        ServeError::Home(error) => error.into(),
        ServeError::Io { act, path, source } => Error::io(act, &path, &source),
        ServeError::Recover(why) => refusal(why.problem),
        other => Error::new(Exit::Failed, "failed", other.to_string()),
    })
}

/// `word` as one segment of a path.
fn segment(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for byte in word.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_none() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse(plain), Some((200, b"{}".to_vec())));
        assert_eq!(parse(&plain[..plain.len() - 1]), None);
        let chunked =
            b"HTTP/1.1 404 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n";
        assert_eq!(parse(chunked), Some((404, b"{} ".to_vec())));
        assert_eq!(parse(b"HTTP/1.1 200"), None);
    }

    #[test]
    fn any_word_is_one_segment() {
        assert_eq!(segment("@last"), "@last");
        assert_eq!(segment("a/b c"), "a%2Fb%20c");
    }
}
