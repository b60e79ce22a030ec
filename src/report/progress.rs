//! Bars on a terminal: the rollout, its wave, the hosts in flight with their step, the soak's countdown.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::words;
use crate::engine::ports::Observer;
use crate::gate::Handshakes;
use crate::model::{HostName, format_duration};
use crate::rollout::{Event, HostPhase, Phase, State};

/// So many hosts in flight have a line of their own; more would scroll the screen away.
const LINES: usize = 12;

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
        let bars = MultiProgress::new();
        let rollout = bars.add(ProgressBar::new(hosts as u64));
        rollout.set_style(style("{prefix:<28!} {bar:32} {pos:>5}/{len} hosts  {elapsed}"));
        rollout.set_prefix(title);
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
            bar.set_style(style("  {spinner} {prefix:<24!} {msg}"));
            bar.set_prefix(host.to_string());
            bar.enable_steady_tick(Duration::from_millis(120));
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
    fn event(&mut self, time: Timestamp, event: &Event, state: &State) {
        if let Some(line) = words::line(time, event, self.verbose) {
            let _ = self.bars.println(line);
        }
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
            Event::Finished { .. } => {
                self.clear();
                self.wave.finish_and_clear();
                self.rollout.finish_and_clear();
                // A terminal that cannot be drawn on any more keeps what it has.
                let _ = self.bars.clear();
                return;
            }
            _ => {}
        }
        self.count(state);
    }

    fn soaking(&mut self, handshakes: Handshakes, until: Timestamp, now: Timestamp) {
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        let soak = self.soak.get_or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(style("  {spinner} soak: {msg}"));
            bar.enable_steady_tick(Duration::from_millis(120));
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
