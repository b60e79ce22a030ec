//! One host with one nginx, as tests want it to be.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use crate::certificate::testing::{Authority, LeafSpec, now, pem};
use crate::certificate::{Certificate, ChainSet, KeyAlgorithm};
use crate::install::{FilePart, LinkState, Live, OnDisk};
use crate::model::Version;
use crate::plan::HostPlan;
use crate::plan::testing::host;
use crate::service::{Command, Held, Holds, ServiceSpec};
use crate::status::reading::{HostReading, Inside};
use crate::status::{EndpointStatus, ExpectedVersion, ScannedEndpoint, appraise, compare};
use crate::verify::{Observation, Served, Via};

struct Certificates {
    leaves: BTreeMap<&'static str, Certificate>,
    middle: Certificate,
}

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let middle = Authority::new("Root").intermediate("Middle");
    let other = Authority::new("Other CA");
    let issue = |authority: &Authority, leaf: LeafSpec<'_>| authority.issue(&leaf).0;
    let lapsed = LeafSpec { from_days: -90, to_days: -3, ..LeafSpec::default() };
    let names = &["a.test", "www.a.test"][..];
    let foreign = LeafSpec { names: &["b.test"], ..LeafSpec::default() };
    let leaves = BTreeMap::from([
        ("new", issue(&middle, LeafSpec { names, ..LeafSpec::default() })),
        ("old", issue(&middle, LeafSpec { names, to_days: 20, ..LeafSpec::default() })),
        ("lapsed", issue(&middle, lapsed)),
        ("ending", issue(&middle, LeafSpec { from_days: -90, to_days: 0, ..LeafSpec::default() })),
        ("foreign", issue(&other, foreign)),
        ("short", issue(&middle, LeafSpec { to_days: 2, ..LeafSpec::default() })),
    ]);
    Certificates { leaves, middle: middle.certificate }
});

/// A host on which all is as it should be, until it is told otherwise.
pub(crate) struct World {
    plan: HostPlan,
    reading: HostReading,
}

impl World {
    pub(crate) fn new() -> Self {
        let spec = ServiceSpec::Command(Command { test: None, reload: "true".to_owned() });
        let mut plan = host("nginx", spec);
        plan.install.links = vec![("/etc/ssl/a.crt".parse().unwrap(), FilePart::Fullchain.into())];
        let endpoint = plan.services[0].endpoints[0].clone();
        let disk = OnDisk {
            live: Live::Missing,
            damaged: false,
            armed: None,
            fired: None,
            links: vec![LinkState::Ours],
            copies: Vec::new(),
            active: Vec::new(),
            reads: Vec::new(),
            old: Vec::new(),
        };
        let inside = Inside { disk: Ok(disk), memory: vec![Ok(Holds::default())] };
        let silent = Observation::Unreachable(String::new());
        let reading = HostReading { inside: Ok(inside), observed: vec![vec![(endpoint, silent)]] };
        Self { plan, reading }.serving("new").linked("new")
    }

    pub(crate) fn leaf(&self, name: &str) -> &'static Certificate {
        &CERTIFICATES.leaves[name]
    }

    pub(crate) fn version(name: &str) -> Version {
        let time = if name == "new" { "20270115T080000Z" } else { "20261115T080000Z" };
        format!("{time}-00000000").parse().unwrap()
    }

    pub(crate) fn named(mut self, host: &str) -> Self {
        self.plan.login.host = host.parse().unwrap();
        self
    }

    fn observe(mut self, observation: Observation) -> Self {
        self.reading.observed[0][0].1 = observation;
        self
    }

    pub(crate) fn serving(self, name: &str) -> Self {
        let chain = vec![self.leaf(name).der.clone(), CERTIFICATES.middle.der.clone()];
        self.sending(chain)
    }

    /// Without the intermediate.
    pub(crate) fn serving_alone(self, name: &str) -> Self {
        let chain = vec![self.leaf(name).der.clone()];
        self.sending(chain)
    }

    /// Its intermediate has two days left.
    pub(crate) fn under_a_short_intermediate(self) -> Self {
        let chain = vec![self.leaf("new").der.clone(), self.leaf("short").der.clone()];
        self.sending(chain)
    }

    fn sending(self, chain: Vec<Vec<u8>>) -> Self {
        let protocol = "TLSv1.3".to_owned();
        self.observe(Observation::Served(Served {
            chain,
            trust: Ok(()),
            protocol,
            staple: None,
            took: Duration::ZERO,
        }))
    }

    /// It is dialled from the host itself.
    pub(crate) fn through_the_host(mut self) -> Self {
        self.reading.observed[0][0].0.via = Via::Ssh;
        self
    }

    /// A certificate with this kind of key is asked for.
    pub(crate) fn with_key(mut self, key: KeyAlgorithm) -> Self {
        self.reading.observed[0][0].0.key = Some(key);
        self
    }

    pub(crate) fn silent(self) -> Self {
        self.observe(Observation::Unreachable("connection refused".to_owned()))
    }

    pub(crate) fn disk(mut self, change: impl FnOnce(&mut OnDisk)) -> Self {
        change(self.reading.inside.as_mut().unwrap().disk.as_mut().unwrap());
        self
    }

    /// The live link and its file; to `none`, there is no link.
    pub(crate) fn linked(self, name: &str) -> Self {
        self.disk(|disk| {
            let leaf = CERTIFICATES.leaves.get(name);
            disk.live = leaf.map_or(Live::Missing, |_| Live::Version(Self::version(name)));
            disk.active = leaf.map(|leaf| String::from_utf8(pem(&[leaf])).unwrap()).into_iter().collect();
        })
    }

    /// The path that the server's configuration names is a file of somebody's.
    pub(crate) fn straying(self) -> Self {
        self.disk(|disk| disk.links[0] = LinkState::File)
    }

    /// What its processes say that they hold.
    pub(crate) fn holding(self, names: &[&str]) -> Self {
        let certificates = names.iter().map(|name| Held::from(self.leaf(name))).collect();
        self.with_memory(Ok(Holds { certificates, names: Vec::new() }))
    }

    pub(crate) fn with_memory(mut self, memory: Result<Holds, String>) -> Self {
        self.reading.inside.as_mut().unwrap().memory = vec![memory];
        self
    }

    pub(crate) fn without_disk(mut self, reason: &str) -> Self {
        self.reading.inside.as_mut().unwrap().disk = Err(reason.to_owned());
        self
    }

    pub(crate) fn without_login(mut self) -> Self {
        self.reading.inside = Err("connect to 192.0.2.1:22: no answer".to_owned());
        self
    }

    pub(crate) fn row(&self) -> EndpointStatus {
        self.rows().remove(0)
    }

    /// The certificate's other name is answered with this one; with `none`, by nobody.
    pub(crate) fn with_another_name(mut self, name: &str) -> Self {
        let name_of = "www.a.test".parse::<crate::model::DnsName>().unwrap();
        let mut endpoint = self.plan.services[0].endpoints[0].clone();
        endpoint.server_name = name_of.clone();
        self.plan.services[0].other_names = vec![name_of];
        let observed = match CERTIFICATES.leaves.get(name) {
            Some(leaf) => {
                let chain = vec![leaf.der.clone(), CERTIFICATES.middle.der.clone()];
                let protocol = "TLSv1.3".to_owned();
                Observation::Served(Served {
                    chain,
                    trust: Ok(()),
                    staple: None,
                    protocol,
                    took: Duration::ZERO,
                })
            }
            None => Observation::NotTls("unrecognized name".to_owned()),
        };
        self.reading.observed[0].push((endpoint, observed));
        self
    }

    pub(crate) fn rows(&self) -> Vec<EndpointStatus> {
        let leaf = |name: &str| &CERTIFICATES.leaves[name];
        let chain = pem(&[leaf("new"), &CERTIFICATES.middle]);
        let set = ChainSet::read(Self::version("new"), &chain, None).unwrap();
        let known = ["new", "old", "lapsed", "ending"].map(|name| leaf(name).fingerprint).into();
        let own = ["new", "old"].map(|name| (leaf(name).fingerprint, Self::version(name))).into();
        compare(&self.plan, &self.reading, &ExpectedVersion { set, known, own }, now())
    }

    /// What is served, appraised for itself.
    pub(crate) fn entry(&self) -> ScannedEndpoint {
        let (endpoint, observed) = &self.reading.observed[0][0];
        let place = (&self.plan.login.host, endpoint.address.as_str(), endpoint.port);
        appraise(place, (Some(&endpoint.server_name), true), observed, now())
    }

    /// A text with names instead of what differs from run to run.
    pub(crate) fn masked(text: &str) -> String {
        CERTIFICATES.leaves.iter().fold(text.to_owned(), |text, (name, leaf)| {
            text.replace(&leaf.fingerprint.to_string(), &format!("<{name}>"))
                .replace(&leaf.fingerprint.short(), &format!("{name:_<8}"))
                .replace(leaf.serial.as_str(), &format!("<serial of {name}>"))
        })
    }
}
