//! The scripts of each step: fixed text from `scripts/*.sh` after a prelude of quoted assignments.

use super::{FileName, InstallSpec, Script};
use crate::model::{HostPath, ServiceName, Version};

/// A service as a script sees it: settings, and shell text that defines `hook_facts`, `hook_test` and
/// `hook_reload`, `hook_undo` where the host alone reloads it in another way, and `hook_reads` where it tells which
/// certificates its configuration names. Each says what is wrong and fails, or succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// As shown to people.
    pub name: ServiceName,
    /// Shell variables that the text uses.
    pub settings: Vec<(&'static str, String)>,
    /// The text.
    pub script: &'static str,
}

impl InstallSpec {
    /// Takes the lock and holds it until its standard input ends; it then prints nothing more. The first line
    /// is a [`super::LockAnswer`]. `who` names the rollout and the controller, for a second one to read: `ROLLOUT by PROCESS`. An earlier
    /// connection of the same rollout is ended.
    pub fn lock(&self, who: &str) -> Script {
        self.prelude().assign("who", who).text(COMMON).text(include_str!("scripts/lock.sh"))
    }

    /// Gathers [`super::Facts`] of a host that is about to be changed: its folders are tried.
    pub fn inspect(&self, services: &[Service]) -> Script {
        self.facts(services, "no")
    }

    /// Gathers [`super::Facts`] without touching anything, and what servers' configurations name.
    pub fn survey(&self, services: &[Service]) -> Script {
        self.facts(services, "yes")
    }

    fn facts(&self, services: &[Service], survey: &str) -> Script {
        self.owned(with_services(self.prelude(), services))
            .assign("survey", survey)
            .text(COMMON)
            .text(&self.each_link())
            .text(ACTIVE)
            .text(include_str!("scripts/inspect.sh"))
    }

    /// Looks at the disk; writes nothing, not even for a moment, and waits for nobody. Answer: [`super::OnDisk`].
    pub fn look(&self) -> Script {
        self.prelude().text(COMMON).text(&self.each_link()).text(ACTIVE).text(include_str!("scripts/look.sh"))
    }

    /// Puts a version into the archive; [`super::stage_payload`] goes to standard input. Answer: [`super::Staged`].
    pub fn stage(&self, version: &Version) -> Script {
        self.owned(self.prelude())
            .assign("version", version.as_str())
            .text(COMMON)
            .text(CHANGE)
            .text(include_str!("scripts/stage.sh"))
    }

    /// Switches to a staged version, tests and reloads. Answer: [`super::Activation`].
    ///
    /// `previous` is what a failed test goes back to: the live version, or on a first rollout the version to keep
    /// what stands at the links as. None on a first installation.
    ///
    /// `dead_man` is the switch that is armed before: see [`InstallSpec::dead_man`].
    pub fn activate(
        &self,
        version: &Version,
        previous: Option<&Version>,
        services: &[Service],
        dead_man: Option<&Script>,
    ) -> Script {
        with_services(self.prelude(), services)
            .assign("dead_man", dead_man.map_or("", Script::as_str))
            .assign("version", version.as_str())
            .assign("previous", previous.map_or("", Version::as_str))
            .text(COMMON)
            .text(CHANGE)
            .text(&self.each_link())
            .text(include_str!("scripts/activate.sh"))
    }

    /// Back to a version that was live before. Answer: [`super::Rollback`]. Without `reload` only the link is
    /// put back: right where nothing was reloaded since.
    pub fn rollback(&self, previous: &Version, services: &[Service], reload: bool) -> Script {
        with_services(self.prelude(), services)
            .assign("version", previous.as_str())
            .assign("reload", if reload { "yes" } else { "no" })
            .text(COMMON)
            .text(CHANGE)
            .text(include_str!("scripts/rollback.sh"))
    }

    /// Makes the live version final: disarms the dead-man switch, or says that it put the one before back. Prunes the
    /// archive down to `keep` versions, never the live one nor `previous`, and removes what killed steps left.
    /// Answer: [`super::Committed`].
    pub fn commit(&self, version: &Version, previous: Option<&Version>) -> Script {
        self.prelude()
            .assign("committed", version.as_str())
            .assign("keep", &self.keep.to_string())
            .assign("previous", previous.map_or("", Version::as_str))
            .text(COMMON)
            .text(CHANGE)
            .text(&self.each_link())
            .text(include_str!("scripts/commit.sh"))
    }

    /// Prints a file of a version, which may be a key; fails where there is none. Changes nothing.
    pub fn read(&self, version: &Version, file: FileName) -> Script {
        let path = self.layout.version(version).join(&file.to_string());
        Script::new().assign("path", path.as_str()).text("exec cat \"$path\"")
    }

    /// Prints a file of somebody else's, but not what could be a key in it; fails where there is none.
    pub fn show_without_keys(path: &str) -> Script {
        Script::new().assign("path", path).text(include_str!("scripts/without_keys.sh"))
    }

    /// Prints the leaves of a version in the archive, each with what follows it; changes nothing.
    pub fn show_certificates(&self, version: &Version) -> Script {
        self.prelude().assign("version", version.as_str()).text(COMMON).text(include_str!("scripts/show.sh"))
    }

    pub(super) fn prelude(&self) -> Script {
        Script::new()
            .assign("directory", self.layout.directory().as_str())
            .assign("name", self.layout.name().as_str())
    }

    fn owned(&self, script: Script) -> Script {
        script.assign("owner", &self.owner).assign("group", &self.group)
    }

    /// Defines `each_link COMMAND`, which calls it with every link's path and file; `read_links`, which prints where
    /// `live` and all links lead; and `own_links`, which is what that is of links that are ours, each after a line's end.
    pub(super) fn each_link(&self) -> String {
        let word = |path: &HostPath| super::Word::new(path.as_str());
        let each = |one: &dyn Fn(&HostPath, &FileName) -> String| -> String {
            self.links.iter().map(|(path, file)| one(path, file)).collect()
        };
        let calls = each(&|path, file| format!("\"$1\" {} {file}\n", word(path)));
        let paths = each(&|path, _| format!(" {}", word(path)));
        let own = each(&|_, file| format!("\n$live/{file}"));
        format!(
            "each_link() {{\n:\n{calls}}}\nread_links() {{ readlink \"$live\"{paths}; }}\nown_links=\"{own}\"\n"
        )
    }
}

pub(super) const COMMON: &str = include_str!("scripts/common.sh");
/// What is active: certificates only, never a key.
const ACTIVE: &str = include_str!("scripts/active.sh");
pub(super) const CHANGE: &str = include_str!("scripts/change.sh");

/// Defines `service_N HOOK` for each service, numbered from 1, and `services`, their numbers. The hooks run in
/// subshells, so that two services do not see each other's functions.
pub(super) fn with_services(script: Script, services: &[Service]) -> Script {
    let numbers: Vec<String> = (1..=services.len()).map(|number| number.to_string()).collect();
    services.iter().zip(&numbers).fold(
        script.assign("services", &numbers.join(" ")),
        |script, (service, number)| {
            service
                .settings
                .iter()
                .fold(script.text(&format!("service_{number}() {{")), |script, (name, value)| {
                    script.assign(name, value)
                })
                // What a host does alone, where the controller would speak to a socket.
                .text("hook_undo() { hook_reload; }")
                // Not every server tells which certificates it reads.
                .text("hook_reads() { :; }")
                .text(service.script)
                .text("\"hook_$1\"\n}")
        },
    )
}
