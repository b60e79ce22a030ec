//! What the steps of a rollout do to hosts.

use std::future::Future;

use crate::gate::Handshakes;
use crate::rollout::{HostState, Step, StepEnded};

/// What the steps do to hosts.
pub trait Effects: Send + Sync + 'static {
    /// A watch over hosts; it ends when dropped.
    type Watch: SoakWatch;

    /// Does a step on a host, given what is known about it. Every failure is an answer.
    fn run(&self, host: usize, step: Step, known: HostState) -> impl Future<Output = StepEnded> + Send;

    /// The host is done: let its connection go.
    fn release(&self, host: usize);

    /// Starts handshakes against hosts that are done, one after the other, until dropped.
    fn watch(&self, hosts: Vec<usize>) -> Self::Watch;
}

/// A watch over a soaking wave.
pub trait SoakWatch: Send {
    /// What it saw since it started.
    fn so_far(&self) -> Watched;
}

/// What a watch saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watched {
    /// How many handshakes.
    pub handshakes: Handshakes,
    /// Hosts where one failed.
    pub failed_hosts: Vec<usize>,
    /// The first failure in words.
    pub first_failure: Option<String>,
}
