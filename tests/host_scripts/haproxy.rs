//! HAProxy's hooks: what is told before a change, the crt-list, and how a host that is alone reloads it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use certwave::install::{
    Activation, AlreadyKnown, DeadMan, FilePart, Fired, InstallSpec, Script, StagePayload, Staged, Tested,
    rehearsed,
};
use certwave::lab::{Authority, HaproxyOptions, HaproxyServer, wait_for};
use certwave::model::HostPath;
use certwave::service::{ENTRIES, Haproxy, HaproxyCertificate, HaproxyReload, ServiceSpec};

use crate::durable::{Noted, noted, watch};
use crate::require;
use crate::support::{Host, PATIENCE, SHELLS, Shell, files, is_root, mode, read, version};

fn path(path: &Path) -> HostPath {
    path.to_str().unwrap().parse().unwrap()
}

/// An HAProxy that is well, as far as its host tells: its test says yes to everything.
fn settings(host: &Host) -> Haproxy {
    let folder = host.file("server");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("haproxy.cfg"), "").unwrap();
    fs::write(folder.join("list.txt"), "").unwrap();
    Haproxy {
        sockets: Vec::new(),
        certificates: Vec::new(),
        crt_list: Some(path(&folder.join("list.txt"))),
        reload: HaproxyReload::Command("true".to_owned()),
        binary: Haproxy::DEFAULT_BINARY.parse().unwrap(),
        config: path(&folder.join("haproxy.cfg")),
        test: Some("true".to_owned()),
        bufsize: Haproxy::DEFAULT_BUFSIZE,
    }
}

impl Host {
    fn set(&mut self, haproxy: &Haproxy) {
        self.services.clear();
        self.add_service("haproxy", &ServiceSpec::Haproxy(haproxy.clone()), 30);
    }
}

#[test]
fn what_it_would_fail_for_is_told_before_a_change() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        if is_root() {
            host.uid = Some(65534);
            chown(host.file(""), Some(65534), Some(65534)).unwrap();
        }
        let well = settings(&host);
        let secret = host.file("server").join("secret.cfg");
        fs::write(&secret, "").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
        let named = |name: &str| -> HostPath { name.parse().unwrap() };
        let own = Haproxy { test: None, ..well.clone() };
        let unreadable = format!("the configuration {} is not readable", secret.display());
        for (haproxy, told) in [
            (well.clone(), None),
            (own.clone(), None),
            (Haproxy { binary: named("/no/haproxy"), ..own.clone() }, Some("/no/haproxy does not exist")),
            (Haproxy { binary: named("/etc/passwd"), ..own.clone() }, Some("/etc/passwd is not executable")),
            (Haproxy { config: path(&secret), ..own.clone() }, Some(unreadable.as_str())),
            (
                Haproxy { config: named("/no.cfg"), ..own.clone() },
                Some("the configuration /no.cfg is not readable"),
            ),
            (
                Haproxy { crt_list: Some(named("/no.txt")), ..well.clone() },
                Some("the crt-list /no.txt does not exist"),
            ),
            // A test of somebody's own knows where these are.
            (Haproxy { binary: named("/no/haproxy"), config: named("/no.cfg"), ..well.clone() }, None),
            // A folder is a crt-list, too.
            (Haproxy { crt_list: Some(path(&host.file("server"))), ..well.clone() }, None),
        ] {
            host.set(&haproxy);
            let found = host.inspect().services[0].clone().err();
            let fits = match (told, &found) {
                (Some(told), Some(found)) => found.starts_with(told),
                (told, found) => told.is_none() && found.is_none(),
            };
            assert!(fits, "{shell:?}: {told:?}: {found:?}");
        }
    }
}

#[test]
fn a_configuration_that_it_does_not_take_is_refused_in_its_own_words() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let own = Haproxy { test: None, crt_list: None, ..settings(&host) };
        fs::write(own.config.as_str(), "nonsense\n").unwrap();
        host.set(&own);
        host.stage(&version(1), "one").unwrap();
        let refused = host.activate(&version(1), None).unwrap();
        assert!(matches!(refused, Activation::Refused { swapped_back: true, .. }), "{shell:?}: {refused:?}");
        assert!(refused.problem().unwrap().contains("nonsense"), "{shell:?}: {refused:?}");
    }
}

/// The list names our certificates that are there, each once, and all that is somebody else's.
#[test]
fn a_crt_list_names_what_is_there() {
    let rows = [
        ("", true, "NEW\n"),
        ("other.pem\n", true, "other.pem\nNEW\n"),
        // Without the end of its last line.
        ("other.pem", true, "other.pem\nNEW\n"),
        ("NEW [alpn h2] a.test\nother.pem\n", true, "NEW [alpn h2] a.test\nother.pem\n"),
        // Another one that begins alike.
        ("NEW.old\n", true, "NEW.old\nNEW\n"),
        ("NEW [alpn h2] a.test\nother.pem\nNEW\n", false, "other.pem\n"),
        ("NEW.old\n", false, "NEW.old\n"),
    ];
    for shell in SHELLS {
        let mut host = Host::new(shell);
        // An awk would take this as an escape.
        let new = host.file(r"server/a\tb.pem");
        let certificate =
            HaproxyCertificate { path: path(&new), file: FilePart::Combined.into(), alias: None };
        let haproxy = Haproxy { certificates: vec![certificate], ..settings(&host) };
        host.set(&haproxy);
        let list = host.file("server/list.txt");
        let filled = |text: &str| text.replace("NEW", new.to_str().unwrap());
        host.stage(&version(1), "one").unwrap();
        for (before, is_there, after) in rows {
            let _ = fs::remove_file(&new);
            if is_there {
                fs::write(&new, "").unwrap();
            }
            fs::write(&list, filled(before)).unwrap();
            assert_eq!(host.activate(&version(1), None), Ok(Activation::Activated), "{shell:?}: {before:?}");
            assert_eq!(read(&list), filled(after), "{shell:?}: {before:?}");
        }
    }
}

/// It may be for its user alone, and a power failure may come.
#[test]
fn a_crt_list_keeps_its_mode_and_is_on_the_disk_before_it_is_used() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell);
        let new = host.file("server/new.pem");
        let certificate =
            HaproxyCertificate { path: path(&new), file: FilePart::Combined.into(), alias: None };
        let haproxy = Haproxy { certificates: vec![certificate], ..settings(&host) };
        host.set(&haproxy);
        let list = host.file("server/list.txt");
        fs::set_permissions(&list, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(&new, "").unwrap();
        watch(&mut host);
        host.install(&version(1), None, "one");
        assert_eq!((read(&list), mode(&list)), (format!("{}\n", new.display()), 0o640), "{shell:?}");
        let calls = noted(&host);
        let draft = host.file("server/.certwave~list.txt/file");
        let flushed = calls.iter().position(|call| *call == Noted::Flushed(vec![draft.clone()]));
        let renamed =
            calls.iter().position(|call| *call == Noted::Renamed { from: draft.clone(), to: list.clone() });
        assert!(flushed.is_some() && flushed < renamed, "{shell:?}: {calls:?}");
    }
}

/// What it would take is tried where nobody else sees it.
#[test]
fn a_rehearsal_leaves_the_crt_list_alone() {
    if !require::mounts() {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let new = host.file("server/new.pem");
        let certificate =
            HaproxyCertificate { path: path(&new), file: FilePart::Combined.into(), alias: None };
        let haproxy = Haproxy { certificates: vec![certificate], ..settings(&host) };
        host.set(&haproxy);
        fs::write(&new, "").unwrap();
        let (aside, files) = (host.spec.aside(), files("rehearsed"));
        let payload = StagePayload::new(aside.layout.name(), &version(9), &files);
        let staged = host.run_with(&host.spec.stage_aside(&version(9), &payload), payload.bytes.expose());
        assert_eq!(Staged::parse(&staged.output()), Ok(Staged::New), "{shell:?}");
        let ended = host.run(&host.spec.rehearse(&version(9), &host.services));
        let tested = rehearsed(&ended.output(), &host.services).unwrap();
        assert!(matches!(&tested[..], [Tested::Took(_)]), "{shell:?}: {tested:?}");
        assert_eq!(read(&host.file("server/list.txt")), "", "{shell:?}");
    }
}

/// A host whose dead-man switch fires, and what it wrote down.
fn fire(host: &mut Host, haproxy: &Haproxy) -> Fired {
    let sleepers = host.hold_sleepers();
    host.set(haproxy);
    host.install(&version(1), None, "one");
    host.stage(&version(2), "two").unwrap();
    let (target, previous) = (version(2), version(1));
    let (not_after, after) = (jiff::Timestamp::MAX, std::time::Duration::from_secs(1));
    let switch = DeadMan { target, previous, not_after, after };
    let task = InstallSpec::activate(&version(2), Some(&version(1)), Some(&switch), &AlreadyKnown::default());
    let activated = Activation::parse(&host.ask(&task).output(), &host.services);
    assert_eq!(activated, Ok(Activation::Activated));
    drop(sleepers);
    let fired = host.directory().join(".dead-man.a.test~fired");
    assert!(wait_for(PATIENCE, || fired.exists()));
    host.inspect().fired.unwrap()
}

/// A running HAProxy, and its master's processes, which a reload replaces.
fn running(host: &Host, name: &str) -> (HaproxyServer, PathBuf) {
    let folder = host.file(name);
    fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = Authority::new("root").unwrap().issue(&["a.test"], 0, 9).unwrap();
    let pem = folder.join("a.pem");
    fs::write(&pem, [certificate, key].concat()).unwrap();
    let options = HaproxyOptions {
        certificates: format!("crt {}", pem.display()),
        address: "127.0.0.1".parse().unwrap(),
        global: String::new(),
    };
    let server = HaproxyServer::start(&folder, &options).unwrap();
    let id = server.process.id();
    let children = PathBuf::from(format!("/proc/{id}/task/{id}/children"));
    // The master listens before it has a worker.
    assert!(wait_for(PATIENCE, || !read(&children).is_empty()));
    (server, children)
}

fn is_reloaded(children: &Path, before: &str) -> bool {
    let now = read(children);
    let before: Vec<&str> = before.split_whitespace().collect();
    now.split_whitespace().any(|process| !before.contains(&process))
}

/// The controller that spoke to its sockets is gone.
#[test]
fn a_host_that_is_alone_reloads_it_through_its_master() {
    let mut host = Host::new(Shell::Dash);
    let (server, children) = running(&host, "alone");
    let before = read(&children);
    let haproxy = Haproxy {
        sockets: vec![path(&server.socket)],
        reload: HaproxyReload::Master(path(&server.master_socket)),
        config: path(&server.config),
        ..settings(&host)
    };
    assert_eq!(fire(&mut host, &haproxy).problem, None);
    assert!(wait_for(PATIENCE, || is_reloaded(&children, &before)));
}

#[test]
fn a_host_without_a_way_to_its_socket_signals_its_master_and_no_other() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell);
        // One that began before, and one that began after it.
        let servers = ["first", "ours", "last"].map(|name| running(&host, name));
        let before = servers.each_ref().map(|(_, children)| read(children));
        let (server, children) = &servers[1];
        let haproxy = Haproxy {
            reload: HaproxyReload::Master("/no/master.sock".parse().unwrap()),
            config: path(&server.config),
            ..settings(&host)
        };
        assert_eq!(fire(&mut host, &haproxy).problem, None, "{shell:?}");
        assert!(wait_for(PATIENCE, || is_reloaded(children, &before[1])), "{shell:?}");
        for other in [0, 2] {
            assert_eq!(read(&servers[other].1), before[other], "{shell:?}");
        }
    }
}

#[test]
fn a_host_without_its_master_says_that_it_was_not_reloaded() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell);
        let reload = HaproxyReload::Master("/no/master.sock".parse().unwrap());
        let haproxy = Haproxy { reload, ..settings(&host) };
        let fired = fire(&mut host, &haproxy);
        assert_eq!(fired.problem.as_deref(), Some("haproxy could not be reloaded"), "{shell:?}");
    }
}

/// From 2.7 on, the master answers whether it worked.
#[test]
fn a_reload_that_the_master_calls_failed_is_told() {
    for (answer, problem) in
        [("Success=1\n", None), ("Success=0\n--\nno\n", Some("haproxy could not be reloaded"))]
    {
        let mut host = Host::new(Shell::Dash);
        let socket = host.file("master.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let master = std::thread::spawn(move || {
            let (mut asked, _) = listener.accept().unwrap();
            let mut question = String::new();
            asked.read_to_string(&mut question).unwrap();
            asked.write_all(answer.as_bytes()).unwrap();
            question
        });
        let haproxy = Haproxy { reload: HaproxyReload::Master(path(&socket)), ..settings(&host) };
        assert_eq!(fire(&mut host, &haproxy).problem.as_deref(), problem, "{answer}");
        assert_eq!(master.join().unwrap(), "reload\n");
    }
}

#[test]
fn a_host_that_is_alone_runs_the_command_that_reloads_it() {
    for shell in Shell::that_follow_path() {
        for (command, problem) in [("true", None), ("false", Some("haproxy could not be reloaded"))] {
            let mut host = Host::new(shell);
            // Its controller would speak to the socket, and run no command.
            let sockets = vec![path(&host.file("admin.sock"))];
            let reload = HaproxyReload::Command(command.to_owned());
            let haproxy = Haproxy { sockets, reload, ..settings(&host) };
            assert_eq!(fire(&mut host, &haproxy).problem.as_deref(), problem, "{shell:?}, {command}");
        }
    }
}

/// Which of the names lead to which of the files, both counted from 1.
fn led(host: &Host, base: &str, files: &[&Path], names: &[String]) -> Vec<String> {
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let script = Script::new().assign("files", &files.join("\n")).assign("base", base).text(ENTRIES);
    let names: String = names.iter().map(|name| format!("{name}\n")).collect();
    let ended = host.run_with(&script, names.as_bytes());
    assert_eq!(ended.status, 0, "{:?}: {}", host.shell, ended.text());
    let said = String::from_utf8(ended.stdout).unwrap();
    said.strip_suffix("all\n").unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_name_leads_to_our_file_however_it_is_spelled() {
    for shell in SHELLS {
        let host = Host::new(shell);
        let at = |name: &str| host.file(name);
        fs::create_dir(at("certs")).unwrap();
        for name in ["certs/a b.pem", "certs/$b*.pem", "certs/other.pem"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(at("certs"), at("linked")).unwrap();
        symlink("certs/a b.pem", at("elsewhere.pem")).unwrap();
        let files = [at("certs/a b.pem"), at("certs/$b*.pem"), at("certs/missing.pem")];
        let inside = |name: &str| at(name).display().to_string();
        let names = [
            inside("certs/a b.pem"),
            inside("certs/../certs//a b.pem"),
            inside("linked/$b*.pem"),
            inside("elsewhere.pem"),
            inside("certs/other.pem"),
            inside("certs/missing.pem"),
            "certs/./a b.pem".to_owned(),
            "-n".to_owned(),
            "$(touch /tmp/x)".to_owned(),
            r"certs/a\tb.pem".to_owned(),
            String::new(),
            " certs/a b.pem".to_owned(),
            "./linked/$b*.pem".to_owned(),
        ];
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let base = host.file("").display().to_string();
        let expected = ["1 1", "2 1", "3 2", "4 1", "7 1", "13 2"];
        assert_eq!(led(&host, base.trim_end_matches('/'), &files, &names), expected, "{shell:?}");
        assert!(led(&host, "", &files, &names[6..]).is_empty(), "{shell:?}");
    }
}

/// A balancer of a hoster's.
#[test]
fn some_thousand_names_take_no_process() {
    for shell in Shell::that_follow_path() {
        let mut host = Host::new(shell);
        let file = host.file("ours.pem");
        fs::write(&file, "").unwrap();
        for tool in ["readlink", "cat"] {
            host.shim(tool, "exit 1");
        }
        let mut names: Vec<String> = (0..5_000).map(|n| format!("/etc/haproxy/certs/site{n}.pem")).collect();
        names.push(host.file("./ours.pem").display().to_string());
        assert_eq!(led(&host, "", &[&file], &names), ["5001 1"], "{shell:?}");
    }
}
