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
}

impl HaproxyCertificate {
    /// The name that HAProxy has for it, among all that `show ssl cert` lists: the path as its configuration
    /// writes it, which may be relative to where HAProxy was started.
    pub fn among<'n>(&self, names: &'n [String]) -> Option<&'n str> {
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
}
