//! Everything that happened, in one line for people.

use jiff::Timestamp;

use crate::ledger::{Fact, Issuance, RevocationFact};
use crate::report::words::line;
use crate::rollout::Event;

/// The line for anything that happened: each has one.
pub(super) fn fact_line(time: Timestamp, fact: &Fact) -> String {
    match fact {
        Fact::Rollout(Event::Finished { outcome, .. }) => {
            format!("rollout ended: {}", outcome.name().replace('_', " "))
        }
        Fact::Rollout(Event::RetryStarted { wave }) => format!("hosts of wave `{wave}` are tried again"),
        Fact::Rollout(event) => line(time, event, true).unwrap_or_default(),
        Fact::Issuance(issuance) => issuance_line(issuance),
        Fact::Revocation(revocation) => revocation_line(revocation),
    }
}

/// The line for something that happened while a certificate was issued.
fn issuance_line(issuance: &Issuance) -> String {
    match issuance {
        Issuance::OrderPlaced { certificate, issuer, names, url, .. } => {
            format!("{certificate}: ordered from {issuer} for {}: {url}", names.join(", "))
        }
        Issuance::OrderResumed { certificate, issuer, url } => {
            format!("{certificate}: an earlier order from {issuer} is resumed: {url}")
        }
        Issuance::Validated { certificate, issuer } => format!("{certificate}: validated by {issuer}"),
        Issuance::Issued { certificate, version, issuer: Some(issuer), not_after, .. } => {
            let until = not_after.strftime("%Y-%m-%d");
            format!("{certificate} {version} issued by {issuer}, valid until {until}")
        }
        Issuance::Issued { certificate, version, issuer: None, not_after, .. } => {
            let until = not_after.strftime("%Y-%m-%d");
            format!("{certificate} {version} found in the store, valid until {until}")
        }
        Issuance::Failed { certificate, issuer, reason } => {
            format!("{certificate}: {issuer} failed: {reason}")
        }
        Issuance::Abandoned { certificate, issuer, url, reason } => {
            format!("{certificate}: the order from {issuer} was abandoned ({url}: {reason})")
        }
    }
}

/// The line for something that happened while a version was revoked.
fn revocation_line(revocation: &RevocationFact) -> String {
    match revocation {
        RevocationFact::Noted { certificate, version, reason } => {
            format!("{certificate} {version} is to be revoked ({reason}): it is never served again")
        }
        RevocationFact::Confirmed { certificate, version, issuer } => {
            format!("{certificate} {version} revoked by {issuer}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RevocationReason;
    use crate::rollout::RolloutOutcome;

    /// Read aloud.
    #[test]
    fn each_fact_has_its_line() {
        let (certificate, version): (crate::model::CertificateName, crate::model::Version) =
            ("a.test".parse().unwrap(), "20261123T200100Z-3f9a1c2e".parse().unwrap());
        let (issuer, url, reason) =
            ("letsencrypt".to_owned(), "https://ca/order/1".to_owned(), "no".to_owned());
        let issued = |issuer: Option<String>| Issuance::Issued {
            certificate: certificate.clone(),
            version: version.clone(),
            issuer,
            directory: None,
            names: Vec::new(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2027-02-21T20:01:00Z".parse().unwrap(),
            fingerprints_sha256: Vec::new(),
        };
        let of = |make: fn(crate::model::CertificateName, String) -> Issuance| {
            Fact::from(make(certificate.clone(), issuer.clone()))
        };
        let facts = [
            Fact::from(Issuance::OrderPlaced {
                certificate: certificate.clone(),
                issuer: issuer.clone(),
                directory: "https://ca/directory".to_owned(),
                names: vec!["a.test".to_owned(), "b.test".to_owned()],
                url: url.clone(),
            }),
            Fact::from(Issuance::OrderResumed {
                certificate: certificate.clone(),
                issuer: issuer.clone(),
                url: url.clone(),
            }),
            of(|certificate, issuer| Issuance::Validated { certificate, issuer }),
            Fact::from(issued(Some(issuer.clone()))),
            Fact::from(issued(None)),
            of(|certificate, issuer| Issuance::Failed {
                certificate,
                issuer,
                reason: "rate limited".to_owned(),
            }),
            Fact::from(Issuance::Abandoned {
                certificate: certificate.clone(),
                issuer: issuer.clone(),
                url,
                reason,
            }),
            Fact::from(RevocationFact::Noted {
                certificate: certificate.clone(),
                version: version.clone(),
                reason: RevocationReason::KeyCompromise,
            }),
            Fact::from(RevocationFact::Confirmed { certificate, version, issuer }),
            Fact::from(Event::finished(RolloutOutcome::RolledBack)),
            Fact::from(Event::RetryStarted { wave: "canary".parse().unwrap() }),
        ];
        let lines: Vec<String> = facts.iter().map(|fact| fact_line(Timestamp::UNIX_EPOCH, fact)).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        a.test: ordered from letsencrypt for a.test, b.test: https://ca/order/1
        a.test: an earlier order from letsencrypt is resumed: https://ca/order/1
        a.test: validated by letsencrypt
        a.test 20261123T200100Z-3f9a1c2e issued by letsencrypt, valid until 2027-02-21
        a.test 20261123T200100Z-3f9a1c2e found in the store, valid until 2027-02-21
        a.test: letsencrypt failed: rate limited
        a.test: the order from letsencrypt was abandoned (https://ca/order/1: no)
        a.test 20261123T200100Z-3f9a1c2e is to be revoked (key-compromise): it is never served again
        a.test 20261123T200100Z-3f9a1c2e revoked by letsencrypt
        rollout ended: rolled back
        hosts of wave `canary` are tried again
        ");
    }
}
