//! `certwave status` without a playbook: whatever the hosts of an inventory serve.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::cli::args::StatusArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::runtime;
use crate::cli::settings::Settings;
use crate::cli::signal::cancel_on_signal;
use crate::cli::watch::{Round, Told, watch};
use crate::engine::scan;
use crate::inventory::Host;
use crate::model::DnsName;
use crate::operations::load;
use crate::report::view::{ServedReport, View};
use crate::status::{ScannedEndpoint, appraise};
use crate::tls::TlsProber;
use crate::verify::{Endpoint, Via};

const PORT: u16 = 443;
/// An address is never sent as a name (RFC 6066, section 3): where this is asked for, no name is.
const NO_NAME: &str = "0.0.0.0";

pub(super) fn run(args: &StatusArgs, settings: &Settings) -> Result<Exit, Failure> {
    let (inventory, names) = load::hosts(&settings.inventory, args.limit.as_deref())?;
    let prober = TlsProber::new(&args.ca_files).map_err(|error| Failure::to("prepare handshakes", &error))?;
    let ports = if args.ports.is_empty() { vec![PORT] } else { args.ports.clone() };
    let hosts = names.iter().filter_map(|name| inventory.host(name.as_str()));
    let places: Vec<(&Host, u16)> =
        hosts.flat_map(|host| ports.iter().map(move |port| (host, *port))).collect();
    let scan_all = async || {
        let one = |(host, port)| scan_port(host, port, args, &prober);
        let all = stream::iter(places.clone()).map(one).buffered(args.parallel.into());
        ServedReport::new(all.map(stream::iter).flatten().collect().await)
    };
    runtime()?.block_on(async {
        let printer = settings.printer();
        if let Some(every) = args.watch {
            let (every, cancel) = (Duration::from_secs(every.into()), cancel_on_signal()?);
            let verbose = printer.is_verbose();
            return watch(every, printer, cancel, async || Ok(told(&scan_all().await, verbose))).await;
        }
        let report = scan_all().await;
        printer.show(&report);
        Ok(if report.is_in_order() { Exit::Done } else { Exit::Failed })
    })
}

fn told(report: &ServedReport, verbose: bool) -> Round {
    let key = |entry: &ScannedEndpoint| format!("{} {} {}", entry.host, entry.address, entry.port);
    Round {
        text: report.text(verbose),
        sentence: report.sentence(),
        told: report.entries().iter().map(|entry| Told::of(key(entry), entry)).collect(),
        good: report.is_in_order(),
    }
}

/// One port of a host, at each of its addresses.
async fn scan_port(host: &Host, port: u16, args: &StatusArgs, prober: &TlsProber) -> Vec<ScannedEndpoint> {
    let address = host.address();
    let own = || [host.name.as_str(), address.as_str()].into_iter().find_map(name_of);
    let asked = args.server_name.clone().or_else(own);
    let Some(server_name) = asked.clone().or_else(|| NO_NAME.parse().ok()) else { return Vec::new() };
    let endpoint = Endpoint { address, port, server_name, via: Via::Direct, key: None, starttls: None };
    let seen = scan(endpoint, prober).await;
    let appraised = seen.iter().map(|(place, observed)| {
        let name = (asked.as_ref(), args.server_name.is_some());
        appraise((&host.name, &place.address, place.port), name, observed, Timestamp::now())
    });
    appraised.collect()
}

/// A name that can be asked for; an address is none.
fn name_of(text: &str) -> Option<DnsName> {
    let address = text.parse::<std::net::IpAddr>().is_ok();
    if address { None } else { text.to_ascii_lowercase().parse().ok() }
}
