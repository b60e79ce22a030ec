//! The private key is nowhere but in the files that are for it: looked for in whatever form, in all that the program
//! says, keeps, leaves lying about and starts. A second test plants a key in each of these places, to be found.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use certwave::lab::wait_for;
use openssl::pkey::{PKey, Private};

use crate::hold::PATIENCE;
use crate::running::{ROLLOUT, Running};
use crate::support::{Fleet, Run};

/// A private key, in every form that it may be written in.
struct Key {
    scalar: Vec<u8>,
    /// As [`plain`] leaves them.
    texts: Vec<Vec<u8>>,
}

impl Key {
    fn from_pem(pem: &[u8]) -> Self {
        let key = PKey::private_key_from_pem(pem).unwrap();
        let scalar = key.ec_key().unwrap().private_key().to_vec_padded(32).unwrap();
        let text = String::from_utf8(pem.to_vec()).unwrap();
        let bytes = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        let mut texts =
            vec![hex::encode(&scalar), bytes(&scalar), bytes(text.lines().nth(1).unwrap().as_bytes())];
        // Base64 of whatever holds it (PKCS#8, SEC 1, JWK): as it looks behind no, one or two other bytes.
        for before in 0..3 {
            let encoded = BASE64_STANDARD_NO_PAD.encode([&vec![0; before], scalar.as_slice()].concat());
            texts.push(encoded[4..40].to_owned());
        }
        let texts = texts.into_iter().map(|text| plain(text.as_bytes())).collect();
        Self { scalar, texts }
    }

    /// The one that a host serves.
    fn of(fleet: &Fleet, host: &str) -> Self {
        let live = format!("hosts/{host}/etc/certwave/live/api.lab.test/privkey.pem");
        Self::from_pem(&std::fs::read(fleet.lab.directory().join(live)).unwrap())
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let text = plain(bytes);
        holds(bytes, &self.scalar) || self.texts.iter().any(|form| holds(&text, form))
    }
}

/// Without what stands between lines and bytes, in whatever alphabet: as PEM, JSON, hex dumps and debug output have it.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'\\' if matches!(after, [b'n' | b'r', ..]) => rest = &after[1..],
            b':' | b'\\' => {}
            space if space.is_ascii_whitespace() => {}
            b'-' => text.push(b'+'),
            b'_' => text.push(b'/'),
            // Base64 has capitals, and hex may have: case is looked over in both.
            other => text.push(other.to_ascii_lowercase()),
        }
    }
    text
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let ends = bytes.len().saturating_sub(wanted.len() - 1);
    let mut at = 0;
    while let Some(next) =
        bytes.get(at..ends).and_then(|rest| rest.iter().position(|byte| *byte == wanted[0]))
    {
        at += next;
        if bytes[at..].starts_with(wanted) {
            return true;
        }
        at += 1;
    }
    false
}

/// What a rollout says, keeps, leaves lying about, and starts.
#[derive(Default)]
struct Traces {
    said: Vec<String>,
    /// Arguments and environment of every process that was seen.
    processes: BTreeSet<Vec<u8>>,
    /// Files, with their permissions.
    files: BTreeSet<(PathBuf, u32, Vec<u8>)>,
}

impl Traces {
    fn hear(&mut self, run: &Run) {
        self.said.extend([run.stdout.clone(), run.stderr.clone()]);
    }

    fn see_processes(&mut self) {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        for process in processes.filter(|path| path.join("cmdline").exists()) {
            for file in ["cmdline", "environ"] {
                // It may have ended, or be somebody else's.
                self.processes.extend(std::fs::read(process.join(file)));
            }
        }
    }

    fn see_files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.see_files(&path),
                Ok(kind) if kind.is_file() => {
                    let mode = entry.metadata().map_or(0, |metadata| metadata.permissions().mode());
                    self.files.extend(std::fs::read(&path).map(|bytes| (path, mode, bytes)));
                }
                _ => {}
            }
        }
    }

    /// Wherever a key is that is not for it.
    fn leaks(&self, key: &Key) -> Vec<String> {
        let said = self.said.iter().filter(|text| key.is_in(text.as_bytes()));
        let said = said.map(|text| format!("said: {}", text.lines().next().unwrap_or_default()));
        let processes = self.processes.iter().filter(|bytes| key.is_in(bytes));
        let processes = processes.map(|bytes| format!("process: {}", String::from_utf8_lossy(bytes)));
        let files = self.files.iter().filter(|(_, _, bytes)| key.is_in(bytes));
        let files = files.filter(|(path, mode, _)| !is_for_keys(path) || mode & 0o077 != 0);
        let files = files.map(|(path, mode, _)| format!("file: {} {mode:o}", path.display()));
        said.chain(processes).chain(files).collect()
    }
}

/// On hosts alone: in the state they are sealed.
fn is_for_keys(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    let state = path.components().any(|part| part.as_os_str() == "state");
    !state && (name.starts_with("privkey") || name.starts_with("combined"))
}

/// Looks again and again at every process, and at files that may be there for a moment only.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Traces>,
}

impl Sampler {
    fn start(folders: Vec<PathBuf>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut traces = Traces::default();
            loop {
                // Once more after it was told to stop.
                let last = stopped.load(Ordering::SeqCst);
                traces.see_processes();
                folders.iter().for_each(|folder| traces.see_files(folder));
                if last {
                    return traces;
                }
            }
        });
        Self { stop, thread }
    }

    fn end(self) -> Traces {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

#[test]
fn the_private_key_is_in_its_own_files_alone() {
    let fleet = Fleet::mixed(1, 1, 1);
    fleet.edit("    soak: 1s", "    soak: 0s");
    fleet.edit("    batch: [1, 50%]", "    parallel: 8");
    let temporary = fleet.lab.directory().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let command = |args: &[&str]| {
        let mut command = fleet.command(args);
        command.env("TMPDIR", &temporary);
        command
    };
    let sampler = Sampler::start(vec![temporary.clone(), fleet.state().join("orders")]);
    // All that any library has to say.
    let mut traced = command(&[&ROLLOUT[..], &["-vv"]].concat());
    let mut runs = vec![Run::new(traced.env("RUST_LOG", "trace").output().unwrap()).expect(0)];
    let mut keys = vec![Key::of(&fleet, "web01")];
    let verbose = ["rollout", "playbook.yaml", "--yes", "--force", "-vv"];
    runs.push(Run::new(command(&verbose).output().unwrap()).expect(0));
    keys.push(Key::of(&fleet, "web01"));
    // One that dies in the middle leaves what it had not cleaned up yet.
    let mut killed = Running::start(command(&ROLLOUT));
    killed.until_step("lb01", "verify");
    killed.kill();
    let mut traces = sampler.end();
    traces.see_files(fleet.lab.directory());
    let journal = |(path, ..): &(PathBuf, u32, Vec<u8>)| path.ends_with("journal.db-wal");
    assert!(traces.files.iter().any(journal), "the journal was looked at without its log");
    runs.push(Run::new(command(&["resume", "-vv"]).output().unwrap()).expect(0));
    keys.push(Key::of(&fleet, "web01"));
    for args in [&["show", "last"][..], &["history"], &["audit"], &["status", "playbook.yaml", "-vv"]] {
        runs.push(fleet.run(args).expect(0));
    }
    runs.iter().for_each(|run| traces.hear(run));
    traces.see_files(fleet.lab.directory());

    for name in ["sshd.log", "error.log", "haproxy.log", "envoy.log"] {
        assert!(traces.files.iter().any(|(path, ..)| path.ends_with(name)), "no {name} was looked at");
    }
    let seen = |words: &str| traces.processes.iter().any(|bytes| holds(bytes, words.as_bytes()));
    assert!(
        seen("rollout\0playbook.yaml") && seen("IFS= read -r line && eval"),
        "no process was seen at work"
    );
    for key in &keys {
        let hosts = traces.files.iter().filter(|(path, _, bytes)| is_for_keys(path) && key.is_in(bytes));
        assert!(hosts.count() >= 6, "the search itself does not work");
        assert_eq!(traces.leaks(key), [""; 0]);
    }
}

#[test]
fn a_key_that_is_anywhere_else_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let pem = certwave::lab::Authority::new("secrets").unwrap().issue(&["a.test"], -1, 1).unwrap().1;
    let (key, private) = (Key::from_pem(&pem), PKey::private_key_from_pem(&pem).unwrap());
    let other = certwave::lab::Authority::new("others").unwrap().issue(&["a.test"], -1, 1).unwrap().1;
    let text = String::from_utf8(pem.clone()).unwrap();

    // Each form in a file, with whatever stands around it.
    let forms = forms(&private, &text);
    for (name, bytes) in &forms {
        let around = [b"2026-11-26 [error] ", bytes.as_slice(), b" and more\n"].concat();
        assert!(key.is_in(&around), "not as {name}");
        assert!(!Key::from_pem(&other).is_in(&around), "any key is found as {name}");
        std::fs::write(folder.path().join(name), around).unwrap();
    }
    std::fs::create_dir(folder.path().join("state")).unwrap();
    let kept = [("privkey.pem", 0o600), ("combined.rsa.pem", 0o640), ("state/privkey-2.pem", 0o600)];
    for (name, mode) in kept {
        std::fs::write(folder.path().join(name), &pem).unwrap();
        std::fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    // And in a process's arguments, and another one's environment, while they live.
    let sleeper =
        |command: &mut Command| command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut argument = sleeper(Command::new("sh").args(["-c", "read -r line", "sh", text.as_str()]));
    let mut environment = sleeper(Command::new("cat").env_clear().env("KEY", &text));
    let sampler = Sampler::start(vec![folder.path().to_owned()]);
    let visible = |process: u32, file: &str| {
        wait_for(PATIENCE, || key.is_in(&std::fs::read(format!("/proc/{process}/{file}")).unwrap()))
    };
    assert!(visible(argument.id(), "cmdline") && visible(environment.id(), "environ"));
    let mut traces = sampler.end();
    for child in [&mut argument, &mut environment] {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    traces.said.push(serde_json::json!({"event": "step.finished", "reason": text}).to_string());

    let leaks = traces.leaks(&key);
    let found = |words: &str| leaks.iter().filter(|leak| leak.contains(words)).count();
    for (name, _) in &forms {
        assert_eq!(found(&format!("/{name} ")), 1, "{name}: {leaks:?}");
    }
    for (words, wanted) in [("/privkey.pem", 0), ("combined.rsa.pem", 1), ("state/privkey-2.pem", 1)] {
        assert_eq!(found(words), wanted, "{words}: {leaks:?}");
    }
    assert_eq!((found("process: sh"), found("process: KEY="), found("said: ")), (1, 1, 1), "{leaks:?}");
    assert!(traces.leaks(&Key::from_pem(&other)).is_empty());
}

/// A key as it may be written by accident.
fn forms(key: &PKey<Private>, pem: &str) -> Vec<(&'static str, Vec<u8>)> {
    let scalar = key.ec_key().unwrap().private_key().to_vec_padded(32).unwrap();
    let colons = scalar.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>();
    let lines = colons.chunks(15).map(|some| some.join(":")).collect::<Vec<_>>();
    let sec1 = key.ec_key().unwrap().private_key_to_pem().unwrap();
    vec![
        ("pem.log", pem.as_bytes().to_vec()),
        ("escaped.json", format!("{pem:?}").into_bytes()),
        ("sec1.pem", sec1),
        ("der.db", key.private_key_to_pkcs8().unwrap()),
        ("hex.txt", hex::encode(&scalar).into_bytes()),
        ("openssl.txt", lines.join(":\n    ").into_bytes()),
        ("debug.txt", format!("{scalar:?}").into_bytes()),
        ("debug-pem.txt", format!("{:?}", pem.as_bytes()).into_bytes()),
        ("jwk.json", format!("{{\"d\":\"{}\"}}", BASE64_URL_SAFE_NO_PAD.encode(&scalar)).into_bytes()),
    ]
}
