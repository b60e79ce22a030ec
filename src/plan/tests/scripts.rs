//! The settings that a plan gives to the scripts on a host.

use std::time::Duration;

use crate::plan::HostPlan;
use crate::plan::testing::first_host;

fn setting(host: &HostPlan, name: &str) -> Option<String> {
    let services = host.script_services();
    services[0].settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
}

#[test]
fn a_server_that_is_down_is_started_only_where_a_person_accepted_that() {
    let mut host = first_host("");
    assert_eq!(setting(&host, "may_start"), None);
    host.accepted = true;
    assert_eq!(setting(&host, "may_start").as_deref(), Some("yes"));
}

#[test]
fn a_script_waits_for_its_servers_one_after_the_other() {
    let one = first_host("verify: {timeout: 20s}");
    assert_eq!(one.patience(), Duration::from_secs(60 + 3 * 20));
    let two = first_host(
        "verify: {timeout: 20s}\nservices: [{hosts: all, nginx: {}}, {hosts: all, command: {reload: x}}]",
    );
    assert_eq!(two.patience(), Duration::from_secs(60 + 6 * 20));
}
