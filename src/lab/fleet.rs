//! A whole fleet: hosts with sshd and nginx, an ACME server, an inventory and a playbook.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::lab::LabError;
use crate::lab::authority::Authority;
use crate::lab::front::{Front, FrontHost, FrontServer};
use crate::lab::handle::{LabHandle, Record};
use crate::lab::nginx::{NginxOptions, NginxServer};
use crate::lab::pebble::Pebble;
use crate::lab::process::{folder, free_port, take_port, write, write_private};
use crate::lab::sshd::{Sshd, UserKey};

/// The name that the lab's certificate is for.
const DOMAIN: &str = "api.lab.test";

const HAPROXY: &str = r#"  - hosts: lb
    haproxy:
      socket: "{{ root }}/haproxy/admin.sock"
      master_socket: "{{ root }}/haproxy/master.sock"
      config: "{{ root }}/haproxy/haproxy.cfg"
      certificate: "{{ root }}/etc/ssl/api.pem"
"#;
const ENVOY: &str = r#"  - hosts: edge
    envoy: {sds: "{{ root }}/envoy/sds.yaml", secret: server_cert, admin: "{{ admin }}"}
"#;

/// What a lab should be.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// How many hosts with nginx; the first is the canary (the first two of more than ten).
    pub hosts: usize,
    /// How many more with HAProxy.
    pub haproxy: usize,
    /// How many more with Envoy.
    pub envoy: usize,
    /// Its folder; else one that goes when the lab ends.
    pub directory: Option<PathBuf>,
    /// How long the canary soaks, as a playbook writes it.
    pub soak: String,
}

/// What can be broken on the canary host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Its nginx configuration has an error.
    Config,
    /// Its nginx is configured with another key.
    Key,
    /// Its nginx serves the leaf alone.
    Chain,
    /// Its sshd is down.
    Unreachable,
    /// Of an HAProxy host: its configuration has an error.
    Haproxy,
    /// Of an Envoy host: its secret no longer watches the folder of the link.
    Envoy,
    /// Its nginx is configured with a certificate of another name's.
    Mismatch,
}

/// One host of a lab.
#[derive(Debug)]
pub struct LabHost {
    /// Its name in the inventory.
    pub name: String,
    /// Its sshd; none once it is broken.
    pub sshd: Option<Sshd>,
    /// Its nginx.
    pub nginx: NginxServer,
    /// The folder that stands for its `/`.
    pub root: PathBuf,
}

/// A running fleet. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Lab {
    /// Its hosts with nginx.
    pub hosts: Vec<LabHost>,
    /// Its hosts with HAProxy and Envoy.
    pub fronts: Vec<FrontHost>,
    /// Its ACME server.
    pub pebble: Pebble,
    directory: PathBuf,
    temporary: Option<TempDir>,
}

impl Lab {
    /// Starts a fleet.
    ///
    /// # Errors
    /// When a server is missing or does not come up; what was started is ended again.
    pub fn start(options: &LabOptions) -> Result<Self, LabError> {
        let (directory, temporary) = match &options.directory {
            Some(directory) => {
                if directory.join("lab.json").exists() {
                    return Err(LabError::Exists(directory.clone()));
                }
                folder(directory)?;
                let whole = directory.canonicalize();
                (whole.map_err(LabError::io(format!("find `{}`", directory.display())))?, None)
            }
            None => {
                let made = tempfile::Builder::new().prefix("certwave-lab-").tempdir();
                let made = made.map_err(LabError::io("make a folder"))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let [a, b] = network()?;
        // Hosts beyond the 245th have the next network's addresses, and so on.
        let first = u32::from(Ipv4Addr::new(127, a, b, 0));
        let address = |offset: u32| IpAddr::V4(Ipv4Addr::from(first + offset));
        let user = UserKey::new(&directory)?;
        let authority = Authority::new("certwave lab's old root")?;
        let http_port = free_port(address(10))?;
        let host_at = |number: usize| address(u32::try_from(number + 10).unwrap_or(u32::MAX / 2));
        // All answer challenges at this port: nothing else of theirs may take it first.
        (1..options.hosts).for_each(|number| {
            take_port((host_at(number), http_port).into());
        });
        let hosts = start_hosts(options.hosts, &directory, &host_at, &user, &authority, http_port)?;
        let kinds = [(Front::Haproxy, options.haproxy), (Front::Envoy, options.envoy)];
        let kinds = kinds.into_iter().flat_map(|(kind, count)| (0..count).map(move |number| (kind, number)));
        let mut fronts = Vec::new();
        for (at, (kind, number)) in kinds.enumerate() {
            let own = host_at(options.hosts + at);
            fronts.push(FrontHost::start(kind, number, &directory, own, &user, (&authority, DOMAIN))?);
        }
        // The last host answers challenges, so that a broken canary does not stand in the way of issuing.
        let settings = json!({});
        let pebble = Pebble::start(
            &directory.join("pebble"),
            address(2),
            http_port,
            host_at(options.hosts - 1),
            settings,
            &[],
        )?;
        let lab = Self { hosts, fronts, pebble, directory, temporary };
        lab.write_files(&user, &authority, &options.soak)?;
        Ok(lab)
    }

    /// Its folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The inventory to use with it.
    pub fn inventory(&self) -> PathBuf {
        self.directory.join("inventory.yaml")
    }

    /// The playbook to use with it.
    pub fn playbook(&self) -> PathBuf {
        self.directory.join("playbook.yaml")
    }

    /// Breaks the canary host.
    ///
    /// # Errors
    /// When its configuration cannot be changed.
    pub fn break_canary(&mut self, what: Break) -> Result<(), LabError> {
        let front = |is_it: fn(&FrontServer) -> bool| self.fronts.iter().find(|host| is_it(&host.server));
        let front = match what {
            Break::Haproxy => front(|server| matches!(server, FrontServer::Haproxy(_))),
            Break::Envoy => front(|server| matches!(server, FrontServer::Envoy(_))),
            _ => None,
        };
        if let Some(front) = front {
            return front.break_it();
        }
        let Some(canary) = self.hosts.first_mut() else { return Ok(()) };
        let config = &canary.nginx.config;
        let text = std::fs::read_to_string(config).map_err(LabError::io("read the canary's nginx.conf"))?;
        let ssl = canary.root.join("etc/ssl");
        let ssl = ssl.display();
        let broken = match what {
            Break::Config => format!("{text}\nthis_directive_does_not_exist on;\n"),
            Break::Key => text.replace(&format!("{ssl}/api.key"), &format!("{ssl}/forgotten.key")),
            Break::Chain => text.replace(&format!("{ssl}/api.crt"), &format!("{ssl}/api-leaf.crt")),
            Break::Unreachable => {
                canary.sshd = None;
                return Ok(());
            }
            Break::Mismatch => text
                .replace(&format!("{ssl}/api.crt"), &format!("{ssl}/other.crt"))
                .replace(&format!("{ssl}/api.key"), &format!("{ssl}/other.key")),
            Break::Haproxy | Break::Envoy => return Ok(()),
        };
        write(config, broken)
    }

    fn write_files(&self, user: &UserKey, authority: &Authority, soak: &str) -> Result<(), LabError> {
        let lines: String = self
            .hosts
            .iter()
            .filter_map(|host| host.sshd.as_ref())
            .chain(self.fronts.iter().map(|host| &host.sshd))
            .map(|sshd| format!("{}\n", sshd.known_hosts_line))
            .collect();
        write(&self.directory.join("known_hosts"), lines)?;
        let roots = [self.pebble.root_pem()?, authority.root_pem()?].concat();
        write(&self.directory.join("roots.pem"), roots)?;
        write(&self.inventory(), self.inventory_text(user))?;
        write(&self.playbook(), self.playbook_text(soak))
    }

    fn inventory_text(&self, user: &UserKey) -> String {
        let canaries = if self.hosts.len() > 10 { 2 } else { 1 };
        let hosts: String = self.hosts.iter().map(LabHost::inventory_text).collect();
        let canary: String =
            self.hosts.iter().take(canaries).map(|host| format!("        {}:\n", host.name)).collect();
        let group = |name: &str, is_it: fn(&FrontServer) -> bool| {
            let hosts: String = self
                .fronts
                .iter()
                .filter(|host| is_it(&host.server))
                .map(FrontHost::inventory_text)
                .collect();
            if hosts.is_empty() { hosts } else { format!("    {name}:\n      hosts:\n{hosts}") }
        };
        let lb = group("lb", |server| matches!(server, FrontServer::Haproxy(_)));
        let edge = group("edge", |server| matches!(server, FrontServer::Envoy(_)));
        format!(
            "# Written by certwave's lab.\nall:\n  vars:\n    ansible_user: {}\n    \
             ansible_ssh_private_key_file: {}\n    ansible_ssh_common_args: -o UserKnownHostsFile={}\n  \
             children:\n    web:\n      hosts:\n{hosts}{lb}{edge}    canary:\n      hosts:\n{canary}",
            current_user(),
            user.path.display(),
            self.directory.join("known_hosts").display(),
        )
    }

    fn playbook_text(&self, soak: &str) -> String {
        let (owner, group) = (current_user(), current_group());
        let has = |is_it: fn(&FrontServer) -> bool| self.fronts.iter().any(|host| is_it(&host.server));
        let (mut fronts, mut all) = (String::new(), "web".to_owned());
        if has(|server| matches!(server, FrontServer::Haproxy(_))) {
            all.push_str(":lb");
            fronts.push_str(HAPROXY);
        }
        if has(|server| matches!(server, FrontServer::Envoy(_))) {
            all.push_str(":edge");
            fronts.push_str(ENVOY);
        }
        format!(
            r#"# Written by certwave's lab: a whole rollout on real servers.
certificate:
  domains: [{DOMAIN}]

issuers:
  - acme: {directory}
    ca_file: {ca_file}
    contact: [ops@lab.test]
    challenge: {{http-01: {{push: "web[-1]", webroot: "{{{{ root }}}}/nginx/www"}}}}

services:
  - hosts: web
    nginx: {{prefix: "{{{{ root }}}}/nginx", config: "{{{{ root }}}}/nginx/nginx.conf"}}
{fronts}
install:
  directory: "{{{{ root }}}}/etc/certwave"
  owner: {owner}
  group: {group}
  # The hosts are folders of this machine: a unit would be this machine's.
  boot_unit: off
  links:
    "{{{{ root }}}}/etc/ssl/api.crt": fullchain.pem
    "{{{{ root }}}}/etc/ssl/api-leaf.crt": cert.pem
    "{{{{ root }}}}/etc/ssl/api.key": privkey.pem

verify:
  port: "{{{{ https_port }}}}"
  ca_file: roots.pem
  timeout: 20s

waves:
  - name: canary
    hosts: canary
    soak: {soak}
{production}"#,
            production = if self.hosts.len() + self.fronts.len() > 1 {
                format!("  - name: production\n    hosts: {all}\n    batch: [1, 50%]\n")
            } else {
                String::new()
            },
            directory = self.pebble.directory_url(),
            ca_file = self.pebble.ca_file().display(),
        )
    }

    /// Lets the servers live on, to be found again by their folder.
    ///
    /// # Errors
    /// When what runs cannot be written down; then it is ended.
    pub fn detach(mut self) -> Result<LabHandle, LabError> {
        let directory = match self.temporary.take() {
            Some(temporary) => temporary.keep(),
            None => self.directory.clone(),
        };
        let mut records: Vec<Record> = Vec::new();
        {
            let servers = self.hosts.iter().flat_map(|host| {
                [Some(&host.nginx.process), host.sshd.as_ref().map(|sshd| &sshd.process)]
                    .into_iter()
                    .flatten()
            });
            let fronts = self.fronts.iter().flat_map(|host| [host.server.process(), &host.sshd.process]);
            for process in servers.chain(fronts).chain([&self.pebble.server, &self.pebble.dns]) {
                records.push(Record::of(process.name(), process.id()));
            }
        }
        let handle = LabHandle::write(&directory, records)?;
        for host in self.hosts {
            host.nginx.process.detach();
            if let Some(sshd) = host.sshd {
                sshd.process.detach();
            }
        }
        for host in self.fronts {
            host.sshd.process.detach();
            host.server.into_process().detach();
        }
        self.pebble.server.detach();
        self.pebble.dns.detach();
        Ok(handle)
    }
}

impl LabHost {
    fn inventory_text(&self) -> String {
        let ssh = match &self.sshd {
            Some(sshd) => {
                format!("ansible_host: {}, ansible_port: {}", sshd.address.ip(), sshd.address.port())
            }
            None => String::new(),
        };
        let (root, port) = (self.root.display(), self.nginx.https.port());
        format!("        {}: {{{ssh}, https_port: {port}, root: {root}}}\n", self.name)
    }
}

/// All hosts, several at a time: most of a start is waiting.
fn start_hosts(
    count: usize,
    directory: &Path,
    address: &(impl Fn(usize) -> IpAddr + Sync),
    user: &UserKey,
    authority: &Authority,
    http_port: u16,
) -> Result<Vec<LabHost>, LabError> {
    const AT_ONCE: usize = 8;
    let mut hosts = Vec::new();
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(AT_ONCE) {
        let started: Vec<Result<LabHost, LabError>> = std::thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|&number| {
                    scope.spawn(move || {
                        start_host(number, directory, address(number), user, authority, http_port)
                    })
                })
                .collect();
            let gone = || LabError::NotReady {
                server: "a host".to_owned(),
                reason: "its start panicked".to_owned(),
            };
            running.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(gone()))).collect()
        });
        for host in started {
            hosts.push(host?);
        }
    }
    Ok(hosts)
}

fn start_host(
    number: usize,
    directory: &Path,
    address: IpAddr,
    user: &UserKey,
    authority: &Authority,
    http_port: u16,
) -> Result<LabHost, LabError> {
    let name = format!("web{:02}", number + 1);
    let root = directory.join("hosts").join(&name);
    let ssl = root.join("etc/ssl");
    folder(&ssl)?;
    folder(&root.join("etc/certwave"))?;
    let (certificate, key) = authority.issue(&[DOMAIN], -60, 30)?;
    write(&ssl.join("api.crt"), &certificate)?;
    write(&ssl.join("api-leaf.crt"), &certificate)?;
    write_private(&ssl.join("api.key"), &key)?;
    // What `--break key` configures: the old key by another path, which nobody replaces.
    write_private(&ssl.join("forgotten.key"), &key)?;
    // What `--break mismatch` configures: another site's certificate.
    let (other, other_key) = authority.issue(&["other.lab.test"], -60, 30)?;
    write(&ssl.join("other.crt"), &other)?;
    write_private(&ssl.join("other.key"), &other_key)?;
    let sshd = Sshd::start(&root.join("sshd"), address, user, "")?;
    let options = NginxOptions {
        certificate: ssl.join("api.crt"),
        key: ssl.join("api.key"),
        address,
        http_port,
        extra: String::new(),
    };
    let nginx = NginxServer::start(&root.join("nginx"), &options)?;
    Ok(LabHost { name, sshd: Some(sshd), nginx, root })
}

/// A part of the loopback network (127.0.0.0/8) that is hardly used by another lab.
fn network() -> Result<[u8; 2], LabError> {
    let mut random = [0; 2];
    getrandom::fill(&mut random).map_err(|error| LabError::Key(format!("no random numbers: {error}")))?;
    Ok([random[0].clamp(1, 253), random[1]])
}

fn current_user() -> String {
    let id = nix::unistd::geteuid();
    nix::unistd::User::from_uid(id).ok().flatten().map_or_else(|| id.to_string(), |user| user.name)
}

fn current_group() -> String {
    let id = nix::unistd::getegid();
    nix::unistd::Group::from_gid(id).ok().flatten().map_or_else(|| id.to_string(), |group| group.name)
}
