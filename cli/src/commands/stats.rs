//! `sm stats`: what the log holds and what it takes, in numbers.
//!
//! What always holds: the numbers are those of one moment, told with it; looking changes nothing.

use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Streams;
use crate::read::open_log;
use clap::Args;
use serde::Serialize;
use sm_daemon::counted;
use sm_log::{Reader, Segment};
use std::path::PathBuf;

const MICROS: f64 = 1_000_000.0;

/// Sizes, ratios, bytes per record and rates of the log.
#[derive(Debug, Args)]
pub struct Stats {
    /// One line for each segment, too.
    #[arg(long)]
    segments: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    log_id: String,
    floor: u64,
    head: u64,
    all: Sum,
    sealed: Sum,
    plain: Sum,
    /// Seconds from the oldest to the newest record's time.
    seconds: Option<f64>,
    records_per_second: Option<f64>,
    segments: Vec<SegmentDoc>,
}

/// Some segments together.
#[derive(Default, Serialize)]
struct Sum {
    segments: u64,
    records: u64,
    payload_bytes: u64,
    disk_bytes: u64,
    payload_bytes_per_record: Option<f64>,
    disk_bytes_per_record: Option<f64>,
    /// How many bytes of payload stand on one byte of disk.
    ratio: Option<f64>,
}

#[derive(Serialize)]
struct SegmentDoc {
    file: PathBuf,
    sealed: bool,
    first_seq: u64,
    last_seq: u64,
    records: u64,
    sessions: u64,
    payload_bytes: u64,
    disk_bytes: u64,
    /// Microseconds since 1970.
    oldest_time: Option<i64>,
    newest_time: Option<i64>,
}

impl Stats {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let report = Report::new(&open_log(context)?)?;
        match context.json {
            true => streams.document(&report)?,
            false => report.print(streams, self.segments)?,
        }
        Ok(Exit::Ok)
    }
}

impl Report {
    fn new(reader: &Reader) -> Result<Report, Error> {
        let segments = reader.segments()?;
        let sum = |keep: fn(&Segment) -> bool| Sum::of(segments.iter().filter(|s| keep(s)));
        let times: Vec<(i64, i64)> = segments.iter().filter_map(|s| s.times).collect();
        // Imported records may have no time at all: 0 says nothing.
        let oldest = times.iter().map(|times| times.0).filter(|time| *time > 0).min();
        let newest = times.iter().map(|times| times.1).max();
        let span = oldest.zip(newest).map(|(oldest, newest)| (newest - oldest) as f64 / MICROS);
        let seconds = span.filter(|seconds| *seconds > 0.0);
        let all = sum(|_| true);
        let records_per_second = seconds.map(|seconds| all.records as f64 / seconds);
        Ok(Report {
            schema: "sm.stats/1",
            log_id: reader.id().to_string(),
            floor: reader.floor(),
            head: reader.watermark(),
            sealed: sum(|segment| segment.sealed),
            plain: sum(|segment| !segment.sealed),
            all,
            seconds,
            records_per_second,
            segments: segments.iter().map(SegmentDoc::new).collect(),
        })
    }

    fn print(&self, streams: &mut Streams, each: bool) -> Result<(), Error> {
        streams.line(format_args!("log {}, seq {} to {}", self.log_id, self.floor, self.head))?;
        for (name, sum) in [("all", &self.all), ("sealed", &self.sealed), ("plain", &self.plain)] {
            let ratio = sum.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}"));
            let mean = sum.payload_bytes_per_record.unwrap_or(0.0);
            let disk = sum.disk_bytes_per_record.unwrap_or(0.0);
            streams.line(format_args!(
                "{name:<7}{:>4} segments {:>10} records {:>10} of payload on {:>10}: \
                 {ratio} to 1, {mean:.0} and {disk:.0} bytes a record",
                sum.segments,
                sum.records,
                bytes(sum.payload_bytes),
                bytes(sum.disk_bytes),
            ))?;
        }
        if let Some((rate, seconds)) = self.records_per_second.zip(self.seconds) {
            let over = crate::output::duration_ms((seconds * 1000.0) as i64);
            streams.line(format_args!("{rate:.1} records a second, over {over}"))?;
        }
        for segment in self.segments.iter().filter(|_| each) {
            let name = segment.file.file_name().unwrap_or_default().to_string_lossy();
            streams.line(format_args!(
                "{name}  seq {} to {}  {} of payload on {}, {}",
                segment.first_seq,
                segment.last_seq,
                bytes(segment.payload_bytes),
                bytes(segment.disk_bytes),
                counted(segment.sessions, "session"),
            ))?;
        }
        Ok(())
    }
}

impl Sum {
    fn of<'s>(segments: impl Iterator<Item = &'s Segment>) -> Sum {
        let mut sum = Sum::default();
        for segment in segments {
            sum.segments += 1;
            sum.records += records(segment);
            sum.payload_bytes += segment.payload_bytes;
            sum.disk_bytes += segment.bytes;
        }
        let per = |bytes: u64, count: u64| (count > 0).then(|| bytes as f64 / count as f64);
        sum.payload_bytes_per_record = per(sum.payload_bytes, sum.records);
        sum.disk_bytes_per_record = per(sum.disk_bytes, sum.records);
        sum.ratio = per(sum.payload_bytes, sum.disk_bytes);
        sum
    }
}

fn records(segment: &Segment) -> u64 {
    (segment.last + 1).saturating_sub(segment.first)
}

impl SegmentDoc {
    fn new(segment: &Segment) -> SegmentDoc {
        SegmentDoc {
            file: segment.file.clone(),
            sealed: segment.sealed,
            first_seq: segment.first,
            last_seq: segment.last,
            records: records(segment),
            sessions: segment.sessions,
            payload_bytes: segment.payload_bytes,
            disk_bytes: segment.bytes,
            oldest_time: segment.times.map(|times| times.0),
            newest_time: segment.times.map(|times| times.1),
        }
    }
}

/// `950 B`, `12.3 kB`, `4.5 MB`, `1.2 GB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_keep_their_unit() {
        for (count, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (4_500_000_000, "4.5 GB"),
        ] {
            assert_eq!(bytes(count), words);
        }
    }
}
