//! `certwave status`

use std::collections::BTreeSet;

use comfy_table::{Table, presets};
use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::args::Status;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::load;
use super::super::settings::Settings;
use crate::certificate::{Certificate, parse_pem};
use crate::engine::{HostView, view};
use crate::model::Fingerprint;
use crate::ssh::SshConnector;
use crate::tls::TlsProber;
use crate::verify::{EndpointState, Expectation, Judgement, judge};

const AT_ONCE: usize = 32;

pub(super) fn run(args: &Status, settings: &Settings) -> Result<Exit, Failure> {
    let loaded = load::load(settings, &args.playbook, args.limit.as_deref())?;
    let store = settings.store()?.certificates();
    let name = &loaded.plan.certificate;
    let Some(version) = store.versions(name)?.pop() else {
        return Err(Failure::new(format!("no certificate `{name}` was issued yet"))
            .hint(format!("`certwave rollout {}` issues it", args.playbook.display())));
    };
    let mut chains: Vec<Vec<Certificate>> = Vec::new();
    for pem in store.chains(name, &version)? {
        let chain = parse_pem(&pem);
        chains.push(chain.map_err(|error| Failure::to(&format!("read {version} in the store"), &error))?);
    }
    let mut known: BTreeSet<Fingerprint> = BTreeSet::new();
    for pem in store.all_chains()? {
        known.extend(parse_pem(&pem).ok().and_then(|chain| chain.first().map(|leaf| leaf.fingerprint)));
    }
    let prober =
        TlsProber::new(&loaded.plan.ca_files).map_err(|error| Failure::to("prepare handshakes", &error))?;
    let connector = SshConnector::default();
    let views: Vec<HostView> = super::runtime()?.block_on(async {
        let mut looks = Vec::new();
        for host in &loaded.plan.hosts {
            looks.push(view(host, &connector, &prober));
        }
        stream::iter(looks).buffered(AT_ONCE).collect().await
    });

    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["HOST", "SERVICE", "ADDRESS", "STATE", "SERVED", "ON DISK", "DAYS LEFT", "REMARK"]);
    let mut same = true;
    for (plan, view) in loaded.plan.hosts.iter().zip(views) {
        let seen = plan.services.iter().zip(view.observed);
        let seen = seen.flat_map(|(service, all)| all.into_iter().map(move |(at, one)| (service, at, one)));
        for (service, endpoint, observed) in seen {
            let of_key = |chain: &&Vec<Certificate>| {
                endpoint.key.is_none() || chain.first().and_then(Certificate::key_algorithm) == endpoint.key
            };
            let chain = chains.iter().find(of_key).map(Vec::as_slice).unwrap_or_default();
            let expected = Expectation {
                chain: chain.iter().map(|one| one.fingerprint).collect(),
                server_name: endpoint.server_name.clone(),
                previous: Vec::new(),
                known: known.clone(),
            };
            let now = Timestamp::now();
            let judgement = judge(&expected, &observed, now);
            let files = view.files.as_ref().map(Vec::as_slice).unwrap_or_default();
            let same_key =
                |file: &&Certificate| endpoint.key.is_none() || file.key_algorithm() == endpoint.key;
            let file = files.iter().find(same_key);
            let remark = remark(&judgement, file, view.files.as_ref().err());
            same &= judgement.is_good() && remark.is_none();
            if settings.json() {
                let line = json!({
                    "time": now, "event": "status", "host": plan.login.host, "service": service.name,
                    "address": endpoint.address, "port": endpoint.port,
                    "server_name": endpoint.server_name,
                    "key_type": judgement.leaf.as_ref().and_then(Certificate::key_type),
                    "state": judgement.state, "served": certificate(judgement.leaf.as_ref()),
                    "file": certificate(file), "error": remark,
                });
                super::print(&line.to_string());
            } else {
                let short =
                    |leaf: Option<&Certificate>| leaf.map_or("-".to_owned(), |leaf| leaf.fingerprint.short());
                let days =
                    judgement.leaf.as_ref().map(|leaf| leaf.not_after.duration_since(now).as_hours() / 24);
                table.add_row([
                    plan.login.host.to_string(),
                    service.name.to_string(),
                    endpoint.to_string(),
                    state(judgement.state).to_owned(),
                    short(judgement.leaf.as_ref()),
                    short(file),
                    days.map_or("-".to_owned(), |days| days.to_string()),
                    remark.unwrap_or_default(),
                ]);
            }
        }
    }
    if !settings.json() {
        table.lines().for_each(|line| super::print(line.trim_end()));
        let word = if same { "every host serves" } else { "not every host serves" };
        super::print(&format!("\n{word} {name} {version}"));
    }
    Ok(if same { Exit::Done } else { Exit::Failed })
}

/// What a person should know about a host, if anything.
fn remark(judgement: &Judgement, file: Option<&Certificate>, unreadable: Option<&String>) -> Option<String> {
    if let Some(reason) = unreadable {
        return Some(reason.clone());
    }
    let served = judgement.leaf.as_ref().map(|leaf| leaf.fingerprint);
    match (file.map(|file| file.fingerprint), served) {
        (Some(file), Some(served)) if file != served => {
            Some("another certificate is on disk than is served: the reload did not happen".to_owned())
        }
        _ if judgement.is_good() => None,
        _ => Some(judgement.words()),
    }
}

fn state(state: EndpointState) -> &'static str {
    match state {
        EndpointState::New => "current",
        EndpointState::Previous => "previous",
        EndpointState::Known => "known",
        EndpointState::Unknown => "unknown",
        EndpointState::None => "no TLS",
        EndpointState::Unreachable => "unreachable",
    }
}

fn certificate(leaf: Option<&Certificate>) -> Value {
    leaf.map_or(Value::Null, |leaf| {
        json!({"fingerprint_sha256": leaf.fingerprint, "serial": leaf.serial, "not_after": leaf.not_after})
    })
}
