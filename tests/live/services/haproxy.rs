//! HAProxy: its disk and its memory, both or neither.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use certwave::lab::{Break, FrontServer, HaproxyServer};

use crate::support::Fleet;

pub(crate) fn haproxy(fleet: &Fleet) -> &HaproxyServer {
    match &fleet.lab.fronts[0].server {
        FrontServer::Haproxy(haproxy) => haproxy,
        FrontServer::Envoy(_) => panic!("the first front is HAProxy"),
    }
}

pub(crate) fn ask(socket: &Path, command: &str) -> String {
    try_ask(socket, command).unwrap()
}

/// An error where nobody listens: a master that replaces itself does not, for a moment.
fn try_ask(socket: &Path, command: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    // Such a master also cuts the connection.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    Ok(answer)
}

fn workers(haproxy: &HaproxyServer) -> Vec<u32> {
    certwave::service::master::read_processes(&ask(&haproxy.master_socket, "show proc")).unwrap().workers
}

/// Reloads by hand, as somebody will one day, and waits until the worker is another.
pub(crate) fn reload(haproxy: &HaproxyServer) {
    let before = workers(haproxy);
    ask(&haproxy.master_socket, "reload");
    let renewed = || {
        let now = try_ask(&haproxy.master_socket, "show proc").ok();
        now.and_then(|now| certwave::service::master::read_processes(&now))
            .is_some_and(|now| !now.workers.is_empty() && now.workers.iter().all(|one| !before.contains(one)))
    };
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(60), renewed));
}

#[test]
fn memory_and_disk_are_changed_without_a_reload_and_a_later_reload_keeps_it() {
    let fleet = Fleet::mixed(1, 1, 0);
    let before = workers(haproxy(&fleet));
    let run = fleet.roll_out(&[]).expect(0);
    let wanted = run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
    assert_eq!(run.last()["hosts"][1]["dropped_connections"], 0);
    assert_eq!(run.last()["hosts"][1]["failed_handshakes"], 0);
    assert_eq!(fleet.front_served(0), wanted);
    assert_eq!(workers(haproxy(&fleet)), before, "it was reloaded");
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served(0), wanted);
    let again = fleet.roll_out(&[]).expect(0);
    assert_eq!(again.last()["outcome"], "unchanged");
}

#[test]
fn a_host_that_was_done_goes_back_in_memory_and_on_disk() {
    let mut fleet = Fleet::mixed(1, 1, 1);
    let before = (fleet.served(0), fleet.front_served(0), fleet.front_served(1));
    fleet.lab.break_canary(Break::Envoy).unwrap();
    // One host at a time, so that HAProxy is done before Envoy fails.
    fleet.edit("batch: [1, 50%]", "batch: [1]");
    let run = fleet.roll_out(&[]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back", "rolled_back", "failed"]);
    assert_eq!((fleet.served(0), fleet.front_served(0), fleet.front_served(1)), before);
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served(0), before.1);
}

/// Has HAProxy read the same file by other ways, each at an address of its own.
fn with_other_spellings(fleet: &Fleet) -> Vec<SocketAddr> {
    let root = &fleet.lab.fronts[0].root;
    std::os::unix::fs::symlink(root.join("etc/ssl"), root.join("linked")).unwrap();
    let spellings = ["etc/../etc/ssl/api.pem", "linked/api.pem"];
    let config = haproxy(fleet).config.clone();
    let mut text = std::fs::read_to_string(&config).unwrap();
    let address = fleet.lab.fronts[0].server.https().ip();
    let mut addresses = Vec::new();
    for (nth, spelling) in spellings.iter().enumerate() {
        let at = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap();
        let crt = root.join(spelling).display().to_string();
        text += &format!("frontend f{nth}\n  bind {at} ssl crt {crt}\n  http-request return status 200\n");
        addresses.push(at);
    }
    std::fs::write(&config, text).unwrap();
    reload(haproxy(fleet));
    assert_eq!(ask(&haproxy(fleet).socket, "show ssl cert").matches("api.pem").count(), 3);
    addresses
}

#[test]
fn one_file_under_several_spellings_is_changed_and_taken_back_under_each() {
    let mut fleet = Fleet::mixed(1, 1, 1);
    let others = with_other_spellings(&fleet);
    let served = |fleet: &Fleet| {
        let others = others.iter().map(|at| crate::support::leaf(*at, "api.lab.test", ""));
        others.chain([fleet.front_served(0)]).collect::<Vec<_>>()
    };
    let before = served(&fleet);
    fleet.edit("batch: [1, 50%]", "batch: [1]");
    fleet.lab.break_canary(Break::Envoy).unwrap();
    let run = fleet.roll_out(&[]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back", "rolled_back", "failed"]);
    assert_eq!(served(&fleet), before);
    let process = workers(haproxy(&fleet));
    let run = fleet.roll_out(&["--limit", "web:lb"]).expect(0);
    let new = run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
    assert_eq!(served(&fleet), vec![new; 3]);
    assert_eq!(workers(haproxy(&fleet)), process, "it was reloaded");
}

/// Somebody edits the configuration and does not reload.
#[test]
fn what_a_restart_would_serve_otherwise_is_told_by_plan_and_status() {
    let fleet = Fleet::mixed(1, 1, 0);
    fleet.roll_out(&[]).expect(0);
    let served = fleet.front_served(0);
    let status = |code| {
        let run = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(code);
        let lines = run.lines();
        let row = lines.iter().find(|line| line["service"] == "haproxy").unwrap();
        (row["drift"].to_string(), row["error"].to_string())
    };
    assert_eq!(status(0).0, "[]");
    let root = &fleet.lab.fronts[0].root;
    let (ours, other) = (root.join("etc/ssl/api.pem"), root.join("etc/other.pem"));
    let (leaf, key) = certwave::lab::Authority::new("Other").unwrap().issue(&["api.lab.test"], 0, 9).unwrap();
    std::fs::write(&other, [leaf, key].concat()).unwrap();
    let config = haproxy(&fleet).config.clone();
    let text = std::fs::read_to_string(&config).unwrap();
    let named = format!("crt {}", ours.display());
    assert!(text.contains(&named));
    let edit = |to: String| std::fs::write(&config, text.replace(&named, &to)).unwrap();

    // One more certificate for the name.
    edit(format!("{named} crt {}", other.display()));
    let plan = fleet.run(&["plan", "playbook.yaml", "--force"]);
    let still =
        format!("haproxy reads `{}` for api.lab.test, which the rollout does not switch", other.display());
    assert!(plan.stdout.contains(&still), "{}", plan.stdout);
    let (drift, error) = status(1);
    assert_eq!(drift, r#"["not_loaded"]"#);
    assert!(error.contains(&format!("names `{}` (", other.display())), "{error}");

    // Ours is not named any more.
    edit(format!("crt {}", other.display()));
    let plan = fleet.run(&["plan", "playbook.yaml", "--force"]);
    assert!(plan.stdout.contains("haproxy names no file that the rollout switches"), "{}", plan.stdout);
    let (drift, error) = status(1);
    assert_eq!(drift, r#"["not_named","not_loaded"]"#);
    assert!(error.contains(&format!("does not name `{}`", ours.display())), "{error}");
    assert_eq!(fleet.front_served(0), served);
    let run = fleet.roll_out(&["--force"]).expect(3);
    assert!(run.error(1).contains("names no file that the rollout switches"), "{}", run.error(1));
    assert_eq!(fleet.front_served(0), served);

    // The restart has happened, and the memory lacks it; then all is well again.
    reload(haproxy(&fleet));
    assert_ne!(fleet.front_served(0), served);
    assert!(status(1).1.contains("HAProxy holds no certificate `"));
    edit(named.clone());
    reload(haproxy(&fleet));
    assert_eq!(status(0).0, "[]");
}

#[test]
fn a_configuration_with_an_error_is_refused_before_memory_is_changed() {
    let mut fleet = Fleet::mixed(1, 1, 0);
    let before = fleet.front_served(0);
    fleet.lab.break_canary(Break::Haproxy).unwrap();
    let run = fleet.roll_out(&[]).expect(3);
    let reason = run.last()["hosts"][1]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("unknown keyword"), "{reason}");
    assert_eq!(fleet.front_served(0), before);
}

#[test]
fn somebody_elses_transaction_stops_the_host_before_anything_is_changed() {
    let fleet = Fleet::mixed(1, 1, 0);
    let socket = haproxy(&fleet).socket.clone();
    let pem = std::fs::read_to_string(fleet.lab.fronts[0].root.join("etc/ssl/api.pem")).unwrap();
    ask(&socket, "new ssl cert other.pem");
    let opened = ask(&socket, &format!("set ssl cert other.pem <<\n{pem}\n"));
    assert!(opened.contains("Transaction created"), "{opened}");
    let run = fleet.roll_out(&[]).expect(3);
    let reason = run.last()["hosts"][1]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("a transaction open for `other.pem`"), "{reason}");
    assert!(ask(&socket, "show ssl cert").contains("*other.pem"), "it was not ours to abort");
}

#[test]
fn a_transaction_that_a_lost_controller_left_is_ended() {
    let fleet = Fleet::mixed(1, 1, 0);
    let socket = haproxy(&fleet).socket.clone();
    let path = fleet.lab.fronts[0].root.join("etc/ssl/api.pem");
    let pem = std::fs::read_to_string(&path).unwrap();
    let opened = ask(&socket, &format!("set ssl cert {} <<\n{pem}\n", path.display()));
    assert!(opened.contains("Transaction created"), "{opened}");
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);
}

#[test]
fn a_name_that_haproxy_does_not_have_is_told_with_those_that_it_has() {
    let fleet = Fleet::mixed(1, 1, 0);
    fleet.edit("etc/ssl/api.pem", "etc/ssl/apy.pem");
    let run = fleet.roll_out(&[]).expect(3);
    let reason = run.last()["hosts"][1]["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("it has no certificate `") && reason.contains("/etc/ssl/api.pem`"), "{reason}");
}

#[test]
fn a_socket_that_may_only_look_is_refused_before_anything_is_changed() {
    let fleet = Fleet::mixed(1, 1, 0);
    let config = haproxy(&fleet).config.clone();
    let text = std::fs::read_to_string(&config).unwrap();
    for level in ["", " level operator", " level user"] {
        std::fs::write(&config, text.replace(" level admin", level)).unwrap();
        reload(haproxy(&fleet));
        let plan = fleet.run(&["plan", "playbook.yaml"]).expect(1);
        assert!(plan.stdout.contains("give it `level admin`"), "{}", plan.stdout);
    }
    let run = fleet.roll_out(&[]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back", "failed"]);
    assert!(run.error(1).contains("give it `level admin` in haproxy.cfg"), "{}", run.error(1));
    assert!(!fleet.lab.fronts[0].root.join("etc/certwave/archive").exists());
}

/// Has HAProxy take its certificate from a crt-list.
fn with_crt_list(fleet: &Fleet) -> PathBuf {
    let root = &fleet.lab.fronts[0].root;
    let list = root.join("haproxy/list.txt");
    let old = root.join("etc/ssl/api.pem");
    std::fs::write(&list, format!("{}\n", old.display())).unwrap();
    let config = haproxy(fleet).config.clone();
    let text = std::fs::read_to_string(&config).unwrap();
    let named = format!("crt {}", old.display());
    assert!(text.contains(&named));
    std::fs::write(&config, text.replace(&named, &format!("crt-list {}", list.display()))).unwrap();
    reload(haproxy(fleet));
    list
}

#[test]
fn a_certificate_that_is_new_to_haproxy_joins_its_crt_list_and_leaves_it_again() {
    let mut fleet = Fleet::mixed(1, 1, 1);
    let list = with_crt_list(&fleet);
    fleet.edit(
        "certificate: \"{{ root }}/etc/ssl/api.pem\"",
        "certificate: \"{{ root }}/etc/ssl/new.pem\"\n      crt_list: \"{{ root }}/haproxy/list.txt\"",
    );
    fleet.edit("batch: [1, 50%]", "batch: [1]");
    // HAProxy keeps serving the old one to this name, since that comes first: what is asked for is new.
    fleet.edit("domains: [api.lab.test]", "domains: [new.lab.test, api.lab.test]");
    fleet.lab.break_canary(Break::Envoy).unwrap();
    fleet.roll_out(&[]).expect(3);
    let listed = std::fs::read_to_string(&list).unwrap();
    assert!(!listed.contains("new.pem"), "{listed}");
    assert!(!ask(&haproxy(&fleet).socket, "show ssl cert").contains("new.pem"));
    fleet.roll_out(&["--limit", "web:lb"]).expect(0);
    let listed = std::fs::read_to_string(&list).unwrap();
    assert!(listed.contains("new.pem"), "{listed}");
    let run = fleet.roll_out(&["--limit", "web:lb", "--force"]).expect(0);
    let in_memory = ask(&haproxy(&fleet).socket, &format!("show ssl crt-list {}", list.display()));
    assert_eq!(in_memory.matches("new.pem").count(), 1, "{in_memory}");
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served_as(0, "new.lab.test"), run.last()["certificate"]["fingerprint_sha256"]);
}

#[test]
fn a_certificate_too_long_for_the_runtime_api_is_reloaded_by_the_master() {
    let fleet = Fleet::mixed(1, 1, 0);
    let before = workers(haproxy(&fleet));
    // RSA with its chain is longer than what is left of this buffer.
    fleet.edit("domains: [api.lab.test]", "domains: [api.lab.test]\n  key: rsa-4096");
    fleet.edit("    haproxy:\n", "    haproxy:\n      bufsize: 4096\n");
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);
    assert_ne!(workers(haproxy(&fleet)), before);
}

#[test]
fn a_new_certificate_too_long_for_the_runtime_api_joins_the_crt_list_by_a_reload() {
    let fleet = Fleet::mixed(1, 1, 0);
    let root = fleet.lab.fronts[0].root.clone();
    let list = with_crt_list(&fleet);
    fleet.edit(
        "certificate: \"{{ root }}/etc/ssl/api.pem\"",
        "certificate: \"{{ root }}/etc/ssl/new.pem\"\n      crt_list: \"{{ root }}/haproxy/list.txt\"",
    );
    fleet.edit("domains: [api.lab.test]", "domains: [new.lab.test, api.lab.test]\n  key: rsa-4096");
    fleet.edit("    haproxy:\n", "    haproxy:\n      bufsize: 4096\n");
    let before = workers(haproxy(&fleet));
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.front_served_as(0, "new.lab.test"), run.last()["certificate"]["fingerprint_sha256"]);
    assert_ne!(workers(haproxy(&fleet)), before);
    let listed = std::fs::read_to_string(&list).unwrap();
    let lines: Vec<String> =
        ["api.pem", "new.pem"].map(|name| root.join("etc/ssl").join(name).display().to_string()).to_vec();
    assert_eq!(listed.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn a_command_reloads_where_there_is_no_runtime_api() {
    let fleet = Fleet::mixed(1, 1, 0);
    fleet.edit(
        "      socket: \"{{ root }}/haproxy/admin.sock\"\n      master_socket: \"{{ root }}/haproxy/master.sock\"\n",
        "      reload: kill -USR2 \"$(cat {{ root }}/haproxy/haproxy.pid)\"\n",
    );
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);
}

#[test]
fn a_socket_that_sshd_does_not_forward_is_reached_by_a_relay() {
    let fleet = Fleet::mixed(1, 1, 0);
    let root = fleet.lab.fronts[0].root.clone();
    let config = root.join("sshd/sshd_config");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("AllowStreamLocalForwarding no\n{text}")).unwrap();
    let pid = nix::unistd::Pid::from_raw(fleet.lab.fronts[0].sshd.process.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);
}

#[test]
fn several_processes_are_changed_all_or_none() {
    let fleet = Fleet::mixed(1, 1, 0);
    let root = fleet.lab.fronts[0].root.clone();
    let pem = root.join("etc/ssl/api.pem");
    let options = certwave::lab::HaproxyOptions {
        certificates: format!("crt {}", pem.display()),
        address: fleet.lab.fronts[0].server.https().ip(),
        global: String::new(),
    };
    let second = HaproxyServer::start(&root.join("second"), &options).unwrap();
    fleet.edit(
        "socket: \"{{ root }}/haproxy/admin.sock\"",
        "socket: [\"{{ root }}/haproxy/admin.sock\", \"{{ root }}/second/admin.sock\"]",
    );
    let port = second.https.port();
    fleet.edit(
        "certificate: \"{{ root }}/etc/ssl/api.pem\"\n",
        &format!("certificate: \"{{{{ root }}}}/etc/ssl/api.pem\"\n    verify: {{port: [\"{{{{ https_port }}}}\", {port}]}}\n"),
    );
    let run = fleet.roll_out(&[]).expect(0);
    let wanted = run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
    let served = || (fleet.front_served(0), crate::support::leaf(second.https, "api.lab.test", ""));
    assert_eq!(served(), (wanted.clone(), wanted));

    // The second process has a transaction of somebody else's open: the first is not changed either.
    let before = served();
    let text = std::fs::read_to_string(&pem).unwrap();
    ask(&second.socket, "new ssl cert other.pem");
    assert!(ask(&second.socket, &format!("set ssl cert other.pem <<\n{text}\n")).contains("created"));
    fleet.roll_out(&["--force"]).expect(3);
    assert_eq!(served(), before);
}

#[test]
fn a_folder_of_certificates_is_known_by_the_names_in_it_and_takes_new_ones() {
    let fleet = Fleet::mixed(1, 1, 0);
    let root = fleet.lab.fronts[0].root.clone();
    let (old, folder) = (root.join("etc/ssl/api.pem"), root.join("certs"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&old, folder.join("api.pem")).unwrap();
    let config = haproxy(&fleet).config.clone();
    let text = std::fs::read_to_string(&config).unwrap();
    let (from, to) = (format!("crt {}", old.display()), format!("crt {}/", folder.display()));
    assert!(text.contains(&from));
    std::fs::write(&config, text.replace(&from, &to)).unwrap();
    reload(haproxy(&fleet));

    fleet.edit("certificate: \"{{ root }}/etc/ssl/api.pem\"", "certificate: \"{{ root }}/certs/api.pem\"");
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served(0), run.last()["certificate"]["fingerprint_sha256"]);

    // One that is not there yet joins the folder, in memory and on disk.
    fleet.edit(
        "certificate: \"{{ root }}/certs/api.pem\"",
        "certificate: \"{{ root }}/certs/new.pem\"\n      crt_list: \"{{ root }}/certs\"",
    );
    fleet.edit("domains: [api.lab.test]", "domains: [new.lab.test, api.lab.test]");
    let before = workers(haproxy(&fleet));
    let run = fleet.roll_out(&[]).expect(0);
    let new = run.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned();
    assert_eq!(workers(haproxy(&fleet)), before, "it was reloaded");
    assert_eq!(fleet.front_served_as(0, "new.lab.test"), new);
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served_as(0, "new.lab.test"), new);
}

/// HAProxy reads a key from a file beside its certificate, where that has none.
#[test]
fn a_certificate_whose_key_stands_in_a_file_of_its_own_comes_back() {
    let fleet = Fleet::mixed(1, 1, 0);
    let folder = fleet.lab.directory().join("hosts/lb01/etc/ssl");
    let combined = std::fs::read_to_string(folder.join("api.pem")).unwrap();
    let at = combined.find("-----BEGIN PRIVATE KEY-----").unwrap();
    std::fs::write(folder.join("api.pem.key"), &combined[at..]).unwrap();
    std::fs::write(folder.join("api.pem"), &combined[..at]).unwrap();
    reload(haproxy(&fleet));
    let before = fleet.front_served(0);
    // What it reads is not what it should serve: back it goes, on disk and in memory.
    fleet.edit("  timeout: 20s", "  timeout: 5s\n  server_name: other.lab.test");
    let run = fleet.roll_out(&["--limit", "lb01"]).expect(3);
    assert_eq!(run.hosts(), ["rolled_back"], "{}", run.last());
    assert_eq!(fleet.front_served(0), before);
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served(0), before);
    fleet.edit("  timeout: 5s\n  server_name: other.lab.test", "  timeout: 20s");
    fleet.roll_out(&[]).expect(0);
    assert_ne!(fleet.front_served(0), before);
    fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
    assert_eq!(fleet.front_served(0), before);
    reload(haproxy(&fleet));
    assert_eq!(fleet.front_served(0), before);
}

/// What HAProxy 2.6 tells of such keys ends before their chain, and before what tells one certificate from another.
#[test]
fn certificates_of_which_haproxy_does_not_tell_all_are_put_back_and_compared() {
    for kind in ["ed25519", "ed448", "rsa-pss"] {
        let mut fleet = Fleet::mixed(1, 1, 1);
        let path = fleet.lab.fronts[0].root.join("etc/ssl/api.pem");
        let key =
            std::process::Command::new("openssl").args(["genpkey", "-algorithm", kind]).output().unwrap();
        let key = openssl::pkey::PKey::private_key_from_pem(&key.stdout).unwrap();
        let authority = certwave::lab::Authority::new("certwave lab's other root").unwrap();
        let leaf = authority.certify(&key, &["api.lab.test"], 0, 60).unwrap();
        let root = authority.root_pem().unwrap();
        let key = key.private_key_to_pem_pkcs8().unwrap();
        let chain = [leaf.clone(), root].concat();
        let files = [("api-leaf.crt", &leaf), ("api.crt", &chain), ("api.key", &key)];
        for (name, text) in files {
            std::fs::write(path.with_file_name(name), text).unwrap();
        }
        std::fs::write(&path, [chain, key].concat()).unwrap();
        reload(haproxy(&fleet));
        let before = fleet.front_served(0);
        let show = format!("show ssl cert {}", path.display());
        if ask(&haproxy(&fleet).socket, "show info").contains("\nVersion: 2.6") {
            assert!(!ask(&haproxy(&fleet).socket, &show).contains("SHA1"));
        }
        fleet.lab.break_canary(Break::Envoy).unwrap();
        fleet.edit("batch: [1, 50%]", "batch: [1]");
        let run = fleet.roll_out(&["--accept", "lb01"]).expect(3);
        assert_eq!(run.hosts(), ["rolled_back", "rolled_back", "failed"], "{kind}: {}", run.last());
        assert_eq!(fleet.front_served(0), before, "{kind}");
        fleet.roll_out(&["--limit", "web:lb", "--accept", "lb01"]).expect(0);
        assert_ne!(fleet.front_served(0), before, "{kind}");
        fleet.run(&["rollback", "playbook.yaml", "--yes", "--limit", "web:lb"]).expect(0);
        assert_eq!(fleet.front_served(0), before, "{kind}");
    }
}
