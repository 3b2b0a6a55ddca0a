//! A verb at work: who acts on which session, and the calls made for it.
//!
//! What always holds: as long as it is there, it holds the session's lock.

use super::releases;
use crate::api::Act;
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::family;
use crate::input;
use crate::problem::Refusal;
use crate::said::{self, is_unknown_method};
use crate::servers::archive;
use crate::servers::older::{self, Older};
use crate::servers::pool::Server;
use crate::servers::resume;
use serde_json::{Value, json};
use sm_ingest::app_server::{CallError, Note, Reply, Version};
use sm_projections::rows::{Session, Sid};
use sm_projections::views::Selection;
use sm_protocol::synthetic::Synthetic;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;

/// How long Codex may take for a verb.
const PATIENCE: Duration = Duration::from_secs(120);

/// See the module.
pub(crate) struct Scene {
    pub daemon: Arc<Daemon>,
    pub caller: Caller,
    pub sid: Sid,
    pub session: Session,
    _lock: OwnedMutexGuard<()>,
}

impl Scene {
    /// The session that `word` means, if whoever asks may act on it.
    pub async fn set(daemon: &Arc<Daemon>, word: &str, act: &Act) -> Result<Scene, Refusal> {
        Scene::at(daemon, word, act, family::may_act).await
    }

    /// The same for a question: an agent may ask about itself, too, which is none of its children.
    pub async fn to_ask(daemon: &Arc<Daemon>, word: &str, act: &Act) -> Result<Scene, Refusal> {
        Scene::at(daemon, word, act, |daemon, caller, target| match caller {
            Caller::Agent(agent) if agent.sid == target.sid => Ok(()),
            _ => family::may_act(daemon, caller, target),
        })
        .await
    }

    async fn at(
        daemon: &Arc<Daemon>,
        word: &str,
        act: &Act,
        may: impl FnOnce(&Daemon, &Caller, &Selection) -> Result<(), Refusal>,
    ) -> Result<Scene, Refusal> {
        daemon.caught_up().await?;
        let caller = daemon.caller(act.by.as_deref())?;
        let target = daemon.find(word, act.by.as_deref())?;
        may(daemon, &caller, &target)?;
        let lock = daemon.lock(&target.session.thread_id).await;
        let thread = target.session.thread_id;
        // Whoever had the lock may have changed what the tables tell.
        daemon.caught_up().await?;
        archive::came_out(daemon, &daemon.session(&thread)?.session).await?;
        let Selection { sid, session } = daemon.session(&thread)?;
        let scene = Scene { daemon: Arc::clone(daemon), caller, sid, session, _lock: lock };
        // One that has no server is refused where a server is needed.
        if let Ok(home) = scene.home() {
            daemon.keep_search(&scene.caller, &home, act.codex.as_ref());
        }
        Ok(scene)
    }

    /// Refuses an agent where the session may do more than it by now: what begins a turn in it, or gives words to
    /// one, would be done with rights that the agent does not have.
    pub fn may_lead(&self) -> Result<(), Refusal> {
        // Since it asked it may have been given less.
        let caller = self.daemon.caller(Some(&self.caller.word()))?;
        family::may_still_lead(&self.daemon, &caller, &self.session)
            .map_err(|refusal| refusal.of_session(&self.session))
    }

    /// Its thread.
    pub fn thread(&self) -> &str {
        &self.session.thread_id
    }

    /// The CODEX_HOME that it lives under.
    pub fn home(&self) -> Result<PathBuf, Refusal> {
        self.daemon
            .codex_home_of(&self.session)
            .map_err(|refusal| refusal.of_session(&self.session))
    }

    /// The server for it: the one that it is loaded on, else one of its CODEX_HOME, started if none
    /// runs.
    pub async fn server(&self) -> Result<Arc<Server>, Refusal> {
        let home = self.home()?;
        let Session { source, generation, .. } = self.session;
        match self.daemon.pool.by_source(source, generation) {
            Some(server) => Ok(server),
            None => older::server(&self.daemon, &self.session, &home, Older::Refused).await,
        }
    }

    /// The same, with the thread loaded.
    pub async fn loaded(&self) -> Result<Arc<Server>, Refusal> {
        self.home()?;
        input::doubt(&self.daemon, self.thread()).await?;
        let server = resume::ensure(&self.daemon, self.thread()).await?;
        // Before its history is changed, in which what was lost may stand.
        input::find_out_all(&self.daemon, self.thread()).await?;
        Ok(server)
    }

    /// Has a turn that Codex begins by itself get the settings that the session keeps, not those of its last turn.
    pub async fn with_own_settings(&self, server: &Arc<Server>) -> Result<(), Refusal> {
        if input::put_back(&self.daemon, self.thread()).await? || self.session.open_turn.is_some() {
            return Ok(());
        }
        // Loading it anew does it.
        match resume::unload(server, self.thread()).await {
            Ok(()) => resume::load(&self.daemon, server, &self.session).await,
            Err(_) => {
                let version = server.codex.version;
                let message = format!(
                    "codex {version} would give it the settings that the last turn was given"
                );
                Err(Refusal::new(501, "unsupported", message)
                    .hint(format!(
                        "`sm send {} …` begins one with the session's own",
                        self.session.id
                    ))
                    .of_session(&self.session))
            }
        }
    }

    /// What is in the archive has no history that Codex would work on.
    pub fn out_of_archive(&self) -> Result<(), Refusal> {
        match self.session.archived {
            true => Err(Refusal::archived(&self.session)),
            false => Ok(()),
        }
    }

    /// What was stopped is brought back by those who say so.
    pub fn not_stopped(&self) -> Result<(), Refusal> {
        self.out_of_archive()?;
        match self.session.ended {
            true => Err(Refusal::over(&self.session)),
            false => Ok(()),
        }
    }

    /// What must not happen to a running turn: some releases would do it and say nothing.
    pub fn between_turns(&self, what: &str) -> Result<(), Refusal> {
        let Some(turn) = &self.session.open_turn else { return Ok(()) };
        let id = &self.session.id;
        let message = format!("session {id} is in the middle of a turn: it cannot {what} now");
        Err(Refusal::new(409, "turn_running", message)
            .hint(format!("`sm wait {id}` waits for its end, `sm interrupt {id}` ends it"))
            .details(json!({ "turn_id": turn.id }))
            .of_session(&self.session)
            .retryable())
    }

    /// Calls a method about the thread; it is loaded first where the server says that it is not. With
    /// a success `note` is recorded. The tables tell of both when this returns.
    pub async fn call(
        &self,
        server: &Arc<Server>,
        method: &str,
        params: Value,
        note: Option<Note>,
    ) -> Result<Reply, Refusal> {
        let call = || server.app.call_noting(method, params.clone(), PATIENCE, note.clone());
        let begun = Instant::now();
        let answer = loop {
            match call().await {
                Err(error) if said::is_not_loaded(said::words(&error)) => {
                    let session = self.daemon.session(self.thread())?.session;
                    resume::load(&self.daemon, server, &session).await?;
                    break call().await;
                }
                Err(error)
                    if said::is_leaving(said::words(&error))
                        && begun.elapsed() < resume::LETTING_GO =>
                {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                answer => break answer,
            }
        };
        let reply = answer.map_err(|error| self.refused(server.codex.version, error))?;
        let noted = match (note, reply.noted) {
            (Some(Note { said, member: None }), None) => {
                self.daemon.note(self.thread(), &said).map(|noted| noted.last)
            }
            (_, noted) => Ok(noted.unwrap_or(reply.seq)),
        };
        let told = match noted {
            Ok(noted) => self.daemon.folded_to(noted).await,
            Err(refusal) => Err(refusal),
        };
        told.map_err(|refusal| self.done(method, refusal))?;
        Ok(reply)
    }

    /// What went wrong once Codex had done it: whoever is not told of that would have it done again.
    fn done(&self, method: &str, refusal: Refusal) -> Refusal {
        let Refusal { status, mut problem } = refusal;
        problem.message = format!("Codex did it ({method}), and then: {}", problem.message);
        problem.retryable = false;
        problem.details = json!({ "done": true });
        let id = &self.session.id;
        problem.hint =
            Some(format!("do not repeat it: `sm show {id}` and `sm turns {id}` tell of it soon"));
        Refusal { status, problem }.of_session(&self.session)
    }

    /// The error of a call about the session.
    fn refused(&self, version: Version, error: CallError) -> Refusal {
        let id = &self.session.id;
        match error.refusal() {
            Some((_, words)) if said::has_no_rollout(words) => {
                match (&self.session.unresumable, self.session.archived) {
                    (Some(_), _) => Refusal::over(&self.session),
                    (None, true) => Refusal::archived(&self.session),
                    (None, false) => Refusal::conflict(format!(
                        "Codex has stored nothing of session {id} yet: {words}"
                    ))
                    .hint(format!("`sm send {id} …` gives it a first turn")),
                }
            }
            // The call may have been carried out.
            _ if matches!(error, CallError::Lost { .. } | CallError::NoAnswer { .. }) => {
                refused(version, error).details(json!({ "answer_lost": true }))
            }
            _ => refused(version, error),
        }
        .of_session(&self.session)
    }

    /// Records what was done without Codex.
    pub async fn note(&self, note: &Synthetic) -> Result<u64, Refusal> {
        Ok(self.daemon.noted(self.thread(), note).await?.last)
    }

    /// The session as it is now.
    pub fn document(&self) -> Result<Value, Refusal> {
        self.daemon.document(self.thread())
    }
}

/// The error of a call: what a release does not know is named.
pub(super) fn refused(version: Version, error: CallError) -> Refusal {
    match &error {
        CallError::Refused { method, message, .. } if is_unknown_method(&error) => {
            releases::unsupported(&version.to_string(), method, message)
        }
        CallError::Refused { message, .. } if said::is_not_logged_in(message) => {
            Refusal::new(409, "not_logged_in", error.to_string())
                .hint("`codex login` logs in; what is told of an account needs one")
        }
        _ => error.into(),
    }
}
