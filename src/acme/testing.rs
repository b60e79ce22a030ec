//! Secret files in memory, and what is ordered from a CA that is never asked.

use std::collections::BTreeMap;
use std::sync::Mutex;

use instant_acme::{Error, Problem};

use crate::acme::request::Request;
use crate::certificate::KeyType;
use crate::model::{DnsName, Secret};
use crate::plan::{PlannedAcme, PlannedChallenge};
use crate::ports::{HeldLease, KeepError, LeaseToken, SecretFiles, StoreError};

/// Files, and what became of them.
#[derive(Default)]
pub(super) struct Files {
    pub(super) content: Mutex<BTreeMap<String, Vec<u8>>>,
    /// The names that were written, one after the other.
    pub(super) written: Mutex<Vec<String>>,
}

impl Files {
    /// The names of those that are there.
    pub(super) fn names(&self) -> Vec<String> {
        self.content.lock().unwrap().keys().cloned().collect()
    }
}

impl SecretFiles for Files {
    fn read(&self, name: &str) -> Result<Option<Secret>, KeepError> {
        Ok(self.content.lock().unwrap().get(name).cloned().map(Secret::new))
    }

    fn write(&self, name: &str, secret: &Secret) -> Result<(), KeepError> {
        self.written.lock().unwrap().push(name.to_owned());
        self.content.lock().unwrap().insert(name.to_owned(), secret.expose().to_vec());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), KeepError> {
        let mut content = self.content.lock().unwrap();
        let moved = content.remove(from).unwrap();
        content.insert(to.to_owned(), moved);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), KeepError> {
        self.content.lock().unwrap().remove(name);
        Ok(())
    }
}

/// A lease that nobody takes.
#[derive(Debug)]
struct Ours;

impl HeldLease for Ours {
    fn token(&self) -> &LeaseToken {
        unreachable!("nothing is written")
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(super) fn issuer() -> PlannedAcme {
    PlannedAcme {
        name: "ca".to_owned(),
        directory: "https://ca.test:14000/dir".to_owned(),
        contact: vec!["mailto:ops@example.com".to_owned()],
        profile: None,
        ca_file: None,
        challenge: PlannedChallenge::Listen("192.0.2.1:80".parse().unwrap()),
    }
}

pub(super) fn names(names: &[&str]) -> Vec<DnsName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub(super) fn request<'a>(
    (issuer, domains, key): (&'a PlannedAcme, &'a [DnsName], KeyType),
    files: &'a Files,
) -> Request<'a> {
    Request { issuer, domains, key, accounts: files, lease: &Ours, orders: files }
}

/// What a server refuses with.
pub(super) fn refusal(kind: Option<&str>, status: Option<u16>) -> Error {
    Error::Api(Problem {
        r#type: kind.map(|kind| format!("urn:ietf:params:acme:error:{kind}")),
        detail: Some("because".to_owned()),
        status,
        subproblems: Vec::new(),
    })
}
