//! The copy of the project in which rules are broken, and the tests that run there.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::patch::Mutant;

/// Units, rules, messages and properties: seconds, no network. The units come first, and notice most: only what they do not
/// notice is worth building the others for.
const FAST: &[&[&str]] = &[
    &["--lib"],
    &["--test=architecture", "--test=cli", "--test=inventory", "--test=journals", "--test=properties"],
];
/// The scripts that run on hosts. Those that kill them at every point come last: they take the longest.
const SCRIPTS: &[&[&str]] = &[
    &["--test=host_scripts", "--", "--skip=killed", "--skip=twice::"],
    &["--test=host_scripts", "--", "killed", "twice::"],
];

/// Several times what the tests take on a slow machine. A run that takes longer has noticed nothing. `tests/bounded.sh` ends
/// most that hang before that, as a failure.
const PATIENCE: Duration = Duration::from_secs(900);

/// What became of a mutant.
#[derive(Debug)]
pub(crate) enum Found {
    /// This test failed.
    Noticed { by: String },
    /// Every test passed, or one hung.
    Unnoticed,
    /// It does not compile.
    Unbuilt,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noticed { by } => write!(f, "noticed by {by}"),
            Self::Unnoticed => f.write_str("UNNOTICED"),
            Self::Unbuilt => f.write_str("DOES NOT COMPILE"),
        }
    }
}

/// A copy of the project, with a target folder of its own that later runs use again.
pub(crate) struct Lane {
    tree: PathBuf,
}

impl Lane {
    /// Copies every file that git knows or would add; what did not change keeps its time, so that little is built.
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let tree = target.join("mutants/tree");
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let names = String::from_utf8(listed.stdout).unwrap();
        let lane = Self { tree };
        for name in names.split_terminator('\0') {
            // A file that was deleted, and not yet committed.
            if let Ok(content) = fs::read(root.join(name)) {
                lane.write(Path::new(name), &content);
                // Cargo runs every test program by a script.
                let mode = fs::metadata(root.join(name)).unwrap().permissions();
                fs::set_permissions(lane.tree.join(name), mode).unwrap();
            }
        }
        lane
    }

    fn write(&self, name: &Path, content: &[u8]) {
        let path = self.tree.join(name);
        if fs::read(&path).is_ok_and(|there| there == content) {
            return;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A test that fails anyway would notice everything.
    pub(crate) fn passes_unchanged(&self, mutants: &[Mutant]) {
        let (scripts, code): (Vec<_>, Vec<_>) = mutants.iter().partition(|mutant| mutant.is_of_a_script());
        let lanes = [(FAST, code), (SCRIPTS, scripts)].into_iter().filter(|(_, mutants)| !mutants.is_empty());
        for tests in lanes.flat_map(|(lane, _)| lane) {
            assert!(self.build(tests), "the unchanged project does not compile");
            let failed = self.failing_test(tests);
            assert!(failed.is_none(), "{failed:?} fails without any change");
        }
    }

    /// Breaks a rule, runs the tests, and mends it again.
    pub(crate) fn run(&self, mutant: &Mutant) -> Found {
        let lane = if mutant.is_of_a_script() { SCRIPTS } else { FAST };
        let original = fs::read(self.tree.join(&mutant.file)).unwrap();
        self.write(&mutant.file, mutant.mutate().unwrap().as_bytes());
        let found = lane.iter().find_map(|tests| match self.build(tests) {
            false => Some(Found::Unbuilt),
            true => self.failing_test(tests).map(|by| Found::Noticed { by }),
        });
        self.write(&mutant.file, &original);
        found.unwrap_or(Found::Unnoticed)
    }

    fn cargo(&self, arguments: &[&str], tests: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command.arg("test").args(arguments).args(tests);
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", self.tree.with_file_name("target"));
        // Snapshots are compared, and never written. What this run of cargo set is not for the other.
        command.env("INSTA_UPDATE", "no").env("INSTA_WORKSPACE_ROOT", &self.tree);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
        command.env_remove("CARGO_MANIFEST_DIR").env("RUST_BACKTRACE", "0").stdin(Stdio::null());
        command
    }

    fn build(&self, tests: &[&str]) -> bool {
        self.cargo(&["--quiet", "--no-run"], tests).stderr(Stdio::null()).status().unwrap().success()
    }

    /// The first test that fails.
    fn failing_test(&self, tests: &[&str]) -> Option<String> {
        let mut command = self.cargo(&[], tests);
        // Tests that are killed leave their folders. Whatever still waits there ends when they are gone.
        let temporary = tempfile::tempdir().unwrap();
        command.env("TMPDIR", temporary.path());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let end = Instant::now() + PATIENCE;
        let failed = loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let test = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"));
                    if let Some(test) = test {
                        break Some(test.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => break None,
                Err(RecvTimeoutError::Disconnected) => {
                    let ended = child.wait().unwrap();
                    return (!ended.success()).then(|| format!("a test program that ended with {ended}"));
                }
            }
        };
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        // The first failure is enough.
        killpg(group, Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        failed
    }
}
