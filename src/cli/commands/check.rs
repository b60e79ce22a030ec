//! `certwave check`

use serde_json::json;

use crate::cli::args::Check;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::load;
use crate::cli::settings::Settings;
use crate::model::format_duration;

/// Every playbook is checked, also after one that has problems.
pub(super) fn run(args: &Check, settings: &Settings) -> Result<Exit, Failure> {
    let mut failed: Option<Failure> = None;
    for path in &args.playbooks {
        match load::load(settings, path, None) {
            Ok(loaded) => {
                let name = path.display().to_string();
                if settings.json() {
                    let waves: Vec<_> = loaded
                        .plan
                        .schedule
                        .waves
                        .iter()
                        .map(|wave| json!({"wave": wave.name, "hosts": loaded.plan.schedule.hosts[wave.hosts()]}))
                        .collect();
                    let notes: Vec<&str> = loaded.notes.iter().map(|note| note.text.as_str()).collect();
                    let now = jiff::Timestamp::now();
                    let line = json!({"time": now, "event": "check.passed", "playbook": name,
                        "certificate": loaded.plan.certificate, "waves": waves, "notes": notes});
                    crate::cli::commands::print(&line.to_string());
                } else {
                    crate::cli::commands::print(&format!("{name}: valid, {}", words(&loaded)));
                    loaded.say_notes(settings);
                }
            }
            Err(failure) => match &mut failed {
                None => failed = Some(failure),
                Some(first) => {
                    first.report.extend(failure.report);
                    first.problems.extend(failure.problems);
                    if failure.message != first.message {
                        first.causes.push(format!("{}: {}", path.display(), failure.message));
                    }
                }
            },
        }
    }
    failed.map_or(Ok(Exit::Done), Err)
}

fn words(loaded: &load::Loaded) -> String {
    let plan = &loaded.plan;
    let waves: Vec<String> = plan
        .schedule
        .waves
        .iter()
        .map(|wave| {
            let hosts = wave.hosts().len();
            let soak = if wave.soak.is_zero() {
                String::new()
            } else {
                format!(", soak {}", format_duration(wave.soak))
            };
            format!("{} ({hosts} host{}{soak})", wave.name, if hosts == 1 { "" } else { "s" })
        })
        .collect();
    let hosts = plan.schedule.hosts.len();
    format!(
        "`{}` on {hosts} host{}: {}",
        plan.certificate,
        if hosts == 1 { "" } else { "s" },
        waves.join(", ")
    )
}
