//! When hosts may be begun.

use jiff::Timestamp;

use crate::plan::PlannedWindows;
use crate::plan::testing::resolved;

/// When hosts may be begun, asked at a time; what is served lasts that long, and windows count until so many days before.
fn open(allow: &[&str], served: Option<&str>, days: Option<u64>, now: &str) -> Option<String> {
    let windows = PlannedWindows {
        allow: allow.iter().map(|window| window.parse().unwrap()).collect(),
        override_before_expiry: days.map(|days| std::time::Duration::from_secs(days * 86_400)),
        served_until: served.map(|time| time.parse().unwrap()),
    };
    let now: Timestamp = now.parse().unwrap();
    windows.open(now).map(|at| if at == now { "now".to_owned() } else { at.to_string() })
}

#[test]
fn the_first_window_to_open_counts() {
    let both = ["Sat 09:00-10:00 UTC", "Fri 09:00-10:00 UTC"];
    // 2026-11-26 is a Thursday.
    let at = |now: &str| open(&both, None, None, now);
    assert_eq!(at("2026-11-26T12:00:00Z").as_deref(), Some("2026-11-27T09:00:00Z"));
    assert_eq!(at("2026-11-27T09:59:59Z").as_deref(), Some("now"));
    assert_eq!(at("2026-11-27T10:00:00Z").as_deref(), Some("2026-11-28T09:00:00Z"));
    assert_eq!(open(&[], None, None, "2026-11-26T12:00:00Z"), None);
}

#[test]
fn windows_count_until_what_is_served_is_about_to_expire() {
    // Open on Fridays; a day before expiry at any time.
    let at = |served: &str, now: &str| open(&["Fri 09:00-10:00 UTC"], Some(served), Some(1), now);
    let thursday = "2026-11-26T12:00:00Z";
    assert_eq!(at("2026-12-24T12:00:00Z", thursday).as_deref(), Some("2026-11-27T09:00:00Z"));
    // Before the next window, and sooner than that.
    assert_eq!(at("2026-11-27T13:00:00Z", thursday).as_deref(), Some("2026-11-26T13:00:00Z"));
    assert_eq!(at("2026-11-27T12:00:00Z", thursday).as_deref(), Some("now"), "exactly a day is left");
    assert_eq!(at("2026-11-20T12:00:00Z", thursday).as_deref(), Some("now"), "it has expired");
}

#[test]
fn windows_always_count_where_nobody_says_otherwise_or_nothing_is_known_to_be_served() {
    let allow = &["Fri 09:00-10:00 UTC"];
    let (expired, thursday) = ("2026-11-20T12:00:00Z", "2026-11-26T12:00:00Z");
    let friday = Some("2026-11-27T09:00:00Z");
    assert_eq!(open(allow, Some(expired), None, thursday).as_deref(), friday);
    assert_eq!(open(allow, None, Some(1), thursday).as_deref(), friday);
}

#[test]
fn a_plan_has_the_windows_of_its_playbook() {
    let windows = |section: &str| resolved(section).unwrap().plan.schedule.windows;
    assert_eq!(windows(""), None);
    let planned =
        windows("windows: {allow: [Mon 09:00-10:00 UTC, Sat 09:00-10:00 UTC], override_before_expiry: 7d}");
    let planned = planned.unwrap();
    assert_eq!(planned.allow.iter().map(ToString::to_string).collect::<Vec<_>>().len(), 2);
    assert_eq!(planned.override_before_expiry, Some(std::time::Duration::from_secs(7 * 86_400)));
    // Only the journal knows.
    assert_eq!(planned.served_until, None);
}
