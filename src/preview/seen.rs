//! What was seen on a host, as far as a rollout depends on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::certificate::{Leaf, Staple};
use crate::install::{Beside, Boots, Guard, Keeper, LinkState, SudoLog};
use crate::model::{Fingerprint, ServiceName, Version};
use crate::rollout::{Previous, Silent, Undone};
use crate::service::ServiceWay;
use crate::verify::{ClientDemand, Endpoint};

/// One place where a certificate is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenServed {
    /// By which service.
    pub service: ServiceName,
    /// Where.
    pub endpoint: Endpoint,
    /// What; none where there was no handshake.
    pub leaf: Option<Leaf>,
    /// It is what a rollout replaces or puts there: a version of this certificate, one at the paths that are switched, or in
    /// a file that the server's configuration names for other names. Else it is foreign.
    #[serde(default = "yes")]
    pub ours: bool,
    /// Why there was no handshake.
    pub reason: Option<String>,
    /// It was asked for a name of the certificate that this rollout does not switch there: the host answers others with
    /// what is switched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// What its listener wants of clients, where that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand: Option<ClientDemand>,
    /// What the OCSP answer is that it stapled, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staple: Option<Staple>,
}

fn yes() -> bool {
    true
}

/// A server that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDown {
    /// Which server.
    pub service: ServiceName,
    /// How that is known, in words.
    pub reason: String,
}

/// A file that a server's configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFile {
    /// Its path.
    pub path: String,
    /// A private key; else a certificate.
    pub is_key: bool,
    /// A rollout switches it.
    pub ours: bool,
    /// What is in it, where it is somebody else's certificate.
    pub leaf: Option<Leaf>,
}

/// What a server reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenReads {
    /// Which server.
    pub service: ServiceName,
    /// It does not take its configuration as it is: its own words.
    pub broken: Option<String>,
    /// The files that it names; none where it does not tell.
    pub files: Vec<SeenFile>,
    /// It names others by variables: which these are is known only when a client comes.
    #[serde(default)]
    pub variable: bool,
    /// What its configuration says of connections that a reload meets, by the names of its settings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// What it reads beside certificates that the rollout switches, and that is for one certificate alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
}

/// What was seen on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHost {
    /// So many seconds its clock is ahead; negative: behind. Less than the look took counts as nothing.
    pub clock_ahead: i64,
    /// What would keep its dead-man switch alive; none where that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<Keeper>,
    /// Whether that switch would outlive a reboot; none where that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots: Option<Boots>,
    /// Whether sudo keeps what it is sent there.
    #[serde(default, skip_serializing_if = "SudoLog::is_off")]
    pub input_log: SudoLog,
    /// The version that its `live` link leads to.
    pub live: Option<Version>,
    /// The certificates that are active on its disk: one, two of dual certificates, or none.
    pub on_disk: Vec<Leaf>,
    /// Every endpoint proves the certificate that would be rolled out.
    pub proven: bool,
    /// That certificate is in its archive.
    pub staged: bool,
    /// What it would go back to.
    pub previous: Option<Previous>,
    /// The live version waits for a confirmation that never came.
    #[serde(default)]
    pub unconfirmed: bool,
    /// Who would put the one before back, where it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// So does the target, which is live already.
    pub armed: bool,
    /// The target is live, and was made final before.
    #[serde(default)]
    pub already: bool,
    /// What its dead-man switch did since the last commit.
    pub undone: Option<Undone>,
    /// What stands at each link's path, in the order of the settings.
    pub links: Vec<LinkState>,
    /// What stands at each copy's path, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<LinkState>,
    /// Files with a private key that everybody can read, and that are replaced.
    #[serde(default)]
    pub open_keys: Vec<String>,
    /// What makes a rollout fail there, before anything live is changed.
    pub problems: Vec<String>,
    /// Its servers that do not run.
    #[serde(default)]
    pub down: Vec<SeenDown>,
    /// How each of its services would take the certificate, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<ServiceWay>,
    /// What its servers read.
    pub reads: Vec<SeenReads>,
    /// What it serves.
    pub served: Vec<SeenServed>,
}

impl SeenHost {
    /// Its endpoints that answered nobody, however often they were dialled.
    pub(super) fn silent(&self) -> Vec<Silent> {
        let is_of = |one: &SeenServed, silent: &Silent| {
            one.service == silent.service && one.endpoint == silent.endpoint
        };
        let mut all: Vec<Silent> = Vec::new();
        for one in self.served.iter().filter(|one| one.leaf.is_none() && !one.elsewhere) {
            let silent = Silent { service: one.service.clone(), endpoint: one.endpoint.clone() };
            let answered = self.served.iter().any(|other| other.leaf.is_some() && is_of(other, &silent));
            if !answered && !all.contains(&silent) {
                all.push(silent);
            }
        }
        all
    }
}

/// Why nothing is known about a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// In words.
    pub reason: String,
    /// It did not answer; else it answered, but a rollout could not work with it.
    pub unreachable: bool,
}

/// A look at a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It came about.
    #[serde(rename = "found")]
    Host(Box<SeenHost>),
    /// It did not.
    Missed(Missed),
}

/// What is no longer as it was planned for, in words; the host's clock aside.
pub fn differences(planned: &Seen, now: &Seen) -> Vec<String> {
    let (before, after) = match (planned, now) {
        (Seen::Host(before), Seen::Host(after)) => (before, after),
        (Seen::Missed(before), Seen::Missed(after)) if before.unreachable == after.unreachable => {
            return Vec::new();
        }
        (Seen::Host(_), Seen::Missed(missed)) => return vec![format!("it is away: {}", missed.reason)],
        (Seen::Missed(_), Seen::Host(_)) => return vec!["it was away, and is there again".to_owned()],
        (Seen::Missed(_), Seen::Missed(missed)) => return vec![missed.reason.clone()],
    };
    let mut found = Vec::new();
    let version = |version: &Option<Version>| version.as_ref().map_or("none".to_owned(), Version::to_string);
    if before.live != after.live {
        found.push(format!(
            "its live version was {}, and is {}",
            version(&before.live),
            version(&after.live)
        ));
    } else if fingerprints(&before.on_disk) != fingerprints(&after.on_disk) {
        found.push("another certificate is on its disk".to_owned());
    }
    if before.previous != after.previous {
        let back =
            |host: &SeenHost| version(&host.previous.as_ref().map(|previous| previous.version.clone()));
        found.push(format!("it would go back to {}, and not to {}", back(after), back(before)));
    }
    let facts = |host: &SeenHost| (host.proven, host.staged, host.unconfirmed, host.undone.clone());
    if facts(before) != facts(after) && found.is_empty() {
        found.push("what is staged or confirmed on it changed".to_owned());
    }
    if before.input_log != after.input_log {
        found.push("sudo's log of standard input was turned on or off".to_owned());
    }
    if before.links != after.links {
        found.push("its links changed".to_owned());
    }
    if before.copies != after.copies {
        found.push("its copies changed".to_owned());
    }
    if before.problems != after.problems {
        found.push(match after.problems.as_slice() {
            [] => "what stood in the way was mended".to_owned(),
            problems => problems.join("; "),
        });
    }
    let down = |host: &SeenHost| host.down.iter().map(|down| down.service.clone()).collect::<Vec<_>>();
    if down(before) != down(after) {
        found.push("a server of it was stopped or started".to_owned());
    }
    if before.reads != after.reads {
        found.push("what its servers' configurations name changed".to_owned());
    }
    let served = |host: &SeenHost| -> Vec<_> {
        host.served.iter().map(|one| one.leaf.as_ref().map(|leaf| leaf.fingerprint_sha256)).collect()
    };
    if served(before) != served(after) {
        found.push("it serves something else".to_owned());
    }
    found
}

fn fingerprints(leaves: &[Leaf]) -> Vec<Fingerprint> {
    leaves.iter().map(|leaf| leaf.fingerprint_sha256).collect()
}
