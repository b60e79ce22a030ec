//! One line of the journal.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ledger::{Issuance, RevocationFact};
use crate::rollout::Event;

/// Something that happened. Its form is an object whose `event` says what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// In a rollout.
    Rollout(Event),
    /// While a certificate was issued.
    Issuance(Issuance),
    /// A version was revoked.
    Revocation(RevocationFact),
}

/// The kinds of [`Fact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// In a rollout.
    Rollout,
    /// While a certificate was issued.
    Issuance,
    /// A version was revoked.
    Revocation,
}

impl FactKind {
    /// The kind of what an `event` says: the word before its first dot tells, and all that is not issued or revoked is a
    /// rollout's.
    pub fn of_event(event: &str) -> Self {
        match event.split_once('.').map(|(kind, _)| kind) {
            Some("issuance") => FactKind::Issuance,
            Some("revocation") => FactKind::Revocation,
            _ => FactKind::Rollout,
        }
    }

    /// The word for it in the journal.
    pub fn name(self) -> &'static str {
        match self {
            FactKind::Rollout => "rollout",
            FactKind::Issuance => "issuance",
            FactKind::Revocation => "revocation",
        }
    }
}

impl Fact {
    /// Its kind.
    pub fn kind(&self) -> FactKind {
        match self {
            Fact::Rollout(_) => FactKind::Rollout,
            Fact::Issuance(_) => FactKind::Issuance,
            Fact::Revocation(_) => FactKind::Revocation,
        }
    }
}

impl From<Event> for Fact {
    fn from(event: Event) -> Self {
        Fact::Rollout(event)
    }
}

impl From<Issuance> for Fact {
    fn from(issuance: Issuance) -> Self {
        Fact::Issuance(issuance)
    }
}

impl From<RevocationFact> for Fact {
    fn from(revocation: RevocationFact) -> Self {
        Fact::Revocation(revocation)
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let fact = match FactKind::of_event(value["event"].as_str().unwrap_or_default()) {
            FactKind::Issuance => serde_json::from_value(value).map(Fact::Issuance),
            FactKind::Revocation => serde_json::from_value(value).map(Fact::Revocation),
            FactKind::Rollout => serde_json::from_value(value).map(Fact::Rollout),
        };
        fact.map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_as_it_was_written() {
        let (certificate, version): (crate::model::CertificateName, crate::model::Version) =
            ("a.test".parse().unwrap(), "20261123T200100Z-3f9a1c2e".parse().unwrap());
        let failed = Issuance::Failed {
            certificate: certificate.clone(),
            issuer: "letsencrypt".to_owned(),
            reason: "rate limited".to_owned(),
        };
        let confirmed = RevocationFact::Confirmed { certificate, version, issuer: "letsencrypt".to_owned() };
        for (fact, kind) in [
            (Fact::from(Event::Cancelled), "rollout"),
            (Fact::from(failed), "issuance"),
            (Fact::from(confirmed), "revocation"),
        ] {
            let text = serde_json::to_string(&fact).unwrap();
            assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), fact);
            assert_eq!(fact.kind().name(), kind);
        }
        assert!(serde_json::from_str::<Fact>(r#"{"event":"issuance.dreamt"}"#).is_err());
    }
}
