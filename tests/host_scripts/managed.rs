//! Hosts that systemd manages, or seems to: what tells scripts so is in a mount namespace of their own.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::require;
use crate::support::{Host, Shell, quoted, read};

/// What manages a host's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Nothing that scripts know; on a developer's machine, systemd is not asked for hosts that are folders.
    None,
    /// systemd. `etc-systemd` and `var-lib` beside the host's folder are its `/etc/systemd` and `/var/lib`.
    Systemd,
}

impl Manager {
    /// What runs the host's shell.
    pub(crate) fn command(self, host: &Host, shell: &Path) -> Command {
        if !nix::unistd::geteuid().is_root() {
            return Command::new(shell);
        }
        let as_user = host
            .uid
            .map_or(String::new(), |uid| format!("setpriv --reuid={uid} --regid={uid} --clear-groups "));
        let seen = match self {
            Manager::None if !Path::new("/run/systemd/system").exists() => return Command::new(shell),
            Manager::None => "mount -t tmpfs tmpfs /run/systemd".to_owned(),
            Manager::Systemd => format!(
                "mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && \
                 mount --bind '{}' /etc/systemd && mount --bind '{}' /var/lib",
                quoted(&host.file("etc-systemd")),
                quoted(&host.file("var-lib")),
            ),
        };
        // With this machine's own tools, whatever those of the host are.
        let mut command = Command::new("/usr/bin/unshare");
        let script = format!(
            "hosts=$PATH; PATH=/usr/sbin:/usr/bin:/sbin:/bin; {seen} || exit 1; exec {as_user}env PATH=\"$hosts\" \"$@\""
        );
        command.args(["--mount", "--", "/bin/sh", "-c", &script, "sh"]).arg(shell);
        command
    }
}

impl Host {
    /// A host that systemd manages, whose folder root alone can change; none where a test may not make one. Its `systemd-run`
    /// notes its arguments, and refuses what the real one does.
    pub(crate) fn managed(shell: Shell) -> Option<Host> {
        if !require::root("to seem to be a host of its own") || !require::mounts() {
            return None;
        }
        let mut host = Host::within(Path::new("/run"), shell, "it's a $HOST").with_command();
        host.manager = Manager::Systemd;
        fs::create_dir_all(host.file("etc-systemd/system")).unwrap();
        fs::create_dir_all(host.file("var-lib/systemd/linger")).unwrap();
        let asked = host.file("asked");
        fs::write(&asked, "").unwrap();
        host.tell_systemd_run(&format!(
            r#"printf '%s\n' "$*" | head -n 1 >>'{}'
for argument; do
  case $argument in
    --unit=*)
      unit=${{argument#--unit=}}.service
      [ ${{#unit}} -le 255 ] || {{ echo "Invalid unit name $unit" >&2; exit 1; }}
      ;;
  esac
done
while [ "$1" != -- ]; do shift; done
shift
# As systemd does.
for word do
  shift
  set -- "$@" "$(printf '%s\n' "$word" | sed 's/\$\$/$/g')"
done
setsid "$@" >/dev/null 2>&1 &"#,
            quoted(&asked)
        ));
        Some(host)
    }

    /// What its `systemd-run` does.
    pub(crate) fn tell_systemd_run(&self, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let systemd_run = self.file("bin/systemd-run");
        fs::write(&systemd_run, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(systemd_run, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What its `systemd-run` was asked for, a line each.
    pub(crate) fn asked(&self) -> String {
        read(&self.file("asked"))
    }

    /// What is in its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}
