//! `nginx:` how an nginx takes a certificate.

use crate::model::HostPath;
use crate::playbook::{ServiceKind, Template};
use crate::yaml::{Fields, Node, Problems};

/// An nginx. It is tested and reloaded by its own program unless commands are given.
#[derive(Debug, Clone, PartialEq)]
pub struct NginxSettings {
    /// The program; else `/usr/sbin/nginx`.
    pub binary: Option<Template>,
    /// `-p`
    pub prefix: Option<Template>,
    /// `-c`
    pub config: Option<Template>,
    /// Instead of `nginx -t`.
    pub test: Option<Template>,
    /// Instead of `nginx -s reload`.
    pub reload: Option<Template>,
}

pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<ServiceKind> {
    let mut fields = Fields::of(node, "`nginx`", problems)?;
    let mut path = |key| -> Option<Template> {
        let path: Option<Template> = fields.optional(key, problems);
        path.inspect(|path| path.check::<HostPath>(problems))
    };
    let (binary, prefix, config) = (path("binary"), path("prefix"), path("config"));
    let settings = NginxSettings {
        binary,
        prefix,
        config,
        test: fields.optional("test", problems),
        reload: fields.optional("reload", problems),
    };
    fields.finish(problems);
    Some(ServiceKind::Nginx(settings))
}
