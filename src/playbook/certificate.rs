//! `certificate:` what is issued, and when it is due.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::certificate::KeyType;
use crate::install::Layout;
use crate::model::{CertificateName, DnsName};
use crate::yaml::{Fields, FromNode, Node, OneOrMany, Problem, Problems, Spanned, Value};

/// The certificate that a playbook is about.
#[derive(Debug, Clone, PartialEq)]
pub struct CertificateSettings {
    /// What it is called in the store and on hosts: `name`, else the first domain.
    pub name: CertificateName,
    /// The names that it covers; at least one.
    pub domains: Vec<DnsName>,
    /// The same, with where each was written.
    pub(super) written: Vec<Spanned<DnsName>>,
    /// The kinds of keys that are made for it: one, or two of different algorithms (dual certificates).
    pub keys: Vec<KeyType>,
    /// When it is due.
    pub renew: Renew,
}

/// When a certificate is due to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renew {
    /// When a third of its lifetime is left.
    #[default]
    Auto,
    /// That long before it expires.
    Before(Duration),
}

impl FromNode for Renew {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if scalar.text == "auto" => Some(Renew::Auto),
            _ => Duration::from_node(node, problems).map(Renew::Before),
        }
    }
}

impl FromNode for KeyType {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::from_node(node, problems)?;
        text.parse()
            .map_err(|_| {
                problems.push(
                    Problem::at(node.span, format!("`{text}` is not a kind of key"))
                        .hint("one of `ecdsa-p256`, `ecdsa-p384`, `rsa-2048`, `rsa-3072` and `rsa-4096`"),
                );
            })
            .ok()
    }
}

impl FromNode for CertificateSettings {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "`certificate`", problems)?;
        let domains: Option<Vec<Spanned<DnsName>>> = fields.required("domains", problems);
        let name: Option<Spanned<CertificateName>> = fields.optional("name", problems);
        let keys = fields.optional::<OneOrMany<Spanned<KeyType>>>("key", problems);
        let keys = keys.map_or_else(|| vec![KeyType::default()], |keys| checked(&keys.0, problems));
        let renew = fields.optional("renew", problems).unwrap_or_default();
        fields.finish(problems);
        let domains = domains?;
        let Some(first) = domains.first() else {
            problems.push(Problem::at(node.span, "a certificate needs at least one domain"));
            return None;
        };
        for (at, domain) in domains.iter().enumerate() {
            if domains[..at].iter().any(|earlier| earlier.value == domain.value) {
                problems
                    .push(Problem::at(domain.span, format!("the domain `{}` is given twice", domain.value)));
            }
        }
        let name = name.unwrap_or_else(|| Spanned {
            value: CertificateName::from_domain(&first.value),
            span: first.span,
        });
        problems.extend(too_long(&name));
        let name = name.value;
        let plain = domains.iter().map(|domain| domain.value.clone()).collect();
        Some(Self { name, domains: plain, written: domains, keys, renew })
    }
}

/// What is wrong with a name whose files no host could make.
fn too_long(name: &Spanned<CertificateName>) -> Option<Problem> {
    let (length, longest) = (name.value.as_str().len(), Layout::LONGEST_NAME);
    let message =
        format!("a certificate's name of {length} characters is too long: hosts have files called after it");
    let hint = format!("give it a name of at most {longest} characters: `certificate: {{name: …}}`");
    (length > longest).then(|| Problem::at(name.span, message).hint(hint))
}

/// A server chooses between two certificates by the algorithm of their keys, so one of each is all there can be.
fn checked(keys: &[Spanned<KeyType>], problems: &mut Problems) -> Vec<KeyType> {
    for (at, key) in keys.iter().enumerate() {
        let algorithm = key.value.algorithm();
        if let Some(earlier) = keys[..at].iter().find(|earlier| earlier.value.algorithm() == algorithm) {
            problems.push(
                Problem::at(
                    key.span,
                    format!("`{}` and `{}` are both {algorithm}", earlier.value, key.value),
                )
                .hint("a server can have one ECDSA and one RSA certificate: `key: [ecdsa-p256, rsa-2048]`"),
            );
        }
    }
    keys.iter().map(|key| key.value).collect()
}
