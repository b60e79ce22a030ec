//! The servers that a playbook can name.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::service::{Command, Envoy, Haproxy, Nginx, Service};

/// What serves the certificate on a host, as plans save it. It answers as the [`Service`] that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceSpec {
    /// nginx.
    Nginx(Nginx),
    /// HAProxy.
    Haproxy(Haproxy),
    /// Envoy.
    Envoy(Envoy),
    /// Anything that a command reloads.
    Command(Command),
}

impl Deref for ServiceSpec {
    type Target = dyn Service;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Nginx(nginx) => nginx,
            Self::Haproxy(haproxy) => haproxy,
            Self::Envoy(envoy) => envoy,
            Self::Command(command) => command,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    /// One of each server after another, as plans save them: the compiler asks for one that is missing.
    fn after(server: Option<&ServiceSpec>) -> Option<Value> {
        Some(match server {
            None => {
                json!({"nginx": {"binary": "/usr/sbin/nginx", "prefix": null, "config": "/n.conf", "test": null,
                "reload": null}})
            }
            Some(ServiceSpec::Nginx(_)) => json!({"haproxy": {"sockets": ["/a.sock"],
                "certificates": [{"path": "/a.pem", "file": "combined.pem"}], "crt_list": null,
                "reload": {"master": "/m.sock"}, "binary": "/usr/sbin/haproxy", "config": "/h.cfg", "test": null,
                "bufsize": 16384}}),
            Some(ServiceSpec::Haproxy(_)) => json!({"envoy": {"watched": "/etc/certwave/live",
                "secrets": [{"sds": "/sds.yaml", "name": "api", "chain": ["/a.crt"], "key": ["/a.key"]}],
                "admin": "127.0.0.1:9901"}}),
            Some(ServiceSpec::Envoy(_)) => json!({"command": {"test": null, "reload": "true"}}),
            Some(ServiceSpec::Command(_)) => return None,
        })
    }

    fn one_of_each() -> Vec<(Value, ServiceSpec)> {
        let mut all: Vec<(Value, ServiceSpec)> = Vec::new();
        while let Some(saved) = after(all.last().map(|(_, server)| server)) {
            let server = serde_json::from_value(saved.clone()).unwrap();
            all.push((saved, server));
        }
        all
    }

    #[test]
    fn a_server_is_saved_under_its_own_word() {
        let all = one_of_each();
        for (saved, server) in &all {
            assert_eq!(serde_json::to_string(server).unwrap(), saved.to_string());
            assert!(saved.get(server.kind()).is_some(), "{saved} is no {}", server.kind());
        }
        let kinds: BTreeSet<&str> = all.iter().map(|(_, server)| server.kind()).collect();
        assert_eq!(kinds.len(), all.len());
    }

    #[test]
    fn a_script_defines_what_is_asked_of_it_and_reads_what_it_is_told() {
        for (_, server) in one_of_each() {
            let (kind, script) = (server.kind(), server.script());
            for function in ["hook_facts", "hook_test", "hook_reload"] {
                let defined =
                    script.lines().filter(|line| line.starts_with(&format!("{function}() {{"))).count();
                assert_eq!(defined, 1, "{kind}: {function}");
            }
            let mut names = BTreeSet::new();
            for (name, _) in server.variables() {
                assert!(names.insert(name) && name != "patience", "{kind}: `{name}` is set twice");
                assert!(
                    script.contains(&format!("${name}")) || script.contains(&format!("${{{name}")),
                    "{kind}: {name}"
                );
            }
            assert_eq!(server.settings(7).last(), Some(&("patience", "7".to_owned())));
        }
    }

    #[test]
    fn what_is_done_to_a_server_is_told_unless_the_link_does_it() {
        for (_, server) in one_of_each() {
            let (kind, actions) = (server.kind(), server.actions());
            assert_eq!(server.follows_the_link(), actions.is_empty(), "{kind}");
            assert!(!server.has_test() || actions.len() > 1, "{kind}: a test, and what follows");
        }
    }
}
