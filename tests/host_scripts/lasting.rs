//! What servers' configurations say of connections that a reload meets, and of files beside a certificate.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use certwave::install::{BesideKind, FilePart, Reads};
use certwave::lab::Authority;
use certwave::service::{Haproxy, HaproxyCertificate, HaproxyReload, ServiceSpec};

use crate::nginx::{Site, survey};
use crate::support::{AWKS, Host, SHELLS, Shell, read};

/// As pairs.
fn settings(reads: &Reads) -> Vec<(&str, &str)> {
    assert_eq!(reads.broken, None);
    reads.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Without the folder.
fn beside(reads: &Reads, folder: &Path) -> Vec<(BesideKind, String)> {
    let folder = format!("{}/", folder.display());
    reads.beside.iter().map(|one| (one.kind, one.path.replace(&folder, ""))).collect()
}

#[test]
fn nginx_tells_its_version_and_what_becomes_of_connections() {
    let version = Command::new("/usr/sbin/nginx").arg("-v").output().unwrap().stderr;
    let version = String::from_utf8(version).unwrap();
    let version = version.trim().rsplit('/').next().unwrap().split(' ').next().unwrap();
    for shell in SHELLS {
        let site = Site::new(shell);
        assert_eq!(settings(&survey(&site).reads[0]), [("version", version)], "{shell:?}");
        // Also as the very first directive, in front of which nginx says other things.
        for first in [true, false] {
            let config = read(&site.config()).replace("http {", "http {\n  keepalive_timeout \t 0 60;");
            let timeout = "worker_shutdown_timeout\n 30s ;";
            let config = if first { format!("{timeout}\n{config}") } else { format!("{config}\n{timeout}") };
            fs::write(site.config(), config).unwrap();
            let expected =
                [("keepalive_timeout", "0"), ("version", version), ("worker_shutdown_timeout", "30s")];
            assert_eq!(settings(&survey(&site).reads[0]), expected, "{shell:?}");
            // A rollout reads the same.
            assert_eq!(settings(&site.host.inspect().reads[0]), expected, "{shell:?}");
            site.configure("# worker_shutdown_timeout 1s;\n");
            assert_eq!(settings(&survey(&site).reads[0]), [("version", version)], "{shell:?}");
        }
    }
}

#[test]
fn nginx_tells_the_ocsp_answers_that_it_staples_for_our_certificate() {
    use BesideKind::Ocsp;
    for shell in SHELLS {
        let site = Site::new(shell);
        let (answer, other) = (site.prefix.join("our answer.der"), site.prefix.join("other.pem"));
        fs::copy(site.host.live("fullchain.pem"), &other).unwrap();
        let server = |certificate: &str, more: &str| {
            let key = site.host.live("privkey.pem");
            let certificate = if certificate.is_empty() {
                String::new()
            } else {
                format!("ssl_certificate \"{certificate}\"; ssl_certificate_key \"{}\";", key.display())
            };
            format!("server {{ listen 127.0.0.1:28443 ssl; {certificate} {more} }}\n")
        };
        let ours = site.host.live("fullchain.pem").display().to_string();
        let stapled = format!("ssl_stapling on; ssl_stapling_file \"{}\";", answer.display());
        let relative = "ssl_stapling on; ssl_stapling_file answer.der;";
        let told = |config: String| {
            site.configure(&config);
            let reads = survey(&site).reads[0].clone();
            assert_eq!(reads.broken, None);
            beside(&reads, &site.prefix)
        };
        // nginx refuses what is no answer.
        fs::write(&answer, answer_of_a_responder(&site)).unwrap();
        fs::copy(&answer, site.prefix.join("answer.der")).unwrap();
        let our = vec![(Ocsp, "our answer.der".to_owned())];
        assert_eq!(told(server(&ours, &stapled)), our, "{shell:?}");
        assert_eq!(told(server(&ours, relative)), [(Ocsp, "answer.der".to_owned())], "{shell:?}");
        // Its block has no certificate of its own: that of the block around it counts.
        assert_eq!(told(server("", &stapled)), our, "{shell:?}");
        assert_eq!(told(stapled.clone()), our, "{shell:?}");
        assert_eq!(told(server(&other.display().to_string(), &stapled)), [], "{shell:?}");
        assert_eq!(told(server(&ours, "")), [], "{shell:?}");
    }
}

/// In DER, for no certificate in particular.
fn answer_of_a_responder(site: &Site) -> Vec<u8> {
    let (certificate, key) = (site.host.live("fullchain.pem"), site.host.live("privkey.pem"));
    let index = site.prefix.join("index.txt");
    fs::write(&index, "").unwrap();
    let answer = site.prefix.join("made.der");
    let ended = Command::new("openssl")
        .arg("ocsp")
        .args(["-issuer".as_ref(), certificate.as_os_str(), "-cert".as_ref(), certificate.as_os_str()])
        .args(["-index".as_ref(), index.as_os_str(), "-rsigner".as_ref(), certificate.as_os_str()])
        .args(["-rkey".as_ref(), key.as_os_str(), "-CA".as_ref(), certificate.as_os_str()])
        .args(["-noverify", "-ndays", "7"])
        .arg("-respout")
        .arg(&answer)
        .output()
        .unwrap();
    assert!(answer.exists(), "{}", String::from_utf8_lossy(&ended.stderr));
    fs::read(answer).unwrap()
}

/// With one certificate, which is ours; `ROOT` in its configuration stands for the host's folder. It is tested by the real one.
fn haproxy(mut host: Host, config: &str) -> Host {
    let folder = host.file("haproxy");
    fs::create_dir_all(&folder).unwrap();
    let config = config.replace("ROOT", folder.to_str().unwrap());
    fs::write(folder.join("haproxy.cfg"), config).unwrap();
    let (leaf, key) = Authority::new("root").unwrap().issue(&["a.test"], 0, 9).unwrap();
    for name in ["site.crt", "other.pem"] {
        fs::write(folder.join(name), [leaf.as_slice(), &key].concat()).unwrap();
    }
    let path = |name: &str| folder.join(name).to_str().unwrap().parse().unwrap();
    let file = FilePart::Combined.into();
    let spec = ServiceSpec::Haproxy(Haproxy {
        sockets: Vec::new(),
        certificates: vec![HaproxyCertificate { path: path("site.crt"), file, alias: None }],
        crt_list: None,
        reload: HaproxyReload::Command("true".to_owned()),
        binary: Haproxy::DEFAULT_BINARY.parse().unwrap(),
        config: path("haproxy.cfg"),
        test: None,
        bufsize: Haproxy::DEFAULT_BUFSIZE,
    });
    host.services.clear();
    host.add_service("haproxy", &spec, 30);
    host.spec.links = vec![(path("site.crt"), file)];
    host
}

/// Each as HAProxy takes it: what an idle connection meets depends on the part's own words, then on its defaults.
const PARTS: &str = r#"
global
  hard-stop-after 45s # of old processes
defaults http
  mode http
  timeout client 1s
  timeout server 1s
  timeout connect 1s
defaults kind from http
  option idle-close-on-response
defaults plain
  mode tcp
  timeout client 1s
  timeout server 1s
  timeout connect 1s
frontend lossy from http
  bind 127.0.0.1:1 ssl crt ROOT/site.crt
frontend kind from kind
  bind 127.0.0.1:2 ssl crt ROOT/site.crt
frontend unkind from kind
	no option idle-close-on-response
	bind 127.0.0.1:3 ssl crt ROOT/site.crt
listen own from plain
  mode http
  bind 127.0.0.1:4 alpn h2 ssl crt ROOT/site.crt
  option idle-close-on-response
  server s 127.0.0.1:9
frontend clear from http
  bind 127.0.0.1:5
frontend bytes from plain
  bind 127.0.0.1:6 ssl crt ROOT/site.crt
  default_backend b
frontend closing from http
  option httpclose
  bind 127.0.0.1:7 ssl crt ROOT/site.crt
backend b from plain
  server s 127.0.0.1:9
"#;

#[test]
fn haproxy_tells_what_becomes_of_connections_part_by_part() {
    let hosts =
        || SHELLS.map(Host::new).into_iter().chain(AWKS.map(|awk| Host::new(Shell::Dash).with_awk(awk)));
    for host in hosts() {
        let host = haproxy(host, PARTS);
        let expected = [("hard-stop-after", "45s"), ("idle-closed", "lossy, unkind")];
        assert_eq!(settings(&host.inspect().reads[0]), expected, "{:?}", host.shell);
    }
    // Without names the last defaults hold.
    let plain = "defaults\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\n  mode http\n";
    let front = "frontend a\n  bind 127.0.0.1:1 ssl crt ROOT/site.crt\n";
    for (config, idle) in [
        (format!("{plain}{front}"), Some("a")),
        (format!("{plain}  option idle-close-on-response\n{front}"), None),
        (format!("{}{front}", plain.replace("mode http", "mode tcp")), None),
        (format!("{plain}  option idle-close-on-response\n{plain}{front}"), Some("a")),
    ] {
        let host = haproxy(Host::new(Shell::Dash), &config);
        let expected: BTreeMap<String, String> =
            idle.into_iter().map(|idle| ("idle-closed".to_owned(), idle.to_owned())).collect();
        assert_eq!(host.inspect().reads[0].settings, expected, "{config}");
    }
}

#[test]
fn haproxy_tells_the_files_beside_our_certificate_that_it_loads() {
    use BesideKind::{Issuer, Ocsp, Sctl};
    let front = "frontend a\n  bind 127.0.0.1:1 ssl crt ROOT/site.crt crt ROOT/other.pem\n";
    for shell in SHELLS {
        for (global, expected) in [
            ("", &[(Ocsp, "site.crt.ocsp"), (Sctl, "site.crt.sctl"), (Issuer, "site.crt.issuer")][..]),
            ("  ssl-load-extra-files sctl # ocsp\n", &[(Sctl, "site.crt.sctl")]),
            ("  ssl-load-extra-files none\n", &[]),
            ("  ssl-load-extra-del-ext\n", &[(Ocsp, "site.ocsp")]),
        ] {
            let host = haproxy(Host::new(shell), &format!("global\n{global}{front}"));
            let folder = host.file("haproxy");
            for name in ["site.crt.ocsp", "site.crt.sctl", "site.crt.issuer", "site.ocsp", "other.pem.ocsp"] {
                fs::write(folder.join(name), "").unwrap();
            }
            // What HAProxy makes of empty ones does not matter to what it loads.
            let mut told = haproxy_untested(&host);
            told.broken = None;
            let expected: Vec<(BesideKind, String)> =
                expected.iter().map(|(kind, path)| (*kind, (*path).to_owned())).collect();
            assert_eq!(beside(&told, &folder), expected, "{shell:?}: {global}");
        }
    }
    // A certificate store names them by itself (3.0).
    let store = "crt-store web\n  load crt ROOT/other.pem ocsp ROOT/no.ocsp\n  load crt ROOT/site.crt ocsp ROOT/our.ocsp sctl ROOT/our.sctl\n";
    let host = haproxy(Host::new(Shell::Dash), store);
    let told = haproxy_untested(&host);
    let expected = [(Ocsp, "our.ocsp".to_owned()), (Sctl, "our.sctl".to_owned())];
    assert_eq!(beside(&told, &host.file("haproxy")), expected);
}

/// By a test that says yes to everything.
fn haproxy_untested(host: &Host) -> Reads {
    let mut services = host.services.clone();
    for (name, value) in &mut services[0].settings {
        if *name == "test_command" {
            "true".clone_into(value);
        }
    }
    let ended = host.run(&host.spec.survey(&services));
    certwave::install::Facts::parse(&ended.output(), &host.spec, &services).unwrap().reads[0].clone()
}

#[test]
fn dovecot_tells_whether_a_reload_ends_sessions() {
    let version = Command::new("/usr/sbin/dovecot").arg("--version").output().unwrap().stdout;
    let head = if version.starts_with(b"2.3") {
        ""
    } else {
        "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n"
    };
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let config = host.file("dovecot.conf");
        let reload = format!("/usr/bin/doveadm -c {} reload", config.display());
        for (text, command, ends) in [
            ("", reload.as_str(), true),
            ("shutdown_clients = yes\n", &reload, true),
            ("shutdown_clients = no\n", &reload, false),
            // Nobody else is asked.
            ("", "true", false),
            ("", "/no/such/doveadm reload", false),
        ] {
            fs::write(&config, format!("{head}ssl = no\n{text}")).unwrap();
            host.services.clear();
            host.command("true", command);
            let expected: &[(&str, &str)] = if ends { &[("shutdown_clients", "yes")] } else { &[] };
            assert_eq!(settings(&host.inspect().reads[0]), expected, "{shell:?}: {text}{command}");
        }
    }
}
