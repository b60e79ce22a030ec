//! How a rollout grows from ten hosts to ten thousand: the real program against far ends in this process, so that
//! what is seen is the controller and not the shells of its hosts. `cargo bench --bench growth -- 10 100 1000 10000`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A bench says what it expects by failing.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use certwave::model::CertificateName;
use certwave::rollout::Event;
use certwave::store::{Entry, Store};

use common::far::FarEnd;
use common::{Cost, certwave, numbers, run};

/// Hosts at once, where there are more.
const AT_ONCE: usize = 512;

struct Grown {
    hosts: usize,
    parallel: usize,
    rollout: Cost,
}

fn main() {
    common::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let far = runtime.block_on(FarEnd::start());
    let mut sizes: Vec<(usize, usize)> =
        numbers(&[10, 100, 1_000, 10_000]).into_iter().map(|hosts| (hosts, AT_ONCE)).collect();
    // So many in flight, as the memory's bound says.
    if sizes.contains(&(1_000, AT_ONCE)) {
        sizes.push((1_000, 1_000));
    }
    println!(
        "| hosts | at once | wall | CPU a host | peak memory | journal's writes | of the wall | check | show |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let grown: Vec<Grown> = sizes.into_iter().map(|(hosts, parallel)| grow(&far, hosts, parallel)).collect();
    std::fs::write("target/growth.svg", picture(&grown)).unwrap();
    println!("\nThe picture is in target/growth.svg");
}

fn grow(far: &FarEnd, hosts: usize, parallel: usize) -> Grown {
    let folder = far.folder.path();
    far.prepare(hosts, parallel, far.ports());
    let state = folder.join("state");
    let _ = std::fs::remove_dir_all(&state);
    let rollout = run(&mut certwave(folder, &["rollout", "playbook.yaml", "--yes", "-q"]), 0);
    assert_eq!(far.changed(), hosts, "every host was changed");
    let entries = Store::open(&state).unwrap().journal().unwrap().entries().unwrap();
    let (journal, writes) = written_again(&folder.join("again"), &entries);
    let id = entries[0].rollout.to_string();
    let check = run(&mut certwave(folder, &["check", "playbook.yaml"]), 0);
    let show = run(&mut certwave(folder, &["show", &id]), 0);
    println!(
        "| {hosts} | {} | {:.2} s | {:.2} ms | {} MB | {writes} | {:.1} % | {:.2} s | {:.2} s |",
        parallel.min(hosts),
        rollout.wall.as_secs_f64(),
        rollout.cpu_ms_each(hosts),
        rollout.peak_kib / 1024,
        100.0 * journal.as_secs_f64() / rollout.wall.as_secs_f64(),
        check.wall.as_secs_f64(),
        show.wall.as_secs_f64(),
    );
    Grown { hosts, parallel, rollout }
}

/// The same events in the same groups, written into a journal on the same disk: what that alone takes.
fn written_again(folder: &Path, entries: &[Entry]) -> (Duration, usize) {
    let _ = std::fs::remove_dir_all(folder);
    let store = Store::open(folder).unwrap();
    let journal = store.journal().unwrap();
    let Event::Started { certificate, version, .. } = &entries[0].event else { panic!("no start") };
    let name: CertificateName = certificate.clone();
    let lease = store.lease(&journal, &name, "bench").unwrap();
    journal
        .begin(&certwave::store::RolloutRecord {
            id: entries[0].rollout.clone(),
            certificate: name,
            version: version.clone(),
            playbook: String::new(),
            plan: "{}".to_owned(),
            started: entries[0].time,
            outcome: None,
        })
        .unwrap();
    let began = Instant::now();
    let mut writes = 0;
    // What was written together has one time.
    for group in entries[1..].chunk_by(|one, other| one.time == other.time) {
        let events: Vec<_> = group.iter().map(|entry| (entry.time, entry.event.clone())).collect();
        journal.append(&entries[0].rollout, &lease.fence(), &events).unwrap();
        writes += 1;
    }
    (began.elapsed(), writes)
}

/// CPU a host and memory over the number of hosts, which is on a logarithmic axis.
fn picture(grown: &[Grown]) -> String {
    let (width, height, left, bottom) = (720.0, 320.0, 60.0, 40.0);
    let grown: Vec<&Grown> = grown.iter().filter(|one| one.parallel == AT_ONCE).collect();
    let x = |hosts: usize| left + ((hosts as f64).log10() - 1.0) / 3.0 * (width - 2.0 * left);
    let most = |value: &dyn Fn(&Grown) -> f64| grown.iter().map(|one| value(one)).fold(1.0, f64::max) * 1.25;
    let mut marks = String::new();
    for (colour, name, unit, value) in [
        (
            "#1f6feb",
            "CPU of the controller a host",
            "ms",
            &(|one: &Grown| one.rollout.cpu_ms_each(one.hosts)) as &dyn Fn(&Grown) -> f64,
        ),
        ("#2da44e", "wall a host", "ms", &|one: &Grown| {
            one.rollout.wall.as_secs_f64() * 1000.0 / one.hosts as f64
        }),
        ("#bf3989", "peak memory", "MB", &|one: &Grown| one.rollout.peak_kib as f64 / 1024.0),
    ] {
        let top = most(value);
        let y = |value: f64| height - bottom - value / top * (height - 2.0 * bottom);
        let points: String =
            grown.iter().map(|one| format!("{:.1},{:.1} ", x(one.hosts), y(value(one)))).collect();
        marks += &format!("<polyline fill='none' stroke='{colour}' stroke-width='2' points='{points}'/>\n");
        for one in &grown {
            let (x, y) = (x(one.hosts), y(value(one)));
            marks += &format!(
                "<circle cx='{x:.1}' cy='{y:.1}' r='3' fill='{colour}'/><text x='{x:.1}' y='{:.1}' fill='{colour}' \
                 text-anchor='middle'>{:.1} {unit}</text>\n",
                y - 7.0,
                value(one)
            );
        }
        let line = marks.matches("<polyline").count() as f64 * 15.0;
        marks += &format!("<text x='{left}' y='{line}' fill='{colour}'>{name} ({unit})</text>\n");
    }
    for one in &grown {
        marks += &format!(
            "<text x='{:.1}' y='{}' text-anchor='middle' fill='#57606a'>{} hosts</text>\n",
            x(one.hosts),
            height - 12.0,
            one.hosts
        );
    }
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' font-family='sans-serif' \
         font-size='11'>\n<rect width='{width}' height='{height}' fill='white'/>\n<line x1='{left}' y1='{0}' x2='{1}' \
         y2='{0}' stroke='#d0d7de'/>\n{marks}</svg>\n",
        height - bottom,
        width - left
    )
}
