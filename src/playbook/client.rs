//! `verify:` how handshakes are made with a listener that does not take everybody.

use std::path::PathBuf;

use crate::verify::{ClientSettings, HandshakeRate, ProxyProtocol};
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Spanned};

/// What is not given is taken from the playbook's `verify`; else nothing is shown, offered, sent or limited.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientKeys {
    /// What is shown where the server asks for a client certificate.
    pub client_certificate: Option<ClientCertificateFiles>,
    /// What is offered by ALPN, the liked ones first.
    pub alpn: Option<Vec<String>>,
    /// The header that comes first.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How many handshakes are made with one address and port.
    pub rate: Option<Spanned<HandshakeRate>>,
}

/// A certificate for clients and its key, in PEM files on the controller.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientCertificateFiles {
    /// The certificate, and what else is to be sent of its chain.
    pub certificate: Spanned<PathBuf>,
    /// Its private key, not encrypted.
    pub key: Spanned<PathBuf>,
}

impl ClientKeys {
    /// Takes its keys out of a `verify`.
    pub(super) fn of(fields: &mut Fields<'_>, problems: &mut Problems) -> Self {
        Self {
            client_certificate: fields.optional("client_certificate", problems),
            alpn: fields.node("alpn").and_then(|node| alpn(node, problems)),
            proxy_protocol: fields.optional("proxy_protocol", problems),
            rate: fields.optional("rate", problems),
        }
    }
}

impl FromNode for ClientCertificateFiles {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "`client_certificate`", problems)?;
        let mut file = |key| {
            let path: Option<Spanned<String>> = fields.required(key, problems);
            path.map(|path| Spanned { value: PathBuf::from(path.value), span: path.span })
        };
        let (certificate, key) = (file("certificate"), file("key"));
        fields.finish(problems);
        Some(Self { certificate: certificate?, key: key? })
    }
}

impl FromNode for ProxyProtocol {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::from_node(node, problems)?;
        let read = text.parse();
        read.map_err(|error: String| problems.push(Problem::at(node.span, error).hint("`v1` or `v2`"))).ok()
    }
}

impl FromNode for HandshakeRate {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::from_node(node, problems)?;
        let hint = "so many handshakes with one address and port are made in that time";
        text.parse().map_err(|error: String| problems.push(Problem::at(node.span, error).hint(hint))).ok()
    }
}

fn alpn(node: &Node, problems: &mut Problems) -> Option<Vec<String>> {
    let before = problems.len();
    let offered: Vec<Spanned<String>> = match &node.value {
        crate::yaml::Value::Sequence(_) => Vec::from_node(node, problems)?,
        _ => vec![Spanned::from_node(node, problems)?],
    };
    if offered.is_empty() {
        problems.push(Problem::at(node.span, "`alpn` is empty").hint(
            "name what the server speaks, such as `[h2, http/1.1]`, or leave `alpn` out to offer nothing",
        ));
    }
    for (at, Spanned { value, span }) in offered.iter().enumerate() {
        if !ClientSettings::is_protocol(value) {
            problems.push(Problem::at(*span, format!("`{value}` is not a protocol of ALPN")).hint(
                "IANA's list of protocol IDs has their names, such as `h2`, `http/1.1` or `xmpp-client`",
            ));
        } else if offered[..at].iter().any(|earlier| earlier.value == *value) {
            problems.push(Problem::at(*span, format!("`{value}` is offered twice")));
        }
    }
    (problems.len() == before).then(|| offered.into_iter().map(|one| one.value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::VerifySettings;
    use crate::yaml::{Sources, parse};

    fn read(text: &str) -> Result<ClientKeys, Vec<String>> {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add("playbook.yaml", text);
        let node = parse(&sources, id, &mut problems).unwrap();
        let settings = VerifySettings::from_node(&node, &mut problems).map(|settings| settings.client);
        let told = || {
            let told = |problem: &&Problem| {
                let (line, column) = sources.line_column(problem.span.unwrap());
                format!("{line}:{column} {}", problem.message)
            };
            problems.sorted().iter().map(told).collect()
        };
        problems.none_or(settings).ok_or_else(told)
    }

    #[test]
    fn the_keys_are_read_and_none_need_be_given() {
        assert_eq!(read("port: 443").unwrap(), ClientKeys::default());
        let all = "client_certificate: {certificate: a.pem, key: a.key}\nalpn: [h2, http/1.1]\nproxy_protocol: v2\nrate: 5/s";
        let keys = read(all).unwrap();
        let files = keys.client_certificate.unwrap();
        assert_eq!((files.certificate.value, files.key.value), ("a.pem".into(), "a.key".into()));
        assert_eq!(keys.alpn.unwrap(), ["h2", "http/1.1"]);
        assert_eq!(keys.proxy_protocol, Some(ProxyProtocol::V2));
        assert_eq!(keys.rate.unwrap().value, "5/s".parse().unwrap());
        assert_eq!(read("proxy_protocol: v1").unwrap().proxy_protocol, Some(ProxyProtocol::V1));
        assert_eq!(read("alpn: xmpp-client").unwrap().alpn.unwrap(), ["xmpp-client"]);
    }

    #[test]
    fn what_cannot_be_meant_is_told_where_it_stands() {
        for (text, told) in [
            ("proxy_protocol: v3", "1:17 `v3` is not a version of the PROXY protocol"),
            ("proxy_protocol: 2", "1:17 `2` is not a version of the PROXY protocol"),
            ("alpn: []", "1:7 `alpn` is empty"),
            ("alpn: [h2, \"\"]", "1:12 `` is not a protocol of ALPN"),
            ("alpn: [h2, http/1.1, h2]", "1:22 `h2` is offered twice"),
            ("alpn: [\"a b\"]", "1:8 `a b` is not a protocol of ALPN"),
            ("alpn: {a: b}", "1:7 expected a text, found a mapping"),
            ("rate: 5", "1:7 `5` is not a rate: write handshakes and a time, such as `5/s` or `30/m`"),
            ("rate: fast", "1:7 `fast` is not a rate: write handshakes and a time, such as `5/s` or `30/m`"),
            ("rate: 0/s", "1:7 `0/s` would allow no handshake, or any number of them"),
            (
                "client_certificate: a.pem",
                "1:21 expected `client_certificate`, a mapping of keys to values, found `a.pem`",
            ),
            ("client_certificate: {certificate: a.pem}", "1:22 `client_certificate` needs the key `key`"),
            (
                "client_certificate: {certificate: a.pem, key: a.key, password: x}",
                "1:54 unknown key `password` in `client_certificate`",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), [told], "{text}");
        }
    }
}
