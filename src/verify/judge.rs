//! The verdict over one handshake.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::model::Fingerprint;
use crate::verify::expect::Expectation;
use crate::verify::observe::{Observation, Served};

/// What an endpoint serves, seen from the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// The certificate being rolled out.
    New,
    /// Still the one from before.
    Previous,
    /// Another certificate of this store.
    Known,
    /// One that certwave never issued.
    Unknown,
    /// It answers, but not with TLS.
    None,
    /// No answer.
    Unreachable,
}

/// What is wrong with what an endpoint serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Certificates of the chain are not sent.
    IncompleteChain {
        /// How many were sent.
        served: usize,
        /// How many should be.
        expected: usize,
    },
    /// They are sent in another order.
    WrongOrder,
    /// The root is sent after the chain.
    ExtraRoot,
    /// More is sent than was installed.
    ExtraCertificates {
        /// How many.
        count: usize,
    },
    /// Others are sent.
    OtherChain,
    /// The leaf does not cover the name asked for.
    WrongName {
        /// The name asked for.
        wanted: String,
    },
    /// The chain does not lead to a trusted root: OpenSSL's reason.
    NotTrusted(String),
    /// It is no longer valid.
    Expired(Timestamp),
    /// It is not valid yet.
    NotYetValid(Timestamp),
    /// It cannot be read.
    Unreadable(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::IncompleteChain { served, expected } => write!(
                f,
                "the chain is incomplete: {served} of {expected} certificates are sent; does the server's configuration name `cert.pem` instead of `fullchain.pem`?"
            ),
            Finding::WrongOrder => f.write_str("the chain is sent in the wrong order"),
            Finding::ExtraRoot => f.write_str(
                "the root is sent too: clients have it, and do not believe one that they are sent",
            ),
            Finding::ExtraCertificates { count: 1 } => f.write_str("one certificate too many is sent"),
            Finding::ExtraCertificates { count } => write!(f, "{count} certificates too many are sent"),
            Finding::OtherChain => f.write_str("another chain is sent than was installed"),
            Finding::WrongName { wanted } => write!(f, "the certificate is not for `{wanted}`"),
            Finding::NotTrusted(reason) => {
                write!(f, "it is not trusted: {reason} (a private CA's root goes into `verify: ca_file`)")
            }
            Finding::Expired(since) => write!(f, "it expired on {since}"),
            Finding::NotYetValid(from) => write!(f, "it is not valid before {from}"),
            Finding::Unreadable(reason) => f.write_str(reason),
        }
    }
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What is served.
    pub state: EndpointState,
    /// What is wrong with it; a new certificate with a finding is not good.
    pub findings: Vec<Finding>,
    /// The leaf that was served.
    pub leaf: Option<Certificate>,
    /// Why there was no handshake.
    pub reason: Option<String>,
}

impl Judgement {
    /// The new certificate, whole, trusted, for the right name, and valid now.
    pub fn is_good(&self) -> bool {
        self.state == EndpointState::New && self.findings.is_empty()
    }

    /// What is wrong, in words; what is served when nothing is.
    pub fn words(&self) -> String {
        let served = match (&self.state, &self.leaf) {
            (EndpointState::New, _) => "the new certificate is served".to_owned(),
            (EndpointState::Previous, _) => "still the previous certificate is served".to_owned(),
            (EndpointState::Known, Some(leaf)) => format!(
                "another certificate of certwave's store is served, {} for {}; check the virtual host and the links",
                leaf.fingerprint.short(),
                leaf.names.join(", ")
            ),
            (_, Some(leaf)) => format!(
                "another certificate is served, which certwave never issued: {} for {}, by {}; check the server's configuration, \
                 or for a proxy in front",
                leaf.fingerprint.short(),
                leaf.names.join(", "),
                leaf.issuer
            ),
            (EndpointState::None, _) => {
                format!("it answers, but not with TLS: {}", self.reason.as_deref().unwrap_or_default())
            }
            (_, None) => format!("no answer: {}", self.reason.as_deref().unwrap_or_default()),
        };
        let findings: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        if findings.is_empty() { served } else { format!("{served}, but {}", findings.join("; ")) }
    }
}

/// Judges one handshake.
pub fn judge(expected: &Expectation, observed: &Observation, now: Timestamp) -> Judgement {
    let no_handshake = |state, reason: &String| Judgement {
        state,
        findings: Vec::new(),
        leaf: None,
        reason: Some(reason.clone()),
    };
    let served = match observed {
        Observation::Served(served) => served,
        Observation::NotTls(reason) => return no_handshake(EndpointState::None, reason),
        Observation::Refused { .. } => {
            return no_handshake(EndpointState::None, &observed.failure().unwrap_or_default());
        }
        Observation::Unreachable(reason) => return no_handshake(EndpointState::Unreachable, reason),
    };
    let leaf = served.chain.first().map(|der| Certificate::from_der(der));
    let leaf = match leaf {
        Some(Ok(leaf)) => leaf,
        Some(Err(error)) => {
            let findings = vec![Finding::Unreadable(error.to_string())];
            return Judgement {
                state: EndpointState::Unknown,
                findings,
                leaf: None,
                reason: Some(error.to_string()),
            };
        }
        None => return no_handshake(EndpointState::None, &"no certificate was sent".to_owned()),
    };
    let sent: Vec<Fingerprint> =
        served.chain.iter().map(|der| Fingerprint::new(openssl::sha::sha256(der))).collect();
    // Where both have the same leaf, their chains tell them apart.
    let is_new = expected.chain.first() == Some(&leaf.fingerprint)
        && (sent == expected.chain || !expected.previous.contains(&leaf.fingerprint));
    let state = if is_new {
        EndpointState::New
    } else if expected.previous.contains(&leaf.fingerprint) {
        EndpointState::Previous
    } else if expected.known.contains(&leaf.fingerprint) {
        EndpointState::Known
    } else {
        EndpointState::Unknown
    };
    let findings =
        if state == EndpointState::New { findings(expected, served, &sent, &leaf, now) } else { Vec::new() };
    Judgement { state, findings, leaf: Some(leaf), reason: None }
}

fn findings(
    expected: &Expectation,
    served: &Served,
    sent: &[Fingerprint],
    leaf: &Certificate,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(match chain_finding(&expected.chain, sent) {
        Some(Finding::ExtraCertificates { count: 1 }) if ends_with_root(served) => Some(Finding::ExtraRoot),
        finding => finding,
    });
    if !leaf.covers(&expected.server_name) {
        findings.push(Finding::WrongName { wanted: expected.server_name.to_string() });
    }
    if leaf.not_after <= now {
        findings.push(Finding::Expired(leaf.not_after));
    } else if leaf.not_before > now {
        findings.push(Finding::NotYetValid(leaf.not_before));
    } else if let Err(reason) = &served.trust
        && !findings.iter().any(|finding| matches!(finding, Finding::IncompleteChain { .. }))
    {
        // An incomplete chain is not trusted either; the cause is said, not its consequence.
        findings.push(Finding::NotTrusted(reason.clone()));
    }
    findings
}

fn ends_with_root(served: &Served) -> bool {
    let last = served.chain.last().and_then(|der| Certificate::from_der(der).ok());
    last.is_some_and(|last| last.is_self_signed())
}

fn chain_finding(expected: &[Fingerprint], sent: &[Fingerprint]) -> Option<Finding> {
    let sorted = |chain: &[Fingerprint]| {
        let mut chain = chain.to_vec();
        chain.sort();
        chain
    };
    if sent == expected {
        None
    } else if sent.len() < expected.len() && expected.starts_with(sent) {
        Some(Finding::IncompleteChain { served: sent.len(), expected: expected.len() })
    } else if sent.len() > expected.len() && sent.starts_with(expected) {
        Some(Finding::ExtraCertificates { count: sent.len() - expected.len() })
    } else if sorted(sent) == sorted(expected) {
        Some(Finding::WrongOrder)
    } else {
        Some(Finding::OtherChain)
    }
}

#[cfg(test)]
mod tests;
