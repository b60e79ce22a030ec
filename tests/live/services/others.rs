//! Anything with a command: Apache, and Dovecot by STARTTLS.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use certwave::lab::{Process, free_port, wait_for};

use crate::support::{Fleet, Run, leaf};

/// Puts another server on the first host, beside its nginx, and rolls out to both.
fn roll_out_to(fleet: &Fleet, service: &str) -> Run {
    fleet.edit("\ninstall:", &format!("{service}\ninstall:"));
    fleet.roll_out(&[])
}

pub(crate) fn start(name: &str, command: Command, folder: &Path, ports: &[SocketAddr]) -> Process {
    let mut process = Process::start(name, &command, &folder.join("stderr.log")).unwrap();
    for port in ports {
        process.wait_for_port(*port).unwrap();
    }
    process
}

pub(crate) fn free(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, free_port(address).unwrap())
}

/// Apache beside a host's nginx, with more lines in its configuration.
pub(crate) struct Apache {
    pub(crate) process: Process,
    pub(crate) at: SocketAddr,
    pub(crate) config: PathBuf,
    pub(crate) text: String,
}

pub(crate) fn apache(fleet: &Fleet, more: &str) -> Apache {
    let host = &fleet.lab.hosts[0];
    let (folder, ssl) = (host.root.join("apache"), host.root.join("etc/ssl"));
    std::fs::create_dir_all(folder.join("www")).unwrap();
    std::fs::write(folder.join("www/index.html"), "apache").unwrap();
    let at = free(host.nginx.https.ip());
    let modules: String = ["mpm_event", "authz_core", "dir", "ssl", "socache_shmcb"]
        .map(|module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"))
        .concat();
    let config = folder.join("apache.conf");
    let text = format!(
        "ServerRoot {folder}\nServerName api.lab.test\n{modules}PidFile {folder}/pid\nErrorLog {folder}/error.log\n\
         DefaultRuntimeDir {folder}\nMutex pthread\nListen {at}\nDocumentRoot {folder}/www\nDirectoryIndex index.html\n\
         <Directory {folder}/www>\nRequire all granted\n</Directory>\nSSLEngine on\n\
         SSLCertificateFile {ssl}/api.crt\nSSLCertificateKeyFile {ssl}/api.key\n{more}",
        folder = folder.display(),
        ssl = ssl.display(),
    );
    // Root's Apache gives its workers away to a user.
    let user = if nix::unistd::geteuid().is_root() { "User www-data\nGroup www-data\n" } else { "" };
    let text = format!("{text}{user}");
    std::fs::write(&config, &text).unwrap();
    let mut command = Command::new("/usr/sbin/apache2");
    command.arg("-f").arg(&config).arg("-DFOREGROUND");
    let process = start("apache", command, &folder, &[at]);
    Apache { process, at, config, text }
}

#[test]
fn apache_is_tested_and_reloaded_gracefully() {
    let fleet = Fleet::start(1);
    let Apache { process: _apache, at, config, text } = apache(&fleet, "");
    let service = format!(
        "  - hosts: web\n    command:\n      test: /usr/sbin/apache2 -f {config} -t\n      reload: /usr/sbin/apache2 -f {config} -k graceful\n    verify: {{port: {}}}\n",
        at.port(),
        config = config.display(),
    );
    let run = roll_out_to(&fleet, &service).expect(0);
    assert_eq!(run.last()["hosts"][0]["failed_handshakes"], 0);
    assert_eq!(leaf(at, "api.lab.test", ""), run.last()["certificate"]["fingerprint_sha256"]);

    // A host with two services goes back with both, where one refuses.
    let before = (fleet.served(0), leaf(at, "api.lab.test", ""));
    std::fs::write(&config, format!("{text}NoSuchDirective on\n")).unwrap();
    let run = fleet.roll_out(&["--force"]).expect(3);
    let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("NoSuchDirective"), "{reason}");
    assert_eq!((fleet.served(0), leaf(at, "api.lab.test", "")), before);
}

/// A Dovecot on the first host; ends with this value.
pub(crate) struct Dovecot {
    _process: Process,
    _mail: tempfile::TempDir,
    config: std::path::PathBuf,
    pub(crate) imap: SocketAddr,
    pop3: SocketAddr,
}

impl Dovecot {
    /// As the guide has it.
    pub(crate) fn service(&self, port: u16, protocol: &str) -> String {
        format!(
            "  - hosts: web\n    command: {{test: /usr/bin/doveconf -c {config} -n, reload: /usr/bin/doveadm -c {config} reload}}\n    verify: {{port: {port}, starttls: {protocol}}}\n",
            config = self.config.display(),
        )
    }

    /// With more settings.
    pub(crate) fn start(fleet: &Fleet, more: &str) -> Self {
        let host = &fleet.lab.hosts[0];
        let (folder, ssl) = (host.root.join("dovecot"), host.root.join("etc/ssl"));
        std::fs::create_dir_all(&folder).unwrap();
        let (imap, pop3) = (free(host.nginx.https.ip()), free(host.nginx.https.ip()));
        let users = if nix::unistd::geteuid().is_root() {
            String::new()
        } else {
            let me = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
            let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).unwrap().unwrap().name;
            format!(
                "default_internal_user = {me}\ndefault_internal_group = {group}\ndefault_login_user = {me}\n"
            )
        };
        let listener = |name: &str, port: u16| {
            format!(
                "service {name}-login {{\n  chroot =\n  inet_listener {name} {{\n    port = {port}\n  }}\n  inet_listener {name}s {{\n    port = 0\n  }}\n}}\n"
            )
        };
        // Whoever logs in has it, as nobody where Dovecot is root.
        let mail = tempfile::tempdir_in("/tmp").unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(mail.path(), everybody).unwrap();
        let (uid, gid) = match nix::unistd::geteuid().is_root() {
            true => (65534, 65534),
            false => (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()),
        };
        let config = folder.join("dovecot.conf");
        let ssl = ssl.display();
        // 2.4 wants to be told for which version the file is written, and has other names for most settings.
        let version = Command::new("/usr/sbin/dovecot").arg("--version").output().unwrap();
        let (head, tls, users_of) = if version.stdout.starts_with(b"2.3") {
            (
                format!("mail_location = maildir:{}\n", mail.path().display()),
                format!("ssl_cert = <{ssl}/api.crt\nssl_key = <{ssl}/api.key\n"),
                format!(
                    "passdb {{\n  driver = static\n  args = nopassword=y\n}}\nuserdb {{\n  driver = static\n  args = uid={uid} gid={gid} home=/nonexistent\n}}\n"
                ),
            )
        } else {
            (
                format!(
                    "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\nmail_driver = maildir\nmail_path = {}\n",
                    mail.path().display()
                ),
                format!("ssl_server_cert_file = {ssl}/api.crt\nssl_server_key_file = {ssl}/api.key\n"),
                format!(
                    "passdb static {{\n  password =\n}}\nuserdb static {{\n  fields {{\n    uid = {uid}\n    gid = {gid}\n    home = /nonexistent\n  }}\n}}\n"
                ),
            )
        };
        let text = format!(
            "{head}{more}base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = {folder}/dovecot.log\nlisten = {}\n\
         protocols = imap pop3\nssl = yes\n{tls}{users}{users_of}{}{}",
            imap.ip(),
            listener("imap", imap.port()),
            listener("pop3", pop3.port()),
            folder = folder.display(),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let _process = start("dovecot", command, &folder, &[imap, pop3]);
        Self { _process, _mail: mail, config, imap, pop3 }
    }
}

#[test]
fn dovecot_is_proven_by_starttls() {
    let fleet = Fleet::start(1);
    let dovecot = Dovecot::start(&fleet, "");
    let (imap, pop3) = (dovecot.imap, dovecot.pop3);
    let service = [dovecot.service(imap.port(), "imap"), dovecot.service(pop3.port(), "pop3")].concat();
    roll_out_to(&fleet, &service).expect(0);
    let seen = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(0).stdout;
    assert_eq!(seen.matches("\"state\":\"new\"").count(), 3, "{seen}");

    // A server that answers, but not by this protocol, is told with what it said.
    fleet.edit("starttls: pop3", "starttls: smtp");
    fleet.edit("timeout: 20s", "timeout: 3s");
    assert!(wait_for(Duration::from_secs(60), || std::net::TcpStream::connect(pop3).is_ok()));
    let seen = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(1).stdout;
    assert!(seen.contains("does not change to TLS: `+OK"), "{seen}");
}
