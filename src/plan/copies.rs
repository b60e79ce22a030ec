//! `install: copies` of one host.

use crate::install::{FileCopy, FileName, Layout};
use crate::model::HostPath;
use crate::plan::resolve::HostResolver;
use crate::playbook::CopySettings;
use crate::yaml::Problem;

impl HostResolver<'_> {
    /// What is wrong with one becomes a problem at its path.
    pub(super) fn copies(&mut self, layout: &Layout, links: &[(HostPath, FileName)]) -> Vec<FileCopy> {
        let mut copies: Vec<FileCopy> = Vec::new();
        let playbook = self.playbook;
        for settings in &playbook.install.copies {
            let Some(copy) = self.copy(settings) else { continue };
            let path = &copy.path;
            let inside = format!("{}/", layout.directory());
            if path.as_str().starts_with(&inside) {
                let problem = Problem::at(
                    settings.path.span,
                    format!("the copy `{path}` is in certwave's own folder, `{}`", layout.directory()),
                );
                self.once(
                    &settings.path,
                    problem.hint(format!("servers can read `{}` there", layout.live_file(copy.file))),
                );
            } else if links.iter().any(|(link, _)| link == path) {
                let problem = Problem::at(settings.path.span, format!("`{path}` is a link as well"));
                self.once(&settings.path, problem.hint("leave it out of `links`, or out of `copies`"));
            } else if copies.iter().any(|other| other.path == *path) {
                let problem = Problem::at(settings.path.span, format!("there are two copies at `{path}`"));
                self.once(&settings.path, problem);
            }
            copies.push(copy);
        }
        copies
    }

    fn copy(&mut self, settings: &CopySettings) -> Option<FileCopy> {
        self.exists(&settings.path, settings.file);
        let path = self.value::<HostPath>(Some(&settings.path));
        let owner = settings.owner.as_ref().map(|template| self.value::<String>(Some(template)));
        let group = settings.group.as_ref().map(|template| self.value::<String>(Some(template)));
        Some(FileCopy {
            path: path?,
            file: settings.file,
            owner: owner.map_or(Some(None), |one| one.map(Some))?,
            group: group.map_or(Some(None), |one| one.map(Some))?,
            mode: settings.mode.and_then(|mode| u16::try_from(mode).ok()),
            password: settings.password.as_ref().map(|file| file.value.clone()),
        })
    }
}
