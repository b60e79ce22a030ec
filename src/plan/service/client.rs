//! How handshakes with a service's endpoints are made, where its listeners do not take everybody.

use crate::plan::resolve::HostResolver;
use crate::playbook::VerifySettings;
use crate::verify::{ClientCertificate, ClientSettings, Via};

impl HostResolver<'_> {
    /// What a service says by itself, else what the playbook's `verify` says; none where neither says anything.
    pub(super) fn client(&self, own: &VerifySettings, via: Via) -> Option<Box<ClientSettings>> {
        let (own, general) = (&own.client, &self.playbook.verify.client);
        let files = own.client_certificate.as_ref().or(general.client_certificate.as_ref());
        let rate = own.rate.as_ref().or(general.rate.as_ref()).map(|rate| rate.value);
        let settings = ClientSettings {
            client_certificate: files.map(|files| ClientCertificate {
                certificate: files.certificate.value.clone(),
                key: files.key.value.clone(),
            }),
            alpn: own.alpn.as_ref().or(general.alpn.as_ref()).cloned().unwrap_or_default(),
            proxy_protocol: own.proxy_protocol.or(general.proxy_protocol),
            rate,
            through: rate.filter(|_| via == Via::Ssh).map(|_| self.host_name().clone()),
        };
        (settings != ClientSettings::default()).then(|| Box::new(settings))
    }
}
