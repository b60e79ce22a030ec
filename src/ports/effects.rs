//! What the steps of a rollout do to hosts.

use std::future::Future;

use crate::gate::{Gate, Sample};
use crate::plan::HostIndex;
use crate::rollout::{Baseline, HostState, Step, StepEnded};

/// What the steps do to hosts.
pub trait Effects: Send + Sync + 'static {
    /// A watch over hosts; it ends when dropped.
    type Watch: SoakWatch;

    /// Does a step on a host, given what is known about it. Every failure is an answer.
    fn run(&self, host: HostIndex, step: Step, known: HostState) -> impl Future<Output = StepEnded> + Send;

    /// The host is done: let its connection go.
    fn release(&self, host: HostIndex);

    /// Starts to measure what gates ask for, on hosts that are done, until dropped. Each comes with what it showed
    /// before its switch.
    fn watch(&self, gates: &'static [Gate], hosts: Vec<(HostIndex, Baseline)>) -> Self::Watch;
}

/// A watch over a soaking wave.
pub trait SoakWatch: Send {
    /// What each of its gates measured since it started.
    fn so_far(&self) -> Vec<Sample>;

    /// Starts no further measurement, and waits for those under way: one that hangs is a result, too.
    fn finish(&mut self) -> impl Future<Output = ()> + Send;
}
