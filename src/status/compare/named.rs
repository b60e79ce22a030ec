//! What a restart would serve against what is served: what the configuration on disk names, and what is in memory.

use crate::certificate::{Certificate, parse_pem};
use crate::install::{Live, OnDisk};
use crate::model::HostPath;
use crate::plan::PlannedService;
use crate::service::{Dialogue, Holds};
use crate::status::drift::Drift;
use crate::verify::Endpoint;

/// Nothing of a service that does not tell what its configuration names, and of one whose certificate is not installed.
pub(super) fn drifts(
    service: &PlannedService,
    endpoint: &Endpoint,
    disk: Option<&OnDisk>,
    at: usize,
    memory: Option<&Result<Holds, String>>,
) -> Vec<Drift> {
    let Some(disk) = disk.filter(|disk| matches!(disk.live, Live::Version(_))) else { return Vec::new() };
    let Some(reads) = disk.reads.get(at).filter(|reads| !reads.files.is_empty()) else { return Vec::new() };
    let mut drifts = Vec::new();
    if let Some(Dialogue::Haproxy(haproxy)) = service.spec.dialogue()
        && !reads.variable
    {
        let is_named =
            |path: &HostPath| reads.files.iter().any(|file| !file.is_key && file.path == path.as_str());
        let paths: Vec<HostPath> = haproxy
            .certificates
            .iter()
            .map(|certificate| certificate.path.clone())
            .filter(|path| !is_named(path))
            .collect();
        drifts.extend((!paths.is_empty()).then_some(Drift::NotNamed { paths }));
    }
    // Without a runtime API, nobody knows what is in memory.
    let Some(Ok(Holds { names, .. })) = memory else { return drifts };
    // What a certificate store calls by a name of its own may be any of its files.
    let untold = || names.iter().any(|name| name.starts_with('@'));
    if names.is_empty() || untold() {
        return drifts;
    }
    let in_memory = |path: &str| names.iter().any(|name| plain(name) == plain(path));
    for file in reads.files.iter().filter(|file| !file.ours && !file.is_key && !in_memory(&file.path)) {
        let leaf = file.pem.as_ref().and_then(|pem| parse_pem(pem.as_bytes()).ok()?.into_iter().next());
        if let Some(leaf) = leaf.filter(|leaf: &Certificate| leaf.covers(&endpoint.server_name)) {
            drifts.push(Drift::NotLoaded { path: file.path.clone(), holds: leaf.fingerprint.short() });
        }
    }
    drifts
}

/// A path without what changes nothing: a folder in the configuration may end in `/`.
fn plain(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, pem};
    use crate::install::{FilePart, NamedFile, Reads};
    use crate::plan::HostPlan;
    use crate::plan::testing::host;
    use crate::service::{Haproxy, HaproxyCertificate, HaproxyReload, ServiceSpec};

    const OURS: &str = "/etc/haproxy/a.pem";

    fn plan() -> HostPlan {
        let path = |text: &str| text.parse::<HostPath>().unwrap();
        let haproxy = Haproxy {
            sockets: vec![path("/run/a.sock")],
            certificates: vec![HaproxyCertificate {
                path: path(OURS),
                file: FilePart::Combined.into(),
                alias: None,
            }],
            crt_list: None,
            reload: HaproxyReload::Command("true".to_owned()),
            binary: path(Haproxy::DEFAULT_BINARY),
            config: path(Haproxy::DEFAULT_CONFIG),
            test: None,
            bufsize: Haproxy::DEFAULT_BUFSIZE,
        };
        host("haproxy", ServiceSpec::Haproxy(haproxy))
    }

    /// What differs where the configuration names these files, ours or for these names, and these are in memory.
    fn words(named: &[(&str, &str)], variable: bool, names: Result<&[&str], ()>) -> Vec<String> {
        let plan = plan();
        let authority = Authority::new("Root");
        let file = |(path, holds): &(&str, &str)| {
            let leaf = |name| authority.issue(&LeafSpec { names: &[name], ..LeafSpec::default() }).0;
            NamedFile {
                path: (*path).to_owned(),
                is_key: *holds == "key",
                ours: *holds == "ours",
                pem: holds.contains('.').then(|| String::from_utf8(pem(&[&leaf(*holds)])).unwrap()),
            }
        };
        let files = named.iter().map(file).collect();
        let reads = Reads { files, variable, ..Reads::default() };
        let disk = OnDisk {
            live: Live::Version("20270115T080000Z-00000000".parse().unwrap()),
            damaged: false,
            armed: None,
            fired: None,
            copies: Vec::new(),
            links: Vec::new(),
            active: Vec::new(),
            reads: vec![reads],
            old: Vec::new(),
        };
        let memory = names.map_err(|()| "no answer".to_owned()).map(|names| Holds {
            certificates: Vec::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        });
        let service = &plan.services[0];
        let found = drifts(service, &service.endpoints[0], Some(&disk), 0, Some(&memory));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_configuration_that_no_longer_names_our_file_is_told() {
        let told =
            format!("the configuration on disk does not name `{OURS}`: a restart would not serve that");
        let other = ("/etc/haproxy/b.pem", "b.test");
        for (named, variable, expected) in [
            (&[other][..], false, vec![told.clone()]),
            // As a key it is not served.
            (&[other, (OURS, "key")], false, vec![told]),
            (&[other, (OURS, "ours")], false, vec![]),
            // What is not known is not held against it.
            (&[other], true, vec![]),
            (&[], false, vec![]),
        ] {
            assert_eq!(words(named, variable, Ok(&[OURS, "/etc/haproxy/b.pem"])), expected, "{named:?}");
        }
    }

    #[test]
    fn another_certificate_for_the_name_that_a_restart_would_load_is_told() {
        let named = [(OURS, "ours"), ("/etc/haproxy//new/b.pem", "a.test")];
        let found = words(&named, false, Ok(&[OURS]));
        assert!(
            found[0].starts_with("the configuration on disk names `/etc/haproxy//new/b.pem` (")
                && found[0].ends_with(") for this name, which is not in memory: a restart would load it"),
            "{found:?}"
        );
        for names in [Ok(&[OURS, "/etc/haproxy/new/b.pem"][..]), Ok(&[]), Err(())] {
            assert_eq!(words(&named, false, names), Vec::<String>::new(), "{names:?}");
        }
        // For another name, and one that cannot be read.
        let others = [(OURS, "ours"), ("/b.pem", "b.test"), ("/c.pem", "unreadable")];
        assert_eq!(words(&others, false, Ok(&[OURS])), Vec::<String>::new());
    }

    #[test]
    fn where_nothing_is_installed_nothing_is_missed() {
        let plan = plan();
        let service = &plan.services[0];
        assert_eq!(drifts(service, &service.endpoints[0], None, 0, None), []);
    }
}
