//! `certwave verify`

use std::collections::HashSet;
use std::path::Path;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::cli::args::Verify;
use crate::cli::clock::SteadyClock;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::left::{self, Left};
use crate::cli::load;
use crate::cli::settings::Settings;
use crate::cli::{find, stored};
use crate::engine::prove_again;
use crate::model::HostName;
use crate::plan::HostPlan;
use crate::report::VerifyReport;
use crate::ssh::SshConnector;
use crate::status::Wanted;
use crate::store::Journal;
use crate::tls::TlsProber;

pub(super) fn run(args: &Verify, settings: &Settings) -> Result<Exit, Failure> {
    let store = settings.store()?;
    let left = which(&args.what, &store.journal()?)?;
    let hosts = hosts(&left, args, settings)?;
    let (name, version) = (&left.record.certificate, &left.record.version);
    let certificates = store.certificates();
    let wanted = Wanted {
        set: stored::chains(&certificates, name, version)?,
        known: stored::leaves(&certificates)?,
        own: stored::own_leaves(&certificates, name)?,
    };
    let prober =
        TlsProber::new(&left.plan.ca_files).map_err(|error| Failure::to("prepare handshakes", &error))?;
    let world = (&SshConnector::default(), &prober, &SteadyClock::start());

    let proven = crate::cli::commands::runtime()?.block_on(async {
        let one = |host: HostPlan| async {
            let proofs = prove_again(&host, world, |endpoint| wanted.expected(endpoint)).await;
            (host.login.host, proofs)
        };
        stream::iter(hosts).map(one).buffered(args.parallel.into()).collect::<Vec<_>>().await
    });

    let report =
        VerifyReport { rollout: &left.record.id, certificate: name, set: &wanted.set, hosts: &proven };
    if settings.json() {
        for (host, proofs) in &proven {
            for proof in proofs {
                crate::cli::commands::print(&report.json(host, proof, Timestamp::now()).to_string());
            }
        }
    } else {
        report.lines(settings.verbosity > 0).iter().for_each(|line| crate::cli::commands::print(line));
        crate::cli::commands::print(&report.sentence());
    }
    Ok(if report.is_proven() { Exit::Done } else { Exit::Failed })
}

/// A file is a playbook, anything else the name of a rollout.
fn which(what: &str, journal: &Journal) -> Result<Left, Failure> {
    let path = Path::new(what);
    if !path.exists() && path.extension().is_none() {
        return Left::by(journal, find::named(what, journal.rollouts()?)?);
    }
    let name = load::certificate_name(path)?;
    left::last(journal, &name)?.ok_or_else(|| {
        Failure::new(format!("no rollout of `{name}` left a host on its certificate yet"))
            .hint(format!("`certwave rollout {what}` rolls it out"))
    })
}

/// The hosts that were left on the certificate, as they were planned.
fn hosts(left: &Left, args: &Verify, settings: &Settings) -> Result<Vec<HostPlan>, Failure> {
    let limit = args.limit.as_deref();
    let limited = limit.map(|limit| load::hosts(settings, Some(limit))).transpose()?;
    let limited: Option<HashSet<HostName>> = limited.map(|(_, hosts)| hosts.into_iter().collect());
    let wanted = |host: &&HostPlan| limited.as_ref().is_none_or(|hosts| hosts.contains(&host.login.host));
    let on_it = left.plan.hosts.iter().zip(&left.on_it).filter(|(_, on_it)| **on_it).map(|(host, _)| host);
    let hosts: Vec<HostPlan> = on_it.filter(wanted).cloned().collect();
    if hosts.is_empty() {
        let among = limit.map(|limit| format!(" that matches `{limit}`")).unwrap_or_default();
        let id = &left.record.id;
        return Err(Failure::new(format!("rollout {id} left no host{among} on its certificate"))
            .hint(format!("`certwave show {id}` tells how it left each")));
    }
    Ok(hosts)
}
