//! Each kind of server, and what stands before it or in its way.

mod acceptors;
mod balancer;
mod copies;
mod crossed;
mod envoy;
pub(crate) mod haproxy;
mod lasting;
mod listeners;
mod names;
pub(crate) mod others;
mod ownership;
mod staples;
pub(crate) mod starttls;
mod stores;
mod sudo;
mod ways;
