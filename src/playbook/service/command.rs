//! `command:` how any other server takes a certificate.

use crate::playbook::{ServiceKind, Template};
use crate::yaml::{Fields, Node, Problems};

/// A server that a command reloads.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSettings {
    /// Must succeed before and after the switch, or nothing is reloaded.
    pub test: Option<Template>,
    /// Makes the server use the new files.
    pub reload: Template,
}

pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<ServiceKind> {
    let mut fields = Fields::of(node, "`command`", problems)?;
    let test = fields.optional("test", problems);
    let reload = fields.required("reload", problems);
    fields.finish(problems);
    Some(ServiceKind::Command(CommandSettings { test, reload: reload? }))
}
