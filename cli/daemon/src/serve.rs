//! The daemon from its start to its end.
//!
//! What always holds: one daemon for a data directory, by the log's lock; it answers only once what a
//! dead one left behind is put in order; it ends its servers before it lets the log go.

use crate::caller::peer::Peer;
use crate::config::Config;
use crate::daemon::{Daemon, blocking};
use crate::home::{HomeError, Writer};
use crate::http;
use crate::input::reminders;
use crate::problem::Refusal;
use crate::recording;
use crate::requests::automatic;
use crate::servers::older::Older;
use crate::servers::revive::revive;
use crate::servers::{attend, older, recovery};
use crate::sessions::interrupt::interrupt_turn;
use crate::tables::folding::Folding;
use crate::tables::unseen;
use axum::Router;
use sm_ingest::app_server::{adopt_orphans, reap_orphans};
use sm_projections::rows::Session;
use sm_projections::tables::Sessions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// How long a turn may take to end when the daemon does, and each step of a server's end.
const ENDING: Duration = Duration::from_secs(3);

/// How long open answers may take when the daemon ends.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// How long the remains of orphans may lie.
const BURIAL: Duration = Duration::from_secs(1);

/// The daemon could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The system refused.
    #[error("failed to {act} {}: {source}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// TCP could not be served as it was asked for.
    #[error("failed to serve on TCP: {source}")]
    Tcp {
        /// The system's answer.
        source: io::Error,
    },
    /// What a dead daemon left behind could not be put in order.
    #[error("failed to recover: {0}")]
    Recover(Refusal),
}

/// Runs a daemon until it is told to end: by `POST /v1/shutdown`, SIGTERM or SIGINT.
pub fn serve(config: Config) -> Result<(), ServeError> {
    let home = config.home.clone();
    let Writer { log, projector, store, .. } = home.open_writer(|_| {})?;
    home.create_run_dir()?;
    let path = home.socket_path();
    let fail = |act: &'static str| {
        let path = path.clone();
        move |source| ServeError::Io { act, path, source }
    };
    let folding = Folding::start(&log, projector, Arc::clone(&config.say));
    let folding = folding.map_err(fail("start a thread for"))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(fail("start the runtime for"))?;
    let (daemon, started) = Daemon::new(config, log.clone(), store, folding.folded());
    let daemon = Arc::new(daemon);
    let served = runtime.block_on(async {
        tokio::spawn(attend::attend_all(Arc::clone(&daemon), started));
        run(daemon, &path).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(folding);
    let synced = log.sync();
    drop(log);
    served?;
    synced.map(drop).map_err(|error| ServeError::Recover(error.into()))
}

async fn run(daemon: Arc<Daemon>, path: &Path) -> Result<(), ServeError> {
    keep_orphans(&daemon).map_err(|source| ServeError::Io {
        act: "adopt orphans for",
        path: path.to_path_buf(),
        source,
    })?;
    let lost = recovery::recover(&daemon).await.map_err(ServeError::Recover)?;
    let listener = listen(path).map_err(|source| ServeError::Io {
        act: "listen on",
        path: path.to_path_buf(),
        source,
    })?;
    watch_signals(&daemon).map_err(|source| ServeError::Io {
        act: "wait for signals for",
        path: path.to_path_buf(),
        source,
    })?;
    let fail_tcp = |source| ServeError::Tcp { source };
    let tcp = match daemon.config.tcp {
        Some(address) => Some(http::tcp::listen(address).await.map_err(fail_tcp)?),
        None => None,
    };
    if daemon.config.demo {
        end_with_input(&daemon);
    }
    daemon.say(&format!("serving on {}", path.display()));
    tokio::spawn(automatic::expire(Arc::clone(&daemon)));
    tokio::spawn(reminders::keep(Arc::clone(&daemon)));
    tokio::spawn(recording::watch(Arc::clone(&daemon)));
    tokio::spawn(unseen::keep_readable(Arc::clone(&daemon)));
    tokio::spawn(revive(Arc::clone(&daemon), lost, None, Older::Refused));
    tokio::spawn(older::say(Arc::clone(&daemon)));
    let (stopping, router) = (Arc::clone(&daemon), http::router(Arc::clone(&daemon)));
    if let Some(listener) = tcp {
        serve_tcp(&daemon, listener, router.clone()).map_err(fail_tcp)?;
    }
    let router = router.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopping.stopped().await });
    let mut serving = tokio::spawn(async move { server.await });
    daemon.stopped().await;
    daemon.say("ending");
    let _ = tokio::time::timeout(LAST_ANSWERS, &mut serving).await;
    serving.abort();
    end_servers(&daemon).await;
    // Another daemon can only have bound it after the log was let go, which it was not yet.
    let _ = std::fs::remove_file(path);
    Ok(())
}

/// Serves the same routes on a loopback address, behind the token.
fn serve_tcp(daemon: &Arc<Daemon>, listener: TcpListener, router: Router) -> io::Result<()> {
    let address = listener.local_addr()?;
    let router = http::tcp::guarded(router, &daemon.config.home, address)?;
    let router = router.into_make_service_with_connect_info::<Peer>();
    let _ = daemon.tcp.set(address);
    daemon.say(&format!("serving on http://{address}, with the token"));
    let stopping = Arc::clone(daemon);
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopping.stopped().await });
    tokio::spawn(async move { server.await });
    Ok(())
}

/// Binds the socket, private to the user. Whoever holds the log's lock owns its name.
fn listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn watch_signals(daemon: &Arc<Daemon>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let daemon = Arc::clone(daemon);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        daemon.stop();
    });
    Ok(())
}

/// Keeps below this process whatever loses its parent below a server, so that it is still known for an
/// agent's, and takes away what is left of it once it has ended.
fn keep_orphans(daemon: &Arc<Daemon>) -> io::Result<()> {
    adopt_orphans()?;
    let mut ended = signal(SignalKind::child())?;
    let daemon = Arc::clone(daemon);
    tokio::spawn(async move {
        while ended.recv().await.is_some() {
            // Many end at once.
            tokio::time::sleep(BURIAL).await;
            let _ = blocking(reap_orphans).await;
            if daemon.is_stopping() {
                return;
            }
        }
    });
    Ok(())
}

/// Ends the daemon when its standard input ends: whoever holds the other end is gone, however it went.
fn end_with_input(daemon: &Arc<Daemon>) {
    let daemon = Arc::clone(daemon);
    // A thread of its own, which the process does not wait for at its end.
    std::thread::spawn(move || {
        // What cannot be read has ended, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        daemon.stop();
    });
}

/// Interrupts open turns, then ends every server, and waits until that is recorded.
async fn end_servers(daemon: &Arc<Daemon>) {
    let mut turns = JoinSet::new();
    let busy = busy(daemon).unwrap_or_else(|error| {
        daemon.say(&format!("no turn was interrupted: {error}"));
        Vec::new()
    });
    for session in busy {
        let daemon = Arc::clone(daemon);
        turns.spawn(async move {
            let Some(open) = &session.open_turn else { return };
            let interrupted = interrupt_turn(&daemon, &session, &open.id);
            let _ = tokio::time::timeout(ENDING, interrupted).await;
        });
    }
    turns.join_all().await;
    // One that was being started just now is there after this, or has ended, and no other is started.
    daemon.pool.started().await;
    let mut ends = JoinSet::new();
    for server in daemon.pool.running() {
        let daemon = Arc::clone(daemon);
        ends.spawn(async move {
            server.app.end(ENDING).await;
            // The task that attends to it records its end.
            let _ = daemon.recorded_end(&server).await;
        });
    }
    ends.join_all().await;
}

fn busy(daemon: &Daemon) -> Result<Vec<Session>, Refusal> {
    let mut busy = Vec::new();
    daemon.look(|view| {
        view.scan::<Sessions>(&[], &[], |_, session| {
            if session.open_turn.is_some() && !session.gone {
                busy.push(session);
            }
            true
        })
    })?;
    busy.retain(|session| daemon.is_live(session));
    Ok(busy)
}
