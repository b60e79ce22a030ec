//! A whole rollout on N hosts of the lab against the floor, and against other tools where they are installed. All
//! in one run, since the machine is never the same twice. `cargo bench --bench fleet -- 100`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A bench says what it expects by failing.

mod common;
mod others;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use certwave::lab::{Lab, LabHost, LabOptions, wait_for};
use certwave::ports::Prober;
use certwave::tls::TlsProber;
use certwave::verify::{Endpoint, Expectation, Observation, Via, judge};
use futures_util::{StreamExt, stream};

use common::bare::Bare;
use common::floor::Floor;
use common::{Cost, Page, busy, certwave, measure, numbers, rest, run};

/// Hosts at the same time.
const AT_ONCE: usize = 32;
/// For one handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a rollout is compared with the floor. What else the machine does shows more where a run is short.
fn rounds(hosts: usize) -> usize {
    if hosts < 500 { 15 } else { 7 }
}

fn main() {
    common::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut page = Page::default();
    for hosts in numbers(&[100]) {
        fleet(&mut page, &runtime, hosts);
    }
    page.write("fleet.md");
}

fn fleet(page: &mut Page, runtime: &tokio::runtime::Runtime, count: usize) {
    let options = LabOptions { hosts: count, haproxy: 0, envoy: 0, directory: None, soak: "0s".to_owned() };
    let lab = Lab::start(&options).unwrap();
    one_wave(&lab);
    let folder = lab.directory();
    let floor = Floor::new(&folder.join("id_ed25519"));
    let on_hosts = |work: &mut dyn FnMut() -> Cost| {
        rest();
        let before = busy();
        let cost = work();
        // What outlives it counts as well: dead-man switches, workers that end.
        rest();
        (cost, (busy() - before).saturating_sub(cost.cpu))
    };
    let bare = || on_hosts(&mut || runtime.block_on(floor.run(bare_hosts(&lab), AT_ONCE)));
    let before = bare();
    let rollout = &["rollout", "playbook.yaml", "--yes", "--force", "-q"];
    let first = on_hosts(&mut || run(&mut certwave(folder, rollout), 0));
    let second = on_hosts(&mut || run(&mut certwave(folder, rollout), 0));
    // Another build of the program, to see in one run what a change gave.
    let other = std::env::var_os("FLEET_OTHER").map(|program| {
        let mut command = std::process::Command::new(program);
        let own = certwave(folder, rollout);
        command.args(own.get_args()).current_dir(folder).env("HOME", folder).env_remove("SSH_AUTH_SOCK");
        on_hosts(&mut || run(&mut command, 0))
    });
    let keep = &["rollout", "playbook.yaml", "--yes", "-q"];
    // All that is done to hosts, and no CA that is waited for: in turns with the floor, since what else the machine does
    // changes from one minute to the next.
    let (mut act, mut seen_through, mut issued_before) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds(count) {
        let mut later = Duration::ZERO;
        let acted = on_hosts(&mut || {
            let (work, old) = (acting_hosts(&lab), lab.hosts.iter().map(workers).collect::<Vec<_>>());
            let cost = runtime.block_on(floor.run(work, AT_ONCE));
            let ended = Instant::now();
            let reloaded = || lab.hosts.iter().zip(&old).all(|(host, old)| has_reloaded(host, old));
            assert!(wait_for(Duration::from_secs(30), reloaded));
            later = ended.elapsed();
            cost
        });
        seen_through.push((Cost { wall: acted.0.wall + later, ..acted.0 }, acted.1));
        act.push(acted);
        if round < rounds(count) {
            put_back(&lab.hosts);
            issued_before.push(on_hosts(&mut || run(&mut certwave(folder, keep), 0)));
        }
    }
    // Over the floor right before and right after it.
    let ratios = [&act, &seen_through].map(|floor| {
        let around = floor.windows(2).map(|pair| (pair[0].0.wall + pair[1].0.wall) / 2);
        let mut ratios: Vec<f64> =
            around.zip(&issued_before).map(|(floor, rollout)| rollout.0.over(floor)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    });
    let [act, seen_through, issued_before] = [act, seen_through, issued_before].map(median);
    let unchanged = on_hosts(&mut || run(&mut certwave(folder, keep), 0));
    let after = bare();
    let wall = (before.0.wall + after.0.wall) / 2;
    page.say(format!("\n{count} hosts, {AT_ONCE} at once\n"));
    page.table(&[
        "what",
        "wall",
        "CPU here, a host",
        "CPU of all else, a host",
        "peak memory",
        "wall / bare floor",
        "wall / acting floor",
    ]);
    let mut row = |what: &str, (cost, there): &(Cost, Duration)| {
        page.say(format!(
            "| {what} | {:.2} s | {:.1} ms | {:.0} ms | {} | {:.2} | {:.2} |",
            cost.wall.as_secs_f64(),
            cost.cpu_ms_each(count),
            there.as_secs_f64() * 1000.0 / count as f64,
            cost.peak(),
            cost.over(wall),
            cost.over(act.0.wall),
        ));
    };
    row("floor: a connection and `true`, before", &before);
    row("floor: the same, after", &after);
    row("floor: a connection and one command that receives, switches, tests, reloads (median)", &act);
    row("floor: the same, until the last nginx has only new workers (median)", &seen_through);
    row("certwave, first rollout", &first);
    row("certwave, second rollout", &second);
    if let Some(other) = &other {
        row("certwave, the other build", other);
    }
    row("certwave, a certificate that was issued before (median)", &issued_before);
    row("certwave, nothing to change", &unchanged);
    for (name, mut command) in others::all(&lab, AT_ONCE) {
        row(&name, &on_hosts(&mut || run(command.current_dir(folder).env("HOME", folder), 0)));
    }
    let rounds = ratios[0].len();
    page.say(format!(
        "\nWhat was issued before, over the acting floors before and after it, {rounds} times:\n"
    ));
    for (what, ratios) in ["until its commands ended", "until its reloads were done"].iter().zip(ratios) {
        let (median, least, most) = (ratios[rounds / 2], ratios[0], ratios[rounds - 1]);
        page.say(format!("- {what}: {median:.2} (median), {least:.2} to {most:.2}"));
    }
    verify_pass(page, runtime, &lab);
}

/// The one in the middle, by its wall.
fn median(mut runs: Vec<(Cost, Duration)>) -> (Cost, Duration) {
    runs.sort_by_key(|(cost, _)| cost.wall);
    runs.swap_remove(runs.len() / 2)
}

/// To the certificate before the one that is live, as if that one had never come.
fn put_back(hosts: &[LabHost]) {
    std::thread::scope(|threads| {
        for some in hosts.chunks(hosts.len().div_ceil(AT_ONCE)) {
            threads.spawn(|| some.iter().for_each(put_one_back));
        }
    });
}

fn put_one_back(host: &LabHost) {
    let folder = host.root.join("etc/certwave");
    let live = folder.join("live/api.lab.test");
    let newest = std::fs::read_link(&live).unwrap();
    let archive = folder.join("archive/api.lab.test");
    std::fs::remove_dir_all(archive.join(newest.file_name().unwrap())).unwrap();
    let versions = std::fs::read_dir(&archive).unwrap().map(|entry| entry.unwrap().file_name());
    let before = versions.max().unwrap();
    std::fs::remove_file(&live).unwrap();
    std::os::unix::fs::symlink(Path::new("../archive/api.lab.test").join(before), &live).unwrap();
    let master = nix::unistd::Pid::from_raw(host.nginx.process.id().cast_signed());
    let old = workers(host);
    nix::sys::signal::kill(master, nix::sys::signal::Signal::SIGHUP).unwrap();
    let reloaded = || has_reloaded(host, &old);
    assert!(wait_for(Duration::from_secs(30), reloaded), "{} did not reload", host.name);
}

/// The processes of a host's nginx, but for the master.
fn workers(host: &LabHost) -> Vec<String> {
    let master = host.nginx.process.id();
    let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    children.split_whitespace().map(str::to_owned).collect()
}

fn has_reloaded(host: &LabHost, old: &[String]) -> bool {
    let now = workers(host);
    !now.is_empty() && now.iter().all(|worker| !old.contains(worker))
}

/// One wave with all hosts, so that the figures are of the work and not of the waves.
fn one_wave(lab: &Lab) {
    let playbook = std::fs::read_to_string(lab.playbook()).unwrap();
    let waves = playbook.find("waves:").unwrap();
    let wave = format!("waves:\n  - {{name: all, hosts: web, parallel: {AT_ONCE}}}\n");
    std::fs::write(lab.playbook(), format!("{}{wave}", &playbook[..waves])).unwrap();
}

fn ssh(host: &LabHost) -> SocketAddr {
    host.sshd.as_ref().unwrap().address
}

fn bare_hosts(lab: &Lab) -> Vec<(SocketAddr, String, Vec<u8>)> {
    lab.hosts.iter().map(|host| (ssh(host), "true".to_owned(), Vec::new())).collect()
}

/// What must be done on a host, in one command: two files received and flushed, a switch, a test, a reload.
fn acting_hosts(lab: &Lab) -> Vec<(SocketAddr, String, Vec<u8>)> {
    lab.hosts.iter().map(|host| (ssh(host), acting_line(host), payload(host))).collect()
}

fn acting_line(host: &LabHost) -> String {
    let (floor, prefix) = (host.root.join("etc/floor"), &host.nginx.prefix);
    let nginx = format!("/usr/sbin/nginx -p {0} -c {0}/nginx.conf -e {0}/logs/error.log", prefix.display());
    format!(
        "umask 077; mkdir -p {0}/new && cd {0} && tar -xmof - -C new && sync new/* new && ln -sf new next && \
         mv -T next live && sync . && {nginx} -t -q && {nginx} -s reload",
        floor.display()
    )
}

/// A tar of a certificate and a key.
fn payload(host: &LabHost) -> Vec<u8> {
    let ssl = host.root.join("etc/ssl");
    let files: [PathBuf; 2] = [ssl.join("api.crt"), ssl.join("api.key")];
    let tar = std::process::Command::new("tar")
        .args(["-chf", "-", "-C"])
        .arg(&ssl)
        .args(files.iter().map(|file| file.file_name().unwrap()))
        .output()
        .unwrap();
    assert!(tar.status.success());
    tar.stdout
}

/// The proof alone: so many judged handshakes in a row on each of 1,000 endpoints, by what certwave proves with,
/// against as many bare ones.
fn verify_pass(page: &mut Page, runtime: &tokio::runtime::Runtime, lab: &Lab) {
    const ENDPOINTS: usize = 1_000;
    const IN_A_ROW: usize = 3;
    let endpoints: Vec<SocketAddr> =
        lab.hosts.iter().map(|host| host.nginx.https).cycle().take(ENDPOINTS).collect();
    let prober = TlsProber::new(&[lab.directory().join("roots.pem")]).unwrap();
    let expected = Expectation {
        stays: false,
        chain: Vec::new(),
        server_name: "api.lab.test".parse().unwrap(),
        previous: Vec::new(),
        known: BTreeSet::new(),
    };
    let (prober, expected) = (&prober, &expected);
    let judged = || {
        let each = stream::iter(endpoints.clone()).for_each_concurrent(AT_ONCE, |address| async move {
            let endpoint = Endpoint {
                address: address.ip().to_string(),
                port: address.port(),
                server_name: expected.server_name.clone(),
                via: Via::Direct,
                starttls: None,
                client: None,
                key: None,
            };
            for _ in 0..IN_A_ROW {
                let dial = || prober.dial(&endpoint.address, endpoint.port, PATIENCE);
                let observed = prober.handshake(dial, &endpoint, PATIENCE).await;
                assert!(matches!(observed, Observation::Served(_)), "{address}: {observed:?}");
                let _ = judge(expected, &observed, jiff::Timestamp::now());
            }
        });
        runtime.block_on(measure(each)).1
    };
    let shaker = &Bare::new();
    let bare = || {
        let each = stream::iter(endpoints.clone()).for_each_concurrent(AT_ONCE, |address| async move {
            for _ in 0..IN_A_ROW {
                shaker.shake(address, "api.lab.test").await;
            }
        });
        runtime.block_on(measure(each)).1
    };
    // In turns, and the best of each: what else the machine does is in the others.
    let best = |costs: [Cost; 3]| costs.into_iter().min_by_key(|cost| cost.wall).unwrap();
    let rounds = [(); 3].map(|()| (bare(), judged()));
    let (bare, judged) = (best(rounds.map(|(bare, _)| bare)), best(rounds.map(|(_, judged)| judged)));
    page.say(format!(
        "\n{IN_A_ROW} handshakes on each of {ENDPOINTS} endpoints: bare {:.2} s ({:.2} ms of CPU each), judged {:.2} s \
         ({:.2} ms): {:.2} of the bare loop",
        bare.wall.as_secs_f64(),
        bare.cpu_ms_each(ENDPOINTS * IN_A_ROW),
        judged.wall.as_secs_f64(),
        judged.cpu_ms_each(ENDPOINTS * IN_A_ROW),
        judged.over(bare.wall),
    ));
}
