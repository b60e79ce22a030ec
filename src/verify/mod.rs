//! What a live handshake showed, against what it should: the six states.
//!
//! Pure: [`judge()`] is handed what was observed and the time; only `tls` opens a TLS socket.

mod client;
mod client_demand;
mod expect;
mod judge;
mod names;
mod observe;
mod starttls;

pub use client::{ClientCertificate, ClientSettings, HandshakeRate, ProxyProtocol};
pub use client_demand::ClientDemand;
pub use expect::Expectation;
pub use judge::{EndpointState, Finding, Judgement, judge};
pub use names::{Switched, elsewhere};
pub use observe::{Endpoint, HeldOutcome, Observation, Served, Via};
pub use starttls::StartTls;
