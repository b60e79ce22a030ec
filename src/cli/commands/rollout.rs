//! `certwave rollout`

use std::path::Path;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::certificate::CertificateSet;
use crate::cli::args::Rollout;
use crate::cli::carry_out::{self, cancel_on_signal, who};
use crate::cli::commands::issue::{Choice, choose, issue};
use crate::cli::commands::{planned, resume};
use crate::cli::confirm::{ask, confirmed};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::load::{self, Loaded};
use crate::cli::planning;
use crate::cli::replay;
use crate::cli::settings::Settings;
use crate::cli::stored;
use crate::model::{CertificateName, RolloutId};
use crate::plan::{Plan, Windows};
use crate::preview::{Next, SavedPlan};
use crate::report::count;
use crate::rollout::RolloutOutcome;
use crate::ssh::SshConnector;
use crate::store::{Journal, RolloutRecord, Store};

pub(super) fn run(args: &Rollout, settings: &Settings) -> Result<Exit, Failure> {
    let (saved, loaded) = match (&args.plan, &args.playbook) {
        (Some(path), _) => {
            let (saved, loaded) = planned::read(path, settings)?;
            (Some((path.as_path(), saved)), loaded)
        }
        (None, Some(playbook)) => {
            let mut loaded = load::load(settings, playbook, args.limit.as_deref())?;
            loaded.accept(&args.accept)?;
            (None, loaded)
        }
        (None, None) => return Err(Failure::usage("there is no playbook to roll out")),
    };
    loaded.say_notes(settings);
    let playbook = match (&saved, &args.playbook) {
        (Some((_, saved)), _) => saved.playbook.path.clone(),
        (None, playbook) => playbook.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
    };
    crate::cli::commands::runtime()?.block_on(roll_out(loaded, saved, playbook, args, settings))
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
    let last = last(&journal, &loaded.plan.certificate)?;
    none_waits(last.as_ref(), &store, settings)?;
    if let Some(record) = last.filter(|rollout| rollout.outcome.is_none()) {
        if let Some((path, _)) = &saved {
            return Err(planned::after_a_broken_off(path, &record.id));
        }
        if goes_on(&record, &journal, &loaded, args, &cancel, settings).await? {
            drop(lease);
            return resume::go_on(&record, &store, &journal, resume::Asked::InPassing, cancel, settings)
                .await;
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
        None => confirm(&loaded, &choice, args.yes, &cancel, settings).await?,
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

    if let Some(reason) = planning::untrusted(&prober, &set) {
        let mut failure = Failure::new(format!("the new certificate would not be trusted: {reason}"));
        failure.state = Some(format!("no host was touched; {} is in the store", set.version()));
        return Err(failure.hint("name the root of its CA in `verify: ca_file`, and roll out again"));
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
        crate::cli::commands::remark(settings, &text);
    }
    Ok(())
}

/// The last rollout of a certificate.
pub(super) fn last(journal: &Journal, name: &CertificateName) -> Result<Option<RolloutRecord>, Failure> {
    Ok(journal.rollouts()?.into_iter().find(|rollout| rollout.certificate == *name))
}

/// Refuses another rollout while the last one waits for a person: `abort` and `approve` would then mean the wrong one.
/// Nobody can resume one whose certificate expired or was revoked: a remark names it, and the other one begins.
pub(super) fn none_waits(
    last: Option<&RolloutRecord>,
    store: &Store,
    settings: &Settings,
) -> Result<(), Failure> {
    let paused = |rollout: &&RolloutRecord| rollout.outcome == Some(RolloutOutcome::Paused);
    let Some(record) = last.filter(paused) else { return Ok(()) };
    let RolloutRecord { id, certificate, version, .. } = record;
    let (certificates, required) = (store.certificates(), resume::required(Timestamp::now()));
    let fit = stored::not_revoked(&certificates, certificate, version)
        .and_then(|()| stored::proven(&certificates, certificate, version, &required));
    if let Err(unfit) = fit {
        crate::cli::commands::remark(settings, &format!("rollout {id} stays paused: {}", unfit.message));
        return Ok(());
    }
    let mut failure =
        Failure::new(format!("rollout {id} of {certificate} {version} is paused, or waits for an approval"));
    failure.state = Some("no host was touched".to_owned());
    Err(failure.hint(format!(
        "`certwave resume {id}` finishes it, `certwave approve {id}` lets its next wave begin, \
         `certwave abort {id}` gives it up"
    )))
}

/// Whether the one that was broken off is gone on with, rather than a new one begun.
async fn goes_on(
    record: &RolloutRecord,
    journal: &Journal,
    loaded: &Loaded,
    args: &Rollout,
    cancel: &watch::Receiver<bool>,
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
        crate::cli::commands::remark(settings, &text);
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
    crate::cli::commands::remark(settings, &format!("{found}{since}"));
    confirmed("Type `yes` to resume it; anything else begins a new one", cancel, settings).await
}

pub(super) fn new_id() -> Result<RolloutId, Failure> {
    let mut entropy = [0; 10];
    getrandom::fill(&mut entropy).map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    let millis = Timestamp::now().as_millisecond();
    Ok(RolloutId::new(u64::try_from(millis).unwrap_or_default(), entropy))
}

/// Says what will be rolled out where, and asks before the first change.
async fn confirm(
    loaded: &Loaded,
    choice: &Choice,
    yes: bool,
    cancel: &watch::Receiver<bool>,
    settings: &Settings,
) -> Result<(), Failure> {
    let schedule = &loaded.plan.schedule;
    let hosts = schedule.hosts.len();
    let what = match choice {
        Choice::Stored(_, why) | Choice::New(why, _) => why.clone(),
    };
    if !settings.json() {
        let waves: Vec<String> =
            schedule.waves.iter().map(|wave| format!("{} ({})", wave.name, wave.hosts().len())).collect();
        crate::cli::commands::remark(settings, &format!("{}: {what}", loaded.plan.certificate));
        crate::cli::commands::remark(settings, &format!("waves: {}, {hosts} in all", waves.join(", then ")));
    }
    ask(&format!("roll out to {}?", count(hosts, "host")), yes, cancel, settings).await
}

/// Rolls out a playbook without asking: what the demo does.
pub(super) fn run_unasked(playbook: &Path, settings: &Settings) -> Result<Exit, Failure> {
    let args = Rollout {
        playbook: Some(playbook.to_owned()),
        plan: None,
        force: false,
        certificate: None,
        limit: None,
        accept: Vec::new(),
        yes: true,
    };
    run(&args, settings)
}
