//! Whether chains lead to a trusted root. OpenSSL takes 0.3 ms for one, and a rollout sees the same one again and
//! again: so it is asked apart from the handshakes, once for each chain.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::sha::Sha256;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder, X509StoreRef};
use openssl::x509::verify::X509VerifyParam;
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509VerifyResult};

use crate::tls::TlsError;

/// What was said of a chain holds for so long: certificates expire.
const HOLDS: Duration = Duration::from_secs(10);

/// The trusted roots, and what was lately said of chains.
pub(super) struct Roots {
    /// Those in the files.
    given: X509Store,
    /// Those and the system's. There are so many of them that reading them takes 50 ms: they are read when they are needed.
    all: OnceLock<Result<X509Store, String>>,
    /// The given ones.
    files: Vec<X509>,
    level: u32,
    said: Mutex<HashMap<[u8; 32], Said>>,
}

struct Said {
    when: Instant,
    trust: Result<(), String>,
}

impl Roots {
    /// The system's, and those in the files. `level` is OpenSSL's security level, which weak keys are refused by.
    pub(super) fn new(ca_files: &[PathBuf], level: u32) -> Result<Self, TlsError> {
        let mut files = Vec::new();
        for path in ca_files {
            files.extend(read_file(path)?);
        }
        let given = store(&files, level, X509StoreBuilder::new()?)?;
        Ok(Self { given, all: OnceLock::new(), files, level, said: Mutex::default() })
    }

    fn all(&self) -> Result<&X509Store, String> {
        let read = || {
            let mut all = X509StoreBuilder::new()?;
            all.set_default_paths()?;
            store(&self.files, self.level, all)
        };
        let all = self.all.get_or_init(|| read().map_err(|error: ErrorStack| error.to_string()));
        all.as_ref().map_err(Clone::clone)
    }

    /// Whether a chain in DER, leaf first, leads to one of them; else OpenSSL's reason.
    pub(super) fn judge(&self, chain: &[Vec<u8>]) -> Result<(), String> {
        let mut hash = Sha256::new();
        chain.iter().for_each(|one| hash.update(one));
        let (key, now) = (hash.finish(), Instant::now());
        let said = || self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Said { when, trust }) = said().get(&key)
            && now.duration_since(*when) < HOLDS
        {
            return trust.clone();
        }
        let trust = self.ask(chain);
        said().insert(key, Said { when: now, trust: trust.clone() });
        trust
    }

    /// What the given roots do not vouch for, all may.
    fn ask(&self, chain: &[Vec<u8>]) -> Result<(), String> {
        let chain = read(chain).map_err(|error| error.to_string())?;
        verify(&self.given, &chain).or_else(|_| verify(self.all()?, &chain))
    }
}

fn verify(roots: &X509StoreRef, chain: &Stack<X509>) -> Result<(), String> {
    let leaf = chain.get(0).ok_or("no certificate was sent")?;
    let verified = X509StoreContext::new().and_then(|mut context| {
        context.init(roots, leaf, chain, |context| context.verify_cert().map(|_| context.error()))
    });
    match verified {
        Ok(X509VerifyResult::OK) => Ok(()),
        Ok(reason) => Err(reason.error_string().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// `roots`, and these.
fn store(these: &[X509], level: u32, mut roots: X509StoreBuilder) -> Result<X509Store, ErrorStack> {
    for root in these {
        roots.add_cert(root.clone())?;
    }
    // What a handshake would ask of a server's chain, too.
    let mut as_server = X509VerifyParam::new()?;
    as_server.set_purpose(X509PurposeId::SSL_SERVER)?;
    as_server.set_auth_level(level.cast_signed());
    roots.set_param(&as_server)?;
    Ok(roots.build())
}

fn read(chain: &[Vec<u8>]) -> Result<Stack<X509>, ErrorStack> {
    let mut read = Stack::new()?;
    for one in chain {
        read.push(X509::from_der(one)?)?;
    }
    Ok(read)
}

fn read_file(path: &Path) -> Result<Vec<X509>, TlsError> {
    let text = std::fs::read(path).map_err(|source| TlsError::Roots { path: path.to_owned(), source })?;
    let roots = X509::stack_from_pem(&text)?;
    if roots.is_empty() {
        return Err(TlsError::NoRoots { path: path.to_owned() });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Authority;

    #[test]
    fn a_chain_is_trusted_by_its_root_alone() {
        let folder = tempfile::tempdir().unwrap();
        let roots = |authority: &Authority| {
            let file = folder.path().join("roots.pem");
            std::fs::write(&file, authority.root_pem().unwrap()).unwrap();
            Roots::new(&[file], 2).unwrap()
        };
        let (ours, other) = (Authority::new("ours").unwrap(), Authority::new("other").unwrap());
        let chain = |from, to| X509::stack_from_pem(&ours.issue(&["a.test"], from, to).unwrap().0).unwrap();
        let judge = |roots: &Roots, chain: &[X509]| {
            roots.judge(&chain.iter().map(|one| one.to_der().unwrap()).collect::<Vec<_>>())
        };
        let (trusting, strange) = (roots(&ours), roots(&other));
        let (good, lapsed) = (chain(-1, 30), chain(-30, -1));
        for _ in 0..2 {
            // The second time it is remembered.
            assert_eq!(judge(&trusting, &good), Ok(()));
            assert_eq!(judge(&trusting, &lapsed), Err("certificate has expired".to_owned()));
            assert_eq!(judge(&strange, &good), Err("unable to get local issuer certificate".to_owned()));
        }
        assert_eq!(judge(&trusting, &[]), Err("no certificate was sent".to_owned()));
    }
}
