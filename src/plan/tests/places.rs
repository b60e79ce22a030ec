//! Where a certificate is proven.

use crate::plan::testing::{first_host, resolved};
use crate::verify::{StartTls, Via};

/// The places of the first server of the first host.
fn places(sections: &str) -> Vec<String> {
    let endpoints = &first_host(sections).services[0].endpoints;
    let key =
        |key: Option<crate::certificate::KeyAlgorithm>| key.map_or(String::new(), |key| format!(" {key}"));
    endpoints
        .iter()
        .map(|one| format!("{}:{} {}{}", one.address, one.port, one.server_name, key(one.key)))
        .collect()
}

#[test]
fn a_host_is_dialled_at_its_own_address_on_443_by_the_first_domain() {
    assert_eq!(places(""), ["web01:443 a.test"]);
    assert_eq!(places("waves: [{name: all, hosts: web04}]"), ["192.0.2.4:443 a.test"]);
}

#[test]
fn below_a_wildcard_a_name_is_asked_for_that_it_stands_for() {
    let name = |domains: &str| places(&format!("certificate: {{domains: [{domains}]}}")).concat();
    assert_eq!(name("\"*.a.test\""), "web01:443 certwave-probe.a.test");
    assert_eq!(name("\"*.b.test\", \"*.a.test\""), "web01:443 certwave-probe.b.test");
    // A name without a star is asked for first, wherever it stands.
    assert_eq!(name("\"*.a.test\", b.test, c.test"), "web01:443 b.test");
}

#[test]
fn each_address_is_proven_at_each_port_by_each_name_with_each_key() {
    let sections = "certificate: {domains: [a.test], key: [ecdsa-p256, rsa-2048]}\n\
         verify: {port: [443, 8443], server_name: [a.test, b.test], addresses: [192.0.2.9, web01]}";
    // The host's own address once, though it is given again.
    let all = places(sections);
    assert_eq!(all.len(), 2 * 2 * 2 * 2);
    assert_eq!(all[..2], ["web01:443 a.test ecdsa", "web01:443 a.test rsa"]);
    assert_eq!(all[15], "192.0.2.9:8443 b.test rsa");
}

#[test]
fn what_a_server_says_of_its_places_wins_over_the_playbook() {
    let own = "port: 1, server_name: own.test, addresses: 192.0.2.1, via: ssh, starttls: smtp";
    let general = "port: 2, server_name: general.test, addresses: 192.0.2.2, via: direct, starttls: imap";
    let place = |own: &str, general: &str| {
        let host = first_host(&format!(
            "services: [{{hosts: all, nginx: {{}}, verify: {{{own}}}}}]\nverify: {{{general}}}"
        ));
        let last = host.services[0].endpoints.last().unwrap().clone();
        (last.address, last.port, last.server_name.to_string(), last.via, last.starttls)
    };
    let owned = ("192.0.2.1".to_owned(), 1, "own.test".to_owned(), Via::Ssh, Some(StartTls::Smtp));
    assert_eq!(place(own, general), owned);
    assert_eq!(place(own, ""), owned);
    let given = ("192.0.2.2".to_owned(), 2, "general.test".to_owned(), Via::Direct, Some(StartTls::Imap));
    assert_eq!(place("", general), given);
    assert_eq!(place("", ""), ("web01".to_owned(), 443, "a.test".to_owned(), Via::Direct, None));
}

#[test]
fn what_cannot_be_dialled_is_told() {
    let cases = [
        ("port: 0", "`0` is not a port"),
        ("port: 65536", "`65536` is not a port"),
        ("addresses: \"a b\"", "`a b` is no address or name to dial"),
        ("addresses: \"\"", "`` is no address or name to dial"),
        ("addresses: http://a.test", "is no address or name to dial"),
        ("server_name: localhost", "it has only one label"),
        ("via: tunnel", "`tunnel` is not a way to dial"),
        ("answers: 0", "without an answer nothing is proven"),
    ];
    for (setting, words) in cases {
        let told = resolved(&format!("verify: {{{setting}}}")).unwrap_err();
        assert!(told[0].contains(words), "{setting}: {told:?}");
    }
    for address in ["192.0.2.1", "\"2001:db8::1\"", "a-b_c.test", "lb1"] {
        assert!(resolved(&format!("verify: {{addresses: {address}}}")).is_ok(), "{address}");
    }
}
