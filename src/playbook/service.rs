//! `services:` what serves the certificate on which hosts.

use crate::model::HostPath;
use crate::playbook::envoy::{self, EnvoySettings};
use crate::playbook::haproxy::{self, HaproxySettings};
use crate::playbook::template::Template;
use crate::playbook::verify::VerifySettings;
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Spanned};

/// One kind of server on a set of hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// A host pattern.
    pub hosts: Spanned<String>,
    /// What it is.
    pub kind: ServiceKind,
    /// Where its certificate is seen, in what differs from the playbook's `verify`.
    pub verify: VerifySettings,
}

/// How a server is tested and reloaded.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceKind {
    /// nginx, by its own binary unless commands are given.
    Nginx {
        /// The binary; else `/usr/sbin/nginx`.
        binary: Option<Template>,
        /// `-p`
        prefix: Option<Template>,
        /// `-c`
        config: Option<Template>,
        /// Instead of `nginx -t`.
        test: Option<Template>,
        /// Instead of `nginx -s reload`.
        reload: Option<Template>,
    },
    /// HAProxy, in its memory and on its disk.
    Haproxy(Box<HaproxySettings>),
    /// Envoy, by its secret discovery service.
    Envoy(Box<EnvoySettings>),
    /// Anything else.
    Command {
        /// Must succeed before and after the switch, or nothing is reloaded.
        test: Option<Template>,
        /// Makes the server use the new files.
        reload: Template,
    },
}

impl FromNode for Service {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "a service", problems)?;
        let hosts = fields.required("hosts", problems);
        let kinds = [
            fields.present("nginx").map(|node| nginx(node, problems)),
            fields.present("haproxy").map(|node| haproxy::read(node, problems).map(ServiceKind::Haproxy)),
            fields.present("envoy").map(|node| envoy::read(node, problems).map(ServiceKind::Envoy)),
            fields.present("command").map(|node| command(node, problems)),
        ];
        let verify = fields.optional("verify", problems).unwrap_or_default();
        fields.finish(problems);
        let given: Vec<_> = kinds.into_iter().flatten().collect();
        let several = given.len() > 1;
        let kind = match given.into_iter().next() {
            Some(_) if several => {
                problems.push(
                    Problem::at(
                        node.head(),
                        "a service is one of `nginx`, `haproxy`, `envoy` and `command`, not several",
                    )
                    .hint("write one service for each, with the same hosts"),
                );
                None
            }
            Some(kind) => kind,
            None => {
                problems.push(
                    Problem::at(node.head(), "a service needs to say what it is").hint(
                        "add `nginx: {}`, `haproxy: {…}` or `envoy: {…}`, or `command: {reload: …}` for anything else",
                    ),
                );
                None
            }
        };
        Some(Self { hosts: hosts?, kind: kind?, verify })
    }
}

fn nginx(node: &Node, problems: &mut Problems) -> Option<ServiceKind> {
    let mut fields = Fields::of(node, "`nginx`", problems)?;
    let mut path = |key| -> Option<Template> {
        let path: Option<Template> = fields.optional(key, problems);
        path.inspect(|path| path.check::<HostPath>(problems))
    };
    let (binary, prefix, config) = (path("binary"), path("prefix"), path("config"));
    let kind = ServiceKind::Nginx {
        binary,
        prefix,
        config,
        test: fields.optional("test", problems),
        reload: fields.optional("reload", problems),
    };
    fields.finish(problems);
    Some(kind)
}

fn command(node: &Node, problems: &mut Problems) -> Option<ServiceKind> {
    let mut fields = Fields::of(node, "`command`", problems)?;
    let test = fields.optional("test", problems);
    let reload = fields.required("reload", problems);
    fields.finish(problems);
    Some(ServiceKind::Command { test, reload: reload? })
}
