//! A mixed load on the real Codex, the daemon and its servers killed at random, then an audit of what
//! the log alone tells: `cargo xtask load [--minutes N] [--sessions M] [--seed S]` builds and runs it.
//!
//! What always holds: everything is done through the real `sm`, each call a process of its own; what it
//! was answered is kept and held against the log; the audit reads records, not tables. The first fault
//! leaves the data directory where it is, and the exit code is 1.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool that prints and may panic")]

mod audit;
mod clients;
mod killer;
mod rollouts;
mod stage;

use clients::Work;
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str =
    "load --sm PROGRAM --codex PROGRAM [--minutes N] [--sessions M] [--seed S] [--dir DIR]";

/// How many answer what is asked, each all that they see.
const ANSWERERS: u64 = 3;

struct Wish {
    sm: PathBuf,
    codex: PathBuf,
    dir: Option<PathBuf>,
    minutes: f64,
    sessions: u64,
    seed: u64,
}

fn wish() -> Option<Wish> {
    let (mut sm, mut codex, mut dir) = (None, None, None);
    let (mut minutes, mut sessions, mut seed) = (2.0, 12, 1);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--sm" => sm = Some(PathBuf::from(value)),
            "--codex" => codex = Some(PathBuf::from(value)),
            "--dir" => dir = Some(PathBuf::from(value)),
            "--minutes" => minutes = value.parse().ok()?,
            "--sessions" => sessions = value.parse().ok()?,
            "--seed" => seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(Wish { sm: sm?, codex: codex?, dir, minutes, sessions, seed })
}

fn main() -> ExitCode {
    let Some(wish) = wish() else {
        println!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    let stage = Stage::new(wish.sm, &wish.codex, wish.dir);
    let (over, calm) = (AtomicBool::new(false), AtomicBool::new(false));
    let deadline = Instant::now() + Duration::from_secs_f64(wish.minutes * 60.0);
    println!(
        "seed {}, {} sessions, {} minutes, in {}",
        wish.seed,
        wish.sessions,
        wish.minutes,
        stage.dir().display()
    );
    let kills = std::thread::scope(|scope| {
        let (stage, over, calm) = (&stage, &over, &calm);
        let rng = |role: u64| fastrand::Rng::with_seed(wish.seed.wrapping_mul(1 << 20) + role);
        let killer = scope.spawn(move || killer::kill_until(stage, rng(0), deadline));
        for number in 0..ANSWERERS {
            scope.spawn(move || clients::answer(stage, rng(1 + number), over, calm));
        }
        let workers: Vec<_> = (0..wish.sessions)
            .map(|number| {
                let work = Work::new(stage, rng(100 + number), number);
                scope.spawn(move || work.go_on_until(deadline))
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let kills = killer.join().unwrap();
        calm.store(true, Ordering::Relaxed);
        stage.settle();
        stage.find_lost();
        over.store(true, Ordering::Relaxed);
        kills
    });
    stage.stop();
    println!("{kills}");
    let told = stage.told();
    let found = audit::audit(&stage, &told);
    println!("{}", found.summary);
    let verified = stage.verify();
    for fault in found.faults.iter().chain(&verified) {
        println!("FAULT {fault}");
    }
    match found.faults.is_empty() && verified.is_empty() {
        true => {
            println!("no fault");
            stage.put_away();
            ExitCode::SUCCESS
        }
        false => {
            println!("left in {}", stage.keep().display());
            ExitCode::FAILURE
        }
    }
}
