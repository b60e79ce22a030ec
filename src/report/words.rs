//! One event, in one line for people.

use std::time::Duration;

use jiff::Timestamp;

use crate::gate::{GateFailure, HandshakeFailure, HandshakeSample, Handshakes, Sample};
use crate::model::format_duration;
use crate::rollout::{
    Activated, Committed, Deadline, Event, Inspected, Measured, Proven, Reloaded, StepEnded, StepFailure,
    Undone, Verified, WaveFailure,
};
use crate::service::ServiceWay;
use crate::verify::HeldOutcome;

/// The line for an event; none for one that is only of interest with `verbose`.
pub(super) fn line(time: Timestamp, event: &Event, verbose: bool) -> Option<String> {
    let text = match event {
        Event::Started { certificate, version, .. } if verbose => {
            format!("rollout of {certificate} {version} starts")
        }
        Event::Started { .. } => return None,
        Event::WaveStarted { wave, hosts } => format!("wave `{wave}` starts: {}", count(*hosts, "host")),
        Event::StepStarted { host, step } if verbose => format!("{host}: {} …", step.name()),
        Event::StepStarted { .. } => return None,
        Event::StepFinished { host, ended } => format!("{host}: {}", step_words(ended, verbose)?),
        Event::HostAbandoned { host } => format!("{host}: taken no further, since the rollout stops"),
        Event::HostAwaited { host, until, returns } => {
            let again = format!("{host}: tried again in {}", left(*until, time));
            match returns {
                Some(returns) => format!(
                    "{again}; its dead-man switch puts the previous certificate back by {}",
                    returns.strftime("%H:%M:%SZ")
                ),
                None => again,
            }
        }
        Event::RollbackRefused { host, reason } => format!("{host}: not rolled back: {reason}"),
        Event::RetryPlanned { hosts, until, .. } => {
            let named =
                if let [host] = hosts.as_slice() { host.to_string() } else { count(hosts.len(), "host") };
            format!("{named} unreachable; retrying in {}", left(*until, time))
        }
        Event::WindowAwaited { until } => {
            format!("outside of the playbook's windows: waits until {}", until.strftime("%Y-%m-%d %H:%M:%SZ"))
        }
        Event::RetryStarted { .. } => return None,
        Event::SoakStarted { wave, until } => {
            format!("wave `{wave}` soaks for {}, watched by handshakes", left(*until, time))
        }
        Event::GateObserved { wave, sample } => format!("wave `{wave}` soaked: {}", sample_words(sample)),
        Event::WavePassed { wave } => format!("wave `{wave}` passed"),
        Event::WaveFailed { wave, reason } => format!("wave `{wave}` stopped: {}", failure(reason)),
        Event::RollbackStarted { hosts } => {
            format!("rolling back {}, newest wave first", count(hosts.len(), "host"))
        }
        Event::PauseRequested { by } => {
            format!("{by} asked to pause: hosts in flight are finished, no other is begun")
        }
        Event::AbortRequested { by } => format!("{by} asked to stop and to roll back"),
        Event::Approved { wave, by } => format!("{by} approved wave `{wave}`"),
        Event::Cancelled => {
            "stopping: hosts in flight are finished or rolled back, no other is begun".to_owned()
        }
        Event::Resumed => "resuming an interrupted rollout".to_owned(),
        Event::Finished { .. } => return None,
    };
    Some(text)
}

fn sample_words(sample: &Sample) -> String {
    match sample {
        Sample::Handshakes(HandshakeSample { handshakes, first_failure, .. }) => {
            let seen = failed_of(*handshakes);
            match first_failure {
                Some(reason) => format!("{seen}: {reason}"),
                None => seen,
            }
        }
    }
}

/// What a gate measured so far, in a few words.
pub(super) fn seen_so_far(sample: &Sample) -> String {
    match sample {
        Sample::Handshakes(HandshakeSample { handshakes: Handshakes { tried, failed }, .. }) => {
            format!("{} seen, {failed} failed", count(*tried as usize, "handshake"))
        }
    }
}

fn failed_of(Handshakes { tried, failed }: Handshakes) -> String {
    format!("{failed} of {} failed", count(tried as usize, "handshake"))
}

/// How long it is until then. The journal's time is a moment later than the decision's.
fn left(until: Timestamp, time: Timestamp) -> String {
    let left = until.duration_since(time).as_secs_f64().ceil().max(0.0);
    format_duration(std::time::Duration::from_secs(left as u64))
}

fn step_words(ended: &StepEnded, verbose: bool) -> Option<String> {
    let text = match ended {
        StepEnded::Inspect(Ok(inspected)) => return inspected_words(inspected, verbose),
        StepEnded::Stage(Ok(_)) => return verbose.then(|| "staged".to_owned()),
        StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { ways, risks }))) => {
            let all = std::iter::once(switched_words(ways)).chain(risks.iter().map(|risk| risk.text.clone()));
            all.collect::<Vec<_>>().join("; ")
        }
        StepEnded::Activate(Ok(Activated::Refused { reason })) => format!("{reason}; nothing was reloaded"),
        StepEnded::Verify(Ok(Verified::Proven(proven))) => proven_words(proven),
        StepEnded::Verify(Ok(Verified::Disproven(disproven))) => format!("not proven: {}", disproven.reason),
        StepEnded::Commit(Ok(Committed::Final(_))) => "committed".to_owned(),
        StepEnded::Commit(Ok(Committed::Refused { reason })) => format!("not final: {reason}"),
        StepEnded::Rollback(Ok(measured)) => back_words(measured),
        StepEnded::Inspect(Err(failure))
        | StepEnded::Stage(Err(failure))
        | StepEnded::Activate(Err(failure))
        | StepEnded::Verify(Err(failure))
        | StepEnded::Commit(Err(failure))
        | StepEnded::Rollback(Err(failure)) => {
            let step = ended.step().name();
            match failure {
                StepFailure::Failed { reason } => format!("{step} failed: {reason}"),
                StepFailure::Unreachable { reason } => format!("cannot be reached: {reason}"),
                StepFailure::InDoubt { reason } => format!("{step} in doubt: {reason}"),
            }
        }
    };
    Some(text)
}

/// In which way each service took the certificate, where that is known.
fn switched_words(ways: &[ServiceWay]) -> String {
    match ways {
        [] => "switched and reloaded".to_owned(),
        [ServiceWay { way, .. }] => format!("switched by {way}"),
        several => {
            let ways: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("switched ({})", ways.join(", "))
        }
    }
}

fn inspected_words(inspected: &Inspected, verbose: bool) -> Option<String> {
    let text = match inspected {
        Inspected { undone: Some(undone), .. } => {
            let Undone { at, target, previous, problem } = undone.as_ref();
            let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
            match problem {
                None => {
                    format!(
                        "its dead-man switch put {previous} back at {at}: nobody had confirmed {target}; what clients noticed then \
                         is unobserved"
                    )
                }
                Some(problem) => format!(
                    "its dead-man switch should have put {previous} back at {at}, since nobody had confirmed {target}: \
                     {problem}"
                ),
            }
        }
        Inspected { proven: true, armed: true, .. } => {
            "serves the new certificate, which nobody has confirmed yet".to_owned()
        }
        Inspected { proven: true, .. } => "already serves this certificate".to_owned(),
        _ if verbose => "inspected".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn back_words(measured: &Measured) -> String {
    let words = "back on its previous certificate, proven";
    match measured.is_any() {
        true => format!("{words}; {}", clients_words(measured, "on the way back")),
        false => words.to_owned(),
    }
}

fn proven_words(proven: &Proven) -> String {
    let words = clients_words(&proven.measured, "during the switch");
    let more = proven.disrupted.iter().chain(proven.risks.iter().map(|risk| &risk.text));
    std::iter::once(format!("proven; {words}")).chain(more.cloned()).collect::<Vec<_>>().join("; ")
}

/// What clients noticed.
fn clients_words(measured: &Measured, when: &str) -> String {
    let tried = count(measured.handshakes.tried as usize, "handshake");
    let held = match &measured.held {
        Some(HeldOutcome::Answered) => ", the request in flight was answered".to_owned(),
        Some(HeldOutcome::Cut(reason)) => format!(", the request in flight was cut: {reason}"),
        None => String::new(),
    };
    let idle = match measured.idle {
        0 => String::new(),
        idle => format!(", {} of {} closed", measured.closed, count(idle as usize, "idle connection")),
    };
    format!("{} of {tried} failed {when}{held}{idle}", measured.handshakes.failed)
}

/// Why a wave failed, in words.
pub fn failure(reason: &WaveFailure) -> String {
    match reason {
        WaveFailure::Budget { failed, allowed, hosts } => {
            format!("{failed} of {} failed, {allowed} may fail", count(*hosts, "host"))
        }
        WaveFailure::Interposed { host } => {
            format!(
                "{host}: another certificate is served, which certwave never issued; check the server's configuration, or for a \
                 proxy in front"
            )
        }
        WaveFailure::Gate(GateFailure::Handshakes(HandshakeFailure { handshakes, hosts, .. })) => {
            format!("{} during the soak, on {}", failed_of(*handshakes), count(hosts.len(), "host"))
        }
        WaveFailure::Aborted { by } => format!("{by} aborted the rollout"),
        WaveFailure::Overdue { deadline, after } => {
            let after = format_duration(Duration::from_secs(*after));
            match deadline {
                Deadline::Progress => format!("no host came to its end for {after} (`progress_deadline`)"),
                Deadline::Wave => format!("it was not over after {after} (its `deadline`)"),
                Deadline::Rollout => format!("the rollout was not over after {after} (its `deadline`)"),
            }
        }
        WaveFailure::NothingProven => "not one of its hosts could be proven".to_owned(),
    }
}

/// `1 host`, `2 hosts`
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{Baseline, Remark};
    use crate::service::Way;

    /// Without details, and with them.
    fn told(ended: StepEnded) -> [Option<String>; 2] {
        [false, true].map(|verbose| step_words(&ended, verbose))
    }

    #[test]
    fn a_host_that_is_away_is_told_with_the_time_at_which_it_goes_back_by_itself() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let told = |returns| {
            let event = Event::HostAwaited { host: "web01".parse().unwrap(), until: at(8), returns };
            line(at(0), &event, false).unwrap()
        };
        assert_eq!(told(None), "web01: tried again in 8s");
        let switch = "its dead-man switch puts the previous certificate back by 08:04:30Z";
        assert_eq!(told(Some(at(270))), format!("web01: tried again in 8s; {switch}"));
    }

    #[test]
    fn how_a_step_failed_is_told_apart() {
        let reason = || "so".to_owned();
        let words = |failure| step_words(&StepEnded::Activate(Err(failure)), false).unwrap();
        assert_eq!(words(StepFailure::Failed { reason: reason() }), "activate failed: so");
        assert_eq!(words(StepFailure::Unreachable { reason: reason() }), "cannot be reached: so");
        assert_eq!(words(StepFailure::InDoubt { reason: reason() }), "activate in doubt: so");
        let refused = StepEnded::Activate(Ok(Activated::Refused { reason: reason() }));
        assert_eq!(step_words(&refused, false).unwrap(), "so; nothing was reloaded");
        let switched = |ways: &[(&str, Way)], risks| {
            let ways =
                ways.iter().map(|(name, way)| ServiceWay { service: name.parse().unwrap(), way: *way });
            let ways = ways.collect();
            let ended = StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { ways, risks })));
            step_words(&ended, false).unwrap()
        };
        // Journals of earlier versions do not say.
        assert_eq!(switched(&[], Vec::new()), "switched and reloaded");
        let risk = Remark { risk: "clock".to_owned(), text: "its clock is late".to_owned() };
        assert_eq!(switched(&[("web", Way::Reload)], vec![risk]), "switched by reload; its clock is late");
        assert_eq!(switched(&[("edge", Way::RuntimeApi)], Vec::new()), "switched by runtime API");
        let both = [("edge", Way::Sds), ("web", Way::Reload)];
        assert_eq!(switched(&both, Vec::new()), "switched (edge: SDS, web: reload)");
        let undone = StepEnded::Commit(Ok(Committed::Refused { reason: reason() }));
        assert_eq!(step_words(&undone, false).unwrap(), "not final: so");
    }

    #[test]
    fn what_only_a_careful_reader_wants_to_know_is_a_detail() {
        assert_eq!(told(StepEnded::Stage(Ok(Baseline::default()))), [None, Some("staged".to_owned())]);
        let inspected = |proven, armed| {
            let (undone, risks) = (None, Vec::new());
            StepEnded::Inspect(Ok(Inspected {
                proven,
                staged: false,
                previous: None,
                armed,
                already: false,
                undone,
                risks,
                baseline: Baseline::default(),
            }))
        };
        let both = |text: &str| [Some(text.to_owned()), Some(text.to_owned())];
        assert_eq!(told(inspected(false, false)), [None, Some("inspected".to_owned())]);
        assert_eq!(told(inspected(true, false)), both("already serves this certificate"));
        assert_eq!(
            told(inspected(true, true)),
            both("serves the new certificate, which nobody has confirmed yet")
        );
    }

    #[test]
    fn time_that_is_left_is_told_in_seconds_that_have_begun() {
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        for (until, words) in [(60_000, "1m"), (59_999, "1m"), (59_001, "1m"), (59_000, "59s"), (1, "1s")] {
            assert_eq!(left(at(until), at(0)), words, "{until}");
        }
    }

    #[test]
    fn one_is_no_plural() {
        for (number, words) in [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts")] {
            assert_eq!(count(number, "host"), words);
        }
    }
}
