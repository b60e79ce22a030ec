//! Servers whose connections begin in the clear, each as Debian has it. Dovecot (IMAP, POP3) is in `others`.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use certwave::lab::Process;
use nix::unistd::{Group, User, geteuid};

use crate::require;
use crate::services::others::{free, start};
use crate::support::Fleet;

/// A host, and a folder on it for one more server.
pub(crate) struct Host {
    pub(crate) fleet: Fleet,
    folder: PathBuf,
    ssl: PathBuf,
    pub(crate) at: SocketAddr,
}

impl Host {
    fn new(name: &str) -> Self {
        let fleet = Fleet::start(1);
        // Servers that root starts give up being root, and have to find their files then.
        fs::set_permissions(fleet.lab.directory(), Permissions::from_mode(0o755)).unwrap();
        let host = &fleet.lab.hosts[0];
        let (folder, ssl) = (host.root.join(name), host.root.join("etc/ssl"));
        fs::create_dir_all(&folder).unwrap();
        let at = free(host.nginx.https.ip());
        Self { fleet, folder, ssl, at }
    }

    fn start(&self, command: Command) -> Process {
        start("server", command, &self.folder, &[self.at])
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let text = text
            .replace("{folder}", self.folder.to_str().unwrap())
            .replace("{ssl}", self.ssl.to_str().unwrap())
            .replace("{ip}", &self.at.ip().to_string())
            .replace("{port}", &self.at.port().to_string());
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Rolls out with this `command`, and sees by another client of the protocol that the server serves the new
    /// certificate. One that keeps what it read is first left without its reload, which must not be called done.
    fn proven(&self, protocol: &str, command: &str, keeps_what_it_read: bool) {
        let before = self.served(protocol);
        let service = |command: &str| {
            let port = self.at.port();
            format!(
                "  - hosts: web\n    command: {command}\n    verify: {{port: {port}, starttls: {protocol}}}\n"
            )
        };
        let idle = service("{reload: \"true\"}");
        self.fleet.edit("\ninstall:", &format!("{idle}\ninstall:"));
        if keeps_what_it_read {
            self.fleet.edit("timeout: 20s", "timeout: 2s");
            let run = self.fleet.roll_out(&[]).expect(3);
            let reason = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
            assert!(reason.contains("still the previous certificate is served"), "{reason}");
            assert_eq!(self.served(protocol), before);
            self.fleet.edit("timeout: 2s", "timeout: 20s");
        }
        self.fleet.edit(&idle, &service(command));
        let run = self.fleet.roll_out(&[]).expect(0);
        assert_eq!(run.last()["hosts"][0]["failed_handshakes"], 0);
        let served = self.served(protocol);
        assert_ne!(served, before);
        assert_eq!(served, run.last()["certificate"]["fingerprint_sha256"]);
        let seen = self.fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(0).stdout;
        assert_eq!(seen.matches("\"state\":\"new\"").count(), 2, "{seen}");
    }

    /// What OpenSSL's client sees.
    fn served(&self, protocol: &str) -> String {
        let at = self.at.to_string();
        let args = ["s_client", "-starttls", protocol, "-connect", &at, "-servername", "api.lab.test"];
        let output = Command::new("openssl")
            .args(args)
            .args(["-name", "api.lab.test"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let leaf = openssl::x509::X509::from_pem(&output.stdout);
        let leaf = leaf.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        hex::encode(openssl::sha::sha256(&leaf.to_der().unwrap()))
    }
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
}

/// Postfix with more lines in its `main.cf`; how it is tested and reloaded.
pub(crate) fn postfix(more: &str) -> (Host, Process, String) {
    let host = Host::new("postfix");
    for folder in ["queue", "data"] {
        fs::create_dir(host.folder.join(folder)).unwrap();
    }
    let owner = User::from_name("postfix").unwrap().unwrap().uid.as_raw();
    chown(host.folder.join("data"), Some(owner), None).unwrap();
    host.write(
        "main.cf",
        &format!(
            "compatibility_level = 3.6\nqueue_directory = {{folder}}/queue\ndata_directory = {{folder}}/data\n\
             command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n\
             setgid_group = postdrop\nmyhostname = api.lab.test\nmydestination =\ninet_interfaces = all\n\
             inet_protocols = ipv4\nalias_maps =\nmaillog_file = {{folder}}/mail.log\n\
             maillog_file_prefixes = {{folder}}\nsmtpd_tls_security_level = may\n\
             smtpd_tls_chain_files = {{ssl}}/api.key, {{ssl}}/api.crt\n{more}"
        ),
    );
    host.write(
        "master.cf",
        "{ip}:{port} inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\nanvil unix - - n - 1 anvil\nproxymap unix - - n - - proxymap\n\
         postlog unix-dgram n - n - 1 postlogd\n",
    );
    let folder = host.folder.display();
    // The check makes the folders of the queue.
    run(Command::new("/usr/sbin/postfix").arg("-c").arg(&host.folder).arg("check"));
    let mut command = Command::new("/usr/lib/postfix/sbin/master");
    command.arg("-c").arg(&host.folder).arg("-d");
    let reload = format!(
        "{{test: /usr/sbin/postfix -c {folder} check, reload: /usr/sbin/postfix -c {folder} reload}}"
    );
    let process = host.start(command);
    (host, process, reload)
}

#[test]
fn postfix_is_proven_by_smtp() {
    if !require::root("to start Postfix") {
        return;
    }
    let (host, _postfix, reload) = postfix("");
    // An smtpd that waits for its next client keeps its certificate: whether one does is chance.
    host.proven("smtp", &reload, false);
}

#[test]
fn vsftpd_is_proven_by_ftp() {
    let host = Host::new("vsftpd");
    let config = host.write(
        "vsftpd.conf",
        "listen=NO\nanonymous_enable=NO\nlocal_enable=YES\n\
         ssl_enable=YES\nrsa_cert_file={ssl}/api.crt\nrsa_private_key_file={ssl}/api.key\nssl_ciphers=HIGH\n\
         secure_chroot_dir={folder}\nvsftpd_log_file={folder}/vsftpd.log\nseccomp_sandbox=NO\n",
    );
    if !geteuid().is_root() {
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}run_as_launching_user=YES\n")).unwrap();
    }
    // Started for each connection, it reads its certificate each time.
    let mut command = Command::new("/usr/bin/socat");
    command.arg(format!("TCP-LISTEN:{},bind={},fork,reuseaddr", host.at.port(), host.at.ip()));
    command.arg(format!("EXEC:/usr/sbin/vsftpd {},nofork", config.display()));
    let _vsftpd = host.start(command);
    host.proven("ftp", "{reload: \"true\"}", false);
}

#[test]
fn slapd_is_proven_by_ldap() {
    let host = Host::new("slapd");
    let (config, socket) = (host.folder.join("config"), host.folder.join("ldapi"));
    fs::create_dir(&config).unwrap();
    let (uid, gid) = (geteuid(), nix::unistd::getegid());
    let text = host.write(
        "slapd.conf",
        &format!(
            "pidfile {{folder}}/pid\nargsfile {{folder}}/args\nTLSCertificateFile {{ssl}}/api.crt\n\
             TLSCertificateKeyFile {{ssl}}/api.key\ndatabase config\naccess to * by \
             dn.exact=gidNumber={gid}+uidNumber={uid},cn=peercred,cn=external,cn=auth manage by * none\n"
        ),
    );
    let slapd = "/usr/sbin/slapd";
    run(Command::new(slapd).arg("-Ttest").arg("-f").arg(&text).arg("-F").arg(&config));
    let encoded = socket.to_str().unwrap().replace('/', "%2F");
    let mut command = Command::new(slapd);
    command.arg("-h").arg(format!("ldap://{}/ ldapi://{encoded}/", host.at)).arg("-F").arg(&config);
    let _slapd = host.start({
        command.args(["-d", "0"]);
        command
    });
    // That a setting is given again makes it read the files again.
    let again = "dn: cn=config\nchangetype: modify\nreplace: olcTLSCertificateFile\nolcTLSCertificateFile: {ssl}/api.crt\n-\n\
         replace: olcTLSCertificateKeyFile\nolcTLSCertificateKeyFile: {ssl}/api.key\n";
    let ldif = host.write("again.ldif", again);
    let reload = format!("/usr/bin/ldapmodify -Q -Y EXTERNAL -H ldapi://{encoded}/ -f {}", ldif.display());
    host.proven("ldap", &format!("{{reload: \"{reload}\"}}"), true);
}

#[test]
fn postgresql_is_proven_by_its_own_request() {
    let host = Host::new("postgres");
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    let bin = versions.max().unwrap().join("bin");
    let data = host.folder.join("data");
    // It refuses to be root, whose key it may read by its group.
    let owner = geteuid().is_root().then(|| {
        let (user, group) = (User::from_name("postgres").unwrap(), Group::from_name("postgres").unwrap());
        (user.unwrap().uid.as_raw(), group.unwrap().gid.as_raw())
    });
    if let Some((uid, gid)) = owner {
        chown(&host.folder, Some(uid), Some(gid)).unwrap();
        chown(host.ssl.join("api.key"), None, Some(gid)).unwrap();
        fs::set_permissions(host.ssl.join("api.key"), Permissions::from_mode(0o640)).unwrap();
        host.fleet.edit("group: root", "group: postgres\n  mode: \"0640\"");
    }
    // The lab starts a server by its words: who it runs as is one of them.
    let as_owner = |program: &str| {
        let program = bin.join(program);
        let mut command = match owner {
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(&host.folder).arg("-D").arg(&data);
        command
    };
    run(as_owner("initdb").args(["-A", "trust", "--no-sync", "-U", "postgres"]));
    let mut command = as_owner("postgres");
    let settings = [
        format!("listen_addresses={}", host.at.ip()),
        format!("port={}", host.at.port()),
        "unix_socket_directories=".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}/api.crt", host.ssl.display()),
        format!("ssl_key_file={}/api.key", host.ssl.display()),
    ];
    settings.iter().for_each(|setting| {
        command.args(["-c", setting]);
    });
    let _postgres = host.start(command);
    let reload = format!("kill -HUP $(head -n 1 {}/postmaster.pid)", data.display());
    host.proven("postgres", &format!("{{reload: \"{reload}\"}}"), true);
}

#[test]
fn prosody_is_proven_by_xmpp() {
    let host = Host::new("prosody");
    let config = host.write(
        "prosody.cfg.lua",
        "run_as_root = true\ndaemonize = false\npidfile = \"{folder}/prosody.pid\"\ndata_path = \"{folder}\"\n\
         log = \"{folder}/prosody.log\"\nmodules_enabled = { \"tls\", \"saslauth\", \"posix\" }\n\
         modules_disabled = { \"s2s\" }\ninterfaces = { \"{ip}\" }\nc2s_ports = { {port} }\n\
         c2s_direct_tls_ports = {}\nVirtualHost \"api.lab.test\"\n\
         ssl = { certificate = \"{ssl}/api.crt\", key = \"{ssl}/api.key\" }\n",
    );
    let mut command = Command::new("/usr/bin/prosody");
    command.arg("-F").arg("--config").arg(&config);
    let _prosody = host.start(command);
    let reload = format!("kill -HUP $(cat {}/prosody.pid)", host.folder.display());
    host.proven("xmpp", &format!("{{reload: \"{reload}\"}}"), true);
}

#[test]
fn mariadb_is_proven_by_its_own_request() {
    let host = Host::new("mariadb");
    let (data, socket) = (host.folder.join("data"), host.folder.join("socket"));
    let me = User::from_uid(geteuid()).unwrap().unwrap().name;
    let user = format!("--user={me}");
    let with = |option: &str, path: &Path| format!("--{option}={}", path.display());
    let mut install = Command::new("/usr/bin/mariadb-install-db");
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &user]);
    run(install.arg(with("datadir", &data)));
    let mut command = Command::new("/usr/sbin/mariadbd");
    command.args(["--no-defaults", &user]).args([
        with("datadir", &data),
        with("socket", &socket),
        format!("--bind-address={}", host.at.ip()),
        format!("--port={}", host.at.port()),
        with("ssl-cert", &host.ssl.join("api.crt")),
        with("ssl-key", &host.ssl.join("api.key")),
    ]);
    let _mariadb = host.start(command);
    let reload = format!("/usr/bin/mariadb --skip-ssl -u root -S {} -e 'FLUSH SSL'", socket.display());
    host.proven("mysql", &format!("{{reload: \"{reload}\"}}"), true);
}
