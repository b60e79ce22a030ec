//! Every script killed before each command that it runs, from every starting state. Afterwards nothing may be
//! half, and the same rollout tried again must come to its end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use certwave::install::{Activation, AlreadyKnown, Facts, FilePart, InstallSpec};

use crate::support::{Call, Host, SHELLS, Shell, read, version, words};

/// Tools that change something, or stand between changes.
const WATCHED: [&str; 13] =
    ["awk", "cat", "chmod", "chown", "cp", "ln", "mkdir", "mv", "rm", "sha256sum", "sync", "tar", "touch"];

/// Puts a tool of the same name before each watched one. It counts its calls, and kills the whole script before
/// the one whose turn it is.
pub(crate) fn arm(host: &mut Host) {
    let shims = host.file("shims");
    fs::create_dir(&shims).unwrap();
    for tool in WATCHED {
        let real = host.tool(tool);
        // read, echo and kill are the shell's own: nothing else is started.
        let shim = format!(
            "#!/bin/sh\nread -r n <'{0}/left'; n=$((n-1)); echo $n >'{0}/left'\n[ $n != 0 ] || {{ kill -9 -$SCRIPT; kill -9 0; }}\nexec '{real}' \"$@\"\n",
            shims.display()
        );
        fs::write(shims.join(tool), shim).unwrap();
        fs::set_permissions(shims.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(shims.join("left"), "0").unwrap();
    host.path_prefix = Some(shims);
    // `timeout` makes a process group of its own: the script's is named, to be killed from there as well.
    host.login = "SCRIPT=$$; export SCRIPT; ".to_owned();
}

/// Runs a script that is killed before its nth command; false when it came to its end before that.
pub(crate) fn killed(host: &Host, n: u32, call: &Call) -> bool {
    fs::write(host.file("shims/left"), format!("{n}\n")).unwrap();
    let ended = host.run_with(&call.script, &call.input);
    let left = left(host);
    fs::write(host.file("shims/left"), "0\n").unwrap();
    assert_eq!(left <= 0, ended.status == 137, "{}", ended.text());
    ended.status == 137
}

/// So many commands are left before the kill; none or fewer after it.
pub(crate) fn left(host: &Host) -> i64 {
    read(&host.file("shims/left")).trim().parse().unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing was ever installed.
    Empty,
    /// Files that certwave did not make stand at the links.
    Foreign,
    /// Version 1 is live.
    Old,
    /// Version 2 is live already.
    New,
    /// Version 1 is live, 2 is there and damaged.
    Half,
}

impl Start {
    fn previous(self) -> bool {
        self != Start::Empty
    }

    fn host(self, shell: Shell) -> Host {
        let mut host = Host::new(shell).with_command();
        let certificate = host.link("a.crt", FilePart::Fullchain);
        let key = host.link("a.key", FilePart::Privkey);
        match self {
            Start::Empty => {}
            Start::Foreign => {
                fs::write(certificate, "one certificate\n").unwrap();
                fs::write(key, "one key\n").unwrap();
            }
            Start::Old | Start::New | Start::Half => {
                host.install(&version(1), None, "one");
                if self == Start::New {
                    host.install(&version(2), Some(&version(1)), "two");
                } else if self == Start::Half {
                    host.stage(&version(2), "two").unwrap();
                    fs::write(host.spec.layout.version(&version(2)).join("chain.pem").as_str(), "").unwrap();
                }
            }
        }
        arm(&mut host);
        host
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Stage,
    Activate,
    Rollback,
    Commit,
}

impl Step {
    fn call(self, host: &Host, previous: Option<&certwave::model::Version>) -> Call {
        match self {
            Step::Stage => host.task(&InstallSpec::stage(&version(2), &host.payload("two"))),
            Step::Activate => {
                host.task(&InstallSpec::activate(&version(2), previous, None, AlreadyKnown::default()))
            }
            Step::Rollback => host.task(&InstallSpec::rollback(&version(1), true)),
            Step::Commit => host.task(&InstallSpec::commit(&host.live_version().unwrap(), None)),
        }
    }
}

/// What a host looks like, to be put back before the next kill: much faster than getting there again.
struct Snapshot(tempfile::TempDir);

impl Snapshot {
    fn of(host: &Host) -> Snapshot {
        let snapshot = Snapshot(tempfile::tempdir().unwrap());
        for path in Snapshot::paths(host).iter().filter(|path| path.symlink_metadata().is_ok()) {
            words("cp", &["-a", path.to_str().unwrap(), snapshot.0.path().to_str().unwrap()]);
        }
        snapshot
    }

    fn restore(&self, host: &Host) {
        let paths = Snapshot::paths(host);
        let names: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
        words("rm", &[&["-rf"], &names[..]].concat());
        let all = format!("{}/.", self.0.path().display());
        words("cp", &["-a", &all, host.file("").to_str().unwrap()]);
    }

    fn paths(host: &Host) -> Vec<PathBuf> {
        [vec![host.directory()], ["a.crt", "a.key", "reloads"].map(|name| host.file(name)).to_vec()].concat()
    }
}

/// What holds after any kill: whoever reads the links gets a certificate and the key that fits it.
fn assert_whole(host: &Host, start: Start, context: &str) -> Facts {
    let content =
        |path: &Path| fs::read_to_string(path).ok().map(|text| text.split(' ').next().unwrap().to_owned());
    let pair = (content(&host.file("a.crt")), content(&host.file("a.key")));
    assert_eq!(pair.0, pair.1, "{context}");
    assert!(start == Start::Empty || pair.0.is_some(), "{context}: nothing is served");
    let facts = host.inspect();
    if let Some(live) = host.live_version() {
        assert!(facts.complete.contains(&live), "{context}: live is not complete");
        assert_eq!(content(&host.live("fullchain.pem")), content(&host.live("privkey.pem")), "{context}");
    } else {
        assert!(matches!(start, Start::Empty | Start::Foreign), "{context}: live is gone");
    }
    facts
}

/// Every case with the commonest shell; with the others, each script from the state where it does most.
fn worth_it(shell: Shell, start: Start, step: Step) -> bool {
    match step {
        Step::Rollback if !start.previous() => false,
        _ if shell == Shell::Dash => true,
        Step::Stage => start == Start::Half,
        Step::Activate => matches!(start, Start::Foreign | Start::Old),
        Step::Rollback => start == Start::Old,
        Step::Commit => start == Start::Foreign,
    }
}

fn kill_everywhere(shell: Shell, start: Start) {
    for step in [Step::Stage, Step::Activate, Step::Rollback, Step::Commit] {
        if !worth_it(shell, start, step) {
            continue;
        }
        let mut host = start.host(shell);
        host.spec.keep = 1;
        let previous = start.previous().then(|| version(1));
        if step != Step::Stage {
            host.stage(&version(2), "two").unwrap();
        }
        if matches!(step, Step::Rollback | Step::Commit) {
            assert_eq!(host.activate(&version(2), previous.as_ref()), Ok(Activation::Activated));
        }
        let call = step.call(&host, previous.as_ref());
        let snapshot = Snapshot::of(&host);
        let mut n = 0;
        let mut was_killed = true;
        while was_killed {
            n += 1;
            assert!(n < 200, "the script never came to its end");
            let context = format!("{shell:?}, {start:?}, {step:?} killed before command {n}");
            snapshot.restore(&host);
            was_killed = killed(&host, n, &call);
            // The commit of a first installation needs no command.
            let nothing = start == Start::Empty && step == Step::Commit;
            assert!(was_killed || n > 1 || nothing, "{context}: nothing was killed");
            assert_whole(&host, start, &context);

            // The same again, as a controller would after it inspected the host.
            host.stage(&version(2), "two").unwrap();
            let again = if step == Step::Commit { None } else { previous.as_ref() };
            assert_eq!(host.activate(&version(2), again), Ok(Activation::Activated), "{context}");
            assert_eq!(read(&host.file("a.key")), "two key\n", "{context}");
            host.commit(None);
            let facts = assert_whole(&host, start, &context);
            assert_eq!(facts.complete, [version(2)], "{context}");
            let hidden = |path: &String| path.starts_with('.') || path.contains("/.");
            let names: Vec<_> = host.tree().into_iter().filter(hidden).collect();
            assert_eq!(names, [format!("archive/a.test/{}/.manifest", version(2))], "{context}: leftovers");
            let beside = fs::read_dir(host.file("")).unwrap().map(|entry| entry.unwrap().file_name());
            assert_eq!(beside.filter(|name| name.to_str().unwrap().starts_with('.')).count(), 0, "{context}");
        }
    }
}

macro_rules! starts {
    ($($name:ident: $start:expr;)*) => {$(
        #[test]
        fn $name() {
            std::thread::scope(|scope| {
                for shell in SHELLS {
                    scope.spawn(move || kill_everywhere(shell, $start));
                }
            });
        }
    )*};
}

starts! {
    killed_on_an_empty_host: Start::Empty;
    killed_where_files_of_others_stand: Start::Foreign;
    killed_with_the_old_version_live: Start::Old;
    killed_with_the_new_version_live: Start::New;
    killed_with_half_a_version: Start::Half;
}
