//! Durations as playbooks write them. Points in time are [`jiff::Timestamp`], always handed in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a whole number and its unit, such as `90s`, `5m`, `12h` or `30d`")]
pub struct InvalidDuration(String);

/// Reads `90s`, `5m`, `12h`, `30d`, `2w`, `250ms`, or several of them: `1h30m`.
///
/// # Errors
/// When a unit is missing or unknown: a bare number could mean anything.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit: u64 = match rest[..letters].trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(invalid()),
        };
        rest = &rest[letters..];
        millis = number.checked_mul(unit).and_then(|part| millis.checked_add(part)).ok_or_else(invalid)?;
    }
    // A century: everything longer is a slip of the finger, and would overflow a point in time.
    if millis > 36_525 * 86_400_000 {
        return Err(invalid());
    }
    Ok(Duration::from_millis(millis))
}

/// Writes a duration in its two largest units, as people say it: `5m`, `1h30m`, `2d4h`, `250ms`.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let mut rest = seconds;
    let mut text = String::new();
    for (size, unit) in &units[first..(first + 2).min(4)] {
        if rest / size > 0 {
            text.push_str(&format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    text
}

/// A point in time after another; the last there is where that is beyond what can be written.
pub fn later(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_playbooks_write() {
        assert_eq!(parse_duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5_400));
        assert_eq!(parse_duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_duration("0s").unwrap(), Duration::ZERO);
    }

    #[test]
    fn each_unit_is_its_own() {
        for (text, millis) in [
            ("7ms", 7),
            ("7s", 7_000),
            ("7m", 420_000),
            ("7h", 25_200_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("1d2h3m4s5ms", 93_784_005),
            (" 36525d ", 3_155_760_000_000),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_written_is_the_last_there_is() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        assert_eq!(later(now, Duration::from_secs(60)).to_string(), "2026-11-26T12:01:00Z");
        assert_eq!(later(now, Duration::MAX), Timestamp::MAX);
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
    }

    #[test]
    fn refuses_what_could_mean_anything() {
        for bad in [
            "",
            "5",
            "m",
            "5 minutes",
            "-5m",
            "1.5h",
            "99999999999999999999s",
            "40000d",
            "36525d1ms",
            "5M",
            "5s5",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn writes_two_units_at_most() {
        for (seconds, text) in [
            (0, "0ms"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m1s"),
            (300, "5m"),
            (3_601, "1h"),
            (5_400, "1h30m"),
            (86_400, "1d"),
            (90_061, "1d1h"),
        ] {
            assert_eq!(format_duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(format_duration(Duration::from_millis(999)), "999ms");
        assert_eq!(format_duration(Duration::from_millis(1_999)), "1s");
    }
}
