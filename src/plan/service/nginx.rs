//! An nginx of a playbook on one host.

use crate::plan::resolve::HostResolver;
use crate::playbook::NginxSettings;
use crate::service::Nginx;

impl HostResolver<'_> {
    pub(super) fn nginx(&mut self, settings: &NginxSettings) -> Option<Nginx> {
        Some(Nginx {
            binary: self.value_or(settings.binary.as_ref(), Nginx::DEFAULT_BINARY)?,
            prefix: self.value(settings.prefix.as_ref()),
            config: self.value(settings.config.as_ref()),
            test: self.value(settings.test.as_ref()),
            reload: self.value(settings.reload.as_ref()),
        })
    }
}
