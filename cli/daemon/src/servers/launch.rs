//! Servers started when first needed, and their ends recorded.
//!
//! What always holds: at most one server of a CODEX_HOME and version takes turns; a server's end is
//! recorded before another one begins in its place; what is to give way does so once the other one has
//! started; whoever attends to servers gets each one before its first word.

use super::pool::{MARK, Server, Started};
use crate::api::CodexSearch;
use crate::caller::Caller;
use crate::daemon::{Daemon, blocking, now};
use crate::problem::Refusal;
use serde_json::json;
use sm_ingest::app_server::{
    AppServer, Codex, Launch, LocateError, Search, StartError, Version, end_marked,
};
use sm_projections::rows::{Source, SourceKind};
use sm_projections::tables::Sources;
use sm_protocol::synthetic::{GenerationEnded, SourceOpened, Synthetic};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The most lives of one source; the next one is another source.
const GENERATIONS_MAX: usize = 4000;

/// How long the record of a server's end may take.
const RECORDING: Duration = Duration::from_secs(10);

/// Variables of a caller's own session, which are none of another's.
const ENV_REMOVE: &[&str] = &["SM_SESSION_ID", "CODEX_THREAD_ID"];

/// A thread that nobody is subscribed to is unloaded at once, not after half an hour: so another
/// server can be given it. Releases that do not know the setting pass it over.
const SETTINGS: &[&str] = &["thread_unload_delay_secs=0"];

/// A codex, or why none can be run.
struct Looked {
    found: Result<Codex, LocateError>,
    /// The one binary that was to be looked at.
    named: Option<PathBuf>,
    /// It was looked where the daemon was started.
    is_own: bool,
}

impl Daemon {
    /// The server that sessions of a CODEX_HOME are loaded on: of the codex that is found where the
    /// user's last call would look, else where the daemon was started. Started if none runs.
    pub async fn server(&self, codex_home: &Path) -> Result<Arc<Server>, Refusal> {
        let codex = self.codex_of(codex_home).await?;
        self.server_of(codex_home, codex).await
    }

    /// The server for a new session of that caller: of the codex that is found where it told to look.
    /// An agent does not choose what runs.
    pub async fn server_for(
        &self,
        caller: &Caller,
        codex_home: &Path,
        told: Option<&CodexSearch>,
    ) -> Result<Arc<Server>, Refusal> {
        let (Caller::User | Caller::Demo, Some(told)) = (caller, told) else {
            return self.server(codex_home).await;
        };
        self.keep_search(caller, codex_home, Some(told));
        let codex = self.found_by(codex_home, Some(told.to_search())).await?;
        self.server_of(codex_home, codex).await
    }

    /// The codex that a CODEX_HOME's sessions are to run on by now.
    pub async fn codex_of(&self, codex_home: &Path) -> Result<Codex, Refusal> {
        self.found_by(codex_home, self.pool.preferred(codex_home)).await
    }

    /// The codex that is found by `told`, else where the daemon was started, else the one that runs.
    /// What was named and is not there is replaced by nothing.
    async fn found_by(&self, codex_home: &Path, told: Option<Search>) -> Result<Codex, Refusal> {
        let first = match &told {
            Some(told) => self.look_for(told.clone(), false).await?,
            None => self.look_for(self.config.search.clone(), true).await?,
        };
        let error = match first.found {
            Ok(codex) => return Ok(codex),
            Err(error) => not_located(error, first.named.as_deref(), first.is_own),
        };
        if first.named.is_some() {
            return Err(error);
        }
        if told.is_some()
            && let Ok(codex) = self.look_for(self.config.search.clone(), true).await?.found
        {
            return Ok(codex);
        }
        let mut running = self.pool.running().into_iter();
        let runs = running.find(|server| server.codex_home == codex_home && !server.is_draining());
        runs.map(|server| server.codex.clone()).ok_or(error)
    }

    async fn look_for(&self, search: Search, is_own: bool) -> Result<Looked, Refusal> {
        let named = search.explicit.clone();
        let locator = Arc::clone(&self.locator);
        let found = blocking(move || locator.locate(&search)).await?;
        Ok(Looked { found, named, is_own })
    }

    /// The server of that codex for a CODEX_HOME, started if none runs.
    pub async fn server_of(&self, codex_home: &Path, codex: Codex) -> Result<Arc<Server>, Refusal> {
        let slot = self.pool.slot(codex_home, codex.version);
        let _starting = slot.starting.lock().await;
        match self.taking_turns(codex_home, codex.version) {
            Some(server) => Ok(server),
            None => self.start(codex_home, codex).await,
        }
    }

    /// Has a codex take over from a server of another one: started first, if it does not run yet, so one
    /// that does not start changes nothing. Returns the servers that give way from now on.
    pub async fn take_over(
        &self,
        from: &Arc<Server>,
        codex: &Codex,
    ) -> Result<Vec<Arc<Server>>, Refusal> {
        let home = &from.codex_home;
        let slot = self.pool.slot(home, codex.version);
        let _starting = slot.starting.lock().await;
        let (runs, before) = match self.taking_turns(home, codex.version) {
            Some(server) if server.codex == *codex => (true, None),
            before => (false, before),
        };
        if !runs {
            self.start(home, codex.clone()).await?;
        }
        let all = [Some(Arc::clone(from)), before].into_iter().flatten();
        Ok(all.filter(|server| server.give_way_to(codex)).collect())
    }

    /// The server of that CODEX_HOME and version that takes turns. The caller holds the slot's lock.
    fn taking_turns(&self, codex_home: &Path, version: Version) -> Option<Arc<Server>> {
        let mut servers = self.pool.of(codex_home, version).into_iter();
        servers.find(|server| server.app.is_running() && !server.is_draining())
    }

    /// Starts a server. The caller holds the slot's lock.
    async fn start(&self, codex_home: &Path, codex: Codex) -> Result<Arc<Server>, Refusal> {
        // Codex makes its default one itself, but none that it is told of.
        if !codex_home.is_dir() {
            let message = format!("there is no CODEX_HOME {}", codex_home.display());
            return Err(Refusal::new(404, "codex_home_missing", message)
                .hint(
                    "`codex login` makes the default one; `sm spawn --codex-home DIR` names another",
                )
                .retryable());
        }
        let ready = async {
            for before in self.pool.of(codex_home, codex.version) {
                if !before.app.is_running() {
                    self.recorded_end(&before).await?;
                    self.pool.remove(&before);
                }
            }
            self.caught_up().await
        };
        tokio::select! {
            biased;
            () = self.stopped() => return Err(Refusal::stopping()),
            ready = ready => ready?,
        }
        let (source, generation) = self.source_of(&codex, codex_home)?;
        let launch = Launch {
            binary: codex.binary.clone(),
            codex_home: codex_home.to_path_buf(),
            source,
            generation,
            settings: SETTINGS.iter().map(|&setting| setting.to_owned()).collect(),
            env: vec![(MARK.to_owned(), self.mark(source))],
            env_remove: ENV_REMOVE.iter().map(|&name| name.to_owned()).collect(),
        };
        let log = self.log().clone();
        let (app, incoming) = blocking(move || AppServer::spawn(log, &launch))
            .await?
            .map_err(|error| failed(error, &codex, codex_home))?;
        let home = codex_home.to_path_buf();
        let server = Arc::new(Server::new(app, (source, generation), home, codex));
        self.pool.add(&server);
        // Attended from the first: whatever becomes of it, its end is recorded.
        let _ = self.started.send(Started { server: Arc::clone(&server), incoming });
        let refusal = tokio::select! {
            greeted = server.app.greet("sm", &self.config.version) => match greeted {
                Ok(_) => return Ok(server),
                Err(error) => failed(error, &server.codex, codex_home),
            },
            () = self.stopped() => Refusal::stopping(),
        };
        server.app.end(Duration::from_millis(500)).await;
        self.recorded_end(&server).await?;
        Err(refusal)
    }

    /// The source and life that a server to be started is: the newest source of the same binary and
    /// CODEX_HOME goes on with another life, unless one of its lives still runs.
    fn source_of(&self, codex: &Codex, codex_home: &Path) -> Result<(u64, u32), Refusal> {
        let path = codex_home.to_string_lossy().into_owned();
        let version = codex.version.to_string();
        let binary = codex.binary.to_string_lossy().into_owned();
        let is_same = |source: &Source| {
            source.kind == SourceKind::AppServer
                && source.path.as_deref() == Some(&path)
                && source.codex_version.as_deref() == Some(&version)
                && source.binary.as_deref() == Some(&binary)
                && source.generations.len() < GENERATIONS_MAX
        };
        let mut newest = None;
        self.look(|view| {
            view.scan::<Sources>(&[], &[], |number, source| {
                if is_same(&source) && !self.pool.uses(number) {
                    newest = Some((number, source.generations.len() as u32));
                }
                true
            })
        })?;
        if let Some(newest) = newest {
            return Ok(newest);
        }
        let opened = Synthetic::SourceOpened(SourceOpened {
            kind: SourceKind::AppServer.as_str().to_owned(),
            provider: "codex".to_owned(),
            path: Some(path.clone()),
            codex_version: Some(version.clone()),
            binary: Some(binary.clone()),
            ..SourceOpened::default()
        });
        Ok((self.note("", &opened)?.first, 0))
    }

    /// What the mark of a source's processes says.
    pub fn mark(&self, source: u64) -> String {
        format!("{}:{source}", self.log().id())
    }

    /// Ends what a source's ended life left behind: commands that had moved to sessions of their own.
    pub async fn end_leftovers(&self, source: u64) {
        let mark = self.mark(source);
        let ended = blocking(move || end_marked(MARK, &mark)).await;
        if let Ok(ended @ 1..) = ended {
            self.say(&format!("{ended} processes that codex left behind were ended"));
        }
    }

    /// Records that a life ended, seen to at `seen_at`. Returns the record: what its end means is told once that is
    /// folded.
    pub fn note_end(
        &self,
        (source, generation): (u64, u32),
        reason: &str,
        seen_at: Option<i64>,
    ) -> Result<u64, Refusal> {
        let ended = Synthetic::GenerationEnded(GenerationEnded {
            source,
            generation,
            reason: reason.to_owned(),
            seen_at,
        });
        Ok(self.scribe.note_of(source, generation, now(), "", &ended)?.last)
    }

    /// Waits until a server's end is recorded, and the tables say so.
    pub async fn recorded_end(&self, server: &Server) -> Result<(), Refusal> {
        let recorded = self.until(RECORDING, |view| {
            let source = view.get::<Sources>(&server.source)?;
            let lives = source.map(|source| source.generations).unwrap_or_default();
            Ok(lives.get(server.generation as usize).and_then(|life| life.ended_at))
        });
        recorded.await?.map(drop).ok_or_else(|| {
            let pid = server.app.process().pid;
            let message = format!("the end of codex, process {pid}, is not recorded yet");
            Refusal::new(503, "timeout", message).hint("the daemon's log says why").retryable()
        })
    }
}

/// What was started, and how it failed.
fn failed(error: StartError, codex: &Codex, codex_home: &Path) -> Refusal {
    let refusal = Refusal::from(error);
    if !matches!(refusal.problem.code.as_str(), "codex_died" | "codex_missing") {
        return refusal;
    }
    let Codex { binary, version, .. } = codex;
    let message = format!("codex {version}: {}", refusal.problem.message);
    Refusal::new(refusal.status, &refusal.problem.code, message)
        .retryable()
        .hint(format!(
            "CODEX_HOME={} {} app-server shows more by hand; look at config.toml there",
            codex_home.display(),
            binary.display()
        ))
        .details(json!({
            "binary": binary, "version": version.to_string(), "codex_home": codex_home,
        }))
}

/// The remedies: another binary, or another place to look. `is_own`: the daemon looked where it was
/// started, because its caller did not say where.
fn not_located(error: LocateError, named: Option<&Path>, is_own: bool) -> Refusal {
    let refusal = Refusal::from(error);
    let install = match refusal.problem.code.as_str() {
        "codex_too_old" => "`npm install -g @openai/codex` brings a newer one",
        _ => "`npm install -g @openai/codex` installs it",
    };
    let name = match named {
        Some(named) => format!(
            "SM_CODEX={} names this one: set it to a codex binary, SM_CODEX=/path/to/codex sm …, or \
             unset it, so that PATH is searched",
            named.display()
        ),
        None => "or name a binary: SM_CODEX=/path/to/codex sm …".to_owned(),
    };
    let stop = match is_own {
        true => "; `sm serve --stop` before, because the daemon looks where it was started",
        false => "",
    };
    refusal.hint(format!("{install}; {name}{stop}"))
}
