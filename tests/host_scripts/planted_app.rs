//! A folder of another user's, with all that certwave puts into such folders, and what that user can plant there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use certwave::install::{AlreadyKnown, DeadMan, FileCopy, FilePart, InstallSpec, Task};
use certwave::service::{Envoy, EnvoySecret, Haproxy, HaproxyCertificate, HaproxyReload, ServiceSpec};
use jiff::Timestamp;
use nix::sys::stat::Mode;
use regex::Regex;

use crate::require;
use crate::support::{Ended, Host, Shell, finish, read, version, words};

/// The application's user, who attacks.
pub(crate) const OTHER: u32 = 65534;
/// What only root can read.
const SECRET: &str = "root's own secret\n";

/// What belongs to the application.
pub(crate) struct App {
    pub(crate) host: Host,
    pub(crate) folder: PathBuf,
}

impl App {
    /// A host whose links, copies, crt-list and SDS file are all in a folder of an application's.
    pub(crate) fn new(shell: Shell) -> Self {
        let mut host = Host::new(shell);
        let folder = host.file("app");
        fs::create_dir(&folder).unwrap();
        let text = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        for (name, file) in [("a.key", FilePart::Privkey), ("a.crt", FilePart::Fullchain)] {
            host.link(&format!("app/{name}"), file);
        }
        host.spec.copies.push(FileCopy {
            path: text("b.key").parse().unwrap(),
            file: FilePart::Privkey.into(),
            owner: None,
            group: None,
            mode: None,
            password: None,
        });
        let haproxy = Haproxy {
            sockets: Vec::new(),
            certificates: vec![HaproxyCertificate {
                path: text("a.crt").parse().unwrap(),
                file: FilePart::Fullchain.into(),
                alias: None,
            }],
            crt_list: Some(text("list.txt").parse().unwrap()),
            reload: HaproxyReload::Command("true".to_owned()),
            binary: Haproxy::DEFAULT_BINARY.parse().unwrap(),
            config: host.file("haproxy.cfg").to_str().unwrap().parse().unwrap(),
            test: Some("true".to_owned()),
            bufsize: Haproxy::DEFAULT_BUFSIZE,
        };
        fs::write(host.file("haproxy.cfg"), "").unwrap();
        host.add_service("haproxy", &ServiceSpec::Haproxy(haproxy), 30);
        let secret = EnvoySecret {
            sds: text("sds.yaml").parse().unwrap(),
            name: "one".to_owned(),
            chain: vec![host.live("fullchain.pem").to_str().unwrap().parse().unwrap()],
            key: vec![host.live("privkey.pem").to_str().unwrap().parse().unwrap()],
        };
        let watched = host.live("").parent().unwrap().to_str().unwrap().parse().unwrap();
        let envoy = Envoy { watched, secrets: vec![secret], admin: None };
        host.add_service("envoy", &ServiceSpec::Envoy(envoy), 30);
        let app = Self { host, folder };
        app.fill();
        chown(&app.folder, Some(OTHER), Some(OTHER)).unwrap();
        fs::create_dir(app.treasury()).unwrap();
        fs::set_permissions(app.treasury(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(app.treasure(), SECRET).unwrap();
        fs::set_permissions(app.treasure(), fs::Permissions::from_mode(0o600)).unwrap();
        app
    }

    /// What stands there before anybody attacks.
    fn fill(&self) {
        for (name, text) in [("a.key", "one key\n"), ("a.crt", "one certificate\n"), ("b.key", "one key\n")] {
            self.write(name, text);
        }
        self.write("list.txt", "");
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }

    pub(crate) fn treasury(&self) -> PathBuf {
        self.host.file("treasury")
    }

    pub(crate) fn treasure(&self) -> PathBuf {
        self.treasury().join("secret")
    }

    /// All that certwave does on a host, each step traced; `follow` sees what each of them said.
    pub(crate) fn each_step(&self, mut follow: impl FnMut(&str, &Ended, &str)) {
        let dead_man = DeadMan {
            target: version(2),
            previous: version(1),
            not_after: Timestamp::MAX,
            after: Duration::from_secs(1),
        };
        let (host, seen) = (&self.host, AlreadyKnown::default());
        let activate = |dead_man| InstallSpec::activate(&version(2), Some(&version(1)), dead_man, &seen);
        let stage = InstallSpec::stage(&version(2), &host.payload("two"), &host.own());
        let tasks = [
            ("inspect", InstallSpec::inspect()),
            ("stage", stage),
            // It fires at once: strace waits for it.
            ("fire", activate(Some(&dead_man))),
            ("activate", activate(None)),
            ("inspect again", InstallSpec::inspect()),
            ("roll back", InstallSpec::rollback(&version(1), true)),
            ("go forward", activate(None)),
            ("commit", InstallSpec::commit(&version(2), Some(&version(1)), &[], false)),
        ];
        for (step, task) in &tasks {
            let (ended, trace) = self.traced(task);
            follow(step, &ended, &trace);
        }
        for script in [host.spec.survey(&host.services), host.spec.status(&host.services)] {
            let (ended, trace) = self.traced_command(host.login_command(&script), b"");
            follow("survey or status", &ended, &trace);
        }
    }

    fn traced(&self, task: &Task) -> (Ended, String) {
        let call = self.host.task(task);
        self.traced_command(self.host.login_command(&call.script), &call.input)
    }

    /// A command, and every name that it and its children gave the kernel.
    pub(crate) fn traced_command(&self, command: Command, input: &[u8]) -> (Ended, String) {
        let log = self.host.file("trace");
        let mut strace = Command::new(words("sh", &["-c", "command -v strace"]));
        strace.args(["-f", "-y", "-s", "4096", "-e", "trace=%file", "-o"]).arg(&log);
        strace.arg(command.get_program()).args(command.get_args());
        strace.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        strace.current_dir("/").process_group(0);
        strace.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = finish(strace.spawn().unwrap(), input);
        let trace = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
        (ended, trace)
    }

    /// Every name in the application's folder that scripts use, found out and not read.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let quoted = Regex::new(r#""((?:[^"\\]|\\.)*)""#).unwrap();
        let own = format!("{}/", self.folder.display());
        let mut names = BTreeSet::new();
        self.each_step(|step, ended, trace| {
            assert_eq!(ended.status, 0, "{step}: {}", ended.text());
            for path in quoted.captures_iter(trace).map(|path| path[1].to_owned()) {
                let inside = match path.strip_prefix(&own) {
                    Some(inside) => inside.to_owned(),
                    None if path.starts_with('/') => continue,
                    None => path,
                };
                let first = inside.split('/').find(|part| !matches!(*part, "" | "." | ".."));
                // A script's text is an argument, and no name.
                names.extend(first.filter(|name| name.len() < 200).map(str::to_owned));
            }
        });
        names
    }

    /// Plants something at each name. Whatever ends in a process's number is planted at all numbers that come next.
    pub(crate) fn plant(&self, names: &BTreeSet<String>, plant: Plant) {
        let last = read(Path::new("/proc/sys/kernel/ns_last_pid")).trim().parse::<u32>().unwrap();
        for name in names {
            let (stem, number) = name.rsplit_once('.').unwrap_or((name, ""));
            if !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()) {
                for number in last..last + 2000 {
                    self.plant_at(&self.folder.join(format!("{stem}.{number}")), plant);
                }
            } else {
                self.plant_at(&self.folder.join(name), plant);
            }
        }
    }

    fn plant_at(&self, path: &Path, plant: Plant) {
        let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
        match plant {
            Plant::LinkToFile => symlink(self.treasure(), path).unwrap(),
            Plant::LinkToFolder => symlink(self.treasury(), path).unwrap(),
            Plant::LinkToNothing => symlink(self.treasury().join("new"), path).unwrap(),
            Plant::Pipe => nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o666)).unwrap(),
            Plant::Folder => {
                fs::create_dir(path).unwrap();
                symlink(self.treasure(), path.join("file")).unwrap();
            }
        }
        lchown(path, Some(OTHER), Some(OTHER)).unwrap();
    }

    pub(crate) fn assert_untouched(&self, context: &str) {
        let metadata = fs::metadata(self.treasure()).unwrap();
        let state = (read(&self.treasure()), metadata.mode() & 0o7777, metadata.uid());
        assert_eq!(state, (SECRET.to_owned(), 0o600, 0), "{context}");
        let names: Vec<_> =
            fs::read_dir(self.treasury()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "{context}");
        for folder in [self.host.directory(), self.folder.clone()] {
            assert!(!holds_secret(&folder), "{context}: what root alone may read is in {}", folder.display());
        }
    }
}

/// Whether a file below a folder holds what root alone may read; links are not followed.
fn holds_secret(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        (kind.is_dir() && holds_secret(&path))
            || (kind.is_file() && String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(SECRET.trim()))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    LinkToFile,
    LinkToFolder,
    LinkToNothing,
    Pipe,
    Folder,
}

pub(crate) fn can_attack() -> bool {
    require::root("to be attacked by another user") && require::program("strace")
}

impl App {
    /// The same, while names in the application's folder change.
    pub(crate) fn assert_untouched_while(&self, context: &str) {
        let metadata = fs::metadata(self.treasure()).unwrap();
        assert_eq!(
            (read(&self.treasure()), metadata.mode() & 0o7777, metadata.uid(), metadata.nlink()),
            (SECRET.to_owned(), 0o600, 0, 1),
            "{context}"
        );
        let names: Vec<_> =
            fs::read_dir(self.treasury()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"], "{context}");
        assert!(!holds_secret(&self.host.directory()), "{context}");
    }
}
