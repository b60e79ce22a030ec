//! One host with one service, three versions of its certificate, and the steps of a rollout that are taken on it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::SignedDuration;

use crate::certificate::testing::{Authority, LeafSpec, now, pem};
use crate::certificate::{Bundle, Certificate, CertificateSet, Requirements};
use crate::engine::fleet::Fleet;
use crate::engine::target::{StoredVersions, Target};
use crate::engine::testing::{Handshakes, Host, Transcript, VirtualClock, served};
use crate::install::{FilePart, Formats, Payloads, files};
use crate::plan::testing::host;
use crate::plan::{
    CertificateRequest, Direction, HostIndex, HostPlan, Plan, PlannedService, Schedule, WaveSchedule,
};
use crate::playbook::{OnFailure, Renew};
use crate::ports::Effects;
use crate::rollout::{HostState, Previous, State, Step, StepEnded};
use crate::service::{
    AdminAddress, Envoy, EnvoySecret, Haproxy, HaproxyCertificate, HaproxyReload, Nginx, ServiceSpec,
};
use crate::verify::Observation;

/// Versions of one certificate, and a certificate for the same name that is none of them.
pub(crate) struct Issued {
    pub(crate) older: CertificateSet,
    pub(crate) old: CertificateSet,
    pub(crate) new: CertificateSet,
    pub(crate) foreign: Certificate,
    pub(crate) middle: Certificate,
}

static CERTIFICATES: LazyLock<Issued> = LazyLock::new(|| {
    let middle = Authority::new("Root").intermediate("Middle");
    Issued {
        older: issue(&middle, 60),
        old: issue(&middle, 30),
        new: issue(&middle, 0),
        foreign: Authority::new("Other CA").issue(&LeafSpec::default()).0,
        middle: middle.certificate,
    }
});

pub(crate) fn certificates() -> &'static Issued {
    &CERTIFICATES
}

/// A certificate that was issued so many days ago.
pub(crate) fn issue(middle: &Authority, days_ago: i64) -> CertificateSet {
    let (from_days, to_days, names) = (-days_ago - 1, 90 - days_ago, &["a.test", "www.a.test"][..]);
    let (leaf, key) = middle.issue(&LeafSpec { names, from_days, to_days, ..LeafSpec::default() });
    let required = Requirements { names: &[], now: now(), at_least: Duration::ZERO };
    let issued = now() - SignedDuration::from_hours(24 * days_ago);
    let bundle = Bundle::prove(&pem(&[&leaf, &middle.certificate]), &key, issued, &required).unwrap();
    CertificateSet::new(bundle, None)
}

impl Issued {
    /// A handshake that shows a version as it should be.
    pub(crate) fn shown(&self, set: &CertificateSet) -> Observation {
        served(&[set.leaf(), &self.middle])
    }
}

/// What `inspect` prints of a host without links where these versions are complete; `more` is what else there is to say.
pub(crate) fn facts(live: Option<&CertificateSet>, complete: &[&CertificateSet], more: &str) -> String {
    let mut said = "\ncertwave:user 0 root\n".to_owned();
    if let Some(live) = live {
        said += &format!("certwave:live ../archive/a.test/{}\n", live.version());
    }
    for set in complete {
        said += &format!("certwave:version {}\n", set.version());
    }
    said += more;
    if let Some(live) = live {
        let active = String::from_utf8(pem(&[live.leaf()])).unwrap();
        let active: String = active.lines().map(|line| format!("|{line}\n")).collect();
        said += &format!("certwave:begin active\n{active}certwave:end active\n");
    }
    said + "certwave:ready 1\ncertwave:result inspected\n\n"
}

/// What `inspect` prints besides of a host that was verified on these, oldest first.
pub(crate) fn verified(sets: &[&CertificateSet]) -> String {
    sets.iter().map(|set| format!("certwave:history +{}\n", set.version())).collect()
}

/// A host on which nothing was done yet, and the world around it.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) stored: StoredVersions,
    pub(crate) handshakes: Handshakes,
    pub(crate) clock: VirtualClock,
    /// What the journal knows of the host.
    pub(crate) known: HostState,
}

impl World {
    /// Where its service is.
    pub(crate) const PLACE: &str = "192.0.2.1:443";
    /// The same for the certificate's other name.
    pub(crate) const OTHER_NAME: &str = "192.0.2.1:443 www.a.test";

    pub(crate) fn nginx() -> Self {
        Self::of(ServiceSpec::Nginx(Nginx {
            binary: "/usr/sbin/nginx".parse().unwrap(),
            prefix: None,
            config: None,
            test: None,
            reload: None,
        }))
    }

    pub(crate) fn of(spec: ServiceSpec) -> Self {
        let plan = plan(host(spec.kind(), spec));
        let known = State::new(&plan.schedule).host(HostIndex::new(0)).clone();
        let stored = StoredVersions::default();
        Self { plan, stored, handshakes: Handshakes::default(), clock: VirtualClock::new(), known }
    }

    pub(crate) fn host(&self) -> &HostPlan {
        &self.plan.hosts[HostIndex::new(0)]
    }

    pub(crate) fn host_mut(&mut self) -> &mut HostPlan {
        &mut self.plan.hosts[HostIndex::new(0)]
    }

    pub(crate) fn service(&self) -> &PlannedService {
        &self.host().services[0]
    }

    /// The host is known to have had a version.
    pub(crate) fn after(mut self, set: &CertificateSet) -> Self {
        self.known.previous = Some(previous(set));
        self
    }

    /// What its endpoint shows, one handshake after the other.
    pub(crate) fn showing(self, shown: &[Observation]) -> Self {
        self.handshakes.shows(Self::PLACE, shown);
        self
    }

    /// The certificate's other name counts as well, where the host serves it; what it shows there.
    pub(crate) fn with_another_name(mut self, shown: &[Observation]) -> Self {
        self.host_mut().services[0].other_names = vec!["www.a.test".parse().unwrap()];
        self.handshakes.shows(Self::OTHER_NAME, shown);
        self
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(certificates().new.clone(), self.stored.clone())
    }

    pub(crate) fn fleet(&self, transcript: &Transcript) -> Fleet<Host, Handshakes, VirtualClock> {
        let (plan, target) = (Arc::new(self.plan.clone()), Arc::new(self.target()));
        let (host, who) = (transcript.host(), "01JD by ops1".to_owned());
        let files = files(&target.set, &Formats::default()).unwrap();
        let name = plan.certificate.name.clone();
        let payloads = Payloads::new(name, target.set.version().clone(), files);
        Fleet::new(plan, (target, payloads), host, self.handshakes.clone(), self.clock.clone(), who)
    }

    /// One step, over a connection of its own.
    pub(crate) async fn step(&self, step: Step, transcript: &Transcript) -> StepEnded {
        self.fleet(transcript).run(HostIndex::new(0), step, self.known.clone()).await
    }
}

/// A version that a host can go back to.
pub(crate) fn previous(set: &CertificateSet) -> Previous {
    Previous {
        version: set.version().clone(),
        leaves: set.leaves(),
        not_after: set.not_after(),
        revoked: false,
    }
}

/// An Envoy that reads the certificate by its SDS file.
pub(crate) fn envoy(admin: Option<AdminAddress>) -> Envoy {
    let path = |text: &str| text.parse().unwrap();
    let secret = EnvoySecret {
        sds: path("/etc/envoy/sds.yaml"),
        name: "server_cert".to_owned(),
        chain: vec![path("/etc/certwave/live/a.test/fullchain.pem")],
        key: vec![path("/etc/certwave/live/a.test/privkey.pem")],
    };
    Envoy { watched: path("/etc/certwave/live"), secrets: vec![secret], admin }
}

/// An HAProxy whose processes have these sockets, and that has one certificate.
pub(crate) fn haproxy(sockets: &[&str]) -> Haproxy {
    Haproxy {
        sockets: sockets.iter().map(|socket| socket.parse().unwrap()).collect(),
        certificates: vec![HaproxyCertificate {
            path: "/etc/haproxy/a.pem".parse().unwrap(),
            file: FilePart::Combined.into(),
            alias: None,
        }],
        crt_list: None,
        reload: HaproxyReload::Master("/run/haproxy-master.sock".parse().unwrap()),
        binary: "/usr/sbin/haproxy".parse().unwrap(),
        config: "/etc/haproxy/haproxy.cfg".parse().unwrap(),
        test: None,
        bufsize: Haproxy::DEFAULT_BUFSIZE,
    }
}

fn plan(host: HostPlan) -> Plan {
    let wave = WaveSchedule {
        name: "all".parse().unwrap(),
        batches: vec![(0..1).into()],
        parallel: 1,
        max_failures: 0,
        soak: Duration::ZERO,
        approval: false,
        progress_deadline: None,
        deadline: None,
    };
    let schedule = Schedule {
        hosts: vec![host.login.host.clone()].into(),
        waves: vec![wave],
        on_failure: OnFailure::Halt,
        direction: Direction::Forward,
        windows: None,
        deadline: None,
        dead_man: None,
        unsoaked: Default::default(),
    };
    let (name, domains) = ("a.test".parse().unwrap(), vec!["a.test".parse().unwrap()]);
    let certificate = CertificateRequest { name, domains, keys: Vec::new(), renew: Renew::Auto };
    Plan { certificate, issuers: Vec::new(), schedule, hosts: vec![host].into(), ca_files: Vec::new() }
}
