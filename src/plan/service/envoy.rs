//! An Envoy of a playbook on one host.

use crate::install::{FileName, FilePart, InstallSpec};
use crate::plan::resolve::HostResolver;
use crate::playbook::{EnvoySettings, PerKey};
use crate::service::{Envoy, EnvoySecret};
use crate::yaml::Problem;

impl HostResolver<'_> {
    pub(super) fn envoy(&mut self, settings: &EnvoySettings, install: &InstallSpec) -> Option<Envoy> {
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
                let copies =
                    install.copies.iter().filter(|copy| copy.file == file).map(|copy| copy.path.clone());
                std::iter::once(install.layout.live_file(file)).chain(links).chain(copies).collect()
            };
            secrets.push(EnvoySecret { sds: sds?, name: name?, chain: paths(chain), key: paths(key) });
        }
        Some(Envoy {
            watched: install.layout.live().parent().parse().ok()?,
            secrets,
            admin: self.value(settings.admin.as_ref()),
        })
    }
}
