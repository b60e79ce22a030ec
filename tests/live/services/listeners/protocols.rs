//! Listeners that take only clients which offer a protocol by ALPN.

use std::process::Command;

use super::{envoy_configured, refused, taken};
use crate::services::others::{free, start};
use crate::support::Fleet;

const WANTED: &str = "the server takes only clients that offer a protocol by ALPN, and takes HTTP: set `verify: alpn: [h2, http/1.1]`";

#[test]
fn envoy_that_chooses_by_alpn_is_offered_what_it_wants() {
    let mut fleet = Fleet::mixed(1, 0, 1);
    let inspector = "    listener_filters:\n    - name: envoy.filters.listener.tls_inspector\n      typed_config: {\"@type\": \
                     type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}\n    filter_chains:\n    - \
                     filter_chain_match: {application_protocols: [http/1.1]}\n      transport_socket:";
    envoy_configured(&mut fleet, "    filter_chains:\n    - transport_socket:", inspector);
    refused(&fleet, "edge01", WANTED);
    taken(&fleet, "edge01", "alpn: [h2, http/1.1]");
}

/// What stands before nginx hangs up where `h2` is not offered.
#[test]
fn a_proxy_that_chooses_by_alpn_is_offered_what_it_wants() {
    let fleet = Fleet::start(1);
    let nginx = fleet.lab.hosts[0].nginx.https;
    let front = free(nginx.ip());
    let text = format!(
        "defaults\n  mode tcp\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\nlisten all\n  bind {front}\n  \
         tcp-request inspect-delay 5s\n  tcp-request content accept if {{ req.ssl_alpn -m sub h2 }}\n  \
         tcp-request content reject if {{ req.ssl_hello_type 1 }}\n  server nginx {nginx}\n"
    );
    let folder = fleet.lab.directory();
    std::fs::write(folder.join("front.cfg"), text).unwrap();
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(folder.join("front.cfg"));
    let _front = start("front", command, folder, &[front]);
    fleet.edit_inventory(&format!("https_port: {}", nginx.port()), &format!("https_port: {}", front.port()));
    refused(&fleet, "web01", WANTED);
    taken(&fleet, "web01", "alpn: [h2, http/1.1]");
}

/// nginx takes who offers nothing, and refuses who offers only what it does not speak (RFC 7301, section 3.2).
#[test]
fn nginx_says_that_it_speaks_nothing_of_what_is_offered() {
    let fleet = Fleet::start(1);
    let port = "  port: \"{{ https_port }}\"\n";
    let other = format!("{port}  alpn: xmpp-client\n");
    fleet.edit(port, &other);
    refused(
        &fleet,
        "web01",
        "TLS alert: no application protocol; the server takes no protocol that `verify: alpn` offers: name the protocol that it speaks",
    );
    fleet.edit(&other, port);
    taken(&fleet, "web01", "alpn: http/1.1");
}
