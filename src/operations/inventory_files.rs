//! The files of an inventory.

use std::path::{Path, PathBuf};

use crate::inventory::{FileKind, Inventory, InventoryFile};
use crate::operations::files::read;
use crate::operations::{OperationError, Problem};
use crate::yaml::{Problems, Sources};

/// The inventory, from files and folders.
///
/// # Errors
/// When there is none, or a file cannot be read.
pub fn inventory(
    paths: &[PathBuf],
    sources: &mut Sources,
    problems: &mut Problems,
) -> Result<Option<Inventory>, OperationError> {
    if paths.is_empty() {
        return Err(Problem::NoInventory.into());
    }
    let mut files = Vec::new();
    for path in paths {
        for (path, kind) in inventory_files(path)? {
            let source = sources.add(path.display().to_string(), read(&path)?);
            files.push(InventoryFile { source, kind });
        }
    }
    Ok(Inventory::parse(sources, &files, problems))
}

/// An inventory file with the variables beside it, or a folder of both.
fn inventory_files(path: &Path) -> Result<Vec<(PathBuf, FileKind)>, OperationError> {
    let (folder, mut files) = if path.is_dir() {
        (path.to_owned(), yaml_files(path)?)
    } else {
        (path.parent().map(Path::to_owned).unwrap_or_default(), vec![path.to_owned()])
    };
    if files.is_empty() {
        return Err(Problem::NoInventoryFile(path.to_owned()).into());
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

fn entries(folder: &Path) -> Result<Vec<PathBuf>, OperationError> {
    let failed = |error: std::io::Error| {
        let problem = Problem::File { path: folder.to_owned(), folder: true };
        OperationError::from(problem).because(error.to_string())
    };
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(failed)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')))
        .collect();
    entries.sort();
    Ok(entries)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, OperationError> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// YAML files of a folder; in `group_vars` and `host_vars` the ending may be left out, as in Ansible.
fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, OperationError> {
    let variables =
        folder.components().any(|part| matches!(part.as_os_str().to_str(), Some("group_vars" | "host_vars")));
    let wanted = |path: &PathBuf| match path.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml" | "json") => true,
        None => variables,
        Some(_) => false,
    };
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).filter(wanted).collect())
}
