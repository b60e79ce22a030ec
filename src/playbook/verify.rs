//! `verify:` where the certificate is seen, and how long that may take.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::{DnsName, Port};
use crate::playbook::client::ClientKeys;
use crate::playbook::template::Template;
use crate::verify::{StartTls, Via};
use crate::yaml::{Fields, FromNode, Node, OneOrMany, Problem, Problems, Spanned};

/// What is dialled. What is not given is taken from the playbook's `verify`, then from the reference.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VerifySettings {
    /// TCP ports; else 443.
    pub port: Option<OneOrMany<Template>>,
    /// The names asked for, which count whatever was served before; else every name of the certificate that the host serves.
    pub server_name: Option<OneOrMany<Template>>,
    /// Dialled besides the host's own address.
    pub addresses: Option<OneOrMany<Template>>,
    /// So many answers in a row prove an endpoint; else 3.
    pub answers: Option<u32>,
    /// So many handshakes may fail while a host is switched; else none. Those that a restart explains do not count.
    pub at_most_failed: Option<u32>,
    /// How long a host may take to serve the new certificate; else 30 s.
    pub timeout: Option<Duration>,
    /// From where it is dialled; else from the controller.
    pub via: Option<Via>,
    /// How TLS is asked for, where the connection begins in the clear.
    pub starttls: Option<StartTls>,
    /// A PEM file with roots trusted besides the system's; only in the playbook's own `verify`.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// How handshakes are made with a listener that does not take everybody.
    pub client: ClientKeys,
}

impl FromNode for Via {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        match String::from_node(node, problems)?.as_str() {
            "direct" => Some(Via::Direct),
            "ssh" => Some(Via::Ssh),
            other => {
                problems.push(
                    Problem::at(node.span, format!("`{other}` is not a way to dial"))
                        .hint("`direct` dials from the controller, `ssh` from the host itself"),
                );
                None
            }
        }
    }
}

impl FromNode for StartTls {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::from_node(node, problems)?;
        text.parse()
            .map_err(|error: String| {
                let all = StartTls::ALL.map(|one| format!("`{one}`")).join(", ");
                problems.push(Problem::at(node.span, error).hint(format!("one of {all}")));
            })
            .ok()
    }
}

impl FromNode for VerifySettings {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "`verify`", problems)?;
        let settings = Self {
            port: fields.optional("port", problems),
            server_name: fields.optional("server_name", problems),
            addresses: fields.optional("addresses", problems),
            answers: fields.optional::<Spanned<u32>>("answers", problems).map(|answers| {
                if answers.value == 0 {
                    problems
                        .push(Problem::at(answers.span, "without an answer nothing is proven").hint(
                            "so many answers in a row must show the new certificate; 3 unless you say",
                        ));
                }
                answers.value
            }),
            at_most_failed: fields.optional("at_most_failed", problems),
            timeout: fields.optional("timeout", problems),
            via: fields.optional("via", problems),
            starttls: fields.optional("starttls", problems),
            ca_file: fields
                .optional::<Spanned<String>>("ca_file", problems)
                .map(|path| Spanned { value: PathBuf::from(path.value), span: path.span }),
            client: ClientKeys::of(&mut fields, problems),
        };
        fields.finish(problems);
        settings.port.iter().flat_map(|all| &all.0).for_each(|port| port.check::<Port>(problems));
        settings.server_name.iter().flat_map(|all| &all.0).for_each(|name| name.check::<DnsName>(problems));
        Some(settings)
    }
}
