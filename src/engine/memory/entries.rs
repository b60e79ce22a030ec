//! Which entries of HAProxy's memory lead to which file of ours. One file has many spellings, and each is an entry of its own.

use std::time::Duration;

use crate::engine::host::session::Session;
use crate::install::{FilePart, Script};
use crate::model::Secret;
use crate::plan::HostPlan;
use crate::ports::Connection;
use crate::service::{ALIASES, ENTRIES, Haproxy, HaproxyCertificate};

const DEADLINE: Duration = Duration::from_secs(60);

/// What an entry may lead to: the certificates that the playbook names for it, and then the other links and copies that hold one.
pub(super) fn files(plan: &HostPlan, haproxy: &Haproxy) -> Vec<HaproxyCertificate> {
    let mut files = haproxy.certificates.clone();
    let links = plan.install.links.iter().map(|(path, file)| (path, file));
    let copies = plan.install.copies.iter().map(|copy| (&copy.path, &copy.file));
    for (path, file) in links.chain(copies) {
        let holds_one = matches!(file.part, FilePart::Fullchain | FilePart::Combined | FilePart::KeyFirst);
        if holds_one && !files.iter().any(|one| one.path == *path) {
            files.push(HaproxyCertificate { path: path.clone(), file: *file, alias: None });
        }
    }
    files
}

/// For each file, the names of all entries that lead to it. The host is asked about names that are not plainly the files' own,
/// all of them at once.
///
/// # Errors
/// In words, when the host does not say.
pub(super) async fn entries<C: Connection>(
    session: &Session<C>,
    plan: &HostPlan,
    haproxy: &Haproxy,
    names: &[String],
) -> Result<Vec<Vec<String>>, String> {
    let files = files(plan, haproxy);
    let mut found: Vec<Vec<String>> = files
        .iter()
        .take(haproxy.certificates.len())
        .map(|file| file.among(names).map(str::to_owned).into_iter().collect())
        .collect();
    found.resize(files.len(), Vec::new());
    let is_open = |name: &&String| !found.iter().flatten().any(|one| one == *name);
    let rest: Vec<&String> = names.iter().filter(is_open).collect();
    if rest.is_empty() {
        return Ok(found);
    }
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let base = files.iter().zip(&found).find_map(|(file, names)| base(file, names.first()?));
    let script =
        Script::new().assign("files", &paths.join("\n")).assign("base", base.as_deref().unwrap_or_default());
    // A name that begins so is a certificate store's own word (HAProxy 3.0), and its configuration knows the path.
    let script = match rest.iter().any(|name| name.starts_with('@')) {
        true => script.assign("config", haproxy.config.as_str()).text(ALIASES).text(ENTRIES),
        false => script.text(ENTRIES),
    };
    let lines: String = rest.iter().map(|name| format!("{name}\n")).collect();
    let names = Secret::new(lines.into_bytes());
    let output = session.run(plan, &script, Some(names), DEADLINE).await;
    let output = output.map_err(|failure| failure.reason().to_owned())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let Some((led, _)) = said.split_once("all\n") else {
        return Err("the host does not say where HAProxy's certificates lead".to_owned());
    };
    for line in led.lines() {
        let counted = |word: &str| word.parse::<usize>().ok()?.checked_sub(1);
        let entry = line.split_once(' ').and_then(|(name, file)| Some((counted(name)?, counted(file)?)));
        if let Some((name, file)) = entry
            && let (Some(name), Some(found)) = (rest.get(name), found.get_mut(file))
        {
            found.push((*name).clone());
        }
    }
    Ok(found)
}

/// The folder that a relative name is seen from, as one shows whose file is known.
fn base(file: &HaproxyCertificate, name: &str) -> Option<String> {
    let relative = name.trim_start_matches("./");
    if relative.starts_with('/') {
        return None;
    }
    file.path.as_str().strip_suffix(relative)?.strip_suffix('/').map(str::to_owned)
}
