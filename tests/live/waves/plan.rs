//! The dry run: it tells the truth, touches nothing, and is carried out as it was shown, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use certwave::lab::Authority;
use serde_json::Value;

use crate::support::{Fleet, Run, edit};
use crate::watch::Watch;

fn plan(fleet: &Fleet, args: &[&str]) -> Run {
    fleet.run(&[&["plan", "playbook.yaml"], args].concat())
}

fn json(fleet: &Fleet, args: &[&str]) -> Run {
    plan(fleet, &[&["--output", "json"], args].concat()).expect(0)
}

fn host<'r>(lines: &'r [Value], name: &str) -> &'r Value {
    lines.iter().find(|line| line["event"] == "plan.host" && line["host"] == name).unwrap()
}

/// The playbook with files as its only issuer, and what is in them.
fn certificate_in_files(fleet: &Fleet, authority: &Authority) {
    let (leaf, key) = authority.issue(&["api.lab.test"], 0, 90).unwrap();
    let folder = fleet.lab.directory();
    std::fs::write(folder.join("chain.pem"), [leaf, authority.root_pem().unwrap()].concat()).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
    let text = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    let (start, end) = (text.find("issuers:").unwrap(), text.find("services:").unwrap());
    let issuers = "issuers: [{files: {certificate: chain.pem, key: key.pem}}]\n\n";
    std::fs::write(fleet.lab.playbook(), format!("{}{issuers}{}", &text[..start], &text[end..])).unwrap();
}

#[test]
fn a_plan_of_files_is_of_those_files_and_no_others() {
    let fleet = Fleet::start(1);
    let authority = Authority::new("private CA").unwrap();
    certificate_in_files(&fleet, &authority);
    std::fs::write(fleet.lab.directory().join("roots.pem"), authority.root_pem().unwrap()).unwrap();
    plan(&fleet, &["--out", "files.plan"]).expect(0);
    certificate_in_files(&fleet, &authority);
    let before = fleet.served(0);
    let run = fleet.run(&["rollout", "--plan", "files.plan"]).expect(1);
    assert!(run.stderr.contains("another certificate is in the issuer's files"), "{}", run.stderr);
    assert_eq!(fleet.served(0), before);
    plan(&fleet, &["--out", "files.plan"]).expect(0);
    fleet.run(&["rollout", "--plan", "files.plan"]).expect(0);
    // What is read from the same files again changes nothing, and the plan says so.
    assert_eq!(plan(&fleet, &["--detailed-exitcode"]).code, 0);
}

/// Every file below the hosts with its time, size and target; what sshd logs aside.
fn files(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, u64, Option<PathBuf>)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            all.extend(files(&path));
        }
        if !path.ends_with("sshd.log") {
            let target = std::fs::read_link(&path).ok();
            all.insert(path, (metadata.modified().unwrap(), metadata.len(), target));
        }
    }
    all
}

/// The processes of the fleet's servers, sshd's sessions aside.
fn servers(fleet: &Fleet) -> BTreeSet<String> {
    let own = fleet.lab.directory().display().to_string();
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&own) && ["nginx: ", "haproxy", "envoy"].iter().any(|name| line.contains(name)) {
            all.insert(format!("{} {line}", entry.file_name().to_string_lossy()));
        }
    }
    all
}

#[test]
fn it_touches_nothing_and_a_rollout_does_what_it_said() {
    let fleet = Fleet::mixed(2, 1, 1);
    let hosts = fleet.lab.directory().join("hosts");
    // Where there is nothing yet, in the middle of a fleet, and where all is done.
    for args in [&[][..], &["--limit", "web01,lb01"], &[]] {
        let (before, running) = (files(&hosts), servers(&fleet));
        for flags in [&["-v"][..], &["--output", "json"], &["--detailed-exitcode"]] {
            let run = plan(&fleet, &[args, flags].concat());
            assert!(matches!(run.code, 0 | 2), "{}", run.stderr);
        }
        assert_eq!(running, servers(&fleet));
        assert_eq!(before, files(&hosts));

        let planned = json(&fleet, args).lines();
        let rolled_out = fleet.roll_out(args).expect(0).lines();
        for line in planned.iter().filter(|line| line["event"] == "plan.host") {
            let done: Vec<&Value> = rolled_out
                .iter()
                .filter(|event| event["event"] == "step.started" && event["host"] == line["host"])
                .map(|event| &event["step"])
                .collect();
            assert_eq!(line["steps"].as_array().unwrap().iter().collect::<Vec<_>>(), done, "{line}");
        }
        assert_eq!(planned.last().unwrap()["outcome"], rolled_out.last().unwrap()["outcome"]);
    }
    assert_eq!(plan(&fleet, &["--detailed-exitcode"]).code, 0);
    let text = plan(&fleet, &[]).expect(0).stdout;
    assert!(text.ends_with("nothing to do: 4 hosts are as planned\n"), "{text}");
    assert_eq!(plan(&fleet, &["--force", "--detailed-exitcode"]).code, 2);
}

#[test]
fn it_says_what_it_would_do_and_every_risk() {
    let mut fleet = Fleet::start(5);
    let config = |fleet: &Fleet, number: usize| fleet.lab.hosts[number].nginx.config.clone();
    // web02 reads a copy that nobody links, web03 would refuse its configuration, web05 is away.
    let copy = fleet.lab.hosts[1].root.join("etc/ssl/copy.crt");
    std::fs::copy(fleet.lab.hosts[1].root.join("etc/ssl/api.crt"), &copy).unwrap();
    let link = fleet.lab.hosts[1].root.join("etc/ssl/api.crt").display().to_string();
    edit(&config(&fleet, 1), &link, &copy.display().to_string());
    let text = std::fs::read_to_string(config(&fleet, 2)).unwrap();
    std::fs::write(config(&fleet, 2), format!("{text}\nno_such_directive on;\n")).unwrap();
    fleet.lab.hosts[4].sshd = None;

    // It is sure to fail.
    let run = plan(&fleet, &["--output", "json"]).expect(1);
    let lines = run.lines();
    let risks = |name: &str| -> Vec<String> {
        let risks = host(&lines, name)["risks"].as_array().unwrap();
        let names = risks.iter().map(|risk| risk["risk"].as_str().unwrap().to_owned());
        // What keeps a dead-man switch alive is this machine's, as its hosts are.
        let (of_switch, others): (Vec<_>, Vec<_>) = names.partition(|risk| risk.starts_with("switch_"));
        assert!(of_switch.len() == usize::from(name != "web05"), "{name}: {of_switch:?}");
        others
    };
    assert_eq!(risks("web01"), ["link_not_named"]);
    assert_eq!(risks("web02"), ["still_reads", "not_named", "link_not_named", "link_not_named"]);
    assert_eq!(risks("web03"), ["broken"]);
    assert_eq!(risks("web05"), ["away"]);
    let still = &host(&lines, "web02")["risks"][0];
    assert_eq!(
        (&still["path"], &still["name"]),
        (&copy.display().to_string().into(), &"api.lab.test".into())
    );
    let web01 = host(&lines, "web01");
    // On the way to production it stops, and the canary goes back.
    assert_eq!((&web01["change"], &web01["wave"]), (&"back_again".into(), &"canary".into()));
    assert_eq!(host(&lines, "web02")["change"], "fails");
    assert_eq!(host(&lines, "web03")["change"], "not_reached");
    assert_eq!(web01["seen"]["served"][0]["leaf"]["fingerprint_sha256"], fleet.served(0));
    assert_eq!(web01["seen"]["links"][0], "file");
    let last = run.last();
    // One that fails is one too many: the wave would stop, and the canary go back.
    assert_eq!(last["outcome"], "rolled_back");
    assert_eq!(last["risks"][0]["risk"], "wave_stops");
    assert_eq!((&last["changes"], &last["hosts"]), (&true.into(), &5.into()));

    let text = plan(&fleet, &[]).expect(1).stdout;
    for words in [
        "api.lab.test: a new certificate is issued: there is none yet",
        "next      ecdsa-p256 for api.lab.test",
        "wave `canary`: 1 host, none may fail, soaks 1s, watched by handshakes",
        "wave `production` would stop: 1 of 4 hosts failed, 0 may fail",
        "switched, and put back again when a wave stops",
        "web03: nginx does not take its configuration as it is: unknown directive",
        "web05: does not answer: ",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    let alone = json(&fleet, &["--limit", "web01"]).lines();
    assert_eq!((&alone[0]["change"], &alone[0]["upload"]), (&"switch".into(), &true.into()));
    let text = plan(&fleet, &["-v", "--limit", "web01"]).expect(0).stdout;
    for words in
        ["serves    nginx at", "on disk   ", "-s reload", "3 answers in a row", "goes back by itself"]
    {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}

#[test]
fn a_saved_plan_is_carried_out_as_it_is_or_not_at_all() {
    let fleet = Fleet::start(2);
    let save = |name: &str, args: &[&str]| plan(&fleet, &[&["--out", name], args].concat()).expect(0);
    let carry_out = |name: &str| fleet.run(&["rollout", "--plan", name, "--output", "json"]);
    let refused = |name: &str, words: &str| {
        let before = fleet.all_served();
        let run = carry_out(name);
        assert_eq!(run.code, 1, "{} {}", run.stdout, run.stderr);
        let run = fleet.run(&["rollout", "--plan", name]);
        assert!(run.stderr.contains(words), "no `{words}` in {}", run.stderr);
        assert!(run.stderr.contains("state: no host was touched"), "{}", run.stderr);
        assert_eq!(fleet.all_served(), before);
    };
    // Nobody is asked: the plan was looked at.
    save("first.plan", &[]);
    let run = carry_out("first.plan").expect(0);
    assert_eq!(run.hosts(), ["changed"; 2]);
    // What was planned is done: the same plan is another one now.
    refused("first.plan", "would be rolled out now");

    save("second.plan", &["--force"]);
    let saved = fleet.lab.directory().join("second.plan");
    let text = std::fs::read_to_string(&saved).unwrap();
    std::fs::write(fleet.lab.directory().join("changed.plan"), text.replacen("parallel", "paralleL", 1))
        .unwrap();
    refused("changed.plan", "it was changed after it was made");
    std::fs::write(fleet.lab.directory().join("none.plan"), "{}").unwrap();
    refused("none.plan", "it is not a plan of certwave's");
    save("short.plan", &["--force", "--valid-for", "1ms"]);
    refused("short.plan", "it was valid until");

    let playbook = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    fleet.edit("soak: 1s", "soak: 2s");
    refused("second.plan", "playbook.yaml` changed");
    std::fs::write(fleet.lab.playbook(), &playbook).unwrap();
    let inventory = std::fs::read_to_string(fleet.lab.inventory()).unwrap();
    std::fs::write(fleet.lab.inventory(), format!("{inventory}\n# Somebody was here.\n")).unwrap();
    refused("second.plan", "inventory.yaml` changed");
    std::fs::write(fleet.lab.inventory(), &inventory).unwrap();

    // A host that is not as it was seen.
    let link = fleet.lab.hosts[1].root.join("etc/ssl/api-leaf.crt");
    let target = std::fs::read_link(&link).unwrap();
    std::fs::remove_file(&link).unwrap();
    refused("second.plan", "web02: its links changed");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let run = carry_out("second.plan").expect(0);
    assert_eq!(run.hosts(), ["changed"; 2]);

    // And facts that were written down, without a look at any host.
    plan(&fleet, &["--force", "--record", "facts.jsonl"]).expect(0);
    let (mut with, mut without) =
        (json(&fleet, &["--force"]).lines(), json(&fleet, &["--force", "--facts", "facts.jsonl"]).lines());
    with.iter_mut().chain(&mut without).for_each(|line| line["time"] = Value::Null);
    assert_eq!(with, without);
}

#[test]
fn a_rehearsal_tries_what_can_be_tried_and_nobody_notices() {
    let mut fleet = Fleet::mixed(2, 1, 1);
    fleet.edit("hosts: canary", "hosts: all");
    let text = std::fs::read_to_string(fleet.lab.playbook()).unwrap();
    std::fs::write(fleet.lab.playbook(), &text[..text.find("  - name: production").unwrap()]).unwrap();
    let all = |fleet: &Fleet| (fleet.all_served(), fleet.front_served(0), fleet.front_served(1));
    let paths = |fleet: &Fleet| -> BTreeMap<PathBuf, u64> {
        let files = files(&fleet.lab.directory().join("hosts")).into_iter();
        let files = files.filter(|(path, _)| !path.ends_with(".lock") && !path.is_dir());
        files
            .map(|(path, (_, size, _))| (path, size))
            .filter(|(path, _)| !path.ends_with("error.log"))
            .collect()
    };
    // Before anything was installed, and on hosts that have links.
    for roll_out in [true, false] {
        let (served, before, running) = (all(&fleet), paths(&fleet), servers(&fleet));
        let watch = Watch::over(&fleet);
        let run = plan(&fleet, &["--rehearse", "--force"]).expect(0);
        let seen = watch.end();
        let own: BTreeSet<String> = served.0.iter().chain([&served.1, &served.2]).cloned().collect();
        assert_eq!(seen, own, "another certificate was served");
        for host in ["web01", "web02", "lb01", "edge01"] {
            let line = run.stdout.lines().find(|line| line.starts_with(&format!("  {host}: uploaded")));
            let line = line.unwrap_or_else(|| panic!("{}", run.stdout));
            // Without root, or in a container, a host may not let us.
            let told = line.contains("would take it") || line.contains("without touching what is live");
            // Envoy has no test to run.
            let tried = told || host == "edge01" && line.ends_with("removed again");
            assert!(tried, "{line}");
        }
        assert_eq!((served, before), (all(&fleet), paths(&fleet)));
        assert_eq!(running, servers(&fleet), "a server was restarted");
        if roll_out {
            fleet.roll_out(&[]).expect(0);
        }
    }
    // What would be refused is told, and why.
    fleet.lab.break_canary(certwave::lab::Break::Key).unwrap();
    let lines = plan(&fleet, &["--rehearse", "--force", "--output", "json"]).expect(1).lines();
    let web01 =
        lines.iter().find(|line| line["event"] == "plan.rehearsed" && line["host"] == "web01").unwrap();
    let text = web01["text"].as_str().unwrap();
    if crate::require::mounts() {
        assert_eq!(web01["good"], false);
        assert!(text.contains("nginx refuses it: "), "{web01}");
    } else {
        assert!(text.contains("without touching what is live"), "{web01}");
    }
    assert_eq!(lines.last().unwrap()["event"], "plan.finished");
}
