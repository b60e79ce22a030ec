//! `certwave status`

use std::path::Path;
use std::time::Duration;

use crate::cli::args::StatusArgs;
use crate::cli::commands::scan;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::cli::watch::{Round, Told, watch};
use crate::operations::load::load;
use crate::operations::status::{ShouldServe, should_serve, status};
use crate::operations::{Context, OperationError, Problem};
use crate::plan::Plan;
use crate::report::view::{StatusReport, View};
use crate::ssh::SshOptions;
use crate::status::{EndpointStatus, ExpectedVersion};
use crate::tls::TlsProber;

pub(super) fn run(args: &StatusArgs, settings: &Settings) -> Result<Exit, Failure> {
    let Some(playbook) = &args.playbook else { return scan::run(args, settings) };
    let plan = load(&settings.inventory, playbook, args.limit.as_deref())?.plan;
    Run { ssh: hasty(), ..Run::default() }.operation(settings, async |context| {
        let prober = context.prober(&plan)?;
        let reader = StatusReader { plan: &plan, context, prober, parallel: args.parallel.into() };
        let ShouldServe { wanted, newer } = reader.should_serve(playbook)?;
        if let Some(newer) = newer {
            let text = format!("note: {newer} is in the store, but no rollout left a host on it");
            settings.printer().remark(&text);
        }
        let Some(every) = args.watch else { return Ok(reader.once(&wanted, settings).await) };
        watch(Duration::from_secs(every.into()), settings.printer(), context.cancel.clone(), async || {
            // A rollout may be under way.
            let ShouldServe { wanted, .. } = reader.should_serve(playbook)?;
            Ok(reader.read_all(&wanted, settings).await)
        })
        .await
    })
}

/// Who asks how things are wants an answer soon: a host that is dead is told as one.
fn hasty() -> SshOptions {
    SshOptions { connect_timeout: Duration::from_secs(5), connect_retries: 2, ..SshOptions::default() }
}

/// All that it takes to read the status of a fleet.
struct StatusReader<'a> {
    plan: &'a Plan,
    context: &'a Context<'a>,
    prober: TlsProber,
    parallel: usize,
}

impl StatusReader<'_> {
    fn should_serve(&self, playbook: &Path) -> Result<ShouldServe, Failure> {
        let hint = |error: OperationError| match &error.problem {
            Problem::NothingIssued(_) => {
                Failure::from(error).hint(format!("`certwave rollout {}` issues it", playbook.display()))
            }
            _ => error.into(),
        };
        should_serve(self.context, &self.plan.certificate.name).map_err(hint)
    }

    fn report<'r>(&'r self, wanted: &'r ExpectedVersion, rows: &'r [EndpointStatus]) -> StatusReport<'r> {
        StatusReport { certificate: &self.plan.certificate.name, version: wanted.set.version(), rows }
    }

    /// Programs get each host as soon as it is known.
    async fn once(&self, wanted: &ExpectedVersion, settings: &Settings) -> Exit {
        let printer = settings.printer();
        let seen = |rows: &[EndpointStatus]| {
            rows.iter().for_each(|row| printer.show_objects(row));
        };
        let rows = status(self.context, self.plan, wanted, &self.prober, self.parallel, seen).await;
        let report = self.report(wanted, &rows);
        printer.show_text(&report);
        if report.is_as_it_should_be() { Exit::Done } else { Exit::Failed }
    }

    async fn read_all(&self, wanted: &ExpectedVersion, settings: &Settings) -> Round {
        let rows = status(self.context, self.plan, wanted, &self.prober, self.parallel, |_| {}).await;
        let report = self.report(wanted, &rows);
        let key = |row: &EndpointStatus| {
            format!("{} {} {} {}", row.host, row.service, row.endpoint, row.endpoint.server_name)
        };
        Round {
            text: report.text(settings.printer().is_verbose()),
            sentence: report.sentence(),
            told: rows.iter().map(|row| Told::of(key(row), row)).collect(),
            good: report.is_as_it_should_be(),
        }
    }
}
