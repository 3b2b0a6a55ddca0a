//! A throw-away data directory, and the program run in it.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A data directory of its own for each test.
pub struct Sm {
    pub dir: TempDir,
    env: Vec<(&'static str, String)>,
}

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Sm {
    pub fn new() -> Sm {
        Sm { dir: tempfile::tempdir().expect("a temporary folder"), env: Vec::new() }
    }

    /// The same with a variable in its environment.
    pub fn with(mut self, name: &'static str, value: &str) -> Sm {
        self.env.push((name, value.to_owned()));
        self
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The command, cut off from the caller's surroundings.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_sm")), words)
    }

    /// The same of a copy of the program.
    pub fn command_of(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", self.dir.path())
            .env("HOME", self.dir.path())
            .env("SM_CODEX", self.dir.path().join("no-codex"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .arg("--home")
            .arg(self.home())
            .args(words)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        ran(self.command(words).output().expect("sm runs"))
    }

    /// Runs it with that standard input.
    pub fn feed(&self, words: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sm runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A command that does not read is none of this thread's business.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("sm ends");
        writer.join().expect("the writer ends");
        ran(output)
    }

    /// Runs it, which must succeed, and reads its one document.
    pub fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        let ran = self.run(&words);
        assert_eq!(ran.code, 0, "sm {words:?}: {}", ran.err);
        serde_json::from_slice(&ran.out).unwrap_or_else(|error| panic!("sm {words:?}: {error}"))
    }

    /// A file with those bytes.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_str().expect("a plain path").to_owned()
    }
}

pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().expect("an exit code"),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// The error that `--json` tells.
    pub fn error(&self) -> Value {
        let told: Value = serde_json::from_str(&self.err).unwrap_or_else(|error| {
            panic!("no JSON error: {error}: {:?}", self.err);
        });
        told["error"].clone()
    }
}

/// Every recorded transcript, plain or of both directions.
pub fn captures(two_way: bool) -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut found = Vec::new();
    for family in ["captures", "codex"] {
        let Ok(releases) = std::fs::read_dir(fixtures.join(family)) else { continue };
        for release in releases.flatten() {
            let Ok(files) = std::fs::read_dir(release.path()) else { continue };
            for file in files.flatten() {
                let name = file.file_name().to_string_lossy().into_owned();
                if name.ends_with(".jsonl") && name.ends_with(".tap.jsonl") == two_way {
                    found.push(file.path());
                }
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no recorded transcripts below {}", fixtures.display());
    found
}

/// Does `work` with every item, on as many threads as there are processors.
pub fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) =
                    items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    work(item);
                }
            });
        }
    });
}
