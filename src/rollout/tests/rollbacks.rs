//! Which hosts go back when a wave failed, in which order, and which must not.

use super::*;
use crate::plan::{HostIndex, Undo};

/// Two waves of two hosts, of which the first passed and the second failed on its last host.
fn failed_in_the_second_wave(on_failure: OnFailure) -> (Story, String) {
    let mut story = Story::of(&[2, 2]).with(|schedule| schedule.on_failure = on_failure);
    story.go();
    story.change(&["a1", "a2", "b1"]);
    let told = story.ends("b2", StepEnded::Inspect(Err(failed())));
    (story, told)
}

#[test]
fn the_newest_wave_goes_back_first_and_how_far_is_the_playbooks_choice() {
    let cases = [
        (OnFailure::Rollback, "b fails: 1 of 2, 0 may, back: b1 a1 a2, b1 rollback"),
        (OnFailure::RollbackWave, "b fails: 1 of 2, 0 may, back: b1, b1 rollback"),
        (OnFailure::RollbackHost, "b fails: 1 of 2, 0 may, needs_attention"),
        (OnFailure::Halt, "b fails: 1 of 2, 0 may, needs_attention"),
    ];
    for (on_failure, told) in cases {
        assert_eq!(failed_in_the_second_wave(on_failure).1, told, "{on_failure:?}");
    }
}

#[test]
fn a_wave_goes_back_when_the_one_after_it_is_back() {
    let (mut story, _) = failed_in_the_second_wave(OnFailure::Rollback);
    assert_eq!(story.go(), "", "nothing before that");
    assert_eq!(story.ends("b1", good(Step::Rollback)), "a1 rollback, a2 rollback");
    assert_eq!(story.ends("a2", good(Step::Rollback)), "");
    assert_eq!(story.ends("a1", good(Step::Rollback)), "rolled_back");
}

#[test]
fn as_many_hosts_go_back_at_once_as_went_forward() {
    let mut story = Story::of(&[4]);
    story.schedule.waves[0].parallel = 2;
    story.go();
    story.change(&["a1", "a2", "a3"]);
    let told = story.ends("a4", StepEnded::Inspect(Err(failed())));
    assert_eq!(told, "a fails: 1 of 4, 0 may, back: a1 a2 a3, a1 rollback, a2 rollback");
    assert_eq!(story.ends("a2", good(Step::Rollback)), "a3 rollback");
}

#[test]
fn a_host_that_does_not_go_back_keeps_no_other_from_it() {
    let (mut story, _) = failed_in_the_second_wave(OnFailure::Rollback);
    let told = story.ends("b1", StepEnded::Rollback(Err(failed())));
    assert_eq!(told, "a1 rollback, a2 rollback");
    story.ends("a1", good(Step::Rollback));
    assert_eq!(story.ends("a2", good(Step::Rollback)), "needs_attention");
}

/// After a resume, waves behind the one that fails may be done.
#[test]
fn a_rollback_takes_waves_back_that_were_done_before_the_one_that_failed() {
    let mut story = Story::of(&[2, 1]).with(|schedule| schedule.waves[0].max_failures = 1);
    story.go();
    story.ends("a1", StepEnded::Inspect(Err(failed())));
    story.change(&["a2"]);
    assert_eq!(story.change(&["b1"]), "b passes, incomplete");
    assert_eq!(story.resume(9), "wave a, a1 inspect");
    story.schedule.waves[0].max_failures = 0;
    let told = story.ends_at("a1", disproven(EndpointState::Unknown));
    assert_eq!(told, "a fails: foreign on a1, a1 rollback");
    assert_eq!(story.ends("a1", good(Step::Rollback)), "back: b1 a2, b1 rollback");
}

#[test]
fn hosts_that_were_not_changed_do_not_go_back() {
    let mut story = Story::of(&[3]);
    story.go();
    story.ends("a1", StepEnded::Inspect(Ok(Inspected { proven: true, ..found() })));
    story.change(&["a2"]);
    let told = story.ends("a3", StepEnded::Inspect(Err(failed())));
    assert_eq!(told, "a fails: 1 of 3, 0 may, back: a2, a2 rollback");
}

/// What is told of a changed host with this to go back to when its fleet goes back, so many seconds after the start.
fn goes_back(previous: Option<Previous>, after: i64) -> (String, HostOutcome) {
    let mut story = Story::of(&[2]);
    story.go();
    story.ends("a1", StepEnded::Inspect(Ok(Inspected { previous, ..found() })));
    story.change(&["a1"]);
    story.pass(after);
    let told = story.ends("a2", StepEnded::Inspect(Err(failed())));
    (told.replace("a fails: 1 of 2, 0 may, back: a1, ", ""), story.outcome("a1"))
}

#[test]
fn what_lapsed_or_was_revoked_or_never_was_is_not_put_back() {
    use HostOutcome::RollbackFailed;
    let revoked = Previous { revoked: true, ..previous(1, 86_400) };
    let stays = |why: &str| (format!("a1 stays: {why}, needs_attention"), RollbackFailed);
    assert_eq!(goes_back(Some(previous(1, 100)), 99).0, "a1 rollback");
    assert_eq!(goes_back(Some(previous(1, 100)), 100), stays("lapsed"));
    assert_eq!(goes_back(Some(previous(1, 100)), 101), stays("lapsed"));
    assert_eq!(goes_back(Some(revoked), 0), stays("revoked"));
    assert_eq!(goes_back(None, 0), stays("nothing before"));
}

#[test]
fn a_refused_rollback_keeps_no_other_host_from_its_turn() {
    let mut story = Story::of(&[3]);
    story.schedule.waves[0].parallel = 1;
    story.go();
    story.ends("a1", StepEnded::Inspect(Ok(Inspected { previous: None, ..found() })));
    story.change(&["a1", "a2"]);
    let told = story.ends("a3", StepEnded::Inspect(Err(failed())));
    assert_eq!(told, "a fails: 1 of 3, 0 may, back: a1 a2, a1 stays: nothing before, a2 rollback");
    assert_eq!(story.ends("a2", good(Step::Rollback)), "needs_attention");
}

#[test]
fn a_switch_that_was_refused_and_cannot_go_back_is_a_failure_and_no_case_for_a_person() {
    for (ended, outcome) in
        [(refused(), HostOutcome::Failed), (StepEnded::Activate(Err(failed())), HostOutcome::RollbackFailed)]
    {
        let mut story = Story::of(&[1]);
        story.go();
        story.ends("a1", StepEnded::Inspect(Ok(Inspected { previous: None, ..found() })));
        story.ends_at("a1", ended.clone());
        assert_eq!(story.outcome("a1"), outcome, "{ended:?}");
        let reason = "there is no previous certificate to go back to";
        assert!(story.host("a1").error.as_ref().unwrap().ends_with(&format!("; {reason}")), "{ended:?}");
    }
}

/// An undo of one host that finds this to go back to; versions may expire before 1000 seconds where they are accepted.
fn undoes(previous: Option<Previous>, accepted: &[u8]) -> String {
    let lasts_until = start() + SignedDuration::from_secs(1_000);
    let accepted = accepted.iter().map(|number| version(*number)).collect();
    let mut story = Story::of(&[1]).may_fail(1).with(|schedule| {
        schedule.on_failure = OnFailure::Halt;
        schedule.direction = Direction::Undo(Undo { lasts_until, accepted });
    });
    assert_eq!(story.go(), "wave a, a1 inspect");
    let told = story.ends("a1", StepEnded::Inspect(Ok(Inspected { proven: true, previous, ..found() })));
    if told != "a1 rollback" {
        // It serves on what it was proven with.
        assert_eq!(story.outcome("a1"), HostOutcome::Failed);
    }
    told
}

#[test]
fn an_undo_goes_back_to_what_outlives_a_renewal_or_was_accepted() {
    assert_eq!(undoes(Some(previous(1, 1_000)), &[]), "a1 rollback");
    let too_soon = "a1 stays: too soon, a passes, incomplete";
    assert_eq!(undoes(Some(previous(1, 999)), &[]), too_soon);
    assert_eq!(undoes(Some(previous(1, 999)), &[2]), too_soon, "another version was accepted");
    assert_eq!(undoes(Some(previous(1, 999)), &[2, 1]), "a1 rollback");
    // An accepted version may expire soon, and no more than that.
    assert_eq!(undoes(Some(previous(1, 0)), &[1]), "a1 stays: lapsed, a passes, incomplete");
    let revoked = Previous { revoked: true, ..previous(1, 999) };
    assert_eq!(undoes(Some(revoked), &[1]), "a1 stays: revoked, a passes, incomplete");
    assert_eq!(undoes(None, &[1]), "a1 stays: nothing before, a passes, incomplete");
}

/// Every service is proven on what it goes back to, whatever became of an earlier try.
#[test]
fn an_undo_reloads() {
    let mut story = Story::of(&[1]).with(|schedule| {
        let undo = Undo { lasts_until: start(), accepted: Vec::new() };
        schedule.direction = Direction::Undo(undo);
    });
    story.go();
    assert_eq!(story.ends("a1", good(Step::Inspect)), "a1 rollback");
    assert_eq!(story.host("a1").exposure, crate::rollout::Exposure::Reloaded);
    assert_eq!(story.ends("a1", good(Step::Rollback)), "a passes, rolled_back");
}

#[test]
fn a_host_that_had_the_certificate_before_keeps_it_whatever_its_verification_says() {
    let mut story = Story::of(&[2]);
    story.go();
    let had = Inspected { staged: true, previous: None, already: true, ..found() };
    assert_eq!(story.ends("a1", StepEnded::Inspect(Ok(had))), "a1 activate");
    story.ends("a1", good(Step::Activate));
    story.change(&["a2"]);
    let told = story.ends("a1", disproven(EndpointState::Unknown));
    assert!(told.contains("a1 stays: had it before"), "{told}");
    assert_eq!(story.ends("a2", good(Step::Rollback)), "rolled_back");
    let host = story.state.host(HostIndex::new(0));
    assert_eq!(host.outcome(), HostOutcome::Failed, "it needs no person");
    assert_eq!(
        host.error.as_deref(),
        Some("it serves something else; it had this certificate before the rollout, and keeps it")
    );
}
