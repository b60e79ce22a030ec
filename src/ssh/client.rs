//! Connecting.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::inventory::Login;
use crate::model::visible;
use crate::ports::{Certainty, Connector, RemoteError, RemoteErrorKind};
use crate::ssh::auth::{self, LoginError};
use crate::ssh::config::SshOptions;
use crate::ssh::connection::SshConnection;
use crate::ssh::host_key::{HostKeyRefused, HostKeys, KnownHosts};
use crate::ssh::key_file::Keyring;
use crate::ssh::link::{Link, SessionError, SshHandler};
use crate::ssh::login_limiter::LoginLimiter;
use crate::ssh::sessions::Sessions;
use crate::ssh::transport::Transport;

/// The longest wait between two tries to connect.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What OpenSSH 9.8 and later say instead of SSH to whom they do not let in for now: there are too many connections, or they
/// punish the address (sshd_config(5), `MaxStartups` and `PerSourcePenalties`).
const NOT_ALLOWED: &str = "Not allowed at this time";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("find the address of `{address}`: {source}")]
    Resolve { address: String, source: io::Error },
    #[error("find the address of `{address}`: it has none")]
    NoAddress { address: String },
    #[error("connect to {to}: {source}")]
    Dial { to: String, source: io::Error },
    #[error("connect to {to}: no answer within {limit:?}")]
    DialTimeout { to: String, limit: Duration },
    #[error("connect to {to}: it took the connection, but spoke no SSH within {limit:?}{}", said(greeting))]
    Mute { to: String, limit: Duration, greeting: Option<String> },
    #[error("connect to {to}: it dropped the connection{}", said(greeting))]
    Dropped { to: String, greeting: Option<String> },
    #[error(
        "connect to {to}: its sshd does not allow it at this time: too many others log in (`MaxStartups`), or logins from \
         this machine failed (`PerSourcePenalties`); wait a minute, or see `PerSourcePenaltyExemptList` in sshd_config(5)"
    )]
    NotAllowed { to: String },
    #[error("agree on SSH with {to}: {source}")]
    Handshake { to: String, source: russh::Error },
    #[error("{0}")]
    HostKey(#[from] HostKeyRefused),
    #[error("know the user to log in as: there is none in the inventory, and none for this process")]
    NoUser,
    #[error("{0}")]
    Login(#[from] LoginError),
    #[error("log in as `{user}`: no answer within {limit:?}")]
    LoginTimeout { user: String, limit: Duration },
}

fn said(greeting: &Option<String>) -> String {
    greeting.as_ref().map(|line| format!(", and said: {line}")).unwrap_or_default()
}

impl ConnectError {
    fn kind(&self) -> RemoteErrorKind {
        match self {
            Self::Resolve { .. } | Self::NoAddress { .. } | Self::Dial { .. } | Self::Dropped { .. } => {
                RemoteErrorKind::Unreachable
            }
            Self::DialTimeout { .. } | Self::Mute { .. } | Self::NotAllowed { .. } => {
                RemoteErrorKind::Unreachable
            }
            Self::Handshake { source: russh::Error::WrongServerSig, .. } | Self::HostKey(_) => {
                RemoteErrorKind::HostKey
            }
            Self::Handshake { .. } => RemoteErrorKind::Protocol,
            Self::Login(error) if error.is_loss() => RemoteErrorKind::Unreachable,
            Self::NoUser | Self::Login(_) => RemoteErrorKind::Login,
            Self::LoginTimeout { .. } => RemoteErrorKind::Timeout,
        }
    }

    /// Whether another try may end better. A host key or a login that was refused is refused again,
    /// and newer servers shut out who insists.
    fn may_retry(&self) -> bool {
        match self {
            Self::Dial { .. } | Self::DialTimeout { .. } | Self::Mute { .. } => true,
            // Neither counts against us: sshd says so before it reads anything.
            Self::Dropped { .. } | Self::NotAllowed { .. } => true,
            Self::Login(error) => error.may_retry(),
            _ => false,
        }
    }
}

impl From<ConnectError> for RemoteError {
    fn from(error: ConnectError) -> Self {
        use std::error::Error as _;
        let mut reason = error.to_string();
        // `HostKey` and `Login` are transparent: only what stands below them is missing in the text.
        let below = match &error {
            ConnectError::HostKey(inner) => inner.source().map(ToString::to_string),
            ConnectError::Login(LoginError::KeyFile(inner)) => inner.source().map(ToString::to_string),
            _ => None,
        };
        if let Some(below) = below {
            reason = format!("{reason}: {below}");
        }
        Self { certainty: Certainty::NotSent, kind: error.kind(), reason: visible(&reason) }
    }
}

/// Opens SSH connections. Files of known hosts and private keys are read once in its life.
#[derive(Default)]
pub struct SshConnector {
    options: SshOptions,
    known_hosts: KnownHosts,
    keyring: Keyring,
    limiter: LoginLimiter,
}

impl SshConnector {
    /// A connector that has read no file yet.
    pub fn new(options: SshOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// The inventory's files, else those of ssh(1).
    fn known_hosts_files(&self, login: &Login) -> Vec<PathBuf> {
        if !login.known_hosts.is_empty() {
            return login.known_hosts.iter().map(|path| self.options.expand(path)).collect();
        }
        let home = self
            .options
            .home
            .iter()
            .flat_map(|home| ["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name)));
        home.chain(["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from)).collect()
    }

    async fn try_once(
        &self,
        login: &Login,
        user: &str,
        host_keys: &Arc<HostKeys>,
    ) -> Result<SshConnection, ConnectError> {
        let limit = self.options.connect_timeout;
        let deadline = Instant::now() + limit;
        let socket = dial(login, deadline, limit).await?;
        let to = socket.peer_addr().map_or_else(|_| login.address.clone(), |address| address.to_string());
        // It only costs time where it fails.
        let _ = socket.set_nodelay(true);
        let (link, wire, loss) = Link::new(socket);
        let config = self.options.russh(host_keys.algorithms(), host_keys.certificate_algorithms());
        let session = SshHandler { host_keys: host_keys.clone(), loss };
        let connecting = russh::client::connect_stream(Arc::new(config), wire, session);
        let mut handle = match timeout_at(deadline, connecting).await {
            Err(_) => return Err(ConnectError::Mute { to, limit, greeting: link.greeting() }),
            Ok(Err(SessionError::HostKey(refused))) => return Err(refused.into()),
            Ok(Err(SessionError::Ssh(error))) if is_end(&error) => {
                return Err(match link.greeting() {
                    Some(said) if said == NOT_ALLOWED => ConnectError::NotAllowed { to },
                    greeting => ConnectError::Dropped { to, greeting },
                });
            }
            Ok(Err(SessionError::Ssh(source))) => return Err(ConnectError::Handshake { to, source }),
            Ok(Ok(handle)) => handle,
        };
        let logging_in = auth::Login {
            options: &self.options,
            keyring: &self.keyring,
            user,
            key_file: login.key_file.as_deref(),
        };
        let limit = self.options.login_timeout;
        match timeout(limit, logging_in.run(&mut handle, &link)).await {
            Err(_) => return Err(ConnectError::LoginTimeout { user: user.to_owned(), limit }),
            Ok(result) => result?,
        }
        let patience = self.options.connect_timeout;
        let transport = Transport { handle, link, sessions: Sessions::default() };
        Ok(SshConnection { transport, patience })
    }
}

/// Whether the peer ended the stream before SSH was agreed upon; not whether it spoke nonsense.
fn is_end(error: &russh::Error) -> bool {
    use russh::Error;
    matches!(
        error,
        Error::Disconnect | Error::HUP | Error::IO(_) | Error::InactivityTimeout | Error::SendError
    )
}

/// Tries the addresses of a host one after the other, each with its share of the time.
async fn dial(login: &Login, deadline: Instant, limit: Duration) -> Result<TcpStream, ConnectError> {
    let address = login.address.trim_matches(['[', ']']);
    let resolve = |source| ConnectError::Resolve { address: address.to_owned(), source };
    let found: Vec<SocketAddr> =
        match timeout_at(deadline, tokio::net::lookup_host((address, login.port))).await {
            Err(_) => return Err(resolve(io::ErrorKind::TimedOut.into())),
            Ok(found) => found.map_err(resolve)?.collect(),
        };
    let mut last = ConnectError::NoAddress { address: address.to_owned() };
    for (index, address) in found.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(found.len() - index).unwrap_or(1);
        let to = address.to_string();
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(source)) => ConnectError::Dial { to, source },
            Err(_) => ConnectError::DialTimeout { to, limit },
        };
    }
    Err(last)
}

/// The user that this process runs as.
fn current_user() -> Option<String> {
    match nix::unistd::User::from_uid(nix::unistd::getuid()) {
        Ok(Some(user)) => Some(user.name),
        _ => std::env::var("USER").ok().filter(|name| !name.is_empty()),
    }
}

/// Exponential back-off with full jitter: a fleet that was refused at once does not come back at once.
fn delay(first: Duration, retry: u32) -> Duration {
    let most = first.saturating_mul(1 << retry.min(16)).min(LONGEST_DELAY);
    let mut bytes = [0; 4];
    // Without randomness it waits for as long as it may.
    let share = getrandom::fill(&mut bytes)
        .map_or(1.0, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX));
    most.mul_f64(share)
}

impl Connector for SshConnector {
    type Connection = SshConnection;

    async fn connect(&self, login: &Login) -> Result<SshConnection, RemoteError> {
        let files = self.known_hosts_files(login);
        let known = self.known_hosts.of(files, &login.address, login.port).await;
        let host_keys = Arc::new(known.map_err(ConnectError::from)?);
        let user = login.user.clone().or_else(current_user).ok_or(ConnectError::NoUser)?;
        let mut retry = 0;
        loop {
            match self.limiter.pass(|| self.try_once(login, &user, &host_keys)).await {
                Ok(connection) => return Ok(connection),
                Err(error) if retry < self.options.connect_retries && error.may_retry() => {
                    let wait = delay(self.options.retry_delay, retry);
                    tracing::debug!(host = %login.host, %error, ?wait, "connecting again");
                    tokio::time::sleep(wait).await;
                    retry += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
