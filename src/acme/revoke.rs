//! Revocation (RFC 8555, section 7.6).

use instant_acme::{Error, RevocationReason as Code, RevocationRequest};

use crate::acme::account::existing;
use crate::acme::error::IssueError;
use crate::model::RevocationReason;
use crate::plan::PlannedAcme;
use crate::ports::SecretFiles;

/// Asks a CA to revoke a certificate (DER), by the account that ordered it. One that is revoked already is as good.
///
/// # Errors
/// When it does not confirm it: there is no account at this CA, it does not answer, or it refuses.
pub async fn revoke(
    accounts: &dyn SecretFiles,
    issuer: &PlannedAcme,
    certificate: &[u8],
    reason: RevocationReason,
) -> Result<(), IssueError> {
    let account = existing(accounts, issuer).await?;
    let reason = match reason {
        RevocationReason::Unspecified => Code::Unspecified,
        RevocationReason::KeyCompromise => Code::KeyCompromise,
        RevocationReason::AffiliationChanged => Code::AffiliationChanged,
        RevocationReason::Superseded => Code::Superseded,
        RevocationReason::CessationOfOperation => Code::CessationOfOperation,
    };
    let certificate = certificate.into();
    match account.revoke(&RevocationRequest { certificate: &certificate, reason: Some(reason) }).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref().is_some_and(is_done) => Ok(()),
        Err(error) => Err(IssueError::of("revoke the certificate", &issuer.directory, error)),
        Ok(()) => Ok(()),
    }
}

fn is_done(kind: &str) -> bool {
    kind.ends_with(":alreadyRevoked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_revoked_before_is_done() {
        for (kind, done) in
            [("alreadyRevoked", true), ("badRevocationReason", false), ("unauthorized", false)]
        {
            assert_eq!(is_done(&format!("urn:ietf:params:acme:error:{kind}")), done, "{kind}");
        }
    }
}
