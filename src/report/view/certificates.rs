//! What is in the store.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::certificate::Leaf;
use crate::model::{CertificateName, Revocation, Version};
use crate::report::view::View;
use crate::report::view::table::table;

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
            let days = |until: Timestamp| (until.duration_since(self.now).as_hours() / 24).to_string();
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
        self.leaves.iter().map(|leaf| leaf.not_after).min()
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
