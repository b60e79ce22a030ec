//! A certificate, by the names that HAProxy has for it.

use serde::{Deserialize, Serialize};

use crate::install::FileName;
use crate::model::HostPath;

/// A certificate as HAProxy's configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaproxyCertificate {
    /// As `crt` names it; `show ssl cert` may know it by a shorter name: see [`HaproxyCertificate::among`].
    pub path: HostPath,
    /// What it leads to.
    pub file: FileName,
    /// What `show ssl cert` knows it by where a `crt-store` loads it (HAProxy 3.0), such as `@web/site`: the path is then that of
    /// the live version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

impl HaproxyCertificate {
    /// What a person calls it by.
    pub fn called(&self) -> &str {
        self.alias.as_deref().unwrap_or(self.path.as_str())
    }

    /// The name that HAProxy has for it, among all that `show ssl cert` lists: the path as its configuration
    /// writes it, which may be relative to where HAProxy was started.
    pub fn among<'n>(&self, names: &'n [String]) -> Option<&'n str> {
        if let Some(alias) = &self.alias {
            return names.iter().find(|name| *name == alias).map(String::as_str);
        }
        let path = self.path.as_str();
        let is_it = |name: &&String| {
            let plain =
                name.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
            !plain.is_empty()
                && path.ends_with(&format!("/{plain}"))
                && (name.starts_with('/') <= (format!("/{plain}") == path))
        };
        let exact = names.iter().find(|name| *name == path);
        let mut like = names.iter().filter(|name| is_it(name));
        match (exact, like.next(), like.next()) {
            (Some(name), ..) | (None, Some(name), None) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::FilePart;

    #[test]
    fn a_certificate_is_found_by_the_name_that_haproxy_has_for_it() {
        let certificate = HaproxyCertificate {
            path: "/etc/haproxy/certs/a.pem".parse().unwrap(),
            file: FilePart::Combined.into(),
            alias: None,
        };
        let among = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            certificate.among(&names).map(str::to_owned)
        };
        assert_eq!(among(&["/etc/haproxy/certs/a.pem", "certs/a.pem"]).unwrap(), "/etc/haproxy/certs/a.pem");
        assert_eq!(among(&["certs/b.pem", "certs/a.pem"]).unwrap(), "certs/a.pem");
        assert_eq!(among(&["/etc/haproxy/certs//a.pem"]).unwrap(), "/etc/haproxy/certs//a.pem");
        // Two that it could be, another folder, and the end of another name.
        assert_eq!(among(&["certs/a.pem", "a.pem"]), None);
        assert_eq!(among(&["/certs/a.pem", "other/a.pem", "ta.pem"]), None);
    }

    #[test]
    fn an_alias_of_a_certificate_store_is_the_name_and_all_of_it() {
        let names = ["/live/combined.pem", "@web/site.pem", "@web/site"].map(str::to_owned);
        let path = "/live/combined.pem".parse().unwrap();
        let mut certificate = HaproxyCertificate { path, file: FilePart::Combined.into(), alias: None };
        assert_eq!(
            (certificate.called(), certificate.among(&names)),
            ("/live/combined.pem", Some("/live/combined.pem"))
        );
        certificate.alias = Some("@web/site".to_owned());
        assert_eq!((certificate.called(), certificate.among(&names)), ("@web/site", Some("@web/site")));
        assert_eq!(certificate.among(&names[..2]), None);
    }
}
