//! What servers read, as a host told it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::install::answer::Answer;
use crate::install::outcome::{gave_up, words};

/// A file that a server's configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its path.
    pub path: String,
    /// A private key; else a certificate.
    pub is_key: bool,
    /// It is what certwave installs: the live version, or one of the links.
    pub ours: bool,
    /// The certificate (PEM) that is in it, where it is somebody else's.
    pub pem: Option<String>,
}

/// What a server reads besides a certificate, and that is for this one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BesideKind {
    /// An OCSP answer, which is stapled (RFC 6066, section 8).
    Ocsp,
    /// Signed certificate timestamps (RFC 6962, section 3.3).
    Sctl,
    /// The certificate of the issuer, by which an OCSP answer is checked.
    Issuer,
}

/// A file beside a certificate that the rollout switches. It stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// What is in it.
    pub kind: BesideKind,
    /// Its path.
    pub path: String,
}

/// What a server reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// Its configuration is not accepted as it is: its own words.
    pub broken: Option<String>,
    /// The files that it names; none where it does not tell.
    pub files: Vec<NamedFile>,
    /// It names others by variables: which these are is known only when a client comes.
    pub variable: bool,
    /// What its configuration says of connections that a reload meets, by the names of its settings.
    pub settings: BTreeMap<String, String>,
    /// What it reads beside certificates of ours.
    pub beside: Vec<Beside>,
}

impl Reads {
    /// Takes in a statement about one of the services, which says its number.
    pub(super) fn take_in(all: &mut [Self], (key, value): (&str, &str), answer: &Answer) -> Option<()> {
        let (number, rest) = value.split_once(' ').unwrap_or((value, ""));
        let number: usize = number.parse().ok()?;
        let reads = all.get_mut(number.checked_sub(1)?)?;
        match key {
            "broken" => {
                let its = if gave_up(rest) { "its test " } else { "" };
                reads.broken = Some(format!("{its}{}", words(rest)));
            }
            "variable" => reads.variable = true,
            "setting" => {
                let (name, value) = rest.split_once(' ')?;
                reads.settings.insert(name.to_owned(), value.to_owned());
            }
            "beside" => reads.beside.push(beside(rest)?),
            _ => {
                let pem = answer.block(&named_block(value)).map(str::to_owned);
                reads.files.push(named_file(rest, pem)?);
            }
        }
        Some(())
    }
}

/// `KIND PATH`
fn beside(text: &str) -> Option<Beside> {
    let (kind, path) = text.split_once(' ')?;
    let kind = match kind {
        "ocsp" => BesideKind::Ocsp,
        "sctl" => BesideKind::Sctl,
        "issuer" => BesideKind::Issuer,
        _ => return None,
    };
    Some(Beside { kind, path: path.to_owned() })
}

/// `NUMBER OWNER KIND PATH` → the block's name.
fn named_block(value: &str) -> String {
    let mut parts = value.splitn(4, ' ');
    let (number, path) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    format!("read {number} {path}")
}

fn named_file(text: &str, pem: Option<String>) -> Option<NamedFile> {
    let mut parts = text.splitn(3, ' ');
    let (owner, kind, path) = (parts.next()?, parts.next()?, parts.next()?);
    let pem = pem.filter(|pem| !pem.is_empty());
    Some(NamedFile { path: path.to_owned(), is_key: kind == "key", ours: owner == "ours", pem })
}
