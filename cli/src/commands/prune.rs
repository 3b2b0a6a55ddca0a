//! `sm prune`: what the log need not keep.
//!
//! What always holds: nothing goes without `--apply`; whole oldest segments only, none that something
//! open still needs; what the folds made of them is kept before they go.

use super::stats::bytes;
use crate::bound::Age;
use crate::context::Context;
use crate::daemon::Client;
use crate::error::{Error, Exit};
use crate::output::{Streams, duration_ms, now_micros};
use crate::read::{Tables, nothing_yet, open_log};
use clap::Args;
use serde::Serialize;
use sm_daemon::api::{self, Pruned};
use sm_daemon::counted;
use sm_daemon::{HomeError, Plan};
use sm_ingest::Scribe;
use sm_log::OpenError;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long another command that only catches up is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Drops the log's oldest segments: tells what would go, and does it with --apply.
///
/// Without a limit: what is older than 90 days, and the oldest beyond 20 GB. With one, that one alone.
/// Never a segment that an open turn, a waiting request or a queued input still needs. States, turns,
/// actions and counts stay as they are; the records themselves, and so the full texts, are gone.
#[derive(Debug, Args)]
pub struct Prune {
    /// Segments whose newest record was appended longer ago: 30d, 12h.
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,

    /// The oldest segments, until the log takes no more: 20GB, 500MB.
    #[arg(long, value_name = "SIZE")]
    max_bytes: Option<Size>,

    /// Serves of each session only so many of its newest records; the others' bytes go with their
    /// segments.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_records_per_session: Option<u64>,

    /// Also what stands open at the end of an imported transcript: nothing will ever close it.
    #[arg(long)]
    past_imports: bool,

    /// Does it.
    #[arg(long)]
    apply: bool,
}

/// `20GB`.
#[derive(Debug, Clone, Copy)]
struct Size(u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        const UNITS: [(&str, u64); 10] = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("kB", 1_000),
            ("KB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
            ("B", 1),
        ];
        let unit = UNITS.iter().find_map(|(unit, of)| Some((text.strip_suffix(unit)?, *of)));
        let (count, of) = unit.unwrap_or((text, 1));
        let count: f64 = count
            .trim()
            .parse()
            .ok()
            .filter(|count: &f64| count.is_finite() && *count >= 0.0)
            .ok_or_else(|| format!("{text:?} is no size: 20GB, 500MB, 1GiB"))?;
        Ok(Size((count * of as f64) as u64))
    }
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    #[serde(flatten)]
    pruned: Pruned,
}

impl Prune {
    /// Tells it, or does it.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        match sm_log::peek(context.home.log_dir()) {
            Err(OpenError::NotFound { .. }) => return Err(nothing_yet(context)),
            found => drop(found.map_err(HomeError::from)?),
        }
        let wish = api::Prune {
            older_than_ms: self.older_than.map(|Age(ms)| ms),
            max_bytes: self.max_bytes.map(|Size(bytes)| bytes),
            max_records_per_session: self.max_records_per_session,
            past_imports: self.past_imports,
            apply: self.apply,
            by: context.caller.clone(),
        };
        let pruned = match (Client::connect(context)?, self.apply) {
            (Some(client), _) => client.prune(&wish)?,
            (None, true) => alone(context, streams, &wish)?,
            (None, false) => {
                let tables = Tables::open_some(context, streams)?;
                Plan::new(&open_log(context)?, &tables.view()?, &wish, now_micros())?.pruned
            }
        };
        match context.json {
            true => streams.document(&Answer { schema: "sm.prune/1", pruned })?,
            false => print(context, streams, &pruned)?,
        }
        Ok(Exit::Ok)
    }
}

/// Nobody else writes: this process does it.
fn alone(context: &Context, streams: &Streams, wish: &api::Prune) -> Result<Pruned, Error> {
    if context.caller.is_some() {
        return Err(Error::new(Exit::Failed, "forbidden", "only the user drops records"));
    }
    let meter = streams.meter();
    let began = Instant::now();
    let writer = loop {
        match context.home.open_writer(|seq| meter.tell(format_args!("folding the log: seq {seq}")))
        {
            Err(HomeError::Log(OpenError::Locked { .. })) if began.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            opened => break opened?,
        }
    };
    let plan = Plan::new(&writer.log.reader(), &writer.store.view()?, wish, now_micros())?;
    let scribe = Scribe::new(writer.log.clone());
    let tell = |seq| meter.tell(format_args!("keeping what the folds made: seq {seq}"));
    let pruned = plan.apply(&scribe, &context.home.snapshots(), "user", now_micros(), tell);
    meter.done();
    let mut projector = writer.projector;
    projector.catch_up(|_| {})?;
    Ok(pruned?)
}

fn print(context: &Context, streams: &mut Streams, pruned: &Pruned) -> Result<(), Error> {
    let home = context.home_words();
    let Pruned { segments, records, floor_before, floor, kept_bytes, .. } = pruned;
    let limits = [
        pruned.older_than_ms.map(|ms| format!("older than {}", duration_ms(ms as i64))),
        pruned.max_bytes.map(|most| format!("beyond {}", bytes(most))),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let does = if pruned.applied { "dropped" } else { "would drop" };
    if *segments > 0 {
        streams.line(format_args!(
            "{does} {} in {}, {}: seq {floor_before} to {}",
            counted(records, "record"),
            counted(segments, "segment"),
            bytes(pruned.bytes),
            floor - 1
        ))?;
        streams.line(format_args!(
            "the log begins at seq {floor}{}, and takes {}",
            if pruned.applied { "" } else { " then" },
            bytes(*kept_bytes)
        ))?;
    } else if !limits.is_empty() {
        streams.line(format_args!(
            "nothing {}: the log takes {}, from seq {floor} on",
            limits.join(" or "),
            bytes(*kept_bytes)
        ))?;
    }
    if pruned.capped_sessions > 0 {
        let does = if pruned.applied { "serve" } else { "would serve" };
        streams.line(format_args!(
            "{} {does} only the newest records",
            counted(pruned.capped_sessions, "session")
        ))?;
    }
    if let Some(kept) = &pruned.snapshot {
        streams.line(format_args!(
            "kept: what the folds made of them, {} in {}",
            bytes(kept.bytes),
            context.home.snapshots().path(kept.seq).display()
        ))?;
    }
    if let Some(hold) = &pruned.held_by {
        let whose = hold.session_id.as_deref().map_or(String::new(), |id| format!(" of {id}"));
        let seq = hold.seq;
        streams.say(format_args!(
            "The next segment stays: the open {}{whose} needs record {seq}.",
            hold.kind
        ));
        if hold.imported {
            streams.say(
                "It stands open at the end of a transcript; to drop it nevertheless: --past-imports",
            );
        }
    }
    if !pruned.applied && (*segments > 0 || pruned.capped_sessions > 0) {
        streams.say(format_args!("Nothing was changed. To do it: sm{home} prune … --apply"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sm_daemon::{MAX_BYTES, OLDER_THAN_MS};

    #[test]
    fn sizes_are_read_with_their_units() {
        let size = |text: &str| text.parse::<Size>().map(|Size(bytes)| bytes);
        assert_eq!(size("20GB"), Ok(MAX_BYTES));
        assert_eq!(size("1.5 MiB"), Ok(3 << 19));
        assert_eq!(size("7"), Ok(7));
        assert_eq!(size("7B"), Ok(7));
        assert!(size("-1GB").is_err() && size("much").is_err() && size("inf").is_err());
        assert_eq!("90d".parse::<Age>().map(|Age(ms)| ms), Ok(OLDER_THAN_MS));
    }
}
