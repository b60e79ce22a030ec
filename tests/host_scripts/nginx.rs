//! The nginx service against a real nginx: what is called a success is one, and what is not is told.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use certwave::install::{Activation, Facts, FilePart, InstallSpec, Rollback, Staged};
use certwave::model::{Secret, Version};
use certwave::service::{Nginx as NginxSettings, ServiceSpec};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509Name};

use crate::support::{Host, PATIENCE, SHELLS, Shell, in_every_shell, quoted, read, version, words};

const BINARY: &str = NginxSettings::DEFAULT_BINARY;

/// To make one takes longer than many handshakes: it reads all authorities of this machine.
static CONNECTOR: LazyLock<SslConnector> = LazyLock::new(|| {
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    connector.build()
});

fn certificate(name: &str) -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&subject).unwrap();
    certificate.set_issuer_name(&subject).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(9).unwrap()).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    (certificate.build(), key)
}

fn stage(host: &Host, version: &Version, certificate: &X509, key: &PKey<Private>) {
    let (pem, key) = (certificate.to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap());
    let files = FilePart::ALWAYS.map(|file| match file {
        FilePart::Privkey => (file.into(), Secret::new(key.clone())),
        FilePart::Combined => (file.into(), Secret::new([pem.clone(), key.clone()].concat())),
        _ => (file.into(), Secret::new(pem.clone())),
    });
    let ended = host.ask(&InstallSpec::stage(version, &host.payload_of(version, &files), &host.own()));
    assert_eq!(Staged::parse(&ended.output()), Ok(Staged::New));
}

/// A host with a running nginx that serves what is live; killed and waited for when dropped.
pub(crate) struct Site {
    pub(crate) host: Host,
    port: u16,
    pub(crate) prefix: PathBuf,
    pub(crate) master: Option<u32>,
}

impl Site {
    /// Version 1 is live and served.
    pub(crate) fn new(shell: Shell) -> Site {
        Site::with(shell, |_| {})
    }

    pub(crate) fn with(shell: Shell, settings: impl FnOnce(&mut NginxSettings)) -> Site {
        let host = Host::named(shell, "certwave");
        let prefix = host.file("my nginx");
        fs::create_dir_all(prefix.join("logs")).unwrap();
        let port = certwave::lab::free_port("127.0.0.1".parse().unwrap()).unwrap();
        let mut site = Site { host, port, prefix, master: None };
        let mut nginx = NginxSettings {
            binary: BINARY.parse().unwrap(),
            prefix: Some(site.prefix.to_str().unwrap().parse().unwrap()),
            config: Some(site.config().to_str().unwrap().parse().unwrap()),
            test: None,
            reload: None,
        };
        settings(&mut nginx);
        site.host.add_service("nginx", &ServiceSpec::Nginx(nginx), 30);
        site.configure("");

        let (first, key) = certificate("v1");
        stage(&site.host, &version(1), &first, &key);
        let services = std::mem::take(&mut site.host.services);
        site.host.activate(&version(1), None).unwrap();
        site.host.services = services;
        site.start();
        site
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.prefix.join("nginx.conf")
    }

    /// Writes the configuration, with more in its `http` block.
    pub(crate) fn configure(&self, more: &str) {
        let live = self.host.live("");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("  {kind}_temp_path \"{}/{kind}\";\n", self.prefix.display()))
            .concat();
        let config = format!(
            "# pid /nowhere;\ndaemon on; pid logs/nginx.pid; # a comment; pid /nowhere;\n\
             error_log logs/error.log notice;\nworker_processes 2;\nevents {{ worker_connections 64; }}\n\
             http {{\n  access_log off;\n{temporary}\
             server {{ listen 127.0.0.1:{} ssl; location / {{ return 200 \"pid = {{ok}}\"; }} }}\n\
             ssl_certificate {live}fullchain.pem;\n  ssl_certificate_key {live}privkey.pem;\n{more}\n}}\n",
            self.port,
            live = live.display(),
        );
        fs::write(self.config(), config).unwrap();
    }

    pub(crate) fn start(&mut self) {
        let (config, log) = (self.config(), self.error_log());
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        words(BINARY, &["-p", &path(&self.prefix), "-c", &path(&config), "-e", &path(&log)]);
        self.master = Some(wait_for("a pid file", || read_pid(&self.pid_file())));
        wait_for("an answer", || self.served());
    }

    pub(crate) fn stop(&mut self) {
        if let Some(master) = self.master.take() {
            // Not KILL: a killed master leaves its workers behind.
            let _ = Command::new("kill").args(["-TERM", &master.to_string()]).status();
            wait_for("its end", || (!is_alive(master)).then_some(()));
        }
    }

    pub(crate) fn error_log(&self) -> PathBuf {
        self.prefix.join("logs/error.log")
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.prefix.join("logs/nginx.pid")
    }

    fn connect(&self) -> Option<SslStream<TcpStream>> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        CONNECTOR.connect("a.test", tcp).ok()
    }

    /// The common name of what it serves.
    pub(crate) fn served(&self) -> Option<String> {
        let leaf = self.connect()?.ssl().peer_certificate()?;
        let name = leaf.subject_name().entries_by_nid(Nid::COMMONNAME).next()?;
        name.data().to_string().ok()
    }

    /// Stages version 2.
    pub(crate) fn stage_next(&self) {
        let (next, key) = certificate("v2");
        stage(&self.host, &version(2), &next, &key);
    }

    pub(crate) fn activate_next(&self) -> Activation {
        self.host.activate(&version(2), Some(&version(1))).unwrap()
    }

    fn reload_problem(&self) -> String {
        match self.activate_next() {
            Activation::ReloadFailed { output, .. } => output,
            other => panic!("{:?}: {other:?}", self.host.shell),
        }
    }

    fn why_not_ready(&self) -> String {
        self.host.inspect().services[0].clone().unwrap_err()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Running, and not a zombie that nobody has waited for yet.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn after_a_reload_every_handshake_is_new() {
    for shell in SHELLS {
        let site = Site::new(shell);
        assert_eq!(site.host.problems(), [""; 0], "{shell:?}");
        site.stage_next();
        // A request in flight keeps an old worker, which accepts nothing new, for as long as it wants.
        let mut held = site.connect().unwrap();
        held.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n").unwrap();

        assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
        for _ in 0..50 {
            assert_eq!(site.served().as_deref(), Some("v2"), "{shell:?}");
        }
        held.write_all(b"Connection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(&mut held, &mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{shell:?}: the request in flight was not answered");

        assert_eq!(site.host.rollback(&version(1), true), Ok(Rollback::RolledBack));
        for _ in 0..50 {
            assert_eq!(site.served().as_deref(), Some("v1"), "{shell:?}");
        }
    }
}

#[test]
fn a_key_that_does_not_fit_is_refused_and_swapped_back() {
    for shell in SHELLS {
        let site = Site::new(shell);
        stage(&site.host, &version(2), &certificate("v2").0, &certificate("other").1);
        let refused = site.activate_next();
        assert!(
            matches!(refused, Activation::Refused { swapped_back: true, broken_before: false, .. }),
            "{refused:?}"
        );
        let problem = refused.problem().unwrap();
        assert!(problem.starts_with("nginx refused the configuration: "), "{problem}");
        assert!(problem.contains("key values mismatch"), "{problem}");
        assert_eq!((site.host.live_version(), site.served()), (Some(version(1)), Some("v1".to_owned())));
    }
}

#[test]
fn a_configuration_that_was_broken_before_is_told() {
    for shell in SHELLS {
        let site = Site::new(shell);
        site.configure("no_such_directive on;");
        // Its pid file is found all the same.
        assert_eq!(site.host.problems(), [""; 0], "{shell:?}");
        site.stage_next();
        let problem = site.activate_next().problem().unwrap();
        assert!(
            problem.starts_with("nginx's configuration was already broken before the switch: "),
            "{problem}"
        );
        assert!(problem.contains("unknown directive \"no_such_directive\""), "{problem}");
        assert_eq!((site.host.live_version(), site.served()), (Some(version(1)), Some("v1".to_owned())));
    }
}

#[test]
fn an_encrypted_key_does_not_wait_for_its_pass_phrase() {
    let site = Site::new(Shell::Dash);
    let (next, key) = certificate("v2");
    let encrypted =
        key.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_128_cbc(), b"secret").unwrap();
    let files = FilePart::ALWAYS.map(|file| {
        let pem = if file == FilePart::Privkey { encrypted.clone() } else { next.to_pem().unwrap() };
        (file.into(), Secret::new(pem))
    });
    let payload = site.host.payload_of(&version(2), &files);
    site.host.ask(&InstallSpec::stage(&version(2), &payload, &site.host.own()));
    assert!(matches!(site.activate_next(), Activation::Refused { swapped_back: true, .. }));
}

#[test]
fn a_reload_that_fails_after_its_command_succeeded_is_told() {
    in_every_shell(|shell| {
        let site = Site::new(shell);
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        site.configure(&format!("server {{ listen {address}; }}"));
        site.stage_next();
        let problem = site.reload_problem();
        assert!(problem.contains("still could not bind()"), "{shell:?}: {problem}");
        assert!(!problem.contains("after 30 s"), "{shell:?}: it was found out by the deadline only");
        assert_eq!(site.served().as_deref(), Some("v1"));
        site.configure("");
        assert_eq!(site.host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
    });
}

#[test]
fn a_master_that_refuses_what_the_test_let_through_is_told() {
    in_every_shell(|shell| {
        let site = Site::with(shell, |nginx| {
            nginx.test = Some("true".to_owned());
            let pid = nginx.prefix.as_ref().unwrap().join("logs").join("nginx.pid");
            nginx.reload = Some(format!("kill -HUP \"$(cat '{pid}')\""));
        });
        // Of two logs, the one that is a file tells.
        let config = read(&site.config());
        fs::write(site.config(), format!("error_log syslog:server=127.0.0.1:9;\n{config}")).unwrap();
        stage(&site.host, &version(2), &certificate("v2").0, &certificate("other").1);
        let problem = site.reload_problem();
        assert!(problem.contains("key values mismatch"), "{shell:?}: {problem}");
        assert_eq!(site.served().as_deref(), Some("v1"));
        assert_eq!(site.host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{shell:?}");
    });
}

#[test]
fn a_reload_command_that_does_nothing_is_told() {
    in_every_shell(|shell| {
        let mut site = Site::new(shell);
        for (name, value) in &mut site.host.services[0].settings {
            match *name {
                "reload_command" => "true".clone_into(value),
                "patience" => "1".clone_into(value),
                _ => {}
            }
        }
        site.stage_next();
        let problem = site.reload_problem();
        assert!(problem.contains("after 1 s workers that have not taken the new configuration"), "{problem}");
    });
}

#[test]
fn a_restart_counts_as_a_reload() {
    in_every_shell(|shell| {
        let mut site = Site::new(shell);
        let nginx = format!("'{BINARY}' -p '{0}' -c '{0}/nginx.conf'", quoted(&site.prefix));
        let pid = quoted(&site.pid_file());
        let restart = format!("{nginx} -s stop && while [ -e '{pid}' ]; do sleep 0.1; done; {nginx}");
        for (name, value) in &mut site.host.services[0].settings {
            if *name == "reload_command" {
                restart.clone_into(value);
            }
        }
        site.stage_next();
        let activation = site.activate_next();
        site.master = read_pid(&site.pid_file());
        assert_eq!(activation, Activation::Activated, "{shell:?}");
        assert_eq!(site.served().as_deref(), Some("v2"));
    });
}

/// A process that has nothing to do with it.
struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pid_file_that_misleads_signals_nobody() {
    for shell in SHELLS {
        let site = Site::new(shell);
        site.stage_next();
        let pid_file = site.pid_file();
        let mut bystander =
            Bystander(Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap());
        for (content, reason) in [
            (None, "nginx is not running: the"),
            (Some(String::new()), "nginx is not running: the pid file"),
            (Some("rm -rf\n".to_owned()), "holds no process id"),
            (Some("4194305\n".to_owned()), "which is no nginx master"),
            (Some(format!("{}\n", bystander.0.id())), "which is no nginx master"),
        ] {
            match &content {
                Some(content) => fs::write(&pid_file, content).unwrap(),
                None => fs::remove_file(&pid_file).unwrap(),
            }
            let why = site.why_not_ready();
            assert!(why.contains(reason), "{shell:?} {content:?}: {why}");
            // Only one that surely does not run may be started.
            let is_down = !site.host.inspect().down.is_empty();
            assert_eq!(is_down, reason != "holds no process id", "{shell:?} {content:?}");
            let problem = site.reload_problem();
            assert!(problem.contains(reason), "{shell:?} {content:?}: {problem}");
            assert_eq!(site.served().as_deref(), Some("v1"));
            site.host.rollback(&version(1), false).unwrap();
        }
        assert!(bystander.0.try_wait().unwrap().is_none(), "a bystander was signalled");
    }
}

/// Also one whose program was replaced since it started.
#[test]
fn an_nginx_of_another_program_is_known_by_its_title() {
    for shell in SHELLS {
        let mut site = Site::new(shell);
        let wrapper = site.prefix.join("nginx.sh");
        fs::write(&wrapper, format!("#!/bin/sh\nexec {BINARY} \"$@\"\n")).unwrap();
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, value) in &mut site.host.services[0].settings {
            if *name == "binary" {
                wrapper.to_str().unwrap().clone_into(value);
            }
        }
        site.stage_next();
        assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
        assert_eq!(site.served().as_deref(), Some("v2"), "{shell:?}");
    }
}

#[test]
fn an_nginx_that_does_not_run_or_is_not_there_is_told() {
    for shell in SHELLS {
        let mut site = Site::new(shell);
        site.stop();
        assert!(site.why_not_ready().contains("is not running"), "{}", site.why_not_ready());
        site.stage_next();
        assert!(site.reload_problem().contains("is not running"));

        let mut set_binary = |path: &str| {
            for (name, value) in &mut site.host.services[0].settings {
                if *name == "binary" {
                    path.clone_into(value);
                }
            }
            site.why_not_ready()
        };
        assert_eq!(set_binary("/usr/sbin/nginy"), "/usr/sbin/nginy does not exist");
        assert_eq!(set_binary("/etc/passwd"), "/etc/passwd is not executable");
    }
}

#[test]
fn an_nginx_that_is_down_is_started_where_a_person_said_that_it_may_be() {
    for shell in SHELLS {
        // As certwave starts it, and as its host does.
        for by_command in [false, true] {
            let mut site = Site::new(shell);
            site.stop();
            let command = format!("'{BINARY}' -p '{0}' -c '{0}/nginx.conf'", quoted(&site.prefix));
            let settings = &mut site.host.services[0].settings;
            settings.push(("may_start", "yes".to_owned()));
            for (_, value) in settings.iter_mut().filter(|(name, _)| by_command && *name == "reload_command")
            {
                command.clone_into(value);
            }
            site.stage_next();
            let activation = site.activate_next();
            site.master = read_pid(&site.pid_file());
            assert_eq!(activation, Activation::Activated, "{shell:?}");
            assert_eq!(wait_for("an answer", || site.served()), "v2", "{shell:?}");
        }
    }
}

#[test]
fn a_pid_file_named_in_an_included_file_is_found() {
    let site = Site::new(Shell::Dash);
    let config = read(&site.config());
    fs::write(site.prefix.join("main.inc"), "pid 'logs/nginx.pid';\n").unwrap();
    fs::write(site.config(), config.replace("pid logs/nginx.pid;", "include main.inc;")).unwrap();
    assert_eq!(site.host.problems(), [""; 0]);
}

#[test]
fn a_pid_file_named_behind_all_else_is_found() {
    for shell in SHELLS {
        let site = Site::new(shell);
        let config = read(&site.config()).replace("pid logs/nginx.pid;", "");
        fs::write(site.config(), format!("{config}pid\n  \"logs/nginx.pid\"\n  ;")).unwrap();
        site.stage_next();
        assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
        assert_eq!(site.served().as_deref(), Some("v2"), "{shell:?}");
    }
}

#[test]
fn an_error_in_an_old_log_is_not_todays() {
    // It takes so long that the log is looked at.
    let site = Site::with(Shell::Dash, |nginx| {
        let pid = nginx.prefix.as_ref().unwrap().join("logs").join("nginx.pid");
        nginx.reload = Some(format!("(sleep 2; kill -HUP \"$(cat '{pid}')\") &"));
    });
    let master = site.master.unwrap();
    let mut log = fs::OpenOptions::new().append(true).open(site.error_log()).unwrap();
    writeln!(log, "2026/01/01 00:00:00 [emerg] {master}#{master}: yesterday's").unwrap();
    site.stage_next();
    assert_eq!(site.activate_next(), Activation::Activated);
}

/// A look in order to plan, in each shell: what nginx reads, whose it is, and why it would refuse that.
#[test]
fn a_survey_tells_what_is_read_and_touches_nothing() {
    for shell in SHELLS {
        let mut site = Site::new(shell);
        let link = site.host.link("linked.pem", FilePart::Fullchain);
        let other = site.prefix.join("other.pem");
        let (foreign, key) = certificate("foreign");
        fs::write(&link, foreign.to_pem().unwrap()).unwrap();
        let with_key = [foreign.to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap()].concat();
        fs::write(&other, with_key).unwrap();
        // One by a symbolic link of somebody's, one relative to the configuration, one by a link of ours.
        let alias = site.prefix.join("alias.pem");
        std::os::unix::fs::symlink(site.host.live("fullchain.pem"), &alias).unwrap();
        let live = site.host.live("");
        let server = |name: &str, certificate: &str| {
            let (port, key) = (site.port, live.join("privkey.pem"));
            format!(
                "server {{ listen 127.0.0.1:{port} ssl; server_name {name}.test; ssl_certificate {certificate};\n\
                 ssl_certificate_key \"{}\"; }}\n",
                key.display()
            )
        };
        let quoted = |path: &Path| format!("\"{}\"", path.display());
        let servers = [server("a", &quoted(&alias)), server("b", "other.pem"), server("c", &quoted(&link))];
        site.configure(&servers.concat());
        let before = site.host.tree();
        let log = fs::read(site.error_log()).unwrap();
        // What nginx itself would refuse does not matter to what it names: the keys do not fit.
        let reads = &survey(&site).reads[0];
        assert!(
            reads.broken.as_ref().is_some_and(|words| words.contains("key values mismatch")),
            "{reads:?}"
        );
        assert_eq!(fs::read(site.error_log()).unwrap(), log, "{shell:?}: it was logged");
        assert_eq!(site.host.tree(), before, "{shell:?}");

        fs::copy(site.host.live("fullchain.pem"), &other).unwrap();
        fs::copy(site.host.live("fullchain.pem"), &link).unwrap();
        let facts = survey(&site);
        assert!(facts.clock.unwrap().as_second() > 1_700_000_000);
        assert_eq!(facts.reads[0].broken, None, "{shell:?}");
        let file = |path: &Path| {
            let path = path.to_str().unwrap();
            facts.reads[0]
                .files
                .iter()
                .find(|file| file.path == path)
                .unwrap_or_else(|| panic!("{shell:?}: `{path}` is not in {:?}", facts.reads[0].files))
        };
        for (path, ours, is_key) in [
            (live.join("fullchain.pem"), true, false),
            (live.join("privkey.pem"), true, true),
            (alias, true, false),
            (link.clone(), true, false),
            (other.clone(), false, false),
        ] {
            assert_eq!(
                (file(&path).ours, file(&path).is_key),
                (ours, is_key),
                "{shell:?}: {}",
                path.display()
            );
            assert_eq!(file(&path).pem.is_some(), !ours, "{shell:?}: {}", path.display());
        }
        assert_eq!(site.host.tree(), before, "{shell:?}");
        // Other words for the same paths, a certificate that a variable holds, and a host with very many sites.
        let folder = site.prefix.join("folder");
        let _ = fs::remove_file(&folder);
        std::os::unix::fs::symlink(link.parent().unwrap(), &folder).unwrap();
        let moved = folder.join(link.file_name().unwrap());
        site.configure(&server("a", &quoted(&moved)));
        let read = survey(&site).reads[0].clone();
        assert!(
            read.files.iter().any(|file| file.ours && !file.is_key && file.path.ends_with("linked.pem")),
            "{read:?}"
        );
        site.configure(&server("a", "data:$ssl_server_name"));
        assert!(survey(&site).reads[0].variable);
        let many: String = (0..120)
            .map(|at| {
                let path = site.prefix.join(format!("{at}.pem"));
                fs::copy(&other, &path).unwrap();
                server(&format!("s{at}"), &quoted(&path))
            })
            .collect();
        site.configure(&[many, server("a", &quoted(&link))].concat());
        let read = survey(&site).reads[0].clone();
        assert!(read.broken.is_none() && read.variable, "{:?}", read.broken);
        assert!(read.files.iter().any(|file| file.ours && !file.is_key), "{shell:?}");
        site.configure("no_such_directive on;");
        let facts = survey(&site);
        assert!(facts.clock.unwrap().as_second() > 1_700_000_000);
        assert!(facts.reads[0].broken.as_ref().is_some_and(|words| words.starts_with("unknown directive")));
        assert!(facts.reads[0].files.is_empty());
    }
}

pub(crate) fn survey(site: &Site) -> Facts {
    let ended = site.host.run(&site.host.spec.survey(&site.host.services));
    assert!(!ended.text().contains("PRIVATE KEY"), "{}", ended.text());
    let facts = Facts::parse(&ended.output(), &site.host.spec, &site.host.services);
    facts.unwrap_or_else(|error| panic!("{:?}: {error}\n{}", site.host.shell, ended.text()))
}
