//! The demo with the real codex: a scripted model on loopback, a daemon of its own.

use super::Stage;
use super::screen::Screen;
use super::scripts::{self, Actor};
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::Streams;
use sm_daemon::{Codex, api};
use sm_scripted_model::{ConfigOptions, Options, ScriptedModel, codex_config_toml};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The time between two words of the model: readable.
const PACE: Duration = Duration::from_millis(25);

/// How long the daemon may take to answer, and to end.
const DAEMON_PATIENCE: Duration = Duration::from_secs(20);

/// Plays it to its end.
pub fn run(
    stage: &Stage,
    codex: &Codex,
    context: &Context,
    streams: &mut Streams,
) -> Result<(), Error> {
    streams.say(format_args!(
        "codex {} and a scripted model on this machine; no account, no network.",
        codex.version
    ));
    let model = ScriptedModel::start_with(Options { pace: PACE, ..Options::default() });
    let model = model.map_err(|error| {
        Error::new(Exit::Failed, "io", format!("failed to start the scripted model: {error}"))
    })?;
    let options = ConfigOptions::for_release(&codex.version.to_string(), false);
    let config = stage.codex_home().join("config.toml");
    std::fs::write(&config, codex_config_toml(&model.base_url(), &options))
        .map_err(|source| Error::io("write", &config, &source))?;

    let mut daemon = Daemon::start(stage, codex, context)?;
    let played = play(stage, context, streams);
    let ended = daemon.end(context);
    played.and(ended)
}

fn play(stage: &Stage, context: &Context, streams: &mut Streams) -> Result<(), Error> {
    let client = connected(context)?;
    let lead = client.spawn(&wish(stage, &scripts::lead(), None))?;
    client.spawn(&wish(stage, &scripts::planner(), Some(&lead.id)))?;
    Screen::new(context, Some(&client), scripts::CAST).watch(streams)
}

fn wish(stage: &Stage, actor: &Actor, parent: Option<&str>) -> api::Spawn {
    api::Spawn {
        prompt: Some(actor.prompt.clone()),
        name: Some(actor.name.to_owned()),
        cwd: Some(stage.work().to_string_lossy().into_owned()),
        approval: Some(actor.approval.to_owned()),
        // The scripts are this program's own and harmless; a sandbox is not to be had everywhere.
        sandbox: Some("danger-full-access".to_owned()),
        parent: parent.map(str::to_owned),
        codex_home: Some(stage.codex_home().to_string_lossy().into_owned()),
        plan: actor.plan.then_some(true),
        ..api::Spawn::default()
    }
}

fn connected(context: &Context) -> Result<Client<'_>, Error> {
    let began = Instant::now();
    loop {
        if let Some(client) = Client::connect(context)? {
            return Ok(client);
        }
        if began.elapsed() > DAEMON_PATIENCE {
            let message = "the demo's daemon does not answer";
            return Err(Error::new(Exit::Away, "daemon_away", message)
                .hint(format!("It says: {}", context.home.daemon_log().display())));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The demo's own daemon: a child in this process's group, so that Ctrl-C ends it, too; killed or not,
/// this process does not leave it behind.
struct Daemon {
    child: Child,
}

impl Daemon {
    fn start(stage: &Stage, codex: &Codex, context: &Context) -> Result<Daemon, Error> {
        context.home.create()?;
        context.home.create_run_dir()?;
        let path = context.home.daemon_log();
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let log = log.map_err(|source| Error::io("open", &path, &source))?;
        let errors = log.try_clone().map_err(|source| Error::io("open", &path, &source))?;
        let exe = std::env::current_exe()
            .map_err(|source| Error::io("find", std::path::Path::new("sm"), &source))?;
        let child = Command::new(&exe)
            .arg("--home")
            .arg(stage.home())
            .args(["serve", "--foreground", "--for-demo"])
            .env("SM_CODEX", &codex.binary)
            .env("CODEX_HOME", stage.codex_home())
            .env_remove("SM_SESSION_ID")
            .env_remove("SM_SERVER")
            .current_dir(stage.work())
            // Held open for as long as this process lives: the daemon ends when it ends.
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .spawn();
        let child = child.map_err(|source| Error::io("run", &exe, &source))?;
        Ok(Daemon { child })
    }

    /// Ends it by its own door, else by force.
    fn end(&mut self, context: &Context) -> Result<(), Error> {
        if let Some(client) = Client::connect(context)? {
            client.shutdown()?;
        }
        let began = Instant::now();
        while began.elapsed() < DAEMON_PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let message = "the demo's daemon did not end and was killed";
        Err(Error::new(Exit::Failed, "timeout", message))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // SIGTERM lets it end its Codex servers; only what does not listen is killed.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < DAEMON_PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
