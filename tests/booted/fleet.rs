//! A fleet of booted hosts, each with nginx, HAProxy and Apache, and the program run against it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use certwave::lab::UserKey;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use tempfile::TempDir;

use crate::authority::{Authority, Issued};
use crate::host::{Host, SSH, clean_up};
use crate::running::Running;
use crate::support::Run;

/// The name that the certificate is for.
pub(crate) const NAME: &str = "api.booted.test";
pub(crate) const NGINX: u16 = 8443;
pub(crate) const HAPROXY: u16 = 9443;
pub(crate) const APACHE: u16 = 7443;
pub(crate) const PLAIN: u16 = 6443;
/// The servers of a host that root reloads, by their ports.
pub(crate) const SERVERS: [u16; 3] = [NGINX, HAPROXY, APACHE];

static HOSTS: AtomicU32 = AtomicU32::new(0);

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    Root,
    /// `deploy`, who becomes root by sudo.
    Sudo,
    /// `plain`, who becomes nobody, and whose own nginx is the only server.
    Plain,
}

pub(crate) struct Fleet {
    pub(crate) hosts: Vec<Host>,
    directory: TempDir,
    authority: Authority,
    login: Login,
    /// The certificate's name.
    pub(crate) name: String,
    /// More lines of `install:`, and of `verify:`.
    pub(crate) install: String,
    /// HAProxy's socket, in `haproxy:`.
    pub(crate) socket: String,
    pub(crate) verify: String,
}

impl Fleet {
    /// One host of each suite, booted; every server serves a certificate from before.
    pub(crate) fn boot(suites: &[&'static str], login: Login) -> Fleet {
        clean_up();
        let directory = tempfile::Builder::new().prefix("certwave-booted-").tempdir().unwrap();
        let user = UserKey::new(directory.path()).unwrap();
        let authority = Authority::new(directory.path());
        let mut fleet = Fleet {
            hosts: Vec::new(),
            directory,
            authority,
            login,
            name: NAME.to_owned(),
            install: String::new(),
            socket: "/run/haproxy.sock".to_owned(),
            verify: String::new(),
        };
        let mut known_hosts = String::new();
        for suite in suites {
            let number = HOSTS.fetch_add(1, Ordering::Relaxed);
            let process = std::process::id();
            // Of the loopback's addresses, some that no other test has.
            let [_, _, high, low] = process.to_be_bytes();
            let address = IpAddr::V4(Ipv4Addr::new(127, high | 128, low, u8::try_from(number + 10).unwrap()));
            let mut host = Host::new(suite, &format!("cw-{process}-{number}"), address);
            fleet.furnish(&host, &user);
            let took = host.boot();
            println!("{} ({suite}): boots in {took:.1?}", host.name);
            let key = fs::read_to_string(host.path("/etc/ssh/ssh_host_ed25519_key.pub")).unwrap();
            known_hosts.push_str(&format!("[{address}]:{SSH} {key}"));
            fleet.hosts.push(host);
        }
        fleet.write("known_hosts", &known_hosts);
        let user = match login {
            Login::Root => "ansible_user: root",
            Login::Sudo => "ansible_user: deploy, ansible_become: true",
            Login::Plain => "ansible_user: plain",
        };
        let lines: String = fleet
            .hosts
            .iter()
            .map(|host| {
                format!(
                    "    {}: {{ansible_host: {}, ansible_port: {SSH}, {user}}}\n",
                    host.name, host.address
                )
            })
            .collect();
        fleet.write(
            "inventory.yaml",
            &format!(
                "all:\n  vars: {{ansible_ssh_private_key_file: {0}/id_ed25519, ansible_ssh_common_args: \"-o \
                 UserKnownHostsFile={0}/known_hosts\"}}\n  hosts:\n{lines}",
                fleet.directory.path().display()
            ),
        );
        fleet
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Its configuration, while it is not booted.
    fn furnish(&self, host: &Host, user: &UserKey) {
        let address = host.address;
        let Issued { chain: certificate, key } = self.authority.issue(NAME);
        host.write("/etc/ssl/api.crt", &certificate);
        host.write("/etc/ssl/api.key", &key);
        host.write("/etc/haproxy/api.pem", &format!("{certificate}{key}"));
        host.write(
            "/etc/nginx/sites-enabled/default",
            &format!(
                "server {{ listen {address}:{NGINX} ssl; ssl_certificate /etc/ssl/api.crt; \
                 ssl_certificate_key /etc/ssl/api.key; return 200 ok; }}\n"
            ),
        );
        host.write(
            "/etc/haproxy/haproxy.cfg",
            &format!(
                "global\n  stats socket /run/haproxy.sock mode 600 level admin\ndefaults\n  mode http\n  timeout connect 5s\n  \
                 timeout client 5s\n  timeout server 5s\nfrontend https\n  bind {address}:{HAPROXY} ssl crt \
                 /etc/haproxy/api.pem\n  http-request return status 200\n"
            ),
        );
        host.write("/etc/apache2/ports.conf", &format!("Listen {address}:{APACHE}\n"));
        host.write(
            "/etc/apache2/sites-enabled/000-default.conf",
            "ServerName api.booted.test\n<VirtualHost *>\n  SSLEngine on\n  SSLCertificateFile /etc/ssl/api.crt\n  \
             SSLCertificateKeyFile /etc/ssl/api.key\n</VirtualHost>\n",
        );
        host.write(
            "/etc/ssh/sshd_config.d/lane.conf",
            &format!("ListenAddress {address}\nPort {SSH}\nPermitRootLogin prohibit-password\nUseDNS no\n"),
        );
        // Debian 13 would listen by a socket unit otherwise; this one's address is the daemon's own.
        host.write("/etc/systemd/logind.conf.d/lane.conf", "[Login]\nKillUserProcesses=yes\n");
        host.write("/etc/sudoers.d/deploy", "deploy ALL=(ALL) NOPASSWD: ALL\n");
        host.write("/srv/plain/nginx.conf", &format!(
            "pid /srv/plain/nginx.pid;\nerror_log /srv/plain/error.log;\nevents {{}}\nhttp {{\n  access_log off;\n  \
             client_body_temp_path /srv/plain/t1; proxy_temp_path /srv/plain/t2; fastcgi_temp_path /srv/plain/t3; \
             uwsgi_temp_path /srv/plain/t4; scgi_temp_path /srv/plain/t5;\n  server {{ listen {address}:{PLAIN} ssl; \
             ssl_certificate /srv/plain/api.crt; ssl_certificate_key /srv/plain/api.key; return 200 ok; }}\n}}\n"
        ));
        host.write("/srv/plain/api.crt", &certificate);
        host.write("/srv/plain/api.key", &key);
        host.write(
            "/etc/systemd/system/plain-nginx.service",
            "[Service]\nUser=plain\nExecStart=/usr/sbin/nginx -c /srv/plain/nginx.conf -e /srv/plain/error.log -g 'daemon off;'\n\
             [Install]\nWantedBy=multi-user.target\n",
        );
        host.prepare(
            "chmod 440 /etc/sudoers.d/deploy; a2enmod -q ssl; ssh-keygen -A >/dev/null; \
             useradd -m -s /bin/sh deploy; useradd -m -s /bin/sh plain; chown -R plain:plain /srv/plain; \
             systemctl enable -q plain-nginx.service; mkdir -p /var/log/journal; \
             systemctl disable -q postfix.service postgresql.service",
        );
        for home in ["/root", "/home/deploy", "/home/plain"] {
            let keys = format!("{home}/.ssh/authorized_keys");
            host.write(&keys, &format!("{}\n", user.public));
            fs::set_permissions(host.path(&keys), fs::Permissions::from_mode(0o644)).unwrap();
            host.prepare(&format!("chown -R $(stat -c %U {home}) {home}/.ssh; chmod 700 {home}/.ssh"));
        }
    }

    /// A new certificate for the next rollout, by the settings as they are.
    pub(crate) fn renew(&self) {
        let (services, install) = match self.login {
            Login::Plain => (
                format!(
                    "  - hosts: all\n    nginx: {{config: /srv/plain/nginx.conf}}\n    verify: {{port: {PLAIN}}}\n"
                ),
                "  directory: /srv/plain/certwave\n  owner: plain\n  group: plain\n  links: {/srv/plain/api.crt: \
                 fullchain.pem, /srv/plain/api.key: privkey.pem}\n",
            ),
            Login::Root | Login::Sudo => (
                format!(
                    "  - hosts: all\n    nginx: {{}}\n    verify: {{port: {NGINX}}}\n  - hosts: all\n    haproxy: {{socket: \
                     {}, reload: systemd, certificate: /etc/haproxy/api.pem}}\n    verify: {{port: \
                     {HAPROXY}}}\n  - hosts: all\n    command: {{test: apachectl configtest, reload: systemctl reload \
                     apache2}}\n    verify: {{port: {APACHE}}}\n",
                    self.socket
                ),
                "  links: {/etc/ssl/api.crt: fullchain.pem, /etc/ssl/api.key: privkey.pem}\n",
            ),
        };
        self.renew_for(&services, install);
    }

    /// The same for other services.
    pub(crate) fn renew_for(&self, services: &str, install: &str) {
        let Issued { chain, key } = self.authority.issue(NAME);
        self.write("new.pem", &chain);
        let path = self.directory.path().join("new.key");
        fs::write(&path, key).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        self.write(
            "playbook.yaml",
            &format!(
                "certificate: {{name: {}, domains: [{NAME}]}}\nissuers: [{{files: {{certificate: new.pem, key: \
                 new.key}}}}]\nservices:\n{services}install:\n{install}{}verify:\n  ca_file: root.pem\n{}waves: [{{name: \
                 all, hosts: all}}]\n",
                self.name, self.install, self.verify
            ),
        );
    }

    /// As `running` calls it.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certwave"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CERTWAVE_")) {
            command.env_remove(name);
        }
        let state = format!("sqlite:{}", self.directory.path().join("state").display());
        command.args(args).args(["-i", "inventory.yaml", "--state", &state]);
        command.env("HOME", self.directory.path()).env_remove("SSH_AUTH_SOCK");
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Running::start(self.command(args)).end()
    }

    /// A new certificate, proven everywhere.
    pub(crate) fn roll_out(&self) -> Run {
        self.renew();
        Running::rollout(self).end()
    }

    /// A new certificate that is never proven: until every host waits for its proof.
    pub(crate) fn roll_out_unproven(&mut self, dead_man: &str) -> Running {
        self.roll_out_slowly(dead_man, 1_000_000)
    }

    /// A new certificate whose proof, as that of the one before, takes so many answers: until every host waits for it.
    pub(crate) fn roll_out_slowly(&mut self, dead_man: &str, answers: u32) -> Running {
        self.install.push_str(&format!("  dead_man: {dead_man}\n"));
        self.verify.push_str(&format!("  timeout: 5s\n  answers: {answers}\n"));
        self.renew();
        let mut rollout = Running::rollout(self);
        for _ in &self.hosts {
            rollout.until(|event| event["event"] == "step.started" && event["step"] == "verify");
        }
        rollout
    }

    /// The next certificate can be proven again.
    pub(crate) fn settle(&mut self) {
        self.verify.clear();
    }

    /// The SHA-256 of the leaf that a server of a host shows, if it answers.
    pub(crate) fn served(&self, host: usize, port: u16) -> Option<String> {
        let stream = std::net::TcpStream::connect(SocketAddr::new(self.hosts[host].address, port)).ok()?;
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.set_verify(SslVerifyMode::NONE);
        let stream =
            builder.build().configure().unwrap().verify_hostname(false).connect(NAME, stream).ok()?;
        Some(hex::encode(openssl::sha::sha256(&stream.ssl().peer_certificate()?.to_der().unwrap())))
    }

    /// Whether every server of every host shows it.
    pub(crate) fn all_serve(&self, leaf: &str) -> bool {
        let servers: &[u16] = if self.login == Login::Plain { &[PLAIN] } else { &SERVERS };
        let shows =
            |host: usize| servers.iter().all(|port| self.served(host, *port).as_deref() == Some(leaf));
        (0..self.hosts.len()).all(shows)
    }
}
