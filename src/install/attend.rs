//! The shell that stays on a host while it is changed.

use crate::install::facts::NEEDED_KIB;
use crate::install::script::{ScriptService, Task, define_hooks, define_services, distinct};
use crate::install::shell::{LOADER, read_program};
use crate::install::texts::{
    ACTIVE, BOOT_FILE, CHANGE, COMMON, FOLDERS, GUARD, INSPECT, LISTENERS, OLD_PROCESSES, PLACES, READERS,
    READS, STAGE, SUDO_LOGS, WAYS,
};
use crate::install::{DeadMan, InstallSpec, Script};
use crate::model::Secret;

/// Makes the shells that attend the hosts of a rollout. A shell takes its host's lock and holds it until its standard
/// input ends; its first line is a [`crate::install::LockAnswer`]. Then it runs [`Task`]s. An earlier connection of the same
/// rollout is ended.
///
/// One shell for all tasks: each further session costs the host several processes, and everybody a round trip. What all
/// shells have in common is there once, however many hosts are attended.
#[derive(Debug, Clone)]
pub struct RemoteShells {
    who: String,
    hooks: Vec<&'static str>,
    common: Secret,
}

impl RemoteShells {
    /// `who` names the rollout and the controller, for a second one to read: `ROLLOUT by PROCESS`. `scripts` are those
    /// of all services on all hosts.
    pub fn new(who: &str, scripts: impl IntoIterator<Item = &'static str>) -> Self {
        let hooks = distinct(scripts);
        // What the dead-man switch needs as well is text first, so that it is there once.
        let shared = define_hooks(Script::new(), &hooks)
            .text(COMMON)
            .text(BOOT_FILE)
            .text(CHANGE)
            .text(WAYS)
            .text(FOLDERS)
            .text(PLACES);
        let common = Script::new()
            .assign("common", shared.as_str())
            .assign("await", DeadMan::waiting().as_str())
            .assign("fire", DeadMan::firing().as_str())
            .text("shared=$own$common$links\neval \"$shared\"")
            .text(ACTIVE)
            .text(READS)
            .text(READERS)
            .text(OLD_PROCESSES)
            .text(include_str!("scripts/journal.sh"))
            .text(LISTENERS)
            .text(GUARD)
            .raw(DeadMan::starting())
            .raw(DeadMan::outliving())
            .function("inspect", INSPECT)
            .function("stage", STAGE)
            .function("activate", include_str!("scripts/activate.sh"))
            .function("rollback", include_str!("scripts/rollback.sh"))
            .function("commit", include_str!("scripts/commit.sh"))
            .function("own_words", include_str!("scripts/own_words.sh"))
            .function("run_script", &format!("exec {LOADER}"))
            .text(SUDO_LOGS)
            .text(include_str!("scripts/lock.sh"))
            .text(include_str!("scripts/attend.sh"));
        let common = format!("{}}}\n", common.as_str());
        Self { who: who.to_owned(), hooks, common: Secret::new(common.into_bytes()) }
    }

    /// The shell for one host. The `first` task, one without a payload, is done unasked: that saves a round trip.
    pub fn attend(
        &self,
        install: &InstallSpec,
        services: &[ScriptService],
        first: Option<&Task>,
    ) -> Attending {
        let own = define_services(install.prelude(), services, &self.hooks);
        // One command from here to the end of what all have in common: what came in part is none, and is not run.
        let settings = install
            .owned(Script::new().text("{"))
            .assign("who", &self.who)
            .assign("first", first.map_or("", |task| &task.line))
            .assign("keep", &install.keep.to_string())
            .assign("boot_unit", if install.boot_unit { "yes" } else { "no" })
            .assign("survey", "no")
            .assign("room", &(NEEDED_KIB * 1024).to_string())
            .assign("own", own.as_str())
            .assign("links", &install.each_link());
        Attending { input: [Secret::new(settings.as_str().into()), self.common.clone()] }
    }
}

/// A shell to be started. Its script comes on its standard input, as every script does ([`crate::install::login_line`]).
#[derive(Debug, Clone)]
pub struct Attending {
    /// What is sent to it first, one piece after the other.
    pub input: [Secret; 2],
}

impl Attending {
    /// The line before its input: it reads the script there, and runs it.
    pub fn first_line(&self) -> String {
        let size: usize = self.input.iter().map(Secret::size).sum();
        read_program(size) + "\n"
    }
}
