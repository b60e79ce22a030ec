//! In which way each server of a host would take the certificate.

use crate::model::format_duration;
use crate::plan::{HostPlan, PlannedService};
use crate::preview::Seen;
use crate::service::Way;

/// How a service would take it. Of a host that was not seen, its settings tell.
pub(super) fn way_of(service: &PlannedService, seen: &Seen) -> Way {
    let known = match seen {
        Seen::Host(host) => host.ways.iter().find(|one| one.service == service.name).map(|one| one.way),
        Seen::Missed(_) => None,
    };
    known.unwrap_or_else(|| service.spec.way(None))
}

/// All of a host's, those that are alike together: `reload nginx, haproxy by runtime API`.
pub(super) fn ways_words(plan: &HostPlan, seen: &Seen) -> String {
    let kinds = |way: Way| {
        let services = plan.services.iter().filter(|service| way_of(service, seen) == way);
        services.map(|service| service.spec.kind()).collect::<Vec<_>>().join(" and ")
    };
    let words = |way: Way| match (way, kinds(way)) {
        (_, kinds) if kinds.is_empty() => None,
        (Way::Reload, kinds) => Some(format!("reload {kinds}")),
        (way, kinds) => Some(format!("{kinds} by {way}")),
    };
    [Way::RuntimeApi, Way::Sds, Way::Reload].into_iter().filter_map(words).collect::<Vec<_>>().join(", ")
}

/// How the host goes back by itself.
pub(super) fn dead_man_words(plan: &HostPlan) -> String {
    let Some(after) = plan.dead_man else { return "none".to_owned() };
    let mut ways: Vec<String> = Vec::new();
    for service in &plan.services {
        let way = service.spec.way_alone().to_string();
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    let ways = ways.join(" and ");
    format!("goes back by itself (by {ways}) {} after the switch, unless confirmed", format_duration(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::resolved;
    use crate::preview::Missed;

    fn host(services: &str) -> HostPlan {
        resolved(&format!("services: {services}")).unwrap().plan.hosts.first().unwrap().clone()
    }

    #[test]
    fn a_plan_names_how_each_server_takes_the_certificate_and_how_its_host_goes_back() {
        let seen = Seen::Missed(Missed { reason: String::new(), unreachable: true });
        let api = "haproxy: {socket: /run/a.sock, certificate: /a.pem}";
        let file = "haproxy: {reload: master, certificate: /a.pem}";
        let envoy = "envoy: {sds: /etc/envoy/sds.yaml, secret: a}";
        let alone = |host: &HostPlan| {
            let words = dead_man_words(host);
            words.split_once("(by ").and_then(|(_, rest)| rest.split_once(')')).unwrap().0.to_owned()
        };
        for (services, words, by) in [
            ("[{hosts: all, nginx: {}}]".to_owned(), "reload nginx", "reload"),
            (format!("[{{hosts: all, {api}}}]"), "haproxy by runtime API", "reload"),
            (format!("[{{hosts: all, {file}}}]"), "reload haproxy", "reload"),
            (format!("[{{hosts: all, {envoy}}}]"), "envoy by SDS", "SDS"),
            (
                format!(
                    "[{{hosts: all, nginx: {{}}}}, {{hosts: all, command: {{reload: x}}}}, {{hosts: all, {envoy}}}]"
                ),
                "envoy by SDS, reload nginx and command",
                "reload and SDS",
            ),
        ] {
            let host = host(&services);
            assert_eq!((ways_words(&host, &seen).as_str(), alone(&host).as_str()), (words, by));
        }
    }
}
