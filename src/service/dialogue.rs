//! Servers whose memory takes a dialogue, which no script can hold.

use crate::service::{Envoy, Haproxy, ServiceSpec};

/// What the memory of a server is asked and told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialogue<'s> {
    /// The words are in [`crate::service::runtime_api`] and [`crate::service::master`].
    Haproxy(&'s Haproxy),
    /// The words are in [`crate::service::admin`].
    Envoy(&'s Envoy),
}

impl ServiceSpec {
    /// What its memory is asked and told by; none where its script does everything.
    pub fn dialogue(&self) -> Option<Dialogue<'_>> {
        match self {
            ServiceSpec::Haproxy(haproxy) => Some(Dialogue::Haproxy(haproxy)),
            ServiceSpec::Envoy(envoy) => Some(Dialogue::Envoy(envoy)),
            ServiceSpec::Nginx(_) | ServiceSpec::Command(_) => None,
        }
    }
}
