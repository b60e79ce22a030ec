//! `status`: what is served, on disk, in memory and in the store, and what it does not do to hosts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use certwave::lab::{Break, wait_for};
use serde_json::Value;

use crate::running::Running;
use crate::secrets::findings::issue;
use crate::services::haproxy::{ask, haproxy, reload};
use crate::support::{Fleet, Run};

const NAME: &str = "api.lab.test";

fn status(fleet: &Fleet, code: i32) -> Vec<Value> {
    fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(code).lines()
}

fn row<'r>(rows: &'r [Value], host: &str) -> &'r Value {
    rows.iter().find(|row| row["host"] == host).unwrap()
}

fn drift(rows: &[Value], host: &str) -> Vec<String> {
    let all = row(rows, host)["drift"].as_array().unwrap();
    all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

fn version(run: &Run) -> String {
    run.last()["certificate"]["version"].as_str().unwrap().to_owned()
}

/// Points the live link elsewhere and reloads nothing: what somebody does by hand.
fn relink(root: &Path, version: &str) {
    let live = root.join("etc/certwave/live");
    std::os::unix::fs::symlink(format!("../archive/{NAME}/{version}"), live.join(".by-hand")).unwrap();
    std::fs::rename(live.join(".by-hand"), live.join(NAME)).unwrap();
}

/// Puts a version where another host has it, as an upload does.
fn copy_version(from: &Path, to: &Path, version: &str) {
    let archive = |root: &Path| root.join("etc/certwave/archive").join(NAME).join(version);
    std::fs::create_dir_all(archive(to)).unwrap();
    for entry in std::fs::read_dir(archive(from)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), archive(to).join(entry.file_name())).unwrap();
    }
}

/// When each file and folder of a host was last written; what its sshd and servers log is theirs.
fn written(root: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = std::fs::symlink_metadata(&path).unwrap();
            all.insert(path.clone(), kind.modified().unwrap());
            if kind.is_dir() {
                folders.push(path);
            }
        }
    }
    all.retain(|path, _| path.extension().is_none_or(|ending| ending != "log"));
    all
}

#[test]
fn a_fleet_that_is_as_it_should_be_is_told_so_and_nothing_is_written_on_it() {
    let fleet = Fleet::mixed(2, 1, 1);
    fleet.run(&["status", "playbook.yaml"]).expect(1);
    let run = fleet.roll_out(&[]).expect(0);
    let roots = || {
        let hosts = fleet.lab.hosts.iter().map(|host| &host.root);
        hosts.chain(fleet.lab.fronts.iter().map(|front| &front.root)).flat_map(|root| written(root))
    };
    let before: BTreeMap<PathBuf, SystemTime> = roots().collect();
    // Somebody holds a host's lock: a look does not wait for it.
    let lock = fleet.lab.hosts[0].root.join("etc/certwave/.lock");
    let mut holder =
        std::process::Command::new("flock").arg("-F").arg(&lock).args(["sleep", "600"]).spawn().unwrap();

    let human = fleet.run(&["status", "playbook.yaml"]).expect(0);
    let version = version(&run);
    let sentence = human.stdout.lines().last().unwrap();
    assert_eq!(sentence, format!("every host serves {NAME} {version}, 89 days left"));
    let verbose = fleet.run(&["status", "playbook.yaml", "-v"]).expect(0);
    for host in ["web01", "web02", "lb01", "edge01"] {
        assert!(verbose.stdout.lines().any(|line| line.trim_start().starts_with(host)), "{}", verbose.stdout);
    }
    let rows = status(&fleet, 0);
    assert_eq!(rows.len(), 4);
    let wanted = &run.last()["certificate"]["fingerprint_sha256"];
    for row in &rows {
        for place in ["served", "file", "store"] {
            assert_eq!(&row[place]["fingerprint_sha256"], wanted, "{row}");
            assert!(row[place]["serial"].is_string() && row[place]["not_after"].is_string(), "{row}");
        }
        assert_eq!((&row["state"], &row["server_name"]), (&"new".into(), &NAME.into()), "{row}");
        assert_eq!((&row["error"], row["drift"].as_array().unwrap().len()), (&Value::Null, 0), "{row}");
        assert_eq!(row["store"]["version"], version.as_str());
        assert_eq!(row["days_left"], 89);
        let held = row["service"] != "nginx";
        assert_eq!(&row["memory"]["fingerprint_sha256"] == wanted, held, "{row}");
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(roots().collect::<BTreeMap<_, _>>(), before);
}

#[test]
fn each_way_to_drift_is_named() {
    let mut fleet = Fleet::mixed(5, 1, 1);
    let first = version(&fleet.roll_out(&[]).expect(0));
    let run = fleet.roll_out(&["--force", "--limit", "web01:lb01"]).expect(0);
    let second = version(&run);
    let root = |fleet: &Fleet, host: usize| fleet.lab.hosts[host].root.clone();
    // A file that was switched and not reloaded, a damaged version, a foreign certificate, a dead host.
    copy_version(&root(&fleet, 0), &root(&fleet, 1), &second);
    relink(&root(&fleet, 1), &second);
    let chain = root(&fleet, 2).join("etc/certwave/live").join(NAME).join("chain.pem");
    std::fs::write(chain, "").unwrap();
    let foreign = issue("another tool's", None, &["other.test"]);
    let (crt, key) = (root(&fleet, 3).join("etc/ssl/api.crt"), root(&fleet, 3).join("etc/ssl/api.key"));
    std::fs::remove_file(&crt).unwrap();
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&crt, foreign.0.to_pem().unwrap()).unwrap();
    std::fs::write(&key, foreign.1.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let workers = |fleet: &Fleet| -> Vec<String> {
        let master = fleet.lab.hosts[3].nginx.process.id();
        let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        children.split_whitespace().map(str::to_owned).collect()
    };
    let old = workers(&fleet);
    fleet.lab.hosts[3].nginx.process.signal(nix::sys::signal::Signal::SIGHUP);
    fleet.lab.hosts[4].sshd = None;
    fleet.lab.hosts[4].nginx.process.stop();
    // HAProxy's disk is put back behind its memory.
    relink(&fleet.lab.fronts[0].root.clone(), &first);
    let foreign = hex::encode(openssl::sha::sha256(&foreign.0.to_der().unwrap()));
    // An old worker may answer after a new one has.
    let reloaded = || fleet.served(3) == foreign && !workers(&fleet).iter().any(|one| old.contains(one));
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(30), reloaded));

    let rows = status(&fleet, 1);
    assert_eq!(drift(&rows, "web01"), Vec::<String>::new());
    assert_eq!(drift(&rows, "web02"), ["not_reloaded"]);
    assert_eq!(row(&rows, "web02")["state"], "known");
    assert_eq!(row(&rows, "web02")["file"], row(&rows, "web01")["served"]);
    assert_eq!(drift(&rows, "web03"), ["other_certificate", "link_elsewhere", "damaged"]);
    assert_eq!(
        drift(&rows, "web04"),
        ["foreign_certificate", "wrong_name", "link_elsewhere", "path_elsewhere"]
    );
    assert_eq!(row(&rows, "web04")["state"], "unknown");
    assert_eq!(drift(&rows, "web05"), ["no_answer", "no_login"]);
    assert_eq!((&row(&rows, "web05")["served"], &row(&rows, "web05")["file"]), (&Value::Null, &Value::Null));
    assert_eq!(drift(&rows, "lb01"), ["disk_behind", "link_elsewhere"]);
    assert_eq!(row(&rows, "lb01")["memory"], row(&rows, "lb01")["served"]);
    assert_eq!(drift(&rows, "edge01"), ["other_certificate", "link_elsewhere"]);
    let human = fleet.run(&["status", "playbook.yaml"]).expect(1).stdout;
    assert!(human.contains("web02: the reload did not happen: "), "{human}");
    assert!(human.contains("lb01: memory differs from disk: a restart would serve "), "{human}");
    let sentence = format!("5 of 7 hosts do not serve {NAME} {second}: web[02:05], edge01; lb01 does, but");
    assert!(human.lines().last().unwrap().starts_with(&sentence), "{human}");

    // A restart proves it right.
    reload(haproxy(&fleet));
    let rows = status(&fleet, 1);
    assert_eq!(drift(&rows, "lb01"), ["other_certificate", "link_elsewhere"]);
}

#[test]
fn a_memory_that_was_not_told_is_a_reload_that_did_not_happen() {
    let fleet = Fleet::mixed(1, 1, 1);
    let first = version(&fleet.roll_out(&[]).expect(0));
    let second = version(&fleet.roll_out(&["--force"]).expect(0));
    relink(&fleet.lab.fronts[0].root.clone(), &first);
    reload(haproxy(&fleet));
    relink(&fleet.lab.fronts[0].root.clone(), &second);
    let rows = status(&fleet, 1);
    assert_eq!(drift(&rows, "lb01"), ["not_reloaded"]);
    assert_eq!(row(&rows, "lb01")["memory"], row(&rows, "lb01")["served"]);

    // An Envoy that can no longer be asked, and one whose link was moved by hand: it follows.
    fleet.edit_inventory("admin: \"", "admin: \"/nowhere\", was: \"");
    relink(&fleet.lab.fronts[1].root.clone(), &first);
    let old = row(&rows, "lb01")["served"].clone();
    let follows = || row(&status(&fleet, 1), "edge01")["served"] == old;
    assert!(certwave::lab::wait_for(std::time::Duration::from_secs(30), follows));
    let rows = status(&fleet, 1);
    assert_eq!(drift(&rows, "edge01"), ["other_certificate", "link_elsewhere", "memory_unreadable"]);

    // What was rolled back to is what should be there.
    fleet.run(&["rollback", "playbook.yaml", "--to", &first, "--limit", "web01", "--yes"]).expect(0);
    let rows = status(&fleet, 1);
    assert_eq!(row(&rows, "web01")["store"]["version"], first.as_str());
    assert_eq!(drift(&rows, "web01"), Vec::<String>::new());
}

#[test]
fn what_is_dialled_through_ssh_is_not_known_without_it() {
    let mut fleet = Fleet::start(2);
    fleet.edit("  timeout: 20s", "  timeout: 20s\n  via: ssh");
    fleet.roll_out(&[]).expect(0);
    assert_eq!(status(&fleet, 0).len(), 2);
    fleet.lab.break_canary(Break::Unreachable).unwrap();
    let rows = status(&fleet, 1);
    assert_eq!(drift(&rows, "web01"), ["no_login"]);
    assert_eq!(row(&rows, "web01")["state"], "unreachable");
    assert_eq!(drift(&rows, "web02"), Vec::<String>::new());
}

#[test]
fn a_socket_is_only_asked() {
    let fleet = Fleet::mixed(1, 1, 0);
    fleet.roll_out(&[]).expect(0);
    // Somebody's open transaction is left as it is.
    let pem = std::fs::read_to_string(fleet.lab.fronts[0].root.join("etc/ssl/api.pem")).unwrap();
    let socket = &haproxy(&fleet).socket;
    ask(socket, "new ssl cert other.pem");
    assert!(ask(socket, &format!("set ssl cert other.pem <<\n{pem}\n")).contains("created"));
    let before = ask(socket, "show ssl cert");
    status(&fleet, 0);
    assert_eq!(ask(socket, "show ssl cert"), before);
}

#[test]
fn a_watch_tells_what_changed_and_ends_with_how_it_was_last() {
    let mut fleet = Fleet::start(2);
    fleet.roll_out(&[]).expect(0);
    let mut watch = Running::start(fleet.command(&["status", "playbook.yaml", "--watch=1"]));
    watch.until_line("every host serves");
    fleet.lab.hosts[1].nginx.process.stop();
    let line = watch.until_line("web02: nginx at ");
    assert!(line.contains("no answer"), "{line}");
    let line = watch.until_line("1 of 2 hosts does not serve");
    assert!(!line.contains("web01"), "{line}");
    // Since then nothing changed, and so nothing was said.
    let said = watch.stdout().to_owned();
    assert_eq!(watch.interrupt().expect(1).stdout, said);

    fleet.lab.hosts[1].nginx.start_again().unwrap();
    let args = ["status", "playbook.yaml", "--watch=1", "--output", "json"];
    let mut watch = Running::start(fleet.command(&args));
    for host in ["web01", "web02"] {
        watch.until(|line| line["host"] == host);
    }
    let said = watch.stdout().to_owned();
    // Until it has looked again, twice.
    let log = fleet.lab.hosts[0].root.join("sshd/sshd.log");
    let logins = || std::fs::read_to_string(&log).unwrap().matches("Accepted publickey").count();
    let before = logins();
    assert!(before > 0 && wait_for(std::time::Duration::from_secs(120), || logins() >= before + 2));
    assert_eq!(watch.interrupt().expect(0).stdout, said);
}
