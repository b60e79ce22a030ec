//! What may take only so long, and what does not count as time.

use super::*;
use crate::rollout::Stopwatch;

/// A wave of two with these limits, in seconds: for its progress, for itself, and for the rollout.
fn limited(progress: Option<u64>, wave: Option<u64>, rollout: Option<u64>) -> Story {
    Story::of(&[2, 1]).soaking().with(|schedule| {
        schedule.deadline = rollout.map(seconds);
        schedule.waves[0].progress_deadline = progress.map(seconds);
        schedule.waves[0].deadline = wave.map(seconds);
    })
}

#[test]
fn a_deadline_passes_in_the_moment_that_it_names() {
    let cases = [
        (limited(Some(40), None, None), "a fails: no progress in 40s"),
        (limited(None, Some(40), None), "a fails: not over in 40s"),
        (limited(None, None, Some(40)), "a fails: rollout not over in 40s"),
    ];
    for (mut story, told) in cases {
        assert_eq!(story.go(), "wave a, a1 inspect, a2 inspect, wait 40s");
        story.pass(39);
        assert_eq!(story.go(), "wait 1s", "{told}");
        story.pass(1);
        assert_eq!(story.go(), told);
    }
}

#[test]
fn of_several_deadlines_the_first_is_waited_for() {
    let mut story = limited(Some(50), Some(100), Some(90));
    assert_eq!(story.go(), "wave a, a1 inspect, a2 inspect, wait 50s");
    story.pass(45);
    story.end("a1", StepEnded::Inspect(Ok(Inspected { proven: true, ..found() })));
    assert_eq!(story.go(), "wait 45s", "the rollout's, since a host came to its end");
}

#[test]
fn a_host_that_comes_to_its_end_is_progress_and_a_step_is_none() {
    let mut story = limited(Some(50), None, None);
    story.go();
    story.pass(30);
    assert_eq!(story.ends("a1", good(Step::Inspect)), "a1 stage, wait 20s");
    assert_eq!(story.change(&["a1"]), "wait 50s");
}

#[test]
fn no_host_begins_after_a_deadline() {
    let mut story = limited(None, Some(50), None);
    story.schedule.waves[0].parallel = 1;
    story.go();
    story.pass(50);
    // It comes to its end all the same: each step has a limit of its own.
    let told = story.ends("a1", StepEnded::Inspect(Ok(Inspected { proven: true, ..found() })));
    assert_eq!(told, "a fails: not over in 50s, failed");
}

#[test]
fn a_soak_is_no_lack_of_progress() {
    let mut story = limited(Some(50), None, None);
    story.go();
    assert_eq!(story.change(&["a1", "a2"]), "soak 60s, wait 60s");
    story.pass(59);
    assert_eq!(story.go(), "wait 1s");
    story.pass(1);
    assert_eq!(story.measure(9, 0, &[]), "a passes, wave b, b1 inspect");
}

#[test]
fn a_soak_is_part_of_its_wave_and_of_its_rollout() {
    let back = "back: a1 a2, a1 rollback, a2 rollback";
    for (mut story, why) in
        [(limited(None, Some(80), None), "not over"), (limited(None, None, Some(80)), "rollout not over")]
    {
        story.go();
        story.pass(50);
        assert_eq!(story.change(&["a1", "a2"]), "soak 60s, wait 30s");
        story.pass(30);
        assert_eq!(story.go(), format!("a fails: {why} in 80s, {back}"));
    }
}

#[test]
fn each_wave_has_its_own_time_and_the_rollout_goes_on() {
    let mut story = limited(None, Some(100), Some(200)).with(|schedule| {
        schedule.waves.iter_mut().for_each(|wave| wave.soak = Duration::ZERO);
        schedule.waves[1].deadline = Some(seconds(100));
        schedule.waves[1].progress_deadline = Some(seconds(95));
    });
    story.go();
    story.pass(90);
    assert_eq!(story.change(&["a1", "a2"]), "a passes, wave b, b1 inspect, wait 95s");
    story.pass(60);
    assert_eq!(story.go(), "wait 35s");
    story.pass(34);
    assert_eq!(story.go(), "wait 1s");
}

/// A deadline of a wave is none of its neighbour's, and not of the time between two.
#[test]
fn a_wave_that_has_not_begun_has_no_deadline() {
    let mut story = Story::of(&[1, 1]).with(|schedule| {
        schedule.waves[1].deadline = Some(seconds(10));
        schedule.waves[1].progress_deadline = Some(seconds(10));
    });
    story.go();
    story.pass(20);
    assert_eq!(story.change(&["a1"]), "a passes, wave b, b1 inspect, wait 10s");
}

#[test]
fn a_rollout_that_is_out_of_time_begins_no_further_wave() {
    let mut story = Story::of(&[1, 1]).with(|schedule| schedule.deadline = Some(seconds(10)));
    story.go();
    story.ends_at("a1", good(Step::Verify));
    story.end("a1", good(Step::Commit));
    story.take(Event::WavePassed { wave: "a".parse().unwrap() });
    story.pass(10);
    assert_eq!(story.go(), "b fails: rollout not over in 10s, back: a1, a1 rollback");
}

#[test]
fn time_in_which_nobody_works_on_a_rollout_does_not_count() {
    let mut died = limited(Some(50), Some(50), Some(50));
    died.go();
    died.pass(20);
    died.end("a1", StepEnded::Inspect(Ok(Inspected { proven: true, ..found() })));
    assert_eq!(died.resume(1_000), "a2 inspect, wait 30s");

    let mut paused = limited(None, None, Some(50));
    paused.go();
    paused.pass(20);
    paused.take(Event::Cancelled);
    paused.end("a1", StepEnded::Inspect(Err(failed())));
    paused.end("a2", good(Step::Inspect));
    paused.schedule.waves[0].max_failures = 1;
    assert_eq!(paused.go(), "a2 abandoned, interrupted");
    // Another try has all the time again.
    assert_eq!(paused.resume(1_000), "a2 inspect, wait 50s");
}

#[test]
fn a_paused_rollout_has_only_the_time_that_was_left() {
    let mut story = limited(None, None, Some(50));
    story.go();
    story.pass(20);
    story.take(Event::PauseRequested { by: "ann".to_owned() });
    story.end("a1", good(Step::Inspect));
    story.end("a2", good(Step::Inspect));
    assert_eq!(story.go(), "a1 abandoned, a2 abandoned, paused by ann");
    assert_eq!(story.resume(1_000), "a1 inspect, a2 inspect, wait 30s");
}

#[test]
fn a_clock_that_steps_back_adds_and_takes_nothing() {
    let at = |second: i64| start() + SignedDuration::from_secs(second);
    let watch = Stopwatch::default().at(at(0)).at(at(10)).at(at(-100));
    assert_eq!(watch.rollout, seconds(10));
    assert_eq!(watch.at(at(-95)).rollout, seconds(15));
    let stopped = watch.after_a_stop(at(0));
    assert_eq!((stopped.rollout, stopped.at(at(1)).wave), (seconds(10), seconds(11)));
}
