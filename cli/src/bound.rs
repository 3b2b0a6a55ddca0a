//! A place in the log as a user names it: a record's number, or a time.

use crate::output::now_micros;
use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::str::FromStr;

/// A seq, or a moment in Unix microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A record's number.
    Seq(u64),
    /// A moment.
    Time(i64),
}

impl FromStr for Bound {
    type Err = String;

    /// `120` · `2026-11-21T03:00:00Z` · `2026-11-21 03:00` · `2026-11-21` · `03:00` · `10m`, ago.
    fn from_str(text: &str) -> Result<Bound, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Bound::Seq(seq));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Bound::Time(time.as_microsecond()));
        }
        let zone = TimeZone::system();
        let local = text.parse::<civil::DateTime>().ok().or_else(|| {
            let time = text.parse::<civil::Time>().ok()?;
            Some(Timestamp::now().to_zoned(zone.clone()).date().to_datetime(time))
        });
        if let Some(local) = local.and_then(|local| local.to_zoned(zone).ok()) {
            return Ok(Bound::Time(local.timestamp().as_microsecond()));
        }
        if let Ok(ago) = text.parse::<SignedDuration>() {
            let ago = i64::try_from(ago.as_micros()).map_err(|_| "too long ago".to_owned())?;
            return Ok(Bound::Time(now_micros().saturating_sub(ago.abs())));
        }
        Err("neither a record's number nor a time: 120, 2026-11-21T03:00Z, 03:00, 10m (ago)".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_a_moment_or_a_time_ago() {
        assert_eq!("12".parse(), Ok(Bound::Seq(12)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Bound::Time(1_000_000)));
        let Ok(Bound::Time(ago)) = "10m".parse() else { panic!("10m is a time") };
        assert!((now_micros() - ago - 600_000_000).abs() < 5_000_000);
        assert!("03:00".parse::<Bound>().is_ok());
        assert!("2026-11-21 03:00".parse::<Bound>().is_ok());
        assert!("2026-11-21".parse::<Bound>().is_ok());
        assert!("soon".parse::<Bound>().is_err());
    }
}
