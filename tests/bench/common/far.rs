//! The far end of thousands of hosts in this process: an SSH server and a TLS server on every loopback address, which
//! answer as a host's scripts and its server would. The controller is the real program, and knows no difference;
//! what it costs is not drowned in what shells cost.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use certwave::install::Task;
use certwave::lab::Authority;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod};
use openssl::x509::X509;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;

/// What every host serves at first, by its name in the archive.
const FIRST: &str = "20260101T000000Z-00000000";
const DOMAIN: &str = "api.far.test";

/// What a host serves: a version, and TLS with it.
#[derive(Clone)]
struct Site {
    version: String,
    pem: Arc<String>,
    tls: SslContext,
}

#[derive(Clone)]
struct HostState {
    staged: Option<Site>,
    live: Site,
}

/// Servers on all addresses of 127.0.0.0/8, and a folder with an inventory, a playbook and a certificate.
pub(crate) struct FarEnd {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) ssh_port: u16,
    pub(crate) tls_port: u16,
    state: Arc<State>,
    authority: Authority,
}

struct State {
    hosts: Mutex<HashMap<IpAddr, HostState>>,
    first: Site,
    /// By what was staged: hosts that have the same share it.
    sites: Mutex<HashMap<String, Site>>,
    /// SSH connections.
    connected: AtomicUsize,
    most_connected: AtomicUsize,
}

impl State {
    fn host<T>(&self, address: IpAddr, look: impl FnOnce(&mut HostState) -> T) -> T {
        let mut hosts = self.hosts.lock().unwrap();
        let fresh = || HostState { staged: None, live: self.first.clone() };
        look(hosts.entry(address).or_insert_with(fresh))
    }
}

/// The address of a host by its number.
pub(crate) fn address(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x7f40_0001 + u32::try_from(number).unwrap()))
}

impl FarEnd {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("certwave-far-").tempdir().unwrap();
        let authority = Authority::new("the far end's root").unwrap();
        let (pem, key) = authority.issue(&[DOMAIN], -60, 30).unwrap();
        let first = site(FIRST.to_owned(), &String::from_utf8(pem).unwrap(), &key);
        let state = Arc::new(State {
            hosts: Mutex::default(),
            first,
            sites: Mutex::default(),
            connected: AtomicUsize::new(0),
            most_connected: AtomicUsize::new(0),
        });

        let key = |path: Option<&Path>| {
            let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
            if let Some(path) = path {
                key.write_openssh_file(path, LineEnding::LF).unwrap();
            }
            key
        };
        key(Some(&folder.path().join("id_ed25519")));
        let host_key = key(None);
        let public = host_key.public_key().to_openssh().unwrap();
        std::fs::write(folder.path().join("known_hosts"), format!("[127.*]:* {public}\n")).unwrap();
        std::fs::write(folder.path().join("roots.pem"), authority.root_pem().unwrap()).unwrap();

        let config = Arc::new(Config { keys: vec![host_key], nodelay: true, ..Config::default() });
        let (ssh, tls) = (listen().await, listen().await);
        let (ssh_port, tls_port) = (ssh.local_addr().unwrap().port(), tls.local_addr().unwrap().port());
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = ssh.accept().await else { continue };
                let (config, state) = (config.clone(), shared.clone());
                tokio::spawn(async move {
                    let address = socket.local_addr().unwrap().ip();
                    let handler = Shell { address, state: state.clone(), attending: HashMap::new() };
                    let now = state.connected.fetch_add(1, Ordering::Relaxed) + 1;
                    state.most_connected.fetch_max(now, Ordering::Relaxed);
                    if let Ok(session) = run_stream(config, socket, handler).await {
                        let _ = session.await;
                    }
                    state.connected.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = tls.accept().await else { continue };
                let state = shared.clone();
                tokio::spawn(async move {
                    let address = socket.local_addr().unwrap().ip();
                    let tls = state.host(address, |host| host.live.tls.clone());
                    let _ = serve(socket, &tls).await;
                });
            }
        });
        Self { folder, ssh_port, tls_port, state, authority }
    }

    /// How many were connected at the same time at most, since the last [`FarEnd::forget`].
    pub(crate) fn most_connected(&self) -> usize {
        self.state.most_connected.load(Ordering::Relaxed)
    }

    /// Every host serves its first certificate again.
    pub(crate) fn forget(&self) {
        self.state.most_connected.store(0, Ordering::Relaxed);
        self.state.hosts.lock().unwrap().clear();
    }

    /// A new certificate, an inventory of so many hosts, and a playbook of one wave.
    pub(crate) fn prepare(&self, hosts: usize, parallel: usize, (ssh_port, tls_port): (u16, u16)) {
        self.forget();
        let (pem, key) = self.authority.issue(&[DOMAIN], -1, 90).unwrap();
        let write = |name: &str, text: &[u8]| std::fs::write(self.at(name), text).unwrap();
        write("new.pem", &[pem, self.authority.root_pem().unwrap()].concat());
        write("new.key", &key);
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
        let mut inventory = format!(
            "all:\n  vars:\n    ansible_user: {user}\n    ansible_port: {ssh_port}\n    \
             ansible_ssh_private_key_file: {}\n    ansible_ssh_common_args: -o UserKnownHostsFile={}\n  hosts:\n",
            self.at("id_ed25519").display(),
            self.at("known_hosts").display()
        );
        for number in 0..hosts {
            inventory += &format!("    h{number:05}: {{ansible_host: {}}}\n", address(number));
        }
        write("inventory.yaml", inventory.as_bytes());
        let playbook = format!(
            "certificate: {{domains: [{DOMAIN}]}}\nissuers: [{{files: {{certificate: new.pem, key: new.key}}}}]\n\
             services: [{{hosts: all, command: {{reload: \"true\"}}}}]\ninstall: {{owner: {user}, group: {user}}}\n\
             verify: {{port: {tls_port}, ca_file: roots.pem}}\n\
             waves: [{{name: all, hosts: all, parallel: {parallel}}}]\n"
        );
        write("playbook.yaml", playbook.as_bytes());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ports(&self) -> (u16, u16) {
        (self.ssh_port, self.tls_port)
    }

    /// How many hosts were changed.
    pub(crate) fn changed(&self) -> usize {
        let hosts = self.state.hosts.lock().unwrap();
        hosts.values().filter(|host| host.live.version != FIRST).count()
    }
}

async fn listen() -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([0, 0, 0, 0], 0))).unwrap();
    socket.listen(4096).unwrap()
}

fn site(version: String, pem: &str, key: &[u8]) -> Site {
    let mut tls = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
    let chain = X509::stack_from_pem(pem.as_bytes()).unwrap();
    tls.set_certificate(&chain[0]).unwrap();
    for one in &chain[1..] {
        tls.add_extra_chain_cert(one.clone()).unwrap();
    }
    tls.set_private_key(&PKey::private_key_from_pem(key).unwrap()).unwrap();
    Site { version, pem: Arc::new(pem.to_owned()), tls: tls.build() }
}

/// TLS, and an answer to every whole request.
async fn serve(socket: TcpStream, tls: &SslContext) -> std::io::Result<()> {
    let _ = socket.set_nodelay(true);
    let mut stream = SslStream::new(Ssl::new(tls)?, socket)?;
    if std::pin::Pin::new(&mut stream).accept().await.is_err() {
        return Ok(());
    }
    let mut said = Vec::new();
    while stream.read_buf(&mut said).await? > 0 {
        if said.ends_with(b"\r\n\r\n") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
            said.clear();
        }
    }
    Ok(())
}

/// A shell that attends a host.
#[derive(Default)]
struct Attending {
    /// Whether it has its script.
    runs: bool,
    /// What it was told so far: of the script, then of its next task.
    told: Vec<u8>,
}

/// One connection to one host.
struct Shell {
    address: IpAddr,
    state: Arc<State>,
    /// The shells that attend it.
    attending: HashMap<ChannelId, Attending>,
}

impl Shell {
    fn done(session: &mut Session, channel: ChannelId, said: String) -> Result<(), Error> {
        session.data(channel, said.into_bytes())?;
        session.exit_status_request(channel, 0)?;
        session.eof(channel)?;
        session.close(channel)
    }

    fn facts(&self, name: &str) -> String {
        let now = jiff::Timestamp::now().as_second();
        let (version, disk) = self.disk(name);
        format!(
            "certwave:user 0 root\ncertwave:clock {now}\ncertwave:free 1000000\n{disk}certwave:version {version}\n\
             certwave:ready 1\ncertwave:result inspected\n"
        )
    }

    /// What the shell that attends a host says to a task.
    fn task(&self, line: &str, payload: &[u8]) -> String {
        let said = match line.rsplit(' ').next() {
            Some("inspect") => self.facts(DOMAIN),
            Some("stage") => {
                let version = setting(line, "version").to_owned();
                let mut sites = self.state.sites.lock().unwrap();
                let made = || {
                    let (pem, key) = (file(payload, "fullchain.pem"), file(payload, "privkey.pem"));
                    site(version.clone(), &pem, key.as_bytes())
                };
                let staged = sites.entry(version.clone()).or_insert_with(made).clone();
                self.state.host(self.address, |host| host.staged = Some(staged));
                "certwave:result staged\n".to_owned()
            }
            Some("activate") => {
                self.state.host(self.address, |host| {
                    if let Some(staged) = host.staged.take() {
                        host.live = staged;
                    }
                });
                "certwave:result activated\n".to_owned()
            }
            Some("commit") => "certwave:result committed\n".to_owned(),
            other => panic!("the far end does not know the task {other:?}"),
        };
        format!("{said}\n{}0\n", Task::ENDED)
    }

    /// The live version, and what both scripts that look say of it.
    fn disk(&self, name: &str) -> (String, String) {
        let live = self.state.host(self.address, |host| host.live.clone());
        let pem: String = live.pem.lines().map(|line| format!("|{line}\n")).collect();
        let said = format!(
            "certwave:live ../archive/{name}/{}\ncertwave:begin active\n{pem}certwave:end active\n",
            live.version
        );
        (live.version, said)
    }
}

/// A setting of a task.
fn setting<'s>(line: &'s str, name: &str) -> &'s str {
    let rest = line.split(&format!("{name}='")).nth(1).unwrap_or_default();
    rest.split('\'').next().unwrap_or_default()
}

/// The certificate's name in a script's prelude, which is quoted for `sh -c '…'`.
fn name(script: &str) -> &str {
    let rest = script.split("name='\\''").nth(1);
    rest.and_then(|rest| rest.split('\'').next()).unwrap_or(DOMAIN)
}

impl Handler for Shell {
    type Error = Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)?;
        let script = std::str::from_utf8(line).unwrap();
        // The shell that attends a host comes on its input.
        if script.contains("head -c") {
            self.attending.insert(channel, Attending::default());
            return Ok(());
        }
        if script.contains("say result inspected") {
            return Self::done(session, channel, self.facts(name(script)));
        }
        if script.contains("say result looked") {
            let (_, disk) = self.disk(name(script));
            return Self::done(session, channel, format!("{disk}certwave:result looked\n"));
        }
        Self::done(session, channel, String::new())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Error> {
        let Some(Attending { runs, told }) = self.attending.get_mut(&channel) else { return Ok(()) };
        told.extend_from_slice(data);
        if !*runs {
            if !told.ends_with(b"\n}\n") {
                return Ok(());
            }
            *runs = true;
            let script = String::from_utf8(std::mem::take(told)).unwrap();
            let first = script.split("first='run ").nth(1).and_then(|rest| rest.split('\'').next());
            let said = first.map(|first| self.task(first, b"")).unwrap_or_default();
            return session.data(channel, format!("certwave:locked\n{said}").into_bytes());
        }
        // One task at a time: the next one comes after the answer.
        let Some(end) = told.iter().position(|byte| *byte == b'\n') else { return Ok(()) };
        let line = std::str::from_utf8(&told[..end]).unwrap();
        if told.len() - end > setting(line, "size").parse().unwrap_or(0) {
            let told = std::mem::take(told);
            let line = std::str::from_utf8(&told[..end]).unwrap();
            return session.data(channel, self.task(line, &told[end + 1..]).into_bytes());
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        match self.attending.remove(&channel) {
            Some(_) => Self::done(session, channel, String::new()),
            None => Ok(()),
        }
    }
}

/// A file in a tar.
fn file(tar: &[u8], name: &str) -> String {
    let mut at = 0;
    loop {
        let header = &tar[at..at + 512];
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range]).trim_end_matches('\0').trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124..135), 8).unwrap();
        if text(0..100) == name {
            return String::from_utf8(tar[at + 512..at + 512 + size].to_vec()).unwrap();
        }
        at += 512 + size.next_multiple_of(512);
    }
}
