//! Where Envoy's admin interface is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{HostPath, InvalidPath};

/// Where Envoy's admin interface is, seen from its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AdminAddress {
    /// `ADDRESS:PORT`
    Tcp(String, u16),
    /// The path of a socket.
    Socket(HostPath),
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return text.parse().map(Self::Socket).map_err(|error: InvalidPath| error.to_string());
        }
        let wrong =
            || format!("`{text}` is no admin interface: write `127.0.0.1:9901`, or the path of its socket");
        let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        if address.is_empty() { Err(wrong()) } else { Ok(Self::Tcp(address.to_owned(), port)) }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address, port) if address.contains(':') => write!(f, "[{address}]:{port}"),
            Self::Tcp(address, port) => write!(f, "{address}:{port}"),
            Self::Socket(path) => write!(f, "{path}"),
        }
    }
}

impl TryFrom<String> for AdminAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<AdminAddress> for String {
    fn from(address: AdminAddress) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_interface_is_an_address_or_a_socket() {
        let read = |text: &str| text.parse::<AdminAddress>();
        assert_eq!(read("127.0.0.1:9901"), Ok(AdminAddress::Tcp("127.0.0.1".to_owned(), 9901)));
        assert_eq!(read("[::1]:9901").unwrap().to_string(), "[::1]:9901");
        assert_eq!(read("/run/envoy.sock").unwrap().to_string(), "/run/envoy.sock");
        for wrong in ["9901", ":9901", "localhost", "localhost:0", "localhost:x"] {
            assert!(read(wrong).unwrap_err().contains("127.0.0.1:9901"), "{wrong}");
        }
    }
}
