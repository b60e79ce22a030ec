//! One host: an overlay of a Debian tree, booted by systemd-nspawn on an address of this machine's loopback.

use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use certwave::lab::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::Cgroup;
use crate::tree::{kept, tree};

/// Until a fact about a host, on a slow machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// How systemd-nspawn ends when its host was rebooted.
const REBOOT: i32 = 133;

pub(crate) const SSH: u16 = 2222;

pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    folder: PathBuf,
    cgroup: Cgroup,
    nspawn: Option<Child>,
}

impl Host {
    /// A host that was never booted.
    pub(crate) fn new(suite: &'static str, name: &str, address: IpAddr) -> Host {
        let tree = tree(suite);
        let folder = kept().join("hosts").join(name);
        let (upper, work, root) = (folder.join("upper"), folder.join("work"), folder.join("root"));
        for folder in [&upper, &work, &root] {
            fs::create_dir_all(folder).unwrap();
        }
        let layers =
            format!("lowerdir={},upperdir={},workdir={}", tree.display(), upper.display(), work.display());
        let mounted =
            Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(&root).output();
        let mounted = mounted.unwrap();
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Host { name: name.to_owned(), address, folder, cgroup: Cgroup::new(name), nspawn: None }
    }

    /// A path in its tree.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join("root").join(path.trim_start_matches('/'))
    }

    /// What stands there goes first: a link in the tree would lead out of it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        fs::write(path, text).unwrap();
    }

    /// Runs a command in its tree while it is not booted.
    pub(crate) fn prepare(&self, script: &str) {
        let output = Command::new("chroot").arg(self.path("/")).args(["sh", "-ec", script]).output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
    }

    /// Boots it, and waits until somebody can log in.
    pub(crate) fn boot(&mut self) -> Duration {
        let begun = Instant::now();
        let console = File::create(self.folder.join("console")).unwrap();
        let script = format!(
            "{}exec setpriv --pdeathsig KILL systemd-nspawn -q -D '{}' --boot --register=no --keep-unit \
             --machine={} --console=pipe",
            self.cgroup.enter(),
            self.path("/").display(),
            self.name
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).stdin(Stdio::null());
        command.stdout(console.try_clone().unwrap()).stderr(console);
        self.nspawn = Some(command.spawn().unwrap());
        let up = wait_for(PATIENCE, || self.answers(SSH) || self.has_ended());
        assert!(up && !self.has_ended(), "{} does not boot: {}", self.name, self.console());
        begun.elapsed()
    }

    /// What it said at its console.
    fn console(&self) -> String {
        fs::read_to_string(self.folder.join("console")).unwrap_or_default()
    }

    fn has_ended(&mut self) -> bool {
        self.nspawn.as_mut().is_none_or(|nspawn| nspawn.try_wait().unwrap().is_some())
    }

    /// Whether an SSH server says its name there.
    fn answers(&self, port: u16) -> bool {
        let Ok(mut stream) = TcpStream::connect(SocketAddr::new(self.address, port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut banner = [0; 4];
        stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
    }

    /// Its init, as this machine knows it.
    pub(crate) fn init(&self) -> u32 {
        let nspawn = self.nspawn.as_ref().expect("it is not booted").id();
        let children = format!("/proc/{nspawn}/task/{nspawn}/children");
        let found = || fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok();
        assert!(wait_for(PATIENCE, || found().is_some()), "{}: no init", self.name);
        found().unwrap()
    }

    /// A command in the host, as its root: not by SSH, so that no session is in the way.
    pub(crate) fn output(&self, script: &str) -> Output {
        let init = self.init().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &init, "--all", "sh", "-c", script]).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).output().unwrap()
    }

    pub(crate) fn run(&self, script: &str) -> String {
        let output = self.output(script);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: `{script}`: {said}{error}", self.name);
        said
    }

    /// What certwave left in its log.
    pub(crate) fn log(&self) -> String {
        self.run("journalctl --quiet --no-pager -o cat -t certwave || true")
    }

    /// Shuts it down and boots it again, as `reboot` does.
    pub(crate) fn reboot(&mut self) -> Duration {
        self.output("systemctl reboot");
        let status = self.ended();
        assert_eq!(status, Some(REBOOT), "{}: {}", self.name, self.console());
        self.boot()
    }

    /// Ends everything on it at once.
    pub(crate) fn cut_power(&mut self) {
        kill(Pid::from_raw(i32::try_from(self.init()).unwrap()), Signal::SIGKILL).unwrap();
        self.ended();
    }

    fn ended(&mut self) -> Option<i32> {
        let mut nspawn = self.nspawn.take().expect("it is not booted");
        assert!(wait_for(PATIENCE, || nspawn.try_wait().unwrap().is_some()), "{} does not end", self.name);
        let status = nspawn.wait().unwrap();
        status.code().or(status.signal())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() && self.nspawn.is_some() {
            let journal = self.output("journalctl --no-pager -n 60 2>&1");
            println!("--- {}\n{}", self.name, String::from_utf8_lossy(&journal.stdout));
        }
        if !self.has_ended() {
            self.cut_power();
        }
        unmount(&self.path("/"));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Lazily: the kernel takes its time with what was killed.
fn unmount(path: &Path) {
    let _ = Command::new("umount").arg("-l").arg(path).output();
}

/// What a lane that was killed left behind.
pub(crate) fn clean_up() {
    for entry in fs::read_dir(kept().join("hosts")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.split('-').nth(1).unwrap_or_default().to_owned();
        if !Path::new("/proc").join(owner).exists() {
            unmount(&entry.path().join("root"));
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
