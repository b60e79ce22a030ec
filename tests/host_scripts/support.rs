//! A host in a folder: a shell, its tools, and the scripts run as sshd would run them.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use certwave::install::{
    Activation, AlreadyKnown, Facts, FileName, FilePart, Input, InstallError, InstallSpec, Layout, Ownership,
    Pruned, RemoteShells, Rollback, Script, ScriptService, StagePayload, Staged, Task, Word, login_line,
};
use certwave::model::{HostPath, Secret, Version};
use certwave::service::{self, ServiceSpec};
use nix::unistd::Pid;
use tempfile::TempDir;

pub(crate) use crate::managed::Manager;
pub(crate) use crate::running::{Ended, PATIENCE, finish, within};
pub(crate) use crate::shells::{AWKS, SHELLS, Shell, each_shell, in_every_shell};
use crate::shells::{TOOLS, busybox_has};

/// Who runs the tests.
static OWNER: LazyLock<String> = LazyLock::new(|| words("id", &["-un"]));
static GROUP: LazyLock<String> = LazyLock::new(|| words("id", &["-gn"]));

/// Where hosts are: in memory, if programs may be run there. Scripts flush what they write, and a disk takes its time.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let runs = || {
        let folder = tempfile::tempdir_in(&memory).ok()?;
        let program = folder.path().join("sh");
        fs::copy("/bin/sh", &program).ok()?;
        Command::new(program).args(["-c", "exit 0"]).status().ok().filter(|status| status.success())
    };
    if runs().is_some() { memory } else { std::env::temp_dir() }
});

/// A script, and what it finds on its standard input.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) script: Script,
    pub(crate) input: Vec<u8>,
}

pub(crate) struct Host {
    root: TempDir,
    pub(crate) shell: Shell,
    pub(crate) spec: InstallSpec,
    pub(crate) services: Vec<ScriptService>,
    /// Folders that go before the host's own `PATH`.
    pub(crate) path_prefix: Vec<PathBuf>,
    /// Said by the login shell before the script: `ulimit -f 8; `.
    pub(crate) login: String,
    /// The user that scripts run as, where it is not the tests' own.
    pub(crate) uid: Option<u32>,
    /// The user that scripts become through sudo.
    pub(crate) become_user: Option<String>,
    /// What manages its services.
    pub(crate) manager: Manager,
}

impl Host {
    /// An empty host, whose folder's name needs quoting.
    pub(crate) fn new(shell: Shell) -> Host {
        Host::named(shell, "it's a $HOST")
    }

    pub(crate) fn named(shell: Shell, folder: &str) -> Host {
        Host::within(&PLACE, shell, folder)
    }

    pub(crate) fn within(place: &Path, shell: Shell, folder: &str) -> Host {
        let root = tempfile::tempdir_in(place).unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bin = root.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let program = match shell {
            Shell::Dash => "/bin/dash",
            Shell::Bash => "/bin/bash",
            Shell::Busybox => "/bin/busybox",
        };
        symlink(program, bin.join("sh")).unwrap();
        if shell == Shell::Busybox {
            for tool in TOOLS.iter().filter(|tool| busybox_has(tool)) {
                symlink("/bin/busybox", bin.join(tool)).unwrap();
            }
        }
        // Where systemd runs this machine, its log is not the host's.
        let logger = bin.join("logger");
        let log = quoted(&root.path().join("log"));
        fs::write(&logger, format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{log}'\n")).unwrap();
        fs::set_permissions(logger, fs::Permissions::from_mode(0o755)).unwrap();
        match std::env::var("CERTWAVE_TEST_AWK") {
            Ok(awk) => link_awk(&bin, &awk),
            Err(_) if shell == Shell::Bash => link_awk(&bin, "gawk"),
            Err(_) => {}
        }
        let directory: HostPath = root.path().join(folder).to_str().unwrap().parse().unwrap();
        let spec = InstallSpec {
            layout: Layout::new(directory, "a.test".parse().unwrap()),
            keep: 3,
            owner: Some(OWNER.clone()),
            group: Some(GROUP.clone()),
            key_mode: Some(0o600),
            boot_unit: true,
            links: Vec::new(),
            copies: Vec::new(),
        };
        Host {
            root,
            shell,
            spec,
            services: Vec::new(),
            path_prefix: Vec::new(),
            login: String::new(),
            uid: None,
            become_user: None,
            manager: Manager::None,
        }
    }

    /// With one of [`AWKS`] instead of its own.
    pub(crate) fn with_awk(self, awk: &str) -> Host {
        link_awk(&self.file("bin"), awk);
        self
    }

    /// With a service that refuses a certificate with `bad` in it, and logs its reloads.
    pub(crate) fn with_command(mut self) -> Host {
        let live = self.live("fullchain.pem");
        let log = self.file("reloads");
        self.command(
            &format!("! grep bad '{}'", quoted(&live)),
            &format!("cat '{}' >>'{}'", quoted(&live), quoted(&log)),
        );
        self
    }

    pub(crate) fn command(&mut self, test: &str, reload: &str) {
        let spec =
            ServiceSpec::Command(service::Command { test: Some(test.to_owned()), reload: reload.to_owned() });
        self.add_service("command", &spec, 30);
    }

    pub(crate) fn add_service(&mut self, name: &str, spec: &ServiceSpec, patience: u32) {
        self.services.push(ScriptService {
            name: name.parse().unwrap(),
            settings: spec.settings(patience),
            script: spec.script(),
            ports: Vec::new(),
        });
    }

    /// A path in the host's folder, beside what is installed.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn link(&mut self, name: &str, file: FilePart) -> PathBuf {
        let path = self.file(name);
        self.spec.links.push((path.to_str().unwrap().parse().unwrap(), file.into()));
        path
    }

    /// One more tool for a host that has busybox's alone. Without `flock` it is not known who else is there.
    pub(crate) fn lend(&self, tool: &str) {
        if self.shell == Shell::Busybox {
            symlink(words("sh", &["-c", &format!("command -v {tool}")]), self.file("bin").join(tool))
                .unwrap();
        }
    }

    /// What runs instead of one of its tools; `$real` is that.
    pub(crate) fn shim(&mut self, tool: &str, script: &str) {
        let shims = self.file("shims");
        self.shim_in(&shims, tool, script);
        if !self.path_prefix.contains(&shims) {
            self.path_prefix.push(shims);
        }
    }

    /// The same in a folder that is in nobody's `PATH` yet.
    pub(crate) fn shim_in(&self, folder: &Path, tool: &str, script: &str) {
        assert!(self.shell.follows_path(), "its shell would not run it");
        fs::create_dir_all(folder).unwrap();
        let shim = folder.join(tool);
        fs::write(&shim, format!("#!/bin/sh\nreal='{}'\n{script}\n", self.tool(tool))).unwrap();
        fs::set_permissions(shim, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Where one of its tools is.
    pub(crate) fn tool(&self, name: &str) -> String {
        match self.shell {
            Shell::Busybox => self.file("bin").join(name).display().to_string(),
            _ => words("sh", &["-c", &format!("command -v {name}")]),
        }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.spec.layout.directory().as_str().into()
    }

    pub(crate) fn live(&self, file: &str) -> PathBuf {
        Path::new(self.spec.layout.live().as_str()).join(file)
    }

    /// The version that is live.
    pub(crate) fn live_version(&self) -> Option<Version> {
        let target = fs::read_link(self.spec.layout.live().as_str()).ok()?;
        Some(target.file_name()?.to_str()?.parse().unwrap())
    }

    /// A shell that waits for a script on its standard input, as a login starts it.
    pub(crate) fn login(&self) -> Command {
        self.login_shell(&[], &login_line(self.become_user.as_deref()))
    }

    /// A shell that has its script on its command line, where its input is to be something else's alone.
    pub(crate) fn login_command(&self, script: &Script) -> Command {
        self.login_command_after(&[], script)
    }

    /// The same with more folders before its `PATH`.
    pub(crate) fn login_command_after(&self, folders: &[PathBuf], script: &Script) -> Command {
        let sudo = self.become_user.as_ref().map(|user| format!("sudo -n -u {} -- ", Word::new(user)));
        let line = format!("exec {}sh -c {}", sudo.unwrap_or_default(), Word::new(script.as_str()));
        self.login_shell(folders, &line)
    }

    /// The command line, as sshd would give it to the login shell.
    fn login_shell(&self, folders: &[PathBuf], line: &str) -> Command {
        let bin = self.file("bin");
        let folders = folders.iter().chain(&self.path_prefix).chain([&bin]);
        let mut path = folders.map(|folder| folder.to_str().unwrap()).collect::<Vec<_>>().join(":");
        if self.shell != Shell::Busybox {
            path.push_str(":/usr/local/bin:/usr/bin:/bin");
        }
        let mut command = self.manager.command(self, &bin.join("sh"));
        command.args(["-c", &format!("{}{line}", self.login)]);
        command.env_clear().env("PATH", path).env("HOME", "/").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        if let (Some(uid), Manager::None) = (self.uid, &self.manager) {
            command.uid(uid).gid(uid);
        }
        command
    }

    pub(crate) fn run_with(&self, script: &Script, stdin: &[u8]) -> Ended {
        let program = script.program(Input::Follows).into_bytes();
        finish(self.login().spawn().unwrap(), &[&program, stdin].concat())
    }

    pub(crate) fn run(&self, script: &Script) -> Ended {
        finish(self.login().spawn().unwrap(), script.program(Input::None).as_bytes())
    }

    /// The shell that attends the host, on a command line: then its input is for tasks alone, and busybox's `head` cannot
    /// take more of it than it should.
    pub(crate) fn attending(&self, who: &str) -> Script {
        let shells = RemoteShells::new(who, self.services.iter().map(|service| service.script));
        let input = shells.attend(&self.spec, &self.services, None).input;
        let text = input.iter().map(|piece| String::from_utf8_lossy(piece.expose())).collect::<String>();
        Script::new().assign("script", &text).text("eval \"$script\"")
    }

    /// The shell that attends the host, asked for one task.
    pub(crate) fn task(&self, task: &Task) -> Call {
        let script = self.attending("rollout 1 by process 1 on here");
        let mut input = format!("{}\n", task.line).into_bytes();
        input.extend(task.payload.iter().flat_map(|payload| payload.expose()));
        Call { script, input }
    }

    /// The answer to a task, as the controller reads it; where there is none, what the shell said.
    pub(crate) fn ask(&self, task: &Task) -> Ended {
        self.ask_after(task, || {})
    }

    /// The same, when something has happened since the lock was taken.
    pub(crate) fn ask_after(&self, task: &Task, meanwhile: impl FnOnce()) -> Ended {
        let Call { script, input } = self.task(task);
        let mut child = self.login_command(&script).spawn().unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let mut stdout = child.stdout.take().unwrap();
        // Byte by byte, so that nothing of the rest is taken.
        let (first, stdout) = within(Some(group), move || {
            let mut first = Vec::new();
            while !first.ends_with(b"\n") && stdout.by_ref().take(1).read_to_end(&mut first).unwrap() > 0 {}
            (first, stdout)
        });
        child.stdout = Some(stdout);
        meanwhile();
        let mut ended = finish(child, &input);
        ended.stdout.splice(0..0, first);
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        let answered = (|| {
            let (said, status) = said.trim_end_matches('\n').rsplit_once(Task::ENDED)?;
            Some((said.strip_prefix("certwave:locked\n")?, status.parse().ok()?))
        })();
        match answered {
            Some((said, status)) => Ended { status, stdout: said.into(), stderr: ended.stderr },
            None => ended,
        }
    }

    pub(crate) fn inspect(&self) -> Facts {
        self.inspect_after(|| {})
    }

    /// The same, when something has happened since the lock was taken.
    pub(crate) fn inspect_after(&self, meanwhile: impl FnOnce()) -> Facts {
        self.facts(&self.ask_after(&InstallSpec::inspect(), meanwhile))
    }

    /// What an inspection said.
    pub(crate) fn facts(&self, inspected: &Ended) -> Facts {
        Facts::parse(&inspected.output(), &self.spec, &self.services).unwrap_or_else(|error| {
            panic!("{:?}: {error}\n{}", self.shell, inspected.text());
        })
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems_after(|| {})
    }

    /// The same, when something has happened since the lock was taken.
    pub(crate) fn problems_after(&self, meanwhile: impl FnOnce()) -> Vec<String> {
        let facts = self.inspect_after(meanwhile);
        facts.problems(&self.spec, &self.services).iter().map(ToString::to_string).collect()
    }

    pub(crate) fn payload_of(&self, version: &Version, files: &[(FileName, Secret)]) -> StagePayload {
        StagePayload::new(self.spec.layout.name(), version, files)
    }

    /// Whose its files are, where nothing stands there.
    pub(crate) fn own(&self) -> Ownership {
        Ownership::without_any(&self.spec)
    }

    /// Version 2, of files that name `content`.
    pub(crate) fn payload(&self, content: &str) -> StagePayload {
        self.payload_of(&version(2), &files(content))
    }

    pub(crate) fn stage(&self, version: &Version, content: &str) -> Result<Staged, InstallError> {
        let payload = self.payload_of(version, &files(content));
        Staged::parse(&self.ask(&InstallSpec::stage(version, &payload, &self.own())).output())
    }

    pub(crate) fn activate(
        &self,
        version: &Version,
        previous: Option<&Version>,
    ) -> Result<Activation, InstallError> {
        let ended = self.ask(&InstallSpec::activate(version, previous, None, &AlreadyKnown::default()));
        Activation::parse(&ended.output(), &self.services)
    }

    pub(crate) fn rollback(&self, version: &Version, reload: bool) -> Result<Rollback, InstallError> {
        let ended = self.ask(&InstallSpec::rollback(version, reload));
        Rollback::parse(&ended.output(), &self.services)
    }

    pub(crate) fn commit(&self, previous: Option<&Version>) -> Pruned {
        let ended = self.ask(&InstallSpec::commit(&self.live_version().unwrap(), previous, &[], false));
        Pruned::parse(&ended.output()).unwrap_or_else(|error| panic!("{error}: {}", ended.text()))
    }

    /// Staged and activated, without a fault.
    pub(crate) fn install(&self, version: &Version, previous: Option<&Version>, content: &str) {
        self.stage(version, content).unwrap();
        assert_eq!(self.activate(version, previous).unwrap(), Activation::Activated, "{:?}", self.shell);
    }

    /// Every path in the install folder but for the locks, relative to it, sorted; a link with its target.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut paths = Vec::new();
        walk(&self.directory(), &mut paths);
        paths.sort();
        let inside = |path: String| path.replacen(&format!("{}/", self.directory().display()), "", 1);
        paths.into_iter().map(inside).filter(|path| !path.starts_with(".lock")).collect()
    }
}

fn link_awk(bin: &Path, awk: &str) {
    let _ = fs::remove_file(bin.join("awk"));
    symlink(words("sh", &["-c", &format!("command -v {awk}")]), bin.join("awk")).unwrap();
}

fn walk(folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match fs::read_link(&path) {
            Ok(target) => paths.push(format!("{} -> {}", path.display(), target.display())),
            Err(_) => {
                paths.push(path.display().to_string());
                if path.is_dir() {
                    walk(&path, paths);
                }
            }
        }
    }
}

pub(crate) fn words(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// For use between single quotes.
pub(crate) fn quoted(path: &Path) -> String {
    path.to_str().unwrap().replace('\'', r"'\''")
}

pub(crate) fn is_root() -> bool {
    words("id", &["-u"]) == "0"
}

/// The nth version.
pub(crate) fn version(n: u32) -> Version {
    format!("202611{n:02}T200100Z-0000000{:x}", n % 16).parse().unwrap()
}

/// Five files that name `content`, and what they are.
pub(crate) fn files(content: &str) -> Vec<(FileName, Secret)> {
    FilePart::ALWAYS
        .into_iter()
        .map(|file| (file.into(), Secret::new(body(content, file).into_bytes())))
        .collect()
}

pub(crate) fn body(content: &str, file: FilePart) -> String {
    format!("{content} {}\n", if FileName::from(file).is_secret() { "key" } else { "certificate" })
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
