//! What a listener wants that refuses a handshake.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::verify::client::ProxyProtocol;

/// What a listener wants of its clients, and did not get. Each is a key of the playbook's `verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientDemand {
    /// A certificate of the client.
    ClientCertificate,
    /// Another certificate of the client than the one that was shown.
    OtherClientCertificate,
    /// A protocol, by ALPN: which is not known.
    Alpn,
    /// `h2` or `http/1.1`, by ALPN.
    AlpnHttp,
    /// Another protocol than what is offered by ALPN.
    OtherAlpn,
    /// A PROXY header of version 1.
    ProxyProtocolV1,
    /// A PROXY header of version 2.
    ProxyProtocolV2,
    /// No PROXY header.
    NoProxyProtocol,
    /// Fewer handshakes.
    Rate,
}

impl ClientDemand {
    /// A header of this version.
    pub fn header(version: ProxyProtocol) -> Self {
        match version {
            ProxyProtocol::V1 => ClientDemand::ProxyProtocolV1,
            ProxyProtocol::V2 => ClientDemand::ProxyProtocolV2,
        }
    }

    /// The setting that meets it, with what it takes.
    pub fn setting(self) -> &'static str {
        match self {
            ClientDemand::ClientCertificate | ClientDemand::OtherClientCertificate => {
                "client_certificate: {certificate: FILE, key: FILE}"
            }
            ClientDemand::Alpn | ClientDemand::OtherAlpn => "alpn: [PROTOCOL]",
            ClientDemand::AlpnHttp => "alpn: [h2, http/1.1]",
            ClientDemand::ProxyProtocolV1 => "proxy_protocol: v1",
            ClientDemand::ProxyProtocolV2 => "proxy_protocol: v2",
            ClientDemand::NoProxyProtocol => "proxy_protocol",
            ClientDemand::Rate => "rate: HANDSHAKES/s",
        }
    }
}

impl fmt::Display for ClientDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = self.setting();
        match self {
            ClientDemand::ClientCertificate => {
                write!(f, "the server asks for a client certificate: set `verify: {setting}`")
            }
            ClientDemand::OtherClientCertificate => write!(
                f,
                "the server refuses the client certificate: check the files of `verify: client_certificate`"
            ),
            ClientDemand::Alpn => {
                write!(
                    f,
                    "the server takes only clients that offer its protocol by ALPN: set `verify: {setting}`"
                )
            }
            ClientDemand::AlpnHttp => write!(
                f,
                "the server takes only clients that offer a protocol by ALPN, and takes HTTP: set `verify: {setting}`"
            ),
            ClientDemand::OtherAlpn => {
                write!(
                    f,
                    "the server takes no protocol that `verify: alpn` offers: name the protocol that it speaks"
                )
            }
            ClientDemand::ProxyProtocolV1 | ClientDemand::ProxyProtocolV2 => {
                write!(f, "the server wants a header of the PROXY protocol first: set `verify: {setting}`")
            }
            ClientDemand::NoProxyProtocol => {
                write!(f, "the server wants no header of the PROXY protocol: leave out `verify: {setting}`")
            }
            ClientDemand::Rate => write!(
                f,
                "the server limits how often one address may connect, and a rollout connects more often: set `verify: {setting}` \
                 below that limit"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_demand_names_the_key_that_meets_it() {
        for (demand, key) in [
            (ClientDemand::ClientCertificate, "client_certificate"),
            (ClientDemand::OtherClientCertificate, "client_certificate"),
            (ClientDemand::Alpn, "alpn"),
            (ClientDemand::AlpnHttp, "alpn: [h2, http/1.1]"),
            (ClientDemand::OtherAlpn, "alpn"),
            (ClientDemand::header(ProxyProtocol::V1), "proxy_protocol: v1"),
            (ClientDemand::header(ProxyProtocol::V2), "proxy_protocol: v2"),
            (ClientDemand::NoProxyProtocol, "proxy_protocol"),
            (ClientDemand::Rate, "rate"),
        ] {
            assert!(demand.to_string().contains(&format!("`verify: {key}")), "{demand}");
        }
    }
}
