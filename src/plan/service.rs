//! A playbook's services on one host: settings without a choice left in them.

use std::net::IpAddr;
use std::str::FromStr;

use crate::certificate::KeyAlgorithm;
use crate::install::{FileName, FilePart, InstallSpec};
use crate::model::{DnsName, HostPath, Port};
use crate::plan::plan::PlannedService;
use crate::plan::resolve::HostResolver;
use crate::playbook::{
    EnvoySettings, HaproxySettings, PerKey, ReloadBy, Service, ServiceKind, Template, VerifySettings,
};
use crate::service::{Envoy, EnvoySecret, Haproxy, HaproxyCertificate, HaproxyReload, Nginx, ServiceSpec};
use crate::verify::{Endpoint, Via};
use crate::yaml::{OneOrMany, Problem};

const PORT: u16 = 443;

impl HostResolver<'_> {
    /// Each service with its name, unique on the host. A certificate that HAProxy names becomes a link of its own.
    pub(super) fn services(
        &mut self,
        services: &[&Service],
        address: Option<&str>,
        install: &mut InstallSpec,
    ) -> Vec<PlannedService> {
        let mut planned: Vec<PlannedService> = Vec::new();
        for service in services {
            let before = self.problems.len();
            let Some(spec) = self.service(&service.kind, install) else { continue };
            let endpoints = address.map(|address| self.endpoints(&service.verify, address));
            if self.problems.len() > before {
                continue;
            }
            let kind = spec.kind();
            let same = planned.iter().filter(|one| one.spec.kind() == kind).count();
            let name = if same == 0 { kind.to_owned() } else { format!("{kind}-{}", same + 1) };
            let (Ok(name), Some(endpoints)) = (name.parse(), endpoints) else { continue };
            planned.push(PlannedService { name, spec, endpoints });
        }
        planned
    }

    fn service(&mut self, kind: &ServiceKind, install: &mut InstallSpec) -> Option<ServiceSpec> {
        match kind {
            ServiceKind::Nginx { binary, prefix, config, test, reload } => Some(ServiceSpec::Nginx(Nginx {
                binary: self.value_or(binary.as_ref(), Nginx::DEFAULT_BINARY)?,
                prefix: self.value(prefix.as_ref()),
                config: self.value(config.as_ref()),
                test: self.value(test.as_ref()),
                reload: self.value(reload.as_ref()),
            })),
            ServiceKind::Haproxy(settings) => self.haproxy(settings, install).map(ServiceSpec::Haproxy),
            ServiceKind::Envoy(settings) => self.envoy(settings, install).map(ServiceSpec::Envoy),
            ServiceKind::Command { test, reload } => {
                let test = self.value(test.as_ref());
                Some(ServiceSpec::Command { test, reload: self.value(Some(reload))? })
            }
        }
    }

    fn haproxy(&mut self, settings: &HaproxySettings, install: &mut InstallSpec) -> Option<Haproxy> {
        let reload = match &settings.reload {
            None | Some(ReloadBy::Master) => HaproxyReload::Master(
                self.value_or(settings.master_socket.as_ref(), Haproxy::DEFAULT_MASTER_SOCKET)?,
            ),
            Some(ReloadBy::Systemd) => HaproxyReload::Command(Haproxy::SYSTEMD_RELOAD.to_owned()),
            Some(ReloadBy::Command(command)) => HaproxyReload::Command(self.value(Some(command))?),
        };
        let certificates = self.haproxy_certificates(settings.certificate.as_ref(), install);
        for certificate in &certificates {
            self.imply_link(certificate, settings, install);
        }
        Some(Haproxy {
            sockets: self.values(settings.socket.as_ref()),
            certificates,
            crt_list: self.value(settings.crt_list.as_ref()),
            reload,
            binary: self.value_or(settings.binary.as_ref(), Haproxy::DEFAULT_BINARY)?,
            config: self.value_or(settings.config.as_ref(), Haproxy::DEFAULT_CONFIG)?,
            test: self.value(settings.test.as_ref()),
            bufsize: settings.bufsize.unwrap_or(Haproxy::DEFAULT_BUFSIZE),
        })
    }

    /// One for each key. A bundle's name stands for `NAME.ecdsa` and `NAME.rsa` (Configuration Manual, `crt`).
    fn haproxy_certificates(
        &mut self,
        setting: Option<&PerKey<Template>>,
        install: &InstallSpec,
    ) -> Vec<HaproxyCertificate> {
        let files = self.files(FilePart::Combined);
        let dual = files.len() > 1;
        let mut certificates = Vec::new();
        for (algorithm, file) in files {
            let path = match setting {
                None => Some(install.layout.live_file(file)),
                Some(PerKey::One(template)) if dual => self
                    .value::<String>(Some(template))
                    .and_then(|bundle| self.parsed(template, &format!("{bundle}.{algorithm}"))),
                Some(PerKey::One(template)) => self.value(Some(template)),
                Some(PerKey::Each(each)) => self.value(each.get(&algorithm)),
            };
            certificates.extend(path.map(|path| HaproxyCertificate { path, file }));
        }
        certificates
    }

    /// The next reload must find the new certificate on the disk: its path is made a link, unless it is there
    /// already.
    fn imply_link(
        &mut self,
        certificate: &HaproxyCertificate,
        settings: &HaproxySettings,
        install: &mut InstallSpec,
    ) {
        let HaproxyCertificate { path, file } = certificate;
        if *path == install.layout.live_file(*file) {
            return;
        }
        let leads = install.links.iter().find(|(link, _)| link == path).map(|(_, file)| *file);
        let fullchain = FileName { part: FilePart::Fullchain, ..*file };
        match leads {
            None => install.links.push((path.clone(), *file)),
            // With its key in a file of its own beside it (`a.pem` and `a.pem.key`).
            Some(other) if other == *file || other == fullchain => {}
            Some(other) => {
                let span = match &settings.certificate {
                    Some(PerKey::One(template)) => Some(template.span),
                    _ => None,
                };
                let message = format!("the link `{path}` leads to `{other}`, which HAProxy cannot use");
                let problem = span.map_or_else(
                    || Problem::general(message.clone()),
                    |span| Problem::at(span, message.clone()),
                );
                self.problems
                    .push(problem.hint(format!("let it lead to `{file}`, or leave it out: it is made")));
            }
        }
    }

    fn envoy(&mut self, settings: &EnvoySettings, install: &InstallSpec) -> Option<Envoy> {
        let chains = self.files(FilePart::Fullchain);
        let keys = self.files(FilePart::Privkey);
        let dual = chains.len() > 1;
        let mut secrets = Vec::new();
        for ((algorithm, chain), (_, key)) in chains.into_iter().zip(keys) {
            let (name, sds) = match (&settings.secret, &settings.sds) {
                (PerKey::One(secret), PerKey::One(sds)) if !dual => {
                    (self.value::<String>(Some(secret)), self.value(Some(sds)))
                }
                (PerKey::Each(names), PerKey::Each(files)) => {
                    (self.value::<String>(names.get(&algorithm)), self.value(files.get(&algorithm)))
                }
                (PerKey::One(template), _) | (_, PerKey::One(template)) => {
                    self.problems.push(
                        Problem::at(template.span, "of two certificates, each is a secret of its own, in a file of its own")
                            .hint(
                                "write `secret: {ecdsa: NAME, rsa: NAME}` and `sds: {ecdsa: PATH, rsa: PATH}`, and name both in Envoy's listener",
                            ),
                    );
                    return None;
                }
            };
            let paths = |file: FileName| {
                let links = install.links.iter().filter(|(_, to)| *to == file).map(|(path, _)| path.clone());
                std::iter::once(install.layout.live_file(file)).chain(links).collect()
            };
            secrets.push(EnvoySecret { sds: sds?, name: name?, chain: paths(chain), key: paths(key) });
        }
        Some(Envoy {
            watched: install.layout.live().parent().parse().ok()?,
            secrets,
            admin: self.value(settings.admin.as_ref()),
        })
    }

    /// The files of one kind: one for each key.
    fn files(&self, part: FilePart) -> Vec<(KeyAlgorithm, FileName)> {
        let keys = self.playbook.certificate.keys.iter().map(|key| key.algorithm());
        keys.enumerate()
            .map(|(at, key)| (key, FileName { part, algorithm: (at > 0).then_some(key) }))
            .collect()
    }

    /// Each address × port × name × key.
    fn endpoints(&mut self, own: &VerifySettings, address: &str) -> Vec<Endpoint> {
        let general = &self.playbook.verify;
        let mut addresses = vec![address.to_owned()];
        for extra in self.values::<String>(own.addresses.as_ref().or(general.addresses.as_ref())) {
            if !addresses.contains(&extra) {
                addresses.push(extra);
            }
        }
        if let Some(wrong) = addresses.iter().find(|one| !is_dialable(one)) {
            let span = own.addresses.as_ref().or(general.addresses.as_ref()).map(|all| all.0[0].span);
            let problem = format!("`{wrong}` is no address or name to dial");
            self.problems.push(match span {
                Some(span) => Problem::at(span, problem),
                None => Problem::general(problem),
            });
        }
        let ports = match own.port.as_ref().or(general.port.as_ref()) {
            Some(ports) => self.values::<Port>(Some(ports)).into_iter().map(Port::number).collect(),
            None => vec![PORT],
        };
        let names = match own.server_name.as_ref().or(general.server_name.as_ref()) {
            Some(names) => self.values::<DnsName>(Some(names)),
            None => probe_name(&self.playbook.certificate.domains).into_iter().collect(),
        };
        let via: Via = own.via.or(general.via).unwrap_or_default();
        let keys: Vec<Option<KeyAlgorithm>> = match self.playbook.certificate.keys.as_slice() {
            [_] => vec![None],
            several => several.iter().map(|key| Some(key.algorithm())).collect(),
        };
        let mut endpoints = Vec::new();
        for address in &addresses {
            for port in &ports {
                for server_name in &names {
                    let at = |key: &Option<KeyAlgorithm>| Endpoint {
                        address: address.clone(),
                        port: *port,
                        server_name: server_name.clone(),
                        via,
                        key: *key,
                        starttls: own.starttls.or(general.starttls),
                    };
                    endpoints.extend(keys.iter().map(at));
                }
            }
        }
        endpoints
    }

    fn values<T: FromStr>(&mut self, templates: Option<&OneOrMany<Template>>) -> Vec<T>
    where
        T::Err: ToString,
    {
        let templates = templates.map(|all| all.0.as_slice()).unwrap_or_default();
        templates.iter().filter_map(|template| self.value(Some(template))).collect()
    }

    fn value_or<T: FromStr>(&mut self, template: Option<&Template>, default: &str) -> Option<T>
    where
        T::Err: ToString,
    {
        match template {
            Some(template) => self.value(Some(template)),
            None => default.parse().ok(),
        }
    }

    fn parsed(&mut self, template: &Template, text: &str) -> Option<HostPath> {
        text.parse()
            .map_err(|error: crate::model::InvalidPath| {
                self.problems.push(Problem::at(template.span, error.to_string()));
            })
            .ok()
    }
}

fn is_dialable(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok()
        || !address.is_empty() && address.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

/// The first name; of a wildcard alone, a name that it stands for.
fn probe_name(domains: &[DnsName]) -> Option<DnsName> {
    let plain = domains.iter().find(|domain| !domain.as_str().starts_with('*'));
    plain.cloned().or_else(|| domains.first()?.as_str().replacen('*', "certwave-probe", 1).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{FileKind, Inventory, InventoryFile};
    use crate::plan::resolve;
    use crate::yaml::{Problems, Sources, parse};

    /// How the HAProxy of a playbook with these lines is reloaded, and the command that its script is given.
    fn reload(lines: &str) -> (HaproxyReload, String) {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let hosts = "all: {hosts: {lb1: {x: 1}}}\n";
        let file = InventoryFile { source: sources.add("hosts.yaml", hosts), kind: FileKind::Inventory };
        let inventory = Inventory::parse(&sources, &[file], &mut problems).unwrap();
        let text = format!(
            "certificate: {{domains: [a.test]}}\nissuers: [{{files: {{certificate: a.pem, key: a.key}}}}]\n\
             services: [{{hosts: all, haproxy: {{{lines}}}}}]\nwaves: [{{name: all, hosts: all}}]\n"
        );
        let id = sources.add("playbook.yaml", &text);
        let node = parse(&sources, id, &mut problems).unwrap();
        let playbook = crate::playbook::parse(&node, &mut problems).unwrap();
        let plan = resolve(&playbook, &inventory, None, &mut problems).unwrap().plan;
        let spec = &plan.hosts.first().unwrap().services[0].spec;
        let command = spec.settings(30).into_iter().find(|(name, _)| *name == "reload_command").unwrap().1;
        let ServiceSpec::Haproxy(haproxy) = spec else { panic!("it is HAProxy") };
        (haproxy.reload.clone(), command)
    }

    #[test]
    fn an_haproxy_is_reloaded_by_its_master_by_systemd_or_by_a_command() {
        let master = |path: &str| HaproxyReload::Master(path.parse().unwrap());
        let command = |text: &str| HaproxyReload::Command(text.to_owned());
        let systemd = "systemctl reload haproxy";
        assert_eq!(reload("reload: master"), (master("/run/haproxy-master.sock"), String::new()));
        assert_eq!(reload("reload: master, master_socket: /m.sock"), (master("/m.sock"), String::new()));
        assert_eq!(reload("reload: systemd"), (command(systemd), systemd.to_owned()));
        assert_eq!(reload("reload: rc-service haproxy reload").0, command("rc-service haproxy reload"));
        // With a runtime API it is kept for what that cannot do.
        assert_eq!(reload("socket: /s.sock"), (master("/run/haproxy-master.sock"), String::new()));
        assert_eq!(reload("socket: /s.sock, reload: systemd"), (command(systemd), String::new()));
    }
}
