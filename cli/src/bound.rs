//! A place in the log as a user names it: a record's number, or a time; and a time to come.

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

    /// `120` · `2026-11-21T03:00:00Z` · `2026-11-21 03:00` · `2026-11-21` · `03:00` · `10m`, `3d`, ago.
    fn from_str(text: &str) -> Result<Bound, String> {
        if let Ok(seq) = text.parse() {
            return Ok(Bound::Seq(seq));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Bound::Time(time.as_microsecond()));
        }
        if let Some(time) = local(text, Timestamp::now()) {
            return Ok(Bound::Time(time));
        }
        if let Ok(Age(ms)) = text.strip_suffix(" ago").unwrap_or(text).parse() {
            let micros = i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX);
            return Ok(Bound::Time(now_micros().saturating_sub(micros)));
        }
        if let Ok(ago) = text.parse::<SignedDuration>() {
            let ago = i64::try_from(ago.as_micros()).map_err(|_| "too long ago".to_owned())?;
            return Ok(Bound::Time(now_micros().saturating_sub(ago.abs())));
        }
        Err("neither a record's number nor a time: 120, 2026-11-21T03:00Z, 03:00, 10m, 3d (ago)"
            .into())
    }
}

/// A local date and time, or a time of the day that `day` is in.
fn local(text: &str, day: Timestamp) -> Option<i64> {
    let zone = TimeZone::system();
    let local = text.parse::<civil::DateTime>().ok().or_else(|| {
        let time = text.parse::<civil::Time>().ok()?;
        Some(day.to_zoned(zone.clone()).date().to_datetime(time))
    });
    Some(local?.to_zoned(zone).ok()?.timestamp().as_microsecond())
}

/// How long ago, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub u64);

impl FromStr for Age {
    type Err = String;

    /// `30d` · `12h` · `2w`
    fn from_str(text: &str) -> Result<Age, String> {
        let wrong = || format!("{text:?} is no age: 30d, 12h, 2w");
        // Calendar units have no fixed length elsewhere; here a day is one of 24 hours.
        let hours = [("d", 24), ("w", 7 * 24)].into_iter().find_map(|(unit, hours)| {
            Some(text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.saturating_mul(hours))
        });
        let ms = match hours {
            Some(hours) => hours.saturating_mul(60 * 60 * 1000),
            None => {
                let age: SignedDuration = text.parse().map_err(|_| wrong())?;
                u64::try_from(age.as_millis()).map_err(|_| wrong())?
            }
        };
        Ok(Age(ms))
    }
}

/// A moment to come, in Unix microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until(pub i64);

impl FromStr for Until {
    type Err = String;

    /// `18:00` the next time · `2026-11-21T18:00` · `2026-11-21T18:00:00Z` · `2h`, from now.
    fn from_str(text: &str) -> Result<Until, String> {
        const WORDS: &str = "no time to come: 18:00, 2026-11-21T18:00, 2h (from now)";
        let now = Timestamp::now();
        if let Ok(ahead) = text.parse::<SignedDuration>() {
            let micros = i64::try_from(ahead.as_micros()).map_err(|_| WORDS.to_owned())?;
            return match micros > 0 {
                true => Ok(Until(now.as_microsecond().saturating_add(micros))),
                false => Err(WORDS.to_owned()),
            };
        }
        let whole = text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
        let time = whole.or_else(|| local(text, now)).ok_or_else(|| WORDS.to_owned())?;
        if time > now.as_microsecond() {
            return Ok(Until(time));
        }
        // A time of the day that is over is tomorrow's.
        let tomorrow = now + SignedDuration::from_hours(24);
        let has_date = whole.is_some() || text.parse::<civil::DateTime>().is_ok();
        let again = if has_date { None } else { local(text, tomorrow) };
        again.map(Until).ok_or_else(|| WORDS.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_lies_ahead() {
        for text in ["00:00", "12:00", "23:59", "2h", "9999-01-01T00:00", "9999-01-01T00:00:00Z"] {
            let Ok(Until(time)) = text.parse() else { panic!("{text}") };
            assert!(time > now_micros(), "{text}");
        }
        let day = 24 * 3_600_000_000i64;
        let Ok(Until(time)) = "00:00".parse() else { panic!("midnight") };
        assert!(time - now_micros() <= 2 * day);
        for text in ["2000-01-01T00:00", "0s", "-2h", "soon", ""] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }

    #[test]
    fn ages_are_read_with_their_units() {
        let age = |text: &str| text.parse::<Age>().map(|Age(ms)| ms);
        assert_eq!(age("30d"), Ok(30 * 24 * 3_600_000));
        assert_eq!(age("2w"), Ok(14 * 24 * 3_600_000));
        assert_eq!(age("90m"), Ok(90 * 60_000));
        assert_eq!(age("0s"), Ok(0));
        assert!(age("soon").is_err() && age("-1h").is_err() && age("").is_err());
    }

    #[test]
    fn a_bound_is_a_number_a_moment_or_a_time_ago() {
        assert_eq!("12".parse(), Ok(Bound::Seq(12)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Bound::Time(1_000_000)));
        let Ok(Bound::Time(ago)) = "10m".parse() else { panic!("10m is a time") };
        assert!((now_micros() - ago - 600_000_000).abs() < 5_000_000);
        for (text, hours) in [("3d", 72), ("1w", 168), ("2h", 2), ("2h ago", 2), ("3d ago", 72)] {
            let Ok(Bound::Time(ago)) = text.parse() else { panic!("{text} is a time") };
            assert!((now_micros() - ago - hours * 3_600_000_000i64).abs() < 60_000_000, "{text}");
        }
        assert!("03:00".parse::<Bound>().is_ok());
        assert!("2026-11-21 03:00".parse::<Bound>().is_ok());
        assert!("2026-11-21".parse::<Bound>().is_ok());
        assert!("soon".parse::<Bound>().is_err());
    }
}
