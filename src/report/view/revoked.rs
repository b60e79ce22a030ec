//! A version that was revoked.

use jiff::Timestamp;
use serde_json::{Value, json};

use serde::Serialize;

use crate::inventory::compact;
use crate::model::{CertificateName, HostName, RevocationReason, ServiceName, Version};
use crate::report::view::View;
use crate::service::Way;

/// So many ranges are written out.
const NAMED: usize = 4;

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
    /// Where connections that began before a switch may still use its key, since a switch touches none.
    pub keepers: Vec<ConnectionKeeper>,
}

/// A server whose connections outlive a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionKeeper {
    /// On which host.
    pub host: HostName,
    /// Which service.
    pub service: ServiceName,
    /// How it takes certificates.
    pub way: Way,
}

impl RevokedVersion {
    /// What the revocation does not end.
    fn kept(&self) -> Option<String> {
        let hosts = |way: Way| {
            let of_way = self.keepers.iter().filter(|keeper| keeper.way == way);
            of_way.map(|keeper| keeper.host.as_str()).collect::<Vec<_>>()
        };
        let part = |way: Way, more: &str| {
            let hosts = hosts(way);
            (!hosts.is_empty()).then(|| format!("{} (by {way}{more})", compact(&hosts, NAMED)))
        };
        let sessions = ", where old TLS sessions are resumed as well";
        let parts: Vec<String> =
            [part(Way::RuntimeApi, sessions), part(Way::Sds, "")].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| {
            format!(
                "its key may still be in use by connections that are older than the switch, on {}: restart these servers \
                 to end that",
                parts.join(" and ")
            )
        })
    }
}

impl View for RevokedVersion {
    fn text(&self, _: bool) -> String {
        let Self { name, version, reason, before, confirmed_by, .. } = self;
        let said = match (before, confirmed_by) {
            (Some(at), ca) => {
                let ca = ca.as_deref().unwrap_or_default();
                format!("{name} {version} was revoked on {} by {ca}", at.strftime("%Y-%m-%d"))
            }
            (None, None) => format!("noted: {name} {version} is revoked ({reason}); no CA was asked"),
            (None, Some(ca)) => format!("{name} {version} is revoked by {ca} ({reason})"),
        };
        match self.kept() {
            Some(kept) => format!("{said}\n{kept}"),
            None => said,
        }
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "certificate.revoked", "name": self.name,
            "version": self.version, "confirmed_by": self.confirmed_by, "old_connections": self.keepers, "text": self.text(false)})]
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
                keepers: Vec::new(),
            };
            let object = revoked.objects(Timestamp::UNIX_EPOCH).remove(0);
            assert_eq!(object["confirmed_by"], json!(confirmed_by));
            assert_eq!(object["text"], json!(revoked.text(true)));
            revoked.text(false)
        };
        let keepers = |all: &[(&str, &str, Way)]| {
            let keeper = |(host, service, way): &(&str, &str, Way)| ConnectionKeeper {
                host: host.parse().unwrap(),
                service: service.parse().unwrap(),
                way: *way,
            };
            let revoked = RevokedVersion {
                name: "a.test".parse().unwrap(),
                version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
                reason: RevocationReason::KeyCompromise,
                before: None,
                confirmed_by: Some("ca".to_owned()),
                keepers: all.iter().map(keeper).collect(),
            };
            revoked.text(false).lines().nth(1).unwrap_or_default().to_owned()
        };
        let (api, sds) = (Way::RuntimeApi, Way::Sds);
        assert_eq!(keepers(&[]), "");
        let all = [("lb01", "haproxy", api), ("lb02", "haproxy", api), ("edge01", "envoy", sds)];
        let told = [keepers(&all), keepers(&all[..2]), keepers(&all[2..])];
        insta::assert_snapshot!(told.join("\n"), @"
        its key may still be in use by connections that are older than the switch, on lb[01:02] (by runtime API, where old TLS sessions are resumed as well) and edge01 (by SDS): restart these servers to end that
        its key may still be in use by connections that are older than the switch, on lb[01:02] (by runtime API, where old TLS sessions are resumed as well): restart these servers to end that
        its key may still be in use by connections that are older than the switch, on edge01 (by SDS): restart these servers to end that
        ");
        let texts = [text(None, None), text(None, Some("ca")), text(Some(Timestamp::UNIX_EPOCH), Some("ca"))];
        insta::assert_snapshot!(texts.join("\n"), @"
        noted: a.test 20261123T200100Z-3f9a1c2e is revoked (superseded); no CA was asked
        a.test 20261123T200100Z-3f9a1c2e is revoked by ca (superseded)
        a.test 20261123T200100Z-3f9a1c2e was revoked on 1970-01-01 by ca
        ");
    }
}
