//! A login that may open nothing: everything is done through `sudo`, HAProxy's socket is reached by a relay.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use certwave::lab::Process;

use crate::require;
use crate::services::haproxy::{haproxy, reload};
use crate::services::others::start;
use crate::support::Fleet;

/// Everything that sudo is told to run, without the quotes that some versions show it in.
const COMMAND: &str = r#"COMMAND=/usr/bin/sh -c IFS= read -r line && eval "$line""#;

/// A host with nginx, and one with HAProxy whose login is `deploy`, who becomes root.
struct Sudo {
    fleet: Fleet,
    sudoers: PathBuf,
    // Ends before its folder does.
    _sshd: Process,
}

impl Sudo {
    /// None where the machine cannot have such a host.
    fn start(sshd: &str, rules: impl FnOnce(&Path) -> String) -> Option<Self> {
        // In a mount namespace of its own, sshd's users and sudo's rules can be others.
        if !require::root("to give a host users and rules of its own")
            || !require::mounts()
            || !require::program("sudo")
        {
            return None;
        }
        let mut fleet = Fleet::mixed(1, 1, 0);
        let folder = fleet.lab.directory().to_owned();
        // sshd reads the keys of a user as that user.
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let (passwd, sudoers) = (folder.join("passwd"), folder.join("sudoers"));
        let users = fs::read_to_string("/etc/passwd").unwrap();
        fs::write(&passwd, format!("{users}deploy:*:4242:65534::/:/bin/sh\n")).unwrap();
        allow(&sudoers, &rules(&folder));

        let web = &mut fleet.lab.hosts[0];
        prepend(&web.root.join("sshd/sshd_config"), sshd);
        web.sshd.as_mut().unwrap().start_again().unwrap();
        let front = &mut fleet.lab.fronts[0];
        let (folder, address) = (front.root.join("sshd"), front.sshd.address);
        front.sshd.process.stop();
        let config = folder.join("sshd_config");
        // The account is known to no PAM but by its line in passwd.
        prepend(&config, &format!("UsePAM no\n{sshd}"));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command.arg("mount --bind \"$1\" /etc/passwd && mount --bind \"$2\" /etc/sudoers && exec /usr/sbin/sshd -D -e -f \"$3\"");
        command.arg("sh").args([&passwd, &sudoers, &config]);
        let _sshd = start("sshd", command, &folder, &[address]);
        let socket = fs::metadata(&haproxy(&fleet).socket).unwrap();
        assert_eq!((socket.uid(), socket.mode() & 0o077), (0, 0), "the login may open it");
        fleet.edit_inventory("lb01: {", "lb01: {ansible_user: deploy, ansible_become: true, ");
        Some(Self { fleet, sudoers, _sshd })
    }

    /// Changes sudo's rules, in the file that is mounted already.
    fn allow(&self, rules: &str) {
        fs::set_permissions(&self.sudoers, Permissions::from_mode(0o640)).unwrap();
        allow(&self.sudoers, rules);
    }
}

fn allow(sudoers: &Path, rules: &str) {
    fs::write(sudoers, rules).unwrap();
    fs::set_permissions(sudoers, Permissions::from_mode(0o440)).unwrap();
}

fn prepend(config: &Path, lines: &str) {
    let text = fs::read_to_string(config).unwrap();
    fs::write(config, format!("{lines}\n{text}")).unwrap();
}

#[test]
fn a_socket_that_the_login_may_not_open_is_reached_through_sudo_which_logs_one_short_line() {
    let rules = |folder: &Path| {
        let log = folder.join("sudo.log");
        format!("Defaults logfile={}, loglinelen=0\ndeploy ALL=(root) NOPASSWD: ALL\n", log.display())
    };
    let Some(sudo) = Sudo::start("", rules) else { return };
    let fleet = &sudo.fleet;
    fleet.run(&["plan", "playbook.yaml"]).expect(0);
    let wanted = fleet.roll_out(&[]).expect(0).leaf();
    assert_eq!(fleet.front_served(0), wanted);
    reload(haproxy(fleet));
    assert_eq!(fleet.front_served(0), wanted);
    let log = fs::read_to_string(fleet.lab.directory().join("sudo.log")).unwrap();
    assert!(
        log.lines().count() > 1 && log.lines().all(|line| line.replace('\'', "").ends_with(COMMAND)),
        "{log}"
    );

    // And where sudo says no, that is told before anything is changed.
    sudo.allow("");
    let run = fleet.roll_out(&["--force", "--limit", "lb"]);
    assert_ne!(run.code, 0);
    assert!(run.error(0).contains("sudo"), "{}", run.error(0));
    assert_eq!(fleet.front_served(0), wanted);
}

#[test]
fn one_session_at_a_time_will_do() {
    let rules = |_: &Path| "deploy ALL=(root) NOPASSWD: ALL\n".to_owned();
    let Some(sudo) = Sudo::start("MaxSessions 1", rules) else { return };
    let fleet = &sudo.fleet;
    fleet.run(&["plan", "playbook.yaml", "--rehearse"]).expect(0);
    let wanted = fleet.roll_out(&[]).expect(0).leaf();
    assert_eq!((fleet.served(0), fleet.front_served(0)), (wanted.clone(), wanted));
    fleet.run(&["status", "playbook.yaml"]).expect(0);
    fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
}

#[test]
fn a_key_that_sudo_would_log_stays_here() {
    let rules = |folder: &Path, tags: &str| {
        let log = folder.join("sudo-io").display().to_string();
        format!("Defaults log_input, iolog_dir={log}\ndeploy ALL=(root) NOPASSWD: {tags} ALL\n")
    };
    let Some(sudo) = Sudo::start("", |folder| rules(folder, "")) else { return };
    let fleet = &sudo.fleet;
    let folder = fleet.lab.directory();
    let plan = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).stdout;
    assert_eq!(plan.matches(r#""risk":"input_logged""#).count(), 1, "{plan}");
    let run = fleet.roll_out(&["--limit", "lb"]);
    assert_ne!(run.code, 0);
    let reason = run.error(0);
    assert!(
        reason.starts_with("refused before anything is sent: sudo would keep the private key"),
        "{reason}"
    );
    // Nor is the one that HAProxy has now printed there, which a way back would do.
    sudo.allow(&rules(folder, "NOLOG_INPUT: LOG_OUTPUT:"));
    let reason = fleet.roll_out(&["--force", "--limit", "lb"]).error(0);
    assert!(
        reason.contains("on the way back its key is read from the disk, and sudo would keep that"),
        "{reason}"
    );
    let plan = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).stdout;
    assert!(plan.contains("`NOLOG_OUTPUT:`") && !plan.contains("input_logged"), "{plan}");
    // The search finds what was logged, and no key in it.
    assert!(logged(folder, "find_sudo_logs") && !logged(folder, "-----BEGIN PRIVATE KEY"));
    assert!(!fleet.lab.fronts[0].root.join("etc/certwave/archive").exists());

    fs::remove_dir_all(folder.join("sudo-io")).unwrap();
    sudo.allow(&rules(folder, "NOLOG_INPUT:"));
    let plan = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).expect(0).stdout;
    assert!(!plan.contains("input_logged"), "{plan}");
    let wanted = fleet.roll_out(&["--force"]).expect(0).leaf();
    assert_eq!((fleet.served(0), fleet.front_served(0)), (wanted.clone(), wanted));
    assert!(!folder.join("sudo-io").exists());
}

/// Whether a text is in what sudo keeps.
fn logged(folder: &Path, text: &str) -> bool {
    let find = "find \"$1\" -type f -exec zcat -f {} + | grep -caF -e \"$2\" >/dev/null";
    let log = folder.join("sudo-io");
    Command::new("sh").args(["-c", find, "sh"]).arg(log).arg(text).status().unwrap().success()
}
