//! Hosts that serve the new certificate, and whose clients noticed the switch.

use super::*;

/// Hosts of which the first is switched so.
fn after_a1(mut story: Story) -> (Story, String) {
    story.go();
    story.ends_at("a1", disrupted());
    let told = story.ends("a1", good(Step::Commit));
    (story, told)
}

#[test]
fn it_is_committed_and_stops_its_wave_and_nobody_goes_back() {
    for on_failure in [OnFailure::Rollback, OnFailure::RollbackWave, OnFailure::Halt] {
        let (mut story, told) =
            after_a1(Story::of(&[2, 1]).with(|schedule| schedule.on_failure = on_failure));
        assert_eq!(told, "a fails: 1 of 2, 0 may");
        assert_eq!(story.ends("a2", good(Step::Inspect)), "a2 abandoned, needs_attention");
        assert_eq!(
            (story.outcome("a1"), story.outcome("b1")),
            (HostOutcome::Changed, HostOutcome::Untouched)
        );
        assert_eq!(story.host("a1").error.as_deref(), Some("3 of 9 handshakes failed"));
    }
}

#[test]
fn within_the_budget_the_rollout_goes_ahead_and_is_no_success() {
    let (mut story, _) = after_a1(Story::of(&[2, 1]).may_fail(1));
    assert!(story.change(&["a2"]).starts_with("a passes, wave b"));
    assert_eq!(story.change(&["b1"]), "b passes, incomplete");
    // Whoever resumes has read that.
    story.take(Event::Resumed);
    assert_eq!(story.go(), "succeeded");
    assert_eq!(story.host("a1").error, None);
}

#[test]
fn it_goes_back_with_the_others_where_the_certificate_is_bad() {
    // Another host fails its proof, and the budget has no room for it either.
    let mut story = Story::of(&[3]);
    story.go();
    story.change(&["a3"]);
    story.ends_at("a1", disrupted());
    story.ends_at("a2", disproven(EndpointState::Previous));
    story.ends("a1", good(Step::Commit));
    let told = story.ends("a2", good(Step::Rollback));
    assert!(told.contains("back: a1 a3, a1 rollback, a3 rollback"), "{told}");
    // So does a gate that fails.
    let (mut story, _) = after_a1(Story::of(&[2]).may_fail(1).soaking());
    story.change(&["a2"]);
    let told = story.measure(9, 1, &["a2"]);
    assert!(told.contains("back: a1 a2"), "{told}");
}
