//! `certwave status`

use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::cli::args::Status;
use crate::cli::commands::served;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::left;
use crate::cli::load;
use crate::cli::settings::Settings;
use crate::cli::stored;
use crate::cli::watch::{Look, Told, watch};
use crate::engine::view;
use crate::model::Version;
use crate::plan::{HostPlan, Plan};
use crate::report::StatusReport;
use crate::ssh::{SshConnector, SshOptions};
use crate::status::{Row, Wanted, compare};
use crate::store::Store;
use crate::tls::TlsProber;

pub(super) fn run(args: &Status, settings: &Settings) -> Result<Exit, Failure> {
    let Some(playbook) = &args.playbook else { return served::run(args, settings) };
    let plan = load::load(settings, playbook, args.limit.as_deref())?.plan;
    let store = settings.store()?;
    let prober = TlsProber::new(&plan.ca_files).map_err(|error| Failure::to("prepare handshakes", &error))?;
    let looker =
        Looker { plan, connector: SshConnector::new(hasty()), prober, parallel: args.parallel.into() };
    let (wanted, newer) = wanted(&looker.plan, &store, playbook)?;
    if let Some(newer) = newer {
        let text = format!("note: {newer} is in the store, but no rollout left a host on it");
        crate::cli::commands::remark(settings, &text);
    }
    crate::cli::commands::runtime()?.block_on(async {
        let Some(every) = args.watch else { return Ok(looker.once(&wanted, settings).await) };
        watch(Duration::from_secs(every.into()), settings, async || {
            // A rollout may be under way.
            let (wanted, _) = self::wanted(&looker.plan, &store, playbook)?;
            Ok(looker.look_at_all(&wanted, settings).await)
        })
        .await
    })
}

/// Who asks how things are wants an answer soon: a host that is dead is told as one.
fn hasty() -> SshOptions {
    SshOptions { connect_timeout: Duration::from_secs(5), connect_retries: 2, ..SshOptions::default() }
}

/// The version that hosts were left on last; where none ever was, the newest in the store. Beside it, a newer one.
fn wanted(plan: &Plan, store: &Store, playbook: &Path) -> Result<(Wanted, Option<Version>), Failure> {
    let (name, certificates) = (&plan.certificate, store.certificates());
    let newest = certificates.versions(name)?.pop();
    let last = left::last(&store.journal()?, name)?.map(|left| left.record.version);
    let Some(version) = last.or_else(|| newest.clone()) else {
        return Err(Failure::new(format!("no certificate `{name}` was issued yet"))
            .hint(format!("`certwave rollout {}` issues it", playbook.display())));
    };
    let set = stored::chains(&certificates, name, &version)?;
    let known = stored::leaves(&certificates)?;
    let own = stored::own_leaves(&certificates, name)?;
    Ok((Wanted { set, known, own }, newest.filter(|newest| *newest > version)))
}

/// All that it takes to look at a fleet.
struct Looker {
    plan: Plan,
    connector: SshConnector,
    prober: TlsProber,
    parallel: usize,
}

impl Looker {
    /// A look at every host, so many of them at a time, in their order. What is kept of each is small.
    async fn rows(&self, wanted: &Wanted, mut seen: impl FnMut(&[Row])) -> Vec<Row> {
        let one = |host: &HostPlan| {
            let host = host.clone();
            async move {
                let view = view(&host, &self.connector, &self.prober).await;
                compare(&host, &view, wanted, Timestamp::now())
            }
        };
        let mut looks = stream::iter(&self.plan.hosts).map(one).buffered(self.parallel);
        let mut rows = Vec::new();
        while let Some(of_host) = looks.next().await {
            seen(&of_host);
            rows.extend(of_host);
        }
        rows
    }

    fn report<'r>(&'r self, wanted: &'r Wanted, rows: &'r [Row]) -> StatusReport<'r> {
        StatusReport { certificate: &self.plan.certificate, version: wanted.set.version(), rows }
    }

    /// Each host is told as soon as it is known.
    async fn once(&self, wanted: &Wanted, settings: &Settings) -> Exit {
        let print =
            |row: &Row| crate::cli::commands::print(&StatusReport::json(row, Timestamp::now()).to_string());
        let seen = |rows: &[Row]| {
            if settings.json() {
                rows.iter().for_each(print);
            }
        };
        let rows = self.rows(wanted, seen).await;
        let report = self.report(wanted, &rows);
        if !settings.json() {
            crate::cli::commands::print(&report.block(settings.verbosity > 0));
        }
        if report.is_as_it_should_be() { Exit::Done } else { Exit::Failed }
    }

    async fn look_at_all(&self, wanted: &Wanted, settings: &Settings) -> Look {
        let rows = self.rows(wanted, |_| {}).await;
        let report = self.report(wanted, &rows);
        let told = |row: &Row| Told {
            key: format!("{} {} {} {}", row.host, row.service, row.endpoint, row.endpoint.server_name),
            line: StatusReport::line(row),
            object: StatusReport::json(row, Timestamp::now()),
        };
        Look {
            block: report.block(settings.verbosity > 0),
            sentence: report.sentence(),
            told: rows.iter().map(told).collect(),
            good: report.is_as_it_should_be(),
        }
    }
}
