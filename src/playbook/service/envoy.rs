//! `envoy:` how an Envoy takes a certificate.

use crate::playbook::{PerKey, ServiceKind, Template};
use crate::yaml::{Fields, Node, Problems};

/// An Envoy whose secret is read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvoySettings {
    /// The file that its `sds_config` names; of dual certificates, one for each.
    pub sds: PerKey<Template>,
    /// The secret's name in it; of dual certificates, one for each.
    pub secret: PerKey<Template>,
    /// Its admin interface: `ADDRESS:PORT`, or the path of a socket.
    pub admin: Option<Template>,
}

pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<ServiceKind> {
    let mut fields = Fields::of(node, "`envoy`", problems)?;
    let sds = fields.required("sds", problems);
    let secret = fields.required("secret", problems);
    let admin = fields.optional("admin", problems);
    fields.finish(problems);
    Some(ServiceKind::Envoy(Box::new(EnvoySettings { sds: sds?, secret: secret?, admin })))
}
