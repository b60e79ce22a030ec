//! What is watched, released, written and shown while a rollout is driven.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;

use super::*;
use crate::certificate::testing::now;
use crate::engine::testing::VirtualClock;
use crate::gate::{HandshakeSample, Handshakes};
use crate::model::HostName;
use crate::plan::{Direction, OnFailure, WaveSchedule};
use crate::rollout::{
    Activated, Committed, HostState, Inspected, Measured, Previous, RolloutOutcome, StepFailure, Verified,
};

/// What was done, in order.
type Done = Arc<Mutex<Vec<String>>>;

/// How an inspection of a host ends.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    Waiting,
    Proven,
    Failing,
    Panicking,
}

/// Hosts that are as they were found.
struct Hosts {
    found: Vec<Found>,
    done: Done,
    clock: VirtualClock,
    /// A handshake of a soak fails so many seconds after its start.
    fails_after: Option<i64>,
}

struct Watch {
    began: Timestamp,
    clock: VirtualClock,
    fails_after: Option<i64>,
}

impl SoakWatch for Watch {
    fn so_far(&self) -> Vec<Sample> {
        let since = self.clock.now().duration_since(self.began).as_secs();
        let failed = u64::from(self.fails_after.is_some_and(|after| since >= after));
        let handshakes = Handshakes { tried: 9, failed };
        vec![Sample::Handshakes(HandshakeSample { handshakes, ..HandshakeSample::default() })]
    }

    async fn finish(&mut self) {}
}

impl Effects for Hosts {
    type Watch = Watch;

    async fn run(&self, host: HostIndex, step: Step, _: HostState) -> StepEnded {
        let found = *host.of(&self.found);
        self.done.lock().unwrap().push(format!("{} {}", step.name(), name(host)));
        assert!(found != Found::Panicking, "the host's answer makes no sense");
        let previous = Previous {
            version: "20261101T000000Z-00000001".parse().unwrap(),
            leaves: Vec::new(),
            not_after: now() + SignedDuration::from_hours(24),
            revoked: false,
        };
        match step {
            Step::Inspect if found == Found::Failing => {
                StepEnded::Inspect(Err(StepFailure::Failed { reason: "it would not".to_owned() }))
            }
            Step::Inspect => StepEnded::Inspect(Ok(Inspected {
                proven: found == Found::Proven,
                staged: true,
                previous: Some(previous),
                armed: false,
                already: false,
                undone: None,
                risks: Vec::new(),
                baseline: Baseline::default(),
            })),
            Step::Stage => StepEnded::Stage(Ok(Baseline::default())),
            Step::Activate => StepEnded::Activate(Ok(Activated::Reloaded(Default::default()))),
            Step::Verify => StepEnded::Verify(Ok(Verified::Proven(Default::default()))),
            Step::Commit => StepEnded::Commit(Ok(Committed::Final(Vec::new()))),
            Step::Rollback => StepEnded::Rollback(Ok(Measured::default())),
        }
    }

    fn release(&self, host: HostIndex) {
        self.done.lock().unwrap().push(format!("release {}", name(host)));
    }

    fn watch(&self, _: &'static [Gate], hosts: Vec<(HostIndex, Baseline)>) -> Watch {
        let names: Vec<String> = hosts.into_iter().map(|(host, _)| name(host)).collect();
        self.done.lock().unwrap().push(format!("watch {}", names.join(" ")));
        Watch { began: self.clock.now(), clock: self.clock.clone(), fails_after: self.fails_after }
    }
}

/// `h0`, `h1` …
fn name(host: HostIndex) -> String {
    (0..).find(|before| HostIndex::new(*before) == host).map(|before| format!("h{before}")).unwrap()
}

/// Takes so many writes, and refuses the next one.
#[derive(Clone)]
struct Journal {
    writes: usize,
    refuses: JournalError,
    done: Done,
    kept: Arc<Mutex<Vec<Vec<Event>>>>,
}

impl RolloutJournal for Journal {
    async fn append(&self, events: Vec<(Timestamp, Event)>) -> Result<(), JournalError> {
        let mut kept = self.kept.lock().unwrap();
        if kept.len() >= self.writes {
            self.done.lock().unwrap().push("refuse".to_owned());
            return Err(self.refuses.clone());
        }
        kept.push(events.into_iter().map(|(_, event)| event).collect());
        Ok(())
    }
}

struct Screen {
    journal: Journal,
    shown: Arc<Mutex<Vec<Event>>>,
    looks: Arc<Mutex<Vec<Timestamp>>>,
}

impl Observer for Screen {
    fn events(&mut self, events: &[(Timestamp, Event)], _: &State) {
        let kept = self.journal.kept.lock().unwrap().concat();
        let mut shown = self.shown.lock().unwrap();
        shown.extend(events.iter().map(|(_, event)| event.clone()));
        assert!(self.journal.writes < usize::MAX || kept == *shown, "shown before it was written");
    }

    fn soaking(&mut self, _: &[Sample], _: Timestamp, now: Timestamp) {
        self.looks.lock().unwrap().push(now);
    }
}

/// A rollout that is about to be driven.
struct Setup {
    schedule: Schedule,
    found: Vec<Found>,
    fails_after: Option<i64>,
    writes: usize,
    refuses: JournalError,
    /// Said before it begins.
    commands: Vec<Event>,
}

/// How a driven rollout ended, and which effects it had.
struct Came {
    driven: Driven,
    done: Vec<String>,
    looks: Vec<Timestamp>,
    took: Duration,
    kept: Vec<Event>,
    /// What was shown.
    shown: Vec<Event>,
}

impl Setup {
    /// Waves of hosts that are found so.
    fn of(waves: &[&[Found]]) -> Self {
        let found = waves.concat();
        let hosts: Vec<HostName> = (0..found.len()).map(|at| format!("h{at}").parse().unwrap()).collect();
        let mut first = 0;
        let wave = |(at, hosts): (usize, &&[Found])| {
            let batches = vec![(first..first + hosts.len()).into()];
            first += hosts.len();
            WaveSchedule {
                name: format!("w{at}").parse().unwrap(),
                batches,
                parallel: 8,
                max_failures: 1,
                soak: Duration::from_secs(10),
                approval: false,
                progress_deadline: None,
                deadline: None,
            }
        };
        let schedule = Schedule {
            waves: waves.iter().enumerate().map(wave).collect(),
            hosts: hosts.into(),
            on_failure: OnFailure::Rollback,
            direction: Direction::Forward,
            windows: None,
            deadline: None,
            dead_man: None,
            unsoaked: Default::default(),
        };
        let refuses = JournalError::Unwritable("the disk is full".to_owned());
        Self { schedule, found, fails_after: None, writes: usize::MAX, refuses, commands: Vec::new() }
    }

    async fn drive(self) -> Came {
        let (clock, done) = (VirtualClock::new(), Done::default());
        let hosts = Hosts {
            found: self.found,
            done: done.clone(),
            clock: clock.clone(),
            fails_after: self.fails_after,
        };
        let journal =
            Journal { writes: self.writes, refuses: self.refuses, done: done.clone(), kept: Arc::default() };
        let looks = Arc::<Mutex<Vec<Timestamp>>>::default();
        let screen = Screen { journal: journal.clone(), shown: Arc::default(), looks: looks.clone() };
        let (_cancel, cancel) = watch::channel(false);
        let (wishes, commands) = mpsc::channel(8);
        for command in self.commands {
            wishes.send(command).await.unwrap();
        }
        let steering = Steering { cancel, commands };
        let state = State::new(&self.schedule);
        let (kept, effects) = (journal.kept.clone(), Arc::new(hosts));
        let shown = screen.shown.clone();
        let driven = drive(&self.schedule, state, effects, journal, clock.clone(), screen, steering).await;
        drop(wishes);
        let (done, looks) = (done.lock().unwrap().clone(), looks.lock().unwrap().clone());
        let kept = kept.lock().unwrap().concat();
        let shown = shown.lock().unwrap().clone();
        Came { driven, done, looks, took: clock.passed(), kept, shown }
    }
}

impl Came {
    fn did(&self, what: &str) -> Vec<&str> {
        self.done.iter().map(String::as_str).filter(|done| done.starts_with(what)).collect()
    }
}

#[tokio::test]
async fn each_soak_watches_the_hosts_of_its_wave_that_serve_the_certificate() {
    use Found::{Failing, Proven, Waiting};
    let came = Setup::of(&[&[Waiting, Failing, Proven], &[Waiting]]).drive().await;
    assert_eq!(came.driven.state.outcome, Some(RolloutOutcome::Incomplete));
    assert_eq!(came.did("watch"), ["watch h0 h2", "watch h3"]);
    assert!(came.took >= Duration::from_secs(20), "{:?}", came.took);
}

#[tokio::test]
async fn a_handshake_that_fails_ends_a_soak_within_a_second() {
    let mut setup = Setup::of(&[&[Found::Waiting]]);
    setup.fails_after = Some(3);
    let came = setup.drive().await;
    assert_eq!(came.driven.state.outcome, Some(RolloutOutcome::RolledBack));
    assert!(came.took >= Duration::from_secs(3) && came.took <= Duration::from_secs(4), "{:?}", came.took);
}

#[tokio::test]
async fn a_soak_is_looked_at_once_a_second() {
    let came = Setup::of(&[&[Found::Waiting]]).drive().await;
    assert_eq!(came.driven.state.outcome, Some(RolloutOutcome::Succeeded));
    assert!((9..=11).contains(&came.looks.len()), "{:?}", came.looks);
    let gaps = came.looks.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    assert!(gaps.into_iter().all(|gap| gap == SignedDuration::from_secs(1)), "{:?}", came.looks);
    // Only what decided it is written.
    let samples = came.kept.iter().filter(|event| matches!(event, Event::GateObserved { .. })).count();
    assert_eq!(samples, 1);
}

#[tokio::test]
async fn a_host_is_let_go_when_it_is_done_and_not_before() {
    use Found::{Failing, Waiting};
    let came = Setup::of(&[&[Waiting, Failing]]).drive().await;
    for (host, last) in [("h0", "commit h0"), ("h1", "inspect h1")] {
        let at = |what: &str| came.done.iter().position(|done| done == what).unwrap();
        assert!(at(&format!("release {host}")) > at(last), "{:?}", came.done);
        assert_eq!(came.did(&format!("release {host}")).len(), 1, "{:?}", came.done);
    }
}

/// It is abandoned: its connection would be held for as long as others take.
#[tokio::test]
async fn a_host_whose_turn_was_taken_back_is_let_go() {
    let mut setup = Setup::of(&[&[Found::Waiting]]);
    setup.commands = vec![Event::PauseRequested { by: "ann".to_owned() }];
    let came = setup.drive().await;
    assert_eq!(came.driven.state.outcome, Some(RolloutOutcome::Paused));
    assert_eq!(came.did("inspect h0").is_empty(), came.did("release h0").is_empty(), "{:?}", came.done);
    assert!(came.did("activate").is_empty(), "{:?}", came.done);
}

#[tokio::test]
async fn a_step_that_panics_is_in_doubt_and_is_looked_at_again() {
    let came = Setup::of(&[&[Found::Panicking]]).drive().await;
    let doubts = came.kept.iter().filter(|event| {
        let in_doubt = |ended: &StepEnded| matches!(ended.failure(), Some(StepFailure::InDoubt { .. }));
        matches!(event, Event::StepFinished { ended, .. } if in_doubt(ended))
    });
    // Twice, and as often at each of the two other tries of an unreachable host.
    assert_eq!((doubts.count(), came.did("inspect").len()), (6, 6));
}

#[tokio::test]
async fn where_another_controller_acts_nothing_more_is_done() {
    for writes in 0..4 {
        let mut setup = Setup::of(&[&[Found::Waiting, Found::Waiting]]);
        (setup.writes, setup.refuses) = (writes, JournalError::Deposed("another has it".to_owned()));
        let came = setup.drive().await;
        assert!(matches!(came.driven.journal_failure, Some(JournalError::Deposed(_))));
        assert_eq!(came.driven.state.outcome, None, "after {writes} writes");
        let refused = came.done.iter().position(|done| done == "refuse").unwrap();
        let after =
            came.done[refused..].iter().filter(|done| *done != "refuse" && !done.starts_with("release"));
        assert_eq!(after.count(), 0, "after {writes} writes: {:?}", came.done);
        // Nothing is said of hosts that the journal does not know: the other controller's word counts.
        assert!(
            came.shown.iter().all(|event| came.kept.contains(event)),
            "after {writes} writes: {:?}",
            came.shown
        );
    }
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_finished_all_the_same_and_handed_back() {
    for writes in 1..6 {
        let mut setup = Setup::of(&[&[Found::Waiting], &[Found::Waiting]]);
        setup.writes = writes;
        let came = setup.drive().await;
        assert_eq!(came.driven.state.outcome, Some(RolloutOutcome::Interrupted), "after {writes} writes");
        assert!(came.did("inspect h1").is_empty(), "{:?}", came.done);
        let unwritten = came.driven.unwritten.iter().map(|(_, event)| event.clone());
        let all: Vec<Event> = came.kept.iter().cloned().chain(unwritten).collect();
        assert!(matches!(all.last(), Some(Event::Finished { .. })), "{all:?}");
    }
}

#[tokio::test]
async fn a_step_is_in_the_journal_before_it_is_done() {
    let came = Setup::of(&[&[Found::Waiting]]).drive().await;
    let started = |event: &&Event| matches!(event, Event::StepStarted { .. });
    assert_eq!(came.kept.iter().filter(started).count(), 4);
    let mut setup = Setup::of(&[&[Found::Waiting]]);
    setup.writes = 0;
    let nothing = setup.drive().await;
    assert_eq!(nothing.done.iter().filter(|done| *done != "refuse").count(), 0, "{:?}", nothing.done);
}
