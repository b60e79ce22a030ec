//! What the benches share: the program run and measured, and the floor that it is measured against.

#![allow(dead_code)] // Each bench uses a part of it.

pub(crate) mod bare;
pub(crate) mod far;
pub(crate) mod floor;
pub(crate) mod slow;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use certwave::lab::wait_for;
use nix::sys::resource::{Usage, UsageWho, getrusage};

/// What a process, or a part of this one, took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// User and system time, by the kernel's accounting.
    pub(crate) cpu: Duration,
    /// The part of it that threads of tokio's took, where that was watched.
    pub(crate) tokio: Duration,
    /// The most memory that was resident; 0 where it was not watched.
    pub(crate) peak_kib: u64,
}

impl Cost {
    pub(crate) fn cpu_ms_each(&self, hosts: usize) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / hosts as f64
    }

    /// In a table.
    pub(crate) fn peak(&self) -> String {
        if self.peak_kib == 0 { "".to_owned() } else { format!("{} MB", self.peak_kib / 1024) }
    }

    pub(crate) fn over(&self, floor: Duration) -> f64 {
        self.wall.as_secs_f64() / floor.as_secs_f64()
    }
}

fn cpu(usage: &Usage) -> Duration {
    let part = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec().unsigned_abs(), u32::try_from(time.tv_usec()).unwrap() * 1000)
    };
    part(usage.user_time()) + part(usage.system_time())
}

/// What the machine's cores were busy for since it was started, and idle, see proc_stat(5).
fn busy_and_idle() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let all: Vec<u64> = stat.lines().next().unwrap().split_whitespace().flat_map(str::parse).collect();
    // Idle, and idle while something is read; user, nice, system, and both kinds of interrupts. USER_HZ, which is 100 on
    // every Linux.
    let of = |columns: &[usize]| Duration::from_millis(columns.iter().map(|at| all[*at]).sum::<u64>() * 10);
    (of(&[0, 1, 2, 5, 6]), of(&[3, 4]))
}

/// All that the machine's cores did since it was started.
pub(crate) fn busy() -> Duration {
    busy_and_idle().0
}

/// Waits for a minute at most until the machine has nothing to do: what is measured next begins where all others did.
pub(crate) fn rest() {
    let idle = || {
        let (busy, idle) = busy_and_idle();
        // What is looked at is this second.
        std::thread::sleep(Duration::from_secs(1));
        let (later_busy, later_idle) = busy_and_idle();
        (later_busy - busy) * 19 <= later_idle - idle
    };
    if !wait_for(Duration::from_secs(60), idle) {
        println!("something else keeps the machine busy: what follows cannot be compared");
    }
}

/// Runs a command to its end; only that it ended with `code` is looked at. Its children count, too.
pub(crate) fn run(command: &mut Command, code: i32) -> Cost {
    let errors = tempfile::tempfile().unwrap();
    let said = errors.try_clone().unwrap().into();
    run_saying(command, code, said, errors)
}

/// Runs a command whose standard error is a terminal that somebody reads.
pub(crate) fn on_terminal(command: &mut Command) -> Cost {
    let size = nix::pty::Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = nix::pty::openpty(&size, None).unwrap();
    let mut screen = std::fs::File::from(pty.master);
    let kept = tempfile::tempfile().unwrap();
    let mut copy = kept.try_clone().unwrap();
    // It ends with an error once the other side is closed everywhere.
    let reader = std::thread::spawn(move || drop(std::io::copy(&mut screen, &mut copy)));
    let cost = run_saying(command.env("TERM", "xterm-256color"), 0, pty.slave.into(), kept);
    command.stderr(Stdio::null());
    reader.join().unwrap();
    cost
}

fn run_saying(command: &mut Command, code: i32, said: Stdio, errors: std::fs::File) -> Cost {
    let before = cpu(&getrusage(UsageWho::RUSAGE_CHILDREN).unwrap());
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let process = Path::new("/proc").join(child.id().to_string());
    let (mut peak_kib, mut tokio) = (0, HashMap::new());
    let (ended, wall) = std::thread::scope(|threads| {
        let ending = threads.spawn(|| (child.wait().unwrap(), began.elapsed()));
        while !ending.is_finished() {
            let text = std::fs::read_to_string(process.join("status")).unwrap_or_default();
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak_kib = peak.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(peak_kib);
            tokio.extend(tokio_threads(&process));
            // Often at first, since some are over soon; later seldom, since looking costs something, too.
            std::thread::sleep(Duration::from_millis(1) + began.elapsed().min(Duration::from_secs(5)) / 50);
        }
        ending.join().unwrap()
    });
    if ended.code() != Some(code) {
        use std::io::{Read, Seek};
        let (mut errors, mut text) = (errors, String::new());
        errors.rewind().unwrap();
        errors.read_to_string(&mut text).unwrap();
        let end = text.len().saturating_sub(2_000);
        panic!("{command:?} ended with {ended}, not {code}:\n{}", text.get(end..).unwrap_or_default());
    }
    let cpu = cpu(&getrusage(UsageWho::RUSAGE_CHILDREN).unwrap()) - before;
    let tokio = Duration::from_nanos(tokio.values().sum());
    Cost { wall, cpu, tokio, peak_kib }
}

/// The nanoseconds that each of tokio's threads has run for.
fn tokio_threads(process: &Path) -> Vec<(OsString, u64)> {
    let Ok(threads) = std::fs::read_dir(process.join("task")) else { return Vec::new() };
    let ran = |thread: std::io::Result<DirEntry>| {
        let thread = thread.ok()?;
        let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        let ran = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        name.starts_with("tokio").then_some(())?;
        Some((thread.file_name(), ran.split(' ').next()?.parse().ok()?))
    };
    threads.filter_map(ran).collect()
}

/// What this process takes for something.
pub(crate) async fn measure<T>(work: impl Future<Output = T>) -> (T, Cost) {
    let before = cpu(&getrusage(UsageWho::RUSAGE_SELF).unwrap());
    let began = Instant::now();
    let done = work.await;
    let wall = began.elapsed();
    let cpu = cpu(&getrusage(UsageWho::RUSAGE_SELF).unwrap()) - before;
    (done, Cost { wall, cpu, ..Cost::default() })
}

/// The program, with a state of its own in a folder.
pub(crate) fn certwave(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certwave"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CERTWAVE_")) {
        command.env_remove(name);
    }
    command
        .args(args)
        .arg("-i")
        .arg(folder.join("inventory.yaml"))
        .arg("--state")
        .arg(format!("sqlite:{}", folder.join("state").display()))
        .env("HOME", folder)
        .env_remove("SSH_AUTH_SOCK")
        .current_dir(folder);
    command
}

/// What a bench says: printed as it comes, and kept to be written down.
#[derive(Default)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn say(&mut self, line: impl AsRef<str>) {
        println!("{}", line.as_ref());
        self.0 += line.as_ref();
        self.0 += "\n";
    }

    /// The first two lines of a table.
    pub(crate) fn table(&mut self, columns: &[&str]) {
        self.say(format!("| {} |", columns.join(" | ")));
        self.say(format!("|{}", "---|".repeat(columns.len())));
    }

    /// Into `target/`.
    pub(crate) fn write(&self, name: &str) {
        write_down(&Path::new("target").join(name), &self.0);
    }
}

pub(crate) fn write_down(path: &Path, text: &str) {
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text).unwrap();
    println!("\nwritten to {}", path.display());
}

/// The numbers on the command line, else these: cargo's own words are none.
pub(crate) fn numbers(usual: &[usize]) -> Vec<usize> {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    if given.is_empty() { usual.to_vec() } else { given }
}

/// So many open files as the system allows: each connection is one.
pub(crate) fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
