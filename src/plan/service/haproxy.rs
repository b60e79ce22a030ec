//! An HAProxy of a playbook on one host.

use crate::install::{FileName, FilePart, InstallSpec};
use crate::plan::resolve::HostResolver;
use crate::playbook::{HaproxySettings, PerKey, ReloadBy, Template};
use crate::service::{Haproxy, HaproxyCertificate, HaproxyReload};
use crate::yaml::Problem;

impl HostResolver<'_> {
    pub(super) fn haproxy(
        &mut self,
        settings: &HaproxySettings,
        install: &mut InstallSpec,
    ) -> Option<Haproxy> {
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
            let live = install.layout.live_file(file);
            let named = match setting {
                None => None,
                Some(PerKey::One(template)) => Some(template),
                Some(PerKey::Each(each)) => each.get(&algorithm),
            };
            let Some(template) = named else {
                let default = HaproxyCertificate { path: live, file, alias: None };
                certificates.extend(setting.is_none().then_some(default));
                continue;
            };
            let Some(name) = self.value::<String>(Some(template)) else { continue };
            let is_bundle = dual && matches!(setting, Some(PerKey::One(_)));
            certificates.extend(if name.starts_with('@') && !is_bundle {
                self.alias(template, &name).map(|alias| HaproxyCertificate {
                    path: live,
                    file,
                    alias: Some(alias),
                })
            } else {
                let name = if is_bundle { format!("{name}.{algorithm}") } else { name };
                self.parsed(template, &name).map(|path| HaproxyCertificate { path, file, alias: None })
            });
        }
        certificates
    }

    /// `@STORE/NAME`, or `@/NAME` of a store without a name (Configuration Manual, `crt-store`).
    fn alias(&mut self, template: &Template, name: &str) -> Option<String> {
        let is_one = name[1..].split_once('/').is_some_and(|(_, alias)| !alias.is_empty())
            && name.chars().all(|c| !c.is_whitespace() && !c.is_control());
        if is_one {
            return Some(name.to_owned());
        }
        let problem = Problem::at(template.span, format!("`{name}` is no name of a certificate store"));
        self.problems.push(problem.hint("write `@STORE/NAME`, as `show ssl cert` of HAProxy 3.0 lists it"));
        None
    }

    /// The next reload must find the new certificate on the disk: its path is made a link, unless it is there
    /// already.
    fn imply_link(
        &mut self,
        certificate: &HaproxyCertificate,
        settings: &HaproxySettings,
        install: &mut InstallSpec,
    ) {
        let HaproxyCertificate { path, file, .. } = certificate;
        if *path == install.layout.live_file(*file) {
            return;
        }
        let links = install.links.iter().map(|(link, file)| (link, file));
        let copies = install.copies.iter().map(|copy| (&copy.path, &copy.file));
        let leads = links.chain(copies).find(|(there, _)| *there == path).map(|(_, file)| *file);
        let fullchain = FileName { part: FilePart::Fullchain, ..*file };
        let key_first = FileName { part: FilePart::KeyFirst, ..*file };
        match leads {
            None => install.links.push((path.clone(), *file)),
            // With its key in a file of its own beside it (`a.pem` and `a.pem.key`).
            Some(other) if [*file, fullchain, key_first].contains(&other) => {}
            Some(other) => {
                let span = match &settings.certificate {
                    Some(PerKey::One(template)) => Some(template.span),
                    _ => None,
                };
                let message = format!("`{path}` is to hold `{other}`, which HAProxy cannot use");
                let problem = span.map_or_else(
                    || Problem::general(message.clone()),
                    |span| Problem::at(span, message.clone()),
                );
                self.problems
                    .push(problem.hint(format!("let it hold `{file}`, or leave it out: a link is made")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::service::tests::planned;
    use crate::service::ServiceSpec;

    /// How the HAProxy of a playbook with these lines is reloaded, and the command that its script is given.
    fn reload(lines: &str) -> (HaproxyReload, String) {
        let spec = planned(&format!("haproxy: {{{lines}}}"));
        let command = spec.settings(30).into_iter().find(|(name, _)| *name == "reload_command").unwrap().1;
        let ServiceSpec::Haproxy(haproxy) = spec else { panic!("it is HAProxy") };
        (haproxy.reload, command)
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

    #[test]
    fn a_certificate_may_be_named_as_its_store_does() {
        let planned = |certificate: &str| {
            let spec = planned(&format!("haproxy: {{socket: /s.sock, certificate: \"{certificate}\"}}"));
            let ServiceSpec::Haproxy(haproxy) = spec else { panic!("it is HAProxy") };
            haproxy.certificates[0].clone()
        };
        for name in ["@web/site", "@/site.pem"] {
            let certificate = planned(name);
            assert_eq!(certificate.alias.as_deref(), Some(name));
            assert!(certificate.path.as_str().ends_with("/combined.pem"), "{}", certificate.path);
        }
        assert_eq!(planned("/etc/haproxy/@site.pem").alias, None);
    }
}
