//! Where a certificate comes from: an ACME server, or files made elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::{DnsName, HostPath};
use crate::playbook::template::Template;
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Spanned, Value};

/// ACME servers that have a name of their own, and the URLs of their directories.
const SERVERS: [(&str, &str); 2] = [
    ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
];

/// One entry of `issuers:`.
#[derive(Debug, Clone, PartialEq)]
pub enum Issuer {
    /// Ordered from an ACME server (RFC 8555).
    Acme(AcmeIssuer),
    /// A certificate and its key that come from elsewhere.
    Files(FilesIssuer),
}

/// An ACME server and how to prove to it that the domains are ours.
#[derive(Debug, Clone, PartialEq)]
pub struct AcmeIssuer {
    /// What the playbook calls it: a known name, or the URL.
    pub name: String,
    /// The URL of its directory (RFC 8555, section 7.1.1).
    pub directory: String,
    /// `mailto:` URLs of the account; may be empty.
    pub contact: Vec<String>,
    /// The server's profile to order, if any (draft-ietf-acme-profiles).
    pub profile: Option<String>,
    /// PEM certificates trusted for the server besides the system's; relative to the playbook.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// The challenge to answer.
    pub challenge: Http01,
}

/// How the HTTP-01 challenge is answered (RFC 8555, section 8.3).
#[derive(Debug, Clone, PartialEq)]
pub enum Http01 {
    /// By certwave itself, listening at this address. The domains must lead here, from port 80.
    Listen(SocketAddr),
    /// By the hosts' own web servers: the token is pushed to them over SSH.
    Push {
        /// Pattern of the hosts that answer for the domains.
        hosts: Spanned<String>,
        /// The folder on each host that holds `.well-known`; may hold `{{ var }}`, and is a
        /// [`HostPath`] once those are filled in.
        webroot: Template,
    },
}

/// A certificate and its key in files, relative to the playbook.
#[derive(Debug, Clone, PartialEq)]
pub struct FilesIssuer {
    /// The chain in PEM, leaf first.
    pub certificate: Spanned<PathBuf>,
    /// The private key in PEM, not encrypted.
    pub key: Spanned<PathBuf>,
}

impl Issuer {
    /// Notes the domains that this issuer can never give: HTTP-01 cannot prove a wildcard.
    pub fn check_domains(&self, domains: &[Spanned<DnsName>], problems: &mut Problems) {
        let Issuer::Acme(issuer) = self else { return };
        for domain in domains.iter().filter(|domain| domain.value.as_str().starts_with("*.")) {
            problems.push(
                Problem::at(
                    domain.span,
                    format!("`{}` cannot issue the wildcard `{}` by `http-01`", issuer.name, domain.value),
                )
                .hint("list the names that it stands for, or take the certificate from a `files` issuer"),
            );
        }
    }
}

impl FromNode for Issuer {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let has = |key: &str| match &node.value {
            Value::Mapping(entries) => entries.iter().any(|entry| entry.key == key),
            _ => false,
        };
        match (has("acme"), has("files")) {
            (true, false) => acme(node, problems).map(Issuer::Acme),
            (false, true) => {
                let mut fields = Fields::of(node, "a `files` issuer", problems)?;
                let files = fields.required("files", problems);
                fields.finish(problems);
                files.map(Issuer::Files)
            }
            (true, true) => {
                problems.push(
                    Problem::at(node.span, "an issuer is either `acme` or `files`, not both")
                        .hint("make two issuers of it: they are tried in order"),
                );
                None
            }
            (false, false) => {
                // Asking for the keys lets `finish` suggest the one that was meant.
                let mut fields = Fields::of(node, "an issuer", problems)?;
                for key in ["acme", "files", "contact", "profile", "ca_file", "challenge"] {
                    fields.node(key);
                }
                fields.finish(problems);
                problems.push(
                    Problem::at(node.span, "an issuer needs the key `acme` or `files`").hint(
                        "`acme: letsencrypt` orders one; `files: {certificate: PATH, key: PATH}` takes one from elsewhere",
                    ),
                );
                None
            }
        }
    }
}

fn acme(node: &Node, problems: &mut Problems) -> Option<AcmeIssuer> {
    let mut fields = Fields::of(node, "an `acme` issuer", problems)?;
    let server = fields.required("acme", problems).and_then(|name| server(name, problems));
    let mails: Vec<Spanned<String>> = fields.optional("contact", problems).unwrap_or_default();
    let contact: Vec<Option<String>> = mails.into_iter().map(|mail| mail_url(mail, problems)).collect();
    let profile = fields.optional("profile", problems);
    let ca_file = fields.optional::<LocalPath>("ca_file", problems);
    let challenge = fields.required::<Challenge>("challenge", problems);
    fields.finish(problems);
    let (name, directory) = server?;
    Some(AcmeIssuer {
        name,
        directory,
        contact: contact.into_iter().collect::<Option<_>>()?,
        profile,
        ca_file: ca_file.map(|path| path.0),
        challenge: challenge?.0,
    })
}

/// The name and the directory's URL of what `acme:` says.
fn server(Spanned { value, span }: Spanned<String>, problems: &mut Problems) -> Option<(String, String)> {
    if let Some((name, url)) = SERVERS.iter().find(|(name, _)| *name == value) {
        return Some(((*name).to_owned(), (*url).to_owned()));
    }
    let uri = value.parse::<http::Uri>().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    match uri.as_ref().and_then(http::Uri::scheme_str) {
        Some("https") if !host.is_empty() => return Some((value.clone(), value)),
        Some("http") => problems.push(
            Problem::at(span, format!("`{value}` is not encrypted"))
                .hint("ACME is spoken over https only (RFC 8555, section 6.1)"),
        ),
        _ => {
            let near = |name: &str| strsim::damerau_levenshtein(name, &value) <= 3;
            let hint = match SERVERS.iter().find(|(name, _)| near(name)) {
                Some((name, _)) => format!("did you mean `{name}`?"),
                None => {
                    let names: Vec<String> = SERVERS.iter().map(|(name, _)| format!("`{name}`")).collect();
                    format!("write {}, or the https URL of an ACME directory", names.join(", "))
                }
            };
            problems.push(Problem::at(span, format!("`{value}` is not a known ACME server")).hint(hint));
        }
    }
    None
}

/// One address without header fields, as RFC 8555, section 7.3, wants it.
fn mail_url(Spanned { value, span }: Spanned<String>, problems: &mut Problems) -> Option<String> {
    let valid = value.split_once('@').is_some_and(|(local, domain)| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || ":?,<>".contains(c);
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !value.contains(odd)
    });
    if !valid {
        problems.push(
            Problem::at(span, format!("`{value}` is not a mail address"))
                .hint("write it plain, as `ops@example.com`"),
        );
        return None;
    }
    Some(format!("mailto:{value}"))
}

/// `challenge:`; a type of its own so that [`Fields`] can read it.
struct Challenge(Http01);

impl FromNode for Challenge {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "a challenge", problems)?;
        let http01 = fields.required("http-01", problems);
        fields.finish(problems);
        http01.map(Challenge)
    }
}

impl FromNode for Http01 {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "an `http-01` challenge", problems)?;
        let listen = fields.node("listen");
        let push = fields.node("push");
        let root = fields.node("webroot");
        fields.finish(problems);
        let mut wrong = |message: &str, hint: &str| {
            problems.push(Problem::at(node.span, message).hint(hint));
            None
        };
        match (listen, push, root) {
            (Some(listen), None, None) => {
                listen_address(Spanned::from_node(listen, problems)?, problems).map(Http01::Listen)
            }
            (None, Some(push), Some(root)) => {
                let hosts = Spanned::from_node(push, problems);
                let webroot = webroot(root, problems);
                Some(Http01::Push { hosts: hosts?, webroot: webroot? })
            }
            (None, Some(_), None) => wrong(
                "`push` needs the key `webroot`",
                "`webroot` is the folder on those hosts that the web server answers `/.well-known/` from",
            ),
            (None, None, Some(_)) => wrong(
                "`webroot` needs the key `push`",
                "`push` is the pattern of the hosts that the token is pushed to, such as `all`",
            ),
            (Some(_), _, _) => wrong(
                "`listen` stands alone: certwave answers itself, and nothing is pushed",
                "keep `listen`, or keep `push` and `webroot`",
            ),
            (None, None, None) => wrong(
                "an `http-01` challenge needs `listen`, or `push` and `webroot`",
                "`{listen: \"0.0.0.0:80\"}` answers here; `{push: all, webroot: /var/www/acme}` has the hosts answer",
            ),
        }
    }
}

fn listen_address(text: Spanned<String>, problems: &mut Problems) -> Option<SocketAddr> {
    let address = text.value.parse().ok();
    if address.is_none() {
        let hint = match text.value.trim_start_matches(':').parse::<u16>() {
            Ok(port) => format!("write `\"0.0.0.0:{port}\"` for all addresses of this machine"),
            Err(_) => "write `\"0.0.0.0:80\"`, or `\"[::]:80\"` for IPv6".to_owned(),
        };
        let message = format!("`{}` is not an IP address and a port to listen on", text.value);
        problems.push(Problem::at(text.span, message).hint(hint));
    }
    address
}

/// Proven to be a path already here where no template hides what it will be.
fn webroot(node: &Node, problems: &mut Problems) -> Option<Template> {
    let text = String::from_node(node, problems)?;
    if !text.contains("{{") {
        HostPath::from_node(node, problems)?;
    }
    Template::from_node(node, problems)
}

impl FromNode for FilesIssuer {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "`files`", problems)?;
        let certificate = fields.required::<LocalPath>("certificate", problems);
        let key = fields.required::<LocalPath>("key", problems);
        fields.finish(problems);
        Some(FilesIssuer { certificate: certificate?.0, key: key?.0 })
    }
}

/// A path on the controller.
struct LocalPath(Spanned<PathBuf>);

impl FromNode for LocalPath {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::from_node(node, problems)?;
        if text.is_empty() || text.contains('\0') {
            problems.push(Problem::at(node.span, "a path may not be empty"));
            return None;
        }
        Some(LocalPath(Spanned { value: PathBuf::from(text), span: node.span }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Sources, parse};

    fn read(text: &str) -> (Option<Vec<Issuer>>, Vec<String>) {
        let mut sources = Sources::default();
        let id = sources.add("playbook.yaml", text);
        let mut problems = Problems::default();
        let node = parse(&sources, id, &mut problems).unwrap();
        let issuers = Vec::from_node(&node, &mut problems);
        let shown = problems
            .sorted()
            .iter()
            .map(|p| format!("{}\n    {}", p.message, p.hint.as_deref().unwrap_or("-")))
            .collect();
        (issuers, shown)
    }

    #[test]
    fn all_three_kinds_are_read() {
        let (issuers, problems) = read(
            "- {acme: letsencrypt, contact: [ops@example.com], profile: tlsserver, \
               challenge: {http-01: {push: 'web:&eu', webroot: '/srv/{{ site }}'}}}\n\
             - {acme: 'https://ca.test:14000/dir', ca_file: ca.pem, challenge: {http-01: {listen: '[::]:80'}}}\n\
             - files: {certificate: standby/fullchain.pem, key: standby/privkey.pem}\n",
        );
        assert_eq!(problems, [""; 0]);
        let issuers = issuers.unwrap();
        let Issuer::Acme(first) = &issuers[0] else { panic!("{issuers:?}") };
        assert_eq!(first.directory, "https://acme-v02.api.letsencrypt.org/directory");
        assert_eq!(first.contact, ["mailto:ops@example.com"]);
        assert_eq!(first.profile.as_deref(), Some("tlsserver"));
        let Http01::Push { hosts, webroot } = &first.challenge else { panic!("{first:?}") };
        assert_eq!(hosts.value, "web:&eu");
        assert_eq!(webroot.render(&|_| Some("x".to_owned())).unwrap(), "/srv/x");
        let Issuer::Acme(second) = &issuers[1] else { panic!("{issuers:?}") };
        assert_eq!(second.name, "https://ca.test:14000/dir");
        assert_eq!(second.ca_file.as_ref().unwrap().value.to_str(), Some("ca.pem"));
        assert_eq!(second.challenge, Http01::Listen("[::]:80".parse().unwrap()));
        let Issuer::Files(third) = &issuers[2] else { panic!("{issuers:?}") };
        assert_eq!(third.key.value.to_str(), Some("standby/privkey.pem"));
    }

    #[test]
    fn every_wrong_combination_has_its_own_words() {
        let shown: Vec<String> = [
            "- {acme: letsencrypt}",
            "- {acme: letsencrypt, files: {certificate: a, key: b}}",
            "- {contact: [a@b.test]}",
            "- {acm: letsencrypt}",
            "- {acme: letsencript, challenge: {http-01: {listen: '0.0.0.0:80'}}}",
            "- {acme: zerossl, challenge: {http-01: {listen: '0.0.0.0:80'}}}",
            "- {acme: 'http://ca.test/dir', challenge: {http-01: {listen: '0.0.0.0:80'}}}",
            "- {acme: letsencrypt, challenge: {dns-01: {provider: x}}}",
            "- {acme: letsencrypt, challenge: {http-01: {}}}",
            "- {acme: letsencrypt, challenge: {http-01: {listen: 80}}}",
            "- {acme: letsencrypt, challenge: {http-01: {listen: '0.0.0.0:80', push: all}}}",
            "- {acme: letsencrypt, challenge: {http-01: {push: all}}}",
            "- {acme: letsencrypt, challenge: {http-01: {webroot: /srv}}}",
            "- {acme: letsencrypt, challenge: {http-01: {push: all, webroot: srv}}}",
            "- {acme: letsencrypt, contact: ['mailto:a@b.test', a@b@c], challenge: {http-01: {listen: '[::]:80'}}}",
            "- {files: {certificate: a}}",
            "- {files: {certificate: a, key: b}, contact: [a@b.test]}",
        ]
        .into_iter()
        .map(|text| {
            let (issuers, problems) = read(text);
            // An unknown key leaves a value; the problem is what stops the run.
            assert!(issuers.is_none() || !problems.is_empty(), "{text}");
            format!("{text}\n  {}", problems.join("\n  "))
        })
        .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
- {acme: letsencrypt}
  an `acme` issuer needs the key `challenge`
    -
- {acme: letsencrypt, files: {certificate: a, key: b}}
  an issuer is either `acme` or `files`, not both
    make two issuers of it: they are tried in order
- {contact: [a@b.test]}
  an issuer needs the key `acme` or `files`
    `acme: letsencrypt` orders one; `files: {certificate: PATH, key: PATH}` takes one from elsewhere
- {acm: letsencrypt}
  an issuer needs the key `acme` or `files`
    `acme: letsencrypt` orders one; `files: {certificate: PATH, key: PATH}` takes one from elsewhere
  unknown key `acm` in an issuer
    did you mean `acme`?
- {acme: letsencript, challenge: {http-01: {listen: '0.0.0.0:80'}}}
  `letsencript` is not a known ACME server
    did you mean `letsencrypt`?
- {acme: zerossl, challenge: {http-01: {listen: '0.0.0.0:80'}}}
  `zerossl` is not a known ACME server
    write `letsencrypt`, `letsencrypt-staging`, or the https URL of an ACME directory
- {acme: 'http://ca.test/dir', challenge: {http-01: {listen: '0.0.0.0:80'}}}
  `http://ca.test/dir` is not encrypted
    ACME is spoken over https only (RFC 8555, section 6.1)
- {acme: letsencrypt, challenge: {dns-01: {provider: x}}}
  a challenge needs the key `http-01`
    -
  unknown key `dns-01` in a challenge
    a challenge knows the keys `http-01`
- {acme: letsencrypt, challenge: {http-01: {}}}
  an `http-01` challenge needs `listen`, or `push` and `webroot`
    `{listen: "0.0.0.0:80"}` answers here; `{push: all, webroot: /var/www/acme}` has the hosts answer
- {acme: letsencrypt, challenge: {http-01: {listen: 80}}}
  `80` is not an IP address and a port to listen on
    write `"0.0.0.0:80"` for all addresses of this machine
- {acme: letsencrypt, challenge: {http-01: {listen: '0.0.0.0:80', push: all}}}
  `listen` stands alone: certwave answers itself, and nothing is pushed
    keep `listen`, or keep `push` and `webroot`
- {acme: letsencrypt, challenge: {http-01: {push: all}}}
  `push` needs the key `webroot`
    `webroot` is the folder on those hosts that the web server answers `/.well-known/` from
- {acme: letsencrypt, challenge: {http-01: {webroot: /srv}}}
  `webroot` needs the key `push`
    `push` is the pattern of the hosts that the token is pushed to, such as `all`
- {acme: letsencrypt, challenge: {http-01: {push: all, webroot: srv}}}
  `srv` is not a path on a host: it must be absolute, starting with `/`
    -
- {acme: letsencrypt, contact: ['mailto:a@b.test', a@b@c], challenge: {http-01: {listen: '[::]:80'}}}
  `mailto:a@b.test` is not a mail address
    write it plain, as `ops@example.com`
  `a@b@c` is not a mail address
    write it plain, as `ops@example.com`
- {files: {certificate: a}}
  `files` needs the key `key`
    -
- {files: {certificate: a, key: b}, contact: [a@b.test]}
  unknown key `contact` in a `files` issuer
    a `files` issuer knows the keys `files`
"#);
    }

    #[test]
    fn a_wildcard_is_refused_for_http_01() {
        let (issuers, _) = read("- {acme: letsencrypt, challenge: {http-01: {listen: '[::]:80'}}}");
        let mut sources = Sources::default();
        let id = sources.add("playbook.yaml", "[\"*.example.com\", example.com]");
        let mut problems = Problems::default();
        let node = parse(&sources, id, &mut problems).unwrap();
        let domains: Vec<Spanned<DnsName>> = Vec::from_node(&node, &mut problems).unwrap();
        issuers.unwrap()[0].check_domains(&domains, &mut problems);
        let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        assert_eq!(messages, ["`letsencrypt` cannot issue the wildcard `*.example.com` by `http-01`"]);
    }
}
