//! What is dialled, and what answered.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::certificate::{KeyAlgorithm, Staple};
use crate::model::DnsName;
use crate::verify::{
    ClientCertificate, ClientDemand, ClientSettings, HandshakeRate, ProxyProtocol, StartTls,
};

/// One place where a certificate is served.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// An IP address or a DNS name.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// The name asked for (SNI, RFC 6066 section 3) and expected in the certificate.
    pub server_name: DnsName,
    /// From where it is dialled.
    pub via: Via,
    /// Of dual certificates, the one asked for, by the signature algorithms that are offered.
    pub key: Option<KeyAlgorithm>,
    /// How TLS is asked for, where the connection begins in the clear.
    pub starttls: Option<StartTls>,
    /// What its listener asks of clients; none where it takes everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Box<ClientSettings>>,
}

impl Endpoint {
    /// What is shown where the server asks for a client certificate.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.client.as_ref()?.client_certificate.as_ref()
    }

    /// What is offered by ALPN.
    pub fn alpn(&self) -> &[String] {
        self.client.as_ref().map(|client| client.alpn.as_slice()).unwrap_or_default()
    }

    /// The header that comes before everything else.
    pub fn proxy_protocol(&self) -> Option<ProxyProtocol> {
        self.client.as_ref()?.proxy_protocol
    }

    /// How many handshakes are made.
    pub fn rate(&self) -> Option<HandshakeRate> {
        self.client.as_ref()?.rate
    }

    /// Whether a request in HTTP/1.1 may be kept in flight there. A listener with a rate counts its connections.
    pub fn may_speak_http(&self) -> bool {
        let offered = self.alpn();
        let is_offered = offered.is_empty() || offered.iter().any(|one| one == "http/1.1");
        self.starttls.is_none() && self.rate().is_none() && is_offered
    }

    /// The same place by other settings.
    pub fn with_client(&self, change: impl FnOnce(&mut ClientSettings)) -> Self {
        let mut client = self.client.as_deref().cloned().unwrap_or_default();
        change(&mut client);
        Self { client: Some(Box::new(client)), ..self.clone() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.contains(':') {
            write!(f, "[{}]:{}", self.address, self.port)?;
        } else {
            write!(f, "{}:{}", self.address, self.port)?;
        }
        match self.key {
            Some(key) => write!(f, " ({key})"),
            None => Ok(()),
        }
    }
}

/// From where an endpoint is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// From the controller.
    #[default]
    Direct,
    /// From the host itself, through its SSH connection.
    Ssh,
}

/// What a handshake showed. Verification errors do not end a handshake: they are part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// TLS, with that certificate.
    Served(Served),
    /// It took the connection, but TLS did not come about: the reason.
    NotTls(String),
    /// It took the connection, and wants something else of its clients.
    Refused {
        /// What.
        demand: ClientDemand,
        /// How it refused, in words.
        reason: String,
    },
    /// It did not take the connection, or fell silent: the reason.
    Unreachable(String),
}

impl Observation {
    /// Why there was no handshake, in words.
    pub fn failure(&self) -> Option<String> {
        match self {
            Observation::Served(_) => None,
            Observation::NotTls(reason) | Observation::Unreachable(reason) => Some(reason.clone()),
            Observation::Refused { demand, reason } => Some(format!("{reason}; {demand}")),
        }
    }

    /// What the OCSP answer is that was stapled, where one was.
    pub fn staple(&self) -> Option<Staple> {
        let Observation::Served(served) = self else { return None };
        served.staple.as_ref().map(|answer| Staple::read(answer, &served.chain))
    }
}

/// A finished handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The certificates in the order they were sent, each in DER; the leaf is first.
    pub chain: Vec<Vec<u8>>,
    /// Whether the chain leads to a trusted root (the name is judged apart); else OpenSSL's reason.
    pub trust: Result<(), String>,
    /// What it stapled: an OCSP answer (RFC 6066, section 8), in DER.
    pub staple: Option<Vec<u8>>,
    /// `TLSv1.3`
    pub protocol: String,
    /// From the first byte sent to the end of the handshake.
    pub took: Duration,
}

/// What became of a connection whose request was in flight over a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldOutcome {
    /// The request was answered: nobody noticed.
    Answered,
    /// The connection was cut before the answer: the reason.
    Cut(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_told_with_its_port_and_the_key_that_is_asked_for() {
        for (address, key, told) in [
            ("192.0.2.1", None, "192.0.2.1:8443"),
            ("web01.x", Some(KeyAlgorithm::Rsa), "web01.x:8443 (rsa)"),
            ("2001:db8::1", Some(KeyAlgorithm::Ecdsa), "[2001:db8::1]:8443 (ecdsa)"),
        ] {
            let server_name = "a.test".parse().unwrap();
            let (address, port, via) = (address.to_owned(), 8443, Via::Direct);
            let endpoint = Endpoint { address, port, server_name, via, key, starttls: None, client: None };
            assert_eq!(endpoint.to_string(), told);
        }
    }
}
