//! What HAProxy's and Envoy's hooks change on the disk, killed before each command, and run again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use certwave::install::{Activation, AlreadyKnown, FileName, FilePart, InstallSpec, Rollback, StagePayload};
use certwave::lab::Authority;
use certwave::model::{HostPath, Secret};
use certwave::service::{Envoy, EnvoySecret, Haproxy, HaproxyCertificate, HaproxyReload, ServiceSpec};

use crate::killed::{arm, killed};
use crate::snapshot::Snapshot;
use crate::support::{Call, Host, Shell, each_shell, read, version};

fn path(path: &Path) -> HostPath {
    path.to_str().unwrap().parse().unwrap()
}

/// Real certificates, since a real HAProxy reads them.
fn payload(host: &Host, authority: &Authority) -> StagePayload {
    let (leaf, key) = authority.issue(&["a.test"], 0, 9).unwrap();
    let root = authority.root_pem().unwrap();
    let files: Vec<(FileName, Secret)> = FilePart::ALWAYS
        .into_iter()
        .map(|part| {
            let text = match part {
                FilePart::Cert => leaf.clone(),
                FilePart::Chain => root.clone(),
                FilePart::Fullchain => [leaf.as_slice(), &root].concat(),
                FilePart::Privkey => key.clone(),
                _ => [leaf.as_slice(), &root, &key].concat(),
            };
            (part.into(), Secret::new(text))
        })
        .collect();
    host.payload_of(&version(2), &files)
}

/// Kills a script before each of its commands, from the same start; `left` looks at what each kill left, `again`
/// brings the host to the end all the same.
fn kill_everywhere(host: &Host, call: &Call, left: &dyn Fn(&str), again: &dyn Fn(&str)) {
    let snapshot = Snapshot::of(vec![host.directory(), host.file("server")]);
    let (mut n, mut was_killed) = (0, true);
    while was_killed {
        n += 1;
        assert!(n < 200, "the script never came to its end");
        snapshot.restore();
        was_killed = killed(host, n, call);
        assert!(was_killed || n > 5, "nothing was killed");
        let context = format!("{:?}, killed before command {n}", host.shell);
        left(&context);
        again(&context);
        let beside = fs::read_dir(host.file("server")).unwrap().map(|entry| entry.unwrap().file_name());
        let drafts: Vec<_> = beside.filter(|name| name.to_str().unwrap().starts_with('.')).collect();
        assert!(drafts.is_empty(), "{context}: leftovers: {drafts:?}");
    }
    snapshot.restore();
}

struct Balancer {
    host: Host,
    list: PathBuf,
    config: PathBuf,
    other: PathBuf,
    new: PathBuf,
    authority: Authority,
    /// What HAProxy would start with: it is asked once about the same files.
    accepted: RefCell<BTreeSet<Vec<String>>>,
}

impl Balancer {
    /// A host whose HAProxy has one certificate, and is to get another by its crt-list.
    fn new(shell: Shell) -> Self {
        let mut host = Host::new(shell);
        let authority = Authority::new("root").unwrap();
        let folder = host.file("server");
        fs::create_dir(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        let (list, config, other, new) = (at("list.txt"), at("haproxy.cfg"), at("other.pem"), at("new.pem"));
        let (leaf, key) = authority.issue(&["other.test"], 0, 9).unwrap();
        fs::write(&other, [leaf.as_slice(), &key].concat()).unwrap();
        // What certwave finds at its links, so that there is something to go back to.
        fs::write(at("a.crt"), &leaf).unwrap();
        fs::write(at("a.key"), &key).unwrap();
        fs::write(&list, format!("{}\n", other.display())).unwrap();
        let text = format!(
            "defaults\n  mode http\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\n\
             frontend tls\n  bind 127.0.0.1:1 ssl crt-list {}\n",
            list.display()
        );
        fs::write(&config, text).unwrap();
        let links =
            [("a.crt", FilePart::Fullchain), ("a.key", FilePart::Privkey), ("new.pem", FilePart::Combined)];
        host.spec.links = links.map(|(name, part)| (path(&at(name)), part.into())).to_vec();
        // Its own test would take most of the time, and is asked about each state of the disk: see `starts`.
        let all_there =
            format!("while read -r path; do test -e \"$path\" || exit 1; done <'{}'", list.display());
        let spec = ServiceSpec::Haproxy(Haproxy {
            sockets: Vec::new(),
            certificates: vec![HaproxyCertificate {
                path: path(&new),
                file: FilePart::Combined.into(),
                alias: None,
            }],
            crt_list: Some(path(&list)),
            reload: HaproxyReload::Command(format!("cat '{0}' >>'{0}.reloads'", list.display())),
            binary: Haproxy::DEFAULT_BINARY.parse().unwrap(),
            config: path(&config),
            test: Some(all_there),
            bufsize: Haproxy::DEFAULT_BUFSIZE,
        });
        host.add_service("haproxy", &spec, 30);
        arm(&mut host);
        Self { host, list, config, other, new, authority, accepted: RefCell::default() }
    }

    fn stage(&self) {
        let staged = self.host.ask(&InstallSpec::stage(
            &version(2),
            &payload(&self.host, &self.authority),
            &self.host.own(),
        ));
        assert_eq!(staged.status, 0, "{}", staged.text());
    }

    fn activate(&self, context: &str) {
        assert_eq!(
            self.host.activate(&version(2), Some(&version(1))),
            Ok(Activation::Activated),
            "{context}"
        );
        assert_eq!(
            self.listed(),
            [&self.other, &self.new].map(|path| path.display().to_string()),
            "{context}"
        );
        self.starts(context);
    }

    fn roll_back(&self, context: &str) {
        assert_eq!(self.host.rollback(&version(1), true), Ok(Rollback::RolledBack), "{context}");
        assert_eq!(self.listed(), [self.other.display().to_string()], "{context}");
        self.starts(context);
    }

    fn listed(&self) -> Vec<String> {
        read(&self.list).lines().map(str::to_owned).collect()
    }

    /// Whether HAProxy would start with what is on the disk.
    fn starts(&self, context: &str) {
        let listed = self.listed();
        let texts = listed.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
        if !self.accepted.borrow_mut().insert(texts.chain(listed.clone()).collect()) {
            return;
        }
        let output = std::process::Command::new(Haproxy::DEFAULT_BINARY)
            .args(["-c", "-f", self.config.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{context}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn haproxy(shell: Shell) {
    if !shell.follows_path() {
        return;
    }
    let balancer = Balancer::new(shell);
    balancer.stage();
    let host = &balancer.host;
    let forward =
        host.task(&InstallSpec::activate(&version(2), Some(&version(1)), None, &AlreadyKnown::default()));
    let starts = |context: &str| balancer.starts(context);
    kill_everywhere(host, &forward, &starts, &|context| balancer.activate(context));

    balancer.activate("at first");
    let back = host.task(&InstallSpec::rollback(&version(1), true));
    // Between the link and the list, what is listed may be gone; the same again mends it.
    kill_everywhere(host, &back, &|_| {}, &|context| balancer.roll_back(context));
    // As does going forward; a commit removes the drafts of files that were on their way back.
    if shell == Shell::Dash {
        kill_everywhere(host, &back, &|_| {}, &|context| {
            balancer.activate(context);
            host.commit(Some(&version(1)));
        });
    }
}

fn envoy(shell: Shell) {
    if !shell.follows_path() {
        return;
    }
    let mut host = Host::new(shell);
    let folder = host.file("server");
    fs::create_dir(&folder).unwrap();
    let secret = |name: &str| EnvoySecret {
        sds: path(&folder.join(format!("{name}.yaml"))),
        name: name.to_owned(),
        chain: vec![path(&host.live("fullchain.pem"))],
        key: vec![path(&host.live("privkey.pem"))],
    };
    let envoy = Envoy {
        watched: path(host.live("").parent().unwrap()),
        secrets: vec![secret("one"), secret("two")],
        admin: None,
    };
    host.add_service("envoy", &ServiceSpec::Envoy(envoy.clone()), 30);
    arm(&mut host);
    let staged = host.ask(&InstallSpec::stage(
        &version(2),
        &payload(&host, &Authority::new("root").unwrap()),
        &host.own(),
    ));
    assert_eq!(staged.status, 0, "{}", staged.text());
    let call = host.task(&InstallSpec::activate(&version(2), None, None, &AlreadyKnown::default()));
    // A file that is there is whole.
    let left = |context: &str| {
        for secret in &envoy.secrets {
            let text = fs::read_to_string(secret.sds.as_str());
            assert!(text.is_err() || text.unwrap() == envoy.sds_text(secret), "{context}");
        }
    };
    let again = |context: &str| {
        assert_eq!(host.activate(&version(2), None), Ok(Activation::Activated), "{context}");
        for secret in &envoy.secrets {
            assert_eq!(read(Path::new(secret.sds.as_str())), envoy.sds_text(secret), "{context}");
        }
    };
    kill_everywhere(&host, &call, &left, &again);
}

each_shell! {
    haproxy_and_its_crt_list: haproxy;
    envoy_and_its_sds_files: envoy;
}
