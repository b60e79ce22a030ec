//! The driver with a journal that fails at any point: nothing new is begun, nothing is left half done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certwave::engine::{Steering, drive};
use certwave::gate::{Gate, HandshakeSample, Handshakes, Sample};
use certwave::plan::HostIndex;
use certwave::ports::{Clock, Effects, JournalError, Observer, RolloutJournal, SoakWatch};
use certwave::rollout::{Baseline, Event, HostOutcome, HostPhase, HostState, State, Step, StepEnded};
use jiff::{SignedDuration, Timestamp};

use crate::world::{Random, World, schedule, start};

struct Simulated {
    world: Mutex<World>,
    /// Hosts that were activated, in order.
    activated: Mutex<Vec<HostIndex>>,
}

/// Its only handshakes come to their end when it is finished.
#[derive(Default)]
struct Watch {
    is_finished: bool,
}

impl SoakWatch for Watch {
    async fn finish(&mut self) {
        self.is_finished = true;
    }

    fn so_far(&self) -> Vec<Sample> {
        let handshakes = Handshakes { tried: if self.is_finished { 10 } else { 0 }, failed: 0 };
        vec![Sample::Handshakes(HandshakeSample { handshakes, ..HandshakeSample::default() })]
    }
}

impl Effects for Simulated {
    type Watch = Watch;

    async fn run(&self, host: HostIndex, step: Step, known: HostState) -> StepEnded {
        tokio::task::yield_now().await;
        if step == Step::Activate {
            self.activated.lock().unwrap().push(host);
        }
        self.world.lock().unwrap().act(host, step, known.exposure)
    }

    fn release(&self, _: HostIndex) {}

    fn watch(&self, _: &'static [Gate], _: Vec<(HostIndex, Baseline)>) -> Watch {
        Watch::default()
    }
}

/// A journal that fails for good after some appends.
struct Failing {
    left: AtomicUsize,
    kept: Arc<Mutex<Vec<(Timestamp, Event)>>>,
}

impl RolloutJournal for Failing {
    async fn append(&self, events: Vec<(Timestamp, Event)>) -> Result<(), JournalError> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(JournalError::Unwritable("the disk is full".to_owned()));
        }
        self.left.store(left - 1, Ordering::SeqCst);
        self.kept.lock().unwrap().extend(events);
        Ok(())
    }
}

/// Time goes on when somebody waits for it.
struct Fast(Mutex<Timestamp>);

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::try_from(duration).unwrap()).unwrap();
    }
}

struct Nobody;

impl Observer for Nobody {
    fn events(&mut self, _: &[(Timestamp, Event)], _: &State) {}
    fn soaking(&mut self, _: &[Sample], _: Timestamp, _: Timestamp) {}
}

#[test]
fn a_journal_that_fails_anywhere_leaves_no_host_half_done() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut failed, mut soaks) = (0, 0);
    for seed in 0..2_000 {
        let mut random = Random(seed);
        let appends = random.below(20);
        let schedule = schedule(&mut random);
        let world = World::new(random, schedule.hosts.len(), schedule.undo().is_some());
        let effects = Arc::new(Simulated { world: Mutex::new(world), activated: Mutex::default() });
        let kept = Arc::new(Mutex::new(Vec::new()));
        let journal = Failing { left: AtomicUsize::new(appends), kept: kept.clone() };
        let (_wishes, commands) = tokio::sync::mpsc::channel(1);
        let (_sender, cancel) = tokio::sync::watch::channel(false);
        let state = State::new(&schedule);
        let clock = Fast(Mutex::new(start()));
        let driven = runtime.block_on(drive(
            &schedule,
            state,
            effects.clone(),
            journal,
            clock,
            Nobody,
            Steering { cancel, commands },
        ));
        assert!(driven.state.outcome.is_some(), "seed {seed}");
        failed += usize::from(driven.journal_failure.is_some());

        let kept = kept.lock().unwrap();
        for host in effects.activated.lock().unwrap().iter() {
            let name = &schedule.hosts[*host];
            let told = kept.iter().any(
                |(_, event)| matches!(event, Event::StepStarted { host, step: Step::Activate } if host == name),
            );
            assert!(told, "seed {seed}: {name} was activated, and the journal does not know");
        }
        let measured = kept.iter().filter_map(|(_, event)| match event {
            Event::GateObserved { sample: Sample::Handshakes(sample), .. } => Some(sample.handshakes.tried),
            _ => None,
        });
        for tried in measured {
            assert_eq!(tried, 10, "seed {seed}: a soak was judged without what was under way");
            soaks += 1;
        }
        let mut told = State::new(&schedule);
        kept.iter().chain(&driven.unwritten).for_each(|(at, event)| told.evolve(*at, event));
        assert_eq!(told.hosts(), driven.state.hosts(), "seed {seed}: the events tell it otherwise");
        let world = effects.world.lock().unwrap();
        for (host, truth) in driven.state.hosts().iter().zip(&world.hosts) {
            assert!(matches!(host.phase, HostPhase::Done(_) | HostPhase::Pending), "seed {seed}: {host:?}");
            let clean = !matches!(host.outcome(), HostOutcome::Changed | HostOutcome::RollbackFailed);
            let switched = truth.serves_new && truth.ever_switched && !truth.already;
            assert!(!(switched && clean), "seed {seed}: {host:?}");
        }
    }
    assert!(failed > 500, "the journals are too good: {failed}");
    assert!(soaks > 100, "too few soaks were seen: {soaks}");
}
