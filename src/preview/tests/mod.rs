//! What is made of hosts that were seen, case by case. `tests/properties` compares forecasts with rollouts.

mod differences;
mod forecasts;
mod lasting;
mod risks;
mod saved;
mod told;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::{KeyType, Leaf};
use crate::install::{LinkState, SudoLog};
use crate::model::{Fingerprint, Serial, Version};
use crate::plan::Plan;
use crate::plan::testing::resolved;
use crate::preview::{Missed, Seen, SeenFile, SeenHost, SeenReads, SeenServed};
use crate::rollout::Previous;

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn version(number: u8) -> Version {
    Version::found(start(), &Fingerprint::new([number; 32]))
}

/// What a playbook with these sections plans for four hosts.
fn plan(sections: &str) -> Plan {
    resolved(sections).unwrap().plan
}

/// A leaf that is valid for so many seconds more.
fn leaf(number: u8, seconds: i64) -> Leaf {
    Leaf {
        chain_until: None,
        fingerprint_sha256: Fingerprint::new([number; 32]),
        serial: Serial::from_bytes(&[number]),
        names: vec!["a.test".to_owned()],
        issuer: "CN=one".to_owned(),
        key_type: Some(KeyType::EcdsaP256),
        not_after: after(seconds),
    }
}

/// A host of `plan` that serves what it should, and waits for the new version.
fn host(plan: &Plan) -> SeenHost {
    let service = &plan.hosts.first().unwrap().services[0];
    let served = |endpoint: &crate::verify::Endpoint| SeenServed {
        service: service.name.clone(),
        endpoint: endpoint.clone(),
        leaf: Some(leaf(1, 86_400)),
        ours: true,
        reason: None,
        elsewhere: false,
        demand: None,
        staple: None,
    };
    let file = SeenFile { path: "/live/fullchain.pem".to_owned(), is_key: false, ours: true, leaf: None };
    SeenHost {
        clock_ahead: 0,
        keeper: None,
        boots: None,
        input_log: SudoLog::Off,
        live: Some(version(1)),
        on_disk: vec![leaf(1, 86_400)],
        proven: false,
        staged: false,
        previous: Some(Previous {
            version: version(1),
            leaves: Vec::new(),
            not_after: after(86_400),
            revoked: false,
        }),
        unconfirmed: false,
        guard: None,
        armed: false,
        already: false,
        open_keys: Vec::new(),
        undone: None,
        copies: Vec::new(),
        links: vec![LinkState::Ours],
        problems: Vec::new(),
        down: Vec::new(),
        ways: Vec::new(),
        reads: vec![SeenReads {
            service: service.name.clone(),
            broken: None,
            files: vec![file],
            variable: false,
            settings: Default::default(),
            beside: Vec::new(),
        }],
        served: service.endpoints.iter().map(served).collect(),
    }
}

fn seen(host: SeenHost) -> Seen {
    Seen::Host(Box::new(host))
}

fn missed(reason: &str, unreachable: bool) -> Seen {
    Seen::Missed(Missed { reason: reason.to_owned(), unreachable })
}
