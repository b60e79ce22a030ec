//! `certwave init`

use std::path::Path;

use crate::cli::args::InitArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::report::view::WrittenFile;

const FILES: [(&str, &str); 7] = [
    ("certwave.yaml", include_str!("init/certwave.yaml")),
    ("inventories/fleet.yaml", include_str!("../../../inventories/example.yaml")),
    ("playbooks/api.example.com.yaml", include_str!("../../../playbooks/api.example.com.yaml")),
    ("renewal/renew.sh", include_str!("init/renew.sh")),
    ("renewal/certwave-renew.service", include_str!("init/certwave-renew.service")),
    ("renewal/certwave-renew.timer", include_str!("init/certwave-renew.timer")),
    ("renewal/certwave-renew.cron", include_str!("init/certwave-renew.cron")),
];

/// Nothing that is there is ever overwritten.
pub(super) fn run(args: &InitArgs, settings: &Settings) -> Result<Exit, Failure> {
    let there: Vec<&str> =
        FILES.iter().map(|(name, _)| *name).filter(|name| args.directory.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::usage(format!("`{}` exists already; nothing was written", there.join("`, `")))
            .hint("choose another folder: `certwave init DIR`"));
    }
    let here = Here::find(&args.directory)?;
    for (name, text) in FILES {
        let text = here.put_into(text);
        let path = args.directory.join(name);
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .and_then(|()| if name.ends_with(".sh") { executable(&path) } else { Ok(()) })
            .map_err(|error| Failure::to(&format!("write `{}`", path.display()), &error))?;
        settings.printer().show(&WrittenFile(&path));
    }
    let next = "next: put your hosts and names in, then `certwave check playbooks/*.yaml`";
    settings.printer().text(next);
    Ok(Exit::Done)
}

/// What the files of the timer name.
struct Here {
    program: String,
    directory: String,
    user: String,
}

impl Here {
    fn find(directory: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::to("find out where certwave is", &error);
        let id = nix::unistd::geteuid();
        let user = nix::unistd::User::from_uid(id).ok().flatten();
        Ok(Self {
            program: std::env::current_exe().map_err(failed)?.display().to_string(),
            directory: std::path::absolute(directory).map_err(failed)?.display().to_string(),
            user: user.map_or_else(|| id.to_string(), |user| user.name),
        })
    }

    /// Each file has its own way to write a path with a space, a quote or a percent sign in it (sh(1), crontab(5),
    /// systemd.service(5)).
    fn put_into(&self, text: &str) -> String {
        let directory = self.directory.trim_end_matches('/');
        let script = format!("{directory}/renewal/renew.sh");
        let values = [
            ("@PROGRAM@", for_shell(&self.program)),
            ("@USER@", self.user.clone()),
            ("@DIRECTORY@", directory.replace('%', "%%")),
            ("@SCRIPT_FOR_CRON@", for_shell(&script).replace('%', "\\%")),
            ("@SCRIPT_FOR_SYSTEMD@", for_systemd(&script)),
        ];
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

fn executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

fn is_plain(path: &str) -> bool {
    path.chars().all(|one| one.is_ascii_alphanumeric() || "/._-+".contains(one))
}

fn for_shell(path: &str) -> String {
    if is_plain(path) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn for_systemd(path: &str) -> String {
    if is_plain(path) {
        return path.to_owned();
    }
    let escaped = path.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_finds_its_script_wherever_that_is() {
        let here = |directory: &str| Here {
            program: format!("{directory}/certwave"),
            directory: directory.to_owned(),
            user: "ann".to_owned(),
        };
        let lines = |directory: &str| {
            let text = "@PROGRAM@\n@SCRIPT_FOR_CRON@\n@SCRIPT_FOR_SYSTEMD@\n@DIRECTORY@ @USER@";
            here(directory).put_into(text)
        };
        assert_eq!(
            lines("/srv/tls"),
            "/srv/tls/certwave\n/srv/tls/renewal/renew.sh\n/srv/tls/renewal/renew.sh\n/srv/tls ann"
        );
        assert_eq!(
            lines("/srv/100% 'a"),
            r#"'/srv/100% '\''a/certwave'
'/srv/100\% '\''a/renewal/renew.sh'
"/srv/100%% 'a/renewal/renew.sh"
/srv/100%% 'a ann"#
        );
    }
}
