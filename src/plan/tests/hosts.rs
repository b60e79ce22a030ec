//! How it is done on one host.

use std::time::Duration;

use crate::install::{FileName, FilePart};
use crate::plan::testing::{first_host, resolved};
use crate::plan::{HostPlan, PlannedChallenge, PlannedIssuer};

fn seconds(of: u64) -> Duration {
    Duration::from_secs(of)
}

/// Two servers on each host, of which the first has these settings of its own, and a playbook with others.
fn two(own: &str, general: &str) -> HostPlan {
    first_host(&format!(
        "services: [{{hosts: all, nginx: {{}}, verify: {{{own}}}}}, {{hosts: all, envoy: {{sds: /s, secret: a}}}}]\n\
         verify: {{{general}}}"
    ))
}

#[test]
fn a_host_may_take_as_long_as_the_slowest_of_its_servers() {
    let cases = [
        ("", "", 30),
        ("timeout: 5m", "", 300),
        ("", "timeout: 5m", 300),
        ("timeout: 5m", "timeout: 10s", 300),
        // The other one has what the playbook says, or the default.
        ("timeout: 10s", "timeout: 5m", 300),
        ("timeout: 10s", "", 30),
    ];
    for (own, general, timeout) in cases {
        assert_eq!(two(own, general).timeout, seconds(timeout), "own: {own}, general: {general}");
    }
    let alone =
        first_host("services: [{hosts: all, nginx: {}, verify: {timeout: 10s}}]\nverify: {timeout: 5m}");
    assert_eq!(alone.timeout, seconds(10));
}

#[test]
fn a_host_gives_as_many_answers_as_the_most_careful_of_its_servers() {
    let cases = [
        ("", "", 3),
        ("answers: 9", "", 9),
        ("", "answers: 9", 9),
        ("answers: 1", "answers: 9", 9),
        ("answers: 1", "", 3),
    ];
    for (own, general, answers) in cases {
        assert_eq!(two(own, general).answers, answers, "own: {own}, general: {general}");
    }
    assert_eq!(first_host("verify: {answers: 1}").answers, 1);
}

#[test]
fn the_dead_man_switch_waits_for_the_switch_of_every_server_and_its_proof() {
    let install = |setting: &str| first_host(&format!("install: {{dead_man: {setting}}}")).dead_man;
    // Two minutes, and the time-out of 30 s five times.
    assert_eq!(first_host("").dead_man, Some(seconds(120 + 5 * 30)));
    assert_eq!(two("", "timeout: 10s").dead_man, Some(seconds(120 + 8 * 10)));
    assert_eq!(install("31s"), Some(seconds(31)));
    assert_eq!(install("off"), None);
    for setting in ["29s", "30s"] {
        let words = resolved(&format!("install: {{dead_man: {setting}}}")).unwrap_err();
        assert_eq!(words, [format!("`dead_man` is {setting}, and a proof may take 30s")]);
    }
}

#[test]
fn files_lie_where_nobody_but_root_can_read_the_key_unless_somebody_says_otherwise() {
    let plain = first_host("").install;
    assert_eq!(plain.layout.live().as_str(), "/etc/certwave/live/a.test");
    assert_eq!((&plain.owner, &plain.group, plain.key_mode), (&None, &None, None));
    assert_eq!((plain.keep, plain.links.len(), plain.boot_unit), (3, 0, true));
    assert!(!first_host("install: {boot_unit: off}").install.boot_unit);
    let own = first_host(
        "install: {directory: \"{{ folder }}/tls\", owner: o, group: \"g{{ number }}\", mode: \"0640\", keep: 2, \
         links: {\"/etc/ssl/{{ number }}.crt\": fullchain.pem, /etc/ssl/a.key: privkey.pem}}",
    );
    let own = own.install;
    assert_eq!(own.layout.live().as_str(), "/srv/tls/live/a.test");
    assert_eq!((own.owner.as_deref(), own.group.as_deref()), (Some("o"), Some("g1")));
    assert_eq!((own.key_mode, own.keep), (Some(0o640), 2));
    let links: Vec<String> = own.links.iter().map(|(path, file)| format!("{path} -> {file}")).collect();
    assert_eq!(links, ["/etc/ssl/1.crt -> fullchain.pem", "/etc/ssl/a.key -> privkey.pem"]);
}

#[test]
fn files_that_could_not_be_meant_are_told() {
    let cases = [
        ("keep: 1", "`keep` is 1, and at least 2 are needed"),
        ("mode: \"0604\"", "every user of the host could read the private key"),
        ("mode: \"0641\"", "every user of the host could read the private key"),
        ("mode: \"0200\"", "its owner could not read the key"),
        ("mode: \"60\"", "`60` is not a file mode"),
        ("mode: \"1600\"", "`1600` is not a file mode"),
        ("mode: \"0800\"", "`0800` is not a file mode"),
        ("links: {relative: cert.pem}", "it must be absolute"),
        ("links: {/a: key.pem}", "`key.pem` is not a file of a version"),
        ("links: {/a: cert.rsa.pem}", "there is no `cert.rsa.pem` in a version"),
        ("directory: etc", "it must be absolute"),
        ("directory: /proc/self", "`/proc/self` cannot hold certificates: that is the kernel's"),
        ("directory: /tmp", "`/tmp` cannot hold certificates: everybody may write to it"),
        ("directory: /home/ops/.ssh", "`/home/ops/.ssh` cannot hold certificates: that is for logins"),
        ("directory: /etc/ssl/a.pem", "that is the name of a file"),
        ("boot_unit: no", "`boot_unit` is `on` or `off`, not `no`"),
        ("bootunit: off", "unknown key `bootunit`"),
    ];
    for (setting, words) in cases {
        let told = resolved(&format!("install: {{{setting}}}")).unwrap_err();
        assert!(told.len() == 1 && told[0].contains(words), "{setting}: {told:?}");
    }
}

#[test]
fn only_the_second_of_dual_certificates_has_its_algorithm_in_its_files_names() {
    let links = |keys: &str, file: &str| {
        resolved(&format!(
            "certificate: {{domains: [a.test], key: [{keys}]}}\ninstall: {{links: {{/a: {file}}}}}"
        ))
    };
    let rsa = FileName { part: FilePart::Cert, algorithm: Some(crate::certificate::KeyAlgorithm::Rsa) };
    let both = links("ecdsa-p256, rsa-2048", "cert.rsa.pem").unwrap();
    assert!(both.plan.hosts.iter().all(|host| host.install.links[0].1 == rsa));
    for (keys, file) in [("ecdsa-p256, rsa-2048", "cert.ecdsa.pem"), ("rsa-2048, ecdsa-p256", "cert.rsa.pem")]
    {
        // Told once, however many hosts there are.
        assert_eq!(links(keys, file).unwrap_err(), [format!("there is no `{file}` in a version")]);
    }
}

#[test]
fn a_variable_that_hosts_lack_is_told_for_three_of_them_and_a_wrong_constant_once() {
    let words = resolved("install: {owner: \"{{ nobody }}\"}").unwrap_err();
    let missing = |host: &str| format!("{host}: the variable `nobody` is not set");
    assert_eq!(words, ["web01", "web02", "web03"].map(missing));
    let wrong = resolved("install: {directory: \"{{ number }}\"}").unwrap_err();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
}

#[test]
fn a_certificate_is_asked_for_as_the_playbook_says() {
    use crate::certificate::KeyType;
    use crate::playbook::Renew;
    let plain = resolved("").unwrap().plan.certificate;
    assert_eq!(
        (plain.name.as_str(), plain.keys, plain.renew),
        ("a.test", vec![KeyType::EcdsaP256], Renew::Auto)
    );
    let own = resolved(
        "certificate: {domains: [\"*.a.test\", b.test], name: web, key: [rsa-2048, ecdsa-p384], renew: 20d}\n\
         verify: {server_name: b.test}",
    );
    let own = own.unwrap().plan.certificate;
    assert_eq!((own.name.as_str(), own.domains.len()), ("web", 2));
    assert_eq!(own.keys, [KeyType::Rsa2048, KeyType::EcdsaP384]);
    assert_eq!(own.renew, Renew::Before(seconds(20 * 86_400)));
    let star = resolved("certificate: {domains: [\"*.a.test\"]}").unwrap().plan.certificate;
    assert_eq!(star.name.as_str(), "_.a.test");
    let twice = resolved("certificate: {domains: [a.test, b.test, a.test]}").unwrap_err();
    assert_eq!(twice, ["the domain `a.test` is given twice"]);
    assert_eq!(
        resolved("certificate: {domains: []}").unwrap_err(),
        ["a certificate needs at least one domain"]
    );
}

#[test]
fn a_token_is_pushed_to_the_hosts_of_its_pattern_each_with_its_folder() {
    let plan = resolved(
        "issuers: [{acme: letsencrypt, challenge: {http-01: {push: rest, webroot: \"{{ folder }}/{{ number }}\"}}}]",
    );
    let issuers = plan.unwrap().plan.issuers;
    let [PlannedIssuer::Acme(acme)] = issuers.as_slice() else { panic!("{issuers:?}") };
    let PlannedChallenge::Push(hosts) = &acme.challenge else { panic!("{acme:?}") };
    let told: Vec<String> = hosts.iter().map(|one| format!("{} {}", one.login.host, one.webroot)).collect();
    assert_eq!(told, ["web02 /srv/2", "web03 /srv/3", "web04 /srv/4"]);
}

#[test]
fn a_plan_of_an_earlier_certwave_has_its_certificates_name_alone() {
    use crate::plan::CertificateRequest;
    use crate::playbook::Renew;
    let earlier: CertificateRequest = serde_json::from_str(r#""a.test""#).unwrap();
    assert_eq!(earlier.name.as_str(), "a.test");
    assert!(earlier.domains.is_empty() && earlier.keys.is_empty() && earlier.renew == Renew::Auto);
    let now = resolved("certificate: {domains: [a.test], renew: 20d}").unwrap().plan.certificate;
    let kept = serde_json::to_string(&now).unwrap();
    assert_eq!(serde_json::from_str::<CertificateRequest>(&kept).unwrap(), now);
}
