//! Where the load runs: data directory, CODEX_HOME, scripted model, and the `sm` that is called.
//!
//! What always holds: every call and its answer is written into `calls.jsonl`, so that a fault can be
//! followed from its client's side too.

use serde_json::{Value, json};
use sm_scripted_model::{ConfigOptions, Options, ScriptedModel, codex_config_toml};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long everything may take to come to rest.
const RESTING: Duration = Duration::from_secs(180);

/// Every session, however many there are.
const ALL: [&str; 4] = ["ps", "--all", "-n", "1000000"];

/// What a call of `sm` came to.
#[derive(Debug, Clone)]
pub struct Answer {
    pub exit: i32,
    /// Its document.
    pub document: Value,
    /// Its error, where it failed.
    pub error: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.error["code"].as_str().unwrap_or_default()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.error["retryable"] == true
    }
}

/// What a client was told of something that the log must have.
#[derive(Debug, Clone)]
pub enum Told {
    /// A message under a key.
    Sent { key: String, text: String, input: u64, status: String, turn: Option<String> },
    /// An answer to a request was taken; whether as a repeat.
    Answered { request: u64, decision: String, repeated: bool },
}

pub struct Stage {
    dir: TempDir,
    sm: PathBuf,
    codex: PathBuf,
    calls: Mutex<File>,
    told: Mutex<Vec<Told>>,
    _model: ScriptedModel,
}

impl Stage {
    pub fn new(sm: PathBuf, codex: &Path, dir: Option<PathBuf>) -> Stage {
        let dir = match dir {
            Some(dir) => {
                std::fs::create_dir_all(&dir).unwrap();
                TempDir::new_in(dir).unwrap()
            }
            None => TempDir::new().unwrap(),
        };
        let options = Options { pace: Duration::from_millis(2), ..Options::default() };
        let model = ScriptedModel::start_with(options).unwrap();
        for folder in ["codex", "work"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let search =
            sm_daemon::Search { explicit: Some(codex.to_path_buf()), ..Default::default() };
        let version = sm_daemon::locate(&search).unwrap().version.to_string();
        let options = ConfigOptions::for_release(&version, true);
        let toml = codex_config_toml(&model.base_url(), &options);
        std::fs::write(dir.path().join("codex/config.toml"), toml).unwrap();
        let calls = Mutex::new(File::create(dir.path().join("calls.jsonl")).unwrap());
        let codex = codex.to_path_buf();
        Stage { dir, sm, codex, calls, told: Mutex::default(), _model: model }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("sm/log")
    }

    pub fn codex_home(&self) -> PathBuf {
        self.dir.path().join("codex")
    }

    /// Calls `sm`.
    pub fn sm(&self, words: &[&str]) -> Answer {
        let began = Instant::now();
        let output = Command::new(&self.sm)
            .arg("--home")
            .arg(self.dir.path().join("sm"))
            .arg("--json")
            .args(words)
            .env("SM_CODEX", &self.codex)
            .env("CODEX_HOME", self.codex_home())
            .env("HOME", self.codex_home())
            .env_remove("SM_HOME")
            .env_remove("SM_SESSION_ID")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let read = |bytes: &[u8]| {
            let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
            values.next().and_then(Result::ok).unwrap_or_default()
        };
        let told = String::from_utf8_lossy(&output.stderr);
        let error = told.lines().rev().map(|line| read(line.as_bytes())["error"].take());
        let answer = Answer {
            exit: output.status.code().unwrap_or(-1),
            document: read(&output.stdout),
            error: error.into_iter().find(|error| !error.is_null()).unwrap_or_default(),
        };
        let call = json!({
            "words": words, "exit": answer.exit, "ms": began.elapsed().as_millis() as u64,
            "error": answer.error, "inputs": answer.document["inputs"],
        });
        writeln!(self.calls.lock().unwrap(), "{call}").unwrap();
        answer
    }

    /// Keeps what a client was told.
    pub fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The folder that sessions work in.
    pub fn work(&self) -> String {
        self.dir.path().join("work").to_string_lossy().into_owned()
    }

    /// Waits until nothing is open and nothing waits, or nothing changes that any more.
    pub fn settle(&self) {
        let began = Instant::now();
        loop {
            let listed = self.sm(&ALL);
            let rows = listed.document["sessions"].as_array().cloned().unwrap_or_default();
            for row in rows.iter().filter(|row| row["queued"].as_u64().unwrap_or(0) > 0) {
                self.sm(&["queue", "release", row["id"].as_str().unwrap_or_default()]);
            }
            let open = rows.iter().filter(|row| {
                let waits = row["queued"].as_u64().unwrap_or(0) > 0 && row["state"] != "stopped";
                row["live"] == true && (!row["turn_id"].is_null() || waits)
            });
            let open: Vec<_> = open.map(|row| row["id"].to_string()).collect();
            if listed.exit == 0 && open.is_empty() {
                return;
            }
            if began.elapsed() > RESTING {
                return println!("did not come to rest: {}", open.join(" "));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Looks for what stayed unknown, as `sm queue` says: servers may have died before each answer.
    pub fn find_lost(&self) {
        let queue = self.sm(&["queue", "-n", "1000000"]).document;
        let lost = queue["undelivered"].as_array().into_iter().flatten();
        for input in lost.filter(|input| input["status"] == "unknown") {
            self.sm(&["queue", "find", input["id"].as_str().unwrap_or_default()]);
        }
    }

    /// Ends the daemon in order.
    pub fn stop(&self) {
        self.sm(&["serve", "--stop"]);
    }

    /// What `sm` says of its own log and tables.
    pub fn verify(&self) -> Vec<String> {
        let checks: [&[&str]; 2] = [&["replay", "--verify"], &["verify", "--deep"]];
        let failed = checks.into_iter().filter_map(|words| {
            let answer = self.sm(words);
            (answer.exit != 0)
                .then(|| format!("sm {}: exit {} {}", words.join(" "), answer.exit, answer.error))
        });
        failed.collect()
    }

    pub fn put_away(self) {
        self.dir.close().unwrap();
    }

    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }
}
