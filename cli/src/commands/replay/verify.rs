//! `sm replay --verify`: the log is folded anew, and the result compared with the live tables.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::past::folder;
use crate::read::{AsOf, Tables, open_log};
use serde::Serialize;
use sm_daemon::counted;
use sm_projections::tables::Partial;
use sm_projections::upgrade::EVERYTHING;
use sm_projections::{Below, Projector};
use std::sync::Arc;

/// Not the batch of live folding: batches must not matter.
const BATCH_RECORDS: usize = 4099;

#[derive(Serialize)]
struct Verdict {
    schema: &'static str,
    equal: bool,
    live_digest: String,
    rebuilt_digest: String,
    records: u64,
    first_difference: Option<Difference>,
    as_of: AsOf,
}

#[derive(Serialize)]
struct Difference {
    table: &'static str,
    key: String,
}

/// Compares and prints.
pub fn run(context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
    let Some(tables) = Tables::open(context, streams)? else {
        return Err(crate::read::nothing_yet(context));
    };
    let view = tables.view()?;
    let as_of = tables.as_of(&view)?;
    let live_digest = view.digest()?;
    let unknown_below = view.get::<Partial>(&EVERYTHING.to_owned())?;
    drop(view);

    let log = open_log(context)?;
    let scratch = folder(context)?;
    let snapshots = context.home.snapshots();
    let below = match unknown_below {
        // Made by `rebuild --partial` since the last trim: proved from there on.
        Some(from) if from == log.floor() => Below::Unknown,
        _ => Below::Kept(&snapshots),
    };
    let rebuilt = Arc::new(below.begin(&scratch.path().join("tables"), &log)?);
    let mut projector = Projector::new(Arc::clone(&rebuilt), log)?;
    let meter = streams.meter();
    projector.fold_to(as_of.seq, BATCH_RECORDS, |seq| {
        meter.tell(format_args!("folding anew: seq {seq} of {}", as_of.seq));
    })?;
    meter.done();

    let mine = rebuilt.view()?;
    let rebuilt_digest = mine.digest()?;
    let equal = live_digest == rebuilt_digest;
    let mut first_difference = None;
    if !equal {
        let live = tables.view()?;
        // A live table that has gone on since differs for that reason alone.
        if live.checkpoint()? == as_of.seq {
            let difference = live.first_difference(&mine)?;
            first_difference = difference.map(|at| Difference {
                table: at.table,
                key: at.key.iter().map(|byte| format!("{byte:02x}")).collect(),
            });
        }
    }
    let verdict = Verdict {
        schema: "sm.verify/1",
        equal,
        live_digest,
        rebuilt_digest,
        records: as_of.seq,
        first_difference,
        as_of,
    };
    if context.json {
        streams.document(&verdict)?;
    } else if equal {
        let Verdict { records, live_digest, .. } = &verdict;
        streams
            .line(format_args!("✓ {} folded anew: the same tables", counted(records, "record")))?;
        streams.line(format_args!("  {live_digest}"))?;
    } else {
        streams.line("✗ folded anew, the tables differ")?;
        streams.line(format_args!("  live    {}", verdict.live_digest))?;
        streams.line(format_args!("  rebuilt {}", verdict.rebuilt_digest))?;
        if let Some(at) = &verdict.first_difference {
            streams.line(format_args!("  first in table {}, key {}", at.table, at.key))?;
        }
    }
    Ok(if equal { Exit::Ok } else { Exit::Unverified })
}
