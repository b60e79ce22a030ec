//! `certwave init`

use std::path::Path;

use super::super::args::Init;
use super::super::error::Failure;
use super::super::exit::Exit;

const FILES: [(&str, &str); 3] = [
    ("certwave.yaml", include_str!("init/certwave.yaml")),
    ("inventories/fleet.yaml", include_str!("../../../inventories/example.yaml")),
    ("playbooks/api.example.com.yaml", include_str!("../../../playbooks/api.example.com.yaml")),
];

/// Nothing that is there is ever overwritten.
pub(super) fn run(args: &Init) -> Result<Exit, Failure> {
    let there: Vec<&str> =
        FILES.iter().map(|(name, _)| *name).filter(|name| args.directory.join(name).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::usage(format!("`{}` exists already; nothing was written", there.join("`, `")))
            .hint("choose another folder: `certwave init DIR`"));
    }
    for (name, text) in FILES {
        let path = args.directory.join(name);
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| Failure::to(&format!("write `{}`", path.display()), &error))?;
        super::print(&format!("wrote {}", path.display()));
    }
    super::print("next: put your hosts and names in, then `certwave check playbooks/*.yaml`");
    Ok(Exit::Done)
}
