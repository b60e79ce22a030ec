//! Logging in by public key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{AgentAuthError, MethodKind};
use tokio::net::UnixStream;

use crate::ssh::config::SshOptions;
use crate::ssh::key_file::{KeyFile, KeyFileError, Keyring};
use crate::ssh::link::{Link, Loss, SshHandler};

/// sshd ends a connection at the sixth refusal (`MaxAuthTries`), and newer ones then shut out the address.
const MAX_TRIES: usize = 5;

/// The names of ssh(1), without those that need hardware.
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("log in as `{user}`: the host refused {}{}", tried.join(", "), notes(skipped))]
    Refused { user: String, tried: Vec<String>, skipped: Vec<String> },
    #[error("log in as `{user}`: no key to try{}", notes(skipped))]
    NoKey { user: String, skipped: Vec<String> },
    #[error("log in as `{user}`: the host takes no public key, only {methods}")]
    NoPublicKey { user: String, methods: String },
    #[error("log in as `{user}`: the host took {key}, and wants {methods} besides")]
    SecondFactor { user: String, key: String, methods: String },
    #[error("{0}")]
    KeyFile(Arc<KeyFileError>),
    #[error(
        "use the key {}: it is encrypted, and the agent does not hold it{} (`ssh-add {}`)",
        path.display(), notes(skipped), path.display()
    )]
    Encrypted { path: PathBuf, skipped: Vec<String> },
    #[error("log in as `{user}`: {loss}")]
    Lost { user: String, loss: Loss, refused: bool },
}

impl LoginError {
    /// Whether the connection was lost before the host judged anything: another try may go well.
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, LoginError::Lost { .. })
    }

    /// As [`Self::is_loss`], and no key was refused yet: a new try costs no further refusal.
    pub(super) fn may_retry(&self) -> bool {
        matches!(self, LoginError::Lost { refused: false, .. })
    }
}

fn notes(skipped: &[String]) -> String {
    if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join("; ")) }
}

/// What logs in, and where its keys come from.
pub(super) struct Login<'a> {
    pub(super) options: &'a SshOptions,
    pub(super) keyring: &'a Keyring,
    pub(super) user: &'a str,
    /// None means the agent and the default keys.
    pub(super) key_file: Option<&'a Path>,
}

/// The state of one login.
struct Attempt<'a> {
    session: &'a mut Handle<SshHandler>,
    link: &'a Link,
    user: &'a str,
    tried: Vec<String>,
    skipped: Vec<String>,
    /// Found out once, as it may take a second.
    rsa_hash: Option<Option<HashAlg>>,
}

/// Whether the host let us in; if not, the next key may do better.
type Admitted = bool;

impl Login<'_> {
    /// Tries one key after the other, until the host takes one.
    pub(super) async fn run(&self, session: &mut Handle<SshHandler>, link: &Link) -> Result<(), LoginError> {
        let mut attempt = Attempt {
            session,
            link,
            user: self.user,
            tried: Vec::new(),
            skipped: Vec::new(),
            rsa_hash: None,
        };
        let admitted = match self.key_file {
            Some(path) => self.try_named(&mut attempt, &self.options.expand(path)).await?,
            None => self.try_usual(&mut attempt).await?,
        };
        let Attempt { tried, skipped, .. } = attempt;
        match admitted {
            true => Ok(()),
            false if tried.is_empty() => Err(LoginError::NoKey { user: self.user.to_owned(), skipped }),
            false => Err(LoginError::Refused { user: self.user.to_owned(), tried, skipped }),
        }
    }

    async fn try_named(&self, attempt: &mut Attempt<'_>, path: &Path) -> Result<Admitted, LoginError> {
        let file = self.keyring.get(path).await.map_err(LoginError::KeyFile)?;
        let public = match &*file {
            KeyFile::Open { key, certificate } => {
                return attempt.file(path, key, certificate.as_deref()).await;
            }
            KeyFile::Encrypted { public } => public,
        };
        if let Some((mut agent, identities)) = self.agent(attempt).await {
            for identity in &identities {
                if public.as_ref().is_some_and(|key| key.key_data() == identity.public_key().key_data())
                    && attempt.agent(&mut agent, identity).await?
                {
                    return Ok(true);
                }
            }
        }
        if attempt.tried.is_empty() {
            let skipped = std::mem::take(&mut attempt.skipped);
            return Err(LoginError::Encrypted { path: path.to_owned(), skipped });
        }
        Ok(false)
    }

    async fn try_usual(&self, attempt: &mut Attempt<'_>) -> Result<Admitted, LoginError> {
        let mut seen: Vec<PublicKey> = Vec::new();
        if let Some((mut agent, identities)) = self.agent(attempt).await {
            for identity in &identities {
                if attempt.tried.len() >= MAX_TRIES {
                    let left = identities.len() - seen.len();
                    attempt.skipped.push(format!(
                        "{left} more in the agent were not tried: name one with `ansible_ssh_private_key_file`"
                    ));
                    return Ok(false);
                }
                seen.push(identity.public_key().into_owned());
                if attempt.agent(&mut agent, identity).await? {
                    return Ok(true);
                }
            }
        }
        let Some(home) = &self.options.home else { return Ok(false) };
        for name in DEFAULT_KEYS {
            let path = home.join(".ssh").join(name);
            let file = match self.keyring.get(&path).await {
                Ok(file) => file,
                Err(error) => {
                    attempt.skipped.push(match &*error {
                        KeyFileError::Unreadable { path, .. } if !path.exists() => {
                            format!("there is no {}", path.display())
                        }
                        other => format!("cannot {other}"),
                    });
                    continue;
                }
            };
            match &*file {
                KeyFile::Encrypted { .. } => attempt.skipped.push(format!("{} is encrypted", path.display())),
                KeyFile::Open { key, .. }
                    if seen.iter().any(|seen| seen.key_data() == key.public_key().key_data()) => {}
                KeyFile::Open { .. } if attempt.tried.len() >= MAX_TRIES => {
                    attempt.skipped.push(format!("{} was not tried", path.display()));
                }
                KeyFile::Open { key, certificate } => {
                    if attempt.file(&path, key, certificate.as_deref()).await? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// The agent and the keys it holds. An agent that cannot be asked is noted and left out.
    async fn agent(
        &self,
        attempt: &mut Attempt<'_>,
    ) -> Option<(AgentClient<UnixStream>, Vec<AgentIdentity>)> {
        let Some(socket) = &self.options.agent_socket else {
            attempt.skipped.push("`SSH_AUTH_SOCK` names no agent".to_owned());
            return None;
        };
        let asked = async {
            let mut agent = AgentClient::connect_uds(socket).await?;
            if let Some(binding) = attempt.session.agent_session_binding() {
                // Shows the agent which host asks, for keys that are only for some; older agents refuse.
                let _ = agent.bind_session(binding, false).await;
            }
            let identities = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, identities))
        };
        match asked.await {
            Ok((_, identities)) if identities.is_empty() => {
                attempt.skipped.push("the agent holds no key".to_owned());
                None
            }
            Ok(found) => Some(found),
            Err(error) => {
                attempt.skipped.push(format!("the agent at {} cannot be asked: {error}", socket.display()));
                None
            }
        }
    }
}

impl Attempt<'_> {
    /// With a key from a file: its certificate first.
    async fn file(
        &mut self,
        path: &Path,
        key: &Arc<PrivateKey>,
        certificate: Option<&Certificate>,
    ) -> Result<Admitted, LoginError> {
        if let Some(certificate) = certificate {
            let name = format!("{}-cert.pub", path.display());
            let asked =
                self.session.authenticate_openssh_cert(self.user, key.clone(), certificate.clone()).await;
            if self.judge(name, asked).await? {
                return Ok(true);
            }
        }
        let name = format!("{} ({})", path.display(), key.fingerprint(HashAlg::Sha256));
        let Some(hash) = self.hash_for(&key.algorithm(), &name).await? else { return Ok(false) };
        let key = PrivateKeyWithHashAlg::new(key.clone(), hash);
        let asked = self.session.authenticate_publickey(self.user, key).await;
        self.judge(name, asked).await
    }

    async fn agent(
        &mut self,
        agent: &mut AgentClient<UnixStream>,
        identity: &AgentIdentity,
    ) -> Result<Admitted, LoginError> {
        let key = identity.public_key();
        let name = format!("the agent's {} ({})", identity.comment(), key.fingerprint(HashAlg::Sha256));
        let Some(hash) = self.hash_for(&key.algorithm(), &name).await? else { return Ok(false) };
        let asked = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                self.session.authenticate_publickey_with(self.user, key.clone(), hash, agent).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                self.session.authenticate_certificate_with(self.user, certificate.clone(), hash, agent).await
            }
        };
        match asked {
            // The host would take it, but the agent does not sign: the next one.
            Err(AgentAuthError::Key(error)) => {
                self.skipped.push(format!("{name}: the agent does not sign with it: {error}"));
                Ok(false)
            }
            Err(AgentAuthError::Send(_)) => self.judge(name, Err(russh::Error::SendError)).await,
            Ok(result) => self.judge(name, Ok(result)).await,
        }
    }

    /// The hash that an RSA key signs with; none for other keys. No answer where the host takes RSA
    /// with SHA-1 only.
    async fn hash_for(
        &mut self,
        algorithm: &Algorithm,
        name: &str,
    ) -> Result<Option<Option<HashAlg>>, LoginError> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(Some(None));
        }
        if self.rsa_hash.is_none() {
            self.rsa_hash = match self.session.best_supported_rsa_hash().await {
                Ok(Some(told)) => Some(told),
                // It does not tell (before OpenSSH 7.2, or not OpenSSH).
                Ok(None) => Some(Some(HashAlg::Sha512)),
                Err(_) => return Err(self.lost(self.link.loss().await)),
            };
        }
        let hash = self.rsa_hash.flatten();
        if hash.is_none() {
            self.skipped.push(format!("{name}: the host takes RSA keys with SHA-1 only"));
        }
        Ok(hash.map(Some))
    }

    async fn judge(
        &mut self,
        name: String,
        asked: Result<AuthResult, russh::Error>,
    ) -> Result<Admitted, LoginError> {
        let (remaining, partial) = match asked {
            Ok(AuthResult::Success) => return Ok(true),
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                (remaining_methods, partial_success)
            }
            Err(_) => return Err(self.lost(self.link.loss().await)),
        };
        let user = self.user.to_owned();
        // russh reports a lost link as a refusal that leaves no method. So is a host that offers none.
        if remaining.is_empty() {
            return Err(match self.link.loss().await {
                // 2 comes with "Too many authentication failures", 14 is the code made for it.
                Loss::NoMethods | Loss::Said { code: 2 | 14, .. } => {
                    self.tried.push(name);
                    let skipped = std::mem::take(&mut self.skipped);
                    LoginError::Refused { user, tried: std::mem::take(&mut self.tried), skipped }
                }
                loss => self.lost(loss),
            });
        }
        let methods = remaining
            .iter()
            .map(<&str>::from)
            .filter(|name| *name != "publickey" || partial)
            .collect::<Vec<_>>();
        if partial {
            return Err(LoginError::SecondFactor { user, key: name, methods: methods.join(", ") });
        }
        if !remaining.contains(&MethodKind::PublicKey) {
            return Err(LoginError::NoPublicKey { user, methods: methods.join(", ") });
        }
        self.tried.push(name);
        Ok(false)
    }

    fn lost(&self, loss: Loss) -> LoginError {
        LoginError::Lost { user: self.user.to_owned(), loss, refused: !self.tried.is_empty() }
    }
}
