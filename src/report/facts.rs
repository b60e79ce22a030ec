//! What happened beside rollouts, in one line for people.

use crate::ledger::{Issuance, RevocationFact};

/// The line for something that happened while a certificate was issued.
pub fn issuance_line(issuance: &Issuance) -> String {
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
pub fn revocation_line(revocation: &RevocationFact) -> String {
    match revocation {
        RevocationFact::Noted { certificate, version, reason } => {
            format!("{certificate} {version} is to be revoked ({reason}): it is never served again")
        }
        RevocationFact::Confirmed { certificate, version, issuer } => {
            format!("{certificate} {version} revoked by {issuer}")
        }
    }
}
