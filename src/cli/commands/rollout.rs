//! `certwave rollout`

use std::io::{BufRead, Write};
use std::path::Path;

use jiff::Timestamp;

use super::super::args::Rollout;
use super::super::carry_out::{self, cancel_on_signal, who};
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::load::{self, Loaded};
use super::super::planning;
use super::super::replay;
use super::super::settings::Settings;
use super::super::stored;
use super::issue::{Choice, choose, issue};
use super::{planned, resume};
use crate::certificate::CertificateSet;
use crate::model::RolloutId;
use crate::plan::{Plan, Windows};
use crate::preview::{Next, SavedPlan};
use crate::ssh::SshConnector;
use crate::store::{Journal, RolloutRecord, Store};

pub(super) fn run(args: &Rollout, settings: &Settings) -> Result<Exit, Failure> {
    let (saved, loaded) = match (&args.plan, &args.playbook) {
        (Some(path), _) => {
            let (saved, loaded) = planned::read(path, settings)?;
            (Some((path.as_path(), saved)), loaded)
        }
        (None, Some(playbook)) => (None, load::load(settings, playbook, args.limit.as_deref())?),
        (None, None) => return Err(Failure::usage("there is no playbook to roll out")),
    };
    if !settings.json() {
        loaded.notes.iter().for_each(|note| super::remark(settings, &format!("note: {note}")));
    }
    let playbook = match (&saved, &args.playbook) {
        (Some((_, saved)), _) => saved.playbook.path.clone(),
        (None, playbook) => playbook.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
    };
    super::runtime()?.block_on(roll_out(loaded, saved, playbook, args, settings))
}

async fn roll_out(
    loaded: Loaded,
    saved: Option<(&Path, SavedPlan)>,
    playbook: String,
    args: &Rollout,
    settings: &Settings,
) -> Result<Exit, Failure> {
    let cancel = cancel_on_signal()?;
    let store = settings.store()?;
    let journal = store.journal()?;
    let id = new_id()?;
    let who = who(&id);
    let lease = store.lease(&journal, &loaded.plan.certificate, &who)?;
    if let Some(record) = broken_off(&journal, &loaded)? {
        if let Some((path, _)) = &saved {
            return Err(planned::after_a_broken_off(path, &record.id));
        }
        if goes_on(&record, &journal, &loaded, args, settings)? {
            drop(lease);
            return resume::go_on(&record, &store, &journal, cancel, settings).await;
        }
    }
    // Said before anything is paid for: a root that cannot be read.
    let prober = carry_out::prober(&loaded.plan)?;
    let connector = SshConnector::default();

    let (force, version) = match saved.as_ref().map(|(_, saved)| &saved.next) {
        Some(Next::New { forced, .. }) => (*forced, None),
        Some(Next::Stored { version }) => (false, Some(version)),
        None => (args.force, args.certificate.as_ref()),
    };
    let choice = choose(&loaded, &store.certificates(), force, version)?;
    match &saved {
        Some((path, saved)) => {
            let set = planning::known(&loaded, &choice)?;
            planned::same_certificate(path, saved, &choice, set.as_ref())?;
            planned::same_hosts(path, saved, set.as_ref(), &store).await?;
        }
        None => confirm(&loaded, &choice, args.yes, settings)?,
    }
    let set = match choice {
        Choice::Stored(set, _) => *set,
        Choice::New(_, kept) => issue(&loaded, kept.map(|kept| *kept), &store, &connector, settings).await?,
    };
    // An order is brought to its end: tokens are withdrawn, and what counts against the CA's limits is kept.
    if *cancel.borrow() {
        let mut failure = Failure::new("interrupted before the first wave");
        failure.state =
            Some(format!("no host was touched; {} is in the store and is used next time", set.version()));
        failure.exit = Exit::Interrupted;
        return Err(failure);
    }

    let mut plan = loaded.plan;
    mind_windows(&mut plan, &set, &store, settings)?;
    let rollout = carry_out::Rollout {
        id,
        playbook,
        plan,
        prober,
        set,
        store: &store,
        journal: &journal,
        lease: &lease,
        who,
    };
    rollout.carry_out(cancel, settings).await
}

/// Windows no longer count when what is served is about to expire: that is said.
fn mind_windows(
    plan: &mut Plan,
    set: &CertificateSet,
    store: &Store,
    settings: &Settings,
) -> Result<(), Failure> {
    let Some(windows) = &mut plan.schedule.windows else { return Ok(()) };
    let version = Some(set.version());
    windows.served_until = stored::served_until(&store.certificates(), &plan.certificate, version)?;
    let now = Timestamp::now();
    let closed = Windows { served_until: None, ..windows.clone() }.open(now) != Some(now);
    if let Some(until) = windows.served_until.filter(|_| closed && windows.open(now) == Some(now)) {
        let until = until.strftime("%Y-%m-%d %H:%M:%SZ");
        let text =
            format!("note: outside of every window, but what is served expires on {until}: it goes ahead");
        super::remark(settings, &text);
    }
    Ok(())
}

/// The last rollout of the same certificate, where its controller died.
fn broken_off(journal: &Journal, loaded: &Loaded) -> Result<Option<RolloutRecord>, Failure> {
    let mut rollouts = journal.rollouts()?.into_iter();
    let last = rollouts.find(|rollout| rollout.certificate == loaded.plan.certificate);
    Ok(last.filter(|rollout| rollout.outcome.is_none()))
}

/// Whether the one that was broken off is gone on with, rather than a new one begun.
fn goes_on(
    record: &RolloutRecord,
    journal: &Journal,
    loaded: &Loaded,
    args: &Rollout,
    settings: &Settings,
) -> Result<bool, Failure> {
    // One that cannot be read is not the same.
    let same = replay::planned(journal, record).is_ok_and(|mut planned| {
        // Found out when it began.
        if let Some(windows) = &mut planned.schedule.windows {
            windows.served_until = None;
        }
        planned == loaded.plan
    });
    let found = format!("rollout {} of {} {} was broken off", record.id, record.certificate, record.version);
    let anew = |why: &str| {
        let text = format!("{found}; {why}, so a new one begins, and every host is looked at first");
        super::remark(settings, &text);
        Ok(false)
    };
    if args.force || args.certificate.is_some() {
        return anew("another certificate is asked for");
    }
    if args.yes {
        return if same { Ok(true) } else { anew("playbook or inventory changed since") };
    }
    let since =
        if same { "" } else { "; playbook or inventory changed since, and it keeps to what was planned" };
    super::remark(settings, &format!("{found}{since}"));
    confirmed("go on with it? `yes` goes on, anything else begins a new one", settings)
}

pub(super) fn new_id() -> Result<RolloutId, Failure> {
    let mut entropy = [0; 10];
    getrandom::fill(&mut entropy).map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    let millis = Timestamp::now().as_millisecond();
    Ok(RolloutId::new(u64::try_from(millis).unwrap_or_default(), entropy))
}

/// Asks before the first change; without a terminal only `--yes` will do.
fn confirm(loaded: &Loaded, choice: &Choice, yes: bool, settings: &Settings) -> Result<(), Failure> {
    let schedule = &loaded.plan.schedule;
    let hosts = schedule.hosts.len();
    let what = match choice {
        Choice::Stored(_, why) => format!("{why}, so it is rolled out as it is"),
        Choice::New(why, _) => why.clone(),
    };
    if !settings.json() {
        let waves: Vec<String> =
            schedule.waves.iter().map(|wave| format!("{} ({})", wave.name, wave.hosts().len())).collect();
        super::remark(settings, &format!("{}: {what}", loaded.plan.certificate));
        super::remark(settings, &format!("waves: {}, {hosts} in all", waves.join(", then ")));
    }
    ask(&format!("roll out to {hosts} hosts?"), yes, settings)
}

/// Asks a question that only `yes` answers.
pub(super) fn ask(question: &str, yes: bool, settings: &Settings) -> Result<(), Failure> {
    if yes || confirmed(&format!("{question} Only `yes` will do"), settings)? {
        Ok(())
    } else {
        Err(Failure::new("not confirmed; no host was touched"))
    }
}

/// Whether the answer is `yes`.
fn confirmed(question: &str, settings: &Settings) -> Result<bool, Failure> {
    if !settings.interactive() {
        return Err(Failure::usage("nobody is there to confirm the rollout")
            .hint("add `--yes` where nobody is asked"));
    }
    let mut stderr = std::io::stderr();
    let asked = write!(stderr, "{question}: ").and_then(|()| stderr.flush());
    asked.map_err(|error| Failure::to("ask", &error))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::to("read the answer", &error))?;
    Ok(answer.trim() == "yes")
}

/// Rolls out a playbook without asking: what the demo does.
pub(super) fn run_unasked(playbook: &Path, settings: &Settings) -> Result<Exit, Failure> {
    let args = Rollout {
        playbook: Some(playbook.to_owned()),
        plan: None,
        force: false,
        certificate: None,
        limit: None,
        yes: true,
    };
    run(&args, settings)
}
