//! A saved plan, taken up: it is carried out as it is, or not at all.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::certificate::CertificateSet;
use crate::cli::commands::issue::Choice;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::load::{self, Loaded};
use crate::cli::planning;
use crate::cli::settings::Settings;
use crate::model::RolloutId;
use crate::plan::check;
use crate::preview::{Next, SavedPlan, Source, differences};
use crate::store::Store;

/// So many hosts that differ are named.
const TOLD: usize = 5;
/// So many hosts are looked at at once.
const AT_ONCE: usize = 64;

/// Reads a saved plan, and what it was made from: both must be as they were.
pub(super) fn read(path: &Path, settings: &Settings) -> Result<(SavedPlan, Loaded), Failure> {
    let refused = |reason: String| {
        let mut failure = Failure::new(format!("`{}` is not carried out", path.display())).because(reason);
        failure.state = Some("no host was touched".to_owned());
        failure
    };
    let saved = SavedPlan::from_text(&load::read(path)?, Timestamp::now()).map_err(|error| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        anew(refused(format!("{error}{source}")))
    })?;
    let broken = check(&saved.plan);
    if !broken.is_empty() {
        return Err(anew(refused(broken.join("; "))));
    }
    let then =
        Settings { inventory: saved.inventory.iter().map(PathBuf::from).collect(), ..settings.clone() };
    let mut loaded = load::load(&then, Path::new(&saved.playbook.path), saved.limit.as_deref())?;
    let hosts = saved.plan.schedule.hosts.iter().zip(&saved.plan.hosts);
    let accepted: Vec<_> = hosts.filter(|(_, plan)| plan.accepted).map(|(host, _)| host.clone()).collect();
    loaded.accept(&accepted)?;
    let mut changed = changed_files(&saved, &loaded.sources);
    if changed.is_empty() && loaded.plan != saved.plan {
        changed
            .push("what the files refer to (variables of the environment, other files) changed".to_owned());
    }
    if changed.is_empty() { Ok((saved, loaded)) } else { Err(anew(refused_for(path, changed))) }
}

/// The certificate has to be the one that was planned with.
pub(super) fn same_certificate(
    path: &Path,
    saved: &SavedPlan,
    choice: &Choice,
    known: Option<&CertificateSet>,
) -> Result<(), Failure> {
    let known = known.map(CertificateSet::version);
    let now = match (&saved.next, choice) {
        (Next::Stored { version }, Choice::Stored(set, _)) if set.version() == version => return Ok(()),
        (Next::New { version, .. }, Choice::New(..)) if version.as_ref() == known => return Ok(()),
        (Next::New { .. }, Choice::New(..)) => "another certificate is in the issuer's files".to_owned(),
        (Next::New { .. }, Choice::Stored(set, why)) => {
            format!("a new certificate was planned, and {} would be rolled out now: {why}", set.version())
        }
        (Next::Stored { version }, Choice::Stored(set, why)) => {
            format!("{version} was planned, and {} would be rolled out now: {why}", set.version())
        }
        (Next::Stored { version }, Choice::New(why, _)) => format!("{version} was planned, and now {why}"),
    };
    Err(anew(refused_for(path, vec![now])))
}

/// Every host has to be as it was seen.
pub(super) async fn same_hosts(
    path: &Path,
    saved: &SavedPlan,
    set: Option<&CertificateSet>,
    store: &Store,
) -> Result<(), Failure> {
    let now = planning::survey(&saved.plan, set, store, AT_ONCE).await?;
    let hosts = saved.plan.schedule.hosts.iter().zip(saved.seen.iter().zip(&now));
    let mut changed: Vec<String> = hosts
        .filter_map(|(host, (then, now))| {
            let differences = differences(then, now);
            (!differences.is_empty()).then(|| format!("{host}: {}", differences.join("; ")))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    if changed.len() > TOLD {
        let more = changed.len() - TOLD;
        changed.truncate(TOLD);
        changed.push(format!("and {more} more hosts"));
    }
    Err(anew(refused_for(path, changed)))
}

/// Hosts are in the middle of something else.
pub(super) fn after_a_broken_off(path: &Path, broken_off: &RolloutId) -> Failure {
    refused_for(path, vec![format!("rollout {broken_off} of the same certificate was broken off")])
        .hint(format!("`certwave resume {broken_off}` goes on with it; then plan anew"))
}

fn changed_files(saved: &SavedPlan, sources: &[Source]) -> Vec<String> {
    let then: Vec<&Source> = saved.inventory_files.iter().chain([&saved.playbook]).collect();
    let mut changed = Vec::new();
    for source in &then {
        match sources.iter().find(|now| now.path == source.path) {
            None => changed.push(format!("`{}` is gone", source.path)),
            Some(now) if now.sha256 != source.sha256 => changed.push(format!("`{}` changed", source.path)),
            Some(_) => {}
        }
    }
    let new = sources.iter().filter(|now| !then.iter().any(|source| source.path == now.path));
    changed.extend(new.map(|source| format!("`{}` is new", source.path)));
    changed
}

fn refused_for(path: &Path, changed: Vec<String>) -> Failure {
    let message = format!("`{}` is not carried out: something changed since it was made", path.display());
    let mut failure = Failure::new(message);
    failure.causes = changed;
    failure.state = Some("no host was touched".to_owned());
    failure.exit = Exit::Failed;
    failure
}

fn anew(failure: Failure) -> Failure {
    failure.hint("`certwave plan --out` makes another")
}
