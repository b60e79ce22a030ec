//! What is finished, and what is not begun, once somebody asks to stop.

use super::*;

fn pause() -> Event {
    Event::PauseRequested { by: "ann".to_owned() }
}

fn abort() -> Event {
    Event::AbortRequested { by: "ann".to_owned() }
}

/// Three hosts two at a time: one that is switched, one that is staged, one that waits.
fn under_way() -> Story {
    let mut story = Story::of(&[3, 1]);
    story.schedule.waves[0].parallel = 2;
    story.go();
    story.ends_at("a1", good(Step::Activate));
    story.ends("a2", good(Step::Inspect));
    story
}

#[test]
fn what_is_switched_is_finished_and_nothing_else_is_begun() {
    for (asked, end) in [(pause(), "paused by ann"), (Event::Cancelled, "interrupted")] {
        let mut story = under_way();
        story.take(asked);
        assert_eq!(story.go(), "");
        assert_eq!(story.ends("a2", good(Step::Stage)), "a2 abandoned");
        assert_eq!(story.ends("a1", good(Step::Verify)), "a1 commit");
        assert_eq!(story.ends("a1", good(Step::Commit)), end);
        let outcomes = ["a1", "a2", "a3", "b1"].map(|host| story.outcome(host));
        use HostOutcome::{Changed, Untouched};
        assert_eq!(outcomes, [Changed, Untouched, Untouched, Untouched]);
    }
}

#[test]
fn each_step_before_the_switch_is_the_last_one_after_a_stop() {
    for step in [Step::Inspect, Step::Stage] {
        let mut story = Story::of(&[1]);
        story.go();
        while story.host("a1").phase != HostPhase::Running(step) {
            story.ends("a1", good(Step::Inspect));
        }
        story.take(pause());
        assert_eq!(story.ends("a1", good(step)), "a1 abandoned, paused by ann", "{step:?}");
    }
    let mut doubtful = Story::of(&[1]);
    doubtful.go();
    doubtful.take(pause());
    assert_eq!(doubtful.ends("a1", StepEnded::Inspect(Err(in_doubt()))), "a1 abandoned, paused by ann");
}

/// It may serve the new certificate, and nobody would prove it.
#[test]
fn a_host_that_may_be_switched_goes_back_after_a_stop() {
    let mut story = Story::of(&[1]);
    story.go();
    story.ends_at("a1", good(Step::Stage));
    story.take(pause());
    let told = story.ends("a1", StepEnded::Activate(Err(in_doubt())));
    assert_eq!(told, "a1 abandoned, a1 rollback");
    assert_eq!(story.host("a1").error.as_deref(), Some("the rollout was stopped"));
}

#[test]
fn an_abort_fails_the_wave_at_once_and_then_takes_it_back() {
    let mut story = under_way();
    story.take(abort());
    assert_eq!(story.go(), "a fails: aborted by ann");
    assert_eq!(story.ends("a2", good(Step::Stage)), "a2 abandoned");
    assert_eq!(story.ends("a1", good(Step::Verify)), "a1 commit");
    assert_eq!(story.ends("a1", good(Step::Commit)), "back: a1, a1 rollback");
    assert_eq!(story.ends("a1", good(Step::Rollback)), "rolled_back");
}

#[test]
fn no_wave_begins_once_somebody_asked_to_stop() {
    let cases = [
        (pause(), "a passes, paused by ann"),
        (Event::Cancelled, "a passes, interrupted"),
        (abort(), "a passes, b fails: aborted by ann, back: a1, a1 rollback"),
    ];
    for (asked, told) in cases {
        let mut story = Story::of(&[1, 1]);
        story.go();
        story.ends_at("a1", good(Step::Verify));
        story.end("a1", good(Step::Commit));
        story.take(Event::WavePassed { wave: "a".parse().unwrap() });
        story.take(asked.clone());
        assert_eq!(format!("a passes, {}", story.go()), told, "{asked:?}");
    }
}

/// All is done: there is nothing to resume.
#[test]
fn a_pause_that_comes_with_the_end_of_the_last_wave_is_too_late() {
    let mut story = Story::of(&[1]);
    story.go();
    story.ends_at("a1", good(Step::Verify));
    story.end("a1", good(Step::Commit));
    story.take(Event::WavePassed { wave: "a".parse().unwrap() });
    story.take(pause());
    assert_eq!(story.go(), "succeeded");
}

#[test]
fn a_wave_waits_for_its_approval_and_for_no_other() {
    let mut story = Story::of(&[1, 1]).with(|schedule| schedule.waves[1].approval = true);
    let approved = |wave: &str| Event::Approved { wave: wave.parse().unwrap(), by: "ann".to_owned() };
    story.go();
    assert_eq!(story.change(&["a1"]), "a passes, b needs approval");
    story.take(approved("a"));
    assert_eq!(story.resume(1), "b needs approval");
    story.take(approved("b"));
    assert_eq!(story.resume(1), "wave b, b1 inspect");
}

#[test]
fn an_approval_may_come_before_its_wave() {
    let mut story = Story::of(&[1, 1]).with(|schedule| schedule.waves[1].approval = true);
    story.take(Event::Approved { wave: "b".parse().unwrap(), by: "ann".to_owned() });
    story.go();
    assert_eq!(story.change(&["a1"]), "a passes, wave b, b1 inspect");
}

#[test]
fn a_resume_takes_a_pause_back_and_no_abort() {
    let mut paused = under_way();
    paused.take(pause());
    assert_eq!(paused.resume(1), "a1 inspect, a2 inspect");
    assert_eq!(
        paused.ends("a2", StepEnded::Inspect(Ok(Inspected { proven: true, ..found() }))),
        "a3 inspect"
    );
    let mut aborted = under_way();
    aborted.take(abort());
    assert_eq!(aborted.resume(1).split(',').next(), Some("a fails: aborted by ann"));
}

/// A controller that died after its Ctrl-C was told to stop: only its end is the end of that.
#[test]
fn a_cancel_stands_until_the_rollout_has_ended() {
    let mut story = under_way();
    story.schedule.waves[0].max_failures = 1;
    story.take(Event::Cancelled);
    assert_eq!(story.resume(1), "a1 abandoned, a2 abandoned, a1 rollback");
    assert!(story.state.is_cancelled());
    assert_eq!(story.ends("a1", good(Step::Rollback)), "interrupted");
    assert_eq!(story.resume(1), "a2 inspect, a3 inspect");
    assert!(!story.state.is_cancelled());
}
