//! The file that Envoy reads its secret from (secret discovery service, SDS).
//!
//! The one layout that reloads when a link is switched: certificate and key by file name, and
//! `watched_directory` on the folder that the link is in (Envoy's `TlsCertificate` message).

use crate::model::HostPath;
use crate::service::{Envoy, EnvoySecret};
use crate::yaml::{Node, Problems, Sources, Value, parse};

impl Envoy {
    /// What the SDS file of a secret should say.
    pub fn sds_text(&self, secret: &EnvoySecret) -> String {
        let quoted = |path: Option<&HostPath>| {
            serde_json::Value::from(path.map(HostPath::as_str).unwrap_or_default()).to_string()
        };
        format!(
            "# Written by certwave. Envoy reads the files anew when a link in the watched folder changes.\nresources:\n\
             - \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  name: {}\n  \
             tls_certificate:\n    certificate_chain: {{filename: {}}}\n    private_key: {{filename: {}}}\n    \
             watched_directory: {{path: {}}}\n",
            serde_json::Value::from(secret.name.as_str()),
            quoted(secret.chain.first()),
            quoted(secret.key.first()),
            quoted(Some(&self.watched)),
        )
    }

    /// Whether an SDS file that is there makes Envoy take new certificates by itself; all that is to be changed
    /// in it otherwise.
    pub fn check(&self, wanted: &EnvoySecret, text: &str) -> Vec<String> {
        let sds = &wanted.sds;
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add(sds.as_str(), text);
        let Some(root) = parse(&sources, id, &mut problems) else {
            let reason = problems.sorted().first().map(|problem| problem.message.clone()).unwrap_or_default();
            return vec![format!("`{sds}` cannot be read: {reason}")];
        };
        let secrets: Vec<&Node> = match at(&root, &["resources"]).map(|node| &node.value) {
            Some(Value::Sequence(secrets)) => secrets.iter().collect(),
            _ => Vec::new(),
        };
        let name = &wanted.name;
        match secrets.iter().find(|secret| text_at(secret, &["name"]) == Some(name)) {
            None => vec![format!("`{sds}` holds no secret `{name}`: add it, or name another as `secret`")],
            Some(_) if secrets.len() > 1 => vec![format!(
                "`{sds}` holds {} secrets, and Envoy takes only one from a file: give each a file of its own",
                secrets.len()
            )],
            Some(secret) => self.check_secret(secret, wanted),
        }
    }

    fn check_secret(&self, secret: &Node, wanted: &EnvoySecret) -> Vec<String> {
        let (sds, name) = (&wanted.sds, &wanted.name);
        let mut wrong = Vec::new();
        for (key, paths) in [("certificate_chain", &wanted.chain), ("private_key", &wanted.key)] {
            let leads = |path: &str| path.parse::<HostPath>().is_ok_and(|path| paths.contains(&path));
            let should = paths.first().map(HostPath::as_str).unwrap_or_default();
            match text_at(secret, &["tls_certificate", key, "filename"]) {
                Some(path) if leads(path) => {}
                Some(path) => wrong.push(format!(
                    "`{key}` of secret `{name}` in `{sds}` is `{path}`, which does not lead to the live version: write `filename: {should}`, or make it one of `install: links`"
                )),
                None => wrong.push(format!(
                    "`{key}` of secret `{name}` in `{sds}` names no file: write `filename: {should}`, since what is written into the file itself is never read again"
                )),
            }
        }
        let watched = text_at(secret, &["tls_certificate", "watched_directory", "path"]);
        let is_watched =
            watched.and_then(|path| path.parse::<HostPath>().ok()).as_ref() == Some(&self.watched);
        if !is_watched {
            wrong.push(format!(
                "secret `{name}` in `{sds}` does not watch `{}`, so that Envoy would not notice a new version: add `watched_directory: {{path: {}}}` to its `tls_certificate`",
                self.watched, self.watched
            ));
        }
        wrong
    }
}

fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| match &node.value {
        Value::Mapping(entries) => entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value),
        _ => None,
    })
}

fn text_at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n str> {
    match &at(node, path)?.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envoy() -> Envoy {
        let path = |text: &str| text.parse::<HostPath>().unwrap();
        Envoy {
            watched: path("/etc/certwave/live"),
            secrets: vec![EnvoySecret {
                sds: path("/etc/envoy/sds.yaml"),
                name: "server_cert".to_owned(),
                chain: vec![path("/etc/certwave/live/a.test/fullchain.pem"), path("/etc/ssl/a.crt")],
                key: vec![path("/etc/certwave/live/a.test/privkey.pem"), path("/etc/ssl/a.key")],
            }],
            admin: None,
        }
    }

    #[test]
    fn what_is_written_passes_its_own_check() {
        let envoy = envoy();
        let secret = &envoy.secrets[0];
        assert_eq!(envoy.check(secret, &envoy.sds_text(secret)), Vec::<String>::new());
        let linked = envoy
            .sds_text(secret)
            .replace("/etc/certwave/live/a.test/fullchain.pem", "/etc/ssl/a.crt")
            .replace("/etc/certwave/live/a.test/privkey.pem", "/etc/ssl/a.key");
        assert_eq!(envoy.check(secret, &linked), Vec::<String>::new());
        let json = r#"{"resources": [{"@type": "x", "name": "server_cert", "tls_certificate": {
            "certificate_chain": {"filename": "/etc/ssl/a.crt"}, "private_key": {"filename": "/etc/ssl/a.key"},
            "watched_directory": {"path": "/etc/certwave/live/"}}}]}"#;
        assert_eq!(envoy.check(secret, json), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_work_is_told_with_what_to_change() {
        let envoy = envoy();
        let secret = &envoy.secrets[0];
        let text = envoy.sds_text(secret);
        let inline = "resources:\n- name: server_cert\n  tls_certificate:\n    certificate_chain: {inline_string: x}\n    private_key: {inline_string: y}\n";
        let findings = [
            envoy.check(secret, &text.replace("server_cert", "other")),
            envoy.check(secret, &text.replace("/live/a.test/fullchain", "/live/b.test/fullchain")),
            envoy.check(
                secret,
                &text.replace("path: \"/etc/certwave/live\"", "path: \"/etc/certwave/live/a.test\""),
            ),
            envoy.check(secret, inline),
            envoy.check(secret, &text.replace("/live/a.test/privkey.pem", "/live/a.test/fullchain.pem")),
            envoy.check(secret, &format!("{text}- name: other\n")),
            envoy.check(secret, "a: [\n"),
            envoy.check(secret, ""),
        ];
        let findings: Vec<String> = findings.iter().map(|found| found.join("\n")).collect();
        insta::assert_snapshot!(findings.join("\n\n"), @r#"
`/etc/envoy/sds.yaml` holds no secret `server_cert`: add it, or name another as `secret`

`certificate_chain` of secret `server_cert` in `/etc/envoy/sds.yaml` is `/etc/certwave/live/b.test/fullchain.pem`, which does not lead to the live version: write `filename: /etc/certwave/live/a.test/fullchain.pem`, or make it one of `install: links`

secret `server_cert` in `/etc/envoy/sds.yaml` does not watch `/etc/certwave/live`, so that Envoy would not notice a new version: add `watched_directory: {path: /etc/certwave/live}` to its `tls_certificate`

`certificate_chain` of secret `server_cert` in `/etc/envoy/sds.yaml` names no file: write `filename: /etc/certwave/live/a.test/fullchain.pem`, since what is written into the file itself is never read again
`private_key` of secret `server_cert` in `/etc/envoy/sds.yaml` names no file: write `filename: /etc/certwave/live/a.test/privkey.pem`, since what is written into the file itself is never read again
secret `server_cert` in `/etc/envoy/sds.yaml` does not watch `/etc/certwave/live`, so that Envoy would not notice a new version: add `watched_directory: {path: /etc/certwave/live}` to its `tls_certificate`

`private_key` of secret `server_cert` in `/etc/envoy/sds.yaml` is `/etc/certwave/live/a.test/fullchain.pem`, which does not lead to the live version: write `filename: /etc/certwave/live/a.test/privkey.pem`, or make it one of `install: links`

`/etc/envoy/sds.yaml` holds 2 secrets, and Envoy takes only one from a file: give each a file of its own

`/etc/envoy/sds.yaml` cannot be read: not valid YAML: unclosed bracket '['

`/etc/envoy/sds.yaml` holds no secret `server_cert`: add it, or name another as `secret`
"#);
    }
}
