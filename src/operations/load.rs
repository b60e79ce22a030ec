//! From paths to a proven plan; every problem of all files at once.

use std::path::{Path, PathBuf};

use crate::clock::SteadyClock;
use crate::inventory::Inventory;
use crate::model::{CertificateName, HostName};
use crate::operations::client_certificates;
use crate::operations::files::{read, source};
use crate::operations::inventory_files::inventory;
use crate::operations::{Left, OperationError, Problem};
use crate::plan::{Note, Plan, check, resolve};
use crate::playbook::{self, Playbook};
use crate::ports::Clock;
use crate::preview::SourceFile;
use crate::yaml::{Problem as Mistake, Problems, Reference, Sources, parse};

/// Everything that a rollout needs to know before it begins.
pub struct Loaded {
    /// Who goes when, and how.
    pub plan: Plan,
    /// What is worth saying, but not wrong.
    pub notes: Vec<Note>,
    /// Every file that it was read from: the inventory's, then the playbook.
    pub sources: Vec<SourceFile>,
}

impl Loaded {
    /// Goes ahead on these hosts whatever their servers serve before the switch, if anything.
    ///
    /// # Errors
    /// When one is not in the plan.
    pub fn accept(&mut self, hosts: &[HostName]) -> Result<(), OperationError> {
        for host in hosts {
            let number = self.plan.schedule.index_of(host);
            let Some(number) = number else {
                return Err(Problem::AcceptedHost(host.clone()).into());
            };
            self.plan.hosts[number].accepted = true;
        }
        Ok(())
    }
}

/// Playbook, inventory, and what they come to.
///
/// # Errors
/// With every problem of all files.
pub fn load(inventory_paths: &[PathBuf], path: &Path, limit: Option<&str>) -> Result<Loaded, OperationError> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let inventory = inventory(inventory_paths, &mut sources, &mut problems)?;
    let playbook = playbook(path, &mut sources, &mut problems)?;
    if let (Some(playbook), Some(inventory)) = (playbook, inventory) {
        let limited = limit.map(|limit| limit_hosts(&inventory, limit)).transpose()?;
        let mut playbook = playbook;
        find_files(&mut playbook, path, &mut problems);
        client_certificates::check(&playbook, SteadyClock::start().now(), &mut problems);
        let resolved = resolve(&playbook, &inventory, limited.as_deref(), &mut problems);
        if let Some(resolved) = problems.none_or(resolved) {
            let broken = check(&resolved.plan);
            if !broken.is_empty() {
                let problem = Problem::BrokenPlan;
                return Err(OperationError { problem, causes: broken, left: Some(Left::Untouched) });
            }
            let sources = sources.iter().map(|one| source(Path::new(&one.name), &one.text)).collect();
            return Ok(Loaded { plan: resolved.plan, notes: resolved.notes, sources });
        }
    }
    Err(Problem::Files { problems, sources }.into())
}

/// The inventory alone, and the hosts of it that a limit leaves: all without one.
///
/// # Errors
/// With every problem of all files, or when the limit leaves none.
pub fn hosts(
    inventory_paths: &[PathBuf],
    limit: Option<&str>,
) -> Result<(Inventory, Vec<HostName>), OperationError> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let inventory = inventory(inventory_paths, &mut sources, &mut problems)?;
    let inventory = match problems.none_or(inventory) {
        Some(inventory) => inventory,
        None => return Err(Problem::Files { problems, sources }.into()),
    };
    let hosts = limit_hosts(&inventory, limit.unwrap_or("all"))?;
    Ok((inventory, hosts))
}

/// The certificate that a playbook is about.
///
/// # Errors
/// With every problem of the playbook.
pub fn certificate_name(path: &Path) -> Result<CertificateName, OperationError> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let playbook = playbook(path, &mut sources, &mut problems)?;
    let playbook = match problems.none_or(playbook) {
        Some(playbook) => playbook,
        None => return Err(Problem::Files { problems, sources }.into()),
    };
    Ok(playbook.certificate.name)
}

fn limit_hosts(inventory: &Inventory, limit: &str) -> Result<Vec<HostName>, OperationError> {
    let selected = limit.parse().and_then(|pattern| inventory.select(&pattern));
    let problem = |is_empty| Problem::Limit { limit: limit.to_owned(), is_empty };
    match selected {
        Ok(hosts) if hosts.is_empty() => Err(problem(true).into()),
        Ok(hosts) => Ok(hosts),
        Err(error) => Err(OperationError::from(problem(false)).because(error.to_string())),
    }
}

/// Paths in a playbook are relative to it, and the files must be there now, not in the middle of the night.
fn find_files(playbook: &mut Playbook, path: &Path, problems: &mut Problems) {
    let folder = path.parent().unwrap_or(Path::new(""));
    for named in playbook.files_mut() {
        named.value = folder.join(&named.value);
        if let Err(error) = std::fs::File::open(&named.value) {
            problems.push(
                Mistake::at(named.span, format!("failed to read `{}`: {error}", named.value.display()))
                    .hint("paths in a playbook are relative to it"),
            );
        }
        // `resume` may be typed elsewhere.
        if let Ok(absolute) = std::path::absolute(&named.value) {
            named.value = absolute;
        }
    }
}

/// A playbook as written.
pub fn playbook(
    path: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Result<Option<Playbook>, OperationError> {
    let id = sources.add(path.display().to_string(), read(path)?);
    let Some(mut node) = parse(sources, id, problems) else { return Ok(None) };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    node.substitute(&|reference| look_up(reference, &folder), problems);
    Ok(playbook::parse(&node, problems))
}

fn look_up(reference: &Reference, folder: &Path) -> Result<String, String> {
    match reference {
        Reference::Env(name) => {
            std::env::var(name).map_err(|_| format!("the environment variable `{name}` is not set"))
        }
        Reference::File(path) => crate::bounded::read_text(&folder.join(path))
            .map(|text| text.trim_end_matches('\n').to_owned())
            .map_err(|error| format!("failed to read `{path}`: {error}")),
    }
}
