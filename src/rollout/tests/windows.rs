//! Hosts are begun in windows only; what is begun comes to its end.

use super::*;
use crate::plan::PlannedWindows;

/// The start is at 08:00 UTC on a Friday. Two minutes are open, then one is not.
fn windowed(waves: &[usize]) -> Story {
    let allow = ["Fri 08:00-08:02 UTC", "Fri 08:03-08:30 UTC"].map(|window| window.parse().unwrap()).into();
    let windows = PlannedWindows { allow, override_before_expiry: None, served_until: None };
    Story::of(waves).with(|schedule| {
        schedule.windows = Some(windows);
        schedule.waves.iter_mut().for_each(|wave| wave.parallel = 1);
    })
}

#[test]
fn no_host_begins_outside_of_every_window() {
    let mut story = windowed(&[2]);
    assert_eq!(story.go(), "wave a, a1 inspect");
    story.pass(119);
    assert_eq!(story.ends("a1", good(Step::Inspect)), "a1 stage");
    story.pass(1);
    assert_eq!(story.change(&["a1"]), "window in 60s, wait 60s");
    story.pass(59);
    assert_eq!(story.go(), "wait 1s", "that is said once");
    story.pass(1);
    assert_eq!(story.go(), "a2 inspect");
}

#[test]
fn no_wave_begins_outside_of_every_window() {
    let mut story = windowed(&[1, 1]);
    story.go();
    story.pass(120);
    assert_eq!(story.change(&["a1"]), "a passes, window in 60s, wait 60s");
    story.pass(60);
    assert_eq!(story.go(), "wave b, b1 inspect");
}

#[test]
fn a_soak_goes_on_outside_of_every_window() {
    let mut story = windowed(&[1]).soaking();
    story.go();
    story.pass(120);
    assert_eq!(story.change(&["a1"]), "soak 60s, wait 60s");
}

#[test]
fn a_rollback_waits_for_no_window() {
    let mut story = windowed(&[2]);
    story.go();
    story.change(&["a1"]);
    story.pass(120);
    let told = story.ends("a2", StepEnded::Inspect(Err(failed())));
    assert_eq!(told, "a fails: 1 of 2, 0 may, back: a1, a1 rollback");
}

#[test]
fn the_wait_for_a_window_counts_towards_no_deadline() {
    let mut story = windowed(&[2]).with(|schedule| schedule.deadline = Some(seconds(130)));
    story.go();
    story.pass(120);
    assert_eq!(story.change(&["a1"]), "window in 60s, wait 60s");
    story.pass(60);
    assert_eq!(story.go(), "a2 inspect, wait 10s");
}

#[test]
fn windows_no_longer_count_when_what_is_served_is_about_to_expire() {
    let served_until = start() + SignedDuration::from_secs(150);
    let mut story = windowed(&[2]).with(|schedule| {
        let windows = schedule.windows.as_mut().unwrap();
        (windows.override_before_expiry, windows.served_until) = (Some(seconds(10)), Some(served_until));
    });
    story.go();
    story.pass(120);
    assert_eq!(story.change(&["a1"]), "window in 20s, wait 20s");
    story.pass(20);
    assert_eq!(story.go(), "a2 inspect");
}

#[test]
fn where_no_window_ever_opens_no_host_begins() {
    let mut story = Story::of(&[1]).with(|schedule| {
        let windows = PlannedWindows { allow: Vec::new(), override_before_expiry: None, served_until: None };
        schedule.windows = Some(windows);
    });
    assert!(story.go().starts_with("window in "));
}
