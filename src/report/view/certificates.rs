//! What is in the store.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::certificate::Leaf;
use crate::model::{CertificateName, Revocation, Version};
use crate::report::view::View;
use crate::report::view::table::table;
use crate::status::days_left;

/// One version of a certificate.
#[derive(Debug, Clone)]
pub struct StoredVersion {
    /// Its name.
    pub name: CertificateName,
    /// Which version.
    pub version: Version,
    /// The leaf; two of dual certificates.
    pub leaves: Vec<Leaf>,
    /// Whether it was revoked.
    pub revocation: Option<Revocation>,
    /// How many hosts serve it, by the journal's account.
    pub hosts: usize,
}

/// Versions, a name after the other, newest first.
#[derive(Debug, Clone)]
pub struct StoredVersionList {
    /// All of them.
    pub versions: Vec<StoredVersion>,
    /// Days are counted from here.
    pub now: Timestamp,
}

impl View for StoredVersionList {
    fn text(&self, _: bool) -> String {
        if self.versions.is_empty() {
            return String::new();
        }
        let row = |one: &StoredVersion| {
            let until = one.not_after();
            let days = |until: Timestamp| days_left(until, self.now).to_string();
            [
                one.name.to_string(),
                one.version.to_string(),
                one.keys().join(", "),
                until.map_or("-".to_owned(), |until| until.strftime("%Y-%m-%d").to_string()),
                until.map_or("-".to_owned(), days),
                one.hosts.to_string(),
                one.remark(self.now),
            ]
        };
        table(
            &["CERTIFICATE", "VERSION", "KEY", "EXPIRES", "DAYS LEFT", "HOSTS", "REMARK"],
            self.versions.iter().map(row),
        )
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        self.versions.iter().map(|one| one.object(time)).collect()
    }
}

impl StoredVersion {
    /// The first to expire.
    fn not_after(&self) -> Option<Timestamp> {
        self.leaves.iter().map(Leaf::expires).min()
    }

    fn keys(&self) -> Vec<String> {
        self.leaves.iter().filter_map(|leaf| Some(leaf.key_type?.to_string())).collect()
    }

    fn remark(&self, now: Timestamp) -> String {
        match &self.revocation {
            Some(Revocation { at, reason, confirmed_by: Some(_) }) => {
                format!("revoked on {} ({reason})", at.strftime("%Y-%m-%d"))
            }
            Some(Revocation { reason, confirmed_by: None, .. }) => {
                format!("noted as revoked ({reason}); no CA has confirmed it")
            }
            None if self.not_after().is_some_and(|until| until <= now) => "expired".to_owned(),
            None => String::new(),
        }
    }

    fn object(&self, time: Timestamp) -> Value {
        json!({
            "time": time, "event": "certificate", "name": self.name, "version": self.version,
            "names": self.leaves.first().map(|leaf| &leaf.names), "key_types": self.keys(),
            "issuer": self.leaves.first().map(|leaf| &leaf.issuer),
            "fingerprints_sha256": self.leaves.iter().map(|leaf| leaf.fingerprint_sha256).collect::<Vec<_>>(),
            "not_after": self.not_after(), "hosts": self.hosts, "revocation": self.revocation,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, now};
    use crate::model::RevocationReason;

    fn stored(days: &[i64], revocation: Option<Revocation>) -> StoredVersion {
        let root = Authority::new("Root");
        let leaf = |to_days: &i64| {
            let spec = LeafSpec { from_days: -100, to_days: *to_days, ..LeafSpec::default() };
            Leaf::from(&root.issue(&spec).0)
        };
        StoredVersion {
            name: "a.test".parse().unwrap(),
            version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
            leaves: days.iter().map(leaf).collect(),
            revocation,
            hosts: 2,
        }
    }

    fn revoked(confirmed_by: Option<&str>) -> Option<Revocation> {
        let confirmed_by = confirmed_by.map(str::to_owned);
        Some(Revocation { at: now(), reason: RevocationReason::KeyCompromise, confirmed_by })
    }

    #[test]
    fn a_version_is_as_old_as_the_first_of_its_certificates_and_remarked_on_once() {
        let versions = vec![
            stored(&[89], None),
            stored(&[60, 30], None),
            stored(&[0], None),
            stored(&[-3], None),
            stored(&[89], revoked(Some("ca"))),
            stored(&[-3], revoked(None)),
            stored(&[], None),
        ];
        // An hour later, the third has expired: one day has begun since.
        let list = StoredVersionList { versions, now: now() + SignedDuration::from_hours(1) };
        insta::assert_snapshot!(list.text(false), @"
        CERTIFICATE  VERSION                    KEY                     EXPIRES     DAYS LEFT  HOSTS  REMARK
        a.test       20261123T200100Z-3f9a1c2e  ecdsa-p256              2027-04-14  88         2
        a.test       20261123T200100Z-3f9a1c2e  ecdsa-p256, ecdsa-p256  2027-02-14  29         2
        a.test       20261123T200100Z-3f9a1c2e  ecdsa-p256              2027-01-15  -1         2      expired
        a.test       20261123T200100Z-3f9a1c2e  ecdsa-p256              2027-01-12  -4         2      expired
        a.test       20261123T200100Z-3f9a1c2e  ecdsa-p256              2027-04-14  88         2      revoked on 2027-01-15 (key-compromise)
        a.test       20261123T200100Z-3f9a1c2e  ecdsa-p256              2027-01-12  -4         2      noted as revoked (key-compromise); no CA has confirmed it
        a.test       20261123T200100Z-3f9a1c2e                          -           -          2
        ");
        assert_eq!(StoredVersionList { versions: Vec::new(), now: now() }.text(false), "");
    }

    #[test]
    fn a_version_is_an_object_with_its_revocation() {
        let object = stored(&[60, 30], revoked(None)).object(now());
        assert_eq!(object["not_after"], "2027-02-14T08:00:00Z");
        assert_eq!(object["fingerprints_sha256"].as_array().unwrap().len(), 2);
        assert_eq!((&object["hosts"], &object["revocation"]["confirmed_by"]), (&json!(2), &Value::Null));
        assert_eq!(object["key_types"], json!(["ecdsa-p256", "ecdsa-p256"]));
        assert_eq!(stored(&[], None).object(now())["not_after"], Value::Null);
    }
}
