//! `certwave plan`

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::certificate::CertificateSet;
use crate::cli::args::Plan as Args;
use crate::cli::carry_out::{self, who};
use crate::cli::commands::rollout::new_id;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::load::{self, Loaded};
use crate::cli::planning::{self, Wanted};
use crate::cli::rehearsal::{self, Rehearsed};
use crate::cli::settings::Settings;
use crate::cli::stored;
use crate::model::HostName;
use crate::plan::Plan;
use crate::preview::{Missed, Preview, Risk, SavedPlan, Seen};
use crate::report::{PlanReport, failure};

pub(super) fn run(args: &Args, settings: &Settings) -> Result<Exit, Failure> {
    let mut loaded = load::load(settings, &args.playbook, args.limit.as_deref())?;
    loaded.accept(&args.accept)?;
    loaded.say_notes(settings);
    let store = settings.store()?;
    let wanted = planning::wanted(&loaded, &store.certificates(), args.force, args.certificate.as_ref())?;
    let seen = match &args.facts {
        Some(path) => recorded(path, &loaded.plan)?,
        None => crate::cli::commands::runtime()?.block_on(planning::survey(
            &loaded.plan,
            wanted.set.as_ref(),
            &store,
            usize::from(args.parallel),
        ))?,
    };
    if let Some(path) = &args.record {
        record(path, &loaded.plan, &seen)?;
    }
    let rehearsed = match args.rehearse {
        true => {
            let who = who(&new_id()?);
            let rehearsal = rehearsal::run(&loaded, &who, usize::from(args.parallel));
            crate::cli::commands::runtime()?.block_on(rehearsal)?
        }
        false => Vec::new(),
    };
    let now = Timestamp::now();
    let mut plan = loaded.plan.clone();
    if let Some(windows) = &mut plan.schedule.windows {
        let version = wanted.set.as_ref().map(CertificateSet::version);
        windows.served_until = stored::served_until(&store.certificates(), &plan.certificate, version)?;
    }
    let mut preview = Preview::new(&plan, &seen, &wanted.leaves(), now, failure);
    let prober = carry_out::prober(&plan)?;
    let untrusted = wanted.set.as_ref().and_then(|set| planning::untrusted(&prober, set));
    preview.risks.extend(untrusted.map(|reason| Risk::NotTrusted { reason }));
    let report = PlanReport { preview: &preview, certificate: &wanted.shown };
    if settings.json() {
        rehearsed.iter().for_each(|one| crate::cli::commands::print(&one.json(now).to_string()));
        report.json(now).for_each(|line| crate::cli::commands::print(&line.to_string()));
    } else {
        crate::cli::commands::print(&report.text(settings.verbosity > 0));
        if args.rehearse {
            crate::cli::commands::print("\nrehearsal:");
        }
        rehearsed
            .iter()
            .for_each(|one| crate::cli::commands::print(&format!("  {}: {}", one.host, one.words())));
    }
    let (changes, preview_fails) = (preview.has_changes(), preview.is_sure_to_fail());
    if let Some(path) = &args.out {
        save(path, args, settings, loaded, wanted, seen.clone(), now)?;
    }
    if preview_fails || !rehearsed.iter().all(Rehearsed::is_good) {
        return Ok(Exit::Failed);
    }
    Ok(if args.detailed_exitcode && changes { Exit::Changes } else { Exit::Done })
}

/// A host, as it is written down.
#[derive(Serialize, Deserialize)]
struct Fact {
    host: HostName,
    #[serde(flatten)]
    seen: Seen,
}

fn record(path: &Path, plan: &Plan, seen: &[Seen]) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::to(&format!("write `{}`", path.display()), error);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(|error| failed(&error))?);
    for (host, seen) in plan.schedule.hosts.iter().zip(seen) {
        let line = serde_json::to_string(&Fact { host: host.clone(), seen: seen.clone() });
        let line = line.map_err(|error| failed(&error))?;
        writeln!(file, "{line}").map_err(|error| failed(&error))?;
    }
    file.flush().map_err(|error| failed(&error))
}

/// What was written down of the plan's hosts; of one that is not there, nothing is known.
fn recorded(path: &Path, plan: &Plan) -> Result<Vec<Seen>, Failure> {
    let text = load::read(path)?;
    let mut facts: HashMap<HostName, Seen> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let fact: Fact = serde_json::from_str(line).map_err(|error| {
            Failure::usage(format!("{}:{}: this is not what `--record` wrote", path.display(), number + 1))
                .because(error.to_string())
        })?;
        facts.insert(fact.host, fact.seen);
    }
    let unknown = || {
        let reason = format!("nothing of it is written down in `{}`", path.display());
        Seen::Missed(Missed { reason, unreachable: true })
    };
    Ok(plan.schedule.hosts.iter().map(|host| facts.remove(host).unwrap_or_else(unknown)).collect())
}

fn save(
    path: &Path,
    args: &Args,
    settings: &Settings,
    loaded: Loaded,
    wanted: Wanted,
    seen: Vec<Seen>,
    now: Timestamp,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::to(&format!("write `{}`", path.display()), error);
    let valid_for = SignedDuration::try_from(args.valid_for).unwrap_or(SignedDuration::MAX);
    let mut inventory_files = loaded.sources;
    let playbook = inventory_files.pop().ok_or_else(|| Failure::new("the playbook was not read"))?;
    let absolute = |path: &std::path::PathBuf| {
        std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
    };
    let saved = SavedPlan {
        made: now,
        valid_until: now.checked_add(valid_for).unwrap_or(Timestamp::MAX),
        playbook,
        inventory: settings.inventory.iter().map(absolute).collect(),
        limit: args.limit.clone(),
        inventory_files,
        next: wanted.next,
        plan: loaded.plan,
        seen,
    };
    let text = saved.to_text().map_err(|error| failed(&error))?;
    std::fs::write(path, text).map_err(|error| failed(&error))?;
    if !settings.json() {
        let until = saved.valid_until.strftime("%Y-%m-%d %H:%M:%SZ");
        crate::cli::commands::remark(
            settings,
            &format!(
                "saved; until {until}, `certwave rollout --plan {}` does this and nothing else",
                path.display()
            ),
        );
    }
    Ok(())
}
