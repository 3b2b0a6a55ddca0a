//! What the daemon costs, measured with the real Codex and a scripted model as fast as it can:
//! `cargo run --release -p sm-daemon --example figures [SESSIONS [WORDS]]` prints one table.
//!
//! What always holds: the daemon is a process of its own, measured from outside; receive to durable is
//! from a record's own time to the moment when this process sees the log's watermark there, which is
//! later than the moment when it was durable. It fails where a record is missing.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool that prints and may panic")]

use serde_json::Value;
use sm_daemon::api::{Input, Spawn};
use sm_daemon::{Client, Config, Home, Search, serve};
use sm_log::{Direction, Item, OwnedRecord, Reader};
use sm_protocol::Kind;
use sm_scripted_model::{ConfigOptions, Options, ScriptedModel, codex_config_toml};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HOME: &str = "SM_FIGURES_HOME";
const CODEX_HOME: &str = "SM_FIGURES_CODEX_HOME";
const CODEX: &str = "SM_FIGURES_CODEX";

/// How long the idle daemon is watched.
const IDLE: Duration = Duration::from_secs(20);

/// How many messages, one after the other, are followed to their `turn/start`.
const MESSAGES: usize = 200;

fn main() {
    if let Some(home) = std::env::var_os(HOME) {
        let mut config = Config::new(Home::new(home), std::env::var_os(CODEX_HOME).unwrap());
        let explicit = std::env::var_os(CODEX).map(PathBuf::from);
        config.search = Search { explicit, ..Search::default() };
        return serve(config).unwrap();
    }
    let mut numbers = std::env::args().skip(1).map(|word| word.parse().unwrap());
    let (sessions, words) = (numbers.next().unwrap_or(50), numbers.next().unwrap_or(3000));
    let stage = Stage::new();
    println!("| what | goal | seen |\n| --- | --- | --- |");
    stage.idle();
    stage.messages();
    stage.flood(sessions, words, 0);
    stage.flood(sessions, words / 10, 20);
    stage.restart(sessions);
}

struct Stage {
    dir: tempfile::TempDir,
    home: Home,
    client: Client,
    daemon: Child,
    _model: ScriptedModel,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
        let search = Search { tools: vec![tools], ..Search::default() };
        let codex = sm_daemon::locate(&search).unwrap();
        let pace = Duration::ZERO;
        let model = ScriptedModel::start_with(Options { pace, ..Options::default() }).unwrap();
        let codex_home = dir.path().join("codex");
        std::fs::create_dir(&codex_home).unwrap();
        let options = ConfigOptions::for_release(&codex.version.to_string(), false);
        let toml = codex_config_toml(&model.base_url(), &options);
        std::fs::write(codex_home.join("config.toml"), toml).unwrap();
        let home = Home::new(dir.path().join("sm"));
        let daemon = Command::new(std::env::current_exe().unwrap())
            .env(HOME, home.dir())
            .env("HOME", &codex_home)
            .env(CODEX_HOME, &codex_home)
            .env(CODEX, &codex.binary)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let client = until(|| Client::connect(&home).ok());
        println!("Codex {}, {} processors\n", codex.version, processors());
        Stage { dir, home, client, daemon, _model: model }
    }

    fn spawn(&self, client: &Client, prompt: Option<String>) -> String {
        let wish = Spawn {
            prompt,
            cwd: Some(self.dir.path().to_string_lossy().into_owned()),
            approval: Some("never".to_owned()),
            sandbox: Some("danger-full-access".to_owned()),
            ..Spawn::default()
        };
        client.spawn(&wish).unwrap().id
    }

    fn settled(&self, client: &Client, id: &str, turns: u64) {
        until(|| {
            let session = client.session(id).unwrap();
            let begun = session["counts"]["turns"].as_u64()? >= turns;
            (begun && session["turn_id"].is_null() && session["queued"] == 0).then_some(())
        });
    }

    /// With a session loaded and nothing to do.
    fn idle(&self) {
        let id = self.spawn(&self.client, Some("say: hello".to_owned()));
        self.settled(&self.client, &id, 1);
        std::thread::sleep(Duration::from_secs(2));
        let (before, began) = (self.cpu(), Instant::now());
        std::thread::sleep(IDLE);
        let share = (self.cpu() - before).as_secs_f64() / began.elapsed().as_secs_f64();
        row("idle, one session loaded", "0.1 % of a core", &format!("{:.2} %", share * 100.0));
    }

    /// From the record of a message's acceptance to its `turn/start`.
    fn messages(&self) {
        let id = self.spawn(&self.client, None);
        for turn in 1..=MESSAGES {
            let input = Input { text: "say: hello".to_owned(), ..Input::default() };
            assert_eq!(self.client.input(&id, &input).unwrap().status, "started");
            self.settled(&self.client, &id, turn as u64);
        }
        let thread = self.client.session(&id).unwrap()["thread_id"].as_str().unwrap().to_owned();
        let mut accepted = None;
        let mut sent = Vec::new();
        for record in self.records().iter().filter(|r| r.session == thread.as_bytes()) {
            match Kind(record.kind) {
                Kind::SM_INPUT_ACCEPTED => accepted = Some(record.time),
                Kind::TURN_START if record.direction == Direction::Client => {
                    sent.extend(accepted.take().map(|at| record.time - at));
                }
                _ => {}
            }
        }
        assert_eq!(sent.len(), MESSAGES);
        let what = format!("accepted → `turn/start` sent, {MESSAGES} messages");
        row(&what, "p99 10 ms", &percentiles(&mut sent));
    }

    /// Many sessions at once, each with an answer of so many words, so many milliseconds apart.
    fn flood(&self, sessions: usize, words: usize, gap: u64) {
        let first = self.client.health().unwrap().watermark + 1;
        let over = AtomicBool::new(false);
        let (cpu, began) = (self.cpu(), Instant::now());
        let (seen, anon) = std::thread::scope(|scope| {
            let follower = scope.spawn(|| follow(&self.home, &over));
            let watcher = scope.spawn(|| {
                let mut most = 0;
                while !over.load(Ordering::Relaxed) {
                    most = most.max(self.anon_kib());
                    std::thread::sleep(Duration::from_millis(50));
                }
                most
            });
            let agents: Vec<_> = (0..sessions)
                .map(|_| {
                    scope.spawn(|| {
                        let client = Client::connect(&self.home).unwrap();
                        let id = self.spawn(&client, Some(format!("slow: {words} {gap}")));
                        until(|| {
                            std::thread::sleep(Duration::from_millis(500));
                            let session = client.session(&id).unwrap();
                            (session["outcome"] == "completed").then_some(())
                        });
                    })
                })
                .collect();
            agents.into_iter().for_each(|agent| agent.join().unwrap());
            over.store(true, Ordering::Relaxed);
            (follower.join().unwrap(), watcher.join().unwrap())
        });
        let (cpu, time) = ((self.cpu() - cpu).as_secs_f64(), began.elapsed().as_secs_f64());
        let mut records = self.records();
        records.retain(|record| record.seq >= first);
        let whole = whole(&records, words);
        assert_eq!(whole, sessions);
        let mut delays = delays(&records, &seen);
        let (count, rate) = (records.len(), records.len() as f64 / time);
        let pace = match gap {
            0 => "as fast as it can".to_owned(),
            gap => format!("a word in {gap} ms"),
        };
        let what = format!("{sessions} sessions at once, {words} words each, {pace}");
        row(&what, "every record", &format!("{count} records, {whole} answers whole, {rate:.0}/s"));
        let share = cpu / count as f64 * 1000.0 * 100.0;
        row("its share of a core", "5 % per 1,000 records/s", &format!("{share:.1} %"));
        row("its RssAnon, at most", "60 MB", &format!("{:.0} MB", anon as f64 / 1000.0));
        row(
            "receive → durable, as seen from another process",
            "p99 5 ms",
            &percentiles(&mut delays),
        );
    }

    /// The server is killed; its sessions are loaded again on another one.
    fn restart(&self, sessions: usize) {
        let servers = self.client.servers().unwrap().servers;
        let (server, loaded) = (servers[0].pid.unwrap(), servers[0].sessions);
        let began = Instant::now();
        let pid = i32::try_from(server).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        until(|| {
            let now = self.client.servers().unwrap();
            let is_new = now.servers.first().is_some_and(|new| new.pid != Some(server));
            (is_new && now.resuming.is_empty() && now.servers[0].sessions == loaded).then_some(())
        });
        let what = format!("a killed server's {} sessions loaded again", loaded.unwrap());
        assert!(loaded.unwrap() >= sessions as u64);
        row(&what, "", &format!("{:.1} s", began.elapsed().as_secs_f64()));
    }

    fn records(&self) -> Vec<OwnedRecord> {
        let mut cursor = Reader::open(self.home.log_dir()).unwrap().cursor(1).unwrap();
        let mut records = Vec::new();
        while let Some(item) = cursor.next().unwrap() {
            match item {
                Item::Record(record) => records.push(record.to_owned()),
                Item::Gap(gap) => panic!("the log has a gap: {gap}"),
            }
        }
        records
    }

    /// The processor time that the daemon has used.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.daemon.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    fn anon_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.client.shutdown();
        let _ = self.daemon.wait();
    }
}

/// When which seq was seen to be durable: Unix microseconds, and the log's watermark then.
fn follow(home: &Home, over: &AtomicBool) -> Vec<(i64, u64)> {
    let reader = Reader::open(home.log_dir()).unwrap();
    let mut seen = vec![(now(), reader.watermark())];
    while !over.load(Ordering::Relaxed) {
        let last = seen.last().map_or(0, |(_, seq)| *seq);
        if reader.wait(last + 1, Duration::from_millis(50)) {
            seen.push((now(), reader.watermark()));
        }
    }
    seen
}

/// How long after its receipt each record of a server was seen to be durable, in microseconds.
fn delays(records: &[OwnedRecord], seen: &[(i64, u64)]) -> Vec<i64> {
    let heard = records.iter().filter(|record| record.direction == Direction::Server);
    let delay = |record: &OwnedRecord| {
        let at = seen.partition_point(|(_, seq)| *seq < record.seq);
        Some((seen.get(at)?.0 - record.time).max(0))
    };
    heard.filter_map(delay).collect()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// The answers whose pieces are recorded one by one and make up the whole.
fn whole(records: &[OwnedRecord], words: usize) -> usize {
    let mut pieces: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut whole = 0;
    for record in records {
        let kind = Kind(record.kind);
        if !matches!(kind, Kind::AGENT_MESSAGE_DELTA | Kind::ITEM_COMPLETED) {
            continue;
        }
        let told: Value = serde_json::from_slice(&record.payload).unwrap();
        let (params, thread) = (&told["params"], told["params"]["threadId"].to_string());
        if kind == Kind::AGENT_MESSAGE_DELTA {
            let (count, text) = pieces.entry(thread).or_default();
            *count += 1;
            text.push_str(params["delta"].as_str().unwrap());
        } else if params["item"]["type"] == "agentMessage" {
            let (count, text) = pieces.remove(&thread).unwrap();
            assert_eq!(params["item"]["text"].as_str().map(str::trim_end), Some(text.trim_end()));
            assert!(count >= words, "{count} pieces of {words} words");
            whole += 1;
        }
    }
    whole
}

fn percentiles(micros: &mut [i64]) -> String {
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    format!("p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", at(0.5), at(0.99), at(1.0))
}

fn row(what: &str, goal: &str, seen: &str) {
    println!("| {what} | {goal} | {seen} |");
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
