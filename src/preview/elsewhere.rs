//! What a host's endpoints show, as far as a proof depends on it.

use crate::model::{DnsName, ServiceName};
use crate::plan::{HostPlan, PlannedService};
use crate::preview::seen::{SeenHost, SeenServed};
use crate::rollout::{Baseline, Elsewhere};
use crate::verify::{Switched, elsewhere};

/// Marks what was asked for names that a rollout does not switch at their place. `switched` tells what is, for each service.
pub(crate) fn mark_elsewhere<'a>(
    plan: &HostPlan,
    served: &mut [SeenServed],
    switched: impl Fn(&ServiceName) -> Switched<'a>,
) {
    for service in &plan.services {
        let mut of_it: Vec<&mut SeenServed> =
            served.iter_mut().filter(|one| one.service == service.name).collect();
        let shown: Vec<_> = of_it
            .iter()
            .map(|one| (&one.endpoint, one.leaf.as_ref().map(|leaf| leaf.fingerprint_sha256)))
            .collect();
        let marks = elsewhere(&service.other_names, &shown, switched(&service.name));
        for (one, mark) in of_it.iter_mut().zip(marks) {
            one.elsewhere = mark;
        }
    }
}

/// What a host's endpoints show, as far as a proof depends on it.
pub(crate) fn baseline(plan: &HostPlan, host: &SeenHost) -> Baseline {
    Baseline { silent: host.silent(), elsewhere: names_elsewhere(plan, &host.served) }
}

/// The names that do not count, at each place, once they are marked.
pub(crate) fn names_elsewhere(plan: &HostPlan, served: &[SeenServed]) -> Vec<Elsewhere> {
    plan.services.iter().flat_map(|service| left_out(service, served)).collect()
}

/// The names that do not count at each place of a service. Where nobody took connections, the further names were not asked
/// for: they do not count either.
fn left_out(service: &PlannedService, served: &[SeenServed]) -> Vec<Elsewhere> {
    let mut all: Vec<Elsewhere> = Vec::new();
    if service.other_names.is_empty() {
        return all;
    }
    for one in served.iter().filter(|one| one.service == service.name) {
        let (address, port) = (one.endpoint.address.clone(), one.endpoint.port);
        if all.iter().any(|place| place.address == address && place.port == port) {
            continue;
        }
        let here = || {
            let same = |other: &&SeenServed| other.endpoint.address == address && other.endpoint.port == port;
            served.iter().filter(|other| other.service == service.name).filter(same)
        };
        let is_left_out = |name: &&DnsName| {
            let mut asked = here().filter(|one| one.endpoint.server_name == **name).peekable();
            match asked.peek() {
                Some(_) => asked.all(|one| one.elsewhere),
                None => service.other_names.contains(name),
            }
        };
        let mut names: Vec<DnsName> = service.names().filter(is_left_out).cloned().collect();
        names.dedup();
        all.push(Elsewhere { service: service.name.clone(), address, port, names });
    }
    all.retain(|place| !place.names.is_empty());
    all
}
