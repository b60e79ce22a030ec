//! Times of the week in which changes may be made.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// Days, hours and a time zone: `Mon-Thu 09:00-16:00 Europe/Berlin`. Hours that end before they begin end on the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    text: String,
    /// Monday first.
    days: [bool; 7],
    from: Time,
    to: Time,
    zone: TimeZone,
}

/// Why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a window: {reason}")]
pub struct InvalidWindow {
    text: String,
    reason: String,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Window {
    /// Now where it is open, else when it opens next.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned_datetime(self.zone.clone()).date();
        // One that began yesterday may still be open; each day comes again within a week.
        (-1..=8).find_map(|days| {
            let date = today.checked_add(days.days()).ok()?;
            let (start, end) = self.on(date)?;
            (now < end).then(|| start.max(now))
        })
    }

    /// From when to when it is open, if it opens on that day.
    fn on(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days[date.weekday().to_monday_zero_offset() as usize] {
            return None;
        }
        let at = |date: Date, time: Time| self.zone.to_timestamp(date.to_datetime(time)).ok();
        let last = if self.to <= self.from { date.tomorrow().ok()? } else { date };
        Some((at(date, self.from)?, at(last, self.to)?))
    }
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        let invalid = |reason: String| InvalidWindow { text: text.to_owned(), reason };
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [days, hours, zone] = parts.as_slice() else {
            return Err(invalid(
                "write days, hours and a time zone: `Mon-Thu 09:00-16:00 Europe/Berlin`".to_owned(),
            ));
        };
        let (from, to) = hours
            .split_once('-')
            .and_then(|(from, to)| Some((time(from)?, time(to)?)))
            .ok_or_else(|| invalid(format!("`{hours}` are no hours: write `09:00-16:00`")))?;
        let zone = TimeZone::get(zone)
            .map_err(|_| invalid(format!("`{zone}` is no time zone: write `UTC` or `Europe/Berlin`")))?;
        let days = days_of(days)
            .ok_or_else(|| invalid(format!("`{days}` are no days: write `Mon-Thu` or `Sat,Sun`")))?;
        Ok(Self { text: parts.join(" "), days, from, to, zone })
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    if minute.len() != 2 {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// `Mon-Thu`, `Fri-Mon`, `Sat,Sun`.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let mut at = first;
        loop {
            days[at] = true;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(days)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl TryFrom<String> for Window {
    type Error = InvalidWindow;
    fn try_from(text: String) -> Result<Self, InvalidWindow> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(window: &str, now: &str) -> String {
        let window: Window = window.parse().unwrap();
        window.opens(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_window_opens_by_the_clocks_of_its_place() {
        // 2026-11-26 is a Thursday; Berlin is an hour ahead of UTC.
        let work = "Mon-Thu 09:00-16:00 Europe/Berlin";
        assert_eq!(opens(work, "2026-11-26T07:59:59Z"), "2026-11-26T08:00:00Z");
        assert_eq!(opens(work, "2026-11-26T08:00:00Z"), "2026-11-26T08:00:00Z");
        assert_eq!(opens(work, "2026-11-26T14:59:59Z"), "2026-11-26T14:59:59Z");
        assert_eq!(opens(work, "2026-11-26T15:00:00Z"), "2026-11-30T08:00:00Z");
        // Over midnight, over the end of the week, and over the change of clocks (2026-03-29, 02:00 to 03:00).
        assert_eq!(opens("Sun 22:00-04:00 UTC", "2026-11-30T03:00:00Z"), "2026-11-30T03:00:00Z");
        assert_eq!(opens("Sun 22:00-04:00 UTC", "2026-11-30T04:00:00Z"), "2026-12-06T22:00:00Z");
        assert_eq!(opens("Sun 02:30-05:00 Europe/Berlin", "2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
        assert_eq!(opens("Fri-Mon 10:00-11:00 UTC", "2026-11-26T12:00:00Z"), "2026-11-27T10:00:00Z");
        assert_eq!(opens("Sat,Sun 10:00-11:00 UTC", "2026-11-28T11:00:00Z"), "2026-11-29T10:00:00Z");
    }

    #[test]
    fn a_window_that_ends_when_it_begins_is_a_whole_day() {
        let day = "Mon 09:00-09:00 UTC";
        assert_eq!(opens(day, "2026-11-30T09:00:00Z"), "2026-11-30T09:00:00Z");
        assert_eq!(opens(day, "2026-12-01T08:59:59Z"), "2026-12-01T08:59:59Z");
        assert_eq!(opens(day, "2026-12-01T09:00:00Z"), "2026-12-07T09:00:00Z");
        assert_eq!(opens("Mon-Sun 00:00-00:00 UTC", "2026-11-30T00:00:00Z"), "2026-11-30T00:00:00Z");
    }

    /// Berlin's clocks go from 03:00 back to 02:00 on 2026-10-25, and from 02:00 on to 03:00 on 2026-03-29.
    #[test]
    fn a_window_keeps_its_hours_over_the_change_of_clocks() {
        let nights = "Sat,Sun 22:00-04:00 Europe/Berlin";
        assert_eq!(opens(nights, "2026-10-25T02:59:59Z"), "2026-10-25T02:59:59Z");
        assert_eq!(opens(nights, "2026-10-25T03:00:00Z"), "2026-10-25T21:00:00Z");
        assert_eq!(opens(nights, "2026-03-29T01:59:59Z"), "2026-03-29T01:59:59Z");
        assert_eq!(opens(nights, "2026-03-29T02:00:00Z"), "2026-03-29T20:00:00Z");
        // An hour that comes twice begins with the first.
        assert_eq!(opens("Sun 02:30-05:00 Europe/Berlin", "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
    }

    #[test]
    fn a_day_is_that_of_the_windows_place() {
        // It is Friday in Auckland, and Thursday elsewhere.
        let friday = "Fri 09:00-10:00 Pacific/Auckland";
        assert_eq!(opens(friday, "2026-11-26T20:00:00Z"), "2026-11-26T20:00:00Z");
        assert_eq!(opens(friday, "2026-11-27T09:30:00Z"), "2026-12-03T20:00:00Z");
        // It is Wednesday in UTC, and still Tuesday where Monday's window is open.
        let monday = "Mon 23:00-22:00 America/Los_Angeles";
        assert_eq!(opens(monday, "2026-12-02T04:00:00Z"), "2026-12-02T04:00:00Z");
        // A week later again.
        assert_eq!(opens("Thu 09:00-10:00 UTC", "2026-11-26T10:00:00Z"), "2026-12-03T09:00:00Z");
    }

    #[test]
    fn days_are_single_ones_and_stretches_that_may_go_over_the_end_of_the_week() {
        let days = |text: &str| days_of(text).map(|days| days.map(u8::from));
        assert_eq!(days("Mon"), Some([1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(days("mon-SUN"), Some([1; 7]));
        assert_eq!(days("Sat-Mon"), Some([1, 0, 0, 0, 0, 1, 1]));
        assert_eq!(days("Mon,Wed-Fri"), Some([1, 0, 1, 1, 1, 0, 0]));
        for none in ["", "Mon,", "Mon-", "Monday", "Mon-Tue-Wed"] {
            assert_eq!(days(none), None, "{none}");
        }
    }

    #[test]
    fn a_window_is_written_as_it_was_read() {
        let text = "Mon-Thu  9:00-16:00 Europe/Berlin";
        assert_eq!(text.parse::<Window>().unwrap().to_string(), "Mon-Thu 9:00-16:00 Europe/Berlin");
        let last: Window = "Mon 23:59-00:00 UTC".parse().unwrap();
        assert_eq!(serde_json::to_string(&last).unwrap(), r#""Mon 23:59-00:00 UTC""#);
    }

    #[test]
    fn what_is_no_window_is_told_with_what_would_be() {
        let reason = |text: &str| text.parse::<Window>().unwrap_err().reason;
        assert!(reason("always").contains("write days, hours and a time zone"));
        assert!(reason("Mon-Thu 9-16 UTC").contains("`9-16` are no hours"));
        for hours in ["09:00-25:00", "09:00-24:00", "09:60-10:00", "09:0-10:00", "09:000-10:00", "09:00"] {
            assert!(reason(&format!("Mon-Thu {hours} UTC")).contains("no hours"), "{hours}");
        }
        assert!(reason("Mo-Do 09:00-16:00 UTC").contains("`Mo-Do` are no days"));
        assert!(reason("Mon 09:00-16:00 Berlin").contains("`Berlin` is no time zone"));
    }
}
