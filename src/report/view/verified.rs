//! How a fleet's proof ended, drawn: those that are proven in one line, each other one in its own, and one sentence.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::certificate::{ChainSet, Leaf};
use crate::engine::Proof;
use crate::inventory::compact;
use crate::model::{CertificateName, HostName, OperationId};
use crate::report::view::View;
use crate::report::view::leaf::brief;
use crate::report::words::count;
use crate::verify::EndpointState;

/// So many names or ranges are written out.
const NAMED: usize = 5;

/// A fleet that was proven again.
#[derive(Debug, Clone, Copy)]
pub struct VerifyReport<'r> {
    /// The rollout whose proof it was.
    pub rollout: &'r OperationId,
    /// The certificate's name.
    pub certificate: &'r CertificateName,
    /// The version that was rolled out.
    pub set: &'r ChainSet,
    /// Every host, with all of its endpoints.
    pub hosts: &'r [(HostName, Vec<Proof>)],
}

impl VerifyReport<'_> {
    fn with(&self, proven: bool) -> Vec<&str> {
        let all = |proofs: &[Proof]| proofs.iter().all(|proof| proof.result.is_ok());
        let hosts = self.hosts.iter().filter(|(_, proofs)| all(proofs) == proven);
        hosts.map(|(host, _)| host.as_str()).collect()
    }

    /// Whether every host proved it.
    pub fn is_proven(&self) -> bool {
        self.with(false).is_empty()
    }

    /// Hosts that are proven, then each endpoint that is not. With `every`, each endpoint.
    fn lines(&self, every: bool) -> Vec<String> {
        let of_host = |(host, proofs): &(HostName, Vec<Proof>)| {
            let told = |proof: &&Proof| every || proof.result.is_err();
            let line = |proof: &Proof| format!("{host}: {}", words(proof));
            proofs.iter().filter(told).map(line).collect::<Vec<_>>()
        };
        let proven = self.with(true);
        let together = (!every && !proven.is_empty()).then(|| format!("{}: proven", compact(&proven, NAMED)));
        together.into_iter().chain(self.hosts.iter().flat_map(of_host)).collect()
    }

    /// One true sentence.
    fn sentence(&self) -> String {
        let what = format!("{} {}", self.certificate, self.set.version());
        let not = self.with(false);
        let all = self.hosts.len();
        if not.is_empty() {
            let answers = self.hosts.iter().map(|(_, proofs)| proofs.len()).sum();
            let serve = if all == 1 { "serves" } else { "serve" };
            return format!(
                "{all} of {} {serve} {what}, proven at {}",
                count(all, "host"),
                count(answers, "endpoint")
            );
        }
        let serve = if not.len() == 1 { "does" } else { "do" };
        format!("{} of {} {serve} not prove {what}: {}", not.len(), count(all, "host"), compact(&not, NAMED))
    }

    /// An endpoint as an object.
    fn object(&self, host: &HostName, proof: &Proof, time: Timestamp) -> Value {
        let judgement = proof.result.as_ref().err();
        let leaf = match judgement {
            None => Some(&self.set.of(proof.endpoint.key)[0]),
            Some(judgement) => judgement.leaf.as_ref(),
        };
        let leaf = leaf.map(Leaf::from);
        json!({
            "time": time, "event": "verify", "rollout": self.rollout, "host": host, "service": proof.service,
            "address": proof.endpoint.address, "port": proof.endpoint.port,
            "server_name": proof.endpoint.server_name, "key_type": leaf.as_ref().and_then(|leaf| leaf.key_type),
            "proven": judgement.is_none(),
            "state": judgement.map_or(EndpointState::New, |judgement| judgement.state),
            "served": leaf.as_ref().map(brief), "error": judgement.map(|judgement| judgement.words()),
        })
    }
}

impl View for VerifyReport<'_> {
    fn text(&self, verbose: bool) -> String {
        [self.lines(verbose), vec![self.sentence()]].concat().join("\n")
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        let of_host = |(host, proofs): &(HostName, Vec<Proof>)| {
            proofs.iter().map(|proof| self.object(host, proof, time)).collect::<Vec<_>>()
        };
        self.hosts.iter().flat_map(of_host).collect()
    }
}

fn words(proof: &Proof) -> String {
    let said = match &proof.result {
        Ok(()) => "proven".to_owned(),
        Err(judgement) => format!("not proven: {}", judgement.words()),
    };
    format!("{}: {said}", proof.place())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, now, pem};
    use crate::plan;
    use crate::verify::Judgement;

    #[test]
    fn those_that_are_proven_are_one_line_and_each_other_one_says_why() {
        let root = Authority::new("Root");
        let (leaf, _) = root.issue(&LeafSpec::default());
        let version = "20261123T200100Z-3f9a1c2e".parse().unwrap();
        let set = ChainSet::read(version, &pem(&[&leaf, &root.certificate]), None).unwrap();
        let proof = |result| Proof {
            service: "nginx".parse().unwrap(),
            endpoint: plan::testing::endpoint(),
            is_one_of_several_names: false,
            result,
        };
        let silent = || Judgement {
            state: EndpointState::Unreachable,
            findings: Vec::new(),
            leaf: None,
            reason: Some("connection refused".to_owned()),
        };
        let host = |name: &str, proofs| (name.parse().unwrap(), proofs);
        let (rollout, certificate) =
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(), "a.test".parse().unwrap());
        let mut hosts: Vec<(HostName, Vec<Proof>)> =
            (1..=3).map(|number| host(&format!("web{number:02}"), vec![proof(Ok(()))])).collect();
        let report = VerifyReport { rollout: &rollout, certificate: &certificate, set: &set, hosts: &hosts };
        assert!(report.is_proven());
        let good = report.text(false);
        hosts.push(host("web04", vec![proof(Ok(())), proof(Err(silent()))]));
        let report = VerifyReport { rollout: &rollout, certificate: &certificate, set: &set, hosts: &hosts };
        let bad = report.text(false);
        insta::assert_snapshot!(format!("{good}\n\n{bad}\n\n{}", report.lines(true).join("\n")), @r#"
web[01:03]: proven
3 of 3 hosts serve a.test 20261123T200100Z-3f9a1c2e, proven at 3 endpoints

web[01:03]: proven
web04: nginx at 192.0.2.1:443: not proven: no answer: connection refused
1 of 4 hosts does not prove a.test 20261123T200100Z-3f9a1c2e: web04

web01: nginx at 192.0.2.1:443: proven
web02: nginx at 192.0.2.1:443: proven
web03: nginx at 192.0.2.1:443: proven
web04: nginx at 192.0.2.1:443: proven
web04: nginx at 192.0.2.1:443: not proven: no answer: connection refused
"#);
        let object = report.object(&hosts[3].0, &hosts[3].1[1], now());
        assert_eq!((&object["proven"], &object["state"]), (&false.into(), &"unreachable".into()));
    }
}
