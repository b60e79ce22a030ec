//! Whatever is served on the hosts of an inventory, drawn: the soonest to expire first.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::certificate::Leaf;
use crate::inventory::compact;
use crate::report::view::View;
use crate::report::view::leaf::brief;
use crate::report::view::status::{days, socket};
use crate::report::view::table::table;
use crate::report::words::count;
use crate::status::{Condition, ScannedEndpoint};

/// So many ranges of hosts, and so many names, are written out in a table.
const IN_TABLE: usize = 3;
/// And so many in a sentence.
const NAMED: usize = 5;

/// What was found, soonest first.
#[derive(Debug, Clone)]
pub struct ServedReport {
    entries: Vec<ScannedEndpoint>,
}

impl ServedReport {
    /// Orders what was found: by when it expires, and those that showed nothing last.
    pub fn new(mut entries: Vec<ScannedEndpoint>) -> Self {
        let expires = |entry: &ScannedEndpoint| entry.leaf.as_ref().map_or(Timestamp::MAX, Leaf::expires);
        entries.sort_by_key(expires);
        Self { entries }
    }

    /// Whether everything is valid.
    pub fn is_in_order(&self) -> bool {
        self.entries.iter().all(|entry| entry.condition == Condition::Valid)
    }

    /// What was found, soonest first.
    pub fn entries(&self) -> &[ScannedEndpoint] {
        &self.entries
    }

    /// The table. Without `every` endpoint in a line of its own, hosts that serve the same share one.
    fn table(&self, every: bool) -> String {
        let header = [
            "HOST",
            if every { "ADDRESS" } else { "PORT" },
            "NAMES",
            "ISSUER",
            "KEY",
            "EXPIRES",
            "DAYS LEFT",
            "CONDITION",
        ];
        let dash = || "-".to_owned();
        let row = |(hosts, entry): (Vec<&str>, &ScannedEndpoint)| {
            let leaf = entry.leaf.as_ref();
            [
                compact(&hosts, IN_TABLE),
                if every { socket(&entry.address, entry.port) } else { entry.port.to_string() },
                names(leaf, every),
                leaf.map_or_else(dash, |leaf| common_name(&leaf.issuer)),
                leaf.and_then(|leaf| leaf.key_type).map_or_else(dash, |key| key.to_string()),
                leaf.map_or_else(dash, |leaf| leaf.expires().strftime("%Y-%m-%d").to_string()),
                entry.days_left.map_or_else(dash, |days| days.to_string()),
                match (&entry.error, entry.condition) {
                    // The date has its own column.
                    (None, condition) | (_, condition @ (Condition::Expired | Condition::NotYetValid)) => {
                        condition.name().to_owned()
                    }
                    (Some(reason), condition) => format!("{}: {reason}", condition.name()),
                },
            ]
        };
        table(&header, self.groups(every).into_iter().map(row))
    }

    /// Entries that say the same but for their host and address, with these hosts.
    fn groups(&self, every: bool) -> Vec<(Vec<&str>, &ScannedEndpoint)> {
        let mut groups: Vec<(Vec<&str>, &ScannedEndpoint)> = Vec::new();
        let mut known: HashMap<_, usize> = HashMap::new();
        for entry in &self.entries {
            let host = entry.host.as_str();
            let leaf = entry.leaf.as_ref().map(|leaf| leaf.fingerprint_sha256);
            let said = (leaf, entry.port, entry.condition, entry.error.as_deref());
            // One that shows nothing stands alone.
            match known.get(&said).filter(|_| !every && leaf.is_some()) {
                Some(at) => {
                    let hosts = &mut groups[*at].0;
                    // Of a host with several addresses.
                    if hosts.last() != Some(&host) {
                        hosts.push(host);
                    }
                }
                None => {
                    known.insert(said, groups.len());
                    groups.push((vec![host], entry));
                }
            }
        }
        groups
    }

    /// One true sentence.
    pub fn sentence(&self) -> String {
        let all = count(self.entries.len(), "endpoint");
        let wrong: Vec<&ScannedEndpoint> =
            self.entries.iter().filter(|entry| entry.condition != Condition::Valid).collect();
        let Some(first) = self.entries.first() else { return "there is nothing to look at".to_owned() };
        if wrong.is_empty() {
            let left = days(first.days_left.unwrap_or_default());
            let name =
                first.leaf.as_ref().and_then(|leaf| leaf.names.first()).map_or("the one", String::as_str);
            return format!(
                "{all}, all valid; the first to expire has {left} left: {name} on {}",
                first.host
            );
        }
        let kinds = [
            Condition::Expired,
            Condition::NotYetValid,
            Condition::WrongName,
            Condition::Untrusted,
            Condition::None,
            Condition::Unreachable,
        ];
        let parts = kinds.into_iter().filter_map(|kind| {
            let hosts: Vec<&str> = wrong
                .iter()
                .filter(|entry| entry.condition == kind)
                .map(|entry| entry.host.as_str())
                .collect();
            (!hosts.is_empty()).then(|| format!("{} {} ({})", hosts.len(), kind.name(), named(hosts)))
        });
        let is = if wrong.len() == 1 { "is" } else { "are" };
        format!("{} of {all} {is} not in order: {}", wrong.len(), parts.collect::<Vec<_>>().join(", "))
    }
}

impl View for ServedReport {
    /// Table and sentence.
    fn text(&self, verbose: bool) -> String {
        format!("{}\n\n{}", self.table(verbose), self.sentence())
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        self.entries.iter().flat_map(|entry| entry.objects(time)).collect()
    }
}

impl View for ScannedEndpoint {
    /// An endpoint in one line.
    fn text(&self, _: bool) -> String {
        let place = format!("{} at {}", self.host, socket(&self.address, self.port));
        let Some(leaf) = &self.leaf else {
            let reason = self.error.as_deref().unwrap_or_default();
            return format!("{place}: {}: {reason}", self.condition.name());
        };
        let left = days(self.days_left.unwrap_or_default());
        let (name, what) = (names(Some(leaf), false), self.condition.name());
        format!("{place}: {} for {name}, {what}, {left} left", leaf.fingerprint_sha256.short())
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        let leaf = self.leaf.as_ref();
        vec![json!({
            "time": time, "event": "status", "host": self.host, "service": null,
            "address": self.address, "port": self.port, "server_name": self.server_name,
            "key_type": leaf.and_then(|leaf| leaf.key_type), "state": self.condition,
            "served": leaf.map(brief), "file": null,
            "names": leaf.map_or([].as_slice(), |leaf| &leaf.names), "issuer": leaf.map(|leaf| &leaf.issuer),
            "days_left": self.days_left, "error": self.error,
        })]
    }
}

fn named(mut hosts: Vec<&str>) -> String {
    hosts.dedup();
    compact(&hosts, NAMED)
}

fn names(leaf: Option<&Leaf>, every: bool) -> String {
    let names = leaf.map_or([].as_slice(), |leaf| &leaf.names);
    match names {
        [] => "-".to_owned(),
        [one, two, _, ..] if !every => format!("{one}, {two} and {} more", names.len() - 2),
        names => names.join(", "),
    }
}

/// The common name of a distinguished name, which is what authorities are known by; else all of it.
fn common_name(name: &str) -> String {
    let parts = name.split(", ").find_map(|part| part.strip_prefix("CN="));
    parts.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::testing::World;

    fn drawn(entries: Vec<ScannedEndpoint>, every: bool) -> String {
        let report = ServedReport::new(entries);
        World::masked(&format!("{}\n\n{}", report.table(every), report.sentence()))
    }

    #[test]
    fn the_soonest_is_first_and_what_is_the_same_is_one_line() {
        let good = |number: usize| World::new().named(&format!("web{number:02}")).entry();
        let mut entries: Vec<ScannedEndpoint> = (1..=9).map(good).collect();
        let all_good = drawn(entries.clone(), false);
        entries.push(World::new().named("old01").serving("old").entry());
        entries.push(World::new().named("api01").serving("lapsed").entry());
        entries.push(World::new().named("db01").silent().entry());
        entries.push(World::new().named("db02").silent().entry());
        entries.push(World::new().named("mail").serving("foreign").entry());
        let every = drawn(entries[8..].to_vec(), true);
        insta::assert_snapshot!(format!("{all_good}\n\n{}\n\n{every}", drawn(entries, false)), @"
         HOST        PORT  NAMES               ISSUER  KEY         EXPIRES     DAYS LEFT  CONDITION
         web[01:09]  443   a.test, www.a.test  Middle  ecdsa-p256  2027-04-14  89         valid

        9 endpoints, all valid; the first to expire has 89 days left: a.test on web01

         HOST        PORT  NAMES               ISSUER    KEY         EXPIRES     DAYS LEFT  CONDITION
         api01       443   a.test              Middle    ecdsa-p256  2027-01-12  -3         expired
         old01       443   a.test, www.a.test  Middle    ecdsa-p256  2027-02-04  20         valid
         web[01:09]  443   a.test, www.a.test  Middle    ecdsa-p256  2027-04-14  89         valid
         mail        443   b.test              Other CA  ecdsa-p256  2027-04-14  89         wrong name: it is not for `a.test`
         db01        443   -                   -         -           -           -          unreachable: connection refused
         db02        443   -                   -         -           -           -          unreachable: connection refused

        4 of 14 endpoints are not in order: 1 expired (api01), 1 wrong name (mail), 2 unreachable (db[01:02])

         HOST   ADDRESS        NAMES               ISSUER    KEY         EXPIRES     DAYS LEFT  CONDITION
         api01  192.0.2.1:443  a.test              Middle    ecdsa-p256  2027-01-12  -3         expired
         old01  192.0.2.1:443  a.test, www.a.test  Middle    ecdsa-p256  2027-02-04  20         valid
         web09  192.0.2.1:443  a.test, www.a.test  Middle    ecdsa-p256  2027-04-14  89         valid
         mail   192.0.2.1:443  b.test              Other CA  ecdsa-p256  2027-04-14  89         wrong name: it is not for `a.test`
         db01   192.0.2.1:443  -                   -         -           -           -          unreachable: connection refused
         db02   192.0.2.1:443  -                   -         -           -           -          unreachable: connection refused

        4 of 6 endpoints are not in order: 1 expired (api01), 1 wrong name (mail), 2 unreachable (db[01:02])
        ");
    }

    #[test]
    fn an_authority_is_known_by_its_common_name() {
        assert_eq!(common_name("C=US, O=Let's Encrypt, CN=R3"), "R3");
        assert_eq!(common_name("O=Somebody"), "O=Somebody");
    }

    #[test]
    fn an_endpoint_is_an_object_with_the_fields_of_the_interface() {
        let shown = |world: World| {
            let object = world.entry().objects(crate::certificate::testing::now()).remove(0);
            World::masked(&object.to_string())
        };
        insta::assert_snapshot!([shown(World::new()), shown(World::new().silent())].join("\n"), @r#"
        {"time":"2027-01-15T08:00:00Z","event":"status","host":"web01","service":null,"address":"192.0.2.1","port":443,"server_name":"a.test","key_type":"ecdsa-p256","state":"valid","served":{"fingerprint_sha256":"<new>","serial":"<serial of new>","not_after":"2027-04-14T08:00:00Z"},"file":null,"names":["a.test","www.a.test"],"issuer":"CN=Middle","days_left":89,"error":null}
        {"time":"2027-01-15T08:00:00Z","event":"status","host":"web01","service":null,"address":"192.0.2.1","port":443,"server_name":"a.test","key_type":null,"state":"unreachable","served":null,"file":null,"names":[],"issuer":null,"days_left":null,"error":"connection refused"}
        "#);
    }
}
