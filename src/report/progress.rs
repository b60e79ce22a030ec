//! Bars on a terminal: the rollout, its wave, the hosts in flight with their step, the soak's countdown.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::words;
use crate::engine::ports::Observer;
use crate::gate::Handshakes;
use crate::model::{HostName, format_duration};
use crate::rollout::{Event, HostPhase, Phase, State};

/// So many hosts in flight have a line of their own; more would scroll the screen away.
const LINES: usize = 12;
/// So often a second the bars are drawn at most, but for lines that are printed above them.
const DRAWN: u8 = 8;
/// How often what goes on by itself is brought up to date.
const TICK: Duration = Duration::from_millis(250);

/// Draws on standard error.
pub struct ProgressReporter {
    bars: MultiProgress,
    rollout: ProgressBar,
    wave: ProgressBar,
    soak: Option<ProgressBar>,
    hosts: HashMap<HostName, ProgressBar>,
    verbose: bool,
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏ ")
}

impl ProgressReporter {
    /// For one rollout; `title` stands before its bar.
    pub fn new(hosts: usize, title: String, verbose: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWN));
        let rollout = bars.add(ProgressBar::new(hosts as u64));
        rollout.set_style(style("{prefix:<28!} {bar:32} {pos:>5}/{len} hosts  {elapsed}"));
        rollout.set_prefix(title);
        // It shows the time, and by that that somebody is there.
        rollout.enable_steady_tick(TICK);
        let wave = bars.add(ProgressBar::new(0));
        wave.set_style(style("{prefix:<28!} {bar:32} {pos:>5}/{len} hosts  {msg}"));
        Self { bars, rollout, wave, soak: None, hosts: HashMap::new(), verbose }
    }

    fn show_step(&mut self, host: &HostName, text: &str) {
        if !self.hosts.contains_key(host) {
            if self.hosts.len() >= LINES {
                return;
            }
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(style("  {prefix:<26!} {msg}"));
            bar.set_prefix(host.to_string());
            self.hosts.insert(host.clone(), bar);
        }
        if let Some(bar) = self.hosts.get(host) {
            bar.set_message(text.to_owned());
        }
    }

    fn clear(&mut self) {
        for (_, bar) in self.hosts.drain() {
            bar.finish_and_clear();
        }
        if let Some(soak) = self.soak.take() {
            soak.finish_and_clear();
        }
    }

    fn follow(&mut self, event: &Event, state: &State) {
        match event {
            Event::WaveStarted { wave, hosts } => {
                self.wave.set_prefix(format!("wave {wave}"));
                self.wave.set_length(*hosts as u64);
            }
            Event::StepStarted { host, step } => self.show_step(host, step.name()),
            Event::StepFinished { host, .. }
            | Event::HostAbandoned { host }
            | Event::RollbackRefused { host, .. } => {
                let done = state
                    .number(host)
                    .is_some_and(|number| matches!(state.host(number).phase, HostPhase::Done(_)));
                if done && let Some(bar) = self.hosts.remove(host) {
                    bar.finish_and_clear();
                }
            }
            Event::RollbackStarted { .. } => self.wave.set_prefix("rolling back"),
            Event::WavePassed { .. } | Event::WaveFailed { .. } => {
                if let Some(soak) = self.soak.take() {
                    soak.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    fn count(&self, state: &State) {
        let open = state.waiting.len() + state.in_flight.len();
        let done = state.hosts().len().saturating_sub(open);
        match &state.phase {
            Phase::RollingBack { order, started } => {
                self.wave.set_length(order.len() as u64);
                self.wave.set_position(started.saturating_sub(state.in_flight.len()) as u64);
            }
            _ => {
                self.rollout.set_position(done as u64);
                self.wave.set_position((state.proven + state.failures) as u64);
            }
        }
        let failed = if state.failures > 0 { format!("{} failed", state.failures) } else { String::new() };
        self.wave.set_message(failed);
    }
}

impl Observer for ProgressReporter {
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State) {
        // All at once: each time that a line is printed, the bars below it are drawn again.
        let lines = events.iter().filter_map(|(time, event)| words::line(*time, event, self.verbose));
        let lines = lines.collect::<Vec<_>>().join("\n");
        if !lines.is_empty() {
            let _ = self.bars.println(lines);
        }
        events.iter().for_each(|(_, event)| self.follow(event, state));
        if state.outcome.is_some() {
            self.clear();
            self.wave.finish_and_clear();
            self.rollout.finish_and_clear();
            // A terminal that cannot be drawn on any more keeps what it has.
            let _ = self.bars.clear();
        } else {
            self.count(state);
        }
    }

    fn soaking(&mut self, handshakes: Handshakes, until: Timestamp, now: Timestamp) {
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        let soak = self.soak.get_or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(style("  {spinner} soak: {msg}"));
            bar.enable_steady_tick(TICK);
            bar
        });
        let left = format_duration(Duration::from_secs(left.as_secs().max(1)));
        let Handshakes { tried, failed } = handshakes;
        soak.set_message(format!(
            "{left} left, {} seen, {failed} failed",
            words::count(tried as usize, "handshake")
        ));
    }
}
