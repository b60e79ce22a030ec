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
    let text =
        crate::bounded::read(path).map_err(|source| TlsError::Roots { path: path.to_owned(), source })?;
    let roots = X509::stack_from_pem(&text)?;
    if roots.is_empty() {
        return Err(TlsError::NoRoots { path: path.to_owned() });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use openssl::nid::Nid;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;

    use super::*;
    use crate::certificate::Certificate;
    use crate::certificate::testing::{Authority as Certification, LeafSpec, curve, new_key, pem, rsa_key};
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

    #[test]
    fn each_certificate_on_the_way_to_a_root_is_strong_and_valid() {
        let spec = LeafSpec::default;
        let rsa = |bits| PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        let root = Certification::root("Root", new_key(), &LeafSpec::ca().lasting());
        let other = Certification::root("Other", new_key(), &LeafSpec::ca().lasting());
        let under = |spec: LeafSpec<'_>| root.under("Middle", new_key(), &spec);
        let good = under(LeafSpec::ca().lasting());
        let trusting = of(&[&root.certificate]);
        let judge = |middle: &Certification, leaf: &Certificate| {
            trusting.judge(&[leaf.der.clone(), middle.certificate.der.clone()]).err().unwrap_or_default()
        };
        let lasting = |middle: &Certification| middle.certify(&new_key(), &spec().lasting());
        // Versions of OpenSSL differ in how they begin to say it.
        let told = |said: &str, reason: &str| {
            assert!(said.ends_with(reason) && said.is_empty() == reason.is_empty(), "{said}, not {reason}");
        };
        told(&judge(&good, &lasting(&good)), "");
        // The intermediate.
        for (middle, reason) in [
            (under(LeafSpec { to_days: -2_000, ..LeafSpec::ca().lasting() }), "certificate has expired"),
            (
                under(LeafSpec { from_days: 6_000, ..LeafSpec::ca().lasting() }),
                "certificate is not yet valid",
            ),
            (under(LeafSpec { ca: false, ..LeafSpec::ca().lasting() }), "invalid CA certificate"),
            (
                under(LeafSpec { sha1: true, ..LeafSpec::ca().lasting() }),
                "CA signature digest algorithm too weak",
            ),
            (root.under("Middle", rsa(1024), &LeafSpec::ca().lasting()), "CA certificate key too weak"),
            (root.under("Middle", rsa_key().clone(), &LeafSpec::ca().lasting()), ""),
            (
                other.under("Middle", new_key(), &LeafSpec::ca().lasting()),
                "unable to get local issuer certificate",
            ),
        ] {
            told(&judge(&middle, &lasting(&middle)), reason);
        }
        // The leaf.
        for (leaf, reason) in [
            (
                good.certify(&new_key(), &LeafSpec { to_days: -2_000, ..spec().lasting() }),
                "certificate has expired",
            ),
            (
                good.certify(&new_key(), &LeafSpec { from_days: 6_000, ..spec().lasting() }),
                "certificate is not yet valid",
            ),
            (
                good.certify(&new_key(), &LeafSpec { sha1: true, ..spec().lasting() }),
                "CA signature digest algorithm too weak",
            ),
            (
                good.certify(&new_key(), &LeafSpec { for_clients: true, ..spec().lasting() }),
                "certificate purpose",
            ),
            (good.certify(&rsa(1024), &spec().lasting()), "EE certificate key too weak"),
            (good.certify(rsa_key(), &spec().lasting()), ""),
            (good.certify(&curve(Nid::X9_62_PRIME192V1), &spec().lasting()), "EE certificate key too weak"),
        ] {
            told(&judge(&good, &leaf), reason);
        }
    }

    #[test]
    fn a_chain_needs_all_that_stands_between_its_leaf_and_a_root() {
        let root = Certification::root("Root", new_key(), &LeafSpec::ca().lasting());
        let middle = root.under("Middle", new_key(), &LeafSpec::ca().lasting());
        let leaf = middle.certify(&new_key(), &LeafSpec::default().lasting());
        let (middle, trusting) = (middle.certificate, of(&[&root.certificate]));
        let missing = Err("unable to get local issuer certificate".to_owned());
        for (chain, trust) in [
            (vec![&leaf], missing.clone()),
            (vec![&leaf, &middle], Ok(())),
            (vec![&leaf, &middle, &root.certificate], Ok(())),
            (vec![&leaf, &root.certificate], missing),
        ] {
            let chain: Vec<_> = chain.iter().map(|one| one.der.clone()).collect();
            assert_eq!(trusting.judge(&chain), trust, "{} certificates", chain.len());
        }
    }

    #[test]
    fn every_root_of_every_file_is_trusted() {
        let roots: Vec<Certification> = ["One", "Two", "Three"]
            .iter()
            .map(|name| Certification::root(name, new_key(), &LeafSpec::ca().lasting()))
            .collect();
        let [one, two, three] = [0, 1, 2].map(|at| &roots[at].certificate);
        let trusting = of_files(&[pem(&[one, two]), pem(&[three])]).unwrap();
        for root in &roots {
            let leaf = root.certify(&new_key(), &LeafSpec::default().lasting());
            assert_eq!(trusting.judge(&[leaf.der]), Ok(()));
        }
    }

    #[test]
    fn a_file_without_a_root_is_refused() {
        let missing = PathBuf::from("/nowhere/roots.pem");
        assert!(matches!(Roots::new(&[missing], 2), Err(TlsError::Roots { .. })));
        for text in [&b""[..], b"no certificate"] {
            assert!(matches!(of_files(&[text.to_vec()]), Err(TlsError::NoRoots { .. })));
        }
    }

    /// What trusts the roots in files with these texts.
    fn of_files(texts: &[Vec<u8>]) -> Result<Roots, TlsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = |(at, text): (usize, &Vec<u8>)| {
            let path = folder.path().join(at.to_string());
            std::fs::write(&path, text).unwrap();
            path
        };
        Roots::new(&texts.iter().enumerate().map(file).collect::<Vec<_>>(), 2)
    }

    fn of(roots: &[&Certificate]) -> Roots {
        of_files(&[pem(roots)]).unwrap()
    }
}
