//! A version that was revoked.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{CertificateName, RevocationReason, Version};
use crate::report::view::View;

/// A version that was revoked.
#[derive(Debug, Clone)]
pub struct RevokedVersion {
    /// The certificate's name.
    pub name: CertificateName,
    /// Which version.
    pub version: Version,
    /// Why it is revoked now.
    pub reason: RevocationReason,
    /// When it was revoked, where that was before.
    pub before: Option<Timestamp>,
    /// The CA that confirmed it; none where none was asked.
    pub confirmed_by: Option<String>,
}

impl View for RevokedVersion {
    fn text(&self, _: bool) -> String {
        let Self { name, version, reason, before, confirmed_by } = self;
        match (before, confirmed_by) {
            (Some(at), ca) => {
                let ca = ca.as_deref().unwrap_or_default();
                format!("{name} {version} was revoked on {} by {ca}", at.strftime("%Y-%m-%d"))
            }
            (None, None) => format!("noted: {name} {version} is revoked ({reason}); no CA was asked"),
            (None, Some(ca)) => format!("{name} {version} is revoked by {ca} ({reason})"),
        }
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "certificate.revoked", "name": self.name,
            "version": self.version, "confirmed_by": self.confirmed_by, "text": self.text(false)})]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_revoked_a_version_is_told_and_that_nobody_did() {
        let text = |before, confirmed_by: Option<&str>| {
            let revoked = RevokedVersion {
                name: "a.test".parse().unwrap(),
                version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
                reason: RevocationReason::Superseded,
                before,
                confirmed_by: confirmed_by.map(str::to_owned),
            };
            let object = revoked.objects(Timestamp::UNIX_EPOCH).remove(0);
            assert_eq!(object["confirmed_by"], json!(confirmed_by));
            assert_eq!(object["text"], json!(revoked.text(true)));
            revoked.text(false)
        };
        let texts = [text(None, None), text(None, Some("ca")), text(Some(Timestamp::UNIX_EPOCH), Some("ca"))];
        insta::assert_snapshot!(texts.join("\n"), @"
        noted: a.test 20261123T200100Z-3f9a1c2e is revoked (superseded); no CA was asked
        a.test 20261123T200100Z-3f9a1c2e is revoked by ca (superseded)
        a.test 20261123T200100Z-3f9a1c2e was revoked on 1970-01-01 by ca
        ");
    }
}
