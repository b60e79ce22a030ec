//! Wrong files, wrong keys, wrong hosts: a clear error each, and nothing is touched.

use certwave::lab::Authority;

use crate::support::{Fleet, Run};

/// The rollout is refused before any host is touched.
fn refused(fleet: &Fleet, words: &str) -> Run {
    let before = fleet.all_served();
    let run = fleet.run(&["rollout", "playbook.yaml", "--yes"]);
    assert!(matches!(run.code, 1 | 64), "{} {}", run.code, run.stderr);
    assert!(run.stderr.contains(words), "`{words}` is not in:\n{}", run.stderr);
    assert_eq!(fleet.all_served(), before);
    assert!(fleet.untouched());
    run
}

fn files_issuer(fleet: &Fleet, certificate: &[u8], key: &[u8]) {
    std::fs::write(fleet.lab.directory().join("chain.pem"), certificate).unwrap();
    std::fs::write(fleet.lab.directory().join("key.pem"), key).unwrap();
    let text = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    let start = text.find("issuers:").unwrap();
    let end = text.find("services:").unwrap();
    let issuers = "issuers: [{files: {certificate: chain.pem, key: key.pem}}]\n\n";
    std::fs::write(fleet.lab.playbook(), format!("{}{issuers}{}", &text[..start], &text[end..])).unwrap();
}

#[test]
fn files_that_are_not_good_are_refused_and_good_ones_are_rolled_out() {
    let fleet = Fleet::start(1);
    let authority = Authority::new("private CA").unwrap();
    let chain = |leaf: &[u8]| [leaf, &authority.root_pem().unwrap()].concat();
    let (leaf, key) = authority.issue(&["api.lab.test"], 0, 90).unwrap();
    let (_, other_key) = authority.issue(&["api.lab.test"], 0, 90).unwrap();
    let (expired, expired_key) = authority.issue(&["api.lab.test"], -90, -1).unwrap();
    let (other, other_name_key) = authority.issue(&["other.test"], 0, 90).unwrap();
    for (certificate, key, words) in [
        (chain(&leaf), &other_key, "the private key does not fit"),
        (chain(&expired), &expired_key, "expired on"),
        (chain(&other), &other_name_key, "does not cover `api.lab.test`"),
        (leaf.clone(), &key, "the chain is incomplete"),
        (b"junk".to_vec(), &key, "there is no `BEGIN CERTIFICATE` in it"),
    ] {
        files_issuer(&fleet, &certificate, key);
        let run = refused(&fleet, words);
        assert!(run.stderr.contains("no host was touched"), "{}", run.stderr);
    }
    files_issuer(&fleet, &chain(&leaf), &key);
    std::fs::write(fleet.lab.directory().join("roots.pem"), authority.root_pem().unwrap()).unwrap();
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.hosts(), ["changed"]);
    // The same files again are the same certificate.
    assert_eq!(fleet.roll_out(&[]).expect(0).hosts(), ["unchanged"]);
}

#[test]
fn a_private_root_that_is_not_trusted_is_found_before_any_host_is_touched() {
    let fleet = Fleet::start(1);
    let before = fleet.served(0);
    fleet.edit("  ca_file: roots.pem\n", "");
    let run = fleet.roll_out(&[]).expect(1);
    assert!(run.stderr.contains("would not be trusted") && run.stderr.contains("ca_file"), "{}", run.stderr);
    assert!(run.stderr.contains("no host was touched"), "{}", run.stderr);
    assert_eq!(run.last()["event"], "error");
    assert_eq!(fleet.served(0), before);
    // The plan knows it, once the certificate is there.
    let plan = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).expect(1);
    assert_eq!(plan.last()["risks"][0]["risk"], "not_trusted", "{}", plan.last());
}

#[test]
fn an_unknown_host_key_is_refused_with_the_line_to_add() {
    let fleet = Fleet::start(1);
    let known = fleet.lab.directory().join("known_hosts");
    let line = std::fs::read_to_string(&known).unwrap();
    std::fs::write(&known, "").unwrap();
    let run = refused(&fleet, "known_hosts");
    assert!(run.stderr.contains(line.split_whitespace().nth(2).unwrap()), "{}", run.stderr);
}

#[test]
fn a_changed_host_key_is_refused_with_its_line() {
    let fleet = Fleet::start(1);
    let known = fleet.lab.directory().join("known_hosts");
    let line = std::fs::read_to_string(&known).unwrap();
    let host = line.split_whitespace().next().unwrap();
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    std::fs::write(&known, format!("# a comment\n{host} {other}\n")).unwrap();
    refused(&fleet, "known_hosts:2");
}

#[test]
fn a_refused_login_is_not_tried_for_ever() {
    let fleet = Fleet::start(1);
    std::fs::write(fleet.lab.hosts[0].root.join("sshd/authorized_keys"), "").unwrap();
    refused(&fleet, "id_ed25519");
}

#[test]
fn an_acme_server_that_is_down() {
    let mut fleet = Fleet::start(1);
    fleet.lab.pebble.server.stop();
    refused(&fleet, "failed to reach the ACME server");
}

#[test]
fn an_acme_server_that_is_not_trusted() {
    let fleet = Fleet::start(1);
    let ca_file = format!("    ca_file: {}\n", fleet.lab.pebble.ca_file().display());
    fleet.edit(&ca_file, "");
    let run = refused(&fleet, "failed to reach the ACME server");
    assert!(run.stderr.contains("`ca_file`"), "{}", run.stderr);
}

#[test]
fn a_login_that_may_not_become_another_user() {
    let fleet = Fleet::start(1);
    let before = fleet.served(0);
    fleet.edit(
        "{http-01: {push: \"web[-1]\", webroot: \"{{ root }}/nginx/www\"}}",
        "{http-01: {listen: \"127.0.0.1:0\"}}",
    );
    let authority = Authority::new("private CA").unwrap();
    let (leaf, key) = authority.issue(&["api.lab.test"], 0, 90).unwrap();
    files_issuer(&fleet, &[leaf, authority.root_pem().unwrap()].concat(), &key);
    let roots = fleet.lab.directory().join("roots.pem");
    let known = std::fs::read(&roots).unwrap();
    std::fs::write(&roots, [known, authority.root_pem().unwrap()].concat()).unwrap();
    fleet.edit_inventory(
        "  vars:\n",
        "  vars:\n    ansible_become: true\n    ansible_become_user: no-such-user\n",
    );
    let run = fleet.roll_out(&[]).expect(1);
    let error = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("sudo"), "{error}");
    assert_eq!(fleet.served(0), before);
}

#[test]
fn a_host_without_nginx() {
    let fleet = Fleet::start(1);
    fleet.edit("nginx: {prefix", "nginx: {binary: /opt/none/nginx, prefix");
    let before = fleet.served(0);
    let run = fleet.roll_out(&[]).expect(1);
    let error = run.last()["hosts"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("/opt/none/nginx does not exist"), "{error}");
    assert_eq!(fleet.served(0), before);
}

#[test]
fn nobody_to_ask_is_not_a_yes() {
    let fleet = Fleet::start(1);
    let run = fleet.run(&["rollout", "playbook.yaml"]).expect(64);
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
    assert!(fleet.untouched());
}
