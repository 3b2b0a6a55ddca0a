//! The daemon, as commands meet it: started where none runs, its refusals told as [`Error`]s under
//! the daemon's own codes.

use crate::codex;
use crate::context::{Context, shell_word};
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::{Tables, nothing_yet, select};
use serde_json::{Value, json};
use sm_daemon::api::{self, Health, Problem};
use sm_daemon::{ClientError, Config, Refusal, ServeError, Start};
use sm_projections::View;
use sm_projections::rows::SourceKind;
use sm_projections::tables::Sources;
use sm_projections::views::Selection;
use std::net::SocketAddr;
use std::path::Path;

/// A running daemon.
pub struct Client<'c> {
    client: sm_daemon::Client,
    context: &'c Context,
}

/// An act on a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Ends its running turn.
    Interrupt,
    /// Ends it.
    Stop,
    /// Loads it again.
    Resume,
}

impl Verb {
    /// The verb's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Interrupt => "interrupt",
            Verb::Stop => "stop",
            Verb::Resume => "resume",
        }
    }
}

impl<'c> Client<'c> {
    /// The daemon of this data directory, if one runs.
    pub fn connect(context: &'c Context) -> Result<Option<Client<'c>>, Error> {
        match sm_daemon::Client::connect(&context.home) {
            Ok(client) => Ok(Some(Client { client, context })),
            Err(ClientError::NotRunning { .. }) => Ok(None),
            Err(error) => Err(failed(error, context)),
        }
    }

    /// The daemon of this data directory; it is started where none runs.
    pub fn or_start(context: &'c Context, streams: &Streams) -> Result<Client<'c>, Error> {
        Client::or_start_with(context, streams, &[])
    }

    /// The same; one that is started gets these words of `sm serve`, too.
    pub fn or_start_with(
        context: &'c Context,
        streams: &Streams,
        words: &[&str],
    ) -> Result<Client<'c>, Error> {
        if let Some(client) = Client::connect(context)? {
            return Ok(client);
        }
        let exe = std::env::current_exe();
        let exe = exe.map_err(|source| Error::io("find", Path::new("sm"), &source))?;
        let meter = streams.meter();
        meter.tell("starting the daemon …");
        let words = ["--foreground"].iter().chain(words);
        let start = Start { args: words.map(Into::into).collect(), ..Start::default() };
        let started = sm_daemon::Client::or_start(&context.home, &exe, &start);
        meter.done();
        let client = started.map_err(|error| failed(error, context))?;
        Ok(Client { client, context })
    }

    /// The daemon of this data directory. Where none runs it is started only if one of the
    /// sessions that `words` mean can be acted on; else the first of them says why not.
    pub fn for_sessions(
        context: &'c Context,
        streams: &Streams,
        words: &[String],
    ) -> Result<Client<'c>, Error> {
        if let Some(client) = Client::connect(context)? {
            return Ok(client);
        }
        let tables = Tables::open_some(context, streams)?;
        let found: Vec<Result<Selection, Error>> = {
            let view = tables.view()?;
            words.iter().map(|word| of_server(context, &view, word)).collect()
        };
        // The daemon opens them itself.
        drop(tables);
        let mut why = None;
        for found in found {
            match found {
                Ok(_) => return Client::or_start(context, streams),
                Err(error) => why = why.or(Some(error)),
            }
        }
        Err(why.unwrap_or_else(|| nothing_yet(context)))
    }

    /// How the daemon is.
    pub fn health(&self) -> Result<Health, Error> {
        self.told(self.client.health())
    }

    /// Makes a session.
    pub fn spawn(&self, wish: &api::Spawn) -> Result<api::Spawned, Error> {
        self.told(self.client.spawn(wish))
    }

    /// Hands a session a message.
    pub fn input(&self, session: &str, input: &api::Input) -> Result<api::InputTaken, Error> {
        self.client.input(session, input).map_err(|error| match error {
            ClientError::Broken(_) => {
                let home = self.context.home_words();
                input_lost(failed(error, self.context), session, input, &home)
            }
            error => failed(error, self.context),
        })
    }

    /// Holds what waits for a session, or lets it go on.
    pub fn hold(&self, session: &str, hold: &api::Hold) -> Result<Value, Error> {
        self.told(self.client.hold(session, hold))
    }

    /// Changes what a session keeps.
    pub fn keep(&self, session: &str, keep: &api::Keep) -> Result<Value, Error> {
        self.told(self.client.keep(session, keep))
    }

    /// Has a session reminded.
    pub fn remind(&self, session: &str, remind: &api::Remind) -> Result<Value, Error> {
        self.told(self.client.remind(session, remind))
    }

    /// Takes a reminder back.
    pub fn cancel_reminder(&self, id: &str, cancel: &api::Cancel) -> Result<Value, Error> {
        self.told(self.client.cancel_reminder(id, cancel))
    }

    /// Changes an input.
    pub fn change_input(&self, id: &str, change: &api::InputChange) -> Result<Value, Error> {
        self.told(self.client.change_input(id, change))
    }

    /// Acts on a session.
    pub fn act(&self, verb: Verb, session: &str, act: &api::Act) -> Result<Value, Error> {
        self.told(match verb {
            Verb::Interrupt => self.client.interrupt(session, act),
            Verb::Stop => self.client.stop(session, act),
            Verb::Resume => self.client.resume(session, act),
        })
    }

    /// Carries out a verb of a thread's life.
    pub fn verb<T: serde::de::DeserializeOwned>(
        &self,
        session: &str,
        verb: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, Error> {
        self.told(self.client.verb(session, verb, body))
    }

    /// Asks Codex itself.
    pub fn codex(&self, question: &str, body: &impl serde::Serialize) -> Result<api::Told, Error> {
        self.told(self.client.codex(question, body))
    }

    /// One request, whole.
    pub fn request(&self, request: &str) -> Result<Value, Error> {
        self.told(self.client.request(request))
    }

    /// Answers a request.
    pub fn answer(&self, request: &str, answer: &api::Answer) -> Result<api::Answered, Error> {
        self.told(self.client.answer(request, answer))
    }

    /// Makes a rule with an end.
    pub fn grant(&self, grant: &api::Grant) -> Result<Value, Error> {
        self.told(self.client.grant(grant))
    }

    /// Takes one back.
    pub fn revoke(&self, revoke: &api::Revoke) -> Result<Value, Error> {
        self.told(self.client.revoke(revoke))
    }

    /// Imports a transcript.
    pub fn import(&self, import: &api::Import) -> Result<api::Imported, Error> {
        self.told(self.client.import(import))
    }

    /// Drops what the log need not keep, or tells what would go.
    pub fn prune(&self, wish: &api::Prune) -> Result<api::Pruned, Error> {
        self.told(self.client.prune(wish))
    }

    /// The running Codex servers, and what waits for one.
    pub fn servers(&self) -> Result<api::Servers, Error> {
        self.told(self.client.servers())
    }

    /// Has servers give way to the codex that is found now.
    pub fn drain(&self, wish: &api::Drain) -> Result<api::Drained, Error> {
        self.told(self.client.drain(wish))
    }

    /// Tells the daemon to end.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.told(self.client.shutdown())
    }

    fn told<T>(&self, answer: Result<T, ClientError>) -> Result<T, Error> {
        answer.map_err(|error| failed(error, self.context))
    }
}

/// The calling agent has seen how a session stands, up to record `seq`: a running daemon need not wake it
/// for that.
pub fn looked(context: &Context, session: &str, seq: u64) {
    if context.caller.is_some()
        && let Ok(Some(client)) = Client::connect(context)
    {
        let looked = api::Looked { seq, by: context.caller.clone() };
        // One that is not told of it wakes its parent once more than it need.
        let _ = client.client.looked(session, &looked);
    }
}

/// Who asks, and where to look for codex: what every verb says beside its own.
pub fn acting(context: &Context) -> api::Act {
    api::Act { by: context.caller.clone(), codex: Some(codex::told()), ..api::Act::default() }
}

/// The session that `word` means, if there is or can be a process behind it.
pub fn of_server(context: &Context, view: &View<'_>, word: &str) -> Result<Selection, Error> {
    let found = select(context, view, word)?;
    let source = view.get::<Sources>(&found.session.source)?;
    match source.map(|source| source.kind) {
        Some(SourceKind::AppServer) => Ok(found),
        Some(SourceKind::Import) => Err(imported(context, &found.session.id)),
        _ => {
            let message = format!("nothing is known of session {}", found.session.id);
            Err(Error::new(Exit::Dead, "session_dead", message)
                .hint("Only another session names it: sm show tells which."))
        }
    }
}

/// Nobody waits behind a transcript.
pub fn imported(context: &Context, id: &str) -> Error {
    let home = context.home_words();
    let message = format!("session {id} was imported: there is no process behind it");
    Error::new(Exit::Dead, "session_dead", message)
        .hint(format!("Read it: sm{home} tail {id}. A live one: sm{home} spawn 'PROMPT'"))
}

fn failed(error: ClientError, context: &Context) -> Error {
    let home = context.home_words();
    let message = error.to_string();
    match error {
        ClientError::Refused { problem, .. } => refusal(*problem).in_home(&home),
        ClientError::Home(error) => error.into(),
        ClientError::NotRunning { .. } => Error::new(Exit::Away, "daemon_away", message)
            .hint(format!("Start it: sm{home} serve"))
            .retryable(),
        ClientError::Unreachable { .. } => Error::new(Exit::Away, "daemon_unreachable", message)
            .hint(format!(
                "A sandboxed shell does not reach it: an agent has the tools sm_spawn, sm_send, sm_wait; \
                 what only reads works here, too: sm{home} ps, sm{home} wait"
            )),
        ClientError::NotStarted { log, .. } => {
            // What the daemon itself said names the cause; a lock that another one holds is a
            // conflict like everywhere.
            let held = log.contains("[other_writer]");
            let (exit, code) = match held {
                true => (Exit::Conflict, "other_writer"),
                false => (Exit::Away, "daemon_away"),
            };
            Error::new(exit, code, message)
                .hint(format!("Try it by hand: sm{home} serve --foreground"))
                .retryable()
        }
        error => {
            let away = Error::new(Exit::Away, "daemon_away", message)
                .hint(format!("See how it is: sm{home} serve --status; sm{home} doctor"))
                .retryable();
            match error {
                ClientError::Broken(_) => away.details(json!({ "answer_lost": true })),
                _ => away,
            }
        }
    }
}

/// Nobody knows whether an input was taken: the same again may be said twice, unless a key names it.
fn input_lost(lost: Error, session: &str, input: &api::Input, home: &str) -> Error {
    let session = shell_word(session);
    let hint = match &input.key {
        Some(_) => "Send the same once more: under its key it is taken once.".to_owned(),
        None => format!(
            "It may have been taken: sm{home} queue shows what waits, sm{home} tail {session} what was said. \
             One that is sent with --key NAME can be sent again: it is taken once."
        ),
    };
    Error { retryable: input.key.is_some(), ..lost }.hint(hint)
}

/// The daemon's refusal as the command's error.
fn refusal(problem: Problem) -> Error {
    let exit = match problem.code.as_str() {
        "not_found" | "ambiguous" | "codex_home_missing" => Exit::NotFound,
        "conflict"
        | "pending_structured_request"
        | "already_imported"
        | "already_answered"
        | "key_reused"
        | "request_changed"
        | "turn_changed"
        | "turn_unsteerable"
        | "name_taken"
        | "held"
        | "turn_running"
        | "session_archived"
        | "older_codex" => Exit::Conflict,
        "session_dead" => Exit::Dead,
        "codex_missing" | "codex_too_old" | "codex_died" => Exit::Away,
        "bad_request" | "bad_text" | "too_long" => Exit::Usage,
        "timeout" => Exit::TimedOut,
        _ => Exit::Failed,
    };
    let Problem { code, message, hint, retryable, details } = problem;
    Error { code, message, hint, exit, retryable, details }
}

impl From<Refusal> for Error {
    fn from(refused: Refusal) -> Error {
        refusal(refused.problem)
    }
}

/// Runs the daemon in this process until it is ended.
pub fn serve(context: &Context, demo: bool, tcp: Option<SocketAddr>) -> Result<Exit, Error> {
    let config = Config {
        search: codex::search(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        say: std::sync::Arc::new(crate::output::log_line),
        demo,
        tcp,
        ..Config::new(context.home.clone(), codex::default_home()?)
    };
    sm_daemon::serve(config).map(|()| Exit::Ok).map_err(|error| match error {
        ServeError::Home(error) => error.into(),
        ServeError::Io { act, path, source } => Error::of_home(act, &path, &source),
        ServeError::Recover(why) => why.into(),
        ServeError::Tcp { source } => {
            let message = format!(
                "failed to serve on {}: {source}",
                tcp.map_or(String::new(), |at| at.to_string())
            );
            Error::new(Exit::Failed, "tcp_unusable", message)
                .hint("Take another port, or 0 for any that is free: sm serve --tcp 127.0.0.1:0")
        }
        other => Error::new(Exit::Failed, "failed", other.to_string()),
    })
}
