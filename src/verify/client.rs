//! What a listener asks of its clients besides TLS: a certificate of theirs, a protocol, a header of a proxy, patience.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::{HostName, format_duration, parse_duration};

/// How handshakes with an endpoint are made, where its listener does not take everybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientSettings {
    /// What is shown where the server asks for a client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// What is offered by ALPN (RFC 7301), the liked ones first; nothing unless given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// The header that comes before everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How many handshakes are made, of all that have to do with this address and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<HandshakeRate>,
    /// The host through which it is dialled, where it has a rate: the same address of another host is another listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<HostName>,
}

impl ClientSettings {
    /// Whether a text can be the name of a protocol, which has one byte for its length (RFC 7301, section 3.1).
    pub fn is_protocol(text: &str) -> bool {
        (1..=255).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
    }
}

/// A certificate for clients and its key, in PEM files on the controller. What is in them is in no plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// The certificate, and what else is to be sent of its chain.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// A version of the PROXY protocol (HAProxy, "The PROXY protocol", versions 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

impl ProxyProtocol {
    /// Both.
    pub const ALL: [ProxyProtocol; 2] = [ProxyProtocol::V1, ProxyProtocol::V2];

    /// The word for it in playbooks.
    pub fn as_str(self) -> &'static str {
        match self {
            ProxyProtocol::V1 => "v1",
            ProxyProtocol::V2 => "v2",
        }
    }

    /// The header of a connection that is relayed for nobody, such as a health check's: the server takes the controller for
    /// its client.
    pub fn header(self) -> &'static [u8] {
        match self {
            ProxyProtocol::V1 => b"PROXY UNKNOWN\r\n",
            // The signature, version 2 with the command LOCAL, no family, and no addresses.
            ProxyProtocol::V2 => b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
        }
    }
}

impl fmt::Display for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ProxyProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = ProxyProtocol::ALL.into_iter().find(|one| one.as_str() == text);
        one.ok_or_else(|| format!("`{text}` is not a version of the PROXY protocol"))
    }
}

/// So many handshakes in a time: `5/s`, `30/m`, `20/10s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandshakeRate {
    handshakes: u32,
    per: Duration,
}

impl HandshakeRate {
    /// One each second.
    pub const A_SECOND: HandshakeRate = HandshakeRate { handshakes: 1, per: Duration::from_secs(1) };

    /// From one handshake to the next: as far apart as can be, so that no window of any length sees too many.
    pub fn interval(self) -> Duration {
        self.per / self.handshakes
    }

    /// How long so many take.
    pub fn takes(self, handshakes: u32) -> Duration {
        self.per.saturating_mul(handshakes) / self.handshakes
    }
}

impl fmt::Display for HandshakeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = format_duration(self.per);
        // That has two units at most.
        let is_whole = parse_duration(&per) == Ok(self.per);
        let per = if is_whole { per } else { format!("{}ms", self.per.as_millis()) };
        // `1s` is written as `s`.
        let has_digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
        let unit = per.strip_prefix('1').filter(|unit| !has_digit(unit));
        write!(f, "{}/{}", self.handshakes, unit.unwrap_or(&per))
    }
}

impl FromStr for HandshakeRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid =
            || format!("`{text}` is not a rate: write handshakes and a time, such as `5/s` or `30/m`");
        let (handshakes, per) = text.split_once('/').ok_or_else(invalid)?;
        let (handshakes, per) = (handshakes.trim(), per.trim());
        let handshakes: u32 = handshakes.parse().map_err(|_| invalid())?;
        let per =
            if per.starts_with(|c: char| c.is_ascii_digit()) { per.to_owned() } else { format!("1{per}") };
        let per = parse_duration(&per).map_err(|_| invalid())?;
        if handshakes == 0 || per.is_zero() {
            return Err(format!("`{text}` would allow no handshake, or any number of them"));
        }
        Ok(Self { handshakes, per })
    }
}

impl Serialize for HandshakeRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HandshakeRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> HandshakeRate {
        text.parse().unwrap()
    }

    #[test]
    fn a_rate_is_handshakes_in_a_time() {
        for (text, millis, written) in [
            ("5/s", 200, "5/s"),
            ("1/s", 1_000, "1/s"),
            ("30/m", 2_000, "30/m"),
            ("20/10s", 500, "20/10s"),
            ("60/1m", 1_000, "60/m"),
            (" 100 / 1m30s ", 900, "100/1m30s"),
            ("1/250ms", 250, "1/250ms"),
            ("2/h", 1_800_000, "2/h"),
            ("1/1h1m1s", 3_661_000, "1/3661000ms"),
        ] {
            assert_eq!(rate(text).interval(), Duration::from_millis(millis), "{text}");
            assert_eq!(rate(text).to_string(), written);
            assert_eq!(rate(written), rate(text), "{text}");
            let json = serde_json::to_string(&rate(text)).unwrap();
            assert_eq!(serde_json::from_str::<HandshakeRate>(&json).unwrap(), rate(text));
        }
        for text in ["", "5", "5/", "/s", "0/s", "5/0s", "5/x", "-1/s", "1.5/s", "5/s/s", "s/5"] {
            assert!(text.parse::<HandshakeRate>().is_err(), "{text}");
        }
        assert_eq!(rate("3/s").takes(31), Duration::from_secs_f64(31.0 / 3.0).max(Duration::ZERO));
    }

    /// The words are in playbooks and plans; the bytes are those of the protocol's own text, sections 2.1 and 2.2.
    #[test]
    fn each_version_of_the_proxy_protocol_has_its_word_and_its_header() {
        for (version, word) in ProxyProtocol::ALL.into_iter().zip(["v1", "v2"]) {
            assert_eq!((version.as_str(), word.parse()), (word, Ok(version)));
            assert_eq!(serde_json::to_value(version).unwrap(), word);
        }
        assert!("V2".parse::<ProxyProtocol>().is_err() && "2".parse::<ProxyProtocol>().is_err());
        assert_eq!(ProxyProtocol::V1.header(), b"PROXY UNKNOWN\r\n");
        let header = ProxyProtocol::V2.header();
        assert_eq!(header.len(), 16);
        assert_eq!(header[..12], *b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A");
        assert_eq!(header[12..], [0x20, 0, 0, 0]);
    }

    #[test]
    fn settings_that_are_not_given_are_not_written() {
        assert_eq!(serde_json::to_string(&ClientSettings::default()).unwrap(), "{}");
        let all = ClientSettings {
            client_certificate: Some(ClientCertificate { certificate: "a.pem".into(), key: "a.key".into() }),
            alpn: vec!["h2".to_owned()],
            proxy_protocol: Some(ProxyProtocol::V2),
            rate: Some(rate("5/s")),
            through: Some("web01".parse().unwrap()),
        };
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<ClientSettings>(&text).unwrap(), all);
    }
}
