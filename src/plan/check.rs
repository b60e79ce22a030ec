//! A second look at a finished plan, by plain rules that do not know how it was made.

use std::collections::HashSet;
use std::time::Duration;

use crate::plan::{HostIndex, HostPlan, Plan};
use crate::verify::Endpoint;

/// Every rule that a plan breaks, in words; none for one that may be shown or executed. A plan that breaks one was
/// made by a fault of certwave's, or by hand.
pub fn check(plan: &Plan) -> Vec<String> {
    let schedule = &plan.schedule;
    let mut rules: Vec<(bool, String)> = Vec::new();
    rules.push((!schedule.hosts.is_empty(), "no host is planned".to_owned()));
    let distinct: HashSet<_> = schedule.hosts.iter().collect();
    rules.push((distinct.len() == schedule.hosts.len(), "a host is planned twice".to_owned()));
    rules.push((schedule.hosts.len() == plan.hosts.len(), "not every host has a plan of its own".to_owned()));
    let mut next = HostIndex::default();
    for wave in &schedule.waves {
        let name = &wave.name;
        rules.push((!wave.batches.is_empty(), format!("wave `{name}` has no batch")));
        for batch in &wave.batches {
            let follows = batch.start == next && batch.end > batch.start;
            rules.push((follows, format!("the batches of wave `{name}` do not follow each other")));
            next = batch.end;
        }
        rules.push((wave.parallel >= 1, format!("wave `{name}` may change no host at a time")));
        let in_time = wave.deadline.is_none_or(|deadline| deadline > wave.soak);
        rules.push((in_time, format!("the soak of wave `{name}` alone misses its deadline")));
    }
    rules.push((next == schedule.hosts.range().end, "not every host is in a wave".to_owned()));
    let mut broken: Vec<String> =
        rules.into_iter().filter(|(holds, _)| !holds).map(|(_, words)| words).collect();
    for (name, host) in schedule.hosts.iter().zip(&plan.hosts) {
        if host.login.host != *name {
            broken.push(format!("{name}: its place in the order is another host's"));
        }
        broken.extend(check_host(plan, host).into_iter().map(|words| format!("{name}: {words}")));
    }
    broken
}

fn check_host(plan: &Plan, host: &HostPlan) -> Vec<String> {
    let mut broken = Vec::new();
    let install = &host.install;
    if *install.layout.name() != plan.certificate.name {
        broken.push(format!("it would get `{}`", install.layout.name()));
    }
    if install.keep < 2 {
        broken.push("the version before would be pruned".to_owned());
    }
    if install.key_mode.is_some_and(|mode| mode & 0o007 != 0) {
        broken.push("others could read the private key".to_owned());
    }
    let paths: HashSet<_> = install.links.iter().map(|(path, _)| path).collect();
    if paths.len() != install.links.len() {
        broken.push("a path is linked to two files".to_owned());
    }
    let copies: HashSet<_> = install.copies.iter().map(|copy| &copy.path).collect();
    if copies.len() != install.copies.len() || !copies.is_disjoint(&paths) {
        broken.push("a path would get two files".to_owned());
    }
    let is_open = |mode: u16| mode & 0o007 != 0;
    if install.copies.iter().any(|copy| copy.file.is_secret() && copy.mode.is_some_and(is_open)) {
        broken.push("others could read a copy of the private key".to_owned());
    }
    if host.services.is_empty() || host.services.iter().any(|service| service.endpoints.is_empty()) {
        broken.push("nothing would prove it".to_owned());
    }
    if host.answers == 0 || host.timeout.is_zero() {
        broken.push("its proof would prove nothing".to_owned());
    }
    let rates = host.services.iter().flat_map(|service| &service.endpoints).filter_map(Endpoint::rate);
    if rates.map(|rate| rate.takes(host.answers)).max().is_some_and(|takes| takes > host.timeout) {
        broken.push("its proof would take longer than it may".to_owned());
    }
    if host.dead_man.is_some_and(|after: Duration| after <= host.timeout) {
        broken.push("its dead-man switch would be faster than its proof".to_owned());
    }
    broken
}
