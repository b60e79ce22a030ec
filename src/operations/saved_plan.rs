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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::now;
    use crate::model::Version;
    use crate::operations::certificates::{proven, still_valid};
    use crate::operations::testing::{World, name, version};

    fn file(path: &str, sha256: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), sha256: sha256.to_owned() }
    }

    /// A plan that was saved for this, from a playbook and two files of an inventory.
    fn saved(world: &World, next: Next) -> TakenUpPlan {
        let saved = SavedPlan {
            made: now(),
            valid_until: now(),
            playbook: file("/play.yaml", "0"),
            inventory: Vec::new(),
            limit: None,
            inventory_files: vec![file("/hosts", "1"), file("/vars", "2")],
            next,
            plan: world.plan(),
            seen: Vec::new(),
        };
        TakenUpPlan { path: "plan.json".into(), saved }
    }

    #[test]
    fn each_file_that_changed_came_or_went_is_told() {
        let taken_up = saved(&World::new(), Next::New { forced: false, version: None });
        let changed = |now: &[(&str, &str)]| {
            let now: Vec<SourceFile> = now.iter().map(|(path, sha256)| file(path, sha256)).collect();
            changed_files(&taken_up.saved, &now)
        };
        let all = [("/hosts", "1"), ("/vars", "2"), ("/play.yaml", "0")];
        assert_eq!(changed(&all), Vec::<String>::new());
        assert_eq!(changed(&all[..2]), ["`/play.yaml` is gone"]);
        assert_eq!(changed(&all[1..]), ["`/hosts` is gone"]);
        assert_eq!(changed(&[all[0], all[1], ("/play.yaml", "9")]), ["`/play.yaml` changed"]);
        assert_eq!(changed(&[all[0], ("/vars", "9"), all[2]]), ["`/vars` changed"]);
        assert_eq!(changed(&[all[0], all[1], all[2], ("/more", "3")]), ["`/more` is new"]);
    }

    #[test]
    fn a_saved_plan_is_carried_out_with_the_certificate_that_it_was_made_for() {
        let world = World::new();
        let set = |number: u8| {
            world.keep(&version(number), 20);
            proven(&world.certificates, &name(), &version(number), &still_valid(now())).unwrap()
        };
        let (one, two) = (set(1), set(2));
        let stored = |version: &Version| Next::Stored { version: version.clone() };
        let from_files = |version: Option<Version>| Next::New { forced: false, version };
        let choose = |set: &CertificateSet| Choice::Stored(Box::new(set.clone()), "it will do".to_owned());
        let new = || Choice::New("it is due".to_owned(), None);
        let told = |next: Next, choice: Choice, known: Option<&CertificateSet>| {
            let refused = saved(&world, next).same_certificate(&choice, known).err();
            refused.map(|error| error.causes.concat())
        };
        assert_eq!(told(stored(&version(1)), choose(&one), Some(&one)), None);
        assert_eq!(told(from_files(None), new(), None), None);
        assert_eq!(told(from_files(Some(version(1))), new(), Some(&one)), None);
        let other = "another certificate is in the issuer's files";
        assert_eq!(told(from_files(Some(version(1))), new(), Some(&two)).as_deref(), Some(other));
        assert_eq!(told(from_files(Some(version(1))), new(), None).as_deref(), Some(other));
        let words = told(stored(&version(1)), choose(&two), Some(&two)).unwrap();
        assert_eq!(
            words,
            format!("{} was planned, and {} would be rolled out now: it will do", version(1), version(2))
        );
        let words = told(stored(&version(1)), new(), None).unwrap();
        assert_eq!(words, format!("{} was planned, and now it is due", version(1)));
        let words = told(from_files(None), choose(&one), Some(&one)).unwrap();
        assert!(words.starts_with("a new certificate was planned"), "{words}");
    }

    #[test]
    fn a_saved_plan_that_breaks_a_rule_or_is_too_old_is_not_carried_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let refused = |change: fn(&mut SavedPlan)| {
            let mut plan = saved(&World::new(), Next::New { forced: false, version: None }).saved;
            plan.valid_until = now() + SignedDuration::from_hours(1);
            change(&mut plan);
            std::fs::write(&path, plan.to_text().unwrap()).unwrap();
            let error = take_up(&path, now()).err().unwrap();
            assert_eq!(error.left, Some(Left::Untouched), "{error:?}");
            assert!(matches!(error.problem, Problem::SavedPlan(_)), "{error:?}");
            error.causes.concat()
        };
        let broken = refused(|saved| saved.plan.hosts.iter_mut().for_each(|host| host.answers = 0));
        assert_eq!(
            broken,
            ["web01", "web02"].map(|host| format!("{host}: its proof would prove nothing")).join("; ")
        );
        let late = refused(|saved| saved.valid_until = now());
        assert!(late.starts_with("it was valid until"), "{late}");
    }
}
