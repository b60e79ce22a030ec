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
