//! Listeners behind a proxy that begins with a header of the PROXY protocol.

use super::{configured, envoy_configured, nginx_configured, refused, taken};
use crate::require;
use crate::services::starttls::postfix;
use crate::support::Fleet;

const WANTED: &str =
    "the server wants a header of the PROXY protocol first: set `verify: proxy_protocol: v2`";

#[test]
fn nginx_gets_the_header_that_it_wants() {
    let fleet = Fleet::start(1);
    nginx_configured(&fleet, " ssl;\n        server_name", " ssl proxy_protocol;\n        server_name");
    refused(&fleet, "web01", WANTED);
    taken(&fleet, "web01", "proxy_protocol: v2");
    // It takes the older one as well.
    fleet.edit("proxy_protocol: v2", "proxy_protocol: v1");
    fleet.roll_out(&["--force"]).expect(0);
}

#[test]
fn haproxy_gets_the_header_that_it_wants() {
    let fleet = Fleet::mixed(1, 1, 0);
    configured(&fleet, " ssl crt ", " accept-proxy ssl crt ");
    refused(&fleet, "lb01", WANTED);
    taken(&fleet, "lb01", "proxy_protocol: v1");
}

#[test]
fn envoy_gets_the_header_that_it_wants() {
    let mut fleet = Fleet::mixed(1, 0, 1);
    let filter = "    listener_filters:\n    - name: envoy.filters.listener.proxy_protocol\n      typed_config: {\"@type\": \
                  type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}\n    filter_chains:\n    - \
                  transport_socket:";
    envoy_configured(&mut fleet, "    filter_chains:\n    - transport_socket:", filter);
    refused(&fleet, "edge01", WANTED);
    taken(&fleet, "edge01", "proxy_protocol: v2");
}

/// A listener of its own, and a service that says by itself how it is dialled.
#[test]
fn postfix_gets_the_header_before_starttls() {
    if !require::root("to start Postfix") {
        return;
    }
    let more = "smtpd_upstream_proxy_protocol = haproxy\nsmtpd_upstream_proxy_timeout = 2s\n";
    let (host, _postfix, reload) = postfix(more);
    let fleet = &host.fleet;
    let verify = format!("port: {}, starttls: smtp", host.at.port());
    let service = format!("  - hosts: web\n    command: {reload}\n    verify: {{{verify}}}\n");
    fleet.edit("\ninstall:", &format!("{service}\ninstall:"));
    refused(fleet, "web01", WANTED);
    // Beside it, nginx wants no header.
    fleet.edit(&verify, &format!("{verify}, proxy_protocol: v2"));
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(run.last()["hosts"][0]["failed_handshakes"], 0);
    fleet.run(&["verify", "playbook.yaml"]).expect(0);
}

#[test]
fn a_header_that_nobody_wants_is_named() {
    let fleet = Fleet::start(1);
    let port = "  port: \"{{ https_port }}\"\n";
    let header = format!("{port}  proxy_protocol: v2\n");
    fleet.edit(port, &header);
    refused(
        &fleet,
        "web01",
        "the server wants no header of the PROXY protocol: leave out `verify: proxy_protocol`",
    );
    fleet.edit(&header, port);
    fleet.roll_out(&[]).expect(0);
}
