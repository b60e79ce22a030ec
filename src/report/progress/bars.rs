//! Bars on a terminal: the rollout, its wave, the hosts in flight with their step, the soak's countdown.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::gate::Sample;
use crate::model::{HostName, for_terminal, format_duration};
use crate::plan::{HostIndex, Schedule};
use crate::ports::Observer;
use crate::report::words;
use crate::rollout::{Event, HostOutcome, HostPhase, Phase, State};

/// What is drawn where the terminal does not say how wide it is.
const COLUMNS: u16 = 80;
/// In fewer columns there is no room for bars beside names and numbers.
const NARROW: u16 = 56;
/// So many hosts in flight have a line of their own; more would scroll the screen away.
const LINES: usize = 12;
/// So often a second the bars are drawn at most, but for lines that are printed above them.
const DRAWN: u8 = 8;
/// How often what goes on by itself is brought up to date.
const TICK: Duration = Duration::from_millis(250);

/// Draws on standard error.
pub struct ProgressReporter {
    schedule: Schedule,
    /// For so many columns lines are made.
    columns: u16,
    bars: MultiProgress,
    rollout: ProgressBar,
    wave: ProgressBar,
    soak: Option<ProgressBar>,
    hosts: HashMap<HostName, ProgressBar>,
    verbose: bool,
}

/// How wide the terminal is. One that says 0 does not know.
fn columns() -> u16 {
    terminal_size::terminal_size_of(std::io::stderr()).map_or(COLUMNS, |(width, _)| width.0).max(20)
}

/// The width of names at the beginning of a line.
fn name_width(columns: u16) -> u16 {
    (columns / 3).clamp(8, 28)
}

/// A bar with its numbers, never wider than the terminal.
fn bar_style(columns: u16, end: &str) -> ProgressStyle {
    let width = name_width(columns);
    let bar = if columns < NARROW { "" } else { " {wide_bar}" };
    style(&format!("{{prefix:<{width}!}}{bar} {{pos:>5}}/{{len}} hosts  {end}"))
}

fn host_style(columns: u16) -> ProgressStyle {
    style(&format!("  {{prefix:<{}!}} {{wide_msg}}", name_width(columns) - 2))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏ ")
}

impl ProgressReporter {
    /// For one rollout; `title` stands before its bar.
    pub fn new(schedule: Schedule, title: String, verbose: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWN));
        let rollout = bars.add(ProgressBar::new(schedule.hosts.len() as u64));
        rollout.set_prefix(title);
        let wave = bars.add(ProgressBar::new(0));
        let (columns, hosts) = (columns(), HashMap::new());
        let reporter = Self { schedule, columns, bars, rollout, wave, soak: None, hosts, verbose };
        reporter.fit();
        // It shows the time, and by that that somebody is there.
        reporter.rollout.enable_steady_tick(TICK);
        reporter
    }

    /// Makes every line fit the terminal.
    fn fit(&self) {
        self.rollout.set_style(bar_style(self.columns, "{elapsed}"));
        self.wave.set_style(bar_style(self.columns, "{msg}"));
        self.hosts.values().for_each(|bar| bar.set_style(host_style(self.columns)));
    }

    fn show_step(&mut self, host: &HostName, text: &str) {
        if !self.hosts.contains_key(host) {
            if self.hosts.len() >= LINES {
                return;
            }
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(host_style(self.columns));
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
                self.wave.set_prefix("rolling back");
                self.wave.set_length(order.len() as u64);
                self.wave.set_position(started.saturating_sub(state.in_flight.len()) as u64);
                let failed = order.iter().filter(|host| is_lost(state, **host)).count();
                self.say_failed(failed);
            }
            _ => {
                self.rollout.set_position(done as u64);
                let Some(wave) = self.schedule.waves.get(state.wave) else { return };
                self.wave.set_prefix(format!("wave {}", wave.name));
                self.wave.set_length(wave.hosts().len() as u64);
                let of_wave = || wave.hosts().iter().filter(|host| is_done(state, *host));
                self.wave.set_position(of_wave().count() as u64);
                self.say_failed(of_wave().filter(|host| self.has_failed(state, *host)).count());
            }
        }
    }

    fn say_failed(&self, failed: usize) {
        self.wave.set_message(if failed > 0 { format!("{failed} failed") } else { String::new() });
    }

    /// Whether a host ended otherwise than it should, in the direction that this goes.
    fn has_failed(&self, state: &State, host: HostIndex) -> bool {
        let wanted = self.schedule.undo().is_some().then_some(HostOutcome::RolledBack);
        let outcome = state.host(host).outcome();
        Some(outcome) != wanted && outcome.is_failure()
    }
}

fn is_done(state: &State, host: HostIndex) -> bool {
    matches!(state.host(host).phase, HostPhase::Done(_))
}

fn is_lost(state: &State, host: HostIndex) -> bool {
    matches!(state.host(host).phase, HostPhase::Done(HostOutcome::RollbackFailed))
}

impl Observer for ProgressReporter {
    fn events(&mut self, events: &[(Timestamp, Event)], state: &State) {
        let columns = columns();
        if std::mem::replace(&mut self.columns, columns) != columns {
            self.fit();
        }
        // All at once: each time that a line is printed, the bars below it are drawn again.
        let lines = events.iter().filter_map(|(time, event)| words::line(*time, event, self.verbose));
        let lines = lines.collect::<Vec<_>>().join("\n");
        if !lines.is_empty() {
            let _ = self.bars.println(for_terminal(&lines));
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

    fn soaking(&mut self, samples: &[Sample], until: Timestamp, now: Timestamp) {
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        let soak = self.soak.get_or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(style("  {spinner} soak: {wide_msg}"));
            bar.enable_steady_tick(TICK);
            bar
        });
        let left = format_duration(Duration::from_secs(left.as_secs().max(1)));
        let seen: Vec<String> = samples.iter().map(words::seen_so_far).collect();
        soak.set_message(format!("{left} left, {}", seen.join("; ")));
    }
}
