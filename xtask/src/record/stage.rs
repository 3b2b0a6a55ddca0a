//! Where a scenario plays: a throw-away home and folder, a scripted model, a server, a tap.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value, json};
use sm_scripted_model::{ConfigOptions, Options, ScriptedModel, codex_config_toml};
use tempfile::TempDir;

use super::clean::Cleaner;
use super::client::Client;
use super::release::Release;
use super::scenarios::Scenario;
use super::server::{Direction, Server, Tap, Tapped};

/// Why a scenario did not play to its end.
#[derive(Debug)]
pub enum Stop {
    /// The release cannot do it.
    Skip(String),
    /// It should have worked.
    Wrong(String),
}

/// A set stage.
pub struct Stage<'a> {
    /// The release on stage.
    pub release: &'a Release,
    /// The connection to its server; replaced by [`Stage::restart`].
    pub client: Client,
    /// What the release was configured with.
    pub model_slug: String,
    tap: Tap,
    model: ScriptedModel,
    folder: TempDir,
}

/// What a scenario's configuration may refer to.
pub struct Places {
    /// The folder that the sessions work in.
    pub repo: PathBuf,
    /// Codex's own home.
    pub codex_home: PathBuf,
    /// The second number of the release's version.
    pub minor: u32,
}

impl<'a> Stage<'a> {
    /// Makes folders and model, and starts the server.
    ///
    /// # Errors
    /// When any of them fails, or the release lacks what the scenario needs.
    pub fn set(release: &'a Release, scenario: &Scenario) -> Result<Stage<'a>, Stop> {
        for method in scenario.needs {
            if !release.serves(method) && !release.knows(method) {
                return Err(Stop::Skip(format!("this release has no `{method}`")));
            }
        }
        let folder = tempfile::Builder::new().prefix("sm-record-").tempdir().map_err(wrong)?;
        let places = places(&folder, release);
        fs::create_dir_all(&places.repo).map_err(wrong)?;
        fs::create_dir_all(&places.codex_home).map_err(wrong)?;
        let model = ScriptedModel::start_with(Options::default()).map_err(wrong)?;
        let mut options = ConfigOptions::for_release(&release.version, scenario.sub_agents);
        (scenario.config)(&mut options, &places);
        let config = codex_config_toml(&model.base_url(), &options);
        fs::write(places.codex_home.join("config.toml"), config).map_err(wrong)?;
        let tap = Tap::default();
        let client = Client::start(command(release, &folder), &tap, &capabilities(release))?;
        Ok(Stage { release, client, model_slug: options.model, tap, model, folder })
    }

    /// The folder that the sessions work in.
    pub fn repo(&self) -> PathBuf {
        self.places().repo
    }

    fn places(&self) -> Places {
        places(&self.folder, self.release)
    }

    /// Kills the server and starts another in the same home.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<(), Stop> {
        self.client.kill();
        let command = command(self.release, &self.folder);
        self.client = Client::start(command, &self.tap, &capabilities(self.release))?;
        Ok(())
    }

    /// Starts the play anew with a client that does not want some notifications, which is how a
    /// transcript comes to lack them.
    ///
    /// # Errors
    /// When the server does not start.
    pub fn restart_without(&mut self, notifications: &[&str]) -> Result<(), Stop> {
        self.forget();
        let mut wanted = capabilities(self.release);
        wanted["optOutNotificationMethods"] = json!(notifications);
        self.client = Client::start(command(self.release, &self.folder), &self.tap, &wanted)?;
        Ok(())
    }

    /// Starts the play anew with two clients on one server. The one given back drives it; what is
    /// recorded is what the other, now [`Stage::client`], sees.
    ///
    /// # Errors
    /// When the server does not start or does not listen.
    pub fn onlook(&mut self) -> Result<Client, Stop> {
        self.forget();
        let port = free_port().map_err(wrong)?;
        let mut command = command(self.release, &self.folder);
        command.args(["--listen", &format!("ws://127.0.0.1:{port}")]);
        let wanted = capabilities(self.release);
        let first = Server::listen(command, port, &Tap::default()).map_err(wrong)?;
        let driver = Client::greet(first, &wanted)?;
        let second = Server::join(port, &self.tap).map_err(wrong)?;
        self.client = Client::greet(second, &wanted)?;
        Ok(driver)
    }

    fn forget(&mut self) {
        self.client.kill();
        self.tap.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Starts a thread that asks before it runs anything.
    ///
    /// # Errors
    /// When Codex refuses.
    pub fn thread(&mut self) -> Result<String, Stop> {
        self.thread_with("untrusted", json!({}))
    }

    /// Starts a thread with an approval policy and further parameters.
    ///
    /// # Errors
    /// When Codex refuses.
    pub fn thread_with(&mut self, policy: &str, more: Value) -> Result<String, Stop> {
        let params = json!({
            "cwd": self.repo(), "approvalPolicy": policy, "sandbox": "danger-full-access",
        });
        let result = self.client.request("thread/start", merged(params, more))?;
        id_of(&result, "/thread/id")
    }

    /// Begins a turn; gives where to look for its messages, and its id.
    ///
    /// # Errors
    /// When Codex refuses.
    pub fn begin(&mut self, thread: &str, text: &str) -> Result<(usize, String), Stop> {
        self.begin_with(thread, text, json!({}))
    }

    /// Begins a turn with further parameters.
    ///
    /// # Errors
    /// When Codex refuses.
    pub fn begin_with(
        &mut self,
        thread: &str,
        text: &str,
        more: Value,
    ) -> Result<(usize, String), Stop> {
        let mark = self.client.mark();
        let params = json!({"threadId": thread, "input": [{"type": "text", "text": text}]});
        let result = self.client.request("turn/start", merged(params, more))?;
        Ok((mark, id_of(&result, "/turn/id")?))
    }

    /// A whole turn; gives its status.
    ///
    /// # Errors
    /// When it does not end.
    pub fn turn(&mut self, thread: &str, text: &str) -> Result<String, Stop> {
        self.turn_with(thread, text, json!({}))
    }

    /// A whole turn with further parameters; gives its status.
    ///
    /// # Errors
    /// When it does not end.
    pub fn turn_with(&mut self, thread: &str, text: &str, more: Value) -> Result<String, Stop> {
        let (mark, _) = self.begin_with(thread, text, more)?;
        self.end_of_turn(mark, thread)
    }

    /// Waits for the end of a turn; gives its status.
    ///
    /// # Errors
    /// When it does not come.
    pub fn end_of_turn(&mut self, mark: usize, thread: &str) -> Result<String, Stop> {
        let end = self.client.wait_for(mark, "turn/completed", thread)?;
        // Counts and states come after the end of a turn; the next must not begin before them.
        self.client.settle(Duration::from_millis(150))?;
        Ok(end.pointer("/params/turn/status").and_then(Value::as_str).unwrap_or("").to_owned())
    }

    /// The turn parameter that allows the model to ask questions.
    pub fn plan_mode(&self) -> Value {
        let settings = json!({
            "model": self.model_slug, "reasoning_effort": null, "developer_instructions": null,
        });
        let mode = match self.release.knows("settings") {
            true => json!({"mode": "plan", "settings": settings}),
            // The first releases that had modes had their settings beside them.
            false => merged(json!({"mode": "plan"}), settings),
        };
        json!({ "collaborationMode": mode })
    }

    /// Whether the model was offered a tool of this name in its last request.
    pub fn offered(&self, tool: &str) -> bool {
        self.model.requests().last().is_some_and(|request| {
            request.tools.iter().any(|name| name == tool || name.ends_with(&format!("/{tool}")))
        })
    }

    /// Waits for stragglers, ends the server, and gives what was recorded.
    ///
    /// # Errors
    /// When the server has ended by itself.
    pub fn finish(mut self) -> Result<Recording, Stop> {
        self.client.settle(Duration::from_millis(400))?;
        Ok(self.cut())
    }

    /// Ends the server where it is, and gives what was recorded.
    pub fn cut(mut self) -> Recording {
        self.client.kill();
        let mut cleaner = Cleaner::default();
        let places = self.places();
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        cleaner.replace(&text(&places.repo), "/repo");
        cleaner.replace(&self.folder.path().join("home").to_string_lossy(), "/home");
        cleaner.replace(&self.folder.path().to_string_lossy(), "/tmp");
        cleaner.replace(&self.release.binary.to_string_lossy(), "/usr/local/bin/codex");
        if let Ok(program) = std::env::current_exe() {
            cleaner.replace(&program.to_string_lossy(), "/usr/local/bin/tiny-mcp");
        }
        if let Ok(host) = fs::read_to_string("/proc/sys/kernel/hostname") {
            cleaner.replace(&format!("\"{}\"", host.trim()), "\"vm\"");
        }
        if let Ok(id) = fs::read_to_string(places.codex_home.join("installation_id")) {
            cleaner.replace(id.trim(), "00000000-0000-4000-8000-000000000000");
        }
        cleaner.replace(&format!("127.0.0.1:{}", self.model.port()), "127.0.0.1:8181");
        let tap = self.tap.lock().unwrap_or_else(PoisonError::into_inner);
        let clean = |message: &Tapped| Tapped { bytes: cleaner.clean(&message.bytes), ..*message };
        Recording { messages: tap.iter().map(clean).collect() }
    }
}

/// What a scenario left behind, cleaned.
pub struct Recording {
    messages: Vec<Tapped>,
}

impl Recording {
    /// The server's output, line by line.
    pub fn server_lines(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for message in self.of_server() {
            out.extend_from_slice(&message.bytes);
            out.push(b'\n');
        }
        out
    }

    /// How many lines that are.
    pub fn server_line_count(&self) -> usize {
        self.of_server().count()
    }

    /// Both directions, each message's bytes set as they are into an object of our own.
    pub fn tap_lines(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for message in &self.messages {
            let direction = match message.direction {
                Direction::Client => "client",
                Direction::Server => "server",
            };
            let head = format!("{{\"ts\":{},\"dir\":\"{direction}\",\"msg\":", message.at);
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(&message.bytes);
            out.extend_from_slice(b"}\n");
        }
        out
    }

    fn of_server(&self) -> impl Iterator<Item = &Tapped> {
        self.messages.iter().filter(|message| message.direction == Direction::Server)
    }
}

fn places(folder: &TempDir, release: &Release) -> Places {
    Places {
        repo: folder.path().join("repo"),
        codex_home: folder.path().join("home/dev/.codex"),
        minor: release.minor(),
    }
}

/// The server's command: nothing of the recording machine's environment but the PATH of any.
fn command(release: &Release, folder: &TempDir) -> Command {
    let home = folder.path().join("home/dev");
    let mut command = Command::new(&release.binary);
    command
        .arg("app-server")
        .current_dir(folder.path().join("repo"))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &home)
        .env("CODEX_HOME", home.join(".codex"))
        .env("USER", "dev")
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .env("TERM", "xterm");
    command
}

/// What the client says it can do; the oldest releases have no word for it.
fn capabilities(release: &Release) -> Value {
    if release.knows("experimentalApi") { json!({"experimentalApi": true}) } else { Value::Null }
}

/// A port that was free a moment ago: Codex does not tell which one it took.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn merged(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

/// An id at a place in a result.
///
/// # Errors
/// When there is none.
pub fn id_of(result: &Value, pointer: &str) -> Result<String, Stop> {
    let id = result.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    id.ok_or_else(|| Stop::Wrong(format!("no {pointer} in the answer")))
}

fn wrong(error: std::io::Error) -> Stop {
    Stop::Wrong(error.to_string())
}

/// Approvals in the order given.
pub fn decisions(words: &[&str]) -> VecDeque<Value> {
    words.iter().map(|word| Value::from(*word)).collect()
}
