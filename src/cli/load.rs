//! From paths to a proven playbook, inventory and plan; every problem of all files at once.

use std::path::{Path, PathBuf};

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::remark;
use crate::cli::planning::source;
use crate::cli::settings::Settings;
use crate::inventory::{FileKind, Inventory, InventoryFile};
use crate::model::{CertificateName, HostName};
use crate::plan::{Note, Plan, check, resolve};
use crate::playbook::{self, Playbook};
use crate::preview::Source;
use crate::yaml::{Problem, Problems, Reference, Sources, parse};

/// A text file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| {
        Failure::usage(format!("failed to read `{}`", path.display())).because(error.to_string())
    })
}

/// All problems, each with its place, and how many there are.
pub(super) fn problems_failure(problems: &Problems, sources: &Sources) -> Failure {
    let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let report = problems.sorted().iter().map(|problem| problem.render(sources, color)).collect();
    let count = problems.len();
    let message = if count == 1 {
        "1 problem; nothing was touched".to_owned()
    } else {
        format!("{count} problems; nothing was touched")
    };
    let problems = problems.sorted().iter().map(|problem| problem.json(sources)).collect();
    Failure { report, problems, exit: Exit::Usage, ..Failure::new(message) }
}

/// The inventory, from the settings' files and folders.
pub(super) fn inventory(
    settings: &Settings,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Result<Option<Inventory>, Failure> {
    if settings.inventory.is_empty() {
        return Err(Failure::usage("no inventory: certwave does not know any host")
            .hint("name one with `-i PATH`, or write a first one with `certwave init`"));
    }
    let mut files = Vec::new();
    for path in &settings.inventory {
        for (path, kind) in inventory_files(path)? {
            let source = sources.add(path.display().to_string(), read(&path)?);
            files.push(InventoryFile { source, kind });
        }
    }
    Ok(Inventory::parse(sources, &files, problems))
}

/// An inventory file with the variables beside it, or a folder of both.
fn inventory_files(path: &Path) -> Result<Vec<(PathBuf, FileKind)>, Failure> {
    let (folder, mut files) = if path.is_dir() {
        (path.to_owned(), yaml_files(path)?)
    } else {
        (path.parent().map(Path::to_owned).unwrap_or_default(), vec![path.to_owned()])
    };
    if files.is_empty() {
        return Err(Failure::usage(format!("there is no inventory file in `{}`", path.display()))
            .hint("an inventory is a file that ends in `.yaml` or `.yml`"));
    }
    for name in ["group_vars", "host_vars"] {
        let variables = folder.join(name);
        if variables.is_dir() {
            for file in yaml_files(&variables)? {
                files.push(file);
            }
            for inner in folders(&variables)? {
                files.extend(yaml_files(&inner)?);
            }
        }
    }
    let classify = |file: PathBuf| {
        let relative = file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned();
        let kind = FileKind::of_path(&relative);
        (file, kind)
    };
    Ok(files.into_iter().map(classify).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("failed to read the folder `{}`", folder.display())).because(error.to_string())
    };
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(failed)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')))
        .collect();
    entries.sort();
    Ok(entries)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// YAML files of a folder; in `group_vars` and `host_vars` the ending may be left out, as in Ansible.
fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let variables =
        folder.components().any(|part| matches!(part.as_os_str().to_str(), Some("group_vars" | "host_vars")));
    let wanted = |path: &PathBuf| match path.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml" | "json") => true,
        None => variables,
        Some(_) => false,
    };
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).filter(wanted).collect())
}

/// A playbook as written.
pub(super) fn playbook(
    path: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Result<Option<Playbook>, Failure> {
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
        Reference::File(path) => std::fs::read_to_string(folder.join(path))
            .map(|text| text.trim_end_matches('\n').to_owned())
            .map_err(|error| format!("failed to read `{path}`: {error}")),
    }
}

/// Everything that a rollout needs to know before it begins.
pub(super) struct Loaded {
    /// The playbook as written.
    pub(super) playbook: Playbook,
    /// Who goes when, and how.
    pub(super) plan: Plan,
    /// What is worth saying, but not wrong.
    pub(super) notes: Vec<Note>,
    /// Every file that it was read from: the inventory's, then the playbook.
    pub(super) sources: Vec<Source>,
}

impl Loaded {
    /// What is worth saying, but not wrong; programs get it otherwise.
    pub(super) fn say_notes(&self, settings: &Settings) {
        let said = |note: &&Note| !settings.json() && (settings.verbosity > 0 || !note.is_detail);
        let notes = self.notes.iter().filter(said);
        notes.for_each(|note| remark(settings, &format!("note: {}", note.text)));
    }

    /// Goes ahead on these hosts whatever their servers serve before the switch, if anything.
    ///
    /// # Errors
    /// When one is not in the plan.
    pub(super) fn accept(&mut self, hosts: &[HostName]) -> Result<(), Failure> {
        for host in hosts {
            let number = self.plan.schedule.index_of(host);
            let Some(number) = number else {
                return Err(Failure::usage(format!("`--accept {host}`: this host is not in the rollout"))
                    .hint("`certwave plan` lists its hosts"));
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
pub(super) fn load(settings: &Settings, path: &Path, limit: Option<&str>) -> Result<Loaded, Failure> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let inventory = inventory(settings, &mut sources, &mut problems)?;
    let playbook = playbook(path, &mut sources, &mut problems)?;
    if let (Some(playbook), Some(inventory)) = (playbook, inventory) {
        let limited = limit.map(|limit| limit_hosts(&inventory, limit)).transpose()?;
        let mut playbook = playbook;
        find_files(&mut playbook, path, &mut problems);
        let resolved = resolve(&playbook, &inventory, limited.as_deref(), &mut problems);
        if let Some(resolved) = problems.none_or(resolved) {
            let broken = check(&resolved.plan);
            if !broken.is_empty() {
                let mut failure = Failure::new("the plan breaks rules that hold for every plan".to_owned());
                failure.causes = broken;
                failure.state = Some("no host was touched".to_owned());
                return Err(failure.hint("this is a fault of certwave's: please report it"));
            }
            let sources = sources.iter().map(|one| source(Path::new(&one.name), &one.text)).collect();
            return Ok(Loaded { playbook, plan: resolved.plan, notes: resolved.notes, sources });
        }
    }
    Err(problems_failure(&problems, &sources))
}

/// The inventory alone, and the hosts of it that a limit leaves: all without one.
///
/// # Errors
/// With every problem of all files, or when the limit leaves none.
pub(super) fn hosts(settings: &Settings, limit: Option<&str>) -> Result<(Inventory, Vec<HostName>), Failure> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let inventory = inventory(settings, &mut sources, &mut problems)?;
    let inventory = problems.none_or(inventory).ok_or_else(|| problems_failure(&problems, &sources))?;
    let hosts = limit_hosts(&inventory, limit.unwrap_or("all"))?;
    Ok((inventory, hosts))
}

/// The certificate that a playbook is about.
///
/// # Errors
/// With every problem of the playbook.
pub(super) fn certificate_name(path: &Path) -> Result<CertificateName, Failure> {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let playbook = playbook(path, &mut sources, &mut problems)?;
    let playbook = problems.none_or(playbook).ok_or_else(|| problems_failure(&problems, &sources))?;
    Ok(playbook.certificate.name)
}

fn limit_hosts(inventory: &Inventory, limit: &str) -> Result<Vec<HostName>, Failure> {
    let selected = limit.parse().and_then(|pattern| inventory.select(&pattern));
    match selected {
        Ok(hosts) if hosts.is_empty() => Err(Failure::usage(format!("`--limit {limit}` matches no host"))),
        Ok(hosts) => Ok(hosts),
        Err(error) => {
            Err(Failure::usage(format!("`--limit {limit}` cannot be used")).because(error.to_string()))
        }
    }
}

/// Paths in a playbook are relative to it, and the files must be there now, not in the middle of the night.
fn find_files(playbook: &mut Playbook, path: &Path, problems: &mut Problems) {
    let folder = path.parent().unwrap_or(Path::new(""));
    for named in playbook.files_mut() {
        named.value = folder.join(&named.value);
        if let Err(error) = std::fs::File::open(&named.value) {
            problems.push(
                Problem::at(named.span, format!("failed to read `{}`: {error}", named.value.display()))
                    .hint("paths in a playbook are relative to it"),
            );
        }
        // `resume` may be typed elsewhere.
        if let Ok(absolute) = std::path::absolute(&named.value) {
            named.value = absolute;
        }
    }
}
