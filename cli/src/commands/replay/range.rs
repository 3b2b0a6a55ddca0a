//! From where to where a replay goes, and how fast.

use crate::bound::Bound;
use crate::error::Error;
use crate::output::Streams;
use sm_log::{Item, ReadError, Reader, Record};
use std::collections::VecDeque;
use std::time::Duration;

/// Which records are asked for. Times need not rise with the seq: what was imported later may be
/// older; so a bound in time is held against each record.
pub struct Range {
    /// The first record to look at.
    pub first: u64,
    /// The last one.
    pub last: u64,
    since: i64,
    until: i64,
    /// No bound was named to begin with.
    from_start: bool,
    /// Records that were asked for, and are no longer kept: first and last.
    pub trimmed: Option<(u64, u64)>,
}

impl Range {
    /// The range of the two bounds.
    pub fn new(log: &Reader, since: Option<Bound>, until: Option<Bound>) -> Result<Range, Error> {
        let floor = log.floor();
        let mut range = Range {
            first: 1,
            last: u64::MAX,
            since: i64::MIN,
            until: i64::MAX,
            from_start: false,
            trimmed: None,
        };
        match since {
            Some(Bound::Seq(seq)) => range.first = seq.max(1),
            Some(Bound::Time(time)) => {
                range.since = time;
                range.first = log.seek_time(time)?;
            }
            None => {}
        }
        match until {
            Some(Bound::Seq(seq)) => range.last = seq,
            Some(Bound::Time(time)) => range.until = time,
            None => {}
        }
        range.from_start = range.first == 1;
        if range.first < floor {
            range.trimmed = Some((range.first, range.last.min(floor - 1)));
            range.first = floor;
        }
        Ok(range)
    }

    /// Whether a record lies between the bounds in time.
    pub fn holds(&self, record: &Record<'_>) -> bool {
        (self.since..=self.until).contains(&record.time)
    }

    /// Whether nothing was asked for but all.
    pub fn is_open(&self) -> bool {
        self.last == u64::MAX && self.since == i64::MIN && self.until == i64::MAX && self.from_start
    }

    /// Where the last `count` wanted records begin.
    pub fn last_seqs(
        &self,
        log: &Reader,
        count: usize,
        wants: impl Fn(&Record<'_>) -> bool,
    ) -> Result<u64, ReadError> {
        let mut cursor = log.cursor(self.first)?;
        let mut last = VecDeque::new();
        while cursor.position() <= self.last {
            let unread = match cursor.next() {
                Ok(Some(Item::Record(record))) if self.holds(&record) && wants(&record) => {
                    last.push_back(record.seq);
                    if last.len() > count {
                        last.pop_front();
                    }
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => break,
                Err(error) => error,
            };
            match unread.seqs() {
                Some((_, last)) if last < log.watermark() => cursor = log.cursor(last + 1)?,
                Some(_) => break,
                None => return Err(unread),
            }
        }
        Ok(last.front().copied().unwrap_or(cursor.position()))
    }

    /// The same in revisions of a session.
    pub fn last_revisions(
        &self,
        log: &Reader,
        thread: &str,
        from: u64,
        count: usize,
        wants: impl Fn(&Record<'_>) -> bool,
    ) -> Result<u64, ReadError> {
        let mut cursor = log.session(thread.as_bytes(), from)?;
        let mut last = VecDeque::new();
        loop {
            match cursor.next() {
                Ok(Some((revision, record))) => {
                    let within = (self.first..=self.last).contains(&record.seq);
                    if within && self.holds(&record) && wants(&record) {
                        last.push_back(revision);
                        if last.len() > count {
                            last.pop_front();
                        }
                    }
                }
                Ok(None) => break,
                Err(ReadError::Gap(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(last.front().copied().unwrap_or(cursor.position()))
    }
}

/// Keeps the recorded pace.
pub struct Pace {
    speed: Option<f64>,
    before: Option<i64>,
}

impl Pace {
    /// `speed` times as fast as recorded; none: as fast as can be.
    pub fn new(speed: Option<f64>) -> Pace {
        Pace { speed, before: None }
    }

    /// Sleeps until a record of that time is due.
    pub fn keep(&mut self, streams: &mut Streams, time: i64) -> Result<(), Error> {
        let Some(speed) = self.speed else { return Ok(()) };
        let before = self.before.replace(time).filter(|before| *before > 0);
        let passed = before.map_or(0, |before| time.saturating_sub(before).max(0));
        if passed > 0 {
            let wait = Duration::from_micros(passed as u64).as_secs_f64() / speed;
            // A day is as long as anybody waits for a line.
            streams.pause(Duration::from_secs_f64(wait.min(86_400.0)))?;
        }
        Ok(())
    }
}
