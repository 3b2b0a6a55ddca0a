//! Durations and moments for people. The clock is read here and nowhere else.

use jiff::Timestamp;

/// Now, in Unix microseconds.
pub fn now_micros() -> i64 {
    Timestamp::now().as_microsecond()
}

/// `12s`, `2m30s`, `3h05m`, `4d02h`; what lies ahead counts as now.
pub fn age(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// How long ago `at` was, seen from `now`; `?` where nothing told.
pub fn ago(now: i64, at: i64) -> String {
    if at <= 0 { "?".to_owned() } else { age(now - at) }
}

/// A measured duration: `80ms`, `3.2s`, then as an age.
pub fn duration_ms(ms: i64) -> String {
    match ms {
        ..1000 => format!("{}ms", ms.max(0)),
        1000..10_000 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        _ => age(ms.saturating_mul(1000)),
    }
}

/// `950`, `12.3k`, `4.5M`.
pub fn tokens(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{}.{}k", count / 1000, count % 1000 / 100),
        _ => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units_at_most() {
        let second = 1_000_000;
        for (seconds, words) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (150, "2m30s"),
            (3_600, "1h00m"),
            (11_100, "3h05m"),
            (86_400, "1d00h"),
            (352_800, "4d02h"),
        ] {
            assert_eq!(age(seconds * second), words);
        }
        assert_eq!(ago(10 * second, 0), "?");
        assert_eq!(duration_ms(3_250), "3.2s");
        assert_eq!(tokens(12_345), "12.3k");
    }
}
