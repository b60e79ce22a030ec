//! What a fleet serves, drawn: a table in which hosts that are alike are one line, and one sentence.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::certificate::{KeyType, Leaf};
use crate::inventory::compact;
use crate::model::{CertificateName, HostName, ServiceName, Version};
use crate::report::view::View;
use crate::report::view::grouped::grouped;
use crate::report::view::leaf::brief;
use crate::report::view::table::table;
use crate::report::words::count;
use crate::status::{EndpointStatus, InMemory, StoredLeaf, group};
use crate::verify::EndpointState;

/// So many names or ranges are written out in a sentence.
const NAMED: usize = 5;
/// And so many in a table.
const IN_TABLE: usize = 3;

/// A fleet that was compared.
#[derive(Debug, Clone, Copy)]
pub struct StatusReport<'r> {
    /// The certificate's name.
    pub certificate: &'r CertificateName,
    /// The version that should be served.
    pub version: &'r Version,
    /// Every endpoint; those of one host follow each other.
    pub rows: &'r [EndpointStatus],
}

impl StatusReport<'_> {
    /// Whether all is as it should be.
    pub fn is_as_it_should_be(&self) -> bool {
        self.rows.iter().all(|row| row.drifts.is_empty())
    }

    /// The table. Without `every` host on lines of its own, those that are alike share one.
    fn table(&self, every: bool) -> String {
        let memory = self.rows.iter().any(|row| row.memory.is_some());
        let differs = !self.is_as_it_should_be();
        let mut header = vec!["HOST", "SERVICE", if every { "ADDRESS" } else { "PORT" }, "SERVER NAME"];
        header.extend(["KEY", "STATE", "SERVED", "ON DISK"]);
        header.extend(memory.then_some("IN MEMORY"));
        header.push("DAYS LEFT");
        header.extend(differs.then_some("WHAT DIFFERS"));
        let mut lines = Vec::new();
        let mut add = |hosts: &str, row: &EndpointStatus| {
            let port = || row.endpoint.port.to_string();
            let mut cells = vec![
                hosts.to_owned(),
                row.service.to_string(),
                if every { socket(&row.endpoint.address, row.endpoint.port) } else { port() },
                row.endpoint.server_name.to_string(),
                key_type(row).map_or("-".to_owned(), |key| key.to_string()),
                if row.elsewhere { "elsewhere" } else { state(row.state) }.to_owned(),
                short(row.served.as_ref()),
                short(row.file.as_ref()),
            ];
            if memory {
                cells.push(in_memory(row.memory.as_ref()));
            }
            cells.push(row.days_left.map_or("-".to_owned(), |days| days.to_string()));
            if differs {
                let codes: Vec<String> =
                    row.drifts.iter().map(|drift| drift.code().replace('_', " ")).collect();
                cells.push(codes.join(", "));
            }
            lines.push(cells);
        };
        if every {
            self.rows.iter().for_each(|row| add(row.host.as_str(), row));
        } else {
            for group in group(self.rows) {
                let hosts = self::compact(&names(&group.hosts), IN_TABLE);
                // Names that are as the first one is are told with it.
                let is_told =
                    |row: &&&EndpointStatus| !row.other_name || row.elsewhere || !row.drifts.is_empty();
                group.rows.iter().filter(is_told).for_each(|row| add(&hosts, row));
            }
        }
        table(&header, lines)
    }

    /// What differs, in whole sentences, each once with the hosts that it is about; where not all of a host is alike, endpoint
    /// by endpoint.
    fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for of_host in self.rows.chunk_by(|one, next| one.host == next.host) {
            match of_host[0].words() {
                Some(words) if of_host.iter().all(|row| row.drifts == of_host[0].drifts) => {
                    reasons.push((of_host[0].host.to_string(), words));
                }
                _ => reasons.extend(of_host.iter().filter(|row| !row.drifts.is_empty()).map(said)),
            }
        }
        reasons.extend(self.rows.iter().filter(|row| row.elsewhere).map(said));
        grouped(reasons)
    }

    /// Processes that outlive a reload, each service of a host once.
    fn old_workers(&self) -> Vec<String> {
        let mut told: HashSet<(&HostName, &ServiceName)> = HashSet::new();
        let mut words = Vec::new();
        for row in self.rows.iter().filter(|row| row.old_workers > 0) {
            if told.insert((&row.host, &row.service)) {
                let workers = count(row.old_workers as usize, "old worker");
                let serve = if row.old_workers == 1 { "serves" } else { "serve" };
                let said = format!(
                    "{}: {workers} still {serve} connections from before a reload, with the certificate of that time",
                    row.service
                );
                words.push((row.host.to_string(), said));
            }
        }
        grouped(words)
    }

    /// One true sentence.
    pub fn sentence(&self) -> String {
        let what = format!("{} {}", self.certificate, self.version);
        let (mut all, mut not, mut other) = (0, Vec::new(), Vec::new());
        for of_host in self.rows.chunk_by(|one, next| one.host == next.host) {
            all += 1;
            if of_host.iter().any(|row| !row.serves()) {
                not.push(&of_host[0].host);
            } else if of_host.iter().any(|row| !row.drifts.is_empty()) {
                other.push(&of_host[0].host);
            }
        }
        let named = |hosts: &[&HostName]| self::compact(&names(hosts), NAMED);
        let of_all = |hosts: &[&HostName]| format!("{} of {}", hosts.len(), count(all, "host"));
        let own = self.rows.iter().filter(|row| !row.elsewhere);
        let least = own.filter_map(|row| row.days_left).min().unwrap_or_default();
        match (not.as_slice(), other.as_slice()) {
            ([], []) => format!("every host serves {what}, {} left", days(least)),
            ([], other) => {
                let is = if other.len() == 1 { "is" } else { "are" };
                let of = of_all(other);
                format!("every host serves {what}, but {of} {is} not as it should be: {}", named(other))
            }
            (not, other) => {
                let does = if not.len() == 1 { "does" } else { "do" };
                let more = match other {
                    [] => String::new(),
                    [one] => format!("; {one} does, but is not as it should be"),
                    many => {
                        format!("; {} do, but are not as they should be: {}", many.len(), named(many))
                    }
                };
                format!("{} {does} not serve {what}: {}{more}", of_all(not), named(not))
            }
        }
    }
}

impl View for StatusReport<'_> {
    /// Table, reasons and sentence.
    fn text(&self, verbose: bool) -> String {
        let reasons = self.reasons().into_iter().chain(self.old_workers());
        let reasons: String = reasons.map(|reason| format!("{reason}\n")).collect();
        format!("{}\n\n{reasons}{}", self.table(verbose), self.sentence())
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        self.rows.iter().flat_map(|row| row.objects(time)).collect()
    }
}

impl View for EndpointStatus {
    /// An endpoint in one line.
    fn text(&self, _: bool) -> String {
        let (host, said) = said(self);
        format!("{host}: {said}")
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        let StoredLeaf { version, leaf } = &self.store;
        let store = json!({
            "version": version, "fingerprint_sha256": leaf.fingerprint_sha256, "serial": leaf.serial,
            "not_after": leaf.not_after,
        });
        vec![json!({
            "time": time, "event": "status", "host": self.host, "service": self.service,
            "address": self.endpoint.address, "port": self.endpoint.port,
            "server_name": self.endpoint.server_name, "key_type": key_type(self), "state": self.state,
            "served": self.served.as_ref().map(brief), "file": self.file.as_ref().map(brief),
            "memory": self.memory, "store": store,
            "days_left": self.days_left, "old_workers": self.old_workers,
            "drift": self.drifts.iter().map(crate::status::Drift::code).collect::<Vec<_>>(),
            "elsewhere": self.elsewhere, "error": self.words(),
        })]
    }
}

/// The host of an endpoint, and what is said of it.
fn said(row: &EndpointStatus) -> (String, String) {
    let said = row.words().unwrap_or_else(|| match &row.served {
        Some(leaf) if row.elsewhere => format!(
            "another certificate answers, for {} by `{}`; certwave leaves that as it is",
            leaf.names.join(", "),
            leaf.issuer
        ),
        None if row.elsewhere => "no certificate answers this name".to_owned(),
        served => {
            format!("serves {}, {} left", short(served.as_ref()), days(row.days_left.unwrap_or_default()))
        }
    });
    let name = if row.other_name || row.elsewhere {
        format!(" for {}", row.endpoint.server_name)
    } else {
        String::new()
    };
    (row.host.to_string(), format!("{} at {}{name}: {said}", row.service, row.endpoint))
}

fn names<'h>(hosts: &[&'h HostName]) -> Vec<&'h str> {
    hosts.iter().map(|host| host.as_str()).collect()
}

/// An address and a port, as they are dialled.
pub(super) fn socket(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// The kind of the key of what is served.
fn key_type(row: &EndpointStatus) -> Option<KeyType> {
    row.served.as_ref()?.key_type
}

fn short(leaf: Option<&Leaf>) -> String {
    leaf.map_or("-".to_owned(), |leaf| leaf.fingerprint_sha256.short())
}

/// What is known by its serial number alone is shown by that.
fn in_memory(held: Option<&InMemory>) -> String {
    match held {
        None => "-".to_owned(),
        Some(InMemory { fingerprint_sha256: Some(fingerprint), .. }) => fingerprint.short(),
        Some(InMemory { serial, .. }) => format!("serial {serial}"),
    }
}

/// `1 day`, `62 days`
pub(super) fn days(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

fn state(state: EndpointState) -> &'static str {
    match state {
        EndpointState::New => "current",
        EndpointState::Previous => "previous",
        EndpointState::Known => "outdated",
        EndpointState::Unknown => "unknown",
        EndpointState::None => "no TLS",
        EndpointState::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::OldProcesses;
    use crate::status::testing::World;

    fn drawn(worlds: &[World], every: bool) -> String {
        let rows: Vec<EndpointStatus> = worlds.iter().map(World::row).collect();
        let (certificate, version) = ("a.test".parse().unwrap(), World::version("new"));
        let report = StatusReport { certificate: &certificate, version: &version, rows: &rows };
        let reasons = report.reasons().join("\n");
        World::masked(&format!("{}\n\n{reasons}\n{}", report.table(every), report.sentence()))
    }

    fn fleet() -> Vec<World> {
        let good = |number: usize| World::new().named(&format!("web{number:02}"));
        let mut fleet: Vec<World> = (1..=40).map(good).collect();
        fleet[2] = World::new().named("web03").serving("old");
        fleet[6] = World::new().named("web07").silent().without_login();
        fleet.push(World::new().named("lb01").holding(&["new"]).linked("old"));
        fleet.push(World::new().named("lb02").holding(&["new"]));
        fleet
    }

    #[test]
    fn what_is_wrong_in_the_same_way_is_told_once() {
        let silent = |number: usize| World::new().named(&format!("web{number:02}")).silent().without_login();
        let fleet: Vec<World> = (1..=30).map(silent).collect();
        let text = drawn(&fleet, false);
        assert_eq!(text.matches("web[01:30]").count(), 3, "{text}");
        assert_eq!(text.matches("connection refused").count(), 1, "{text}");
    }

    #[test]
    fn hosts_that_are_alike_are_one_line_and_those_that_differ_stand_alone() {
        insta::assert_snapshot!(drawn(&fleet(), false), @"
         HOST                                SERVICE  PORT  SERVER NAME  KEY         STATE        SERVED    ON DISK   IN MEMORY  DAYS LEFT  WHAT DIFFERS
         web[01:02], web[04:06], web[08:40]  nginx    443   a.test       ecdsa-p256  current      new_____  new_____  -          89
         lb02                                nginx    443   a.test       ecdsa-p256  current      new_____  new_____  new_____   89
         web03                               nginx    443   a.test       ecdsa-p256  outdated     old_____  new_____  -          20         not reloaded
         web07                               nginx    443   a.test       -           unreachable  -         -         -          -          no answer, no login
         lb01                                nginx    443   a.test       ecdsa-p256  current      new_____  old_____  new_____   89         disk behind, link elsewhere

        web03: the reload did not happen: new_____ is on disk, old_____ is served
        web07: no answer: connection refused; no SSH: connect to 192.0.2.1:22: no answer
        lb01: memory differs from disk: a restart would serve old_____; the live link points to 20261115T080000Z-00000000
        2 of 42 hosts do not serve a.test 20270115T080000Z-00000000: web03, web07; lb01 does, but is not as it should be
        ");
    }

    #[test]
    fn every_host_may_have_its_line() {
        insta::assert_snapshot!(drawn(&fleet()[37..], true), @r#"
 HOST   SERVICE  ADDRESS        SERVER NAME  KEY         STATE    SERVED    ON DISK   IN MEMORY  DAYS LEFT  WHAT DIFFERS
 web38  nginx    192.0.2.1:443  a.test       ecdsa-p256  current  new_____  new_____  -          89
 web39  nginx    192.0.2.1:443  a.test       ecdsa-p256  current  new_____  new_____  -          89
 web40  nginx    192.0.2.1:443  a.test       ecdsa-p256  current  new_____  new_____  -          89
 lb01   nginx    192.0.2.1:443  a.test       ecdsa-p256  current  new_____  old_____  new_____   89         disk behind, link elsewhere
 lb02   nginx    192.0.2.1:443  a.test       ecdsa-p256  current  new_____  new_____  new_____   89

lb01: memory differs from disk: a restart would serve old_____; the live link points to 20261115T080000Z-00000000
every host serves a.test 20270115T080000Z-00000000, but 1 of 5 hosts is not as it should be: lb01
"#);
    }

    #[test]
    fn old_workers_are_told_once_a_service_and_change_nothing_else() {
        let old = |host: &str, count| {
            World::new().named(host).disk(|disk| disk.old = vec![OldProcesses { service: 0, count }])
        };
        let rows: Vec<EndpointStatus> = [old("n1", 3), old("n2", 1), old("n3", 3), World::new().named("n4")]
            .iter()
            .map(World::row)
            .collect();
        let rows = [rows.clone(), rows].concat();
        let (certificate, version) = ("a.test".parse().unwrap(), World::version("new"));
        let report = StatusReport { certificate: &certificate, version: &version, rows: &rows };
        assert!(report.is_as_it_should_be());
        insta::assert_snapshot!(report.old_workers().join("\n"), @"
        n1, n3: nginx: 3 old workers still serve connections from before a reload, with the certificate of that time
        n2: nginx: 1 old worker still serves connections from before a reload, with the certificate of that time
        ");
        assert!(report.text(false).contains("n2: nginx: 1 old worker"), "{}", report.text(false));
    }

    #[test]
    fn the_sentence_is_true() {
        let all: Vec<World> = (1..=3).map(|number| World::new().named(&format!("n{number}"))).collect();
        let sentence = |worlds: &[World]| drawn(worlds, false).lines().last().unwrap().to_owned();
        let behind = || World::new().named("lb01").holding(&["new"]).linked("old");
        let texts = [
            sentence(&all),
            sentence(&[World::new(), behind()]),
            sentence(&[World::new().serving("old"), behind()]),
            sentence(&[World::new().serving("lapsed"), World::new().named("n1").silent()]),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r#"
every host serves a.test 20270115T080000Z-00000000, 89 days left
every host serves a.test 20270115T080000Z-00000000, but 1 of 2 hosts is not as it should be: lb01
1 of 2 hosts does not serve a.test 20270115T080000Z-00000000: web01; lb01 does, but is not as it should be
2 of 2 hosts do not serve a.test 20270115T080000Z-00000000: web01, n1
"#);
    }

    #[test]
    fn an_endpoint_is_an_object_with_the_fields_of_the_interface() {
        let row = World::new().serving("old").holding(&["old"]).row();
        let object = row.objects(crate::certificate::testing::now()).remove(0);
        insta::assert_snapshot!(World::masked(&format!("{object:#}")), @r#"
{
  "time": "2027-01-15T08:00:00Z",
  "event": "status",
  "host": "web01",
  "service": "nginx",
  "address": "192.0.2.1",
  "port": 443,
  "server_name": "a.test",
  "key_type": "ecdsa-p256",
  "state": "known",
  "served": {
    "fingerprint_sha256": "<old>",
    "serial": "<serial of old>",
    "not_after": "2027-02-04T08:00:00Z"
  },
  "file": {
    "fingerprint_sha256": "<new>",
    "serial": "<serial of new>",
    "not_after": "2027-04-14T08:00:00Z"
  },
  "memory": {
    "fingerprint_sha256": "<old>",
    "serial": "<serial of old>",
    "not_after": "2027-02-04T08:00:00Z"
  },
  "store": {
    "version": "20270115T080000Z-00000000",
    "fingerprint_sha256": "<new>",
    "serial": "<serial of new>",
    "not_after": "2027-04-14T08:00:00Z"
  },
  "days_left": 20,
  "old_workers": 0,
  "drift": [
    "not_reloaded"
  ],
  "elsewhere": false,
  "error": "the reload did not happen: new_____ is on disk, old_____ is served"
}
"#);
    }

    #[test]
    fn a_name_that_is_answered_with_something_else_is_told_and_is_no_difference() {
        let worlds = [
            World::new().named("web1").with_another_name("foreign"),
            World::new().named("web2").with_another_name("new"),
            World::new().named("web3").with_another_name("old"),
            World::new().named("web4").with_another_name("none"),
        ];
        let rows: Vec<EndpointStatus> = worlds.iter().flat_map(World::rows).collect();
        let report = StatusReport {
            certificate: &"a.test".parse().unwrap(),
            version: &World::version("new"),
            rows: &rows,
        };
        insta::assert_snapshot!(World::masked(&report.text(false)), @"
         HOST  SERVICE  PORT  SERVER NAME  KEY         STATE      SERVED    ON DISK   DAYS LEFT  WHAT DIFFERS
         web1  nginx    443   a.test       ecdsa-p256  current    new_____  new_____  89
         web1  nginx    443   www.a.test   ecdsa-p256  elsewhere  foreign_  new_____  89
         web2  nginx    443   a.test       ecdsa-p256  current    new_____  new_____  89
         web4  nginx    443   a.test       ecdsa-p256  current    new_____  new_____  89
         web4  nginx    443   www.a.test   -           elsewhere  -         new_____  -
         web3  nginx    443   a.test       ecdsa-p256  current    new_____  new_____  89
         web3  nginx    443   www.a.test   ecdsa-p256  outdated   old_____  new_____  20         not reloaded

        web3: nginx at 192.0.2.1:443 for www.a.test: the reload did not happen: new_____ is on disk, old_____ is served
        web1: nginx at 192.0.2.1:443 for www.a.test: another certificate answers, for b.test by `CN=Other CA`; certwave leaves that as it is
        web4: nginx at 192.0.2.1:443 for www.a.test: no certificate answers this name
        1 of 4 hosts does not serve a.test 20270115T080000Z-00000000: web3
        ");
        let two = StatusReport { rows: &rows[..2], ..report };
        assert!(two.is_as_it_should_be() && !report.is_as_it_should_be());
    }
}
