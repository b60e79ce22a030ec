//! What a playbook says where it says nothing, and what it may not say, beside what it just may.

use std::time::Duration;

use super::*;
use crate::certificate::KeyType;
use crate::model::Amount;
use crate::verify::{StartTls, Via};
use crate::yaml::{Problems, Sources, parse as parse_yaml};

const SMALLEST: &str = "\
certificate: {domains: [api.example.com, www.example.com]}
issuers: [{acme: letsencrypt, challenge: {http-01: {push: all, webroot: /var/www}}}]
services: [{hosts: all, nginx: {}}]
waves: [{name: canary, hosts: 'all[0]', soak: 5m}, {name: production, hosts: all}]
";

/// The playbook, and the first thing that is wrong with it.
fn read(text: &str) -> (Option<Playbook>, String) {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let id = sources.add("playbook.yaml", text);
    let node = parse_yaml(&sources, id, &mut problems).unwrap();
    let playbook = parse(&node, &mut problems);
    let first = problems.sorted().first().map(|problem| problem.message.clone());
    (playbook, first.unwrap_or_default())
}

fn with(from: &str, to: &str) -> String {
    assert!(SMALLEST.contains(from), "{from}");
    SMALLEST.replacen(from, to, 1)
}

fn valid(text: &str) -> Playbook {
    let (playbook, problem) = read(text);
    assert_eq!(problem, "", "{text}");
    playbook.unwrap()
}

#[test]
fn what_is_not_said_has_a_default() {
    let playbook = valid(SMALLEST);
    assert_eq!(playbook.certificate.name.as_str(), "api.example.com");
    assert_eq!(playbook.certificate.keys, [KeyType::EcdsaP256]);
    assert_eq!(playbook.certificate.renew, Renew::Auto);
    assert_eq!(playbook.install, InstallSettings::default());
    assert_eq!(playbook.verify, VerifySettings::default());
    assert_eq!((playbook.on_failure, playbook.deadline), (OnFailure::Rollback, None));
    assert_eq!(playbook.windows, None);
    let [canary, production] = playbook.waves.as_slice() else { panic!("{:?}", playbook.waves) };
    for wave in [canary, production] {
        assert_eq!((wave.parallel, wave.max_failures), (32, Amount::Count(0)));
        assert_eq!((wave.batch.as_slice(), wave.approval, &wave.deadline), (&[][..], false, &None));
        assert_eq!(wave.progress_deadline, None);
    }
    assert_eq!((canary.soak, production.soak), (Duration::from_secs(300), Duration::ZERO));
}

#[test]
fn what_is_said_is_read() {
    let on_failure = |word: &str| valid(&format!("{SMALLEST}on_failure: {word}\n")).on_failure;
    for (word, meaning) in [
        ("rollback", OnFailure::Rollback),
        ("rollback-wave", OnFailure::RollbackWave),
        ("rollback-host", OnFailure::RollbackHost),
        ("halt", OnFailure::Halt),
    ] {
        assert_eq!(on_failure(word), meaning);
    }
    let verify = |text: &str| valid(&format!("{SMALLEST}verify: {{{text}}}\n")).verify;
    assert_eq!(verify("via: ssh").via, Some(Via::Ssh));
    assert_eq!(verify("via: direct").via, Some(Via::Direct));
    assert_eq!(verify("starttls: smtp").starttls, Some(StartTls::Smtp));
    assert_eq!(
        (verify("answers: 1").answers, verify("timeout: 2m").timeout),
        (Some(1), Some(Duration::from_secs(120)))
    );
    let named =
        valid(&with("certificate: {", "certificate: {name: api, key: [rsa-2048, ecdsa-p384], renew: 30d, "));
    assert_eq!(named.certificate.name.as_str(), "api");
    assert_eq!(named.certificate.keys, [KeyType::Rsa2048, KeyType::EcdsaP384]);
    assert_eq!(named.certificate.renew, Renew::Before(Duration::from_secs(30 * 86_400)));
    let install = |text: &str| valid(&format!("{SMALLEST}install: {{{text}}}\n")).install;
    assert_eq!((install("mode: '0640'").mode, install("keep: 2").keep), (Some(0o640), Some(2)));
    let dead_man = |text: &str| install(text).dead_man.map(|one| one.value);
    assert_eq!(dead_man("dead_man: off"), Some(None));
    assert_eq!(dead_man("dead_man: 90s"), Some(Some(Duration::from_secs(90))));
    let boot_unit = |text: &str| install(text).boot_unit;
    assert_eq!(
        [boot_unit("keep: 2"), boot_unit("boot_unit: off"), boot_unit("boot_unit: on")],
        [None, Some(false), Some(true)]
    );
    let wave = |text: &str| valid(&with("soak: 5m", text)).waves.remove(0);
    assert!(wave("approval: required").approval);
    assert_eq!(wave("batch: 3").batch, [Amount::Count(3)]);
    assert_eq!(wave("batch: [1, 25%]").batch, [Amount::Count(1), Amount::Percent(25)]);
    assert_eq!(wave("soak: 5m, deadline: 301s").deadline.unwrap().value, Duration::from_secs(301));
    let PerKey::Each(each) = envoy("{ecdsa: a, rsa: b}") else { panic!("one for both") };
    let each: Vec<_> =
        each.into_iter().map(|(key, name)| format!("{key}={}", name.constant().unwrap())).collect();
    assert_eq!(each, ["ecdsa=a", "rsa=b"]);
    assert!(matches!(envoy("a"), PerKey::One(_)));
}

/// The secret of an Envoy.
fn envoy(secret: &str) -> PerKey<Template> {
    let text = with("nginx: {}", &format!("envoy: {{sds: /etc/sds.yaml, secret: {secret}}}"));
    match valid(&text).services.remove(0).kind {
        ServiceKind::Envoy(envoy) => envoy.secret,
        other => panic!("{other:?}"),
    }
}

/// Each wrong text, a right one that is all but the same, and what is said of the wrong one.
#[test]
fn each_rule_refuses_what_breaks_it_and_takes_its_neighbour() {
    for (from, wrong, right, words) in [
        (
            "soak: 5m",
            "soak: 5m, deadline: 5m",
            "soak: 5m, deadline: 301s",
            "`deadline` is 5m, and the soak alone takes 5m",
        ),
        ("soak: 5m", "progress_deadline: 0s", "progress_deadline: 1s", "`progress_deadline` is 0"),
        ("soak: 5m", "parallel: 0", "parallel: 1", "`parallel` is 0"),
        ("soak: 5m", "batch: 0", "batch: 1", "a batch of no hosts"),
        ("soak: 5m", "batch: [1, 0%]", "batch: [1, 1%]", "a batch of no hosts"),
        ("soak: 5m", "max_failures: 101%", "max_failures: 100%", "a share is at most `100%`"),
        ("soak: 5m", "approval: req", "approval: required", "`approval` is `req`"),
        ("name: production", "name: canary", "name: canary2", "two waves are named `canary`"),
        (
            "www.example.com",
            "api.example.com",
            "api2.example.com",
            "the domain `api.example.com` is given twice",
        ),
        ("[api.example.com, www.example.com]", "[]", "[a.test]", "a certificate needs at least one domain"),
        ("www.example.com", "'*.example.com'", "w.example.com", "`letsencrypt` cannot issue the wildcard"),
        (
            "certificate: {",
            "certificate: {key: [rsa-2048, rsa-4096], ",
            "certificate: {key: [rsa-2048, ecdsa-p256], ",
            "are both rsa",
        ),
        (
            "certificate: {",
            "certificate: {key: rsa-1024, ",
            "certificate: {key: rsa-3072, ",
            "`rsa-1024` is not a kind of key",
        ),
        (
            "certificate:",
            "install: {keep: 1}\ncertificate:",
            "install: {keep: 2}\ncertificate:",
            "`keep` is 1",
        ),
        (
            "certificate:",
            "install: {mode: '0604'}\ncertificate:",
            "install: {mode: '0640'}\ncertificate:",
            "every user of the host",
        ),
        (
            "certificate:",
            "install: {mode: '0240'}\ncertificate:",
            "install: {mode: '0440'}\ncertificate:",
            "its owner could not read",
        ),
        (
            "certificate:",
            "install: {mode: '4600'}\ncertificate:",
            "install: {mode: '0600'}\ncertificate:",
            "not a file mode",
        ),
        (
            "certificate:",
            "install: {mode: '60'}\ncertificate:",
            "install: {mode: '600'}\ncertificate:",
            "not a file mode",
        ),
        (
            "certificate:",
            "install: {mode: '0680'}\ncertificate:",
            "install: {mode: '0660'}\ncertificate:",
            "not a file mode",
        ),
        (
            "certificate:",
            "install: {copies: {/a.key: {from: privkey.pem, mode: '0644'}}}\ncertificate:",
            "install: {copies: {/a.crt: {from: cert.pem, mode: '0644'}}}\ncertificate:",
            "every user of the host",
        ),
        (
            "certificate:",
            "install: {copies: {/a.key: {owner: app}}}\ncertificate:",
            "install: {copies: {/a.key: {from: key-first.pem, owner: app}}}\ncertificate:",
            "a copy needs `from`",
        ),
        (
            "certificate:",
            "install: {copies: {/a.key: {from: key.pem}}}\ncertificate:",
            "install: {copies: {/a.key: {from: privkey.pem}}}\ncertificate:",
            "`key.pem` is not a file of a version",
        ),
        (
            "certificate:",
            "install: {copies: {/a.p12: {from: pkcs12, password: secret}}}\ncertificate:",
            "install: {copies: {/a.p12: {from: combined.pem}}}\ncertificate:",
            "the keystore's password is not read from a file",
        ),
        (
            "certificate:",
            "install: {copies: {/a.p12: {from: pkcs12}}}\ncertificate:",
            "install: {copies: {/a.p12: {from: combined.pem}}}\ncertificate:",
            "a keystore needs a password",
        ),
        (
            "certificate:",
            "install: {copies: [/a.p12]}\ncertificate:",
            "install: {copies: {}}\ncertificate:",
            "expected paths and their files, found a list",
        ),
        (
            "certificate:",
            "install: {links: {/a.p12: keystore.p12}}\ncertificate:",
            "install: {links: {/a.pem: key-first.pem}}\ncertificate:",
            "`keystore.p12` is not a file of a version",
        ),
        (
            "certificate:",
            "install: {directory: etc}\ncertificate:",
            "install: {directory: /etc/x}\ncertificate:",
            "must be absolute",
        ),
        (
            "certificate:",
            "verify: {answers: 0}\ncertificate:",
            "verify: {answers: 1}\ncertificate:",
            "without an answer nothing is proven",
        ),
        (
            "certificate:",
            "verify: {port: [443, 0]}\ncertificate:",
            "verify: {port: [443, 1]}\ncertificate:",
            "`0`",
        ),
        (
            "certificate:",
            "verify: {server_name: [a.test, 'a b']}\ncertificate:",
            "verify: {server_name: [a.test, b.test]}\ncertificate:",
            "`a b`",
        ),
        ("certificate:", "deadline: 0s\ncertificate:", "deadline: 1s\ncertificate:", "`deadline` is 0"),
        (
            "certificate:",
            "verify: {via: host}\ncertificate:",
            "verify: {via: ssh}\ncertificate:",
            "`host` is not a way to dial",
        ),
        (
            "nginx: {}",
            "nginx: {}, verify: {ca_file: x}",
            "nginx: {}, verify: {port: 1}",
            "`ca_file` belongs to the playbook's own",
        ),
        ("nginx: {}", "haproxy: {test: 'true'}", "haproxy: {reload: master}", "`haproxy` needs to know"),
        ("nginx: {}", "haproxy: {}", "haproxy: {reload: master}", "`haproxy` needs to know"),
        (
            "nginx: {}",
            "haproxy: {reload: master, crt_list: /l}",
            "haproxy: {socket: /s, crt_list: /l}",
            "`crt_list` needs the `socket`",
        ),
        (
            "nginx: {}",
            "haproxy: {socket: /s, bufsize: 1023}",
            "haproxy: {socket: /s, bufsize: 1024}",
            "1023 bytes is too small",
        ),
        ("nginx: {}", "haproxy: {socket: [/s, t]}", "haproxy: {socket: [/s, /t]}", "must be absolute"),
        (
            "nginx: {}",
            "envoy: {sds: /s, secret: {ecdsa: a}}",
            "envoy: {sds: /s, secret: {ecdsa: a, rsa: b}}",
            "needs the key `rsa`",
        ),
        ("nginx: {}", "command: {test: x}", "command: {reload: x}", "`command` needs the key `reload`"),
        (
            "acme: letsencrypt,",
            "acme: 'http://ca.test/dir',",
            "acme: 'https://ca.test/dir',",
            "is not encrypted",
        ),
        (
            "acme: letsencrypt,",
            "acme: letsencrypt, contact: ['a@b.test?cc=c'],",
            "acme: letsencrypt, contact: [a@b.test],",
            "is not a mail address",
        ),
        ("[{hosts: all, nginx: {}}]", "[]", "[{hosts: all, nginx: }]", "`services` is empty"),
    ] {
        let (_, said) = read(&with(from, wrong));
        assert!(said.contains(words), "{wrong}: {said:?}");
        valid(&with(from, right));
    }
}

#[test]
fn a_named_server_is_that_of_its_name() {
    for (name, host) in [
        ("letsencrypt", "acme-v02.api.letsencrypt.org"),
        ("letsencrypt-staging", "acme-staging-v02.api.letsencrypt.org"),
    ] {
        match valid(&with("acme: letsencrypt,", &format!("acme: {name},"))).issuers.remove(0) {
            Issuer::Acme(acme) => assert_eq!(acme.directory, format!("https://{host}/directory")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_name_is_refused_where_a_hosts_files_could_not_be_called_after_it() {
    let long = |length: usize| {
        let rest = format!(".{0}.{0}.{0}.test", "b".repeat(54));
        format!("{}{rest}", "a".repeat(length - rest.len()))
    };
    let named = |name: &str| with("certificate: {", &format!("certificate: {{name: {name}, "));
    let first_domain = |name: &str| with("domains: [", &format!("domains: [{name}, "));
    for text in [named as fn(&str) -> String, first_domain] {
        valid(&text(&long(221)));
        let wrong = text(&long(222));
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add("playbook.yaml", &wrong);
        let node = parse_yaml(&sources, id, &mut problems).unwrap();
        parse(&node, &mut problems);
        let [problem] = problems.sorted()[..] else { panic!("{problems:?}") };
        let span = problem.span.unwrap();
        assert_eq!(wrong[span.start as usize..span.end as usize], long(222));
        assert!(problem.message.contains("222 characters"), "{problem:?}");
        let hint = problem.hint.as_deref().unwrap();
        assert!(hint.contains("`certificate: {name: …}`") && hint.contains("221 characters"), "{hint}");
    }
    // A domain of any length, under another name.
    valid(&with("domains: [", &format!("name: short, domains: [{}, ", long(222))));
}
