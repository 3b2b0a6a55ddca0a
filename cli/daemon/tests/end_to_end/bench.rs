//! A workbench: data directory, CODEX_HOME, scripted model, daemon, client; put away when dropped.

use rustix::process::{Pid, Signal};
use serde_json::Value;
use sm_daemon::api::{Answer, Input, InputTaken, Mode, Spawn, Spawned};
use sm_daemon::{Client, ClientError, Config, Home, Search, serve};
use sm_log::{Item, OwnedRecord, Reader};
use sm_protocol::Kind;
use sm_scripted_model::{ConfigOptions, ScriptedModel, codex_config_toml};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a condition may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);

const HOME: &str = "SM_TEST_SERVE_HOME";
const CODEX_HOME: &str = "SM_TEST_SERVE_CODEX_HOME";
const CODEX: &str = "SM_TEST_SERVE_CODEX";
const TCP: &str = "SM_TEST_SERVE_TCP";
const FOLD_PATIENCE: &str = "SM_TEST_SERVE_FOLD_PATIENCE_MS";

/// Runs a daemon if this process was started to be one.
pub fn serve_if_asked() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let codex_home = std::env::var_os(CODEX_HOME).expect("the bench names a CODEX_HOME");
    let mut config = Config::new(Home::new(PathBuf::from(home)), PathBuf::from(codex_home));
    config.search =
        Search { explicit: std::env::var_os(CODEX).map(PathBuf::from), ..Search::default() };
    config.tcp = std::env::var_os(TCP).map(|_| "127.0.0.1:0".parse().unwrap());
    if let Some(millis) = std::env::var_os(FOLD_PATIENCE) {
        let millis = millis.to_str().and_then(|millis| millis.parse().ok());
        config.fold_patience = Duration::from_millis(millis.expect("a number"));
    }
    config.say = Arc::new(|line| {
        let _ = writeln!(std::io::stderr(), "{line}");
    });
    serve(config).unwrap();
}

/// The codex to test with.
pub fn codex() -> PathBuf {
    if let Some(codex) = std::env::var_os("SM_TEST_CODEX") {
        return PathBuf::from(codex);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let wrapper = root.join(".tools/codex-0.169.0/node_modules/@openai/codex/bin/codex.js");
    assert!(
        wrapper.exists(),
        "these tests need the real codex: `cargo xtask codex` installs it into .tools, or name one \
         with SM_TEST_CODEX"
    );
    wrapper
}

pub struct Bench {
    _dir: TempDir,
    pub home: Home,
    pub codex_home: PathBuf,
    pub work: PathBuf,
    pub model: ScriptedModel,
    /// What the daemon is told to run.
    pub codex: PathBuf,
    /// Whether the daemon is to serve on TCP, too.
    pub tcp: bool,
    /// How long the daemon is to wait for its tables, in milliseconds.
    pub fold_patience: Option<u64>,
    daemon: Option<Child>,
    client: Option<Client>,
}

impl Bench {
    pub fn start() -> Bench {
        let search = Search { explicit: Some(codex()), ..Search::default() };
        let version = sm_daemon::locate(&search).unwrap().version.to_string();
        Bench::start_with(ConfigOptions::for_release(&version, true))
    }

    pub fn start_with(options: ConfigOptions) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let model = ScriptedModel::start().unwrap();
        let (codex_home, work) = (dir.path().join("codex"), dir.path().join("work"));
        std::fs::create_dir(&codex_home).unwrap();
        std::fs::create_dir(&work).unwrap();
        let toml = codex_config_toml(&model.base_url(), &options);
        std::fs::write(codex_home.join("config.toml"), toml).unwrap();
        let home = Home::new(dir.path().join("sm"));
        let mut bench = Bench {
            _dir: dir,
            home,
            codex_home,
            work,
            model,
            codex: codex(),
            tcp: false,
            fold_patience: None,
            daemon: None,
            client: None,
        };
        bench.serve();
        bench
    }

    /// Starts the daemon's process and waits until it answers.
    pub fn serve(&mut self) {
        self.home.create().unwrap();
        self.home.create_run_dir().unwrap();
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.home.daemon_log())
            .unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["daemon_process", "--exact", "--nocapture"])
            .env(HOME, self.home.dir())
            // Login shells read no profile of whoever runs the tests.
            .env("HOME", &self.codex_home)
            .env(CODEX_HOME, &self.codex_home)
            .env(CODEX, &self.codex)
            .envs(self.tcp.then_some((TCP, "1")))
            .envs(self.fold_patience.map(|millis| (FOLD_PATIENCE, millis.to_string())))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(child);
        let home = self.home.clone();
        let client = self.wait("the daemon answers", || Client::connect(&home).ok());
        self.client = Some(client);
    }

    pub fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    /// Kills the daemon where it stands.
    pub fn kill_daemon(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        self.client = None;
    }

    /// Ends the daemon in order.
    pub fn stop_daemon(&mut self) {
        self.client().shutdown().unwrap();
        let mut daemon = self.daemon.take().unwrap();
        self.wait("the daemon ends", || daemon.try_wait().unwrap());
        self.client = None;
    }

    /// The daemon's process.
    pub fn daemon_pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// Ends the daemon as a service manager does, by SIGTERM. Returns whether it ended well.
    pub fn terminate_daemon(&mut self) -> bool {
        let mut daemon = self.daemon.take().unwrap();
        signal(daemon.id(), Signal::TERM);
        let status = self.wait("the daemon ends", || daemon.try_wait().unwrap());
        self.client = None;
        status.success()
    }

    /// The daemon's tables. Whoever begins to write there keeps the daemon from folding.
    pub fn tables(&self) -> heed::Env {
        let mut options = heed::EnvOpenOptions::new();
        options.map_size(1 << 38).max_readers(1022);
        // SAFETY: the files are this test's own, and nothing else in this process opens them.
        unsafe { options.open(self.home.store_path()) }.unwrap()
    }

    /// All places there are for readers of the tables: while they are held, the daemon reads nothing.
    pub fn all_readers(&self) -> Vec<heed::RoTxn<'static, heed::WithoutTls>> {
        let mut options = heed::EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(1 << 38).max_readers(1022);
        // SAFETY: the files are this test's own, and nothing else in this process opens them.
        let tables = unsafe { options.open(self.home.store_path()) }.unwrap();
        std::iter::from_fn(|| tables.clone().static_read_txn().ok()).collect()
    }

    /// The process of the one server that runs.
    pub fn server_pid(&self) -> u32 {
        // One that takes a dead one's place is not there at once.
        self.wait("a server runs", || self.client().servers().unwrap().servers.first()?.pid)
    }

    /// Waits for a condition.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            if Instant::now() >= deadline {
                let log = std::fs::read_to_string(self.home.daemon_log()).unwrap_or_default();
                panic!("waited in vain until {what}; the daemon says:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A session that asks nothing and may do everything.
    pub fn wish(&self, prompt: &str) -> Spawn {
        Spawn {
            prompt: Some(prompt.to_owned()),
            cwd: Some(self.work.to_string_lossy().into_owned()),
            approval: Some("never".to_owned()),
            sandbox: Some("danger-full-access".to_owned()),
            env: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())]),
            ..Spawn::default()
        }
    }

    /// The same, but it asks before each command and change.
    pub fn asking(&self, prompt: &str) -> Spawn {
        Spawn { approval: Some("untrusted".to_owned()), ..self.wish(prompt) }
    }

    pub fn spawn(&self, wish: &Spawn) -> Spawned {
        self.client().spawn(wish).unwrap()
    }

    pub fn session(&self, id: &str) -> Value {
        self.client().session(id).unwrap()
    }

    pub fn send(&self, id: &str, text: &str, mode: Mode) -> Result<InputTaken, ClientError> {
        self.client().input(id, &Input { text: text.to_owned(), mode, ..Input::default() })
    }

    pub fn decide(&self, request: &str, word: &str) -> Result<Value, ClientError> {
        let answer = Answer { decision: Some(word.to_owned()), ..Answer::default() };
        self.client().answer(request, &answer).map(|answered| answered.request)
    }

    /// Waits until the session's turn is over, and `turns` of them were begun.
    pub fn settled(&self, id: &str, turns: u64) -> Value {
        self.wait(&format!("{id} has settled after turn {turns}"), || {
            let session = self.session(id);
            let begun = session["counts"]["turns"].as_u64()? >= turns;
            (begun && session["turn_id"].is_null() && session["queued"] == 0).then_some(session)
        })
    }

    /// Waits until the session asks something. Returns the request.
    pub fn asked(&self, id: &str) -> Value {
        self.wait(&format!("{id} asks"), || {
            let requests = self.client().requests().unwrap();
            let requests = requests["requests"].as_array()?.clone();
            requests
                .into_iter()
                .find(|request| request["session_id"] == id && request["asks_human"] == true)
        })
    }

    pub fn rows(&self, id: &str, list: &str) -> Vec<Value> {
        self.client().list(id, list).unwrap()[list].as_array().unwrap().clone()
    }

    /// The actions of one kind.
    pub fn actions(&self, id: &str, kind: &str) -> Vec<Value> {
        let actions = self.rows(id, "actions");
        actions.into_iter().filter(|action| action["kind"] == kind).collect()
    }

    /// What the agent said last.
    pub fn last_message(&self, id: &str) -> String {
        let messages = self.rows(id, "messages");
        let last = messages.iter().rfind(|message| message["role"] == "agent");
        last.map_or(String::new(), |last| last["text"].as_str().unwrap().to_owned())
    }

    /// Every record of the log, read from this process.
    pub fn records(&self) -> Vec<OwnedRecord> {
        let reader = Reader::open(self.home.log_dir()).unwrap();
        let mut cursor = reader.cursor(1).unwrap();
        let mut records = Vec::new();
        while let Some(item) = cursor.next().unwrap() {
            match item {
                Item::Record(record) => records.push(record.to_owned()),
                Item::Gap(gap) => panic!("the log has a gap: {gap}"),
            }
        }
        records
    }

    /// The records of one kind, as JSON.
    pub fn told(&self, kind: Kind) -> Vec<Value> {
        let records = self.records();
        let told = records.iter().filter(|record| record.kind == kind.0);
        told.map(|record| serde_json::from_slice(&record.payload).unwrap()).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(daemon) = &self.daemon {
            // A test may have failed while it stood still.
            signal(daemon.id(), Signal::CONT);
        }
        let servers = self.client.as_ref().and_then(|client| client.health().ok());
        if let (Some(client), Some(daemon)) = (&self.client, &mut self.daemon) {
            let _ = client.shutdown();
            let deadline = Instant::now() + Duration::from_secs(20);
            while matches!(daemon.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for server in servers.into_iter().flat_map(|health| health.servers) {
            if let Some(pid) = server.pid
                && !std::thread::panicking()
            {
                assert!(!is_alive(pid), "a codex process was left behind");
            }
        }
    }
}

/// Whether a process runs.
pub fn is_alive(pid: u32) -> bool {
    sm_ingest::app_server::ProcessId::of(pid).is_some_and(|process| process.is_alive())
}

/// Kills a process where it stands.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Sends a process a signal. One that is stopped does nothing any more when this returns.
pub fn signal(pid: u32, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
    while signal == Signal::STOP && !is_stopped(pid) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether each of a process's threads is stopped.
fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(Result::unwrap).all(|thread| {
        // One that has just ended does nothing either.
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['T', 't', 'Z', 'X']))
    })
}
