//! Which certificates HAProxy's configuration names as it is on the disk, with every shell and every awk.

use std::fs;
use std::path::Path;

use certwave::install::{FilePart, NamedFile, OnDisk, Reads, Script};
use certwave::lab::Authority;
use certwave::service::{ALIASES, ENTRIES, Haproxy, HaproxyCertificate, HaproxyReload, ServiceSpec};

use crate::support::{AWKS, Host, SHELLS, Shell};

/// A host with that configuration, whose own test is `test`. `ROOT` stands for the host's folder.
fn host(host: Host, config: &str, test: &str) -> Host {
    let mut host = host;
    let folder = host.file("haproxy");
    fs::create_dir_all(folder.join("certs")).unwrap();
    fs::write(folder.join("haproxy.cfg"), filled(&host, config)).unwrap();
    let (leaf, key) = Authority::new("root").unwrap().issue(&["other.test"], 0, 9).unwrap();
    for name in ["certs/other.pem", "certs/b c.pem", "site.pem"] {
        fs::write(folder.join(name), [leaf.as_slice(), &key].concat()).unwrap();
    }
    set(&mut host, None, test);
    host
}

fn filled(host: &Host, text: &str) -> String {
    text.replace("ROOT", host.file("haproxy").to_str().unwrap())
}

fn set(host: &mut Host, crt_list: Option<&Path>, test: &str) {
    let folder = host.file("haproxy");
    let path = |path: &Path| path.to_str().unwrap().parse().unwrap();
    let certificate = folder.join("site.pem");
    let spec = ServiceSpec::Haproxy(Haproxy {
        sockets: Vec::new(),
        certificates: vec![HaproxyCertificate {
            path: path(&certificate),
            file: FilePart::Combined.into(),
            alias: None,
        }],
        crt_list: crt_list.map(path),
        reload: HaproxyReload::Command("true".to_owned()),
        binary: Haproxy::DEFAULT_BINARY.parse().unwrap(),
        config: path(&folder.join("haproxy.cfg")),
        test: Some(test.to_owned()),
        bufsize: Haproxy::DEFAULT_BUFSIZE,
    });
    host.services.clear();
    host.add_service("haproxy", &spec, 30);
    host.spec.links = vec![(path(&certificate), FilePart::Combined.into())];
}

fn reads(host: &Host) -> Reads {
    host.inspect().reads[0].clone()
}

/// What is named, with `*` before what is ours; without the host's folder.
fn named(host: &Host, reads: &Reads) -> Vec<String> {
    let folder = format!("{}/", host.file("haproxy").display());
    let one = |file: &NamedFile| {
        let mark = if file.ours { "*" } else { "" };
        let kind = if file.is_key { "key " } else { "" };
        format!("{mark}{kind}{}", file.path.replace(&folder, ""))
    };
    reads.files.iter().map(one).collect()
}

const CONFIG: &str = r#"
global
  crt-base ROOT
  crt-list nothing
defaults
  mode http
frontend a
	bind :1 ssl crt site.pem crt "ROOT/certs/b c.pem" alpn h2 # crt no.pem
  bind :2 ssl crt ROOT/certs/b\ c.pem crt 'ROOT/$x"y.pem' crt "ROOT/\$\x61#.pem" crt-list "ROOT/list"
  # bind :3 ssl crt commented.pem
  http-request set-header X "crt header.pem"
backend b
  server s 127.0.0.1:1 ssl crt client.pem
crt-store web
  crt-base ROOT/store
  key-base ROOT/keys
  load crt one.pem alias one key "one key.pem"
frontend c
  bind :4 ssl crt @web/one crt last.pem
"#;
const LIST: &str = "# comment\n\n  list1.pem [alpn h2] a.test\nROOT/list2.pem[x]\n@web/one\n";
const NAMED: [&str; 9] = [
    "*site.pem",
    "certs/b c.pem",
    "$x\"y.pem",
    "$a#.pem",
    "list1.pem",
    "list2.pem",
    "store/one.pem",
    "key keys/one key.pem",
    "last.pem",
];

#[test]
fn each_word_of_a_bind_line_is_read_as_haproxy_reads_it() {
    let hosts = SHELLS.map(Host::new).into_iter();
    for host_of in hosts.chain(AWKS.map(|awk| Host::new(Shell::Dash).with_awk(awk))) {
        let host = host(host_of, CONFIG, "true");
        fs::write(host.file("haproxy/list"), filled(&host, LIST)).unwrap();
        let reads = reads(&host);
        assert_eq!(named(&host, &reads), NAMED, "{:?}", host.shell);
        assert!(!reads.variable && reads.broken.is_none(), "{reads:?}");
        let other = reads.files.iter().find(|file| file.path.ends_with("b c.pem")).unwrap();
        assert!(other.pem.as_ref().is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----")));
        assert!(!format!("{reads:?}").contains("PRIVATE"), "{:?}", host.shell);
    }
}

/// As HAProxy 3.0.11 lists them: by alias, by the path as it is written, and by an absolute path as that.
#[test]
fn the_names_of_certificate_stores_lead_to_their_files() {
    const STORES: &str = r#"
global
  crt-base ROOT/base
crt-store "web" # its name
  crt-base ROOT/store/
  load crt "one.pem" alias "first" key other.pem
  load key other.pem crt two.pem
  load alias third crt ROOT/three.pem
  load crt ROOT/four.pem
crt-store # crt-base ROOT/no
  load crt five.pem alias fifth
  load crt "$VARIABLE.pem" alias sixth
frontend c
  bind :4 ssl crt @web/first crt @/fifth
"#;
    let hosts = SHELLS.map(Host::new).into_iter();
    for host_of in hosts.chain(AWKS.map(|awk| Host::new(Shell::Dash).with_awk(awk))) {
        let host = host(host_of, STORES, "true");
        let file = |path: &str| host.file("haproxy").join(path).display().to_string();
        let files = ["store/one.pem", "store/two.pem", "three.pem", "base/five.pem"].map(file);
        for path in &files {
            fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let script = Script::new()
            .assign("files", &files.join("\n"))
            .assign("base", "")
            .assign("config", &file("haproxy.cfg"))
            .text(ALIASES)
            .text(ENTRIES);
        let names = "@web/first\n@web/two.pem\n@web/third\n@web/four.pem\n@/fifth\n@/sixth\n@web/fir\n@other/first\n@web/one.pem\n";
        let ended = host.run_with(&script, names.as_bytes());
        assert_eq!(ended.text(), "1 1\n2 2\n3 3\n5 4\nall\n", "{:?}", host.shell);
    }
}

#[test]
fn a_folder_names_what_is_in_it_and_a_bundle_what_there_is_of_it() {
    for shell in SHELLS {
        let host = host(Host::new(shell), "frontend a\n bind :1 ssl crt ROOT/certs/ crt ROOT/dual\n", "true");
        for name in ["x.ocsp", "x.issuer", "x.sctl", "other.pem.key", ".hidden.pem"] {
            fs::write(host.file("haproxy/certs").join(name), "").unwrap();
        }
        fs::create_dir(host.file("haproxy/certs/folder")).unwrap();
        for name in ["dual.rsa", "dual.ecdsa", "dual.rsa.key"] {
            fs::write(host.file("haproxy").join(name), "").unwrap();
        }
        let expected = ["certs/b c.pem", "certs/other.pem", "key certs/other.pem.key"];
        let expected = [&expected[..], &["dual.rsa", "key dual.rsa.key", "dual.ecdsa"]].concat();
        assert_eq!(named(&host, &reads(&host)), expected, "{shell:?}");
    }
}

#[test]
fn what_only_haproxy_knows_is_not_guessed() {
    let rows = [
        // An environment variable, a condition, and a path from where it was started.
        ("frontend a\n bind :1 ssl crt ROOT/site.pem crt \"${CERTS}/a.pem\"\n", true, &["*site.pem"][..]),
        (".if feature(OPENSSL)\nfrontend a\n bind :1 ssl crt ROOT/site.pem\n.endif\n", true, &["*site.pem"]),
        ("frontend a\n bind :1 ssl crt site.pem\n", true, &[]),
        // Unless it is told.
        ("global\n default-path config\nfrontend a\n bind :1 ssl crt site.pem\n", false, &["*site.pem"]),
        ("global\n default-path origin ROOT\nfrontend a\n bind :1 ssl crt site.pem\n", false, &["*site.pem"]),
        (
            "global\n default-path parent\nfrontend a\n bind :1 ssl crt haproxy/site.pem\n",
            false,
            &["*site.pem"],
        ),
        ("frontend a\n bind :1\n", false, &[]),
    ];
    for shell in SHELLS {
        for (config, variable, expected) in rows {
            let host = host(Host::new(shell), config, "true");
            let reads = reads(&host);
            assert_eq!(
                (reads.variable, named(&host, &reads)),
                (variable, words(expected)),
                "{shell:?}: {config}"
            );
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn our_file_is_known_however_it_is_spelled() {
    for shell in SHELLS {
        let config = "frontend a\n bind :1 ssl crt ROOT/certs/../site.pem crt ROOT/linked.pem\n";
        let host = host(Host::new(shell), config, "true");
        std::os::unix::fs::symlink("site.pem", host.file("haproxy/linked.pem")).unwrap();
        assert_eq!(named(&host, &reads(&host)), ["*site.pem", "*site.pem"], "{shell:?}");
        fs::remove_file(host.file("haproxy/site.pem")).unwrap();
        assert_eq!(named(&host, &reads(&host)), ["*certs/../site.pem", "linked.pem"], "{shell:?}");
    }
}

/// The list that our certificate joins does not name it before.
#[test]
fn a_certificate_that_joins_a_list_counts_as_named() {
    for shell in SHELLS {
        let config = "frontend a\n bind :1 ssl crt-list ROOT/list\n";
        let mut host = host(Host::new(shell), config, "true");
        let list = host.file("haproxy/list");
        fs::write(&list, filled(&host, "ROOT/certs/other.pem\n")).unwrap();
        assert_eq!(named(&host, &reads(&host)), ["certs/other.pem"], "{shell:?}");
        set(&mut host, Some(&list), "true");
        assert_eq!(named(&host, &reads(&host)), ["*site.pem", "certs/other.pem"], "{shell:?}");
        fs::write(host.file("haproxy/haproxy.cfg"), "frontend a\n").unwrap();
        assert!(reads(&host).files.is_empty(), "{shell:?}");
    }
}

#[test]
fn a_folder_of_configurations_is_read_in_its_order() {
    for shell in SHELLS {
        let host = host(Host::new(shell), "", "true");
        let config = host.file("haproxy/haproxy.cfg");
        fs::remove_file(&config).unwrap();
        fs::create_dir(&config).unwrap();
        for (name, text) in [
            ("2.cfg", "frontend a\n bind :1 ssl crt site.pem\n"),
            ("1.cfg", "global\n crt-base ROOT\n"),
            ("3.txt", "frontend b\n bind :1 ssl crt no.pem\n"),
        ] {
            fs::write(config.join(name), filled(&host, text)).unwrap();
        }
        assert_eq!(named(&host, &reads(&host)), ["*site.pem"], "{shell:?}");
    }
}

#[test]
fn a_broken_configuration_is_told_and_a_status_tests_nothing() {
    for shell in SHELLS {
        let config = "frontend a\n bind :1 ssl crt ROOT/certs/other.pem\n";
        let host = host(Host::new(shell), config, "echo no; false");
        let reads = reads(&host);
        assert_eq!(reads.broken.as_deref(), Some("no"), "{shell:?}");
        assert!(reads.files.is_empty(), "{shell:?}");
        let ended = host.run(&host.spec.status(&host.services));
        let disk = OnDisk::parse(&ended.output(), &host.spec, &host.services).unwrap();
        assert_eq!(named(&host, &disk.reads[0]), ["certs/other.pem"], "{shell:?}");
    }
}

/// Each looked at more closely than a name would be read from some files.
#[test]
fn a_long_list_is_cut_and_ours_is_found_in_it() {
    for shell in SHELLS {
        let mut host = host(Host::new(shell), "frontend a\n bind :1 ssl crt-list ROOT/list\n", "true");
        host.services[0].settings.retain(|(name, _)| *name != "crt_list");
        host.services[0].settings.push(("crt_list", String::new()));
        let list: String = (0..2_000).map(|n| format!("ROOT/certs/{n}.pem\n")).collect();
        fs::write(host.file("haproxy/list"), filled(&host, &format!("{list}ROOT/site.pem\n"))).unwrap();
        let reads = reads(&host);
        assert!(reads.variable && reads.files.len() == 101, "{shell:?}: {}", reads.files.len());
        assert!(reads.files.iter().any(|file| file.ours), "{shell:?}");
    }
}

/// Part of it may stand where nobody looks.
#[test]
fn a_configuration_that_may_be_a_part_is_not_held_against_its_host() {
    for shell in SHELLS {
        let config = "frontend a\n bind :1 ssl crt ROOT/certs/other.pem\n";
        let mut host = host(Host::new(shell), config, "true");
        assert!(reads(&host).variable, "{shell:?}: a test of one's own");
        set(&mut host, None, "");
        let is_variable = |host: &Host| {
            let ended = host.run(&host.spec.status(&host.services));
            OnDisk::parse(&ended.output(), &host.spec, &host.services).unwrap().reads[0].variable
        };
        assert!(!is_variable(&host), "{shell:?}");
        let path = host.file("haproxy/haproxy.cfg").display().to_string();
        for (words, is_part) in [(&["-W", "-f", &path][..], false), (&["-f", &path, "-f", "/conf.d"], true)] {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", "read -r _", "haproxy"]).args(words).stdin(std::process::Stdio::piped());
            let mut running = command.spawn().unwrap();
            assert_eq!(is_variable(&host), is_part, "{shell:?}: {words:?}");
            drop(running.stdin.take());
            running.wait().unwrap();
        }
    }
}
