//! A saved plan: it is carried out as it is, or not at all.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::certificate::CertificateSet;
use crate::model::OperationId;
use crate::operations::choose::Choice;
use crate::operations::files::read;
use crate::operations::load::{Loaded, load};
use crate::operations::plan::{Planned, survey};
use crate::operations::{Context, Left, OperationError, Problem};
use crate::plan::check;
use crate::preview::{Next, SavedPlan, SourceFile, differences};

/// So many hosts that differ are named.
const TOLD: usize = 5;
/// So many hosts are looked at at once.
const AT_ONCE: usize = 64;

/// A saved plan that was taken up, and where it lies.
pub struct TakenUpPlan {
    /// Where.
    pub path: PathBuf,
    /// The plan.
    pub saved: SavedPlan,
}

/// Where a dry run is saved, and what it was made from.
pub struct Saving<'a> {
    /// The file.
    pub path: &'a Path,
    /// The inventory's files and folders, as they were named.
    pub inventory: &'a [PathBuf],
    /// The limit, as it was given.
    pub limit: Option<String>,
    /// For how long the plan may be carried out.
    pub valid_for: std::time::Duration,
}

/// Writes a dry run down; says until when it may be carried out.
///
/// # Errors
/// When the file cannot be written.
pub fn save(
    loaded: Loaded,
    planned: &Planned,
    saving: &Saving<'_>,
    now: Timestamp,
) -> Result<Timestamp, OperationError> {
    let Saving { path, inventory, limit, valid_for } = saving;
    let failed =
        |error: &dyn std::error::Error| OperationError::to(&format!("write `{}`", path.display()), error);
    let valid_for = SignedDuration::try_from(*valid_for).unwrap_or(SignedDuration::MAX);
    let mut inventory_files = loaded.sources;
    let playbook = inventory_files.pop().ok_or(Problem::Act("read the playbook".to_owned()))?;
    let absolute =
        |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
    let saved = SavedPlan {
        made: now,
        valid_until: now.checked_add(valid_for).unwrap_or(Timestamp::MAX),
        playbook,
        inventory: inventory.iter().map(absolute).collect(),
        limit: limit.clone(),
        inventory_files,
        next: planned.candidate.next.clone(),
        plan: loaded.plan,
        seen: planned.seen.clone(),
    };
    let text = saved.to_text().map_err(|error| failed(&error))?;
    std::fs::write(path, text).map_err(|error| failed(&error))?;
    Ok(saved.valid_until)
}

/// Reads a saved plan, and what it was made from: both must be as they were.
///
/// # Errors
/// When they are not.
pub fn take_up(path: &Path, now: Timestamp) -> Result<(TakenUpPlan, Loaded), OperationError> {
    let refused = |reason: String| {
        OperationError::from(Problem::SavedPlan(path.to_owned())).because(reason).leaves(Left::Untouched)
    };
    let saved = SavedPlan::from_text(&read(path)?, now).map_err(|error| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        refused(format!("{error}{source}"))
    })?;
    let broken = check(&saved.plan);
    if !broken.is_empty() {
        return Err(refused(broken.join("; ")));
    }
    let inventory: Vec<PathBuf> = saved.inventory.iter().map(PathBuf::from).collect();
    let mut loaded = load(&inventory, Path::new(&saved.playbook.path), saved.limit.as_deref())?;
    let hosts = saved.plan.schedule.hosts.iter().zip(&saved.plan.hosts);
    let accepted: Vec<_> = hosts.filter(|(_, plan)| plan.accepted).map(|(host, _)| host.clone()).collect();
    loaded.accept(&accepted)?;
    let mut changed = changed_files(&saved, &loaded.sources);
    if changed.is_empty() && loaded.plan != saved.plan {
        changed
            .push("what the files refer to (variables of the environment, other files) changed".to_owned());
    }
    if changed.is_empty() {
        Ok((TakenUpPlan { path: path.to_owned(), saved }, loaded))
    } else {
        Err(outdated(path, changed, None))
    }
}

impl TakenUpPlan {
    /// The certificate has to be the one that was planned with.
    pub(super) fn same_certificate(
        &self,
        choice: &Choice,
        known: Option<&CertificateSet>,
    ) -> Result<(), OperationError> {
        let known = known.map(CertificateSet::version);
        let now = match (&self.saved.next, choice) {
            (Next::Stored { version }, Choice::Stored(set, _)) if set.version() == version => return Ok(()),
            (Next::New { version, .. }, Choice::New(..)) if version.as_ref() == known => return Ok(()),
            (Next::New { .. }, Choice::New(..)) => "another certificate is in the issuer's files".to_owned(),
            (Next::New { .. }, Choice::Stored(set, why)) => {
                let version = set.version();
                format!("a new certificate was planned, and {version} would be rolled out now: {why}")
            }
            (Next::Stored { version }, Choice::Stored(set, why)) => {
                format!("{version} was planned, and {} would be rolled out now: {why}", set.version())
            }
            (Next::Stored { version }, Choice::New(why, _)) => {
                format!("{version} was planned, and now {why}")
            }
        };
        Err(outdated(&self.path, vec![now], None))
    }

    /// Every host has to be as it was seen.
    pub(super) async fn same_hosts(
        &self,
        context: &Context<'_>,
        set: Option<&CertificateSet>,
    ) -> Result<(), OperationError> {
        let saved = &self.saved;
        let now = survey(context, &saved.plan, set, AT_ONCE).await?;
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
        Err(outdated(&self.path, changed, None))
    }

    /// Hosts are in the middle of something else.
    pub(super) fn after_unfinished(&self, id: &OperationId) -> OperationError {
        let changed = vec![format!("rollout {id} of the same certificate did not finish")];
        outdated(&self.path, changed, Some(id.clone()))
    }
}

fn changed_files(saved: &SavedPlan, sources: &[SourceFile]) -> Vec<String> {
    let then: Vec<&SourceFile> = saved.inventory_files.iter().chain([&saved.playbook]).collect();
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

fn outdated(path: &Path, changed: Vec<String>, unfinished: Option<OperationId>) -> OperationError {
    let problem = Problem::SavedPlanOutdated { path: path.to_owned(), unfinished };
    OperationError { problem, causes: changed, left: Some(Left::Untouched) }
}
