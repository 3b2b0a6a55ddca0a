//! `sm verify`: proves that the log is as it was written, or says what is not.
//!
//! What always holds: looking changes nothing; each problem is named by file, position and seqs, the
//! first one first; exit 7 says that there is one.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Role, Streams};
use crate::read::open_log;
use clap::Args;
use serde::Serialize;
use sm_log::{Problem, Verification};
use std::path::PathBuf;

/// Proves the log: every checksum, footer and link of the chain of sealed segments.
#[derive(Debug, Args)]
pub struct Verify {
    /// Also unpacks every block and compares each session's list of records with the records.
    #[arg(long)]
    deep: bool,
}

#[derive(Serialize)]
struct Verdict {
    schema: &'static str,
    ok: bool,
    deep: bool,
    log_id: String,
    first_seq: u64,
    last_seq: u64,
    /// In plain segments, and where `deep` in sealed ones, too.
    records_read: u64,
    bytes: u64,
    sealed_segments: u64,
    plain_segments: u64,
    /// The newest sealed segment's hash, which vouches for all before it.
    hash: Option<String>,
    problems: Vec<ProblemDoc>,
    /// What the writer itself declared as lost.
    declared_gaps: Vec<GapDoc>,
}

#[derive(Serialize)]
struct ProblemDoc {
    file: PathBuf,
    position: u64,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    what: &'static str,
    remedy: &'static str,
}

#[derive(Serialize)]
struct GapDoc {
    first_seq: u64,
    last_seq: u64,
    reason: String,
}

impl Verify {
    /// Prints the verdict.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let reader = open_log(context)?;
        let meter = streams.meter();
        let found = reader.verify_watched(self.deep, |seq, last| {
            meter.tell(format_args!("verifying: seq {seq} of {last}"));
        });
        meter.done();
        let verdict = Verdict::new(self.deep, reader.id().to_string(), found?);
        match context.json {
            true => streams.document(&verdict)?,
            false => verdict.print(streams)?,
        }
        Ok(if verdict.ok { Exit::Ok } else { Exit::Unverified })
    }
}

impl Verdict {
    fn new(deep: bool, log_id: String, found: Verification) -> Verdict {
        let gap = |gap: &sm_log::Gap| GapDoc {
            first_seq: gap.first,
            last_seq: gap.last,
            reason: gap.reason.to_string(),
        };
        Verdict {
            schema: "sm.verified/1",
            ok: found.problems.is_empty(),
            deep,
            log_id,
            first_seq: found.first,
            last_seq: found.last,
            records_read: found.records,
            bytes: found.bytes,
            sealed_segments: found.sealed,
            plain_segments: found.plain,
            hash: found.hash.map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()),
            problems: found.problems.into_iter().map(ProblemDoc::new).collect(),
            declared_gaps: found.declared.iter().map(gap).collect(),
        }
    }

    fn print(&self, streams: &mut Streams) -> Result<(), Error> {
        let Verdict { first_seq, last_seq, sealed_segments, plain_segments, bytes, .. } = self;
        let depth = if self.deep { "every record unpacked" } else { "every checksum" };
        let what = format!(
            "seq {first_seq} to {last_seq}: {depth} in {sealed_segments} sealed and \
             {plain_segments} plain segments, {}",
            super::stats::bytes(*bytes)
        );
        let (role, mark) = if self.ok { (Role::Good, "✓") } else { (Role::Bad, "✗") };
        streams.line(format_args!("{} {what}", streams.style.paint(role, mark)))?;
        if let Some(hash) = &self.hash {
            streams.line(format_args!("  {hash}"))?;
        }
        for gap in &self.declared_gaps {
            let GapDoc { first_seq, last_seq, reason } = gap;
            streams.line(format_args!("· seq {first_seq} to {last_seq}: {reason}"))?;
        }
        for problem in &self.problems {
            let ProblemDoc { file, position, what, remedy, .. } = problem;
            let mark = streams.style.paint(Role::Bad, "✗");
            let seqs = match (problem.first_seq, problem.last_seq) {
                (Some(first), Some(last)) => format!("seq {first} to {last} cannot be read"),
                _ => "no record is lost by it".to_owned(),
            };
            streams.line(format_args!("{mark} {}, position {position}", file.display()))?;
            streams.line(format_args!("    {what}; {seqs}"))?;
            streams.line(format_args!("    {}", streams.style.paint(Role::Dim, remedy)))?;
        }
        Ok(())
    }
}

impl ProblemDoc {
    fn new(problem: Problem) -> ProblemDoc {
        let remedy = problem.remedy();
        ProblemDoc {
            file: problem.file,
            position: problem.position,
            first_seq: problem.seqs.map(|(first, _)| first),
            last_seq: problem.seqs.map(|(_, last)| last),
            what: problem.what,
            remedy,
        }
    }
}
