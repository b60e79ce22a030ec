//! Timeouts, places and algorithm preferences.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::client::{Config, GexParams};
use russh::{Preferred, SshId, kex, keys::Algorithm};

/// In this order: the hybrid that is safe against quantum computers, then the fast ones. NIST curves
/// come before finite fields, because hosts in FIPS mode have no curve25519 and a finite-field exchange
/// costs ten to a hundred times the CPU time.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::DH_GEX_SHA256,
    kex::DH_G14_SHA256,
    kex::DH_G16_SHA512,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// Messages kept for a channel whose reader is slow, before the whole connection waits for it.
const CHANNEL_BUFFER: usize = 1024;

/// How connections are made.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// For one try at TCP, key exchange and host key together. 10 s.
    pub connect_timeout: Duration,
    /// For logging in, with all keys together. 20 s.
    pub login_timeout: Duration,
    /// Between keepalives; after three without an answer the connection is lost. 15 s.
    pub keepalive: Duration,
    /// Further tries at a connection where nothing was sent: refused, dropped before login, silent. Never
    /// after a refused host key or login. 3.
    pub connect_retries: u32,
    /// The longest wait before the first retry; it doubles with each (exponential back-off with full
    /// jitter). 500 ms.
    pub retry_delay: Duration,
    /// Where `.ssh` is: `HOME`.
    pub home: Option<PathBuf>,
    /// The agent's socket: `SSH_AUTH_SOCK`.
    pub agent_socket: Option<PathBuf>,
}

impl Default for SshOptions {
    fn default() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            connect_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(20),
            keepalive: Duration::from_secs(15),
            connect_retries: 3,
            retry_delay: Duration::from_millis(500),
            home: path("HOME"),
            agent_socket: path("SSH_AUTH_SOCK"),
        }
    }
}

impl SshOptions {
    /// A path with `~` replaced by the home folder.
    pub(super) fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    /// russh's configuration for a host of which these key algorithms are known.
    pub(super) fn russh(&self, keys: Vec<Algorithm>, certificates: Vec<Algorithm>) -> Config {
        Config {
            client_id: SshId::Standard(Cow::Borrowed(concat!(
                "SSH-2.0-certwave_",
                env!("CARGO_PKG_VERSION")
            ))),
            preferred: Preferred {
                kex: Cow::Borrowed(KEX),
                key: Cow::Owned(keys),
                host_key_certificates: Cow::Owned(certificates),
                ..Preferred::DEFAULT
            },
            // The default asks for 8192 bits: half a second of CPU time for each host that has nothing better.
            gex: GexParams::new(2048, 3072, 4096).unwrap_or_default(),
            keepalive_interval: Some(self.keepalive),
            keepalive_max: 3,
            // Frees a session that keepalives cannot: one in key exchange, or blocked in a write.
            inactivity_timeout: Some(self.keepalive * 4),
            channel_buffer_size: CHANNEL_BUFFER,
            nodelay: true,
            ..Config::default()
        }
    }
}
