//! `certwave history`

use comfy_table::{Table, presets};
use serde_json::json;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::rollout::Origin;

pub(super) fn run(settings: &Settings) -> Result<Exit, Failure> {
    let rollouts = settings.store()?.journal()?.rollouts()?;
    if settings.json() {
        for rollout in rollouts {
            let line = json!({"time": rollout.started, "event": "rollout", "rollout": rollout.id,
                "certificate": rollout.certificate, "version": rollout.version, "playbook": rollout.playbook,
                "outcome": rollout.outcome, "kind": rollout.origin.as_ref().map(|origin| origin.kind),
                "by": rollout.origin.as_ref().map(|origin| &origin.by),
                "hosts": rollout.origin.as_ref().map(|origin| origin.hosts)});
            crate::cli::commands::print(&line.to_string());
        }
        return Ok(Exit::Done);
    }
    if rollouts.is_empty() {
        crate::cli::commands::remark(settings, "no rollout yet");
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["ROLLOUT", "STARTED", "KIND", "CERTIFICATE", "VERSION", "HOSTS", "BY", "OUTCOME"]);
    for rollout in rollouts {
        let origin = |word: fn(&Origin) -> String| rollout.origin.as_ref().map_or("-".to_owned(), word);
        table.add_row([
            rollout.id.to_string(),
            rollout.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            origin(|origin| origin.kind.name().to_owned()),
            rollout.certificate.to_string(),
            rollout.version.to_string(),
            origin(|origin| origin.hosts.to_string()),
            origin(|origin| origin.by.clone()),
            rollout.outcome.map_or("not finished".to_owned(), |outcome| outcome.name().replace('_', " ")),
        ]);
    }
    table.lines().for_each(|line| crate::cli::commands::print(line.trim_end()));
    Ok(Exit::Done)
}
