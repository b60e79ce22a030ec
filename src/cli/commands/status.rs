//! `certwave status`

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::super::args::Status;
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::left;
use super::super::load;
use super::super::settings::Settings;
use super::super::stored;
use super::served;
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
    let store = Store::open(&settings.state)?;
    let wanted = wanted(&plan, &store, playbook, settings)?;
    let prober = TlsProber::new(&plan.ca_files).map_err(|error| Failure::to("prepare handshakes", &error))?;
    let looker = Looker { plan, wanted, connector: SshConnector::new(hasty()), prober };
    super::runtime()?.block_on(looker.once(args, settings))
}

/// Who asks how things are wants an answer soon: a host that is dead is told as one.
fn hasty() -> SshOptions {
    SshOptions {
        connect_timeout: std::time::Duration::from_secs(5),
        connect_retries: 2,
        ..SshOptions::default()
    }
}

/// The version that hosts were left on last; where none ever was, the newest in the store.
fn wanted(plan: &Plan, store: &Store, playbook: &Path, settings: &Settings) -> Result<Wanted, Failure> {
    let (name, certificates) = (&plan.certificate, store.certificates());
    let newest = certificates.versions(name)?.pop();
    let last = left::last(&store.journal()?, name)?.map(|left| left.record.version);
    let Some(version) = last.or_else(|| newest.clone()) else {
        return Err(Failure::new(format!("no certificate `{name}` was issued yet"))
            .hint(format!("`certwave rollout {}` issues it", playbook.display())));
    };
    if let Some(newer) = newest.filter(|newest: &Version| *newest > version) {
        let text = format!("note: {newer} is in the store, but no rollout left a host on it");
        super::remark(settings, &text);
    }
    let known: BTreeSet<_> = stored::leaves(&certificates)?;
    Ok(Wanted { set: stored::chains(&certificates, name, &version)?, known })
}

/// All that it takes to look at a fleet.
struct Looker {
    plan: Plan,
    wanted: Wanted,
    connector: SshConnector,
    prober: TlsProber,
}

impl Looker {
    /// A look at every host, `parallel` of them at a time, in their order. What is kept of each is small.
    async fn look(&self, parallel: usize, mut seen: impl FnMut(&[Row])) -> Vec<Row> {
        let one = |host: &'_ HostPlan| {
            let host = host.clone();
            async move {
                let view = view(&host, &self.connector, &self.prober).await;
                compare(&host, &view, &self.wanted, Timestamp::now())
            }
        };
        let mut looks = stream::iter(&self.plan.hosts).map(one).buffered(parallel);
        let mut rows = Vec::new();
        while let Some(of_host) = looks.next().await {
            seen(&of_host);
            rows.extend(of_host);
        }
        rows
    }

    async fn once(&self, args: &Status, settings: &Settings) -> Result<Exit, Failure> {
        let rows = self
            .look(args.parallel.into(), |rows| {
                if settings.json() {
                    rows.iter().for_each(print_json);
                }
            })
            .await;
        let (certificate, version) = (&self.plan.certificate, self.wanted.set.version());
        let report = StatusReport { certificate, version, rows: &rows };
        if !settings.json() {
            super::print(&format!("{}\n", report.table(settings.verbosity > 0)));
            report.reasons().iter().for_each(|reason| super::print(reason));
            super::print(&report.sentence());
        }
        Ok(if report.is_as_it_should_be() { Exit::Done } else { Exit::Failed })
    }
}

fn print_json(row: &Row) {
    super::print(&StatusReport::json(row, Timestamp::now()).to_string());
}
