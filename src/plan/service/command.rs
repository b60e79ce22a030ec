//! A server of a playbook that a command reloads, on one host.

use crate::plan::resolve::HostResolver;
use crate::playbook::CommandSettings;
use crate::service::Command;

impl HostResolver<'_> {
    pub(super) fn command(&mut self, settings: &CommandSettings) -> Option<Command> {
        let test = self.value(settings.test.as_ref());
        Some(Command { test, reload: self.value(Some(&settings.reload))? })
    }
}
