//! `certwave status` without a playbook: whatever the hosts of an inventory serve.

use std::time::Duration;

use crate::cli::args::StatusArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::runtime;
use crate::cli::settings::Settings;
use crate::cli::signal::cancel_on_signal;
use crate::cli::watch::{Round, Told, watch};
use crate::clock::SteadyClock;
use crate::operations::client_certificates::identities_of;
use crate::operations::load;
use crate::operations::scan::{ScanRequest, scan};
use crate::report::view::{ServedReport, View};
use crate::status::ScannedEndpoint;
use crate::tls::TlsProber;
use crate::verify::{ClientCertificate, ClientSettings};

pub(super) fn run(args: &StatusArgs, settings: &Settings) -> Result<Exit, Failure> {
    let (inventory, hosts) = load::hosts(&settings.inventory, args.limit.as_deref())?;
    let request = ScanRequest {
        inventory,
        hosts,
        ports: args.ports.clone(),
        server_name: args.server_name.clone(),
        client: client(args),
        parallel: args.parallel.into(),
    };
    let shown = request.client.iter().filter_map(|client| client.client_certificate.as_ref());
    let prober = TlsProber::with_identities(&args.ca_files, identities_of(shown)?)
        .map_err(|error| Failure::to("prepare handshakes", &error))?;
    let clock = SteadyClock::start();
    let report = async || ServedReport::new(scan(&request, &prober, &clock).await);
    runtime()?.block_on(async {
        let printer = settings.printer();
        if let Some(every) = args.watch {
            let (every, cancel) = (Duration::from_secs(every.into()), cancel_on_signal()?);
            let verbose = printer.is_verbose();
            return watch(every, printer, cancel, async || Ok(told(&report().await, verbose))).await;
        }
        let report = report().await;
        printer.show(&report);
        Ok(if report.is_in_order() { Exit::Done } else { Exit::Failed })
    })
}

/// How handshakes are made, where the arguments say anything of that.
fn client(args: &StatusArgs) -> Option<Box<ClientSettings>> {
    let files = args.client_certificate.clone().zip(args.client_key.clone());
    let settings = ClientSettings {
        client_certificate: files.map(|(certificate, key)| ClientCertificate { certificate, key }),
        alpn: args.alpn.clone(),
        proxy_protocol: args.proxy_protocol,
        rate: args.rate,
        through: None,
    };
    (settings != ClientSettings::default()).then(|| Box::new(settings))
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
