//! `services:` what serves the certificate on which hosts.

mod command;
mod envoy;
mod haproxy;
mod nginx;

use crate::playbook::VerifySettings;
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Spanned};

pub use command::CommandSettings;
pub use envoy::EnvoySettings;
pub use haproxy::{HaproxySettings, ReloadBy};
pub use nginx::NginxSettings;

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
    /// nginx, by its own program unless commands are given.
    Nginx(NginxSettings),
    /// HAProxy, in its memory and on its disk.
    Haproxy(Box<HaproxySettings>),
    /// Envoy, by its secret discovery service.
    Envoy(Box<EnvoySettings>),
    /// Anything else.
    Command(CommandSettings),
}

type Read = fn(&Node, &mut Problems) -> Option<ServiceKind>;

/// The servers: each with its key, what that holds at least, and how that is read. The last is for all others.
const SERVERS: [(&str, &str, Read); 4] = [
    ("nginx", "{}", nginx::read),
    ("haproxy", "{…}", haproxy::read),
    ("envoy", "{…}", envoy::read),
    ("command", "{reload: …}", command::read),
];

impl FromNode for Service {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "a service", problems)?;
        let hosts = fields.required("hosts", problems);
        let given = SERVERS.iter().filter_map(|(key, _, read)| Some(read(fields.present(key)?, problems)));
        let mut given: Vec<Option<ServiceKind>> = given.collect();
        let verify = fields.optional("verify", problems).unwrap_or_default();
        fields.finish(problems);
        let kind = match given.len() {
            0 => {
                problems.push(none_given(node));
                None
            }
            1 => given.remove(0),
            _ => {
                problems.push(several_given(node));
                None
            }
        };
        Some(Self { hosts: hosts?, kind: kind?, verify })
    }
}

fn none_given(node: &Node) -> Problem {
    let examples = SERVERS.map(|(key, least, _)| format!("`{key}: {least}`"));
    let [named @ .., other] = &examples;
    let hint = format!("add {}, or {other} for anything else", joined(named, "or"));
    Problem::at(node.head(), "a service needs to say what it is").hint(hint)
}

fn several_given(node: &Node) -> Problem {
    let keys = SERVERS.map(|(key, ..)| format!("`{key}`"));
    Problem::at(node.head(), format!("a service is one of {}, not several", joined(&keys, "and")))
        .hint("write one service for each, with the same hosts")
}

/// The names in one sentence, with a word before the last.
fn joined(names: &[String], word: &str) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} {word} {last}", first.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Sources, parse};

    fn problem(text: &str) -> (String, Option<String>) {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add("playbook.yaml", text);
        let node = parse(&sources, id, &mut problems).unwrap();
        assert_eq!(Service::from_node(&node, &mut problems), None);
        let problem = problems.sorted()[0].clone();
        (problem.message, problem.hint)
    }

    #[test]
    fn a_service_is_one_server() {
        let (none, examples) = problem("hosts: all");
        assert_eq!(none, "a service needs to say what it is");
        assert_eq!(
            examples.unwrap(),
            "add `nginx: {}`, `haproxy: {…}` or `envoy: {…}`, or `command: {reload: …}` for anything else"
        );
        let (several, _) = problem("{hosts: all, nginx: {}, command: {reload: x}}");
        assert_eq!(several, "a service is one of `nginx`, `haproxy`, `envoy` and `command`, not several");
    }
}
