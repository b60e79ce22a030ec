//! Servers that ask for a client certificate.

use std::path::PathBuf;

use certwave::lab::Authority;

use super::{configured, envoy_configured, nginx_configured, refused, taken};
use crate::services::others::apache;
use crate::support::Fleet;

const WANTED: &str = "the server asks for a client certificate: set `verify: client_certificate: {certificate: FILE, key: FILE}`";
const KEY: &str = "client_certificate: {certificate: probe.pem, key: probe.key}";

/// A CA of clients; beside the playbook lie a certificate of it and its key, and one of another CA.
fn clients(fleet: &Fleet) -> PathBuf {
    let folder = fleet.lab.directory();
    let (ours, other) = (Authority::new("Clients").unwrap(), Authority::new("Others").unwrap());
    for (name, authority) in [("probe", &ours), ("strange", &other)] {
        let (certificate, key) = authority.issue(&["probe.lab.test"], -1, 30).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key).unwrap();
    }
    let root = folder.join("clients.pem");
    std::fs::write(&root, ours.root_pem().unwrap()).unwrap();
    // Apache reads it as another user.
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    root
}

#[test]
fn haproxy_is_shown_the_client_certificate_that_it_asks_for() {
    let fleet = Fleet::mixed(1, 1, 0);
    let root = clients(&fleet);
    let asking = format!("ssl verify required ca-file {} ssl-max-ver TLSv1.2 crt ", root.display());
    configured(&fleet, "ssl crt ", &asking);
    let status = refused(&fleet, "lb01", WANTED);
    assert!(status.stdout.contains("asks for a client certificate"), "{}", status.stdout);
    // One that it does not take is told from none.
    let port = "  port: \"{{ https_port }}\"\n";
    let strange = format!("{port}  client_certificate: {{certificate: strange.pem, key: strange.key}}\n");
    fleet.edit(port, &strange);
    refused(
        &fleet,
        "lb01",
        "the server refuses the client certificate: check the files of `verify: client_certificate`",
    );
    fleet.edit(&strange, port);
    taken(&fleet, "lb01", KEY);
    // What the plan knows of the key is where it lies.
    let key = std::fs::read_to_string(fleet.lab.directory().join("probe.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    fleet.run(&["plan", "playbook.yaml", "--force", "--limit", "lb01", "--out", "saved.plan"]).expect(0);
    let text = std::fs::read_to_string(fleet.lab.directory().join("saved.plan")).unwrap();
    assert!(text.contains("probe.key") && !text.contains(secret), "{text}");
    let shown = fleet.run(&["show", "last", "--output", "json"]).expect(0);
    assert!(!shown.stdout.contains(secret));
}

#[test]
fn without_a_playbook_status_shows_a_client_certificate_as_well() {
    let fleet = Fleet::mixed(1, 1, 0);
    let root = clients(&fleet);
    let asking = format!("ssl verify required ca-file {} ssl-max-ver TLSv1.2 crt ", root.display());
    let port = configured(&fleet, "ssl crt ", &asking).https.port().to_string();
    let args =
        ["status", "--limit", "lb01", "--port", &port, "--server-name", "api.lab.test", "--output", "json"];
    let run = fleet.run(&args).expect(1);
    assert!(run.stdout.contains("asks for a client certificate"), "{}", run.stdout);
    let shown = ["--client-certificate", "probe.pem", "--client-key", "probe.key"];
    let run = fleet.run(&[&args[..], &shown].concat()).expect(1);
    assert_eq!(run.last()["state"], "untrusted", "it was seen; its CA is the lab's own");
}

#[test]
fn apache_is_shown_the_client_certificate_that_it_asks_for() {
    let fleet = Fleet::start(1);
    let root = clients(&fleet);
    let more = format!(
        "SSLProtocol -all +TLSv1.2\nSSLVerifyClient require\nSSLCACertificateFile {}\n",
        root.display()
    );
    let apache = apache(&fleet, &more);
    let config = apache.config.display();
    let service = format!(
        "  - hosts: web\n    command: {{test: /usr/sbin/apache2 -f {config} -t, reload: /usr/sbin/apache2 -f {config} -k graceful}}\n    \
         verify: {{port: {}}}\n",
        apache.at.port()
    );
    fleet.edit("\ninstall:", &format!("{service}\ninstall:"));
    refused(&fleet, "web01", WANTED);
    // Beside it, nginx asks for none, and is shown none.
    taken(&fleet, "web01", KEY);
}

#[test]
fn envoy_is_shown_the_client_certificate_that_it_asks_for() {
    let mut fleet = Fleet::mixed(1, 0, 1);
    let root = clients(&fleet);
    let asking = format!(
        "require_client_certificate: true\n          common_tls_context:\n            tls_params: {{tls_maximum_protocol_version: TLSv1_2}}\n            \
         validation_context: {{trusted_ca: {{filename: \"{}\"}}}}",
        root.display()
    );
    envoy_configured(&mut fleet, "common_tls_context:", &asking);
    refused(&fleet, "edge01", WANTED);
    taken(&fleet, "edge01", KEY);
}

/// nginx ends the handshake whatever the client shows, and refuses the request. TLS 1.3 has the server's certificate seen
/// before the client's counts. Neither keeps anybody from verifying what is served.
#[test]
fn servers_that_show_their_certificate_first_are_verified_without_one() {
    let fleet = Fleet::mixed(1, 1, 0);
    let root = clients(&fleet);
    let asking = format!(
        "ssl_protocols TLSv1.2;\nssl_verify_client on;\nssl_client_certificate {};\n",
        root.display()
    );
    nginx_configured(&fleet, "ssl_protocols TLSv1.2 TLSv1.3;", &asking);
    configured(
        &fleet,
        "ssl crt ",
        &format!("ssl verify required ca-file {} ssl-min-ver TLSv1.3 crt ", root.display()),
    );
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.hosts(), ["changed", "changed"]);
    fleet.run(&["verify", "playbook.yaml"]).expect(0);
}
