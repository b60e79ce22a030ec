//! `certwave plan`

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cli::args::PlanArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::install::Rehearsed;
use crate::model::HostName;
use crate::operations::load::load;
use crate::operations::plan::{PlanRequest, hosts_seen, plan};
use crate::operations::saved_plan::{Saving, save};
use crate::operations::{self, OperationError, Problem};
use crate::plan::Plan;
use crate::preview::{Missed, Seen};
use crate::report::view::PlanReport;

pub(super) fn run(args: &PlanArgs, settings: &Settings) -> Result<Exit, Failure> {
    let mut loaded = load(&settings.inventory, &args.playbook, args.limit.as_deref())?;
    loaded.accept(&args.accept)?;
    super::say_notes(&loaded, settings);
    let request = PlanRequest {
        plan: loaded.plan.clone(),
        force: args.force,
        version: args.certificate.clone(),
        facts: args.facts.as_ref().map(|path| recorded(path, &loaded.plan)).transpose()?,
        rehearse: args.rehearse,
        parallel: args.parallel.into(),
    };
    let planned = Run::default().operation(settings, async |context| Ok(plan(context, request).await?))?;
    if let Some(path) = &args.record {
        record(path, hosts_seen(&planned.plan, &planned.seen))?;
    }
    let (now, printer, preview) = (Timestamp::now(), settings.printer(), planned.preview());
    let rehearsed = &planned.rehearsed;
    printer.show(&PlanReport {
        preview: &preview,
        certificate: &planned.candidate.shown,
        rehearsed: args.rehearse.then_some(rehearsed),
    });
    if let Some(path) = &args.out {
        let (inventory, limit) = (settings.inventory.as_slice(), args.limit.clone());
        let saving = Saving { path, inventory, limit, valid_for: args.valid_for };
        let until = save(loaded, &planned, &saving, now)?.strftime("%Y-%m-%d %H:%M:%SZ");
        let path = path.display();
        printer.aside(&format!(
            "saved; until {until}, `certwave rollout --plan {path}` does this and nothing else"
        ));
    }
    if preview.is_sure_to_fail() || !rehearsed.iter().all(Rehearsed::is_good) {
        return Ok(Exit::Failed);
    }
    Ok(if args.detailed_exitcode && preview.has_changes() { Exit::Changes } else { Exit::Done })
}

/// A host, as it is written down.
#[derive(Serialize, Deserialize)]
struct RecordedHost {
    host: HostName,
    #[serde(flatten)]
    seen: Seen,
}

fn record<'p>(path: &Path, hosts: impl Iterator<Item = (&'p HostName, &'p Seen)>) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::to(&format!("write `{}`", path.display()), error);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(|error| failed(&error))?);
    for (host, seen) in hosts {
        let line = serde_json::to_string(&RecordedHost { host: host.clone(), seen: seen.clone() });
        let line = line.map_err(|error| failed(&error))?;
        writeln!(file, "{line}").map_err(|error| failed(&error))?;
    }
    file.flush().map_err(|error| failed(&error))
}

/// What was written down of the plan's hosts; of one that is not there, nothing is known.
fn recorded(path: &Path, plan: &Plan) -> Result<Vec<Seen>, OperationError> {
    let text = operations::read(path)?;
    let mut facts: HashMap<HostName, Seen> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let fact: RecordedHost = serde_json::from_str(line).map_err(|error| {
            let problem = Problem::Facts { path: path.to_owned(), line: number + 1 };
            OperationError::from(problem).because(error.to_string())
        })?;
        facts.insert(fact.host, fact.seen);
    }
    let unknown = || {
        let reason = format!("nothing of it is written down in `{}`", path.display());
        Seen::Missed(Missed { reason, unreachable: true })
    };
    Ok(plan.schedule.hosts.iter().map(|host| facts.remove(host).unwrap_or_else(unknown)).collect())
}
