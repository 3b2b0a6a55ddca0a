//! The demo without a codex: its recorded traffic, by the path that every import takes, at the pace
//! it was recorded with.

use super::screen::Screen;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, now_micros};
use serde::Deserialize;
use sm_daemon::Writer;
use sm_ingest::{ImportError, Importer};
use sm_log::Log;
use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A recording, and when it begins.
macro_rules! reel {
    ($name:literal, $begins_ms:literal) => {
        Reel {
            name: concat!("recorded: ", $name),
            begins: Duration::from_millis($begins_ms),
            bytes: include_bytes!(concat!(
                "../../../fixtures/captures/codex-0.169.0/",
                $name,
                ".tap.jsonl"
            )),
        }
    };
}

struct Reel {
    name: &'static str,
    begins: Duration,
    bytes: &'static [u8],
}

const REELS: &[Reel] = &[
    reel!("subagents", 0),
    reel!("approvals", 1500),
    reel!("userinput", 3500),
    reel!("failures", 4500),
    reel!("basic", 7000),
    reel!("interrupt", 9000),
];

/// The longest silence that is kept.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// Plays it to its end. The actors are a process of their own, for LMDB opens an environment once
/// in a process and the audience needs it, too.
pub fn run(context: &Context, streams: &mut Streams) -> Result<(), Error> {
    streams.say("Traffic of codex 0.169.0, recorded before; no account, no network.");
    let exe = std::env::current_exe();
    let exe = exe.map_err(|source| Error::io("find", Path::new("sm"), &source))?;
    let actors = Command::new(&exe)
        .arg("--home")
        .arg(context.home.dir())
        .args(["demo", "--actors"])
        // Held open for as long as this process lives.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let actors = RefCell::new(actors.map_err(|source| Error::io("run", &exe, &source))?);
    let ended = || !matches!(actors.borrow_mut().try_wait(), Ok(None));
    let shown = Screen::new(context, None, usize::MAX).watch_while(streams, ended);
    let mut actors = actors.into_inner();
    if shown.is_err() {
        // Nobody looks any more. An actor that is gone already is no failure.
        let _ = actors.kill();
    }
    let status = actors.wait().map_err(|source| Error::io("wait for", &exe, &source))?;
    shown?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::new(Exit::Failed, "failed", format!("the replay ended with {status}"))),
    }
}

/// The actors' process: records what was recorded, at its pace, and folds it.
pub fn act(context: &Context) -> Result<(), Error> {
    leave_with_the_audience();
    let Writer { log, mut projector, .. } = context.home.open_writer(|_| {})?;
    let over = AtomicBool::new(false);
    let (played, folded) = std::thread::scope(|scope| {
        let folding = scope.spawn(|| projector.fold_along(&over));
        let actors: Vec<_> = REELS
            .iter()
            .map(|reel| (reel, log.clone()))
            .map(|(reel, log)| scope.spawn(move || play(reel, log)))
            .collect();
        let played: Vec<_> = actors.into_iter().map(|actor| actor.join()).collect();
        over.store(true, Ordering::Release);
        (played, folding.join())
    });
    let panicked = || Error::new(Exit::Failed, "bug", "an actor panicked");
    for played in played {
        let played = played.map_err(|_| panicked())?;
        played.map_err(|error| Error::new(Exit::Failed, "not_recorded", error.to_string()))?;
    }
    Ok(folded.map_err(|_| panicked())??)
}

/// Ends this process when the one that shows it is gone, however it went. What is recorded is whole.
fn leave_with_the_audience() {
    std::thread::spawn(|| {
        // What cannot be read has ended, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0);
    });
}

fn play(reel: &Reel, log: Log) -> Result<(), ImportError> {
    std::thread::sleep(reel.begins);
    let now = now_micros();
    let importer = Importer::begin(log, Path::new(reel.name), None, None, now, |_, _| {})?;
    importer.run(Paced { rest: reel.bytes, before: None }, now).map(drop)
}

/// Gives lines when they are due.
struct Paced<'b> {
    rest: &'b [u8],
    before: Option<i64>,
}

#[derive(Deserialize)]
struct Stamp {
    ts: i64,
}

impl Read for Paced<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = &self.rest[..end.map_or(self.rest.len(), |end| end + 1)];
        if let Ok(Stamp { ts }) = serde_json::from_slice(line) {
            let before = self.before.replace(ts).unwrap_or(ts);
            let silence = Duration::from_millis(ts.saturating_sub(before).max(0) as u64);
            std::thread::sleep(silence.min(SILENCE_MAX));
        }
        let count = line.len().min(into.len());
        into[..count].copy_from_slice(&line[..count]);
        self.rest = &self.rest[count..];
        Ok(count)
    }
}
