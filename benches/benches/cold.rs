//! Cold processes: the built `sm`, asked over a generated log as a user asks, each run a process of its
//! own. `EVENTS=10000000 SESSIONS=10000 cargo bench -p sm-benches --bench cold` after `cargo build
//! --release -p sm`; the data directory is kept below `target/cold` and used again.

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EVENTS: u64 = 1_000_000;
const SESSIONS: u64 = 10_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

fn sm(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(target().join("release/sm"));
    command.arg("--home").arg(home).args(words).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// What the program prints; it must succeed.
fn told(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("build it first: cargo build --release -p sm");
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

/// A data directory with that traffic, made if it is not there.
fn home() -> PathBuf {
    let (events, sessions) = (number("EVENTS", EVENTS), number("SESSIONS", SESSIONS));
    let home = target().join(format!("cold/{events}-{sessions}"));
    if !home.exists() {
        let file = home.with_extension("jsonl");
        let path = file.to_str().expect("a plain path");
        std::fs::create_dir_all(target().join("cold")).expect("a folder");
        let (events, sessions) = (events.to_string(), sessions.to_string());
        let words =
            ["fixture", "gen", "--events", &events, "--sessions", &sessions, "--seed", "1", "-o"];
        told(sm(&home, &words).arg(path));
        told(&mut sm(&home, &["import", path]));
        std::fs::remove_file(file).expect("it was there");
    }
    // Tables of another version are made anew, and what has changed on the disk is read, before.
    told(&mut sm(&home, &["ps", "--json"]));
    home
}

fn cold(criterion: &mut Criterion) {
    let home = home();
    let listed = told(&mut sm(&home, &["ps", "--json"]));
    let listed: serde_json::Value = serde_json::from_slice(&listed).expect("a document");
    let id = listed["sessions"][0]["id"].as_str().expect("a session").to_owned();
    let mut group = criterion.benchmark_group("cold");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    let questions: [(&str, &[&str]); 7] = [
        ("ps_first_hundred", &["ps", "--json"]),
        ("ps_ten_thousand", &["ps", "--json", "--all", "-n", "10000"]),
        ("children", &["children", &id, "--json"]),
        ("tail", &["tail", &id, "--json"]),
        ("show", &["show", &id, "--json"]),
        ("last_turn", &["turns", &id, "-n", "1", "--json"]),
        ("status", &["status", "--json"]),
    ];
    for (name, words) in questions {
        group.bench_function(name, |bencher| {
            bencher.iter(|| told(&mut sm(&home, words)));
        });
    }
    group.finish();
}

criterion_group!(benches, cold);
criterion_main!(benches);
