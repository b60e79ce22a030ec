//! How a rollout grows from ten hosts to ten thousand, and what the commands that look at so many take: the real
//! program against far ends in this process, so that what is seen is the controller and not the shells of its hosts.
//! `cargo bench --bench growth`, or `-- 10 1000` for other numbers; with `--write` the picture becomes that of the docs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A bench says what it expects by failing.

mod common;
mod picture;

use std::path::Path;
use std::time::{Duration, Instant};

use certwave::ledger::Fact;
use certwave::model::CertificateName;
use certwave::ports::{Entry, Journal, Leases};
use certwave::rollout::Event;
use certwave::rollout::RolloutRecord;
use certwave::store::Store;

use common::far::FarEnd;
use common::{Cost, Page, certwave, numbers, on_terminal, run, write_down};
use picture::{Panel, picture};

/// Hosts at once, where there are more.
const AT_ONCE: usize = 512;

struct Grown {
    hosts: usize,
    rollout: Cost,
}

fn main() {
    common::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let far = runtime.block_on(FarEnd::start());
    let sizes = numbers(&[10, 100, 1_000, 10_000]);
    let mut page = Page::default();
    page.table(&COLUMNS);
    let grown: Vec<Grown> = sizes.iter().map(|&hosts| grow(&mut page, &far, hosts, AT_ONCE)).collect();
    let most = *sizes.iter().max().unwrap();
    commands(&mut page, &far, most);
    // The most in flight that memory and the display are bounded for.
    if most >= 1_000 {
        page.say("");
        page.table(&COLUMNS);
        grow(&mut page, &far, 1_000, 1_000);
        display(&mut page, &far, 1_000);
    }
    page.write("growth.md");
    let shown = if std::env::args().any(|word| word == "--write") { "docs" } else { "target" };
    write_down(&Path::new(shown).join("growth.svg"), &drawn(&grown));
}

const COLUMNS: [&str; 8] = [
    "hosts",
    "at once",
    "connected at once",
    "wall",
    "CPU a host",
    "peak memory",
    "journal's writes",
    "of the wall",
];

/// A rollout to so many hosts, which all serve another certificate before.
fn grow(page: &mut Page, far: &FarEnd, hosts: usize, parallel: usize) -> Grown {
    let folder = far.folder.path();
    begin(far, hosts, parallel);
    let rollout = run(&mut certwave(folder, &["rollout", "playbook.yaml", "--yes", "-q"]), 0);
    assert_eq!(far.changed(), hosts, "every host was changed");
    let entries = Store::open(&folder.join("state"))
        .unwrap()
        .journal()
        .unwrap()
        .entries()
        .map(Result::unwrap)
        .collect::<Vec<_>>();
    let (journal, writes) = written_again(&folder.join("again"), &entries);
    page.say(format!(
        "| {hosts} | {} | {} | {:.2} s | {:.2} ms | {} | {writes} | {:.1} % |",
        parallel.min(hosts),
        far.most_connected(),
        rollout.wall.as_secs_f64(),
        rollout.cpu_ms_each(hosts),
        rollout.peak(),
        100.0 * journal.as_secs_f64() / rollout.wall.as_secs_f64(),
    ));
    Grown { hosts, rollout }
}

fn begin(far: &FarEnd, hosts: usize, parallel: usize) {
    far.prepare(hosts, parallel, far.ports());
    let _ = std::fs::remove_dir_all(far.folder.path().join("state"));
}

/// What else is asked about as many hosts, after a rollout to them.
fn commands(page: &mut Page, far: &FarEnd, hosts: usize) {
    let playbook = "playbook.yaml";
    page.say("");
    page.table(&["command", "hosts", "wall", "CPU", "CPU a host", "peak memory"]);
    for args in [
        &["check", playbook] as &[&str],
        &["show", "last"],
        &["history"],
        &["plan", playbook, "--record", "seen"],
        &["plan", playbook, "--facts", "seen"],
        &["status", playbook],
    ] {
        let cost = run(&mut certwave(far.folder.path(), args), 0);
        page.say(format!(
            "| `{}` | {hosts} | {:.2} s | {:.2} s | {:.2} ms | {} |",
            args.join(" "),
            cost.wall.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            cost.cpu_ms_each(hosts),
            cost.peak()
        ));
    }
}

/// What the bars on a terminal take of a rollout's CPU. They are drawn by the thread that drives it and by threads of
/// their own, so that is where they are looked for: tokio's, which do nearly everything, differ more from one rollout
/// to the next than all that is drawn. What else `-q` leaves out is counted as theirs.
fn display(page: &mut Page, far: &FarEnd, hosts: usize) {
    let folder = far.folder.path();
    let rollout = ["rollout", "playbook.yaml", "--yes"];
    begin(far, hosts, hosts);
    let quiet = run(&mut certwave(folder, &[&rollout[..], &["-q"]].concat()), 0);
    begin(far, hosts, hosts);
    let shown = on_terminal(&mut certwave(folder, &rollout));
    let driving = |cost: &Cost| cost.cpu.saturating_sub(cost.tokio).as_secs_f64();
    page.say(format!(
        "\n{hosts} hosts at once: {:.2} s of CPU without a display, {:.2} s of it outside tokio's threads; on a terminal {:.2} s \
         and {:.2} s: the display is {:.1} % of a rollout's CPU.",
        quiet.cpu.as_secs_f64(),
        driving(&quiet),
        shown.cpu.as_secs_f64(),
        driving(&shown),
        100.0 * (driving(&shown) - driving(&quiet)) / shown.cpu.as_secs_f64()
    ));
}

/// The same events in the same groups, written into a journal on the same disk: what that alone takes.
fn written_again(folder: &Path, entries: &[Entry]) -> (Duration, usize) {
    let _ = std::fs::remove_dir_all(folder);
    let store = Store::open(folder).unwrap();
    let journal = store.journal().unwrap();
    let start = entries.iter().position(|entry| matches!(entry.fact, Fact::Rollout(Event::Started { .. })));
    let entries = &entries[start.unwrap()..];
    let Fact::Rollout(Event::Started { certificate, version, .. }) = &entries[0].fact else {
        panic!("no start")
    };
    let name: CertificateName = certificate.clone();
    let lease = store.leases(&journal).take(&name, "bench").unwrap();
    let record = RolloutRecord {
        id: entries[0].operation.clone(),
        certificate: name,
        version: version.clone(),
        playbook: String::new(),
        started: entries[0].time,
        outcome: None,
        origin: None,
    };
    journal.begin(lease.as_ref(), &record, "{}").unwrap();
    let began = Instant::now();
    let mut writes = 0;
    // What was written together has one time.
    for group in entries[1..].chunk_by(|one, other| one.time == other.time) {
        let facts: Vec<_> = group.iter().map(|entry| (entry.time, entry.fact.clone())).collect();
        journal.append(lease.as_ref(), &entries[0].operation, &facts).unwrap();
        writes += 1;
    }
    (began.elapsed(), writes)
}

fn drawn(grown: &[Grown]) -> String {
    let points = |value: &dyn Fn(&Grown) -> f64| grown.iter().map(|one| (one.hosts, value(one))).collect();
    let panels = [
        Panel {
            title: "Wall time a host",
            unit: "ms",
            colour: "#0969da",
            points: points(&|one| one.rollout.wall.as_secs_f64() * 1000.0 / one.hosts as f64),
        },
        Panel {
            title: "Controller's CPU a host",
            unit: "ms",
            colour: "#bc4c00",
            points: points(&|one| one.rollout.cpu_ms_each(one.hosts)),
        },
        Panel {
            title: "Controller's peak memory",
            unit: "MB",
            colour: "#8250df",
            points: points(&|one| one.rollout.peak_kib as f64 / 1024.0),
        },
    ];
    picture(&panels, &format!("by the hosts of a rollout, at most {AT_ONCE} of them at the same time"))
}
