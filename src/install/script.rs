//! What runs on a host: fixed text from `scripts/*.sh` after quoted assignments.

use crate::install::shell::assignments;
use crate::install::texts::{
    ACTIVE, BOOT_FILE, COMMON, FOLDERS, GUARD, INSPECT, LISTENERS, OLD_PROCESSES, PLACES, READERS, READS,
    SUDO_LOGS, WAYS,
};
use crate::install::{DeadMan, FileName, Input, InstallSpec, Ownership, Script, StagePayload, Word};
use crate::model::{HostPath, Secret, ServiceName, Version};

/// A service as a script sees it: settings, and shell text that defines `hook_facts`, `hook_test` and
/// `hook_reload`, `hook_undo` where the host alone reloads it in another way, and `hook_reads` where it tells which
/// certificates its configuration names, or that it does not take that configuration as it is, `hook_names` where it tells the former
/// without a test, `hook_old` where it counts its processes that outlive a reload, and `hook_words` where it has a log of its own. Each says what is wrong and fails, or succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptService {
    /// As shown to people.
    pub name: ServiceName,
    /// Shell variables that the text uses.
    pub settings: Vec<(&'static str, String)>,
    /// The text.
    pub script: &'static str,
    /// The TCP ports that it is proven at on the host itself.
    pub ports: Vec<u16>,
}

/// What the shell that [attends](crate::install::RemoteShells) a host is asked to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// A line for the shell's standard input, without its end; or where it is a script, that and the script. It holds no
    /// secret.
    pub line: String,
    /// What follows on the same input: the task reads that and no more. May hold secrets.
    pub payload: Option<Secret>,
}

impl Task {
    /// Begins the line that the shell prints when a task is over; its exit status follows.
    pub const ENDED: &str = "certwave:ended ";
    /// The line between what a script printed and what it said on standard error.
    const WORDS: &[u8] = b"\ncertwave:words\n";

    /// One without settings.
    pub(super) fn plain(step: &str) -> Self {
        Self::new(step, &[])
    }

    fn new(step: &str, settings: &[(&str, &str)]) -> Self {
        Self { line: format!("run {}{step}", assignments(settings)), payload: None }
    }

    /// A script of its own. The answer is for [`Task::streams`] to take apart.
    pub fn script(script: &Script, input: Option<Secret>) -> Self {
        let line = match &input {
            None => format!("script 0\n{}", script.program(Input::Later)),
            Some(input) => {
                let program = script.program(Input::Follows);
                format!("script {}\n{program}", program.len() + input.size())
            }
        };
        Self { line: line.trim_end_matches('\n').to_owned(), payload: input }
    }

    /// What a script printed, and what it said on standard error, of what the shell answered.
    pub fn streams(mut answer: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let between = answer.windows(Self::WORDS.len()).rposition(|bytes| bytes == Self::WORDS);
        let Some(at) = between else { return (answer, Vec::new()) };
        let mut words = answer.split_off(at);
        words.drain(..Self::WORDS.len());
        (answer, words)
    }
}

/// What the host said a moment ago, under the same lock. It is not asked for that once more, which takes processes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlreadyKnown {
    /// The version is staged; else its files are compared with its manifest.
    pub whole: bool,
    /// Every link leads into what is live, and that is the version before; else each is read.
    pub linked: bool,
    /// What was live. Where nobody confirmed it, that is not what the host goes back to.
    pub live: Option<Version>,
}

impl InstallSpec {
    /// Gathers [`crate::install::Facts`] of a host that is about to be changed: its folders are tried.
    pub fn inspect() -> Task {
        Task::new("inspect", &[])
    }

    /// Gathers [`crate::install::Facts`] without touching anything.
    pub fn survey(&self, services: &[ScriptService]) -> Script {
        self.owned(with_services(self.prelude(), services))
            .assign("survey", "yes")
            .text(COMMON)
            .text(SUDO_LOGS)
            .text(&self.each_link())
            .text(WAYS)
            .text(FOLDERS)
            .text(PLACES)
            .text(ACTIVE)
            .text(READS)
            .text(BOOT_FILE)
            .text(GUARD)
            .raw(DeadMan::lasting(self.boot_unit))
            .text(READERS)
            .text(LISTENERS)
            .text(INSPECT)
    }

    /// Reads the status of the disk; writes nothing, not even for a moment, and waits for nobody. Answer: [`crate::install::OnDisk`].
    /// `services` tell what their configurations name.
    pub fn status(&self, services: &[ScriptService]) -> Script {
        with_services(self.prelude(), services)
            .assign("survey", "yes")
            .text(COMMON)
            .text(&self.each_link())
            .text(WAYS)
            .text(FOLDERS)
            .text(PLACES)
            .text(ACTIVE)
            .text(READS)
            .text(OLD_PROCESSES)
            .text(BOOT_FILE)
            .text(GUARD)
            .text(include_str!("scripts/status.sh"))
    }

    /// Puts a version into the archive. Answer: [`crate::install::Staged`].
    pub fn stage(version: &Version, payload: &StagePayload, ownership: &Ownership) -> Task {
        let size = payload.bytes.size().to_string();
        let settings = assignments(&[
            ("version", version.as_str()),
            ("size", &size),
            ("folder", &payload.folder),
            ("formats", &payload.formats),
            ("owner", &ownership.owner),
            ("group", &ownership.group),
            ("key_mode", &format!("{:04o}", ownership.key_mode)),
        ]);
        Task { line: format!("take {settings}stage"), payload: Some(payload.bytes.clone()) }
    }

    /// Switches to a staged version, tests and reloads. Answer: [`crate::install::Activation`].
    ///
    /// `previous` is what a failed test goes back to: the live version, or on a first rollout the version to keep
    /// what stands at the links as. None on a first installation.
    ///
    /// `dead_man` is the switch that is armed before.
    pub fn activate(
        version: &Version,
        previous: Option<&Version>,
        dead_man: Option<&DeadMan>,
        seen: &AlreadyKnown,
    ) -> Task {
        let armed = dead_man.map(DeadMan::settings).unwrap_or_default();
        let previous = previous.map_or("", Version::as_str);
        let word = |yes| if yes { "yes" } else { "no" };
        let settings = [
            ("version", version.as_str()),
            ("whole", word(seen.whole)),
            ("linked", word(seen.linked)),
            ("previous", previous),
            ("found", seen.live.as_ref().map_or("", Version::as_str)),
            ("armed", &armed),
        ];
        Task::new("activate", &settings)
    }

    /// Back to a version that was live before. Answer: [`crate::install::Rollback`]. Without `reload` only the link is
    /// put back: right where nothing was reloaded since.
    pub fn rollback(previous: &Version, reload: bool) -> Task {
        let reload = if reload { "yes" } else { "no" };
        Task::new("rollback", &[("version", previous.as_str()), ("reload", reload)])
    }

    /// Makes the live version final: disarms the dead-man switch, or says that it put the one before back. Prunes the
    /// archive down to `keep` versions, never the live one, `previous` or what the host goes back to next, and removes what
    /// killed steps left. Versions that were not verified there go first.
    /// `shorter` is what the history is to begin with, where it became too long. `back`: the host was sent back to the
    /// version, and so from what it was verified on since. Answer: [`crate::install::Pruned`].
    pub fn commit(version: &Version, previous: Option<&Version>, shorter: &[Version], back: bool) -> Task {
        let previous = previous.map_or("", Version::as_str);
        let verified = shorter.iter().map(Version::as_str).collect::<Vec<_>>().join(" ");
        let back = if back { "yes" } else { "no" };
        let settings = [
            ("committed", version.as_str()),
            ("back", back),
            ("previous", previous),
            ("verified", &verified),
        ];
        Task::new("commit", &settings)
    }

    /// Prints a file of a version, which may be a key; fails where there is none. Changes nothing.
    pub fn read(&self, version: &Version, file: FileName) -> Script {
        Self::read_key(self.layout.version(version).join(&file.to_string()).as_str())
    }

    /// Prints a file, which may be a key; fails where there is none. Changes nothing.
    pub fn read_key(path: &str) -> Script {
        Script::new().assign("path", path).text("exec cat \"$path\"")
    }

    /// Prints a file of somebody else's, but not what could be a key in it; fails where there is none.
    pub fn show_without_keys(path: &str) -> Script {
        Script::new().assign("path", path).text(include_str!("scripts/without_keys.sh"))
    }

    /// Prints the leaves of a version in the archive; changes nothing. Answer: [`crate::install::shown_leaves`].
    pub fn show_certificates(&self, version: &Version) -> Script {
        self.prelude()
            .assign("version", version.as_str())
            .text(COMMON)
            .text(WAYS)
            .text(FOLDERS)
            .text(PLACES)
            .text(ACTIVE)
            .text(include_str!("scripts/show.sh"))
    }

    pub(super) fn prelude(&self) -> Script {
        Script::new()
            .assign("directory", self.layout.directory().as_str())
            .assign("name", self.layout.name().as_str())
    }

    /// Whose files are, as far as the playbook says: what stands on the host may say the rest.
    pub(super) fn owned(&self, script: Script) -> Script {
        let said = |name: &Option<String>| name.clone().unwrap_or_default();
        script.assign("owner", &said(&self.owner)).assign("group", &said(&self.group))
    }

    /// Defines `each_link COMMAND`, which calls it with every link's path and file; `read_links`, which prints where
    /// `live` and all links lead, and ends its shell; and `own_links`, which is what that is of links that are ours, each after a line's end.
    pub(super) fn each_link(&self) -> String {
        let word = |path: &HostPath| Word::new(path.as_str());
        let each = |one: &dyn Fn(&HostPath, &FileName) -> String| -> String {
            self.links.iter().map(|(path, file)| one(path, file)).collect()
        };
        let calls = each(&|path, file| format!("\"$1\" {} {file}\n", word(path)));
        let paths = each(&|path, _| format!(" {}", word(path)));
        let own = each(&|_, file| format!("\n$live/{file}"));
        format!(
            "each_link() {{\n:\n{calls}}}\nread_links() {{ exec readlink \"$live\"{paths}; }}\nown_links=\"{own}\"\n{}",
            self.each_copy()
        )
    }

    /// Defines `each_copy COMMAND`, which calls it with every copy's path, file, and owner, group and mode, as far as the
    /// playbook says.
    fn each_copy(&self) -> String {
        let said = |text: &Option<String>| Word::new(text.as_deref().unwrap_or_default());
        let calls: String = (self.copies.iter())
            .map(|copy| {
                let mode = copy.mode.map(|mode| format!("{mode:04o}"));
                let (path, owner, group) =
                    (Word::new(copy.path.as_str()), said(&copy.owner), said(&copy.group));
                format!("\"$1\" {path} {} {owner} {group} {}\n", copy.file, said(&mode))
            })
            .collect();
        format!("each_copy() {{\n:\n{calls}}}\n")
    }
}

/// Each text once, in the order in which they come.
pub(super) fn distinct(texts: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
    let mut distinct = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}

/// Defines `hooks_K HOOK` for each of the services' texts, numbered from 1.
pub(super) fn define_hooks(script: Script, hooks: &[&'static str]) -> Script {
    (1..).zip(hooks).fold(script, |script, (number, text)| {
        script
            .text(&format!("hooks_{number}() {{"))
            // What a host does alone, where the controller would speak to a socket.
            .text("hook_undo() { hook_reload; }")
            // Not every server tells which certificates it reads.
            .text("hook_reads() { :; }")
            // Nor can every one tell without a test of it.
            .text("hook_names() { :; }")
            // Nor does each have a log that is known.
            .text("hook_words() { :; }")
            // Nor does each leave old processes behind.
            .text("hook_old() { :; }")
            .text(text)
            .text("\"hook_$1\"\n}")
    })
}

/// Defines `service_N HOOK` and `called_N`, its name, and `ports_N`, its ports in hexadecimal, for each service, numbered from 1, and `services`, their numbers; `leaving`, those of which old processes may
/// outlive a reload;
/// `hooks` has their texts.
/// They run in subshells, so that two services do not see each other's functions.
pub(super) fn define_services(script: Script, services: &[ScriptService], hooks: &[&'static str]) -> Script {
    let numbers: Vec<String> = (1..=services.len()).map(|number| number.to_string()).collect();
    let leaves = |(service, _): &(&ScriptService, &String)| service.script.contains("\nhook_old() {");
    let leaving: Vec<&str> =
        services.iter().zip(&numbers).filter(leaves).map(|(_, number)| number.as_str()).collect();
    services.iter().zip(&numbers).fold(
        script.assign("services", &numbers.join(" ")).assign("leaving", &leaving.join(" ")),
        |script, (service, number)| {
            let of = hooks.iter().position(|text| *text == service.script).map_or(0, |at| at + 1);
            let named = script.assign(&format!("called_{number}"), service.name.as_str());
            let ports: Vec<String> = service.ports.iter().map(|port| format!("{port:04X}")).collect();
            let named = named.assign(&format!("ports_{number}"), &ports.join(" "));
            let begun = named.text(&format!("service_{number}() {{\nthis_service={number}"));
            (service.settings.iter())
                .fold(begun, |script, (name, value)| script.assign(name, value))
                .text(&format!("hooks_{of} \"$1\"\n}}"))
        },
    )
}

/// Both, for a script of its own.
pub(super) fn with_services(script: Script, services: &[ScriptService]) -> Script {
    let hooks = distinct(services.iter().map(|service| service.script));
    define_services(define_hooks(script, &hooks), services, &hooks)
}
