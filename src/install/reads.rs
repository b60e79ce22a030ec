//! What servers read, as a host told it.

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

/// What a server reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reads {
    /// Its configuration is not accepted as it is: its own words.
    pub broken: Option<String>,
    /// The files that it names; none where it does not tell.
    pub files: Vec<NamedFile>,
    /// It names others by variables: which these are is known only when a client comes.
    pub variable: bool,
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
            _ => {
                let pem = answer.block(&named_block(value)).map(str::to_owned);
                reads.files.push(named_file(rest, pem)?);
            }
        }
        Some(())
    }
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
