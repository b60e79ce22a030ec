//! Servers of a playbook on one host.

use crate::plan::testing::{first_host, resolved};
use crate::service::{Envoy, Haproxy, ServiceSpec};

const DUAL: &str = "certificate: {domains: [a.test], key: [ecdsa-p256, rsa-2048]}\n";

#[test]
fn servers_of_one_kind_on_a_host_are_numbered() {
    let host = first_host(
        "services: [{hosts: all, nginx: {}}, {hosts: all, command: {reload: x}}, {hosts: rest, nginx: {}}, \
         {hosts: canary, nginx: {prefix: /p}}, {hosts: all, nginx: {prefix: /q}}]",
    );
    let names: Vec<&str> = host.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["nginx", "command", "nginx-2", "nginx-3"]);
    let ServiceSpec::Nginx(second) = &host.services[2].spec else { panic!("{host:?}") };
    assert_eq!(second.prefix.as_ref().unwrap().as_str(), "/p");
}

/// What an HAProxy with these settings is given, and the links of its host.
fn haproxy(more: &str, settings: &str) -> (Haproxy, Vec<String>) {
    let services = format!("services: [{{hosts: all, haproxy: {{socket: /s, {settings}}}}}]");
    let host = first_host(&format!("{more}{services}"));
    let links = host.install.links.iter().map(|(path, file)| format!("{path} -> {file}")).collect();
    let ServiceSpec::Haproxy(haproxy) = host.services[0].spec.clone() else { panic!("{host:?}") };
    (haproxy, links)
}

fn paths(haproxy: &Haproxy) -> Vec<String> {
    haproxy.certificates.iter().map(|one| format!("{} = {}", one.path, one.file)).collect()
}

#[test]
fn an_haproxy_that_names_the_live_file_needs_no_link() {
    let live = "/etc/certwave/live/a.test/combined.pem";
    for settings in ["", &format!("certificate: {live}")] {
        let (haproxy, links) = haproxy("", settings);
        assert_eq!(paths(&haproxy), [format!("{live} = combined.pem")]);
        assert!(links.is_empty(), "{settings}: {links:?}");
    }
}

#[test]
fn an_haproxy_that_names_another_file_gets_a_link_there() {
    let (one, links) = haproxy("", "certificate: /etc/haproxy/a.pem");
    assert_eq!(paths(&one), ["/etc/haproxy/a.pem = combined.pem"]);
    assert_eq!(links, ["/etc/haproxy/a.pem -> combined.pem"]);
    // One that the playbook has already is enough, with or without the key in it.
    for file in ["combined.pem", "fullchain.pem"] {
        let install = format!("install: {{links: {{/etc/haproxy/a.pem: {file}}}}}\n");
        let (_, links) = haproxy(&install, "certificate: /etc/haproxy/a.pem");
        assert_eq!(links, [format!("/etc/haproxy/a.pem -> {file}")]);
    }
    // So is a copy.
    let install = "install: {copies: {/etc/haproxy/a.pem: {from: combined.pem}}}\n";
    assert!(haproxy(install, "certificate: /etc/haproxy/a.pem").1.is_empty());
    for file in ["cert.pem", "chain.pem", "privkey.pem"] {
        let words = resolved(&format!(
            "install: {{links: {{/a.pem: {file}}}}}\n\
             services: [{{hosts: canary, haproxy: {{socket: /s, certificate: /a.pem}}}}, {{hosts: rest, nginx: {{}}}}]"
        ));
        let words = words.unwrap_err();
        assert_eq!(words, [format!("`/a.pem` is to hold `{file}`, which HAProxy cannot use")]);
    }
}

#[test]
fn a_bundle_of_an_haproxy_is_two_files_by_their_algorithms() {
    let (bundle, links) = haproxy(DUAL, "certificate: /a.pem");
    assert_eq!(paths(&bundle), ["/a.pem.ecdsa = combined.pem", "/a.pem.rsa = combined.rsa.pem"]);
    assert_eq!(links, ["/a.pem.ecdsa -> combined.pem", "/a.pem.rsa -> combined.rsa.pem"]);
    let (each, _) = haproxy(DUAL, "certificate: {rsa: /r.pem, ecdsa: /e.pem}");
    assert_eq!(paths(&each), ["/e.pem = combined.pem", "/r.pem = combined.rsa.pem"]);
    let (plain, links) = haproxy(DUAL, "");
    let live = "/etc/certwave/live/a.test";
    let files = ["combined.pem", "combined.rsa.pem"].map(|file| format!("{live}/{file} = {file}"));
    assert_eq!(paths(&plain), files);
    assert!(links.is_empty());
}

#[test]
fn an_haproxy_of_which_nothing_is_said_is_where_distributions_put_it() {
    let (plain, _) = haproxy("", "");
    assert_eq!(
        (plain.binary.as_str(), plain.config.as_str()),
        ("/usr/sbin/haproxy", "/etc/haproxy/haproxy.cfg")
    );
    assert_eq!((plain.bufsize, plain.crt_list, plain.test), (16_384, None, None));
    let (own, _) = haproxy("", "crt_list: /l, binary: /b, config: /c, test: t, bufsize: 1024");
    assert_eq!((own.binary.as_str(), own.config.as_str(), own.bufsize), ("/b", "/c", 1_024));
    assert_eq!((own.crt_list.unwrap().as_str(), own.test.as_deref()), ("/l", Some("t")));
    let small = resolved("services: [{hosts: all, haproxy: {socket: /s, bufsize: 1023}}]").unwrap_err();
    assert_eq!(small, ["a buffer of 1023 bytes is too small"]);
}

#[test]
fn of_dual_certificates_no_value_is_left_out() {
    let services = "services: [{hosts: all, haproxy: {socket: /s, certificate: {ecdsa: /e.pem}}}]";
    let words = resolved(&format!("{DUAL}{services}")).unwrap_err();
    assert_eq!(words, ["a value for each algorithm needs the key `rsa`"]);
}

#[test]
fn an_nginx_of_which_nothing_is_said_is_tested_and_reloaded_by_its_own_program() {
    let nginx = |settings: &str| {
        let host = first_host(&format!("services: [{{hosts: all, nginx: {{{settings}}}}}]"));
        host.services[0].spec.actions()
    };
    assert_eq!(nginx(""), ["/usr/sbin/nginx -t", "/usr/sbin/nginx -s reload"]);
    assert_eq!(nginx("test: t, reload: r"), ["t", "r"]);
}

fn envoy(more: &str, settings: &str) -> Envoy {
    let host = first_host(&format!("{more}services: [{{hosts: all, envoy: {{{settings}}}}}]"));
    let ServiceSpec::Envoy(envoy) = host.services[0].spec.clone() else { panic!("{host:?}") };
    envoy
}

#[test]
fn an_envoy_watches_the_folder_of_the_link_and_may_name_a_file_by_any_link_to_it() {
    let links =
        "install: {links: {/etc/a.crt: fullchain.pem, /etc/a.key: privkey.pem, /etc/b.key: privkey.pem}}\n";
    let envoy = envoy(links, "sds: /etc/sds.yaml, secret: a");
    assert_eq!(envoy.watched.as_str(), "/etc/certwave/live");
    let [secret] = envoy.secrets.as_slice() else { panic!("{envoy:?}") };
    let all = |paths: &[crate::model::HostPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    let live = "/etc/certwave/live/a.test";
    assert_eq!(all(&secret.chain), [format!("{live}/fullchain.pem"), "/etc/a.crt".to_owned()]);
    let keys = [format!("{live}/privkey.pem"), "/etc/a.key".to_owned(), "/etc/b.key".to_owned()];
    assert_eq!(all(&secret.key), keys);
}

#[test]
fn of_dual_certificates_each_is_a_secret_of_its_own_in_a_file_of_its_own() {
    // In the order of the certificates, whatever the order of the settings.
    let envoy = envoy(DUAL, "sds: {rsa: /r.yaml, ecdsa: /e.yaml}, secret: {rsa: r, ecdsa: e}");
    let told: Vec<String> = envoy
        .secrets
        .iter()
        .map(|one| {
            format!("{} in {}: {} {}", one.name, one.sds, one.chain[0].file_name(), one.key[0].file_name())
        })
        .collect();
    assert_eq!(
        told,
        ["e in /e.yaml: fullchain.pem privkey.pem", "r in /r.yaml: fullchain.rsa.pem privkey.rsa.pem"]
    );
    for settings in [
        "sds: /s.yaml, secret: s",
        "sds: /s.yaml, secret: {rsa: r, ecdsa: e}",
        "sds: {rsa: /r.yaml, ecdsa: /e.yaml}, secret: s",
    ] {
        let words = resolved(&format!(
            "{DUAL}services: [{{hosts: canary, envoy: {{{settings}}}}}, {{hosts: rest, nginx: {{}}}}]"
        ));
        assert_eq!(
            words.unwrap_err(),
            ["of two certificates, each is a secret of its own, in a file of its own"],
            "{settings}"
        );
    }
}
